//! Reads what [`super::print`] writes. It checks syntax only.

#[cfg(test)]
mod tests;

use super::print::{BufferRow, BufferTable, ItemText, LaunchText, LoopText, StepText};
use super::{Arg, BufferId, Condition, Layout, Pick, Place, Shares, Step};
use crate::tensor::parse::cursor::{Cursor, Read};
use crate::tensor::parse::lexer::Token;

/// Reads a step program, as `ir --stage step` prints it. Errors name the line.
pub fn step(text: &str) -> Result<StepText, String> {
    let mut cursor = Cursor::new(text)?;
    cursor.expect_word("step")?;
    let mut step = StepText { name: cursor.text()?, inputs: vec![], items: vec![], outputs: vec![] };
    cursor.expect('{')?;
    while !cursor.eat('}') {
        line(&mut cursor, &mut step)?;
    }
    cursor.end().map(|()| step)
}

/// Reads a table of buffers, as `ir --stage buffers` prints it. Errors name the line.
pub fn buffers(text: &str) -> Result<BufferTable, String> {
    let mut cursor = Cursor::new(text)?;
    let mut rows = vec![];
    while !cursor.eat_word("arena") {
        rows.push(row(&mut cursor)?);
    }
    cursor.expect_word("of")?;
    let arena_bytes = bytes(&mut cursor)?;
    cursor.end().map(|()| BufferTable { rows, arena_bytes })
}

/// An input, a launch with its barrier, or an output.
fn line(cursor: &mut Cursor, step: &mut StepText) -> Read<()> {
    if let Some(Token::Text(_)) = cursor.peek() {
        let name = cursor.text()?;
        arrow(cursor)?;
        step.inputs.push((name, buffer(cursor)?));
        return Ok(());
    }
    let barrier = cursor.eat_word("barrier");
    if cursor.eat_word("loop") {
        step.items.push(ItemText::Loop(looped(cursor, barrier)?));
        return Ok(());
    }
    let writes = args(cursor)?;
    if writes.len() == 1 && !barrier && cursor.peek() == Some(&Token::Sign('-')) {
        arrow(cursor)?;
        step.outputs.push((writes[0].buffer, cursor.text()?));
        return Ok(());
    }
    step.items.push(ItemText::Launch(launch(cursor, barrier, writes)?));
    Ok(())
}

/// `100 reverse while b3 in 4 shares { … } then { … }`
fn looped(cursor: &mut Cursor, barrier: bool) -> Read<LoopText> {
    let length = cursor.number("a number of iterations")?;
    let reverse = cursor.eat_word("reverse");
    let condition = if cursor.eat_word("while") { Some(condition(cursor)?) } else { None };
    let shares = if barrier || cursor.at_word("in") { Some(shares(cursor, barrier)?) } else { None };
    let body = items(cursor)?;
    let after = if cursor.eat_word("then") { items(cursor)? } else { vec![] };
    Ok(LoopText { length, reverse, condition, shares, items: body, after })
}

/// `in 4 shares`
fn shares(cursor: &mut Cursor, barrier: bool) -> Read<Shares> {
    cursor.expect_word("in")?;
    let count = cursor.number("a number of shares")?;
    cursor.expect_word("shares").map(|()| Shares { count, barrier })
}

fn condition(cursor: &mut Cursor) -> Read<Condition> {
    let barrier = cursor.eat_word("barrier");
    Ok(Condition { barrier, flag: arg(cursor)? })
}

/// Launches and loops in braces.
fn items(cursor: &mut Cursor) -> Read<Vec<ItemText>> {
    cursor.expect('{')?;
    let mut items = vec![];
    while !cursor.eat('}') {
        let barrier = cursor.eat_word("barrier");
        items.push(match cursor.eat_word("loop") {
            true => ItemText::Loop(looped(cursor, barrier)?),
            false => {
                let writes = args(cursor)?;
                ItemText::Launch(launch(cursor, barrier, writes)?)
            }
        });
    }
    Ok(items)
}

/// `= k0 rows(b0, b1) over 16 by 4`
fn launch(cursor: &mut Cursor, barrier: bool, writes: Vec<Arg>) -> Read<LaunchText> {
    cursor.expect('=')?;
    let kernel = cursor.take("a kernel", |t| numbered(t, "k"))?;
    let name = cursor.word()?;
    cursor.expect('(')?;
    let reads = cursor.list(')', arg)?;
    cursor.expect_word("over")?;
    let points = cursor.number("a number of points")?;
    let share = if cursor.eat_word("by") { cursor.number("the points of a share")? } else { 0 };
    Ok(LaunchText { barrier, writes, kernel, name, reads, points, share })
}

fn args(cursor: &mut Cursor) -> Read<Vec<Arg>> {
    let mut args = vec![arg(cursor)?];
    while cursor.eat(',') {
        args.push(arg(cursor)?);
    }
    Ok(args)
}

/// `b3`, `b3[i0 * 64 + 128]`
fn arg(cursor: &mut Cursor) -> Read<Arg> {
    let mut arg = Arg::from(buffer(cursor)?);
    if cursor.eat('[') {
        while let Some(Token::Word(_)) = cursor.peek() {
            arg.steps.push(step_of(cursor)?);
            if !cursor.eat('+') {
                return cursor.expect(']').map(|()| arg);
            }
        }
        arg.offset = cursor.number("an element")?;
        cursor.expect(']')?;
    }
    Ok(arg)
}

/// `i0 * 64`
fn step_of(cursor: &mut Cursor) -> Read<Step> {
    let named = |t: &Token, pick: Pick| numbered(t, pick.word()).map(|depth| (pick, depth));
    let pick = |t: &Token| Pick::ALL.into_iter().find_map(|pick| named(t, pick));
    let (pick, depth) = cursor.take("a loop", pick)?;
    cursor.expect('*')?;
    Ok(Step { depth, pick, stride: cursor.number("a stride")? })
}

fn arrow(cursor: &mut Cursor) -> Read<()> {
    cursor.expect('-')?;
    cursor.expect('>')
}

fn row(cursor: &mut Cursor) -> Read<BufferRow> {
    let id = buffer(cursor)?;
    let ty = cursor.ty(|c| c.number("a dimension"))?;
    let layout = layout(cursor)?;
    cursor.expect(',')?;
    let bytes = bytes(cursor)?;
    cursor.expect(',')?;
    let place = place(cursor)?;
    cursor.expect(':')?;
    Ok(BufferRow { id, ty, layout, bytes, place, name: cursor.text()? })
}

fn layout(cursor: &mut Cursor) -> Read<Layout> {
    if !cursor.eat_word("with") {
        return Ok(Layout::RowMajor);
    }
    ["a", "pitch", "of"].iter().try_for_each(|word| cursor.expect_word(word))?;
    Ok(Layout::Padded { pitch: cursor.number("a pitch")? })
}

fn bytes(cursor: &mut Cursor) -> Read<usize> {
    let count = cursor.number("a number of bytes")?;
    cursor.expect_word("bytes").map(|()| count)
}

fn place(cursor: &mut Cursor) -> Read<Place> {
    match cursor.word()?.as_str() {
        "arena" => {
            cursor.expect('+')?;
            Ok(Place::Arena { offset: cursor.number("an offset")? })
        }
        "input" => Ok(Place::Input(cursor.number("the number of an input")?)),
        "constant" => Ok(Place::Constant { data: cursor.number("the number of a constant")? }),
        _ => cursor.fail("a place after `arena`, `input` or `constant`"),
    }
}

fn buffer(cursor: &mut Cursor) -> Read<BufferId> {
    cursor.take("a buffer", |t| numbered(t, "b").map(BufferId))
}

/// The number in `k3` or `b3`.
fn numbered<T: std::str::FromStr>(token: &Token, letters: &str) -> Option<T> {
    match token {
        Token::Word(word) => word.strip_prefix(letters)?.parse().ok(),
        _ => None,
    }
}

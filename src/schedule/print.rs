//! Step programs as text: `ir --stage step` and `ir --stage buffers`. What they show is data of its own, without the
//! kernels' bodies, which [`super::parse`] reads back.

use super::{
    Arg, Binding, Buffer, BufferId, Condition, Item, Launch, Layout, Loop, Outcome, Pick, Place, Shares, Step,
    StepProgram,
};
use crate::ops::attr::quoted;
use crate::ops::{Op, Type};
use crate::tile::{Access, Kernel, Param};
use std::fmt::{self, Display, Formatter};

/// A step program as it prints:
///
/// ```text
/// step "step" {
///   "x" -> b0
///   b3, b4 = k0 rows(b0, b1) over 16
///   loop 100 in 2 shares {
///     barrier
///     b5[even0 * 64] = k2 cell_dot(b4[i0 * 64], b5[odd0 * 64]) over 4 by 2
///   }
///   barrier
///   b1 = k1 head_columns(b3) over 1
///   b1 -> "head.bias"
/// }
/// ```
///
/// An argument with brackets begins at that element: `i0` is the position in the outermost loop, `odd0` is 1 in its
/// second iteration and every other from there on, `even0` in the first.
#[derive(Clone, PartialEq, Debug)]
pub struct StepText {
    pub name: String,
    pub inputs: Vec<(String, BufferId)>,
    pub items: Vec<ItemText>,
    pub outputs: Vec<(BufferId, String)>,
}

#[derive(Clone, PartialEq, Debug)]
pub enum ItemText {
    Launch(LaunchText),
    Loop(LoopText),
}

/// `loop length reverse while flag in n shares { … } then { … }`; `while barrier flag` where workers wait before they
/// read it, and `barrier` before `loop` where they wait for a loop that has shares.
#[derive(Clone, PartialEq, Debug)]
pub struct LoopText {
    pub length: usize,
    pub reverse: bool,
    pub condition: Option<Condition>,
    pub shares: Option<Shares>,
    pub items: Vec<ItemText>,
    pub after: Vec<ItemText>,
}

/// `writes = k<kernel> name(reads) over points by share`, after `barrier` where workers wait. A buffer that is updated in
/// place stands among the writes; outside of loops that have shares there is no `by`.
#[derive(Clone, PartialEq, Debug)]
pub struct LaunchText {
    pub barrier: bool,
    pub writes: Vec<Arg>,
    pub kernel: usize,
    pub name: String,
    pub reads: Vec<Arg>,
    pub points: usize,
    pub share: usize,
}

/// The buffers of a step program, a line each, and the size of their arena.
#[derive(Clone, PartialEq, Debug)]
pub struct BufferTable {
    pub rows: Vec<BufferRow>,
    pub arena_bytes: usize,
}

/// `b0 f32[64, 10], 2560 bytes, arena + 128: "logits"`
#[derive(Clone, PartialEq, Debug)]
pub struct BufferRow {
    pub id: BufferId,
    pub ty: Type,
    pub layout: Layout,
    pub bytes: usize,
    pub place: Place,
    pub name: String,
}

// ── from a program ──

impl From<&StepProgram> for StepText {
    fn from(program: &StepProgram) -> StepText {
        let input = |b: &Binding| (b.name.clone(), b.buffer);
        let output = |o: &Outcome| (o.buffer, o.name.clone());
        StepText {
            name: program.name.clone(),
            inputs: program.inputs.iter().map(input).collect(),
            items: items(&program.items, &program.kernels),
            outputs: program.outputs.iter().map(output).collect(),
        }
    }
}

fn items(of: &[Item], kernels: &[Kernel]) -> Vec<ItemText> {
    let item = |item: &Item| match item {
        Item::Launch(launch) => ItemText::Launch(LaunchText::of(launch, &kernels[launch.kernel])),
        Item::Loop(inner) => ItemText::Loop(LoopText::of(inner, kernels)),
    };
    of.iter().map(item).collect()
}

impl LoopText {
    fn of(inner: &Loop, kernels: &[Kernel]) -> LoopText {
        LoopText {
            length: inner.length,
            reverse: inner.reverse,
            condition: inner.condition.clone(),
            shares: inner.shares,
            items: items(&inner.items, kernels),
            after: items(&inner.after, kernels),
        }
    }
}

impl LaunchText {
    fn of(launch: &Launch, kernel: &Kernel) -> LaunchText {
        let args = launch.args.iter().cloned().zip(&kernel.params);
        let (writes, reads): (Vec<_>, Vec<_>) = args.partition(|(_, p): &(_, &Param)| p.access != Access::Read);
        let ids = |args: Vec<(Arg, &Param)>| args.into_iter().map(|(arg, _)| arg).collect();
        LaunchText {
            barrier: launch.barrier,
            writes: ids(writes),
            kernel: launch.kernel,
            name: kernel.name.clone(),
            reads: ids(reads),
            points: kernel.points(),
            share: launch.share,
        }
    }
}

impl From<&StepProgram> for BufferTable {
    fn from(program: &StepProgram) -> BufferTable {
        let rows = program.buffers.iter().enumerate().map(|(i, b)| BufferRow::of(BufferId(i as u32), b));
        BufferTable { rows: rows.collect(), arena_bytes: program.arena_bytes }
    }
}

impl BufferRow {
    fn of(id: BufferId, buffer: &Buffer) -> BufferRow {
        let (ty, name, bytes) = (buffer.ty.clone(), buffer.name.clone(), buffer.bytes());
        BufferRow { id, ty, layout: buffer.layout, bytes, place: buffer.place, name }
    }
}

// ── as text ──

impl Display for StepProgram {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        StepText::from(self).fmt(f)
    }
}

impl Display for StepText {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        writeln!(f, "step {} {{", quoted(&self.name))?;
        for (name, buffer) in &self.inputs {
            writeln!(f, "  {} -> {buffer}", quoted(name))?;
        }
        self.items.iter().try_for_each(|item| item.print(f, 1))?;
        for (buffer, name) in &self.outputs {
            writeln!(f, "  {buffer} -> {}", quoted(name))?;
        }
        f.write_str("}\n")
    }
}

impl ItemText {
    fn print(&self, f: &mut Formatter<'_>, depth: usize) -> fmt::Result {
        match self {
            ItemText::Launch(launch) => launch.print(f, depth),
            ItemText::Loop(inner) => inner.print(f, depth),
        }
    }
}

impl LoopText {
    fn print(&self, f: &mut Formatter<'_>, depth: usize) -> fmt::Result {
        let indent = "  ".repeat(depth);
        if self.shares.is_some_and(|s| s.barrier) {
            writeln!(f, "{indent}barrier")?;
        }
        write!(f, "{indent}loop {}{}", self.length, if self.reverse { " reverse" } else { "" })?;
        if let Some(condition) = &self.condition {
            write!(f, " while {}{}", if condition.barrier { "barrier " } else { "" }, condition.flag)?;
        }
        if let Some(shares) = &self.shares {
            write!(f, " in {} shares", shares.count)?;
        }
        writeln!(f, " {{")?;
        self.items.iter().try_for_each(|item| item.print(f, depth + 1))?;
        if !self.after.is_empty() {
            writeln!(f, "{indent}}} then {{")?;
            self.after.iter().try_for_each(|item| item.print(f, depth + 1))?;
        }
        writeln!(f, "{indent}}}")
    }
}

impl LaunchText {
    fn print(&self, f: &mut Formatter<'_>, depth: usize) -> fmt::Result {
        let indent = "  ".repeat(depth);
        if self.barrier {
            writeln!(f, "{indent}barrier")?;
        }
        let (writes, reads) = (commas(&self.writes), commas(&self.reads));
        let by = if self.share > 0 { format!(" by {}", self.share) } else { String::new() };
        writeln!(f, "{indent}{writes} = k{} {}({reads}) over {}{by}", self.kernel, self.name, self.points)
    }
}

fn commas(args: &[Arg]) -> String {
    args.iter().map(Arg::to_string).collect::<Vec<_>>().join(", ")
}

impl Display for Arg {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let mut terms: Vec<String> = self.steps.iter().map(Step::to_string).collect();
        if self.offset != 0 {
            terms.push(self.offset.to_string());
        }
        match terms.is_empty() {
            true => self.buffer.fmt(f),
            false => write!(f, "{}[{}]", self.buffer, terms.join(" + ")),
        }
    }
}

impl Display for Step {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "{}{} * {}", self.pick.word(), self.depth, self.stride)
    }
}

impl Pick {
    pub const ALL: [Pick; 3] = [Pick::Position, Pick::Odd, Pick::Even];

    pub fn word(self) -> &'static str {
        match self {
            Pick::Position => "i",
            Pick::Odd => "odd",
            Pick::Even => "even",
        }
    }
}

impl Display for BufferTable {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        for row in &self.rows {
            writeln!(f, "{row}")?;
        }
        writeln!(f, "arena of {} bytes", self.arena_bytes)
    }
}

impl Display for BufferRow {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.id, self.ty)?;
        if let Layout::Padded { pitch } = self.layout {
            write!(f, " with a pitch of {pitch}")?;
        }
        write!(f, ", {} bytes, {}: {}", self.bytes, self.place, quoted(&self.name))
    }
}

impl Display for Place {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Place::Arena { offset } => write!(f, "arena + {offset}"),
            Place::Input(n) => write!(f, "input {n}"),
            Place::Constant { data } => write!(f, "constant {data}"),
        }
    }
}

impl Display for BufferId {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "b{}", self.0)
    }
}

/// The first word of an operation's name: `Reduce`, `Dot`.
pub fn op_name(op: &Op) -> String {
    let debug = format!("{op:?}");
    let word: String = debug.chars().take_while(|c| c.is_alphanumeric()).collect();
    word.to_lowercase()
}

//! `rearrange(x, "b t (h d) -> b h t d", h: 4)` and `einsum("bqd, bkd -> bqk", q, k)`.

use super::movement::product;
use super::{Checked, Emit, error};
use crate::ops::Extent;
use crate::ops::dim::Dim;
use crate::source::Span;
use crate::tensor::Value as Node;
use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

/// The text of a pattern and where its literal stands, so that errors point inside the string.
#[derive(Clone, Debug)]
pub struct Pattern {
    pub text: Arc<str>,
    pub span: Span,
}

impl Pattern {
    fn error(&self, at: Range<usize>, message: impl Into<String>) -> Box<crate::diag::Diagnostic> {
        let literal = (self.span.end - self.span.start) as usize == self.text.len() + 2;
        let start = self.span.start as usize + 1;
        let inside = Span::new(self.span.file, start + at.start, start + at.end);
        error::bad_pattern(if literal { inside } else { self.span }, message)
    }

    /// The byte ranges of the two sides of `->`.
    fn sides(&self) -> Checked<(Range<usize>, Range<usize>)> {
        match self.text.split_once("->") {
            Some((left, right)) if !right.contains("->") => Ok((0..left.len(), left.len() + 2..self.text.len())),
            _ => Err(self.error(0..self.text.len(), "a pattern has two sides with one `->` between them")),
        }
    }

    /// One side of a rearrange pattern: a list of axes, each a product of names. `1` is an empty product.
    fn axes(&self, side: Range<usize>) -> Checked<Vec<Vec<String>>> {
        let (mut axes, mut group): (Vec<Vec<String>>, Option<Vec<String>>) = (vec![], None);
        for (at, word) in words(&self.text[side.clone()], side.start) {
            let range = at..at + word.len();
            match (word, &mut group) {
                ("(", None) => group = Some(vec![]),
                (")", Some(names)) => {
                    axes.push(std::mem::take(names));
                    group = None;
                }
                ("(" | ")", _) => return Err(self.error(range, "brackets of a pattern do not nest, and come in pairs")),
                ("1", None) => axes.push(vec![]),
                ("1", Some(_)) => {}
                (name, _) if !name.starts_with(|c: char| c.is_alphabetic() || c == '_') => {
                    return Err(self.error(range, format!("`{name}` is not the name of an axis")));
                }
                (name, Some(names)) => names.push(name.to_string()),
                (name, None) => axes.push(vec![name.to_string()]),
            }
        }
        if group.is_some() {
            return Err(self.error(side, "a bracket is not closed"));
        }
        Ok(axes)
    }
}

impl Emit {
    /// Splits axes, permutes them, joins them; `sizes` gives lengths that the shape alone does not determine.
    pub fn rearrange(&mut self, x: Node, pattern: &Pattern, sizes: &[(Arc<str>, Dim)]) -> Checked<Node> {
        let (left, right) = pattern.sides()?;
        let (from, to) = (pattern.axes(left.clone())?, pattern.axes(right.clone())?);
        let (names, wanted) = (from.concat(), to.concat());
        check_names(pattern, left.clone(), right, &names, &wanted)?;
        let shape = self.shape(x);
        if from.len() != shape.len() {
            let message = format!("{} axes for the shape {}", from.len(), error::shape_text(&shape));
            return Err(pattern.error(left, message));
        }
        let mut known: HashMap<String, Dim> = sizes.iter().map(|(n, d)| (n.to_string(), d.clone())).collect();
        for (axis, size) in from.iter().zip(&shape) {
            solve_axis(axis, size, &mut known).ok_or_else(|| {
                let message =
                    format!("lengths of `{}` do not follow from {size}: give them as options", axis.join(" "));
                pattern.error(left.clone(), message)
            })?;
        }
        let lengths = |names: &[String]| -> Vec<Dim> { names.iter().map(|n| known[n].clone()).collect() };
        let flat = self.reshape(x, &lengths(&names))?;
        let perm: Vec<usize> = wanted.iter().filter_map(|w| names.iter().position(|n| n == w)).collect();
        let moved = self.transpose(flat, &perm)?;
        let joined: Vec<Dim> = to.iter().map(|axis| product(&lengths(axis))).collect();
        self.reshape(moved, &joined)
    }

    /// Labels are single letters; a label that the result lacks is summed over.
    pub fn einsum(&mut self, pattern: &Pattern, operands: &[Node]) -> Checked<Node> {
        let (left, right) = pattern.sides()?;
        let groups: Vec<Vec<char>> = pattern.text[left.clone()].split(',').map(letters).collect();
        let result = letters(&pattern.text[right.clone()]);
        if groups.len() != operands.len() {
            let message = format!("{} operands in the pattern, {} given", groups.len(), operands.len());
            return Err(pattern.error(left, message));
        }
        for (labels, &x) in groups.iter().zip(operands) {
            if let Some(c) = odd_label(labels) {
                return Err(pattern.error(left, format!("`{c}` is no label, or stands twice in one operand")));
            }
            if labels.len() != self.rank(x) {
                let ty = self.ty(x).to_string();
                let labels: String = labels.iter().collect();
                return Err(pattern.error(left, format!("`{labels}` does not label the axes of {ty}")));
            }
        }
        let unknown = |c: &&char| !groups.iter().any(|g| g.contains(c));
        if let Some(c) = odd_label(&result).or(result.iter().find(unknown).copied()) {
            return Err(pattern.error(right, format!("`{c}` stands twice in the result, or in no operand")));
        }
        self.contract(operands.iter().copied().zip(groups).collect(), &result)
    }
}

/// Words and brackets with their offsets.
fn words(text: &str, offset: usize) -> Vec<(usize, &str)> {
    let mut found = vec![];
    let mut start = 0;
    for (i, c) in text.char_indices().chain([(text.len(), ' ')]) {
        if !c.is_whitespace() && c != '(' && c != ')' {
            continue;
        }
        if start < i {
            found.push((offset + start, &text[start..i]));
        }
        start = i + c.len_utf8();
        if !c.is_whitespace() {
            found.push((offset + i, &text[i..start]));
        }
    }
    found
}

fn check_names(
    pattern: &Pattern,
    left: Range<usize>,
    right: Range<usize>,
    names: &[String],
    wanted: &[String],
) -> Checked<()> {
    let twice = |list: &[String]| list.iter().enumerate().find(|(i, n)| list[..*i].contains(n)).map(|(_, n)| n.clone());
    if let Some(name) = twice(names) {
        return Err(pattern.error(left, format!("`{name}` stands twice on the left")));
    }
    let odd = twice(wanted).or_else(|| wanted.iter().find(|n| !names.contains(n)).cloned());
    if let Some(name) = odd.or_else(|| names.iter().find(|n| !wanted.contains(n)).cloned()) {
        return Err(pattern.error(right, format!("`{name}` must stand once on each side")));
    }
    Ok(())
}

/// Binds the one unknown name of an axis, and checks the product.
fn solve_axis(axis: &[String], size: &Dim, known: &mut HashMap<String, Dim>) -> Option<()> {
    let unknown: Vec<&String> = axis.iter().filter(|n| !known.contains_key(*n)).collect();
    let given: Vec<Dim> = axis.iter().filter_map(|n| known.get(n).cloned()).collect();
    let given = product(&given);
    match unknown.as_slice() {
        [] => given.same(size).then_some(()),
        [name] => {
            let rest = if given.same(size) { Dim::Const(1) } else { size.floor_div(given.known().filter(|&n| n > 0)?) };
            if !rest.mul(&given).same(size) {
                return None;
            }
            known.insert((*name).clone(), rest);
            Some(())
        }
        _ => None,
    }
}

fn letters(text: &str) -> Vec<char> {
    text.chars().filter(|c| !c.is_whitespace()).collect()
}

fn odd_label(labels: &[char]) -> Option<char> {
    labels.iter().enumerate().find(|(i, c)| !c.is_alphabetic() || labels[..*i].contains(c)).map(|(_, c)| *c)
}

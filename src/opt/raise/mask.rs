//! Masks taken apart: what says no more than that a key comes after its query is an attribute of attention, and the
//! rest stays a value.

use super::program::Program;
use super::scores::Placed;
use crate::ops::{Binary, Compare, Literal, Op};
use crate::tensor::Value;
use crate::tensor::build::Builder;

pub struct Mask {
    pub causal: bool,
    /// Parts that hold together; axes are those of the whole mask.
    pub parts: Vec<Placed>,
    shape: Vec<usize>,
}

/// The query and key axes of a mask.
pub struct Sides {
    pub query: usize,
    pub key: usize,
}

impl Mask {
    pub fn of(p: &dyn Program, value: Value, sides: &Sides) -> Mask {
        let shape = p.shape(value).to_vec();
        let all = split(p, Placed { value, axes: (0..shape.len()).collect() });
        let causal = all.iter().any(|part| is_causal(p, part, sides, &shape));
        let says_something = |part: &Placed| {
            !is_causal(p, part, sides, &shape) && !matches!(p.splat(part.value), Some(Literal::Bool(true)))
        };
        Mask { causal, parts: all.into_iter().filter(says_something).collect(), shape }
    }

    /// The parts together, in the shape of the whole mask; `None` where nothing is left.
    pub fn rest(&self, b: &mut Builder) -> Option<Value> {
        let parts = self.parts.iter().map(|part| match b.shape(part.value) == self.shape {
            true => part.value,
            false => b.broadcast(part.value, &self.shape, &part.axes),
        });
        let parts: Vec<Value> = parts.collect();
        parts.into_iter().reduce(|all, part| b.binary(Binary::And, all, part))
    }
}

/// The parts of a conjunction, seen through broadcasts.
fn split(p: &dyn Program, at: Placed) -> Vec<Placed> {
    let inst = p.def(at.value);
    match &inst.op {
        Op::Binary(Binary::And) => {
            let part = |value: &Value| split(p, Placed { value: *value, axes: at.axes.clone() });
            inst.args.iter().flat_map(part).collect()
        }
        Op::Broadcast { axes, .. } => {
            let axes = axes.iter().map(|axis| at.axes[*axis]).collect();
            split(p, Placed { value: inst.args[0], axes })
        }
        _ => vec![at],
    }
}

/// key <= query + S - T
fn is_causal(p: &dyn Program, part: &Placed, sides: &Sides, shape: &[usize]) -> bool {
    let inst = p.def(part.value);
    let Op::Compare(compare) = inst.op else { return false };
    let (Some(a), Some(b)) = (position(p, inst.args[0]), position(p, inst.args[1])) else { return false };
    let (smaller, larger, slack) = match compare {
        Compare::Le => (a, b, 0),
        Compare::Lt => (a, b, -1),
        Compare::Ge => (b, a, 0),
        Compare::Gt => (b, a, -1),
        _ => return false,
    };
    let whole = |at: &Position| p.shape(part.value)[at.axis] == shape[part.axes[at.axis]];
    let room = larger.offset - smaller.offset + slack;
    part.axes[smaller.axis] == sides.key
        && part.axes[larger.axis] == sides.query
        && whole(&smaller)
        && whole(&larger)
        && room == shape[sides.key] as i64 - shape[sides.query] as i64
}

/// The place along an axis, plus an offset.
struct Position {
    axis: usize,
    offset: i64,
}

fn position(p: &dyn Program, value: Value) -> Option<Position> {
    let inst = p.def(value);
    match &inst.op {
        Op::Iota { axis, .. } => Some(Position { axis: *axis, offset: 0 }),
        Op::Broadcast { axes, .. } => {
            let from = position(p, inst.args[0])?;
            let axis = axes[from.axis];
            let kept = p.shape(inst.args[0])[from.axis] == p.shape(value)[axis];
            kept.then_some(Position { axis, ..from })
        }
        Op::Reshape { shape } => {
            let from = position(p, inst.args[0])?;
            let axis = same_axis(p.shape(inst.args[0]), shape, from.axis)?;
            Some(Position { axis, ..from })
        }
        Op::Transpose { perm } => {
            let from = position(p, inst.args[0])?;
            Some(Position { axis: perm.iter().position(|axis| *axis == from.axis)?, ..from })
        }
        Op::Binary(Binary::Add) => {
            shifted(p, inst.args[0], inst.args[1], 1).or_else(|| shifted(p, inst.args[1], inst.args[0], 1))
        }
        Op::Binary(Binary::Sub) => shifted(p, inst.args[0], inst.args[1], -1),
        _ => None,
    }
}

fn shifted(p: &dyn Program, value: Value, by: Value, sign: i64) -> Option<Position> {
    let Literal::Int(n) = p.splat(by)? else { return None };
    let from = position(p, value)?;
    Some(Position { offset: from.offset + sign * n, ..from })
}

/// Where an axis stands after a reshape that only adds or drops axes of length 1.
fn same_axis(from: &[usize], to: &[usize], axis: usize) -> Option<usize> {
    let long = |shape: &[usize]| (0..shape.len()).filter(|a| shape[*a] != 1).collect::<Vec<_>>();
    let (before, after) = (long(from), long(to));
    let sizes = |axes: &[usize], shape: &[usize]| axes.iter().map(|a| shape[*a]).collect::<Vec<_>>();
    if sizes(&before, from) != sizes(&after, to) {
        return None;
    }
    after.get(before.iter().position(|a| *a == axis)?).copied()
}

//! Moves that do nothing, undo each other, or combine to one.

use crate::ops::{Op, Pad};
use crate::opt::Rewriter;
use crate::tensor::{Inst, Value};

pub fn simplify(r: &mut Rewriter, inst: &Inst) -> Option<Value> {
    let x = *inst.args.first()?;
    match &inst.op {
        Op::Reshape { shape } => reshape(r, x, shape),
        Op::Transpose { perm } => transpose(r, x, perm),
        Op::Broadcast { shape, axes } => broadcast(r, x, shape, axes),
        Op::Slice { start, size, stride } => slice(r, x, start, size, stride),
        Op::Pad { pads } => pad(r, x, inst.args[1], pads),
        Op::Concat { .. } if inst.args.len() == 1 => Some(x),
        Op::Reverse { axes } => axes.iter().all(|&a| r.b.graph.ty(x).shape[a] == 1).then_some(x),
        _ => None,
    }
}

fn reshape(r: &mut Rewriter, x: Value, shape: &[usize]) -> Option<Value> {
    if r.b.graph.ty(x).shape == shape {
        return Some(x);
    }
    let inner = r.def(x);
    let from = matches!(inner.op, Op::Reshape { .. }).then(|| inner.args[0])?;
    Some(r.b.reshape(from, shape))
}

fn transpose(r: &mut Rewriter, x: Value, perm: &[usize]) -> Option<Value> {
    if perm.iter().copied().eq(0..perm.len()) {
        return Some(x);
    }
    let shape = r.b.shape(x);
    if perm.iter().filter(|&&axis| shape[axis] != 1).is_sorted() {
        let moved: Vec<usize> = perm.iter().map(|&axis| shape[axis]).collect();
        return Some(r.b.reshape(x, &moved));
    }
    let inner = r.def(x);
    let Op::Transpose { perm: first } = &inner.op else { return None };
    let (from, both) = (inner.args[0], perm.iter().map(|&axis| first[axis]).collect::<Vec<_>>());
    Some(r.b.transpose(from, &both))
}

fn broadcast(r: &mut Rewriter, x: Value, shape: &[usize], axes: &[usize]) -> Option<Value> {
    let from = r.b.shape(x);
    if from == shape {
        return Some(x);
    }
    if from.iter().product::<usize>() == shape.iter().product::<usize>() {
        return Some(r.b.reshape(x, shape));
    }
    let inner = r.def(x).clone();
    match inner.op {
        Op::Broadcast { axes: first, .. } => {
            let both: Vec<usize> = first.iter().map(|&a| axes[a]).collect();
            Some(r.b.broadcast(inner.args[0], shape, &both))
        }
        Op::Reshape { .. } => without_ones(r, inner.args[0], &from, shape, axes),
        _ => None,
    }
}

/// A reshape that only adds axes of size 1 before they are broadcast: the broadcast can add them itself.
fn without_ones(r: &mut Rewriter, x: Value, middle: &[usize], shape: &[usize], axes: &[usize]) -> Option<Value> {
    let wide: Vec<usize> = (0..middle.len()).filter(|&i| middle[i] != 1).collect();
    if !wide.iter().map(|&i| middle[i]).eq(r.b.shape(x)) {
        return None;
    }
    let places: Vec<usize> = wide.iter().map(|&i| axes[i]).collect();
    Some(r.b.broadcast(x, shape, &places))
}

fn slice(r: &mut Rewriter, x: Value, start: &[usize], size: &[usize], stride: &[usize]) -> Option<Value> {
    if r.b.graph.ty(x).shape == size {
        return Some(x);
    }
    let inner = r.def(x).clone();
    let Op::Slice { start: first, stride: step, .. } = inner.op else { return None };
    let start: Vec<usize> = (0..start.len()).map(|i| first[i] + start[i] * step[i]).collect();
    let stride: Vec<usize> = (0..start.len()).map(|i| stride[i] * step[i]).collect();
    Some(r.b.slice(inner.args[0], &start, size, &stride))
}

fn pad(r: &mut Rewriter, x: Value, value: Value, pads: &[Pad]) -> Option<Value> {
    if pads.iter().all(|p| (p.low, p.high, p.interior) == (0, 0, 0)) {
        return Some(x);
    }
    let inner = r.def(x).clone();
    let Op::Pad { pads: first } = inner.op else { return None };
    let same_value = inner.args[1] == value || (r.splat(value).is_some() && r.splat(value) == r.splat(inner.args[1]));
    let simple = |p: &Pad| p.low >= 0 && p.high >= 0 && p.interior == 0;
    if !same_value || !pads.iter().chain(&first).all(simple) {
        return None;
    }
    let both = |(a, b): (&Pad, &Pad)| Pad { low: a.low + b.low, high: a.high + b.high, interior: 0 };
    Some(r.b.pad(inner.args[0], value, first.iter().zip(pads).map(both).collect()))
}

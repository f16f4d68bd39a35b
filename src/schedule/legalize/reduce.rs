//! Reductions: axes merge into alternating runs, long ones are split, arg-reductions become reductions of indices.

use super::{Legalizer, slices};
use crate::ops::{Binary, Compare, DType, Literal, Op, Pad, Reduce};
use crate::tensor::Value;

/// Consecutive axes that are all kept or all reduced, merged; axes of length 1 vanish.
#[derive(Clone, Copy)]
struct Run {
    reduced: bool,
    size: usize,
}

impl Legalizer<'_> {
    pub(super) fn reduce(&mut self, op: Reduce, x: Value, axes: &[usize]) -> Value {
        let shape = self.shape(x);
        let kept: Vec<usize> = (0..shape.len()).filter(|i| !axes.contains(i)).map(|i| shape[i]).collect();
        let runs = runs(&shape, axes);
        if axes.iter().any(|a| shape[*a] == 0) {
            let dtype = self.dtype(x);
            return self.full(identity(op, dtype), dtype, &kept);
        }
        let merged: Vec<usize> = runs.iter().map(|r| r.size).collect();
        let x = self.b().reshape(x, &merged);
        let y = match split(&runs) {
            Some((axis, parts)) => self.reduce_in_slices(op, x, axis, parts),
            None => self.reduce_runs(op, x, &runs),
        };
        self.b().reshape(y, &kept)
    }

    /// A check that all elements hold: kernels clear it where they compute one that does not, so it is not split.
    pub(super) fn check_all(&mut self, x: Value) -> Value {
        let n = self.shape(x).iter().product();
        if n < 2 {
            let axes: Vec<usize> = (0..self.shape(x).len()).collect();
            return self.reduce(Reduce::All, x, &axes);
        }
        let x = self.b().reshape(x, &[n]);
        self.push_reduce(Reduce::All, x, vec![0], &[])
    }

    fn reduce_runs(&mut self, op: Reduce, x: Value, runs: &[Run]) -> Value {
        let axes: Vec<usize> = (0..runs.len()).filter(|i| runs[*i].reduced).collect();
        let kept: Vec<usize> = runs.iter().filter(|r| !r.reduced).map(|r| r.size).collect();
        if axes.is_empty() { x } else { self.push_reduce(op, x, axes, &kept) }
    }

    fn push_reduce(&mut self, op: Reduce, x: Value, axes: Vec<usize>, kept: &[usize]) -> Value {
        let ty = self.like(x, kept);
        self.push(Op::Reduce { op, axes }, &[x], ty)
    }

    /// Reduces each slice, then the slices' results in order.
    fn reduce_in_slices(&mut self, op: Reduce, x: Value, axis: usize, parts: usize) -> Value {
        let mut shape = self.shape(x);
        let padded = shape[axis].next_multiple_of(parts);
        let mut pads = vec![Pad { low: 0, high: 0, interior: 0 }; shape.len()];
        pads[axis].high = (padded - shape[axis]) as i64;
        let x = self.pad(x, pads, identity(op, self.dtype(x)));
        shape.splice(axis..=axis, [parts, padded / parts]);
        let sliced = self.b().reshape(x, &shape);
        shape.remove(axis + 1);
        let partial = self.push_reduce(op, sliced, vec![axis + 1], &shape);
        shape.remove(axis);
        self.push_reduce(op, partial, vec![axis], &shape)
    }

    /// The first index whose element equals the extreme; NaN is the extreme, and so the first NaN.
    pub(super) fn arg_extreme(&mut self, op: Reduce, x: Value, axis: usize) -> Value {
        let shape = self.shape(x);
        let extreme = self.reduce(op, x, &[axis]);
        let others: Vec<usize> = (0..shape.len()).filter(|i| *i != axis).collect();
        let spread = self.b().broadcast(extreme, &shape, &others);
        let mut hit = self.b().compare(Compare::Eq, x, spread);
        if self.dtype(x).is_float() {
            let nan = self.b().compare(Compare::Ne, x, x);
            hit = self.b().binary(Binary::Or, hit, nan);
        }
        let iota = Op::Iota { shape: shape.clone(), axis, dtype: DType::I32 };
        let ty = crate::ops::Type::new(DType::I32, shape.clone());
        let index = self.push(iota, &[], ty.clone());
        let beyond = self.full(Literal::Int(shape[axis] as i64), DType::I32, &shape);
        let candidates = self.push(Op::Select, &[hit, index, beyond], ty);
        self.reduce(Reduce::Min, candidates, &[axis])
    }
}

fn runs(shape: &[usize], axes: &[usize]) -> Vec<Run> {
    let mut runs: Vec<Run> = vec![];
    for (axis, &size) in shape.iter().enumerate().filter(|(_, n)| **n != 1) {
        let reduced = axes.contains(&axis);
        match runs.last_mut() {
            Some(run) if run.reduced == reduced => run.size *= size,
            _ => runs.push(Run { reduced, size }),
        }
    }
    runs
}

/// The axis to slice and the number of slices, for one long reduction with few results to share among workers.
fn split(runs: &[Run]) -> Option<(usize, usize)> {
    let axis = runs.iter().position(|r| r.reduced)?;
    if runs.iter().filter(|r| r.reduced).count() > 1 {
        return None;
    }
    let (long, before) = (runs[axis].size, if axis > 0 { runs[0].size } else { 1 });
    let cols = runs.get(axis + 1).map_or(1, |r| r.size);
    let points = before * cols.div_ceil(64);
    let worth = long >= 256 && long * cols >= 16384;
    (points < 16 && worth).then(|| (axis, slices(long).unwrap_or(32)))
}

/// The result over no elements.
pub fn identity(op: Reduce, dtype: DType) -> Literal {
    let float = dtype.is_float();
    match op {
        Reduce::Sum if float => Literal::Float(0.0),
        Reduce::Product if float => Literal::Float(1.0),
        Reduce::Max if float => Literal::Float(f64::NEG_INFINITY),
        Reduce::Min if float => Literal::Float(f64::INFINITY),
        Reduce::Sum => Literal::Int(0),
        Reduce::Product => Literal::Int(1),
        Reduce::Max => Literal::Int(i32::MIN.into()),
        Reduce::Min => Literal::Int(i32::MAX.into()),
        Reduce::Any => Literal::Bool(false),
        Reduce::All => Literal::Bool(true),
    }
}

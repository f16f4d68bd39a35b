//! Identities of maps and reductions.

use crate::ops::{Binary, Compare, DType, Literal, Op, Reduce, Unary};
use crate::opt::Rewriter;
use crate::opt::raise::small_power;
use crate::tensor::{Inst, Value};

pub fn simplify(r: &mut Rewriter, inst: &Inst) -> Option<Value> {
    let x = *inst.args.first()?;
    match &inst.op {
        Op::Unary(op @ (Unary::Neg | Unary::Not)) => undone(r, *op, x),
        Op::Binary(op) => binary(r, *op, x, inst.args[1]),
        // Gradients have been taken.
        Op::StopGradient => Some(x),
        Op::Select => select(r, x, inst.args[1], inst.args[2]),
        Op::Cast(to) => cast(r, x, *to),
        Op::Reduce { op, axes } => reduce(r, *op, x, axes),
        _ => None,
    }
}

/// −(−x) and its kin.
fn undone(r: &Rewriter, op: Unary, x: Value) -> Option<Value> {
    let inner = r.def(x);
    (inner.op == Op::Unary(op)).then(|| inner.args[0])
}

fn binary(r: &mut Rewriter, op: Binary, x: Value, y: Value) -> Option<Value> {
    let (left, right) = (r.splat(x), r.splat(y));
    match op {
        Binary::Add if is_neutral_sum(right) => Some(x),
        Binary::Add if is_neutral_sum(left) => Some(y),
        Binary::Add => negated(r, y).map(|z| r.b.sub(x, z)),
        Binary::Sub if is_positive_zero(right) => Some(x),
        Binary::Sub => negated(r, y).map(|z| r.b.add(x, z)),
        Binary::Mul if is_number(right, 1.0) => Some(x),
        Binary::Mul if is_number(left, 1.0) => Some(y),
        Binary::Mul if is_number(right, -1.0) => Some(r.b.neg(x)),
        Binary::Mul if is_number(left, -1.0) => Some(r.b.neg(y)),
        Binary::Mul if [left, right].contains(&Some(Literal::Int(0))) => Some(r.b.zeros_like(x)),
        Binary::Div if is_number(right, 1.0) => Some(x),
        Binary::Pow => power(r, x, right?),
        Binary::Max | Binary::Min if x == y => Some(x),
        Binary::And if exclude_each_other(r, x, y) || exclude_each_other(r, y, x) => Some(r.b.zeros_like(x)),
        Binary::And | Binary::Or => logic(op, x, y, left, right),
        _ => None,
    }
}

/// −0 for floats (x + 0 turns −0 into 0), 0 for integers.
fn is_neutral_sum(literal: Option<Literal>) -> bool {
    matches!(literal, Some(Literal::Int(0))) || literal == Some(Literal::Float(-0.0))
}

fn is_positive_zero(literal: Option<Literal>) -> bool {
    matches!(literal, Some(Literal::Int(0))) || literal == Some(Literal::Float(0.0))
}

fn is_number(literal: Option<Literal>, x: f64) -> bool {
    match literal {
        Some(Literal::Float(y)) => y == x,
        Some(Literal::Int(n)) => n as f64 == x,
        _ => false,
    }
}

fn negated(r: &Rewriter, x: Value) -> Option<Value> {
    let inst = r.def(x);
    (inst.op == Op::Unary(Unary::Neg)).then(|| inst.args[0])
}

/// Small whole exponents as products.
fn power(r: &mut Rewriter, x: Value, exponent: Literal) -> Option<Value> {
    match exponent {
        Literal::Float(exponent) => small_power(r, x, exponent),
        _ => None,
    }
}

/// Logic with a constant; `x ∧ x` is x.
fn logic(op: Binary, x: Value, y: Value, left: Option<Literal>, right: Option<Literal>) -> Option<Value> {
    if x == y {
        return Some(x);
    }
    let neutral = Some(Literal::Bool(op == Binary::And));
    let absorbing = Some(Literal::Bool(op != Binary::And));
    match (left, right) {
        (l, _) if l == neutral => Some(y),
        (_, r) if r == neutral => Some(x),
        (l, _) if l == absorbing => Some(x),
        (_, r) if r == absorbing => Some(y),
        _ => None,
    }
}

/// What equals something is no NaN. Guards of a factor that turned out to be 1 ask for both.
fn exclude_each_other(r: &Rewriter, equal: Value, nan: Value) -> bool {
    let (equal, nan) = (r.def(equal), r.def(nan));
    let same = nan.op == Op::Compare(Compare::Ne) && nan.args[0] == nan.args[1];
    same && equal.op == Op::Compare(Compare::Eq) && equal.args.contains(&nan.args[0])
}

fn select(r: &mut Rewriter, cond: Value, then: Value, otherwise: Value) -> Option<Value> {
    if then == otherwise {
        return Some(then);
    }
    if let Some(Literal::Bool(c)) = r.splat(cond) {
        return Some(if c { then } else { otherwise });
    }
    let opposite = undone_condition(r, cond)?;
    Some(r.b.select(opposite, otherwise, then))
}

fn undone_condition(r: &Rewriter, cond: Value) -> Option<Value> {
    let inst = r.def(cond);
    (inst.op == Op::Unary(Unary::Not)).then(|| inst.args[0])
}

fn cast(r: &mut Rewriter, x: Value, to: DType) -> Option<Value> {
    if r.b.dtype(x) == to {
        return Some(x);
    }
    let inner = r.def(x);
    let Op::Cast(middle) = inner.op else { return None };
    let origin = inner.args[0];
    is_lossless(r.b.dtype(origin), middle).then(|| r.b.cast(origin, to))
}

/// Every value of `from` is one of `to`.
fn is_lossless(from: DType, to: DType) -> bool {
    use DType::*;
    match from {
        Bool => to != Bool,
        U8 => matches!(to, I32 | I64 | F16 | F32 | F64),
        I32 => matches!(to, I64 | F64),
        Bf16 | F16 => matches!(to, F32 | F64),
        F32 => to == F64,
        I64 | F64 => false,
    }
}

fn reduce(r: &mut Rewriter, op: Reduce, x: Value, axes: &[usize]) -> Option<Value> {
    if axes.is_empty() {
        return Some(x);
    }
    let shape = r.b.shape(x);
    if axes.iter().all(|&axis| shape[axis] == 1) {
        let kept: Vec<usize> = (0..shape.len()).filter(|a| !axes.contains(a)).map(|a| shape[a]).collect();
        return Some(r.b.reshape(x, &kept));
    }
    let inner = r.def(x).clone();
    match inner.op {
        Op::Reduce { op: same, axes: first } if same == op => Some(twice(r, op, inner.args[0], &first, axes)),
        Op::Broadcast { axes: kept, .. } if op == Reduce::Sum => sum_of_equal(r, inner.args[0], &kept, &shape, axes),
        _ => None,
    }
}

/// One reduction over both sets of axes.
fn twice(r: &mut Rewriter, op: Reduce, x: Value, first: &[usize], second: &[usize]) -> Value {
    let remaining: Vec<usize> = (0..r.b.shape(x).len()).filter(|a| !first.contains(a)).collect();
    let mut axes: Vec<usize> = first.iter().copied().chain(second.iter().map(|&a| remaining[a])).collect();
    axes.sort_unstable();
    r.b.reduce(op, x, &axes)
}

/// A sum over new axes of a broadcast is n times what was broadcast; the other axes are summed as before.
fn sum_of_equal(r: &mut Rewriter, x: Value, kept: &[usize], shape: &[usize], axes: &[usize]) -> Option<Value> {
    if !r.b.dtype(x).is_float() || !axes.iter().any(|a| !kept.contains(a)) {
        return None;
    }
    let n: usize = axes.iter().filter(|a| !kept.contains(a)).map(|&a| shape[a]).product();
    let rest: Vec<usize> = axes.iter().copied().filter(|a| kept.contains(a)).collect();
    let left: Vec<usize> = (0..shape.len()).filter(|a| kept.contains(a) || !axes.contains(a)).collect();
    let place = |axis: &usize| left.iter().position(|a| a == axis).expect("kept axes are left");
    let scaled = r.b.scale(x, n as f64);
    let left_shape: Vec<usize> = left.iter().map(|&a| shape[a]).collect();
    let wide = r.b.broadcast(scaled, &left_shape, &kept.iter().map(place).collect::<Vec<_>>());
    Some(r.b.sum(wide, &rest.iter().map(place).collect::<Vec<_>>()))
}

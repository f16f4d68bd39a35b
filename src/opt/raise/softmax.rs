//! Softmax along one axis, written with exponentials and sums or as a composite that does so.

use super::program::{Body, Program};
use crate::ops::{Binary, Compare, Op, Reduce, Unary};
use crate::tensor::{Inst, Value};

pub struct Softmax {
    pub x: Value,
    /// Elements that take no part, of the shape of x. A row without any element gives 0; without a mask, or with one
    /// that is in x as -inf, it gives NaN.
    pub mask: Option<Value>,
}

pub fn softmax(p: &dyn Program, y: Value, axis: usize) -> Option<Softmax> {
    let inst = p.def(y);
    if let Op::Composite { .. } = inst.op {
        return composite(inst, axis);
    }
    let [e, total] = p.binary(y, Binary::Div)?;
    let total = p.row(total, axis)?;
    plain(p, e, total, axis).or_else(|| masked(p, e, total, axis))
}

/// e / Σ e with e = exp(x - max x)
fn plain(p: &dyn Program, e: Value, total: Value, axis: usize) -> Option<Softmax> {
    let (x, shift) = power(p, e, axis)?;
    let top = p.reduced(shift, Reduce::Max, axis)?;
    let sums = p.reduced(total, Reduce::Sum, axis)? == e;
    (sums && p.same(top, x)).then_some(Softmax { x, mask: None })
}

/// e / (Σ e, or 1 where that is 0) with e = exp(x - max x), 0 where the mask is false; the maximum is one of the elements
/// that take part, or 0.
fn masked(p: &dyn Program, e: Value, total: Value, axis: usize) -> Option<Softmax> {
    let [positive, sum, one] = p.select(total)?;
    let sums = p.reduced(sum, Reduce::Sum, axis)? == e && p.is(one, 1.0) && is_above_zero(p, positive, sum);
    let [mask, power_of, zero] = p.select(e)?;
    let (x, shift) = power(p, power_of, axis)?;
    let [finite, top, otherwise] = p.select(shift)?;
    let [same_mask, same_x, nothing] = p.select(p.reduced(top, Reduce::Max, axis)?)?;
    let shifts = is_finite(p, finite, top) && p.is(otherwise, 0.0) && p.is(nothing, f64::NEG_INFINITY);
    let alike = p.same(mask, same_mask) && p.same(x, same_x);
    (sums && shifts && alike && p.is(zero, 0.0)).then_some(Softmax { x, mask: Some(mask) })
}

/// x and s of exp(x - s), where s is a row through which no gradient need flow.
fn power(p: &dyn Program, e: Value, axis: usize) -> Option<(Value, Value)> {
    let [x, shift] = p.binary(p.unary(e, Unary::Exp)?, Binary::Sub)?;
    let shift = p.row(shift, axis)?;
    let inst = p.def(shift);
    Some((x, if inst.op == Op::StopGradient { inst.args[0] } else { shift }))
}

fn is_above_zero(p: &dyn Program, condition: Value, x: Value) -> bool {
    let inst = p.def(condition);
    inst.op == Op::Compare(Compare::Gt) && inst.args[0] == x && p.is(inst.args[1], 0.0)
}

/// |x| < ∞
fn is_finite(p: &dyn Program, condition: Value, x: Value) -> bool {
    let inst = p.def(condition);
    inst.op == Op::Compare(Compare::Lt)
        && p.unary(inst.args[0], Unary::Abs) == Some(x)
        && p.is(inst.args[1], f64::INFINITY)
}

/// A composite whose body is a softmax, and whose own gradient, if it has one, is that of softmax.
fn composite(inst: &Inst, axis: usize) -> Option<Softmax> {
    let body = &inst.regions[0];
    let ([(x, _)], [y]) = (&body.inputs[..], &body.outputs[..]) else { return None };
    let found = softmax(&Body::new(body), y.value, axis).filter(|s| s.x == *x && s.mask.is_none())?;
    let honest = inst.regions.get(1).is_none_or(|vjp| {
        let ([_, (y, _), (y_adj, _)], [x_adj]) = (&vjp.inputs[..], &vjp.outputs[..]) else { return false };
        is_gradient(&Body::new(vjp), x_adj.value, [*y, *y_adj], axis).is_some()
    });
    honest.then_some(Softmax { x: inst.args[0], mask: found.mask })
}

/// y · (y_adj - Σ y · y_adj)
fn is_gradient(p: &dyn Program, x_adj: Value, [y, y_adj]: [Value; 2], axis: usize) -> Option<()> {
    let [factor, away] = p.binary(x_adj, Binary::Mul)?;
    let [from, sum] = p.binary(away, Binary::Sub)?;
    let product = p.reduced(p.row(sum, axis)?, Reduce::Sum, axis)?;
    let factors = p.binary(product, Binary::Mul)?;
    let pairs = factors == [y, y_adj] || factors == [y_adj, y];
    (factor == y && from == y_adj && pairs).then_some(())
}

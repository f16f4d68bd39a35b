//! Elementwise rules.

use super::Rule;
use crate::ops::{Binary, Compare, Unary};
use crate::tensor::Value;
use std::f64::consts::FRAC_2_SQRT_PI;

pub fn unary(r: &mut Rule, op: Unary) -> Option<Value> {
    let (x, y, y_adj) = (r.x(0), r.y(), r.y_adj);
    Some(match op {
        Unary::Sign | Unary::Floor | Unary::Ceil | Unary::RoundEven | Unary::Not => return None,
        Unary::Neg => r.b.neg(y_adj),
        Unary::Abs => {
            let sign = r.b.unary(Unary::Sign, x);
            r.times(sign)
        }
        Unary::Sqrt => sqrt(r, y),
        Unary::Exp => {
            let product = r.b.mul(y_adj, y);
            r.strong_zero(product)
        }
        Unary::Expm1 => {
            let exp = r.b.unary(Unary::Exp, x);
            let product = r.b.mul(y_adj, exp);
            r.strong_zero(product)
        }
        Unary::Log => {
            let quotient = r.b.div(y_adj, x);
            r.strong_zero(quotient)
        }
        Unary::Log1p => {
            let denominator = r.b.shift(x, 1.0);
            let quotient = r.b.div(y_adj, denominator);
            r.strong_zero(quotient)
        }
        Unary::Sin => {
            let cos = r.b.unary(Unary::Cos, x);
            r.times(cos)
        }
        Unary::Cos => {
            let sin = r.b.unary(Unary::Sin, x);
            let product = r.times(sin);
            r.b.neg(product)
        }
        Unary::Tanh => tanh(r, y),
        Unary::Erf => erf(r, x),
    })
}

/// y_adj / (2 y), but 0 at 0.
fn sqrt(r: &mut Rule, y: Value) -> Value {
    let half = r.b.scale(r.y_adj, 0.5);
    let quotient = r.b.div(half, y);
    let guarded = r.strong_zero(quotient);
    let at_zero = r.b.is_zero(y);
    let zero = r.b.zeros_like(y);
    r.b.select(at_zero, zero, guarded)
}

/// y_adj (1 − y²)
fn tanh(r: &mut Rule, y: Value) -> Value {
    let square = r.b.mul(y, y);
    let ty = r.b.ty(y);
    let one = r.b.fill(1.0, &ty);
    let partial = r.b.sub(one, square);
    r.times(partial)
}

/// y_adj · 2/√π · exp(−x²)
fn erf(r: &mut Rule, x: Value) -> Value {
    let square = r.b.mul(x, x);
    let negated = r.b.neg(square);
    let bell = r.b.unary(Unary::Exp, negated);
    let partial = r.b.scale(bell, FRAC_2_SQRT_PI);
    r.times(partial)
}

pub fn binary(r: &mut Rule, op: Binary, i: usize) -> Option<Value> {
    let (a, b, y_adj) = (r.x(0), r.x(1), r.y_adj);
    Some(match (op, i) {
        (Binary::Add, _) | (Binary::Sub | Binary::Rem, 0) => y_adj,
        (Binary::Sub, _) => r.b.neg(y_adj),
        (Binary::Mul, 0) => r.times(b),
        (Binary::Mul, _) => r.times(a),
        (Binary::Div, 0) => {
            let quotient = r.b.div(y_adj, b);
            r.strong_zero(quotient)
        }
        (Binary::Div, _) => divisor(r, b),
        (Binary::Pow, 0) => base(r, a, b),
        (Binary::Pow, _) => exponent(r, a, b),
        (Binary::Max, 0) => extreme(r, Compare::Lt, a, b),
        (Binary::Max, _) => extreme(r, Compare::Lt, b, a),
        (Binary::Min, 0) => extreme(r, Compare::Gt, a, b),
        (Binary::Min, _) => extreme(r, Compare::Gt, b, a),
        (Binary::Rem, _) => {
            let quotient = r.b.binary(Binary::FloorDiv, a, b);
            let product = r.times(quotient);
            r.b.neg(product)
        }
        (Binary::FloorDiv | Binary::And | Binary::Or | Binary::Xor | Binary::Shl | Binary::Shr, _) => return None,
    })
}

/// d(a/b)/db = −y/b
fn divisor(r: &mut Rule, b: Value) -> Value {
    let product = r.b.mul(r.y_adj, r.y());
    let quotient = r.b.div(product, b);
    let guarded = r.strong_zero(quotient);
    r.b.neg(guarded)
}

/// d(aᵇ)/da = b aᵇ⁻¹, and 0 where b = 0.
fn base(r: &mut Rule, a: Value, b: Value) -> Value {
    let reduced = r.b.shift(b, -1.0);
    let power = r.b.binary(Binary::Pow, a, reduced);
    let partial = r.b.mul(b, power);
    let product = r.b.mul(r.y_adj, partial);
    let guarded = r.strong_zero(product);
    let constant = r.b.is_zero(b);
    let zero = r.b.zeros_like(b);
    r.b.select(constant, zero, guarded)
}

/// d(aᵇ)/db = aᵇ log a, and 0 where a = 0 and b ≥ 0.
fn exponent(r: &mut Rule, a: Value, b: Value) -> Value {
    let log = r.b.unary(Unary::Log, a);
    let partial = r.b.mul(r.y(), log);
    let product = r.b.mul(r.y_adj, partial);
    let guarded = r.strong_zero(product);
    let zero = r.b.zeros_like(a);
    let no_base = r.b.compare(Compare::Eq, a, zero);
    let no_pole = r.b.compare(Compare::Ge, b, zero);
    let flat = r.b.binary(Binary::And, no_base, no_pole);
    r.b.select(flat, zero, guarded)
}

/// All of the adjoint where `x` wins (or is NaN), half at a tie, none where `loses(x, other)`.
fn extreme(r: &mut Rule, loses: Compare, x: Value, other: Value) -> Value {
    let half = r.b.scale(r.y_adj, 0.5);
    let tie = r.b.compare(Compare::Eq, x, other);
    let lost = r.b.compare(loses, x, other);
    let zero = r.b.zeros_like(x);
    let unless_tie = r.b.select(tie, half, r.y_adj);
    r.b.select(lost, zero, unless_tie)
}

pub fn select(r: &mut Rule, i: usize) -> Value {
    let (cond, zero) = (r.x(0), r.b.zeros_like(r.y_adj));
    if i == 1 { r.b.select(cond, r.y_adj, zero) } else { r.b.select(cond, zero, r.y_adj) }
}

pub fn cast(r: &mut Rule) -> Value {
    let to = r.x_type(0).dtype;
    r.b.cast(r.y_adj, to)
}

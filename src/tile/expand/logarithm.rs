//! log, log1p, pow.

use super::Builder;
use super::exponential::{LN_2_HIGH, LN_2_LOW};
use crate::ops::{Compare, DType};
use crate::tile::{Map, Value};
use std::f32::consts::LN_2;

/// (log(1 + f) - f + f²/2) / f³ for 1 + f in [√½, √2); Cephes' logf.
const LOG: [f32; 9] = [
    7.037_683_6e-2,
    -1.151_461e-1,
    1.167_699_9e-1,
    -1.242_014_1e-1,
    1.424_932_3e-1,
    -1.666_805_8e-1,
    2.000_071_5e-1,
    -2.499_999_4e-1,
    0.333_333_3,
];

/// atanh(q) / q³ - 1 / q² in q²; N. Juffa's powf.
const ATANH: [f32; 4] = [0.129_333_5, 0.141_992_8, 0.200_014_83, 0.333_333_25];

const SQRT_HALF: i32 = 0x3f35_04f3;

impl Builder {
    /// A positive x = m 2^e with m in [√½, √2): (m, e as i32).
    fn split(&mut self, x: Value) -> (Value, Value) {
        let (half, shift) = (self.i(SQRT_HALF), self.i(23));
        let bits = self.bitcast(x);
        let above = self.sub(bits, half);
        let e = self.bin(Map::ShrArith, above, shift);
        let exponent = self.bin(Map::Shl, e, shift);
        let m = self.sub(bits, exponent);
        (self.bitcast(m), e)
    }

    /// log(1 + f) + e ln 2, smallest terms first.
    fn log_sum(&mut self, f: Value, e: Value) -> Value {
        let e = self.cast(DType::F32, e);
        let square = self.mul(f, f);
        let p = self.polynomial(f, &LOG);
        let cube = self.mul(square, f);
        let (low, high, half) = (self.f(LN_2_LOW), self.f(LN_2_HIGH), self.f(-0.5));
        let tail = self.mul(e, low);
        let tail = self.fma(p, cube, tail);
        let tail = self.fma(square, half, tail);
        let sum = self.add(f, tail);
        self.fma(e, high, sum)
    }

    /// What log gives where u is no positive finite number: u = 0: -∞, u < 0: NaN, ∞ and NaN: u.
    fn log_special(&mut self, u: Value, log: Value) -> Value {
        let (zero, infinity, nan, low) =
            (self.f(0.0), self.f(f32::INFINITY), self.f(f32::NAN), self.f(f32::NEG_INFINITY));
        let finite = self.compare(Compare::Lt, u, infinity);
        let log = self.select(finite, log, u);
        let negative = self.compare(Compare::Lt, u, zero);
        let log = self.select(negative, nan, log);
        let is_zero = self.compare(Compare::Eq, u, zero);
        self.select(is_zero, low, log)
    }

    pub(super) fn log(&mut self, x: Value) -> Value {
        let (m, e) = self.split(x);
        let one = self.f(1.0);
        let f = self.sub(m, one);
        let log = self.log_sum(f, e);
        self.log_special(x, log)
    }

    /// log of u = 1 + x, with u's rounding error added to the reduced argument.
    pub(super) fn log1p(&mut self, x: Value) -> Value {
        let one = self.f(1.0);
        let u = self.add(x, one);
        let error = self.error_of_sum(x, one, u);
        let (m, e) = self.split(u);
        let f = self.sub(m, one);
        // the error times 2^-e; in two factors, since e may be 128
        let (bias, low) = (self.i(63), self.f(2f32.powi(-63)));
        let n = self.sub(bias, e);
        let scale = self.power_of_two(n);
        let scaled = self.mul(error, scale);
        let f = self.fma(scaled, low, f);
        let log = self.log_sum(f, e);
        let log = self.log_special(u, log);
        self.keep_zero(x, log)
    }

    /// (x + 1) - u exactly, where u is the rounded sum.
    fn error_of_sum(&mut self, x: Value, one: Value, u: Value) -> Value {
        let from_x = self.sub(u, x);
        let large = self.sub(one, from_x);
        let from_one = self.sub(u, one);
        let small = self.sub(x, from_one);
        let is_large = self.compare(Compare::Ge, x, one);
        self.select(is_large, large, small)
    }

    /// log a for a positive normal a as a sum of two floats, relative error below 1e-9.
    fn log_extended(&mut self, a: Value) -> (Value, Value) {
        let (m, e) = self.split(a);
        let e = self.cast(DType::F32, e);
        let (one, two) = (self.f(1.0), self.f(2.0));
        let above = self.add(m, one);
        let below = self.sub(m, one);
        let (q, q_low) = self.quotient(below, above);
        let (cube, cube_low, square) = self.cube(q, q_low);
        let r = self.polynomial(square, &ATANH);
        let s = self.fma(r, cube_low, q_low);
        let s = self.fma(r, cube, s);
        let twice = self.mul(two, q);
        let (high, minus_high, low) = (self.f(LN_2), self.f(-LN_2), self.f(-1.904_654_2e-9));
        let t = self.fma(high, e, twice);
        let back = self.fma(minus_high, e, t);
        let rest = self.sub(twice, back);
        let s = self.fma(two, s, rest);
        let s = self.fma(low, e, s);
        self.normalized(t, s)
    }

    /// below / above = below / (below + 2) as a sum of two floats.
    fn quotient(&mut self, below: Value, above: Value) -> (Value, Value) {
        let (one, minus_two) = (self.f(1.0), self.f(-2.0));
        let r = self.bin(Map::Div, one, above);
        let q = self.mul(r, below);
        let minus = self.neg(below);
        let rest = self.fma(q, minus_two, below);
        let rest = self.fma(q, minus, rest);
        (q, self.mul(r, rest))
    }

    /// (q + q_low)³ as a sum of two floats, and q².
    fn cube(&mut self, q: Value, q_low: Value) -> (Value, Value, Value) {
        let square = self.mul(q, q);
        let minus = self.neg(square);
        let error = self.fma(q, q, minus);
        let twice = self.add(q_low, q_low);
        let square_low = self.fma(q, twice, error);
        let cube = self.mul(square, q);
        let minus = self.neg(cube);
        let error = self.fma(square, q, minus);
        let low = self.fma(square_low, q, error);
        (cube, self.fma(square, q_low, low), square)
    }

    /// high + low as a sum whose first part is rounded to nearest.
    fn normalized(&mut self, high: Value, low: Value) -> (Value, Value) {
        let sum = self.add(high, low);
        let rest = self.sub(high, sum);
        (sum, self.add(rest, low))
    }

    /// a^b for a > 0; infinite b included, except where a = 1.
    fn pow_positive(&mut self, a: Value, b: Value) -> Value {
        let (log, log_low) = self.log_extended(a);
        let high = self.mul(log, b);
        let minus = self.neg(high);
        let low = self.fma(log, b, minus);
        let low = self.fma(log_low, b, low);
        let (p, p_low) = self.normalized(high, low);
        let e = self.exp(p);
        let corrected = self.fma(p_low, e, e);
        let (zero, infinity, bound) = (self.f(0.0), self.f(f32::INFINITY), self.f(104.0));
        let overflow = self.compare(Compare::Eq, e, infinity);
        let result = self.select(overflow, e, corrected);
        let magnitude = self.abs(high);
        let beyond = self.compare(Compare::Gt, magnitude, bound);
        let down = self.compare(Compare::Lt, high, zero);
        let limit = self.select(down, zero, infinity);
        self.select(beyond, limit, result)
    }

    /// C's pow.
    pub(super) fn pow(&mut self, a: Value, b: Value) -> Value {
        let (zero, one, infinity) = (self.f(0.0), self.f(1.0), self.f(f32::INFINITY));
        let base = self.abs(a);
        let result = self.pow_positive(base, b);
        let result = self.pow_of_limit(base, b, result);
        let result = self.pow_of_negative(a, b, base, result);
        // |a| = 1 and b infinite, a = 1, or b = 0: 1 whatever the other is
        let magnitude = self.abs(b);
        let endless = self.compare(Compare::Eq, magnitude, infinity);
        let unit = self.compare(Compare::Eq, base, one);
        let first = self.bin(Map::And, endless, unit);
        let second = self.compare(Compare::Eq, a, one);
        let third = self.compare(Compare::Eq, b, zero);
        let is_one = self.bin(Map::Or, first, second);
        let is_one = self.bin(Map::Or, is_one, third);
        self.select(is_one, one, result)
    }

    /// Bases 0 and ∞, and NaN of either argument.
    fn pow_of_limit(&mut self, base: Value, b: Value, result: Value) -> Value {
        let (zero, infinity) = (self.f(0.0), self.f(f32::INFINITY));
        let down = self.compare(Compare::Lt, b, zero);
        let of_zero = self.select(down, infinity, zero);
        let of_infinity = self.select(down, zero, infinity);
        let is_zero = self.compare(Compare::Eq, base, zero);
        let is_infinite = self.compare(Compare::Eq, base, infinity);
        let result = self.select(is_zero, of_zero, result);
        let result = self.select(is_infinite, of_infinity, result);
        let sum = self.add(base, b);
        let first = self.compare(Compare::Ne, base, base);
        let second = self.compare(Compare::Ne, b, b);
        let either = self.bin(Map::Or, first, second);
        self.select(either, sum, result)
    }

    /// A negative base: the sign of odd powers; NaN where a finite base meets a fraction.
    fn pow_of_negative(&mut self, a: Value, b: Value, base: Value, result: Value) -> Value {
        let (zero, half, infinity, nan) = (self.f(0.0), self.f(0.5), self.f(f32::INFINITY), self.f(f32::NAN));
        let whole = self.un(Map::Floor, b);
        let is_fraction = self.compare(Compare::Ne, whole, b);
        let halved = self.mul(b, half);
        let floor = self.un(Map::Floor, halved);
        let not_even = self.compare(Compare::Ne, floor, halved);
        let is_whole = self.un(Map::Not, is_fraction);
        let odd = self.bin(Map::And, not_even, is_whole);
        let signed = self.with_sign(result, a);
        let result = self.select(odd, signed, result);
        let negative = self.compare(Compare::Lt, a, zero);
        let finite = self.compare(Compare::Lt, base, infinity);
        let invalid = self.bin(Map::And, negative, finite);
        let invalid = self.bin(Map::And, invalid, is_fraction);
        self.select(invalid, nan, result)
    }
}

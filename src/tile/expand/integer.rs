//! sign, max, min, floor_div, rem.

use super::Builder;
use crate::ops::{Compare, DType};
use crate::tile::{Map, Value};

impl Builder {
    /// -1 or 1; zeros and NaN stay what they are.
    pub(super) fn sign(&mut self, x: Value) -> Value {
        let float = self.dtype(x) == DType::F32;
        let (zero, one, minus) =
            if float { (self.f(0.0), self.f(1.0), self.f(-1.0)) } else { (self.i(0), self.i(1), self.i(-1)) };
        let negative = self.compare(Compare::Lt, x, zero);
        let rest = self.select(negative, minus, x);
        let positive = self.compare(Compare::Gt, x, zero);
        self.select(positive, one, rest)
    }

    /// max or min. The raw operation gives b where either is NaN, so only a needs a look.
    pub(super) fn extreme(&mut self, a: Value, b: Value, raw: Map, wins: Compare) -> Value {
        if self.dtype(a) == DType::I32 {
            let first = self.compare(wins, a, b);
            return self.select(first, a, b);
        }
        let extreme = self.bin(raw, a, b);
        let unordered = self.compare(Compare::Ne, a, a);
        self.select(unordered, a, extreme)
    }

    pub(super) fn floor_div_f32(&mut self, a: Value, b: Value) -> Value {
        let quotient = self.bin(Map::Div, a, b);
        self.un(Map::Floor, quotient)
    }

    pub(super) fn rem_f32(&mut self, a: Value, b: Value) -> Value {
        let quotient = self.floor_div_f32(a, b);
        let minus = self.neg(b);
        self.fma(minus, quotient, a)
    }

    /// Exact for all arguments; i32::MIN / -1 wraps, division by 0 gives 0.
    pub(super) fn floor_div_i32(&mut self, a: Value, b: Value) -> Value {
        let (zero, one, lowest) = (self.i(0), self.i(1), self.i(i32::MIN));
        let (quotient, rest) = self.divide_magnitudes(a, b);
        let differ = self.bin(Map::Xor, a, b);
        let negative = self.compare(Compare::Lt, differ, zero);
        let inexact = self.compare(Compare::Ne, rest, zero);
        let inexact = self.cast(DType::I32, inexact);
        let minus = self.neg(quotient);
        let down = self.sub(minus, inexact);
        let quotient = self.select(negative, down, quotient);
        // the magnitude of i32::MIN as a divisor is out of the range of the steps above
        let same = self.compare(Compare::Eq, a, lowest);
        let positive = self.compare(Compare::Gt, a, zero);
        let positive = self.cast(DType::I32, positive);
        let below = self.neg(positive);
        let of_lowest = self.select(same, one, below);
        let is_lowest = self.compare(Compare::Eq, b, lowest);
        let quotient = self.select(is_lowest, of_lowest, quotient);
        let by_zero = self.compare(Compare::Eq, b, zero);
        self.select(by_zero, zero, quotient)
    }

    pub(super) fn rem_i32(&mut self, a: Value, b: Value) -> Value {
        let quotient = self.floor_div_i32(a, b);
        let product = self.mul(b, quotient);
        let rest = self.sub(a, product);
        let zero = self.i(0);
        let by_zero = self.compare(Compare::Eq, b, zero);
        self.select(by_zero, zero, rest)
    }

    /// |a| / |b| and |a| mod |b| for 0 < |b| < 2^31. An estimate in f32 is off by at most 2^9 + 1, a second one of the
    /// remainder by at most 1.
    fn divide_magnitudes(&mut self, a: Value, b: Value) -> (Value, Value) {
        let (zero, one) = (self.i(0), self.i(1));
        let (size, divisor) = (self.abs(a), self.abs(b));
        let (a_f, b_f) = (self.cast(DType::F32, a), self.cast(DType::F32, divisor));
        let a_f = self.abs(a_f);
        let (first, rest) = self.divide_step(size, a_f, divisor, b_f);
        let rest_f = self.cast(DType::F32, rest);
        let (second, rest) = self.divide_step(rest, rest_f, divisor, b_f);
        let quotient = self.add(first, second);
        let under = self.compare(Compare::Lt, rest, zero);
        let (less, more) = (self.sub(quotient, one), self.add(quotient, one));
        let (raised, lowered) = (self.add(rest, divisor), self.sub(rest, divisor));
        let over = self.compare(Compare::Ge, rest, divisor);
        let quotient = self.select(over, more, quotient);
        let rest = self.select(over, lowered, rest);
        let quotient = self.select(under, less, quotient);
        (quotient, self.select(under, raised, rest))
    }

    /// An estimate q of a / b, and a - q b.
    fn divide_step(&mut self, a: Value, a_f: Value, b: Value, b_f: Value) -> (Value, Value) {
        let estimate = self.bin(Map::Div, a_f, b_f);
        let q = self.cast(DType::I32, estimate);
        let product = self.mul(q, b);
        (q, self.sub(a, product))
    }
}

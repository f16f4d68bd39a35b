//! exp, expm1, tanh, erf.

use super::Builder;
use crate::ops::{Compare, DType};
use crate::tile::{Map, Value};

pub(super) const LN_2_HIGH: f32 = 0.693_359_4; // 0x3f318000: its product with an integer below 2^15 is exact
pub(super) const LN_2_LOW: f32 = -2.121_944_4e-4;

/// (e^r - 1 - r) / r² on |r| <= ln 2 / 2; Cephes' expf.
const EXP: [f32; 6] = [1.987_569_1e-4, 1.398_199_9e-3, 8.333_452e-3, 4.166_579_6e-2, 1.666_666_5e-1, 0.5];

/// The floats between -126 ln 2 and 128 ln 2, where e^x is a finite normal number.
const EXP_RANGE: [f32; 2] = [-87.336_54, 88.722_83];

/// (tanh x - x) / x³ in x², for |x| < 0.625; Cephes' tanhf.
const TANH: [f32; 5] = [-5.704_988_7e-3, 2.063_909e-2, -5.373_971_4e-2, 1.333_144_2e-1, -3.333_328_3e-1];

/// erf x / x - 1 in x², for |x| <= 475 / 512; N. Juffa's erff.
const ERF_SMALL: [f32; 6] =
    [-5.967_617e-4, 4.991_194_2e-3, -2.676_813_5e-2, 1.128_199_25e-1, -3.761_253_4e-1, 1.283_791_7e-1];

/// log(1 - erf t) = p(t) t - t, for t beyond.
const ERF_LARGE: [f32; 7] =
    [-1.728_534_7e-5, 3.831_971_3e-4, -3.883_964_4e-3, 2.425_462_2e-2, -1.067_778_8e-1, -6.348_467e-1, -1.287_175_1e-1];

impl Builder {
    /// x = n ln 2 + r with |r| <= ln 2 / 2: (n as i32, e^r - 1).
    fn reduced_exp(&mut self, x: Value) -> (Value, Value) {
        let log2_e = self.f(std::f32::consts::LOG2_E);
        let scaled = self.mul(x, log2_e);
        let n = self.un(Map::RoundEven, scaled);
        let (high, low) = (self.f(-LN_2_HIGH), self.f(-LN_2_LOW));
        let r = self.fma(n, high, x);
        let r = self.fma(n, low, r);
        let p = self.polynomial(r, &EXP);
        let square = self.mul(r, r);
        let p = self.fma(p, square, r);
        (self.cast(DType::I32, n), p)
    }

    /// n goes straight into the exponent of p, which lies around 1. Within the bounds that neither overflows nor
    /// leaves a denormal; beyond them the result is infinity or 0.
    pub(super) fn exp(&mut self, x: Value) -> Value {
        let (n, p) = self.reduced_exp(x);
        let (zero, one, infinity) = (self.f(0.0), self.f(1.0), self.f(f32::INFINITY));
        let (least, most, shift) = (self.f(EXP_RANGE[0]), self.f(EXP_RANGE[1]), self.i(23));
        let p = self.add(p, one);
        let bits = self.bitcast(p);
        let exponent = self.bin(Map::Shl, n, shift);
        let bits = self.add(bits, exponent);
        let result = self.bitcast(bits);
        let above = self.compare(Compare::Gt, x, most);
        let result = self.select(above, infinity, result);
        let below = self.compare(Compare::Lt, x, least);
        self.select(below, zero, result)
    }

    /// 2 (p 2^(n-1) + (2^(n-1) - 1/2)), so that n = 128 does not overflow early.
    pub(super) fn expm1(&mut self, x: Value) -> Value {
        let clamped = self.clamp(x, -20.0, 89.0);
        let (n, p) = self.reduced_exp(clamped);
        let one = self.i(1);
        let less = self.sub(n, one);
        let scale = self.power_of_two(less);
        let half = self.f(0.5);
        let rest = self.sub(scale, half);
        let sum = self.fma(p, scale, rest);
        let twice = self.add(sum, sum);
        // e^x - 1 = x to the last bit; also -0, and what the halving would flush
        let (magnitude, bound) = (self.abs(x), self.f(2f32.powi(-25)));
        let small = self.compare(Compare::Lt, magnitude, bound);
        self.select(small, x, twice)
    }

    /// A polynomial for small arguments, 1 - 2 / (e^2|x| + 1) with the sign of x for large ones.
    pub(super) fn tanh(&mut self, x: Value) -> Value {
        let square = self.mul(x, x);
        let p = self.polynomial(square, &TANH);
        let p = self.mul(p, square);
        let small = self.fma(p, x, x);
        let magnitude = self.abs(x);
        let twice = self.add(magnitude, magnitude);
        let e = self.exp(twice);
        let (one, two, bound) = (self.f(1.0), self.f(-2.0), self.f(0.625));
        let e = self.add(e, one);
        let quotient = self.bin(Map::Div, two, e);
        let large = self.add(quotient, one);
        let large = self.with_sign(large, x);
        let is_small = self.compare(Compare::Lt, magnitude, bound);
        let result = self.select(is_small, small, large);
        self.keep_zero(x, result)
    }

    pub(super) fn erf(&mut self, x: Value) -> Value {
        let square = self.mul(x, x);
        let p = self.polynomial(square, &ERF_SMALL);
        let small = self.fma(p, x, x);
        let t = self.abs(x);
        let p = self.polynomial(t, &ERF_LARGE);
        let minus = self.neg(t);
        let exponent = self.fma(p, t, minus);
        let e = self.exp(exponent);
        let (one, bound) = (self.f(1.0), self.f(475.0 / 512.0));
        let large = self.sub(one, e);
        let large = self.with_sign(large, x);
        let is_large = self.compare(Compare::Gt, t, bound);
        let result = self.select(is_large, large, small);
        self.keep_zero(x, result)
    }

    /// A magnitude (≥ 0) with the sign bit of x.
    pub(super) fn with_sign(&mut self, magnitude: Value, x: Value) -> Value {
        let mask = self.i(i32::MIN);
        let bits = self.bitcast(x);
        let sign = self.bin(Map::And, bits, mask);
        let bits = self.bitcast(magnitude);
        let bits = self.bin(Map::Or, bits, sign);
        self.bitcast(bits)
    }
}

//! sin, cos.

use super::Builder;
use crate::ops::{Compare, DType};
use crate::tile::{Map, Value};

/// π/2 as a sum of three floats.
const HALF_PI: [f32; 3] = [1.570_796_4, -4.371_139e-8, -1.715_121_1e-15];

/// (sin r - r) / r³ and (cos r - 1 + r²/2) / r⁴ in r², for |r| <= π/4; Cephes.
const SIN: [f32; 3] = [-1.951_529_6e-4, 8.332_161e-3, -1.666_665_5e-1];
const COS: [f32; 3] = [2.443_315_7e-5, -1.388_731_6e-3, 4.166_664_6e-2];

impl Builder {
    /// x = n π/2 + r: (n as i32, r), r kept within ±0.8 where x is too large for the reduction.
    fn quadrant(&mut self, x: Value) -> (Value, Value) {
        let inverse = self.f(std::f32::consts::FRAC_2_PI);
        let turns = self.mul(x, inverse);
        let n = self.un(Map::RoundEven, turns);
        let mut r = x;
        for part in HALF_PI {
            let part = self.f(-part);
            r = self.fma(n, part, r);
        }
        let r = self.clamp(r, -0.8, 0.8);
        (self.cast(DType::I32, n), r)
    }

    /// The sine of r + n π/2.
    fn shifted_sine(&mut self, n: Value, r: Value) -> Value {
        let square = self.mul(r, r);
        let p = self.polynomial(square, &SIN);
        let p = self.mul(p, square);
        let sine = self.fma(p, r, r);
        let q = self.polynomial(square, &COS);
        let (half, one_f) = (self.f(-0.5), self.f(1.0));
        let q = self.fma(q, square, half);
        let cosine = self.fma(q, square, one_f);
        let (zero, one, two, shift) = (self.i(0), self.i(1), self.i(2), self.i(30));
        let odd = self.bin(Map::And, n, one);
        let odd = self.compare(Compare::Ne, odd, zero);
        let magnitude = self.select(odd, cosine, sine);
        let sign = self.bin(Map::And, n, two);
        let sign = self.bin(Map::Shl, sign, shift);
        let bits = self.bitcast(magnitude);
        let bits = self.bin(Map::Xor, bits, sign);
        self.bitcast(bits)
    }

    pub(super) fn sin(&mut self, x: Value) -> Value {
        let (n, r) = self.quadrant(x);
        let sine = self.shifted_sine(n, r);
        self.keep_zero(x, sine)
    }

    pub(super) fn cos(&mut self, x: Value) -> Value {
        let (n, r) = self.quadrant(x);
        let one = self.i(1);
        let n = self.add(n, one);
        self.shifted_sine(n, r)
    }
}

//! One element at a time: operations on 32-bit patterns.
//!
//! Float operations flush denormals, as the machine code runs: arguments before ([`daz`]) and the result after.
//! `neg`, `abs`, `select`, casts of bits, loads and stores are no float operations and keep them.

use crate::ops::{Compare, DType};
use crate::tile::{FoldOp, Map};

/// A denormal becomes the zero of its sign.
pub fn daz(x: f32) -> f32 {
    if x.is_subnormal() { 0f32.copysign(x) } else { x }
}

/// A rounded result of which `exact` gives the value before: flushed where it would stay below the smallest normal
/// number if rounded to 24 bits with an unbounded exponent, as x86 does.
fn ftz(rounded: f32, exact: impl FnOnce() -> f64) -> f32 {
    if rounded.abs() != f32::MIN_POSITIVE {
        return daz(rounded);
    }
    let half_step = f64::from(f32::EPSILON) / 4.0;
    let below = exact().abs() < f64::from(f32::MIN_POSITIVE) * (1.0 - half_step);
    if below { 0f32.copysign(rounded) } else { rounded }
}

/// `a * b + c` with one rounding.
pub fn fma(a: f32, b: f32, c: f32) -> f32 {
    let [a, b, c] = [a, b, c].map(daz);
    ftz(a.mul_add(b, c), || f64::from(a).mul_add(b.into(), c.into()))
}

/// An elementwise operation of the first group; `dtype` is that of the last argument.
pub fn map(map: Map, dtype: DType, args: &[u32]) -> u32 {
    match (map, dtype) {
        (Map::Select, _) => args[if args[0] != 0 { 1 } else { 2 }],
        (Map::Compare(compare), DType::F32) => compare_f32(compare, float(args[0]), float(args[1])).into(),
        (Map::Compare(compare), _) => holds(compare, &(args[0] as i32), &(args[1] as i32)).into(),
        (Map::Neg, DType::F32) => args[0] ^ 0x8000_0000,
        (Map::Abs, DType::F32) => args[0] & 0x7fff_ffff,
        (_, DType::F32) => map_f32(map, args).to_bits(),
        (Map::Not, DType::Bool) => args[0] ^ 1,
        _ => map_i32(map, args[0], args.get(1).copied().unwrap_or(0)),
    }
}

fn float(bits: u32) -> f32 {
    daz(f32::from_bits(bits))
}

fn map_f32(map: Map, args: &[u32]) -> f32 {
    let a = float(args[0]);
    let b = args.get(1).map_or(0.0, |b| float(*b));
    let wide = [a, b].map(f64::from);
    match map {
        Map::Add => daz(a + b),
        Map::Sub => daz(a - b),
        Map::Mul => ftz(a * b, || wide[0] * wide[1]),
        Map::Div => ftz(a / b, || wide[0] / wide[1]),
        Map::Sqrt => a.sqrt(),
        Map::Floor => a.floor(),
        Map::Ceil => a.ceil(),
        Map::RoundEven => a.round_ties_even(),
        Map::Fma => fma(a, b, float(args[2])),
        Map::MaxRaw => {
            if a > b {
                a
            } else {
                b
            }
        }
        Map::MinRaw => {
            if a < b {
                a
            } else {
                b
            }
        }
        _ => unreachable!("{} is expanded before it runs", map.name()),
    }
}

fn map_i32(map: Map, a: u32, b: u32) -> u32 {
    match map {
        Map::Neg => a.wrapping_neg(),
        Map::Abs => (a as i32).wrapping_abs() as u32,
        Map::Add => a.wrapping_add(b),
        Map::Sub => a.wrapping_sub(b),
        Map::Mul => a.wrapping_mul(b),
        Map::And => a & b,
        Map::Or => a | b,
        Map::Xor => a ^ b,
        Map::Not => !a,
        Map::Shl => a.checked_shl(b).unwrap_or(0),
        Map::Shr => a.checked_shr(b).unwrap_or(0),
        Map::ShrArith => ((a as i32) >> b.min(31)) as u32,
        Map::MulHigh => ((u64::from(a) * u64::from(b)) >> 32) as u32,
        _ => unreachable!("{} is expanded before it runs", map.name()),
    }
}

fn compare_f32(compare: Compare, a: f32, b: f32) -> bool {
    holds(compare, &a, &b)
}

fn holds<T: PartialOrd>(compare: Compare, a: &T, b: &T) -> bool {
    match compare {
        Compare::Eq => a == b,
        Compare::Ne => a != b,
        Compare::Lt => a < b,
        Compare::Le => a <= b,
        Compare::Gt => a > b,
        Compare::Ge => a >= b,
    }
}

/// `a ∘ b` of a reduction. max and min propagate NaN; equal arguments give b.
pub fn fold(op: FoldOp, dtype: DType, a: u32, b: u32) -> u32 {
    match (op, dtype) {
        (FoldOp::Add, _) => map(Map::Add, dtype, &[a, b]),
        (FoldOp::Mul, _) => map(Map::Mul, dtype, &[a, b]),
        (FoldOp::Max | FoldOp::Min, DType::F32) if f32::from_bits(a).is_nan() => a,
        (FoldOp::Max, DType::F32) => map(Map::MaxRaw, dtype, &[a, b]),
        (FoldOp::Min, DType::F32) => map(Map::MinRaw, dtype, &[a, b]),
        (FoldOp::Max, _) => (a as i32).max(b as i32) as u32,
        (FoldOp::Min, _) => (a as i32).min(b as i32) as u32,
        (FoldOp::And, _) => a & b,
        (FoldOp::Or, _) => a | b,
    }
}

/// f32 ↔ i32 (saturating, NaN → 0), bool → i32/f32, i32/f32 → bool.
pub fn cast(from: DType, to: DType, x: u32) -> u32 {
    match (from, to) {
        (DType::F32, DType::I32) => f32::from_bits(x) as i32 as u32,
        (DType::I32 | DType::Bool, DType::F32) => (x as i32 as f32).to_bits(),
        (DType::F32, DType::Bool) => (float(x) != 0.0).into(),
        (DType::I32, DType::Bool) => (x != 0).into(),
        _ => x,
    }
}

/// Word `at % 4` of block `at / 4`; see `ops::Op::Philox`.
pub fn philox(key: u64, seed: u32, step: u32, at: i64) -> u32 {
    let counter = [at.div_euclid(4) as u32, step, key as u32, (key >> 32) as u32];
    philox_block(counter, [seed, 0x6e6e_6300])[at.rem_euclid(4) as usize]
}

/// One block of Philox4x32-10.
pub fn philox_block(mut counter: [u32; 4], mut keys: [u32; 2]) -> [u32; 4] {
    for _ in 0..10 {
        let low = u64::from(counter[0]) * 0xd251_1f53;
        let high = u64::from(counter[2]) * 0xcd9e_8d57;
        let first = (high >> 32) as u32 ^ counter[1] ^ keys[0];
        let third = (low >> 32) as u32 ^ counter[3] ^ keys[1];
        counter = [first, high as u32, third, low as u32];
        keys = [keys[0].wrapping_add(0x9e37_79b9), keys[1].wrapping_add(0xbb67_ae85)];
    }
    counter
}

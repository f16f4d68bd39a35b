//! Elementwise operations on vectors: a table.

use super::Placer;
use crate::lane::{LaneOp, Value, VecOp};
use crate::ops::{Compare, DType};
use crate::tile::{FoldOp, Map};

impl Placer<'_> {
    /// An operation of the first group; `dtype` is that of the last argument.
    pub fn map(&mut self, map: Map, dtype: DType, args: &[Value]) -> Value {
        match map {
            Map::Select => self.code.select(args[0], args[1], args[2]),
            Map::Compare(compare) if dtype == DType::Bool => self.compare_masks(compare, args),
            Map::Compare(compare) => self.code.compare(compare, args[0], args[1]),
            _ => self.code.vec(vec_op(map, dtype), args),
        }
    }

    fn compare_masks(&mut self, compare: Compare, args: &[Value]) -> Value {
        let differ = self.code.vec(VecOp::MXor, args);
        if compare == Compare::Eq { self.code.vec(VecOp::MNot, &[differ]) } else { differ }
    }

    pub fn cast(&mut self, from: DType, to: DType, x: Value) -> Value {
        match (from, to) {
            (DType::F32, DType::I32) => self.code.pure(self.code.i32s(), LaneOp::ToI32(x), &[x]),
            (DType::I32, DType::F32) => self.code.pure(self.code.f32s(), LaneOp::ToF32(x), &[x]),
            (DType::Bool, DType::F32 | DType::I32) => {
                let one = self.splat(to, if to == DType::F32 { 1f32.to_bits() } else { 1 });
                let zero = self.splat(to, 0);
                self.code.select(x, one, zero)
            }
            (DType::F32 | DType::I32, DType::Bool) => {
                let zero = self.splat(from, 0);
                self.code.compare(Compare::Ne, x, zero)
            }
            _ => x,
        }
    }

    /// `a ∘ b` of a reduction: see `tile::TileOp::Fold`.
    pub fn combine(&mut self, op: FoldOp, dtype: DType, a: Value, b: Value) -> Value {
        let float = dtype == DType::F32;
        let raw = match op {
            FoldOp::Add if float => VecOp::FAdd,
            FoldOp::Mul if float => VecOp::FMul,
            FoldOp::Add => VecOp::IAdd,
            FoldOp::Mul => VecOp::IMul,
            FoldOp::And => VecOp::MAnd,
            FoldOp::Or => VecOp::MOr,
            FoldOp::Max if float => VecOp::FMax,
            FoldOp::Min if float => VecOp::FMin,
            FoldOp::Max => return self.integer_extreme(Compare::Gt, a, b),
            FoldOp::Min => return self.integer_extreme(Compare::Lt, a, b),
        };
        let result = self.code.vec(raw, &[a, b]);
        if !matches!(raw, VecOp::FMax | VecOp::FMin) {
            return result;
        }
        let unordered = self.code.compare(Compare::Ne, a, a);
        self.code.select(unordered, a, result)
    }

    fn integer_extreme(&mut self, wins: Compare, a: Value, b: Value) -> Value {
        let first = self.code.compare(wins, a, b);
        self.code.select(first, a, b)
    }
}

fn vec_op(map: Map, dtype: DType) -> VecOp {
    match (map, dtype) {
        (Map::Neg, DType::F32) => VecOp::FNeg,
        (Map::Abs, DType::F32) => VecOp::FAbs,
        (Map::Add, DType::F32) => VecOp::FAdd,
        (Map::Sub, DType::F32) => VecOp::FSub,
        (Map::Mul, DType::F32) => VecOp::FMul,
        (Map::Div, _) => VecOp::FDiv,
        (Map::Sqrt, _) => VecOp::FSqrt,
        (Map::Floor, _) => VecOp::FFloor,
        (Map::Ceil, _) => VecOp::FCeil,
        (Map::RoundEven, _) => VecOp::FRound,
        (Map::Fma, _) => VecOp::Fma,
        (Map::MaxRaw, _) => VecOp::FMax,
        (Map::MinRaw, _) => VecOp::FMin,
        (Map::Neg, _) => VecOp::INeg,
        (Map::Abs, _) => VecOp::IAbs,
        (Map::Add, _) => VecOp::IAdd,
        (Map::Sub, _) => VecOp::ISub,
        (Map::Mul, _) => VecOp::IMul,
        (Map::And, DType::Bool) => VecOp::MAnd,
        (Map::Or, DType::Bool) => VecOp::MOr,
        (Map::Xor, DType::Bool) => VecOp::MXor,
        (Map::Not, DType::Bool) => VecOp::MNot,
        (Map::And, _) => VecOp::IAnd,
        (Map::Or, _) => VecOp::IOr,
        (Map::Xor, _) => VecOp::IXor,
        (Map::Not, _) => VecOp::INot,
        (Map::Shl, _) => VecOp::IShl,
        (Map::Shr, _) => VecOp::IShr,
        (Map::ShrArith, _) => VecOp::ISar,
        (Map::MulHigh, _) => VecOp::IMulHigh,
        _ => unreachable!("{} is no plain vector operation", map.name()),
    }
}

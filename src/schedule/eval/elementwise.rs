//! Elementwise operations: a table from tensor operations to tile operations.

use super::super::build::Bound;
use super::super::index::Coord;
use super::Emitter;
use crate::ops::{Binary, DType, Unary};
use crate::tensor::Value;
use crate::tile::{self, Map};

impl Emitter<'_> {
    pub(super) fn maps(&mut self, map: Map, args: &[Value], at: &Coord, bounds: &[Bound]) -> tile::Value {
        let tiles: Vec<_> = args.iter().map(|a| self.eval(*a, at, bounds)).collect();
        self.b.map(map, &tiles)
    }

    pub(super) fn unary(&mut self, op: Unary, x: Value, at: &Coord, bounds: &[Bound]) -> tile::Value {
        self.maps(unary_map(op), &[x], at, bounds)
    }

    pub(super) fn binary(&mut self, op: Binary, args: &[Value], at: &Coord, bounds: &[Bound]) -> tile::Value {
        self.maps(binary_map(op), args, at, bounds)
    }

    pub(super) fn cast_op(&mut self, to: DType, x: Value, at: &Coord, bounds: &[Bound]) -> tile::Value {
        let x = self.eval(x, at, bounds);
        // Bytes are i32 in tiles already.
        if self.b.ty(x).dtype == to { x } else { self.b.cast(x, to) }
    }
}

fn unary_map(op: Unary) -> Map {
    match op {
        Unary::Neg => Map::Neg,
        Unary::Abs => Map::Abs,
        Unary::Sign => Map::Sign,
        Unary::Floor => Map::Floor,
        Unary::Ceil => Map::Ceil,
        Unary::RoundEven => Map::RoundEven,
        Unary::Sqrt => Map::Sqrt,
        Unary::Exp => Map::Exp,
        Unary::Expm1 => Map::Expm1,
        Unary::Log => Map::Log,
        Unary::Log1p => Map::Log1p,
        Unary::Sin => Map::Sin,
        Unary::Cos => Map::Cos,
        Unary::Tanh => Map::Tanh,
        Unary::Erf => Map::Erf,
        Unary::Not => Map::Not,
    }
}

pub fn binary_map(op: Binary) -> Map {
    match op {
        Binary::Add => Map::Add,
        Binary::Sub => Map::Sub,
        Binary::Mul => Map::Mul,
        Binary::Div => Map::Div,
        Binary::Pow => Map::Pow,
        Binary::Max => Map::Max,
        Binary::Min => Map::Min,
        Binary::FloorDiv => Map::FloorDiv,
        Binary::Rem => Map::Rem,
        Binary::And => Map::And,
        Binary::Or => Map::Or,
        Binary::Xor => Map::Xor,
        Binary::Shl => Map::Shl,
        Binary::Shr => Map::Shr,
    }
}

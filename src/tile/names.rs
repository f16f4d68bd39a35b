//! Names of the elementwise operations and folds, as the text form has them.

use super::{FoldOp, Map};
use crate::ops::Compare;

/// Operation, name, number of arguments.
pub const MAPS: [(Map, &str, usize); 42] = [
    (Map::Neg, "neg", 1),
    (Map::Abs, "abs", 1),
    (Map::Add, "add", 2),
    (Map::Sub, "sub", 2),
    (Map::Mul, "mul", 2),
    (Map::Div, "div", 2),
    (Map::Sqrt, "sqrt", 1),
    (Map::Floor, "floor", 1),
    (Map::Ceil, "ceil", 1),
    (Map::RoundEven, "round_even", 1),
    (Map::Fma, "fma", 3),
    (Map::MaxRaw, "max_raw", 2),
    (Map::MinRaw, "min_raw", 2),
    (Map::And, "and", 2),
    (Map::Or, "or", 2),
    (Map::Xor, "xor", 2),
    (Map::Not, "not", 1),
    (Map::Shl, "shl", 2),
    (Map::Shr, "shr", 2),
    (Map::ShrArith, "shr_arith", 2),
    (Map::MulHigh, "mul_high", 2),
    (Map::Compare(Compare::Eq), "eq", 2),
    (Map::Compare(Compare::Ne), "ne", 2),
    (Map::Compare(Compare::Lt), "lt", 2),
    (Map::Compare(Compare::Le), "le", 2),
    (Map::Compare(Compare::Gt), "gt", 2),
    (Map::Compare(Compare::Ge), "ge", 2),
    (Map::Select, "select", 3),
    (Map::Sign, "sign", 1),
    (Map::Exp, "exp", 1),
    (Map::Expm1, "expm1", 1),
    (Map::Log, "log", 1),
    (Map::Log1p, "log1p", 1),
    (Map::Sin, "sin", 1),
    (Map::Cos, "cos", 1),
    (Map::Tanh, "tanh", 1),
    (Map::Erf, "erf", 1),
    (Map::Pow, "pow", 2),
    (Map::Max, "max", 2),
    (Map::Min, "min", 2),
    (Map::FloorDiv, "floor_div", 2),
    (Map::Rem, "rem", 2),
];

pub const FOLDS: [(FoldOp, &str); 6] = [
    (FoldOp::Add, "add"),
    (FoldOp::Mul, "mul"),
    (FoldOp::Max, "max"),
    (FoldOp::Min, "min"),
    (FoldOp::And, "and"),
    (FoldOp::Or, "or"),
];

impl Map {
    fn row(self) -> (Map, &'static str, usize) {
        MAPS.into_iter().find(|row| row.0 == self).expect("every map has a row")
    }

    pub fn name(self) -> &'static str {
        self.row().1
    }

    pub fn arity(self) -> usize {
        self.row().2
    }

    pub fn from_name(name: &str) -> Option<Map> {
        MAPS.into_iter().find(|row| row.1 == name).map(|row| row.0)
    }
}

impl FoldOp {
    pub fn name(self) -> &'static str {
        FOLDS.into_iter().find(|row| row.0 == self).expect("every fold has a row").1
    }

    pub fn from_name(name: &str) -> Option<FoldOp> {
        FOLDS.into_iter().find(|row| row.1 == name).map(|row| row.0)
    }
}

//! Symbolic dimensions: integer polynomials closed under floor and ceil of division by a positive constant.

use super::Extent;
use std::collections::HashMap;
use std::fmt;
use std::rc::Rc;

/// A symbol: an opaque positive integer. `id` makes it unique, `name` is what the user wrote (`B`).
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct Symbol {
    pub name: Rc<str>,
    pub id: u32,
}

/// A dimension in normal form.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum Dim {
    Const(i64),
    Symbol(Symbol),
}

/// Values of symbols.
pub type Bindings = HashMap<Symbol, i64>;

impl Dim {
    pub fn eval(&self, bindings: &Bindings) -> Option<i64> {
        match self {
            Dim::Const(n) => Some(*n),
            Dim::Symbol(s) => bindings.get(s).copied(),
        }
    }
}

impl fmt::Display for Dim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Dim::Const(n) => write!(f, "{n}"),
            Dim::Symbol(s) => f.write_str(&s.name),
        }
    }
}

impl Extent for usize {
    fn constant(n: i64) -> Self {
        n as usize
    }
    fn known(&self) -> Option<i64> {
        Some(*self as i64)
    }
    fn add(&self, other: &Self) -> Self {
        self + other
    }
    fn sub(&self, other: &Self) -> Self {
        self.saturating_sub(*other)
    }
    fn mul(&self, other: &Self) -> Self {
        self * other
    }
    fn floor_div(&self, n: i64) -> Self {
        self / n as usize
    }
    fn same(&self, other: &Self) -> bool {
        self == other
    }
}

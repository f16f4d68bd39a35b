//! Symbolic dimensions: integer polynomials closed under floor and ceil of division by a positive constant.
//!
//! A [`Dim`] is always in normal form ([`poly`] says which). Two dimensions whose normal forms differ may still be
//! equal for all values of their symbols; [`Dim::compare`] decides that. Arithmetic never panics and never wraps: a
//! coefficient that leaves the range of `i64` turns the whole term into [`Dim::Overflow`], which equals nothing.

mod compare;
mod display;
mod interval;
mod poly;
#[cfg(test)]
mod tests;

pub use compare::{Verdict, lcm};
pub use poly::gcd;

use super::Extent;
use poly::{Atom, Poly};
use std::collections::HashMap;
use std::sync::Arc;

/// A symbol: an opaque positive integer. `id` makes it unique, `name` is what the user wrote (`B`).
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct Symbol {
    pub name: Arc<str>,
    pub id: u32,
}

/// A dimension in normal form. `==` compares normal forms; [`Extent::same`] compares meanings.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum Dim {
    Const(i64),
    /// A term with at least one symbol.
    Term(Term),
    /// A number on the way did not fit into `i64`.
    Overflow,
}

/// A polynomial that is not a constant.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Term(Arc<Poly>);

/// Values of symbols.
pub type Bindings = HashMap<Symbol, i64>;

impl From<i64> for Dim {
    fn from(n: i64) -> Self {
        Dim::Const(n)
    }
}

impl From<Option<Poly>> for Dim {
    fn from(poly: Option<Poly>) -> Self {
        match poly {
            None => Dim::Overflow,
            Some(p) => p.as_constant().map_or_else(|| Dim::Term(Term(Arc::new(p))), Dim::Const),
        }
    }
}

impl Dim {
    pub fn symbol(symbol: Symbol) -> Dim {
        Dim::from(Some(Poly::atom(Atom::Symbol(symbol))))
    }

    fn poly(&self) -> Option<Poly> {
        match self {
            Dim::Const(n) => Some(Poly::constant(*n)),
            Dim::Term(t) => Some(t.0.as_ref().clone()),
            Dim::Overflow => None,
        }
    }

    fn combine(&self, other: &Dim, f: impl Fn(&Poly, &Poly) -> Option<Poly>) -> Dim {
        let polys = self.poly().zip(other.poly());
        Dim::from(polys.and_then(|(a, b)| f(&a, &b)))
    }

    /// `ceil(self / n)`, n ≥ 1.
    pub fn ceil_div(&self, n: i64) -> Dim {
        match n.checked_sub(1) {
            Some(round) => self.add(&Dim::Const(round)).floor_div(n),
            None => Dim::Overflow,
        }
    }

    /// `self / n`, or `None` where the division is not provably exact.
    pub fn exact_div(&self, n: i64) -> Option<Dim> {
        let quotient = if n < 1 { Dim::Overflow } else { self.floor_div(n) };
        quotient.mul(&Dim::Const(n)).same(self).then_some(quotient)
    }

    /// By squaring, so that a huge exponent overflows soon instead of looping.
    pub fn pow(&self, exponent: u32) -> Dim {
        match exponent {
            0 => Dim::Const(1),
            1 => self.clone(),
            _ => {
                let half = self.pow(exponent / 2);
                let even = half.mul(&half);
                if exponent.is_multiple_of(2) { even } else { even.mul(self) }
            }
        }
    }

    /// The value under `bindings`; `None` where a symbol is unbound or the value does not fit.
    pub fn eval(&self, bindings: &Bindings) -> Option<i64> {
        self.eval_with(&|s| bindings.get(s).copied())
    }

    fn eval_with(&self, value: &dyn Fn(&Symbol) -> Option<i64>) -> Option<i64> {
        match self {
            Dim::Const(n) => Some(*n),
            Dim::Term(t) => t.0.eval(value),
            Dim::Overflow => None,
        }
    }

    /// Replaces symbols by dimensions, all at once; a symbol without an entry stays.
    pub fn substitute(&self, map: &HashMap<Symbol, Dim>) -> Dim {
        match self {
            Dim::Term(t) => t.0.substitute(map),
            _ => self.clone(),
        }
    }

    /// The symbols that occur, sorted, each once.
    pub fn symbols(&self) -> Vec<Symbol> {
        let mut found = vec![];
        if let Dim::Term(t) = self {
            t.0.collect_symbols(&mut found);
        }
        found.sort();
        found.dedup();
        found
    }

    /// The symbol if the dimension is nothing but one.
    pub fn as_symbol(&self) -> Option<&Symbol> {
        match self {
            Dim::Term(t) => t.0.as_symbol(),
            _ => None,
        }
    }

    /// The `symbol` for which `self` equals `value`: `D + 1` against 65 gives 64. `None` unless the symbol occurs
    /// once and linearly, and the division by its coefficient (if not 1) is exact.
    pub fn solve_for(&self, symbol: &Symbol, value: &Dim) -> Option<Dim> {
        let Dim::Term(t) = self else { return None };
        let (coefficient, rest) = t.0.split_linear(symbol)?;
        let gap = value.sub(&Dim::from(Some(rest))).mul(&Dim::Const(coefficient.signum()));
        gap.exact_div(coefficient.checked_abs()?)
    }
}

impl Extent for Dim {
    fn constant(n: i64) -> Self {
        Dim::Const(n)
    }

    fn known(&self) -> Option<i64> {
        match self {
            Dim::Const(n) => Some(*n),
            _ => None,
        }
    }

    fn add(&self, other: &Self) -> Self {
        match (self, other) {
            (Dim::Const(a), Dim::Const(b)) => a.checked_add(*b).map_or(Dim::Overflow, Dim::Const),
            _ => self.combine(other, Poly::add),
        }
    }

    fn sub(&self, other: &Self) -> Self {
        match (self, other) {
            (Dim::Const(a), Dim::Const(b)) => a.checked_sub(*b).map_or(Dim::Overflow, Dim::Const),
            _ => self.combine(other, Poly::sub),
        }
    }

    fn mul(&self, other: &Self) -> Self {
        match (self, other) {
            (Dim::Const(a), Dim::Const(b)) => a.checked_mul(*b).map_or(Dim::Overflow, Dim::Const),
            _ => self.combine(other, Poly::mul),
        }
    }

    fn floor_div(&self, n: i64) -> Self {
        match self {
            _ if n < 1 => Dim::Overflow,
            Dim::Const(a) => Dim::Const(a.div_euclid(n)),
            _ => Dim::from(self.poly().and_then(|p| p.floor_div(n))),
        }
    }

    fn same(&self, other: &Self) -> bool {
        self.compare(other) == Verdict::Equal
    }
}

/// Plain numbers saturate: the shape rules check ranges before they build a dimension.
impl Extent for usize {
    fn constant(n: i64) -> Self {
        usize::try_from(n).unwrap_or(0)
    }
    fn known(&self) -> Option<i64> {
        Some(i64::try_from(*self).unwrap_or(i64::MAX))
    }
    fn add(&self, other: &Self) -> Self {
        self.saturating_add(*other)
    }
    fn sub(&self, other: &Self) -> Self {
        self.saturating_sub(*other)
    }
    fn mul(&self, other: &Self) -> Self {
        self.saturating_mul(*other)
    }
    fn floor_div(&self, n: i64) -> Self {
        self / usize::constant(n).max(1)
    }
    fn same(&self, other: &Self) -> bool {
        self == other
    }
}

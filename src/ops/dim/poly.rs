//! Polynomials over symbols and floors, in normal form:
//! - monomials are sorted, with non-zero coefficients;
//! - `ceil` is written as `floor`;
//! - inside `floor(p / n)` every coefficient lies in `0..n` (multiples of n move out), no number divides both n and
//!   all coefficients, and no floor stands alone with coefficient 1 (nested floors are merged).
//!
//! Every operation returns `None` when a coefficient leaves the range of `i64`.

use super::{Dim, Symbol};
use crate::ops::Extent;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub enum Atom {
    Symbol(Symbol),
    /// `floor(p / n)`, n ≥ 2.
    Floor(Arc<Poly>, i64),
}

/// A product of powers (≥ 1) of atoms, sorted by atom; empty for the constant 1.
pub type Monomial = Vec<(Atom, u32)>;

#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Debug, Default)]
pub struct Poly {
    pub terms: BTreeMap<Monomial, i64>,
}

impl Poly {
    pub fn constant(n: i64) -> Poly {
        let terms = if n == 0 { BTreeMap::new() } else { BTreeMap::from([(vec![], n)]) };
        Poly { terms }
    }

    pub fn atom(atom: Atom) -> Poly {
        Poly { terms: BTreeMap::from([(vec![(atom, 1)], 1)]) }
    }

    pub fn as_constant(&self) -> Option<i64> {
        let constant = self.terms.get([].as_slice()).copied().unwrap_or(0);
        self.terms.keys().all(|m| m.is_empty()).then_some(constant)
    }

    pub fn as_symbol(&self) -> Option<&Symbol> {
        match self.terms.first_key_value()? {
            (m, 1) if self.terms.len() == 1 => match m.as_slice() {
                [(Atom::Symbol(s), 1)] => Some(s),
                _ => None,
            },
            _ => None,
        }
    }

    fn accumulate(&mut self, monomial: Monomial, coefficient: i64) -> Option<()> {
        let sum = self.terms.get(&monomial).copied().unwrap_or(0).checked_add(coefficient)?;
        match sum {
            0 => self.terms.remove(&monomial),
            _ => self.terms.insert(monomial, sum),
        };
        Some(())
    }

    pub fn add(&self, other: &Poly) -> Option<Poly> {
        let mut sum = self.clone();
        for (m, &c) in &other.terms {
            sum.accumulate(m.clone(), c)?;
        }
        Some(sum)
    }

    pub fn scale(&self, factor: i64) -> Option<Poly> {
        self.mul(&Poly::constant(factor))
    }

    pub fn sub(&self, other: &Poly) -> Option<Poly> {
        self.add(&other.scale(-1)?)
    }

    pub fn mul(&self, other: &Poly) -> Option<Poly> {
        let mut product = Poly::default();
        for (a, &x) in &self.terms {
            for (b, &y) in &other.terms {
                product.accumulate(multiply(a, b)?, x.checked_mul(y)?)?;
            }
        }
        Some(product)
    }

    /// `floor(self / n)`, n ≥ 1.
    pub fn floor_div(&self, n: i64) -> Option<Poly> {
        let quotient = self.map_coefficients(|c| c.div_euclid(n));
        let rest = self.map_coefficients(|c| c.rem_euclid(n));
        if rest.as_constant().is_some() {
            return Some(quotient);
        }
        let common = rest.terms.iter().filter(|(m, _)| !m.is_empty()).fold(n, |g, (_, &c)| gcd(g, c));
        let (rest, n) = (rest.map_coefficients(|c| c / common), n / common);
        let floor = match rest.lone_floor() {
            Some((monomial, inner, m)) => {
                // floor((floor(p / m) + q) / n) = floor((p + m * q) / (m * n))
                let others = rest.without(&monomial).scale(m)?;
                inner.add(&others)?.floor_div(m.checked_mul(n)?)?
            }
            None => Poly::atom(Atom::Floor(Arc::new(rest), n)),
        };
        quotient.add(&floor)
    }

    fn map_coefficients(&self, f: impl Fn(i64) -> i64) -> Poly {
        let mapped = self.terms.iter().map(|(m, &c)| (m.clone(), f(c)));
        Poly { terms: mapped.filter(|(_, c)| *c != 0).collect() }
    }

    pub fn without(&self, monomial: &Monomial) -> Poly {
        let mut rest = self.clone();
        rest.terms.remove(monomial);
        rest
    }

    /// A monomial that is a single floor with coefficient 1: itself, its numerator, its divisor.
    fn lone_floor(&self) -> Option<(Monomial, Arc<Poly>, i64)> {
        self.terms.iter().find_map(|(monomial, &c)| match monomial.as_slice() {
            [(Atom::Floor(p, m), 1)] if c == 1 => Some((monomial.clone(), p.clone(), *m)),
            _ => None,
        })
    }

    pub fn eval(&self, value: &dyn Fn(&Symbol) -> Option<i64>) -> Option<i64> {
        let mut sum = 0i128;
        for (monomial, &c) in &self.terms {
            let mut product = i128::from(c);
            for (atom, power) in monomial {
                let base = i128::from(atom.eval(value)?);
                product = product.checked_mul(base.checked_pow(*power)?)?;
            }
            sum = sum.checked_add(product)?;
        }
        i64::try_from(sum).ok()
    }

    pub fn substitute(&self, map: &HashMap<Symbol, Dim>) -> Dim {
        let mut sum = Dim::Const(0);
        for (monomial, &c) in &self.terms {
            let factors = monomial.iter().map(|(atom, power)| atom.substitute(map).pow(*power));
            sum = sum.add(&factors.fold(Dim::Const(c), |product, f| product.mul(&f)));
        }
        sum
    }

    pub fn collect_symbols(&self, found: &mut Vec<Symbol>) {
        for (atom, _) in self.terms.keys().flatten() {
            match atom {
                Atom::Symbol(s) => found.push(s.clone()),
                Atom::Floor(p, _) => p.collect_symbols(found),
            }
        }
    }

    pub fn contains(&self, symbol: &Symbol) -> bool {
        self.terms.keys().flatten().any(|(atom, _)| match atom {
            Atom::Symbol(s) => s == symbol,
            Atom::Floor(p, _) => p.contains(symbol),
        })
    }

    /// `self` as `coefficient * symbol + rest`, where the symbol occurs nowhere in `rest`.
    pub fn split_linear(&self, symbol: &Symbol) -> Option<(i64, Poly)> {
        let monomial = vec![(Atom::Symbol(symbol.clone()), 1)];
        let coefficient = *self.terms.get(&monomial)?;
        let rest = self.without(&monomial);
        (!rest.contains(symbol)).then_some((coefficient, rest))
    }
}

impl Atom {
    fn eval(&self, value: &dyn Fn(&Symbol) -> Option<i64>) -> Option<i64> {
        match self {
            Atom::Symbol(s) => value(s),
            Atom::Floor(p, n) => Some(p.eval(value)?.div_euclid(*n)),
        }
    }

    fn substitute(&self, map: &HashMap<Symbol, Dim>) -> Dim {
        match self {
            Atom::Symbol(s) => map.get(s).cloned().unwrap_or_else(|| Dim::symbol(s.clone())),
            Atom::Floor(p, n) => p.substitute(map).floor_div(*n),
        }
    }
}

fn multiply(a: &Monomial, b: &Monomial) -> Option<Monomial> {
    let mut powers: BTreeMap<Atom, u32> = a.iter().cloned().collect();
    for (atom, power) in b {
        let entry = powers.entry(atom.clone()).or_insert(0);
        *entry = entry.checked_add(*power)?;
    }
    Some(powers.into_iter().collect())
}

/// Greatest common divisor of numbers that are not negative.
pub fn gcd(a: i64, b: i64) -> i64 {
    if b == 0 { a } else { gcd(b, a % b) }
}

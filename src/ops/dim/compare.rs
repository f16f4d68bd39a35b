//! Deciding whether two dimensions are equal for all positive values of their symbols.
//!
//! Let L be the period of a term in a symbol: 1 for the symbol itself, multiplied by n at a floor, least common
//! multiple at sums and products. For x = a + L·t the term is a polynomial in t with integer coefficients, of the
//! term's degree d in x. So a term that is 0 on (d + 1)·L consecutive values of every symbol is 0 everywhere.

use super::poly::{Atom, Monomial, Poly, gcd};
use super::{Dim, Symbol};
use crate::ops::Extent;

/// Points tried before a comparison is given up.
const MAX_POINTS: usize = 100_000;

#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Verdict {
    Equal,
    /// For the values in `witness` the two sides are `left` and `right`.
    Different {
        witness: Vec<(Symbol, i64)>,
        left: i64,
        right: i64,
    },
    /// Undecided: the terms are too complex, or their values leave `i64`.
    TooLarge,
}

impl Dim {
    /// Compares the meanings of two dimensions.
    pub fn compare(&self, other: &Dim) -> Verdict {
        let difference = self.sub(other);
        match &difference {
            Dim::Const(0) => Verdict::Equal,
            Dim::Overflow => Verdict::TooLarge,
            _ => compare_on_grid(self, other, &difference),
        }
    }
}

fn compare_on_grid(left: &Dim, right: &Dim, difference: &Dim) -> Verdict {
    let symbols = left.add(right).symbols().into_iter().chain(difference.symbols());
    let mut symbols: Vec<Symbol> = symbols.collect();
    symbols.sort();
    symbols.dedup();
    let sizes: Vec<u64> = symbols.iter().map(|s| points_needed(difference, s)).collect();
    let mut point = vec![1i64; symbols.len()];
    for _ in 0..MAX_POINTS {
        let value = |s: &Symbol| symbols.iter().position(|t| t == s).map(|i| point[i]);
        let Some((l, r)) = left.eval_with(&value).zip(right.eval_with(&value)) else { return Verdict::TooLarge };
        if l != r {
            return Verdict::Different { witness: symbols.into_iter().zip(point).collect(), left: l, right: r };
        }
        if !advance(&mut point, &sizes) {
            return Verdict::Equal;
        }
    }
    Verdict::TooLarge
}

/// The next point of the grid `1..=size` on each axis; false after the last.
fn advance(point: &mut [i64], sizes: &[u64]) -> bool {
    for (p, &size) in point.iter_mut().zip(sizes) {
        if (*p as u64) < size {
            *p += 1;
            return true;
        }
        *p = 1;
    }
    false
}

fn points_needed(difference: &Dim, symbol: &Symbol) -> u64 {
    let Dim::Term(t) = difference else { return 1 };
    let Growth { degree, period } = t.0.growth(symbol);
    degree.saturating_add(1).saturating_mul(period)
}

/// How a term depends on one symbol.
struct Growth {
    degree: u64,
    period: u64,
}

impl Poly {
    fn growth(&self, symbol: &Symbol) -> Growth {
        let constant = Growth { degree: 0, period: 1 };
        self.terms
            .keys()
            .map(|m| monomial_growth(m, symbol))
            .fold(constant, |a, b| Growth { degree: a.degree.max(b.degree), period: lcm(a.period, b.period) })
    }
}

fn monomial_growth(monomial: &Monomial, symbol: &Symbol) -> Growth {
    let mut growth = Growth { degree: 0, period: 1 };
    for (atom, power) in monomial {
        let factor = atom_growth(atom, symbol);
        growth.degree = growth.degree.saturating_add(factor.degree.saturating_mul(u64::from(*power)));
        growth.period = lcm(growth.period, factor.period);
    }
    growth
}

fn atom_growth(atom: &Atom, symbol: &Symbol) -> Growth {
    match atom {
        Atom::Symbol(s) => Growth { degree: u64::from(s == symbol), period: 1 },
        Atom::Floor(p, _) if !p.contains(symbol) => Growth { degree: 0, period: 1 },
        Atom::Floor(p, n) => {
            let inner = p.growth(symbol);
            Growth { degree: inner.degree, period: inner.period.saturating_mul(n.unsigned_abs()) }
        }
    }
}

/// Least common multiple, saturating (a saturated period exceeds every grid).
pub fn lcm(a: u64, b: u64) -> u64 {
    match (i64::try_from(a), i64::try_from(b)) {
        (Ok(x), Ok(y)) => (a / gcd(x, y).unsigned_abs()).saturating_mul(b),
        _ => u64::MAX,
    }
}

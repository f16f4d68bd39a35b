//! Bounds of a dimension by interval arithmetic, of each monomial by itself and with floors written as quotients:
//! sound, not always tight.

use super::poly::{Atom, Poly};
use super::{Dim, Symbol};
use std::collections::HashMap;

/// An integer or an infinity; the derived order is the numeric one.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Bound {
    NegInf,
    Finite(i128),
    PosInf,
}

use Bound::{Finite, NegInf, PosInf};

#[derive(Clone, Copy)]
struct Interval {
    lo: Bound,
    hi: Bound,
}

impl Dim {
    /// Smallest and largest possible value; `None` is unbounded. Symbols without a range are at least 1.
    pub fn interval(&self, ranges: &HashMap<Symbol, (i64, i64)>) -> (Option<i64>, Option<i64>) {
        match self {
            Dim::Const(n) => (Some(*n), Some(*n)),
            Dim::Term(t) => poly_interval(&t.0, ranges).to_options(),
            Dim::Overflow => (None, None),
        }
    }
}

fn poly_interval(poly: &Poly, ranges: &HashMap<Symbol, (i64, i64)>) -> Interval {
    let direct = sum_of_monomials(poly, ranges);
    match without_floor(poly) {
        Some((rest, c, n)) => direct.meet(poly_interval(&rest, ranges).add(remainder(c, n)).divided(n)),
        None => direct,
    }
}

/// Bounds each monomial by itself.
fn sum_of_monomials(poly: &Poly, ranges: &HashMap<Symbol, (i64, i64)>) -> Interval {
    let mut sum = Interval::point(0);
    for (monomial, &c) in &poly.terms {
        let mut product = Interval::point(c);
        for (atom, power) in monomial {
            product = product.mul(atom_interval(atom, ranges).pow(*power));
        }
        sum = sum.add(product);
    }
    sum
}

/// With floor(p / n) = (p - r) / n, 0 ≤ r < n: n · (q + c · floor(p / n)) = (n · q + c · p) - c · r. This gives the
/// polynomial in parentheses, c and n for one floor; it sees what `T - floor(T / 2)` cancels.
fn without_floor(poly: &Poly) -> Option<(Poly, i64, i64)> {
    let (monomial, p, c, n) = poly.terms.iter().find_map(|(m, &c)| match m.as_slice() {
        [(Atom::Floor(p, n), 1)] => Some((m, p, c, *n)),
        _ => None,
    })?;
    let scaled = poly.without(monomial).scale(n)?;
    Some((scaled.add(&p.scale(c)?)?, c, n))
}

/// `-c · r` for r in 0..n.
fn remainder(c: i64, n: i64) -> Interval {
    Interval { lo: Finite(0), hi: Finite(i128::from(n) - 1) }
        .mul(Interval { lo: Finite(-i128::from(c)), hi: Finite(-i128::from(c)) })
}

fn atom_interval(atom: &Atom, ranges: &HashMap<Symbol, (i64, i64)>) -> Interval {
    match atom {
        Atom::Symbol(s) => match ranges.get(s) {
            Some(&(lo, hi)) => Interval { lo: Finite(lo.into()), hi: Finite(hi.into()) },
            None => Interval { lo: Finite(1), hi: PosInf },
        },
        Atom::Floor(p, n) => {
            let inner = poly_interval(p, ranges);
            Interval { lo: inner.lo.floor_div(*n), hi: inner.hi.floor_div(*n) }
        }
    }
}

impl Interval {
    fn point(n: i64) -> Interval {
        Interval { lo: Finite(n.into()), hi: Finite(n.into()) }
    }

    fn add(self, other: Interval) -> Interval {
        Interval { lo: self.lo.add(other.lo, NegInf), hi: self.hi.add(other.hi, PosInf) }
    }

    fn mul(self, other: Interval) -> Interval {
        let corners = [self.lo.mul(other.lo), self.lo.mul(other.hi), self.hi.mul(other.lo), self.hi.mul(other.hi)];
        let pick = |a: Bound, b: Bound, least: bool| if (a < b) == least { a } else { b };
        Interval {
            lo: corners.into_iter().fold(PosInf, |a, b| pick(a, b, true)),
            hi: corners.into_iter().fold(NegInf, |a, b| pick(a, b, false)),
        }
    }

    /// An even power is never negative, which the product of two independent factors would not see.
    fn pow(self, exponent: u32) -> Interval {
        if exponent <= 1 {
            return if exponent == 0 { Interval::point(1) } else { self };
        }
        let half = self.pow(exponent / 2);
        let mut even = half.mul(half);
        even.lo = even.lo.max(Finite(0));
        if exponent.is_multiple_of(2) { even } else { even.mul(self) }
    }

    /// The integers x with n · x in the interval.
    fn divided(self, n: i64) -> Interval {
        let n = i128::from(n);
        let up = |a: i128| a.div_euclid(n) + i128::from(a.rem_euclid(n) > 0);
        let lo = if let Finite(a) = self.lo { Finite(up(a)) } else { self.lo };
        let hi = if let Finite(a) = self.hi { Finite(a.div_euclid(n)) } else { self.hi };
        Interval { lo, hi }
    }

    /// What both intervals allow.
    fn meet(self, other: Interval) -> Interval {
        Interval { lo: self.lo.max(other.lo), hi: self.hi.min(other.hi) }
    }

    fn to_options(self) -> (Option<i64>, Option<i64>) {
        (self.lo.to_i64(PosInf), self.hi.to_i64(NegInf))
    }
}

impl Bound {
    fn sign(self) -> i32 {
        match self {
            NegInf => -1,
            Finite(n) => n.signum() as i32,
            PosInf => 1,
        }
    }

    /// The sum; `doubt` where it is undefined or too large to represent.
    fn add(self, other: Bound, doubt: Bound) -> Bound {
        match (self, other) {
            (Finite(a), Finite(b)) => a.checked_add(b).map_or(doubt, Finite),
            (NegInf, PosInf) | (PosInf, NegInf) => doubt,
            (Finite(_), infinite) | (infinite, _) => infinite,
        }
    }

    fn mul(self, other: Bound) -> Bound {
        if let (Finite(a), Finite(b)) = (self, other)
            && let Some(product) = a.checked_mul(b)
        {
            return Finite(product);
        }
        match self.sign() * other.sign() {
            0 => Finite(0),
            1 => PosInf,
            _ => NegInf,
        }
    }

    fn floor_div(self, n: i64) -> Bound {
        match self {
            Finite(a) => Finite(a.div_euclid(n.into())),
            infinite => infinite,
        }
    }

    /// The bound as i64. `beyond` is the infinity on the far side: a lower bound above every i64 becomes `i64::MAX`,
    /// which still bounds from below.
    fn to_i64(self, beyond: Bound) -> Option<i64> {
        let clamped = if beyond == PosInf { i64::MAX } else { i64::MIN };
        match self {
            Finite(a) => i64::try_from(a).ok().or((a.signum() as i64 == clamped.signum()).then_some(clamped)),
            infinite => (infinite == beyond).then_some(clamped),
        }
    }
}

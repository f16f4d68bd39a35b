//! Dimensions in source syntax: `2 * floor(T / 2) + 1`.

use super::Dim;
use super::poly::{Atom, Monomial, Poly};
use std::cmp::Reverse;
use std::fmt;

impl fmt::Display for Dim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Dim::Const(n) => write!(f, "{n}"),
            Dim::Term(t) => t.0.fmt(f),
            Dim::Overflow => f.write_str("(too large)"),
        }
    }
}

/// Positive terms before negative ones, higher degrees first, the constant last.
impl fmt::Display for Poly {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut terms: Vec<(&Monomial, i64)> = self.terms.iter().map(|(m, &c)| (m, c)).collect();
        terms.sort_by_key(|(m, c)| (*c < 0, Reverse(degree(m))));
        for (i, (monomial, c)) in terms.into_iter().enumerate() {
            f.write_str(match (i, c < 0) {
                (0, true) => "-",
                (0, false) => "",
                (_, true) => " - ",
                (_, false) => " + ",
            })?;
            write_product(f, c.unsigned_abs(), monomial)?;
        }
        Ok(())
    }
}

fn degree(monomial: &Monomial) -> u32 {
    monomial.iter().fold(0, |sum, (_, power)| sum.saturating_add(*power))
}

fn write_product(f: &mut fmt::Formatter<'_>, coefficient: u64, monomial: &Monomial) -> fmt::Result {
    if coefficient != 1 || monomial.is_empty() {
        write!(f, "{coefficient}{}", if monomial.is_empty() { "" } else { " * " })?;
    }
    for (i, (atom, power)) in monomial.iter().enumerate() {
        write!(f, "{}{atom}", if i > 0 { " * " } else { "" })?;
        if *power > 1 {
            write!(f, " ** {power}")?;
        }
    }
    Ok(())
}

impl fmt::Display for Atom {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Atom::Symbol(s) => f.write_str(&s.name),
            Atom::Floor(p, n) if p.terms.len() > 1 => write!(f, "floor(({p}) / {n})"),
            Atom::Floor(p, n) => write!(f, "floor({p} / {n})"),
        }
    }
}

//! Index arithmetic at compile time: sums of index values with coefficients, plus a term per lane.

use super::code::{Code, FAR, Fact};
use crate::lane::{IndexOp, LaneOp, Type, Value, VecOp};
use crate::ops::Compare;
use crate::ops::dim::gcd;
use std::collections::BTreeMap;

/// `Σ coefficient · value + constant`
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Affine {
    pub terms: BTreeMap<Value, i64>,
    pub constant: i64,
}

impl Affine {
    pub fn constant(constant: i64) -> Affine {
        Affine { terms: BTreeMap::new(), constant }
    }

    pub fn term(value: Value, coefficient: i64) -> Affine {
        Affine { terms: BTreeMap::from([(value, coefficient)]), constant: 0 }
    }

    pub fn known(&self) -> Option<i64> {
        self.terms.is_empty().then_some(self.constant)
    }

    pub fn plus(&self, other: &Affine) -> Affine {
        let mut sum = self.clone();
        sum.constant += other.constant;
        for (value, coefficient) in &other.terms {
            *sum.terms.entry(*value).or_insert(0) += coefficient;
        }
        sum.terms.retain(|_, c| *c != 0);
        sum
    }

    pub fn offset(&self, n: i64) -> Affine {
        Affine { constant: self.constant + n, ..self.clone() }
    }

    pub fn times(&self, n: i64) -> Affine {
        if n == 0 {
            return Affine::default();
        }
        let terms = self.terms.iter().map(|(v, c)| (*v, c * n)).collect();
        Affine { terms, constant: self.constant * n }
    }
}

/// An affine part, `lane ·` the lane's number, and i32 vectors with coefficients.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Expr {
    pub base: Affine,
    pub lane: i64,
    pub vectors: Vec<(Value, i64)>,
}

impl Expr {
    pub fn scalar(base: Affine) -> Expr {
        Expr { base, ..Expr::default() }
    }

    pub fn vector(value: Value) -> Expr {
        Expr { vectors: vec![(value, 1)], ..Expr::default() }
    }

    /// The same in every lane.
    pub fn is_scalar(&self) -> bool {
        self.lane == 0 && self.vectors.is_empty()
    }

    pub fn plus(&self, other: &Expr) -> Expr {
        let vectors = self.vectors.iter().chain(&other.vectors).copied().collect();
        Expr { base: self.base.plus(&other.base), lane: self.lane + other.lane, vectors }
    }

    pub fn times(&self, n: i64) -> Expr {
        let vectors = self.vectors.iter().map(|(v, c)| (*v, c * n)).filter(|(_, c)| *c != 0).collect();
        Expr { base: self.base.times(n), lane: self.lane * n, vectors }
    }

    pub fn offset(&self, n: i64) -> Expr {
        Expr { base: self.base.offset(n), ..self.clone() }
    }

    /// The value in one lane, where no vectors take part.
    fn in_lane(&self, lane: i64) -> Affine {
        self.base.offset(self.lane * lane)
    }
}

impl Code {
    /// Inclusive bounds.
    pub fn range(&self, affine: &Affine) -> (i64, i64) {
        let clip = |n: i128| n.clamp(-i128::from(FAR), i128::from(FAR));
        let (mut lo, mut hi) = (i128::from(affine.constant), i128::from(affine.constant));
        for (value, coefficient) in &affine.terms {
            let fact = self.fact(*value);
            let ends = [fact.lo, fact.hi].map(|end| i128::from(end) * i128::from(*coefficient));
            lo += ends[0].min(ends[1]);
            hi += ends[0].max(ends[1]);
        }
        (clip(lo) as i64, clip(hi) as i64)
    }

    /// Inclusive bounds over the first `count` lanes; `None` for vectors.
    pub fn lane_range(&self, expr: &Expr, count: u16) -> Option<(i64, i64)> {
        let (lo, hi) = self.range(&expr.base);
        let reach = expr.lane * (i64::from(count.max(1)) - 1);
        expr.vectors.is_empty().then_some((lo + reach.min(0), hi + reach.max(0)))
    }

    /// A number that divides every value of the affine expression (1 where it is a sum of strangers).
    pub fn multiple(&self, affine: &Affine) -> i64 {
        let terms = affine.terms.iter().map(|(v, c)| (self.fact(*v).multiple * c).abs());
        terms.fold(affine.constant.abs(), gcd)
    }

    /// An index value, and a constant to add to it. Terms known further out are added first.
    pub fn split_value(&mut self, affine: &Affine) -> (Value, i64) {
        let mut terms: Vec<(Value, i64)> = affine.terms.iter().map(|(v, c)| (*v, *c)).collect();
        terms.sort_by_key(|(v, _)| (self.level(*v), *v));
        let mut sum = None;
        for (value, coefficient) in terms {
            let term = if coefficient == 1 { value } else { self.index_by(IndexOp::Mul, value, coefficient) };
            sum = Some(sum.map_or(term, |s| self.index(IndexOp::Add, s, term)));
        }
        (sum.unwrap_or_else(|| self.iconst(0)), affine.constant)
    }

    /// The whole expression as one index value.
    pub fn value(&mut self, affine: &Affine) -> Value {
        match affine.known() {
            Some(n) => self.iconst(n),
            None => {
                let (value, offset) = self.split_value(affine);
                if offset == 0 { value } else { self.index_by(IndexOp::Add, value, offset) }
            }
        }
    }

    /// A new index value as a term, with what is known of it.
    fn atom(&mut self, value: Value, lo: i64, hi: i64) -> Affine {
        self.learn(value, Fact { lo, hi, multiple: 1 });
        Affine::term(value, 1)
    }

    /// `a = n q + r`: q holds the terms that n divides, r the others and a constant in `0..n`.
    fn split_by(&mut self, a: &Affine, n: i64) -> (Affine, Affine) {
        let mut quotient = Affine::constant(a.constant.div_euclid(n));
        let mut rest = Affine::constant(a.constant.rem_euclid(n));
        for (value, coefficient) in &a.terms {
            let multiple = self.fact(*value).multiple;
            if coefficient % n == 0 {
                quotient = quotient.plus(&Affine::term(*value, coefficient / n));
            } else if multiple > 1 && coefficient * multiple % n == 0 {
                let fact = self.fact(*value);
                let part = self.index_by(IndexOp::Div, *value, multiple);
                let part = self.atom(part, fact.lo.div_euclid(multiple), fact.hi.div_euclid(multiple));
                quotient = quotient.plus(&part.times(coefficient * multiple / n));
            } else {
                rest = rest.plus(&Affine::term(*value, *coefficient));
            }
        }
        (quotient, rest)
    }

    fn floor_div_affine(&mut self, a: &Affine, n: i64) -> Affine {
        let (quotient, rest) = self.split_by(a, n);
        let (lo, hi) = self.range(&rest);
        let (lo, hi) = (lo.div_euclid(n), hi.div_euclid(n));
        if lo == hi {
            return quotient.offset(lo);
        }
        let rest = self.value(&rest);
        let part = self.index_by(IndexOp::Div, rest, n);
        quotient.plus(&self.atom(part, lo, hi))
    }

    /// Floor of `a / n` in the first `count` lanes.
    pub fn floor_div(&mut self, a: &Expr, n: i64, count: u16) -> Expr {
        if a.is_scalar() {
            return Expr::scalar(self.floor_div_affine(&a.base, n));
        }
        let (quotient, rest) = self.split_by(&a.base, n);
        let rest = Expr { base: rest, ..a.clone() };
        if let Some((lo, hi)) = self.lane_range(&rest, count)
            && lo.div_euclid(n) == hi.div_euclid(n)
        {
            return Expr::scalar(quotient.offset(lo.div_euclid(n)));
        }
        if self.stay_in_block(&rest, n, count) {
            return Expr::scalar(quotient.plus(&self.floor_div_affine(&rest.base, n)));
        }
        let known = (0..i64::from(count)).map(|l| rest.in_lane(l).known().map(|x| x.div_euclid(n) as i32));
        let part = match known.collect::<Option<Vec<i32>>>() {
            Some(lanes) if rest.vectors.is_empty() => self.static_lanes(&lanes),
            _ => self.divided(&rest, n),
        };
        Expr::scalar(quotient).plus(&Expr::vector(part))
    }

    /// Whether all lanes lie in one block of some length that divides `n`, wherever the base is: a multiple of that length and
    /// a constant.
    fn stay_in_block(&self, x: &Expr, n: i64, count: u16) -> bool {
        let steps = x.base.terms.iter().map(|(value, c)| (self.fact(*value).multiple * c).abs());
        let block = steps.fold(n, gcd);
        let first = x.base.constant.rem_euclid(block);
        let last = first + x.lane * (i64::from(count) - 1);
        x.vectors.is_empty() && (0..block).contains(&last)
    }

    /// Division of vectors: a shift, or a multiplication by the scaled reciprocal. Exact for -2^30 <= x < 2^30, which
    /// all indices are: x is moved into 0..2^31, where a reciprocal of 32 bits suffices (Granlund and Montgomery, 1994).
    fn divided(&mut self, x: &Expr, n: i64) -> Value {
        let bits = i64::BITS - (n - 1).leading_zeros();
        if n.count_ones() == 1 {
            let (vector, count) = (self.vector(x), self.isplat(bits as i32));
            return self.vec(VecOp::ISar, &[vector, count]);
        }
        let shift = (1 << 30) / n;
        let moved = self.vector(&x.offset(shift * n));
        let reciprocal = self.isplat(((1i128 << (31 + bits)) / i128::from(n) + 1) as u32 as i32);
        let count = self.isplat(bits as i32 - 1);
        let product = self.vec(VecOp::IMulHigh, &[moved, reciprocal]);
        let quotient = self.vec(VecOp::IShr, &[product, count]);
        self.vector(&Expr::vector(quotient).offset(-shift))
    }

    /// `a - n · floor(a / n)`
    pub fn modulo(&mut self, a: &Expr, n: i64, count: u16) -> Expr {
        let quotient = self.floor_div(a, n, count);
        a.plus(&quotient.times(-n))
    }

    /// The smaller or larger (`IndexOp::Min`, `IndexOp::Max`).
    pub fn extreme(&mut self, op: IndexOp, a: &Expr, b: &Expr) -> Expr {
        let min = op == IndexOp::Min;
        if !a.is_scalar() || !b.is_scalar() {
            let (a, b) = (self.vector(a), self.vector(b));
            let first = self.compare(if min { Compare::Lt } else { Compare::Gt }, a, b);
            return Expr::vector(self.select(first, a, b));
        }
        let ((a_lo, a_hi), (b_lo, b_hi)) = (self.range(&a.base), self.range(&b.base));
        if if min { a_hi <= b_lo } else { a_lo >= b_hi } {
            return a.clone();
        }
        if if min { b_hi <= a_lo } else { b_lo >= a_hi } {
            return b.clone();
        }
        let (lo, hi) = if min { (a_lo.min(b_lo), a_hi.min(b_hi)) } else { (a_lo.max(b_lo), a_hi.max(b_hi)) };
        let multiple = gcd(self.multiple(&a.base), self.multiple(&b.base));
        let (a, b) = (self.value(&a.base), self.value(&b.base));
        let value = self.index(op, a, b);
        self.learn(value, Fact { lo, hi, multiple: multiple.max(1) });
        Expr::scalar(Affine::term(value, 1))
    }

    /// As an i32 vector.
    pub fn vector(&mut self, expr: &Expr) -> Value {
        let mut parts = vec![];
        match expr.base.known() {
            Some(0) if !expr.is_scalar() => {}
            Some(n) => parts.push(self.isplat(n as i32)),
            None => {
                let base = self.value(&expr.base);
                parts.push(self.pure(self.i32s(), LaneOp::SplatIndex(base), &[base]));
            }
        }
        if expr.lane != 0 {
            let lanes = self.pure(self.i32s(), LaneOp::Lanes, &[]);
            parts.push(self.scaled(lanes, expr.lane));
        }
        for (vector, coefficient) in &expr.vectors {
            parts.push(self.scaled(*vector, *coefficient));
        }
        parts.into_iter().reduce(|a, b| self.vec(VecOp::IAdd, &[a, b])).expect("at least one part")
    }

    fn scaled(&mut self, vector: Value, n: i64) -> Value {
        if n == 1 {
            return vector;
        }
        let n = self.isplat(n as i32);
        self.vec(VecOp::IMul, &[vector, n])
    }

    /// The index in lane 0 of an i32 vector.
    pub fn first_lane(&mut self, vector: Value) -> Value {
        self.pure(Type::I64, LaneOp::FirstLane(vector), &[vector])
    }
}

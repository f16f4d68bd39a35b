//! Integer expressions in iteration axes, in a normal form: what a tensor is read at, before axes become loops.
//!
//! A [`Lin`] is a sum of atoms with coefficients. Division and remainder cancel where the ranges of the axes prove it,
//! so that a reshape between two row-major tensors disappears, and a merged axis splits only where it must.

use crate::ops::dim::gcd;
use crate::tile;

/// An iteration axis: `0..size`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct Axis {
    pub id: u32,
    pub size: i64,
}

#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub enum Atom {
    Axis(Axis),
    Div(Box<Lin>, i64),
    Mod(Box<Lin>, i64),
    /// An index read from a tile, in `0..limit`.
    Data {
        tile: tile::Value,
        limit: i64,
    },
}

/// `Σ coefficient · atom + constant`; atoms distinct and sorted, no coefficient zero.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Debug, Default)]
pub struct Lin {
    pub terms: Vec<(Atom, i64)>,
    pub constant: i64,
}

impl Lin {
    pub fn constant(n: i64) -> Lin {
        Lin { terms: vec![], constant: n }
    }

    /// The axis itself; an axis of one point is 0.
    pub fn axis(axis: Axis) -> Lin {
        if axis.size == 1 { Lin::default() } else { Lin::atom(Atom::Axis(axis)) }
    }

    pub fn atom(atom: Atom) -> Lin {
        Lin { terms: vec![(atom, 1)], constant: 0 }
    }

    pub fn offset(mut self, n: i64) -> Lin {
        self.constant += n;
        self
    }

    pub fn scale(&self, n: i64) -> Lin {
        if n == 0 {
            return Lin::default();
        }
        Lin { terms: self.terms.iter().map(|(a, c)| (a.clone(), c * n)).collect(), constant: self.constant * n }
    }

    pub fn add(&self, other: &Lin) -> Lin {
        let mut sum = self.clone();
        sum.constant += other.constant;
        for (atom, c) in &other.terms {
            sum.add_term(atom.clone(), *c);
        }
        sum.rejoin()
    }

    fn add_term(&mut self, atom: Atom, c: i64) {
        match self.terms.binary_search_by(|t| t.0.cmp(&atom)) {
            Ok(at) => {
                self.terms[at].1 += c;
                if self.terms[at].1 == 0 {
                    self.terms.remove(at);
                }
            }
            Err(at) => self.terms.insert(at, (atom, c)),
        }
    }

    /// `c·n·(x div n) + c·(x mod n)` is `c·x`.
    fn rejoin(self) -> Lin {
        let pair = self.terms.iter().find_map(|(atom, c)| match atom {
            Atom::Mod(x, n) => {
                let div = Atom::div(x, *n);
                self.terms.iter().any(|t| t.0 == div && t.1 == c * n).then(|| (div, atom.clone(), x.scale(*c)))
            }
            _ => None,
        });
        let Some((div, rem, whole)) = pair else { return self };
        let rest = self.terms.into_iter().filter(|t| t.0 != div && t.0 != rem).collect();
        Lin { terms: rest, constant: self.constant }.add(&whole)
    }

    /// Smallest and largest value.
    pub fn range(&self) -> (i64, i64) {
        self.terms.iter().fold((self.constant, self.constant), |(lo, hi), (atom, c)| {
            let (a, b) = atom.range();
            (lo + (a * c).min(b * c), hi + (a * c).max(b * c))
        })
    }

    pub fn within(&self, lo: i64, hi: i64) -> bool {
        let (a, b) = self.range();
        lo <= a && b < hi
    }

    /// Floor of the division by `n` ≥ 1, and the remainder.
    pub fn div_rem(&self, n: i64) -> (Lin, Lin) {
        let (quotient, rest) = self.split(n);
        if rest.within(0, n) {
            return (quotient, rest);
        }
        let (coarse, fine, step) = rest.coarsen(n);
        if step > 1 {
            let (q, r) = coarse.div_rem(n / step);
            return (quotient.add(&q), r.scale(step).add(&fine));
        }
        let div = Atom::div(&rest, n);
        (quotient.add(&Lin::atom(div)), Lin::atom(Atom::Mod(Box::new(rest), n)))
    }

    /// `self = n · quotient + rest`, the rest holding only what does not divide.
    fn split(&self, n: i64) -> (Lin, Lin) {
        let (whole, part): (Vec<_>, Vec<_>) = self.terms.iter().cloned().partition(|t| t.1 % n == 0);
        let quotient =
            Lin { terms: whole.into_iter().map(|(a, c)| (a, c / n)).collect(), constant: self.constant.div_euclid(n) };
        (quotient, Lin { terms: part, constant: self.constant.rem_euclid(n) })
    }

    /// `self = step · coarse + fine` with `fine` in `0..step` and `step` a divisor of `n`; step 1 where there is none.
    fn coarsen(&self, n: i64) -> (Lin, Lin, i64) {
        let steps = self.terms.iter().map(|t| gcd(t.1.abs(), n)).filter(|g| *g > 1);
        let split = steps.map(|g| (self.split(g), g)).find(|((_, fine), g)| fine.within(0, *g));
        split.map_or_else(|| (self.clone(), Lin::default(), 1), |((coarse, fine), g)| (coarse, fine, g))
    }

    /// The coefficient of an axis; `None` where the axis occurs inside another atom.
    pub fn coefficient(&self, axis: Axis) -> Option<i64> {
        let mut found = 0;
        for (atom, c) in &self.terms {
            match atom {
                Atom::Axis(a) if *a == axis => found = *c,
                Atom::Div(x, _) | Atom::Mod(x, _) if x.axes().contains(&axis) => return None,
                _ => {}
            }
        }
        Some(found)
    }

    /// No division, no remainder: a fixed stride for each axis (data indices count as constants).
    pub fn is_affine(&self) -> bool {
        self.terms.iter().all(|t| matches!(t.0, Atom::Axis(_) | Atom::Data { .. }))
    }

    /// Axes that occur anywhere in it, those behind data indices aside.
    pub fn axes(&self) -> Vec<Axis> {
        self.terms.iter().flat_map(|(atom, _)| atom.axes()).collect()
    }

    /// Whether some quotient or remainder is taken of data.
    pub fn divides_data(&self) -> bool {
        let divides = |atom: &Atom| matches!(atom, Atom::Div(x, _) | Atom::Mod(x, _) if !x.tiles().is_empty());
        self.terms.iter().any(|t| divides(&t.0))
    }

    /// Tiles that it reads indices from.
    pub fn tiles(&self) -> Vec<tile::Value> {
        self.terms.iter().flat_map(|(atom, _)| atom.tiles()).collect()
    }
}

impl Atom {
    /// The floor of `x / n`; nested floors are one.
    fn div(x: &Lin, n: i64) -> Atom {
        match x.terms.as_slice() {
            [(Atom::Div(y, m), 1)] if x.constant == 0 => Atom::Div(y.clone(), m * n),
            _ => Atom::Div(Box::new(x.clone()), n),
        }
    }

    fn range(&self) -> (i64, i64) {
        match self {
            Atom::Axis(axis) => (0, (axis.size - 1).max(0)),
            Atom::Div(x, n) => {
                let (lo, hi) = x.range();
                (lo.div_euclid(*n), hi.div_euclid(*n))
            }
            Atom::Mod(_, n) => (0, n - 1),
            Atom::Data { limit, .. } => (0, limit - 1),
        }
    }

    fn axes(&self) -> Vec<Axis> {
        match self {
            Atom::Axis(axis) => vec![*axis],
            Atom::Div(x, _) | Atom::Mod(x, _) => x.axes(),
            Atom::Data { .. } => vec![],
        }
    }

    fn tiles(&self) -> Vec<tile::Value> {
        match self {
            Atom::Data { tile, .. } => vec![*tile],
            Atom::Div(x, _) | Atom::Mod(x, _) => x.tiles(),
            Atom::Axis(_) => vec![],
        }
    }
}

/// An element of a tensor: its index along each dimension, and the row-major offset. Both are kept, since a
/// reshape leaves the offset alone and everything else works on dimensions.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Coord {
    pub dims: Vec<Lin>,
    pub flat: Lin,
}

impl Coord {
    pub fn from_dims(shape: &[usize], dims: Vec<Lin>) -> Coord {
        let flat = dims.iter().zip(strides(shape)).fold(Lin::default(), |sum, (d, s)| sum.add(&d.scale(s)));
        Coord { dims, flat }
    }

    pub fn from_flat(shape: &[usize], flat: Lin) -> Coord {
        let mut rest = flat.clone();
        let mut dims = vec![];
        for &n in shape.iter().skip(1).rev() {
            let (quotient, index) = rest.div_rem((n as i64).max(1));
            dims.push(index);
            rest = quotient;
        }
        if !shape.is_empty() {
            dims.push(rest);
        }
        dims.reverse();
        Coord { dims, flat }
    }

    /// The same elements under another shape of as many elements.
    pub fn reshape(&self, shape: &[usize]) -> Coord {
        Coord::from_flat(shape, self.flat.clone())
    }
}

/// Row-major strides in elements.
pub fn strides(shape: &[usize]) -> Vec<i64> {
    let mut strides = vec![1; shape.len()];
    for i in (1..shape.len()).rev() {
        strides[i - 1] = strides[i] * shape[i] as i64;
    }
    strides
}

#[cfg(test)]
mod tests {
    use super::*;

    fn axis(id: u32, size: i64) -> Lin {
        Lin::axis(Axis { id, size })
    }

    #[test]
    fn a_reshape_and_back_is_the_identity() {
        let at = Coord::from_dims(&[4, 5, 6], vec![axis(0, 4), axis(1, 5), axis(2, 6)]);
        assert_eq!(at.reshape(&[20, 6]).reshape(&[4, 30]).reshape(&[4, 5, 6]), at);
        assert_eq!(at.reshape(&[20, 6]).dims[1], axis(2, 6));
    }

    #[test]
    fn a_split_axis_joins_again() {
        let x = axis(0, 35);
        let (q, r) = x.div_rem(7);
        assert_eq!(q.scale(7).add(&r), x);
        assert_eq!(q.range(), (0, 4));
        let place = Coord::from_flat(&[3, 4, 5, 7], axis(0, 420));
        assert_eq!(Coord::from_dims(&[3, 4, 5, 7], place.dims).flat, axis(0, 420));
    }

    #[test]
    fn division_cancels_by_range() {
        let x = axis(0, 3).scale(8).add(&axis(1, 4)).offset(17);
        assert_eq!(x.div_rem(8), (axis(0, 3).offset(2), axis(1, 4).offset(1)));
        let fine = axis(0, 10).scale(4).add(&axis(1, 4));
        let (q, r) = fine.div_rem(8);
        assert_eq!(q, axis(0, 10).div_rem(2).0);
        assert_eq!(r, axis(0, 10).div_rem(2).1.scale(4).add(&axis(1, 4)));
    }

    #[test]
    fn nested_floors_merge() {
        let (q, _) = axis(0, 100).div_rem(3);
        assert_eq!(q.div_rem(5).0, axis(0, 100).div_rem(15).0);
    }

    #[test]
    fn coefficients_see_into_divisions() {
        let a = Axis { id: 0, size: 10 };
        assert_eq!(Lin::axis(a).scale(3).coefficient(a), Some(3));
        assert_eq!(Lin::axis(a).div_rem(3).0.coefficient(a), None);
    }
}

//! Where the points of kernels can be cut.

use crate::ops::dim::gcd;
use crate::tile::footprint::{Footprint, Footprints, hull};
use crate::tile::{Access, Kernel};
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

/// A kernel of more points is not looked at.
const MOST_POINTS: usize = 1 << 14;

/// What each point of a kernel touches.
pub struct Profile {
    points: Vec<Footprint>,
    /// Where the points can be cut: fraction of each result that lies before, and number of points before.
    cuts: BTreeMap<Fraction, usize>,
}

/// A fraction in lowest terms, numerator and denominator.
type Fraction = (usize, usize);

/// The same cuts in several kernels.
pub struct Cuts {
    /// Shares: one more than there are cuts.
    pub count: usize,
    /// Points of a share in each kernel; the last share may have fewer.
    pub points: Vec<usize>,
}

/// The finest cuts that all kernels have, if there is one.
pub fn common(profiles: &[&Profile]) -> Option<Cuts> {
    let (first, others) = profiles.split_first()?;
    let shared = first.cuts.keys().copied().filter(|f| others.iter().all(|p| p.cuts.contains_key(f)));
    let shared: BTreeSet<Fraction> = shared.collect();
    let points = profiles.iter().map(|p| p.share(&shared)).collect::<Option<_>>()?;
    Some(Cuts { count: shared.len() + 1, points })
}

impl Profile {
    pub fn of(kernel: &Kernel) -> Profile {
        if kernel.points() > MOST_POINTS {
            return Profile { points: vec![], cuts: BTreeMap::new() };
        }
        let footprints = Footprints::new(kernel);
        let points: Vec<Footprint> = (0..kernel.points()).map(|p| footprints.of(p..p + 1)).collect();
        let written = kernel.params.iter().enumerate().filter(|(_, p)| p.access != Access::Read);
        let mut results = written.map(|(n, p)| cuts(points.iter().map(|f| &f.writes[n]), p.elements()));
        let first = results.next().unwrap_or_default();
        let cuts = results.fold(first, |all, more| all.into_iter().filter(|(f, at)| more.get(f) == Some(at)).collect());
        Profile { points, cuts }
    }

    /// Points of a share, if each share between these cuts has as many (the last one perhaps fewer).
    fn share(&self, cuts: &BTreeSet<Fraction>) -> Option<usize> {
        let mut at: Vec<usize> = cuts.iter().map(|f| self.cuts[f]).collect();
        at.sort_unstable();
        let share = *at.first()?;
        let even = at.iter().enumerate().all(|(n, cut)| *cut == (n + 1) * share);
        (even && self.points.len() <= (at.len() + 1) * share).then_some(share)
    }

    /// What each share of so many points touches.
    pub fn shares(&self, points: usize) -> Vec<Footprint> {
        self.points.chunks(points).map(together).collect()
    }
}

fn together(points: &[Footprint]) -> Footprint {
    let join = |a: &[Range<usize>], b: &[Range<usize>]| a.iter().zip(b).map(|(a, b)| hull(a, b)).collect();
    let both =
        |a: Footprint, b: &Footprint| Footprint { reads: join(&a.reads, &b.reads), writes: join(&a.writes, &b.writes) };
    points[1..].iter().fold(points[0].clone(), both)
}

/// The numbers of points that write the first elements of a result, each after the fraction that these are.
fn cuts<'a>(
    points: impl DoubleEndedIterator<Item = &'a Range<usize>> + Clone,
    elements: usize,
) -> BTreeMap<Fraction, usize> {
    let least = |least: &mut usize, r: &Range<usize>| {
        *least = if r.is_empty() { *least } else { r.start.min(*least) };
        Some(*least)
    };
    let mut after: Vec<usize> = points.clone().rev().scan(elements, least).collect();
    after.reverse();
    let mut end = 0;
    let mut found = BTreeMap::new();
    for (at, (range, after)) in points.zip(after).enumerate() {
        if at > 0 && end == after {
            found.insert(fraction(end, elements), at);
        }
        end = if range.is_empty() { end } else { end.max(range.end) };
    }
    found
}

fn fraction(n: usize, of: usize) -> Fraction {
    let divisor = gcd(n as i64, of as i64).max(1) as usize;
    (n / divisor, of / divisor)
}

//! Who touched which bytes.

use std::collections::BTreeMap;
use std::ops::Range;

/// More than one owner.
const SEVERAL: usize = usize::MAX;

/// Disjoint ranges by their starts, each with its end and its owner.
#[derive(Default)]
pub struct Owners(BTreeMap<usize, (usize, usize)>);

impl Owners {
    pub fn clear(&mut self) {
        self.0.clear();
    }

    /// The ranges that meet `range`: start, end and owner.
    fn meeting(&self, range: &Range<usize>) -> impl Iterator<Item = (usize, usize, usize)> {
        let before = self.0.range(..range.start).next_back();
        let within = self.0.range(range.start..range.end.max(range.start));
        let start = range.start;
        before.into_iter().chain(within).map(|(s, (e, o))| (*s, *e, *o)).filter(move |(_, e, _)| *e > start)
    }

    /// Whether somebody other than `owner` touched any of these bytes.
    pub fn has_others(&self, range: &Range<usize>, owner: usize) -> bool {
        !range.is_empty() && self.meeting(range).any(|(_, _, o)| o != owner)
    }

    /// Adds an owner of these bytes.
    pub fn claim(&mut self, range: &Range<usize>, owner: usize) {
        if range.is_empty() {
            return;
        }
        let met: Vec<_> = self.meeting(range).collect();
        let mut at = range.start;
        let mut parts = vec![];
        for (start, end, other) in met {
            self.0.remove(&start);
            parts.push((start, range.start, other));
            parts.push((at, start, owner));
            parts.push((start.max(range.start), end.min(range.end), if other == owner { owner } else { SEVERAL }));
            parts.push((range.end, end, other));
            at = end;
        }
        parts.push((at, range.end, owner));
        let parts = parts.into_iter().filter(|(start, end, _)| start < end);
        self.0.extend(parts.map(|(start, end, owner)| (start, (end, owner))));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn owners_split_what_they_share() {
        let mut owners = Owners::default();
        owners.claim(&(10..20), 1);
        owners.claim(&(15..25), 2);
        owners.claim(&(0..40), 1);
        let found: Vec<_> = owners.0.iter().map(|(s, (e, o))| (*s, *e, *o)).collect();
        assert_eq!(found, [(0, 10, 1), (10, 15, 1), (15, 20, SEVERAL), (20, 25, SEVERAL), (25, 40, 1)]);
        assert!(!owners.has_others(&(0..15), 1) && owners.has_others(&(0..16), 1) && owners.has_others(&(3..4), 2));
        assert!(!owners.has_others(&(40..50), 2) && !owners.has_others(&(17..17), 1));
    }

    #[test]
    fn a_claim_within_a_range_keeps_its_ends() {
        let mut owners = Owners::default();
        owners.claim(&(0..10), 1);
        owners.claim(&(4..6), 2);
        let found: Vec<_> = owners.0.iter().map(|(s, (e, o))| (*s, *e, *o)).collect();
        assert_eq!(found, [(0, 4, 1), (4, 6, SEVERAL), (6, 10, 1)]);
        owners.clear();
        assert!(!owners.has_others(&(0..10), 2));
    }
}

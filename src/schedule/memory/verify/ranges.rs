//! Sets of bytes.

use std::ops::Range;

/// Disjoint ranges in order, none empty, none next to another.
#[derive(Clone, Default, PartialEq, Debug)]
pub struct Ranges(Vec<Range<usize>>);

impl Ranges {
    /// The ranges that touch or adjoin `range`, as places in the list.
    fn near(&self, range: &Range<usize>) -> Range<usize> {
        let from = self.0.partition_point(|r| r.end < range.start);
        let to = self.0.partition_point(|r| r.start <= range.end);
        from..to
    }

    pub fn add(&mut self, range: &Range<usize>) {
        if range.is_empty() {
            return;
        }
        let near = self.near(range);
        let start = self.0[near.clone()].first().map_or(range.start, |r| r.start.min(range.start));
        let end = self.0[near.clone()].last().map_or(range.end, |r| r.end.max(range.end));
        self.0.splice(near, std::iter::once(start..end));
    }

    pub fn remove(&mut self, range: &Range<usize>) {
        let near = self.near(range);
        let left = self.0[near.clone()].first().map(|r| r.start..range.start.min(r.end));
        let right = self.0[near.clone()].last().map(|r| range.end.max(r.start)..r.end);
        let rest: Vec<_> = left.into_iter().chain(right).filter(|r| !r.is_empty()).collect();
        self.0.splice(near, rest);
    }

    pub fn contain(&self, range: &Range<usize>) -> bool {
        range.is_empty() || self.0.iter().any(|r| r.start <= range.start && range.end <= r.end)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ranges(of: &[(usize, usize)]) -> Ranges {
        let mut ranges = Ranges::default();
        of.iter().for_each(|(start, end)| ranges.add(&(*start..*end)));
        ranges
    }

    #[test]
    fn neighbours_join() {
        assert_eq!(ranges(&[(0, 4), (8, 12), (4, 8)]), ranges(&[(0, 12)]));
        assert_eq!(ranges(&[(8, 12), (0, 4)]).0, [0..4, 8..12]);
        assert_eq!(ranges(&[(0, 4), (2, 3), (3, 9), (20, 20)]), ranges(&[(0, 9)]));
    }

    #[test]
    fn holes_are_cut() {
        let mut all = ranges(&[(0, 10), (20, 30)]);
        all.remove(&(5..25));
        assert_eq!(all.0, [0..5, 25..30]);
        all.remove(&(1..2));
        assert_eq!(all.0, [0..1, 2..5, 25..30]);
        all.remove(&(5..25));
        assert_eq!(all.0, [0..1, 2..5, 25..30]);
        all.remove(&(0..40));
        assert_eq!(all, Ranges::default());
    }

    #[test]
    fn contents_are_known() {
        let some = ranges(&[(2, 4), (8, 12)]);
        assert!(some.contain(&(8..10)) && some.contain(&(5..5)) && !some.contain(&(3..9)));
    }
}

//! Several groups as one: what starts in different places and meets again is computed together.

use super::join::Grouper;
use super::parts::probe_parts;
use super::{Probe, Root, own_kernel};
use crate::tensor::Value;
use std::collections::BTreeSet;

impl Grouper<'_> {
    /// Takes all values of earlier groups into the group `at`, which a value joins that is computed from both.
    pub fn absorb(&mut self, at: usize, probe: &Probe) {
        let leaves = probe.log.iter().filter_map(|access| access.leaf);
        let from: BTreeSet<usize> = leaves.filter_map(|v| self.group_of.get(&v).copied()).collect();
        for other in from.into_iter().filter(|g| *g < at) {
            if self.can_absorb(at, other) && self.aligned(other, probe) {
                self.take_values(at, other);
            }
        }
    }

    /// Both have one space, no group between reads what `other` computes, and `at` reads it at its own place.
    fn can_absorb(&self, at: usize, other: usize) -> bool {
        let (group, from) = (&self.groups[at], &self.groups[other]);
        let agree = matches!(group.root, Root::Map | Root::Dot) && from.root == Root::Map && from.space == group.space;
        let columns = from.columns.is_none() || from.columns == group.columns;
        let values = [group.values.as_slice(), &from.values].concat();
        let between = self.groups[other + 1..at].iter().all(|g| !from.values.iter().any(|v| g.reads.contains(v)));
        let small = self.fits(&values, group.reads.union(&from.reads));
        agree && columns && small && between && group.values.iter().all(|v| self.reads_in_place(*v, other))
    }

    /// Whether all that a value reads of a group is at its own place. The operands of a product have places of their own.
    fn reads_in_place(&self, value: Value, of: usize) -> bool {
        let probe = probe_parts(self.cx, value, self.realised, &|_| false);
        match own_kernel(self.cx.op(value)) {
            true => !probe.log.iter().any(|a| a.leaf.is_some_and(|leaf| self.group_of.get(&leaf) == Some(&of))),
            false => self.aligned(of, &probe),
        }
    }

    fn take_values(&mut self, at: usize, other: usize) {
        let values = std::mem::take(&mut self.groups[other].values);
        let reads = std::mem::take(&mut self.groups[other].reads);
        self.group_of.extend(values.iter().map(|v| (*v, at)));
        self.groups[at].values.extend(values);
        self.groups[at].reads.extend(reads);
    }
}

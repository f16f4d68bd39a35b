//! Values whose columns are parts, each computed beside the others: the gates of a recurrent cell, a gated layer.
//!
//! A product whose readers take equal parts of its columns is computed part by part in one kernel: a point has the same
//! columns of all parts, and what combines them is its epilogue. The other way round, parts that stand side by side in
//! one value are stored to their places in it by the kernel that computes them. In both cases the space of the group has
//! the columns of one part.

use super::join::Grouper;
use super::{Access, Probe, Root, evaluate, probe};
use crate::ops::Op;
use crate::schedule::context::Context;
use crate::schedule::index::Lin;
use crate::tensor::Value;

/// Equal parts of the last axis.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Parts {
    pub count: usize,
    pub columns: usize,
}

/// A product is not cut into more parts: each takes a vector of every row of a tile.
const MOST_PARTS: usize = 4;
/// Narrower parts would leave vectors empty.
const LEAST_COLUMNS: usize = 8;

/// The parts that stand side by side in a value.
pub fn of_concat(cx: &Context, value: Value) -> Option<Parts> {
    let inst = cx.def(value);
    let (last, count) = (cx.shape(value).len().checked_sub(1)?, inst.args.len());
    let columns = cx.shape(value)[last] / count.max(1);
    let equal = inst.args.iter().all(|part| cx.shape(*part).last() == Some(&columns));
    let apart = inst.op == (Op::Concat { axis: last }) && equal && count > 1 && columns >= LEAST_COLUMNS;
    apart.then_some(Parts { count, columns })
}

/// The reads of what stands side by side, at the place of one part; else those of [`probe`].
pub fn probe_parts(cx: &Context, value: Value, realised: &[bool], here: &dyn Fn(Value) -> bool) -> Probe {
    if of_concat(cx, value).is_none() {
        return probe(cx, value, realised, here);
    }
    let mut probes = cx.def(value).args.iter().map(|part| evaluate(cx, *part, realised, here));
    let first = probes.next().expect("more than one part");
    probes.fold(first, |all, more| Probe { log: [all.log, more.log].concat(), ..all })
}

impl Grouper<'_> {
    /// Joins a value that takes parts of the group's columns, or whose parts the group computes; false where it does neither.
    pub fn join_parts(&mut self, at: usize, value: Value, probe: &Probe) -> bool {
        let parts = of_concat(self.cx, value).map(|_| probe_parts(self.cx, value, self.realised, &|_| false));
        let of_part = parts.as_ref().unwrap_or(probe);
        let found =
            if parts.is_some() { self.has_parts(at, value, of_part) } else { self.takes_parts(at, value, probe) };
        let Some((space, columns)) = found else { return false };
        (self.groups[at].space, self.groups[at].columns) = (space, Some(columns));
        self.absorb(at, of_part);
        true
    }

    /// Space and columns of a product, if the value is computed from its parts at one place.
    fn takes_parts(&self, at: usize, value: Value, probe: &Probe) -> Option<(usize, usize)> {
        let group = &self.groups[at];
        let &[rows, all] = self.cx.shape(*group.values.first()?) else { return None };
        let size = self.cx.elements(value);
        let columns = size / rows.max(1);
        let parts = all / columns.max(1);
        let fits = columns * rows == size && parts * columns == all && (2..=MOST_PARTS).contains(&parts);
        let agrees = group.root == Root::Dot && group.columns.is_none_or(|c| c == columns) && columns >= LEAST_COLUMNS;
        let aligned = |access: &Access| self.is_part(at, access, &probe.own, columns, all);
        (fits && agrees && probe.log.iter().all(aligned)).then_some((size, columns))
    }

    /// Whether what is read of the group is a part at the reader's place, or as wide as a part itself.
    fn is_part(&self, at: usize, access: &Access, own: &Lin, columns: usize, all: usize) -> bool {
        let Some(leaf) = access.leaf.filter(|leaf| self.group_of.get(leaf) == Some(&at)) else { return true };
        let (row, col) = own.div_rem(columns as i64);
        let first = row.scale(all as i64).add(&col);
        let distance = access.at.add(&first.scale(-1));
        let whole = self.cx.elements(leaf) == self.cx.elements(self.groups[at].values[0]);
        let in_part = whole && distance.terms.is_empty() && distance.constant % columns as i64 == 0;
        !access.guarded && (in_part || !whole && access.at == *own)
    }

    /// Space and columns of a group that computes all parts of the value at their own places.
    fn has_parts(&self, at: usize, value: Value, probe: &Probe) -> Option<(usize, usize)> {
        let parts = of_concat(self.cx, value)?;
        let group = &self.groups[at];
        let size = self.cx.elements(value) / parts.count;
        let agrees = matches!(group.root, Root::Map | Root::Dot) && group.space == size;
        let agrees = agrees && group.columns.is_none_or(|c| c == parts.columns);
        let all = *self.cx.shape(*group.values.first()?).last()?;
        let aligned = |access: &Access| self.is_part(at, access, &probe.own, parts.columns, all);
        let aligned = if group.root == Root::Dot { probe.log.iter().all(aligned) } else { self.aligned(at, probe) };
        (agrees && aligned).then_some((size, parts.columns))
    }
}

//! Which group a value joins.

use super::realise;
use super::{Access, Group, Probe, Root, own_kernel, parts, place, probe};
use crate::ops::Op;
use crate::schedule::context::Context;
use crate::schedule::index::Lin;
use crate::tensor::{Inst, Value};
use std::collections::{BTreeSet, HashMap};

pub struct Grouper<'a> {
    pub(super) cx: &'a Context<'a>,
    pub(super) realised: &'a [bool],
    /// Some are empty: others have taken their values.
    pub(super) groups: Vec<Group>,
    pub(super) group_of: HashMap<Value, usize>,
    costs: Vec<usize>,
    /// Values that other kernels will surely read.
    lasting: Vec<bool>,
}

/// More reads and results than this are not put into one kernel, nor so many values.
const MOST_BUFFERS: usize = 24;
const MOST_VALUES: usize = 64;

impl<'a> Grouper<'a> {
    pub fn new(cx: &'a Context<'a>, realised: &'a [bool]) -> Grouper<'a> {
        let costs = realise::costs(cx, realised);
        let lasting = (0..realised.len()).map(|v| lasts(cx, Value(v as u32))).collect();
        Grouper { cx, realised, groups: vec![], group_of: HashMap::new(), costs, lasting }
    }

    /// The groups that have values, and the number of each value's.
    pub fn finish(self) -> (Vec<Group>, HashMap<Value, usize>) {
        let groups: Vec<Group> = self.groups.into_iter().filter(|g| !g.values.is_empty()).collect();
        let numbered = groups.iter().enumerate().flat_map(|(at, g)| g.values.iter().map(move |v| (*v, at)));
        let group_of = numbered.collect();
        (groups, group_of)
    }

    pub fn assign(&mut self, value: Value) {
        let reads = probe(self.cx, value, self.realised, &|_| false);
        let leaves: BTreeSet<Value> = reads.log.iter().filter_map(|a| a.leaf).collect();
        let last = leaves.iter().filter_map(|v| self.group_of.get(v)).max().copied();
        let found = match self.cx.op(value) {
            _ if self.cx.all_of(value).is_some() => self.join_check(value, &reads, &leaves, last),
            Op::Reduce { axes, .. } => self.join_reduction(value, axes, &reads, &leaves, last),
            op if own_kernel(op) => None,
            _ => self.join_map(value, &reads, &leaves, last),
        };
        let at = found.unwrap_or_else(|| self.start(value));
        self.groups[at].values.push(value);
        self.groups[at].reads.extend(leaves);
        self.group_of.insert(value, at);
    }

    /// A group of its own for all results of an operation.
    pub fn assign_all(&mut self, inst: &Inst, root: Root) {
        let reads = inst.args.iter().copied().collect();
        self.groups.push(Group { root, values: inst.results.clone(), reads, space: 0, columns: None });
        self.group_of.extend(inst.results.iter().map(|r| (*r, self.groups.len() - 1)));
    }

    fn start(&mut self, value: Value) -> usize {
        let root = match self.cx.op(value) {
            _ if self.cx.all_of(value).is_some() => Root::Map,
            Op::Reduce { axes, .. } => reduction_root(self.cx.shape(self.cx.arg(value, 0)), axes),
            Op::Dot { .. } => Root::Dot,
            Op::Conv { .. } => Root::Conv,
            Op::ConvWeightGrad { .. } => Root::WeightGrad,
            Op::ScatterAdd { .. } | Op::ScatterAddAlong { .. } => Root::ScatterAdd,
            Op::CumSum { .. } => Root::CumSum,
            _ => Root::Map,
        };
        let columns = if root == Root::Map { parts::of_concat(self.cx, value) } else { None };
        let elements = self.cx.elements(self.cx.computed(value));
        let space = columns.map_or(elements, |parts| elements / parts.count);
        let columns = columns.map(|parts| parts.columns);
        self.groups.push(Group { root, values: vec![], reads: BTreeSet::new(), space, columns });
        self.groups.len() - 1
    }

    /// The group in which a value can be computed element by element.
    fn join_map(
        &mut self,
        value: Value,
        probe: &Probe,
        leaves: &BTreeSet<Value>,
        last: Option<usize>,
    ) -> Option<usize> {
        let joins_last = |at: &usize| self.is_open(*at, leaves) && self.hosts(*at, value) && self.aligned(*at, probe);
        if let Some(at) = last.filter(joins_last) {
            self.absorb(at, probe);
            return Some(at);
        }
        if let Some(at) = last.filter(|at| self.is_open(*at, leaves) && self.join_parts(*at, value, probe)) {
            return Some(at);
        }
        let from = last.map_or(0, |at| at + 1);
        let size = self.cx.elements(value);
        (from..self.groups.len()).rev().find(|at| {
            let group = &self.groups[*at];
            let first = group.values.first();
            let same = group.root == Root::Map && first.is_some_and(|v| self.cx.shape(*v) == self.cx.shape(value));
            same && group.space == size
                && self.is_open(*at, leaves)
                && (size <= 4096 || !group.reads.is_disjoint(leaves))
        })
    }

    fn is_open(&self, at: usize, leaves: &BTreeSet<Value>) -> bool {
        let group = &self.groups[at];
        self.fits(&group.values, group.reads.union(leaves))
    }

    /// Whether one more value would make a kernel that is not too large.
    pub(super) fn fits<'v>(&self, values: &[Value], reads: impl Iterator<Item = &'v Value>) -> bool {
        let read = reads.filter(|v| !values.contains(v)).count();
        let written = values.iter().filter(|v| self.lasting[v.0 as usize]).count();
        read + written < MOST_BUFFERS && values.len() < MOST_VALUES
    }

    /// Whether the iteration space of a group has room for the value.
    fn hosts(&self, at: usize, value: Value) -> bool {
        let size = self.cx.elements(value);
        let group = &self.groups[at];
        match group.root {
            Root::Rows { rows, cols } => size == rows || size == rows * cols && is_parallel(rows, cols),
            Root::ScatterAdd | Root::CumSum | Root::Scan => false,
            Root::Attention | Root::AttentionGrad | Root::AttentionBiasGrad => false,
            _ => group.space == size || group.values.first().is_some_and(|v| self.cx.elements(*v) == size),
        }
    }

    /// Whether everything that is read of the group was computed at the reader's own place.
    pub(super) fn aligned(&self, at: usize, probe: &Probe) -> bool {
        probe.log.iter().all(|access| {
            let Some(leaf) = access.leaf else { return true };
            self.group_of.get(&leaf) != Some(&at) || !access.guarded && self.at_own_place(at, leaf, access, &probe.own)
        })
    }

    fn at_own_place(&self, at: usize, leaf: Value, access: &Access, own: &Lin) -> bool {
        match self.groups[at].root {
            Root::Rows { rows, cols } if self.cx.elements(leaf) == rows => {
                access.at == *own && own.within(0, rows as i64) || access.at == own.div_rem(cols as i64).0
            }
            _ => access.at == *own,
        }
    }

    /// The group that computes what a check is the conjunction of.
    fn join_check(&self, value: Value, probe: &Probe, leaves: &BTreeSet<Value>, last: Option<usize>) -> Option<usize> {
        let x = self.cx.computed(value);
        let own = place(self.cx.shape(x)).1.flat;
        let probe = Probe { own, elements: self.cx.elements(x), log: probe.log.clone() };
        last.filter(|at| self.is_open(*at, leaves) && self.hosts(*at, x) && self.aligned(*at, &probe))
    }

    fn join_reduction(
        &mut self,
        value: Value,
        axes: &[usize],
        probe: &Probe,
        leaves: &BTreeSet<Value>,
        last: Option<usize>,
    ) -> Option<usize> {
        let x = self.cx.arg(value, 0);
        let root = reduction_root(self.cx.shape(x), axes);
        let own = place(self.cx.shape(x)).1.flat;
        let probe = Probe { own, elements: self.cx.elements(x), log: probe.log.clone() };
        let from = last.map_or(0, |at| at + 1);
        let later = (from..self.groups.len()).rev().find(|at| {
            let group = &self.groups[*at];
            group.root == root && self.is_open(*at, leaves) && !group.reads.is_disjoint(leaves)
        });
        let Root::Rows { rows, cols } = root else { return later };
        let at = last.filter(|at| self.is_open(*at, leaves) && self.aligned(*at, &probe));
        match at {
            Some(at) if self.groups[at].root == root => Some(at),
            Some(at) if self.can_become_rows(at, rows, cols) => {
                self.groups[at].root = root;
                Some(at)
            }
            _ => later,
        }
    }

    /// A map over the rows may compute their reductions too. Long rows are gone over once per reduction, so what is
    /// recomputed must be cheap.
    fn can_become_rows(&self, at: usize, rows: usize, cols: usize) -> bool {
        let group = &self.groups[at];
        let cost: usize = group.values.iter().map(|v| self.costs[v.0 as usize]).sum();
        let whole = group.columns.is_none() && group.space == rows * cols;
        // What it picks from may be needed for no longer than that.
        let waits = group.values.iter().any(|v| realise::picks_few(self.cx, *v));
        group.root == Root::Map && !waits && whole && is_parallel(rows, cols) && (cols <= 64 || cost <= 12)
    }
}

/// Enough rows to share among workers, or too little work to matter.
fn is_parallel(rows: usize, cols: usize) -> bool {
    rows >= 8 || rows * cols <= 4096
}

fn reduction_root(shape: &[usize], axes: &[usize]) -> Root {
    let trailing = axes.len() == 1 && axes[0] == shape.len() - 1 && shape.len() <= 2;
    if trailing {
        let cols = shape[axes[0]];
        return Root::Rows { rows: shape.iter().product::<usize>() / cols.max(1), cols };
    }
    Root::Columns { shape: shape.to_vec(), axes: axes.to_vec() }
}

/// An output, or read by what is not computed element by element.
fn lasts(cx: &Context, value: Value) -> bool {
    let elementwise = |op: &Op| {
        matches!(op, Op::Unary(_) | Op::Binary(_) | Op::Compare(_) | Op::Select | Op::Cast(_) | Op::Bitcast(_))
    };
    cx.outputs().any(|v| v == value) || cx.users(value).any(|user| !elementwise(&user.op))
}

//! Fusion: which values live in memory, and which kernel computes each.
//!
//! [`realise`] decides what is worth a buffer; everything else is computed where it is read. Then every realised value joins
//! the group of what it depends on, where it is computed at the same place of the same iteration space, or a later
//! group that shares reads, or starts one. Groups are numbered so that each depends on earlier ones only; a final
//! order also puts readers of a value before the kernel that overwrites it.

mod order;
pub mod realise;

use super::build::Bound;
use super::context::Context;
use super::eval::{Access, Emitter, Home};
use super::index::{Axis, Coord, Lin};
use super::kernels::Spot;
use crate::ops::Op;
use crate::tensor::{Inst, Value};
use std::collections::{BTreeSet, HashMap};

#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Root {
    Map,
    /// Reductions of rows, and maps over the rows and over their results.
    Rows {
        rows: usize,
        cols: usize,
    },
    /// Reductions over leading or middle axes, with maps over the results; members reduce one shape over the same axes.
    Columns {
        shape: Vec<usize>,
        axes: Vec<usize>,
    },
    Dot,
    Conv,
    WeightGrad,
    ScatterAdd,
    CumSum,
    /// A loop of kernels; the values are all its results.
    Scan,
}

#[derive(Clone, Debug)]
pub struct Group {
    pub root: Root,
    /// Realised values in order of definition; the first is the root's own.
    pub values: Vec<Value>,
    /// Values of other groups, and inputs, that it reads.
    pub reads: BTreeSet<Value>,
}

/// The groups in launch order.
#[derive(Debug)]
pub struct Grouping {
    pub groups: Vec<Group>,
    /// The group of each value that a kernel computes.
    pub group_of: HashMap<Value, usize>,
    pub realised: Vec<bool>,
    /// Values that are written to memory: read by another group, or outputs.
    pub stored: BTreeSet<Value>,
    /// New value → the input whose buffer it takes over.
    pub in_place: HashMap<Value, Value>,
}

pub fn group(cx: &Context) -> Grouping {
    let realised = realise::realise(cx);
    let mut grouper = Grouper {
        cx,
        realised: &realised,
        groups: vec![],
        group_of: HashMap::new(),
        costs: realise::costs(cx, &realised),
    };
    for inst in cx.graph.insts.iter().filter(|i| !is_leaf(&i.op) && realised[i.results[0].0 as usize]) {
        match inst.op {
            Op::Scan { .. } => grouper.assign_scan(inst),
            _ => grouper.assign(inst.results[0]),
        }
    }
    let Grouper { groups, group_of, .. } = grouper;
    order::finish(cx, groups, group_of, realised)
}

/// Checks the order: reads come after the group that computes them, and an input is overwritten after its last read.
pub fn verify(grouping: &Grouping) -> Result<(), String> {
    for (at, group) in grouping.groups.iter().enumerate() {
        for read in &group.reads {
            if grouping.group_of.get(read).is_some_and(|from| *from >= at) {
                return Err(format!("group {at} reads {read} before it is computed"));
            }
        }
        for (new, old) in &grouping.in_place {
            if group.reads.contains(old) && grouping.group_of[new] < at {
                return Err(format!("group {at} reads {old} after {new} took its place"));
            }
        }
    }
    Ok(())
}

/// Values that are in memory before any kernel runs.
pub fn is_leaf(op: &Op) -> bool {
    matches!(op, Op::Input { .. } | Op::Table(..))
}

/// Reads of one value: where it is computed, and what it reads there.
pub struct Probe {
    pub own: Lin,
    pub log: Vec<Access>,
}

/// Evaluates a value at its own place, as a kernel would that computes everything `here`; records the reads.
pub fn probe(cx: &Context, value: Value, realised: &[bool], here: &dyn Fn(Value) -> bool) -> Probe {
    let (axes, own) = place(cx.shape(value));
    let home = |v: Value| match realised[v.0 as usize] {
        true if v == value || here(v) => Home::Here(None),
        true => Home::Memory(Spot(v.0)),
        false => Home::Inline,
    };
    let mut emitter = Emitter::new(cx, &home);
    declare(&mut emitter, &axes);
    let no_bounds: &[Bound] = &[];
    if own_kernel(cx.op(value)) {
        return Probe { own: own.flat, log: probe_operands(cx, value, &mut emitter) };
    }
    emitter.eval(value, &own, no_bounds);
    Probe { own: own.flat, log: emitter.log }
}

/// What a kernel of its own reads: its operands, each at a place of its own.
fn probe_operands(cx: &Context, value: Value, emitter: &mut Emitter) -> Vec<Access> {
    for arg in &cx.def(value).args {
        let (axes, at) = place(cx.shape(*arg));
        declare(emitter, &axes);
        emitter.eval(*arg, &at, &[]);
    }
    std::mem::take(&mut emitter.log)
}

/// Numbers of probing axes start here, beyond those that evaluation makes.
const PROBE_AXES: u32 = 1 << 16;

/// One axis per dimension.
pub fn place(shape: &[usize]) -> (Vec<Axis>, Coord) {
    let axes: Vec<Axis> =
        shape.iter().enumerate().map(|(i, n)| Axis { id: PROBE_AXES + i as u32, size: *n as i64 }).collect();
    let coord = Coord::from_dims(shape, axes.iter().map(|a| Lin::axis(*a)).collect());
    (axes, coord)
}

/// Axes of a probe are points: only places matter.
fn declare(emitter: &mut Emitter, axes: &[Axis]) {
    axes.iter().for_each(|a| emitter.b.grid(*a, 1, super::build::Role::Point));
}

/// Operations that only their own kernels compute.
pub fn own_kernel(op: &Op) -> bool {
    matches!(
        op,
        Op::Reduce { .. }
            | Op::Dot { .. }
            | Op::Conv { .. }
            | Op::ConvWeightGrad { .. }
            | Op::ScatterAdd { .. }
            | Op::ScatterAddAlong { .. }
            | Op::CumSum { .. }
            | Op::Scan { .. }
    )
}

struct Grouper<'a> {
    cx: &'a Context<'a>,
    realised: &'a [bool],
    groups: Vec<Group>,
    group_of: HashMap<Value, usize>,
    costs: Vec<usize>,
}

/// More reads and results than this are not put into one kernel.
const MOST_VALUES: usize = 24;

impl Grouper<'_> {
    fn assign(&mut self, value: Value) {
        let reads = probe(self.cx, value, self.realised, &|_| false);
        let leaves: BTreeSet<Value> = reads.log.iter().filter_map(|a| a.leaf).collect();
        let last = leaves.iter().filter_map(|v| self.group_of.get(v)).max().copied();
        let found = match self.cx.op(value) {
            Op::Reduce { axes, .. } => self.join_reduction(value, axes, &reads, &leaves, last),
            op if own_kernel(op) => None,
            _ => self.join_map(value, &reads, &leaves, last),
        };
        let at = found.unwrap_or_else(|| self.start(value));
        self.groups[at].values.push(value);
        self.groups[at].reads.extend(leaves);
        self.group_of.insert(value, at);
    }

    fn assign_scan(&mut self, inst: &Inst) {
        let reads = inst.args.iter().copied().collect();
        self.groups.push(Group { root: Root::Scan, values: inst.results.clone(), reads });
        self.group_of.extend(inst.results.iter().map(|r| (*r, self.groups.len() - 1)));
    }

    fn start(&mut self, value: Value) -> usize {
        let root = match self.cx.op(value) {
            Op::Reduce { axes, .. } => reduction_root(self.cx.shape(self.cx.arg(value, 0)), axes),
            Op::Dot { .. } => Root::Dot,
            Op::Conv { .. } => Root::Conv,
            Op::ConvWeightGrad { .. } => Root::WeightGrad,
            Op::ScatterAdd { .. } | Op::ScatterAddAlong { .. } => Root::ScatterAdd,
            Op::CumSum { .. } => Root::CumSum,
            _ => Root::Map,
        };
        self.groups.push(Group { root, values: vec![], reads: BTreeSet::new() });
        self.groups.len() - 1
    }

    /// The group in which a value can be computed element by element.
    fn join_map(&self, value: Value, probe: &Probe, leaves: &BTreeSet<Value>, last: Option<usize>) -> Option<usize> {
        let joins_last = |at: &usize| self.is_open(*at, leaves) && self.hosts(*at, value) && self.aligned(*at, probe);
        if let Some(at) = last.filter(joins_last) {
            return Some(at);
        }
        let from = last.map_or(0, |at| at + 1);
        let size = self.cx.elements(value);
        (from..self.groups.len()).rev().find(|at| {
            let group = &self.groups[*at];
            let same = group.root == Root::Map && self.cx.shape(group.values[0]) == self.cx.shape(value);
            same && self.is_open(*at, leaves) && (size <= 4096 || !group.reads.is_disjoint(leaves))
        })
    }

    fn is_open(&self, at: usize, leaves: &BTreeSet<Value>) -> bool {
        let group = &self.groups[at];
        group.values.len() + group.reads.union(leaves).count() < MOST_VALUES
    }

    /// Whether the iteration space of a group has room for the value.
    fn hosts(&self, at: usize, value: Value) -> bool {
        let size = self.cx.elements(value);
        let group = &self.groups[at];
        match group.root {
            Root::Rows { rows, cols } => size == rows || size == rows * cols && is_parallel(rows, cols),
            Root::ScatterAdd | Root::CumSum | Root::Scan => false,
            _ => self.cx.elements(group.values[0]) == size,
        }
    }

    /// Whether everything that is read of the group was computed at the reader's own place.
    fn aligned(&self, at: usize, probe: &Probe) -> bool {
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
        let probe = Probe { own, log: probe.log.clone() };
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
        let size = self.cx.elements(group.values[0]);
        group.root == Root::Map && size == rows * cols && is_parallel(rows, cols) && (cols <= 64 || cost <= 12)
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

//! Fusion: which values live in memory, and which kernel computes each.
//!
//! [`realise`] decides what is worth a buffer; everything else is computed where it is read. Then every realised value joins
//! the group of what it depends on, where it is computed at the same place of the same iteration space ([`merge`] makes
//! one group of several such ones), or a later group that shares reads, or starts one. Groups are numbered so that each
//! depends on earlier ones only; a final order also puts readers of a value before the kernel that overwrites it.

mod join;
mod merge;
mod order;
mod parts;
pub mod realise;

use super::build::Bound;
use super::context::Context;
use super::eval::{Access, Emitter, Home};
use super::index::{Axis, Coord, Lin};
use super::kernels::Spot;
use crate::ops::Op;
use crate::tensor::{Inst, Value};
use crate::tile::Layout;
use join::Grouper;
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
    /// The values are all results of the operation, scratch included.
    Attention,
    AttentionGrad,
    AttentionBiasGrad,
    /// A loop of kernels; the values are all its results.
    Scan,
}

impl Root {
    /// Whether its results are also what it works on, so that all need a place.
    pub fn keeps_scratch(&self) -> bool {
        matches!(self, Root::Attention | Root::AttentionGrad | Root::AttentionBiasGrad)
    }
}

#[derive(Clone, Debug)]
pub struct Group {
    pub root: Root,
    /// Realised values in order of definition; the first is the root's own.
    pub values: Vec<Value>,
    /// Values of other groups, and inputs, that it reads.
    pub reads: BTreeSet<Value>,
    /// Elements of its iteration space.
    pub space: usize,
    /// The last dimension of the space, where members have several times as many columns: see [`parts`].
    pub columns: Option<usize>,
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
    let mut grouper = Grouper::new(cx, &realised);
    let computed = |inst: &&Inst| !is_leaf(&inst.op) && realised[inst.results[0].0 as usize];
    for inst in order::totals_first(cx).into_iter().filter(computed) {
        match inst.op {
            Op::Scan { .. } => grouper.assign_all(inst, Root::Scan),
            Op::Attention { .. } => grouper.assign_all(inst, Root::Attention),
            Op::AttentionGrad { .. } => grouper.assign_all(inst, Root::AttentionGrad),
            Op::AttentionBiasGrad { .. } => grouper.assign_all(inst, Root::AttentionBiasGrad),
            _ => grouper.assign(inst.results[0]),
        }
    }
    let (groups, group_of) = grouper.finish();
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
    /// Elements that have a place of their own.
    pub elements: usize,
    pub log: Vec<Access>,
}

/// Evaluates a value at its own place, as a kernel would that computes everything `here`; records the reads.
pub fn probe(cx: &Context, value: Value, realised: &[bool], here: &dyn Fn(Value) -> bool) -> Probe {
    evaluate(cx, value, realised, &|v| v == value || here(v))
}

/// The reads of a value at its own place: of itself, if it is in memory and not `here`.
fn evaluate(cx: &Context, value: Value, realised: &[bool], here: &dyn Fn(Value) -> bool) -> Probe {
    let (axes, own) = place(cx.shape(value));
    let elements = cx.elements(value);
    let home = |v: Value| match realised[v.0 as usize] {
        true if here(v) => Home::Here(None),
        true => Home::Memory(Spot { number: v.0, layout: Layout::RowMajor }),
        false => Home::Inline,
    };
    let mut emitter = Emitter::new(cx, &home);
    declare(&mut emitter, &axes);
    let no_bounds: &[Bound] = &[];
    if own_kernel(cx.op(value)) && here(value) {
        return Probe { own: own.flat, elements, log: probe_operands(cx, value, &mut emitter) };
    }
    emitter.eval(value, &own, no_bounds);
    Probe { own: own.flat, elements, log: emitter.log }
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
            | Op::Attention { .. }
            | Op::AttentionGrad { .. }
            | Op::AttentionBiasGrad { .. }
            | Op::Scan { .. }
    )
}

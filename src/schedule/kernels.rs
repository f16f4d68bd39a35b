//! One function per root: opens the loops of its iteration space and asks the [`Emitter`] for what it stores.

mod attention;
pub mod checks;
mod columns;
mod contract;
mod conv;
mod cumsum;
mod map;
mod rows;
mod scatter;
mod space;
mod weight_grad;

use super::context::Context;
use super::eval::{Emitter, Home};
use super::groups::{Group, Grouping, Root};
use super::index::{Coord, Lin};
use crate::diag::Label;
use crate::lane::Target;
use crate::ops::{Literal, Op, Reduce};
use crate::tensor::Value;
use crate::tile::{FoldOp, Kernel, Layout, Map};
use std::collections::HashMap;

/// A place in memory that kernels name: a buffer, or a part that loops may move. Different spots of one launch do not
/// overlap where one of them is written.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Spot {
    pub number: u32,
    pub layout: Layout,
}

/// Where values lie: inputs, tables and everything stored.
pub type Storage = HashMap<Value, Spot>;

/// The kernel of a group, what its parameters stand for, and where it reads at indices that are data.
pub fn build(
    cx: &Context,
    grouping: &Grouping,
    group: &Group,
    storage: &Storage,
    target: Target,
) -> (Kernel, Vec<Spot>, Vec<Label>) {
    let home = |v: Value| {
        let spot = storage.get(&v).copied();
        match (group.values.contains(&v), spot) {
            (true, spot) => Home::Here(spot),
            (false, Some(spot)) if grouping.realised[v.0 as usize] => Home::Memory(spot),
            _ => Home::Inline,
        }
    };
    let mut emitter = Emitter::new(cx, &home);
    let site = Site { group, target, home: &home };
    match group.root {
        Root::Map => map::build(&mut emitter, &site),
        Root::Rows { rows, cols } => rows::build(&mut emitter, &site, rows, cols),
        Root::Columns { ref shape, ref axes } => columns::build(&mut emitter, &site, shape, axes),
        Root::Dot => contract::build(&mut emitter, &site),
        Root::Conv => conv::build(&mut emitter, &site),
        Root::WeightGrad => weight_grad::build(&mut emitter, &site),
        Root::ScatterAdd => scatter::build(&mut emitter, &site),
        Root::CumSum => cumsum::build(&mut emitter, &site),
        Root::Attention => attention::build(&mut emitter, &site),
        Root::AttentionGrad => attention::backward::build(&mut emitter, &site),
        Root::AttentionBiasGrad => attention::bias::build(&mut emitter, &site),
        Root::Scan => unreachable!("a scan is a loop of kernels"),
    }
    let (kernel, spots) = emitter.b.finish(name(cx, group));
    (kernel, spots, emitter.lookups)
}

/// What a kernel is built for.
struct Site<'a> {
    group: &'a Group,
    target: Target,
    home: &'a dyn Fn(Value) -> Home,
}

impl Site<'_> {
    fn root(&self) -> Value {
        self.group.values[0]
    }

    /// Members with a buffer and this many elements (or checks of so many), each at the same element in row-major order; where the group has
    /// parts, also the parts of members that have several times as many.
    fn stores(&self, cx: &Context, elements: usize, flat: &Lin) -> Vec<(Value, Coord)> {
        let stored = self.group.values.iter().filter(|v| matches!((self.home)(**v), Home::Here(Some(_))));
        let all = |v: &Value| cx.elements(cx.computed(*v));
        let places = stored.flat_map(|v| self.places(all(v), elements, flat).map(|at| (*v, at)));
        places.map(|(v, at)| (v, Coord::from_flat(cx.shape(cx.computed(v)), at))).collect()
    }

    /// The shape of a group's space.
    fn part_shape(&self, cx: &Context) -> Vec<usize> {
        let mut shape = cx.shape(cx.computed(self.root())).to_vec();
        if let (Some(columns), Some(last)) = (self.group.columns, shape.last_mut()) {
            *last = columns;
        }
        shape
    }

    /// The elements of a member of size `all` that belong to an element of a space.
    fn places(&self, all: usize, elements: usize, flat: &Lin) -> impl Iterator<Item = Lin> {
        let parts = match self.group.columns {
            _ if all == elements => vec![flat.clone()],
            Some(columns) if elements == self.group.space && all.is_multiple_of(elements) => {
                part_places(all / elements, columns, flat)
            }
            _ => vec![],
        };
        parts.into_iter()
    }

    /// Columns of an elementwise tile: a few vectors, fewer where a lot is computed.
    fn columns(&self, values: usize) -> usize {
        let vectors = self.target.registers / 8 / if values > 24 { 2 } else { 1 };
        usize::from(self.target.lanes * vectors.max(1))
    }

    /// Columns of a tile that is folded into 16 partials.
    fn folded_columns(&self, values: usize) -> usize {
        self.columns(values).next_multiple_of(16)
    }
}

/// Where the parts of a value of `count` times as many columns stand, for an element of one part.
fn part_places(count: usize, columns: usize, flat: &Lin) -> Vec<Lin> {
    let (row, col) = flat.div_rem(columns as i64);
    let first = row.scale((count * columns) as i64).add(&col);
    (0..count).map(|part| first.clone().offset((part * columns) as i64)).collect()
}

/// Loops over so many grid points already share the work well; further axes become loops.
const ENOUGH_POINTS: usize = 256;

/// `layer_root`, for profiles and dumps.
fn name(cx: &Context, group: &Group) -> String {
    let inst = cx.def(group.values[0]);
    let root = match group.root {
        Root::Map => map_name(&inst.op),
        Root::Rows { .. } => "rows",
        Root::Columns { .. } => "columns",
        Root::Dot => "dot",
        Root::Conv => "conv",
        Root::WeightGrad => "conv_weight_grad",
        Root::ScatterAdd => "scatter_add",
        Root::CumSum => "cumsum",
        Root::Attention => "attention",
        Root::AttentionGrad => "attention_grad",
        Root::AttentionBiasGrad => "attention_bias_grad",
        Root::Scan => "scan",
    };
    let layer = inst.origin.layer.as_deref().unwrap_or("");
    let plain: String = layer.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect();
    if plain.is_empty() { root.to_owned() } else { format!("{plain}_{root}") }
}

fn map_name(op: &Op) -> &'static str {
    match op {
        Op::Transpose { .. } => "transpose",
        Op::Pad { .. } => "pad",
        Op::Concat { .. } => "concat",
        Op::Take { .. } | Op::TakeAlong { .. } => "take",
        Op::WindowSum { .. } | Op::WindowArgMax { .. } | Op::WindowGather { .. } => "window",
        _ => "map",
    }
}

/// How a reduction combines tiles, and folds one.
fn combiner(op: Reduce) -> (Map, FoldOp) {
    match op {
        Reduce::Sum => (Map::Add, FoldOp::Add),
        Reduce::Product => (Map::Mul, FoldOp::Mul),
        Reduce::Max => (Map::Max, FoldOp::Max),
        Reduce::Min => (Map::Min, FoldOp::Min),
        Reduce::Any => (Map::Or, FoldOp::Or),
        Reduce::All => (Map::And, FoldOp::And),
    }
}

fn reduction(cx: &Context, value: Value) -> Option<Reduce> {
    match cx.op(value) {
        Op::Reduce { op, .. } if cx.all_of(value).is_none() => Some(*op),
        _ => None,
    }
}

const ZERO: Literal = Literal::Float(0.0);

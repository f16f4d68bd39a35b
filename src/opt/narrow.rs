//! Computes only the part of a tensor that is looked at and is not zero.
//!
//! A pooling window that does not divide its input drops the last rows and columns: nobody needs them, and in the
//! backward pass their adjoints are zeros. Two analyses find, for each axis of each value, a prefix:
//!
//! - *support*, forward: all elements beyond it are exactly zero (what a pad or the adjoint of a window adds);
//! - *need*, backward: nobody looks at elements beyond it (what a slice or a window leaves out).
//!
//! The rebuilt graph holds each value up to the smaller of the two, its *extent*. A consumer that wants less slices,
//! one that wants more (of zeros) pads. So slices move up through maps, products, windows and convolutions, and pads move
//! down: logits whose last position has no label are not computed there.
//! Zeros here are strong: a product with a structural zero is zero.

mod extent;
mod product;
mod rows;
#[cfg(test)]
mod tests;

use super::{in_regions, rename_outputs};
use crate::ops::{Op, Pad, Type, Window};
use crate::tensor::build::Builder;
use crate::tensor::{Graph, Inst, Origin, Value};
use extent::{Extent, Extents};
use std::collections::HashMap;

pub fn narrow(graph: Graph) -> Graph {
    let mut graph = in_regions(graph, narrow);
    let Some(extents) = Extents::of(&graph) else { return graph };
    let insts = std::mem::take(&mut graph.insts);
    let mut outputs = std::mem::take(&mut graph.outputs);
    let mut narrowed = Narrowed { b: Builder::new(&mut graph, Origin::default()), extents, stored: HashMap::new() };
    for inst in insts {
        narrowed.b.origin = inst.origin.clone();
        narrowed.rebuild(inst);
    }
    rename_outputs(&mut outputs, |v| narrowed.whole(v));
    Graph { outputs, ..graph }
}

struct Narrowed<'g> {
    b: Builder<'g>,
    extents: Extents,
    /// The new value of each old one, as large as its extent.
    stored: HashMap<Value, Value>,
}

impl Narrowed<'_> {
    /// Appends the instruction with arguments and results cut to their extents. Values that keep their size keep their
    /// number.
    fn rebuild(&mut self, inst: Inst) {
        let Some(extent) = self.extents.live(inst.results.first().copied()) else { return };
        let wanted: Vec<Extent> = (0..inst.args.len()).map(|i| self.extents.wanted(&inst, i)).collect();
        let args: Vec<Value> = inst.args.iter().zip(&wanted).map(|(v, want)| self.fit(*v, want)).collect();
        if let Some(alias) = self.alias(&inst, &args, &extent) {
            self.stored.insert(inst.results[0], alias);
            return;
        }
        let op = self.resized(&inst, &args, &extent);
        if self.b.graph.ty(inst.results[0]).shape == extent {
            self.stored.extend(inst.results.iter().map(|v| (*v, *v)));
            self.b.graph.insts.push(Inst { op, args, ..inst });
        } else {
            let ty = Type::new(self.b.dtype(inst.results[0]), extent);
            let value = self.b.op(op, &args, ty);
            self.stored.insert(inst.results[0], value);
        }
    }

    /// The value cut, or extended by zeros, to what a consumer wants.
    fn fit(&mut self, value: Value, want: &Extent) -> Value {
        let stored = self.stored[&value];
        let have = self.b.shape(stored);
        let cut: Extent = have.iter().zip(want).map(|(&a, &b)| a.min(b)).collect();
        let rank = cut.len();
        let part = if cut == have { stored } else { self.b.slice(stored, &vec![0; rank], &cut, &vec![1; rank]) };
        if cut == *want {
            return part;
        }
        let pads = cut.iter().zip(want).map(|(&a, &b)| Pad { low: 0, high: (b - a) as i64, interior: 0 }).collect();
        let zero = self.b.scalar(0.0, self.b.dtype(part));
        self.b.pad(part, zero, pads)
    }

    /// An output in its full size.
    fn whole(&mut self, value: Value) -> Value {
        let shape = self.b.shape(value);
        self.fit(value, &shape)
    }

    /// A pad or slice of which nothing is left.
    fn alias(&self, inst: &Inst, args: &[Value], extent: &Extent) -> Option<Value> {
        let whole = match &inst.op {
            Op::Pad { pads } => pads.iter().all(extent::is_high_pad),
            Op::Slice { start, stride, .. } => start.iter().all(|&s| s == 0) && stride.iter().all(|&s| s == 1),
            _ => false,
        };
        (whole && self.b.graph.ty(args[0]).shape == *extent).then(|| args[0])
    }

    /// The operation with attributes for its new argument and result shapes.
    fn resized(&self, inst: &Inst, args: &[Value], extent: &Extent) -> Op {
        let old = |i: usize| &self.b.graph.ty(inst.args[i]).shape;
        let new = |i: usize| &self.b.graph.ty(args[i]).shape;
        let window = |w: &Window, x: &[usize], y: &[usize]| rows::resized(w, [x[1], x[2]], [y[1], y[2]]);
        let input = [extent.get(1).copied().unwrap_or(0), extent.get(2).copied().unwrap_or(0)];
        match inst.op.clone() {
            Op::Broadcast { axes, .. } => Op::Broadcast { shape: extent.clone(), axes },
            Op::Slice { start, stride, .. } => Op::Slice { start, size: extent.clone(), stride },
            Op::Pad { pads } if pads.iter().all(extent::is_high_pad) => {
                let high = |(&want, &have): (&usize, &usize)| (want - have) as i64;
                let pads = extent.iter().zip(new(0)).map(|pair| Pad { low: 0, high: high(pair), interior: 0 });
                Op::Pad { pads: pads.collect() }
            }
            op if args.is_empty() || old(0).len() != 4 => op,
            Op::Conv { window: w, groups } => Op::Conv { window: window(&w, new(0), extent), groups },
            Op::ConvWeightGrad { window: w, groups } => {
                Op::ConvWeightGrad { window: window(&w, new(0), new(1)), groups }
            }
            Op::ConvInputGrad { window: w, groups, .. } => {
                Op::ConvInputGrad { window: window(&w, extent, new(0)), groups, input }
            }
            Op::WindowSum { window: w } => Op::WindowSum { window: window(&w, new(0), extent) },
            Op::WindowArgMax { window: w } => Op::WindowArgMax { window: window(&w, new(0), extent) },
            Op::WindowGather { window: w } => Op::WindowGather { window: window(&w, new(0), extent) },
            Op::WindowSumGrad { window: w, .. } => Op::WindowSumGrad { window: window(&w, extent, new(0)), input },
            Op::WindowScatter { window: w, .. } => Op::WindowScatter { window: window(&w, extent, new(0)), input },
            op => op,
        }
    }
}

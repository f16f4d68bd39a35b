//! One walk from the loss back to the first instruction, which appends the adjoints.

use super::flow;
use super::{rules, scan};
use crate::ops::Op;
use crate::tensor::build::Builder;
use crate::tensor::scan::Values;
use crate::tensor::{Graph, Inst, Origin, Value};
use std::collections::HashMap;

pub struct Sweep<'g> {
    pub b: Builder<'g>,
    /// Values that depend on what the gradient is taken by: no other has an adjoint.
    pub active: Values,
    /// The adjoint of each value, as far as its uses have been visited.
    pub adjoints: HashMap<Value, Value>,
    /// Values that reach a `where` with no contraction between: elements of their adjoints may be 0 because
    /// nobody looks at the value, which then may be infinite or NaN.
    pub masked: Values,
}

impl<'g> Sweep<'g> {
    pub fn new(graph: &'g mut Graph, active: Values, origin: Origin) -> Self {
        Sweep { b: Builder::new(graph, origin), active, adjoints: HashMap::new(), masked: Values::new() }
    }

    /// Visits the first `count` instructions, last one first. Scans among them get further results, which the adjoints
    /// read.
    pub fn run(&mut self, count: usize) {
        let forward = self.b.graph.insts[..count].to_vec();
        for (at, inst) in forward.iter().enumerate().rev() {
            self.b.origin = inst.origin.clone();
            self.visit(at, inst);
        }
    }

    fn visit(&mut self, at: usize, inst: &Inst) {
        if inst.results.iter().all(|v| !self.adjoints.contains_key(v)) {
            return;
        }
        flow::spread_mask(inst, &mut self.masked);
        match inst.op {
            Op::Composite { .. } => self.visit_composite(inst),
            Op::Scan { .. } => scan::visit(self, at, inst),
            Op::Attention { ref scores } => self.visit_attention(inst, scores),
            _ => self.visit_op(inst),
        }
    }

    fn visit_op(&mut self, inst: &Inst) {
        let Some(y_adj) = self.adjoints.get(&inst.results[0]).copied() else { return };
        let masked = self.masked.contains(&inst.results[0]);
        for (index, &arg) in inst.args.iter().enumerate() {
            if !self.active.contains(&arg) {
                continue;
            }
            let mut rule = rules::Rule { b: &mut self.b, inst, y_adj, masked };
            if let Some(x_adj) = rule.adjoint(index) {
                self.accumulate(arg, x_adj);
            }
        }
    }

    /// Runs the composite's own rule: arguments, results and the results' adjoints in, adjoints out. Zeros stand for
    /// the adjoint of a result that is not a float or that nobody used.
    fn visit_composite(&mut self, inst: &Inst) {
        let adjoints: Vec<Value> = inst.results.iter().map(|v| self.adjoint_or_zeros(*v)).collect();
        let args = [&inst.args[..], &inst.results, &adjoints].concat();
        let x_adjs = self.b.splice(&inst.regions[1], &args);
        let floats: Vec<Value> = inst.args.iter().copied().filter(|v| self.b.dtype(*v).is_float()).collect();
        for (x, x_adj) in floats.into_iter().zip(x_adjs) {
            self.accumulate(x, x_adj);
        }
    }

    /// Adds to the adjoint of a value; one that is not active has none.
    pub fn accumulate(&mut self, x: Value, x_adj: Value) {
        if !self.active.contains(&x) {
            return;
        }
        let total = match self.adjoints.get(&x) {
            Some(before) => self.b.add(*before, x_adj),
            None => x_adj,
        };
        self.adjoints.insert(x, total);
    }

    pub fn adjoint_or_zeros(&mut self, x: Value) -> Value {
        match self.adjoints.get(&x) {
            Some(x_adj) => *x_adj,
            None => self.b.zeros_like(x),
        }
    }
}

//! Reverse-mode differentiation: expands every [`Op::Grad`] into ordinary operations.
//!
//! The gradients are expanded in program order, so a gradient of a gradient differentiates what the first expansion
//! gave. One sweep per `Grad` walks back over the instructions before it and appends adjoints (`x_adj` is the adjoint
//! of `x`), only for values that lie between a `wrt` and the loss. The rules stand in [`rules`], one per operation.
//! A `Composite` with a `vjp` uses it; one without is inlined where a gradient passes through it.
//!
//! **Strong zeros.** A partial derivative that is infinite or NaN gives 0 where the incoming adjoint is 0, so `where`
//! needs no double masking. Operations with singular partials (sqrt, log, division, pow, exp) always guard for it; a
//! plain product does only where its result reaches a `where` without a contraction between ([`Sweep::masked`]).

pub mod rules;

use crate::ops::{Binary, Op, Unary};
use crate::tensor::build::Builder;
use crate::tensor::{Graph, Inst, Value};
use std::collections::{HashMap, HashSet};

/// Expands every `Grad` of a graph and of its regions.
pub fn expand_grads(mut graph: Graph) -> Graph {
    let insts = std::mem::take(&mut graph.insts);
    let mut expansion = Expansion { graph, renamed: HashMap::new() };
    for mut inst in insts {
        inst.args = inst.args.iter().map(|v| expansion.current(*v)).collect();
        inst.regions = inst.regions.into_iter().map(expand_grads).collect();
        match inst.op {
            Op::Grad => expansion.expand(&inst),
            _ => expansion.graph.insts.push(inst),
        }
    }
    expansion.finish()
}

/// A graph under construction whose last instructions so far contain no `Grad`.
struct Expansion {
    graph: Graph,
    /// What stands for a value that no longer exists: a result of `Grad` or of an inlined composite.
    renamed: HashMap<Value, Value>,
}

impl Expansion {
    fn current(&self, mut value: Value) -> Value {
        while let Some(next) = self.renamed.get(&value) {
            value = *next;
        }
        value
    }

    fn finish(mut self) -> Graph {
        let mut outputs = std::mem::take(&mut self.graph.outputs);
        for output in &mut outputs {
            output.value = self.current(output.value);
            if let crate::tensor::OutputRole::Report { weight } = &mut output.role {
                *weight = self.current(*weight);
            }
        }
        Graph { outputs, ..self.graph }
    }

    fn expand(&mut self, grad: &Inst) {
        while self.inline_opaque(&grad.args[1..]) {}
        let args: Vec<Value> = grad.args.iter().map(|v| self.current(*v)).collect();
        let adjoints = differentiate(&mut self.graph, grad, args[0], &args[1..]);
        self.renamed.extend(grad.results.iter().copied().zip(adjoints));
    }

    /// Inlines composites without a `vjp` that a gradient may pass through; true if there were any.
    fn inline_opaque(&mut self, wrt: &[Value]) -> bool {
        let wrt: Vec<Value> = wrt.iter().map(|v| self.current(*v)).collect();
        let active = active_values(&self.graph, &wrt);
        let opaque = |inst: &Inst| {
            let is_composite = matches!(inst.op, Op::Composite { .. }) && inst.regions.len() == 1;
            is_composite && inst.results.iter().any(|v| active.contains(v))
        };
        if !self.graph.insts.iter().any(opaque) {
            return false;
        }
        for mut inst in std::mem::take(&mut self.graph.insts) {
            inst.args = inst.args.iter().map(|v| self.current(*v)).collect();
            if opaque(&inst) {
                let values = Builder::new(&mut self.graph, inst.origin).splice(&inst.regions[0], &inst.args);
                self.renamed.extend(inst.results.into_iter().zip(values));
            } else {
                self.graph.insts.push(inst);
            }
        }
        true
    }
}

/// The float values that depend differentiably on one of `wrt`.
fn active_values(graph: &Graph, wrt: &[Value]) -> HashSet<Value> {
    let is_float = |v: &Value| graph.ty(*v).dtype.is_float();
    let mut active: HashSet<Value> = wrt.iter().copied().filter(is_float).collect();
    for inst in &graph.insts {
        if !is_flat(&inst.op) && inst.args.iter().any(|v| active.contains(v)) {
            active.extend(inst.results.iter().copied().filter(is_float));
        }
    }
    active
}

/// Operations whose derivative is zero almost everywhere, or zero by decree.
fn is_flat(op: &Op) -> bool {
    matches!(
        op,
        Op::StopGradient
            | Op::Bitcast(_)
            | Op::Unary(Unary::Sign | Unary::Floor | Unary::Ceil | Unary::RoundEven)
            | Op::Binary(Binary::FloorDiv)
    )
}

/// Appends the adjoints of `wrt` to the graph. A value that the loss does not depend on has zeros.
fn differentiate(graph: &mut Graph, grad: &Inst, loss: Value, wrt: &[Value]) -> Vec<Value> {
    let active = active_values(graph, wrt);
    let forward = graph.insts.clone();
    let mut sweep =
        Sweep { b: Builder::new(graph, grad.origin.clone()), active, adjoints: HashMap::new(), masked: HashSet::new() };
    if sweep.active.contains(&loss) {
        let ty = sweep.b.ty(loss);
        let one = sweep.b.fill(1.0, &ty);
        sweep.adjoints.insert(loss, one);
    }
    for inst in forward.iter().rev() {
        sweep.b.origin = inst.origin.clone();
        sweep.visit(inst);
    }
    sweep.b.origin = grad.origin.clone();
    wrt.iter().map(|v| sweep.adjoint_or_zeros(*v)).collect()
}

/// One walk from the loss back to the first instruction.
pub struct Sweep<'g> {
    b: Builder<'g>,
    active: HashSet<Value>,
    /// The adjoint of each value, as far as its uses have been visited.
    adjoints: HashMap<Value, Value>,
    /// Values that reach a `where` with no contraction between: elements of their adjoints may be 0 because
    /// nobody looks at the value, which then may be infinite or NaN.
    masked: HashSet<Value>,
}

impl Sweep<'_> {
    fn visit(&mut self, inst: &Inst) {
        if inst.results.iter().all(|v| !self.adjoints.contains_key(v)) {
            return;
        }
        self.spread_mask(inst);
        if let Op::Composite { .. } = inst.op {
            return self.visit_composite(inst);
        }
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
            if self.active.contains(&x) {
                self.accumulate(x, x_adj);
            }
        }
    }

    fn accumulate(&mut self, x: Value, x_adj: Value) {
        let total = match self.adjoints.get(&x) {
            Some(before) => self.b.add(*before, x_adj),
            None => x_adj,
        };
        self.adjoints.insert(x, total);
    }

    fn adjoint_or_zeros(&mut self, x: Value) -> Value {
        match self.adjoints.get(&x) {
            Some(x_adj) => *x_adj,
            None => self.b.zeros_like(x),
        }
    }

    fn spread_mask(&mut self, inst: &Inst) {
        let from_result = inst.results.iter().any(|v| self.masked.contains(v)) && !is_contraction(&inst.op);
        if from_result || matches!(inst.op, Op::Select) {
            self.masked.extend(&inst.args);
        }
    }
}

fn is_contraction(op: &Op) -> bool {
    matches!(op, Op::Dot { .. } | Op::Conv { .. } | Op::ConvInputGrad { .. } | Op::ConvWeightGrad { .. })
}

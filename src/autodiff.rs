//! Reverse-mode differentiation: expands every [`Op::Grad`] into ordinary operations.
//!
//! The gradients are expanded in program order, so a gradient of a gradient differentiates what the first expansion
//! gave. One [sweep] per `Grad` walks back over the instructions before it and appends adjoints (`x_adj` is the adjoint
//! of `x`), only for values that lie between a `wrt` and the loss ([flow]). The rules stand in [`rules`], one per
//! operation. A `Composite` with a `vjp` uses it; one without is inlined where a gradient passes through it. A [scan]
//! becomes two: one that also saves what the second needs, which runs the other way.
//!
//! **Strong zeros.** A partial derivative that is infinite or NaN gives 0 where the incoming adjoint is 0, so `where`
//! needs no double masking. Operations with singular partials (sqrt, log, division, pow, exp) always guard for it; a
//! plain product does only where its result reaches a `where` without a contraction between ([`Sweep::masked`]).
//!
//! No gradient passes through a loop that ends on a condition: such a `Grad` stays, and [`refused`] finds it, mostly before too.

mod attention;
mod cut;
mod flow;
pub mod rules;
mod scan;
mod sweep;

use crate::ops::{Extent, Op};
use crate::tensor::build::Builder;
use crate::tensor::{Graph, Inst, Origin, OutputRole, Value};
use std::collections::HashMap;
use sweep::Sweep;

/// Expands every `Grad` of a graph and of its regions.
pub fn expand_grads(mut graph: Graph) -> Graph {
    let insts = std::mem::take(&mut graph.insts);
    let mut expansion = Expansion { graph, renamed: HashMap::new() };
    for mut inst in insts {
        inst.args = inst.args.iter().map(|v| expansion.current(*v)).collect();
        inst.regions = inst.regions.into_iter().map(expand_grads).collect();
        match inst.op {
            Op::Grad => expansion.expand(inst),
            _ => expansion.graph.insts.push(inst),
        }
    }
    expansion.finish()
}

/// A gradient that cannot be taken, and the loop with a condition that it would have to pass through.
pub struct Refused {
    pub grad: Origin,
    pub scan: Origin,
}

/// The first gradient that [`expand_grads`] leaves or has left. Before, loops in composites and those between a loss
/// and a gradient of a gradient do not show.
pub fn refused<D: Extent>(graph: &Graph<D>) -> Option<Refused> {
    let inside = |inst: &Inst<D>| inst.regions.iter().find_map(refused);
    let here = |inst: &Inst<D>| match inst.op {
        Op::Grad => obstacle(graph, &inst.args).map(|scan| Refused { grad: inst.origin.clone(), scan }),
        _ => None,
    };
    graph.insts.iter().find_map(|inst| here(inst).or_else(|| inside(inst)))
}

/// The first loop that ends on a condition between the loss and what its gradient is taken by.
fn obstacle<D: Extent>(graph: &Graph<D>, args: &[Value]) -> Option<Origin> {
    let active = flow::active(graph, args[1..].iter().copied());
    flow::obstacle(graph, &active, &flow::wanted(graph, [args[0]]))
}

/// The graph with composites that a gradient by `wrt` (inputs) passes through as it differentiates them.
fn unfolded(graph: Graph, wrt: &[Value]) -> Graph {
    let mut expansion = Expansion { graph, renamed: HashMap::new() };
    let outputs: Vec<Value> = expansion.graph.outputs.iter().map(|o| o.value).collect();
    while expansion.unfold(wrt, &outputs) {}
    expansion.finish()
}

/// A graph under construction whose last instructions so far contain no `Grad`.
struct Expansion {
    graph: Graph,
    /// What stands for a value that no longer exists: a result of `Grad` or of an instruction that was unfolded.
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
            if let OutputRole::Report { weight } = &mut output.role {
                *weight = self.current(*weight);
            }
        }
        Graph { outputs, ..self.graph }
    }

    fn expand(&mut self, mut grad: Inst) {
        while self.unfold(&grad.args[1..], &grad.args[..1]) {}
        grad.args = grad.args.iter().map(|v| self.current(*v)).collect();
        if obstacle(&self.graph, &grad.args).is_some() {
            return self.graph.insts.push(grad);
        }
        let adjoints = differentiate(&mut self.graph, &grad, grad.args[0], &grad.args[1..]);
        self.renamed.extend(grad.results.iter().copied().zip(adjoints));
    }

    /// Inlines composites without a `vjp` and expands the gradient of attention, where a gradient of `from` by `wrt` passes
    /// through them; true if there were any.
    fn unfold(&mut self, wrt: &[Value], from: &[Value]) -> bool {
        let active = flow::active(&self.graph, wrt.iter().map(|v| self.current(*v)));
        let wanted = flow::wanted(&self.graph, from.iter().map(|v| self.current(*v)));
        let passed = |v: &Value| active.contains(v) && wanted.contains(v);
        let opaque = |inst: &Inst| !has_rule(inst) && inst.results.iter().any(passed);
        if !self.graph.insts.iter().any(opaque) {
            return false;
        }
        for mut inst in std::mem::take(&mut self.graph.insts) {
            inst.args = inst.args.iter().map(|v| self.current(*v)).collect();
            if !opaque(&inst) {
                self.graph.insts.push(inst);
                continue;
            }
            let mut b = Builder::new(&mut self.graph, inst.origin.clone());
            let values = match inst.op {
                Op::Composite { .. } => b.splice(&inst.regions[0], &inst.args),
                Op::AttentionGrad { ref scores } => attention::gradients(&mut b, &inst, scores),
                Op::AttentionBiasGrad { ref scores } => vec![attention::bias_gradient(&mut b, &inst, scores)],
                _ => unreachable!("`{}` has a rule", inst.op.name()),
            };
            self.renamed.extend(inst.results.into_iter().zip(values));
        }
        true
    }
}

fn has_rule(inst: &Inst) -> bool {
    match inst.op {
        Op::Composite { .. } => inst.regions.len() == 2,
        Op::AttentionGrad { .. } | Op::AttentionBiasGrad { .. } => false,
        _ => true,
    }
}

/// Appends the adjoints of `wrt` to the graph. A value that the loss does not depend on has zeros.
fn differentiate(graph: &mut Graph, grad: &Inst, loss: Value, wrt: &[Value]) -> Vec<Value> {
    let active = flow::active(graph, wrt.iter().copied());
    let count = graph.insts.len();
    let mut sweep = Sweep::new(graph, active, grad.origin.clone());
    if sweep.active.contains(&loss) {
        let ty = sweep.b.ty(loss);
        let one = sweep.b.fill(1.0, &ty);
        sweep.accumulate(loss, one);
    }
    sweep.run(count);
    sweep.b.origin = grad.origin.clone();
    wrt.iter().map(|v| sweep.adjoint_or_zeros(*v)).collect()
}

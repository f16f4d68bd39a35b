//! Optimising passes over tensor IR. Each is a function from a graph to one that gives the same outputs.
//!
//! A pass rebuilds the graph instruction by instruction ([`rewrite`]): values keep their numbers until [`dce`] removes
//! what is unused and numbers the rest anew.

mod batch;
pub mod cse;
pub mod dce;
mod draft;
pub mod hoist;
pub mod inline;
pub mod narrow;
pub mod raise;
pub mod segment;
pub mod simplify;
pub mod sink;
#[cfg(test)]
mod tests;

use crate::ops::{Literal, Op};
use crate::tensor::build::Builder;
use crate::tensor::{Graph, Inst, Origin, Output, OutputRole, Value};
use std::collections::HashMap;

/// The part of a graph that has been rebuilt so far.
pub struct Rewriter<'g> {
    pub b: Builder<'g>,
    /// Where each value is defined in the new graph.
    defs: HashMap<Value, usize>,
    indexed: usize,
}

impl Rewriter<'_> {
    /// The instruction that defines a value.
    pub fn def(&self, value: Value) -> &Inst {
        &self.b.graph.insts[self.defs[&value]]
    }

    /// Where the instruction that defines a value stands.
    pub fn place(&self, value: Value) -> usize {
        self.defs[&value]
    }

    /// The constant that every element of the value equals.
    pub fn splat(&self, value: Value) -> Option<Literal> {
        let inst = self.def(value);
        match inst.op {
            Op::Const(literal) => Some(literal),
            Op::Broadcast { .. } => self.splat(inst.args[0]),
            _ => None,
        }
    }

    fn index(&mut self) {
        for (at, inst) in self.b.graph.insts.iter().enumerate().skip(self.indexed) {
            self.defs.extend(inst.results.iter().map(|v| (*v, at)));
        }
        self.indexed = self.b.graph.insts.len();
    }
}

/// Rebuilds a graph. The rule sees each instruction with its arguments renamed, and gives the values that stand for its
/// results, or `None` to keep the instruction.
pub fn rewrite(mut graph: Graph, mut rule: impl FnMut(&mut Rewriter, &Inst) -> Option<Vec<Value>>) -> Graph {
    let insts = std::mem::take(&mut graph.insts);
    let mut renamed: HashMap<Value, Value> = HashMap::new();
    let b = Builder::new(&mut graph, Origin::default());
    let mut rewriter = Rewriter { b, defs: HashMap::new(), indexed: 0 };
    for mut inst in insts {
        rename(&mut inst.args, &renamed);
        rewriter.index();
        rewriter.b.origin = inst.origin.clone();
        match rule(&mut rewriter, &inst) {
            Some(values) => renamed.extend(inst.results.into_iter().zip(values)),
            None => rewriter.b.graph.insts.push(inst),
        }
    }
    rename_outputs(&mut graph.outputs, |v| *renamed.get(&v).unwrap_or(&v));
    graph
}

/// The graph with a pass applied to all regions of its instructions. A region sees nothing but its inputs, so it is a
/// program of its own.
fn in_regions(mut graph: Graph, pass: fn(Graph) -> Graph) -> Graph {
    for inst in &mut graph.insts {
        inst.regions = std::mem::take(&mut inst.regions).into_iter().map(pass).collect();
    }
    graph
}

fn rename(values: &mut [Value], renamed: &HashMap<Value, Value>) {
    for value in values {
        *value = *renamed.get(value).unwrap_or(value);
    }
}

fn rename_outputs(outputs: &mut [Output], mut name: impl FnMut(Value) -> Value) {
    for output in outputs {
        output.value = name(output.value);
        if let OutputRole::Report { weight } = &mut output.role {
            *weight = name(*weight);
        }
    }
}

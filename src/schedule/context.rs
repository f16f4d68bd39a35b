//! Who defines and who uses each value of a graph.

use crate::ops::{Op, Reduce, Type};
use crate::tensor::{Graph, Inst, OutputRole, Value};
use std::collections::HashMap;

pub struct Context<'a> {
    pub graph: &'a Graph,
    /// Instruction and result number of each value.
    defs: Vec<(usize, usize)>,
    /// Instructions that read each value, ascending, each once.
    users: Vec<Vec<usize>>,
    /// New and old values: the new one may take the place of the old one.
    pub updates: Vec<(Value, Value)>,
    /// Checks that all elements of a value hold and that nothing in the step reads, and that value.
    checks: HashMap<Value, Value>,
}

impl<'a> Context<'a> {
    /// A phase, whose outputs renew inputs.
    pub fn new(graph: &'a Graph) -> Context<'a> {
        let cx = Context::body(graph, vec![]);
        let checks = graph.outputs.iter().filter(|o| o.role == OutputRole::Check);
        let checks = checks.filter(|o| cx.users[o.value.0 as usize].is_empty());
        let checks = checks.filter_map(|o| cx.conjunction(o.value).map(|x| (o.value, x))).collect();
        Context { updates: updates(graph), checks, ..cx }
    }

    /// The body of a scan.
    pub fn body(graph: &'a Graph, updates: Vec<(Value, Value)>) -> Context<'a> {
        let mut defs = vec![(usize::MAX, 0); graph.types.len()];
        let mut users = vec![vec![]; graph.types.len()];
        for (at, inst) in graph.insts.iter().enumerate() {
            for (part, result) in inst.results.iter().enumerate() {
                defs[result.0 as usize] = (at, part);
            }
            for arg in &inst.args {
                let list: &mut Vec<usize> = &mut users[arg.0 as usize];
                if list.last() != Some(&at) {
                    list.push(at);
                }
            }
        }
        Context { graph, defs, users, updates, checks: HashMap::new() }
    }

    /// The vector of bools that a value is the conjunction of.
    fn conjunction(&self, value: Value) -> Option<Value> {
        let inst = self.def(value);
        let all = matches!(&inst.op, Op::Reduce { op: Reduce::All, axes } if axes == &[0]);
        inst.args.first().copied().filter(|x| all && self.shape(*x).len() == 1)
    }

    /// The bools that a check is the conjunction of: the kernel that computes them clears it where one is false.
    pub fn all_of(&self, value: Value) -> Option<Value> {
        self.checks.get(&value).copied()
    }

    /// What is computed element by element for a value: for a check, what it is the conjunction of.
    pub fn computed(&self, value: Value) -> Value {
        self.all_of(value).unwrap_or(value)
    }

    pub fn def(&self, value: Value) -> &'a Inst {
        &self.graph.insts[self.defs[value.0 as usize].0]
    }

    pub fn op(&self, value: Value) -> &'a Op {
        &self.def(value).op
    }

    pub fn arg(&self, value: Value, n: usize) -> Value {
        self.def(value).args[n]
    }

    pub fn users(&self, value: Value) -> impl Iterator<Item = &'a Inst> {
        let graph = self.graph;
        self.users[value.0 as usize].iter().map(move |at| &graph.insts[*at])
    }

    pub fn ty(&self, value: Value) -> &'a Type {
        self.graph.ty(value)
    }

    pub fn shape(&self, value: Value) -> &'a [usize] {
        &self.graph.ty(value).shape
    }

    pub fn elements(&self, value: Value) -> usize {
        self.graph.ty(value).elements()
    }

    /// Values of outputs, the weights of reports included.
    pub fn outputs(&self) -> impl Iterator<Item = Value> {
        self.graph.outputs.iter().flat_map(|o| std::iter::once(o.value).chain(o.weight()))
    }
}

/// Outputs that renew an input of their name.
fn updates(graph: &Graph) -> Vec<(Value, Value)> {
    let inputs: HashMap<&str, Value> =
        graph.insts.iter().filter_map(|i| i.input_name().map(|n| (n, i.results[0]))).collect();
    let renewed = graph.outputs.iter().filter(|o| o.role == OutputRole::Update);
    renewed.filter_map(|o| inputs.get(o.name.as_str()).map(|old| (o.value, *old))).collect()
}

impl crate::tensor::Output {
    fn weight(&self) -> Option<Value> {
        match self.role {
            OutputRole::Report { weight } => Some(weight),
            _ => None,
        }
    }
}

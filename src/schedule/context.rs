//! Who defines and who uses each value of a graph.

use crate::ops::{Op, Type};
use crate::tensor::{Graph, Inst, Value};

pub struct Context<'a> {
    pub graph: &'a Graph,
    /// Instruction and result number of each value.
    defs: Vec<(usize, usize)>,
    /// Instructions that read each value, ascending, each once.
    users: Vec<Vec<usize>>,
}

impl<'a> Context<'a> {
    pub fn new(graph: &'a Graph) -> Context<'a> {
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
        Context { graph, defs, users }
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

impl crate::tensor::Output {
    fn weight(&self) -> Option<Value> {
        match self.role {
            crate::tensor::OutputRole::Report { weight } => Some(weight),
            _ => None,
        }
    }
}

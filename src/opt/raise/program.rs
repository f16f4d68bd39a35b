//! What the patterns ask of a program, be it a graph under reconstruction or the body of a composite.

use crate::ops::{Binary, Literal, Op, Reduce, Unary};
use crate::opt::Rewriter;
use crate::tensor::{Graph, Inst, Value};
use std::collections::HashMap;

pub trait Program {
    /// The instruction that defines a value.
    fn def(&self, value: Value) -> &Inst;
    fn shape(&self, value: Value) -> &[usize];

    fn binary(&self, value: Value, op: Binary) -> Option<[Value; 2]> {
        let inst = self.def(value);
        (inst.op == Op::Binary(op)).then(|| [inst.args[0], inst.args[1]])
    }

    fn unary(&self, value: Value, op: Unary) -> Option<Value> {
        let inst = self.def(value);
        (inst.op == Op::Unary(op)).then(|| inst.args[0])
    }

    /// Condition, then, otherwise.
    fn select(&self, value: Value) -> Option<[Value; 3]> {
        let inst = self.def(value);
        (inst.op == Op::Select).then(|| [inst.args[0], inst.args[1], inst.args[2]])
    }

    /// The constant that every element equals.
    fn splat(&self, value: Value) -> Option<Literal> {
        let inst = self.def(value);
        match inst.op {
            Op::Const(literal) => Some(literal),
            Op::DimValue(n) => Some(Literal::Int(n as i64)),
            Op::Broadcast { .. } | Op::Reshape { .. } => self.splat(inst.args[0]),
            _ => None,
        }
    }

    fn float(&self, value: Value) -> Option<f64> {
        match self.splat(value)? {
            Literal::Float(x) => Some(x),
            _ => None,
        }
    }

    /// Whether every element equals this number.
    fn is(&self, value: Value, x: f64) -> bool {
        self.float(value) == Some(x)
    }

    /// What is repeated along an axis: without it, or with the axis of length 1.
    fn row(&self, value: Value, axis: usize) -> Option<Value> {
        let (inst, shape) = (self.def(value), self.shape(value));
        let Op::Broadcast { axes, .. } = &inst.op else { return (shape[axis] == 1).then_some(value) };
        let from = self.shape(inst.args[0]);
        let kept: Vec<usize> = axes.iter().copied().filter(|a| *a != axis).collect();
        let whole = kept.len() == shape.len() - 1
            && axes.iter().zip(from).all(|(a, n)| if *a == axis { *n == 1 } else { *n == shape[*a] });
        whole.then_some(inst.args[0])
    }

    /// What a row is the reduction of along an axis.
    fn reduced(&self, row: Value, op: Reduce, axis: usize) -> Option<Value> {
        let mut inst = self.def(row);
        if let Op::Reshape { shape } = &inst.op {
            let mut kept = shape.clone();
            if kept.get(axis) != Some(&1) || kept.remove(axis) != 1 || kept != self.shape(inst.args[0]) {
                return None;
            }
            inst = self.def(inst.args[0]);
        }
        (inst.op == Op::Reduce { op, axes: vec![axis] }).then(|| inst.args[0])
    }

    /// Whether two values are computed by the same operations from the same values.
    fn same(&self, a: Value, b: Value) -> bool {
        let mut open = vec![(a, b)];
        let mut seen = vec![];
        while let Some(pair) = open.pop() {
            if pair.0 == pair.1 || seen.contains(&pair) {
                continue;
            }
            seen.push(pair);
            let (x, y) = (self.def(pair.0), self.def(pair.1));
            let alike = x.op == y.op
                && !matches!(x.op, Op::Input { .. })
                && x.regions.is_empty()
                && x.args.len() == y.args.len()
                && x.results.len() == 1
                && self.shape(pair.0) == self.shape(pair.1);
            if !alike || seen.len() > 64 {
                return false;
            }
            open.extend(x.args.iter().copied().zip(y.args.iter().copied()));
        }
        true
    }
}

impl Program for Rewriter<'_> {
    fn def(&self, value: Value) -> &Inst {
        Rewriter::def(self, value)
    }

    fn shape(&self, value: Value) -> &[usize] {
        &self.b.graph.ty(value).shape
    }
}

/// The body of a composite.
pub struct Body<'a> {
    graph: &'a Graph,
    defs: HashMap<Value, usize>,
}

impl<'a> Body<'a> {
    pub fn new(graph: &'a Graph) -> Body<'a> {
        let defs = graph.insts.iter().enumerate().flat_map(|(at, inst)| inst.results.iter().map(move |v| (*v, at)));
        Body { graph, defs: defs.collect() }
    }
}

impl Program for Body<'_> {
    fn def(&self, value: Value) -> &Inst {
        &self.graph.insts[self.defs[&value]]
    }

    fn shape(&self, value: Value) -> &[usize] {
        &self.graph.ty(value).shape
    }
}

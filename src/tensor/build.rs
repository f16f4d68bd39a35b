//! Appending instructions: each method works out the result's type, so that rules read like formulas.
//!
//! The caller vouches for arguments that fit (equal shapes and types where the operation asks for them); the verifier
//! checks the outcome.

use super::{Graph, Inst, Origin, Value};
use crate::ops::{Binary, Compare, DType, Literal, Op, Pad, Reduce, Type, Unary};
use std::collections::HashMap;

/// How a scan runs.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Loop {
    pub length: usize,
    pub reverse: bool,
    pub while_carry: bool,
    pub checkpoint: Option<usize>,
}

impl Loop {
    /// From position 0 upwards to the end.
    pub fn over(length: usize) -> Loop {
        Loop { length, reverse: false, while_carry: false, checkpoint: None }
    }

    /// A checkpoint in every step: of all steps only what is carried is kept, and what else a step needs is computed for it
    /// alone.
    pub fn keeps_carries_only(&self) -> bool {
        self.checkpoint == Some(1)
    }

    pub fn op(self, carries: usize, xs: usize) -> Op {
        let Loop { length, reverse, while_carry, checkpoint } = self;
        Op::Scan { carries, xs, reverse, length, while_carry, checkpoint }
    }
}

/// The arguments of a scan.
#[derive(Clone, Copy, Default)]
pub struct ScanArgs<'a> {
    pub consts: &'a [Value],
    pub inits: &'a [Value],
    pub xs: &'a [Value],
}

/// What the body of a scan is given for one position.
pub struct Step {
    pub position: Value,
    pub consts: Vec<Value>,
    pub carries: Vec<Value>,
    pub slices: Vec<Value>,
}

pub struct Builder<'g> {
    pub graph: &'g mut Graph,
    /// Given to every instruction that is appended.
    pub origin: Origin,
}

impl<'g> Builder<'g> {
    pub fn new(graph: &'g mut Graph, origin: Origin) -> Self {
        Builder { graph, origin }
    }

    pub fn ty(&self, value: Value) -> Type {
        self.graph.ty(value).clone()
    }

    pub fn shape(&self, value: Value) -> Vec<usize> {
        self.graph.ty(value).shape.clone()
    }

    pub fn dtype(&self, value: Value) -> DType {
        self.graph.ty(value).dtype
    }

    pub fn op(&mut self, op: Op, args: &[Value], ty: Type) -> Value {
        self.graph.push(op, args.to_vec(), vec![ty], self.origin.clone())[0]
    }

    // ── constants ──

    /// A scalar constant; floats stand for integers where the type is one.
    pub fn scalar(&mut self, x: f64, dtype: DType) -> Value {
        let literal = match dtype {
            DType::Bool => Literal::Bool(x != 0.0),
            _ if dtype.is_int() => Literal::Int(x as i64),
            _ => Literal::Float(x),
        };
        self.op(Op::Const(literal), &[], Type::scalar(dtype))
    }

    /// A tensor of this type whose elements all equal `x`.
    pub fn fill(&mut self, x: f64, ty: &Type) -> Value {
        let scalar = self.scalar(x, ty.dtype);
        if ty.shape.is_empty() { scalar } else { self.broadcast(scalar, &ty.shape, &[]) }
    }

    pub fn zeros_like(&mut self, value: Value) -> Value {
        let ty = self.ty(value);
        self.fill(0.0, &ty)
    }

    // ── maps ──

    pub fn unary(&mut self, op: Unary, x: Value) -> Value {
        let ty = self.ty(x);
        self.op(Op::Unary(op), &[x], ty)
    }

    pub fn neg(&mut self, x: Value) -> Value {
        self.unary(Unary::Neg, x)
    }

    pub fn binary(&mut self, op: Binary, a: Value, b: Value) -> Value {
        let ty = self.ty(a);
        self.op(Op::Binary(op), &[a, b], ty)
    }

    pub fn add(&mut self, a: Value, b: Value) -> Value {
        self.binary(Binary::Add, a, b)
    }

    pub fn sub(&mut self, a: Value, b: Value) -> Value {
        self.binary(Binary::Sub, a, b)
    }

    pub fn mul(&mut self, a: Value, b: Value) -> Value {
        self.binary(Binary::Mul, a, b)
    }

    pub fn div(&mut self, a: Value, b: Value) -> Value {
        self.binary(Binary::Div, a, b)
    }

    /// `x + c`.
    pub fn shift(&mut self, x: Value, c: f64) -> Value {
        let ty = self.ty(x);
        let c = self.fill(c, &ty);
        self.add(x, c)
    }

    /// `x * c`.
    pub fn scale(&mut self, x: Value, c: f64) -> Value {
        let ty = self.ty(x);
        let c = self.fill(c, &ty);
        self.mul(x, c)
    }

    pub fn compare(&mut self, op: Compare, a: Value, b: Value) -> Value {
        let shape = self.shape(a);
        self.op(Op::Compare(op), &[a, b], Type::new(DType::Bool, shape))
    }

    pub fn is_zero(&mut self, x: Value) -> Value {
        let zero = self.zeros_like(x);
        self.compare(Compare::Eq, x, zero)
    }

    pub fn select(&mut self, cond: Value, then: Value, otherwise: Value) -> Value {
        let ty = self.ty(then);
        self.op(Op::Select, &[cond, then, otherwise], ty)
    }

    pub fn cast(&mut self, x: Value, to: DType) -> Value {
        if self.dtype(x) == to {
            return x;
        }
        let shape = self.shape(x);
        self.op(Op::Cast(to), &[x], Type::new(to, shape))
    }

    // ── reductions and moves ──

    pub fn reduce(&mut self, op: Reduce, x: Value, axes: &[usize]) -> Value {
        if axes.is_empty() {
            return x;
        }
        let mut ty = self.ty(x);
        ty.shape = (0..ty.rank()).filter(|a| !axes.contains(a)).map(|a| ty.shape[a]).collect();
        self.op(Op::Reduce { op, axes: axes.to_vec() }, &[x], ty)
    }

    pub fn sum(&mut self, x: Value, axes: &[usize]) -> Value {
        self.reduce(Reduce::Sum, x, axes)
    }

    pub fn reshape(&mut self, x: Value, shape: &[usize]) -> Value {
        if self.graph.ty(x).shape == shape {
            return x;
        }
        let ty = Type::new(self.dtype(x), shape.to_vec());
        self.op(Op::Reshape { shape: shape.to_vec() }, &[x], ty)
    }

    /// The first two axes as one.
    pub fn merge_leading(&mut self, x: Value) -> Value {
        let shape = self.shape(x);
        self.reshape(x, &[&[shape[0] * shape[1]], &shape[2..]].concat())
    }

    pub fn transpose(&mut self, x: Value, perm: &[usize]) -> Value {
        if perm.iter().copied().eq(0..perm.len()) {
            return x;
        }
        let from = self.ty(x);
        let ty = Type::new(from.dtype, perm.iter().map(|&axis| from.shape[axis]).collect());
        self.op(Op::Transpose { perm: perm.to_vec() }, &[x], ty)
    }

    pub fn broadcast(&mut self, x: Value, shape: &[usize], axes: &[usize]) -> Value {
        let ty = Type::new(self.dtype(x), shape.to_vec());
        self.op(Op::Broadcast { shape: shape.to_vec(), axes: axes.to_vec() }, &[x], ty)
    }

    pub fn slice(&mut self, x: Value, start: &[usize], size: &[usize], stride: &[usize]) -> Value {
        let ty = Type::new(self.dtype(x), size.to_vec());
        let op = Op::Slice { start: start.to_vec(), size: size.to_vec(), stride: stride.to_vec() };
        self.op(op, &[x], ty)
    }

    pub fn pad(&mut self, x: Value, value: Value, pads: Vec<Pad>) -> Value {
        let from = self.ty(x);
        let shape = from.shape.iter().zip(&pads).map(|(&n, pad)| padded(n, pad)).collect();
        self.op(Op::Pad { pads }, &[x, value], Type::new(from.dtype, shape))
    }

    // ── regions ──

    /// Appends a scan. `body` gives the next carries and what this position adds to the ys; the results are the last
    /// carries, then the ys.
    pub fn scan(
        &mut self,
        how: Loop,
        args: ScanArgs,
        body: impl FnOnce(&mut Builder, &Step) -> [Vec<Value>; 2],
    ) -> Vec<Value> {
        let op = how.op(args.inits.len(), args.xs.len());
        let all = [args.consts, args.inits, args.xs].concat();
        let mut region = self.graph.scan_body(&op, &all);
        let inputs: Vec<Value> = region.inputs.iter().map(|(value, _)| *value).collect();
        let (consts, rest) = inputs[1..].split_at(args.consts.len());
        let (carries, slices) = rest.split_at(args.inits.len());
        let [consts, carries, slices] = [consts, carries, slices].map(<[Value]>::to_vec);
        let step = Step { position: inputs[0], consts, carries, slices };
        let [next, ys] = body(&mut Builder::new(&mut region, self.origin.clone()), &step);
        region.step(&next, &ys);
        self.graph.push_scan(op, all, region, self.origin.clone())
    }

    /// Appends a region's instructions with `args` for its inputs; gives the values of its outputs.
    pub fn splice(&mut self, region: &Graph, args: &[Value]) -> Vec<Value> {
        let mut renamed: HashMap<Value, Value> = HashMap::new();
        let mut args = args.iter();
        for inst in &region.insts {
            if let Op::Input { .. } = inst.op {
                let arg = args.next().expect("a region takes as many arguments as it has inputs");
                renamed.insert(inst.results[0], *arg);
                continue;
            }
            let results: Vec<Value> = inst.results.iter().map(|v| self.graph.fresh(region.ty(*v).clone())).collect();
            let args = inst.args.iter().map(|v| renamed[v]).collect();
            renamed.extend(inst.results.iter().copied().zip(results.iter().copied()));
            self.graph.insts.push(Inst { args, results, ..inst.clone() });
        }
        region.outputs.iter().map(|o| renamed[&o.value]).collect()
    }
}

fn padded(n: usize, pad: &Pad) -> usize {
    let inner = n as i64 + n.saturating_sub(1) as i64 * pad.interior as i64;
    (inner + pad.low + pad.high).max(0) as usize
}

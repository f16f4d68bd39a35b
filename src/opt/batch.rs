//! What stands outside of a loop for a value of its body: one operation over all steps for an operation of each.
//!
//! A value that does not depend on carries has a counterpart outside: the same tensor for every step, or all steps stacked
//! on axis 0. [`Lift`] knows which values have one, and makes it on demand.

use super::draft::Draft;
use crate::ops::{self, DType, Op, Type};
use crate::tensor::build::Builder;
use crate::tensor::scan::Values;
use crate::tensor::{Inst, Value};
use std::collections::HashMap;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Outside {
    pub value: Value,
    /// Axis 0 is the steps; otherwise one tensor stands for all of them.
    pub steps: bool,
}

impl Outside {
    fn same(value: Value) -> Outside {
        Outside { value, steps: false }
    }

    fn steps(value: Value) -> Outside {
        Outside { value, steps: true }
    }

    /// All steps, repeated where they are the same.
    pub fn stacked(self, b: &mut Builder, length: usize) -> Value {
        if self.steps {
            return self.value;
        }
        let shape = [&[length], &b.shape(self.value)[..]].concat();
        let axes: Vec<usize> = (1..shape.len()).collect();
        b.broadcast(self.value, &shape, &axes)
    }
}

/// The counterparts that exist already, for what enters a loop.
pub fn entries(b: &mut Builder, draft: &Draft) -> HashMap<Value, Outside> {
    let consts = draft.consts.iter().map(|p| (p.inside, Outside::same(p.outside)));
    let mut known: HashMap<Value, Outside> = consts.collect();
    // How often a loop with a condition runs is not known.
    if draft.how.while_carry || draft.how.length == 0 {
        return known;
    }
    known.extend(draft.xs.iter().map(|p| (p.inside, Outside::steps(p.outside))));
    let shape = vec![draft.how.length];
    let op = Op::Iota { shape: shape.clone(), axis: 0, dtype: DType::I32 };
    known.insert(draft.position, Outside::steps(b.op(op, &[], Type::new(DType::I32, shape))));
    known
}

/// For what leaves it.
pub fn exits(draft: &Draft) -> impl Iterator<Item = (Value, Outside)> {
    draft.ys.iter().map(|y| (y.slice, Outside::steps(y.whole)))
}

pub struct Lift {
    made: HashMap<Value, Outside>,
    /// Every value with a counterpart, made or not, and whether that has steps.
    kinds: HashMap<Value, bool>,
}

impl Lift {
    /// From what there is, by operations that are `allowed`.
    pub fn new(draft: &Draft, made: HashMap<Value, Outside>, allowed: impl Fn(&Inst) -> bool) -> Lift {
        let mut kinds: HashMap<Value, bool> = made.iter().map(|(v, o)| (*v, o.steps)).collect();
        for inst in &draft.body.insts {
            let args: Option<Vec<bool>> = inst.args.iter().map(|v| kinds.get(v).copied()).collect();
            if let Some(steps) = args.filter(|_| allowed(inst)).and_then(|args| kind(inst, &args)) {
                for result in &inst.results {
                    kinds.entry(*result).or_insert(steps);
                }
            }
        }
        Lift { made, kinds }
    }

    /// Whether there is a counterpart, and if so whether it has steps.
    pub fn kind(&self, value: Value) -> Option<bool> {
        self.kinds.get(&value).copied()
    }

    pub fn add(&mut self, value: Value, outside: Outside) {
        self.made.insert(value, outside);
        self.kinds.insert(value, outside.steps);
    }

    /// The counterpart of a value that has one.
    pub fn lift(&mut self, b: &mut Builder, draft: &Draft, value: Value) -> Outside {
        let needed = self.cone(draft, value);
        for inst in draft.body.insts.iter().filter(|inst| inst.results.iter().any(|v| needed.contains(v))) {
            let args: Vec<Outside> = inst.args.iter().map(|v| self.made[v]).collect();
            let results = batched(b, inst, &args, draft);
            for (result, made) in inst.results.iter().zip(results) {
                self.made.entry(*result).or_insert(made);
            }
        }
        self.made[&value]
    }

    /// The values still to be made.
    fn cone(&self, draft: &Draft, value: Value) -> Values {
        let missing = |v: &Value| !self.made.contains_key(v);
        let mut needed: Values = Some(value).into_iter().filter(missing).collect();
        for inst in draft.body.insts.iter().rev() {
            if inst.results.iter().any(|v| needed.contains(v)) {
                needed.extend(inst.args.iter().copied().filter(missing));
            }
        }
        needed
    }
}

/// A product that adds something up: one that only multiplies would grow without saving anything.
pub fn is_product(draft: &Draft, inst: &Inst) -> bool {
    match &inst.op {
        Op::Dot { lhs_contract, .. } => {
            let lhs = &draft.body.ty(inst.args[0]).shape;
            lhs_contract.iter().map(|&axis| lhs[axis]).product::<usize>() > 1
        }
        Op::Conv { .. } => true,
        _ => false,
    }
}

/// Whether the counterpart of an operation on such arguments has steps; `None` where there is none.
fn kind(inst: &Inst, steps: &[bool]) -> Option<bool> {
    if !steps.contains(&true) {
        return Some(false);
    }
    let only_first = steps[0] && !steps[1..].contains(&true);
    let exists = match inst.op {
        _ if inst.op.is_map() => true,
        Op::Dot { .. } => true,
        Op::Take { .. } => steps != [true, true],
        Op::Reduce { .. } | Op::ArgMax { .. } | Op::ArgMin { .. } | Op::CumSum { .. } => true,
        Op::Pad { .. } | Op::Conv { .. } => only_first,
        _ if inst.op.is_move() => true,
        _ => false,
    };
    exists.then_some(true)
}

/// The counterpart of an operation that has one.
fn batched(b: &mut Builder, inst: &Inst, args: &[Outside], draft: &Draft) -> Vec<Outside> {
    b.origin = inst.origin.clone();
    let values: Vec<Value> = args.iter().map(|a| a.value).collect();
    if args.iter().all(|a| !a.steps) {
        let results: Vec<Value> = inst.results.iter().map(|v| b.graph.fresh(draft.body.ty(*v).clone())).collect();
        b.graph.insts.push(Inst { args: values, results: results.clone(), ..inst.clone() });
        return results.into_iter().map(Outside::same).collect();
    }
    let (ty, length) = (draft.body.ty(inst.results[0]), draft.how.length);
    let whole = Type::new(ty.dtype, [&[length], &ty.shape[..]].concat());
    let value = match &inst.op {
        op if op.is_map() => {
            let args = stacked(b, args, length);
            b.op(op.clone(), &args, whole)
        }
        Op::Concat { axis } => {
            let args = stacked(b, args, length);
            b.op(Op::Concat { axis: axis + 1 }, &args, whole)
        }
        Op::Dot { .. } => dot(b, &inst.op, args, whole),
        Op::Take { axis } => take(b, *axis, args, whole),
        Op::Conv { .. } => conv(b, &inst.op, &values, whole),
        op => b.op(later_axes(op, &whole.shape), &values, whole),
    };
    vec![Outside::steps(value)]
}

fn stacked(b: &mut Builder, args: &[Outside], length: usize) -> Vec<Value> {
    args.iter().map(|a| a.stacked(b, length)).collect()
}

/// The operation with its axes moved by one.
fn later_axes(op: &Op, shape: &[usize]) -> Op {
    let before = |first: usize, rest: &[usize]| [&[first], rest].concat();
    match op {
        Op::Reduce { op, axes } => Op::Reduce { op: *op, axes: later(axes, 1) },
        Op::ArgMax { axis } => Op::ArgMax { axis: axis + 1 },
        Op::ArgMin { axis } => Op::ArgMin { axis: axis + 1 },
        Op::CumSum { axis, reverse } => Op::CumSum { axis: axis + 1, reverse: *reverse },
        Op::Reshape { .. } => Op::Reshape { shape: shape.to_vec() },
        Op::Transpose { perm } => Op::Transpose { perm: before(0, &later(perm, 1)) },
        Op::Broadcast { axes, .. } => Op::Broadcast { shape: shape.to_vec(), axes: before(0, &later(axes, 1)) },
        Op::Slice { start, size, stride } => {
            Op::Slice { start: before(0, start), size: before(shape[0], size), stride: before(1, stride) }
        }
        Op::Pad { pads } => {
            let none = ops::Pad { low: 0, high: 0, interior: 0 };
            Op::Pad { pads: [&[none], &pads[..]].concat() }
        }
        Op::Reverse { axes } => Op::Reverse { axes: later(axes, 1) },
        op => unreachable!("`{}` has no counterpart over all steps", op.name()),
    }
}

pub fn later(axes: &[usize], by: usize) -> Vec<usize> {
    axes.iter().map(|axis| axis + by).collect()
}

/// Steps on one side are its first free axis; on both sides, a batch.
fn dot(b: &mut Builder, op: &Op, args: &[Outside], whole: Type) -> Value {
    let Op::Dot { lhs_batch, rhs_batch, lhs_contract, rhs_contract } = op else { unreachable!("a dot") };
    let [left, right] = [args[0].steps as usize, args[1].steps as usize];
    let both: &[usize] = if left + right == 2 { &[0] } else { &[] };
    let product = Op::Dot {
        lhs_batch: [both, &later(lhs_batch, left)].concat(),
        rhs_batch: [both, &later(rhs_batch, right)].concat(),
        lhs_contract: later(lhs_contract, left),
        rhs_contract: later(rhs_contract, right),
    };
    // Axes of the result: batch, free of lhs, free of rhs.
    let lhs_free = b.shape(args[0].value).len() - left - lhs_batch.len() - lhs_contract.len();
    let place = match (left, right) {
        (1, 1) => 0,
        (1, _) => lhs_batch.len(),
        _ => lhs_batch.len() + lhs_free,
    };
    first(b, product, &[args[0].value, args[1].value], whole, place)
}

/// The operation, whose result has the steps at `place`, and a transpose that puts them first.
fn first(b: &mut Builder, op: Op, args: &[Value], whole: Type, place: usize) -> Value {
    let others = (0..whole.rank()).filter(|axis| *axis != place);
    let perm: Vec<usize> = std::iter::once(place).chain(others).collect();
    let mut shape = whole.shape.clone();
    perm.iter().zip(&whole.shape).for_each(|(&axis, &n)| shape[axis] = n);
    let result = b.op(op, args, Type::new(whole.dtype, shape));
    b.transpose(result, &perm)
}

/// Rows of one table by the indices of all steps, or of each step's table by the same indices.
fn take(b: &mut Builder, axis: usize, args: &[Outside], whole: Type) -> Value {
    let values = [args[0].value, args[1].value];
    if args[0].steps {
        return b.op(Op::Take { axis: axis + 1 }, &values, whole);
    }
    first(b, Op::Take { axis }, &values, whole, axis)
}

/// Steps and batch as one batch.
fn conv(b: &mut Builder, op: &Op, args: &[Value], whole: Type) -> Value {
    let x = b.merge_leading(args[0]);
    let shape = [&[whole.shape[0] * whole.shape[1]], &whole.shape[2..]].concat();
    let y = b.op(op.clone(), &[x, args[1]], Type::new(whole.dtype, shape));
    b.reshape(y, &whole.shape)
}

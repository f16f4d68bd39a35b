//! An operation of a loop's body as one operation over all steps.
//!
//! A value of the body that does not depend on carries has a counterpart outside: the same tensor in every step, or all
//! steps stacked on axis 0. [`Lift`] makes the counterparts, on demand.

use super::draft::Draft;
use crate::ops::{DType, Op, Type};
use crate::tensor::build::Builder;
use crate::tensor::{Inst, Value};
use std::collections::HashMap;

/// What stands outside of a loop for a value of its body.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Outside {
    /// One tensor for all steps.
    Same(Value),
    /// The steps stacked on axis 0.
    Steps(Value),
}

use Outside::{Same, Steps};

/// The ports of a loop, outside.
pub fn ports(b: &mut Builder, draft: &Draft) -> HashMap<Value, Outside> {
    let mut known: HashMap<Value, Outside> = draft.consts.iter().map(|p| (p.inside, Same(p.outside))).collect();
    // How often such a loop runs is not known.
    if draft.how.while_carry || draft.how.length == 0 {
        return known;
    }
    known.extend(draft.xs.iter().map(|p| (p.inside, Steps(p.outside))));
    known.extend(draft.ys.iter().map(|y| (y.slice, Steps(y.whole))));
    let shape = vec![draft.how.length];
    let op = Op::Iota { shape: shape.clone(), axis: 0, dtype: DType::I32 };
    known.insert(draft.position, Steps(b.op(op, &[], Type::new(DType::I32, shape))));
    known
}

/// One operation over all steps of `length`; `ty` is the type of one step's result. `None` where there is no such
/// operation.
pub fn batched(b: &mut Builder, inst: &Inst, args: &[Outside], ty: &Type, length: usize) -> Option<Outside> {
    let values: Vec<Value> = args.iter().map(|a| a.value()).collect();
    if args.iter().all(|a| matches!(a, Same(_))) {
        let result = b.graph.fresh(ty.clone());
        b.graph.insts.push(Inst { args: values, results: vec![result], ..inst.clone() });
        return Some(Same(result));
    }
    let whole = Type::new(ty.dtype, [&[length], &ty.shape[..]].concat());
    let stacked = |b: &mut Builder| -> Vec<Value> { args.iter().map(|a| a.stacked(b, length)).collect() };
    let value = match &inst.op {
        Op::Unary(_) | Op::Binary(_) | Op::Compare(_) | Op::Select | Op::Cast(_) | Op::Bitcast(_) => {
            let args = stacked(b);
            b.op(inst.op.clone(), &args, whole)
        }
        Op::StopGradient => b.op(Op::StopGradient, &values, whole),
        Op::Dot { .. } => return Some(Steps(dot(b, &inst.op, args, &whole))),
        Op::Take { axis } => return take(b, *axis, args, whole).map(Steps),
        Op::Concat { axis } => {
            let args = stacked(b);
            b.op(Op::Concat { axis: axis + 1 }, &args, whole)
        }
        op => b.op(later_axes(op, &whole.shape, args)?, &values, whole),
    };
    Some(Steps(value))
}

impl Outside {
    pub fn value(self) -> Value {
        match self {
            Same(value) | Steps(value) => value,
        }
    }

    /// All steps, repeated where they are the same.
    pub fn stacked(self, b: &mut Builder, length: usize) -> Value {
        match self {
            Steps(value) => value,
            Same(value) => {
                let shape = [&[length], &b.shape(value)[..]].concat();
                let axes: Vec<usize> = (1..shape.len()).collect();
                b.broadcast(value, &shape, &axes)
            }
        }
    }
}

/// The operation with its axes moved by one, where only the first argument has steps.
fn later_axes(op: &Op, shape: &[usize], args: &[Outside]) -> Option<Op> {
    let only_first = matches!(args[0], Steps(_)) && args[1..].iter().all(|a| matches!(a, Same(_)));
    let later = |axes: &[usize]| axes.iter().map(|a| a + 1).collect::<Vec<_>>();
    let and_first = |axes: &[usize]| [&[0], &later(axes)[..]].concat();
    let before = |first: usize, rest: &[usize]| [&[first], rest].concat();
    Some(match op {
        _ if !only_first => return None,
        Op::Reduce { op, axes } => Op::Reduce { op: *op, axes: later(axes) },
        Op::ArgMax { axis } => Op::ArgMax { axis: axis + 1 },
        Op::ArgMin { axis } => Op::ArgMin { axis: axis + 1 },
        Op::CumSum { axis, reverse } => Op::CumSum { axis: axis + 1, reverse: *reverse },
        Op::Reshape { .. } => Op::Reshape { shape: shape.to_vec() },
        Op::Transpose { perm } => Op::Transpose { perm: and_first(perm) },
        Op::Broadcast { axes, .. } => Op::Broadcast { shape: shape.to_vec(), axes: and_first(axes) },
        Op::Slice { start, size, stride } => {
            Op::Slice { start: before(0, start), size: before(shape[0], size), stride: before(1, stride) }
        }
        Op::Pad { pads } => {
            let none = crate::ops::Pad { low: 0, high: 0, interior: 0 };
            Op::Pad { pads: [&[none], &pads[..]].concat() }
        }
        Op::Reverse { axes } => Op::Reverse { axes: later(axes) },
        _ => return None,
    })
}

/// Steps on one side are a free axis; on both sides, a batch.
fn dot(b: &mut Builder, op: &Op, args: &[Outside], whole: &Type) -> Value {
    let Op::Dot { lhs_batch, rhs_batch, lhs_contract, rhs_contract } = op else { unreachable!("a dot") };
    let later = |axes: &[usize], by: usize| axes.iter().map(|a| a + by).collect::<Vec<_>>();
    let by = args.iter().map(|a| matches!(a, Steps(_)) as usize).collect::<Vec<_>>();
    let batch = |axes: &[usize], by: usize, both: bool| {
        if both { [&[0], &later(axes, by)[..]].concat() } else { later(axes, by) }
    };
    let both = by == [1, 1];
    let op = Op::Dot {
        lhs_batch: batch(lhs_batch, by[0], both),
        rhs_batch: batch(rhs_batch, by[1], both),
        lhs_contract: later(lhs_contract, by[0]),
        rhs_contract: later(rhs_contract, by[1]),
    };
    let values = [args[0].value(), args[1].value()];
    // Axes of the result: batch, free of lhs, free of rhs. The steps are the first free axis of their side.
    let batches = lhs_batch.len();
    let lhs_free = b.shape(values[0]).len() - by[0] - batches - lhs_contract.len();
    let place = match by[..] {
        [1, 1] => 0,
        [1, _] => batches,
        _ => batches + lhs_free,
    };
    let perm: Vec<usize> = std::iter::once(place).chain((0..whole.rank()).filter(|a| *a != place)).collect();
    let mut shape = vec![0; whole.rank()];
    perm.iter().zip(&whole.shape).for_each(|(&axis, &n)| shape[axis] = n);
    let product = b.op(op, &values, Type::new(whole.dtype, shape));
    b.transpose(product, &perm)
}

/// Rows of one table by the indices of all steps, or by the same indices of each step's table.
fn take(b: &mut Builder, axis: usize, args: &[Outside], whole: Type) -> Option<Value> {
    match (args[0], args[1]) {
        (Steps(x), Same(indices)) => Some(b.op(Op::Take { axis: axis + 1 }, &[x, indices], whole)),
        (Same(x), Steps(indices)) => {
            // The steps stand where the axis was.
            let perm: Vec<usize> = std::iter::once(axis).chain((0..whole.rank()).filter(|a| *a != axis)).collect();
            let mut shape = vec![0; whole.rank()];
            perm.iter().zip(&whole.shape).for_each(|(&axis, &n)| shape[axis] = n);
            let rows = b.op(Op::Take { axis }, &[x, indices], Type::new(whole.dtype, shape));
            Some(b.transpose(rows, &perm))
        }
        _ => None,
    }
}

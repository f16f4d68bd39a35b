//! Rules of operations that move elements: each sends the adjoints back where the elements came from.

use super::Rule;
use super::reduce::inverse;
use crate::ops::{DType, Op, Pad, Type};
use crate::tensor::Value;

pub fn reshape(r: &mut Rule) -> Value {
    let shape = r.x_type(0).shape;
    r.b.reshape(r.y_adj, &shape)
}

pub fn transpose(r: &mut Rule, perm: &[usize]) -> Value {
    r.b.transpose(r.y_adj, &inverse(perm))
}

/// Sums over what was repeated: new axes, and axes of size 1 that grew.
pub fn broadcast(r: &mut Rule, axes: &[usize]) -> Value {
    let x = r.x_type(0).shape;
    let y = r.b.shape(r.y_adj);
    let kept = |axis: &usize| axes.iter().position(|a| a == axis).is_some_and(|i| x[i] == y[*axis]);
    let repeated: Vec<usize> = (0..y.len()).filter(|axis| !kept(axis)).collect();
    let total = r.b.sum(r.y_adj, &repeated);
    r.b.reshape(total, &x)
}

/// Zeros between, before and after the elements that the slice took.
pub fn slice(r: &mut Rule, start: &[usize], size: &[usize], stride: &[usize]) -> Value {
    let ty = r.x_type(0);
    let pad = |axis: usize| {
        let end = start[axis] + (size[axis] - 1) * stride[axis] + 1;
        Pad { low: start[axis] as i64, high: (ty.shape[axis] - end) as i64, interior: stride[axis] - 1 }
    };
    let pads = (0..ty.rank()).map(pad).collect();
    let zero = r.b.scalar(0.0, ty.dtype);
    r.b.pad(r.y_adj, zero, pads)
}

/// Crops the padding (and puts zeros for what negative padding had cropped), then skips the interior.
pub fn pad(r: &mut Rule, pads: &[Pad]) -> Value {
    let ty = r.x_type(0);
    let undo = pads.iter().map(|p| Pad { low: -p.low, high: -p.high, interior: 0 }).collect();
    let zero = r.b.scalar(0.0, ty.dtype);
    let spread = r.b.pad(r.y_adj, zero, undo);
    let stride: Vec<usize> = pads.iter().map(|p| p.interior + 1).collect();
    if stride.iter().all(|&s| s == 1) {
        return spread;
    }
    r.b.slice(spread, &vec![0; ty.rank()], &ty.shape, &stride)
}

/// The sum over all places that hold the padding value.
pub fn pad_value(r: &mut Rule, pads: &[Pad]) -> Value {
    let shape = r.x_type(0).shape;
    let inside = r.b.fill(0.0, &Type::new(DType::Bool, shape));
    let outside = r.b.scalar(1.0, DType::Bool);
    let padding = r.b.pad(inside, outside, pads.to_vec());
    let zero = r.b.zeros_like(r.y_adj);
    let parts = r.b.select(padding, r.y_adj, zero);
    r.b.sum(parts, &(0..pads.len()).collect::<Vec<_>>())
}

pub fn concat(r: &mut Rule, axis: usize, i: usize) -> Value {
    let shape = r.x_type(i).shape;
    let mut start = vec![0; shape.len()];
    start[axis] = (0..i).map(|j| r.x_type(j).shape[axis]).sum();
    r.b.slice(r.y_adj, &start, &shape, &vec![1; shape.len()])
}

pub fn dynamic_slice(r: &mut Rule) -> Value {
    let ty = r.x_type(0);
    let zeros = r.b.fill(0.0, &ty);
    let args = [&[zeros, r.y_adj], &r.inst.args[1..]].concat();
    r.b.op(Op::DynamicUpdate, &args, ty)
}

pub fn dynamic_update_base(r: &mut Rule) -> Value {
    let zeros = r.b.zeros_like(r.x(1));
    let starts = &r.inst.args[2..];
    r.like_x(Op::DynamicUpdate, &[&[zeros], starts].concat())
}

pub fn dynamic_update_update(r: &mut Rule) -> Value {
    let ty = r.x_type(1);
    let args = [&[r.y_adj], &r.inst.args[2..]].concat();
    r.b.op(Op::DynamicSlice { size: ty.shape.clone() }, &args, ty)
}

/// Back to where `indices`, the second result, say that the values came from.
pub fn unsort(r: &mut Rule, axis: usize) -> Value {
    let size = r.x_type(0).shape[axis];
    r.like_x(Op::ScatterAddAlong { axis, size }, &[r.inst.results[1]])
}

//! Operations that only move elements.

use super::array::{Array, row_major, same_kind};
use crate::ops::Pad;
use ndarray::{ArrayD, Axis, IxDyn, Slice};

pub fn transpose(x: &Array, perm: &[usize]) -> Array {
    same_kind!(x, a => a.clone().permuted_axes(IxDyn(perm)))
}

pub fn broadcast(x: &Array, shape: &[usize], axes: &[usize]) -> Result<Array, String> {
    let mut widened = vec![1; shape.len()];
    for (i, &axis) in axes.iter().enumerate() {
        widened[axis] = x.shape()[i];
    }
    let fail = || format!("cannot broadcast {:?} to {shape:?} along {axes:?}", x.shape());
    Ok(same_kind!(x, a => row_major(a, &widened).broadcast(IxDyn(shape)).ok_or_else(fail)?.to_owned()))
}

pub fn slice(x: &Array, start: &[usize], size: &[usize], stride: &[usize]) -> Result<Array, String> {
    for (axis, &n) in x.shape().iter().enumerate() {
        if size[axis] > 0 && start[axis] + (size[axis] - 1) * stride[axis] >= n {
            return Err(format!("the slice leaves axis {axis} of {:?}", x.shape()));
        }
    }
    let at = |out: &IxDyn| -> Vec<usize> { (0..start.len()).map(|i| start[i] + out[i] * stride[i]).collect() };
    Ok(same_kind!(x, a => ArrayD::from_shape_fn(IxDyn(size), |out| a[&at(&out)[..]])))
}

pub fn pad(x: &Array, value: &Array, pads: &[Pad], shape: &[usize]) -> Result<Array, String> {
    match (x, value) {
        (Array::Float(a), Array::Float(v)) => Ok(Array::Float(padded(a, v[[].as_slice()], pads, shape))),
        (Array::Int(a), Array::Int(v)) => Ok(Array::Int(padded(a, v[[].as_slice()], pads, shape))),
        _ => Err("the padding value has another type".into()),
    }
}

/// Elements that negative padding crops are dropped.
fn padded<T: Copy>(a: &ArrayD<T>, value: T, pads: &[Pad], shape: &[usize]) -> ArrayD<T> {
    let mut out = ArrayD::from_elem(IxDyn(shape), value);
    for (index, &x) in a.indexed_iter() {
        let place = |i: usize| pads[i].low + (index[i] * (pads[i].interior + 1)) as i64;
        let at: Vec<usize> = (0..pads.len()).map(|i| place(i).try_into().unwrap_or(usize::MAX)).collect();
        if let Some(slot) = out.get_mut(&at[..]) {
            *slot = x;
        }
    }
    out
}

pub fn concat(parts: &[&Array], axis: usize) -> Result<Array, String> {
    let fail = |e: ndarray::ShapeError| e.to_string();
    if parts[0].is_float() {
        let views = parts.iter().map(|p| Ok(p.floats()?.view())).collect::<Result<Vec<_>, String>>()?;
        return ndarray::concatenate(Axis(axis), &views).map(Array::Float).map_err(fail);
    }
    let views = parts.iter().map(|p| Ok(p.ints()?.view())).collect::<Result<Vec<_>, String>>()?;
    ndarray::concatenate(Axis(axis), &views).map(Array::Int).map_err(fail)
}

pub fn reverse(x: &Array, axes: &[usize]) -> Array {
    let mut x = x.clone();
    for &axis in axes {
        match &mut x {
            Array::Float(a) => a.invert_axis(Axis(axis)),
            Array::Int(a) => a.invert_axis(Axis(axis)),
        }
    }
    x
}

pub fn dynamic_slice(x: &Array, starts: &[&Array], size: &[usize]) -> Result<Array, String> {
    let starts = checked_starts(x.shape(), starts, size)?;
    slice(x, &starts, size, &vec![1; size.len()])
}

pub fn dynamic_update(x: &Array, update: &Array, starts: &[&Array]) -> Result<Array, String> {
    let starts = checked_starts(x.shape(), starts, update.shape())?;
    match (x, update) {
        (Array::Float(a), Array::Float(u)) => Ok(Array::Float(updated(a, u, &starts))),
        (Array::Int(a), Array::Int(u)) => Ok(Array::Int(updated(a, u, &starts))),
        _ => Err("the update has another type".into()),
    }
}

fn updated<T: Copy>(a: &ArrayD<T>, update: &ArrayD<T>, starts: &[usize]) -> ArrayD<T> {
    let mut out = a.clone();
    let range = |axis: usize| Slice::from(starts[axis]..starts[axis] + update.shape()[axis]);
    out.slice_each_axis_mut(|axis| range(axis.axis.index())).assign(update);
    out
}

fn checked_starts(shape: &[usize], starts: &[&Array], size: &[usize]) -> Result<Vec<usize>, String> {
    let check = |axis: usize| {
        let start = starts[axis].scalar();
        let fits = start >= 0 && start as usize + size[axis] <= shape[axis];
        let fail = || format!("start {start} of axis {axis} is out of range: {} of {}", size[axis], shape[axis]);
        fits.then_some(start as usize).ok_or_else(fail)
    };
    (0..shape.len()).map(check).collect()
}

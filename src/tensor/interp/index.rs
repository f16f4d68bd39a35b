//! Gathers and scatters by integer indices. An index out of range is an error that says where it stands.

use super::array::{Array, same_kind};
use ndarray::{ArrayD, Axis, Dimension, IxDyn};
use std::ops::AddAssign;

pub fn take(x: &Array, indices: &Array, axis: usize) -> Result<Array, String> {
    let flat = checked(indices.ints()?, x.shape()[axis])?;
    let mut shape = x.shape().to_vec();
    shape.splice(axis..=axis, indices.shape().iter().copied());
    let rows = same_kind!(x, a => a.select(Axis(axis), &flat));
    rows.reshaped(&shape)
}

pub fn take_along(x: &Array, indices: &Array, axis: usize) -> Result<Array, String> {
    checked(indices.ints()?, x.shape()[axis])?;
    let indices = indices.ints()?;
    Ok(same_kind!(x, a => ArrayD::from_shape_fn(indices.raw_dim(), |at| a[along(&at, axis, indices[&at])])))
}

pub fn scatter_add(updates: &Array, indices: &Array, axis: usize, size: usize) -> Result<Array, String> {
    let flat = checked(indices.ints()?, size)?;
    let mut shape = updates.shape().to_vec();
    shape.splice(axis..axis + indices.shape().len(), [flat.len()]);
    let updates = updates.reshaped(&shape)?;
    shape[axis] = size;
    Ok(same_kind!(&updates, a => add_slices(a, &flat, axis, &shape)))
}

fn add_slices<T: Copy + Default + AddAssign>(
    updates: &ArrayD<T>,
    to: &[usize],
    axis: usize,
    shape: &[usize],
) -> ArrayD<T> {
    let mut out = ArrayD::from_elem(IxDyn(shape), T::default());
    for (slice, &row) in updates.axis_iter(Axis(axis)).zip(to) {
        out.index_axis_mut(Axis(axis), row).zip_mut_with(&slice, |sum, &x| *sum += x);
    }
    out
}

pub fn scatter_add_along(updates: &Array, indices: &Array, axis: usize, size: usize) -> Result<Array, String> {
    checked(indices.ints()?, size)?;
    let indices = indices.ints()?;
    let mut shape = updates.shape().to_vec();
    shape[axis] = size;
    Ok(same_kind!(updates, a => add_elements(a, indices, axis, &shape)))
}

fn add_elements<T: Copy + Default + AddAssign>(
    updates: &ArrayD<T>,
    indices: &ArrayD<i64>,
    axis: usize,
    shape: &[usize],
) -> ArrayD<T> {
    let mut out = ArrayD::from_elem(IxDyn(shape), T::default());
    for (at, &row) in indices.indexed_iter() {
        out[along(&at, axis, row)] += updates[&at];
    }
    out
}

fn along(at: &IxDyn, axis: usize, row: i64) -> IxDyn {
    let mut place = at.clone();
    place[axis] = row as usize;
    place
}

fn checked(indices: &ArrayD<i64>, size: usize) -> Result<Vec<usize>, String> {
    let check = |(at, &i): (IxDyn, &i64)| {
        let place = || format!("index {i} at {:?} is out of range: the axis has {size}", at.slice());
        usize::try_from(i).ok().filter(|&i| i < size).ok_or_else(place)
    };
    indices.indexed_iter().map(check).collect()
}

//! Stable sorting: NaN stands last in either direction.

use super::array::Array;
use ndarray::{ArrayD, Axis, Slice};
use std::cmp::Ordering;

/// Values and indices.
pub fn sort(x: &Array, axis: usize, descending: bool) -> Vec<Array> {
    match x {
        Array::Float(a) => {
            let (values, indices) = sorted(a, axis, |a, b| compare_floats(a, b, descending));
            vec![Array::Float(values), Array::Int(indices)]
        }
        Array::Int(a) => {
            let (values, indices) = sorted(a, axis, |a, b| if descending { b.cmp(&a) } else { a.cmp(&b) });
            vec![Array::Int(values), Array::Int(indices)]
        }
    }
}

fn compare_floats(a: f64, b: f64, descending: bool) -> Ordering {
    let order = a.partial_cmp(&b).map(|o| if descending { o.reverse() } else { o });
    order.unwrap_or_else(|| a.is_nan().cmp(&b.is_nan()))
}

fn sorted<T: Copy>(a: &ArrayD<T>, axis: usize, compare: impl Fn(T, T) -> Ordering) -> (ArrayD<T>, ArrayD<i64>) {
    let (mut values, mut indices) = (a.clone(), a.map(|_| 0));
    for (mut lane, mut places) in values.lanes_mut(Axis(axis)).into_iter().zip(indices.lanes_mut(Axis(axis))) {
        let mut order: Vec<usize> = (0..lane.len()).collect();
        let unsorted = lane.to_vec();
        order.sort_by(|&i, &j| compare(unsorted[i], unsorted[j]));
        for (to, &from) in order.iter().enumerate() {
            lane[to] = unsorted[from];
            places[to] = from as i64;
        }
    }
    (values, indices)
}

/// The first k of a descending sort of the last axis.
pub fn top_k(x: &Array, k: usize) -> Result<Vec<Array>, String> {
    let axis = x.shape().len().checked_sub(1).ok_or("a scalar has no last axis")?;
    if k > x.shape()[axis] {
        return Err(format!("k = {k} of {} elements", x.shape()[axis]));
    }
    let first = |a: &Array| match a {
        Array::Float(a) => Array::Float(a.slice_axis(Axis(axis), Slice::from(..k)).to_owned()),
        Array::Int(a) => Array::Int(a.slice_axis(Axis(axis), Slice::from(..k)).to_owned()),
    };
    Ok(sort(x, axis, true).iter().map(first).collect())
}

//! Reductions, positions of extremes, running sums.

use super::array::{Array, row_major, same_kind};
use super::map::extreme;
use crate::ops::Reduce;
use ndarray::{Array2, ArrayD, Axis, IxDyn};

pub fn reduce(op: Reduce, x: &Array, axes: &[usize]) -> Result<Array, String> {
    let kept: Vec<usize> = (0..x.shape().len()).filter(|a| !axes.contains(a)).collect();
    let shape: Vec<usize> = kept.iter().map(|&a| x.shape()[a]).collect();
    match x {
        Array::Float(a) => Ok(Array::float(&shape, fold_rows(&rows(a, &kept, axes), float_fold(op)?))),
        Array::Int(a) => Ok(Array::int(&shape, fold_rows(&rows(a, &kept, axes), int_fold(op)))),
    }
}

/// A matrix with the kept axes as rows and the others as columns.
fn rows<T: Clone>(a: &ArrayD<T>, kept: &[usize], others: &[usize]) -> Array2<T> {
    let size = |axes: &[usize]| axes.iter().map(|&i| a.shape()[i]).product::<usize>();
    let order: Vec<usize> = kept.iter().chain(others).copied().collect();
    let elements = a.view().permuted_axes(IxDyn(&order)).iter().cloned().collect();
    Array2::from_shape_vec((size(kept), size(others)), elements).expect("a permutation keeps the elements")
}

fn fold_rows<T: Copy>(a: &Array2<T>, (init, f): (T, fn(T, T) -> T)) -> Vec<T> {
    a.outer_iter().map(|row| row.iter().copied().fold(init, f)).collect()
}

type Fold<T> = (T, fn(T, T) -> T);

fn float_fold(op: Reduce) -> Result<Fold<f64>, String> {
    Ok(match op {
        Reduce::Sum => (0.0, |a, b| a + b),
        Reduce::Product => (1.0, |a, b| a * b),
        Reduce::Max => (f64::NEG_INFINITY, |a, b| extreme(a, b, a > b)),
        Reduce::Min => (f64::INFINITY, |a, b| extreme(a, b, a < b)),
        Reduce::Any | Reduce::All => return Err("any and all take bools".into()),
    })
}

fn int_fold(op: Reduce) -> Fold<i64> {
    match op {
        Reduce::Sum => (0, i64::wrapping_add),
        Reduce::Product => (1, i64::wrapping_mul),
        Reduce::Max => (i64::MIN, |a, b| a.max(b)),
        Reduce::Min => (i64::MAX, |a, b| a.min(b)),
        Reduce::Any => (0, |a, b| a | b),
        Reduce::All => (1, |a, b| a & b),
    }
}

pub fn arg_extreme(x: &Array, axis: usize, largest: bool) -> Result<Array, String> {
    if x.shape()[axis] == 0 {
        return Err("the extreme of no elements has no position".into());
    }
    let better_float = |a: f64, best: f64| !best.is_nan() && (a.is_nan() || if largest { a > best } else { a < best });
    let better_int = |a: i64, best: i64| if largest { a > best } else { a < best };
    Ok(Array::Int(match x {
        Array::Float(a) => first_best(a, axis, better_float),
        Array::Int(a) => first_best(a, axis, better_int),
    }))
}

fn first_best<T: Copy>(a: &ArrayD<T>, axis: usize, better: impl Fn(T, T) -> bool) -> ArrayD<i64> {
    a.map_axis(Axis(axis), |lane| {
        (1..lane.len()).fold(0, |best, i| if better(lane[i], lane[best]) { i } else { best }) as i64
    })
}

pub fn cumsum(x: &Array, axis: usize, reverse: bool) -> Array {
    same_kind!(x, a => running(a, axis, reverse))
}

fn running<T: Copy + std::ops::Add<Output = T>>(a: &ArrayD<T>, axis: usize, reverse: bool) -> ArrayD<T> {
    let mut sums = row_major(a, a.shape());
    if reverse {
        sums.invert_axis(Axis(axis));
    }
    sums.accumulate_axis_inplace(Axis(axis), |&before, now| *now = before + *now);
    if reverse {
        sums.invert_axis(Axis(axis));
    }
    sums
}

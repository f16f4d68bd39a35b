//! Rules of reductions.

use super::Rule;
use crate::ops::{Compare, DType, Op, Reduce, Type};
use crate::tensor::Value;

pub fn reduce(r: &mut Rule, op: Reduce, axes: &[usize]) -> Option<Value> {
    match op {
        Reduce::Sum => Some(spread(r, r.y_adj, axes)),
        Reduce::Max | Reduce::Min => Some(extreme(r, axes)),
        Reduce::Product => Some(product(r, axes)),
        Reduce::Any | Reduce::All => None,
    }
}

/// Repeats a reduced value along the axes that were removed from x.
fn spread(r: &mut Rule, value: Value, axes: &[usize]) -> Value {
    let shape = r.x_type(0).shape;
    let kept: Vec<usize> = (0..shape.len()).filter(|a| !axes.contains(a)).collect();
    r.b.broadcast(value, &shape, &kept)
}

/// Equal shares for all ties, which are counted in f32 at least: a half-precision count stops at 2048.
fn extreme(r: &mut Rule, axes: &[usize]) -> Value {
    let (x, ty) = (r.x(0), r.x_type(0));
    let wide = if ty.dtype == DType::F64 { DType::F64 } else { DType::F32 };
    let y = spread(r, r.y(), axes);
    let wins = r.b.compare(Compare::Eq, x, y);
    let counted = r.b.cast(wins, wide);
    let ties = r.b.sum(counted, axes);
    let y_adj = r.b.cast(r.y_adj, wide);
    let share = r.b.div(y_adj, ties);
    let share = r.b.cast(share, ty.dtype);
    let share = spread(r, share, axes);
    let zero = r.b.fill(0.0, &ty);
    r.b.select(wins, share, zero)
}

/// y_adj · the product of all other elements, without a division so that zeros (and further derivatives) are right:
/// an n by n table with x off its diagonal and 1 on it, multiplied along its rows.
fn product(r: &mut Rule, axes: &[usize]) -> Value {
    let ty = r.x_type(0);
    let kept: Vec<usize> = (0..ty.rank()).filter(|a| !axes.contains(a)).collect();
    let order = [&kept[..], axes].concat();
    let m: usize = kept.iter().map(|&a| ty.shape[a]).product();
    let n: usize = axes.iter().map(|&a| ty.shape[a]).product();

    let last = r.b.transpose(r.x(0), &order);
    let last_shape = r.b.shape(last);
    let rows = r.b.reshape(last, &[m, n]);
    let table = r.b.broadcast(rows, &[m, n, n], &[0, 2]);
    let diagonal = diagonal(r, m, n);
    let one = r.b.fill(1.0, &Type::new(ty.dtype, vec![m, n, n]));
    let others = r.b.select(diagonal, one, table);
    let others = r.b.reduce(Reduce::Product, others, &[2]);
    let others = r.b.reshape(others, &last_shape);
    let others = r.b.transpose(others, &inverse(&order));

    let y_adj = spread(r, r.y_adj, axes);
    r.b.mul(y_adj, others)
}

fn diagonal(r: &mut Rule, m: usize, n: usize) -> Value {
    let ty = Type::new(DType::I32, vec![m, n, n]);
    let iota = |axis| Op::Iota { shape: ty.shape.clone(), axis, dtype: DType::I32 };
    let row = r.b.op(iota(1), &[], ty.clone());
    let column = r.b.op(iota(2), &[], ty.clone());
    r.b.compare(Compare::Eq, row, column)
}

pub fn inverse(perm: &[usize]) -> Vec<usize> {
    let mut inverse = vec![0; perm.len()];
    for (to, &from) in perm.iter().enumerate() {
        inverse[from] = to;
    }
    inverse
}

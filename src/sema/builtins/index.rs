//! Selection by index, and order.

use super::args::Args;
use super::{Builtin, entry};
use crate::ops::dim::Dim;
use crate::ops::{Compare, DType, Extent, Op};
use crate::sema::emit::{Checked, Emit, error};
use crate::sema::value::Value;
use crate::tensor::Value as Node;

pub const TABLE: &[Builtin] = &[
    entry(
        "take(x: f32[*S], indices: i32[*I], axis: int = 0) -> f32",
        "Replaces an axis by the indices' axes: `x[indices]`.",
        |e, a| {
            let x = a.tensor(e, "x")?;
            let indices = indices(e, a)?;
            let axis = a.axis_or("axis", 0, &e.shape(x))?;
            e.op(Op::Take { axis }, &[x, indices]).map(Value::Tensor)
        },
    ),
    entry(
        "gather(x: f32[*S], indices: i32[*I], axis: int = -1) -> f32",
        "Picks along an axis, for each place by itself; indices cover the leading axes.",
        gather,
    ),
    entry(
        "update(x: f32[*S], value: f32[*V], at: i32, axis: int = 0) -> f32[*S]",
        "x with other values from position `at` of an axis on; they must fit, or the run ends.",
        update,
    ),
    entry(
        "one_hot(indices: i32[*S], count: int) -> f32[*S, count]",
        "1 at the index, 0 elsewhere; an index out of range gives zeros.",
        |e, a| {
            let indices = indices(e, a)?;
            let count = a.dim("count")?;
            let rank = e.rank(indices);
            let row = e.op(Op::Iota { shape: vec![count], axis: 0, dtype: DType::I32 }, &[])?;
            let column = e.expand(indices, rank)?;
            let hot = e.compare(Compare::Eq, &Value::Tensor(column), &Value::Tensor(row))?;
            e.cast(hot, DType::F32).map(Value::Tensor)
        },
    ),
    entry(
        "top_k(x: f32[*S, N], k: int) -> (values: f32[*S, k], indices: i32[*S, k])",
        "The k largest of the last axis, largest first; of ties the first first.",
        |e, a| {
            let x = a.tensor(e, "x")?;
            let k = a.int("k", 1)? as usize;
            if let Some(n) = e.shape(x).last().filter(|n| !e.proves(n, k as i64)) {
                return Err(error::bad_value(a.need("k")?.span, &format!("expected at most the axis length {n}"), k));
            }
            let results = e.ops(Op::TopK { k }, &[x])?;
            Ok(record(results))
        },
    ),
    entry(
        "sort(x: f32[*S], axis: int = -1, descending: bool = false) -> f32[*S]",
        "In order along an axis; NaN last.",
        |e, a| Ok(Value::Tensor(sorted(e, a)?[0])),
    ),
    entry(
        "argsort(x: f32[*S], axis: int = -1, descending: bool = false) -> i32[*S]",
        "The indices that sort an axis; ties keep their order.",
        |e, a| Ok(Value::Tensor(sorted(e, a)?[1])),
    ),
];

fn record(results: Vec<Node>) -> Value {
    Value::Record(["values".into(), "indices".into()].into_iter().zip(results.into_iter().map(Value::Tensor)).collect())
}

fn indices(e: &mut Emit, a: &Args) -> Checked<Node> {
    let node = a.tensor(e, "indices")?;
    e.check_indices(node, a.need("indices")?.span)
}

fn sorted(e: &mut Emit, a: &Args) -> Checked<Vec<Node>> {
    let x = a.tensor(e, "x")?;
    let axis = a.axis_or("axis", -1, &e.shape(x))?;
    e.ops(Op::Sort { axis, descending: a.flag("descending")? }, &[x])
}

/// The values keep all axes; on `axis` there may be fewer than x has.
fn update(e: &mut Emit, a: &Args) -> Checked<Value> {
    let x = a.tensor(e, "x")?;
    let value = e.operand(a.value("value")?, e.dtype(x))?;
    let at = e.operand(a.value("at")?, DType::I32)?;
    let (shape, found) = (e.shape(x), e.shape(value));
    let axis = a.axis_or("axis", 0, &shape)?;
    let agree = |i: usize| if i == axis { e.proves(&shape[i].sub(&found[i]), 0) } else { shape[i].same(&found[i]) };
    if shape.len() != found.len() || !(0..shape.len()).all(agree) {
        return Err(error::shapes_differ(a.span, "update", &shape, &found));
    }
    if e.rank(at) > 0 {
        return Err(error::expected_rank(a.need("at")?.span, "a position", 0, e.ty(at)));
    }
    let zero = e.constant(0.0, DType::I32);
    let starts = (0..shape.len()).map(|i| if i == axis { at } else { zero });
    let args: Vec<Node> = [x, value].into_iter().chain(starts).collect();
    e.op(Op::DynamicUpdate, &args).map(Value::Tensor)
}

/// `result[.., i, ..] = x[.., indices[.., i, ..], ..]`; indices of lower rank pick whole slices of the trailing axes.
fn gather(e: &mut Emit, a: &Args) -> Checked<Value> {
    let x = a.tensor(e, "x")?;
    let indices = indices(e, a)?;
    let shape = e.shape(x);
    let rank = e.rank(indices);
    if rank > shape.len() || rank == 0 {
        return Err(error::shapes_differ(a.span, "gather", &shape, &e.shape(indices)));
    }
    let axis = a.axis_or("axis", -1, &shape[..rank])?;
    let mut picked = e.shape(indices);
    let agree = (0..rank).all(|i| i == axis || picked[i].same(&shape[i]));
    if !agree {
        return Err(error::shapes_differ(a.span, "gather", &shape, &picked));
    }
    picked.resize(shape.len(), Dim::Const(1));
    let wide: Vec<Dim> = picked[..rank].iter().chain(&shape[rank..]).cloned().collect();
    let indices = e.reshape(indices, &picked)?;
    let indices = e.broadcast_to(indices, &wide)?;
    e.op(Op::TakeAlong { axis }, &[x, indices]).map(Value::Tensor)
}

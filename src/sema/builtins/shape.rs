//! Functions that move elements about.

use super::args::{Args, wrong};
use super::{Builtin, entry};
use crate::ops::dim::Dim;
use crate::ops::{Extent, Op, Pad};
use crate::sema::emit::{Checked, Emit, error};
use crate::sema::value::{CallArg, Value};
use std::sync::Arc;

pub const TABLE: &[Builtin] = &[
    entry(
        "reshape(x: f32[*S], shape: [int]) -> f32[*shape]",
        "Same elements in another shape; one `-1` is worked out.",
        |e, a| {
            let x = a.tensor(e, "x")?;
            let shape = e.infer_shape(x, &a.dims("shape")?)?;
            e.reshape(x, &shape).map(Value::Tensor)
        },
    ),
    entry("flatten(x: f32[B, *S]) -> f32[B, product(S)]", "Joins all axes but the first.", |e, a| {
        let x = a.tensor(e, "x")?;
        e.flatten(x).map(Value::Tensor)
    }),
    entry(
        "transpose(x: f32[*S], order?: [int]) -> f32",
        "Permutes the axes; without an order swaps the last two.",
        transpose,
    ),
    entry(
        "expand(x: f32[*S], axis: int = -1) -> f32",
        "A new axis of length 1, as `x[_]`; `axis` counts in the result.",
        |e, a| {
            let x = a.tensor(e, "x")?;
            let mut result = e.shape(x);
            result.push(Dim::Const(1));
            let axis = a.axis_or("axis", -1, &result)?;
            e.expand(x, axis).map(Value::Tensor)
        },
    ),
    entry(
        "unmasked(x: f32[*S]) -> f32[*S]",
        "x as it is, its padding counted: what is reduced over it needs no mask.",
        |e, a| {
            let x = a.tensor(e, "x")?;
            // A value of its own: what else reads x still needs the mask.
            let same = e.op(Op::Reshape { shape: e.shape(x) }, &[x])?;
            e.ragged.vouch(same);
            Ok(Value::Tensor(same))
        },
    ),
    entry("squeeze(x: f32[*S], axis: int = all) -> f32", "Drops axes of length 1: those given, or all.", squeeze),
    entry(
        "broadcast_to(x: f32[*S], shape: [int]) -> f32[*shape]",
        "Stretches axes of length 1, and adds leading ones.",
        |e, a| {
            let x = a.tensor(e, "x")?;
            e.broadcast_to(x, &a.dims("shape")?).map(Value::Tensor)
        },
    ),
    entry("concat(*xs: f32[*S], axis: int = 0) -> f32", "Joins tensors, or a list of them, along an axis.", |e, a| {
        let parts = a.tensors(e)?;
        let axis = a.axis_or("axis", 0, &e.shape(parts[0]))?;
        e.concat(&parts, axis).map(Value::Tensor)
    }),
    entry("stack(*xs: f32[*S], axis: int = 0) -> f32", "Joins tensors of one shape along a new axis.", |e, a| {
        let parts = a.tensors(e)?;
        let mut result = e.shape(parts[0]);
        result.push(Dim::Const(1));
        let axis = a.axis_or("axis", 0, &result)?;
        e.stack(&parts, axis).map(Value::Tensor)
    }),
    entry(
        "split(x: f32[*S], parts: int, axis: int = 0) -> [f32]",
        "Equal parts, or parts of the lengths in a list.",
        split,
    ),
    entry("repeat(x: f32[*S], count: int, axis: int = 0) -> f32", "Each element `count` times in a row.", |e, a| {
        let x = a.tensor(e, "x")?;
        let axis = a.axis_or("axis", 0, &e.shape(x))?;
        e.repeat(x, &a.dim("count")?, axis).map(Value::Tensor)
    }),
    entry("reverse(x: f32[*S], axis: int = all) -> f32[*S]", "Turns the order round along axes.", |e, a| {
        let x = a.tensor(e, "x")?;
        let axes = a.axes("axis", &e.shape(x))?;
        e.op(Op::Reverse { axes }, &[x]).map(Value::Tensor)
    }),
    entry(
        "pad(x: f32[*S], pads: [[int]], value: f32 = 0) -> f32",
        "Adds `[before, after]` elements on each axis.",
        pad,
    ),
    entry(
        "rearrange(x: f32[*S], pattern: str, **sizes: int) -> f32",
        "Splits, permutes and joins axes by name: \"b t (h d) -> b h t d\".",
        |e, a| {
            let x = a.tensor(e, "x")?;
            let sizes = a.labels.iter().map(size).collect::<Checked<Vec<_>>>()?;
            e.rearrange(x, &a.pattern("pattern")?, &sizes).map(Value::Tensor)
        },
    ),
    entry(
        "einsum(pattern: str, *xs: f32) -> f32",
        "Products summed over the labels that the result lacks: \"bqd, bkd -> bqk\".",
        |e, a| {
            let xs = a.tensors(e)?;
            e.einsum(&a.pattern("pattern")?, &xs).map(Value::Tensor)
        },
    ),
];

fn size((name, arg): &(Arc<str>, &CallArg)) -> Checked<(Arc<str>, Dim)> {
    match &arg.value {
        Value::Dim(d) => Ok((name.clone(), d.clone())),
        _ => Err(wrong("a compile-time integer", arg)),
    }
}

fn transpose(e: &mut Emit, a: &Args) -> Checked<Value> {
    let x = a.tensor(e, "x")?;
    let shape = e.shape(x);
    let rank = shape.len();
    let Some(arg) = a.get("order") else {
        if rank < 2 {
            return Err(error::expected_rank(a.span, "what is transposed", 2, e.ty(x)));
        }
        let perm: Vec<usize> = (0..rank - 2).chain([rank - 1, rank - 2]).collect();
        return e.transpose(x, &perm).map(Value::Tensor);
    };
    let perm: Vec<usize> = a.dims("order")?.iter().filter_map(|d| d.known()).map(|n| n as usize).collect();
    let mut sorted = perm.clone();
    sorted.sort_unstable();
    if sorted != (0..rank).collect::<Vec<_>>() {
        let found = error::shape_text(&a.dims("order")?);
        return Err(error::bad_value(arg.span, &format!("expected each of the axes 0..{rank} once"), found));
    }
    e.transpose(x, &perm).map(Value::Tensor)
}

fn squeeze(e: &mut Emit, a: &Args) -> Checked<Value> {
    let x = a.tensor(e, "x")?;
    let shape = e.shape(x);
    let is_one = |i: &usize| shape[*i].known() == Some(1);
    let axes = match a.get("axis") {
        None => (0..shape.len()).filter(is_one).collect(),
        Some(arg) => {
            let axes = a.axes("axis", &shape)?;
            if let Some(&i) = axes.iter().find(|i| !is_one(i)) {
                return Err(error::bad_value(
                    arg.span,
                    &format!("axis {i} must have length 1 to be dropped"),
                    &shape[i],
                ));
            }
            axes
        }
    };
    let left: Vec<Dim> = (0..shape.len()).filter(|i| !axes.contains(i)).map(|i| shape[i].clone()).collect();
    e.reshape(x, &left).map(Value::Tensor)
}

fn split(e: &mut Emit, a: &Args) -> Checked<Value> {
    let x = a.tensor(e, "x")?;
    let axis = a.axis_or("axis", 0, &e.shape(x))?;
    let parts = match a.value("parts")? {
        Value::List(_) => e.split_sizes(x, &a.dims("parts")?, axis)?,
        _ => e.split(x, a.int("parts", 1)?, axis)?,
    };
    Ok(Value::List(parts.into_iter().map(Value::Tensor).collect()))
}

fn pad(e: &mut Emit, a: &Args) -> Checked<Value> {
    let x = a.tensor(e, "x")?;
    let arg = a.need("pads")?;
    let pads = match &arg.value {
        Value::List(rows) if rows.len() == e.rank(x) => {
            rows.iter().map(|row| pad_row(row, arg)).collect::<Checked<_>>()?
        }
        _ => return Err(wrong(&format!("a list of {} pairs [before, after]", e.rank(x)), arg)),
    };
    let value = a.get("value").map_or(Value::int(0), |v| v.value.clone());
    let value = match value {
        Value::Bool(b) => Value::Bool(b),
        Value::Dim(Dim::Const(0)) if e.dtype(x) == crate::ops::DType::Bool => Value::Bool(false),
        value => value,
    };
    let value = e.operand(&value, e.dtype(x))?;
    e.op(Op::Pad { pads }, &[x, value]).map(Value::Tensor)
}

fn pad_row(row: &Value, arg: &CallArg) -> Checked<Pad> {
    let side = |value: &Value| match value {
        Value::Dim(d) => d.known().filter(|n| (0..=i64::from(i32::MAX)).contains(n)),
        _ => None,
    };
    match row {
        Value::List(pair) if pair.len() == 2 => match (side(&pair[0]), side(&pair[1])) {
            (Some(low), Some(high)) => Ok(Pad { low, high, interior: 0 }),
            _ => Err(wrong("pairs of integers from 0 to 2147483647", arg)),
        },
        _ => Err(wrong("pairs [before, after]", arg)),
    }
}

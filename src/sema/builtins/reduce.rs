//! Reductions. Options: `axis` (a number, a dimension name, a list of them; all by default), `keep` (the reduced axes
//! stay with length 1), `mask` (true takes part; it covers the leading axes).

use super::args::{Args, number};
use super::{Builtin, entry};
use crate::ops::dim::Dim;
use crate::ops::{Binary, DType, Extent, Op, Reduce};
use crate::sema::emit::{Checked, Emit, error};
use crate::sema::value::Value;

pub const TABLE: &[Builtin] = &[
    entry(
        "sum(x: f32[*S], axis: int = all, keep: bool = false, mask: bool[*M] = none) -> f32",
        "Sum; 0 over nothing.",
        |e, a| reduce(e, a, Reduce::Sum, |x, y| x.add(y)),
    ),
    entry(
        "product(x: f32[*S], axis: int = all, keep: bool = false, mask: bool[*M] = none) -> f32",
        "Product; 1 over nothing. Of a list of integers: an integer.",
        |e, a| reduce(e, a, Reduce::Product, |x, y| x.mul(y)),
    ),
    entry(
        "max(x: f32[*S], other?: f32[*S], axis: int = all, keep: bool = false, mask: bool[*M] = none) -> f32",
        "`max(a, b)` elementwise; `max(x, axis: -1)` over axes, where ties share the gradient equally.",
        |e, a| extreme(e, a, Reduce::Max, Binary::Max, f64::max),
    ),
    entry(
        "min(x: f32[*S], other?: f32[*S], axis: int = all, keep: bool = false, mask: bool[*M] = none) -> f32",
        "`min(a, b)` elementwise; `min(x, axis: -1)` over axes, where ties share the gradient equally.",
        |e, a| extreme(e, a, Reduce::Min, Binary::Min, f64::min),
    ),
    entry(
        "mean(x: f32[*S], axis: int = all, keep: bool = false, mask: bool[*M] = none) -> f32",
        "Mean of what takes part; 0 where nothing does.",
        |e, a| {
            let x = a.tensor(e, "x")?;
            let over = a.over(e, x)?;
            e.mean_over(x, &over).map(Value::Tensor)
        },
    ),
    entry(
        "variance(x: f32[*S], axis: int = all, keep: bool = false, mask: bool[*M] = none, \
         unbiased: bool = false) -> f32",
        "Mean square distance from the mean; `unbiased` divides by one less than the count.",
        |e, a| {
            let x = a.tensor(e, "x")?;
            let over = a.over(e, x)?;
            e.variance_over(x, &over, a.flag("unbiased")?).map(Value::Tensor)
        },
    ),
    entry(
        "std(x: f32[*S], axis: int = all, keep: bool = false, mask: bool[*M] = none, unbiased: bool = false) -> f32",
        "Square root of the variance, with gradient 0 where that is 0.",
        |e, a| {
            let x = a.tensor(e, "x")?;
            let over = a.over(e, x)?;
            let variance = e.variance_over(x, &over, a.flag("unbiased")?)?;
            e.safe_sqrt(variance).map(Value::Tensor)
        },
    ),
    entry(
        "norm(x: f32[*S], axis: int = all, keep: bool = false, mask: bool[*M] = none) -> f32",
        "Euclidean norm, with gradient 0 at the zero vector.",
        |e, a| {
            let x = a.tensor(e, "x")?;
            let over = a.over(e, x)?;
            e.norm_over(x, &over).map(Value::Tensor)
        },
    ),
    entry(
        "logsumexp(x: f32[*S], axis: int = all, keep: bool = false, mask: bool[*M] = none) -> f32",
        "log(sum(exp(x))) without overflow.",
        |e, a| {
            let x = a.tensor(e, "x")?;
            let over = a.over(e, x)?;
            e.logsumexp_over(x, &over).map(Value::Tensor)
        },
    ),
    entry(
        "any(x: bool[*S], axis: int = all, keep: bool = false, mask: bool[*M] = none) -> bool",
        "Whether one is true.",
        |e, a| truth(e, a, Reduce::Any),
    ),
    entry(
        "all(x: bool[*S], axis: int = all, keep: bool = false, mask: bool[*M] = none) -> bool",
        "Whether none is false.",
        |e, a| truth(e, a, Reduce::All),
    ),
    entry("count(mask: bool[*S], axis: int = all, keep: bool = false) -> i32", "How many are true.", |e, a| {
        let mask = a.tensor(e, "mask")?;
        need_bool(e, mask, "count")?;
        let ones = e.cast(mask, DType::I32)?;
        let axes = a.axes("axis", &e.shape(ones))?;
        e.reduce(Reduce::Sum, ones, &axes, a.flag("keep")?).map(Value::Tensor)
    }),
    entry(
        "argmax(x: f32[*S], axis: int = -1) -> i32",
        "Index of the first largest element; NaN counts as largest.",
        |e, a| arg_extreme(e, a, |axis| Op::ArgMax { axis }),
    ),
    entry(
        "argmin(x: f32[*S], axis: int = -1) -> i32",
        "Index of the first smallest element; NaN counts as smallest.",
        |e, a| arg_extreme(e, a, |axis| Op::ArgMin { axis }),
    ),
    entry(
        "cumulative_sum(x: f32[*S], axis: int = -1, reverse: bool = false) -> f32[*S]",
        "Running sum, this element included.",
        |e, a| {
            let x = a.tensor(e, "x")?;
            let axis = a.axis_or("axis", -1, &e.shape(x))?;
            e.op(Op::CumSum { axis, reverse: a.flag("reverse")? }, &[x]).map(Value::Tensor)
        },
    ),
];

/// A reduction of a tensor, or of a compile-time list of integers.
fn reduce(e: &mut Emit, a: &Args, op: Reduce, fold: fn(&Dim, &Dim) -> Dim) -> Checked<Value> {
    if let Value::List(items) = a.value("x")? {
        let start = Dim::Const(if op == Reduce::Sum { 0 } else { 1 });
        let dims: Option<Vec<&Dim>> =
            items.iter().map(|v| if let Value::Dim(d) = v { Some(d) } else { None }).collect();
        if let Some(dims) = dims {
            return Ok(Value::Dim(dims.into_iter().fold(start, |x, y| fold(&x, y))));
        }
    }
    let x = a.tensor(e, "x")?;
    if e.dtype(x) == DType::Bool {
        let help = "`count(mask)` counts; or convert it: `f32(x)`";
        return Err(error::not_for_dtype(a.span, "this reduction", DType::Bool, help));
    }
    let over = a.over(e, x)?;
    e.reduce_over(op, x, &over).map(Value::Tensor)
}

/// max and min: elementwise with two arguments, a reduction with one.
fn extreme(e: &mut Emit, a: &Args, op: Reduce, pair: Binary, fold: fn(f64, f64) -> f64) -> Checked<Value> {
    let Some(other) = a.get("other") else { return reduce_extreme(e, a, op, fold) };
    if let Some(arg) = ["axis", "keep", "mask"].iter().find_map(|o| a.get(o)) {
        return Err(error::bad_value(
            arg.span,
            "of two arguments it is elementwise, and takes no options",
            "an option",
        ));
    }
    match (a.value("x")?, &other.value) {
        (Value::Dim(x), Value::Dim(y)) => match (x.known(), y.known()) {
            (Some(p), Some(q)) => Ok(Value::int(if pair == Binary::Max { p.max(q) } else { p.min(q) })),
            _ => e.binary(pair, a.value("x")?, &other.value).map(Value::Tensor),
        },
        (x, y) => match (number(x), number(y)) {
            (Some(p), Some(q)) => Ok(Value::Float(fold(p, q))),
            _ => e.binary(pair, x, y).map(Value::Tensor),
        },
    }
}

fn reduce_extreme(e: &mut Emit, a: &Args, op: Reduce, fold: fn(f64, f64) -> f64) -> Checked<Value> {
    if let Value::List(items) = a.value("x")? {
        let ints: Option<Vec<i64>> =
            items.iter().map(|v| if let Value::Dim(d) = v { d.known() } else { None }).collect();
        let best = |ints: Vec<i64>| if op == Reduce::Max { ints.into_iter().max() } else { ints.into_iter().min() };
        if let Some(n) = ints.and_then(best) {
            return Ok(Value::int(n));
        }
        let floats: Option<Vec<f64>> = items.iter().map(number).collect();
        if let Some(x) = floats.and_then(|f| f.into_iter().reduce(fold)) {
            return Ok(Value::Float(x));
        }
    }
    let x = a.tensor(e, "x")?;
    let over = a.over(e, x)?;
    e.reduce_over(op, x, &over).map(Value::Tensor)
}

fn truth(e: &mut Emit, a: &Args, op: Reduce) -> Checked<Value> {
    let x = a.tensor(e, "x")?;
    need_bool(e, x, "this reduction")?;
    let over = a.over(e, x)?;
    e.reduce_over(op, x, &over).map(Value::Tensor)
}

fn need_bool(e: &Emit, x: crate::tensor::Value, what: &str) -> Checked<()> {
    match e.dtype(x) {
        DType::Bool => Ok(()),
        other => Err(error::not_for_dtype(e.origin.span, what, other, "compare first: `x > 0`")),
    }
}

fn arg_extreme(e: &mut Emit, a: &Args, op: fn(usize) -> Op<Dim>) -> Checked<Value> {
    let x = a.tensor(e, "x")?;
    let axis = a.axis_or("axis", -1, &e.shape(x))?;
    e.op(op(axis), &[x]).map(Value::Tensor)
}

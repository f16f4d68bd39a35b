//! Tensors from nothing: constants and ranges.

use super::args::{Args, wrong};
use super::{Builtin, entry};
use crate::ops::dim::Dim;
use crate::ops::{Binary, Compare, DType, Extent, Op};
use crate::sema::emit::{Checked, Emit, error};
use crate::sema::value::Value;
use crate::tensor::Value as Node;

pub const TABLE: &[Builtin] = &[
    entry("zeros(shape: [int], dtype: dtype = f32) -> f32[*shape]", "All 0.", |e, a| filled(e, a, 0.0)),
    entry("ones(shape: [int], dtype: dtype = f32) -> f32[*shape]", "All 1.", |e, a| filled(e, a, 1.0)),
    entry("full(shape: [int], value: f32) -> f32[*shape]", "One value everywhere.", |e, a| {
        let value = a.tensor(e, "value")?;
        e.broadcast_to(value, &a.dims("shape")?).map(Value::Tensor)
    }),
    entry("zeros_like(x: f32[*S]) -> f32[*S]", "All 0, with the shape and type of x.", |e, a| alike(e, a, 0.0)),
    entry("ones_like(x: f32[*S]) -> f32[*S]", "All 1, with the shape and type of x.", |e, a| alike(e, a, 1.0)),
    entry("range(from: int, to?: int) -> i32", "`range(n)` is 0, 1, … n - 1; `range(a, b)` starts at a.", range),
    entry(
        "linspace(from: float, to: float, count: int) -> f32[count]",
        "Evenly spaced numbers, both ends included.",
        linspace,
    ),
    entry("identity(size: int) -> f32[size, size]", "1 on the diagonal, 0 elsewhere.", |e, a| {
        let n = a.dim("size")?;
        let shape = vec![n.clone(), n];
        let row = e.op(Op::Iota { shape: shape.clone(), axis: 0, dtype: DType::I32 }, &[])?;
        let column = e.op(Op::Iota { shape, axis: 1, dtype: DType::I32 }, &[])?;
        let diagonal = e.compare(Compare::Eq, &Value::Tensor(row), &Value::Tensor(column))?;
        e.cast(diagonal, DType::F32).map(Value::Tensor)
    }),
];

fn filled(e: &mut Emit, a: &Args, value: f64) -> Checked<Value> {
    e.fill(value, a.dtype_or("dtype", DType::F32)?, &a.dims("shape")?).map(Value::Tensor)
}

fn alike(e: &mut Emit, a: &Args, value: f64) -> Checked<Value> {
    let x = a.tensor(e, "x")?;
    let ty = e.ty(x).clone();
    e.fill(value, ty.dtype, &ty.shape).map(Value::Tensor)
}

fn iota(e: &mut Emit, count: Dim) -> Checked<Node> {
    e.op(Op::Iota { shape: vec![count], axis: 0, dtype: DType::I32 }, &[])
}

fn range(e: &mut Emit, a: &Args) -> Checked<Value> {
    if a.get("to").is_none() {
        return iota(e, a.dim("from")?).map(Value::Tensor);
    }
    let (from, to) = (a.dim("from")?, a.dim("to")?);
    let count = to.sub(&from);
    if !e.proves(&count, 0) {
        return Err(error::bad_value(a.span, &format!("a range must not end before its start {from}"), to));
    }
    let steps = iota(e, count)?;
    e.binary(Binary::Add, &Value::Tensor(steps), &Value::Dim(from)).map(Value::Tensor)
}

/// `from + i * (to - from) / (count - 1)`
fn linspace(e: &mut Emit, a: &Args) -> Checked<Value> {
    let ends = ["from", "to"].map(|name| a.float_or(name, 0.0));
    let [from, to] = ends;
    let (from, to) = (from?, to?);
    let arg = a.need("count")?;
    let Value::Dim(count) = &arg.value else { return Err(wrong("a compile-time integer", arg)) };
    let Some(n) = count.known().filter(|&n| n >= 1) else {
        return Err(error::bad_value(arg.span, "expected a known integer of at least 1", count));
    };
    let steps = iota(e, count.clone())?;
    let steps = e.cast(steps, DType::F32)?;
    let scaled = e.with_number(Binary::Mul, steps, (to - from) / (n - 1).max(1) as f64)?;
    e.with_number(Binary::Add, scaled, from).map(Value::Tensor)
}

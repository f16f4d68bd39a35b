//! Elementwise mathematics. Compile-time numbers give compile-time numbers.

use super::args::{Args, number, wrong};
use super::{Builtin, entry};
use crate::ops::{Binary, Compare, DType, Extent, Op, Unary};
use crate::sema::emit::{Checked, Emit, error};
use crate::sema::value::Value;
use crate::tensor::Value as Node;

pub const TABLE: &[Builtin] = &[
    entry("abs(x: f32[*S]) -> f32[*S]", "Absolute value.", |e, a| {
        keep_int(e, a, Unary::Abs, f64::abs, i64::checked_abs)
    }),
    entry("sign(x: f32[*S]) -> f32[*S]", "-1, 0 or 1; NaN stays NaN.", |e, a| {
        keep_int(e, a, Unary::Sign, sign, |n| Some(n.signum()))
    }),
    entry("floor(x: f32[*S]) -> f32[*S]", "The largest integer that is not above x.", |e, a| {
        keep_int(e, a, Unary::Floor, f64::floor, Some)
    }),
    entry("ceil(x: f32[*S]) -> f32[*S]", "The smallest integer that is not below x.", |e, a| {
        keep_int(e, a, Unary::Ceil, f64::ceil, Some)
    }),
    entry("round(x: f32[*S]) -> f32[*S]", "To the nearest integer, ties to even.", |e, a| {
        keep_int(e, a, Unary::RoundEven, f64::round_ties_even, Some)
    }),
    entry("sqrt(x: f32[*S]) -> f32[*S]", "Square root.", |e, a| real(e, a, Unary::Sqrt, f64::sqrt)),
    entry("exp(x: f32[*S]) -> f32[*S]", "e to the power x.", |e, a| real(e, a, Unary::Exp, f64::exp)),
    entry("expm1(x: f32[*S]) -> f32[*S]", "exp(x) - 1, exact near 0.", |e, a| real(e, a, Unary::Expm1, f64::exp_m1)),
    entry("log(x: f32[*S]) -> f32[*S]", "Natural logarithm.", |e, a| real(e, a, Unary::Log, f64::ln)),
    entry("log1p(x: f32[*S]) -> f32[*S]", "log(1 + x), exact near 0.", |e, a| real(e, a, Unary::Log1p, f64::ln_1p)),
    entry("sin(x: f32[*S]) -> f32[*S]", "Sine of radians.", |e, a| real(e, a, Unary::Sin, f64::sin)),
    entry("cos(x: f32[*S]) -> f32[*S]", "Cosine of radians.", |e, a| real(e, a, Unary::Cos, f64::cos)),
    entry("tanh(x: f32[*S]) -> f32[*S]", "Hyperbolic tangent.", |e, a| real(e, a, Unary::Tanh, f64::tanh)),
    entry("erf(x: f32[*S]) -> f32[*S]", "The error function.", |e, a| {
        let x = real_operand(e, a.value("x")?)?;
        e.map(Unary::Erf, x).map(Value::Tensor)
    }),
    entry("pow(a: f32[*S], b: f32[*S]) -> f32[*S]", "a to the power b; the same as `a ** b`.", |e, a| {
        match (number(a.value("a")?), number(a.value("b")?)) {
            (Some(x), Some(y)) => Ok(Value::Float(x.powf(y))),
            _ => e.binary(Binary::Pow, a.value("a")?, a.value("b")?).map(Value::Tensor),
        }
    }),
    entry(
        "floor_div(a: i32[*S], b: i32[*S]) -> i32[*S]",
        "The quotient towards minus infinity; by zero it is 0.",
        |e, a| e.binary(Binary::FloorDiv, a.value("a")?, a.value("b")?).map(Value::Tensor),
    ),
    entry("clip(x: f32[*S], low: f32, high: f32) -> f32[*S]", "x, but at least `low` and at most `high`.", |e, a| {
        let low = e.binary(Binary::Max, a.value("x")?, a.value("low")?)?;
        e.binary(Binary::Min, &Value::Tensor(low), a.value("high")?).map(Value::Tensor)
    }),
    entry(
        "ratio(x: f32[*S], y: f32[*S]) -> f32[*S]",
        "x / y, and 0, with gradient 0, where y is 0: a mean of what took part.",
        |e, a| {
            let (x, y) = (e.tensor(a.value("x")?)?, e.tensor(a.value("y")?)?);
            e.ratio(x, y).map(Value::Tensor)
        },
    ),
    entry("where(cond: bool[*S], then: f32[*S], otherwise: f32[*S]) -> f32[*S]", "Elementwise choice.", |e, a| match a
        .value(
        "cond",
    )? {
        Value::Bool(true) => Ok(a.value("then")?.clone()),
        Value::Bool(false) => Ok(a.value("otherwise")?.clone()),
        cond => e.select(cond, a.value("then")?, a.value("otherwise")?).map(Value::Tensor),
    }),
    entry("isnan(x: f32[*S]) -> bool[*S]", "Whether x is not a number.", |e, a| {
        let x = Value::Tensor(a.tensor(e, "x")?);
        e.compare(Compare::Ne, &x, &x).map(Value::Tensor)
    }),
    entry("isfinite(x: f32[*S]) -> bool[*S]", "Whether x is neither infinite nor NaN.", |e, a| {
        let x = a.tensor(e, "x")?;
        e.need_float("isfinite", x)?;
        e.is_finite(x).map(Value::Tensor)
    }),
    entry("stop_gradient(x: f32[*S]) -> f32[*S]", "x, with gradient zero.", |e, a| {
        let x = a.tensor(e, "x")?;
        e.op(Op::StopGradient, &[x]).map(Value::Tensor)
    }),
    entry(
        "grad(loss: f32, wrt: f32[*S]) -> f32[*S]",
        "The gradient of a scalar with respect to a tensor, or to each of a list; it can be differentiated again.",
        grad,
    ),
    entry(
        "cast(x: f32[*S], to: dtype) -> to[*S]",
        "x in another element type; float to int saturates.",
        |e, a| match a.need("to")? {
            arg if matches!(arg.value, Value::DType(_)) => convert(e, a, a.dtype_or("to", DType::F32)?),
            arg => Err(wrong("an element type such as `f32`", arg)),
        },
    ),
    entry("f32(x: i32[*S]) -> f32[*S]", "x as f32.", |e, a| convert(e, a, DType::F32)),
    entry("f64(x: f32[*S]) -> f64[*S]", "x as f64.", |e, a| convert(e, a, DType::F64)),
    entry("bf16(x: f32[*S]) -> bf16[*S]", "x as bf16, rounded to even.", |e, a| convert(e, a, DType::Bf16)),
    entry("f16(x: f32[*S]) -> f16[*S]", "x as f16, rounded to even.", |e, a| convert(e, a, DType::F16)),
    entry("i32(x: f32[*S]) -> i32[*S]", "x as i32: towards zero, saturating, NaN gives 0.", |e, a| {
        convert(e, a, DType::I32)
    }),
    entry("i64(x: f32[*S]) -> i64[*S]", "x as i64: towards zero, saturating, NaN gives 0.", |e, a| {
        convert(e, a, DType::I64)
    }),
    entry("u8(x: f32[*S]) -> u8[*S]", "x as u8: towards zero, saturating, NaN gives 0.", |e, a| {
        convert(e, a, DType::U8)
    }),
    entry("bool(x: i32[*S]) -> bool[*S]", "Whether x is not 0.", |e, a| convert(e, a, DType::Bool)),
];

fn grad(e: &mut Emit, a: &Args) -> Checked<Value> {
    let loss = a.tensor(e, "loss")?;
    if e.rank(loss) > 0 {
        return Err(error::expected_rank(a.need("loss")?.span, "what is differentiated", 0, e.ty(loss)));
    }
    e.need_float("grad", loss)?;
    let arg = a.need("wrt")?;
    let wrt: Vec<&Value> = if let Value::List(items) = &arg.value { items.iter().collect() } else { vec![&arg.value] };
    let mut args = vec![loss];
    for value in wrt {
        match value {
            Value::Tensor(x) if e.dtype(*x).is_float() => args.push(*x),
            _ => return Err(wrong("a float tensor, or a list of them", arg)),
        }
    }
    let mut adjoints = e.ops(Op::Grad, &args)?.into_iter().map(Value::Tensor);
    match (&arg.value, adjoints.next()) {
        (Value::Tensor(_), Some(adjoint)) => Ok(adjoint),
        (_, first) => Ok(Value::List(first.into_iter().chain(adjoints).collect())),
    }
}

/// -1, 0 or 1, as `Unary::Sign`: not `f64::signum`, which is 1 at 0.
fn sign(x: f64) -> f64 {
    if x == 0.0 || x.is_nan() { x } else { x.signum() }
}

/// A function of reals: an integer argument counts as a float.
fn real(e: &mut Emit, a: &Args, op: Unary, fold: fn(f64) -> f64) -> Checked<Value> {
    let value = a.value("x")?;
    if let Some(x) = number(value) {
        return Ok(Value::Float(fold(x)));
    }
    let x = real_operand(e, value)?;
    e.map(op, x).map(Value::Tensor)
}

/// A compile-time integer that is not yet known becomes f32.
fn real_operand(e: &mut Emit, value: &Value) -> Checked<Node> {
    match value {
        Value::Dim(_) => e.operand(value, DType::F32),
        _ => e.tensor(value),
    }
}

/// A function that maps integers to integers.
fn keep_int(
    e: &mut Emit,
    a: &Args,
    op: Unary,
    fold: fn(f64) -> f64,
    fold_int: fn(i64) -> Option<i64>,
) -> Checked<Value> {
    match a.value("x")? {
        Value::Float(x) => Ok(Value::Float(fold(*x))),
        Value::Dim(d) => match d.known().and_then(fold_int) {
            Some(n) => Ok(Value::int(n)),
            None if matches!(op, Unary::Floor | Unary::Ceil | Unary::RoundEven) => Ok(Value::Dim(d.clone())),
            None => e.unary(op, a.value("x")?).map(Value::Tensor),
        },
        value => e.unary(op, value).map(Value::Tensor),
    }
}

fn convert(e: &mut Emit, a: &Args, dtype: DType) -> Checked<Value> {
    let value = a.value("x")?;
    let node = match value {
        Value::Dim(_) if dtype != DType::Bool => e.operand(value, dtype)?,
        Value::Float(_) if dtype.is_float() => e.operand(value, dtype)?,
        Value::List(_) if dtype != DType::Bool => return e.operand(value, dtype).map(Value::Tensor),
        _ => e.tensor(value)?,
    };
    if dtype != DType::Bool || e.dtype(node) == DType::Bool {
        return e.cast(node, dtype).map(Value::Tensor);
    }
    e.compare(Compare::Ne, &Value::Tensor(node), &Value::int(0)).map(Value::Tensor)
}

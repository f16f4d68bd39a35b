//! Random numbers: counter-based (Philox), keyed by the seed, the step, and the place in the program.

use super::args::{Args, number};
use super::{Builtin, entry};
use crate::ops::dim::Dim;
use crate::ops::{Binary, DType, Op, Unary};
use crate::sema::emit::{Checked, Emit};
use crate::sema::value::Value;
use crate::tensor::Value as Node;

pub const TABLE: &[Builtin] = &[
    entry(
        "uniform(shape: [int], low: f32 = 0, high: f32 = 1) -> f32[*shape]",
        "Uniform in low <= x < high.",
        |e, a| {
            let bits = draw(e, a.dims("shape")?)?;
            let unit = unit(e, bits, 0.0)?;
            let (low, high) = (option(a, "low", 0.0), option(a, "high", 1.0));
            let width = e.binary(Binary::Sub, &high, &low)?;
            scaled(e, unit, &Value::Tensor(width), &low).map(Value::Tensor)
        },
    ),
    entry("normal(shape: [int], mean: f32 = 0, std: f32 = 1) -> f32[*shape]", "Normal distribution.", |e, a| {
        let shape = a.dims("shape")?;
        let radius = radius(e, shape.clone())?;
        let cosine = angle_cosine(e, shape)?;
        let x = e.zip(Binary::Mul, radius, cosine)?;
        scaled(e, x, &option(a, "std", 1.0), &option(a, "mean", 0.0)).map(Value::Tensor)
    }),
    entry("bernoulli(shape: [int], p: f32 = 0.5) -> bool[*shape]", "True with probability p.", |e, a| {
        let bits = draw(e, a.dims("shape")?)?;
        let unit = unit(e, bits, 0.0)?;
        e.compare(crate::ops::Compare::Lt, &Value::Tensor(unit), &option(a, "p", 0.5)).map(Value::Tensor)
    }),
];

fn option(a: &Args, name: &str, default: f64) -> Value {
    a.get(name).map_or(Value::Float(default), |arg| arg.value.clone())
}

/// `x * scale + shift`; factors that change nothing are left out.
fn scaled(e: &mut Emit, x: Node, scale: &Value, shift: &Value) -> Checked<Node> {
    let mut x = x;
    if number(scale) != Some(1.0) {
        x = e.binary(Binary::Mul, &Value::Tensor(x), scale)?;
    }
    if number(shift) != Some(0.0) {
        x = e.binary(Binary::Add, &Value::Tensor(x), shift)?;
    }
    Ok(x)
}

/// 32 random bits per element; each draw has a stream of its own.
fn draw(e: &mut Emit, shape: Vec<Dim>) -> Checked<Node> {
    let key = e.next_key();
    let (seed, batch) = (e.seed()?, e.batch_number()?);
    e.op(Op::Philox { key, shape }, &[seed, batch])
}

/// `((bits >>> 8) + offset) * 2^-24`: with offset 0 in 0 <= u < 1, with offset 1 in 0 < u <= 1; both exact in f32.
fn unit(e: &mut Emit, bits: Node, offset: f64) -> Checked<Node> {
    let high = e.with_number(Binary::Shr, bits, 8.0)?;
    let mut float = e.cast(high, DType::F32)?;
    if offset != 0.0 {
        float = e.with_number(Binary::Add, float, offset)?;
    }
    e.with_number(Binary::Mul, float, 1.0 / f64::from(1 << 24))
}

/// Box and Muller: `sqrt(-2 log u)` with 0 < u <= 1 …
fn radius(e: &mut Emit, shape: Vec<Dim>) -> Checked<Node> {
    let bits = draw(e, shape)?;
    let u = unit(e, bits, 1.0)?;
    let log = e.map(Unary::Log, u)?;
    let square = e.with_number(Binary::Mul, log, -2.0)?;
    e.map(Unary::Sqrt, square)
}

/// … times `cos(2π v)`.
fn angle_cosine(e: &mut Emit, shape: Vec<Dim>) -> Checked<Node> {
    let bits = draw(e, shape)?;
    let v = unit(e, bits, 0.0)?;
    let angle = e.with_number(Binary::Mul, v, std::f64::consts::TAU)?;
    e.map(Unary::Cos, angle)
}

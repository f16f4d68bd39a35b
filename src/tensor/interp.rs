//! The reference interpreter of tensor IR: the oracle for every later stage.
//!
//! It is meant to be obviously right, not fast. Every float is held in f64 and rounded to its type after each
//! operation (denormals are flushed to zero, as compiled code does); sums and contractions accumulate in f64. With
//! [`Precision::F64`] the values declared `f32` are not rounded at all, which is what gradient checks need.
//! Integers are held in i64 and wrap to their type.

mod array;
mod attention;
mod contract;
mod index;
mod map;
mod moves;
mod order;
pub mod philox;
mod reduce;
mod scan;
#[cfg(test)]
mod tests;
mod window;

use super::data::Tensor;
use super::{Graph, Inst, Origin, Value};
use crate::ops::{Literal, Op, Type};
use array::Array;
use std::fmt;

/// How exactly values of type `f32` are computed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Precision {
    F32,
    /// `f32` stands for f64; `f32` outputs come back as f64.
    F64,
}

/// What went wrong at run time, and where.
#[derive(Clone, PartialEq, Debug)]
pub struct InterpError {
    pub message: String,
    /// The instruction's first result; `None` for a fault of the inputs.
    pub value: Option<Value>,
    pub origin: Origin,
}

impl fmt::Display for InterpError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.value {
            Some(value) => write!(f, "{value}: {}", self.message),
            None => f.write_str(&self.message),
        }
    }
}

impl std::error::Error for InterpError {}

/// What an operation evaluates to, or what is wrong with its arguments.
type Outcome = Result<Vec<Array>, String>;

/// Runs a function on named inputs and returns its outputs in order.
///
/// An input declared `f32` may be given as f32 or f64 data. Errors: a missing input, an input of another type or
/// shape, an index out of range, and operations that the interpreter does not know (`Grad`).
pub fn run(graph: &Graph, inputs: &[(&str, Tensor)], precision: Precision) -> Result<Vec<Tensor>, InterpError> {
    let args = graph.insts.iter().filter_map(|inst| match &inst.op {
        Op::Input { name } => Some(bind(name, graph.ty(inst.results[0]), inputs, precision)),
        _ => None,
    });
    let args = args.collect::<Result<Vec<Array>, String>>().map_err(input_error)?;
    let results = run_region(graph, args, precision)?;
    let tensor = |(array, output): (Array, &super::Output)| {
        array.to_tensor(graph.ty(output.value).dtype, precision).map_err(input_error)
    };
    results.into_iter().zip(&graph.outputs).map(tensor).collect()
}

/// The value of an operation on scalar constants; `None` where it has none (or is not a function of its arguments).
pub fn fold(op: &Op, args: &[(Literal, &Type)], ty: &Type) -> Option<Literal> {
    if matches!(op, Op::Input { .. } | Op::Composite { .. } | Op::Scan { .. }) {
        return None;
    }
    let constant = |(literal, ty): &(Literal, &Type)| {
        Array::table(&[*literal], &[], ty.dtype).map(|a| a.rounded(ty.dtype, Precision::F32))
    };
    let arrays = args.iter().map(constant).collect::<Result<Vec<Array>, String>>().ok()?;
    let (args, types): (Vec<&Array>, Vec<&Type>) = (arrays.iter().collect(), args.iter().map(|(_, ty)| *ty).collect());
    let call = Call { args: &args, arg_types: &types, ty, precision: Precision::F32 };
    let result = evaluate(&call, op).ok()?.into_iter().next()?;
    checked(result, ty, Precision::F32).ok()?.literal(ty.dtype)
}

fn input_error(message: String) -> InterpError {
    InterpError { message, value: None, origin: Origin::default() }
}

fn bind(name: &str, ty: &Type, inputs: &[(&str, Tensor)], precision: Precision) -> Result<Array, String> {
    let found = inputs.iter().find(|(n, _)| *n == name);
    let (_, tensor) = found.ok_or_else(|| format!("input `{name}` is missing"))?;
    if tensor.shape != ty.shape {
        return Err(format!("input `{name}` has shape {:?}, expected {ty}", tensor.shape));
    }
    let array = Array::from_tensor(tensor);
    if array.is_float() != ty.dtype.is_float() {
        return Err(format!("input `{name}` is {}, expected {ty}", tensor.dtype()));
    }
    Ok(array.rounded(ty.dtype, precision))
}

/// Runs a graph on the values of its input instructions, in order of appearance.
fn run_region(graph: &Graph, args: Vec<Array>, precision: Precision) -> Result<Vec<Array>, InterpError> {
    let mut args = args.into_iter();
    let mut values: Vec<Option<Array>> = vec![None; graph.types.len()];
    for inst in &graph.insts {
        let results = match inst.op {
            Op::Input { .. } => vec![args.next().expect("one argument per input instruction")],
            _ => step(graph, inst, &values, precision)?,
        };
        for (value, array) in inst.results.iter().zip(results) {
            values[value.0 as usize] = Some(array);
        }
    }
    Ok(graph.outputs.iter().map(|o| values[o.value.0 as usize].clone().expect("outputs are defined")).collect())
}

/// Evaluates one instruction and checks its results against the declared types.
fn step(graph: &Graph, inst: &Inst, values: &[Option<Array>], precision: Precision) -> Result<Vec<Array>, InterpError> {
    let fail = |message| InterpError { message, value: inst.results.first().copied(), origin: inst.origin.clone() };
    let lookup = |v: &Value| values[v.0 as usize].as_ref().ok_or_else(|| fail(format!("{v} is used before it is set")));
    let args = inst.args.iter().map(lookup).collect::<Result<Vec<&Array>, _>>()?;
    let types: Vec<&Type> = inst.results.iter().map(|v| graph.ty(*v)).collect();
    match inst.op {
        Op::Composite { .. } => {
            return run_region(&inst.regions[0], args.into_iter().cloned().collect(), precision);
        }
        Op::Scan { .. } => return scan::run(inst, &args, &types, precision),
        _ => {}
    }
    let arg_types: Vec<&Type> = inst.args.iter().map(|v| graph.ty(*v)).collect();
    let results = evaluate(&Call { args: &args, arg_types: &arg_types, ty: types[0], precision }, &inst.op);
    let results = results.map_err(fail)?;
    let checked = results.into_iter().zip(types).map(|(array, ty)| checked(array, ty, precision).map_err(fail));
    checked.collect()
}

fn checked(array: Array, ty: &Type, precision: Precision) -> Result<Array, String> {
    if array.shape() != ty.shape {
        return Err(format!("the result has shape {:?}, its type says {ty}", array.shape()));
    }
    Ok(array.rounded(ty.dtype, precision))
}

/// The arguments of an operation and what it should give.
struct Call<'a> {
    args: &'a [&'a Array],
    arg_types: &'a [&'a Type],
    /// Type of the first result.
    ty: &'a Type,
    precision: Precision,
}

fn evaluate(call: &Call, op: &Op) -> Outcome {
    let one = |r: Result<Array, String>| r.map(|a| vec![a]);
    let (args, ty) = (call.args, call.ty);
    match op {
        Op::Input { .. } | Op::Composite { .. } | Op::Scan { .. } => unreachable!("handled by the caller"),
        Op::Const(literal) => one(Array::table(&[*literal], &[], ty.dtype)),
        Op::Table(literals, shape) => one(Array::table(literals, shape, ty.dtype)),
        Op::DimValue(n) => one(Array::table(&[Literal::Int(*n as i64)], &[], ty.dtype)),
        Op::Iota { shape, axis, dtype } => one(Ok(Array::iota(shape, *axis, *dtype))),
        Op::Philox { key, shape } => one(Ok(philox::draw(*key, shape, args[0].scalar(), args[1].scalar()))),

        Op::Unary(op) => one(map::unary(*op, args[0], ty.dtype)),
        Op::Binary(op) => one(map::binary(*op, args[0], args[1], ty.dtype, call.precision)),
        Op::Compare(op) => one(map::compare(*op, args[0], args[1])),
        Op::Select => one(map::select(args[0], args[1], args[2])),
        Op::Cast(to) => one(Ok(map::cast(args[0], *to))),
        Op::Bitcast(to) => one(map::bitcast(args[0], call.arg_types[0].dtype, *to)),
        Op::StopGradient => one(Ok(args[0].clone())),

        Op::Reduce { op, axes } => one(reduce::reduce(*op, args[0], axes)),
        Op::ArgMax { axis } => one(reduce::arg_extreme(args[0], *axis, true)),
        Op::ArgMin { axis } => one(reduce::arg_extreme(args[0], *axis, false)),
        Op::CumSum { axis, reverse } => one(Ok(reduce::cumsum(args[0], *axis, *reverse))),

        Op::Reshape { shape } => one(args[0].reshaped(shape)),
        Op::Transpose { perm } => one(Ok(moves::transpose(args[0], perm))),
        Op::Broadcast { shape, axes } => one(moves::broadcast(args[0], shape, axes)),
        Op::Slice { start, size, stride } => one(moves::slice(args[0], start, size, stride)),
        Op::Pad { pads } => one(moves::pad(args[0], args[1], pads, &ty.shape)),
        Op::Concat { axis } => one(moves::concat(args, *axis)),
        Op::Reverse { axes } => one(Ok(moves::reverse(args[0], axes))),
        Op::DynamicSlice { size } => one(moves::dynamic_slice(args[0], &args[1..], size)),
        Op::DynamicUpdate => one(moves::dynamic_update(args[0], args[1], &args[2..])),

        Op::Take { axis } => one(index::take(args[0], args[1], *axis)),
        Op::TakeAlong { axis } => one(index::take_along(args[0], args[1], *axis)),
        Op::ScatterAdd { axis, size } => one(index::scatter_add(args[0], args[1], *axis, *size)),
        Op::ScatterAddAlong { axis, size } => one(index::scatter_add_along(args[0], args[1], *axis, *size)),

        Op::Dot { lhs_batch, rhs_batch, lhs_contract, rhs_contract } => {
            let axes = contract::DotAxes { lhs_batch, rhs_batch, lhs_contract, rhs_contract };
            one(contract::dot(args[0], args[1], &axes))
        }
        Op::Conv { window, groups } => one(contract::conv(args[0], args[1], window, *groups, &ty.shape)),
        Op::ConvInputGrad { window, groups, .. } => {
            one(contract::conv_input_grad(args[0], args[1], window, *groups, &ty.shape))
        }
        Op::ConvWeightGrad { window, groups } => {
            one(contract::conv_weight_grad(args[0], args[1], window, *groups, &ty.shape))
        }

        Op::WindowSum { window } => one(window::sum(args[0], window, &ty.shape)),
        Op::WindowSumGrad { window, .. } => one(window::sum_grad(args[0], window, &ty.shape)),
        Op::WindowArgMax { window } => one(window::arg_max(args[0], window, &ty.shape)),
        Op::WindowGather { window } => one(window::gather(args[0], args[1], window, &ty.shape)),
        Op::WindowScatter { window, .. } => one(window::scatter(args[0], args[1], window, &ty.shape)),

        Op::Sort { axis, descending } => Ok(order::sort(args[0], *axis, *descending)),
        Op::TopK { k } => order::top_k(args[0], *k),

        Op::Attention { scores } => attention::forward(args, scores),
        Op::AttentionGrad { scores } => attention::gradients(args, scores),
        Op::AttentionBiasGrad { scores } => one(attention::bias_gradient(args, scores)),

        Op::Grad => Err("gradients must be expanded before the program runs".into()),
    }
}

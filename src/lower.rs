//! Model to tensor IR: binds the opaque dimensions.
//!
//! [`bind`] puts numbers in the place of symbols in all types, attributes and regions. `DimValue` becomes a constant.
//! Afterwards every dimension is at least 1 (what a scan of length 0 stacks has none) and every tensor's bytes fit into `i64`.

#[cfg(test)]
mod tests;

use crate::ops::dim::{Bindings, Dim};
use crate::ops::shape::{self, ShapeError};
use crate::ops::{Literal, Op, Type};
use crate::tensor::{Graph, Inst, Origin};
use std::fmt;

/// Why a graph could not be bound.
#[derive(Clone, PartialEq, Debug)]
pub struct BindError {
    pub problem: Problem,
    /// The instruction that has the dimension.
    pub origin: Origin,
}

#[derive(Clone, PartialEq, Debug)]
pub enum Problem {
    /// A symbol has no value, or the value leaves i64.
    Unbound(Dim),
    /// A dimension must be at least 1 (a slice's start, a number and the length of a scan at least 0).
    TooSmall(Dim, i64),
    /// The numbers don't fit the operation: a tensor that is too large, a slice beyond its axis.
    Shape(ShapeError<usize>),
}

impl fmt::Display for BindError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.problem {
            Problem::Unbound(dim) => write!(f, "the dimension `{dim}` has no value"),
            Problem::TooSmall(dim, n) => write!(f, "the dimension `{dim}` is {n}"),
            Problem::Shape(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for BindError {}

/// Substitutes numbers for the symbols of a graph.
pub fn bind(graph: &Graph<Dim>, bindings: &Bindings) -> Result<Graph, BindError> {
    let mut bound = Graph::new(graph.name.clone());
    bound.inputs = graph.inputs.clone();
    bound.outputs = graph.outputs.clone();
    // Types by number first, so that an instruction can look up its arguments'.
    let mut types: Vec<Option<Type>> = vec![None; graph.types.len()];
    for inst in &graph.insts {
        let located = |problem| BindError { problem, origin: inst.origin.clone() };
        for value in &inst.results {
            let ty = bind_type(graph.ty(*value), least(&inst.op), bindings).map_err(located)?;
            types[value.0 as usize] = Some(ty);
        }
        bound.insts.push(bind_inst(inst, bindings)?);
    }
    let unused = Type::scalar(crate::ops::DType::Bool);
    bound.types = types.into_iter().map(|ty| ty.unwrap_or_else(|| unused.clone())).collect();
    bound.insts.iter().try_for_each(|inst| check_shape(&bound, inst))?;
    Ok(bound)
}

/// The least length of an axis of a result: only a loop may run over nothing (its shape rule says which axis).
fn least(op: &Op<Dim>) -> i64 {
    if let Op::Scan { .. } = op { 0 } else { 1 }
}

fn bind_type(ty: &Type<Dim>, least: i64, bindings: &Bindings) -> Result<Type, Problem> {
    let shape = ty.shape.iter().map(|d| number(d, bindings, least)).collect::<Result<_, _>>()?;
    Ok(Type::new(ty.dtype, shape))
}

/// The value of a dimension, at least `least`.
fn number(dim: &Dim, bindings: &Bindings, least: i64) -> Result<usize, Problem> {
    let n = dim.eval(bindings).ok_or_else(|| Problem::Unbound(dim.clone()))?;
    match usize::try_from(n) {
        Ok(size) if n >= least => Ok(size),
        _ => Err(Problem::TooSmall(dim.clone(), n)),
    }
}

fn bind_inst(inst: &Inst<Dim>, bindings: &Bindings) -> Result<Inst, BindError> {
    let op = inst.op.map_dims(&mut |d| number(d, bindings, 0));
    let op = op.map_err(|problem| BindError { problem, origin: inst.origin.clone() })?;
    let regions = inst.regions.iter().map(|region| bind(region, bindings)).collect::<Result<_, _>>()?;
    Ok(Inst {
        op: settled(op),
        args: inst.args.clone(),
        results: inst.results.clone(),
        regions,
        origin: inst.origin.clone(),
    })
}

/// A bound `DimValue` is a constant.
fn settled(op: Op) -> Op {
    match op {
        Op::DimValue(n) => Op::Const(Literal::Int(n as i64)),
        other => other,
    }
}

/// The rules that symbols left open (a slice within its axis, bytes within i64) hold for the numbers.
fn check_shape(graph: &Graph, inst: &Inst) -> Result<(), BindError> {
    let located = |error| BindError { problem: Problem::Shape(error), origin: inst.origin.clone() };
    let args: Vec<&Type> = inst.args.iter().map(|v| graph.ty(*v)).collect();
    let results: Vec<Type> = inst.results.iter().map(|v| graph.ty(*v).clone()).collect();
    shape::infer(&inst.op, &args).map_err(located)?;
    shape::check_given(&inst.op, &results).map_err(located)
}

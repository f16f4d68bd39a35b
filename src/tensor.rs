//! Tensor IR: SSA over whole tensors with static shapes, no implicit broadcasting and no type promotion.
//!
//! The same [`Graph`] with symbolic dimensions (`Graph<Dim>`) is what the checker builds for each phase of a
//! `train` block; lowering binds the dimensions and gives `Graph<usize>`.

pub mod build;
pub mod cost;
pub mod data;
pub mod interp;
pub mod parse;
pub mod print;
pub mod scan;
pub mod verify;

use crate::ops::shape::{self, ShapeError};
use crate::ops::{Extent, Op, Type};
use crate::source::Span;
use std::fmt;
use std::sync::Arc;

/// An SSA value; prints as `%7`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct Value(pub u32);

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "%{}", self.0)
    }
}

/// What an input of a function is bound to.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum InputRole {
    /// A trainable parameter, by path.
    Param,
    /// A saved tensor that is not trained (running mean), by path.
    Buffer,
    /// Optimizer state, named `<optimizer>.<buffer>.<parameter path>`.
    OptState,
    /// A whole column of a data set: shape `[rows, …]`, stored type. Named `Data.column`.
    Column,
    /// The rows of this batch: i32[B] into the columns.
    Rows,
    /// One of the i32 scalars `step` (from 1), `total` (steps of the run), `epoch` (from 1), `seed`.
    Scalar,
    /// A field given directly (predict --data), or a parameter of a region.
    Arg,
}

impl InputRole {
    pub const ALL: [(InputRole, &'static str); 7] = [
        (InputRole::Param, "param"),
        (InputRole::Buffer, "buffer"),
        (InputRole::OptState, "optstate"),
        (InputRole::Column, "column"),
        (InputRole::Rows, "rows"),
        (InputRole::Scalar, "scalar"),
        (InputRole::Arg, "arg"),
    ];
}

/// What becomes of an output.
#[derive(Clone, PartialEq, Debug)]
pub enum OutputRole {
    /// The new value of the input with this name (a param, buffer or optstate).
    Update,
    /// A metric: `value` is averaged over batches by the f32 scalar `weight`.
    Report { weight: Value },
    /// A plain result (predict, regions).
    Result,
    /// A bool scalar that must be true after the step; the name says what fails (finite gradients).
    Check,
    /// A bool scalar that should be true; the run goes on and says the name.
    Warning,
}

#[derive(Clone, PartialEq, Debug)]
pub struct Output {
    pub name: String,
    pub role: OutputRole,
    pub value: Value,
}

/// Where an instruction came from: the innermost layer instance (`stages.0.conv1`, empty at top level) and the text.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Origin {
    pub layer: Option<Arc<str>>,
    pub span: Span,
}

#[derive(Clone, PartialEq, Debug)]
pub struct Inst<D = usize> {
    pub op: Op<D>,
    pub args: Vec<Value>,
    pub results: Vec<Value>,
    /// `Composite`: `[body]` or `[body, vjp]`. The vjp's inputs are the arguments, the results and the results'
    /// adjoints in order (zeros for results that are not floats); its outputs the adjoints of the float arguments
    /// in order. `Scan`: `[body]`, see [`scan`].
    pub regions: Vec<Graph<D>>,
    pub origin: Origin,
}

/// Whether a path is that of a layer or of something in it: `blocks.0.dense` of `blocks.0`. Everything is in the layer
/// without a path.
pub fn is_within(path: &str, layer: &str) -> bool {
    path.strip_prefix(layer).is_some_and(|rest| layer.is_empty() || rest.is_empty() || rest.starts_with('.'))
}

impl<D> Inst<D> {
    /// The name of an input; `None` for anything else.
    pub fn input_name(&self) -> Option<&str> {
        match &self.op {
            Op::Input { name } => Some(name),
            _ => None,
        }
    }
}

/// A function: instructions in execution order. Values are defined once, before use. Inputs are `Op::Input`
/// instructions whose role stands in [`Graph::roles`].
#[derive(Clone, PartialEq, Debug)]
pub struct Graph<D = usize> {
    pub name: String,
    pub insts: Vec<Inst<D>>,
    /// Type of each value, by its number.
    pub types: Vec<Type<D>>,
    /// Inputs in order: value and role; the name is in the instruction.
    pub inputs: Vec<(Value, InputRole)>,
    pub outputs: Vec<Output>,
}

impl<D> Graph<D> {
    pub fn new(name: impl Into<String>) -> Self {
        Graph { name: name.into(), insts: vec![], types: vec![], inputs: vec![], outputs: vec![] }
    }

    pub fn ty(&self, value: Value) -> &Type<D> {
        &self.types[value.0 as usize]
    }

    /// A fresh value of this type, not yet defined by an instruction.
    pub fn fresh(&mut self, ty: Type<D>) -> Value {
        self.types.push(ty);
        Value(self.types.len() as u32 - 1)
    }

    /// Appends an instruction with results of the given types; the caller vouches for the types (the verifier checks).
    pub fn push(&mut self, op: Op<D>, args: Vec<Value>, types: Vec<Type<D>>, origin: Origin) -> Vec<Value> {
        let results: Vec<Value> = types.into_iter().map(|t| self.fresh(t)).collect();
        self.insts.push(Inst { op, args, results: results.clone(), regions: vec![], origin });
        results
    }

    /// Appends an instruction whose result types follow from its arguments: every operation but `Input`, `Const`,
    /// `Table`, `Composite` and `Scan` (see [`Graph::push_scan`]).
    pub fn apply(&mut self, op: Op<D>, args: &[Value], origin: Origin) -> Result<Vec<Value>, ShapeError<D>>
    where
        D: Extent,
    {
        let arg_types: Vec<&Type<D>> = args.iter().map(|v| self.ty(*v)).collect();
        let given = ShapeError::Attribute { what: "the types of this operation must be given" };
        let types = shape::infer(&op, &arg_types)?.ok_or(given)?;
        Ok(self.push(op, args.to_vec(), types, origin))
    }

    /// Appends a named input.
    pub fn input(&mut self, name: impl Into<String>, role: InputRole, ty: Type<D>, origin: Origin) -> Value {
        let value = self.push(Op::Input { name: name.into() }, vec![], vec![ty], origin)[0];
        self.inputs.push((value, role));
        value
    }

    pub fn output(&mut self, name: impl Into<String>, role: OutputRole, value: Value) {
        self.outputs.push(Output { name: name.into(), role, value });
    }
}

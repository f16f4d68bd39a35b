//! What an expression evaluates to during elaboration, and how built-in functions are called.
//!
//! The contract between the checker and `sema::builtins`:
//! * The checker sets `emit.origin` before each call; `origin.layer` is the path of the innermost instance.
//! * `emit.scalar("step" | "total" | "epoch" | "seed" | …)` gives the i32 scalar input, created on demand; the checker
//!   overrides entries of `emit.scalars` (in the init graph `step` is the constant 0).
//! * A random draw takes its Philox key from `emit.next_key()`: a hash of `origin.layer` and of the ordinal of the
//!   draw within that layer, so that a stream depends on nothing else.
//! * No argument is `Value::Error`: the checker answers such calls with `Value::Error` itself.
//! * Where the label is `axis`, a dimension name in scope arrives as `Value::Axis` (also inside a list).

use crate::diag::Diagnostic;
use crate::ops::DType;
use crate::ops::dim::Dim;
use crate::source::Span;
use crate::syntax::ast;
use crate::tensor;
use std::rc::Rc;
use std::sync::Arc;

/// A layer instance of the program under elaboration.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct InstanceId(pub u32);

/// The value of an expression: a node of the graph under construction, or known to the compiler.
#[derive(Clone, Debug)]
pub enum Value {
    /// A node of the current graph, which also holds its type.
    Tensor(tensor::Value),
    /// A compile-time integer: a dimension, or a plain number (`Dim::Const`).
    Dim(Dim),
    /// A compile-time float; takes the type of its context.
    Float(f64),
    Bool(bool),
    Str(Arc<str>),
    /// `f32`, as in `cast(x, f32)`.
    DType(DType),
    List(Vec<Value>),
    /// `lo..hi`, with the upper end excluded.
    Range(Dim, Dim),
    Record(Vec<(Arc<str>, Value)>),
    /// A dimension named as an axis: `mean(x, axis: T)`.
    Axis {
        name: Arc<str>,
        dim: Dim,
    },
    Function(Callable),
    Instance(InstanceId),
    /// A `data` declaration, by name.
    Data(Arc<str>),
    /// Ids whose text `predict` prints.
    Decoded(Decoded),
    /// What a statement without a value gives.
    Unit,
    /// Something already reported; whatever touches it stays silent.
    Error,
}

/// `Pairs.target.decode(ids)`: no tensor has texts, so it goes nowhere but into a report.
#[derive(Clone, Debug)]
pub struct Decoded {
    pub ids: tensor::Value,
    pub data: Arc<str>,
    /// The column whose ids they are.
    pub column: Arc<str>,
    /// Ids of the last axis make one text; labels stand by themselves.
    pub is_text: bool,
}

/// Something that can be called.
#[derive(Clone, Debug)]
pub enum Callable {
    /// A `fn` of a file.
    Fn(Rc<ast::Function>),
    /// A method with its instance.
    Method(InstanceId, Rc<ast::Function>),
    /// A `layer`, `model`, `optimizer`, `schedule` or `initializer`: calling it makes an object.
    Constructor(Rc<ast::BlockItem>),
    /// An optimizer, schedule or initializer with its arguments.
    Object(Rc<Object>),
    /// What a parameter of type `schedule` holds: a number, or a function of step and total. Called with the step.
    Schedule(Rc<Value>),
    /// A function of `sema::builtins`.
    Builtin(Arc<str>),
    /// A built-in with some arguments already given: `normal(std: 0.02)` waits for its shape.
    Partial(Arc<str>, Vec<CallArg>),
}

/// `adam(lr: 1e-3)`: a definition with every parameter bound.
#[derive(Clone, Debug)]
pub struct Object {
    pub def: Rc<ast::BlockItem>,
    pub args: Vec<(Arc<str>, Value)>,
    pub span: Span,
}

/// One argument of a call; a positional one has no label.
#[derive(Clone, Debug)]
pub struct CallArg {
    pub label: Option<(Arc<str>, Span)>,
    pub value: Value,
    pub span: Span,
}

/// A call of a built-in function.
#[derive(Clone, Debug)]
pub struct Call<'a> {
    pub name: &'a str,
    pub args: &'a [CallArg],
    /// The whole call.
    pub span: Span,
    /// The compile-time value `training`: true in `step`.
    pub training: bool,
}

impl Value {
    pub fn int(n: i64) -> Value {
        Value::Dim(Dim::Const(n))
    }

    pub fn is_error(&self) -> bool {
        match self {
            Value::Error => true,
            Value::List(items) => items.iter().any(Value::is_error),
            Value::Record(fields) => fields.iter().any(|(_, v)| v.is_error()),
            _ => false,
        }
    }

    /// Adds to an error about this value how to take one of a record's.
    pub fn with_fields(&self, diag: Diagnostic) -> Diagnostic {
        let Value::Record(fields) = self else { return diag };
        let names: Vec<String> = fields.iter().map(|(name, _)| format!("`.{name}`")).collect();
        diag.help(format!("take one of its values: {}", names.join(" or ")))
    }

    /// What it is, for messages: "a list".
    pub fn describe(&self) -> &'static str {
        match self {
            Value::Tensor(_) => "a tensor",
            Value::Dim(_) => "an integer",
            Value::Float(_) => "a number",
            Value::Bool(_) => "a truth value",
            Value::Str(_) => "a string",
            Value::DType(_) => "an element type",
            Value::List(_) => "a list",
            Value::Range(..) => "a range",
            Value::Record(_) => "a record",
            Value::Axis { .. } => "an axis",
            Value::Function(Callable::Object(_)) => "an object",
            Value::Function(_) => "a function",
            Value::Instance(_) => "a layer instance",
            Value::Data(_) => "a data declaration",
            Value::Decoded(_) => "a decoded text",
            Value::Unit => "nothing",
            Value::Error => "an error",
        }
    }
}

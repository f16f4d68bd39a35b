//! Values against declared types: compile-time types here, shapes in [`super::shapes`].

use super::arith::as_float;
use super::checker::Checker;
use super::defs::{did_you_mean, suggest};
use super::value::{Callable, Value};
use crate::diag::{Code, Diagnostic};
use crate::ops::DType;
use crate::ops::dim::Dim;
use crate::source::Span;
use crate::syntax::ast::{self, TypeExpr, TypeKind};
use crate::tensor;
use std::rc::Rc;

const COMPILE_TIME: [&str; 8] = ["int", "float", "bool", "str", "initializer", "schedule", "layer", "function"];

impl Checker {
    /// The value as the declared type sees it; binds the dimensions that the type names. `what` begins a message:
    /// "argument `x` of `Dense`".
    pub fn convert(&mut self, value: Value, span: Span, ty: &TypeExpr, what: &str) -> Value {
        if value.is_error() {
            return Value::Error;
        }
        match &ty.kind {
            TypeKind::Error => value,
            TypeKind::List(item) => self.convert_list(value, span, item, what),
            TypeKind::Record(fields) => self.convert_record(value, span, fields, what, ty.span),
            TypeKind::Named { name, shape } => match (DType::from_name(&name.text), shape) {
                (Some(DType::Bool), None) if matches!(value, Value::Bool(_)) => value,
                (Some(dtype), shape) => {
                    let dims = shape.as_deref().unwrap_or(&[]);
                    self.convert_tensor(value, span, (dtype, dims, ty.span), what)
                }
                (None, Some(_)) if is_compile_time(name) => self.report(no_dimensions(name)),
                (None, _) => self.convert_compile_time(value, span, name, what),
            },
        }
    }

    fn convert_list(&mut self, value: Value, span: Span, item: &TypeExpr, what: &str) -> Value {
        match value {
            Value::List(items) => Value::List(items.into_iter().map(|v| self.convert(v, span, item, what)).collect()),
            Value::Range(Dim::Const(lo), Dim::Const(hi)) => Value::List((lo..hi).map(Value::int).collect()),
            other => self.report(wrong_type(span, what, "a list", other.describe(), item.span)),
        }
    }

    fn convert_record(
        &mut self,
        value: Value,
        span: Span,
        fields: &[(ast::Name, TypeExpr)],
        what: &str,
        declared: Span,
    ) -> Value {
        let mut given = match value {
            Value::Record(given) => given,
            other => return self.report(wrong_type(span, what, "a record", other.describe(), declared)),
        };
        let mut converted = vec![];
        for (name, ty) in fields {
            let Some(at) = given.iter().position(|(n, _)| *n == name.text) else {
                return self.report(missing_field(span, what, name));
            };
            let (field, value) = given.remove(at);
            converted.push((field, self.convert(value, span, ty, &format!("`{}` in {what}", name.text))));
        }
        match given.first() {
            None => Value::Record(converted),
            Some((extra, _)) => self.report(extra_field(span, what, extra, declared)),
        }
    }

    fn convert_compile_time(&mut self, value: Value, span: Span, ty: &ast::Name, what: &str) -> Value {
        let expected = match &*ty.text {
            "int" => "an integer",
            "float" => "a number",
            "bool" => "true or false",
            "str" => "a string",
            "initializer" => "an initializer",
            "schedule" => "a schedule: a number, or a function of the step",
            "layer" => "a layer",
            "function" => "a function",
            _ => return self.report(unknown_type(ty)),
        };
        match fit(&ty.text, value) {
            Ok(Value::Function(Callable::Schedule(rate))) if !is_rate(&rate) => self.report(no_rate(span, what)),
            Ok(value) => value,
            Err(value) => self.refuse_value(value, span, ty, what, expected),
        }
    }

    /// Reports names of types that do not exist.
    pub fn check_type(&mut self, ty: &TypeExpr) {
        match &ty.kind {
            TypeKind::Named { name, shape } => {
                if let Some(diag) = wrong_name(name, shape.is_some()) {
                    self.report(diag);
                }
            }
            TypeKind::List(item) => self.check_type(item),
            TypeKind::Record(fields) => fields.iter().for_each(|(_, t)| self.check_type(t)),
            TypeKind::Error => {}
        }
    }

    /// An i32 tensor may stand for an `int`: an integer function applies elementwise.
    fn refuse_value(&mut self, value: Value, span: Span, ty: &ast::Name, what: &str, expected: &str) -> Value {
        match value {
            Value::Tensor(x) if &*ty.text == "int" && self.graph.emit.dtype(x) == DType::I32 => value,
            other => self.report(wrong_type(span, what, expected, other.describe(), ty.span)),
        }
    }

    /// A tensor argument: a tensor of this element type, or a literal that takes it.
    pub fn convert_tensor(
        &mut self,
        value: Value,
        span: Span,
        declared: (DType, &[ast::DimExpr], Span),
        what: &str,
    ) -> Value {
        let (dtype, dims, at) = declared;
        let node = match &value {
            value if value.is_error() => return Value::Error,
            Value::Tensor(x) => *x,
            Value::Float(_) | Value::Dim(_) | Value::Bool(_) => {
                let result = self.emit(span).operand(&value, dtype);
                let result = result.map(Value::Tensor);
                let Value::Tensor(scalar) = self.settle(result) else { return Value::Error };
                self.stretch_literal(scalar, dims)
            }
            Value::List(items) => match self.stack_list(items, Some(dtype), span) {
                Some(x) => x,
                None => return Value::Error,
            },
            other => {
                let expected = format!("a tensor of {dtype}");
                let diag = wrong_type(span, what, &expected, other.describe(), at);
                return self.report(other.with_fields(diag));
            }
        };
        let found = self.graph.emit.dtype(node);
        if found != dtype {
            return self.report(wrong_dtype(span, what, dtype, found, at));
        }
        let shape = self.graph.emit.shape(node);
        if !self.match_shape(dims, &shape, span, what, at) {
            return Value::Error;
        }
        self.frame().axes.extend(super::shapes::axis_names(dims, shape.len()).map(|(name, axis)| (node, name, axis)));
        Value::Tensor(node)
    }

    /// A literal takes the shape that its context needs, where that is known.
    fn stretch_literal(&mut self, scalar: tensor::Value, dims: &[ast::DimExpr]) -> tensor::Value {
        match self.known_shape(dims) {
            Some(shape) => self.graph.emit.broadcast_to(scalar, &shape).unwrap_or(scalar),
            None => scalar,
        }
    }

    /// A list of numbers or tensors as one tensor, joined along a new axis: the first, or the second in a data field,
    /// where the first is the batch.
    pub fn stack_list(&mut self, items: &[Value], dtype: Option<DType>, span: Span) -> Option<tensor::Value> {
        let axis = usize::from(self.frame().raw.is_some());
        let mut nodes = vec![];
        for item in items {
            let node = match item {
                Value::List(inner) => self.stack_list(inner, dtype, span)?,
                item => {
                    let emit = self.emit(span);
                    let result = match dtype {
                        Some(dtype) => emit.operand(item, dtype),
                        None => emit.tensor(item),
                    };
                    match self.settle(result.map(Value::Tensor)) {
                        Value::Tensor(node) => node,
                        _ => return None,
                    }
                }
            };
            nodes.push(node);
        }
        let result = self.emit(span).stack(&nodes, axis).map(Value::Tensor);
        match self.settle(result) {
            Value::Tensor(node) => Some(node),
            _ => None,
        }
    }
}

/// What is wrong with the name of a type, with or without dimensions.
pub fn wrong_name(name: &ast::Name, has_shape: bool) -> Option<Diagnostic> {
    match DType::from_name(&name.text) {
        Some(_) => None,
        None if !is_compile_time(name) => Some(unknown_type(name)),
        None => has_shape.then(|| no_dimensions(name)),
    }
}

fn is_compile_time(name: &ast::Name) -> bool {
    COMPILE_TIME.contains(&&*name.text)
}

/// The value as a compile-time type takes it; `Err` gives it back.
fn fit(ty: &str, value: Value) -> Result<Value, Value> {
    match (ty, &value) {
        ("int", Value::Dim(_) | Value::Axis { .. })
        | ("bool", Value::Bool(_))
        | ("str", Value::Str(_))
        | ("float", Value::Float(_)) => Ok(value),
        ("float", Value::Dim(_)) => as_float(&value).map(Value::Float).ok_or(value),
        ("initializer", Value::Float(_) | Value::Dim(_) | Value::Tensor(_)) => Ok(value),
        ("initializer" | "function", Value::Function(_)) => Ok(value),
        ("schedule", Value::Function(Callable::Schedule(_))) => Ok(value),
        ("schedule", Value::Float(_) | Value::Function(_)) => Ok(Value::Function(Callable::Schedule(Rc::new(value)))),
        ("schedule", Value::Dim(_)) => match as_float(&value) {
            Some(v) => Ok(Value::Function(Callable::Schedule(Rc::new(Value::Float(v))))),
            None => Err(value),
        },
        ("layer", Value::Instance(_)) => Ok(value),
        _ => Err(value),
    }
}

/// A constant rate is a finite number, and not negative.
fn is_rate(value: &Value) -> bool {
    !matches!(value, Value::Float(v) if !(0.0..f64::INFINITY).contains(v))
}

fn no_rate(span: Span, what: &str) -> Diagnostic {
    Diagnostic::error(Code(306), format!("{what} must be a rate: not negative, and finite"))
        .label(span, "no step can be taken with this")
}

fn wrong_type(span: Span, what: &str, expected: &str, found: &str, declared: Span) -> Diagnostic {
    Diagnostic::error(Code(201), format!("{what} must be {expected}, and this is {found}"))
        .label(span, format!("this is {found}"))
        .label(declared, "declared here")
}

fn wrong_dtype(span: Span, what: &str, expected: DType, found: DType, declared: Span) -> Diagnostic {
    Diagnostic::error(Code(202), format!("{what} has elements of {found}, expected {expected}"))
        .label(span, format!("this is {found}"))
        .label(declared, format!("{expected} is declared here"))
        .help(format!("nothing is converted silently: write `{expected}(…)`"))
}

fn missing_field(span: Span, what: &str, name: &ast::Name) -> Diagnostic {
    Diagnostic::error(Code(216), format!("{what} has no field `{}`", name.text))
        .label(span, format!("`{}` is missing", name.text))
        .label(name.span, "declared here")
}

fn extra_field(span: Span, what: &str, name: &str, declared: Span) -> Diagnostic {
    Diagnostic::error(Code(216), format!("{what} has a field `{name}` too many"))
        .label(span, format!("`{name}` is not declared"))
        .label(declared, "the declared fields")
}

fn no_dimensions(name: &ast::Name) -> Diagnostic {
    let diag = Diagnostic::error(Code(209), format!("`{}` is known to the compiler and has no dimensions", name.text))
        .label(name.span, "not the type of a tensor");
    let tensor = match &*name.text {
        "float" => "f32",
        "int" => "i32",
        _ => return diag,
    };
    did_you_mean(diag, name.span, Some(tensor.into()))
}

fn unknown_type(name: &ast::Name) -> Diagnostic {
    let types = DType::ALL.iter().map(|d| d.name()).chain(COMPILE_TIME);
    let diag = Diagnostic::error(Code(209), format!("`{}` is not a type", name.text)).label(name.span, "unknown");
    match suggest(&name.text, types) {
        None => diag.help("types are `f32[…]` and its kin, `int`, `float`, `bool`, `str`, `layer`, `initializer`"),
        found => did_you_mean(diag, name.span, found),
    }
}

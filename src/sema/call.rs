//! Calls: what is called, with which values.

use super::args::Given;
use super::arith::Round;
use super::checker::Checker;
use super::intrinsic::Intrinsic;
use super::scope::{Frame, Owner};
use super::value::{Call, CallArg, Callable, Object, Value};
use super::{builtins, defs, facts};
use crate::diag::{Code, Diagnostic};
use crate::ops::DType;
use crate::source::Span;
use crate::syntax::ast::{self, Expr, ExprKind};
use std::rc::Rc;
use std::sync::Arc;

/// Built-ins that wait for their shape when called with options only: `normal(std: 0.02)` as an initializer.
const SHAPE_LATER: [&str; 6] = ["normal", "uniform", "truncated_normal", "zeros", "ones", "full"];

impl Checker {
    /// `callee(args)`; `first` is what a pipe brings.
    pub fn eval_call(&mut self, callee: &Expr, first: Option<(Value, Span)>, args: &[ast::Arg], span: Span) -> Value {
        if let Some(value) = self.eval_rounding(callee, &first, args, span) {
            return value;
        }
        if let Some(value) = self.data_call(callee, first.as_ref(), args) {
            return value;
        }
        if let ExprKind::Name(name) = &callee.kind
            && let Some(intrinsic) = Intrinsic::of(&name.text)
            && self.is_free(name)
        {
            let args = self.eval_args(first, args);
            return self.eval_intrinsic(intrinsic, args, span);
        }
        match self.eval(callee) {
            Value::Function(Callable::Constructor(block)) => self.construct(&block, first, args, span),
            Value::Function(f) => {
                let args = self.eval_args(first, args);
                self.call(&f, args, span)
            }
            Value::Instance(id) => {
                let args = self.eval_args(first, args);
                self.call_forward(id, args, span)
            }
            Value::DType(dtype) => {
                let args = self.eval_args(first, args);
                self.cast(dtype, args, span)
            }
            other => {
                self.eval_args(first, args);
                if other.is_error() { Value::Error } else { self.report(not_callable(callee.span, &other)) }
            }
        }
    }

    /// `floor(a / b)` and its kin, unless a file defines the name.
    fn eval_rounding(
        &mut self,
        callee: &Expr,
        first: &Option<(Value, Span)>,
        args: &[ast::Arg],
        span: Span,
    ) -> Option<Value> {
        let (ExprKind::Name(name), None, [ast::Arg { label: None, value }]) = (&callee.kind, first, args) else {
            return None;
        };
        let round = match &*name.text {
            "floor" => Round::Floor,
            "ceil" => Round::Ceil,
            _ => return None,
        };
        if !self.is_free(name) {
            return None;
        }
        if let Some(value) = self.rounded_quotient(round, value, span) {
            return Some(value);
        }
        let value = self.eval(value);
        Some(self.round_float(round, value, span))
    }

    /// Whether no file gives the name a meaning of its own.
    fn is_free(&mut self, name: &ast::Name) -> bool {
        self.find_local(&name.text).is_none() && self.defs.get(&name.text, name.span.file).is_none()
    }

    fn eval_args(&mut self, first: Option<(Value, Span)>, args: &[ast::Arg]) -> Vec<CallArg> {
        let piped = first.map(|(value, span)| CallArg { label: None, value, span });
        let mut given: Vec<CallArg> = piped.into_iter().collect();
        for arg in args {
            let is_axis = arg.label.as_ref().is_some_and(|l| &*l.text == "axis");
            let value = self.without_place(|c| if is_axis { c.eval_axis(&arg.value) } else { c.eval(&arg.value) });
            let label = arg.label.as_ref().map(|l| (l.text.clone(), l.span));
            given.push(CallArg { label, value, span: arg.value.span });
        }
        given
    }

    pub fn call(&mut self, f: &Callable, args: Vec<CallArg>, span: Span) -> Value {
        match f {
            Callable::Fn(function) => self.call_function(function, Owner::None, args, span),
            Callable::Method(id, function) => self.call_function(function, Owner::Instance(*id), args, span),
            Callable::Object(object) => self.call_object(object, args, span),
            Callable::Schedule(value) => self.call_schedule(value, args, span),
            Callable::Builtin(name) => self.call_builtin(name, args, span),
            Callable::Partial(name, options) => {
                self.call_builtin(name, args.into_iter().chain(options.iter().cloned()).collect(), span)
            }
            // Without arguments of its own, as an initializer named but not called.
            Callable::Constructor(block) => match self.make_object(block, vec![], span) {
                Some(object) => self.call_object(&object, args, span),
                None => Value::Error,
            },
        }
    }

    fn call_builtin(&mut self, name: &Arc<str>, args: Vec<CallArg>, span: Span) -> Value {
        if args.iter().any(|a| a.value.is_error()) {
            return Value::Error;
        }
        if SHAPE_LATER.contains(&&**name) && args.iter().all(|a| a.label.is_some()) {
            return Value::Function(Callable::Partial(name.clone(), args));
        }
        let Some(builtin) = builtins::lookup(name) else { return Value::Error };
        let call = Call { name, args: &args, span, training: self.training };
        let result = builtin.run(self.emit(span), &call);
        self.settle(result)
    }

    fn cast(&mut self, dtype: DType, args: Vec<CallArg>, span: Span) -> Value {
        let [CallArg { label: None, value, .. }] = &args[..] else {
            return self.report(cast_arguments(span, dtype));
        };
        let emit = self.emit(span);
        let result = match value {
            Value::Error => return Value::Error,
            Value::Tensor(x) => emit.cast(*x, dtype),
            Value::Bool(_) => emit.operand(value, DType::Bool).and_then(|x| emit.cast(x, dtype)),
            Value::List(items) => {
                let items = items.clone();
                return self.cast_list(dtype, items, span);
            }
            value => emit.operand(value, dtype),
        };
        self.settle(result.map(Value::Tensor))
    }

    fn cast_list(&mut self, dtype: DType, items: Vec<Value>, span: Span) -> Value {
        match self.stack_list(&items, Some(dtype), span) {
            Some(x) => {
                let result = self.emit(span).cast(x, dtype).map(Value::Tensor);
                self.settle(result)
            }
            None => Value::Error,
        }
    }

    /// A schedule sees the step, and the total where it asks for it.
    fn call_schedule(&mut self, schedule: &Value, mut args: Vec<CallArg>, span: Span) -> Value {
        let Value::Function(f) = schedule else { return schedule.clone() };
        let wanted = match f {
            Callable::Fn(function) => function.params.len(),
            Callable::Object(object) => method(&object.def, "forward").map_or(0, |m| m.params.len()),
            _ => args.len(),
        };
        if args.len() == 1 && wanted == 2 {
            let total = Value::Tensor(self.graph.emit.scalar("total"));
            args.push(CallArg { label: None, value: total, span });
        }
        self.call(f, args, span)
    }

    fn call_object(&mut self, object: &Rc<Object>, args: Vec<CallArg>, span: Span) -> Value {
        match method(&object.def, "forward").cloned() {
            Some(function) => self.call_function(&function, Owner::Object(object.clone(), None), args, span),
            None => self.report(no_forward(span, &object.def)),
        }
    }

    /// An optimizer, schedule or initializer with its arguments.
    pub fn make_object(&mut self, block: &Rc<ast::BlockItem>, args: Vec<CallArg>, span: Span) -> Option<Rc<Object>> {
        let args = args.into_iter().map(|a| Given { label: a.label, span: a.span, what: a.value }).collect();
        let slots = self.assign_args(&block_signature(block), args, span)?;
        let mut object = Object { def: block.clone(), args: vec![], span };
        let mut given = vec![];
        for (param, slot) in block.params.iter().zip(slots) {
            let (value, at) = match (slot, &param.default) {
                (Some(given), _) => (given.what, given.span),
                (None, Some(default)) => {
                    let owner = Owner::Object(Rc::new(object.clone()), None);
                    (self.in_frame(Frame::new(owner), |c| c.eval(default)), default.span)
                }
                (None, None) => (Value::Error, span),
            };
            let what = format!("argument `{}` of `{}`", param.name.text, block_name(block));
            let value = param.ty.iter().fold(value, |v, ty| self.convert(v, at, ty, &what));
            given.push((param.name.text.clone(), at));
            object.args.push((param.name.text.clone(), value));
        }
        let object = Rc::new(object);
        let frame = Frame { given, ..Frame::new(Owner::Object(object.clone(), None)) };
        let call = facts::Call { name: block_name(block), span, def: block.span };
        self.in_frame(frame, |c| c.prove_all(&block.constraints, call)).then_some(object)
    }

    /// A constructor call: a layer instance where one may be declared, or an object.
    fn construct(
        &mut self,
        block: &Rc<ast::BlockItem>,
        first: Option<(Value, Span)>,
        args: &[ast::Arg],
        span: Span,
    ) -> Value {
        if is_layer(block) {
            return self.construct_layer(block, first, args, span);
        }
        let args = self.eval_args(first, args);
        match self.make_object(block, args, span) {
            Some(object) => Value::Function(Callable::Object(object)),
            None => Value::Error,
        }
    }
}

pub fn is_layer(block: &ast::BlockItem) -> bool {
    matches!(&*block.word.text, "layer" | "model")
}

pub fn block_name(block: &ast::BlockItem) -> &str {
    block.name.as_ref().map_or("", |n| &n.text)
}

pub fn block_signature(block: &ast::BlockItem) -> super::args::Signature<'_> {
    let span = block.name.as_ref().map_or(block.span, |n| n.span);
    super::args::Signature { name: block_name(block), params: &block.params, span }
}

/// The function of this name among the members.
pub fn method<'a>(block: &'a ast::BlockItem, name: &str) -> Option<&'a Rc<ast::Function>> {
    block.members.iter().find_map(|m| match m {
        ast::Member::Fn(f) if &*f.name.text == name => Some(f),
        _ => None,
    })
}

pub fn method_names(block: &ast::BlockItem) -> impl Iterator<Item = &str> {
    block.members.iter().filter_map(|m| match m {
        ast::Member::Fn(f) => Some(&*f.name.text),
        _ => None,
    })
}

pub fn no_method(name: &ast::Name, block: &ast::BlockItem, others: Vec<String>) -> Diagnostic {
    let diag = Diagnostic::error(Code(110), format!("`{}` has no member `{}`", block_name(block), name.text))
        .label(name.span, "not a member");
    defs::did_you_mean(diag, name.span, defs::suggest(&name.text, others.iter().map(String::as_str)))
}

pub fn no_forward(span: Span, block: &ast::BlockItem) -> Diagnostic {
    let methods: Vec<&str> = method_names(block).collect();
    let diag = Diagnostic::error(Code(407), format!("`{}` has no `forward`", block_name(block)))
        .label(span, "called here like a function")
        .label(block.word.span, "defined here");
    if methods.is_empty() { diag } else { diag.help(format!("its functions are `{}`", methods.join("`, `"))) }
}

fn not_callable(span: Span, value: &Value) -> Diagnostic {
    Diagnostic::error(Code(109), format!("{} cannot be called", value.describe()))
        .label(span, format!("this is {}", value.describe()))
}

fn cast_arguments(span: Span, dtype: DType) -> Diagnostic {
    Diagnostic::error(Code(106), format!("`{dtype}(x)` converts one value")).label(span, "expected one argument")
}

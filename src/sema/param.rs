//! Params, buffers and optimizer state: declaration, first values, reading and assigning.

use super::checker::{Checker, GraphKind};
use super::layer::join;
use super::value::{Callable, InstanceId, Value};
use crate::diag::{Code, Diagnostic};
use crate::ops::dim::Dim;
use crate::ops::{DType, Extent, Type};
use crate::sema::model::ParamKind;
use crate::source::Span;
use crate::syntax::ast::{self, DimExpr, TypeExpr, TypeKind, TypedMember};
use crate::tensor::{self, Origin};
use std::sync::Arc;

/// A named tensor that outlives a step.
pub struct ParamInfo {
    pub path: Arc<str>,
    pub kind: ParamKind,
    pub ty: Type<Dim>,
    /// Layer path for the origin of inputs.
    pub layer: Arc<str>,
    pub span: Span,
}

impl Checker {
    /// Declares a `param` or `buffer` of an instance; `None` after an error.
    pub fn declare_state(&mut self, id: InstanceId, m: &TypedMember) -> Option<usize> {
        let kind = match m.word.as_ref().map(|w| &*w.text) {
            Some("param") => ParamKind::Trainable,
            Some("buffer") => ParamKind::Buffer,
            word => {
                self.report(unknown_member_word(m, word));
                return None;
            }
        };
        let ty = self.state_type(&m.ty)?;
        let layer = self.instances[id.0 as usize].path.clone();
        let path = join(&layer, &m.name.text);
        let Some(init) = &m.value else {
            self.report(no_initial_value(m));
            return None;
        };
        let info = ParamInfo { path: path.clone(), kind, ty: ty.clone(), layer, span: m.name.span };
        self.initialise(&path, &ty, init);
        self.params.push(info);
        Some(self.params.len() - 1)
    }

    /// The type of a state: known to the last dimension, unless a definition is probed by itself.
    pub fn state_type(&mut self, ty: &TypeExpr) -> Option<Type<Dim>> {
        let TypeKind::Named { name, shape } = &ty.kind else {
            if ty.kind != TypeKind::Error {
                self.report(not_a_tensor_type(ty.span));
            }
            return None;
        };
        let Some(dtype) = DType::from_name(&name.text) else {
            let diag = super::types::wrong_name(name, shape.is_some());
            self.report(diag.unwrap_or_else(|| not_a_tensor_type(ty.span)));
            return None;
        };
        let mut dims = vec![];
        for dim in shape.iter().flatten() {
            match dim {
                DimExpr::Dim(e) => dims.push(self.eval_dim(e)?),
                DimExpr::Pack(name) => match self.find_pack(&name.text) {
                    Some(pack) => dims.extend(pack.dims),
                    None => {
                        self.report(pack_in_state(name));
                        return None;
                    }
                },
            }
        }
        self.check_size(&dims, ty.span).then(|| Type::new(dtype, dims))
    }

    fn check_size(&mut self, dims: &[Dim], span: Span) -> bool {
        if let Some(bad) = dims.iter().find(|d| d.known().is_some_and(|n| n < 1)) {
            self.report(not_positive(bad, span));
            return false;
        }
        let count = dims.iter().fold(Dim::Const(8), |n, d| n.mul(d));
        if count == Dim::Overflow {
            self.report(too_many_elements(dims, span));
            return false;
        }
        true
    }

    /// Adds the first value of `path` to the init graph.
    pub fn initialise(&mut self, path: &Arc<str>, ty: &Type<Dim>, init: &ast::Expr) {
        self.in_init(|c| {
            let origin = Origin { layer: Some(path.clone()), span: init.span };
            let outer = std::mem::replace(&mut c.graph.emit.origin, origin);
            let value = c.without_place(|c| c.eval(init));
            if let Some(node) = c.initial_value(value, ty, init.span) {
                c.graph.set(path, node);
            }
            c.graph.emit.origin = outer;
        });
    }

    pub(super) fn initial_value(&mut self, value: Value, ty: &Type<Dim>, span: Span) -> Option<tensor::Value> {
        let value = match value {
            Value::Function(f) => self.run_initializer(&f, ty, span),
            other => other,
        };
        let node = match &value {
            Value::Error => return None,
            Value::Float(_) | Value::Dim(_) | Value::Bool(_) => {
                let emit = self.emit(span);
                let filled = emit.operand(&value, ty.dtype).and_then(|x| emit.broadcast_to(x, &ty.shape));
                self.settle(filled.map(Value::Tensor))
            }
            Value::List(items) => match self.stack_list(items, Some(ty.dtype), span) {
                Some(node) => Value::Tensor(node),
                None => return None,
            },
            Value::Tensor(_) => value,
            other => self.report(not_an_initializer(span, other.describe())),
        };
        let Value::Tensor(node) = node else { return None };
        let found = self.graph.emit.ty(node).clone();
        let fits = same_type(&found, ty);
        if !fits {
            self.report(wrong_initial_type(span, ty, &found));
        }
        fits.then_some(node)
    }

    /// An initializer takes the shape and, where it asks for them, fan-in and fan-out.
    fn run_initializer(&mut self, f: &Callable, ty: &Type<Dim>, span: Span) -> Value {
        let takes = |f: &ast::Function| f.params.len();
        let wanted = match f {
            Callable::Fn(f) | Callable::Method(_, f) => takes(f),
            Callable::Object(object) => super::call::method(&object.def, "forward").map_or(1, |f| takes(f)),
            Callable::Constructor(block) => super::call::method(block, "forward").map_or(1, |f| takes(f)),
            Callable::Builtin(_) | Callable::Partial(..) | Callable::Schedule(_) => 1,
        };
        let shape = Value::List(ty.shape.iter().cloned().map(Value::Dim).collect());
        let (fan_in, fan_out) = fans(&ty.shape);
        let args = [shape, Value::Dim(fan_in), Value::Dim(fan_out)];
        self.apply(f, args.into_iter().take(wanted).collect(), span)
    }

    /// The present value of a state in the graph under construction.
    pub fn read_state(&mut self, index: usize, span: Span) -> Value {
        match self.graph.kind {
            GraphKind::Init => return self.report(state_in_init(span, &self.params[index].path)),
            GraphKind::Region => return self.report(state_in_region(span, &self.params[index].path)),
            GraphKind::Phase => {}
        }
        let info = &self.params[index];
        let path = info.path.clone();
        if let Some(&node) = self.graph.current.get(&path) {
            return Value::Tensor(node);
        }
        let origin = Origin { layer: Some(info.layer.clone()), span: info.span };
        let (role, ty, kind) = (info.kind.role(), info.ty.clone(), info.kind);
        let node = self.graph.emit.input(&path, role, ty, origin);
        let node = if kind == ParamKind::Buffer { self.graph.emit.enter_loops(&path, node) } else { node };
        self.graph.current.insert(path, node);
        Value::Tensor(node)
    }

    pub fn assign_member(&mut self, id: InstanceId, name: &ast::Name, value: Value) {
        if let Some(m) = self.instances[id.0 as usize].memory(&name.text) {
            return self.assign_memory(id, &m, value, name);
        }
        let Some(index) = self.instances[id.0 as usize].state(&name.text) else {
            if !self.instances[id.0 as usize].is_broken(&name.text) {
                self.report(assign_to_member(name));
            }
            return;
        };
        if self.params[index].kind == ParamKind::Trainable {
            self.report(assign_to_param(name));
        } else if !self.frame().in_training {
            self.report(assign_outside_training(name));
        } else {
            self.store(index, value, name);
        }
    }

    /// Makes `value` the present value of a state.
    pub fn store(&mut self, index: usize, value: Value, name: &ast::Name) {
        let ty = self.params[index].ty.clone();
        let path = self.params[index].path.clone();
        if value.is_error() {
            return;
        }
        // Reading first makes the state an input, also where nothing uses its old value.
        self.read_state(index, name.span);
        if let Some(node) = self.value_of_type(value, &ty, name) {
            self.graph.set(&path, node);
        }
    }

    /// What is assigned to a tensor of this type: one of the same type, or a literal that takes it.
    pub(super) fn value_of_type(&mut self, value: Value, ty: &Type<Dim>, name: &ast::Name) -> Option<tensor::Value> {
        let emit = self.emit(name.span);
        let result = match &value {
            Value::Error => return None,
            Value::Tensor(x) => Ok(*x),
            literal => emit.operand(literal, ty.dtype).and_then(|x| emit.broadcast_to(x, &ty.shape)),
        };
        let Value::Tensor(node) = self.settle(result.map(Value::Tensor)) else { return None };
        let found = self.graph.emit.ty(node).clone();
        if !same_type(ty, &found) {
            self.report(wrong_state_type(name, ty, &found));
            return None;
        }
        Some(node)
    }

    /// The state of this path, if it exists.
    pub fn find_state(&self, path: &str) -> Option<usize> {
        self.params.iter().position(|p| &*p.path == path)
    }
}

pub fn same_type(a: &Type<Dim>, b: &Type<Dim>) -> bool {
    a.dtype == b.dtype && a.rank() == b.rank() && a.shape.iter().zip(&b.shape).all(|(x, y)| x.same(y))
}

/// Fan-in and fan-out: a matrix is (in, out); of more axes the leading ones are the receptive field, as in HWIO.
fn fans(shape: &[Dim]) -> (Dim, Dim) {
    match shape {
        [] => (Dim::Const(1), Dim::Const(1)),
        [n] => (n.clone(), n.clone()),
        [field @ .., input, output] => {
            let receptive = field.iter().fold(Dim::Const(1), |n, d| n.mul(d));
            (receptive.mul(input), receptive.mul(output))
        }
    }
}

fn unknown_member_word(m: &TypedMember, word: Option<&str>) -> Diagnostic {
    let name = &m.name.text;
    match word {
        Some(word) => {
            let span = m.word.as_ref().map_or(m.span, |w| w.span);
            let diag = Diagnostic::error(Code(414), format!("`{word}` is not a kind of member"))
                .label(span, "expected `param` or `buffer`");
            let found = super::defs::suggest(word, ["param", "buffer", "state"].into_iter());
            super::defs::did_you_mean(diag, span, found)
        }
        None => Diagnostic::error(Code(414), format!("`{name}` needs a word that says what it is"))
            .label(m.name.span, "write `param` or `buffer` before it")
            .fix(Span { end: m.name.span.start, ..m.name.span }, "param ", "make it a parameter"),
    }
}

pub fn no_initial_value(m: &TypedMember) -> Diagnostic {
    let end = Span { start: m.ty.span.end, ..m.ty.span };
    let is_param = m.word.as_ref().is_some_and(|w| &*w.text == "param");
    let init = if is_param { " = glorot_uniform" } else { " = 0.0" };
    Diagnostic::error(Code(413), format!("`{}` has no initial value", m.name.text))
        .label(m.name.span, "what does it start with?")
        .fix(end, init, format!("write `{}`", init.trim()))
}

fn not_a_tensor_type(span: Span) -> Diagnostic {
    Diagnostic::error(Code(209), "a parameter has a tensor type").label(span, "expected a type such as `f32[D, units]`")
}

fn pack_in_state(name: &ast::Name) -> Diagnostic {
    Diagnostic::error(Code(309), "a parameter has a fixed number of dimensions")
        .label(name.span, format!("`*{}` has no value here", name.text))
}

fn not_positive(dim: &Dim, span: Span) -> Diagnostic {
    Diagnostic::error(Code(310), format!("a dimension of {dim} is not possible")).label(span, "dimensions are positive")
}

fn too_many_elements(dims: &[Dim], span: Span) -> Diagnostic {
    let shape: Vec<String> = dims.iter().map(Dim::to_string).collect();
    Diagnostic::error(Code(311), format!("a tensor of shape [{}] cannot be addressed", shape.join(", ")))
        .label(span, "its size in bytes does not fit into 64 bits")
}

fn not_an_initializer(span: Span, what: &str) -> Diagnostic {
    Diagnostic::error(Code(408), format!("{what} is no initial value"))
        .label(span, "expected a number, a tensor or an initializer such as `glorot_uniform`")
}

fn wrong_initial_type(span: Span, want: &Type<Dim>, found: &Type<Dim>) -> Diagnostic {
    Diagnostic::error(Code(408), format!("the initial value is {found}, expected {want}"))
        .label(span, format!("this gives {found}"))
}

fn state_in_init(span: Span, path: &str) -> Diagnostic {
    Diagnostic::error(Code(411), format!("an initial value cannot depend on `{path}`"))
        .label(span, "parameters get their first values independently of each other")
}

fn state_in_region(span: Span, path: &str) -> Diagnostic {
    Diagnostic::error(Code(411), format!("a composite function cannot read `{path}`"))
        .label(span, "only its arguments are visible here")
        .help("pass the parameter as an argument, so that `vjp` can give its adjoint")
}

fn assign_to_member(name: &ast::Name) -> Diagnostic {
    Diagnostic::error(Code(406), format!("`{}` is a member and cannot be assigned", name.text))
        .label(name.span, "only buffers change")
}

fn assign_to_param(name: &ast::Name) -> Diagnostic {
    Diagnostic::error(Code(406), format!("the parameter `{}` cannot be assigned", name.text))
        .label(name.span, "only an optimizer changes a parameter")
        .help("declare it as `buffer` if the layer itself is to update it")
}

fn assign_outside_training(name: &ast::Name) -> Diagnostic {
    Diagnostic::error(Code(412), format!("the buffer `{}` is assigned outside of training", name.text))
        .label(name.span, "evaluation may not change the model")
        .help("put the assignment into `if training { … }`")
}

fn wrong_state_type(name: &ast::Name, want: &Type<Dim>, found: &Type<Dim>) -> Diagnostic {
    Diagnostic::error(Code(307), format!("`{}` is {want}, and the new value is {found}", name.text))
        .label(name.span, format!("assigned {found} here"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fans_of_a_convolution_count_its_window() {
        let shape = [3, 3, 16, 32].map(Dim::Const);
        assert_eq!(fans(&shape), (Dim::Const(144), Dim::Const(288)));
        assert_eq!(fans(&shape[2..]), (Dim::Const(16), Dim::Const(32)));
        assert_eq!(fans(&shape[..1]), (Dim::Const(3), Dim::Const(3)));
    }
}

//! `state`: what a layer remembers while one root call lasts, and over lanes from batch to batch.
//!
//! A root call is the outermost call or scan of a phase. Each begins with fresh states, or [goes on](super::lanes); in
//! between a state is a value like any other, and a scan that reaches it carries it.

use super::checker::{Checker, GraphKind};
use super::layer::{Instance, join};
use super::model::ParamKind;
use super::param::same_type;
use super::scope::{BoundDim, Frame, Owner};
use super::terms::collect_capitals;
use super::value::{CallArg, InstanceId, Value};
use crate::diag::{Code, Diagnostic};
use crate::ops::dim::Dim;
use crate::ops::{DType, Extent, Op, Type};
use crate::source::Span;
use crate::syntax::ast::{self, DimExpr, TypeKind, TypedMember};
use crate::tensor::{Value as Node, is_within};
use std::sync::Arc;

/// A state of the root call under elaboration. Its present value is among the graph's named tensors.
#[derive(Clone)]
pub struct Memory {
    pub path: Arc<str>,
    pub ty: Type<Dim>,
    /// The dimensions of the call that touched it first.
    dims: Vec<(Arc<str>, BoundDim)>,
    /// What the root call begins with, outside of all loops.
    pub first: Node,
}

impl Checker {
    /// Runs a call or a scan; the outermost one begins and ends with no state in the scope.
    pub fn in_root_call<R>(&mut self, f: impl FnOnce(&mut Self) -> R) -> R {
        self.graph.open_calls += 1;
        let result = f(self);
        self.graph.open_calls -= 1;
        if self.graph.open_calls == 0 {
            for memory in std::mem::take(&mut self.graph.memories) {
                if let Some(last) = self.graph.current.remove(&memory.path) {
                    self.leave_state(&memory.path, last);
                }
            }
        }
        result
    }

    /// The named tensors that a body of a loop may change, in a fixed order.
    pub fn changeable(&self) -> Vec<Arc<str>> {
        let buffers = self.params.iter().filter(|p| p.kind == ParamKind::Buffer).map(|p| &p.path);
        let states = self.graph.memories.iter().map(|m| &m.path);
        buffers.chain(states).filter(|path| self.graph.current.contains_key(*path)).cloned().collect()
    }

    /// The present value of a state.
    pub fn read_memory(&mut self, id: InstanceId, m: &TypedMember, at: Span) -> Value {
        match self.memory(id, m, at) {
            Some(path) => Value::Tensor(self.graph.current[&path]),
            None => Value::Error,
        }
    }

    /// Makes `value` the present value of a state.
    pub fn assign_memory(&mut self, id: InstanceId, m: &TypedMember, value: Value, name: &ast::Name) {
        let Some(path) = self.memory(id, m, name.span) else { return };
        let ty = self.graph.memories.iter().find(|m| m.path == path).map(|m| m.ty.clone());
        if let Some(node) = ty.and_then(|ty| self.value_of_type(value, &ty, name)) {
            self.graph.current.insert(path, node);
        }
    }

    /// The path of a state that has a value; `None` after an error.
    fn memory(&mut self, id: InstanceId, m: &TypedMember, at: Span) -> Option<Arc<str>> {
        let path = join(&self.instances[id.0 as usize].path, &m.name.text);
        if self.graph.kind != GraphKind::Phase {
            self.report(state_out_of_reach(at, &path));
            return None;
        }
        match self.graph.memories.iter().find(|known| known.path == path) {
            Some(known) => {
                let known = known.dims.clone();
                self.agrees(id, m, &known).then_some(path)
            }
            None => self.begin_memory(id, m, path, at),
        }
    }

    /// A method that touches a state has the dimensions with which it began.
    fn agrees(&mut self, id: InstanceId, m: &TypedMember, dims: &[(Arc<str>, BoundDim)]) -> bool {
        if self.owner().instance() != Some(id) {
            return true;
        }
        for (name, first) in dims {
            if let Some(here) = self.frame().dim(name).cloned().filter(|here| !here.dim.same(&first.dim)) {
                self.report(memory_conflict(m, name, first, &here));
                return false;
            }
        }
        true
    }

    /// Gives a state its first value, before all loops.
    fn begin_memory(&mut self, id: InstanceId, m: &TypedMember, path: Arc<str>, at: Span) -> Option<Arc<str>> {
        let own = self.owner().instance() == Some(id);
        let dims = self.memory_dims(id, m, own, at)?;
        let mut frame = Frame::new(Owner::Instance(id));
        frame.dims = dims.clone();
        let aside = self.graph.emit.leave_loops();
        let begun = self.in_frame(frame, |c| {
            let ty = c.state_type(&m.ty)?;
            let init = m.value.as_ref()?;
            let value = c.without_place(|c| c.eval(init));
            let first = c.initial_value(value, &ty, init.span)?;
            Some((c.begin_state(&path, &ty, first, m, at)?, ty))
        });
        self.graph.emit.return_to_loops(aside);
        let (node, ty) = begun?;
        let inside = self.graph.emit.enter_loops(&path, node);
        self.graph.current.insert(path.clone(), inside);
        self.graph.memories.push(Memory { path: path.clone(), ty, dims, first: node });
        Some(path)
    }

    /// The dimensions of a state that are not the layer's own: those of the method that touches it.
    fn memory_dims(
        &mut self,
        id: InstanceId,
        m: &TypedMember,
        own: bool,
        at: Span,
    ) -> Option<Vec<(Arc<str>, BoundDim)>> {
        let mut names = vec![];
        if let TypeKind::Named { shape: Some(dims), .. } = &m.ty.kind {
            for dim in dims {
                match dim {
                    DimExpr::Dim(e) => collect_capitals(e, &mut names),
                    DimExpr::Pack(name) => names.push(name.clone()),
                }
            }
        }
        names.retain(|n| {
            self.instances[id.0 as usize].dim(&n.text).is_none() && self.defs.get(&n.text, n.span.file).is_none()
        });
        let mut dims: Vec<(Arc<str>, BoundDim)> = vec![];
        for name in names {
            match self.frame().dim(&name.text).filter(|_| own).cloned() {
                Some(bound) if !dims.iter().any(|(n, _)| *n == name.text) => dims.push((name.text, bound)),
                Some(_) => {}
                None => {
                    self.report(memory_size(m, &name, at));
                    return None;
                }
            }
        }
        Some(dims)
    }

    /// Whether a state is declared in an instance or below it.
    fn declares_memory(&self, id: InstanceId) -> bool {
        let place = &self.instances[id.0 as usize].place;
        let below =
            |(i, other): (usize, &Instance)| (i == id.0 as usize || other.place.is_below(place)) && other.has_memory();
        self.instances.iter().enumerate().any(below)
    }

    /// `reorder(instance, parents)`: row i of each state below the instance becomes its row `parents[i]`.
    pub fn eval_reorder(&mut self, args: Vec<CallArg>, span: Span) -> Value {
        let (id, parents) = match &args[..] {
            [CallArg { value: Value::Instance(id), .. }, CallArg { value, .. }] => {
                (*id, self.emit(span).operand(value, DType::I32))
            }
            _ => return self.report(reorder_arguments(span)),
        };
        let Value::Tensor(parents) = self.settle(parents.map(Value::Tensor)) else { return Value::Error };
        let prefix = self.instances[id.0 as usize].path.clone();
        let paths: Vec<Arc<str>> =
            self.graph.memories.iter().map(|m| m.path.clone()).filter(|path| is_within(path, &prefix)).collect();
        if paths.is_empty() && self.declares_memory(id) {
            return self.report(nothing_to_reorder(span, &prefix));
        }
        for path in paths {
            let x = self.graph.current[&path];
            let picked = self.emit(span).op(Op::Take { axis: 0 }, &[x, parents]).map(Value::Tensor);
            let Value::Tensor(node) = self.settle(picked) else { return Value::Error };
            let (want, found) = (self.graph.emit.ty(x).clone(), self.graph.emit.ty(node).clone());
            if !same_type(&want, &found) {
                return self.report(reorder_changes(span, &path, &want, &found));
            }
            self.graph.current.insert(path, node);
        }
        Value::Unit
    }
}

fn state_out_of_reach(span: Span, path: &str) -> Diagnostic {
    Diagnostic::error(Code(411), format!("the state `{path}` cannot be used here"))
        .label(span, "states live in the functions of layers, not in composite functions and initial values")
}

fn memory_conflict(m: &TypedMember, name: &str, first: &BoundDim, here: &BoundDim) -> Diagnostic {
    let message =
        format!("the state `{}` has `{name}` = {}, and here `{name}` is {}", m.name.text, first.dim, here.dim);
    let diag = Diagnostic::error(Code(642), message)
        .label(here.span, format!("`{name}` = {} here", here.dim))
        .label(first.span, format!("`{name}` = {} comes from here", first.dim))
        .label(m.ty.span, "the declared type");
    super::shapes::with_counterexample(diag, &first.dim, &here.dim)
}

fn memory_size(m: &TypedMember, name: &ast::Name, at: Span) -> Diagnostic {
    Diagnostic::error(Code(643), format!("the size of the state `{}` is not known here", m.name.text))
        .label(at, "used here for the first time")
        .label(name.span, format!("`{}` is no dimension of this call", name.text))
        .help(format!("begin with a function of the layer that has `{}` in the type of an argument", name.text))
}

fn reorder_arguments(span: Span) -> Diagnostic {
    Diagnostic::error(Code(644), "`reorder` takes a layer and the new order of its rows")
        .label(span, "expected `reorder(decoder, parents)` with parents: i32[B]")
}

fn nothing_to_reorder(span: Span, path: &str) -> Diagnostic {
    let layer = if path.is_empty() { "the model".into() } else { format!("`{path}`") };
    Diagnostic::error(Code(644), format!("{layer} has no state yet"))
        .label(span, "nothing to reorder")
        .help("reorder after the call that uses the states, in the same function or scan")
}

fn reorder_changes(span: Span, path: &str, want: &Type<Dim>, found: &Type<Dim>) -> Diagnostic {
    Diagnostic::error(Code(644), format!("`{path}` is {want}, and reordered it would be {found}"))
        .label(span, "there is one parent for each row: i32 of the length of dimension 0")
}

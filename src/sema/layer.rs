//! Layer instances: construction, members, and the dimensions that the first call fixes.

use super::args::Given;
use super::call::{block_name, block_signature, is_layer, method, method_names, no_forward};
use super::checker::Checker;
use super::member::{find_member, member_capitals};
use super::scope::{BoundDim, Frame, Owner};
use super::terms::collect_capitals;
use super::value::{CallArg, Callable, InstanceId, Value};
use crate::diag::{Code, Diagnostic};
use crate::ops::Type;
use crate::ops::dim::Dim;
use crate::source::Span;
use crate::syntax::ast::{self, Expr, Member, TypedMember};
use std::rc::Rc;
use std::sync::Arc;

/// Where a constructor call puts its instance.
#[derive(Clone, Debug)]
pub struct Place {
    /// Name of the `let` that holds the root.
    pub root: Arc<str>,
    /// Path below the root; empty for the root itself.
    pub path: Arc<str>,
}

pub struct Instance {
    pub def: Rc<ast::BlockItem>,
    pub root: Arc<str>,
    /// The path in parameter names: below the root, with the root's name where there are several roots.
    pub path: Arc<str>,
    pub(super) place: Place,
    pub args: Vec<(Arc<str>, Value)>,
    /// Capitals in types and arguments of members.
    pub dim_names: Vec<Arc<str>>,
    pub dims: Vec<(Arc<str>, BoundDim)>,
    pub(super) members: Vec<(ast::Name, Held)>,
    /// Members whose dimensions are not known yet.
    pub(super) pending: Vec<Member>,
    /// Conditions of the `where` whose dimensions are not known yet.
    pub(super) facts: Vec<Expr>,
    /// Where the constructor's arguments stand.
    pub(super) given: Vec<(Arc<str>, Span)>,
    /// Types of the first result of `forward`, or of another function where nothing has called that.
    pub results: Vec<Type<Dim>>,
    has_forward: bool,
    pub span: Span,
}

/// What a member's name holds.
#[derive(Clone, Debug)]
pub(super) enum Held {
    Value(Value),
    /// A param or buffer, by its number in `Checker::params`.
    State(usize),
    /// A `state`: it has a value only while a root call lasts.
    Memory(Rc<TypedMember>),
}

impl Instance {
    pub fn dim(&self, name: &str) -> Option<&BoundDim> {
        self.dims.iter().find(|(n, _)| &**n == name).map(|(_, d)| d)
    }

    /// Where a member of this name is declared, whether it exists yet or not.
    pub fn member_span(&self, name: &str) -> Option<Span> {
        find_member(&self.def.members, name)
    }

    pub fn names(&self) -> Vec<String> {
        let mut names: Vec<String> = self.args.iter().map(|(n, _)| n.to_string()).collect();
        names.extend(self.members.iter().map(|(n, _)| n.text.to_string()));
        names.extend(method_names(&self.def).map(str::to_string));
        names
    }

    /// The path below the root.
    pub fn local_path(&self) -> &str {
        &self.place.path
    }

    /// Whether an error took the place of this member.
    pub fn is_broken(&self, name: &str) -> bool {
        self.members.iter().any(|(n, h)| &*n.text == name && matches!(h, Held::Value(Value::Error)))
    }

    pub fn has_memory(&self) -> bool {
        self.members.iter().any(|(_, held)| matches!(held, Held::Memory(_)))
    }

    /// The declaration of the `state` with this name.
    pub fn memory(&self, name: &str) -> Option<Rc<TypedMember>> {
        self.members.iter().find_map(|(n, held)| match held {
            Held::Memory(m) if &*n.text == name => Some(m.clone()),
            _ => None,
        })
    }

    /// The param or buffer with this name.
    pub fn state(&self, name: &str) -> Option<usize> {
        self.members.iter().find_map(|(n, held)| match held {
            Held::State(index) if &*n.text == name => Some(*index),
            _ => None,
        })
    }
}

impl Checker {
    /// Evaluates with the place of constructor calls one step deeper.
    pub fn in_place<R>(&mut self, step: &str, f: impl FnOnce(&mut Self) -> R) -> R {
        let outer = self.place.clone();
        if let Some(place) = &mut self.place {
            place.path = join(&place.path, step);
        }
        let result = f(self);
        self.place = outer;
        result
    }

    pub fn without_place<R>(&mut self, f: impl FnOnce(&mut Self) -> R) -> R {
        let outer = self.place.take();
        let result = f(self);
        self.place = outer;
        result
    }

    pub fn at_place<R>(&mut self, place: Place, f: impl FnOnce(&mut Self) -> R) -> R {
        let outer = self.place.replace(place);
        let result = f(self);
        self.place = outer;
        result
    }

    pub fn construct_layer(
        &mut self,
        block: &Rc<ast::BlockItem>,
        first: Option<(Value, Span)>,
        args: &[ast::Arg],
        span: Span,
    ) -> Value {
        let Some(place) = self.place.clone() else { return self.report(constructed_in_function(block, span)) };
        if self.constructing.iter().any(|d| d.span == block.span) {
            return self.report(contains_itself(block, span));
        }
        let piped = first.map(|(value, span)| Given { label: None, span, what: Source::Value(value) });
        let written = args.iter().map(|a| Given {
            label: a.label.as_ref().map(|l| (l.text.clone(), l.span)),
            span: a.value.span,
            what: Source::Expr(&a.value),
        });
        let given = piped.into_iter().chain(written).collect();
        let Some(slots) = self.assign_args(&block_signature(block), given, span) else { return Value::Error };
        let id = self.add_instance(block, place, span);
        for (param, slot) in block.params.iter().zip(slots) {
            let at = slot.as_ref().map(|s| (param.name.text.clone(), s.span));
            self.instances[id.0 as usize].given.extend(at);
            let value = self.in_place(&param.name.text, |c| c.layer_argument(id, block, param, slot));
            self.instances[id.0 as usize].args.push((param.name.text.clone(), value));
        }
        self.constructing.push(block.clone());
        let holds = self.without_place(|c| c.in_frame(Frame::new(Owner::Instance(id)), |c| c.realize(id)));
        self.constructing.pop();
        if holds { Value::Instance(id) } else { Value::Error }
    }

    fn layer_argument(
        &mut self,
        id: InstanceId,
        block: &ast::BlockItem,
        param: &ast::Param,
        slot: Option<Given<Source>>,
    ) -> Value {
        let (value, at) = match (slot, &param.default) {
            (Some(Given { what: Source::Value(value), span, .. }), _) => (value, span),
            (Some(Given { what: Source::Expr(e), .. }), _) => (self.eval(e), e.span),
            (None, Some(default)) => {
                (self.in_frame(Frame::new(Owner::Instance(id)), |c| c.eval(default)), default.span)
            }
            (None, None) => (Value::Error, block.span),
        };
        let what = format!("argument `{}` of `{}`", param.name.text, block_name(block));
        match &param.ty {
            Some(ty) => self.convert(value, at, ty, &what),
            None => value,
        }
    }

    pub(super) fn add_instance(&mut self, block: &Rc<ast::BlockItem>, place: Place, span: Span) -> InstanceId {
        let path = if self.train.several_roots { join(&place.root, &place.path) } else { place.path.clone() };
        let dim_names = self.instance_dims(block);
        self.instances.push(Instance {
            def: block.clone(),
            root: place.root.clone(),
            path,
            place,
            args: vec![],
            dim_names,
            dims: vec![],
            members: vec![],
            pending: block.members.iter().filter(|m| !matches!(m, Member::Fn(_) | Member::Error(_))).cloned().collect(),
            facts: block.constraints.clone(),
            given: vec![],
            results: vec![],
            has_forward: false,
            span,
        });
        InstanceId(self.instances.len() as u32 - 1)
    }

    /// Capitals that members use, in order: the instance's own dimensions.
    fn instance_dims(&self, block: &ast::BlockItem) -> Vec<Arc<str>> {
        let mut names = vec![];
        block.members.iter().for_each(|m| member_capitals(m, &mut names));
        block.constraints.iter().for_each(|c| collect_capitals(c, &mut names));
        names.retain(|n| self.defs.get(&n.text, n.span.file).is_none());
        let mut found: Vec<Arc<str>> = vec![];
        for name in names {
            if !found.contains(&name.text) {
                found.push(name.text);
            }
        }
        found
    }

    /// `net(x)` means `net.forward(x)`.
    pub fn call_forward(&mut self, id: InstanceId, args: Vec<CallArg>, span: Span) -> Value {
        let def = self.instances[id.0 as usize].def.clone();
        match method(&def, "forward") {
            Some(f) => self.call(&Callable::Method(id, f.clone()), args, span),
            None => self.report(no_forward(span, &def)),
        }
    }

    /// Keeps the types of the first result of an instance, for `summary`.
    pub fn note_result(&mut self, function: &str, value: &Value) {
        let Owner::Instance(id) = self.owner() else { return };
        let instance = &self.instances[id.0 as usize];
        let is_forward = function == "forward" && !instance.has_forward;
        if is_forward || instance.results.is_empty() {
            let mut types = vec![];
            self.result_types(value, &mut types);
            let instance = &mut self.instances[id.0 as usize];
            (instance.results, instance.has_forward) = (types, is_forward);
        }
    }

    fn result_types(&self, value: &Value, types: &mut Vec<Type<Dim>>) {
        match value {
            Value::Tensor(x) => types.push(self.graph.emit.ty(*x).clone()),
            Value::Record(fields) => fields.iter().for_each(|(_, v)| self.result_types(v, types)),
            Value::List(items) => items.iter().for_each(|v| self.result_types(v, types)),
            _ => {}
        }
    }
}

impl Checker {
    /// A declaration whose value is a layer that is not constructed: `net = Net`.
    pub fn constructed(&mut self, value: Value, span: Span) -> Value {
        match value {
            Value::Function(Callable::Constructor(block)) if is_layer(&block) => {
                self.report(not_constructed(&block, span))
            }
            value => value,
        }
    }
}

/// An argument of a constructor before it is evaluated.
enum Source<'a> {
    Value(Value),
    Expr(&'a Expr),
}

pub fn join(path: &str, step: &str) -> Arc<str> {
    match (path, step) {
        ("", step) => step.into(),
        (path, "") => path.into(),
        (path, step) => format!("{path}.{step}").into(),
    }
}

fn not_constructed(block: &ast::BlockItem, span: Span) -> Diagnostic {
    let name = block_name(block);
    let diag = Diagnostic::error(Code(418), format!("`{name}` is a {}, and is not constructed", block.word.text));
    if block.params.iter().all(|p| p.default.is_some()) {
        let end = Span { start: span.end, ..span };
        return diag.label(span, "this has no parameters yet").fix(end, "()", format!("write `{name}()`"));
    }
    diag.label(span, format!("write `{name}(…)` with its arguments"))
}

fn constructed_in_function(block: &ast::BlockItem, span: Span) -> Diagnostic {
    let name = block_name(block);
    let example: String = name.chars().flat_map(char::to_lowercase).collect();
    Diagnostic::error(Code(401), format!("`{name}` is constructed inside a function"))
        .label(span, "each call would make new parameters")
        .help(format!("declare it as a member, `{example} = {name}(…)`, and call that here"))
}

fn contains_itself(block: &ast::BlockItem, span: Span) -> Diagnostic {
    Diagnostic::error(Code(114), format!("`{}` contains itself", block_name(block)))
        .label(span, "this would never end")
        .label(block.span, "defined here")
}

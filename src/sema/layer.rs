//! Layer instances: construction, members, and the dimensions that the first call fixes.

use super::args::Given;
use super::call::{block_name, block_signature, method, method_names, no_forward, no_method};
use super::checker::Checker;
use super::scope::{BoundDim, Frame, Owner};
use super::shapes::collect_capitals;
use super::value::{CallArg, Callable, InstanceId, Value};
use crate::diag::{Code, Diagnostic};
use crate::ops::Type;
use crate::ops::dim::Dim;
use crate::source::Span;
use crate::syntax::ast::{self, DimExpr, Expr, Member, TypeExpr, TypeKind};
use std::rc::Rc;

/// Where a constructor call puts its instance.
#[derive(Clone, Debug)]
pub struct Place {
    /// Name of the `let` that holds the root.
    pub root: Rc<str>,
    /// Path below the root; empty for the root itself.
    pub path: Rc<str>,
}

pub struct Instance {
    pub def: Rc<ast::BlockItem>,
    pub root: Rc<str>,
    /// The path in parameter names: below the root, with the root's name where there are several roots.
    pub path: Rc<str>,
    place: Place,
    pub args: Vec<(Rc<str>, Value)>,
    /// Capitals in types and arguments of members.
    pub dim_names: Vec<Rc<str>>,
    pub dims: Vec<(Rc<str>, BoundDim)>,
    members: Vec<(ast::Name, Held)>,
    /// Members whose dimensions are not known yet.
    pending: Vec<Member>,
    /// Types of the first result.
    pub results: Vec<Type<Dim>>,
    pub span: Span,
}

/// What a member's name holds.
#[derive(Clone, Debug)]
enum Held {
    Value(Value),
    /// A param or buffer, by its number in `Checker::params`.
    State(usize),
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

    /// The state with this name.
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
            let value = self.in_place(&param.name.text, |c| c.layer_argument(id, block, param, slot));
            self.instances[id.0 as usize].args.push((param.name.text.clone(), value));
        }
        self.constructing.push(block.clone());
        self.without_place(|c| c.in_frame(Frame::new(Owner::Instance(id)), |c| c.realize(id)));
        self.constructing.pop();
        Value::Instance(id)
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

    fn add_instance(&mut self, block: &Rc<ast::BlockItem>, place: Place, span: Span) -> InstanceId {
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
            results: vec![],
            span,
        });
        InstanceId(self.instances.len() as u32 - 1)
    }

    /// Capitals that members use, in order: the instance's own dimensions.
    fn instance_dims(&self, block: &ast::BlockItem) -> Vec<Rc<str>> {
        let mut names = vec![];
        block.members.iter().for_each(|m| member_capitals(m, &mut names));
        names.retain(|n| self.defs.get(&n.text, n.span.file).is_none());
        let mut found: Vec<Rc<str>> = vec![];
        for name in names {
            if !found.contains(&name.text) {
                found.push(name.text);
            }
        }
        found
    }

    /// Elaborates the members whose dimensions are known by now.
    pub fn realize(&mut self, id: InstanceId) {
        let pending = std::mem::take(&mut self.instances[id.0 as usize].pending);
        if pending.is_empty() {
            return;
        }
        let frame = Frame::new(Owner::Instance(id));
        self.in_frame(frame, |c| c.realize_members(id, &pending));
    }

    fn realize_members(&mut self, id: InstanceId, members: &[Member]) {
        for member in members {
            let mut names = vec![];
            match member {
                Member::If { cond, .. } => collect_capitals(cond, &mut names),
                member => member_capitals(member, &mut names),
            }
            let ready = names.iter().all(|n| {
                let known = self.instances[id.0 as usize].dim(&n.text).is_some();
                known || !self.instances[id.0 as usize].dim_names.contains(&n.text)
            });
            if ready {
                self.realize_member(id, member);
            } else {
                self.instances[id.0 as usize].pending.push(member.clone());
            }
        }
    }

    fn realize_member(&mut self, id: InstanceId, member: &Member) {
        match member {
            Member::If { cond, then, otherwise, .. } => {
                if let Some(holds) = self.eval_condition(cond) {
                    self.realize_members(id, if holds { then } else { otherwise });
                }
            }
            Member::Typed(m) => {
                let held = self.declare_state(id, m).map_or(Held::Value(Value::Error), Held::State);
                self.hold(id, &m.name, held);
            }
            Member::Setting(s) => {
                let mut place = self.instances[id.0 as usize].place.clone();
                place.path = join(&place.path, &s.name.text);
                let value = self.at_place(place, |c| c.eval(&s.value));
                self.hold(id, &s.name, Held::Value(value));
            }
            other => {
                if let Some((word, span)) = misplaced(other) {
                    self.report(not_in_a_layer(word, span));
                }
            }
        }
    }

    fn hold(&mut self, id: InstanceId, name: &ast::Name, held: Held) {
        let instance = &self.instances[id.0 as usize];
        let first = instance.members.iter().find(|(n, _)| n.text == name.text).map(|(n, _)| n.span);
        let argument = instance.def.params.iter().find(|p| p.name.text == name.text).map(|p| p.name.span);
        if let Some(first) = first.or(argument) {
            self.report(member_twice(name, first));
        } else {
            self.instances[id.0 as usize].members.push((name.clone(), held));
        }
    }

    /// What a bare name means inside the instance; `None` if it is not one of its own.
    pub fn member(&mut self, id: InstanceId, name: &ast::Name) -> Option<Value> {
        let instance = &self.instances[id.0 as usize];
        if let Some((_, value)) = instance.args.iter().find(|(n, _)| *n == name.text) {
            return Some(value.clone());
        }
        if let Some((_, held)) = instance.members.iter().find(|(n, _)| n.text == name.text) {
            return Some(match held.clone() {
                Held::Value(value) => value,
                Held::State(index) => self.read_state(index, name.span),
            });
        }
        if let Some(f) = method(&instance.def, &name.text) {
            return Some(Value::Function(Callable::Method(id, f.clone())));
        }
        let declared = instance.member_span(&name.text)?;
        let diag = self.absent_member(id, name, declared);
        Some(self.report(diag))
    }

    /// Why a declared member does not exist (yet).
    fn absent_member(&self, id: InstanceId, name: &ast::Name, declared: Span) -> Diagnostic {
        let instance = &self.instances[id.0 as usize];
        let waiting = instance.pending.iter().find(|m| find_member(std::slice::from_ref(m), &name.text).is_some());
        let mut capitals = vec![];
        waiting.iter().for_each(|m| member_capitals(m, &mut capitals));
        let missing = capitals.iter().find(|n| instance.dim(&n.text).is_none());
        match missing {
            Some(dim) => member_waits(name, declared, &dim.text, binder(&instance.def, &dim.text)),
            None => member_absent(name, declared),
        }
    }

    /// `base.name` for an instance.
    pub fn member_of(&mut self, id: InstanceId, name: &ast::Name) -> Value {
        if let Some(value) = self.member(id, name) {
            return value;
        }
        let instance = &self.instances[id.0 as usize];
        let diag = no_method(name, &instance.def.clone(), instance.names());
        self.report(diag)
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
    pub fn note_result(&mut self, value: &Value) {
        let Owner::Instance(id) = self.owner() else { return };
        if self.instances[id.0 as usize].results.is_empty() {
            let mut types = vec![];
            self.result_types(value, &mut types);
            self.instances[id.0 as usize].results = types;
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

/// An argument of a constructor before it is evaluated.
enum Source<'a> {
    Value(Value),
    Expr(&'a Expr),
}

pub fn join(path: &str, step: &str) -> Rc<str> {
    match (path, step) {
        ("", step) => step.into(),
        (path, "") => path.into(),
        (path, step) => format!("{path}.{step}").into(),
    }
}

fn find_member(members: &[Member], name: &str) -> Option<Span> {
    members.iter().find_map(|m| match m {
        Member::Typed(t) if &*t.name.text == name => Some(t.name.span),
        Member::Setting(s) if &*s.name.text == name => Some(s.name.span),
        Member::If { then, otherwise, .. } => find_member(then, name).or_else(|| find_member(otherwise, name)),
        _ => None,
    })
}

fn member_capitals(member: &Member, names: &mut Vec<ast::Name>) {
    match member {
        Member::Typed(m) => {
            type_capitals(&m.ty, names);
            m.value.iter().for_each(|e| collect_capitals(e, names));
        }
        Member::Setting(s) => collect_capitals(&s.value, names),
        Member::If { cond, then, otherwise, .. } => {
            collect_capitals(cond, names);
            then.iter().chain(otherwise).for_each(|m| member_capitals(m, names));
        }
        _ => {}
    }
}

fn type_capitals(ty: &TypeExpr, names: &mut Vec<ast::Name>) {
    if let TypeKind::Named { shape: Some(dims), .. } = &ty.kind {
        for dim in dims {
            match dim {
                DimExpr::Dim(e) => collect_capitals(e, names),
                DimExpr::Pack(_) => {}
            }
        }
    }
}

/// The function of a layer whose arguments name this dimension.
fn binder(def: &ast::BlockItem, dim: &str) -> Option<String> {
    def.members.iter().find_map(|m| match m {
        Member::Fn(f) => {
            let mut names = vec![];
            f.params.iter().filter_map(|p| p.ty.as_ref()).for_each(|t| type_capitals(t, &mut names));
            names.iter().any(|n| &*n.text == dim).then(|| f.name.text.to_string())
        }
        _ => None,
    })
}

/// Members that belong in other blocks.
fn misplaced(member: &Member) -> Option<(&str, Span)> {
    match member {
        Member::Each(e) => Some((&e.word.text, e.word.span)),
        Member::Every { span, .. } => Some(("every", *span)),
        Member::Directive(d) => Some((&d.word.text, d.word.span)),
        _ => None,
    }
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

fn member_twice(name: &ast::Name, first: Span) -> Diagnostic {
    Diagnostic::error(Code(403), format!("this layer has two members `{}`", name.text))
        .label(name.span, "declared again here")
        .label(first, "first declared here")
}

fn member_waits(name: &ast::Name, declared: Span, dim: &str, binder: Option<String>) -> Diagnostic {
    let diag = Diagnostic::error(Code(402), format!("`{}` cannot be used yet: `{dim}` is not known", name.text))
        .label(name.span, "used here")
        .label(declared, format!("its size depends on `{dim}`"));
    match binder {
        Some(f) => diag.help(format!("`{dim}` is bound only by `{f}`, which was not called before")),
        None => diag.help(format!("no function of the layer has `{dim}` in the type of an argument")),
    }
}

fn member_absent(name: &ast::Name, declared: Span) -> Diagnostic {
    Diagnostic::error(Code(405), format!("`{}` does not exist here", name.text))
        .label(name.span, "used here")
        .label(declared, "declared under a condition that does not hold")
}

fn not_in_a_layer(word: &str, span: Span) -> Diagnostic {
    Diagnostic::error(Code(410), format!("`{word}` does not belong in a layer"))
        .label(span, "a layer has `param`, `buffer`, members and `fn`")
}

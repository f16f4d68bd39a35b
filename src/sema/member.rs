//! Members of an instance: elaborated as soon as their dimensions are known, looked up by name.

use super::call::{block_name, method, no_method};
use super::checker::Checker;
use super::facts::Call;
use super::layer::{Held, join};
use super::scope::{Frame, Owner};
use super::terms::collect_capitals;
use super::value::{Callable, InstanceId, Value};
use crate::diag::{Code, Diagnostic};
use crate::source::Span;
use crate::syntax::ast::{self, DimExpr, Expr, Member, Setting, TypeExpr, TypeKind, TypedMember};

impl Checker {
    /// Elaborates the members whose dimensions are known by now; false if a fact of the layer does not hold.
    pub fn realize(&mut self, id: InstanceId) -> bool {
        let instance = &mut self.instances[id.0 as usize];
        let pending = std::mem::take(&mut instance.pending);
        let facts = std::mem::take(&mut instance.facts);
        if pending.is_empty() && facts.is_empty() {
            return true;
        }
        let frame = Frame { given: instance.given.clone(), ..Frame::new(Owner::Instance(id)) };
        self.in_frame(frame, |c| {
            let holds = c.prove_facts(id, facts);
            if holds {
                c.realize_members(id, &pending)
            } else {
                c.break_members(id, &pending)
            }
            holds
        })
    }

    /// Proves the conditions of the layer whose dimensions are known by now; false after an error.
    fn prove_facts(&mut self, id: InstanceId, facts: Vec<Expr>) -> bool {
        let (ready, waiting): (Vec<Expr>, Vec<Expr>) = facts.into_iter().partition(|f| {
            let mut names = vec![];
            collect_capitals(f, &mut names);
            self.are_known(id, &names)
        });
        let instance = &mut self.instances[id.0 as usize];
        instance.facts = waiting;
        let (def, span) = (instance.def.clone(), instance.span);
        self.prove_all(&ready, Call { name: block_name(&def), span, def: def.span })
    }

    /// Members of an instance whose conditions do not hold are not reported again.
    fn break_members(&mut self, id: InstanceId, members: &[Member]) {
        for member in members {
            match member {
                Member::Typed(TypedMember { name, .. }) | Member::Setting(Setting { name, .. }) => {
                    self.hold(id, name, Held::Value(Value::Error));
                }
                Member::If { then, otherwise, .. } => {
                    self.break_members(id, then);
                    self.break_members(id, otherwise);
                }
                _ => {}
            }
        }
    }

    /// Whether these dimensions, as far as they are the instance's own, have a value.
    fn are_known(&self, id: InstanceId, names: &[ast::Name]) -> bool {
        let instance = &self.instances[id.0 as usize];
        names.iter().all(|n| instance.dim(&n.text).is_some() || !instance.dim_names.contains(&n.text))
    }

    fn realize_members(&mut self, id: InstanceId, members: &[Member]) {
        for member in members {
            let mut names = vec![];
            match member {
                Member::If { cond, .. } => collect_capitals(cond, &mut names),
                member => member_capitals(member, &mut names),
            }
            if self.are_known(id, &names) {
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
            Member::Typed(m) if is_memory(m) => {
                let held = if m.value.is_some() {
                    Held::Memory(m.clone().into())
                } else {
                    self.report(super::param::no_initial_value(m));
                    Held::Value(Value::Error)
                };
                self.hold(id, &m.name, held);
            }
            Member::Typed(m) => {
                let held = self.declare_state(id, m).map_or(Held::Value(Value::Error), Held::State);
                self.hold(id, &m.name, held);
            }
            Member::Setting(s) => {
                let mut place = self.instances[id.0 as usize].place.clone();
                place.path = join(&place.path, &s.name.text);
                let value = self.at_place(place, |c| c.eval(&s.value));
                let value = self.constructed(value, s.value.span);
                self.hold(id, &s.name, Held::Value(value));
            }
            Member::Directive(d) => {
                self.report(not_in_a_layer(&d.word.text, d.word.span));
                // Most likely `name = value` was meant.
                self.hold(id, &d.word, Held::Value(Value::Error));
            }
            Member::Each(e) => {
                self.report(not_in_a_layer(&e.word.text, e.word.span));
            }
            Member::Every { span, .. } => {
                self.report(not_in_a_layer("every", *span));
            }
            Member::Fn(_) | Member::Error(_) => {}
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
                Held::Memory(m) => self.read_memory(id, &m, name.span),
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
}

/// The declaration of a parameter, buffer or state, under whatever conditions.
pub fn typed_member<'m>(members: &'m [Member], name: &str) -> Option<&'m TypedMember> {
    members.iter().find_map(|m| match m {
        Member::Typed(t) if &*t.name.text == name => Some(t),
        Member::If { then, otherwise, .. } => typed_member(then, name).or_else(|| typed_member(otherwise, name)),
        _ => None,
    })
}

pub fn find_member(members: &[Member], name: &str) -> Option<Span> {
    members.iter().find_map(|m| match m {
        Member::Typed(t) if &*t.name.text == name => Some(t.name.span),
        Member::Setting(s) if &*s.name.text == name => Some(s.name.span),
        Member::If { then, otherwise, .. } => find_member(then, name).or_else(|| find_member(otherwise, name)),
        _ => None,
    })
}

/// Whether it is a `state`; its dimensions belong to a root call and not to the layer.
fn is_memory(m: &TypedMember) -> bool {
    m.word.as_ref().is_some_and(|w| &*w.text == "state")
}

pub fn member_capitals(member: &Member, names: &mut Vec<ast::Name>) {
    match member {
        Member::Typed(m) if is_memory(m) => {}
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
        .help("a member is declared as `name = Layer(…)`")
}

//! Frames, local names, and what a name means.

use super::builtins;
use super::checker::Checker;
use super::data::Raw;
use super::defs::{Def, did_you_mean, suggest};
use super::value::{Callable, InstanceId, Object, Value};
use crate::diag::{Code, Diagnostic};
use crate::ops::DType;
use crate::ops::dim::Dim;
use crate::source::Span;
use crate::syntax::ast;
use crate::tensor;
use std::rc::Rc;
use std::sync::Arc;

#[derive(Clone, Debug)]
pub struct Local {
    pub name: Arc<str>,
    pub value: Value,
    pub is_var: bool,
    pub span: Span,
}

/// A dimension with the place that fixed it.
#[derive(Clone, Debug)]
pub struct BoundDim {
    pub dim: Dim,
    pub span: Span,
}

#[derive(Clone, Debug)]
pub struct Pack {
    pub dims: Vec<Dim>,
    pub span: Span,
}

/// Whose members a function sees.
#[derive(Clone, Debug)]
pub enum Owner {
    None,
    Instance(InstanceId),
    /// An optimizer, schedule or initializer; for an optimizer with the parameter it works on.
    Object(Rc<Object>, Option<Rc<OptimizerSlot>>),
}

/// The optimizer state of one parameter: names are `<prefix>.<buffer>.<path>`.
#[derive(Debug)]
pub struct OptimizerSlot {
    pub prefix: Arc<str>,
    pub path: Arc<str>,
}

impl Owner {
    pub fn instance(&self) -> Option<InstanceId> {
        match self {
            Owner::Instance(id) => Some(*id),
            _ => None,
        }
    }
}

/// One call: its own dimensions and its nested blocks of locals.
#[derive(Clone, Debug)]
pub struct Frame {
    pub owner: Owner,
    pub dims: Vec<(Arc<str>, BoundDim)>,
    pub packs: Vec<(Arc<str>, Pack)>,
    pub scopes: Vec<Vec<Local>>,
    /// Where the arguments of the call stand; defaults are not among them.
    pub given: Vec<(Arc<str>, Span)>,
    /// Names not found here are looked up in the frame below (a phase inside its `train` block).
    pub nested: bool,
    /// Inside `if training { … }`.
    pub in_training: bool,
    /// What `raw` means while a data field is elaborated.
    pub raw: Option<Raw>,
    /// Axes of values whose type was declared, by the dimension's name.
    pub axes: Vec<(tensor::Value, Arc<str>, usize)>,
    /// What the iteration of each open scan has yielded so far.
    pub yields: Vec<Vec<(Value, Span)>>,
    /// Dimensions of arguments that wait for others.
    pub deferred: Vec<super::shapes::Deferred>,
}

impl Frame {
    pub fn new(owner: Owner) -> Self {
        Frame {
            owner,
            dims: vec![],
            packs: vec![],
            scopes: vec![vec![]],
            given: vec![],
            nested: false,
            in_training: false,
            raw: None,
            axes: vec![],
            yields: vec![],
            deferred: vec![],
        }
    }

    pub fn nested() -> Self {
        Frame { nested: true, ..Frame::new(Owner::None) }
    }

    fn local(&mut self, name: &str) -> Option<&mut Local> {
        self.scopes.iter_mut().rev().flat_map(|s| s.iter_mut().rev()).find(|l| &*l.name == name)
    }

    pub fn dim(&self, name: &str) -> Option<&BoundDim> {
        self.dims.iter().find(|(n, _)| &**n == name).map(|(_, d)| d)
    }

    pub fn pack(&self, name: &str) -> Option<&Pack> {
        self.packs.iter().find(|(n, _)| &**n == name).map(|(_, p)| p)
    }

    /// The axes of `x` that its declared type calls by this name.
    pub fn declared_axes(&self, x: tensor::Value, name: &str) -> Vec<usize> {
        self.axes.iter().filter(|(y, n, _)| *y == x && &**n == name).map(|(.., axis)| *axis).collect()
    }

    pub fn declare(&mut self, local: Local) {
        if let Some(scope) = self.scopes.last_mut() {
            scope.push(local);
        }
    }
}

/// Conversions of data that the language has and this version does not.
const CONVERSIONS: [&str; 1] = ["picture"];

/// Capitals name dimensions; everything else is a value.
pub fn is_capital(name: &str) -> bool {
    name.chars().next().is_some_and(char::is_uppercase)
}

impl Checker {
    pub fn frame(&mut self) -> &mut Frame {
        if self.frames.is_empty() {
            self.frames.push(Frame::new(Owner::None));
        }
        let last = self.frames.len() - 1;
        &mut self.frames[last]
    }

    pub fn owner(&self) -> Owner {
        self.frames.last().map_or(Owner::None, |f| f.owner.clone())
    }

    /// Runs `f` in a frame of its own and gives the frame back.
    pub fn in_frame<R>(&mut self, frame: Frame, f: impl FnOnce(&mut Self) -> R) -> R {
        self.frames.push(frame);
        let result = f(self);
        self.frames.pop();
        result
    }

    pub fn in_scope<R>(&mut self, f: impl FnOnce(&mut Self) -> R) -> R {
        self.frame().scopes.push(vec![]);
        let result = f(self);
        self.frame().scopes.pop();
        result
    }

    pub fn declare(&mut self, name: &ast::Name, value: Value, is_var: bool) {
        if &*name.text == "_" {
            return;
        }
        if let Some(id) = self.owner().instance()
            && let Some(span) = self.instances[id.0 as usize].member_span(&name.text)
        {
            self.report(local_hides_member(name, span));
        }
        self.frame().declare(Local { name: name.text.clone(), value, is_var, span: name.span });
    }

    /// Frames that the innermost one can see, innermost first.
    fn visible_frames(&self) -> impl Iterator<Item = usize> + use<> {
        let nested: Vec<bool> = self.frames.iter().map(|f| f.nested).collect();
        let mut next = nested.len().checked_sub(1);
        std::iter::from_fn(move || {
            let here = next?;
            next = if nested[here] { here.checked_sub(1) } else { None };
            Some(here)
        })
    }

    pub fn find_local(&mut self, name: &str) -> Option<&mut Local> {
        let mut visible = self.visible_frames();
        let at = visible.find(|&i| self.frames[i].local(name).is_some())?;
        self.frames[at].local(name)
    }

    pub fn find_pack(&self, name: &str) -> Option<Pack> {
        self.visible_frames().find_map(|i| self.frames[i].pack(name).cloned())
    }

    pub fn find_dim(&self, name: &str) -> Option<BoundDim> {
        self.visible_frames().find_map(|i| {
            let frame = &self.frames[i];
            frame.dim(name).or_else(|| self.instance_dim(&frame.owner, name)).cloned()
        })
    }

    fn instance_dim(&self, owner: &Owner, name: &str) -> Option<&BoundDim> {
        owner.instance().and_then(|id| self.instances[id.0 as usize].dim(name))
    }

    /// What a name means here.
    pub fn eval_name(&mut self, name: &ast::Name) -> Value {
        if let Some(local) = self.find_local(&name.text) {
            return local.value.clone();
        }
        if let Some(bound) = self.find_dim(&name.text) {
            return Value::Dim(bound.dim);
        }
        if let Some(pack) = self.find_pack(&name.text) {
            return Value::List(pack.dims.into_iter().map(Value::Dim).collect());
        }
        if let Some(value) = self.owned_name(name) {
            return value;
        }
        self.global_name(name).unwrap_or_else(|| self.unknown_name(name))
    }

    fn owned_name(&mut self, name: &ast::Name) -> Option<Value> {
        match self.owner() {
            Owner::Instance(id) => self.member(id, name),
            Owner::Object(object, slot) => self.object_name(&object, slot.as_deref(), name),
            Owner::None => None,
        }
    }

    fn global_name(&mut self, name: &ast::Name) -> Option<Value> {
        if &*name.text == "training" {
            return Some(Value::Bool(self.training));
        }
        if let Some(def) = self.defs.get(&name.text, name.span.file).cloned() {
            return Some(self.definition(&name.text, &def));
        }
        if let Some(dtype) = DType::from_name(&name.text) {
            return Some(Value::DType(dtype));
        }
        let builtin = builtins::lookup(&name.text).is_some();
        builtin.then(|| Value::Function(Callable::Builtin(name.text.clone())))
    }

    fn definition(&mut self, name: &Arc<str>, def: &Def) -> Value {
        match def {
            Def::Fn(f) => Value::Function(Callable::Fn(f.clone())),
            Def::Let(l) => self.top_level_let(name, l),
            Def::Block(b) if &*b.word.text == "data" => Value::Data(name.clone()),
            Def::Block(b) => Value::Function(Callable::Constructor(b.clone())),
        }
    }

    /// Whether a name means anything here.
    pub fn is_defined(&mut self, name: &ast::Name) -> bool {
        self.find_local(&name.text).is_some()
            || self.find_dim(&name.text).is_some()
            || self.find_pack(&name.text).is_some()
            || self.owned_name(name).is_some()
            || self.global_name(name).is_some()
    }

    fn unknown_name(&mut self, name: &ast::Name) -> Value {
        if is_capital(&name.text) && self.is_dimension_here(&name.text) {
            return self.report(unbound_dimension(name));
        }
        if self.frame().raw.is_some() && CONVERSIONS.contains(&&*name.text) {
            return self.report(super::unsupported::conversion(&name.text, name.span));
        }
        let found = self.similar_name(&name.text);
        self.report(unknown_name(name, found))
    }

    /// Whether the instance in whose method we are declares this dimension.
    fn is_dimension_here(&self, name: &str) -> bool {
        let instance = self.owner().instance().map(|id| &self.instances[id.0 as usize]);
        instance.is_some_and(|i| i.dim_names.iter().any(|d| &**d == name))
    }

    fn similar_name(&self, name: &str) -> Option<String> {
        let mut names: Vec<String> = vec![];
        for i in self.visible_frames() {
            let frame = &self.frames[i];
            names.extend(frame.scopes.iter().flatten().map(|l| l.name.to_string()));
            names.extend(frame.dims.iter().map(|(n, _)| n.to_string()));
            match &frame.owner {
                Owner::Instance(id) => names.extend(self.instances[id.0 as usize].names()),
                Owner::Object(object, _) => names.extend(object.args.iter().map(|(n, _)| n.to_string())),
                Owner::None => {}
            }
        }
        suggest(name, names.iter().map(String::as_str))
            .or_else(|| suggest(name, self.defs.names()))
            .or_else(|| suggest(name, builtins::names().chain(DType::ALL.iter().map(|d| d.name()))))
    }
}

fn unknown_name(name: &ast::Name, found: Option<String>) -> Diagnostic {
    let diag = Diagnostic::error(Code(101), format!("`{}` is not defined", name.text));
    let diag = diag.label(name.span, "not found in this scope");
    did_you_mean(diag, name.span, found)
}

fn unbound_dimension(name: &ast::Name) -> Diagnostic {
    Diagnostic::error(Code(402), format!("the dimension `{}` is not known here", name.text))
        .label(name.span, "no call so far has fixed it")
        .help("a dimension of a layer is fixed by the first call that has it in an argument's type")
}

fn local_hides_member(name: &ast::Name, member: Span) -> Diagnostic {
    Diagnostic::error(Code(113), format!("`{}` is a member of this layer", name.text))
        .label(name.span, "a local name may not hide it")
        .label(member, "the member")
}

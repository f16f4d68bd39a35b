//! The state of one elaboration and the ways into it: reporting, fresh symbols, switching graphs.

use super::defs::Defs;
use super::emit::{Checked, Emit};
use super::lanes::LaneState;
use super::layer::Instance;
use super::memory::Memory;
use super::model::DataValue;
use super::param::ParamInfo;
use super::phase::PhaseState;
use super::scope::Frame;
use super::train::TrainState;
use super::value::{InstanceId, Value};
use crate::diag::{Code, Diagnostic, Label};
use crate::ops::dim::{Dim, Symbol};
use crate::source::Span;
use crate::tensor;
use std::collections::{HashMap, HashSet};
use std::rc::Rc;
use std::sync::Arc;

/// A graph under construction with the present value of each named tensor in it.
pub struct GraphState {
    pub emit: Emit,
    /// Present value of each param, buffer and optimizer state that this graph has read or changed.
    pub current: HashMap<Arc<str>, tensor::Value>,
    /// What has changed, in order of the first change.
    pub updated: Vec<Arc<str>>,
    /// States of the root call under elaboration.
    pub memories: Vec<Memory>,
    /// Calls and scans that are open.
    pub open_calls: usize,
    /// The stream of lanes in which states go on from batch to batch, and those of them that were used.
    pub stream: Option<Arc<str>>,
    pub lane_states: Vec<LaneState>,
    pub kind: GraphKind,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum GraphKind {
    /// First values of params, buffers and optimizer state.
    Init,
    Phase,
    /// Body or vjp of a composite function.
    Region,
}

impl GraphState {
    pub fn new(name: &str, kind: GraphKind) -> Self {
        GraphState {
            emit: Emit::new(name),
            current: HashMap::new(),
            updated: vec![],
            memories: vec![],
            open_calls: 0,
            stream: None,
            lane_states: vec![],
            kind,
        }
    }

    pub fn set(&mut self, path: &Arc<str>, value: tensor::Value) {
        if !self.updated.contains(path) {
            self.updated.push(path.clone());
        }
        self.current.insert(path.clone(), value);
    }
}

/// An open call: for the recursion guard, and to show a library's error at the user's call.
pub struct CallSite {
    pub name: Arc<str>,
    /// Where the function stands: its identity.
    pub function: Span,
    pub owner: Option<InstanceId>,
    pub span: Span,
}

pub struct Checker {
    pub defs: Defs,
    pub diags: Vec<Diagnostic>,
    pub graph: GraphState,
    /// The graph that is not being built: the init graph during a phase.
    pub aside: GraphState,
    pub frames: Vec<Frame>,
    pub calls: Vec<CallSite>,
    pub instances: Vec<Instance>,
    pub params: Vec<ParamInfo>,
    /// Values of top-level `let`s that were looked up.
    pub lets: HashMap<Arc<str>, Value>,
    /// Functions whose body was elaborated at least once, by their span.
    pub entered: HashSet<Span>,
    pub overrides: Vec<Override>,
    /// Where a constructor call makes a layer instance; `None` in functions.
    pub place: Option<super::layer::Place>,
    /// Layers whose construction has begun: a layer cannot contain itself.
    pub constructing: Vec<Rc<crate::syntax::ast::BlockItem>>,
    pub training: bool,
    pub probing: Probing,
    /// The definition that is probed, by its place: its own facts are taken for granted.
    pub probed: Option<Span>,
    pub phase: Option<PhaseState>,
    pub train: TrainState,
    /// Numbers that the data gives: known, or a symbol in their place.
    pub values: Vec<(DataValue, Dim)>,
    next_symbol: u32,
}

/// `--set name=value`
pub struct Override {
    pub name: String,
    pub value: String,
    pub used: bool,
}

/// Elaborating a definition by itself, with opaque arguments: what depends on their values is not an error.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Debug)]
pub enum Probing {
    Off,
    /// The dimensions of arguments are opaque symbols.
    Dims,
    /// Integer arguments are opaque too.
    Ints,
    /// The file has real uses elsewhere: shapes are judged only there.
    NamesOnly,
}

impl Probing {
    /// Whether a diagnostic of an operation may be due to what is opaque.
    fn silences(self, code: Code) -> bool {
        let needs_dims = [354, 357, 359, 362].contains(&code.0);
        let needs_ints = [258, 356].contains(&code.0);
        let is_shape = (300..400).contains(&code.0);
        (self >= Probing::Dims && needs_dims)
            || (self >= Probing::Ints && needs_ints)
            || (self == Probing::NamesOnly && is_shape)
    }
}

/// Places that one error shows at most.
const MAX_LABELS: usize = 4;

impl Checker {
    pub fn new(defs: Defs, diags: Vec<Diagnostic>, overrides: &[(String, String)]) -> Self {
        let overrides =
            overrides.iter().map(|(n, v)| Override { name: n.clone(), value: v.clone(), used: false }).collect();
        Checker {
            defs,
            diags,
            graph: GraphState::new("phase", GraphKind::Phase),
            aside: GraphState::new("init", GraphKind::Init),
            frames: vec![],
            calls: vec![],
            instances: vec![],
            params: vec![],
            lets: HashMap::new(),
            entered: HashSet::new(),
            overrides,
            place: None,
            constructing: vec![],
            training: false,
            probing: Probing::Off,
            probed: None,
            phase: None,
            train: TrainState::default(),
            values: vec![],
            next_symbol: 0,
        }
    }

    /// Keeps a diagnostic, once per place; the result poisons what depends on it.
    pub fn report(&mut self, diag: Diagnostic) -> Value {
        let diag = self.show_callers(diag);
        let place = |d: &Diagnostic| d.labels.first().map(|l| l.span);
        let silent = self.probing.silences(diag.code);
        let known = self.diags.iter().any(|d| d.code == diag.code && place(d) == place(&diag));
        if !silent && !known && !self.join_unknown(&diag) && !self.join_same(&diag) {
            self.diags.push(diag);
        }
        Value::Error
    }

    /// A name that is missing is one mistake, wherever it is used: further places become labels of the first error.
    fn join_unknown(&mut self, diag: &Diagnostic) -> bool {
        let is_same = |d: &&mut Diagnostic| diag.code == Code(101) && d.code == diag.code && d.message == diag.message;
        let Some(first) = self.diags.iter_mut().find(is_same) else { return false };
        if first.labels.len() < MAX_LABELS
            && let Some(label) = diag.labels.first()
        {
            first.labels.push(Label { span: label.span, text: "also used here".into() });
        }
        true
    }

    /// The same words about the same declaration of the user are one mistake, wherever they are met: the four phases
    /// call a model that declares a wrong shape.
    fn join_same(&mut self, diag: &Diagnostic) -> bool {
        let [here, declared, ..] = &diag.labels[..] else { return false };
        if !self.defs.is_user(declared.span.file) {
            return false;
        }
        let is_same = |d: &&mut Diagnostic| {
            (d.code, &d.message) == (diag.code, &diag.message)
                && d.labels.get(1).is_some_and(|l| l.span == declared.span)
        };
        let Some(first) = self.diags.iter_mut().find(is_same) else { return false };
        if first.labels.len() < MAX_LABELS {
            first.labels.push(Label { span: here.span, text: "and here".into() });
        }
        true
    }

    /// Reports something that may be due to a value that is not known here: silent while probing.
    pub fn report_open(&mut self, diag: Diagnostic) -> Value {
        if self.probing == Probing::Off { self.report(diag) } else { Value::Error }
    }

    /// An error inside the library points at the user's call first, then at the declaration of the layer it is in.
    pub fn show_callers(&self, mut diag: Diagnostic) -> Diagnostic {
        let in_library = diag.labels.first().is_some_and(|l| !self.defs.is_user(l.span.file));
        if !in_library {
            return diag;
        }
        let call = self.calls.iter().rev().find(|c| self.defs.is_user(c.span.file));
        let call = call.map(|c| Label { span: c.span, text: format!("in this call of `{}`", c.name) });
        diag.labels = call.into_iter().chain(self.library_layer()).chain(diag.labels).collect();
        diag
    }

    /// The line of the user that declares the layer of the library whose code is elaborated.
    fn library_layer(&self) -> Option<Label> {
        let id = self.frames.iter().rev().find_map(|f| f.owner.instance())?;
        let instance = &self.instances[id.0 as usize];
        let is_users = self.defs.is_user(instance.span.file) && !self.defs.is_user(instance.def.span.file);
        let path = if instance.path.is_empty() { &instance.root } else { &instance.path };
        let text = format!("`{path}` is declared here with these arguments");
        is_users.then_some(Label { span: instance.span, text })
    }

    /// The value of a result, or its error reported.
    pub fn settle(&mut self, result: Checked<Value>) -> Value {
        result.unwrap_or_else(|diag| self.report(*diag))
    }

    pub fn fresh_symbol(&mut self, name: &str) -> Dim {
        self.next_symbol += 1;
        Dim::symbol(Symbol { name: name.into(), id: self.next_symbol })
    }

    /// Says that the next instructions come from `span` in the innermost instance.
    pub fn at(&mut self, span: Span) {
        self.graph.emit.origin.span = span;
    }

    pub fn emit(&mut self, span: Span) -> &mut Emit {
        self.at(span);
        &mut self.graph.emit
    }

    /// Runs `f` with `state` as the graph under construction and gives the graph back.
    pub fn with_graph<R>(&mut self, mut state: GraphState, f: impl FnOnce(&mut Self) -> R) -> (GraphState, R) {
        state.emit.learned = self.open_values();
        let outer = std::mem::replace(&mut self.graph, state);
        let result = f(self);
        (std::mem::replace(&mut self.graph, outer), result)
    }

    /// Runs `f` on the init graph.
    pub fn in_init<R>(&mut self, f: impl FnOnce(&mut Self) -> R) -> R {
        if self.graph.kind == GraphKind::Init {
            return f(self);
        }
        std::mem::swap(&mut self.graph, &mut self.aside);
        let result = f(self);
        std::mem::swap(&mut self.graph, &mut self.aside);
        result
    }
}

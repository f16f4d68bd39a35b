//! A `train` block: instances and optimizers, settings, phases.

use super::call::is_layer;
use super::checker::{Checker, GraphKind, GraphState};
use super::data::DataInfo;
use super::defs::Def;
use super::freeze::Freeze;
use super::layer::Place;
use super::model::{self, ParamKind, PhaseKind, Unit};
use super::optimizer::Choice;
use super::param::ParamInfo;
use super::scope::{Frame, Owner};
use super::settings::{Knobs, SETTINGS};
use crate::diag::{Code, Diagnostic};
use crate::ops::{Extent, Type};
use crate::source::{FileId, Span};
use crate::syntax::ast::{self, BlockItem, ExprKind, Member, Pattern};
use crate::tensor::OutputRole;
use std::rc::Rc;
use std::sync::Arc;

/// What the phases of a `train` block share.
#[derive(Default)]
pub struct TrainState {
    /// Parameter paths then begin with the root's name.
    pub several_roots: bool,
    /// Data declarations checked so far; `None` after an error.
    pub data: Vec<(Arc<str>, Option<Rc<DataInfo>>)>,
    pub knobs: Knobs,
    pub optimizer: Option<Choice>,
    /// A setting was not understood: what is missing may be that one.
    pub broken_settings: bool,
    /// `optimizer for net.bert = …`: path prefix and optimizer.
    pub targeted: Vec<(Arc<str>, Choice)>,
    /// What does not learn.
    pub freezes: Vec<Freeze>,
    /// The steps that the graph under construction is for; `None` outside of `step`.
    pub stage: Option<model::Stage>,
    /// The updates under elaboration happen at each so many steps.
    pub period: i64,
    /// How many `minimize`s the graph under construction has.
    pub minimized: usize,
    /// The data of `step`, in which `predict` looks for its fields.
    pub step_data: Option<Arc<str>>,
    /// The phases so far that go through lanes.
    pub streams: Vec<PhaseKind>,
    /// What each kind of phase reports.
    pub reported: Vec<(PhaseKind, Arc<str>)>,
}

impl Checker {
    pub fn user_file(&self) -> FileId {
        self.defs.user_file()
    }

    /// Elaborates one block; what it declares is appended to `model`.
    pub fn check_train(&mut self, block: &BlockItem, out: &mut model::Model) {
        self.reset_train();
        let members = &block.members;
        let is_odd = |m: &Member| match m {
            Member::Directive(d) => SETTINGS.contains(&&*d.word.text),
            member => matches!(member, Member::Error(_)),
        };
        self.train.broken_settings = members.iter().any(is_odd);
        self.train.several_roots = members.iter().filter(|m| self.is_root(m)).count() > 1;
        let train = self.in_frame(Frame::new(Owner::None), |c| {
            c.eval_lets(members);
            let settings = c.eval_settings(members, block.word.span);
            let phases = c.check_phases(members, block.word.span);
            c.check_goals(&settings);
            let loads = members.iter().filter_map(|m| directive(m, "load")).filter_map(|d| c.check_load(d)).collect();
            let generation = c.check_generation(members, block.word.span);
            model::Train {
                name: block.name.as_ref().map_or(String::new(), |n| n.text.to_string()),
                settings,
                init: c.finish_init(),
                phases,
                loads,
                generation,
                span: block.span,
            }
        });
        out.trains.push(train);
        self.export_layers(out);
    }

    fn reset_train(&mut self) {
        let data = std::mem::take(&mut self.train.data);
        self.train = TrainState { data, period: 1, ..TrainState::default() };
        self.instances.clear();
        self.params.clear();
        self.aside = GraphState::new("init", GraphKind::Init);
        // Draws of the init graph do not depend on a step.
        let zero = self.aside.emit.constant(0.0, crate::ops::DType::I32);
        self.aside.emit.scalars.insert("step".into(), zero);
    }

    /// `let net = Net(…)`
    fn is_root(&self, member: &Member) -> bool {
        let Member::Setting(ast::Setting { is_let: true, value, .. }) = member else { return false };
        let ExprKind::Call(callee, _) = &value.kind else { return false };
        let ExprKind::Name(name) = &callee.kind else { return false };
        matches!(self.defs.get(&name.text, name.span.file), Some(Def::Block(b)) if is_layer(b))
    }

    fn eval_lets(&mut self, members: &[Member]) {
        for member in members {
            if let Member::Setting(s) = member
                && s.is_let
            {
                let place = Place { root: s.name.text.clone(), path: "".into() };
                let value = self.at_place(place, |c| c.eval(&s.value));
                let value = self.constructed(value, s.value.span);
                self.bind_pattern(&Pattern::Name(s.name.clone()), value, false);
            }
        }
    }

    fn check_phases(&mut self, members: &[Member], word: Span) -> Vec<model::Phase> {
        let mut phases = vec![];
        members.iter().filter_map(|m| directive(m, "freeze")).for_each(|d| self.check_freeze(d));
        for member in members {
            match member {
                Member::Each(each) if &*each.word.text == "step" => phases.extend(self.check_steps(each)),
                Member::Each(each) => phases.extend(self.check_phase(each, None)),
                Member::Every { count, unit, members, .. } => phases.extend(self.check_every(count, unit, members)),
                Member::Directive(d) if matches!(&*d.word.text, "load" | "freeze") => {}
                Member::Directive(d) => {
                    self.report(unknown_directive(&d.word));
                }
                Member::Setting(_) | Member::Error(_) => {}
                Member::Fn(f) => {
                    self.report(not_in_train("fn", f.name.span));
                }
                Member::Typed(m) => {
                    self.report(not_in_train("a declaration", m.span));
                }
                Member::If { span, .. } => {
                    self.report(not_in_train("if", *span));
                }
            }
        }
        let has_step = members.iter().any(|m| matches!(m, Member::Each(e) if &*e.word.text == "step"));
        if !has_step {
            self.report(no_step(word));
        }
        phases
    }

    /// The graphs of a `step`: one for each stage of the training.
    fn check_steps(&mut self, each: &ast::Each) -> Vec<model::Phase> {
        let stages = self.stages();
        let mut phases = vec![];
        for stage in stages {
            self.train.stage = Some(stage);
            self.train.minimized = 0;
            phases.extend(self.check_phase(each, None));
        }
        self.train.stage = None;
        phases
    }

    fn check_every(&mut self, count: &ast::Expr, unit: &ast::Name, members: &[Member]) -> Vec<model::Phase> {
        let every = self.eval_int(count).zip(self.unit(unit)).map(|(n, unit)| (n.max(1) as u64, unit));
        let mut phases = vec![];
        for member in members {
            match member {
                Member::Each(each) => phases.extend(self.check_phase(each, every)),
                Member::Error(_) => {}
                _ => {
                    self.report(only_phases(unit.span));
                }
            }
        }
        phases
    }

    pub fn unit(&mut self, name: &ast::Name) -> Option<Unit> {
        match &*name.text {
            "step" | "steps" => Some(Unit::Steps),
            "epoch" | "epochs" => Some(Unit::Epochs),
            _ => {
                self.report(bad_unit(name));
                None
            }
        }
    }

    fn finish_init(&mut self) -> crate::tensor::Graph<crate::ops::dim::Dim> {
        let state = std::mem::replace(&mut self.aside, GraphState::new("init", GraphKind::Init));
        let mut graph = state.emit.graph;
        for path in &state.updated {
            graph.output(&**path, OutputRole::Update, state.current[path]);
        }
        graph
    }

    /// Adds instances and parameters to the model; a path that an earlier `train` block declared stays as it is.
    pub fn export_layers(&mut self, out: &mut model::Model) {
        for instance in &self.instances {
            out.layers.push(model::Layer {
                path: instance.local_path().to_string(),
                root: instance.root.to_string(),
                kind: super::call::block_name(&instance.def).to_string(),
                results: instance.results.clone(),
                span: instance.span,
            });
        }
        // By layer and declaration, not by what a call happened to need first; optimizer state follows.
        let mut params: Vec<&ParamInfo> = self.params.iter().collect();
        params.sort_by_key(|p| self.declaration_order(p));
        for info in params {
            let shape: Option<Vec<usize>> =
                info.ty.shape.iter().map(|d| d.known().and_then(|n| usize::try_from(n).ok())).collect();
            if let Some(shape) = shape
                && !out.params.iter().any(|p| p.path == *info.path)
            {
                let ty = Type::new(info.ty.dtype, shape);
                out.params.push(model::Param { path: info.path.to_string(), kind: info.kind, ty, span: info.span });
            }
        }
    }

    /// A sort key: by layer, then by place in the layer; optimizer state last.
    pub fn declaration_order(&self, p: &ParamInfo) -> (bool, Option<usize>, u32) {
        match p.kind {
            ParamKind::OptState | ParamKind::Statistic => (true, None, 0),
            _ => (false, self.instances.iter().position(|i| i.path == p.layer), p.span.start),
        }
    }

    /// `keep` and `stop` name something that `validate` reports.
    fn check_goals(&mut self, settings: &model::Settings) {
        let goals = settings.keep.iter().chain(settings.stop.iter().map(|p| &p.goal));
        for goal in goals {
            let reported: Vec<String> = self
                .train
                .reported
                .iter()
                .filter(|(kind, _)| *kind == PhaseKind::Validate)
                .map(|(_, name)| name.to_string())
                .collect();
            if !reported.contains(&goal.metric) {
                self.report(not_reported(goal, &reported));
            }
        }
    }
}

/// A directive with this word.
fn directive<'m>(member: &'m Member, word: &str) -> Option<&'m ast::Directive> {
    match member {
        Member::Directive(d) if &*d.word.text == word => Some(d),
        _ => None,
    }
}

fn not_in_train(what: &str, span: Span) -> Diagnostic {
    Diagnostic::error(Code(524), format!("`{what}` does not belong in a `train` block"))
        .label(span, "expected a `let`, a setting, `step`, `validate`, `test` or `predict`")
}

fn unknown_directive(word: &ast::Name) -> Diagnostic {
    let diag = not_in_train(&word.text, word.span);
    let end = Span { start: word.span.end, ..word.span };
    match SETTINGS.contains(&&*word.text) {
        true => diag.help("a setting has an `=`").fix(end, " =", format!("write `{} = …`", word.text)),
        false => diag,
    }
}

fn no_step(word: Span) -> Diagnostic {
    Diagnostic::error(Code(523), "this `train` block has no `step`")
        .label(word, "what does one step of training do?")
        .help("write `step (x, y) in Data.train |> shuffle |> batch(64) { … minimize … }`")
}

fn only_phases(span: Span) -> Diagnostic {
    Diagnostic::error(Code(524), "`every` holds `validate` and `test` blocks").label(span, "something else stands here")
}

fn bad_unit(name: &ast::Name) -> Diagnostic {
    Diagnostic::error(Code(525), format!("`{}` is not a unit of time", name.text))
        .label(name.span, "expected `steps` or `epochs`")
}

fn not_reported(goal: &model::Goal, reported: &[String]) -> Diagnostic {
    let diag = Diagnostic::error(Code(512), format!("`validate` does not report `{}`", goal.metric))
        .label(goal.span, "not reported");
    if reported.is_empty() {
        return diag.help("add a `validate` block with `report`");
    }
    let found = super::defs::suggest(&goal.metric, reported.iter().map(String::as_str));
    match found {
        None => diag.help(format!("it reports `{}`", reported.join("`, `"))),
        found => super::defs::did_you_mean(diag, goal.span, found),
    }
}

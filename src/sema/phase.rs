//! `step`, `validate`, `test` and `predict`: a pipeline, fields in scope, and a body that becomes a graph.

use super::checker::{Checker, GraphKind, GraphState};
use super::data::{Batch, DataInfo, Sequences};
use super::defs::{did_you_mean, suggest};
use super::emit::Emit;
use super::lanes;
use super::model::{DecodedReport, Padded, Phase, PhaseKind, Pipeline, Requirement, Unit};
use super::nonempty;
use super::scope::{BoundDim, Frame};
use super::value::{Decoded, Value};
use crate::diag::{Code, Diagnostic};
use crate::ops::dim::Dim;
use crate::ops::{DType, Extent, Type};
use crate::source::Span;
use crate::syntax::ast::{self, Each, Expr, ExprKind};
use crate::tensor::{self, Origin, OutputRole};
use std::rc::Rc;
use std::sync::Arc;

/// Name, value, role.
pub type Report = (Arc<str>, tensor::Value, OutputRole);

/// What the phase under elaboration has reported so far.
pub struct PhaseState {
    pub kind: PhaseKind,
    /// Batch size.
    pub size: Dim,
    pub reports: Vec<Report>,
    /// Those of the reports that are printed as text.
    pub decoded: Vec<DecodedReport>,
    /// Losses, which are reported under a name of their own unless the user does.
    pub losses: Vec<Report>,
    /// What must be true after the step.
    pub checks: Vec<(String, tensor::Value)>,
    /// What should be true: where it is not, the run says so.
    pub warnings: Vec<(String, tensor::Value)>,
    /// What the batch size must fulfil.
    pub requirements: Vec<Requirement>,
    /// Fields that vary in length, with their dimension.
    pub sequences: Sequences,
}

impl PhaseState {
    fn new(kind: PhaseKind, size: Dim) -> PhaseState {
        let sequences = Sequences::new();
        PhaseState {
            kind,
            size,
            reports: vec![],
            decoded: vec![],
            losses: vec![],
            checks: vec![],
            warnings: vec![],
            requirements: vec![],
            sequences,
        }
    }
}

/// What elaborating a phase gives beside its graph: the opaque dimensions.
struct Elaborated {
    batch: Dim,
    rows: Dim,
    padded: Vec<Padded>,
    requirements: Vec<Requirement>,
    decoded: Vec<DecodedReport>,
}

/// Rows at once in `predict`.
const PREDICT_BATCH: usize = 256;

impl Checker {
    pub fn check_phase(&mut self, each: &Each, every: Option<(u64, Unit)>) -> Option<Phase> {
        let Some(kind) = phase_kind(&each.word.text) else {
            self.report(unknown_phase(&each.word));
            return None;
        };
        let pipeline = match &each.source {
            Some(source) => self.pipeline(source),
            None if kind == PhaseKind::Predict => {
                Some(Pipeline { batch: PREDICT_BATCH, span: each.span, ..Pipeline::default() })
            }
            None => {
                self.report(no_pipeline(&each.word));
                None
            }
        };
        let mut state = GraphState::new(&each.word.text, GraphKind::Phase);
        if self.train.stage.is_some() {
            state.emit.batches = self.train.knobs.accumulate;
        }
        state.stream = self.stream(&each.word, kind, pipeline.as_ref());
        let training = std::mem::replace(&mut self.training, kind == PhaseKind::Step);
        let (state, found) = self.with_graph(state, |c| c.elaborate_phase(each, kind, pipeline.as_ref()));
        self.training = training;
        let GraphState { emit: Emit { graph, .. }, lane_states, .. } = state;
        let Elaborated { batch, rows, mut padded, mut requirements, decoded } = found;
        // Batches that differ only in lengths that the phase does not see are one shape.
        padded.retain(|p| graph.types.iter().any(|t| t.shape.iter().any(|d| d.symbols() == p.dim.symbols())));
        requirements.extend(nonempty::ensure(&graph, &batch, &mut padded));
        let title = each.title.as_ref().map(|t| t.text.to_string());
        let (pipeline, span) = (pipeline?, each.word.span);
        let states = lanes::stored(&lane_states, &batch, &pipeline);
        Some(Phase {
            kind,
            title,
            pipeline,
            graph,
            batch,
            rows,
            padded,
            requirements,
            states,
            decoded,
            stage: self.train.stage.clone(),
            every,
            span,
        })
    }

    fn elaborate_phase(&mut self, each: &Each, kind: PhaseKind, pipeline: Option<&Pipeline>) -> Elaborated {
        let origin = Origin { layer: None, span: each.word.span };
        let mut batch = self.new_batch(origin);
        batch.pads = pipeline.map(|p| p.pads.clone()).unwrap_or_default();
        batch.window = pipeline.and_then(|p| p.windows).map(|w| Dim::Const(w.length as i64));
        self.phase = Some(PhaseState::new(kind, batch.size.clone()));
        let mut frame = Frame::nested();
        frame.dims.push(("B".into(), BoundDim { dim: batch.size.clone(), span: each.word.span }));
        self.in_frame(frame, |c| {
            c.declare_fields(each, kind, pipeline, &mut batch);
            c.run_block(&each.body);
        });
        let (requirements, decoded) = self.finish_phase(each);
        let padded = batch.opened.into_iter().flat_map(|(_, lengths)| lengths).map(|l| l.padded).collect();
        Elaborated { batch: batch.size, rows: batch.count, padded, requirements, decoded }
    }

    fn declare_fields(&mut self, each: &Each, kind: PhaseKind, pipeline: Option<&Pipeline>, batch: &mut Batch) {
        let data = match pipeline {
            Some(p) if !p.data.is_empty() => self.data(&p.data),
            _ => None,
        };
        if let (PhaseKind::Step, Some(p)) = (kind, pipeline) {
            self.train.step_data = Some((&*p.data).into());
        }
        for (name, source) in &each.fields {
            let value = match (source, &data) {
                (Some(source), _) => self.named_field(source, batch),
                (None, Some(data)) => self.field(data, name, batch),
                (None, None) if kind == PhaseKind::Predict && pipeline.is_some() => self.found_field(name, batch),
                (None, None) => Value::Error,
            };
            self.declare(name, value, false);
        }
    }

    /// `left: Faces.image`
    fn named_field(&mut self, source: &Expr, batch: &mut Batch) -> Value {
        if let ExprKind::Field(base, field) = &source.kind
            && let ExprKind::Name(name) = &base.kind
            && let Value::Data(data) = self.eval_name(name)
        {
            return match self.data(&data) {
                Some(info) => self.field(&info, field, batch),
                None => Value::Error,
            };
        }
        self.report(super::unsupported::predict_value(source.span))
    }

    /// A field of `predict`: of the data of `step`, or of the only data that has one of this name.
    fn found_field(&mut self, name: &ast::Name, batch: &mut Batch) -> Value {
        let first = self.train.step_data.clone();
        let known: Vec<Rc<DataInfo>> = self.train.data.iter().filter_map(|(_, d)| d.clone()).collect();
        let of_step = known.iter().find(|d| Some(&*d.model.name) == first.as_deref());
        let found =
            of_step.filter(|d| d.has_field(&name.text)).or_else(|| known.iter().find(|d| d.has_field(&name.text)));
        match found.or(of_step).cloned() {
            Some(data) => self.field(&data, name, batch),
            // Without data the error stands elsewhere.
            None => Value::Error,
        }
    }

    /// The batch size as an f32 scalar: the weight of a report by default.
    pub fn rows_weight(&mut self) -> Option<tensor::Value> {
        let size = self.phase.as_ref()?.size.clone();
        self.graph.emit.dim_number(&size, DType::F32).ok()
    }

    pub fn eval_report(&mut self, args: &[ast::Arg], weight: Option<&Expr>, span: Span) {
        let weight = match weight {
            Some(e) => self.scalar_weight(e),
            None => self.rows_weight(),
        };
        for arg in args {
            let name = match (&arg.label, &arg.value.kind) {
                (Some(label), _) | (None, ExprKind::Name(label)) => label.clone(),
                _ => {
                    self.report(nameless_report(arg.value.span));
                    continue;
                }
            };
            let value = self.eval(&arg.value);
            self.add_report(&name, value, weight, arg.value.span, span);
        }
    }

    fn add_report(&mut self, name: &ast::Name, value: Value, weight: Option<tensor::Value>, at: Span, span: Span) {
        let Some(kind) = self.phase.as_ref().map(|p| p.kind) else {
            self.report(report_outside(span));
            return;
        };
        if !self.train.reported.contains(&(kind, name.text.clone())) {
            self.train.reported.push((kind, name.text.clone()));
        }
        let known = self.phase.as_ref().is_some_and(|p| p.reports.iter().any(|(n, ..)| *n == name.text));
        if known {
            self.report(reported_twice(name));
        }
        let value = match value {
            Value::Error => return,
            Value::Decoded(found) => match self.add_decoded(name, kind, &found, at) {
                Some(ids) => ids,
                None => return,
            },
            value => value,
        };
        if value.is_error() {
            return;
        }
        let result = self.emit(at).tensor(&value).map(Value::Tensor);
        let Value::Tensor(node) = self.settle(result) else { return };
        let role = match kind {
            PhaseKind::Predict => Some((node, OutputRole::Result)),
            _ => self.scalar_f32(node, at).zip(weight).map(|(x, w)| (x, OutputRole::Report { weight: w })),
        };
        if let (Some(phase), Some((node, role))) = (&mut self.phase, role) {
            phase.reports.push((name.text.clone(), node, role));
        }
    }

    /// Notes that the report is printed as text, and gives its ids.
    fn add_decoded(&mut self, name: &ast::Name, kind: PhaseKind, found: &Decoded, at: Span) -> Option<Value> {
        if kind != PhaseKind::Predict {
            return self.report_none(decoded_outside(at));
        }
        let ty = self.graph.emit.ty(found.ids).clone();
        let least = if found.is_text { 2 } else { 1 };
        let phase = self.phase.as_mut()?;
        if ty.rank() < least || !ty.shape[0].same(&phase.size) {
            return self.report_none(decoded_shape(at, &ty, found.is_text));
        }
        let (data, column) = (found.data.to_string(), found.column.to_string());
        phase.decoded.push(DecodedReport { report: name.text.to_string(), data, column, axes: ty.rank() - least });
        Some(Value::Tensor(found.ids))
    }

    /// A metric: a scalar, as f32.
    fn scalar_f32(&mut self, node: tensor::Value, span: Span) -> Option<tensor::Value> {
        let ty = self.graph.emit.ty(node).clone();
        if ty.rank() != 0 {
            self.report(report_not_scalar(span, &ty));
            return None;
        }
        self.emit(span).cast(node, DType::F32).ok()
    }

    fn finish_phase(&mut self, each: &Each) -> (Vec<Requirement>, Vec<DecodedReport>) {
        let Some(mut phase) = self.phase.take() else { return (vec![], vec![]) };
        if self.train.knobs.skip_nonfinite
            && let Err(diag) = self.skip_bad_step(&mut phase)
        {
            self.report(*diag);
        }
        let graph = &mut self.graph.emit.graph;
        for path in &self.graph.updated {
            graph.output(&**path, OutputRole::Update, self.graph.current[path]);
        }
        let own = |name: &Arc<str>| phase.reports.iter().any(|(n, ..)| n == name);
        for (name, value, role) in phase.losses.iter().filter(|(n, ..)| !own(n)).chain(&phase.reports) {
            graph.output(&**name, role.clone(), *value);
        }
        for (name, value) in phase.checks {
            graph.output(name, OutputRole::Check, value);
        }
        for (name, value) in phase.warnings {
            graph.output(name, OutputRole::Warning, value);
        }
        let minimizes = ast_minimizes(&each.body);
        if phase.kind == PhaseKind::Step && !minimizes {
            self.report(step_without_minimize(&each.word));
        }
        (phase.requirements, phase.decoded)
    }
}

fn ast_minimizes(block: &ast::Block) -> bool {
    block.stmts.iter().any(|s| match s {
        ast::Stmt::Minimize(_) | ast::Stmt::Error(_) => true,
        ast::Stmt::For { body, .. } | ast::Stmt::Every { body, .. } => ast_minimizes(body),
        ast::Stmt::Expr(Expr { kind: ExprKind::If { then, .. }, .. }) => ast_minimizes(then),
        _ => false,
    })
}

const PHASES: [&str; 4] = ["step", "validate", "test", "predict"];

fn phase_kind(word: &str) -> Option<PhaseKind> {
    let kinds = [PhaseKind::Step, PhaseKind::Validate, PhaseKind::Test, PhaseKind::Predict];
    PHASES.iter().position(|p| *p == word).map(|i| kinds[i])
}

fn unknown_phase(word: &ast::Name) -> Diagnostic {
    let diag = Diagnostic::error(Code(523), format!("`{}` is not a phase of training", word.text))
        .label(word.span, "expected `step`, `validate`, `test` or `predict`");
    did_you_mean(diag, word.span, suggest(&word.text, PHASES.into_iter()))
}

fn no_pipeline(word: &ast::Name) -> Diagnostic {
    Diagnostic::error(Code(509), format!("`{}` has no data", word.text))
        .label(word.span, "what does it go through?")
        .help("write `in Data.train |> batch(64)` after the fields")
}

fn nameless_report(span: Span) -> Diagnostic {
    let start = Span { end: span.start, ..span };
    Diagnostic::error(Code(522), "what is reported needs a name").label(span, "no name").fix(
        start,
        "loss: ",
        "name it, for example `loss`",
    )
}

fn report_outside(span: Span) -> Diagnostic {
    Diagnostic::error(Code(522), "`report` belongs in a phase of training")
        .label(span, "not inside `step`, `validate`, `test` or `predict`")
}

fn decoded_outside(span: Span) -> Diagnostic {
    Diagnostic::error(Code(534), "only `predict` reports texts")
        .label(span, "a text has no mean over batches")
        .help("report a number here, and the text in `predict`")
}

fn decoded_shape(span: Span, ty: &Type<Dim>, is_text: bool) -> Diagnostic {
    let expected = if is_text { "one text for each row: ids i32[B, T]" } else { "one label for each row: ids i32[B]" };
    Diagnostic::error(Code(534), format!("these ids are {ty}")).label(span, format!("expected {expected}"))
}

fn reported_twice(name: &ast::Name) -> Diagnostic {
    Diagnostic::error(Code(526), format!("`{}` is reported twice", name.text)).label(name.span, "reported again")
}

fn report_not_scalar(span: Span, ty: &Type<Dim>) -> Diagnostic {
    Diagnostic::error(Code(511), format!("a metric is one number, and this is {ty}"))
        .label(span, "not a scalar")
        .help("reduce it, for example with `mean(…)`")
}

fn step_without_minimize(word: &ast::Name) -> Diagnostic {
    Diagnostic::error(Code(519), "this step minimizes nothing")
        .label(word.span, "no parameter would change")
        .help("add `minimize` with a loss, for example `minimize cross_entropy(logits, label)`")
}

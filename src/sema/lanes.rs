//! States over a stream of `lanes`: what a state holds when its root call ends is what it begins with in the next batch.
//!
//! Between two batches it is an input with the role of a buffer, and an update. No gradient passes through an input: it is
//! cut there. The first batch of a pass over the stream takes the first value instead.

use super::checker::Checker;
use super::emit::Checked;
use super::layer::join;
use super::model::{Micro, Param, ParamKind, PhaseKind, Pipeline, between_batches};
use super::value::Value;
use crate::diag::{Code, Diagnostic};
use crate::ops::dim::{Bindings, Dim};
use crate::ops::{Compare, Type};
use crate::source::Span;
use crate::syntax::ast::{self, TypedMember};
use crate::tensor::{InputRole, Origin, Value as Node};
use std::collections::HashMap;
use std::sync::Arc;

/// A state that goes on from batch to batch in the graph under construction.
#[derive(Clone)]
pub struct LaneState {
    path: Arc<str>,
    /// Its name between batches.
    name: Arc<str>,
    ty: Type<Dim>,
    /// What it holds when the batch begins.
    begun: Node,
    declared: Span,
    /// The root call that uses it.
    used: Span,
}

impl Checker {
    /// The name of the stream of a phase over lanes; `None` where states do not go on from batch to batch.
    pub(super) fn stream(
        &mut self,
        word: &ast::Name,
        kind: PhaseKind,
        pipeline: Option<&Pipeline>,
    ) -> Option<Arc<str>> {
        if kind == PhaseKind::Predict || !pipeline?.lanes {
            return None;
        }
        // All graphs of `step` go through one stream, every other phase through one of its own.
        let earlier = self.train.streams.iter().filter(|k| **k == kind && kind != PhaseKind::Step).count();
        self.train.streams.push(kind);
        Some(if earlier == 0 { word.text.clone() } else { format!("{} {}", word.text, earlier + 1).into() })
    }

    /// What a state begins its root call with: over lanes what it held at the end of the batch before; elsewhere, and in
    /// the first batch of a pass, its first value.
    pub(super) fn begin_state(
        &mut self,
        path: &Arc<str>,
        ty: &Type<Dim>,
        first: Node,
        m: &TypedMember,
        at: Span,
    ) -> Option<Node> {
        let Some(stream) = self.graph.stream.clone() else { return Some(first) };
        let used = self.calls.first().map_or(at, |call| call.span);
        if let Some(known) = self.graph.lane_states.iter().find(|s| s.path == *path) {
            let diag = advances_twice(path, used, known);
            self.report(diag);
            return None;
        }
        let name: Arc<str> = between_batches(&stream, path).into();
        let layer = self.graph.emit.origin.layer.clone();
        let origin = Origin { layer, span: m.name.span };
        let left = self.graph.emit.input(&name, InputRole::Buffer, ty.clone(), origin);
        let begun = self.unless_first("batch", first, left).map(Value::Tensor);
        let Value::Tensor(begun) = self.settle(begun) else { return None };
        let (path, ty, declared) = (path.clone(), ty.clone(), m.name.span);
        self.graph.lane_states.push(LaneState { path, name, ty, begun, declared, used });
        Some(begun)
    }

    /// What a state holds when its root call ends is there in the next batch.
    pub(super) fn leave_state(&mut self, path: &Arc<str>, last: Node) {
        if let Some(name) = self.graph.lane_states.iter().find(|s| s.path == *path).map(|s| s.name.clone()) {
            self.graph.set(&name, last);
        }
    }

    /// `first` where this scalar is 0, else `later`.
    fn unless_first(&mut self, scalar: &str, first: Node, later: Node) -> Checked<Node> {
        let emit = &mut self.graph.emit;
        let number = emit.scalar(scalar);
        let is_first = emit.compare(Compare::Eq, &Value::Tensor(number), &Value::int(0))?;
        let [condition, first, later] = [is_first, first, later].map(Value::Tensor);
        emit.select(&condition, &first, &later)
    }

    /// What the state of this name between batches held when the batch began.
    pub(super) fn begun_with(&self, name: &str) -> Option<Node> {
        self.graph.lane_states.iter().find(|s| &*s.name == name).map(|s| s.begun)
    }

    /// What the states held when the step began, by their names between batches.
    pub(super) fn before_step(&mut self) -> Checked<HashMap<Arc<str>, Node>> {
        let states = self.graph.lane_states.clone();
        states.iter().map(|s| Ok((s.name.clone(), self.held_before_step(s)?))).collect()
    }

    /// Where several batches make a step, the first of them keeps what a state held before it.
    fn held_before_step(&mut self, state: &LaneState) -> Checked<Node> {
        if self.micro() == Micro::Whole {
            return Ok(state.begun);
        }
        let name: Arc<str> = join(&state.name, "before");
        let origin = Origin { layer: None, span: state.declared };
        let kept = self.graph.emit.input(&name, InputRole::OptState, state.ty.clone(), origin);
        let before = self.unless_first("micro", state.begun, kept)?;
        if self.micro() == Micro::Gather {
            self.graph.set(&name, before);
        }
        Ok(before)
    }
}

/// States as tensors of a checkpoint; none where a size is not known before the data is.
pub(super) fn stored(states: &[LaneState], batch: &Dim, pipeline: &Pipeline) -> Vec<Param> {
    let size: Bindings = batch.symbols().into_iter().map(|s| (s, pipeline.batch as i64)).collect();
    let number = |d: &Dim| d.eval(&size).and_then(|n| usize::try_from(n).ok());
    let param = |s: &LaneState| {
        let shape = s.ty.shape.iter().map(number).collect::<Option<Vec<usize>>>()?;
        let ty = Type::new(s.ty.dtype, shape);
        Some(Param { path: s.name.to_string(), kind: ParamKind::State, ty, span: s.declared })
    };
    states.iter().filter_map(param).collect()
}

fn advances_twice(path: &str, used: Span, known: &LaneState) -> Diagnostic {
    Diagnostic::error(Code(646), format!("the state `{path}` would advance twice in one batch"))
        .label(used, "used again by this call")
        .label(known.used, "used first by this one")
        .label(known.declared, "declared here; over lanes it goes on from batch to batch")
        .help("call once and keep the result in a `let`")
}

//! What the checker returns: a program in which every shape is known up to the opaque dimensions
//! (batch size, rows of a data set), and everything is a graph of primitive operations.

mod data;

use super::arith::compare_ints;
use super::weights::Load;
use crate::diag::Diagnostic;
use crate::ops::dim::{Bindings, Dim};
use crate::ops::{Compare, Type};
use crate::source::Span;
use crate::tensor::{Graph, InputRole};
pub use data::*;
use std::collections::HashSet;
use std::ops::Range;

#[derive(Clone, Debug, Default)]
pub struct Model {
    pub data: Vec<Data>,
    /// What the program asks of its data: sizes of vocabularies, numbers of labels.
    pub values: Vec<DataValue>,
    /// Layer instances in order of declaration, roots first.
    pub layers: Vec<Layer>,
    pub params: Vec<Param>,
    pub trains: Vec<Train>,
    /// Top-level `let`s with a literal value: what `--set` may change.
    pub lets: Vec<(String, String, Span)>,
    /// A file without a `train` block: each model's `forward` (where its arguments are declared).
    pub functions: Vec<Graph<Dim>>,
}

/// One layer instance.
#[derive(Clone, Debug)]
pub struct Layer {
    /// `net.stages.0.conv1` without the root's name: `stages.0.conv1`; the root itself is empty.
    pub path: String,
    /// Name of the `let` in `train` that holds the root, e.g. `net`.
    pub root: String,
    /// `Conv2d`
    pub kind: String,
    /// Types of the first call's result (records flattened), for `summary`.
    pub results: Vec<Type<Dim>>,
    pub span: Span,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ParamKind {
    Trainable,
    Buffer,
    /// Optimizer state; its path is `<optimizer>.<buffer>.<parameter path>`.
    OptState,
    /// What a conversion learned from the rows of training; its path is `<data>.<column>.<statistic>`.
    Statistic,
    /// What a state holds between two batches over lanes; its path is that of [`between_batches`].
    State,
}

impl ParamKind {
    /// The role of its input in a graph.
    pub fn role(self) -> InputRole {
        match self {
            ParamKind::Trainable => InputRole::Param,
            ParamKind::Buffer | ParamKind::Statistic | ParamKind::State => InputRole::Buffer,
            ParamKind::OptState => InputRole::OptState,
        }
    }

    /// It belongs to the model itself, whatever it is trained by and on.
    pub fn is_weight(self) -> bool {
        matches!(self, ParamKind::Trainable | ParamKind::Buffer)
    }
}

/// The name of a state between the batches of a stream: no parameter has such a path.
pub fn between_batches(stream: &str, path: &str) -> String {
    format!("{BETWEEN_BATCHES}{stream}).{path}")
}

/// Whether a tensor of a checkpoint is what a state held between two batches.
pub fn is_between_batches(name: &str) -> bool {
    name.starts_with(BETWEEN_BATCHES)
}

const BETWEEN_BATCHES: &str = "state(";

#[derive(Clone, Debug)]
pub struct Param {
    /// The name in a checkpoint and of graph inputs. With several roots in one `train` block the root's name is
    /// the first component (`gen.conv1.weight`); with one it is left out.
    pub path: String,
    pub kind: ParamKind,
    pub ty: Type,
    pub span: Span,
}

#[derive(Clone, Debug)]
pub struct Train {
    /// `train pretrain { … }`; empty for the unnamed one.
    pub name: String,
    pub settings: Settings,
    /// Computes the first value of every param, buffer and optstate: input `seed`, outputs `Update`.
    pub init: Graph<Dim>,
    pub phases: Vec<Phase>,
    /// Weights from files of other systems, in order.
    pub loads: Vec<Load>,
    /// How the model goes on with a text, or why it cannot.
    pub generation: Result<Generation, Diagnostic>,
    pub span: Span,
}

impl Train {
    /// The states that go on from batch to batch in phases of these kinds.
    pub fn states(&self, kinds: &[PhaseKind]) -> Vec<&Param> {
        let phases = self.phases.iter().filter(|p| kinds.contains(&p.kind));
        let mut states: Vec<&Param> = phases.flat_map(|p| &p.states).collect();
        // The graphs of `step` share theirs.
        let mut seen = HashSet::new();
        states.retain(|s| seen.insert(&s.path));
        states
    }
}

#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    pub epochs: Option<u32>,
    pub steps: Option<u64>,
    pub seed: u64,
    pub keep: Option<Goal>,
    pub stop: Option<Patience>,
    pub save_every: Option<(u64, Unit)>,
    pub nonfinite: NonFinite,
    /// Batches that make one step.
    pub accumulate: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    Steps,
    Epochs,
}

/// `best(max: accuracy)`: a name that `validate` reports.
#[derive(Clone, Debug, PartialEq)]
pub struct Goal {
    pub metric: String,
    pub maximize: bool,
    pub span: Span,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Patience {
    pub goal: Goal,
    pub epochs: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NonFinite {
    Error,
    Skip,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PhaseKind {
    Step,
    Validate,
    Test,
    Predict,
}

/// How a model goes on with a text, one token at a time: graphs that leave states to each other. A state is an input
/// with the role of a buffer, and an update.
#[derive(Clone, Debug)]
pub struct Generation {
    /// First values of the states. Where the root has `start`: input `source: i32[B, S]`, result `token: i32[B]`.
    pub start: Graph<Dim>,
    /// The root has `start`: it reads a text, and writes another.
    pub reads: bool,
    /// Inputs `token: i32[B]` and `at: i32`, result `scores: f32[B, V]`.
    pub next: Graph<Dim>,
    /// The same, after row i of the states became what was row `parents[i]`.
    pub forked: Graph<Dim>,
    /// The symbols B and S.
    pub batch: Dim,
    pub length: Dim,
    pub span: Span,
}

/// The steps of a training that a graph of `step` is for. With `freeze … until` other parts of the model learn in other
/// stages.
#[derive(Clone, Debug, PartialEq)]
pub struct Stage {
    /// Numbers of epochs and of steps, both from 1.
    pub epochs: Range<u64>,
    pub steps: Range<u64>,
    pub micro: Micro,
}

/// What a graph does of a step that several batches make (`accumulate`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Micro {
    /// All of it: one batch, one step.
    Whole,
    /// Adds the gradients of a batch to those of the earlier ones.
    Gather,
    /// Takes the last batch and updates.
    Apply,
}

/// `step (image, label) in Digits.train |> shuffle |> batch(64) { … }`
///
/// The graph takes whole columns and the rows of the batch (`rows: i32[B]`), gathers, converts, computes.
/// `step` also differentiates (`Op::Grad`) and updates; its outputs are updates, reports and checks.
/// `predict` has its fields as columns too; its outputs are results.
#[derive(Clone, Debug)]
pub struct Phase {
    pub kind: PhaseKind,
    /// `test "held out" (…)`
    pub title: Option<String>,
    pub pipeline: Pipeline,
    pub graph: Graph<Dim>,
    /// The symbol of the batch size in the graph, and of the number of rows of the columns.
    pub batch: Dim,
    pub rows: Dim,
    /// The padded lengths of a batch.
    pub padded: Vec<Padded>,
    /// What the batch size must fulfil.
    pub requirements: Vec<Requirement>,
    /// What goes on from batch to batch: states over lanes.
    pub states: Vec<Param>,
    /// Reports of `predict` that are ids, and are printed as their text.
    pub decoded: Vec<DecodedReport>,
    /// Of `step`: when this graph is the one to run.
    pub stage: Option<Stage>,
    /// Run this phase every so often instead of once an epoch.
    pub every: Option<(u64, Unit)>,
    pub span: Span,
}

impl Phase {
    /// Values of the symbols for these sizes.
    pub fn bindings(&self, sizes: &Sizes) -> Bindings {
        let symbols = |dim: &Dim, n: usize| dim.symbols().into_iter().map(move |s| (s, n as i64));
        let own = symbols(&self.batch, sizes.batch).chain(symbols(&self.rows, sizes.rows));
        let padded = self.padded.iter().zip(&sizes.padded);
        own.chain(padded.flat_map(|(p, n)| symbols(&p.dim, n / p.multiple))).collect()
    }

    /// Sizes for where no data is open: rows as given, and padding to this length, or what comes nearest of those that the
    /// data may have.
    pub fn sizes(&self, batch: usize, rows: usize, length: usize) -> Sizes {
        let nearest = |p: &Padded| p.bounds.1.map_or(length, |most| length.min(most)).max(p.bounds.0);
        Sizes { batch, rows, padded: self.padded.iter().map(|p| p.size(nearest(p))).collect() }
    }

    /// The first requirement that does not hold for batches of so many rows.
    pub fn unmet(&self, batch: usize) -> Option<&Requirement> {
        let bindings: Bindings = self.batch.symbols().into_iter().map(|s| (s, batch as i64)).collect();
        self.requirements.iter().find(|r| !r.holds(&bindings))
    }
}

/// A `where` condition that depends on the batch size: it is settled once that is known, before the phase runs.
#[derive(Clone, Debug, PartialEq)]
pub struct Requirement {
    pub op: Compare,
    pub left: Dim,
    pub right: Dim,
    /// What to report where it does not hold.
    pub error: Diagnostic,
}

impl Requirement {
    fn holds(&self, bindings: &Bindings) -> bool {
        let sides = self.left.eval(bindings).zip(self.right.eval(bindings));
        sides.is_some_and(|(left, right)| compare_ints(self.op, left, right))
    }
}

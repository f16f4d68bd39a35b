//! What the checker returns: a program in which every shape is known up to the opaque dimensions
//! (batch size, rows of a data set), and everything is a graph of primitive operations.

use super::arith::compare_ints;
use super::weights::Load;
use crate::diag::Diagnostic;
use crate::ops::dim::{Bindings, Dim};
use crate::ops::{Compare, DType, Type};
use crate::source::Span;
use crate::tensor::Graph;
use std::ops::Range;

#[derive(Clone, Debug, Default)]
pub struct Model {
    pub data: Vec<Data>,
    /// Layer instances in order of declaration, roots first.
    pub layers: Vec<Layer>,
    pub params: Vec<Param>,
    pub trains: Vec<Train>,
    /// Top-level `let`s with a literal value: what `--set` may change.
    pub lets: Vec<(String, String, Span)>,
    /// A file without a `train` block: each model's `forward` (where its arguments are declared).
    pub functions: Vec<Graph<Dim>>,
}

/// `data NAME from source(path, options) { … }`
#[derive(Clone, Debug)]
pub struct Data {
    pub name: String,
    /// `idx`, `csv`, …
    pub source: String,
    pub path: String,
    pub options: Vec<(String, Constant)>,
    pub columns: Vec<Column>,
    /// The dimensions that vary from row to row.
    pub lengths: Vec<Length>,
    pub splits: Vec<Split>,
    pub span: Span,
}

/// One column of numbers that fields read. The stored row must have this shape, axes of length 1 aside.
#[derive(Clone, Debug)]
pub struct Column {
    /// Unique in the data set: `label` for `raw.label`.
    pub name: String,
    /// The stored column.
    pub stored: String,
    pub dtype: DType,
    /// The shape of one row; at most one axis varies.
    pub shape: Vec<Axis>,
    pub span: Span,
}

/// One axis of a stored row.
#[derive(Clone, Debug, PartialEq)]
pub enum Axis {
    Fixed(usize),
    /// As long as each row says; the name of a [`Length`].
    Varying(String),
}

impl Column {
    /// The type of one row, where all rows have the same.
    pub fn fixed(&self) -> Option<Type> {
        let size = |a: &Axis| if let Axis::Fixed(n) = a { Some(*n) } else { None };
        Some(Type::new(self.dtype, self.shape.iter().map(size).collect::<Option<_>>()?))
    }

    /// The axis that varies, and its name.
    pub fn varying(&self) -> Option<(usize, &str)> {
        let mut axes = self.shape.iter().enumerate();
        axes.find_map(|(i, a)| if let Axis::Varying(name) = a { Some((i, name.as_str())) } else { None })
    }

    /// `f32[T, 12]`
    pub fn describe(&self) -> String {
        let axis = |a: &Axis| match a {
            Axis::Fixed(n) => n.to_string(),
            Axis::Varying(name) => name.clone(),
        };
        format!("{}[{}]", self.dtype, self.shape.iter().map(axis).collect::<Vec<_>>().join(", "))
    }
}

/// A dimension that varies from row to row, with what the declaration's `where` says of it: each row's length is
/// within `least..=most` and a multiple of `multiple`.
#[derive(Clone, Debug, PartialEq)]
pub struct Length {
    pub name: String,
    /// May be 0, for rows that may be empty.
    pub least: usize,
    pub most: Option<usize>,
    pub multiple: usize,
    pub span: Span,
}

impl Length {
    pub fn allows(&self, n: usize) -> bool {
        n >= self.least && self.most.is_none_or(|most| n <= most) && n.is_multiple_of(self.multiple)
    }
}

#[derive(Clone, Debug)]
pub struct Split {
    pub name: String,
    pub size: SplitSize,
    pub by: SplitBy,
    pub span: Span,
}

#[derive(Clone, Debug, PartialEq)]
pub enum SplitSize {
    /// The source's own part of that name (idx has `train` and `test`).
    Own,
    /// What the other splits of the same parent leave.
    Rest {
        of: String,
    },
    Fraction {
        of: String,
        part: f64,
    },
    Rows {
        of: String,
        rows: usize,
    },
}

/// `hash`: by a hash of the row number; `position`: rows in their order; `field`: whole groups by a column's value.
#[derive(Clone, Debug, PartialEq)]
pub enum SplitBy {
    Hash,
    Position,
    Field(String),
}

#[derive(Clone, Debug, PartialEq)]
pub enum Constant {
    Int(i64),
    Float(f64),
    Bool(bool),
    Str(String),
    List(Vec<Constant>),
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
}

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
    pub span: Span,
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
    /// Of `step`: when this graph is the one to run.
    pub stage: Option<Stage>,
    /// Run this phase every so often instead of once an epoch.
    pub every: Option<(u64, Unit)>,
    pub span: Span,
}

/// A dimension of the data as a phase sees it: the longest row of the batch, rounded up.
#[derive(Clone, Debug)]
pub struct Padded {
    /// The name of a [`Length`].
    pub name: String,
    /// `multiple` times a symbol.
    pub dim: Dim,
    pub multiple: usize,
}

impl Padded {
    /// The size of a batch whose longest row has this length.
    pub fn size(&self, longest: usize) -> usize {
        longest.max(1).next_multiple_of(self.multiple)
    }

    /// The name of the input with the lengths of the rows, i32[B].
    pub fn lengths_input(data: &str, name: &str) -> String {
        format!("{data}.lengths({name})")
    }
}

/// The sizes that one batch gives the opaque dimensions of a phase.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Sizes {
    pub batch: usize,
    /// Rows of the whole columns.
    pub rows: usize,
    /// One for each of [`Phase::padded`].
    pub padded: Vec<usize>,
}

impl Phase {
    /// Values of the symbols for these sizes.
    pub fn bindings(&self, sizes: &Sizes) -> Bindings {
        let symbols = |dim: &Dim, n: usize| dim.symbols().into_iter().map(move |s| (s, n as i64));
        let own = symbols(&self.batch, sizes.batch).chain(symbols(&self.rows, sizes.rows));
        let padded = self.padded.iter().zip(&sizes.padded);
        own.chain(padded.flat_map(|(p, n)| symbols(&p.dim, n / p.multiple))).collect()
    }

    /// Sizes for where no data is open: rows as given, and padding to this length.
    pub fn sizes(&self, batch: usize, rows: usize, length: usize) -> Sizes {
        Sizes { batch, rows, padded: self.padded.iter().map(|p| p.size(length)).collect() }
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

#[derive(Clone, Debug, PartialEq, Default)]
pub struct Pipeline {
    /// Name of the data declaration and of the split; empty for `predict`.
    pub data: String,
    pub split: String,
    pub shuffle: bool,
    pub batch: usize,
    pub drop_last: bool,
    /// Multiples of the padded lengths, by the name of the dimension.
    pub pads: Vec<(String, usize)>,
    /// Batches of rows of similar length in this dimension.
    pub bucket: Option<String>,
    /// Leave out rows that cannot be read, instead of ending the run.
    pub skip_bad: bool,
    pub span: Span,
}

//! Data in the model: columns, splits, pipelines, and the sizes that they give a phase.

use crate::ops::dim::Dim;
use crate::ops::{DType, Type};
use crate::source::Span;

/// `data NAME from source(path, options) { … }`
#[derive(Clone, Debug)]
pub struct Data {
    pub name: String,
    /// `idx`, `csv`, …
    pub source: String,
    pub files: Files,
    pub columns: Vec<Column>,
    /// The dimensions that vary from row to row.
    pub lengths: Vec<Length>,
    pub splits: Vec<Split>,
    pub span: Span,
}

impl Data {
    /// It is one text, which pipelines cut into windows.
    pub fn is_text(&self) -> bool {
        self.source == "text"
    }
}

/// Where data is; paths are relative to the program.
#[derive(Clone, Debug, PartialEq)]
pub enum Files {
    One(String),
    /// Each part has a file: its name, and the path.
    Parts(Vec<(String, String)>),
}

/// One column of numbers that fields read. The stored row must have this shape, axes of length 1 aside.
#[derive(Clone, Debug)]
pub struct Column {
    /// Unique in the data set: `label` for `raw.label`, `category(label)` for `category(raw.label)`.
    pub name: String,
    /// The stored column.
    pub stored: String,
    pub reading: Reading,
    pub dtype: DType,
    /// The shape of one row; at most one axis varies.
    pub shape: Vec<Axis>,
    pub span: Span,
}

/// How what is stored becomes numbers.
#[derive(Clone, Debug, PartialEq)]
pub enum Reading {
    /// It is numbers.
    Number,
    /// A text becomes the ids of its units, `limit` of them at most: what comes later is left out.
    Ids { unit: TextUnit, limit: Option<usize> },
    /// A text becomes its place among the labels that occur in training.
    Category,
}

impl Reading {
    /// What a text is cut into, where its units become ids.
    pub fn unit(&self) -> Option<&TextUnit> {
        if let Reading::Ids { unit, .. } = self { Some(unit) } else { None }
    }
}

/// What a text is cut into.
#[derive(Clone, Debug, PartialEq)]
pub enum TextUnit {
    /// Its bytes are the ids.
    Bytes,
    /// Those of training, in order of their code points. `end`: a mark ends each row.
    Characters { end: bool },
    /// What stands between blanks: the words of training, the most frequent first, so many ids at most.
    Words { end: bool, vocab: Option<usize> },
    /// By a tokenizer file, whose path is relative to the program. `special`: with the tokens that it puts around a text.
    Tokenizer { path: String, special: bool },
}

impl TextUnit {
    /// Ids that stand for something else than a unit of the text: 0 for what training does not have, 1 for the end.
    pub fn reserved(&self) -> usize {
        match self {
            TextUnit::Bytes | TextUnit::Tokenizer { .. } => 0,
            TextUnit::Characters { end } | TextUnit::Words { end, .. } => 1 + usize::from(*end),
        }
    }
}

/// A value of the data that is a constant of the program.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct DataValue {
    pub data: String,
    /// The name of a [`Column`].
    pub column: String,
    pub what: Asked,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Asked {
    /// How many ids a text has, or labels a category.
    Size,
    /// The id of this token, word, character or label.
    Id(String),
}

/// A report that is ids of a column, and is printed as their text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DecodedReport {
    pub report: String,
    pub data: String,
    /// The name of a [`Column`].
    pub column: String,
    /// A row has so many axes of texts or labels: 0 is one of them.
    pub axes: usize,
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

    /// The sizes of the axes that do not vary.
    pub fn fixed_axes(&self) -> Vec<usize> {
        self.shape.iter().filter_map(|a| if let Axis::Fixed(n) = a { Some(*n) } else { None }).collect()
    }

    /// The path of a statistic over the rows of training: `mean` or `deviation`, for each place of the fixed axes.
    pub fn statistic(&self, data: &str, what: &str) -> String {
        format!("{data}.{}.{what}", self.name)
    }

    /// The axis that varies, and its name.
    pub fn varying(&self) -> Option<(usize, &str)> {
        let mut axes = self.shape.iter().enumerate();
        axes.find_map(|(i, a)| if let Axis::Varying(name) = a { Some((i, name.as_str())) } else { None })
    }

    /// The step reads the column itself; otherwise its rows are put together for each batch.
    pub fn is_whole(&self) -> bool {
        self.varying().is_none() && !matches!(self.reading, Reading::Ids { .. })
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

/// A dimension of the data as a phase sees it: the longest row of the batch, rounded up.
#[derive(Clone, Debug)]
pub struct Padded {
    /// The name of a [`Length`].
    pub name: String,
    /// `multiple` times a symbol.
    pub dim: Dim,
    pub multiple: usize,
    /// The least size of a batch: with it no axis of the phase is empty. A multiple.
    pub least: usize,
    /// Rows have at least and at most so many elements, as `where` says.
    pub bounds: (usize, Option<usize>),
}

impl Padded {
    /// The size of a batch whose longest row has this length.
    pub fn size(&self, longest: usize) -> usize {
        longest.max(self.least).next_multiple_of(self.multiple)
    }

    /// The declaration allows rows of one multiple more than the least size.
    pub fn can_grow(&self) -> bool {
        self.bounds.1.is_none_or(|most| self.least + self.multiple <= most.next_multiple_of(self.multiple))
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
    /// How a text is cut.
    pub windows: Option<Windows>,
    /// The text is cut into as many lanes as a batch has rows; each goes on window by window.
    pub lanes: bool,
    /// Leave out rows that cannot be read, instead of ending the run.
    pub skip_bad: bool,
    pub span: Span,
}

/// Windows of a text: so many units each, a new one every `stride` units; those that fit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Windows {
    pub length: usize,
    pub stride: usize,
}

impl Windows {
    /// How many fit into so many units.
    pub fn count(&self, units: u64) -> u64 {
        units.checked_sub(self.length as u64).map_or(0, |rest| rest / self.stride as u64 + 1)
    }
}

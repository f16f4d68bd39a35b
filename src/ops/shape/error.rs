//! What a shape rule objects to, as data; the checker makes a diagnostic of it.

use super::Arity;
use crate::ops::{DType, Extent};
use std::fmt;

/// A set of element types.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Class {
    Float,
    Int,
    /// Float or int.
    Number,
    /// Int or bool.
    Bits,
    Exactly(DType),
}

impl Class {
    pub fn contains(self, dtype: DType) -> bool {
        match self {
            Class::Float => dtype.is_float(),
            Class::Int => dtype.is_int(),
            Class::Number => dtype != DType::Bool,
            Class::Bits => !dtype.is_float(),
            Class::Exactly(d) => dtype == d,
        }
    }
}

/// `arg` counts arguments from 0; `axis` counts the axes of that argument (of the result where there is no `arg`).
#[derive(Clone, PartialEq, Debug)]
pub enum ShapeError<D> {
    Arity {
        expected: Arity,
        found: usize,
    },
    DType {
        arg: usize,
        expected: Class,
        found: DType,
    },
    Rank {
        arg: usize,
        expected: usize,
        found: usize,
    },
    /// An axis attribute that the argument does not have.
    Axis {
        arg: usize,
        axis: usize,
        rank: usize,
    },
    /// A dimension that is not provably what it must be.
    Dim {
        arg: usize,
        axis: usize,
        expected: D,
        found: D,
    },
    /// A dimension that must be a multiple and is not provably one.
    Divide {
        arg: usize,
        axis: usize,
        found: D,
        by: usize,
    },
    /// Reshape (or a table) between different numbers of elements.
    Elements {
        from: D,
        to: D,
    },
    /// The last element read lies beyond the axis: `needed` elements of `found`.
    Beyond {
        arg: usize,
        axis: usize,
        needed: D,
        found: D,
    },
    /// A kernel that spans more than the padded input: no output at all.
    Window {
        arg: usize,
        axis: usize,
        span: i64,
        padded: i64,
    },
    /// A result dimension below 1.
    Empty {
        axis: usize,
        found: D,
    },
    /// The result's size in bytes overflows i64.
    TooLarge {
        shape: Vec<D>,
    },
    /// A malformed attribute: a permutation that is none, unsorted axes, a stride of 0.
    Attribute {
        what: &'static str,
    },
}

impl fmt::Display for Class {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Class::Float => f.write_str("a float type"),
            Class::Int => f.write_str("an integer type"),
            Class::Number => f.write_str("a float or integer type"),
            Class::Bits => f.write_str("an integer type or bool"),
            Class::Exactly(d) => write!(f, "{d}"),
        }
    }
}

impl<D: Extent> fmt::Display for ShapeError<D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ShapeError::Arity { expected, found } => write!(f, "expected {expected}, found {found}"),
            ShapeError::DType { arg, expected, found } => {
                write!(f, "argument {arg} must be of {expected}, found {found}")
            }
            ShapeError::Rank { arg, expected, found } => {
                write!(f, "argument {arg} must have {expected} axes, found {found}")
            }
            ShapeError::Axis { arg, axis, rank } => write!(f, "argument {arg} has {rank} axes, and no axis {axis}"),
            ShapeError::Dim { arg, axis, expected, found } => {
                write!(f, "axis {axis} of argument {arg} must be {expected}, found {found}")
            }
            ShapeError::Divide { arg, axis, found, by } => {
                write!(f, "axis {axis} of argument {arg} is {found}, not a multiple of {by}")
            }
            ShapeError::Elements { from, to } => write!(f, "{from} elements do not make {to}"),
            ShapeError::Beyond { arg, axis, needed, found } => {
                write!(f, "axis {axis} of argument {arg} is {found}, but {needed} are needed")
            }
            ShapeError::Window { arg, axis, span, padded } => {
                write!(f, "a kernel over {span} does not fit axis {axis} of argument {arg}, {padded} with padding")
            }
            ShapeError::Empty { axis, found } => write!(f, "axis {axis} of the result would be {found}"),
            ShapeError::TooLarge { shape } => {
                let dims: Vec<String> = shape.iter().map(|d| d.to_string()).collect();
                write!(f, "a tensor of shape [{}] has too many elements", dims.join(", "))
            }
            ShapeError::Attribute { what } => f.write_str(what),
        }
    }
}

//! Building a graph of primitive operations from the checker's values.
//!
//! [`Emit`] appends instructions to a `Graph<Dim>`; the type of each result comes from [`shape::infer`], so the
//! graph is well typed by construction. Its methods speak the language's conventions: NumPy broadcasting in which
//! only a literal 1 or an absent dimension stretches, literals that take the type of their context, no implicit
//! conversion between element types. Tensor IR itself knows none of these.
//!
//! Errors are diagnostics that point at `origin.span`; the checker sets it before each call.

mod contract;
mod elementwise;
pub mod error;
mod index;
mod loops;
mod movement;
mod pattern;
mod ragged;
mod reduce;
mod window;

#[cfg(test)]
mod tests;

pub use index::Index;
pub use loops::{Carry, Finished, Scanned, Slot};
pub use pattern::Pattern;
pub use ragged::Ragged;
pub use reduce::Over;
pub use window::{Padding, WindowSpec};

use crate::diag::Diagnostic;
use crate::ops::dim::{Dim, Symbol};
use crate::ops::{Binary, DType, Extent, Literal, Op, Type, shape};
use crate::tensor::{Graph, InputRole, Origin, Value as Node};
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

/// A result, or the one diagnostic that says why there is none.
pub type Checked<T> = Result<T, Box<Diagnostic>>;

/// A graph under construction.
#[derive(Clone, Debug)]
pub struct Emit {
    pub graph: Graph<Dim>,
    /// Where the instructions appended next come from.
    pub origin: Origin,
    /// The i32 scalar inputs made so far: `step`, `total`, `seed`, …
    pub scalars: HashMap<Arc<str>, Node>,
    /// Batches that make one step.
    pub batches: u64,
    /// What `where T in 2..=128` says of dimensions; all others are at least 1.
    pub ranges: HashMap<Symbol, (i64, i64)>,
    /// Numbers that the data gives, and that is not open yet.
    pub learned: HashSet<Symbol>,
    /// Padded dimensions, over which nothing may be summed without a mask.
    pub ragged: Ragged,
    /// Loops whose bodies are under construction, outermost first.
    pub loops: Vec<loops::OpenLoop>,
    /// Means over what takes part, as numbers, each with its divisor: 0 where nothing did.
    pub shares: Vec<(Node, Node)>,
    /// How many random draws each layer instance has made.
    draws: HashMap<Arc<str>, u64>,
}

impl Emit {
    pub fn new(name: impl Into<String>) -> Self {
        Emit {
            graph: Graph::new(name),
            origin: Origin::default(),
            scalars: HashMap::new(),
            batches: 1,
            ranges: HashMap::new(),
            learned: HashSet::new(),
            ragged: Ragged::default(),
            loops: vec![],
            shares: vec![],
            draws: HashMap::new(),
        }
    }

    pub fn ty(&self, x: Node) -> &Type<Dim> {
        self.graph.ty(x)
    }

    pub fn shape(&self, x: Node) -> Vec<Dim> {
        self.ty(x).shape.clone()
    }

    pub fn dtype(&self, x: Node) -> DType {
        self.ty(x).dtype
    }

    pub fn rank(&self, x: Node) -> usize {
        self.ty(x).rank()
    }

    /// Appends an operation and returns all its results. Not for sources whose type the caller gives.
    pub fn ops(&mut self, op: Op<Dim>, args: &[Node]) -> Checked<Vec<Node>> {
        let types: Vec<&Type<Dim>> = args.iter().map(|&a| self.graph.ty(a)).collect();
        let results =
            shape::infer(&op, &types).map_err(|e| error::shape_rule(self.origin.span, &e.to_string(), &types))?;
        self.check_padding(&op, args)?;
        Ok(self.graph.push(op, args.to_vec(), results.unwrap_or_default(), self.origin.clone()))
    }

    /// Appends an operation with one result.
    pub fn op(&mut self, op: Op<Dim>, args: &[Node]) -> Checked<Node> {
        Ok(self.ops(op, args)?[0])
    }

    /// A scalar constant of this element type.
    pub fn constant(&mut self, value: f64, dtype: DType) -> Node {
        self.literal(literal(value, dtype), dtype)
    }

    /// A scalar constant; the literal must be of the kind that `dtype` stores.
    pub fn literal(&mut self, value: Literal, dtype: DType) -> Node {
        self.graph.push(Op::Const(value), vec![], vec![Type::scalar(dtype)], self.origin.clone())[0]
    }

    /// A tensor with one value everywhere.
    pub fn fill(&mut self, value: f64, dtype: DType, shape: &[Dim]) -> Checked<Node> {
        let scalar = self.constant(value, dtype);
        self.broadcast_to(scalar, shape)
    }

    /// A dimension as a number: a constant where it is known.
    pub fn dim_number(&mut self, dim: &Dim, dtype: DType) -> Checked<Node> {
        match dim.known() {
            Some(n) if int_range(dtype).is_some_and(|(low, high)| n < low || n > high) => {
                Err(error::literal_does_not_fit(self.origin.span, n, dtype))
            }
            Some(n) if dtype.is_int() => Ok(self.literal(Literal::Int(n), dtype)),
            Some(n) => Ok(self.constant(n as f64, dtype)),
            None => {
                let number = self.op(Op::DimValue(dim.clone()), &[])?;
                self.cast(number, dtype)
            }
        }
    }

    pub fn cast(&mut self, x: Node, dtype: DType) -> Checked<Node> {
        if self.dtype(x) == dtype { Ok(x) } else { self.op(Op::Cast(dtype), &[x]) }
    }

    /// Whether `dim ≥ least` follows from the ranges of its symbols. What a number of the data leaves open is decided
    /// once the data is.
    pub fn proves(&self, dim: &Dim, least: i64) -> bool {
        let (low, high) = dim.interval(&self.ranges);
        let is_open = || dim.symbols().iter().any(|s| self.learned.contains(s));
        low.is_some_and(|low| low >= least) || high.is_none_or(|high| high >= least) && is_open()
    }

    /// The i32 scalar input of this name, made on first use.
    pub fn scalar(&mut self, name: &str) -> Node {
        if let Some(&value) = self.scalars.get(name) {
            return value;
        }
        let value = self.input(name, InputRole::Scalar, Type::scalar(DType::I32), Origin::default());
        self.scalars.insert(name.into(), value);
        value
    }

    /// A number for each batch of a run, for random draws: the step, unless several batches make one.
    pub fn batch_number(&mut self) -> Checked<Node> {
        let step = self.scalar("step");
        if self.batches < 2 {
            return Ok(step);
        }
        let micro = self.scalar("micro");
        let before = self.with_number(Binary::Mul, step, self.batches as f64)?;
        self.zip(Binary::Add, before, micro)
    }

    /// The Philox key of the next random draw: it depends on the layer instance and on how many draws that instance
    /// has made before, and on nothing else in the program.
    pub fn next_key(&mut self) -> u64 {
        let layer = self.origin.layer.clone().unwrap_or_default();
        let ordinal = self.draws.entry(layer.clone()).or_insert(0);
        *ordinal += 1;
        fnv1a(layer.bytes().chain(ordinal.to_le_bytes()))
    }
}

/// The literal of this value as `dtype` stores it; integers saturate.
fn literal(value: f64, dtype: DType) -> Literal {
    match int_range(dtype) {
        Some((low, high)) => Literal::Int((value as i64).clamp(low, high)),
        None if dtype == DType::Bool => Literal::Bool(value != 0.0),
        None => Literal::Float(value),
    }
}

/// Smallest and largest value of an integer type.
fn int_range(dtype: DType) -> Option<(i64, i64)> {
    match dtype {
        DType::I32 => Some((i32::MIN.into(), i32::MAX.into())),
        DType::I64 => Some((i64::MIN, i64::MAX)),
        DType::U8 => Some((0, 255)),
        _ => None,
    }
}

/// The 64-bit FNV-1a hash.
fn fnv1a(bytes: impl Iterator<Item = u8>) -> u64 {
    bytes.fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

//! Arity per operation, and the checks that rules share.

use super::error::{Class, ShapeError};
use crate::ops::{DType, Extent, Op, Type};
use std::fmt;

/// How many arguments an operation takes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Arity {
    Exactly(usize),
    AtLeast(usize),
}

impl Arity {
    pub fn of<D>(op: &Op<D>) -> Arity {
        use Arity::{AtLeast, Exactly};
        match op {
            Op::Input { .. } | Op::Const(_) | Op::Table(..) => Exactly(0),
            Op::DimValue(_) | Op::Iota { .. } => Exactly(0),
            Op::Unary(_) | Op::Cast(_) | Op::Bitcast(_) | Op::StopGradient => Exactly(1),
            Op::Reduce { .. } | Op::ArgMax { .. } | Op::ArgMin { .. } | Op::CumSum { .. } => Exactly(1),
            Op::Reshape { .. } | Op::Transpose { .. } | Op::Broadcast { .. } => Exactly(1),
            Op::Slice { .. } | Op::Reverse { .. } => Exactly(1),
            Op::WindowSum { .. } | Op::WindowSumGrad { .. } | Op::WindowArgMax { .. } => Exactly(1),
            Op::Sort { .. } | Op::TopK { .. } => Exactly(1),
            Op::Philox { .. } | Op::Binary(_) | Op::Compare(_) | Op::Pad { .. } => Exactly(2),
            Op::Take { .. } | Op::TakeAlong { .. } => Exactly(2),
            Op::ScatterAdd { .. } | Op::ScatterAddAlong { .. } => Exactly(2),
            Op::Dot { .. } | Op::Conv { .. } | Op::ConvInputGrad { .. } | Op::ConvWeightGrad { .. } => Exactly(2),
            Op::WindowGather { .. } | Op::WindowScatter { .. } => Exactly(2),
            Op::Select => Exactly(3),
            Op::Attention { scores } => Exactly(scores.arguments()),
            Op::AttentionGrad { scores } | Op::AttentionBiasGrad { scores } => Exactly(scores.arguments() + 3),
            Op::Composite { .. } => AtLeast(0),
            Op::Scan { carries, xs, .. } => AtLeast(carries.saturating_add(*xs)),
            Op::Concat { .. } | Op::DynamicSlice { .. } => AtLeast(1),
            Op::DynamicUpdate | Op::Grad => AtLeast(2),
        }
    }

    pub fn check<D>(self, found: usize) -> Result<(), ShapeError<D>> {
        let fits = match self {
            Arity::Exactly(n) => found == n,
            Arity::AtLeast(n) => found >= n,
        };
        if fits { Ok(()) } else { Err(ShapeError::Arity { expected: self, found }) }
    }
}

impl fmt::Display for Arity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Arity::Exactly(1) => f.write_str("1 argument"),
            Arity::Exactly(n) => write!(f, "{n} arguments"),
            Arity::AtLeast(1) => f.write_str("1 argument or more"),
            Arity::AtLeast(n) => write!(f, "{n} arguments or more"),
        }
    }
}

/// The argument types of an operation, their number already checked.
pub struct Args<'a, D>(&'a [&'a Type<D>]);

impl<D> Clone for Args<'_, D> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<D> Copy for Args<'_, D> {}

impl<'a, D: Extent> Args<'a, D> {
    pub fn new(types: &'a [&'a Type<D>]) -> Self {
        Args(types)
    }

    pub fn len(self) -> usize {
        self.0.len()
    }

    pub fn ty(self, arg: usize) -> &'a Type<D> {
        self.0[arg]
    }

    pub fn shape(self, arg: usize) -> &'a [D] {
        &self.0[arg].shape
    }

    pub fn dtype(self, arg: usize) -> DType {
        self.0[arg].dtype
    }

    pub fn class(self, arg: usize, expected: Class) -> Result<DType, ShapeError<D>> {
        let found = self.dtype(arg);
        if expected.contains(found) { Ok(found) } else { Err(ShapeError::DType { arg, expected, found }) }
    }

    pub fn rank(self, arg: usize, expected: usize) -> Result<(), ShapeError<D>> {
        let found = self.ty(arg).rank();
        if found == expected { Ok(()) } else { Err(ShapeError::Rank { arg, expected, found }) }
    }

    pub fn axis(self, arg: usize, axis: usize) -> Result<&'a D, ShapeError<D>> {
        let shape = self.shape(arg);
        shape.get(axis).ok_or(ShapeError::Axis { arg, axis, rank: shape.len() })
    }

    /// Sorted, distinct axes of argument 0.
    pub fn axes(self, axes: &[usize]) -> Result<(), ShapeError<D>> {
        axes.iter().try_for_each(|&axis| self.axis(0, axis).map(drop))?;
        ascending(axes)
    }

    pub fn dim(self, arg: usize, axis: usize, expected: &D) -> Result<(), ShapeError<D>> {
        let found = self.axis(arg, axis)?;
        if found.same(expected) {
            return Ok(());
        }
        Err(ShapeError::Dim { arg, axis, expected: expected.clone(), found: found.clone() })
    }

    pub fn shape_is(self, arg: usize, expected: &[D]) -> Result<(), ShapeError<D>> {
        self.rank(arg, expected.len())?;
        expected.iter().enumerate().try_for_each(|(axis, d)| self.dim(arg, axis, d))
    }

    pub fn scalar(self, arg: usize, dtype: DType) -> Result<(), ShapeError<D>> {
        self.class(arg, Class::Exactly(dtype))?;
        self.rank(arg, 0)
    }

    /// Argument `arg` has the type and shape of argument `like`.
    pub fn alike(self, arg: usize, like: usize) -> Result<(), ShapeError<D>> {
        self.class(arg, Class::Exactly(self.dtype(like)))?;
        self.shape_is(arg, self.shape(like))
    }

    /// `found / by` for axis `axis` of argument `arg`, which must be exact.
    pub fn divided(self, arg: usize, axis: usize, by: usize) -> Result<D, ShapeError<D>> {
        let found = self.axis(arg, axis)?;
        let quotient = found.floor_div(by as i64);
        if quotient.mul(&D::constant(by as i64)).same(found) {
            return Ok(quotient);
        }
        Err(ShapeError::Divide { arg, axis, found: found.clone(), by })
    }

    /// At least `needed` elements on the axis, as far as is known.
    pub fn holds(self, arg: usize, axis: usize, needed: D) -> Result<(), ShapeError<D>> {
        let found = self.axis(arg, axis)?;
        if !exceeds(&needed, found) {
            return Ok(());
        }
        Err(ShapeError::Beyond { arg, axis, needed, found: found.clone() })
    }
}

/// Whether `a > b` for certain.
fn exceeds<D: Extent>(a: &D, b: &D) -> bool {
    match (a.known(), b.known()) {
        (Some(a), Some(b)) => a > b,
        _ => a.sub(b).known().is_some_and(|gap| gap > 0),
    }
}

pub fn ascending<D>(axes: &[usize]) -> Result<(), ShapeError<D>> {
    match axes.windows(2).all(|pair| pair[0] < pair[1]) {
        true => Ok(()),
        false => Err(ShapeError::Attribute { what: "axes must be sorted and distinct" }),
    }
}

/// `d + offset`, or `None` where that is known to be negative or too large.
pub fn shifted<D: Extent>(d: &D, offset: i64) -> Option<D> {
    match d.known() {
        Some(n) => n.checked_add(offset).filter(|sum| *sum >= 0).map(D::constant),
        None => Some(d.add(&D::constant(offset))),
    }
}

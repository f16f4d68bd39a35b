//! Indexing: `x[0]`, `x[:, 1:]`, `x[_, :]`, `x[rows]`.

use super::{Checked, Emit, error};
use crate::ops::dim::Dim;
use crate::ops::{DType, Extent, Op};
use crate::sema::value::Value;
use crate::source::Span;
use crate::tensor::Value as Node;

/// One subscript with its values worked out.
#[derive(Clone, Debug)]
pub enum Index {
    /// A compile-time integer removes the axis; an i32 tensor puts its own axes there.
    At(Value),
    /// `lo:hi`, either end open; negative ends count from the end of the axis.
    Slice(Option<Value>, Option<Value>),
    /// `_`: a new axis of length 1.
    NewAxis,
}

/// What becomes of one axis.
enum Step {
    Keep,
    Drop,
    New,
}

impl Emit {
    /// Axes without a subscript stay whole.
    pub fn index(&mut self, x: Node, subs: &[(Index, Span)]) -> Checked<Node> {
        let shape = self.shape(x);
        let used = subs.iter().filter(|(s, _)| !matches!(s, Index::NewAxis)).count();
        if used > shape.len() {
            return Err(error::too_many_indices(self.origin.span, used, &shape));
        }
        let (sliced, steps, gathers) = self.slice_axes(x, &shape, subs)?;
        let shaped = self.apply_steps(sliced, &steps)?;
        self.apply_gathers(shaped, &gathers)
    }

    /// Slices every axis at once, and notes what else each subscript asks for. Gathers are (result axis, indices).
    fn slice_axes(&mut self, x: Node, shape: &[Dim], subs: &[(Index, Span)]) -> Checked<(Node, Vec<Step>, Gathers)> {
        let mut start = vec![Dim::Const(0); shape.len()];
        let mut size = shape.to_vec();
        let (mut steps, mut gathers) = (vec![], vec![]);
        let mut axis = 0;
        for (sub, span) in subs {
            match sub {
                Index::NewAxis => {
                    steps.push(Step::New);
                    continue;
                }
                Index::Slice(lo, hi) => {
                    (start[axis], size[axis]) = self.slice_bounds(lo, hi, &shape[axis], *span)?;
                    steps.push(Step::Keep);
                }
                Index::At(Value::Tensor(indices)) => {
                    gathers.push((result_axis(&steps), self.check_indices(*indices, *span)?));
                    steps.push(Step::Keep);
                }
                Index::At(value) => {
                    (start[axis], size[axis]) = (self.position(value, &shape[axis], *span)?, Dim::Const(1));
                    steps.push(Step::Drop);
                }
            }
            axis += 1;
        }
        steps.extend((axis..shape.len()).map(|_| Step::Keep));
        Ok((self.slice(x, start, size)?, steps, gathers))
    }

    /// The compile-time position of an index, counted from the start of the axis.
    fn position(&self, value: &Value, size: &Dim, span: Span) -> Checked<Dim> {
        let index = bound(value, size, span)?;
        let inside = self.proves(&index, 0) && self.proves(&size.sub(&index), 1);
        if inside { Ok(index) } else { Err(error::index_out_of_range(span, &index, size)) }
    }

    /// Start and length of `lo:hi`.
    fn slice_bounds(&self, lo: &Option<Value>, hi: &Option<Value>, size: &Dim, span: Span) -> Checked<(Dim, Dim)> {
        let lo = lo.as_ref().map_or(Ok(Dim::Const(0)), |v| bound(v, size, span))?;
        let hi = hi.as_ref().map_or(Ok(size.clone()), |v| bound(v, size, span))?;
        let length = hi.sub(&lo);
        let inside = self.proves(&lo, 0) && self.proves(&length, 0) && self.proves(&size.sub(&hi), 0);
        if inside { Ok((lo, length)) } else { Err(error::slice_out_of_range(span, &lo, &hi, size)) }
    }

    /// A dense slice; the whole of a tensor is the tensor itself.
    pub fn slice(&mut self, x: Node, start: Vec<Dim>, size: Vec<Dim>) -> Checked<Node> {
        let whole = size.iter().zip(&self.ty(x).shape).all(|(a, b)| a.same(b));
        if whole {
            return Ok(x);
        }
        let stride = vec![1; size.len()];
        self.op(Op::Slice { start, size, stride }, &[x])
    }

    /// One range on one axis.
    pub fn slice_axis(&mut self, x: Node, axis: usize, start: Dim, size: Dim) -> Checked<Node> {
        let mut sizes = self.shape(x);
        let mut starts = vec![Dim::Const(0); sizes.len()];
        (starts[axis], sizes[axis]) = (start, size);
        self.slice(x, starts, sizes)
    }

    fn apply_steps(&mut self, x: Node, steps: &[Step]) -> Checked<Node> {
        let mut old = self.shape(x).into_iter();
        let mut shape = vec![];
        for step in steps {
            match step {
                Step::New => shape.push(Dim::Const(1)),
                Step::Keep => shape.extend(old.next()),
                Step::Drop => drop(old.next()),
            }
        }
        self.reshape(x, &shape)
    }

    fn apply_gathers(&mut self, x: Node, gathers: &Gathers) -> Checked<Node> {
        match gathers.as_slice() {
            [] => Ok(x),
            [(axis, indices)] => self.op(Op::Take { axis: *axis }, &[x, *indices]),
            _ => Err(error::wrong_kind(self.origin.span, "at most one tensor among the indices", "several")),
        }
    }

    /// Run-time indices are i32, and checked when the program runs.
    pub fn check_indices(&self, indices: Node, span: Span) -> Checked<Node> {
        match self.dtype(indices) {
            DType::I32 => Ok(indices),
            other => Err(error::not_for_dtype(
                span,
                "an index",
                other,
                "indices are i32: `i32(x)`; for a choice by a mask use `where`",
            )),
        }
    }
}

type Gathers = Vec<(usize, Node)>;

fn result_axis(steps: &[Step]) -> usize {
    steps.iter().filter(|s| !matches!(s, Step::Drop)).count()
}

fn bound(value: &Value, size: &Dim, span: Span) -> Checked<Dim> {
    match value {
        Value::Dim(d) if d.known().is_some_and(|n| n < 0) => Ok(size.add(d)),
        Value::Dim(d) => Ok(d.clone()),
        Value::Tensor(_) => Err(error::wrong_kind(span, "a compile-time bound (use a mask instead)", "a tensor")),
        other => Err(error::wrong_kind(span, "an integer", other.describe())),
    }
}

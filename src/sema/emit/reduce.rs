//! Reductions: over any axes, with masks, and the statistics made of them.

use super::{Checked, Emit, error};
use crate::ops::dim::Dim;
use crate::ops::{Binary, Compare, DType, Op, Reduce, Unary};
use crate::sema::value::Value;
use crate::tensor::Value as Node;

/// Axes to reduce, and what becomes of them.
#[derive(Clone, Debug)]
pub struct Over {
    /// Sorted and distinct.
    pub axes: Vec<usize>,
    /// Whether they stay, with length 1.
    pub keep: bool,
    /// bool; true means "take part". Its axes are the leading ones of the argument.
    pub mask: Option<Node>,
}

impl Emit {
    /// No axes: the argument itself.
    pub fn reduce(&mut self, op: Reduce, x: Node, axes: &[usize], keep: bool) -> Checked<Node> {
        if axes.is_empty() {
            return Ok(x);
        }
        let shape = self.shape(x);
        let reduced = self.op(Op::Reduce { op, axes: axes.to_vec() }, &[x])?;
        if keep { self.reshape(reduced, &kept_shape(&shape, axes)) } else { Ok(reduced) }
    }

    /// A reduction in which masked elements take the operation's neutral value.
    pub fn reduce_over(&mut self, op: Reduce, x: Node, over: &Over) -> Checked<Node> {
        let x = match over.mask {
            Some(mask) => self.mask_with(x, mask, neutral(op))?,
            None => x,
        };
        self.reduce(op, x, &over.axes, over.keep)
    }

    /// `where(mask, x, value)`; a mask of lower rank covers the leading axes of x.
    fn mask_with(&mut self, x: Node, mask: Node, value: f64) -> Checked<Node> {
        let mask = self.lead_mask(x, mask)?;
        let value = self.constant(value, self.dtype(x));
        self.select(&Value::Tensor(mask), &Value::Tensor(x), &Value::Tensor(value))
    }

    fn lead_mask(&mut self, x: Node, mask: Node) -> Checked<Node> {
        if self.dtype(mask) != DType::Bool {
            let dtype = self.dtype(mask);
            return Err(error::not_for_dtype(self.origin.span, "a mask", dtype, "compare first: `x > 0`"));
        }
        let mut shape = self.shape(mask);
        shape.resize(self.rank(x).max(shape.len()), Dim::Const(1));
        let mask = self.reshape(mask, &shape)?;
        self.broadcast_to(mask, &self.shape(x))
    }

    /// How many elements take part, as a float that broadcasts against the reduced value.
    pub fn count_over(&mut self, x: Node, over: &Over) -> Checked<Node> {
        let dtype = self.dtype(x);
        if let Some(mask) = over.mask {
            let mask = self.lead_mask(x, mask)?;
            let ones = self.cast(mask, dtype)?;
            return self.reduce(Reduce::Sum, ones, &over.axes, over.keep);
        }
        let shape = self.shape(x);
        let dims: Vec<Dim> = over.axes.iter().map(|&a| shape[a].clone()).collect();
        self.dim_number(&super::movement::product(&dims), dtype)
    }

    /// The sum divided by the number of elements that take part; where none does, 0.
    pub fn mean_over(&mut self, x: Node, over: &Over) -> Checked<Node> {
        self.need_float("mean", x)?;
        let sum = self.reduce_over(Reduce::Sum, x, over)?;
        let count = self.count_over(x, over)?;
        if over.mask.is_none() {
            return self.zip(Binary::Div, sum, count);
        }
        let divisor = self.with_number(Binary::Max, count, 1.0)?;
        let mean = self.zip(Binary::Div, sum, divisor)?;
        self.note_share(mean, count);
        Ok(mean)
    }

    /// x / y, and 0 where y is 0.
    pub fn ratio(&mut self, x: Node, y: Node) -> Checked<Node> {
        self.need_float("ratio", x)?;
        let zero = self.compare(Compare::Eq, &Value::Tensor(y), &Value::Float(0.0))?;
        let divisor = self.select(&Value::Tensor(zero), &Value::Float(1.0), &Value::Tensor(y))?;
        let quotient = self.zip(Binary::Div, x, divisor)?;
        let ratio = self.select(&Value::Tensor(zero), &Value::Float(0.0), &Value::Tensor(quotient))?;
        self.note_share(ratio, y);
        Ok(ratio)
    }

    /// Within a loop over data a mean is not a number of the whole batch.
    fn note_share(&mut self, mean: Node, divisor: Node) {
        if self.rank(mean) == 0 && self.rank(divisor) == 0 && self.loops.is_empty() {
            self.shares.push((mean, divisor));
        }
    }

    /// The mean square distance from the mean; `unbiased` divides by one less than the count.
    pub fn variance_over(&mut self, x: Node, over: &Over, unbiased: bool) -> Checked<Node> {
        let center = self.mean_over(x, &Over { keep: true, ..over.clone() })?;
        let away = self.zip(Binary::Sub, x, center)?;
        let square = self.zip(Binary::Mul, away, away)?;
        if !unbiased {
            return self.mean_over(square, over);
        }
        let sum = self.reduce_over(Reduce::Sum, square, over)?;
        let count = self.count_over(x, over)?;
        let less = self.with_number(Binary::Sub, count, 1.0)?;
        self.zip(Binary::Div, sum, less)
    }

    /// The square root, with gradient 0 at 0: the branch that is not taken has a zero adjoint.
    pub fn safe_sqrt(&mut self, x: Node) -> Checked<Node> {
        let zero = self.constant(0.0, self.dtype(x));
        let (x, zero) = (Value::Tensor(x), Value::Tensor(zero));
        let none = self.compare(Compare::Le, &x, &zero)?;
        let root = self.unary(Unary::Sqrt, &x)?;
        self.select(&Value::Tensor(none), &zero, &Value::Tensor(root))
    }

    /// The Euclidean norm, with gradient 0 at the zero vector.
    pub fn norm_over(&mut self, x: Node, over: &Over) -> Checked<Node> {
        self.need_float("norm", x)?;
        let square = self.zip(Binary::Mul, x, x)?;
        let sum = self.reduce_over(Reduce::Sum, square, over)?;
        self.safe_sqrt(sum)
    }

    /// `log(sum(exp(x)))`, shifted by the largest element so that nothing overflows.
    pub fn logsumexp_over(&mut self, x: Node, over: &Over) -> Checked<Node> {
        self.need_float("logsumexp", x)?;
        let top = self.reduce_over(Reduce::Max, x, &Over { keep: true, ..over.clone() })?;
        let top = self.op(Op::StopGradient, &[top])?;
        let shift = self.finite_or_zero(top)?;
        let away = self.zip(Binary::Sub, x, shift)?;
        let exp = self.map(Unary::Exp, away)?;
        let sum = self.reduce_over(Reduce::Sum, exp, &Over { keep: true, ..over.clone() })?;
        let log = self.map(Unary::Log, sum)?;
        let result = self.zip(Binary::Add, log, shift)?;
        if over.keep {
            return Ok(result);
        }
        let shape = self.shape(result);
        let left: Vec<Dim> = (0..shape.len()).filter(|i| !over.axes.contains(i)).map(|i| shape[i].clone()).collect();
        self.reshape(result, &left)
    }

    /// x where |x| < inf, else 0.
    fn finite_or_zero(&mut self, x: Node) -> Checked<Node> {
        let finite = self.is_finite(x)?;
        let zero = self.constant(0.0, self.dtype(x));
        self.select(&Value::Tensor(finite), &Value::Tensor(x), &Value::Tensor(zero))
    }

    /// `|x| < inf`: false for NaN too.
    pub fn is_finite(&mut self, x: Node) -> Checked<Node> {
        let size = self.map(Unary::Abs, x)?;
        self.compare(Compare::Lt, &Value::Tensor(size), &Value::Float(f64::INFINITY))
    }

    pub fn need_float(&self, what: &str, x: Node) -> Checked<()> {
        match self.dtype(x) {
            d if d.is_float() => Ok(()),
            d => Err(error::not_for_dtype(self.origin.span, &format!("`{what}`"), d, "convert it first: `f32(x)`")),
        }
    }
}

fn neutral(op: Reduce) -> f64 {
    match op {
        Reduce::Sum | Reduce::Any => 0.0,
        Reduce::Product | Reduce::All => 1.0,
        Reduce::Max => f64::NEG_INFINITY,
        Reduce::Min => f64::INFINITY,
    }
}

fn kept_shape(shape: &[Dim], axes: &[usize]) -> Vec<Dim> {
    shape.iter().enumerate().map(|(i, d)| if axes.contains(&i) { Dim::Const(1) } else { d.clone() }).collect()
}

//! The table of gradient rules: for each operation, the adjoint of each of its arguments.
//!
//! `y` is the result, `y_adj` its adjoint. Conventions: a max or min reduction shares the gradient equally among ties,
//! an elementwise max or min in halves; `sqrt` has partial 0 at 0, so the norm of a zero vector and the deviation of
//! constants have gradient 0; a power has no gradient in its exponent where the base is 0 and the exponent is not
//! negative. Windows and convolutions are closed: their adjoints are members of the same families.

mod contract;
mod map;
mod moves;
mod reduce;

use crate::ops::{Op, Type};
use crate::tensor::build::Builder;
use crate::tensor::{Inst, Value};

/// One application of a rule.
pub struct Rule<'a, 'g> {
    pub b: &'a mut Builder<'g>,
    pub inst: &'a Inst,
    /// Adjoint of the first result: no other result of any operation is a float.
    pub y_adj: Value,
    /// Products need a guard against singular factors.
    pub masked: bool,
}

impl Rule<'_, '_> {
    /// The adjoint of argument `i`; `None` where the derivative is zero everywhere.
    pub fn adjoint(&mut self, i: usize) -> Option<Value> {
        match &self.inst.op {
            Op::Input { .. } | Op::Const(_) | Op::Table(..) | Op::DimValue(_) | Op::Iota { .. } | Op::Philox { .. } => {
                None
            }
            Op::Compare(_) | Op::Bitcast(_) | Op::StopGradient => None,
            Op::ArgMax { .. } | Op::ArgMin { .. } | Op::WindowArgMax { .. } => None,
            // The sweep has rules of its own for those with several results, or expands them.
            Op::Attention { .. } | Op::AttentionGrad { .. } | Op::AttentionBiasGrad { .. } => None,
            Op::Composite { .. } | Op::Scan { .. } | Op::Grad => None,

            Op::Unary(op) => map::unary(self, *op),
            Op::Binary(op) => map::binary(self, *op, i),
            Op::Select => Some(map::select(self, i)),
            Op::Cast(_) => Some(map::cast(self)),

            Op::Reduce { op, axes } => reduce::reduce(self, *op, axes),
            Op::CumSum { axis, reverse } => Some(self.like_x(Op::CumSum { axis: *axis, reverse: !reverse }, &[])),

            Op::Reshape { .. } => Some(moves::reshape(self)),
            Op::Transpose { perm } => Some(moves::transpose(self, perm)),
            Op::Broadcast { axes, .. } => Some(moves::broadcast(self, axes)),
            Op::Slice { start, size, stride } => Some(moves::slice(self, start, size, stride)),
            Op::Pad { pads } if i == 0 => Some(moves::pad(self, pads)),
            Op::Pad { pads } => Some(moves::pad_value(self, pads)),
            Op::Concat { axis } => Some(moves::concat(self, *axis, i)),
            Op::Reverse { axes } => Some(self.like_x(Op::Reverse { axes: axes.clone() }, &[])),
            Op::DynamicSlice { .. } => Some(moves::dynamic_slice(self)),
            Op::DynamicUpdate if i == 0 => Some(moves::dynamic_update_base(self)),
            Op::DynamicUpdate => Some(moves::dynamic_update_update(self)),

            Op::Take { axis } => {
                let op = Op::ScatterAdd { axis: *axis, size: self.x_type(0).shape[*axis] };
                Some(self.like_x(op, &[self.inst.args[1]]))
            }
            Op::TakeAlong { axis } => {
                let op = Op::ScatterAddAlong { axis: *axis, size: self.x_type(0).shape[*axis] };
                Some(self.like_x(op, &[self.inst.args[1]]))
            }
            Op::ScatterAdd { axis, .. } => Some(self.like_x(Op::Take { axis: *axis }, &[self.inst.args[1]])),
            Op::ScatterAddAlong { axis, .. } => Some(self.like_x(Op::TakeAlong { axis: *axis }, &[self.inst.args[1]])),

            Op::Dot { .. } => Some(contract::dot(self, i)),
            Op::Conv { window, groups } => Some(contract::conv(self, window, *groups, i)),
            Op::ConvInputGrad { window, groups, .. } => Some(contract::conv_input_grad(self, window, *groups, i)),
            Op::ConvWeightGrad { window, groups } => Some(contract::conv_weight_grad(self, window, *groups, i)),

            Op::WindowSum { window } => {
                let op = Op::WindowSumGrad { window: window.clone(), input: spatial(&self.x_type(0)) };
                Some(self.like_x(op, &[]))
            }
            Op::WindowSumGrad { window, .. } => Some(self.like_x(Op::WindowSum { window: window.clone() }, &[])),
            Op::WindowGather { window } => {
                let op = Op::WindowScatter { window: window.clone(), input: spatial(&self.x_type(0)) };
                Some(self.like_x(op, &[self.inst.args[1]]))
            }
            Op::WindowScatter { window, .. } => {
                Some(self.like_x(Op::WindowGather { window: window.clone() }, &[self.inst.args[1]]))
            }

            // The indices are a permutation (or part of one), so nothing is added up.
            Op::Sort { axis, .. } => Some(moves::unsort(self, *axis)),
            Op::TopK { .. } => {
                let last = self.x_type(0).rank() - 1;
                Some(moves::unsort(self, last))
            }
        }
    }

    fn x(&self, i: usize) -> Value {
        self.inst.args[i]
    }

    fn x_type(&self, i: usize) -> Type {
        self.b.ty(self.inst.args[i])
    }

    fn y(&self) -> Value {
        self.inst.results[0]
    }

    /// `op(y_adj, more…)`, of the type of the first argument.
    fn like_x(&mut self, op: Op, more: &[Value]) -> Value {
        let ty = self.x_type(0);
        self.b.op(op, &[&[self.y_adj], more].concat(), ty)
    }

    /// `y_adj * partial` where the partial is a value of the forward pass.
    fn times(&mut self, partial: Value) -> Value {
        let product = self.b.mul(self.y_adj, partial);
        if self.masked { self.strong_zero(product) } else { product }
    }

    /// `product`, which has `y_adj` as a factor; but 0 where `y_adj` is 0 and the other factor singular. A guard on
    /// the product's being NaN, not on `y_adj` alone, keeps the derivative by `y_adj` right at 0.
    fn strong_zero(&mut self, product: Value) -> Value {
        let b = &mut *self.b;
        let silent = b.is_zero(self.y_adj);
        let undefined = b.compare(crate::ops::Compare::Ne, product, product);
        let guarded = b.op(Op::Binary(crate::ops::Binary::And), &[silent, undefined], b.ty(silent));
        let zero = b.zeros_like(product);
        b.select(guarded, zero, product)
    }
}

/// Height and width of NHWC.
fn spatial(ty: &Type) -> [usize; 2] {
    [ty.shape[1], ty.shape[2]]
}

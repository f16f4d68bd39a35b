//! The sum of a value over all steps, as an operation outside of the loop.

use super::sums::Sums;
use crate::ops::{Binary, Literal, Op, Reduce, Type, Unary};
use crate::opt::batch::{Outside, later};
use crate::tensor::{Inst, Value};

impl Sums<'_, '_, '_> {
    /// `None` where the loop does it as well: a value that would have to be stacked only to be added up.
    pub(super) fn total(&mut self, value: Value) -> Option<Value> {
        if self.lift.kind(value).is_some() {
            let steps = self.stack(value)?;
            return Some(self.added(steps));
        }
        let inst = self.definition(value)?.clone();
        let result = self.linear(&inst);
        self.at.b.origin = inst.origin;
        result
    }

    /// Operations that can be exchanged with the sum.
    fn linear(&mut self, inst: &Inst) -> Option<Value> {
        let (args, ty) = (&inst.args, self.at.draft.body.ty(inst.results[0]).clone());
        Some(match &inst.op {
            Op::Dot { .. } => self.dot(&inst.op, args, ty)?,
            Op::Reduce { op: Reduce::Sum, axes } => self.sum(args[0], axes)?,
            Op::ConvWeightGrad { .. } => {
                let args = [self.images(args[0])?, self.images(args[1])?];
                self.at.b.op(inst.op.clone(), &args, ty)
            }
            Op::ScatterAdd { axis, .. } => self.scatter_add(&inst.op, *axis, args, ty)?,
            Op::Unary(Unary::Neg) | Op::Transpose { .. } | Op::Reshape { .. } => self.first(inst, ty)?,
            Op::Reverse { .. } | Op::Slice { .. } | Op::Broadcast { .. } => self.first(inst, ty)?,
            Op::Pad { .. } if self.is_zero(args[1]) => self.first(inst, ty)?,
            Op::Binary(op @ (Binary::Add | Binary::Sub)) => {
                let totals = [self.total(args[0])?, self.total(args[1])?];
                self.at.b.op(Op::Binary(*op), &totals, ty)
            }
            Op::Binary(Binary::Mul | Binary::Div) if self.is_same(args[1]) => self.scaled(inst, 0, ty)?,
            Op::Binary(Binary::Mul) if self.is_same(args[0]) => self.scaled(inst, 1, ty)?,
            _ => return None,
        })
    }

    fn added(&mut self, outside: Outside) -> Value {
        match outside.steps {
            true => self.at.b.sum(outside.value, &[0]),
            false => self.at.b.scale(outside.value, self.at.draft.how.length as f64),
        }
    }

    fn is_same(&self, value: Value) -> bool {
        self.lift.kind(value) == Some(false)
    }

    fn is_zero(&self, value: Value) -> bool {
        let zero = |inst: &Inst| matches!(inst.op, Op::Const(Literal::Float(0.0) | Literal::Int(0)));
        self.definition(value).is_some_and(zero)
    }

    /// The operation on the sum of its first argument.
    fn first(&mut self, inst: &Inst, ty: Type) -> Option<Value> {
        let mut args = vec![self.total(inst.args[0])?];
        for other in &inst.args[1..] {
            args.push(self.stack(*other)?.value);
        }
        Some(self.at.b.op(inst.op.clone(), &args, ty))
    }

    /// The sum of argument `i`, multiplied or divided by the other one, which is the same in each step.
    fn scaled(&mut self, inst: &Inst, i: usize, ty: Type) -> Option<Value> {
        let mut args = [self.total(inst.args[i])?; 2];
        args[1 - i] = self.stack(inst.args[1 - i])?.value;
        Some(self.at.b.op(inst.op.clone(), &args, ty))
    }

    /// The steps are one more axis to contract.
    fn dot(&mut self, op: &Op, args: &[Value], ty: Type) -> Option<Value> {
        let Op::Dot { lhs_batch, rhs_batch, lhs_contract, rhs_contract } = op else { unreachable!("a dot") };
        let (lhs, rhs) = (self.stack(args[0])?, self.stack(args[1])?);
        let with_steps = |axes: &[usize]| [&[0], &later(axes, 1)[..]].concat();
        if lhs.steps && rhs.steps {
            let op = Op::Dot {
                lhs_batch: later(lhs_batch, 1),
                rhs_batch: later(rhs_batch, 1),
                lhs_contract: with_steps(lhs_contract),
                rhs_contract: with_steps(rhs_contract),
            };
            return Some(self.at.b.op(op, &[lhs.value, rhs.value], ty));
        }
        // One side, or what is left of none, is summed before.
        let lhs_sum = if rhs.steps { lhs.value } else { self.added(lhs) };
        let rhs_sum = if rhs.steps { self.added(rhs) } else { rhs.value };
        Some(self.at.b.op(op.clone(), &[lhs_sum, rhs_sum], ty))
    }

    /// The steps are one more axis to add up.
    fn sum(&mut self, x: Value, axes: &[usize]) -> Option<Value> {
        if self.lift.kind(x).is_none() && !self.is_affordable(x) {
            return None;
        }
        let x = self.stack(x)?;
        let steps = [&[0], &later(axes, 1)[..]].concat();
        let whole = x.stacked(self.at.b, self.at.draft.how.length);
        Some(self.at.b.sum(whole, &steps))
    }

    /// Stacking it at most doubles what the loop reads and writes.
    fn is_affordable(&self, x: Value) -> bool {
        let bytes = |v: Value| self.at.draft.body.ty(v).bytes();
        let xs = self.at.draft.xs.iter().map(|x| bytes(x.inside));
        bytes(x) <= xs.chain(self.at.draft.ys.iter().map(|y| bytes(y.slice))).sum()
    }

    /// All images of all steps as one batch.
    fn images(&mut self, x: Value) -> Option<Value> {
        let x = self.stack(x)?;
        let whole = x.stacked(self.at.b, self.at.draft.how.length);
        Some(self.at.b.merge_leading(whole))
    }

    /// The steps are one more axis of the indices.
    fn scatter_add(&mut self, op: &Op, axis: usize, args: &[Value], ty: Type) -> Option<Value> {
        let length = self.at.draft.how.length;
        let (updates, indices) = (self.stack(args[0])?, self.stack(args[1])?);
        let (updates, indices) = (updates.stacked(self.at.b, length), indices.stacked(self.at.b, length));
        let rank = self.at.b.shape(updates).len();
        let perm: Vec<usize> = (1..=axis).chain([0]).chain(axis + 1..rank).collect();
        let updates = self.at.b.transpose(updates, &perm);
        Some(self.at.b.op(op.clone(), &[updates, indices], ty))
    }
}

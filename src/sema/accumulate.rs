//! `accumulate = 4`: several batches make one step.
//!
//! Two graphs share it: one gathers weighted gradients batch after batch, the other takes the last batch and updates with
//! Σ w·∇L / Σ w. The sums are state that no checkpoint needs: they are complete when a step ends.

use super::checker::Checker;
use super::emit::Checked;
use super::model::Micro;
use super::optimizer::Target;
use super::value::Value;
use crate::ops::{Binary, Compare, DType};
use crate::tensor::{self, InputRole};
use std::sync::Arc;

impl Checker {
    /// The part of a step that the graph under construction is.
    pub fn micro(&self) -> Micro {
        self.train.stage.as_ref().map_or(Micro::Whole, |stage| stage.micro)
    }

    /// Adds this batch to the sums; where it is the last of its step, the gradients become their mean. Gives the sum of
    /// the weights so far: NaN after a batch whose loss is not finite, so that the last one knows.
    pub(super) fn accumulate(
        &mut self,
        weight: tensor::Value,
        finite: tensor::Value,
        targets: &mut [Target],
    ) -> Checked<tensor::Value> {
        let number = self.train.minimized;
        let nan = self.graph.emit.constant(f64::NAN, DType::F32);
        let [condition, then, otherwise] = [finite, weight, nan].map(Value::Tensor);
        let marked = self.graph.emit.select(&condition, &then, &otherwise)?;
        let total = self.add_up(format!("accumulated.{number}").into(), marked)?;
        for target in targets.iter_mut() {
            let dtype = self.graph.emit.dtype(target.gradient);
            let factor = self.graph.emit.cast(weight, dtype)?;
            let weighed = self.graph.emit.zip(Binary::Mul, target.gradient, factor)?;
            target.gradient = self.add_up(format!("accumulated.{number}.{}", target.path).into(), weighed)?;
        }
        if self.micro() == Micro::Apply {
            self.divide(total, targets)?;
        }
        Ok(total)
    }

    /// The sum of the earlier batches of this step and this value, which becomes the new sum.
    fn add_up(&mut self, name: Arc<str>, value: tensor::Value) -> Checked<tensor::Value> {
        let ty = self.graph.emit.ty(value).clone();
        let origin = self.graph.emit.origin.clone();
        let old = self.graph.emit.graph.input(&*name, InputRole::OptState, ty, origin);
        let emit = &mut self.graph.emit;
        let micro = emit.scalar("micro");
        let first = emit.compare(Compare::Eq, &Value::Tensor(micro), &Value::int(0))?;
        let earlier = emit.select(&Value::Tensor(first), &Value::Float(0.0), &Value::Tensor(old))?;
        let sum = emit.zip(Binary::Add, earlier, value)?;
        if self.micro() == Micro::Gather {
            self.graph.set(&name, sum);
        }
        Ok(sum)
    }

    /// Where nothing took part in any batch the gradients are 0 already.
    fn divide(&mut self, total: tensor::Value, targets: &mut [Target]) -> Checked<()> {
        let emit = &mut self.graph.emit;
        let some = emit.compare(Compare::Ne, &Value::Tensor(total), &Value::Float(0.0))?;
        let divisor = emit.select(&Value::Tensor(some), &Value::Tensor(total), &Value::Float(1.0))?;
        for target in targets {
            let dtype = emit.dtype(target.gradient);
            let divisor = emit.cast(divisor, dtype)?;
            target.gradient = emit.zip(Binary::Div, target.gradient, divisor)?;
        }
        Ok(())
    }
}

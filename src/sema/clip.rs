//! Clipping of gradients, and the checks for numbers that are not finite.

use super::checker::Checker;
use super::emit::{Checked, Emit};
use super::optimizer::Target;
use crate::ops::{Binary, DType, Reduce, Unary};
use crate::tensor;

impl Checker {
    /// Clips the gradients and adds the checks for finite numbers; gives the flag that guards the updates.
    pub(super) fn clip(&mut self, loss: tensor::Value, targets: &mut [Target]) -> Checked<Option<tensor::Value>> {
        let knobs = self.train.knobs;
        let emit = &mut self.graph.emit;
        let loss_is_finite = emit.is_finite(loss)?;
        let mut good = loss_is_finite;
        let mut norm_is_finite = None;
        if knobs.clip_norm.is_some() || knobs.skip_nonfinite {
            let norm = global_norm(emit, targets)?;
            let finite = emit.is_finite(norm)?;
            norm_is_finite = Some(finite);
            if knobs.skip_nonfinite {
                good = emit.zip(Binary::And, good, finite)?;
            }
            if let Some(limit) = knobs.clip_norm {
                scale_to(emit, targets, norm, limit)?;
            }
        }
        if let Some(limit) = knobs.clip_value {
            for t in targets.iter_mut() {
                let low = emit.with_number(Binary::Max, t.gradient, -limit)?;
                t.gradient = emit.with_number(Binary::Min, low, limit)?;
            }
        }
        if knobs.skip_nonfinite {
            return Ok(Some(good));
        }
        if let Some(phase) = &mut self.phase {
            phase.checks.push(("loss is finite".into(), loss_is_finite));
            phase.checks.extend(norm_is_finite.map(|x| ("gradient norm is finite".into(), x)));
        }
        Ok(None)
    }
}

/// The Euclidean norm of all gradients together.
fn global_norm(emit: &mut Emit, targets: &[Target]) -> Checked<tensor::Value> {
    let mut sum = emit.constant(0.0, DType::F32);
    for target in targets {
        let square = emit.zip(Binary::Mul, target.gradient, target.gradient)?;
        let axes: Vec<usize> = (0..emit.rank(square)).collect();
        let part = emit.reduce(Reduce::Sum, square, &axes, false)?;
        let part = emit.cast(part, DType::F32)?;
        sum = emit.zip(Binary::Add, sum, part)?;
    }
    emit.map(Unary::Sqrt, sum)
}

/// Multiplies by `limit / max(norm, limit)`.
fn scale_to(emit: &mut Emit, targets: &mut [Target], norm: tensor::Value, limit: f64) -> Checked<()> {
    let bound = emit.with_number(Binary::Max, norm, limit)?;
    let limit = emit.constant(limit, DType::F32);
    let scale = emit.zip(Binary::Div, limit, bound)?;
    for target in targets {
        let dtype = emit.dtype(target.gradient);
        let scale = emit.cast(scale, dtype)?;
        target.gradient = emit.zip(Binary::Mul, target.gradient, scale)?;
    }
    Ok(())
}

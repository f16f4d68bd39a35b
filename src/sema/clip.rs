//! Clipping of gradients, and the checks for numbers that are not finite.

use super::checker::Checker;
use super::emit::{Checked, Emit};
use super::optimizer::Target;
use super::phase::{PhaseState, Report};
use super::value::Value;
use crate::ops::{Binary, DType, Reduce, Unary};
use crate::tensor::{self, OutputRole};

/// What must hold, and whether it does.
pub(super) type Check = (String, tensor::Value);

impl Checker {
    /// Whether all of these hold.
    fn all_hold(&mut self, checks: &[Check]) -> Checked<tensor::Value> {
        let emit = &mut self.graph.emit;
        let truth = emit.constant(1.0, DType::Bool);
        checks.iter().try_fold(truth, |all, (_, check)| emit.zip(Binary::And, all, *check))
    }

    /// Clips the gradients, and gives a check for each that it is finite.
    pub(super) fn clip(&mut self, targets: &mut [Target]) -> Checked<Vec<Check>> {
        let knobs = self.train.knobs;
        let emit = &mut self.graph.emit;
        let checks = match knobs.clip_norm {
            Some(limit) => clip_norm(emit, targets, limit)?,
            None => {
                targets.iter().map(|t| Ok((described(t), all_finite(emit, t.gradient)?))).collect::<Checked<_>>()?
            }
        };
        if let Some(limit) = knobs.clip_value {
            for t in targets.iter_mut() {
                let low = emit.with_number(Binary::Max, t.gradient, -limit)?;
                t.gradient = emit.with_number(Binary::Min, low, limit)?;
            }
        }
        Ok(checks)
    }

    /// With `nonfinite = skip`, a step in which a check fails changes nothing and its reports weigh nothing, but for
    /// `skipped`, the part of such steps.
    pub(super) fn skip_bad_step(&mut self, phase: &mut PhaseState) -> Checked<()> {
        if phase.checks.is_empty() {
            return Ok(());
        }
        let good = self.all_hold(&phase.checks)?;
        let emit = &mut self.graph.emit;
        let bad = emit.map(Unary::Not, good)?;
        let skipped = emit.cast(bad, DType::F32)?;
        let weight = emit.dim_number(&phase.size, DType::F32)?;
        let before = self.before_step()?;
        self.guard(&before, good);
        self.weigh(phase.reports.iter_mut().chain(&mut phase.losses), good)?;
        phase.reports.push(("skipped".into(), skipped, OutputRole::Report { weight }));
        Ok(())
    }

    /// Reports count only where `holds`; elsewhere they are 0 with weight 0, also if they are not finite.
    pub(super) fn weigh<'a>(
        &mut self,
        reports: impl Iterator<Item = &'a mut Report>,
        holds: tensor::Value,
    ) -> Checked<()> {
        let emit = &mut self.graph.emit;
        let part = emit.cast(holds, DType::F32)?;
        for (_, value, role) in reports {
            if let OutputRole::Report { weight } = role {
                *value = emit.select(&Value::Tensor(holds), &Value::Tensor(*value), &Value::Float(0.0))?;
                *weight = emit.zip(Binary::Mul, *weight, part)?;
            }
        }
        Ok(())
    }
}

fn all_finite(emit: &mut Emit, x: tensor::Value) -> Checked<tensor::Value> {
    let finite = emit.is_finite(x)?;
    let axes: Vec<usize> = (0..emit.rank(x)).collect();
    emit.reduce(Reduce::All, finite, &axes, false)
}

fn described(target: &Target) -> String {
    format!("the gradient of `{}`", target.path)
}

/// Scales the gradients where their norm is above the limit; their squares tell whether they are finite.
fn clip_norm(emit: &mut Emit, targets: &mut [Target], limit: f64) -> Checked<Vec<Check>> {
    let mut sum = emit.constant(0.0, DType::F32);
    let mut checks = vec![];
    for target in targets.iter() {
        let square = square_sum(emit, target.gradient)?;
        checks.push((described(target), emit.is_finite(square)?));
        sum = emit.zip(Binary::Add, sum, square)?;
    }
    let norm = emit.map(Unary::Sqrt, sum)?;
    checks.push(("the norm of the gradients".into(), emit.is_finite(norm)?));
    scale_to(emit, targets, norm, limit)?;
    Ok(checks)
}

fn square_sum(emit: &mut Emit, x: tensor::Value) -> Checked<tensor::Value> {
    let square = emit.zip(Binary::Mul, x, x)?;
    let axes: Vec<usize> = (0..emit.rank(square)).collect();
    let sum = emit.reduce(Reduce::Sum, square, &axes, false)?;
    emit.cast(sum, DType::F32)
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

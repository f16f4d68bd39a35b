//! Clipping of gradients, and the checks for numbers that are not finite.

use super::checker::Checker;
use super::emit::{Checked, Emit};
use super::optimizer::Target;
use super::phase::{PhaseState, Report};
use super::value::Value;
use crate::ops::{Binary, DType, Reduce, Unary};
use crate::tensor::{self, OutputRole};
use std::collections::HashMap;

impl Checker {
    /// Clips the gradients and adds the checks for finite numbers.
    pub(super) fn clip(&mut self, name: &str, loss: tensor::Value, targets: &mut [Target]) -> Checked<()> {
        let knobs = self.train.knobs;
        let emit = &mut self.graph.emit;
        let mut checks = vec![(format!("{name} is finite"), emit.is_finite(loss)?)];
        if knobs.clip_norm.is_some() || knobs.skip_nonfinite {
            let norm = global_norm(emit, targets)?;
            checks.push((format!("gradient norm of {name} is finite"), emit.is_finite(norm)?));
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
        if let Some(phase) = &mut self.phase {
            phase.checks.extend(checks);
        }
        Ok(())
    }

    /// With `nonfinite = skip`, a step in which a check fails changes nothing and its reports weigh nothing, but for
    /// `skipped`, the part of such steps.
    pub(super) fn skip_bad_step(&mut self, phase: &mut PhaseState) -> Checked<()> {
        let Some(((_, first), rest)) = phase.checks.split_first() else { return Ok(()) };
        let emit = &mut self.graph.emit;
        let good = rest.iter().try_fold(*first, |all, (_, check)| emit.zip(Binary::And, all, *check))?;
        let bad = emit.map(Unary::Not, good)?;
        let skipped = emit.cast(bad, DType::F32)?;
        let weight = emit.dim_number(&phase.size, DType::F32)?;
        self.guard(&HashMap::new(), good);
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

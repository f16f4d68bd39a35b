//! `freeze net.bert until epoch 2`: parts of the model that do not learn, for some time or for good.
//!
//! A frozen part costs no gradients: where a time limit ends, another graph of `step` takes over. In a frozen layer
//! `training` is false, so it computes what it computes in evaluation and keeps its statistics.

use super::checker::Checker;
use super::emit::Checked;
use super::load::is_word;
use super::model::{Micro, Stage, Unit};
use crate::diag::{Code, Diagnostic};
use crate::ops::{Binary, DType};
use crate::source::Span;
use crate::syntax::ast::{Clause, Directive, Expr, ExprKind};
use crate::tensor::{self, is_within};
use std::sync::Arc;

/// What lies below `prefix` learns from epoch or step `until` on; never, where there is no limit.
#[derive(Clone, Debug)]
pub struct Freeze {
    pub prefix: Arc<str>,
    pub until: Option<(u64, Unit)>,
    pub span: Span,
}

impl Checker {
    pub fn check_freeze(&mut self, d: &Directive) {
        let parts: Vec<&Expr> = d.clauses.iter().filter_map(expression).collect();
        let (targets, until) = match &parts[..] {
            [targets @ .., until, unit, count] if is_word(until, "until") => (targets, Some((*unit, *count))),
            targets => (targets, None),
        };
        let commas = d.clauses.len() - parts.len();
        if targets.is_empty() || commas + 1 != targets.len() {
            self.report(malformed(d.word.span));
            return;
        }
        let until = match until {
            Some((unit, count)) => match self.time(unit, count) {
                Some(limit) => Some(limit),
                None => return,
            },
            None => None,
        };
        for target in targets {
            let prefixes = self.target_paths(target);
            let freeze = |prefix| Freeze { prefix, until, span: d.word.span };
            self.train.freezes.extend(prefixes.into_iter().map(freeze));
        }
    }

    /// `epoch 2`
    fn time(&mut self, unit: &Expr, count: &Expr) -> Option<(u64, Unit)> {
        let ExprKind::Name(name) = &unit.kind else {
            self.report(malformed(unit.span));
            return None;
        };
        let (unit, n) = (self.unit(name)?, self.eval_int(count)?);
        if n < 2 {
            self.report(never_frozen(count.span, &name.text));
            return None;
        }
        Some((n as u64, unit))
    }

    /// The stages of a training: between two limits the same parts are frozen.
    pub fn stages(&self) -> Vec<Stage> {
        let micros: &[Micro] =
            if self.train.knobs.accumulate > 1 { &[Micro::Gather, Micro::Apply] } else { &[Micro::Whole] };
        let mut stages = vec![];
        for epochs in ranges(self.limits(Unit::Epochs)) {
            for steps in ranges(self.limits(Unit::Steps)) {
                let stage = |&micro| Stage { epochs: epochs.clone(), steps: steps.clone(), micro };
                stages.extend(micros.iter().map(stage));
            }
        }
        stages
    }

    fn limits(&self, wanted: Unit) -> Vec<u64> {
        let of = |f: &Freeze| f.until.filter(|(_, unit)| *unit == wanted).map(|(n, _)| n);
        let mut limits: Vec<u64> = self.train.freezes.iter().filter_map(of).collect();
        limits.sort_unstable();
        limits.dedup();
        limits
    }

    /// Whether what lies at this path does not learn in the stage under elaboration.
    pub fn is_frozen(&self, path: &str) -> bool {
        let Some(stage) = &self.train.stage else { return false };
        self.train.freezes.iter().any(|f| is_within(path, &f.prefix) && holds(f, stage))
    }

    /// The line that freezes this path for good.
    pub fn frozen_for_good(&self, path: &str) -> Option<Span> {
        self.train.freezes.iter().find(|f| f.until.is_none() && is_within(path, &f.prefix)).map(|f| f.span)
    }

    /// How many updates a parameter has had, this one included: the step, without those of the time in which it was
    /// frozen, and of those of an `every` only each n-th.
    pub fn update_count(&mut self, path: &str) -> Checked<tensor::Value> {
        let limits: Vec<(u64, Unit)> =
            self.train.freezes.iter().filter(|f| is_within(path, &f.prefix)).filter_map(|f| f.until).collect();
        let period = self.train.period;
        let step = self.graph.emit.scalar("step");
        let mut count = self.each(step, period)?;
        let mut missed = None;
        for limit in limits {
            let before = self.steps_before(limit)?;
            missed = Some(match missed {
                None => before,
                Some(other) => self.graph.emit.zip(Binary::Max, other, before)?,
            });
        }
        if let Some(missed) = missed {
            let missed = self.each(missed, period)?;
            count = self.graph.emit.zip(Binary::Sub, count, missed)?;
        }
        Ok(count)
    }

    /// Multiples of the period up to n.
    fn each(&mut self, n: tensor::Value, period: i64) -> Checked<tensor::Value> {
        if period == 1 { Ok(n) } else { self.graph.emit.with_number(Binary::FloorDiv, n, period as f64) }
    }

    /// The steps of a run before an epoch or a step begins.
    fn steps_before(&mut self, (n, unit): (u64, Unit)) -> Checked<tensor::Value> {
        let before = (n - 1) as f64;
        match unit {
            Unit::Steps => Ok(self.graph.emit.constant(before, DType::I32)),
            Unit::Epochs => {
                let steps = self.graph.emit.scalar("epoch_steps");
                self.graph.emit.with_number(Binary::Mul, steps, before)
            }
        }
    }
}

fn expression(clause: &Clause) -> Option<&Expr> {
    match clause {
        Clause::Expr(e) => Some(e),
        Clause::Comma(_) => None,
    }
}

/// From 1 to the first limit, from there to the next, and from the last on.
fn ranges(limits: Vec<u64>) -> Vec<std::ops::Range<u64>> {
    let starts = std::iter::once(1).chain(limits.iter().copied());
    let ends = limits.iter().copied().chain([u64::MAX]);
    starts.zip(ends).map(|(start, end)| start..end).collect()
}

fn holds(freeze: &Freeze, stage: &Stage) -> bool {
    match freeze.until {
        None => true,
        Some((n, Unit::Epochs)) => stage.epochs.start < n,
        Some((n, Unit::Steps)) => stage.steps.start < n,
    }
}

fn malformed(span: Span) -> Diagnostic {
    Diagnostic::error(Code(543), "this `freeze` cannot be read")
        .label(span, "expected layer instances, and perhaps a time")
        .help("write `freeze net.bert`, or `freeze net.bert, net.embed until epoch 2`")
}

fn never_frozen(span: Span, unit: &str) -> Diagnostic {
    Diagnostic::error(Code(543), "this freezes nothing")
        .label(span, format!("the first {unit} is number 1, so from the second on there is a time before"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_part_the_numbers_from_one_on() {
        assert_eq!(ranges(vec![]), vec![1..u64::MAX]);
        assert_eq!(ranges(vec![2, 5]), vec![1..2, 2..5, 5..u64::MAX]);
    }
}

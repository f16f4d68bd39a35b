//! `every n steps { … }` inside a step.

use super::checker::Checker;
use super::emit::Checked;
use super::model::Unit;
use super::phase::PhaseState;
use super::value::Value;
use crate::ops::dim::lcm;
use crate::ops::{Binary, Compare, Unary};
use crate::source::Span;
use crate::syntax::ast;
use crate::tensor;
use std::collections::HashMap;
use std::sync::Arc;

impl Checker {
    /// The body is computed at each step; at the other steps its updates are dropped and its reports weigh nothing.
    pub fn eval_every(&mut self, count: &ast::Expr, unit: &ast::Name, body: &ast::Block) {
        let count_value = self.eval_int(count);
        match self.unit(unit) {
            Some(Unit::Steps) => {}
            Some(Unit::Epochs) => {
                self.report(super::unsupported::every_epochs_in_step(unit.span));
            }
            None => {}
        }
        let before = self.graph.current.clone();
        let reported = self.phase.as_ref().map(Counts::of).unwrap_or_default();
        let outer = self.train.period;
        self.train.period = both(outer, count_value.unwrap_or(1).max(1));
        self.run_block(body);
        self.train.period = outer;
        let Some(n) = count_value else { return };
        if let Err(diag) = self.restrict(&before, &reported, n.max(1), count.span) {
            self.report(*diag);
        }
    }

    /// What the block did holds only where `step % n == 0`.
    fn restrict(
        &mut self,
        before: &HashMap<Arc<str>, tensor::Value>,
        from: &Counts,
        n: i64,
        span: Span,
    ) -> Checked<()> {
        let step = Value::Tensor(self.graph.emit.scalar("step"));
        let emit = self.emit(span);
        let rest = emit.binary(Binary::Rem, &step, &Value::int(n))?;
        let due = emit.compare(Compare::Eq, &Value::Tensor(rest), &Value::int(0))?;
        let idle = emit.map(Unary::Not, due)?;
        self.guard(before, due);
        let Some(mut phase) = self.phase.take() else { return Ok(()) };
        let reports = phase.reports.iter_mut().skip(from.reports);
        let weighed = self.weigh(reports.chain(phase.losses.iter_mut().skip(from.losses)), due);
        let warnings = phase.warnings.iter_mut().skip(from.warnings);
        for (_, check) in phase.checks.iter_mut().skip(from.checks).chain(warnings) {
            *check = self.graph.emit.zip(Binary::Or, *check, idle)?;
        }
        self.phase = Some(phase);
        weighed
    }
}

/// The steps at which both of two periods are due. Saturates: what is never due in 2^31 steps needs no exact number.
fn both(a: i64, b: i64) -> i64 {
    lcm(a.unsigned_abs(), b.unsigned_abs()).min(i32::MAX as u64) as i64
}

/// How much a phase had reported before a block.
#[derive(Default)]
struct Counts {
    reports: usize,
    losses: usize,
    checks: usize,
    warnings: usize,
}

impl Counts {
    fn of(phase: &PhaseState) -> Counts {
        Counts {
            reports: phase.reports.len(),
            losses: phase.losses.len(),
            checks: phase.checks.len(),
            warnings: phase.warnings.len(),
        }
    }
}

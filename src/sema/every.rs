//! `every n steps { … }` inside a step.

use super::checker::Checker;
use super::model::Unit;
use super::value::Value;
use crate::ops::{Binary, Compare, DType};
use crate::source::Span;
use crate::syntax::ast;
use crate::tensor::{self, OutputRole};

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
        let reports = self.phase.as_ref().map_or((0, 0), |p| (p.reports.len(), p.losses.len()));
        self.run_block(body);
        if let Some(due) = count_value.and_then(|n| self.is_due(n.max(1), count.span)) {
            self.guard(&before, due);
            self.weigh_reports(reports, due);
        }
    }

    /// `step % n == 0`
    fn is_due(&mut self, n: i64, span: Span) -> Option<tensor::Value> {
        let step = Value::Tensor(self.graph.emit.scalar("step"));
        let emit = self.emit(span);
        let rest = emit.binary(Binary::Rem, &step, &Value::int(n)).ok()?;
        emit.compare(Compare::Eq, &Value::Tensor(rest), &Value::int(0)).ok()
    }

    fn weigh_reports(&mut self, from: (usize, usize), due: tensor::Value) {
        let Some(mut phase) = self.phase.take() else { return };
        let reports = phase.reports.iter_mut().skip(from.0).chain(phase.losses.iter_mut().skip(from.1));
        for (_, _, role) in reports {
            if let OutputRole::Report { weight } = role
                && let Ok(part) = self.graph.emit.cast(due, DType::F32)
                && let Ok(scaled) = self.graph.emit.zip(Binary::Mul, *weight, part)
            {
                *weight = scaled;
            }
        }
        self.phase = Some(phase);
    }
}

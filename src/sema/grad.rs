//! `grad(expr, wrt: x)`, and `every n steps { … }` inside a step.

use super::checker::Checker;
use super::model::Unit;
use super::value::Value;
use crate::diag::{Code, Diagnostic};
use crate::ops::dim::Dim;
use crate::ops::{Binary, Compare, DType, Op, Type};
use crate::source::Span;
use crate::syntax::ast;
use crate::tensor::{self, OutputRole};

impl Checker {
    /// The gradient of a scalar by one tensor, or by each of a list.
    pub fn eval_grad(&mut self, args: &[ast::Arg], span: Span) -> Value {
        let of = args.iter().find(|a| a.label.is_none());
        let wrt = args.iter().find(|a| a.label.as_ref().is_some_and(|l| &*l.text == "wrt"));
        let (Some(of), Some(wrt), 2) = (of, wrt, args.len()) else { return self.report(grad_arguments(span)) };
        let (loss, wrt) = (self.eval(&of.value), self.eval(&wrt.value));
        if loss.is_error() || wrt.is_error() {
            return Value::Error;
        }
        let Some(nodes) = tensors(&wrt) else { return self.report(grad_arguments(span)) };
        let Value::Tensor(loss) = loss else { return self.report(grad_arguments(span)) };
        let ty = self.graph.emit.ty(loss).clone();
        if ty.rank() != 0 || !ty.dtype.is_float() {
            return self.report(not_differentiable(of.value.span, &ty));
        }
        let types: Vec<Type<Dim>> = nodes.iter().map(|&x| self.graph.emit.ty(x).clone()).collect();
        let args = std::iter::once(loss).chain(nodes).collect();
        self.at(span);
        let origin = self.graph.emit.origin.clone();
        let results = self.graph.emit.graph.push(Op::Grad, args, types, origin);
        match wrt {
            Value::Tensor(_) => Value::Tensor(results[0]),
            _ => Value::List(results.into_iter().map(Value::Tensor).collect()),
        }
    }

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

fn tensors(value: &Value) -> Option<Vec<tensor::Value>> {
    match value {
        Value::Tensor(x) => Some(vec![*x]),
        Value::List(items) => items.iter().map(|v| if let Value::Tensor(x) = v { Some(*x) } else { None }).collect(),
        _ => None,
    }
}

fn grad_arguments(span: Span) -> Diagnostic {
    Diagnostic::error(Code(107), "`grad` needs a scalar and `wrt`")
        .label(span, "expected `grad(expression, wrt: x)`, with tensors")
}

fn not_differentiable(span: Span, ty: &Type<Dim>) -> Diagnostic {
    Diagnostic::error(Code(505), format!("a gradient is taken of one number, and this is {ty}"))
        .label(span, format!("this is {ty}"))
        .help("reduce it, for example with `sum(…)`")
}

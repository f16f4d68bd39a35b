//! Facts: the `where` of a function, a layer or an optimizer, which every call has to fulfil.

use super::arith::comparison;
use super::checker::Checker;
use super::model::Requirement;
use super::terms::{expr_text, names};
use super::value::Value;
use crate::diag::{Code, Diagnostic, Label};
use crate::ops::Compare;
use crate::ops::dim::{Dim, Symbol};
use crate::source::Span;
use crate::syntax::ast::{Expr, ExprKind};
use std::collections::HashSet;

/// Whose facts are proved, and where they are asked for.
#[derive(Clone, Copy)]
pub struct Call<'a> {
    pub name: &'a str,
    pub span: Span,
    /// Where the definition stands.
    pub def: Span,
}

impl Checker {
    /// Proves the conditions of a `where` in the frame of the call; false after an error.
    pub fn prove_all(&mut self, conditions: &[Expr], call: Call) -> bool {
        // All are tried, so that all that fail are reported.
        let failed = conditions.iter().filter(|c| !self.prove(c, call)).count();
        failed == 0
    }

    fn prove(&mut self, condition: &Expr, call: Call) -> bool {
        let Some((op, a, b)) = self.condition_sides(condition) else { return self.prove_value(condition, call) };
        match self.decide(op, &a, &b) {
            Some(true) => true,
            Some(false) => {
                let diag = self.not_proved(condition, call, (&a, &b), "does not hold");
                self.report(diag);
                false
            }
            None if self.depends_on_batch(&a, &b) => {
                let diag = self.not_proved(condition, call, (&a, &b), "does not hold");
                self.require(op, (&a, &b), diag);
                true
            }
            // It is decided once the data is open.
            None if self.depends_on_data(&a, &b) => true,
            None => {
                let diag = self.not_proved(condition, call, (&a, &b), "cannot be proved");
                self.report_open(
                    diag.help(format!("add a condition to the caller: `where {a} …`, or use known sizes")),
                );
                false
            }
        }
    }

    /// A condition on numbers, words and truth values. What stands in for the arguments of a definition that is
    /// probed need not fulfil it.
    fn prove_value(&mut self, condition: &Expr, call: Call) -> bool {
        let holds = self.eval_condition(condition);
        if holds == Some(false) && self.probed != Some(call.def) {
            let diag = self.does_not_hold(condition, call);
            self.report(diag);
        }
        holds == Some(true)
    }

    /// The batch size of a phase is all that two dimensions leave open.
    fn depends_on_batch(&self, a: &Dim, b: &Dim) -> bool {
        let Some(phase) = &self.phase else { return false };
        let batch = phase.size.symbols();
        a.symbols().into_iter().chain(b.symbols()).all(|s| batch.contains(&s))
    }

    /// A number that the data gives is still unknown.
    fn depends_on_data(&self, a: &Dim, b: &Dim) -> bool {
        let open = self.open_values();
        a.symbols().iter().chain(&b.symbols()).any(|s| open.contains(s))
    }

    /// The numbers of the data that are still unknown.
    pub fn open_values(&self) -> HashSet<Symbol> {
        self.values.iter().flat_map(|(_, dim)| dim.symbols()).collect()
    }

    /// Leaves a condition to be settled when the batch size is known.
    fn require(&mut self, op: Compare, (left, right): (&Dim, &Dim), error: Diagnostic) {
        let error = self.show_callers(error);
        let requirement = Requirement { op, left: left.clone(), right: right.clone(), error };
        if let Some(phase) = &mut self.phase
            && !phase.requirements.contains(&requirement)
        {
            phase.requirements.push(requirement);
        }
    }

    /// The sides of a comparison of integers.
    fn condition_sides(&mut self, condition: &Expr) -> Option<(Compare, Dim, Dim)> {
        let ExprKind::Binary(op, a, b) = &condition.kind else { return None };
        let op = comparison(*op)?;
        match (self.eval(a), self.eval(b)) {
            (Value::Dim(a), Value::Dim(b)) => Some((op, a, b)),
            _ => None,
        }
    }

    fn not_proved(&mut self, condition: &Expr, call: Call, (a, b): (&Dim, &Dim), verdict: &str) -> Diagnostic {
        let (given, all) = self.arguments_of(condition);
        let sides = Label { span: call.span, text: format!("here the sides are {a} and {b}") };
        let labels =
            if all { given } else { vec![given.first().map_or(sides.clone(), |l| Label { span: l.span, ..sides })] };
        not_met(condition, call, verdict, labels)
    }

    fn does_not_hold(&mut self, condition: &Expr, call: Call) -> Diagnostic {
        let (mut labels, _) = self.arguments_of(condition);
        if labels.is_empty() {
            labels.push(Label { span: call.span, text: "in this call".into() });
        }
        not_met(condition, call, "does not hold", labels)
    }

    /// The arguments that a condition is about, each with its value, and whether these are all that it names.
    fn arguments_of(&mut self, condition: &Expr) -> (Vec<Label>, bool) {
        let names = names(condition);
        let mut labels = vec![];
        for name in &names {
            let given = self.frame().given.iter().find(|(n, _)| *n == name.text).map(|(_, at)| *at);
            if let Some(span) = given {
                let text = match known_text(&self.eval_name(name)) {
                    Some(value) => format!("`{}` is {value}", name.text),
                    None => format!("this is `{}`", name.text),
                };
                labels.push(Label { span, text });
            }
        }
        let all = !labels.is_empty() && labels.len() == names.len();
        (labels, all)
    }
}

fn not_met(condition: &Expr, call: Call, verdict: &str, labels: Vec<Label>) -> Diagnostic {
    let message = format!("`{}` needs `{}`, which {verdict}", call.name, expr_text(condition));
    let diag = Diagnostic { labels, ..Diagnostic::error(Code(306), message) };
    diag.label(condition.span, "the condition")
}

/// A value that fits into a message.
fn known_text(value: &Value) -> Option<String> {
    match value {
        Value::Dim(d) => Some(d.to_string()),
        Value::Float(v) => Some(v.to_string()),
        Value::Bool(b) => Some(b.to_string()),
        Value::Str(s) => Some(format!("{s:?}")),
        _ => None,
    }
}

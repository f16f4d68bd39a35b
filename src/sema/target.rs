//! The layers that `over`, `optimizer for`, `freeze` and `load into` name.

use super::checker::Checker;
use super::member::typed_member;
use super::terms::expr_text;
use super::value::{InstanceId, Value};
use crate::diag::{Code, Diagnostic};
use crate::source::Span;
use crate::syntax::ast::{self, Expr, ExprKind, TypedMember};
use std::sync::Arc;

impl Checker {
    /// Path prefixes of the parameters of an instance, or of a list of instances; none after an error.
    pub fn target_paths(&mut self, target: &Expr) -> Vec<Arc<str>> {
        let value = self.target(target);
        let mut found = vec![];
        if !value.is_error() && !self.collect_paths(&value, &mut found) {
            self.report(not_a_target(target.span, value.describe()));
        }
        found
    }

    /// The path of the one instance that a target names.
    pub fn target_path(&mut self, target: &Expr) -> Option<Arc<str>> {
        match self.target(target) {
            Value::Instance(id) => Some(self.instances[id.0 as usize].path.clone()),
            Value::Error => None,
            other => self.report_none(not_a_target(target.span, other.describe())),
        }
    }

    /// A single parameter is no target, whether it exists by now or not.
    fn target(&mut self, target: &Expr) -> Value {
        let ExprKind::Field(base, name) = &target.kind else { return self.eval(target) };
        match self.eval(base) {
            Value::Error => Value::Error,
            Value::Instance(id) => match self.declared(id, name) {
                Some(declared) => self.report(one_parameter(target.span, &declared, base)),
                None => self.member_of(id, name),
            },
            _ => self.eval(target),
        }
    }

    fn declared(&self, id: InstanceId, name: &ast::Name) -> Option<TypedMember> {
        typed_member(&self.instances[id.0 as usize].def.members, &name.text).cloned()
    }

    fn collect_paths(&self, value: &Value, found: &mut Vec<Arc<str>>) -> bool {
        match value {
            Value::Instance(id) => {
                found.push(self.instances[id.0 as usize].path.clone());
                true
            }
            Value::List(items) => items.iter().all(|v| self.collect_paths(v, found)),
            _ => false,
        }
    }
}

fn not_a_target(span: Span, what: &str) -> Diagnostic {
    Diagnostic::error(Code(518), format!("parameters of a layer are needed here, and this is {what}"))
        .label(span, "expected a layer instance, such as `net` or `net.encoder`")
}

fn one_parameter(span: Span, declared: &TypedMember, layer: &Expr) -> Diagnostic {
    let layer = expr_text(layer);
    let word = declared.word.as_ref().map(|w| &*w.text).filter(|w| *w != "param").unwrap_or("parameter");
    Diagnostic::error(Code(518), format!("`{}` is a {word} of `{layer}`, and no layer", declared.name.text))
        .label(span, "expected a layer instance")
        .label(declared.name.span, "declared here")
        .help(format!(
            "`freeze`, `optimizer for`, `over` and `load … into` take layers with all that they hold: write `{layer}`, or \
             give the {word} a layer of its own"
        ))
}

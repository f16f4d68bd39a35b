//! The `var`s that a scan carries from iteration to iteration.

use super::{assigned, error, tree};
use crate::ops::dim::Dim;
use crate::ops::{DType, Type};
use crate::sema::checker::Checker;
use crate::sema::emit::Carry;
use crate::sema::param::same_type;
use crate::sema::value::Value;
use crate::source::Span;
use crate::syntax::ast::{self, Scan};
use crate::tensor;

/// A `var` with its value before the loop.
pub struct Carried {
    /// Its last assignment in the body.
    pub name: ast::Name,
    declared: Span,
    before: Value,
    /// The tensors of the value.
    inits: Vec<tensor::Value>,
}

impl Carried {
    /// Its tensors before the loop.
    pub fn inits(&self) -> impl Iterator<Item = tensor::Value> {
        self.inits.iter().copied()
    }

    /// The value with these tensors.
    pub fn rebuilt(&self, nodes: &mut impl Iterator<Item = tensor::Value>) -> Value {
        tree::rebuild(&self.before, nodes)
    }
}

impl Checker {
    /// The outer `var`s that the body assigns, as tensors; `None` after an error.
    pub(super) fn carried(&mut self, scan: &Scan) -> Option<Vec<Carried>> {
        let mut found = vec![];
        for name in assigned::outer_names(scan) {
            if let Some(local) = self.find_local(&name.text).filter(|l| l.is_var).cloned() {
                found.push(self.carry(name, local.value, local.span));
            }
        }
        found.into_iter().collect()
    }

    fn carry(&mut self, name: ast::Name, before: Value, declared: Span) -> Option<Carried> {
        let mut inits = vec![];
        for leaf in tree::leaves(&before) {
            inits.push(self.tensor_leaf(leaf, declared, |what| error::not_carried(&name, what, declared))?);
        }
        Some(Carried { name, declared, before, inits })
    }

    /// A tensor, or the scalar of a number; `None` after an error.
    pub(super) fn tensor_leaf(
        &mut self,
        leaf: &Value,
        at: Span,
        refuse: impl FnOnce(&str) -> crate::diag::Diagnostic,
    ) -> Option<tensor::Value> {
        let emit = self.emit(at);
        let node = match leaf {
            Value::Tensor(node) => return Some(*node),
            Value::Error => return None,
            Value::Dim(_) => emit.operand(leaf, DType::I32),
            Value::Float(_) => emit.operand(leaf, DType::F32),
            Value::Bool(_) => emit.operand(leaf, DType::Bool),
            other => {
                self.report(refuse(other.describe()));
                return None;
            }
        };
        match self.settle(node.map(Value::Tensor)) {
            Value::Tensor(node) => Some(node),
            _ => None,
        }
    }

    /// Gives the `var` a placeholder for each of its tensors.
    pub(super) fn enter_carry(&mut self, carried: &Carried) -> Vec<Carry> {
        let mut carries = vec![];
        for (n, &init) in carried.inits.iter().enumerate() {
            let inside = self.graph.emit.placeholder_for(init);
            let name = &carried.name.text;
            let name = if carried.inits.len() == 1 { name.to_string() } else { format!("{name}.{n}") };
            carries.push(Carry { name, inside, init, next: inside });
        }
        let value = carried.rebuilt(&mut carries.iter().map(|c| c.inside));
        self.set_var(&carried.name.text, value);
        carries
    }

    /// What the `var` holds at the end of the body, of the types that it began with; `None` after an error.
    pub(super) fn next_values(&mut self, carried: &Carried) -> Option<Vec<tensor::Value>> {
        let value = self.find_local(&carried.name.text).map(|l| l.value.clone())?;
        if value.is_error() {
            return None;
        }
        let Some(parts) = tree::leaves_like(&carried.before, &value) else {
            let (from, to) = (self.type_text(&carried.before), self.type_text(&value));
            self.report(error::carry_changes(&carried.name, carried.declared, [&from, &to], None));
            return None;
        };
        let mut next = vec![];
        for (part, &init) in parts.into_iter().zip(&carried.inits) {
            next.push(self.next_value(carried, part, init)?);
        }
        Some(next)
    }

    fn next_value(&mut self, carried: &Carried, part: &Value, init: tensor::Value) -> Option<tensor::Value> {
        let want = self.graph.emit.ty(init).clone();
        let at = carried.name.span;
        let node = match part {
            Value::Float(_) | Value::Dim(_) | Value::Bool(_) => {
                let emit = self.emit(at);
                let filled = emit.operand(part, want.dtype).and_then(|x| emit.broadcast_to(x, &want.shape));
                self.settle(filled.map(Value::Tensor))
            }
            part => part.clone(),
        };
        let node = match node {
            Value::Tensor(node) => node,
            Value::Error => return None,
            other => {
                self.report(error::not_carried(&carried.name, other.describe(), carried.declared));
                return None;
            }
        };
        let found = self.graph.emit.ty(node).clone();
        if !same_type(&want, &found) {
            let texts = [type_name(&want), type_name(&found)];
            self.report(error::carry_changes(
                &carried.name,
                carried.declared,
                [&texts[0], &texts[1]],
                Some((&want, &found)),
            ));
            return None;
        }
        Some(node)
    }

    /// An outer `var` that the body hides by a name of its own.
    pub(super) fn hidden_var(&mut self, scan: &Scan) -> Option<(ast::Name, Span)> {
        assigned::defined_names(scan).into_iter().find_map(|name| {
            let local = self.find_local(&name.text).filter(|l| l.is_var)?;
            Some((name, local.span))
        })
    }

    /// The type of a value in the words of the language.
    pub(super) fn type_text(&self, value: &Value) -> String {
        match value {
            Value::Tensor(x) => type_name(self.graph.emit.ty(*x)),
            Value::Record(fields) => {
                let field = |(n, v): &(std::sync::Arc<str>, Value)| format!("{n}: {}", self.type_text(v));
                format!("({})", fields.iter().map(field).collect::<Vec<_>>().join(", "))
            }
            Value::List(items) => {
                format!("[{}]", items.iter().map(|v| self.type_text(v)).collect::<Vec<_>>().join(", "))
            }
            other => other.describe().into(),
        }
    }
}

/// `f32[B, 8]`, and `f32` for a scalar.
pub fn type_name(ty: &Type<Dim>) -> String {
    if ty.rank() == 0 { ty.dtype.to_string() } else { ty.to_string() }
}

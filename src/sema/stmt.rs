//! Statements, blocks and patterns.

use super::checker::Checker;
use super::scope::Owner;
use super::value::Value;
use crate::diag::{Code, Diagnostic};
use crate::source::Span;
use crate::syntax::ast::{self, Pattern, Stmt};

impl Checker {
    /// The value of a block is that of its last statement.
    pub fn eval_block(&mut self, block: &ast::Block) -> Value {
        self.in_scope(|c| c.eval_stmts(&block.stmts))
    }

    /// Statements in the present scope.
    pub fn eval_stmts(&mut self, stmts: &[Stmt]) -> Value {
        let mut value = Value::Unit;
        for (i, stmt) in stmts.iter().enumerate() {
            value = self.eval_stmt(stmt);
            let is_last = i + 1 == stmts.len();
            if !is_last && let Stmt::Expr(e) = stmt {
                self.check_unused(&value, e.span);
            }
        }
        value
    }

    /// A block that is run for its effects.
    pub fn run_block(&mut self, block: &ast::Block) {
        let value = self.eval_block(block);
        if let Some(Stmt::Expr(e)) = block.stmts.last() {
            self.check_unused(&value, e.span);
        }
    }

    fn check_unused(&mut self, value: &Value, span: Span) {
        if !matches!(value, Value::Unit) && !value.is_error() {
            self.report(unused_value(span, value.describe()));
        }
    }

    fn eval_stmt(&mut self, stmt: &Stmt) -> Value {
        match stmt {
            Stmt::Let(l) => self.eval_let(l),
            Stmt::Assign { name, value, .. } => {
                let value = self.without_place(|c| c.eval(value));
                self.assign(name, value);
            }
            Stmt::For { pattern, over, body, .. } => self.eval_for(pattern, over, body),
            Stmt::Yield { value, span } => self.eval_yield(value, *span),
            Stmt::Report { .. } | Stmt::Minimize(_) | Stmt::Every { .. } if !self.graph.emit.loops.is_empty() => {
                let diag = super::scan::not_in_scan(stmt);
                self.report(diag);
            }
            Stmt::Report { args, weight, span } => self.eval_report(args, weight.as_ref(), *span),
            Stmt::Minimize(m) => self.eval_minimize(m),
            Stmt::Every { count, unit, body, .. } => self.eval_every(count, unit, body),
            Stmt::Expr(e) => return self.eval(e),
            Stmt::Error(_) => return Value::Error,
        }
        Value::Unit
    }

    fn eval_let(&mut self, l: &ast::Let) {
        let mut value = self.without_place(|c| c.eval(&l.value));
        if let Some(ty) = &l.ty {
            value = self.convert(value, l.value.span, ty, "the value");
        }
        if matches!(value, Value::Unit) {
            value = self.report(no_value(l.value.span));
        }
        self.bind_pattern(&l.pattern, value, l.is_var);
    }

    fn eval_for(&mut self, pattern: &Pattern, over: &ast::Expr, body: &ast::Block) {
        let Some(items) = self.eval_items(over) else {
            // The body is still checked once, so that its own mistakes show.
            self.in_scope(|c| {
                c.bind_pattern(pattern, Value::Error, false);
                c.run_block(body);
            });
            return;
        };
        for item in items {
            self.in_scope(|c| {
                c.bind_pattern(pattern, item, false);
                c.run_block(body);
            });
        }
    }

    pub fn bind_pattern(&mut self, pattern: &Pattern, value: Value, is_var: bool) {
        match pattern {
            Pattern::Name(name) => self.declare(name, value, is_var),
            Pattern::List(parts, span) | Pattern::Tuple(parts, span) => {
                let values = self.take_apart(parts.len(), value, *span);
                for (part, value) in parts.iter().zip(values) {
                    self.bind_pattern(part, value, is_var);
                }
            }
            Pattern::Error(_) => {}
        }
    }

    fn take_apart(&mut self, count: usize, value: Value, span: Span) -> Vec<Value> {
        let items = match value {
            Value::List(items) => items,
            Value::Record(fields) => fields.into_iter().map(|(_, v)| v).collect(),
            Value::Error => return vec![Value::Error; count],
            other => {
                self.report(cannot_take_apart(span, other.describe()));
                return vec![Value::Error; count];
            }
        };
        if items.len() != count {
            self.report(pattern_length(span, count, items.len()));
            return vec![Value::Error; count];
        }
        items
    }

    fn assign(&mut self, name: &ast::Name, value: Value) {
        if let Some(local) = self.find_local(&name.text) {
            if local.is_var {
                local.value = value;
                return;
            }
            let declared = local.span;
            self.report(assign_to_let(name, declared));
            return;
        }
        match self.owner() {
            Owner::Instance(id) if self.instances[id.0 as usize].member_span(&name.text).is_some() => {
                self.assign_member(id, name, value);
            }
            Owner::Object(object, Some(slot)) if super::optimizer::buffer(&object.def, &name.text).is_some() => {
                self.assign_slot(&object, &slot, name, value);
            }
            _ => {
                self.report(assign_to_unknown(name));
                // What was most likely meant as a definition is not reported again where it is used.
                self.declare(name, Value::Error, true);
            }
        }
    }
}

fn unused_value(span: Span, what: &str) -> Diagnostic {
    Diagnostic::error(Code(115), "this value is not used")
        .label(span, format!("{what} that nothing takes"))
        .help("did you mean to continue the line above, or to begin with `let name =`?")
}

fn no_value(span: Span) -> Diagnostic {
    Diagnostic::error(Code(214), "this gives no value")
        .label(span, "nothing to name")
        .help("an `if` used as a value needs an `else`, and a block ends with its value")
}

fn cannot_take_apart(span: Span, what: &str) -> Diagnostic {
    Diagnostic::error(Code(208), format!("{what} cannot be taken apart")).label(span, "expected a list")
}

fn pattern_length(span: Span, names: usize, items: usize) -> Diagnostic {
    Diagnostic::error(Code(208), format!("{names} names for {items} values")).label(span, "the numbers must agree")
}

fn assign_to_let(name: &ast::Name, declared: Span) -> Diagnostic {
    Diagnostic::error(Code(111), format!("`{}` cannot be assigned again", name.text))
        .label(name.span, "assigned here")
        .label(declared, "defined here, not with `var`")
        .help("define it with `var`, or give the new value a name with `let`")
}

fn assign_to_unknown(name: &ast::Name) -> Diagnostic {
    let start = Span { end: name.span.start, ..name.span };
    Diagnostic::error(Code(112), format!("there is no `{}` to assign to", name.text))
        .label(name.span, "not defined here")
        .fix(start, "let ", "define it here with `let`")
}

//! Which outer names a block assigns, and which it hides, as its text says.

use crate::syntax::ast::{self, Block, Else, Expr, ExprKind, Pattern, Scan, Stmt};
use std::sync::Arc;

/// The outer names that the body of a scan assigns, in order of the first assignment; the place is the last one's.
pub fn outer_names(scan: &Scan) -> Vec<ast::Name> {
    let mut walk = Walk { scopes: vec![vec![]], assigned: vec![], defined: vec![] };
    walk.pattern(&scan.pattern);
    walk.block(&scan.body);
    walk.assigned
}

/// What the body itself defines, at any depth.
pub fn defined_names(scan: &Scan) -> Vec<ast::Name> {
    let mut walk = Walk { scopes: vec![vec![]], assigned: vec![], defined: vec![] };
    walk.block(&scan.body);
    walk.defined
}

/// Whether the body names a value `_`.
pub fn drops_values(scan: &Scan) -> bool {
    defined_names(scan).iter().any(|name| &*name.text == "_")
}

struct Walk {
    /// Names of the blocks that are open.
    scopes: Vec<Vec<Arc<str>>>,
    assigned: Vec<ast::Name>,
    defined: Vec<ast::Name>,
}

impl Walk {
    fn define(&mut self, name: &ast::Name) {
        self.defined.push(name.clone());
        self.scopes.last_mut().into_iter().for_each(|s| s.push(name.text.clone()));
    }

    fn pattern(&mut self, pattern: &Pattern) {
        match pattern {
            Pattern::Name(name) => self.define(name),
            Pattern::List(parts, _) | Pattern::Tuple(parts, _) => parts.iter().for_each(|p| self.pattern(p)),
            Pattern::Error(_) => {}
        }
    }

    fn assign(&mut self, name: &ast::Name) {
        if self.scopes.iter().flatten().any(|own| *own == name.text) {
            return;
        }
        match self.assigned.iter_mut().find(|n| n.text == name.text) {
            Some(known) => known.span = name.span,
            None => self.assigned.push(name.clone()),
        }
    }

    fn block(&mut self, block: &Block) {
        self.scopes.push(vec![]);
        block.stmts.iter().for_each(|s| self.stmt(s));
        self.scopes.pop();
    }

    /// A block with names of its own.
    fn with_pattern(&mut self, pattern: &Pattern, block: &Block) {
        self.scopes.push(vec![]);
        self.pattern(pattern);
        self.block(block);
        self.scopes.pop();
    }

    fn stmt(&mut self, stmt: &Stmt) {
        match stmt {
            Stmt::Let(l) => {
                self.expr(&l.value);
                self.pattern(&l.pattern);
            }
            Stmt::Assign { name, value, .. } => {
                self.expr(value);
                self.assign(name);
            }
            Stmt::For { pattern, over, body, .. } => {
                self.expr(over);
                self.with_pattern(pattern, body);
            }
            Stmt::Yield { value, .. } => self.expr(value),
            Stmt::Report { args, .. } => args.iter().for_each(|a| self.expr(&a.value)),
            Stmt::Minimize(m) => self.expr(&m.loss),
            Stmt::Every { body, .. } => self.block(body),
            Stmt::Expr(e) => self.expr(e),
            Stmt::Error(_) => {}
        }
    }

    fn expr(&mut self, expr: &Expr) {
        match &expr.kind {
            ExprKind::If { cond, then, otherwise } => {
                self.expr(cond);
                self.block(then);
                match otherwise.as_deref() {
                    Some(Else::Block(block)) => self.block(block),
                    Some(Else::If(e)) => self.expr(e),
                    None => {}
                }
            }
            ExprKind::Scan(scan) => {
                self.expr(&scan.over);
                self.with_pattern(&scan.pattern, &scan.body);
            }
            _ => expr.children().into_iter().for_each(|e| self.expr(e)),
        }
    }
}

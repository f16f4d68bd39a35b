//! Terms of shapes as the user wrote them: which dimensions they name, and their text for messages.

use super::scope::is_capital;
use crate::syntax::ast::{self, Expr, ExprKind};

/// Names that begin with a capital and stand for values: not what is called, nor the base of a field.
pub fn collect_capitals(expr: &Expr, names: &mut Vec<ast::Name>) {
    match &expr.kind {
        ExprKind::Name(n) if is_capital(&n.text) => names.push(n.clone()),
        ExprKind::Call(callee, args) => {
            if !matches!(callee.kind, ExprKind::Name(_)) {
                collect_capitals(callee, names);
            }
            args.iter().for_each(|a| collect_capitals(&a.value, names));
        }
        ExprKind::Index(base, subs) => {
            collect_capitals(base, names);
            subs.iter().for_each(|s| collect_in_sub(s, names));
        }
        // A number has no fields: `Mail` of `Mail.vocab` is data.
        ExprKind::Field(base, _) if matches!(base.kind, ExprKind::Name(_)) => {}
        ExprKind::Unary(_, x) | ExprKind::Paren(x) | ExprKind::Field(x, _) => collect_capitals(x, names),
        ExprKind::Binary(_, a, b) | ExprKind::Pipe(a, b) | ExprKind::Range { lo: a, hi: b, .. } => {
            collect_capitals(a, names);
            collect_capitals(b, names);
        }
        ExprKind::List(items) => {
            for item in items {
                match item {
                    ast::ListElem::Expr(e) => collect_capitals(e, names),
                    ast::ListElem::Spread(n) => names.push(n.clone()),
                }
            }
        }
        ExprKind::Comprehension { body, over, .. } => {
            collect_capitals(body, names);
            collect_capitals(over, names);
        }
        ExprKind::If { cond, then, otherwise } => {
            collect_capitals(cond, names);
            collect_in_block(then, names);
            match otherwise.as_deref() {
                Some(ast::Else::Block(b)) => collect_in_block(b, names),
                Some(ast::Else::If(e)) => collect_capitals(e, names),
                None => {}
            }
        }
        _ => {}
    }
}

fn collect_in_sub(sub: &ast::Sub, names: &mut Vec<ast::Name>) {
    match sub {
        ast::Sub::At(e) => collect_capitals(e, names),
        ast::Sub::Slice { lo, hi, .. } => lo.iter().chain(hi).for_each(|e| collect_capitals(e, names)),
        ast::Sub::NewAxis(_) => {}
    }
}

fn collect_in_block(block: &ast::Block, names: &mut Vec<ast::Name>) {
    for stmt in &block.stmts {
        match stmt {
            ast::Stmt::Expr(e) => collect_capitals(e, names),
            ast::Stmt::Let(l) => collect_capitals(&l.value, names),
            _ => {}
        }
    }
}

/// The names that a condition compares, in order.
pub fn names(expr: &Expr) -> Vec<ast::Name> {
    match &expr.kind {
        ExprKind::Name(n) => vec![n.clone()],
        ExprKind::Call(_, args) => args.iter().flat_map(|a| names(&a.value)).collect(),
        ExprKind::Unary(_, x) | ExprKind::Paren(x) | ExprKind::Index(x, _) => names(x),
        ExprKind::Binary(_, a, b) => [names(a), names(b)].concat(),
        _ => vec![],
    }
}

/// A term of a shape as the user wrote it.
pub fn expr_text(expr: &Expr) -> String {
    match &expr.kind {
        ExprKind::Int(n) => n.to_string(),
        ExprKind::Float(v) => format!("{v:?}"),
        ExprKind::Bool(b) => b.to_string(),
        ExprKind::Inf => "inf".into(),
        ExprKind::Str(s) => format!("\"{}\"", s.text),
        ExprKind::Unary(ast::UnaryOp::Neg, x) => format!("-{}", expr_text(x)),
        ExprKind::Unary(ast::UnaryOp::Not, x) => format!("not {}", expr_text(x)),
        ExprKind::List(items) => {
            let item = |i: &ast::ListElem| match i {
                ast::ListElem::Expr(e) => expr_text(e),
                ast::ListElem::Spread(n) => format!("*{}", n.text),
            };
            format!("[{}]", items.iter().map(item).collect::<Vec<_>>().join(", "))
        }
        ExprKind::Index(base, subs) => {
            let sub = |s: &ast::Sub| match s {
                ast::Sub::At(e) => expr_text(e),
                _ => "…".into(),
            };
            format!("{}[{}]", expr_text(base), subs.iter().map(sub).collect::<Vec<_>>().join(", "))
        }
        ExprKind::Name(n) => n.text.to_string(),
        ExprKind::Paren(e) => format!("({})", expr_text(e)),
        ExprKind::Field(e, n) => format!("{}.{}", expr_text(e), n.text),
        ExprKind::Binary(op, a, b) => {
            format!("{} {} {}", expr_text(a), super::arith::operator_text(*op), expr_text(b))
        }
        ExprKind::Range { lo, hi, inclusive } => {
            format!("{}..{}{}", expr_text(lo), if *inclusive { "=" } else { "" }, expr_text(hi))
        }
        ExprKind::Call(f, args) => {
            let args: Vec<String> = args.iter().map(|a| expr_text(&a.value)).collect();
            format!("{}({})", expr_text(f), args.join(", "))
        }
        _ => "…".into(),
    }
}

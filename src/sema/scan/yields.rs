//! `yield`: every iteration yields once, or none does.

use super::{error, tree};
use crate::sema::checker::Checker;
use crate::sema::value::Value;
use crate::source::Span;
use crate::syntax::ast::{Block, Else, Expr, ExprKind, Scan, Stmt};
use crate::tensor;

impl Checker {
    /// Whether the body yields at most once, whatever its conditions say.
    pub(super) fn check_yields(&mut self, scan: &Scan) -> bool {
        match of_block(&scan.body) {
            Ok(_) => true,
            Err(fault) => {
                self.report(error::yields(fault));
                false
            }
        }
    }

    pub fn eval_yield(&mut self, value: &Expr, span: Span) {
        let value = match &value.kind {
            ExprKind::Tuple(items) => Value::List(items.iter().map(|e| self.eval(e)).collect()),
            _ => self.without_place(|c| c.eval(value)),
        };
        match self.frame().yields.last_mut() {
            Some(found) => found.push((value, span)),
            None => {
                self.report(error::stray_yield(span));
            }
        }
    }

    /// The tensors of a yielded value; `None` after an error.
    pub(super) fn yielded_nodes(&mut self, value: Value, at: Span) -> Option<(Value, Vec<tensor::Value>)> {
        let mut nodes = vec![];
        for leaf in tree::leaves(&value) {
            nodes.push(self.tensor_leaf(leaf, at, |what| error::not_yielded(at, what))?);
        }
        Some((value, nodes))
    }

    /// The stacked results: their new axis stands where the scanned one did, or last where there are fewer.
    pub(super) fn stacked(&mut self, like: &Value, ys: Vec<tensor::Value>, axis: usize) -> Value {
        let at = self.graph.emit.origin.span;
        let mut moved = vec![];
        for y in ys {
            let to = axis.min(self.graph.emit.rank(y) - 1);
            let Some(y) = self.move_axis(y, 0, to, at) else { return Value::Error };
            moved.push(y);
        }
        tree::rebuild(like, &mut moved.into_iter())
    }
}

/// Why a body does not yield exactly once or never.
pub enum Fault {
    Twice { first: Span, again: Span },
    InFor(Span),
    OneBranch { yields: Span, condition: Span },
}

/// The place of the one `yield`.
type Count = Result<Option<Span>, Fault>;

fn of_block(block: &Block) -> Count {
    let mut found = None;
    for stmt in &block.stmts {
        found = both(found, of_stmt(stmt)?)?;
    }
    Ok(found)
}

fn both(first: Option<Span>, then: Option<Span>) -> Count {
    match (first, then) {
        (Some(first), Some(again)) => Err(Fault::Twice { first, again }),
        (first, then) => Ok(first.or(then)),
    }
}

fn of_stmt(stmt: &Stmt) -> Count {
    match stmt {
        Stmt::Yield { span, .. } => Ok(Some(*span)),
        Stmt::For { body, .. } | Stmt::Every { body, .. } => match of_block(body)? {
            Some(span) => Err(Fault::InFor(span)),
            None => Ok(None),
        },
        Stmt::Let(l) => of_expr(&l.value),
        Stmt::Assign { value, .. } => of_expr(value),
        Stmt::Expr(e) => of_expr(e),
        Stmt::Report { .. } | Stmt::Minimize(_) | Stmt::Error(_) => Ok(None),
    }
}

fn of_expr(expr: &Expr) -> Count {
    match &expr.kind {
        ExprKind::If { cond, then, otherwise } => {
            let then = of_block(then)?;
            let otherwise = match otherwise.as_deref() {
                Some(Else::Block(block)) => of_block(block)?,
                Some(Else::If(e)) => of_expr(e)?,
                None => None,
            };
            match (then, otherwise) {
                (Some(yields), None) | (None, Some(yields)) => Err(Fault::OneBranch { yields, condition: cond.span }),
                (then, _) => Ok(then),
            }
        }
        ExprKind::Scan(_) => Ok(None),
        _ => expr.children().into_iter().try_fold(None, |found, e| both(found, of_expr(e)?)),
    }
}

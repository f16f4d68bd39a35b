//! Statements, blocks and patterns.

use super::member::{open_end, spoil};
use super::*;

impl<'i> Builder<'i> {
    pub(super) fn block(&mut self, pair: Pair<'i, Rule>) -> Block {
        let span = self.span(&pair);
        let open = open_end(&pair);
        let mut stmts: Vec<Stmt> = vec![];
        for pair in Kids::new(pair) {
            if pair.as_rule() == Rule::trailing {
                stmts.last_mut().into_iter().for_each(spoil_stmt);
            }
            stmts.push(self.stmt(pair));
        }
        stmts.extend(open.map(|at| Stmt::Error(Span::new(self.file, at, at))));
        Block { stmts, span }
    }

    /// A block that is not there has the value `Error`.
    pub(super) fn opt_block(&mut self, kids: &mut Kids<'i>, at: Span) -> Block {
        match kids.next_of(Rule::block) {
            Some(pair) => self.block(pair),
            None => Block { stmts: vec![Stmt::Error(at)], span: Span { start: at.end, ..at } },
        }
    }

    fn stmt(&mut self, pair: Pair<'i, Rule>) -> Stmt {
        let span = self.span(&pair);
        let stmt = match pair.as_rule() {
            Rule::let_stmt => Some(Stmt::Let(self.let_stmt(pair))),
            Rule::assign => self.assign(pair),
            Rule::for_stmt => Some(self.for_stmt(pair)),
            Rule::yield_stmt => Some(Stmt::Yield { value: self.only_expr(pair), span }),
            Rule::report => Some(self.report(pair)),
            Rule::minimize => self.minimize(pair).map(Stmt::Minimize),
            Rule::every_stmt => self.every_stmt(pair),
            Rule::expr => Some(Stmt::Expr(self.expr(pair))),
            _ => None,
        };
        stmt.unwrap_or(Stmt::Error(span))
    }

    pub(super) fn let_stmt(&mut self, pair: Pair<'i, Rule>) -> Let {
        let span = self.span(&pair);
        let mut kids = Kids::new(pair);
        let is_var = kids.next_of(Rule::kw_var).is_some();
        let pattern = self.pattern_or_error(&mut kids, span);
        let ty = self.opt_type(&mut kids);
        Let { is_var, pattern, ty, value: self.expr_or_error(&mut kids, span), span }
    }

    fn assign(&mut self, pair: Pair<'i, Rule>) -> Option<Stmt> {
        let span = self.span(&pair);
        let mut kids = Kids::new(pair);
        let name = self.name(kids.next_of(Rule::name)?);
        Some(Stmt::Assign { name, value: self.expr_or_error(&mut kids, span), span })
    }

    fn for_stmt(&mut self, pair: Pair<'i, Rule>) -> Stmt {
        let span = self.span(&pair);
        let mut kids = Kids::new(pair);
        let pattern = self.pattern_or_error(&mut kids, span);
        let over = self.expr_or_error(&mut kids, span);
        Stmt::For { pattern, over, body: self.opt_block(&mut kids, span), span }
    }

    fn report(&mut self, pair: Pair<'i, Rule>) -> Stmt {
        let span = self.span(&pair);
        let (weights, args): (Vec<_>, Vec<_>) = Kids::new(pair).partition(|part| part.as_rule() == Rule::weight);
        let args = args.into_iter().map(|arg| self.report_arg(arg)).collect();
        let weight = weights.into_iter().next().map(|weight| self.only_expr(weight));
        Stmt::Report { args, weight, span }
    }

    fn report_arg(&mut self, pair: Pair<'i, Rule>) -> Arg {
        match pair.as_rule() {
            Rule::report_arg => self.arg(pair),
            _ => Arg { label: None, value: self.expr(pair) },
        }
    }

    /// `None` if a name is missing: what would be minimised is then unknown.
    fn minimize(&mut self, pair: Pair<'i, Rule>) -> Option<Minimize> {
        let span = self.span(&pair);
        let mut kids = Kids::new(pair);
        let loss = self.expr_or_error(&mut kids, span);
        let over = match kids.next_of(Rule::over) {
            Some(over) if !is_broken(&over) => Kids::new(over).map(|path| self.path(path)).collect::<Option<_>>()?,
            Some(_) => return None,
            None => vec![],
        };
        let with = match kids.next_of(Rule::with) {
            Some(with) => Some(Kids::new(with).next().and_then(|path| self.path(path))?),
            None => None,
        };
        let weight = kids.next_of(Rule::weight).map(|weight| self.only_expr(weight));
        Some(Minimize { loss, over, with, weight, span })
    }

    fn every_stmt(&mut self, pair: Pair<'i, Rule>) -> Option<Stmt> {
        let span = self.span(&pair);
        let mut kids = Kids::new(pair);
        let count = self.expr_or_error(&mut kids, span);
        let unit = self.name(kids.next_of(Rule::name)?);
        Some(Stmt::Every { count, unit, body: self.opt_block(&mut kids, span), span })
    }

    pub(super) fn pattern_or_error(&mut self, kids: &mut Kids<'i>, at: Span) -> Pattern {
        let pair = kids.next_among(|rule| matches!(rule, Rule::pattern | Rule::missing_pattern));
        pair.map_or(Pattern::Error(at), |pair| self.pattern(pair))
    }

    fn pattern(&mut self, pair: Pair<'i, Rule>) -> Pattern {
        let span = self.span(&pair);
        let Some(form) = pair.into_inner().next() else { return Pattern::Error(span) };
        match form.as_rule() {
            Rule::name => Pattern::Name(self.name(form)),
            _ if is_broken(&form) => Pattern::Error(span),
            Rule::list_pattern => Pattern::List(self.patterns(form), span),
            _ => Pattern::Tuple(self.patterns(form), span),
        }
    }

    fn patterns(&mut self, pair: Pair<'i, Rule>) -> Vec<Pattern> {
        Kids::new(pair).map(|part| self.pattern(part)).collect()
    }
}

/// A statement with more in its line than it can have: its value is not what it seems.
fn spoil_stmt(stmt: &mut Stmt) {
    match stmt {
        Stmt::Let(Let { value, .. }) | Stmt::Assign { value, .. } | Stmt::Expr(value) => spoil(value),
        _ => {}
    }
}

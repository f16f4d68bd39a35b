//! Expressions: the flat chains of the grammar are folded by precedence.

use super::*;

/// How tightly an operator binds; a chain is folded from the tightest to the loosest.
type Power = u8;

const NOT: Power = 8;
const NEGATE: Power = 16;

/// The binding powers to the left and to the right of a binary operator, from loose to tight.
/// A right power above the left one makes the operator associate to the left.
fn powers(rule: Rule) -> Option<(Power, Power)> {
    use Rule::*;
    Some(match rule {
        pipe => (1, 2),
        op_or => (3, 4),
        op_and => (5, 6),
        eq | ne | lt | le | gt | ge | op_in => (9, 10),
        range | range_incl => (11, 12),
        plus | minus => (13, 14),
        times | div | rem | at => (15, 16),
        // Tighter than a minus on its left, looser than one on its right; associates to the right.
        pow => (18, 17),
        _ => return None,
    })
}

fn binary_op(rule: Rule) -> Option<BinaryOp> {
    use Rule::*;
    Some(match rule {
        op_or => BinaryOp::Or,
        op_and => BinaryOp::And,
        eq => BinaryOp::Eq,
        ne => BinaryOp::Ne,
        lt => BinaryOp::Lt,
        le => BinaryOp::Le,
        gt => BinaryOp::Gt,
        ge => BinaryOp::Ge,
        op_in => BinaryOp::In,
        plus => BinaryOp::Add,
        minus => BinaryOp::Sub,
        times => BinaryOp::Mul,
        div => BinaryOp::Div,
        rem => BinaryOp::Rem,
        at => BinaryOp::MatMul,
        pow => BinaryOp::Pow,
        _ => return None,
    })
}

impl BinaryOp {
    fn is_comparison(self) -> bool {
        use BinaryOp::*;
        matches!(self, Eq | Ne | Lt | Le | Gt | Ge | In)
    }
}

impl<'i> Builder<'i> {
    pub(super) fn opt_expr(&mut self, kids: &mut Kids<'i>) -> Option<Expr> {
        let pair = kids.next_among(|rule| matches!(rule, Rule::expr | Rule::inner | Rule::missing_expr))?;
        Some(self.expr(pair))
    }

    pub(super) fn expr_or_error(&mut self, kids: &mut Kids<'i>, at: Span) -> Expr {
        self.opt_expr(kids).unwrap_or(Expr { kind: ExprKind::Error, span: at })
    }

    /// The expression in a rule that has no other part.
    pub(super) fn only_expr(&mut self, pair: Pair<'i, Rule>) -> Expr {
        let span = self.span(&pair);
        self.expr_or_error(&mut Kids::new(pair), span)
    }

    /// From `expr`, `inner` or `missing_expr`.
    pub(super) fn expr(&mut self, pair: Pair<'i, Rule>) -> Expr {
        let span = self.span(&pair);
        let mut chain = Kids::new(pair);
        let operators = chain.pairs.clone().filter(|p| p.as_rule() != Rule::primary).count();
        let built = self.deeper(operators + 1, span, |b| b.fold(&mut chain, 0, span));
        built.unwrap_or(Expr { kind: ExprKind::Error, span })
    }

    /// Folds the operators of the chain that bind at least as tightly as `least`.
    fn fold(&mut self, chain: &mut Kids<'i>, least: Power, at: Span) -> Expr {
        let mut left = self.operand(chain, at);
        while let Some((rule, right_power)) = next_operator(chain, least) {
            let op = chain.next().map_or(at, |op| self.span(&op));
            let right = self.fold(chain, right_power, op);
            left = self.binary(rule, op, left, right);
        }
        left
    }

    fn operand(&mut self, chain: &mut Kids<'i>, at: Span) -> Expr {
        let Some(pair) = chain.next() else { return Expr { kind: ExprKind::Error, span: at } };
        let span = self.span(&pair);
        match pair.as_rule() {
            Rule::negate => self.unary(UnaryOp::Neg, NEGATE, chain, span),
            Rule::op_not => self.unary(UnaryOp::Not, NOT, chain, span),
            Rule::primary => self.primary(pair),
            _ => Expr { kind: ExprKind::Error, span },
        }
    }

    fn unary(&mut self, op: UnaryOp, power: Power, chain: &mut Kids<'i>, span: Span) -> Expr {
        let operand = self.fold(chain, power, span);
        Expr { span: span.to(operand.span), kind: ExprKind::Unary(op, Box::new(operand)) }
    }

    fn binary(&mut self, rule: Rule, op: Span, left: Expr, right: Expr) -> Expr {
        let span = left.span.to(right.span);
        self.check_operands(rule, op, &left, &right);
        let (lo, hi) = (Box::new(left), Box::new(right));
        let kind = match (rule, binary_op(rule)) {
            (Rule::pipe, _) => ExprKind::Pipe(lo, hi),
            (_, Some(op)) => ExprKind::Binary(op, lo, hi),
            _ => ExprKind::Range { lo, hi, inclusive: rule == Rule::range_incl },
        };
        Expr { kind, span }
    }

    /// Comparisons and ranges don't chain; a `not` to the right of a tighter operator needs parentheses.
    fn check_operands(&mut self, rule: Rule, op: Span, left: &Expr, right: &Expr) {
        let compares = |e: &Expr| matches!(&e.kind, ExprKind::Binary(op, ..) if op.is_comparison());
        let is_range = |e: &Expr| matches!(e.kind, ExprKind::Range { .. });
        if binary_op(rule).is_some_and(BinaryOp::is_comparison) && compares(left) {
            self.diagnostics.push(errors::chained_comparison(op, left.span));
        }
        if matches!(rule, Rule::range | Rule::range_incl) && is_range(left) {
            self.diagnostics.push(errors::chained_range(op));
        }
        let tighter = powers(rule).is_some_and(|(left, _)| left > NOT);
        if tighter && matches!(right.kind, ExprKind::Unary(UnaryOp::Not, _)) {
            self.diagnostics.push(errors::bare_not(right.span));
        }
    }

    fn primary(&mut self, pair: Pair<'i, Rule>) -> Expr {
        let span = self.span(&pair);
        let mut parts = Kids::new(pair);
        let levels = parts.pairs.len();
        let built = self.deeper(levels, span, |b| {
            let atom = parts.next().map(|atom| b.atom(atom));
            let atom = atom.unwrap_or(Expr { kind: ExprKind::Error, span });
            parts.fold(atom, |base, suffix| b.suffix(base, suffix))
        });
        built.unwrap_or(Expr { kind: ExprKind::Error, span })
    }

    fn suffix(&mut self, base: Expr, pair: Pair<'i, Rule>) -> Expr {
        let span = base.span.to(self.span(&pair));
        let broken = is_broken(&pair);
        let base = Box::new(base);
        let kind = match pair.as_rule() {
            _ if broken => ExprKind::Error,
            Rule::call => ExprKind::Call(base, self.args(pair)),
            Rule::index => ExprKind::Index(base, Kids::new(pair).map(|sub| self.sub(sub)).collect()),
            _ => match Kids::new(pair).next_of(Rule::word) {
                Some(word) => ExprKind::Field(base, self.name(word)),
                None => ExprKind::Error,
            },
        };
        Expr { kind, span }
    }

    fn args(&mut self, pair: Pair<'i, Rule>) -> Vec<Arg> {
        Kids::new(pair).map(|arg| self.arg(arg)).collect()
    }

    pub(super) fn arg(&mut self, pair: Pair<'i, Rule>) -> Arg {
        let span = self.span(&pair);
        let mut kids = Kids::new(pair);
        let label = kids.next_of(Rule::label).and_then(|label| label.into_inner().next()).map(|name| self.name(name));
        Arg { label, value: self.expr_or_error(&mut kids, span) }
    }

    fn sub(&mut self, pair: Pair<'i, Rule>) -> Sub {
        let span = self.span(&pair);
        if pair.as_str().trim_end() == "_" {
            return Sub::NewAxis(span);
        }
        let mut kids = Kids::new(pair);
        let lo = self.opt_expr(&mut kids);
        match (kids.next_of(Rule::colon), lo) {
            (None, lo) => Sub::At(lo.unwrap_or(Expr { kind: ExprKind::Error, span })),
            (Some(_), lo) => Sub::Slice { lo, hi: self.opt_expr(&mut kids), span },
        }
    }

    fn atom(&mut self, pair: Pair<'i, Rule>) -> Expr {
        let span = self.span(&pair);
        let broken = is_broken(&pair);
        let kind = match pair.as_rule() {
            Rule::number => self.number(pair),
            Rule::string => ExprKind::Str(self.string(pair)),
            Rule::bool => ExprKind::Bool(pair.as_str() == "true"),
            Rule::inf => ExprKind::Inf,
            Rule::name | Rule::where_fn => ExprKind::Name(self.name(pair)),
            Rule::if_expr => self.if_expr(pair),
            Rule::scan_expr => self.scan_expr(pair),
            _ if broken => ExprKind::Error,
            Rule::list => self.list(pair),
            Rule::paren => self.paren(pair),
            _ => ExprKind::Error,
        };
        Expr { kind, span }
    }

    pub(super) fn name_expr(&mut self, pair: Pair<'i, Rule>) -> Expr {
        let name = self.name(pair);
        Expr { span: name.span, kind: ExprKind::Name(name) }
    }

    fn number(&mut self, pair: Pair<'i, Rule>) -> ExprKind {
        let span = self.span(&pair);
        let digits = pair.as_str().replace('_', "");
        let value = if digits.contains(['.', 'e', 'E']) {
            digits.parse().ok().filter(|x: &f64| x.is_finite()).map(ExprKind::Float)
        } else {
            digits.parse().ok().map(ExprKind::Int)
        };
        value.unwrap_or_else(|| {
            self.diagnostics.push(errors::number_too_large(span));
            ExprKind::Error
        })
    }

    fn list(&mut self, pair: Pair<'i, Rule>) -> ExprKind {
        let mut elements = vec![];
        for part in Kids::new(pair) {
            match part.as_rule() {
                Rule::comprehension => return self.comprehension(elements.pop(), part),
                Rule::spread => elements.push(self.spread(part).map_or_else(ListElem::Expr, ListElem::Spread)),
                _ => elements.push(ListElem::Expr(self.expr(part))),
            }
        }
        ExprKind::List(elements)
    }

    /// `body for pattern in over`; the body was read as the first element of a list.
    fn comprehension(&mut self, body: Option<ListElem>, pair: Pair<'i, Rule>) -> ExprKind {
        let span = self.span(&pair);
        let mut kids = Kids::new(pair);
        let pattern = self.pattern_or_error(&mut kids, span);
        let over = Box::new(self.expr_or_error(&mut kids, span));
        match body {
            Some(ListElem::Expr(body)) => ExprKind::Comprehension { body: Box::new(body), pattern, over },
            _ => {
                self.diagnostics.push(errors::spread_in_comprehension(span));
                ExprKind::Error
            }
        }
    }

    /// One value is a group, several are a tuple, labelled ones a record.
    fn paren(&mut self, pair: Pair<'i, Rule>) -> ExprKind {
        let span = self.span(&pair);
        let mut args = vec![];
        let mut trailing_comma = false;
        for part in Kids::new(pair) {
            match part.as_rule() {
                Rule::trailing_comma => trailing_comma = true,
                _ => args.push(self.arg(part)),
            }
        }
        let labelled = args.iter().filter(|arg| arg.label.is_some()).count();
        if labelled == args.len() {
            return ExprKind::Record(args.into_iter().filter_map(|arg| Some((arg.label?, arg.value))).collect());
        }
        if labelled > 0 {
            self.diagnostics.push(errors::mixed_record(span));
            return ExprKind::Error;
        }
        let mut values: Vec<_> = args.into_iter().map(|arg| arg.value).collect();
        match values.pop() {
            Some(value) if values.is_empty() && !trailing_comma => ExprKind::Paren(Box::new(value)),
            last => ExprKind::Tuple(values.into_iter().chain(last).collect()),
        }
    }

    fn if_expr(&mut self, pair: Pair<'i, Rule>) -> ExprKind {
        let span = self.span(&pair);
        let mut kids = Kids::new(pair);
        let (cond, then) = self.branch(&mut kids, span);
        let elifs: Vec<_> = std::iter::from_fn(|| kids.next_of(Rule::elif_expr)).collect();
        let last = kids.next_of(Rule::else_expr).map(|pair| Else::Block(self.opt_block(&mut Kids::new(pair), span)));
        match self.deeper(elifs.len(), span, |b| b.elifs(elifs, last)) {
            Some(otherwise) => ExprKind::If { cond, then, otherwise: otherwise.map(Box::new) },
            None => ExprKind::Error,
        }
    }

    fn elifs(&mut self, elifs: Vec<Pair<'i, Rule>>, last: Option<Else>) -> Option<Else> {
        elifs.into_iter().rev().fold(last, |otherwise, pair| {
            let span = self.span(&pair);
            let (cond, then) = self.branch(&mut Kids::new(pair), span);
            Some(Else::If(Expr { kind: ExprKind::If { cond, then, otherwise: otherwise.map(Box::new) }, span }))
        })
    }

    fn branch(&mut self, kids: &mut Kids<'i>, at: Span) -> (Box<Expr>, Block) {
        let cond = self.expr_or_error(kids, at);
        (Box::new(cond), self.opt_block(kids, at))
    }

    fn scan_expr(&mut self, pair: Pair<'i, Rule>) -> ExprKind {
        let span = self.span(&pair);
        let mut kids = Kids::new(pair);
        let pattern = self.pattern_or_error(&mut kids, span);
        let over = self.expr_or_error(&mut kids, span);
        let along = kids.next_of(Rule::along).map(|pair| self.only_expr(pair));
        let reversed = kids.next_of(Rule::backwards).map(|pair| self.opt_expr(&mut Kids::new(pair)));
        let while_ = kids.next_of(Rule::while_clause).map(|pair| self.only_expr(pair));
        let checkpoint = kids.next_of(Rule::checkpoint).map(|pair| self.only_expr(pair));
        let body = self.opt_block(&mut kids, span);
        ExprKind::Scan(Box::new(Scan { pattern, over, along, reversed, while_, checkpoint, body }))
    }
}

/// The next operator of the chain with its right power, if it binds at least as tightly as `least`.
fn next_operator(chain: &mut Kids<'_>, least: Power) -> Option<(Rule, Power)> {
    let rule = chain.pairs.peek()?.as_rule();
    let (left, right) = powers(rule)?;
    (left >= least).then_some((rule, right))
}

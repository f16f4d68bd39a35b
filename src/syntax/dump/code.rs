//! Statements, patterns and expressions as text.

use super::*;

impl Printer {
    pub(super) fn block(&mut self, block: &Block) {
        self.braces(&block.stmts, Self::stmt);
    }

    pub(super) fn every(&mut self, count: &Expr, unit: &Name) {
        self.text("every ");
        self.expr(count);
        self.text(" ");
        self.name(unit);
        self.text(" ");
    }

    fn stmt(&mut self, stmt: &Stmt) {
        match stmt {
            Stmt::Let(binding) => self.binding(binding),
            Stmt::Assign { name, value, .. } => {
                self.name(name);
                self.text(" = ");
                self.expr(value);
            }
            Stmt::For { pattern, over, body, .. } => {
                self.turns("for ", pattern, over);
                self.text(" ");
                self.block(body);
            }
            Stmt::Yield { value, .. } => {
                self.text("yield ");
                self.expr(value);
            }
            Stmt::Report { args, weight, .. } => {
                self.enclosed("report ", args, "", Self::arg);
                self.optional(" weight ", weight.as_ref(), Self::expr);
            }
            Stmt::Minimize(minimize) => self.minimize(minimize),
            Stmt::Every { count, unit, body, .. } => {
                self.every(count, unit);
                self.block(body);
            }
            Stmt::Expr(expr) => self.expr(expr),
            Stmt::Error(_) => self.text("<error>"),
        }
    }

    pub(super) fn binding(&mut self, binding: &Let) {
        self.text(if binding.is_var { "var " } else { "let " });
        self.pattern(&binding.pattern);
        self.optional(": ", binding.ty.as_ref(), Self::ty);
        self.text(" = ");
        self.expr(&binding.value);
    }

    fn minimize(&mut self, minimize: &Minimize) {
        self.text("minimize ");
        self.expr(&minimize.loss);
        if !minimize.over.is_empty() {
            self.enclosed(" over ", &minimize.over, "", Self::path);
        }
        self.optional(" with ", minimize.with.as_ref(), Self::path);
        self.optional(" weight ", minimize.weight.as_ref(), Self::expr);
    }

    fn turns(&mut self, word: &str, pattern: &Pattern, over: &Expr) {
        self.text(word);
        self.pattern(pattern);
        self.text(" in ");
        self.expr(over);
    }

    fn pattern(&mut self, pattern: &Pattern) {
        match pattern {
            Pattern::Name(name) => self.name(name),
            Pattern::List(parts, _) => self.enclosed("[", parts, "]", Self::pattern),
            Pattern::Tuple(parts, _) => self.enclosed("(", parts, ")", Self::pattern),
            Pattern::Error(_) => self.text("<error>"),
        }
    }

    pub(super) fn expr(&mut self, expr: &Expr) {
        match &expr.kind {
            ExprKind::Int(value) => self.text(&value.to_string()),
            ExprKind::Float(value) => self.text(&format!("{value:?}")),
            ExprKind::Bool(value) => self.text(&value.to_string()),
            ExprKind::Inf => self.text("inf"),
            ExprKind::Str(string) => self.string(string),
            ExprKind::Name(name) => self.name(name),
            ExprKind::Field(base, name) => {
                self.expr(base);
                self.text(".");
                self.name(name);
            }
            ExprKind::Call(callee, args) => {
                self.expr(callee);
                self.enclosed("(", args, ")", Self::arg);
            }
            ExprKind::Index(base, subs) => {
                self.expr(base);
                self.enclosed("[", subs, "]", Self::sub);
            }
            ExprKind::Unary(op, operand) => {
                self.text(if *op == UnaryOp::Neg { "(-" } else { "(not " });
                self.expr(operand);
                self.text(")");
            }
            ExprKind::Binary(op, left, right) => self.infix(left, &format!(" {} ", symbol(*op)), right),
            ExprKind::Pipe(left, right) => self.infix(left, " |> ", right),
            ExprKind::Range { lo, hi, inclusive } => self.infix(lo, if *inclusive { "..=" } else { ".." }, hi),
            ExprKind::Paren(inner) => self.expr(inner),
            ExprKind::Error => self.text("<error>"),
            compound => self.compound(compound),
        }
    }

    fn infix(&mut self, left: &Expr, op: &str, right: &Expr) {
        self.text("(");
        self.expr(left);
        self.text(op);
        self.expr(right);
        self.text(")");
    }

    fn compound(&mut self, kind: &ExprKind) {
        match kind {
            ExprKind::List(elements) => self.enclosed("[", elements, "]", Self::element),
            ExprKind::Comprehension { body, pattern, over } => {
                self.text("[");
                self.expr(body);
                self.turns(" for ", pattern, over);
                self.text("]");
            }
            ExprKind::Record(fields) => self.enclosed("(", fields, ")", |p, (name, value)| {
                p.name(name);
                p.text(": ");
                p.expr(value);
            }),
            ExprKind::Tuple(values) => {
                self.enclosed("(", values, if values.len() == 1 { ",)" } else { ")" }, Self::expr);
            }
            ExprKind::If { cond, then, otherwise } => self.if_expr(cond, then, otherwise.as_deref()),
            ExprKind::Scan(scan) => self.scan(scan),
            _ => {}
        }
    }

    fn if_expr(&mut self, cond: &Expr, then: &Block, otherwise: Option<&Else>) {
        self.text("if ");
        self.expr(cond);
        self.text(" ");
        self.block(then);
        self.optional(" else ", otherwise, |p, otherwise| match otherwise {
            Else::Block(block) => p.block(block),
            Else::If(expr) => p.expr(expr),
        });
    }

    fn scan(&mut self, scan: &Scan) {
        self.turns("scan ", &scan.pattern, &scan.over);
        self.optional(" along ", scan.along.as_ref(), Self::expr);
        self.optional(" reversed", scan.reversed.as_ref(), |p, cond| p.optional(" if ", cond.as_ref(), Self::expr));
        self.optional(" while ", scan.while_.as_ref(), Self::expr);
        self.optional(" checkpoint ", scan.checkpoint.as_ref(), Self::expr);
        self.text(" ");
        self.block(&scan.body);
    }

    fn arg(&mut self, arg: &Arg) {
        if let Some(label) = &arg.label {
            self.name(label);
            self.text(": ");
        }
        self.expr(&arg.value);
    }

    fn sub(&mut self, sub: &Sub) {
        match sub {
            Sub::At(at) => self.expr(at),
            Sub::Slice { lo, hi, .. } => {
                self.optional("", lo.as_ref(), Self::expr);
                self.text(":");
                self.optional("", hi.as_ref(), Self::expr);
            }
            Sub::NewAxis(_) => self.text("_"),
        }
    }

    fn element(&mut self, element: &ListElem) {
        match element {
            ListElem::Spread(name) => {
                self.text("*");
                self.name(name);
            }
            ListElem::Expr(expr) => self.expr(expr),
        }
    }
}

fn symbol(op: BinaryOp) -> &'static str {
    match op {
        BinaryOp::Add => "+",
        BinaryOp::Sub => "-",
        BinaryOp::Mul => "*",
        BinaryOp::Div => "/",
        BinaryOp::Rem => "%",
        BinaryOp::Pow => "**",
        BinaryOp::MatMul => "@",
        BinaryOp::Eq => "==",
        BinaryOp::Ne => "!=",
        BinaryOp::Lt => "<",
        BinaryOp::Le => "<=",
        BinaryOp::Gt => ">",
        BinaryOp::Ge => ">=",
        BinaryOp::And => "and",
        BinaryOp::Or => "or",
        BinaryOp::In => "in",
    }
}

//! Evaluating expressions: one short function per kind.

use super::checker::Checker;
use super::emit::Index;
use super::value::{Callable, Value};
use crate::diag::{Code, Diagnostic};
use crate::ops::Extent;
use crate::ops::dim::Dim;
use crate::source::Span;
use crate::syntax::ast::{self, Expr, ExprKind};
use std::sync::Arc;

impl Checker {
    /// Expressions nest as deeply as the text does (a chain of a thousand sums), so the stack grows with them.
    pub fn eval(&mut self, expr: &Expr) -> Value {
        stacker::maybe_grow(RED_ZONE, STACK, || self.eval_here(expr))
    }

    fn eval_here(&mut self, expr: &Expr) -> Value {
        if let Some(value) = self.conversion_value(expr) {
            return value;
        }
        match &expr.kind {
            ExprKind::Int(n) => Value::int(*n),
            ExprKind::Float(v) => Value::Float(*v),
            ExprKind::Bool(b) => Value::Bool(*b),
            ExprKind::Inf => Value::Float(f64::INFINITY),
            ExprKind::Str(s) => Value::Str(s.text.clone()),
            ExprKind::Name(name) => self.eval_name(name),
            ExprKind::Field(base, name) => self.eval_field(base, name),
            ExprKind::Call(callee, args) => self.eval_call(callee, None, args, expr.span),
            ExprKind::Index(base, subs) => self.eval_index(base, subs, expr.span),
            ExprKind::Unary(op, x) => self.eval_unary(*op, x, expr.span),
            ExprKind::Binary(op, a, b) => self.eval_binary(*op, a, b, expr.span),
            ExprKind::Pipe(x, f) => self.eval_pipe(x, f, expr.span),
            ExprKind::Range { lo, hi, inclusive } => self.eval_range(lo, hi, *inclusive),
            ExprKind::List(items) => self.eval_list(items),
            ExprKind::Comprehension { body, pattern, over } => self.eval_comprehension(body, pattern, over),
            ExprKind::Record(fields) => {
                Value::Record(fields.iter().map(|(n, e)| (n.text.clone(), self.eval(e))).collect())
            }
            ExprKind::Tuple(_) => self.report(stray_tuple(expr.span)),
            ExprKind::Paren(inner) => self.eval(inner),
            ExprKind::If { cond, then, otherwise } => self.eval_if(cond, then, otherwise.as_deref()),
            ExprKind::Scan(scan) => self.eval_scan(scan, expr.span),
            ExprKind::Error => Value::Error,
        }
    }

    fn eval_field(&mut self, base: &Expr, name: &ast::Name) -> Value {
        if let ExprKind::Name(raw) = &base.kind
            && &*raw.text == "raw"
            && self.frame().raw.is_some()
        {
            return self.raw_column(name);
        }
        if let Some(diag) = self.qualified(base, name) {
            return self.report(diag);
        }
        if let Some(value) = self.data_value(base, name) {
            return value;
        }
        match self.eval(base) {
            Value::Record(fields) => match fields.iter().find(|(n, _)| *n == name.text) {
                Some((_, value)) => value.clone(),
                None => self.report(no_record_field(name, &fields)),
            },
            Value::Instance(id) => self.member_of(id, name),
            Value::Tensor(x) => match self.sequence_field(x, name) {
                Some(value) => value,
                None => self.report(no_fields(name, "a tensor")),
            },
            Value::Error => Value::Error,
            // Whatever else the data gives was found above.
            Value::Data(data) => self.report(split_is_no_value(&format!("{data}.{}", name.text), name)),
            other => self.report(no_fields(name, other.describe())),
        }
    }

    fn eval_index(&mut self, base: &Expr, subs: &[ast::Sub], span: Span) -> Value {
        match self.eval(base) {
            Value::Error => Value::Error,
            Value::List(items) => self.index_list(&items, subs, span),
            Value::Tensor(x) => {
                let Some(subs) = self.subscripts(subs) else { return Value::Error };
                let result = self.emit(span).index(x, &subs).map(Value::Tensor);
                self.settle(result)
            }
            other => self.report(cannot_index(span, other.describe())),
        }
    }

    fn subscripts(&mut self, subs: &[ast::Sub]) -> Option<Vec<(Index, Span)>> {
        let found: Vec<Option<(Index, Span)>> = subs.iter().map(|s| self.subscript(s)).collect();
        found.into_iter().collect()
    }

    fn subscript(&mut self, sub: &ast::Sub) -> Option<(Index, Span)> {
        match sub {
            ast::Sub::At(e) => {
                let value = self.eval(e);
                (!value.is_error()).then_some((Index::At(value), e.span))
            }
            ast::Sub::Slice { lo, hi, span } => {
                let [lo, hi] = [lo, hi].map(|end| end.as_ref().map(|e| self.eval(e)));
                let broken = [&lo, &hi].into_iter().flatten().any(Value::is_error);
                (!broken).then_some((Index::Slice(lo, hi), *span))
            }
            ast::Sub::NewAxis(span) => Some((Index::NewAxis, *span)),
        }
    }

    fn index_list(&mut self, items: &[Value], subs: &[ast::Sub], span: Span) -> Value {
        let [sub] = subs else { return self.report(cannot_index(span, "a list, which has one index,")) };
        match sub {
            ast::Sub::At(e) => {
                let Some(at) = self.eval_int(e) else { return Value::Error };
                let index = if at < 0 { at + items.len() as i64 } else { at };
                let found = usize::try_from(index).ok().and_then(|i| items.get(i));
                found.cloned().unwrap_or_else(|| self.report(list_index(e.span, at, items.len())))
            }
            ast::Sub::Slice { lo, hi, .. } => self.slice_list(items, lo.as_ref(), hi.as_ref()),
            ast::Sub::NewAxis(span) => self.report(cannot_index(*span, "a list")),
        }
    }

    /// Python's rule: ends beyond the list are cut off.
    fn slice_list(&mut self, items: &[Value], lo: Option<&Expr>, hi: Option<&Expr>) -> Value {
        let len = items.len() as i64;
        let mut end = |e: Option<&Expr>, default: i64| match e {
            Some(e) => self.eval_int(e).map(|n| if n < 0 { n + len } else { n }.clamp(0, len)),
            None => Some(default),
        };
        match (end(lo, 0), end(hi, len)) {
            (Some(lo), Some(hi)) => Value::List(items[lo as usize..hi.max(lo) as usize].to_vec()),
            _ => Value::Error,
        }
    }

    fn eval_pipe(&mut self, x: &Expr, f: &Expr, span: Span) -> Value {
        let value = self.eval(x);
        let first = Some((value, x.span));
        match &f.kind {
            ExprKind::Call(callee, args) => self.eval_call(callee, first, args, span),
            _ => self.eval_call(f, first, &[], span),
        }
    }

    fn eval_range(&mut self, lo: &Expr, hi: &Expr, inclusive: bool) -> Value {
        match (self.eval_dim(lo), self.eval_dim(hi)) {
            (Some(lo), Some(hi)) => {
                let hi = if inclusive { hi.add(&Dim::Const(1)) } else { hi };
                Value::Range(lo, hi)
            }
            _ => Value::Error,
        }
    }

    fn eval_list(&mut self, items: &[ast::ListElem]) -> Value {
        let mut list = vec![];
        for item in items {
            match item {
                ast::ListElem::Expr(e) => {
                    let index = list.len();
                    let value = self.in_place(&index.to_string(), |c| c.eval(e));
                    list.push(value);
                }
                ast::ListElem::Spread(name) => match self.eval_name(name) {
                    Value::List(more) => list.extend(more),
                    Value::Error => list.push(Value::Error),
                    other => list.push(self.report(cannot_spread(name, other.describe()))),
                },
            }
        }
        Value::List(list)
    }

    fn eval_comprehension(&mut self, body: &Expr, pattern: &ast::Pattern, over: &Expr) -> Value {
        let Some(items) = self.eval_items(over) else { return Value::Error };
        let one = |c: &mut Self, (i, item): (usize, Value)| {
            c.in_scope(|c| {
                c.bind_pattern(pattern, item, false);
                c.in_place(&i.to_string(), |c| c.eval(body))
            })
        };
        Value::List(items.into_iter().enumerate().map(|item| one(self, item)).collect())
    }

    /// The items of a compile-time list or range, for unrolling.
    pub fn eval_items(&mut self, over: &Expr) -> Option<Vec<Value>> {
        // The list that is gone through is not a place for layers.
        let value = self.without_place(|c| c.eval(over));
        match value {
            Value::List(items) => Some(items),
            Value::Range(Dim::Const(lo), Dim::Const(hi)) if hi - lo <= MAX_UNROLL => {
                Some((lo..hi).map(Value::int).collect())
            }
            Value::Range(..) => {
                self.report_open(range_not_known(over.span));
                None
            }
            Value::Error => None,
            other => {
                self.report(cannot_iterate(over, other.describe()));
                None
            }
        }
    }

    fn eval_if(&mut self, cond: &Expr, then: &ast::Block, otherwise: Option<&ast::Else>) -> Value {
        let Some(holds) = self.eval_condition(cond) else { return Value::Error };
        if holds {
            let guards = mentions_training(cond) && self.training;
            let before = self.frame().in_training;
            self.frame().in_training = before || guards;
            let value = self.eval_block(then);
            self.frame().in_training = before;
            return value;
        }
        match otherwise {
            Some(ast::Else::Block(block)) => self.eval_block(block),
            Some(ast::Else::If(expr)) => self.eval(expr),
            None => Value::Unit,
        }
    }

    /// A condition that is known to the compiler.
    pub fn eval_condition(&mut self, cond: &Expr) -> Option<bool> {
        match self.eval(cond) {
            Value::Bool(b) => Some(b),
            Value::Error => None,
            Value::Tensor(_) => {
                self.report(condition_is_tensor(cond.span));
                None
            }
            other => {
                self.report(condition_not_bool(cond.span, other.describe()));
                None
            }
        }
    }

    /// A compile-time integer, possibly symbolic.
    pub fn eval_dim(&mut self, expr: &Expr) -> Option<Dim> {
        match self.eval(expr) {
            Value::Dim(d) => Some(d),
            Value::Error => None,
            other => {
                self.report(not_an_integer(expr.span, other.describe()));
                None
            }
        }
    }

    /// A compile-time integer that is known.
    pub fn eval_int(&mut self, expr: &Expr) -> Option<i64> {
        let dim = self.eval_dim(expr)?;
        if dim.known().is_none() {
            self.report_open(value_not_known(expr.span, &dim));
        }
        dim.known()
    }

    /// The value of an option `axis`: dimension names stand for themselves.
    pub fn eval_axis(&mut self, expr: &Expr) -> Value {
        match &expr.kind {
            ExprKind::Name(name) if super::scope::is_capital(&name.text) => match self.find_dim(&name.text) {
                Some(bound) => Value::Axis { name: name.text.clone(), dim: bound.dim },
                None => self.eval(expr),
            },
            ExprKind::List(items) => {
                let axis = |c: &mut Self, item: &ast::ListElem| match item {
                    ast::ListElem::Expr(e) => c.eval_axis(e),
                    ast::ListElem::Spread(name) => c.eval_name(name),
                };
                Value::List(items.iter().map(|i| axis(self, i)).collect())
            }
            _ => self.eval(expr),
        }
    }

    /// Applies a function value to values, for the checker's own use (initializers, optimizers).
    pub fn apply(&mut self, f: &Callable, args: Vec<Value>, span: Span) -> Value {
        let args = args.into_iter().map(|value| super::value::CallArg { label: None, value, span }).collect();
        self.call(f, args, span)
    }
}

/// More than one level of evaluation needs, in a debug build.
const RED_ZONE: usize = 256 << 10;
const STACK: usize = 8 << 20;

/// Longest range that a loop unrolls.
const MAX_UNROLL: i64 = 10_000;

fn mentions_training(cond: &Expr) -> bool {
    match &cond.kind {
        ExprKind::Name(n) => &*n.text == "training",
        ExprKind::Paren(e) => mentions_training(e),
        ExprKind::Binary(ast::BinaryOp::And, a, b) => mentions_training(a) || mentions_training(b),
        _ => false,
    }
}

fn stray_tuple(span: Span) -> Diagnostic {
    Diagnostic::error(Code(203), "several values in parentheses are no value")
        .label(span, "only `scan` and `yield` take this")
        .help("name the parts to make a record: `(a: x, b: y)`")
}

fn no_record_field(name: &ast::Name, fields: &[(Arc<str>, Value)]) -> Diagnostic {
    let names: Vec<&str> = fields.iter().map(|(n, _)| &**n).collect();
    let diag = Diagnostic::error(Code(110), format!("the record has no field `{}`", name.text))
        .label(name.span, "not a field")
        .help(format!("its fields are `{}`", names.join("`, `")));
    match super::defs::suggest(&name.text, names.into_iter()) {
        None => diag,
        found => super::defs::did_you_mean(diag, name.span, found),
    }
}

fn no_fields(name: &ast::Name, what: &str) -> Diagnostic {
    let diag = Diagnostic::error(Code(110), format!("{what} has no field `{}`", name.text))
        .label(name.span, "only records and layers have fields");
    match super::foreign::instead_of_method(&name.text).filter(|_| what == "a tensor") {
        Some(help) => diag.help(help),
        None => diag,
    }
}

fn split_is_no_value(what: &str, name: &ast::Name) -> Diagnostic {
    Diagnostic::error(Code(203), format!("`{what}` is not a value"))
        .label(name.span, "a split stands after `in`, as in `step (x) in Data.train |> batch(64)`")
}

fn cannot_index(span: Span, what: &str) -> Diagnostic {
    Diagnostic::error(Code(203), format!("{what} cannot be indexed like this")).label(span, "indexed here")
}

fn list_index(span: Span, index: i64, len: usize) -> Diagnostic {
    Diagnostic::error(Code(211), format!("index {index} is outside a list of length {len}")).label(span, "out of range")
}

fn cannot_spread(name: &ast::Name, what: &str) -> Diagnostic {
    Diagnostic::error(Code(219), format!("`*{}` needs a list, and this is {what}", name.text))
        .label(name.span, "not a list")
}

fn range_not_known(span: Span) -> Diagnostic {
    Diagnostic::error(Code(210), "the bounds of this range are not known to the compiler, or too far apart")
        .label(span, "`for` repeats its body for each number")
        .help("a loop over data is a scan: `scan i in 0..n { … }`, `scan x in xs along T { … }`")
}

fn value_not_known(span: Span, dim: &Dim) -> Diagnostic {
    Diagnostic::error(Code(210), format!("`{dim}` is not known to the compiler")).label(span, "a number is needed here")
}

fn cannot_iterate(over: &Expr, what: &str) -> Diagnostic {
    let diag = Diagnostic::error(Code(207), format!("{what} is not something to go through"))
        .label(over.span, "expected a list or a range");
    let callee = |f: &Expr| matches!(&f.kind, ExprKind::Name(n) if &*n.text == "range");
    match &over.kind {
        ExprKind::Call(f, args) if callee(f) => {
            let args: Vec<String> = args.iter().map(|a| super::terms::expr_text(&a.value)).collect();
            let range = if args.len() == 1 { format!("0..{}", args[0]) } else { args.join("..") };
            diag.help(format!("`range` makes a tensor; a loop goes through `{range}`"))
        }
        _ if what == "a tensor" => {
            diag.help("go through its indices, `for i in 0..3 { … x[i] … }`, or work on the whole")
        }
        _ => diag,
    }
}

fn condition_is_tensor(span: Span) -> Diagnostic {
    Diagnostic::error(Code(205), "an `if` needs a condition that is known to the compiler")
        .label(span, "this is a tensor")
        .help("to choose element by element, write `where(condition, a, b)`")
}

fn condition_not_bool(span: Span, what: &str) -> Diagnostic {
    Diagnostic::error(Code(206), format!("a condition is true or false, and this is {what}"))
        .label(span, "not a condition")
}

fn not_an_integer(span: Span, what: &str) -> Diagnostic {
    let diag = Diagnostic::error(Code(218), format!("an integer is needed here, and this is {what}"))
        .label(span, "not an integer");
    if what == "a tensor" {
        diag.help("dimensions are fixed before the program runs; use a mask or a fixed capacity instead")
    } else {
        diag
    }
}

//! Operators: values known to the compiler are folded, everything else goes to the graph.

use super::checker::Checker;
use super::value::Value;
use crate::diag::{Code, Diagnostic};
use crate::ops::dim::{Dim, Verdict};
use crate::ops::{Binary, Compare, Extent, Unary};
use crate::source::Span;
use crate::syntax::ast::{BinaryOp, Expr, ExprKind, UnaryOp};

/// Which way a division that need not be exact is rounded.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Round {
    Floor,
    Ceil,
}

impl Checker {
    pub fn eval_unary(&mut self, op: UnaryOp, x: &Expr, span: Span) -> Value {
        let value = self.eval(x);
        match (op, value) {
            (_, Value::Error) => Value::Error,
            (UnaryOp::Neg, Value::Dim(d)) => Value::Dim(Dim::Const(0).sub(&d)),
            (UnaryOp::Neg, Value::Float(v)) => Value::Float(-v),
            (UnaryOp::Not, Value::Bool(b)) => Value::Bool(!b),
            (op, value @ Value::Tensor(_)) => {
                let op = if op == UnaryOp::Neg { Unary::Neg } else { Unary::Not };
                let result = self.emit(span).unary(op, &value).map(Value::Tensor);
                self.settle(result)
            }
            (op, other) => self.report(no_unary(span, op, other.describe())),
        }
    }

    pub fn eval_binary(&mut self, op: BinaryOp, a: &Expr, b: &Expr, span: Span) -> Value {
        let left = self.eval(a);
        if let (BinaryOp::And, Value::Bool(false)) | (BinaryOp::Or, Value::Bool(true)) = (op, &left) {
            return left;
        }
        let right = self.eval(b);
        self.binary(op, left, right, span)
    }

    pub fn binary(&mut self, op: BinaryOp, a: Value, b: Value, span: Span) -> Value {
        if a.is_error() || b.is_error() {
            return Value::Error;
        }
        if let (Value::Tensor(_), _) | (_, Value::Tensor(_)) = (&a, &b) {
            return self.tensor_binary(op, &a, &b, span);
        }
        match (&a, &b) {
            (Value::Dim(x), Value::Dim(y)) => self.dim_binary(op, x, y, span),
            (Value::Float(_) | Value::Dim(_), Value::Float(_) | Value::Dim(_)) => self.float_binary(op, &a, &b, span),
            (Value::Bool(x), Value::Bool(y)) => match bool_binary(op, *x, *y) {
                Some(value) => Value::Bool(value),
                None => self.report(no_operator(span, op, &a, &b)),
            },
            (Value::Str(x), Value::Str(y)) if op == BinaryOp::Eq => Value::Bool(x == y),
            (Value::Str(x), Value::Str(y)) if op == BinaryOp::Ne => Value::Bool(x != y),
            (Value::DType(x), Value::DType(y)) if op == BinaryOp::Eq => Value::Bool(x == y),
            (Value::List(x), Value::List(y)) if op == BinaryOp::Add => Value::List([&x[..], &y[..]].concat()),
            (Value::Dim(x), Value::Range(lo, hi)) if op == BinaryOp::In => self.dim_in_range(x, lo, hi, span),
            (x, Value::List(items)) if op == BinaryOp::In => match is_member(x, items) {
                Some(found) => Value::Bool(found),
                // An integer that is not known.
                None if matches!(x, Value::Dim(_)) => self.report_open(no_operator(span, op, &a, &b)),
                None => self.report(no_operator(span, op, &a, &b)),
            },
            _ => self.report(no_operator(span, op, &a, &b)),
        }
    }

    fn tensor_binary(&mut self, op: BinaryOp, a: &Value, b: &Value, span: Span) -> Value {
        let is_operand = |v: &Value| matches!(v, Value::Tensor(_) | Value::Dim(_) | Value::Float(_) | Value::Bool(_));
        if !is_operand(a) || !is_operand(b) {
            return self.report(no_operator(span, op, a, b));
        }
        let emit = self.emit(span);
        let result = match (op, a, b) {
            (BinaryOp::MatMul, Value::Tensor(x), Value::Tensor(y)) => emit.matmul(*x, *y),
            (BinaryOp::MatMul | BinaryOp::In, ..) => return self.report(no_operator(span, op, a, b)),
            _ => match (comparison(op), arithmetic(op)) {
                (Some(compare), _) => emit.compare(compare, a, b),
                (None, Some(binary)) => emit.binary(binary, a, b),
                (None, None) => return self.report(no_operator(span, op, a, b)),
            },
        };
        self.settle(result.map(Value::Tensor))
    }

    fn dim_binary(&mut self, op: BinaryOp, a: &Dim, b: &Dim, span: Span) -> Value {
        let value = match op {
            BinaryOp::Add => a.add(b),
            BinaryOp::Sub => a.sub(b),
            BinaryOp::Mul => a.mul(b),
            BinaryOp::Div => return self.exact_quotient(a, b, span),
            BinaryOp::Rem => match b.known() {
                Some(n) if n > 0 => a.sub(&a.floor_div(n).mul(b)),
                _ => return self.report_open(bad_divisor(span, b)),
            },
            BinaryOp::Pow => return self.dim_power(a, b, span),
            _ => match comparison(op) {
                Some(compare) => return self.compare_dims(compare, a, b, span),
                None => return self.report(no_operator(span, op, &Value::Dim(a.clone()), &Value::Dim(b.clone()))),
            },
        };
        self.checked_dim(value, span)
    }

    fn checked_dim(&mut self, dim: Dim, span: Span) -> Value {
        match dim {
            Dim::Overflow => self.report(overflow(span)),
            dim => Value::Dim(dim),
        }
    }

    fn exact_quotient(&mut self, a: &Dim, b: &Dim, span: Span) -> Value {
        if a.same(b) {
            return Value::int(1);
        }
        match b.known() {
            Some(n) if n > 0 => match a.exact_div(n) {
                Some(quotient) => Value::Dim(quotient),
                None if a.known().is_none() => self.report_open(not_exact(span, a, n)),
                None => self.report(not_exact(span, a, n)),
            },
            _ => self.report_open(bad_divisor(span, b)),
        }
    }

    fn dim_power(&mut self, a: &Dim, b: &Dim, span: Span) -> Value {
        match (a.known(), b.known()) {
            (_, Some(n)) if (0..=i64::from(u32::MAX)).contains(&n) => self.checked_dim(a.pow(n as u32), span),
            (Some(a), Some(n)) => Value::Float((a as f64).powf(n as f64)),
            _ => self.report_open(power_not_known(span)),
        }
    }

    fn float_binary(&mut self, op: BinaryOp, a: &Value, b: &Value, span: Span) -> Value {
        let (Some(x), Some(y)) = (as_float(a), as_float(b)) else {
            // A symbolic dimension as a number is a value of the running program.
            return self.tensor_binary(op, a, b, span);
        };
        if let Some(compare) = comparison(op) {
            return Value::Bool(compare_floats(compare, x, y));
        }
        match float_arithmetic(op, x, y) {
            Some(value) => Value::Float(value),
            None => self.report(no_operator(span, op, a, b)),
        }
    }

    fn dim_in_range(&mut self, x: &Dim, lo: &Dim, hi: &Dim, span: Span) -> Value {
        let above = self.compare_dims(Compare::Ge, x, lo, span);
        let below = self.compare_dims(Compare::Lt, x, hi, span);
        match (above, below) {
            (Value::Bool(a), Value::Bool(b)) => Value::Bool(a && b),
            _ => Value::Error,
        }
    }

    /// A comparison of dimensions has a value where it holds, or fails, for all values of the symbols.
    fn compare_dims(&mut self, op: Compare, a: &Dim, b: &Dim, span: Span) -> Value {
        match self.decide(op, a, b) {
            Some(holds) => Value::Bool(holds),
            None => self.report_open(undecided(span, op, a, b)),
        }
    }

    pub fn decide(&self, op: Compare, a: &Dim, b: &Dim) -> Option<bool> {
        if let (Some(x), Some(y)) = (a.known(), b.known()) {
            return Some(compare_ints(op, x, y));
        }
        let (low, high) = a.sub(b).interval(&self.graph.emit.ranges);
        let [low, high] = [low.map(|n| n.cmp(&0)), high.map(|n| n.cmp(&0))];
        let never_equal = low.is_some_and(|o| o.is_gt()) || high.is_some_and(|o| o.is_lt());
        match op {
            Compare::Eq if a.compare(b) == Verdict::Equal => Some(true),
            Compare::Ne if a.compare(b) == Verdict::Equal => Some(false),
            Compare::Eq => never_equal.then_some(false),
            Compare::Ne => never_equal.then_some(true),
            Compare::Ge if low.is_some_and(|o| o.is_ge()) => Some(true),
            Compare::Ge => high.is_some_and(|o| o.is_lt()).then_some(false),
            Compare::Gt if low.is_some_and(|o| o.is_gt()) => Some(true),
            Compare::Gt => high.is_some_and(|o| o.is_le()).then_some(false),
            Compare::Le => self.decide(Compare::Ge, b, a),
            Compare::Lt => self.decide(Compare::Gt, b, a),
        }
    }

    /// `floor(a / b)` and `ceil(a / b)` of integers: the one place where a division need not be exact. `None` where
    /// the argument is something else.
    pub fn rounded_quotient(&mut self, round: Round, arg: &Expr, span: Span) -> Option<Value> {
        let (a, b) = as_division(arg)?;
        let (a, b) = (self.eval(a), self.eval(b));
        Some(match (&a, &b) {
            (Value::Error, _) | (_, Value::Error) => Value::Error,
            (Value::Dim(x), Value::Dim(y)) => match y.known() {
                Some(n) if n > 0 => {
                    let value = if round == Round::Floor { x.floor_div(n) } else { x.ceil_div(n) };
                    self.checked_dim(value, span)
                }
                _ => self.report_open(bad_divisor(span, y)),
            },
            (Value::Tensor(x), _) if self.graph.emit.dtype(*x).is_int() => self.round_ints(round, a, b, span),
            _ => {
                let quotient = self.binary(BinaryOp::Div, a, b, span);
                self.round_float(round, quotient, span)
            }
        })
    }

    fn round_ints(&mut self, round: Round, a: Value, b: Value, span: Span) -> Value {
        let emit = self.emit(span);
        let result = match round {
            Round::Floor => emit.binary(Binary::FloorDiv, &a, &b),
            // ceil(a / b) = -floor(-a / b)
            Round::Ceil => emit
                .unary(Unary::Neg, &a)
                .and_then(|n| emit.binary(Binary::FloorDiv, &Value::Tensor(n), &b))
                .and_then(|n| emit.unary(Unary::Neg, &Value::Tensor(n))),
        };
        self.settle(result.map(Value::Tensor))
    }

    pub fn round_float(&mut self, round: Round, x: Value, span: Span) -> Value {
        match x {
            Value::Float(v) => Value::Float(if round == Round::Floor { v.floor() } else { v.ceil() }),
            Value::Dim(_) | Value::Error => x,
            x => {
                let op = if round == Round::Floor { Unary::Floor } else { Unary::Ceil };
                let result = self.emit(span).unary(op, &x).map(Value::Tensor);
                self.settle(result)
            }
        }
    }
}

fn as_division(expr: &Expr) -> Option<(&Expr, &Expr)> {
    match &expr.kind {
        ExprKind::Binary(BinaryOp::Div, a, b) => Some((a, b)),
        ExprKind::Paren(inner) => as_division(inner),
        _ => None,
    }
}

/// The value of a number that is known.
pub fn as_float(value: &Value) -> Option<f64> {
    match value {
        Value::Float(v) => Some(*v),
        Value::Dim(d) => d.known().map(|n| n as f64),
        _ => None,
    }
}

pub(super) fn comparison(op: BinaryOp) -> Option<Compare> {
    Some(match op {
        BinaryOp::Eq => Compare::Eq,
        BinaryOp::Ne => Compare::Ne,
        BinaryOp::Lt => Compare::Lt,
        BinaryOp::Le => Compare::Le,
        BinaryOp::Gt => Compare::Gt,
        BinaryOp::Ge => Compare::Ge,
        _ => return None,
    })
}

fn arithmetic(op: BinaryOp) -> Option<Binary> {
    Some(match op {
        BinaryOp::Add => Binary::Add,
        BinaryOp::Sub => Binary::Sub,
        BinaryOp::Mul => Binary::Mul,
        BinaryOp::Div => Binary::Div,
        BinaryOp::Rem => Binary::Rem,
        BinaryOp::Pow => Binary::Pow,
        BinaryOp::And => Binary::And,
        BinaryOp::Or => Binary::Or,
        _ => return None,
    })
}

fn float_arithmetic(op: BinaryOp, x: f64, y: f64) -> Option<f64> {
    Some(match op {
        BinaryOp::Add => x + y,
        BinaryOp::Sub => x - y,
        BinaryOp::Mul => x * y,
        BinaryOp::Div => x / y,
        BinaryOp::Rem => x - y * (x / y).floor(),
        BinaryOp::Pow => x.powf(y),
        _ => return None,
    })
}

/// Whether a list holds a word or a known number; `None` where items of another kind stand in it.
fn is_member(x: &Value, items: &[Value]) -> Option<bool> {
    let same = |item: &Value| match (x, item) {
        (Value::Str(a), Value::Str(b)) => Some(a == b),
        _ => Some(as_float(x)? == as_float(item)?),
    };
    items.iter().map(same).try_fold(false, |found, same| Some(found | same?))
}

fn bool_binary(op: BinaryOp, x: bool, y: bool) -> Option<bool> {
    Some(match op {
        BinaryOp::And => x && y,
        BinaryOp::Or => x || y,
        BinaryOp::Eq => x == y,
        BinaryOp::Ne => x != y,
        _ => return None,
    })
}

fn compare_floats(op: Compare, x: f64, y: f64) -> bool {
    match op {
        Compare::Eq => x == y,
        Compare::Ne => x != y,
        Compare::Lt => x < y,
        Compare::Le => x <= y,
        Compare::Gt => x > y,
        Compare::Ge => x >= y,
    }
}

pub(super) fn compare_ints(op: Compare, x: i64, y: i64) -> bool {
    match op {
        Compare::Eq => x == y,
        Compare::Ne => x != y,
        Compare::Lt => x < y,
        Compare::Le => x <= y,
        Compare::Gt => x > y,
        Compare::Ge => x >= y,
    }
}

pub fn operator_text(op: BinaryOp) -> &'static str {
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

fn no_unary(span: Span, op: UnaryOp, what: &str) -> Diagnostic {
    let op = if op == UnaryOp::Neg { "-" } else { "not" };
    Diagnostic::error(Code(203), format!("`{op}` is not defined for {what}")).label(span, format!("this is {what}"))
}

fn no_operator(span: Span, op: BinaryOp, a: &Value, b: &Value) -> Diagnostic {
    let (op, left, right) = (operator_text(op), a.describe(), b.describe());
    let diag = Diagnostic::error(Code(203), format!("`{op}` is not defined for {left} and {right}"))
        .label(span, format!("{left} `{op}` {right}"));
    b.with_fields(a.with_fields(diag))
}

fn overflow(span: Span) -> Diagnostic {
    Diagnostic::error(Code(213), "this number does not fit into 64 bits").label(span, "too large")
}

fn not_exact(span: Span, a: &Dim, n: i64) -> Diagnostic {
    let diag = Diagnostic::error(Code(204), format!("`{a}` is not divisible by {n}")).label(span, "must be exact");
    match a.known() {
        Some(_) => {
            diag.help("integers divide exactly; a quotient that is rounded is `floor(a / b)`, a fraction `1.0 / 3`")
        }
        None => diag.help(format!("write `floor({a} / {n})`, or add `where {a} % {n} == 0` to the function")),
    }
}

fn bad_divisor(span: Span, b: &Dim) -> Diagnostic {
    Diagnostic::error(Code(204), format!("cannot divide an integer by `{b}`"))
        .label(span, "the divisor must be a known positive integer")
}

fn power_not_known(span: Span) -> Diagnostic {
    Diagnostic::error(Code(210), "this power is not known to the compiler")
        .label(span, "the exponent must be a number, not a symbolic dimension")
}

fn undecided(span: Span, op: Compare, a: &Dim, b: &Dim) -> Diagnostic {
    let op = match op {
        Compare::Eq => "==",
        Compare::Ne => "!=",
        Compare::Lt => "<",
        Compare::Le => "<=",
        Compare::Gt => ">",
        Compare::Ge => ">=",
    };
    Diagnostic::error(Code(210), format!("whether `{a} {op} {b}` holds is not known to the compiler"))
        .label(span, "true for some sizes, false for others")
}

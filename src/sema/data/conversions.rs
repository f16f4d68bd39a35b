//! Conversions of stored texts, and those that are fitted to the rows of training: `characters(raw.text)`,
//! `category(raw.label)`, `standardize(raw.area)`.

use super::columns::is_raw_column;
use super::errors;
use crate::ops::dim::Dim;
use crate::ops::{Binary, DType, Extent, Type};
use crate::sema::checker::Checker;
use crate::sema::emit::Checked;
use crate::sema::model::{Axis, Column, ParamKind, Reading, TextUnit};
use crate::sema::param::ParamInfo;
use crate::sema::value::Value;
use crate::source::Span;
use crate::syntax::ast::{self, Arg, Expr, ExprKind};
use crate::tensor;
use std::sync::Arc;

/// The functions that read a stored column in their own way. Elsewhere these names are free.
const CONVERSIONS: [&str; 6] = ["bytes", "characters", "words", "tokens", "category", "standardize"];

/// A conversion as it is called.
pub struct Conversion {
    pub stored: ast::Name,
    pub kind: Kind,
    pub span: Span,
}

pub enum Kind {
    Read(Reading),
    Standardize,
}

impl Conversion {
    /// The name of its column.
    pub fn column(&self) -> String {
        let stored = &self.stored.text;
        let end = |end: bool| if end { ", end: true" } else { "" };
        match &self.kind {
            Kind::Standardize | Kind::Read(Reading::Number) => stored.to_string(),
            Kind::Read(Reading::Category) => format!("category({stored})"),
            Kind::Read(Reading::Ids { unit, limit }) => {
                let limit = limit.map_or(String::new(), |n| format!(", limit: {n}"));
                match unit {
                    TextUnit::Bytes => format!("bytes({stored}{limit})"),
                    TextUnit::Characters { end: e } => format!("characters({stored}{}{limit})", end(*e)),
                    TextUnit::Words { end: e, vocab: None } => format!("words({stored}{}{limit})", end(*e)),
                    TextUnit::Words { end: e, vocab: Some(n) } => {
                        format!("words({stored}, vocab: {n}{}{limit})", end(*e))
                    }
                    TextUnit::Tokenizer { path, special } => {
                        let special = if *special { "" } else { ", special: false" };
                        format!("tokens({stored}, {path}{special}{limit})")
                    }
                }
            }
        }
    }
}

/// The callee and the arguments of a call that is a conversion of a stored column, piped or not.
fn call(expr: &Expr) -> Option<(&ast::Name, &Expr, &[Arg])> {
    let (callee, first, rest): (&Expr, &Expr, &[Arg]) = match &expr.kind {
        ExprKind::Call(callee, args) => match &args[..] {
            [Arg { label: None, value }, rest @ ..] => (callee, value, rest),
            _ => return None,
        },
        ExprKind::Pipe(x, f) => match &f.kind {
            ExprKind::Call(callee, args) => (callee, x, args),
            _ => (f, x, &[]),
        },
        _ => return None,
    };
    match &callee.kind {
        ExprKind::Name(name) if CONVERSIONS.contains(&&*name.text) && is_raw_column(first) => Some((name, first, rest)),
        _ => None,
    }
}

impl Checker {
    /// Reads a conversion; `None` for any other expression, an error inside for one that is wrong.
    pub(super) fn conversion(&mut self, expr: &Expr) -> Option<Result<Conversion, ()>> {
        let (name, column, options) = call(expr)?;
        let stored = raw_name(column)?.clone();
        let kind = match &*name.text {
            "category" if options.is_empty() => Some(Kind::Read(Reading::Category)),
            "standardize" if options.is_empty() => Some(Kind::Standardize),
            "bytes" | "characters" | "words" => self.unit_options(options, &name.text).map(|o| o.reading(&name.text)),
            "tokens" => match options {
                [Arg { label: None, value }, options @ ..] => self.tokens(value, options),
                _ => self.report_none(errors::no_tokenizer(name)),
            },
            _ => self.report_none(errors::no_option(&options[0], &name.text)),
        };
        Some(kind.map(|kind| Conversion { stored, kind, span: expr.span }).ok_or(()))
    }

    fn unit_options(&mut self, options: &[Arg], conversion: &str) -> Option<UnitOptions> {
        let mut found = UnitOptions { end: false, vocab: None, limit: None, special: true };
        for option in options {
            match (option.label.as_ref().map_or("", |l| &*l.text), conversion) {
                ("end", "characters" | "words") => found.end = self.eval_condition(&option.value)?,
                ("vocab", "words") => found.vocab = Some(self.vocab_size(&option.value)?),
                ("special", "tokens") => found.special = self.eval_condition(&option.value)?,
                ("limit", _) => found.limit = Some(self.limit(&option.value)?),
                _ => return self.report_none(errors::no_option(option, conversion)),
            }
        }
        Some(found)
    }

    /// The most ids of a row.
    fn limit(&mut self, value: &Expr) -> Option<usize> {
        match self.eval_int(value)? {
            n if n >= 1 => Some(usize::constant(n)),
            _ => self.report_none(errors::small_limit(value.span)),
        }
    }

    fn tokens(&mut self, path: &Expr, options: &[Arg]) -> Option<Kind> {
        let path = match self.eval(path) {
            Value::Str(path) => path.to_string(),
            Value::Error => return None,
            _ => return self.report_none(errors::tokenizer_path(path.span)),
        };
        let UnitOptions { special, limit, .. } = self.unit_options(options, "tokens")?;
        Some(ids(TextUnit::Tokenizer { path, special }, limit))
    }

    /// The value of a conversion while a field is elaborated.
    pub fn conversion_value(&mut self, expr: &Expr) -> Option<Value> {
        self.frames.last()?.raw.as_ref()?;
        let Ok(conversion) = self.conversion(expr)? else { return Some(Value::Error) };
        let name = ast::Name { text: conversion.column().into(), span: conversion.span };
        let value = self.raw_column(&name);
        Some(match (&conversion.kind, value) {
            (Kind::Standardize, Value::Tensor(x)) => self.standardized(&name, x),
            (_, value) => value,
        })
    }

    /// (x - mean) / deviation, by numbers that are fitted when the data is opened, and saved with the parameters.
    fn standardized(&mut self, name: &ast::Name, x: tensor::Value) -> Value {
        let Some(raw) = self.frame().raw.clone() else { return Value::Error };
        let Some(column) = raw.columns.iter().find(|c| c.name == *name.text) else { return Value::Error };
        let shape = column.fixed_axes();
        let [mean, deviation] = [("mean", 0.0), ("deviation", 1.0)].map(|(what, first)| {
            let path: Arc<str> = column.statistic(&raw.data, what).into();
            let index = self.statistic_state(&path, &shape, first, name.span);
            self.read_state(index, name.span)
        });
        let (Value::Tensor(mean), Value::Tensor(deviation)) = (mean, deviation) else { return Value::Error };
        let result = self.shift_and_scale(x, [mean, deviation], column, name.span).map(Value::Tensor);
        self.settle(result)
    }

    fn shift_and_scale(
        &mut self,
        x: tensor::Value,
        statistics: [tensor::Value; 2],
        column: &Column,
        span: Span,
    ) -> Checked<tensor::Value> {
        let emit = self.emit(span);
        let x = emit.cast(x, DType::F32)?;
        // The statistics of a row that varies have an axis of length 1 there.
        let axis = |a: &Axis| if let Axis::Fixed(n) = a { Dim::constant(*n as i64) } else { Dim::Const(1) };
        let shape: Vec<Dim> = column.shape.iter().map(axis).collect();
        let [mean, deviation] = statistics.map(|s| emit.reshape(s, &shape).map(Value::Tensor));
        let centred = emit.binary(Binary::Sub, &Value::Tensor(x), &mean?)?;
        emit.binary(Binary::Div, &Value::Tensor(centred), &deviation?)
    }

    /// The state with a statistic, declared on first use.
    fn statistic_state(&mut self, path: &Arc<str>, shape: &[usize], first: f64, span: Span) -> usize {
        if let Some(index) = self.params.iter().position(|p| p.path == *path) {
            return index;
        }
        let dims = shape.iter().map(|&n| Dim::constant(n as i64)).collect();
        let ty = Type::new(DType::F32, dims);
        self.in_init(|c| {
            let filled = c.emit(span).fill(first, DType::F32, &ty.shape);
            if let Ok(node) = filled {
                c.graph.set(path, node);
            }
        });
        self.params.push(ParamInfo { path: path.clone(), kind: ParamKind::Statistic, ty, layer: "".into(), span });
        self.params.len() - 1
    }
}

/// What the options of a conversion to ids say.
struct UnitOptions {
    end: bool,
    vocab: Option<usize>,
    limit: Option<usize>,
    special: bool,
}

impl UnitOptions {
    fn reading(self, conversion: &str) -> Kind {
        let UnitOptions { end, vocab, limit, .. } = self;
        match conversion {
            "bytes" => ids(TextUnit::Bytes, limit),
            "characters" => ids(TextUnit::Characters { end }, limit),
            _ => ids(TextUnit::Words { end, vocab }, limit),
        }
    }
}

fn ids(unit: TextUnit, limit: Option<usize>) -> Kind {
    Kind::Read(Reading::Ids { unit, limit })
}

/// `x` of `raw.x`.
fn raw_name(expr: &Expr) -> Option<&ast::Name> {
    match &expr.kind {
        ExprKind::Field(_, name) => Some(name),
        ExprKind::Paren(inner) => raw_name(inner),
        _ => None,
    }
}

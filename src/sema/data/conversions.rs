//! Conversions of stored texts, and those that are fitted to the rows of training: `characters(raw.text)`,
//! `category(raw.label)`, `standardize(raw.area)`.

use super::columns::is_raw_column;
use super::errors;
use crate::ops::dim::Dim;
use crate::ops::{Binary, DType, Extent, Type};
use crate::sema::checker::Checker;
use crate::sema::emit::Checked;
use crate::sema::model::{Axis, Column, DataValue, ParamKind, Reading, TextUnit};
use crate::sema::param::ParamInfo;
use crate::sema::value::Value;
use crate::source::Span;
use crate::syntax::ast::{self, Arg, Expr, ExprKind};
use crate::tensor;
use std::rc::Rc;

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
            Kind::Read(Reading::Ids(unit)) => match unit {
                TextUnit::Bytes => format!("bytes({stored})"),
                TextUnit::Characters { end: e } => format!("characters({stored}{})", end(*e)),
                TextUnit::Words { end: e, vocab: None } => format!("words({stored}{})", end(*e)),
                TextUnit::Words { end: e, vocab: Some(n) } => format!("words({stored}, vocab: {n}{})", end(*e)),
                TextUnit::Tokenizer { path } => format!("tokens({stored}, {path})"),
            },
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
            "bytes" if options.is_empty() => Some(Kind::Read(Reading::Ids(TextUnit::Bytes))),
            "category" if options.is_empty() => Some(Kind::Read(Reading::Category)),
            "standardize" if options.is_empty() => Some(Kind::Standardize),
            "characters" => self.unit_options(options, false).map(|(end, _)| TextUnit::Characters { end }).map(ids),
            "words" => self.unit_options(options, true).map(|(end, vocab)| TextUnit::Words { end, vocab }).map(ids),
            "tokens" => match options {
                [Arg { label: None, value }] => self.tokenizer(value).map(ids),
                _ => self.report_none(errors::no_tokenizer(name)),
            },
            _ => self.report_none(errors::no_option(&options[0], &name.text)),
        };
        Some(kind.map(|kind| Conversion { stored, kind, span: expr.span }).ok_or(()))
    }

    fn unit_options(&mut self, options: &[Arg], words: bool) -> Option<(bool, Option<usize>)> {
        let (mut end, mut vocab) = (false, None);
        for option in options {
            match option.label.as_ref().map(|l| &*l.text) {
                Some("end") => end = self.eval_condition(&option.value)?,
                Some("vocab") if words => vocab = Some(self.vocab_size(&option.value)?),
                _ => return self.report_none(errors::no_option(option, if words { "words" } else { "characters" })),
            }
        }
        Some((end, vocab))
    }

    fn tokenizer(&mut self, path: &Expr) -> Option<TextUnit> {
        match self.eval(path) {
            Value::Str(path) => Some(TextUnit::Tokenizer { path: path.to_string() }),
            Value::Error => None,
            _ => self.report_none(errors::tokenizer_path(path.span)),
        }
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
            let path: Rc<str> = column.statistic(&raw.data, what).into();
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
    fn statistic_state(&mut self, path: &Rc<str>, shape: &[usize], first: f64, span: Span) -> usize {
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

fn ids(unit: TextUnit) -> Kind {
    Kind::Read(Reading::Ids(unit))
}

/// `x` of `raw.x`.
fn raw_name(expr: &Expr) -> Option<&ast::Name> {
    match &expr.kind {
        ExprKind::Field(_, name) => Some(name),
        ExprKind::Paren(inner) => raw_name(inner),
        _ => None,
    }
}

impl Checker {
    /// `Text.vocab`, `Pairs.source.vocab`, `Digits.label.count`: a number that the data gives. `None` for any other
    /// expression.
    pub fn data_value(&mut self, base: &Expr, name: &ast::Name) -> Option<Value> {
        let (owner, field) = match &base.kind {
            ExprKind::Name(owner) => (owner, None),
            ExprKind::Field(inner, field) => match &inner.kind {
                ExprKind::Name(owner) => (owner, Some(field)),
                _ => return None,
            },
            _ => return None,
        };
        if self.find_local(&owner.text).is_some() || !self.defs.is_data(owner) {
            return None;
        }
        let Some(info) = self.data(&owner.text) else { return Some(Value::Error) };
        if let Some(field) = field
            && !info.has_field(&field.text)
        {
            return Some(self.no_field(&info, field));
        }
        let wanted = |c: &&Column| match &*name.text {
            "vocab" => matches!(c.reading, Reading::Ids(_)),
            "count" => c.reading == Reading::Category && field.is_some(),
            _ => false,
        };
        let mut distinct: Vec<&Column> = vec![];
        for column in info.columns_of(field.map(|f| &*f.text)).filter(wanted) {
            if !distinct.iter().any(|c| same_vocabulary(c, column)) {
                distinct.push(column);
            }
        }
        match distinct[..] {
            [column] => Some(Value::Dim(self.data_constant(&info.model.name, column))),
            [] if field.is_none() && info.model.splits.iter().any(|s| *s.name == *name.text) => None,
            [] => Some(self.report(errors::no_value(name))),
            [..] => Some(self.report(errors::several_vocabularies(name, &owner.text))),
        }
    }

    /// The number, where it is known; else an opaque symbol that stands for it.
    fn data_constant(&mut self, data: &str, column: &Column) -> Dim {
        if column.reading == Reading::Ids(TextUnit::Bytes) {
            return Dim::Const(256);
        }
        let value = DataValue { data: data.into(), column: column.name.clone() };
        if let Some((_, dim)) = self.values.iter().find(|(v, _)| *v == value) {
            return dim.clone();
        }
        let what = if column.reading == Reading::Category { "count" } else { "vocab" };
        let dim = self.fresh_symbol(&format!("{data}.{what}"));
        self.values.push((value, dim.clone()));
        dim
    }
}

/// Texts that go through one tokenizer file share its ids.
fn same_vocabulary(a: &Column, b: &Column) -> bool {
    matches!(a.reading, Reading::Ids(TextUnit::Tokenizer { .. })) && a.reading == b.reading
}

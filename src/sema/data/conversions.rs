//! Conversions of stored texts, and those that are fitted to the rows of training: `characters(raw.text)`,
//! `category(raw.label)`, `standardize(raw.area)`.

use super::columns::is_raw_column;
use super::{DataInfo, errors};
use crate::ops::dim::Dim;
use crate::ops::{Binary, DType, Extent, Type};
use crate::sema::checker::Checker;
use crate::sema::emit::Checked;
use crate::sema::model::{Asked, Axis, Column, DataValue, ParamKind, Reading, TextUnit};
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

impl Checker {
    /// `Text.vocab`, `Pairs.source.vocab`, `Digits.label.count`: a number that the data gives. `None` for any other
    /// expression.
    pub fn data_value(&mut self, base: &Expr, name: &ast::Name) -> Option<Value> {
        let (owner, field) = self.data_owner(base)?;
        let info = match self.info_of(owner, field) {
            Ok(info) => info,
            Err(value) => return Some(value),
        };
        let wanted = |c: &&Column| match &*name.text {
            "vocab" => matches!(c.reading, Reading::Ids { .. }),
            "count" => c.reading == Reading::Category && field.is_some(),
            _ => false,
        };
        match distinct_vocabularies(info.columns_of(field.map(|f| &*f.text)).filter(wanted))[..] {
            [column] => Some(Value::Dim(self.data_constant(&info.model.name, column, Asked::Size))),
            [] if field.is_none() && info.model.splits.iter().any(|s| *s.name == *name.text) => None,
            [] => Some(self.report(errors::no_value(name))),
            [..] => Some(self.report(errors::several_vocabularies(name, &owner.text))),
        }
    }

    /// `Pairs.target.id("</s>")`, `Mail.folder.id("spam")`: the id of a token, word, character or label. `None` for any
    /// other call.
    pub fn data_id(&mut self, callee: &Expr, args: &[Arg]) -> Option<Value> {
        let ExprKind::Field(base, name) = &callee.kind else { return None };
        let (owner, field) = self.data_owner(base).filter(|_| &*name.text == "id")?;
        let info = match self.info_of(owner, field) {
            Ok(info) => info,
            Err(value) => return Some(value),
        };
        let token = match args {
            [Arg { label: None, value }] => match self.eval(value) {
                Value::Str(token) => token,
                Value::Error => return Some(Value::Error),
                _ => return Some(self.report(errors::no_token(value.span))),
            },
            _ => return Some(self.report(errors::no_token(name.span))),
        };
        let wanted = |c: &&Column| c.reading != Reading::Number;
        match distinct_vocabularies(info.columns_of(field.map(|f| &*f.text)).filter(wanted))[..] {
            [column] => {
                let id = self.data_constant(&info.model.name, column, Asked::Id(token.to_string()));
                Some(Value::Dim(id))
            }
            [] => Some(self.report(errors::no_value(name))),
            [..] => Some(self.report(errors::several_vocabularies(name, &owner.text))),
        }
    }

    /// `Data` or `Data.field`, where the name means a data declaration.
    fn data_owner<'e>(&mut self, base: &'e Expr) -> Option<(&'e ast::Name, Option<&'e ast::Name>)> {
        let (owner, field) = owner_and_field(base)?;
        let is_data = self.find_local(&owner.text).is_none() && self.defs.is_data(owner);
        is_data.then_some((owner, field))
    }

    /// The data set, which has the field; what stands in for the value otherwise.
    fn info_of(&mut self, owner: &ast::Name, field: Option<&ast::Name>) -> Result<Rc<DataInfo>, Value> {
        let info = self.data(&owner.text).ok_or(Value::Error)?;
        match field.filter(|field| !info.has_field(&field.text)) {
            Some(field) => Err(self.no_field(&info, field)),
            None => Ok(info),
        }
    }

    /// The number, where it is known; else an opaque symbol that stands for it.
    fn data_constant(&mut self, data: &str, column: &Column, what: Asked) -> Dim {
        if matches!((&column.reading, &what), (Reading::Ids { unit: TextUnit::Bytes, .. }, Asked::Size)) {
            return Dim::Const(256);
        }
        let value = DataValue { data: data.into(), column: column.name.clone(), what };
        if let Some((_, dim)) = self.values.iter().find(|(v, _)| *v == value) {
            return dim.clone();
        }
        let dim = match &value.what {
            Asked::Size if column.reading == Reading::Category => self.fresh_symbol(&format!("{data}.count")),
            Asked::Size => self.fresh_symbol(&format!("{data}.vocab")),
            // A symbol is at least 1, an id may be 0.
            Asked::Id(_) => self.fresh_symbol(&format!("{data}.id")).sub(&Dim::Const(1)),
        };
        self.graph.emit.learned.extend(dim.symbols());
        self.values.push((value, dim.clone()));
        dim
    }
}

/// `Data` or `Data.field`.
fn owner_and_field(base: &Expr) -> Option<(&ast::Name, Option<&ast::Name>)> {
    match &base.kind {
        ExprKind::Name(owner) => Some((owner, None)),
        ExprKind::Field(inner, field) => match &inner.kind {
            ExprKind::Name(owner) => Some((owner, Some(field))),
            _ => None,
        },
        _ => None,
    }
}

/// One column for each vocabulary.
fn distinct_vocabularies<'a>(columns: impl Iterator<Item = &'a Column>) -> Vec<&'a Column> {
    let mut distinct: Vec<&Column> = vec![];
    for column in columns {
        if !distinct.iter().any(|c| same_vocabulary(c, column)) {
            distinct.push(column);
        }
    }
    distinct
}

/// Texts that go through one tokenizer file share its ids.
fn same_vocabulary(a: &Column, b: &Column) -> bool {
    let file = |c: &Column| match &c.reading {
        Reading::Ids { unit: TextUnit::Tokenizer { path, .. }, .. } => Some(path.clone()),
        _ => None,
    };
    file(a).is_some() && file(a) == file(b)
}

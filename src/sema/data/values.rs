//! What a program asks of its data by name: sizes of vocabularies, ids of tokens and labels, and texts of ids.

use super::{DataInfo, errors};
use crate::ops::dim::Dim;
use crate::ops::{DType, Extent};
use crate::sema::checker::Checker;
use crate::sema::model::{Asked, Column, DataValue, Reading, TextUnit};
use crate::sema::value::{Decoded, Value};
use crate::source::Span;
use crate::syntax::ast::{self, Arg, Expr, ExprKind};
use std::rc::Rc;

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
            [column] => {
                let text = written(owner, field, name);
                Some(Value::Dim(self.data_constant(&info.model.name, column, Asked::Size, &text)))
            }
            [] if field.is_none() && info.model.splits.iter().any(|s| *s.name == *name.text) => None,
            [] => Some(self.report(errors::no_value(name))),
            [..] => Some(self.report(errors::several_vocabularies(name, &owner.text))),
        }
    }

    /// `Pairs.target.id("</s>")`, `Mail.folder.id("spam")`: the id of a token, word, character or label.
    /// `Pairs.target.decode(ids)`, `Mail.folder.decode(ids)`: their text. `first` is what a pipe brings. `None` for any
    /// other call.
    pub fn data_call(&mut self, callee: &Expr, first: Option<&(Value, Span)>, args: &[Arg]) -> Option<Value> {
        let ExprKind::Field(base, name) = &callee.kind else { return None };
        let (owner, field) = self.data_owner(base).filter(|_| ["id", "decode"].contains(&&*name.text))?;
        let info = match self.info_of(owner, field) {
            Ok(info) => info,
            Err(value) => return Some(value),
        };
        let wanted = |c: &&Column| c.reading != Reading::Number;
        Some(match distinct_vocabularies(info.columns_of(field.map(|f| &*f.text)).filter(wanted))[..] {
            [column] => {
                let (value, span) = self.only_argument(first, args).unwrap_or((Value::Unit, name.span));
                let text = written(owner, field, name);
                self.data_method(name, (&info.model.name, column, &text), (&value, span))
            }
            [] => self.report(errors::no_value(name)),
            [..] => self.report(errors::several_vocabularies(name, &owner.text)),
        })
    }

    fn only_argument(&mut self, first: Option<&(Value, Span)>, args: &[Arg]) -> Option<(Value, Span)> {
        match (first, args) {
            (Some(piped), []) => Some(piped.clone()),
            (None, [Arg { label: None, value }]) => Some((self.eval(value), value.span)),
            _ => None,
        }
    }

    fn data_method(
        &mut self,
        name: &ast::Name,
        (data, column, text): (&str, &Column, &str),
        (arg, span): (&Value, Span),
    ) -> Value {
        match (&*name.text, arg) {
            (_, Value::Error) => Value::Error,
            ("id", Value::Str(token)) => {
                Value::Dim(self.data_constant(data, column, Asked::Id(token.to_string()), text))
            }
            ("id", _) => self.report(errors::no_token(span)),
            (_, Value::Tensor(ids)) if self.graph.emit.dtype(*ids) == DType::I32 => {
                let is_text = column.reading != Reading::Category;
                Value::Decoded(Decoded { ids: *ids, data: data.into(), column: (&*column.name).into(), is_text })
            }
            _ => self.report(errors::no_ids(span)),
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

    /// The number, where it is known; else an opaque symbol that stands for it, under the name that the program has for it.
    fn data_constant(&mut self, data: &str, column: &Column, what: Asked, text: &str) -> Dim {
        if matches!((&column.reading, &what), (Reading::Ids { unit: TextUnit::Bytes, .. }, Asked::Size)) {
            return Dim::Const(256);
        }
        let value = DataValue { data: data.into(), column: column.name.clone(), what };
        if let Some((_, dim)) = self.values.iter().find(|(v, _)| *v == value) {
            return dim.clone();
        }
        let dim = match &value.what {
            Asked::Size => self.fresh_symbol(text),
            // A symbol is at least 1, an id may be 0.
            Asked::Id(_) => self.fresh_symbol(text).sub(&Dim::Const(1)),
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

/// `Mail.folder.count`, as the program has it.
fn written(owner: &ast::Name, field: Option<&ast::Name>, name: &ast::Name) -> String {
    let names = [Some(owner), field, Some(name)];
    names.into_iter().flatten().map(|n| &*n.text).collect::<Vec<_>>().join(".")
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

//! Where data comes from: `from idx("data/mnist")`.

use super::errors;
use crate::diag::Diagnostic;
use crate::ops::{DType, Extent};
use crate::sema::checker::Checker;
use crate::sema::model::Constant;
use crate::sema::value::Value;
use crate::syntax::ast::{self, ExprKind};

/// A checked source: its kind, path and options.
pub struct Source {
    pub kind: &'static SourceKind,
    pub path: String,
    pub options: Vec<(String, Constant)>,
}

/// What the checker knows of a kind of source.
pub struct SourceKind {
    pub name: &'static str,
    /// Stored parts that the source has by itself.
    pub parts: &'static [&'static str],
    /// Its columns, where they are fixed.
    pub columns: Option<&'static [&'static str]>,
    /// What a column holds that a formula reads.
    pub formula: Formula,
}

/// The shape of a row of a column that a formula reads.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Formula {
    /// That of the field.
    Field,
    /// One number.
    Scalar,
}

pub const SOURCES: [SourceKind; 4] = [
    SourceKind { name: "idx", parts: &["train", "test"], columns: Some(&["image", "label"]), formula: Formula::Field },
    SourceKind { name: "csv", parts: &[], columns: None, formula: Formula::Scalar },
    SourceKind { name: "tsv", parts: &[], columns: None, formula: Formula::Scalar },
    SourceKind { name: "jsonl", parts: &[], columns: None, formula: Formula::Field },
];

/// Sources of the language that are not there yet.
pub const PLANNED: [&str; 9] = ["parquet", "npy", "npz", "images", "text", "wav", "synthetic", "safetensors", "json"];

impl SourceKind {
    /// The element type in which a field of this type is stored.
    pub fn stored_dtype(&self, field: DType) -> DType {
        match self.name {
            "idx" => DType::U8,
            _ if field.is_float() => DType::F32,
            _ => DType::I32,
        }
    }
}

impl Checker {
    pub(super) fn check_source(&mut self, block: &ast::BlockItem) -> Option<Source> {
        let Some(from) = &block.from else { return self.no_source(errors::no_source(block)) };
        let ExprKind::Call(callee, args) = &from.kind else { return self.no_source(errors::bad_source(from.span)) };
        let ExprKind::Name(name) = &callee.kind else { return self.no_source(errors::bad_source(callee.span)) };
        let Some(kind) = SOURCES.iter().find(|s| s.name == &*name.text) else {
            let planned = PLANNED.contains(&&*name.text);
            return self.no_source(match planned {
                true => crate::sema::unsupported::source(&name.text, name.span),
                false => errors::unknown_source(name),
            });
        };
        let mut path = None;
        let mut options = vec![];
        for arg in args {
            let value = self.eval(&arg.value);
            match (&arg.label, value) {
                (None, Value::Str(text)) if path.is_none() => path = Some(text.to_string()),
                (Some(label), value) => options.extend(constant(&value).map(|c| (label.text.to_string(), c))),
                _ => {
                    self.report(errors::bad_source(arg.value.span));
                }
            }
        }
        if path.is_none() {
            self.report(errors::bad_source(from.span));
        }
        Some(Source { kind, path: path?, options })
    }

    fn no_source(&mut self, diag: Diagnostic) -> Option<Source> {
        self.report(diag);
        None
    }
}

fn constant(value: &Value) -> Option<Constant> {
    Some(match value {
        Value::Dim(d) => Constant::Int(d.known()?),
        Value::Float(v) => Constant::Float(*v),
        Value::Bool(b) => Constant::Bool(*b),
        Value::Str(s) => Constant::Str(s.to_string()),
        Value::List(items) => Constant::List(items.iter().map(constant).collect::<Option<_>>()?),
        _ => return None,
    })
}

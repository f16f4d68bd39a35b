//! Where data comes from: `from idx("data/mnist")`.

use super::errors;
use crate::diag::Diagnostic;
use crate::ops::{DType, Extent};
use crate::sema::checker::Checker;
use crate::sema::model::{Files, TextUnit};
use crate::sema::value::Value;
use crate::source::Span;
use crate::syntax::ast::{self, Arg, ExprKind};

/// A checked source.
pub struct Source {
    pub kind: &'static SourceKind,
    pub files: Files,
    /// The parts that it has by itself.
    pub parts: Vec<String>,
    /// Of a `text`: what it is cut into.
    pub unit: Option<TextUnit>,
}

/// What the checker knows of a kind of source.
pub struct SourceKind {
    pub name: &'static str,
    /// Stored parts that one path has.
    pub parts: &'static [&'static str],
    /// Its columns, where they are fixed.
    pub columns: Option<&'static [&'static str]>,
    pub holds: Holds,
}

/// What a source stores.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Holds {
    /// Arrays; a column that a formula reads has the shape of the field.
    Arrays,
    /// Numbers and texts; a column that a formula reads is one number.
    Cells,
    /// Arrays and texts.
    Values,
    /// One text.
    Text,
}

pub const SOURCES: [SourceKind; 5] = [
    SourceKind { name: "idx", parts: &["train", "test"], columns: Some(&["image", "label"]), holds: Holds::Arrays },
    SourceKind { name: "csv", parts: &[], columns: None, holds: Holds::Cells },
    SourceKind { name: "tsv", parts: &[], columns: None, holds: Holds::Cells },
    SourceKind { name: "jsonl", parts: &[], columns: None, holds: Holds::Values },
    SourceKind { name: "text", parts: &[], columns: Some(&["text"]), holds: Holds::Text },
];

/// Sources of the language that are not there yet.
pub const PLANNED: [&str; 8] = ["parquet", "npy", "npz", "images", "wav", "synthetic", "safetensors", "json"];

impl Source {
    /// It stores a part of this name.
    pub fn has_part(&self, name: &str) -> bool {
        self.parts.iter().any(|p| p == name)
    }
}

impl SourceKind {
    /// The element type in which a field of this type is stored.
    pub fn stored_dtype(&self, field: DType) -> DType {
        match self.holds {
            Holds::Arrays => DType::U8,
            _ if field.is_float() => DType::F32,
            _ => DType::I32,
        }
    }
}

impl Checker {
    pub(super) fn check_source(&mut self, block: &ast::BlockItem) -> Option<Source> {
        let Some(from) = &block.from else { return self.report_none(errors::no_source(block)) };
        let ExprKind::Call(callee, args) = &from.kind else { return self.report_none(errors::bad_source(from.span)) };
        let ExprKind::Name(name) = &callee.kind else { return self.report_none(errors::bad_source(callee.span)) };
        let Some(kind) = SOURCES.iter().find(|s| s.name == &*name.text) else {
            let planned = PLANNED.contains(&&*name.text);
            return self.report_none(match planned {
                true => crate::sema::unsupported::source(&name.text, name.span),
                false => errors::unknown_source(name),
            });
        };
        let (paths, options): (Vec<&Arg>, Vec<&Arg>) = args.iter().partition(|a| a.label.is_none());
        if let (Holds::Cells | Holds::Values, [], [_, ..]) = (kind.holds, &paths[..], &options[..]) {
            return self.part_files(kind, &options);
        }
        let [path] = paths[..] else { return self.report_none(errors::bad_source(from.span)) };
        let path = self.source_path(&path.value)?;
        let unit = match kind.holds {
            Holds::Text => Some(self.text_unit(&options, from.span)?),
            _ => match options.first() {
                Some(option) => return self.report_none(errors::no_option(option, kind.name)),
                None => None,
            },
        };
        let parts = kind.parts.iter().map(|p| p.to_string()).collect();
        Some(Source { kind, files: Files::One(path), parts, unit })
    }

    /// `tsv(train: "train.tsv", test: "test.tsv")`: each part has a file.
    fn part_files(&mut self, kind: &'static SourceKind, args: &[&Arg]) -> Option<Source> {
        let mut files: Vec<(String, String)> = vec![];
        for arg in args {
            let Some(label) = &arg.label else { continue };
            if files.iter().any(|(name, _)| *name == *label.text) {
                return self.report_none(errors::part_twice(label));
            }
            files.push((label.text.to_string(), self.source_path(&arg.value)?));
        }
        let parts = files.iter().map(|(name, _)| name.clone()).collect();
        Some(Source { kind, files: Files::Parts(files), parts, unit: None })
    }

    fn source_path(&mut self, path: &ast::Expr) -> Option<String> {
        match self.eval(path) {
            Value::Str(path) => Some(path.to_string()),
            Value::Error => None,
            _ => self.report_none(errors::bad_source(path.span)),
        }
    }

    /// Reports what takes the place of a value.
    pub fn report_none<T>(&mut self, diag: Diagnostic) -> Option<T> {
        self.report(diag);
        None
    }

    /// `unit: characters` or `tokenizer: "tokenizer.json"`; the number of ids of words may be bounded.
    fn text_unit(&mut self, options: &[&Arg], span: Span) -> Option<TextUnit> {
        let (mut unit, mut vocab) = (None, None);
        for option in options {
            let Some(label) = &option.label else { continue };
            match (&*label.text, &option.value.kind) {
                ("unit", ExprKind::Name(name)) => match &*name.text {
                    "bytes" => unit = Some(TextUnit::Bytes),
                    "characters" => unit = Some(TextUnit::Characters { end: false }),
                    "words" => unit = Some(TextUnit::Words { end: false, vocab: None }),
                    _ => return self.report_none(errors::no_unit(name.span)),
                },
                ("unit", _) => return self.report_none(errors::no_unit(option.value.span)),
                ("tokenizer", ExprKind::Str(path)) => {
                    unit = Some(TextUnit::Tokenizer { path: path.text.to_string(), special: false });
                }
                ("vocab", _) => vocab = Some(self.vocab_size(&option.value)?),
                _ => return self.report_none(errors::no_option(option, "text")),
            }
        }
        match (unit, vocab) {
            (Some(TextUnit::Words { end, .. }), vocab) => Some(TextUnit::Words { end, vocab }),
            (Some(unit), None) => Some(unit),
            (Some(_), Some(_)) => self.report_none(errors::vocab_of_what(span)),
            (None, _) => self.report_none(errors::no_unit(span)),
        }
    }

    /// A bound on the number of ids.
    pub(super) fn vocab_size(&mut self, value: &ast::Expr) -> Option<usize> {
        match self.eval_int(value)? {
            n if n >= 3 => Some(usize::constant(n)),
            _ => self.report_none(errors::small_vocab(value.span)),
        }
    }
}

//! E05xx of data declarations: one constructor per error.

use super::source::{PLANNED, SOURCES};
use crate::diag::{Code, Diagnostic};
use crate::sema::defs::{did_you_mean, suggest};
use crate::sema::model::Length;
use crate::source::Span;
use crate::syntax::ast;

pub fn no_source(block: &ast::BlockItem) -> Diagnostic {
    let span = block.name.as_ref().map_or(block.word.span, |n| n.span);
    Diagnostic::error(Code(514), "this data has no source")
        .label(span, "where does it come from?")
        .help("write `data Name from csv(\"file.csv\") { … }`")
}

pub fn bad_source(span: Span) -> Diagnostic {
    Diagnostic::error(Code(514), "a source is a call with a path")
        .label(span, "expected something like `idx(\"data/mnist\")`")
}

pub fn unknown_source(name: &ast::Name) -> Diagnostic {
    let names = SOURCES.iter().map(|s| s.name).chain(PLANNED);
    let diag = Diagnostic::error(Code(514), format!("`{}` is not a data source", name.text))
        .label(name.span, "unknown source");
    match suggest(&name.text, names) {
        None => diag.help("the sources are `idx`, `csv`, `tsv` and `jsonl`"),
        found => did_you_mean(diag, name.span, found),
    }
}

pub fn not_a_field_type(span: Span) -> Diagnostic {
    Diagnostic::error(Code(520), "a field has a tensor type")
        .label(span, "expected a type such as `f32[28, 28, 1]` or `i32[T]`")
}

pub fn not_a_data_member(span: Span) -> Diagnostic {
    Diagnostic::error(Code(524), "this does not belong in a data declaration")
        .label(span, "expected a field `name: type = conversion` or a `split`")
}

pub fn unknown_column(name: &ast::Name, source: &str, known: &[&str]) -> Diagnostic {
    let diag = Diagnostic::error(Code(515), format!("`{source}` data has no column `{}`", name.text))
        .label(name.span, "unknown column");
    match suggest(&name.text, known.iter().copied()) {
        None => diag.help(format!("its columns are `{}`", known.join("`, `"))),
        found => did_you_mean(diag, name.span, found),
    }
}

pub fn unknown_field(name: &ast::Name, data: &str, declared: Span, known: &[&str]) -> Diagnostic {
    let diag = Diagnostic::error(Code(507), format!("`{data}` has no field `{}`", name.text))
        .label(name.span, "unknown field")
        .label(declared, "the data");
    match suggest(&name.text, known.iter().copied()) {
        None => diag.help(format!("its fields are `{}`", known.join("`, `"))),
        found => did_you_mean(diag, name.span, found),
    }
}

pub fn not_a_length(span: Span) -> Diagnostic {
    Diagnostic::error(Code(520), "the size of a field is a number, or one name for a dimension that varies")
        .label(span, "this is neither")
        .help("a dimension that varies from row to row is a bare capital, as in `i32[T]`; `B` is the batch")
}

pub fn two_varying(name: &ast::Name, span: Span) -> Diagnostic {
    Diagnostic::error(Code(527), format!("two dimensions of the field `{}` vary", name.text))
        .label(span, "one may")
        .help("give all but one a number")
}

pub fn bad_fact(span: Span, lengths: &[Length]) -> Diagnostic {
    let names: Vec<&str> = lengths.iter().map(|l| l.name.as_str()).collect();
    let diag = Diagnostic::error(Code(528), "this condition says nothing about the length of a row")
        .label(span, "expected bounds or a divisor");
    match names.first() {
        Some(name) => diag.help(format!("write `{name} in 1..=128`, `{name} <= 128` or `{name} % 8 == 0`")),
        None => diag.help("no dimension of these fields varies; one does in `tokens: i32[T]`"),
    }
}

pub fn no_length(length: &Length) -> Diagnostic {
    Diagnostic::error(Code(528), format!("no length `{}` fulfils the conditions", length.name))
        .label(length.span, "every row would be an error")
}

pub fn no_sequence_field(name: &ast::Name) -> Diagnostic {
    let diag = Diagnostic::error(Code(110), format!("a field has no `{}`", name.text)).label(name.span, "not known");
    match suggest(&name.text, ["mask", "lengths"].into_iter()) {
        None => diag.help("a field that varies in length has `mask` and `lengths`"),
        found => did_you_mean(diag, name.span, found),
    }
}

pub fn not_varying(span: Span, data: &str, known: &[Length]) -> Diagnostic {
    let names: Vec<String> = known.iter().map(|l| format!("`{}`", l.name)).collect();
    let diag = Diagnostic::error(Code(529), format!("this is no dimension of `{data}` that varies"))
        .label(span, "expected the name of a dimension");
    if names.is_empty() {
        return diag.help("all rows of this data have the same length");
    }
    diag.help(format!("dimensions that vary: {}", names.join(", ")))
}

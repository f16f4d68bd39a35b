//! What the language has and this version does not do yet: clear errors instead of wrong programs.

use crate::diag::{Code, Diagnostic};
use crate::source::Span;

fn not_yet(code: u16, what: &str, span: Span) -> Diagnostic {
    Diagnostic::error(Code(code), format!("{what} is not supported yet")).label(span, "not supported yet")
}

pub fn every_epochs_in_step(span: Span) -> Diagnostic {
    not_yet(605, "`every … epochs` inside a step", span).help("`every 5 steps { … }` works")
}

pub fn source(name: &str, span: Span) -> Diagnostic {
    not_yet(606, &format!("the data source `{name}`"), span).help("`idx`, `csv`, `tsv`, `jsonl` and `text` work")
}

pub fn stage(name: &str, span: Span) -> Diagnostic {
    not_yet(607, &format!("the pipeline stage `{name}`"), span)
        .help("`shuffle`, `bucket`, `pad`, `windows`, `lanes`, `skip_bad` and `batch(n)` work")
}

pub fn setting(name: &str, span: Span) -> Diagnostic {
    not_yet(608, &format!("the setting `{name}`"), span)
}

pub fn conversion(name: &str, span: Span) -> Diagnostic {
    not_yet(610, &format!("the conversion `{name}`"), span)
}

pub fn predict_value(span: Span) -> Diagnostic {
    not_yet(612, "a direct value in `predict`", span).help("name a field of the data, as in `predict (image)`")
}

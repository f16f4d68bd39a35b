//! The error for a file that does not fit: both sides beside each other, and the lines to add.

use super::file::Archive;
use super::plan::{Mismatch, Move};
use super::propose::{self, Proposal};
use crate::diag::{Code, Diagnostic, Label};
use crate::ops::Type;
use crate::sema::model::{Model, Param};
use crate::sema::weights::Load;
use std::path::Path;

/// Places of the program that the error shows, and rows of the list.
const MAX_LABELS: usize = 6;
const MAX_ROWS: usize = 20;

pub(super) fn diagnostic(load: &Load, model: &Model, archive: &Archive, path: &Path, found: &Mismatch) -> Diagnostic {
    let proposals = propose::proposals(load, archive, found);
    let mut rows: Vec<String> = proposals.iter().map(Proposal::row).collect();
    rows.extend(found.shapes.iter().map(|(param, names)| shape_row(load, param, names, archive)));
    let more = rows.len().saturating_sub(MAX_ROWS);
    rows.truncate(MAX_ROWS);
    if more > 0 {
        rows.push(format!("  … and {more} more"));
    }
    let message =
        format!("`{}` does not fit `{}`: {}\n{}", path.display(), load.target_text, counts(found), rows.join("\n"));
    let diag = Diagnostic::error(Code(804), message).label(load.span, "loaded here");
    let diag = places(model, found).into_iter().fold(diag, |diag, place| diag.label(place.span, place.text));
    help(diag, archive, &proposals, found)
}

fn counts(found: &Mismatch) -> String {
    let unused = found.unused.len();
    let text = [
        (found.missing.len(), "missing from it"),
        (unused, "not used by the program"),
        (found.shapes.len(), "of other shapes"),
    ];
    let text = text.iter().filter(|(n, _)| *n > 0).map(|(n, what)| format!("{n} {what}"));
    text.collect::<Vec<_>>().join(", ")
}

fn shape_row(load: &Load, param: &Param, names: &[String], archive: &Archive) -> String {
    let ty = |name: &String| archive.ty(name).map_or(String::new(), Type::to_string);
    let names: Vec<String> = names.iter().map(|name| format!("{name} {}", ty(name))).collect();
    let local = load.local(&param.path).unwrap_or(&param.path);
    format!("  program {local} {}\n     file {}", param.ty, names.join(", "))
}

/// The lines that declare what is missing or of another shape: of the layer, as parameters of one layer share theirs.
fn places(model: &Model, found: &Mismatch) -> Vec<Label> {
    let mut places: Vec<(Label, usize)> = vec![];
    for param in found.missing.iter().copied().chain(found.shapes.iter().map(|(p, _)| *p)) {
        let label = declared(model, param);
        match places.iter_mut().find(|(l, _)| l.span == label.span) {
            Some((_, more)) => *more += 1,
            None => places.push((label, 0)),
        }
    }
    let counted = |(label, more): (Label, usize)| match more {
        0 => label,
        more => Label { text: format!("{} and {more} more", label.text), ..label },
    };
    places.into_iter().take(MAX_LABELS).map(counted).collect()
}

/// Where the layer of a parameter is declared; a parameter of the root itself at its own line.
fn declared(model: &Model, param: &Param) -> Label {
    let layer = param.path.rsplit_once('.').map_or("", |(layer, _)| layer);
    let inner = model.layers.iter().find(|l| !l.path.is_empty() && (l.path == layer || layer == full(l)));
    Label { span: inner.map_or(param.span, |l| l.span), text: format!("`{}`", param.path) }
}

/// The path of a layer where several roots put their names before it.
fn full(layer: &crate::sema::model::Layer) -> String {
    format!("{}.{}", layer.root, layer.path)
}

fn help(diag: Diagnostic, archive: &Archive, proposals: &[Proposal], found: &Mismatch) -> Diagnostic {
    if proposals.is_empty() {
        return diag;
    }
    let lines = propose::lines(proposals, archive, found);
    diag.help(format!("these lines would take them, in the braces of `load`:\n{}", lines.join("\n")))
}

/// Two names for one parameter hold different numbers.
pub(super) fn differs(step: &Move, path: &str) -> Diagnostic {
    let names = step.foreign.join("`, `");
    Diagnostic::error(Code(805), format!("`{names}` differs from what `{path}` has already"))
        .label(step.line.span, "a second name of this parameter")
        .help("names for one parameter must hold the same numbers; write `-> skip` for the one that is not meant")
}

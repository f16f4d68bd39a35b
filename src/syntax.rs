//! Text to Ast: [`parse`] returns a tree and diagnostics, never a `Result`, so that a broken file
//! still has an outline. The grammar is `grammar/nn.pest`; nothing else defines the syntax.
//!
//! The steps: [`depth`] refuses brackets nested too deeply, the tolerant entry of the grammar makes pest pairs,
//! [`errors`] reports its error nodes, one a line, and [`build`] turns the pairs into the [`ast`].
//! All of them recurse with the nesting of the text, so they run on a stack of known size.

pub mod ast;
mod build;
mod depth;
mod dump;
mod errors;
mod format;
mod grammar;
#[cfg(test)]
mod tests;

pub use dump::dump;
pub use format::format;

use crate::diag::Diagnostic;
use crate::source::FileId;
use ast::File;
use grammar::{Grammar, Rule};
use pest::Parser;

/// Enough for [`depth::MAX_BRACKETS`] levels in a debug build, several times over.
const STACK: usize = 64 << 20;

/// Parses one file. Items and statements that do not parse become `Error` nodes with one diagnostic each.
pub fn parse(file: FileId, text: &str) -> (File, Vec<Diagnostic>) {
    stacker::maybe_grow(STACK / 2, STACK, || parse_here(file, text))
}

fn parse_here(file: FileId, text: &str) -> (File, Vec<Diagnostic>) {
    let empty = File { id: file, items: vec![] };
    if let Some(at) = depth::too_deep(text) {
        return (empty, vec![errors::too_deep(file, at)]);
    }
    match Grammar::parse(Rule::file_recover, text) {
        Ok(pairs) => {
            let mut diagnostics = errors::collect(file, text, pairs.clone());
            let (ast, found) = build::file(file, text, pairs);
            diagnostics.extend(found);
            diagnostics.sort_by_key(|d| d.labels.first().map(|l| l.span.start));
            (ast, diagnostics)
        }
        Err(error) => (empty, vec![errors::unreadable(file, &error)]),
    }
}

/// Whether the strict grammar accepts the text.
#[cfg(test)]
fn is_strict(text: &str) -> bool {
    stacker::maybe_grow(STACK / 2, STACK, || Grammar::parse(Rule::file, text).is_ok())
}

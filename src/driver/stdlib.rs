//! The standard library's sources, embedded in the binary.

use crate::diag::Diagnostic;
use crate::source::{FileId, SourceMap};
use crate::syntax::{ast, parse};
use std::cell::RefCell;
use std::collections::HashMap;

/// Display name (`std/dense.nn`) and text of each file.
pub const FILES: &[(&str, &str)] = include!(concat!(env!("OUT_DIR"), "/stdlib.rs"));

type Parsed = Vec<(ast::File, Vec<Diagnostic>)>;

thread_local! {
    /// By the number of the first file. A thread that opens many programs reads the library once.
    static PARSED: RefCell<HashMap<FileId, Parsed>> = RefCell::default();
}

/// Adds the library behind the program's own files, and gives its trees.
pub fn parsed(sources: &mut SourceMap) -> Parsed {
    let ids: Vec<FileId> = FILES.iter().map(|(name, text)| sources.add(name, text)).collect();
    let Some(&first) = ids.first() else { return vec![] };
    let parse_all = || FILES.iter().zip(ids).map(|((_, text), id)| parse(id, text)).collect();
    PARSED.with_borrow_mut(|known| known.entry(first).or_insert_with(parse_all).clone())
}

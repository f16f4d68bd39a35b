//! Programs in, models and diagnostics out.

use super::check;
use super::model::Model;
use crate::diag::Diagnostic;
use crate::source::{FileId, SourceMap};
use crate::syntax::ast;

/// The standard library as shipped.
const STD: &[(&str, &str)] = include!(concat!(env!("OUT_DIR"), "/stdlib.rs"));

thread_local! {
    /// Parsed once: file numbers from 1 on.
    static LIBRARY: Vec<ast::File> = (1..).zip(STD.iter().copied()).map(|(id, (_, text))| parse(FileId(id), text)).collect();
}

fn parse(id: FileId, text: &str) -> ast::File {
    let (file, diags) = crate::syntax::parse(id, text);
    assert!(diags.is_empty(), "{diags:?}");
    file
}

fn files(text: &str) -> (SourceMap, Vec<ast::File>) {
    let mut sources = SourceMap::default();
    let mut files = vec![parse(sources.add("test.nn", text), text)];
    let std = LIBRARY.with(|files| files.clone());
    STD.iter().for_each(|(name, text)| {
        sources.add(name, text);
    });
    files.extend(std);
    (sources, files)
}

pub fn run(text: &str, overrides: &[(&str, &str)]) -> (SourceMap, Model, Vec<Diagnostic>) {
    let (sources, files) = files(text);
    let overrides: Vec<(String, String)> = overrides.iter().map(|(a, b)| (a.to_string(), b.to_string())).collect();
    let (model, diags) = check(&files, &overrides);
    (sources, model, diags)
}

/// Checks a text that need not parse.
pub fn check_any(text: &str) -> Vec<Diagnostic> {
    let (file, mut diags) = crate::syntax::parse(FileId(0), text);
    let files: Vec<ast::File> = std::iter::once(file).chain(LIBRARY.with(|files| files.clone())).collect();
    diags.extend(check(&files, &[]).1);
    diags
}

/// Each diagnostic as `E0101 "text at its first label": message`.
pub fn summary(sources: &SourceMap, diags: &[Diagnostic]) -> Vec<String> {
    let place = |d: &Diagnostic| d.labels.first().map_or("", |l| sources.text(l.span)).to_string();
    diags.iter().map(|d| format!("{} {:?}: {}", d.code, place(d), d.message)).collect()
}

/// The model of a program without errors.
pub fn model(text: &str) -> Model {
    let (sources, model, diags) = run(text, &[]);
    assert!(diags.is_empty(), "{:#?}", summary(&sources, &diags));
    model
}

mod errors;
mod explanations;
mod foreign;
mod generation;
mod mutations;
mod programs;
mod sequences;
mod texts;

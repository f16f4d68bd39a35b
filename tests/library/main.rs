//! The standard library: its files parse, its definitions check in programs, and it computes what it should.

mod attention;
mod checkpoints;
mod codes;
mod ctc;
mod definitions;
mod generate;
mod kernels;
mod loops;
mod next;
mod raised;
mod recurrent;
mod training;
mod values;

use nnc::diag::Diagnostic;
use nnc::sema::model::Model;
use nnc::source::SourceMap;
use nnc::syntax::ast::File;
use nnc::syntax::parse;
use std::path::Path;

thread_local! {
    /// A thread that checks many programs reads the library once; behind a file of the program's.
    static LIBRARY: Vec<(String, File)> = {
        let mut sources = SourceMap::default();
        sources.add("test.nn", "");
        library(&mut sources)
    };
}

/// Name and tree of each file of the library.
fn library(sources: &mut SourceMap) -> Vec<(String, File)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("std");
    let mut files = vec![];
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let (name, text) = (path.display().to_string(), std::fs::read_to_string(&path).unwrap());
        let (file, diagnostics) = parse(sources.add(&name, &text), &text);
        assert!(diagnostics.is_empty(), "{name}: {diagnostics:#?}");
        files.push((name, file));
    }
    files
}

/// Checks a program with the library.
fn check(program: &str) -> (Model, Vec<Diagnostic>) {
    let mut sources = SourceMap::default();
    let (user, diagnostics) = parse(sources.add("test.nn", program), program);
    assert!(diagnostics.is_empty(), "{program}\n{diagnostics:#?}");
    let mut files = vec![user];
    files.extend(LIBRARY.with(Vec::clone).into_iter().map(|(_, file)| file));
    nnc::sema::check(&files, &[])
}

/// The model of a program without errors or warnings.
fn model(program: &str) -> Model {
    let (model, diagnostics) = check(program);
    assert!(diagnostics.is_empty(), "{program}\n{diagnostics:#?}");
    model
}

fn assert_close(found: &[f64], expected: &[f64], tolerance: f64, what: &str) {
    let near = |(a, b): (&f64, &f64)| (a - b).abs() <= tolerance * b.abs().max(1.0);
    let same = found.len() == expected.len() && found.iter().zip(expected).all(near);
    assert!(same, "{what}: {found:?}, expected {expected:?}");
}

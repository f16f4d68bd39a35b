//! `tests/suite/syntax/*.nn`: what each file's parse reports and the Ast it gives stand in the `.expect` beside it.
//! `NNC_BLESS=1` rewrites them.

use super::*;
use crate::source::SourceMap;
use std::fmt::Write;
use std::path::{Path, PathBuf};

fn observed(text: &str) -> String {
    let mut sources = SourceMap::default();
    let id = sources.add("input.nn", text);
    let (file, diagnostics) = parse(id, text);
    let mut out = String::new();
    for diagnostic in diagnostics {
        writeln!(out, "{}: {}", diagnostic.code, diagnostic.message).unwrap();
        for label in &diagnostic.labels {
            let at = sources.file(id).position(label.span.start);
            writeln!(out, "  {at} `{}` {}", sources.text(label.span), label.text).unwrap();
        }
        diagnostic.help.iter().for_each(|help| writeln!(out, "  help: {help}").unwrap());
        diagnostic.fix.iter().for_each(|fix| writeln!(out, "  fix: `{}` {}", fix.replacement, fix.title).unwrap());
    }
    format!("{out}---\n{}", dump(&file))
}

/// The .nn files of a folder of the repository.
pub(super) fn nn_files(folder: &str) -> impl Iterator<Item = PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
    let files = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    files.filter(|path| path.extension().is_some_and(|e| e == "nn"))
}

#[test]
fn the_standard_library_parses_and_its_dump_parses_to_the_same() {
    for path in nn_files("std") {
        let dumped = dump(&clean(&std::fs::read_to_string(&path).unwrap()));
        assert_eq!(dump(&clean(&dumped)), dumped, "{}", path.display());
    }
}

#[test]
fn files_give_what_is_expected_of_them() {
    for path in nn_files("tests/suite/syntax") {
        let observed = observed(&std::fs::read_to_string(&path).unwrap());
        let expect = path.with_extension("expect");
        if std::env::var_os("NNC_BLESS").is_some() {
            std::fs::write(&expect, observed).unwrap();
        } else {
            let expected = std::fs::read_to_string(&expect).unwrap_or_default();
            assert_eq!(observed, expected, "{}", path.display());
        }
    }
}

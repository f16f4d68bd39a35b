//! What the sources keep to: stages use only what stands left of them, files are opened at the edges, error codes are
//! registered and tested, files stay short.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// Each module of `src/` and the modules that it may use: the arrows of docs/architecture.md.
/// `schedule` takes from `lane` only the description of a target.
const ARROWS: [(&str, &[&str]); 20] = [
    ("source", &[]),
    ("diag", &["source"]),
    ("syntax", &["source", "diag"]),
    ("ops", &[]),
    ("tensor", &["source", "ops"]),
    ("sema", &["source", "diag", "syntax", "ops", "tensor"]),
    ("lower", &["ops", "tensor"]),
    ("autodiff", &["ops", "tensor"]),
    ("opt", &["ops", "tensor"]),
    ("pass", &["ops", "tensor"]),
    ("passes", &["tensor", "autodiff", "opt", "pass"]),
    ("tile", &["ops"]),
    ("lane", &["ops", "tile"]),
    ("schedule", &["diag", "ops", "tensor", "tile", "lane"]),
    ("codegen", &["diag", "ops", "tile", "lane", "schedule"]),
    ("runtime", &["diag", "ops", "tensor", "tile", "lane", "schedule", "codegen"]),
    ("train", &["source", "diag", "ops", "tensor", "sema", "runtime"]),
    (
        "driver",
        &[
            "source", "diag", "syntax", "sema", "ops", "tensor", "lower", "autodiff", "passes", "schedule", "lane",
            "codegen", "runtime", "train", "pass",
        ],
    ),
    ("cli", &["source", "diag", "syntax", "sema", "train", "driver"]),
    ("main", &["cli"]),
];

const EDGES: [&str; 4] = ["runtime", "train", "driver", "cli"];
const UNSAFE: [&str; 2] = ["codegen", "runtime"];
const LONGEST: usize = 600;

/// Codes that no small program causes: what the checker refuses earlier, a full memory, faults of nnc.
const UNTESTED: [u16; 7] = [701, 713, 810, 900, 901, 930, 950];

struct Source {
    path: PathBuf,
    /// The file or folder directly under `src/`.
    module: String,
    text: String,
}

impl Source {
    fn is_test(&self) -> bool {
        self.path.components().any(|c| c.as_os_str() == "tests") || self.path.ends_with("tests.rs")
    }

    /// Lines of code with their numbers, without comments and without the tests at the end.
    fn code(&self) -> impl Iterator<Item = (usize, &str)> {
        let lines = self.text.lines().take_while(|l| *l != "#[cfg(test)]" || self.is_test());
        lines.enumerate().map(|(i, l)| (i + 1, l.split("//").next().unwrap_or(l)))
    }
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("readable").path();
        if path.is_dir() {
            files(&path, found);
        } else {
            found.push(path);
        }
    }
}

/// The Rust files under a folder of the repository.
fn sources(folder: &str) -> Vec<Source> {
    let base = root().join(folder);
    let mut found = vec![];
    files(&base, &mut found);
    found.sort();
    let rust = found.into_iter().filter(|p| p.extension().is_some_and(|e| e == "rs"));
    let source = |path: PathBuf| {
        let first = path.strip_prefix(&base).expect("inside").components().next().expect("a name");
        let module = first.as_os_str().to_string_lossy().trim_end_matches(".rs").to_string();
        Source { text: std::fs::read_to_string(&path).expect("readable"), module, path }
    };
    rust.map(source).collect()
}

/// The Rust files of the program and of its tests.
fn everything() -> Vec<Source> {
    [sources("src"), sources("tests")].into_iter().flatten().collect()
}

fn word(text: &str) -> &str {
    &text[..text.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(text.len())]
}

/// The modules named after `crate::` or `nnc::`.
fn uses(line: &str) -> impl Iterator<Item = &str> {
    let after = ["crate::", "nnc::"].into_iter().flat_map(|start| line.split(start).skip(1));
    after.map(word).filter(|w| ARROWS.iter().any(|a| a.0 == *w))
}

#[track_caller]
fn none(violations: Vec<String>) {
    assert!(violations.is_empty(), "{}", violations.join("\n"));
}

/// `file:line: what` for each line of code that `wrong` finds something in.
fn find(sources: &[Source], wrong: impl Fn(&Source, &str) -> Option<String>) -> Vec<String> {
    let mut found = vec![];
    for source in sources {
        for (number, line) in source.code() {
            let what = wrong(source, line).map(|what| format!("{}:{number}: {what}", source.path.display()));
            found.extend(what);
        }
    }
    found
}

#[test]
fn stages_use_what_stands_left_of_them() {
    let sources: Vec<Source> = sources("src").into_iter().filter(|s| s.module != "lib" && !s.is_test()).collect();
    assert!(sources.len() > 150);
    none(find(&sources, |source, line| {
        let allowed = ARROWS.iter().find(|a| a.0 == source.module).map_or(&[][..], |a| a.1);
        let bad = uses(line).find(|m| *m != source.module && !allowed.contains(m))?;
        Some(format!("`{}` may not use `{bad}`", source.module))
    }));
}

/// An arrow that no line needs any more is taken out of the table.
#[test]
fn every_arrow_is_used() {
    let sources = sources("src");
    for (module, allowed) in ARROWS {
        let of = sources.iter().filter(|s| s.module == module);
        let used: BTreeSet<&str> = of.flat_map(|s| s.code().flat_map(|(_, l)| uses(l))).collect();
        let idle: Vec<_> = allowed.iter().filter(|a| !used.contains(*a)).collect();
        assert!(idle.is_empty(), "`{module}` does not use {idle:?}");
    }
}

#[test]
fn files_are_opened_at_the_edges() {
    const FILES: [&str; 5] = ["std::fs", " File::", "std::process", "println!", "std::env::var"];
    let core: Vec<Source> =
        sources("src").into_iter().filter(|s| !EDGES.contains(&s.module.as_str()) && !s.is_test()).collect();
    none(find(&core, |source, line| {
        let exit_code = source.module == "main";
        FILES.iter().find(|f| line.contains(*f) && !exit_code).map(|f| format!("`{f}` in the core"))
    }));
}

#[test]
fn unsafe_code_stays_in_codegen_and_runtime() {
    let safe: Vec<Source> = sources("src").into_iter().filter(|s| !UNSAFE.contains(&s.module.as_str())).collect();
    none(find(&safe, |_, line| {
        let unsafe_word = line.split(|c: char| !c.is_ascii_alphanumeric() && c != '_').any(|w| w == "unsafe");
        unsafe_word.then(|| "unsafe".into())
    }));
}

#[test]
fn lints_are_silenced_with_a_reason() {
    let all = everything();
    none(find(&all, |source, line| {
        let silenced = line.trim_start().starts_with("#[allow(") || line.trim_start().starts_with("#![allow(");
        (silenced && !source.path.ends_with("tidy.rs") && !source.text.contains("reason =")).then(|| line.into())
    }));
}

#[test]
fn files_are_short() {
    let all = everything();
    let long = all.iter().filter(|s| s.text.lines().count() > LONGEST);
    none(long.map(|s| format!("{}: {} lines", s.path.display(), s.text.lines().count())).collect());
}

/// Numbers in `Code(…)`.
fn codes_in(line: &str) -> impl Iterator<Item = u16> {
    line.split("Code(").skip(1).filter_map(|rest| rest.split(')').next()?.parse().ok())
}

#[test]
fn codes_ascend_and_are_registered() {
    let registered: Vec<u16> = nnc::diag::codes::all().map(|e| e.code.0).collect();
    assert!(registered.is_sorted_by(|a, b| a < b), "{registered:?}");
    none(find(&sources("src"), |_, line| {
        codes_in(line).find(|c| !registered.contains(c)).map(|c| format!("E{c:04} is not registered"))
    }));
}

/// Below E0700 the tests of `sema` and `tests/library` cause each code by the example of its explanation.
#[test]
fn codes_of_runs_are_tested() {
    let (outside, inside) = (sources("tests"), sources("src"));
    let tests = outside.iter().map(|s| s.text.as_str()).chain(inside.iter().map(|s| match s.is_test() {
        true => s.text.as_str(),
        false => s.text.split_once("#[cfg(test)]").map_or("", |t| t.1),
    }));
    let text: String = tests.collect();
    let tested = |c: u16| text.contains(&format!("E{c:04}")) || text.contains(&format!("Code({c})"));
    let late = nnc::diag::codes::all().map(|e| e.code.0).filter(|c| *c >= 700);
    let untested: Vec<u16> = late.filter(|c| !tested(*c)).collect();
    assert_eq!(untested, UNTESTED);
}

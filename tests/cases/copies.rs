//! The library is ordinary source: a user's copy of it under other names gives the same machine code, hence equal bits
//! and speed; and what is not in a file of std/ does not exist.

use super::program::Project;
use nnc::driver::stages::{Selection, Stage};
use nnc::source::{FileId, SourceMap};
use nnc::syntax::ast::File;
use nnc::syntax::parse;
use std::path::Path;

/// Definitions that the program below uses, with whatever they use themselves.
const COPIED: [&str; 5] = ["dense.nn", "norm.nn", "dropout.nn", "optim.nn", "activations.nn"];
const NAMES: [&str; 8] =
    ["Dense", "BatchNorm", "dropout", "adamw", "relu", "standardize", "unbiased_variance", "sigmoid"];

const PROGRAM: &str = r#"data Rows from csv("d.csv") {
  x: f32[6]
  y: i32
  split train
}
model Net() {
  one = Dense(20)
  norm = BatchNorm()
  two = Dense(3)
  fn forward(x: f32[B, 6]) -> f32[B, 3] { x |> one |> norm |> relu |> dropout(rate: 0.3) |> sigmoid |> two }
}
train {
  let net = Net()
  optimizer = adamw(lr: 1e-2)
  epochs = 1
  seed = 3
  step (x, y) in Rows.train |> shuffle |> batch(8) { minimize cross_entropy(net(x), y) }
}
"#;

/// Replaces whole words.
fn renamed(text: &str) -> String {
    let word = |c: char| c.is_alphanumeric() || c == '_';
    let mut out = String::new();
    let mut rest = text;
    while let Some(start) = rest.find(word) {
        let end = rest[start..].find(|c| !word(c)).map_or(rest.len(), |n| start + n);
        let name = &rest[start..end];
        out += &rest[..start];
        out += &if NAMES.contains(&name) { format!("{name}_copy") } else { name.to_string() };
        rest = &rest[end..];
    }
    out + rest
}

/// The text of the library's definitions of `NAMES`, with the comments above them left out.
fn definitions() -> String {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("std");
    let mut text = String::new();
    for name in COPIED {
        let source = std::fs::read_to_string(folder.join(name)).unwrap();
        let (file, _) = parse(FileId(0), &source);
        spans(&file).into_iter().for_each(|range| text += &format!("{}\n", &source[range]));
    }
    text
}

fn spans(file: &File) -> Vec<std::ops::Range<usize>> {
    use nnc::syntax::ast::Item;
    let wanted = |name: &str| NAMES.contains(&name);
    let span = |item: &Item| match item {
        Item::Fn(f) if wanted(&f.name.text) => Some(f.span.range()),
        Item::Block(b) if b.name.as_ref().is_some_and(|n| wanted(&n.text)) => Some(b.span.range()),
        _ => None,
    };
    file.items.iter().filter_map(span).collect()
}

#[test]
fn a_copy_of_the_library_gives_the_same_machine_code() {
    let (own, copy) = (Project::new(PROGRAM, ""), Project::new(&renamed(&(definitions() + PROGRAM)), ""));
    for stage in [Stage::Opt, Stage::Step, Stage::Asm] {
        for phase in ["init", "step"] {
            let selection = Selection { phase: phase.into(), ..Selection::default() };
            let text = |p: &Project| p.session().stage(stage, &selection).unwrap().replace("_copy", "");
            assert!(text(&own) == text(&copy), "{stage:?} of {phase} differs");
        }
    }
}

#[test]
fn without_its_file_a_feature_does_not_exist() {
    let mut sources = SourceMap::default();
    let program = PROGRAM.replace("adamw(lr: 1e-2)", "sgd(lr: 1e-2)");
    let mut files = vec![parse(sources.add("main.nn", &program), &program).0];
    for (name, text) in nnc::driver::stdlib::FILES.iter().filter(|(name, _)| !name.ends_with("dropout.nn")) {
        files.push(parse(sources.add(name, text), text).0);
    }
    let (_, diagnostics) = nnc::sema::check(&files, &[]);
    let messages: Vec<&str> = diagnostics.iter().map(|d| d.message.as_str()).collect();
    assert!(messages.len() == 1 && messages[0].contains("dropout"), "{messages:?}");
}

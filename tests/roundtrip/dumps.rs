//! What `nnc ir` prints of the examples reads back and prints the same, at every stage but the machine's own forms
//! (`clif`, `asm`): `tests/cli.rs` looks that those print.

use nnc::codegen::Form;
use nnc::driver::Session;
use nnc::driver::stages::{Selection, Stage};
use nnc::source::SourceMap;
use std::fmt::Display;
use std::path::{Path, PathBuf};

const PHASES: [&str; 5] = ["init", "step", "validate", "test", "predict"];

/// Examples whose sizes come from data that has to be fetched.
const LEARNS: [&str; 6] = ["gpt.nn", "phonemes.nn", "reuters.nn", "reuters_minilm.nn", "t5_small.nn", "translate.nn"];

/// Examples that have every phase and compile within an instant.
const SMALL: [&str; 4] = ["autoencoder.nn", "digits.nn", "mlp.nn", "mnist_cnn.nn"];

fn examples() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples");
    let paths = std::fs::read_dir(folder).expect("examples").map(|f| f.expect("readable").path());
    let is_example =
        |p: &PathBuf| p.extension().is_some_and(|e| e == "nn") && !LEARNS.iter().any(|name| p.ends_with(name));
    let found: Vec<PathBuf> = paths.filter(is_example).collect();
    assert!(found.len() >= 4);
    found
}

/// What is dumped of an example: of a small one everything, of another its training step in one form of machine code.
fn selections(path: &Path) -> Vec<(&'static str, Form)> {
    if SMALL.iter().any(|name| path.ends_with(name)) {
        PHASES.into_iter().flat_map(|p| Form::ALL.map(|f| (p, f))).collect()
    } else {
        vec![("step", Form::ALL[0])]
    }
}

/// Calls `check` with the dumps of each example, and what they are dumps of.
fn dumps(stage: Stage, check: impl Fn(&str, &str)) {
    for path in examples() {
        let session = Session::open(&path, &[]).expect("readable");
        for (phase, form) in selections(&path) {
            let selection = Selection { phase: phase.into(), code: Some(form), ..Selection::default() };
            let text = session.stage(stage, &selection).unwrap_or_else(|d| panic!("{d:?}"));
            check(&text, &format!("{} {phase} {stage:?} {form:?}", path.display()));
        }
    }
}

/// Each kernel of a dump: from its first line to the brace that closes it.
fn kernels(text: &str) -> Vec<String> {
    let mut found: Vec<String> = vec![];
    for line in text.lines().filter(|l| !l.is_empty()) {
        if line.starts_with("kernel ") {
            found.push(String::new());
        }
        let kernel = found.last_mut().expect("a dump begins with a kernel");
        *kernel += line;
        *kernel += "\n";
    }
    assert!(!found.is_empty());
    found
}

/// Dumps that are one text, read by `parse`.
fn round_trip<T: Display>(stage: Stage, parse: fn(&str) -> Result<T, String>) {
    dumps(stage, |text, name| {
        let back = parse(text).unwrap_or_else(|e| panic!("{name}: {e}\n{text}"));
        assert_eq!(back.to_string(), text, "{name}");
    });
}

fn kernels_round_trip<K: Display>(stage: Stage, parse: fn(&str) -> Result<K, String>) {
    dumps(stage, |text, name| {
        for kernel in kernels(text) {
            let back = parse(&kernel).unwrap_or_else(|e| panic!("{name}: {e}\n{kernel}"));
            assert_eq!(back.to_string().trim_end(), kernel.trim_end(), "{name}");
        }
    });
}

#[test]
fn ast_dumps() {
    round_trip(Stage::Ast, |text| {
        let file = SourceMap::default().add("dump.nn", text);
        let (ast, errors) = nnc::syntax::parse(file, text);
        if errors.is_empty() { Ok(nnc::syntax::dump(&ast)) } else { Err(format!("{errors:?}")) }
    });
}

#[test]
fn tensor_dumps() {
    for stage in [Stage::Tensor, Stage::Grad, Stage::Opt] {
        dumps(stage, |text, name| {
            let back = nnc::tensor::parse::parse(text).unwrap_or_else(|e| panic!("{name}: {e}\n{text}"));
            assert_eq!(back.to_string(), text, "{name}");
            assert_eq!(nnc::tensor::verify::verify(&back), Ok(()), "{name}");
        });
    }
}

#[test]
fn model_dumps() {
    dumps(Stage::Model, |text, name| {
        let back = nnc::tensor::parse::parse_symbolic(text).unwrap_or_else(|e| panic!("{name}: {e}\n{text}"));
        assert_eq!(back.to_string(), text, "{name}");
        assert_eq!(nnc::tensor::verify::verify(&back), Ok(()), "{name}");
    });
}

#[test]
fn tile_dumps() {
    kernels_round_trip(Stage::Tile, nnc::tile::parse::parse);
}

#[test]
fn lane_dumps() {
    kernels_round_trip(Stage::Lane, nnc::lane::parse::parse);
}

#[test]
fn buffer_dumps() {
    round_trip(Stage::Buffers, nnc::schedule::parse::buffers);
}

#[test]
fn step_dumps() {
    round_trip(Stage::Step, nnc::schedule::parse::step);
}

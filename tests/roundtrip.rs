//! Every dump of the examples reads back and prints the same. Tensor IR prints, reads back equal and prints the same: random graphs over the whole operation table, and the
//! texts of `tests/suite/tensor`. Every text there verifies, or ends in the violations as `// error: …` lines.

#[path = "roundtrip/dumps.rs"]
mod dumps;
#[path = "roundtrip/random.rs"]
mod random;

use nnc::tensor::parse::parse;
use nnc::tensor::verify::verify;
use random::Generator;
use std::collections::BTreeSet;
use std::path::Path;

const GRAPHS: u64 = 200;

#[test]
fn random_graphs_round_trip() {
    for seed in 1..=GRAPHS {
        let graph = Generator::new(seed).graph(25);
        let text = graph.to_string();
        assert_eq!(verify(&graph), Ok(()), "seed {seed}:\n{text}");
        let back = parse(&text).unwrap_or_else(|e| panic!("seed {seed}: {e}\n{text}"));
        assert_eq!(back, graph, "seed {seed}");
        assert_eq!(back.to_string(), text, "seed {seed}");
    }
}

/// The names in the operation table, read from its source, so that a new operation cannot be forgotten here.
fn all_names() -> BTreeSet<String> {
    let source = include_str!("../src/ops/table.rs");
    let is_row = |line: &&str| line.starts_with("    (") || line.starts_with("    \"");
    let rows = source.lines().filter(is_row).filter_map(|line| line.split('"').nth(1));
    rows.map(str::to_string).collect()
}

#[test]
fn random_graphs_use_every_operation() {
    let mut missing = all_names();
    assert!(missing.len() > 70, "the table was not read");
    for seed in 1..=GRAPHS {
        for inst in &Generator::new(seed).graph(25).insts {
            missing.remove(inst.op.name());
        }
    }
    assert_eq!(missing, BTreeSet::new());
}

#[test]
fn suite_files() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/suite/tensor");
    let files = std::fs::read_dir(folder).expect("the suite exists").map(|f| f.expect("readable").path());
    let mut count = 0;
    for file in files {
        let text = std::fs::read_to_string(&file).expect("readable");
        check_suite_file(&file.display().to_string(), &text);
        count += 1;
    }
    assert!(count >= 5, "{count} files");
}

fn check_suite_file(name: &str, text: &str) {
    let graph = parse(text).unwrap_or_else(|e| panic!("{name}: {e}"));
    let code: String = text.lines().filter(|l| !l.starts_with("//")).map(|l| format!("{l}\n")).collect();
    assert_eq!(graph.to_string(), code, "{name}");
    let expected: Vec<&str> = text.lines().filter_map(|l| l.strip_prefix("// error: ")).collect();
    assert_eq!(verify(&graph).err().unwrap_or_default(), expected, "{name}");
}

//! Weights of PyTorch and transformers (tests/weights/fixtures, which tests/weights/generate.py made): loaded into
//! programs, computed with, exported again to the same bytes; and files that do not fit.

use nnc::diag::{Code, Diagnostic};
use nnc::driver::Session;
use nnc::driver::compile::MachineOptions;
use nnc::driver::run::{Run, Start};
use nnc::ops::{DType, Type};
use nnc::runtime::RunOptions;
use nnc::train::checkpoint::{Checkpoint, Tensor, save_weights};
use serde_json::Value;
use std::cell::RefCell;
use std::path::{Path, PathBuf};
use std::time::Instant;
use tempfile::TempDir;

const MACHINE: MachineOptions = MachineOptions {
    threads: 1,
    code: None,
    profile: false,
    check_passes: false,
    run: RunOptions { poison: false, order: None },
};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/weights")
}

/// A program with the fixtures beside it.
struct Place(TempDir);

impl Place {
    fn new(program: &str) -> Place {
        let place = Place(tempfile::tempdir().unwrap());
        std::fs::write(place.path("d.csv"), "y\n1\n2\n").unwrap();
        std::fs::write(place.path("main.nn"), program).unwrap();
        copy(&folder().join("fixtures"), &place.path(""));
        place
    }

    /// A program of tests/weights.
    fn of(name: &str) -> Place {
        Place::new(&std::fs::read_to_string(folder().join(format!("{name}.nn"))).unwrap())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn edit(&self, from: &str, to: &str) {
        let text = std::fs::read_to_string(self.path("main.nn")).unwrap();
        assert!(text.contains(from), "{text}");
        std::fs::write(self.path("main.nn"), text.replace(from, to)).unwrap();
    }

    fn session(&self, sets: &[(&str, &str)]) -> Session {
        let sets: Vec<_> = sets.iter().map(|(a, b)| (a.to_string(), b.to_string())).collect();
        let session = Session::open(&self.path("main.nn"), &sets).unwrap();
        assert!(session.diagnostics.is_empty(), "{:#?}", session.diagnostics);
        session
    }

    /// Trains for an epoch without moving, and gives what `nnc export` writes.
    fn round_trip(&self, sets: &[(&str, &str)]) -> Vec<Tensor> {
        let session = self.session(sets);
        let start = Start::Fresh(self.path("runs"));
        let mut run = Run::new(&session, None, &MACHINE, start).unwrap_or_else(|d| panic!("{d:#?}"));
        run.fit(Instant::now()).unwrap();
        let out = self.path("out.safetensors");
        let count = session.export(None, Some(run.folder()), &out).unwrap();
        let tensors = Checkpoint::tensors(&out).unwrap();
        assert_eq!(tensors.len(), count);
        tensors
    }

    /// What loading says.
    fn refused(&self) -> Diagnostic {
        let session = self.session(&[]);
        Run::new(&session, None, &MACHINE, Start::Weights).err().expect("does not fit")
    }

    fn stored(&self, name: &str) -> Vec<Tensor> {
        Checkpoint::tensors(&self.path(name)).unwrap()
    }
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let target = to.join(path.file_name().unwrap());
        match path.is_dir() {
            true => copy(&path, &target),
            false => assert!(std::fs::copy(&path, &target).is_ok()),
        }
    }
}

#[track_caller]
fn same(found: &[Tensor], expected: &[Tensor]) {
    let names = |tensors: &[Tensor]| tensors.iter().map(|t| t.name.clone()).collect::<Vec<_>>();
    assert_eq!(names(found), names(expected));
    for (a, b) in found.iter().zip(expected) {
        assert!(a == b, "{}: {} and {}", a.name, a.ty, b.ty);
    }
}

/// Without a run the weights are those that are loaded, if these are all.
#[test]
fn no_run_is_needed_where_everything_is_loaded() {
    let kept = |untrained| Start::Kept { folder: None, untrained };
    let place = Place::of("t5");
    let session = place.session(&[]);
    let run = Run::new(&session, None, &MACHINE, kept(false)).unwrap_or_else(|d| panic!("{d:#?}"));
    run.export(&place.path("out.safetensors")).unwrap();
    same(&place.stored("out.safetensors"), &place.stored("t5.safetensors"));

    let session = Place::of("bert");
    let session = session.session(&[]);
    let refused = Run::new(&session, None, &MACHINE, kept(false)).err().expect("the head is random");
    assert_eq!(refused.code, Code(820));
    assert!(refused.labels[0].text.contains("`head.weight`"), "{refused:#?}");
    assert!(Run::new(&session, None, &MACHINE, kept(true)).is_ok());
}

#[test]
fn t5_comes_back_in_the_same_bytes() {
    for program in ["t5", "t5_library"] {
        let place = Place::of(program);
        same(&place.round_trip(&[]), &place.stored("t5.safetensors"));
    }
}

/// all-MiniLM-L6-v2 from its package: the embeddings of tests/weights/minilm.json, and its tensors under their names.
#[test]
fn minilm_gives_the_embeddings_of_pytorch() {
    let package = Path::new(&std::env::var("HOME").unwrap_or_default()).join(".cache/nnc/minilm-1");
    if !package.join("model.safetensors").exists() {
        eprintln!("skipped: there is no {}", package.display());
        return;
    }
    let place = Place::of("minilm");
    std::os::unix::fs::symlink(&package, place.path("minilm-1")).unwrap();
    std::os::unix::fs::symlink(package.join("tokenizer.json"), place.path("tokenizer.json")).unwrap();
    let rows: Vec<Value> =
        serde_json::from_str(&std::fs::read_to_string(folder().join("minilm.json")).unwrap()).unwrap();
    let lines: Vec<String> = rows.iter().map(|row| serde_json::json!({ "text": row["text"] }).to_string()).collect();
    std::fs::write(place.path("texts.jsonl"), lines.join("\n")).unwrap();

    let session = place.session(&[]);
    let run = Run::new(&session, None, &MACHINE, Start::Kept { folder: None, untrained: false }).unwrap();
    let found = RefCell::new(vec![]);
    run.predict(&place.path("texts.jsonl"), None, &|row| found.borrow_mut().push(row["embedding"].clone())).unwrap();
    let numbers = |json: &Value| json.as_array().unwrap().iter().map(|x| x.as_f64().unwrap()).collect::<Vec<_>>();
    assert_eq!(found.borrow().len(), 20);
    for (found, row) in found.borrow().iter().zip(&rows) {
        let (found, expected) = (numbers(found), numbers(&row["embedding"]));
        assert_eq!(found.len(), 384);
        assert!(found.iter().zip(&expected).all(|(a, b)| (a - b).abs() < 1e-4), "{}", row["text"]);
    }

    run.export(&place.path("out.safetensors")).unwrap();
    let mut stored = place.stored("minilm-1/model.safetensors");
    stored.retain(|t| t.name != "embeddings.position_ids" && !t.name.starts_with("pooler."));
    same(&place.stored("out.safetensors"), &stored);
}

/// A packed tensor of the file becomes three of the program, and one again.
#[test]
fn gpt2_comes_back_in_the_same_bytes() {
    let place = Place::of("gpt2");
    same(&place.round_trip(&[]), &place.stored("gpt2.safetensors"));
}

/// Three tensors of the file become one; the head keeps its own name.
#[test]
fn bert_in_shards_comes_back_in_the_same_bytes() {
    let place = Place::of("bert");
    let mut expected: Vec<Tensor> =
        (1..=4).flat_map(|i| place.stored(&format!("bert/model-0000{i}-of-00004.safetensors"))).collect();
    expected.retain(|t| t.name != "embeddings.position_ids");
    let (head, found): (Vec<Tensor>, _) = place.round_trip(&[]).into_iter().partition(|t| t.name.starts_with("head."));
    assert_eq!(head.len(), 2);
    expected.sort_by(|a, b| a.name.cmp(&b.name));
    same(&found, &expected);
    let index = [("weights", "bert/model.safetensors.index.json")];
    assert_eq!(place.round_trip(&index).len(), found.len() + 2, "the index instead of its folder");
}

fn floats(t: &Tensor) -> Vec<f32> {
    t.bytes.as_chunks().0.iter().map(|b| f32::from_le_bytes(*b)).collect()
}

#[test]
fn halves_become_floats() {
    let place = Place::of("bert");
    let whole = place.round_trip(&[]);
    for (name, error) in [("bert_bf16.safetensors", 1.0 / 256.0), ("bert_f16.safetensors", 1.0 / 2048.0)] {
        let found = place.round_trip(&[("weights", name)]);
        for (a, b) in found.iter().zip(&whole).filter(|(a, _)| !a.name.starts_with("head.")) {
            assert_eq!((&a.name, &a.ty), (&b.name, &b.ty));
            let near = |(x, y): (&f32, &f32)| (x - y).abs() <= y.abs() * error + 1e-7;
            assert!(floats(a).iter().zip(&floats(b)).all(near), "{name}: {}", a.name);
        }
    }
}

/// Row-major numbers of a JSON list as a line of csv for each row.
fn csv(json: &Value, names: [(&str, usize); 2], rows: usize) -> String {
    let columns = names.iter().flat_map(|(name, width)| (0..*width).map(move |i| format!("{name}{i}")));
    let mut lines = vec![columns.collect::<Vec<_>>().join(",")];
    for row in 0..rows {
        let numbers = names.iter().flat_map(|(name, width)| {
            let all = json[name].as_array().unwrap();
            all[row * width..(row + 1) * width].iter().map(Value::to_string)
        });
        lines.push(numbers.collect::<Vec<_>>().join(","));
    }
    lines.join("\n") + "\n"
}

/// A convolution's kernel, a packed projection and running statistics: PyTorch's outputs, and its bytes again.
#[test]
fn the_layers_of_pytorch_compute_the_same() {
    let place = Place::of("torch");
    let text = std::fs::read_to_string(place.path("torch.json")).unwrap();
    let expected: Value = serde_json::from_str(&text).unwrap();
    std::fs::write(place.path("d.csv"), csv(&expected, [("image", 60), ("x", 18)], 4)).unwrap();

    let session = place.session(&[]);
    let run = Run::new(&session, None, &MACHINE, Start::Weights).unwrap();
    let rows = RefCell::new(vec![]);
    run.predict(&place.path("d.csv"), None, &|row| rows.borrow_mut().push(row)).unwrap();
    for name in ["features", "logits"] {
        let found = rows.borrow().iter().flat_map(|row| row[name].as_array().unwrap().clone()).collect::<Vec<_>>();
        let numbers = |list: &[Value]| list.iter().map(|v| v.as_f64().unwrap()).collect::<Vec<_>>();
        let (found, expected) = (numbers(&found), numbers(expected[name].as_array().unwrap()));
        assert_eq!(found.len(), expected.len());
        for (a, b) in found.iter().zip(&expected) {
            assert!((a - b).abs() < 1e-5 * b.abs().max(1.0), "{name}: {a}, PyTorch has {b}");
        }
    }

    let out = place.path("out.safetensors");
    let mut run = Run::new(&session, None, &MACHINE, Start::Fresh(place.path("runs"))).unwrap();
    run.fit(Instant::now()).unwrap();
    session.export(None, Some(run.folder()), &out).unwrap();
    let of_training = |t: &&Tensor| !t.name.starts_with("norm.running") && t.name != "norm.num_batches_tracked";
    let kept = |name: &str| place.stored(name).iter().filter(of_training).cloned().collect::<Vec<_>>();
    same(&kept("out.safetensors"), &kept("torch.safetensors"));
}

/// Everything that a message says, with its labels and help.
fn said(d: &Diagnostic) -> String {
    let labels = d.labels.iter().map(|l| l.text.clone());
    std::iter::once(d.message.clone()).chain(labels).chain(d.help.clone()).collect::<Vec<_>>().join("\n")
}

/// Without its lines a load takes nothing; the lines that the error proposes load everything.
#[test]
fn the_proposed_lines_load_the_file() {
    for (name, file) in [("t5", "t5.safetensors"), ("bert", "bert")] {
        let place = Place::of(name);
        let text = std::fs::read_to_string(place.path("main.nn")).unwrap();
        let (start, end) = (text.find("into net").unwrap(), text.find("  optimizer").unwrap());
        let target = if name == "bert" { "net.bert" } else { "net" };
        let with = |lines: &str| format!("{}into {target} {{\n{lines}\n  }}\n{}", &text[..start], &text[end..]);
        // Where the file has three tensors and the program one, the user has to say so.
        let known = match name {
            "bert" => {
                "[\"encoder.layer.{i}.attention.self.query.{p}\", \"encoder.layer.{i}.attention.self.key.{p}\", \
                 \"encoder.layer.{i}.attention.self.value.{p}\"] -> \"blocks.{i}.qkv.{p}\" transposed"
            }
            _ => "\"no.such.name\" -> skip",
        };
        std::fs::write(place.path("main.nn"), with(known)).unwrap();
        let error = place.refused();
        assert_eq!(error.code, Code(804));
        let help = error.help.clone().unwrap();
        let lines = help.split_once(":\n").unwrap().1;
        std::fs::write(place.path("main.nn"), with(&format!("{known}\n{lines}"))).unwrap();
        let session = place.session(&[]);
        let run = Run::new(&session, None, &MACHINE, Start::Weights).unwrap_or_else(|d| panic!("{}", said(&d)));
        drop(run);
        assert!(place.path(file).exists());
    }
}

#[test]
fn both_sides_are_listed_with_the_lines_that_declare_them() {
    let place = Place::of("bert");
    place.edit("Dense(8)", "Dense(9)");
    place.edit("    \"embeddings.position_ids\" -> skip\n", "");
    place.edit("  pooler = Dense(6)", "  pooler = Dense(6)\n  extra = Dense(6)");
    place.edit("pooler(h)", "extra(pooler(h))");
    let error = place.refused();
    let text = said(&error);
    for part in [
        "`net.bert`: 2 missing from it, 1 not used by the program, 6 of other shapes",
        "program extra.weight [6, 6]\n     file –",
        "program –\n     file embeddings.position_ids [1, 5]",
        "program blocks.0.up.weight f32[6, 9]\n     file encoder.layer.0.intermediate.dense.weight f32[8, 6]",
        "`bert.extra.weight` and 1 more",
        "\"embeddings.position_ids\" -> skip",
        "skip -> \"extra.weight\"",
    ] {
        assert!(text.contains(part), "{part} in\n{text}");
    }
    let source = std::fs::read_to_string(place.path("main.nn")).unwrap();
    let declared = |l: &nnc::diag::Label| source[l.span.start as usize..].starts_with("Dense(6)");
    assert!(error.labels.iter().any(declared), "{error:#?}");
}

#[test]
fn names_for_one_parameter_must_agree() {
    let place = Place::of("t5");
    let mut tensors = place.stored("t5.safetensors");
    let shared = tensors.iter().find(|t| t.name == "shared.weight").unwrap().clone();
    tensors.push(Tensor { name: "lm_head.weight".into(), ..shared.clone() });
    save_weights(&tensors, &place.path("t5.safetensors")).unwrap();
    let found = place.round_trip(&[]);
    assert_eq!(found.iter().filter(|t| t.ty == shared.ty).count(), 1, "the first name is written");
    let last = tensors.last_mut().unwrap();
    last.bytes[0] ^= 1;
    save_weights(&tensors, &place.path("t5.safetensors")).unwrap();
    assert_eq!(place.refused().code, Code(805));
}

fn ints(name: &str) -> Tensor {
    Tensor { name: name.into(), ty: Type::new(DType::I32, vec![11, 6]), bytes: vec![0; 4 * 66] }
}

#[test]
fn types_that_do_not_convert_and_files_that_cannot_be_read() {
    let place = Place::of("t5");
    let mut tensors = place.stored("t5.safetensors");
    tensors.retain(|t| t.name != "shared.weight");
    tensors.push(ints("shared.weight"));
    save_weights(&tensors, &place.path("t5.safetensors")).unwrap();
    let text = said(&place.refused());
    assert!(text.contains("file shared.weight i32[11, 6]"), "{text}");
    std::fs::write(place.path("t5.safetensors"), b"no").unwrap();
    assert_eq!(place.refused().code, Code(801));
    std::fs::remove_file(place.path("t5.safetensors")).unwrap();
    assert_eq!(place.refused().code, Code(801));

    let place = Place::of("bert");
    let index = place.path("bert/model.safetensors.index.json");
    let text = std::fs::read_to_string(&index).unwrap();
    std::fs::write(&index, text.replace("pooler.dense.bias", "pooler.dense.bais")).unwrap();
    let error = place.refused();
    assert!(error.code == Code(801) && error.message.contains("`pooler.dense.bais`"), "{error:#?}");
    std::fs::write(&index, "{}").unwrap();
    assert_eq!(place.refused().code, Code(801));
    std::fs::remove_file(place.path("bert/model-00002-of-00004.safetensors")).unwrap();
    std::fs::write(&index, text).unwrap();
    assert_eq!(place.refused().code, Code(801));
}

/// Lengths of the file's tensors that are not equal are said, as the way back needs them.
#[test]
fn parts_of_other_lengths() {
    let program = |line: &str| {
        format!(
            "data Rows from csv(\"d.csv\") {{ y: f32\n split train }}
model Net() {{
  param w: f32[5, 2] = 0.0
  fn forward(y: f32[B]) -> f32 {{ sum(w) + sum(y) }}
}}
train {{
  let net = Net()
  load \"w.safetensors\" into net {{ {line} }}
  optimizer = sgd(lr: 0.0)
  epochs = 1
  step (y) in Rows.train |> batch(2) {{ minimize net(y) }}
}}"
        )
    };
    let number = |n: usize| n as f32 + 0.5;
    let tensor = |name: &str, shape: [usize; 2], from: usize| Tensor {
        name: name.into(),
        ty: Type::new(DType::F32, shape.to_vec()),
        bytes: (from..from + shape[0] * shape[1]).flat_map(|n| number(n).to_le_bytes()).collect(),
    };
    let file = [tensor("a", [3, 2], 0), tensor("b", [2, 2], 6)];
    let place = Place::new(&program("[\"a\", \"b\"] -> \"w\""));
    save_weights(&file, &place.path("w.safetensors")).unwrap();
    assert_eq!(place.refused().code, Code(804));
    std::fs::write(place.path("main.nn"), program("[\"a\", \"b\"] -> \"w\" parts [3, 2]")).unwrap();
    same(&place.round_trip(&[]), &file);
    let run = place.session(&[]);
    let run = Run::new(&run, None, &MACHINE, Start::Weights).unwrap();
    let weights = run.state().borrow().read_f32("w").unwrap();
    assert_eq!(weights, (0..10).map(number).collect::<Vec<_>>());
}

/// Two parameters of one name cannot be written.
#[test]
fn an_export_needs_a_name_for_each() {
    let place = Place::of("bert");
    place.edit("model Net() {", "model Net() {\n  pooler = Dense(1)");
    place.edit("head(bert(i32(0.0 * y)))", "pooler(head(bert(i32(0.0 * y))))");
    place.edit("\"pooler.dense.{p}\" ->", "\"pooler.{p}\" ->");
    let mut tensors = place.stored("bert_f16.safetensors");
    for tensor in &mut tensors {
        tensor.name = tensor.name.replace("pooler.dense", "pooler");
    }
    save_weights(&tensors, &place.path("w.safetensors")).unwrap();
    let session = place.session(&[("weights", "w.safetensors")]);
    let mut run = Run::new(&session, None, &MACHINE, Start::Fresh(place.path("runs"))).unwrap();
    run.fit(Instant::now()).unwrap();
    let error = session.export(None, Some(run.folder()), &place.path("out.safetensors")).unwrap_err();
    assert_eq!(error.code, Code(806));
    assert!(!place.path("out.safetensors").exists());
}

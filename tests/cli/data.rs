//! Rows of different lengths from files: padding, masks, what is refused, and resuming.

use crate::harness::Place;
use nnc::driver::Session;
use nnc::driver::compile::MachineOptions;
use nnc::driver::run::{Run, Start};
use nnc::runtime::RunOptions;
use nnc::train::checkpoint::{Checkpoint, Tensor};
use std::path::{Path, PathBuf};
use std::time::Instant;

/// A masked mean over time; `stages` is the pipeline of the step.
fn program(facts: &str, stages: &str) -> String {
    format!(
        "data Waves from jsonl(\"waves.jsonl\") {facts} {{
  x: f32[T, 2] = raw.x
  label: i32 = raw.label
}}
model Net() {{
  dense = Dense(8)
  head = Dense(3)
  fn forward(x: f32[B, T, 2], mask: bool[B, T]) -> f32[B, 3] {{ mean(relu(dense(x)), axis: T, mask: mask) |> head }}
}}
train {{
  let net = Net()
  optimizer = sgd(lr: 0.5)
  epochs = 3
  step (x, label) in Waves.train {stages} {{
    minimize cross_entropy(net(x, x.mask), label)
    report length: mean(f32(x.lengths))
  }}
  predict (x) {{ report scores: net(x, x.mask), length: x.lengths, mask: x.mask }}
}}"
    )
}

/// Row i has 1 + i % 7 steps.
fn waves(rows: usize) -> String {
    let step = |i: usize, t: usize| format!("[{}, {}]", ((i * 5 + t * 3) % 11) as f32 / 8.0, (i % 3) as f32 - 1.0);
    let row = |i: usize| {
        let steps: Vec<String> = (0..1 + i % 7).map(|t| step(i, t)).collect();
        format!("{{\"x\": [{}], \"label\": {}}}\n", steps.join(", "), i % 3)
    };
    (0..rows).map(row).collect()
}

fn place(facts: &str, stages: &str, data: &str) -> Place {
    let place = Place::new();
    place.write("main.nn", program(facts, stages));
    place.write("waves.jsonl", data);
    place
}

const TRAIN: [&str; 4] = ["train", "main.nn", "--threads", "1"];

fn predictions(place: &Place, data: &str) -> Vec<serde_json::Value> {
    let said = place.nnc(&["predict", "main.nn", "--data", data, "--threads", "1"]).ok();
    said.lines().map(|l| serde_json::from_str(l).expect("JSON")).collect()
}

fn scores(row: &serde_json::Value) -> Vec<f64> {
    row["scores"].as_array().expect("a list").iter().map(|x| x.as_f64().expect("a number")).collect()
}

/// What is predicted for a row depends neither on the rows beside it nor on how far it is padded.
#[test]
fn padding_changes_nothing() {
    let place = place("where T in 1..=7", "|> shuffle |> batch(8)", &waves(45));
    place.nnc(&TRAIN).ok();
    let all = predictions(&place, "waves.jsonl");
    assert_eq!(all.len(), 45);
    for (i, row) in all.iter().enumerate() {
        assert_eq!(row["length"], 1 + i % 7);
        assert_eq!(row["mask"].as_array().expect("a list").len(), 1 + i % 7, "{row}");
    }
    for i in [0, 6, 20] {
        place.write("one.jsonl", waves(45).lines().nth(i).expect("a row"));
        let one = predictions(&place, "one.jsonl");
        let near = |(a, b): (&f64, &f64)| (a - b).abs() <= 1e-5 * (1.0 + a.abs());
        assert!(scores(&one[0]).iter().zip(&scores(&all[i])).all(near), "{one:?} {:?}", all[i]);
    }
}

/// The loss of a run over padded multiples is that of one without, up to rounding.
#[test]
fn multiples_and_buckets_train_alike() {
    let losses = |stages: &str| {
        let place = place("", stages, &waves(40));
        place.nnc(&TRAIN).ok();
        let log = place.read("runs/main-1/log.jsonl");
        let epochs = log.lines().map(|l| serde_json::from_str::<serde_json::Value>(l).expect("JSON"));
        epochs.filter(|e| e["reason"] == "epoch").map(|e| e["train"]["loss"].as_f64().expect("a loss")).collect()
    };
    let plain: Vec<f64> = losses("|> batch(8)");
    let eights: Vec<f64> = losses("|> pad(T, multiple: 8) |> batch(8)");
    assert_eq!(plain.len(), 3);
    assert!(plain.iter().zip(&eights).all(|(a, b)| (a - b).abs() < 1e-5), "{plain:?} {eights:?}");
    let bucket: Vec<f64> = losses("|> shuffle |> bucket(by: T) |> batch(8)");
    assert!(bucket[2] < bucket[0] && plain[2] < plain[0], "{bucket:?} {plain:?}");
}

/// Trains `main.nn` with one thread until `stop` says so; gives the tensors and the folder.
pub fn fit(place: &Place, start: Start, stop: &dyn Fn(u64) -> bool) -> (Vec<Tensor>, PathBuf) {
    let mut session = Session::open(&place.path("main.nn"), &[]).expect("readable");
    session.resolve().expect("opens");
    assert!(session.diagnostics.is_empty(), "{:#?}", session.diagnostics);
    let machine =
        MachineOptions { threads: 1, code: None, profile: false, check_passes: false, run: RunOptions::default() };
    let mut run = Run::new(&session, None, &machine, start).expect("starts");
    run.fit_until(Instant::now(), stop).expect("trains");
    let last = Checkpoint::load(&run.folder().join("last.safetensors")).expect("a checkpoint");
    (last.tensors, run.folder().to_path_buf())
}

/// A run that was stopped inside of an epoch and goes on equals one that never stopped, bit by bit.
#[track_caller]
pub fn resumes(place: &Place, step: u64) {
    let fresh = || Start::Fresh(place.path("runs"));
    let (whole, _) = fit(place, fresh(), &|_| false);
    let (part, folder) = fit(place, fresh(), &|done| done == step);
    assert_ne!(whole, part);
    let (resumed, _) = fit(place, Start::Resume(folder), &|_| false);
    assert!(whole == resumed);
}

#[test]
fn a_run_over_buckets_goes_on_where_it_stopped() {
    resumes(&place("", "|> shuffle |> bucket(by: T) |> batch(8)", &waves(43)), 8);
}

#[track_caller]
fn refused(place: &Place, code: &str, text: &str) {
    let ran = place.nnc(&[&TRAIN[..], &["--message-format", "json"]].concat()).code(3);
    assert_eq!(ran.codes(), [code]);
    assert!(ran.stdout.contains(text), "{}", ran.stdout);
}

/// Each is an error that names the file, the row and the field.
#[test]
fn rows_that_are_refused() {
    for (line, text) in [
        ("{\"x\": [], \"label\": 1}", "row 3, field `x`: its length 0 is not within 1..=7"),
        ("{\"x\": [[1, 2], [1, 2], [1, 2], [1, 2], [1, 2], [1, 2], [1, 2], [1, 2]], \"label\": 1}", "its length 8"),
        ("{\"x\": [[1, 2, 3]], \"label\": 1}", "row 3, field `x`: a list of 3, expected 2"),
        ("{\"x\": [[1, null]], \"label\": 1}", "`null` is not a number of type f32"),
        ("{\"x\": 3, \"label\": 1}", "`3` is not a list, as in f32[T, 2]"),
        ("{\"x\": [[1, 1e39]], \"label\": 1}", "not a number of type f32"),
        ("{\"x\": [[1, 2]], \"label\": 1.5}", "row 3, field `label`: `1.5` is not a number of type i32"),
        ("{\"x\": [[1, 2]]}", "row 3, field `label`: is missing"),
        ("[1]", "row 3: not a JSON object"),
        ("{\"x\": [[1, 2]], \"label\": 1", "row 3: not a JSON object"),
    ] {
        let data = format!("{}\n{line}\r\n{}", waves(2), waves(30));
        let place = place("where T in 1..=7", "|> batch(8)", &data);
        refused(&place, "E0707", text);
        place.edit("|> batch(8)", "|> skip_bad |> batch(8)");
        let said = place.nnc(&TRAIN).ok();
        assert!(place.nnc(&TRAIN).stderr.contains("left out 1 row of `Waves.train`"), "{said}");
    }
    let empty = place("", "|> batch(8)", "\n\r\n");
    refused(&empty, "E0714", "`Waves.train` has no rows");
    assert!(!Path::new(&empty.path("runs")).exists());
}

/// Rows may be empty where the declaration says so: nothing takes part, and the mean of nothing is 0.
#[test]
fn empty_rows_and_rows_of_one_length() {
    let empty = "{\"x\": [], \"label\": 0}\n".repeat(3);
    let place = place("where T >= 0", "|> batch(3)", &format!("{empty}{}", waves(4)));
    place.nnc(&TRAIN).ok();
    let rows = predictions(&place, "waves.jsonl");
    assert_eq!(rows[0]["length"], 0);
    assert_eq!(scores(&rows[0]), scores(&rows[2]));
    let same = "{\"x\": [[1, 2], [3, 4]], \"label\": 2}\n".repeat(9);
    place.write("waves.jsonl", same);
    assert_eq!(predictions(&place, "waves.jsonl").len(), 9);
}

/// What follows each byte of a text; `T` is as the rows have it.
const SHIFTED: &str = r#"data D from jsonl("d.jsonl") {
  x: i32[T] = bytes(raw.x)
}
model Net() {
  embed = Embedding(128, 4)
  head = Dense(128)
  fn forward(t: i32[B, T]) -> f32[B, T, 128] { t |> embed |> head }
}
train {
  let net = Net()
  optimizer = sgd(lr: 0.5)
  epochs = 2
  step (x) in D.train |> batch(2) { minimize cross_entropy(net(x[:, :-1]), x[:, 1:], mask: x.mask[:, 1:]) }
  test (x) in D.train |> batch(2) { report loss: cross_entropy(net(x[:, :-1]), x[:, 1:], mask: x.mask[:, 1:]) }
  predict (x) { report behind: x[:, 1:], next: argmax(net(x[:, :-1]), axis: -1) }
}"#;

fn shifted(texts: &[&str]) -> Place {
    let place = Place::new();
    place.write("main.nn", SHIFTED);
    place.write("d.jsonl", texts.iter().map(|t| format!("{{\"x\": \"{t}\"}}\n")).collect::<String>());
    place
}

/// Of rows with one element `x[:, 1:]` has none, whatever stands in their batch: the loss of nothing is 0.
#[test]
fn rows_too_short_for_a_slice_have_nothing_in_it() {
    let place = shifted(&["a", "b", "cde", "fg", "h"]);
    place.nnc(&TRAIN).ok();
    place.nnc(&["eval", "main.nn"]).ok();
    let rows = predictions(&place, "d.jsonl");
    let lengths =
        |field: &str| -> Vec<usize> { rows.iter().map(|r| r[field].as_array().expect("a list").len()).collect() };
    assert_eq!(lengths("next"), [0, 0, 2, 1, 0]);
    let behind: Vec<serde_json::Value> = rows.iter().map(|r| r["behind"].clone()).collect();
    assert_eq!(serde_json::Value::from(behind), serde_json::json!([[], [], [100, 101], [103], []]));
    let nothing = shifted(&["a", "b", "c"]);
    nothing.nnc(&TRAIN).ok();
    let log = nothing.read("runs/main-1/log.jsonl");
    assert!(log.contains("\"loss\":0.0"), "{log}");
    assert_eq!(predictions(&nothing, "d.jsonl")[2]["behind"], serde_json::json!([]));
}

/// Rows of four elements leave nothing of `x[:, :T % 4]`, and no padding helps.
#[test]
fn an_axis_that_stays_empty_is_an_error() {
    let place = shifted(&["abcd", "efgh"]);
    place.edit(
        "(net(x[:, :-1]), x[:, 1:], mask: x.mask[:, 1:])",
        "(net(x)[:, :T % 4], x[:, :T % 4], mask: x.mask[:, :T % 4])",
    );
    refused(&place, "E0824", "with T = 4");
}

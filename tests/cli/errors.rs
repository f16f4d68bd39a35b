//! What goes wrong is said with a code and an exit code, and leaves nothing half-written.

use crate::harness::{Place, nnc, repository};
use std::path::Path;

const JSON: [&str; 2] = ["--message-format", "json"];

/// Trains for one epoch and gives the codes; the run fails.
#[track_caller]
fn failing(place: &Place, args: &[&str]) -> Vec<String> {
    let ran = place.nnc(&[args, &JSON].concat()).code(3);
    ran.codes()
}

const TRAIN: [&str; 4] = ["train", "main.nn", "--set", "epochs=1"];
const RESUME: [&str; 6] = ["train", "main.nn", "--set", "epochs=2", "--resume", "runs/main-1"];

#[test]
fn usage() {
    nnc(&[]).code(2);
    nnc(&["frob"]).code(2);
    nnc(&["check", "no/such/file.nn"]).code(2);
    nnc(&["check", "a.nn", "--set", "epochs"]).code(2);
    nnc(&["ir", "a.nn", "--stage", "ptx"]).code(2);
    for threads in ["0", "-1", "1000", "two"] {
        nnc(&["train", "a.nn", "--threads", threads]).code(2);
    }
    nnc(&["--version"]).code(0);
    nnc(&["--help"]).code(0);
}

/// Checks a program of `suite/check`, and gives its path. One line a diagnostic in the `.expect` beside it: code, line
/// and column of the first label.
#[track_caller]
fn as_expected(name: &str) -> String {
    let folder = Path::new(repository()).join("tests/suite/check");
    let program = folder.join(format!("{name}.nn")).display().to_string();
    let ran = nnc(&[&["check", program.as_str()], &JSON[..]].concat()).code(1);
    let line = |d: &serde_json::Value| {
        let at = &d["labels"][0];
        format!("{} {}:{}", d["code"].as_str().unwrap_or_default(), at["line"], at["column"])
    };
    let found: Vec<String> = ran.json().iter().map(line).collect();
    let expected = std::fs::read_to_string(folder.join(format!("{name}.expect"))).expect("readable");
    assert_eq!(found, expected.lines().collect::<Vec<_>>());
    program
}

#[test]
fn five_mistakes_give_five_diagnostics() {
    let program = as_expected("five_mistakes");
    let human = nnc(&["check", &program]).code(1);
    assert_eq!(human.stdout, "");
    assert_eq!(human.stderr.matches("five_mistakes.nn:").count(), 5, "{}", human.stderr);
}

/// A gradient that cannot be taken is no matter of the data.
#[test]
fn a_gradient_through_a_condition_is_refused_by_check() {
    as_expected("while_gradient");
}

#[test]
fn a_program_with_errors_starts_no_run() {
    let place = Place::with_digits();
    place.edit("Dense(classes)", "Dense(clases)");
    place.nnc(&["train", "main.nn"]).code(1);
    place.edit("Dense(clases)", "Dense(classes)");
    assert_eq!(place.nnc(&[&["train", "main.nn", "--set", "epoch=1"], &JSON[..]].concat()).code(1).codes(), ["E0517"]);
    assert_eq!(place.files(), ["data", "main.nn"]);
}

#[test]
fn stages_of_layers_and_graphs_that_do_not_exist() {
    let place = Place::with_digits();
    let ir = |args: &[&str]| place.nnc(&[&["ir", "main.nn"], args, &JSON].concat());
    for stage in ["model", "opt", "tile", "asm"] {
        let ran = ir(&["--stage", stage, "--layer", "hiden"]).code(3);
        assert_eq!(ran.codes(), ["E0818"]);
        assert!(ran.json()[0]["help"].as_str().expect("help").contains("did you mean `hidden`?"), "{}", ran.stdout);
    }
    ir(&["--layer", "hidden"]).code(0);
    ir(&["--phase", "step 1"]).code(0);
    assert_eq!(ir(&["--phase", "step 2"]).code(3).codes(), ["E0814"]);
    assert_eq!(ir(&["--phase", "step 0"]).code(3).codes(), ["E0814"]);
    assert_eq!(ir(&["--phase", "stepp"]).code(3).codes(), ["E0814"]);
}

/// No folder is made for a run that never started.
#[test]
fn data_that_cannot_be_read() {
    let place = Place::with_digits();
    let labels = "data/digits/labels-idx1-ubyte";
    place.edit("f32[8, 8, 1]", "f32[8, 9, 1]");
    place.edit("image: f32[B, 8, 8, 1]", "image: f32[B, 8, 9, 1]");
    assert_eq!(failing(&place, &TRAIN), ["E0704"]);
    place.edit("8, 9, 1", "8, 8, 1");

    let full = labels_bytes(1797);
    std::fs::remove_file(place.path(&format!("{labels}.gz"))).expect("there");
    assert_eq!(failing(&place, &TRAIN), ["E0702"]);
    for (bytes, code) in [
        (vec![0, 0, 8], "E0703"),
        (full[..900].to_vec(), "E0703"),
        ([&[0, 0, 8, 1, 255, 255, 255, 255], &full[8..]].concat(), "E0703"),
        (labels_bytes(1796), "E0705"),
    ] {
        place.write(labels, bytes);
        assert_eq!(failing(&place, &TRAIN), [code]);
    }
    assert_eq!(place.files(), ["data", "main.nn"]);
    place.write(labels, &full);
    place.nnc(&TRAIN).ok();
}

/// Numbers with a fraction are not labels.
#[test]
fn stored_types_that_are_not_converted() {
    let place = Place::with_digits();
    std::fs::remove_file(place.path("data/digits/labels-idx1-ubyte.gz")).expect("there");
    let rows = 1797u32.to_be_bytes();
    place.write("data/digits/labels-idx1-float", [&[0, 0, 0x0d, 1], &rows[..], &[0; 4 * 1797]].concat());
    assert_eq!(failing(&place, &TRAIN), ["E0706"]);
}

#[test]
fn predict_needs_a_field_to_run_over() {
    let place = Place::with_digits();
    place.edit("predict (image) { report digit: argmax(net(image), axis: -1) }", "predict () { report one: 1.0 }");
    place.nnc(&TRAIN).ok();
    assert_eq!(failing(&place, &["predict", "main.nn", "--data", "data/digits"]), ["E0815"]);
}

/// An idx file of so many labels.
fn labels_bytes(rows: u32) -> Vec<u8> {
    let header = [&[0, 0, 8, 1], rows.to_be_bytes().as_slice()].concat();
    header.into_iter().chain((0..rows).map(|i| (i % 10) as u8)).collect()
}

#[test]
fn labels_out_of_range_stop_the_run() {
    let place = Place::with_digits();
    place.edit("classes: int = 10", "classes: int = 9");
    assert_eq!(failing(&place, &TRAIN), ["E0931"]);
}

#[test]
fn text_files_that_cannot_be_read() {
    let place = Place::new();
    place.write("main.nn", HOUSES);
    assert_eq!(failing(&place, &TRAIN), ["E0702"]);
    for (text, code) in [
        ("area,rooms\n1,2\n", "E0708"),
        ("area,price\n1,2\n3,many\n", "E0707"),
        ("area,price\n1,2\n3\n", "E0707"),
        ("area,price\n1,2\n", "E0714"),
        ("area,price\n", "E0714"),
    ] {
        place.write("houses.csv", text);
        assert_eq!(failing(&place, &TRAIN), [code], "{text}");
    }
}

const HOUSES: &str = "
data Houses from csv(\"houses.csv\") {
  area: f32 = raw.area
  price: f32 = raw.price
  split train
}
model Line() {
  dense = Dense(1)
  fn forward(area: f32[B]) -> f32[B] { reshape(dense(reshape(area, [B, 1])), [B]) }
}
train {
  let net = Line()
  optimizer = sgd(lr: 1e-3)
  epochs = 3
  step (area, price) in Houses.train |> batch(4, drop_last: true) { minimize mse(net(area), price) }
}
";

#[test]
fn a_loss_that_is_not_finite_stops_the_run() {
    let place = Place::new();
    place.write("main.nn", HOUSES);
    place.write("houses.csv", "area,price\n1,2\n2,nan\n3,4\n4,5\n");
    assert_eq!(failing(&place, &TRAIN), ["E0812"]);
}

#[test]
fn phases_and_blocks_that_are_not_there() {
    let place = Place::new();
    place.write("main.nn", HOUSES);
    assert_eq!(failing(&place, &["ir", "main.nn", "--phase", "test"]), ["E0814"]);
    assert_eq!(failing(&place, &["train", "main.nn", "other"]), ["E0817"]);
    assert_eq!(failing(&place, &["eval", "main.nn"]), ["E0813"]);
    place.write("empty.nn", "let a = 1\n");
    assert_eq!(failing(&place, &["ir", "empty.nn"]), ["E0816"]);
}

#[test]
fn checkpoints_that_cannot_be_used() {
    let place = Place::with_digits();
    assert_eq!(failing(&place, &RESUME), ["E0801"]);
    place.nnc(&TRAIN).ok();
    let last = "runs/main-1/last.safetensors";
    let good = std::fs::read(place.path(last)).expect("readable");
    place.write(last, &good[..good.len() / 2]);
    assert_eq!(failing(&place, &RESUME), ["E0801"]);
    place.write(last, foreign());
    assert_eq!(failing(&place, &RESUME), ["E0802"]);
    place.write(last, &good);
    place.edit("hidden = Dense(64)", "hidden = Dense(65)");
    assert_eq!(failing(&place, &RESUME), ["E0803"]);
    assert_eq!(failing(&place, &["eval", "main.nn"]), ["E0803"]);
    place.edit("hidden = Dense(65)", "hidden = Dense(64)");
    place.nnc(&RESUME).ok();
}

/// A safetensors file without tensors and metadata.
fn foreign() -> Vec<u8> {
    [&2u64.to_le_bytes()[..], b"{}"].concat()
}

#[test]
fn a_folder_that_cannot_be_written() {
    let place = Place::with_digits();
    place.write("runs", "a file");
    assert_eq!(failing(&place, &TRAIN), ["E0811"]);
}

/// The codes that `train` gives after one change of the digits.
#[track_caller]
fn changed(from: &str, to: &str) -> Vec<String> {
    let place = Place::with_digits();
    place.edit(from, to);
    failing(&place, &TRAIN)
}

#[test]
fn declarations_that_the_stored_data_does_not_fit() {
    let splits = "split train 0.7, validate 0.1, test 0.2 by hash";
    assert_eq!(changed(splits, "split train, validate 1700 of train by hash, test 190 of train by hash"), ["E0711"]);
    assert_eq!(changed("by hash", "by image"), ["E0712"]);
    // Both would take all rows: what is tested would have been trained on.
    assert_eq!(changed(splits, "split train, validate 0.15, test by hash"), ["E0709"]);
}

#[test]
fn a_number_that_the_type_cannot_hold_is_refused() {
    let place = Place::new();
    place.write("main.nn", HOUSES);
    place.write("houses.csv", "area,price\n1,2\n2,1e999\n3,4\n4,5\n");
    assert_eq!(failing(&place, &TRAIN), ["E0707"]);
}

#[test]
fn predict_asks_for_a_part_that_is_there() {
    let place = Place::with_digits();
    place.nnc(&TRAIN).ok();
    let predict = ["predict", "main.nn", "--data", "data/digits", "--part", "extra"];
    assert_eq!(failing(&place, &predict), ["E0710"]);
}

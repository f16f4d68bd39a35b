//! Training, scoring, predicting, interrupting and going on.

use crate::harness::{Place, command, files, finish};
use nnc::train::checkpoint::Checkpoint;
use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Stdio};

const RUN: &[&str] = &["best.safetensors", "last.safetensors", "log.jsonl", "program.nn", "set.json"];

fn train(place: &Place, epochs: u32, more: &[&str]) -> crate::harness::Ran {
    let epochs = format!("epochs={epochs}");
    place.nnc(&[&["train", "main.nn", "--set", &epochs, "--threads", "2"], more].concat())
}

fn last(place: &Place, run: &str) -> Checkpoint {
    Checkpoint::load(&place.path(run).join("last.safetensors")).expect("a checkpoint")
}

/// Only the weights and the place in the run: the folder's other numbers hold times.
#[track_caller]
fn same(a: &Checkpoint, b: &Checkpoint) {
    assert_eq!(a.progress, b.progress);
    for (x, y) in a.tensors.iter().zip(&b.tensors) {
        assert!(x == y, "{} differs", x.name);
    }
}

/// Convolution, BatchNorm, dropout and Adam around every pass of all four phases; it changes no result.
#[test]
fn passes_are_interpreted_on_request() {
    let place = Place::with_digits();
    let said = train(&place, 1, &[]).ok();
    let mut checked = command();
    checked.env("NNC_CHECK", "each-pass").current_dir(place.path("")).args(["train", "main.nn", "--set", "epochs=1"]);
    assert_eq!(finish(checked.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("a binary")).ok(), said);
}

#[test]
fn steps_are_timed_with_their_launches_and_without() {
    let place = Place::with_digits();
    let plain = place.nnc(&["bench", "main.nn", "--seconds", "0.01"]).ok();
    assert!(plain.contains("ms/step") && plain.lines().count() == 1, "{plain}");
    let launches = place.nnc(&["bench", "main.nn", "--seconds", "0.01", "--kernels"]).ok();
    assert!(launches.lines().count() > 20 && launches.contains("µs  "), "{launches}");
}

#[test]
fn digits_train_and_are_scored_and_predicted() {
    let place = Place::with_digits();
    let said = train(&place, 2, &[]).ok();
    let accuracy: f64 = said.trim().strip_prefix("test accuracy ").expect(&said).parse().expect("a number");
    assert!(accuracy > 0.9, "{said}");
    assert_eq!(files(&place.path("runs/main-1")), RUN);
    assert_eq!(place.read("runs/main-1/program.nn"), place.read("main.nn"));

    // The kept weights, over the same split.
    assert_eq!(place.nnc(&["eval", "main.nn"]).ok(), said);
    let scored = place.nnc(&["eval", "main.nn", "--phase", "validate", "--message-format", "json"]).code(0).json();
    assert!(scored[0]["metrics"]["accuracy"].as_f64().expect("a number") > 0.85, "{scored:?}");

    predictions(&place.nnc(&["predict", "main.nn", "--data", "data/digits"]).ok());
}

/// 1,797 rows in order; the first ten digits of the set are 0 to 9.
fn predictions(text: &str) {
    let rows: Vec<serde_json::Value> = text.lines().map(|l| serde_json::from_str(l).expect("JSON")).collect();
    assert_eq!(rows.len(), 1797);
    assert!(rows.iter().enumerate().all(|(i, r)| r["row"] == i && (0..10).contains(&r["digit"].as_i64().unwrap())));
    let right = (0..10).filter(|i| rows[*i]["digit"] == *i).count();
    assert!(right >= 8, "{right} of the first ten");
}

/// Every line of the log is an object with a reason; the epochs count up over a resumed run.
#[test]
fn a_finished_run_goes_on_and_equals_a_longer_one() {
    let place = Place::with_digits();
    train(&place, 3, &[]).ok();
    train(&place, 1, &[]).ok();
    train(&place, 3, &["--resume", "runs/main-2"]).ok();
    same(&last(&place, "runs/main-1"), &last(&place, "runs/main-2"));
    let log = place.read("runs/main-2/log.jsonl");
    let events = log.lines().map(|l| serde_json::from_str::<serde_json::Value>(l).expect("JSON"));
    let epochs: Vec<_> = events.filter(|e| e["reason"] == "epoch").map(|e| e["epoch"].clone()).collect();
    assert_eq!(epochs, [1, 2, 3]);
    // Nothing is left to do: it is scored again.
    train(&place, 3, &["--resume", "runs/main-2"]).ok();
}

#[test]
fn the_number_of_threads_does_not_change_a_bit() {
    let place = Place::with_digits();
    for threads in ["1", "2", "5"] {
        place.nnc(&["train", "main.nn", "--set", "epochs=1", "--threads", threads]).ok();
    }
    same(&last(&place, "runs/main-1"), &last(&place, "runs/main-2"));
    same(&last(&place, "runs/main-1"), &last(&place, "runs/main-3"));
}

#[test]
fn portable_code_gives_the_same_bits() {
    let place = Place::with_digits();
    train(&place, 1, &[]).ok();
    train(&place, 1, &["--code", "portable"]).ok();
    same(&last(&place, "runs/main-1"), &last(&place, "runs/main-2"));
}

pub fn interrupt(child: &Child) {
    let pid = i32::try_from(child.id()).expect("a pid");
    let sent = std::process::Command::new("kill").args(["-INT", &pid.to_string()]).status();
    assert!(sent.expect("kill runs").success());
}

/// Reads standard error up to a line that contains `text`.
fn wait_for(child: &mut Child, text: &str) -> impl Read + use<> {
    let mut lines = BufReader::new(child.stderr.take().expect("piped"));
    loop {
        let mut line = String::new();
        assert!(lines.read_line(&mut line).expect("text") > 0, "ended before it said `{text}`");
        if line.contains(text) {
            return lines;
        }
    }
}

#[test]
fn an_interrupted_run_leaves_a_checkpoint_and_goes_on_to_the_same_weights() {
    let place = Place::with_digits();
    place.edit("epochs = 30", "epochs = 4");
    train(&place, 30, &[]).ok();
    let mut child = place.start(&["train", "main.nn", "--set", "epochs=30", "--threads", "2"]);
    let mut rest = wait_for(&mut child, "epoch  2");
    interrupt(&child);
    let mut said = String::new();
    rest.read_to_string(&mut said).expect("text");
    assert!(said.contains("--resume runs/main-2"), "{said}");
    finish(child).code(130);
    assert_eq!(files(&place.path("runs/main-2")), RUN);
    let stopped = last(&place, "runs/main-2").progress;
    assert!((80..1200).contains(&stopped.step), "{stopped:?}");

    // The run remembers its own `--set epochs=30`; the file says another number.
    place.nnc(&["train", "main.nn", "--resume", "runs/main-2"]).ok();
    same(&last(&place, "runs/main-1"), &last(&place, "runs/main-2"));
    let bytes = |run: &str| std::fs::read(place.path(run).join("last.safetensors")).expect("a checkpoint");
    assert!(bytes("runs/main-1") == bytes("runs/main-2"), "equal runs give equal files");
}

/// A loss over nothing is 0 and said once, where it is a mean over a mask and where its weight is 0; a step that is
/// not due says nothing.
#[test]
fn a_loss_in_which_nothing_takes_part_is_a_warning() {
    let place = Place::new();
    place.write("d.csv", "y\n1\n-1\n-1\n2\n");
    for (settings, loss, step) in [
        ("", "mse(net(x), y, mask: y > 0.0)", Some(2)),
        ("", "mse(net(x), y, mask: y > 0.0) weight count(y > 0.0)", Some(2)),
        ("", "mean((net(x) - y) ** 2) weight sum(where(y > 0.0, 1.0, 0.0))", Some(2)),
        ("", "cross_entropy(stack(net(x), y, axis: 1), i32(y < 0.0), weights: concat(ones([1]), zeros([1])))", Some(2)),
        ("", "mse(net(x), y, mask: y > 5.0)", Some(1)),
        ("", "mse(net(x), y)", None),
        ("", "mean(mean(net(x)[:, _], axis: 1, mask: y[:, _] > 5.0))", None),
        ("accumulate = 2", "mse(net(x), y, mask: y > 0.0) weight count(y > 0.0)", None),
        ("accumulate = 2", "mse(net(x), y, mask: y > 5.0) weight count(y > 5.0)", Some(1)),
    ] {
        place.write("main.nn", program(settings, &format!("minimize {loss}")));
        let said = place.nnc(&["train", "main.nn"]).code(0).stderr;
        let expected = step.map(|n| format!("warning: nothing took part in `loss` at step {n}:"));
        assert!(expected.as_ref().is_none_or(|e| said.contains(e)), "{loss}: {said}");
        assert_eq!(said.matches("nothing took part").count(), usize::from(expected.is_some()), "{loss}: {said}");
    }
    place.write("main.nn", program("", "every 3 steps { minimize mse(net(x), y, mask: y > 5.0) }"));
    assert!(place.nnc(&["train", "main.nn"]).code(0).stderr.contains("at step 3:"));
}

fn program(settings: &str, step: &str) -> String {
    format!(
        "data Rows from csv(\"d.csv\") {{
  y: f32
  split train
}}
model Net() {{
  param w: f32 = 0.5
  fn forward(x: f32[B]) -> f32[B] {{ x * w }}
}}
train {{
  let net = Net()
  optimizer = sgd(lr: 0.1)
  epochs = 1
  {settings}
  step (x: Rows.y, y) in Rows.train |> batch(1) {{ {step} }}
}}
"
    )
}

/// Exported weights are those of the kept checkpoint without the optimizer's state; another run begins with them.
#[test]
fn weights_are_exported_and_begin_another_run() {
    let place = Place::with_digits();
    train(&place, 1, &[]).ok();
    let said = place.nnc(&["export", "main.nn", "--out", "w.safetensors"]).code(0);
    assert!(said.stdout.is_empty() && said.stderr.contains("tensors written to w.safetensors"), "{}", said.stderr);
    let written = Checkpoint::tensors(&place.path("w.safetensors")).expect("readable");
    let kept = Checkpoint::load(&place.path("runs/main-1/best.safetensors")).expect("a checkpoint").tensors;
    assert!(written.iter().all(|t| kept.contains(t)), "the same numbers");
    assert!(!written.is_empty() && written.len() < kept.len(), "no optimizer state");
    for from in ["w.safetensors", "runs/main-1"] {
        place.nnc(&["train", "main.nn", "--set", "steps=1", "--init", from]).ok();
    }
    same(&last(&place, "runs/main-2"), &last(&place, "runs/main-3"));
    assert_eq!(last(&place, "runs/main-2").progress.step, 1);
    place.nnc(&["train", "main.nn", "--init", "w.safetensors", "--resume", "runs/main-1"]).code(2);
    place.nnc(&["export", "main.nn", "--run", "runs/main-1", "--out", "new/folder/w.safetensors"]).ok();
    let again = Checkpoint::tensors(&place.path("new/folder/w.safetensors")).expect("readable");
    assert!(again == written, "the same numbers in a folder that was made");
    place.nnc(&["export", "main.nn", "--out", "w.safetensors/w.safetensors"]).code(3);
    place.nnc(&["export", "main.nn", "--run", "runs/main-9", "--out", "v.safetensors"]).code(3);
}

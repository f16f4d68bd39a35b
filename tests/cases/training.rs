//! The training loop.

use super::program::{Fitted, MACHINE, Project};
use nnc::diag::Code;
use nnc::driver::compile::{Form, MachineOptions};
use nnc::driver::run::{Run, Start};
use nnc::train::checkpoint::Checkpoint;
use nnc::train::fit::Ended;

/// A program around one weight `w`, which begins at 0.
pub fn one_weight(settings: &str, step: &str, rest: &str, csv: &str) -> Project {
    let program = format!(
        "data D from csv(\"d.csv\") {{
  y: f32
  split train
}}
model Net() {{
  param w: f32[2] = zeros
  fn forward(y: f32[B]) -> f32[2] {{ w }}
}}
train {{
  let net = Net()
  optimizer = sgd(lr: 1.0)
  {settings}
  step (y) in D.train |> {step} }}
  {rest}
}}
"
    );
    Project::new(&program, csv)
}

/// Case 28 (tensorflow#38596): means 10 of two rows and 9 of one.
#[test]
fn the_mean_of_an_epoch_weighs_batches_by_rows() {
    let step = "batch(2) { minimize mean(y) + sum(net(y) ** 2)";
    let fitted = one_weight("epochs = 1", step, "", "y\n10\n10\n9\n").fit().unwrap();
    let loss = fitted.log("epoch")[0]["train"]["loss"].as_f64().unwrap();
    assert!((loss - 29.0 / 3.0).abs() < 1e-6, "{loss}");
}

/// Means 0 and 3 of two rows and one, of which one each takes part.
#[test]
fn a_report_may_have_a_weight_of_its_own() {
    let step = "batch(2) { minimize sum(net(y) ** 2)
    report plain: mean(y)
    report mean: mean(y), twice: 2.0 * mean(y) weight count(y > 0.0)";
    let fitted = one_weight("epochs = 1", step, "", "y\n1\n-1\n3\n").fit().unwrap();
    let train = &fitted.log("epoch")[0]["train"];
    assert_eq!((&train["plain"], &train["mean"], &train["twice"]), (&1.0.into(), &1.5.into(), &3.0.into()));
}

/// At w = 0 the loss is 0, and its gradient y², which overflows where y is 1e30.
const OVERFLOWS: &str = "batch(1) { minimize sum(net(y)) * sum(y) * sum(y)";

/// Case 29 (pytorch#46849).
#[test]
fn a_gradient_that_is_not_finite_names_the_parameter() {
    // The loss is finite.
    for settings in ["epochs = 1", "epochs = 1\n  clip_norm = 1.0", "epochs = 1\n  clip_value = 1.0"] {
        let project = one_weight(settings, OVERFLOWS, "", "y\n0\n1e30\n0\n");
        let error = project.fit().unwrap_err();
        assert_eq!(error.code, Code(812), "{error:#?}");
        assert_eq!(error.message, "the gradient of `w` is not finite at step 2");
        assert!(!project.path().join("runs/main-1/last.safetensors").exists(), "no checkpoint of such weights");
    }
    let error = one_weight("epochs = 1", "batch(1) { minimize sum(net(y)) + sum(y) * sum(y)", "", "y\n1e30\n").fit();
    assert_eq!(error.unwrap_err().message, "`loss` is not finite at step 1");
}

#[test]
fn weights_that_are_not_finite_replace_no_checkpoint() {
    let project = one_weight("epochs = 2\n  save = every(1, steps)", OVERFLOWS, "", "y\n0\n1e30\n");
    let session = project.session();
    let mut run = Run::new(&session, None, &MACHINE, Start::Fresh(project.path().join("runs"))).unwrap();
    // The first step is fine: its gradient is 0.
    let error = run.fit(std::time::Instant::now()).unwrap_err();
    assert_eq!(error.code, Code(812));
    let kept = Checkpoint::load(&run.folder().join("last.safetensors")).unwrap();
    assert_eq!(kept.progress.step, 1);
    assert_eq!(kept.tensors[0].bytes, [0; 8]);
}

/// Case 29, where the file asks for it.
#[test]
fn bad_steps_are_skipped_and_counted() {
    let settings = "epochs = 1\n  nonfinite = skip";
    let step = format!("{OVERFLOWS} + sum(net(y))");
    let fitted = one_weight(settings, &step, "", "y\n1e30\n1e30\n0\n").fit().unwrap();
    assert_eq!(fitted.floats("w"), [-1.0, -1.0], "only the third step counts");
    assert_eq!(fitted.log("epoch")[0]["skipped"], 2);
}

/// w goes 1, 2, 3; the best is where (w - best)² is least.
fn climb(best: u32, epochs: u32) -> Fitted {
    let settings = format!("epochs = {epochs}\n  keep = best(min: distance)");
    let validate = format!("validate (y) in D.train |> batch(1) {{ report distance: sum((net(y) - {best}.0) ** 2) }}");
    one_weight(&settings, "batch(1) { minimize -sum(net(y))", &validate, "y\n0\n").fit().unwrap()
}

/// Case 30 (keras#12511).
#[test]
fn the_best_weights_are_restored_also_at_the_epoch_limit() {
    let fitted = climb(1, 3);
    assert_eq!(fitted.ended, Ended::Finished);
    assert_eq!(fitted.floats("w"), [1.0, 1.0]);
    let saved = |name: &str| Checkpoint::load(&fitted.folder.join(name)).unwrap().tensors[0].bytes.clone();
    assert_eq!(saved("best.safetensors"), [1f32, 1.0].map(f32::to_le_bytes).concat());
    assert_eq!(saved("last.safetensors"), [3f32, 3.0].map(f32::to_le_bytes).concat());
    assert_eq!(climb(3, 3).floats("w"), [3.0, 3.0], "the last may be the best");
}

/// Case 31 (tabnet#537).
#[test]
fn less_data_than_a_batch_is_an_error() {
    let step = "batch(4, drop_last: true) { minimize sum(net(y))";
    let error = one_weight("epochs = 1", step, "", "y\n1\n2\n3\n").fit().unwrap_err();
    assert_eq!(error.code, Code(714));
    // Without it the rows make one smaller batch.
    let step = "batch(4) { minimize sum(net(y))";
    assert_eq!(one_weight("epochs = 1", step, "", "y\n1\n2\n3\n").fit().unwrap().floats("w"), [-1.0, -1.0]);
}

/// Rows of three tokens of four, in two batches; a mean over their embeddings, so that looking up is fused with a sum.
fn tokens(second: i32) -> Project {
    let program = "data D from csv(\"d.csv\") {
  ids: i32[3]
  split train
}
model Net() {
  embed = Embedding(4, 2)
  fn forward(ids: i32[B, 3]) -> f32[B, 2] { mean(embed(ids), axis: 1) }
}
train {
  let net = Net()
  optimizer = sgd(lr: 0.5)
  epochs = 1
  step (ids) in D.train |> batch(1) { minimize mean((net(ids) - 1.0) ** 2) }
  predict (ids) { report out: net(ids) }
}
";
    Project::new(program, &format!("ids0,ids1,ids2\n0,3,1\n2,{second},1\n"))
}

/// Case 24 (tensorflow#13642): training and prediction stop, and say where; what the step would have changed stays.
#[test]
fn a_token_outside_of_the_vocabulary_is_an_error_with_its_place() {
    let fine = tokens(3).fit().unwrap();
    for (id, form) in [(4, None), (-1, Some(Form::Portable)), (i32::MAX, None), (i32::MIN, Some(Form::Portable))] {
        let (machine, project) = (MachineOptions { code: form, ..MACHINE }, tokens(id));
        let session = project.session();
        let mut run = Run::new(&session, None, &machine, Start::Fresh(project.path().join("runs"))).unwrap();
        let before = run.state().borrow().read_f32("embed.weight").unwrap();
        let error = run.fit(std::time::Instant::now()).unwrap_err();
        assert_eq!(error.code, Code(931));
        let said: Vec<&str> = error.labels.iter().map(|l| l.text.as_str()).collect();
        assert_eq!(said, ["an index of `embed` is not in 0..4", "in this phase"]);
        let place = session.sources.file(error.labels[0].span.file);
        let read = &place.text[error.labels[0].span.start as usize..error.labels[0].span.end as usize];
        assert!(&*place.name == "std/dense.nn" && read.starts_with("take("), "{}: {read}", place.name);
        // The first batch was fine, and the second changed nothing.
        let after = run.state().borrow().read_f32("embed.weight").unwrap();
        assert!(after[..2] != before[..2] && after[4..6] == before[4..6]);
        assert!(!run.folder().join("last.safetensors").exists());
        let error = run.predict(&project.path().join("d.csv"), None, &|_| {}).unwrap_err();
        assert_eq!((error.code, error.labels[0].text.as_str()), (Code(931), said[0]));
    }
    assert!(fine.floats("embed.weight")[4..6] != [0.0, 0.0]);
}

/// Case 25 (pytorch#6411): the row for padding is zero from the start, and decay of all weights leaves it so.
#[test]
fn the_padding_row_of_an_embedding_stays_zero() {
    let program = "data D from csv(\"d.csv\") {
  ids: i32[3]
  split train
}
model Net() {
  embed = Embedding(4, 2, padding: 1)
  fn forward(ids: i32[B, 3]) { embed(ids) }
}
train {
  let net = Net()
  optimizer = adamw(lr: 0.1, decay: 0.5, decay_all: true)
  epochs = 3
  step (ids) in D.train |> batch(2) { minimize mean((net(ids) - 1.0) ** 2) }
}
";
    let fitted = Project::new(program, "ids0,ids1,ids2\n0,1,1\n2,3,1\n").fit().unwrap();
    let weight = fitted.floats("embed.weight");
    assert_eq!(weight[2..4], [0.0, 0.0]);
    assert!(weight[..2].iter().chain(&weight[4..]).all(|w| *w != 0.0), "{weight:?}");
}

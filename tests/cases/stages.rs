//! Steps of which several graphs exist: parts that are frozen for a time, and steps that several batches make.

use super::program::{Fitted, MACHINE, Project};
use super::training::one_weight;
use nnc::diag::Code;
use nnc::driver::compile::{Form, MachineOptions};
use nnc::driver::run::Start;
use nnc::ops::Op;
use nnc::train::fit::Ended;
use std::fmt::Write;

/// Two layers over rows of x0, x1, y.
fn two_layers(settings: &str, first: &str) -> Project {
    let program = format!(
        "data Rows from csv(\"d.csv\") {{
  x: f32[2]
  y: f32
  split train
}}
model Net() {{
  first = {first}
  second = Dense(3)
  last = Dense(1)
  fn forward(x: f32[B, 2]) -> f32[B] {{ (x |> first |> second |> tanh |> last)[:, 0] }}
}}
train {{
  let net = Net()
  epochs = 4
  {settings}
  step (x, y) in Rows.train |> batch(2) {{ minimize mse(net(x), y) }}
}}
"
    );
    Project::new(&program, "x0,x1,y\n1,2,3\n-1,0.5,1\n0.25,-2,0\n3,1,-1\n")
}

fn after(project: &Project, steps: u64) -> Fitted {
    project.fit_with(&MACHINE, Start::Fresh(project.path().join("runs")), &|step| step == steps).unwrap()
}

fn same(a: &Fitted, b: &Fitted, name: &str) -> bool {
    let of = |f: &Fitted| f.floats(name).iter().map(|x| x.to_bits()).collect::<Vec<_>>();
    of(a) == of(b)
}

const FROZEN: [&str; 3] = ["first.weight", "first.bias", "second.weight"];

/// Neither gradients nor decay move what is frozen; an epoch has two steps, and the third epoch begins with step 5.
#[test]
fn frozen_parts_stay_where_they_are_until_their_time() {
    let settings =
        "optimizer = adamw(lr: 0.1, decay: 0.1, decay_all: true)\n  freeze net.first, net.second until epoch 3";
    let project = two_layers(settings, "Dense(4)");
    let [one, four, five] = [1, 4, 5].map(|steps| after(&project, steps));
    let never = after(&two_layers("optimizer = sgd(lr: 0.0)", "Dense(4)"), 1);
    for name in FROZEN {
        assert!(same(&one, &never, name) && same(&four, &never, name), "{name} moved");
        assert!(!same(&five, &never, name), "{name} did not move");
    }
    assert!(!same(&one, &never, "last.weight"));
    // By steps it is the same moment.
    let by_steps = two_layers(&settings.replace("epoch 3", "step 5"), "Dense(4)");
    let by_steps = after(&by_steps, 5);
    assert!(FROZEN.iter().all(|name| same(&five, &by_steps, name)));
    // For good.
    let whole = after(&two_layers(&settings.replace(" until epoch 3", ""), "Dense(4)"), 100);
    assert_eq!(whole.ended, Ended::Finished);
    assert!(FROZEN.iter().all(|name| same(&whole, &never, name)));
    assert!(whole.weights.iter().all(|(name, _)| name != "adamw.m.first.weight"), "no state for what never learns");
}

/// The first update of Adam is the rate times the sign of the gradient, also when it comes late.
#[test]
fn the_first_update_after_a_thaw_is_a_first_update() {
    let settings = "optimizer = adam(lr: 0.001)\n  freeze net.first until epoch 2\n  freeze net.first until step 4";
    let project = two_layers(settings, "Dense(4)");
    let [before, after] = [3, 4].map(|steps| after(&project, steps));
    let moved = before.floats("first.weight").into_iter().zip(after.floats("first.weight")).map(|(a, b)| (a - b).abs());
    let moved: Vec<f32> = moved.collect();
    assert!(moved.iter().all(|d| (d - 0.001).abs() < 1e-6), "{moved:?}");
}

/// A run that is interrupted in one stage and goes on in the next.
#[test]
fn a_resumed_run_thaws_at_the_same_step() {
    let project = two_layers("optimizer = adam(lr: 0.01)\n  freeze net.first until epoch 2", "Dense(4)");
    let whole = after(&project, 100);
    for steps in [1, 2, 3] {
        let stopped = after(&project, steps);
        let resumed = project.fit_with(&MACHINE, Start::Resume(stopped.folder), &|_| false).unwrap();
        assert!(resumed.weights == whole.weights, "stopped after {steps}");
    }
}

/// Products of matrices in the graph of each stage.
fn products(project: &Project) -> Vec<usize> {
    let session = project.session();
    let count = |phase: &nnc::sema::model::Phase| {
        let graph = nnc::lower::bind(&phase.graph, &bindings(phase)).unwrap();
        let graph = nnc::passes::run(graph, nnc::passes::GRAD).unwrap();
        let graph = nnc::passes::run(graph, nnc::passes::OPT).unwrap();
        graph.insts.iter().filter(|inst| matches!(inst.op, Op::Dot { .. })).count()
    };
    session.model.trains[0].phases.iter().map(count).collect()
}

fn bindings(phase: &nnc::sema::model::Phase) -> nnc::ops::dim::Bindings {
    let dims = [(&phase.batch, 2), (&phase.rows, 4)];
    dims.into_iter().flat_map(|(dim, n)| dim.symbols().into_iter().map(move |s| (s, n))).collect()
}

/// Forward three; backward the gradients of three matrices and of two inputs (the data needs none).
#[test]
fn a_frozen_part_costs_no_gradients() {
    let of = |freeze: &str| products(&two_layers(&format!("optimizer = sgd(lr: 0.1)\n  {freeze}"), "Dense(4)"));
    assert_eq!(of(""), [8]);
    assert_eq!(of("freeze net.first until epoch 2"), [6, 8], "neither its gradient nor that of its output");
    assert_eq!(of("freeze net.first, net.second until epoch 2"), [4, 8]);
    assert_eq!(of("freeze net.second"), [7], "the gradient goes through it");
    assert_eq!(of("freeze net.first until epoch 2\n  freeze net.second until epoch 3"), [5 - 1, 7, 8]);
}

/// A frozen layer computes what it computes in evaluation: no statistics of the batch, no dropout.
#[test]
fn a_frozen_layer_is_not_in_training() {
    let layer = "layer First() {
  dense = Dense(4)
  norm = BatchNorm()
  fn forward(x: f32[B, 2]) -> f32[B, 4] { x |> dense |> norm |> dropout(0.5) }
}
";
    let with = |settings: &str| {
        let project = two_layers(&format!("optimizer = sgd(lr: 0.0)\n  {settings}"), "First()");
        let path = project.path().join("main.nn");
        let text = std::fs::read_to_string(&path).unwrap();
        let validate = "validate (x, y) in Rows.train |> batch(2) { report loss: mse(net(x), y) }\n}\n";
        let text = layer.to_string() + text.trim_end().strip_suffix('}').unwrap() + validate;
        std::fs::write(&path, text).unwrap();
        after(&project, 100)
    };
    let frozen = with("freeze net.first until epoch 3");
    let epochs = frozen.log("epoch");
    for (number, epoch) in epochs.iter().enumerate() {
        let equal = epoch["train"]["loss"] == epoch["validate"]["loss"];
        assert_eq!(equal, number < 2, "{epoch}");
    }
    let never = with("freeze net.first");
    assert_eq!(never.floats("first.norm.running_mean"), [0.0; 4]);
    assert!(with("").floats("first.norm.running_mean").iter().all(|x| *x != 0.0));
}

#[test]
fn what_cannot_be_frozen() {
    let errors = |settings: &str| two_layers(&format!("optimizer = sgd(lr: 0.1)\n  {settings}"), "Dense(4)").errors();
    assert_eq!(errors("freeze net"), [Code(506)]);
    assert_eq!(errors("freeze net.first, net.second, net.last"), [Code(506)]);
    assert_eq!(errors("freeze net until epoch 2"), []);
    assert_eq!(errors("freeze net.first until"), [Code(543)]);
    assert_eq!(errors("freeze net.first until epoch"), [Code(543)]);
    assert_eq!(errors("freeze net.first net.last"), [Code(543)]);
    assert_eq!(errors("freeze"), [Code(543)]);
    assert_eq!(errors("freeze net.first until step 1"), [Code(543)]);
    assert_eq!(errors("freeze net.first until minute 2"), [Code(525)]);
    assert_eq!(errors("freeze 3"), [Code(518)]);
}

/// Everything may be frozen for a time: the loss is still reported.
#[test]
fn a_step_may_train_nothing_for_a_time() {
    let project = two_layers("optimizer = sgd(lr: 0.01)\n  freeze net until epoch 2", "Dense(4)");
    let fitted = after(&project, 100);
    let still = after(&two_layers("optimizer = sgd(lr: 0.0)", "Dense(4)"), 1);
    assert!(same(&after(&project, 2), &still, "last.weight"));
    let losses: Vec<f64> = fitted.log("epoch").iter().map(|e| e["train"]["loss"].as_f64().unwrap()).collect();
    assert!(losses[0] > losses[2] && losses[2] > losses[3], "{losses:?}");
}

const WIDTH: usize = 101;

/// Rows of up to 101 tokens; each token has a number and a target, and a mask counts those that exist.
fn ragged(batch: usize, settings: &str, weight: &str, lengths: &[usize]) -> Project {
    let program = format!(
        "data Rows from csv(\"d.csv\") {{
  x: f32[{WIDTH}]
  n: i32
  split train
}}
model Net() {{
  up = Dense(5)
  down = Dense(1)
  fn forward(x: f32[B, T]) -> f32[B, T] {{ (x[:, :, _] |> up |> tanh |> down)[:, :, 0] }}
}}
train {{
  let net = Net()
  epochs = 3
  {settings}
  step (x, n) in Rows.train |> batch({batch}) {{
    let mask = range({WIDTH})[_, :] < n[:, _]
    minimize mse(net(x), x ** 2, mask: mask) {weight}
  }}
}}
"
    );
    let names: Vec<String> = (0..WIDTH).map(|i| format!("x{i}")).collect();
    let mut csv = names.join(",") + ",n\n";
    for (row, length) in lengths.iter().enumerate() {
        (0..WIDTH).for_each(|i| write!(csv, "{},", ((row * 31 + i * 17) % 23) as f64 / 10.0 - 1.0).unwrap());
        writeln!(csv, "{length}").unwrap();
    }
    Project::new(&program, &csv)
}

const COUNT: &str = "weight count(mask)";
const NAMES: [&str; 4] = ["up.weight", "up.bias", "down.weight", "down.bias"];

fn farthest(a: &Fitted, b: &Fitted) -> f32 {
    let pairs = NAMES.iter().flat_map(|name| a.floats(name).into_iter().zip(b.floats(name)).collect::<Vec<_>>());
    pairs.map(|(a, b)| (a - b).abs()).fold(0.0, f32::max)
}

/// Case 34 (transformers#24725): a batch of 11 tokens and one of 101 equal one batch of both.
#[test]
fn accumulated_batches_equal_one_batch_of_all() {
    for optimizer in ["sgd(lr: 0.2)", "adam(lr: 0.01)", "sgd(lr: 0.2, momentum: 0.9)\n  clip_norm = 0.01"] {
        let one = ragged(2, &format!("optimizer = {optimizer}"), COUNT, &[11, 101]).fit().unwrap();
        let many = ragged(1, &format!("optimizer = {optimizer}\n  accumulate = 2"), COUNT, &[11, 101]);
        let found = many.fit().unwrap();
        assert!(farthest(&one, &found) < 1e-6, "{optimizer}: {}", farthest(&one, &found));
        // The loss is weighed by tokens, as its gradient is.
        let loss = |f: &Fitted| f.log("epoch")[2]["train"]["loss"].as_f64().unwrap();
        assert!((loss(&one) - loss(&found)).abs() < 1e-6 * loss(&one));
        assert_eq!(found.log("epoch")[2]["step"], 3, "two batches are one step");
    }
    // By rows, as where nothing is said, the short row would count as much as the long one.
    let by_rows = ragged(1, "optimizer = sgd(lr: 0.2)\n  accumulate = 2", "", &[11, 101]).fit().unwrap();
    let one = ragged(2, "optimizer = sgd(lr: 0.2)", COUNT, &[11, 101]).fit().unwrap();
    assert!(farthest(&by_rows, &one) > 1e-4);
}

/// Seven rows make steps of 3, 3 and 1 batches; a row without a token takes no part.
#[test]
fn the_last_step_of_an_epoch_may_have_fewer_batches() {
    let lengths = [3, 0, 101, 1, 50, 2, 9];
    let one = ragged(3, "optimizer = sgd(lr: 0.1)", COUNT, &lengths).fit().unwrap();
    let many = ragged(1, "optimizer = sgd(lr: 0.1)\n  accumulate = 3", COUNT, &lengths).fit().unwrap();
    assert!(farthest(&one, &many) < 1e-6, "{}", farthest(&one, &many));
    // Where no batch of a step has a token, nothing moves.
    let none = ragged(1, "optimizer = sgd(lr: 0.1)\n  accumulate = 2", COUNT, &[0, 0]).fit().unwrap();
    let still = ragged(1, "optimizer = sgd(lr: 0.0)\n  accumulate = 2", COUNT, &[0, 0]).fit().unwrap();
    assert_eq!(farthest(&none, &still), 0.0);
}

#[test]
fn accumulated_runs_repeat_and_resume_in_the_same_bits() {
    let project = ragged(1, "optimizer = adam(lr: 0.01)\n  accumulate = 2\n  seed = 3", COUNT, &[3, 9, 101, 7, 50]);
    let run =
        |machine: &MachineOptions| project.fit_with(machine, Start::Fresh(project.path().join("runs")), &|_| false);
    let expected = run(&MACHINE).unwrap();
    for (code, threads) in [(None, 2), (Some(Form::Portable), 1)] {
        assert!(run(&MachineOptions { code, threads, ..MACHINE }).unwrap().weights == expected.weights);
    }
    for steps in [1, 3, 4] {
        let stopped = after(&project, steps);
        let resumed = project.fit_with(&MACHINE, Start::Resume(stopped.folder), &|_| false).unwrap();
        assert!(resumed.weights == expected.weights, "stopped after {steps}");
    }
}

/// One weight and steps of two rows, whose gradient is the sum of all y.
fn pairs(settings: &str, step: &str, csv: &str) -> Project {
    one_weight(&format!("accumulate = 2\n  {settings}"), &format!("batch(1) {{ {step}"), "", csv)
}

/// A step is left out as a whole, whichever of its batches is not finite, and counts once.
#[test]
fn a_bad_batch_spoils_its_step_only() {
    let gradient = "minimize sum(net(y)) * sum(y) * sum(y)";
    let loss = "minimize sum(net(y)) + sum(stop_gradient(y) * y)";
    for step in [gradient, loss] {
        for csv in ["y\n1e30\n1\n1\n1\n", "y\n1\n1e30\n1\n1\n"] {
            let fitted = pairs("epochs = 1\n  nonfinite = skip", step, csv).fit().unwrap();
            assert_eq!(fitted.floats("w"), [-1.0, -1.0], "{step} {csv}");
            assert_eq!(fitted.log("epoch")[0]["skipped"], 1);
            assert_eq!(pairs("epochs = 1", step, csv).fit().unwrap_err().code, Code(812));
        }
    }
}

/// Each batch of a step draws numbers of its own.
#[test]
fn batches_of_one_step_draw_different_numbers() {
    let fitted = pairs("epochs = 1", "minimize sum(net(y) * uniform([2]))", "y\n1\n1\n").fit().unwrap();
    let twice = pairs("epochs = 1", "minimize sum(net(y) * uniform([2]))", "y\n1\n").fit().unwrap();
    assert_ne!(fitted.floats("w"), twice.floats("w"));
}

/// Only every second step updates, with the gradients of that step; Adam counts its updates.
#[test]
fn periods_and_accumulation() {
    let step = "every 2 steps { minimize sum(net(y)) * sum(y) }";
    let fitted = pairs("epochs = 1", step, "y\n100\n200\n1\n3\n").fit().unwrap();
    assert_eq!(fitted.floats("w"), [-2.0, -2.0]);
    let project = pairs("epochs = 1", step, "y\n100\n200\n1\n3\n");
    let path = project.path().join("main.nn");
    let text = std::fs::read_to_string(&path).unwrap().replace("sgd(lr: 1.0)", "adam(lr: 1.0)");
    std::fs::write(&path, text).unwrap();
    let moved = project.fit().unwrap().floats("w");
    assert!(moved.iter().all(|w| (w + 1.0).abs() < 1e-5), "{moved:?}");
}

#[test]
fn values_of_accumulate() {
    let errors =
        |value: &str| two_layers(&format!("optimizer = sgd(lr: 0.1)\n  accumulate = {value}"), "Dense(4)").errors();
    assert_eq!(errors("1"), []);
    for value in ["0", "-1", "1.5", "1_000_000"] {
        assert_eq!(errors(value).len(), 1, "{value}");
    }
}

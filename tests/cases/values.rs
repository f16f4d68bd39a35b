//! What is computed, on machine code.

use super::program::{MACHINE, Project};
use nnc::driver::compile::{Form, MachineOptions};
use serde_json::Value;

fn predicting(model: &str, reports: &str, width: usize, csv: &str) -> Project {
    let program = format!(
        "data D from csv(\"d.csv\") {{
  x: f32[{width}]
  split train
}}
model Net() {{
  param w: f32[1] = ones
  fn forward(x: f32[B, {width}]) {{ {model} }}
}}
train {{
  let net = Net()
  optimizer = sgd(lr: 0.1)
  epochs = 1
  step (x) in D.train |> batch(1) {{ minimize sum(net(x)) }}
  predict (x) {{ report {reports} }}
}}
"
    );
    let header: Vec<String> = (0..width).map(|i| format!("x{i}")).collect();
    Project::new(&program, &format!("{}\n{csv}", header.join(",")))
}

/// One more than twice the widest vector.
const LONGEST: usize = 33;

/// Case 8 (pytorch#195075), for values and gradients, NaN included.
#[test]
fn identical_inputs_give_identical_results_at_every_position() {
    let f = |n: usize| format!("gelu(x[:, :{n}]) + tanh(x[:, :{n}])");
    let report = |n: usize| format!("y{n}: {0}, g{n}: grad(sum({0}), wrt: x)[:, :{n}]", f(n));
    let reports: Vec<String> = (1..=LONGEST).map(report).collect();
    let row = |text: &str| [text; LONGEST].join(",") + "\n";
    let csv = ["0.7", "-3.3", "NaN", "88.0"].map(row).concat();
    let project = predicting("x * w", &reports.join(", "), LONGEST, &csv);
    for form in Form::here() {
        for row in project.predict(&MachineOptions { code: Some(form), ..MACHINE }) {
            for name in ["y", "g"] {
                let all = |n: usize| row[format!("{name}{n}")].as_array().unwrap().clone();
                let values: Vec<Value> = (1..=LONGEST).flat_map(all).collect();
                assert_eq!(values.len(), LONGEST * (LONGEST + 1) / 2);
                // JSON writes NaN as null.
                assert_eq!(values[0].is_null(), row["row"] == 2, "{name} of row {}", row["row"]);
                assert!(values.iter().all(|v| *v == values[0]), "{name} of row {}: {values:?}", row["row"]);
            }
        }
    }
}

/// Case 12 (pytorch#25571): row losses 5.6390 and 4.9593 with their weights 6 and 4 in.
#[test]
fn class_weights_divide_by_the_weights_that_took_part() {
    // Of three classes one has probability p, and the others share the rest.
    let logits = |target: usize, loss: f64| {
        let p = (-loss).exp();
        (0..3).map(move |i| if i == target { p.ln() } else { ((1.0 - p) / 2.0).ln() })
    };
    let row: Vec<String> = logits(2, 5.6390 / 6.0).chain(logits(1, 4.9593 / 4.0)).map(|x| x.to_string()).collect();
    let report = "loss: cross_entropy(reshape(sum(x, axis: 0), [2, 3]), [2, 1], weights: [2.0, 4.0, 6.0])";
    let project = predicting("x * w", report, 6, &(row.join(",") + "\n"));
    let loss = project.predict(&MACHINE)[0]["loss"].as_f64().unwrap();
    assert!((loss - 1.0598).abs() < 1e-4, "{loss}");
}

/// Case 32 (tinygrad#1957): outside of training.
#[test]
fn dropout_is_the_identity_outside_of_training() {
    let project = predicting("dropout(x * w, 0.5)", "y: net(x)", 4, "1,2,3,4\n-1,0.5,8,0\n");
    let rows = project.predict(&MACHINE);
    assert_eq!(rows[0]["y"], serde_json::json!([1.0, 2.0, 3.0, 4.0]));
    assert_eq!(rows[1]["y"], serde_json::json!([-1.0, 0.5, 8.0, 0.0]));
}

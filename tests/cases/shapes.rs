//! What must be found before anything runs.

use super::program::Project;
use nnc::diag::Code;

/// Trains a BatchNorm over so many rows in batches of 2.
fn batch_norm(rows: usize, batch: &str) -> Project {
    let program = format!(
        "data D from csv(\"d.csv\") {{
  x: f32[3]
  split train
}}
model Net() {{
  norm = BatchNorm()
  fn forward(x: f32[B, 3]) -> f32[B, 3] {{ norm(x) }}
}}
train {{
  let net = Net()
  optimizer = sgd(lr: 0.1)
  epochs = 1
  step (x) in D.train |> {batch} {{ minimize mean(net(x) ** 2) }}
}}
"
    );
    let csv: String = (0..rows).map(|i| format!("{i},{},7\n", i * i)).collect();
    Project::new(&program, &format!("x0,x1,x2\n{csv}"))
}

/// Case 15 (pytorch#4534).
#[test]
fn batch_norm_over_one_value_is_an_error_before_training() {
    for (rows, batch, size) in [(4, "batch(1)", "a batch has 1 row"), (5, "batch(2)", "the last batch has 1 row")] {
        let project = batch_norm(rows, batch);
        let error = project.fit().unwrap_err();
        assert_eq!(error.code, Code(306), "{error:#?}");
        assert!(error.message.contains("values > 1"), "{}", error.message);
        assert!(error.labels.iter().any(|l| l.text == size), "{error:#?}");
        assert!(error.labels[0].text.contains("call of `BatchNorm`"), "the first place is the user's call: {error:#?}");
        assert!(!project.path().join("runs").exists(), "nothing was begun");
    }
    batch_norm(4, "batch(2)").fit().unwrap();
    batch_norm(5, "batch(2, drop_last: true)").fit().unwrap();
}

/// With pixels there is more than one value in a batch of one.
#[test]
fn batch_norm_of_one_image_is_fine() {
    let mut project = batch_norm(3, "batch(1)");
    let program = std::fs::read_to_string(project.path().join("main.nn")).unwrap();
    let image = program.replace("norm(x)", "squeeze(norm(expand(x, axis: 2)), axis: 2)");
    project = Project::new(&image, "x0,x1,x2\n1,2,4\n0,1,7\n5,5,6\n");
    project.fit().unwrap();
}

/// Differences along the rows of a batch: a batch of one has none.
#[test]
fn an_axis_that_a_batch_leaves_empty_is_an_error_before_training() {
    let norm = |rows, batch| {
        let project = batch_norm(rows, batch);
        let program = std::fs::read_to_string(project.path().join("main.nn")).unwrap();
        let program = program
            .replace("norm = BatchNorm()", "norm = LayerNorm()")
            .replace("net(x) **", "(net(x)[1:] - x[:-1]) **");
        std::fs::write(project.path().join("main.nn"), program).unwrap();
        project
    };
    for (rows, batch, size) in [(4, "batch(1)", "a batch has 1 row"), (5, "batch(2)", "the last batch has 1 row")] {
        let error = norm(rows, batch).fit().unwrap_err();
        assert_eq!((error.code, &*error.message), (Code(824), "the axis `B - 1` would be empty"), "{error:#?}");
        assert!(error.labels.iter().any(|l| l.text == size), "{error:#?}");
    }
    norm(5, "batch(2, drop_last: true)").fit().unwrap();
}

fn model(body: &str) -> Project {
    Project::new(body, "")
}

/// Case 13 (pytorch#16413).
#[test]
fn mse_of_unequal_shapes() {
    let errors = model("model M() {\n  fn forward(x: f32[3], y: f32[3, 1]) { mse(x, y) }\n}\n").errors();
    assert_eq!(errors, [Code(308)]);
}

/// Case 33 (pytorch#42582).
#[test]
fn too_many_elements() {
    for shape in ["4_000_000_000, 4_000_000_000", "3_000_000_000, 3_000_000_000, 2"] {
        let program = format!("model M() {{\n  fn forward(x: f32[1]) {{ sum(broadcast_to(x, [{shape}, 1])) }}\n}}\n");
        assert_eq!(model(&program).errors(), [Code(351)], "{shape}");
        let param = format!(
            "model M() {{\n  param w: f32[{shape}] = zeros\n  fn forward(x: f32[1]) {{ sum(w) + sum(x) }}\n}}\n"
        );
        assert_eq!(model(&param).errors(), [Code(311)], "a parameter of {shape}");
    }
}

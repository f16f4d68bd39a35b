//! Optimizers, schedules, dropout and BatchNorm over several steps, against plain f64 formulas.

use super::{assert_close, model};
use nnc::autodiff::expand_grads;
use nnc::lower;
use nnc::ops::dim::Bindings;
use nnc::ops::{DType, Op};
use nnc::sema::model::Phase;
use nnc::tensor::data::{Data, Tensor};
use nnc::tensor::interp::{self, Precision};
use nnc::tensor::{Graph, OutputRole};
use std::collections::HashMap;

/// One step at a time: named values in, updated values out.
struct Trainer {
    graph: Graph,
    /// Inputs by name; what is missing is 0.
    values: HashMap<String, Vec<f64>>,
    step: i32,
}

impl Trainer {
    /// Trains on batches of `rows` rows with a field `x` of this many columns.
    fn new(members: &str, loss: &str, optimizer: &str, rows: usize, width: usize) -> Trainer {
        let columns: Vec<String> = (0..width).map(|i| format!("raw.c{i}")).collect();
        let columns = columns.join(", ");
        let program = format!(
            "data D from csv(\"d.csv\") {{
  x: f32[{width}] = [{columns}]
  split train 0.9, test 0.1
}}
model M() {{
  {members}
}}
train {{
  let net = M()
  optimizer = {optimizer}
  epochs = 1
  step (x) in D.train |> batch({rows}) {{
    {loss}
  }}
}}
"
        );
        let phase = model(&program).trains.remove(0).phases.remove(0);
        let values = HashMap::from([("rows".to_string(), (0..rows).map(|i| i as f64).collect())]);
        Trainer { graph: bound(&phase, rows), values, step: 0 }
    }

    /// Runs a step on this row (or, of one column, on these rows) and gives the outputs by name; updates are kept.
    fn step(&mut self, x: &[f64]) -> HashMap<String, Vec<f64>> {
        self.step += 1;
        let width = if self.values["rows"].len() == 1 { x.len() } else { 1 };
        for column in 0..width {
            let rows = x.iter().skip(column).step_by(width).copied().collect();
            self.values.insert(format!("D.c{column}"), rows);
        }
        self.values.insert("step".into(), vec![self.step.into()]);
        let inputs: Vec<(String, Tensor)> = self.graph.inputs.iter().map(|&(v, _)| self.input(v)).collect();
        let inputs: Vec<(&str, Tensor)> = inputs.iter().map(|(n, t)| (n.as_str(), t.clone())).collect();
        let results = interp::run(&self.graph, &inputs, Precision::F64).expect("it runs");
        let mut found = HashMap::new();
        for (output, value) in self.graph.outputs.iter().zip(&results) {
            if output.role == OutputRole::Update {
                self.values.insert(output.name.clone(), value.to_f64());
            }
            found.insert(output.name.clone(), value.to_f64());
        }
        found
    }

    fn input(&self, value: nnc::tensor::Value) -> (String, Tensor) {
        let name = self.graph.insts.iter().find_map(|i| match &i.op {
            Op::Input { name } if i.results[0] == value => Some(name.clone()),
            _ => None,
        });
        let (name, ty) = (name.expect("an input"), self.graph.ty(value));
        let numbers = self.values.get(&name).cloned().unwrap_or_else(|| vec![0.0; ty.elements()]);
        let data = match ty.dtype {
            DType::I32 => Data::I32(numbers.iter().map(|&x| x as i32).collect()),
            _ => Data::F64(numbers),
        };
        (name, Tensor::new(ty.shape.clone(), data).expect("the input has its shape"))
    }
}

fn bound(phase: &Phase, rows: usize) -> Graph {
    let symbols = [&phase.batch, &phase.rows].map(|d| d.as_symbol().expect("a symbol").clone());
    let bindings: Bindings = symbols.into_iter().map(|s| (s, rows as i64)).collect();
    expand_grads(lower::bind(&phase.graph, &bindings).expect("it binds"))
}

const WEIGHT: &str = "param w: f32[2] = zeros
  fn forward(x: f32[B, 2]) -> f32[B] { x @ w }";

/// Weights after each step, where the gradient of step i is `gradients[i]`.
fn path(optimizer: &str, start: [f64; 2], gradients: &[[f64; 2]]) -> Vec<f64> {
    let mut trainer = Trainer::new(WEIGHT, "minimize sum(net(x))", optimizer, 1, 2);
    trainer.values.insert("w".into(), start.to_vec());
    gradients.iter().flat_map(|g| trainer.step(g)["w"].clone()).collect()
}

/// The same from a function (p, g, step) → p, for each weight by itself.
fn reference<S: Clone>(
    start: [f64; 2],
    gradients: &[[f64; 2]],
    state: S,
    mut update: impl FnMut(&mut S, f64, f64, i32) -> f64,
) -> Vec<f64> {
    let mut weights = start;
    let mut states = [state.clone(), state];
    let mut found = vec![];
    for (i, g) in gradients.iter().enumerate() {
        for k in 0..2 {
            weights[k] = update(&mut states[k], weights[k], g[k], i as i32 + 1);
        }
        found.extend(weights);
    }
    found
}

const START: [f64; 2] = [1.0, -2.0];
const GRADIENTS: [[f64; 2]; 4] = [[0.5, -1.0], [0.25, 2.0], [-1.0, 0.125], [3.0, 0.0]];

#[test]
fn sgd_decays_without_momentum() {
    // mlx#440
    let expected = reference(START, &GRADIENTS, (), |_, p, g, _| p - 0.1 * (g + 0.01 * p));
    assert_close(&path("sgd(lr: 0.1, decay: 0.01)", START, &GRADIENTS), &expected, 1e-12, "decay");
}

#[test]
fn sgd_with_momentum_is_pytorchs() {
    // The first velocity is the gradient itself: dampening begins with the second step.
    let expected = reference(START, &GRADIENTS, 0.0, |v, p, g, t| {
        *v = if t == 1 { g } else { 0.9 * *v + (1.0 - 0.25) * g };
        p - 0.1 * (g + 0.9 * *v)
    });
    let optimizer = "sgd(lr: 0.1, momentum: 0.9, dampening: 0.25, nesterov: true)";
    assert_close(&path(optimizer, START, &GRADIENTS), &expected, 1e-12, "momentum");
}

fn adam(decay: f64) -> Vec<f64> {
    reference(START, &GRADIENTS, (0.0, 0.0), |(m, v), p, g, t| {
        *m = 0.9 * *m + 0.1 * g;
        *v = 0.999 * *v + 0.001 * g * g;
        let (m, v) = (*m / (1.0 - 0.9f64.powi(t)), *v / (1.0 - 0.999f64.powi(t)));
        p * (1.0 - 0.1 * decay) - 0.1 * m / (v.sqrt() + 1e-8)
    })
}

#[test]
fn adam_is_the_papers() {
    assert_close(&path("adam(lr: 0.1)", START, &GRADIENTS), &adam(0.0), 1e-9, "adam");
    // tensorflow#35102: with a gradient equal to epsilon the first step is half the rate.
    assert_close(&path("adam(lr: 0.1)", [0.0; 2], &[[1e-8, 1e-8]]), &[-0.05; 2], 1e-9, "epsilon");
}

#[test]
fn adamw_spares_vectors_unless_asked() {
    assert_close(&path("adamw(lr: 0.1, decay: 0.5)", START, &GRADIENTS), &adam(0.0), 1e-9, "a vector");
    assert_close(&path("adamw(lr: 0.1, decay: 0.5, decay_all: true)", START, &GRADIENTS), &adam(0.5), 1e-9, "asked");
    let matrix = "param w: f32[2, 1] = zeros
  fn forward(x: f32[B, 2]) -> f32[B, 1] { x @ w }";
    let mut trainer = Trainer::new(matrix, "minimize sum(net(x))", "adamw(lr: 0.1, decay: 0.5)", 1, 2);
    trainer.values.insert("w".into(), START.to_vec());
    let found: Vec<f64> = GRADIENTS.iter().flat_map(|g| trainer.step(g)["w"].clone()).collect();
    assert_close(&found, &adam(0.5), 1e-9, "a matrix");
}

#[test]
fn rmsprop_and_adagrad() {
    let expected = reference(START, &GRADIENTS, (0.0, 0.0), |(s, v), p, g, _| {
        *s = 0.9 * *s + 0.1 * g * g;
        *v = 0.5 * *v + g / (f64::sqrt(*s) + 1e-8);
        p - 0.1 * *v
    });
    assert_close(&path("rmsprop(lr: 0.1, momentum: 0.5)", START, &GRADIENTS), &expected, 1e-9, "rmsprop");
    let expected = reference(START, &GRADIENTS, 0.0, |s, p, g, _| {
        *s += g * g;
        p - 0.1 * g / (f64::sqrt(*s) + 1e-10)
    });
    assert_close(&path("adagrad(lr: 0.1)", START, &GRADIENTS), &expected, 1e-9, "adagrad");
}

/// The rate at each of the first steps of a run of `total`.
fn rates(schedule: &str, total: i32, steps: usize) -> Vec<f64> {
    let mut trainer = Trainer::new(WEIGHT, "minimize sum(net(x))", &format!("sgd(lr: {schedule})"), 1, 2);
    trainer.values.insert("total".into(), vec![total.into()]);
    let mut found = vec![];
    for _ in 0..steps {
        trainer.values.insert("w".into(), vec![0.0; 2]);
        found.push(-trainer.step(&[1.0, 1.0])["w"][0]);
    }
    found
}

#[test]
fn schedules() {
    assert_close(&rates("linear_warmup(2.0, warmup: 4)", 9, 5), &[0.5, 1.0, 1.5, 2.0, 2.0], 1e-9, "warm-up");
    assert_close(&rates("constant_rate(0.5)", 3, 2), &[0.5, 0.5], 1e-9, "constant");
    assert_close(&rates("step_decay(1.0, every: 2)", 9, 5), &[1.0, 1.0, 0.1, 0.1, 0.01], 1e-9, "steps");
    assert_close(&rates("exponential(1.0, steps: 2, factor: 0.25)", 9, 3), &[1.0, 0.5, 0.25], 1e-9, "exponential");
    let half = 0.5f64.sqrt() / 2.0;
    assert_close(&rates("cosine(1.0)", 4, 4), &[1.0, 0.5 + half, 0.5, 0.5 - half], 1e-9, "cosine");
    let warm = [0.5, 1.0, 1.0, 0.5 + half, 0.5, 0.5 - half];
    assert_close(&rates("warmup_cosine(1.0, warmup: 2)", 6, 6), &warm, 1e-9, "warm-up, then cosine");
}

#[test]
fn dropout_has_one_mask_a_step_for_both_directions() {
    let members = "param w: f32[2000] = ones
  fn forward(x: f32[B, 1]) -> f32[B, 2000] { dropout(x * w, 0.25) }";
    let mut trainer =
        Trainer::new(members, "let y = net(x)\n    minimize sum(y)\n    report mean: mean(y)", "sgd(lr: 1.0)", 1, 1);
    let mut masks = vec![];
    for _ in 0..2 {
        trainer.values.insert("w".into(), vec![1.0; 2000]);
        let found = trainer.step(&[1.0]);
        let gradient: Vec<f64> = found["w"].iter().map(|w| 1.0 - w).collect();
        assert!(
            gradient.iter().all(|&g| g == 0.0 || (g - 4.0 / 3.0).abs() < 1e-6),
            "kept elements grow by 1 / (1 - rate)"
        );
        let mean = gradient.iter().sum::<f64>() / 2000.0;
        assert_close(&found["mean"], &[mean], 1e-6, "forward and backward masks");
        // The standard error of the mean is sqrt(1/3 / 2000) = 0.013.
        assert!((mean - 1.0).abs() < 0.06, "{mean}");
        masks.push(gradient);
    }
    assert_ne!(masks[0], masks[1], "a fresh mask each step");
}

#[test]
fn batch_norm_normalises_biased_and_keeps_unbiased() {
    let members = "bn = BatchNorm()
  fn forward(x: f32[B, 1]) -> f32[B, 1] { bn(x) }";
    let mut trainer = Trainer::new(
        members,
        "let y = net(x)\n    minimize sum(y ** 3)\n    report high: max(y)",
        "sgd(lr: 0.0)",
        4,
        1,
    );
    trainer.values.insert("bn.scale".into(), vec![1.0]);
    trainer.values.insert("bn.running_variance".into(), vec![1.0]);
    // Mean 4, biased variance 5, unbiased 20/3.
    let found = trainer.step(&[1.0, 3.0, 5.0, 7.0]);
    assert_close(&found["high"], &[3.0 / 5.00001f64.sqrt()], 1e-6, "biased");
    assert_close(&found["bn.running_mean"], &[0.4], 1e-6, "running mean");
    assert_close(&found["bn.running_variance"], &[0.9 + 0.1 * 20.0 / 3.0], 1e-6, "running variance");
}

/// The state of Adafactor: rows and columns of what has two axes or more, all elements of the rest.
#[test]
fn adafactor_keeps_rows_and_columns() {
    let program = "
data Rows from csv(\"d.csv\") {
  x: f32[8, 8, 2] = raw.x
  split train
}
model Net() {
  conv = Conv2d(3, kernel: [4, 5])
  param scale: f32 = 1.0
  fn forward(x: f32[B, 8, 8, 2]) -> f32 { mean(conv(x)) * scale }
}
train {
  let net = Net()
  optimizer = adafactor(lr: 0.1)
  epochs = 1
  step (x) in Rows.train |> batch(2) { minimize net(x) }
}";
    let model = model(program);
    let states = model.params.iter().filter(|p| p.path.starts_with("adafactor."));
    let found: Vec<String> = states.map(|p| format!("{} {}", p.path, p.ty)).collect();
    let expected = [
        "adafactor.square.scale f32[]",
        "adafactor.rows.conv.weight f32[4, 5, 2]",
        "adafactor.columns.conv.weight f32[4, 5, 3]",
        "adafactor.square.conv.bias f32[3]",
    ];
    assert_eq!(found, expected);
}

//! Whole programs, and what becomes of them.

use super::model;
use crate::ops::Op;
use crate::ops::dim::Dim;
use crate::sema::model::{Model, PhaseKind, SplitSize};
use crate::tensor::{Graph, InputRole, OutputRole};

pub const MNIST: &str = r#"
let lr = 1e-3
data Digits from idx("data/mnist") {
  image: f32[28, 28, 1] = f32(raw.image) / 255
  label: i32 = raw.label
  split train, validate 5_000 of train by hash, test
}
model MnistCnn(classes: int = 10) {
  conv1 = Conv2d(32, kernel: 3)
  conv2 = Conv2d(64, kernel: 3)
  hidden = Dense(128)
  head = Dense(classes)

  fn forward(image: f32[B, 28, 28, 1]) -> f32[B, classes] {
    image
      |> conv1 |> relu |> max_pool2d(2)
      |> conv2 |> relu |> max_pool2d(2)
      |> flatten
      |> hidden |> relu
      |> head
  }
}
train {
  let net = MnistCnn()
  optimizer = adam(lr: lr)
  epochs = 10
  seed = 7
  keep = best(max: accuracy)

  step (image, label) in Digits.train |> shuffle |> batch(64) {
    let logits = net(image)
    minimize cross_entropy(logits, label)
    report accuracy: accuracy(logits, label)
  }
  validate (image, label) in Digits.validate |> batch(1000) {
    let logits = net(image)
    report loss: cross_entropy(logits, label), accuracy: accuracy(logits, label)
  }
  test (image, label) in Digits.test |> batch(1000) {
    report accuracy: accuracy(net(image), label)
  }
  predict (image) { report digit: argmax(net(image), axis: -1) }
}
"#;

fn phase(model: &Model, kind: PhaseKind) -> &Graph<Dim> {
    &model.trains[0].phases.iter().find(|p| p.kind == kind).unwrap().graph
}

fn inputs(graph: &Graph<Dim>, role: InputRole) -> Vec<String> {
    let name = |value| {
        graph.insts.iter().find_map(|i| match &i.op {
            Op::Input { name } if i.results[0] == value => Some(format!("{name}: {}", graph.ty(value))),
            _ => None,
        })
    };
    graph.inputs.iter().filter(|(_, r)| *r == role).filter_map(|(v, _)| name(*v)).collect()
}

fn updates(graph: &Graph<Dim>) -> Vec<&str> {
    graph.outputs.iter().filter(|o| o.role == OutputRole::Update).map(|o| &*o.name).collect()
}

fn reports(graph: &Graph<Dim>) -> Vec<&str> {
    let is_report = |o: &&crate::tensor::Output| matches!(o.role, OutputRole::Report { .. });
    graph.outputs.iter().filter(is_report).map(|o| &*o.name).collect()
}

fn count(graph: &Graph<Dim>, f: impl Fn(&Op<Dim>) -> bool) -> usize {
    graph.insts.iter().filter(|i| f(&i.op)).count()
}

#[test]
fn the_classic_classifier() {
    let model = model(MNIST);
    let params: Vec<String> = model.params.iter().take(8).map(|p| format!("{} {}", p.path, p.ty)).collect();
    let expected = [
        "conv1.weight f32[3, 3, 1, 32]",
        "conv1.bias f32[32]",
        "conv2.weight f32[3, 3, 32, 64]",
        "conv2.bias f32[64]",
        "hidden.weight f32[1600, 128]",
        "hidden.bias f32[128]",
        "head.weight f32[128, 10]",
        "head.bias f32[10]",
    ];
    assert_eq!(params, expected);
    // Two moments for each parameter.
    assert_eq!(model.params.len(), 24);
    assert_eq!(updates(&model.trains[0].init).len(), 24);
    let step = phase(&model, PhaseKind::Step);
    assert_eq!(updates(step).len(), 24);
    assert_eq!(reports(step), ["loss", "accuracy"]);
    assert_eq!(inputs(step, InputRole::Column), ["Digits.image: u8[rows, 28, 28, 1]", "Digits.label: u8[rows]"]);
    assert_eq!(inputs(step, InputRole::Rows), ["rows: i32[B]"]);
    assert_eq!(inputs(step, InputRole::Scalar), ["step: i32[]"]);
    assert_eq!(count(step, |op| *op == Op::Grad), 1);
    let predict = phase(&model, PhaseKind::Predict);
    assert!(predict.outputs.iter().any(|o| o.name == "digit" && o.role == OutputRole::Result));
    assert!(updates(phase(&model, PhaseKind::Validate)).is_empty());
    let sizes: Vec<&SplitSize> = model.data[0].splits.iter().map(|s| &s.size).collect();
    let (rest, rows) = (SplitSize::Rest { of: "train".into() }, SplitSize::Rows { of: "train".into(), rows: 5000 });
    assert_eq!(sizes, [&rest, &rows, &SplitSize::Own]);
}

const POINTS: &str = "
data Points from csv(\"points.csv\") {
  x: f32[4] = [raw.a, raw.b, raw.c, raw.d]
  y: i32 = raw.y
  split train 0.9, test 0.1
}
";

/// A training of `net`, with more lines for its block.
fn train(model: &str, step: &str, more: &str) -> String {
    format!(
        "{model}{POINTS}train {{\n  epochs = 1\n  {more}\n  step (x, y) in Points.train |> batch(8) {{\n {step}\n }}\n}}\n"
    )
}

const MLP: &str = "
model Mlp(sizes: [int] = [16, 8], classes: int = 3) {
  layers = [Dense(n) for n in sizes]
  head = Dense(classes)
  fn forward(x: f32[B, D]) -> f32[B, classes] {
    var y = x
    for layer in layers { y = relu(layer(y)) }
    head(y)
  }
}
";

fn paths(model: &Model) -> Vec<&str> {
    model.params.iter().map(|p| &*p.path).collect()
}

#[test]
fn lists_of_layers_name_parameters_by_index() {
    let text = train(MLP, "minimize cross_entropy(net(x), y)", "let net = Mlp()\n optimizer = sgd(lr: 0.1)");
    let model = model(&text);
    let expected = ["layers.0.weight", "layers.0.bias", "layers.1.weight", "layers.1.bias", "head.weight", "head.bias"];
    assert_eq!(paths(&model), expected);
    assert_eq!(model.params[0].ty.shape, [4, 16]);
    // Plain gradient descent keeps no state.
    assert!(inputs(phase(&model, PhaseKind::Step), InputRole::OptState).is_empty());
}

#[test]
fn several_roots_prefix_their_parameters() {
    let step = "
      let fake = gen(normal([B, 2]))
      minimize mean(critic(stop_gradient(fake))) - mean(critic(x)) over critic with first
      minimize -mean(critic(fake)) over gen with second";
    let more = "let gen = Dense(4)\n let critic = Dense(1)\n let first = adam(lr: 1e-3)\n let second = sgd(lr: 0.1, momentum: 0.9)";
    let model = model(&train("", step, more));
    let expected = [
        "gen.weight",
        "gen.bias",
        "critic.weight",
        "critic.bias",
        "first.m.critic.weight",
        "first.v.critic.weight",
        "first.m.critic.bias",
        "first.v.critic.bias",
        "second.velocity.gen.weight",
        "second.velocity.gen.bias",
    ];
    assert_eq!(paths(&model), expected);
    let step = phase(&model, PhaseKind::Step);
    assert_eq!(reports(step), ["critic_loss", "gen_loss"]);
    // The second gradient is taken by two parameters only: gen's.
    let grads: Vec<usize> = step.insts.iter().filter(|i| i.op == Op::Grad).map(|i| i.args.len() - 1).collect();
    assert_eq!(grads, [2, 2]);
}

#[test]
fn normalisation_updates_its_buffers_only_in_training() {
    let text = "
model Net() {
  norm = BatchNorm()
  head = Dense(3)
  fn forward(x: f32[B, 4]) -> f32[B, 3] { x |> norm |> head }
}";
    let more = "let net = Net()\n optimizer = sgd(lr: 0.1)
      test (x, y) in Points.test |> batch(8) { report loss: cross_entropy(net(x), y) }";
    let model = model(&train(text, "minimize cross_entropy(net(x), y)", more));
    let step = phase(&model, PhaseKind::Step);
    assert_eq!(updates(step)[..2], ["norm.running_mean", "norm.running_variance"]);
    let test = phase(&model, PhaseKind::Test);
    assert!(updates(test).is_empty());
    assert_eq!(inputs(test, InputRole::Buffer), ["norm.running_mean: f32[4]", "norm.running_variance: f32[4]"]);
}

#[test]
fn conditional_members_and_residual_shapes() {
    let text = "
layer Residual(filters: int, stride: int = 1) {
  conv1 = Conv2d(filters, kernel: 3, stride: stride, padding: \"same\", use_bias: false)
  conv2 = Conv2d(filters, kernel: 3, padding: \"same\", use_bias: false)
  if stride != 1 or C != filters {
    shortcut = Conv2d(filters, kernel: 1, stride: stride, padding: \"same\", use_bias: false)
  }
  fn forward(x: f32[B, H, W, C]) -> f32[B, ceil(H / stride), ceil(W / stride), filters] {
    let y = x |> conv1 |> relu |> conv2
    let s = if stride != 1 or C != filters { x |> shortcut } else { x }
    relu(y + s)
  }
}
model Net() {
  stages = [[Residual(4 * 2 ** i, stride: if i > 0 and j == 0 { 2 } else { 1 }) for j in 0..2] for i in 0..2]
  head = Dense(3)
  fn forward(x: f32[B, 4]) -> f32[B, 3] {
    var y = reshape(x, [B, 2, 2, 1])
    for stage in stages { for block in stage { y = block(y) } }
    y |> mean(axis: [1, 2]) |> head
  }
}";
    let more = "let net = Net()\n optimizer = sgd(lr: 0.1)";
    let model = model(&train(text, "minimize cross_entropy(net(x), y)", more));
    let shortcuts: Vec<String> =
        model.params.iter().filter(|p| p.path.contains("shortcut")).map(|p| format!("{} {}", p.path, p.ty)).collect();
    let expected = ["stages.0.0.shortcut.weight f32[1, 1, 1, 4]", "stages.1.0.shortcut.weight f32[1, 1, 4, 8]"];
    assert_eq!(shortcuts, expected);
    let last = model.layers.iter().find(|l| l.path == "stages.1.1").unwrap();
    assert_eq!(last.results[0].to_string(), "f32[B, 1, 1, 8]");
}

#[test]
fn methods_bind_dimensions_in_order_and_records_carry_results() {
    let text = "
model Vae(latent: int = 2) {
  hidden = Dense(5)
  mu = Dense(latent)
  out = Dense(P)
  fn encode(x: f32[B, P]) -> (mean: f32[B, latent], hidden: f32[B, 5]) {
    let h = x |> hidden |> relu
    (mean: mu(h), hidden: h)
  }
  fn decode(z: f32[B, latent]) -> f32[B, P] { out(z) }
  fn forward(x: f32[B, P]) -> f32[B, P] {
    let q = encode(x)
    decode(q.mean + normal([B, latent]))
  }
}";
    let more = "let net = Vae()\n optimizer = adam(lr: warmup_cosine(1e-3, warmup: 10))\n clip_norm = 1.0";
    let model = model(&train(text, "minimize sum((net(x) - x) ** 2) / B", more));
    let out = model.params.iter().find(|p| p.path == "out.weight").unwrap();
    assert_eq!(out.ty.shape, [2, 4]);
    let step = phase(&model, PhaseKind::Step);
    assert_eq!(inputs(step, InputRole::Scalar), ["seed: i32[]", "step: i32[]", "total: i32[]"]);
    let checks: Vec<&str> = step.outputs.iter().filter(|o| o.role == OutputRole::Check).map(|o| &*o.name).collect();
    let gradients = ["hidden.weight", "hidden.bias", "mu.weight", "mu.bias", "out.weight", "out.bias"];
    let mut expected = vec!["`loss`".to_string()];
    expected.extend(gradients.map(|name| format!("the gradient of `{name}`")));
    expected.push("the norm of the gradients".into());
    assert_eq!(checks, expected);
}

#[test]
fn a_skipped_step_keeps_every_state() {
    let more = "let net = Dense(3)\n optimizer = adam(lr: 1e-3)\n nonfinite = skip";
    let model = model(&train("", "minimize cross_entropy(net(x), y)", more));
    let step = phase(&model, PhaseKind::Step);
    let by_select =
        |o: &crate::tensor::Output| step.insts.iter().any(|i| i.op == Op::Select && i.results.contains(&o.value));
    let kept = step.outputs.iter().filter(|o| o.role == OutputRole::Update && by_select(o)).count();
    // weight and bias, and two moments of each
    assert_eq!(kept, 6);
    assert_eq!(reports(step), ["loss", "skipped"]);
}

#[test]
fn first_values_depend_on_path_and_seed_alone() {
    let keys = |text: &str| -> Vec<(String, u64)> {
        let init = &model(text).trains[0].init;
        let key = |o: &crate::tensor::Output| {
            let mut at = vec![o.value];
            while let Some(value) = at.pop() {
                let inst = init.insts.iter().find(|i| i.results.contains(&value))?;
                if let Op::Philox { key, .. } = inst.op {
                    return Some((o.name.clone(), key));
                }
                at.extend(&inst.args);
            }
            None
        };
        init.outputs.iter().filter_map(key).collect()
    };
    let train =
        |model: &str| train(model, "minimize cross_entropy(net(x), y)", "let net = Mlp()\n optimizer = sgd(lr: 0.1)");
    let plain = keys(&train(MLP));
    let reordered =
        MLP.replace("  head = Dense(classes)\n", "").replace("  layers =", "  head = Dense(classes)\n  layers =");
    let mut moved = keys(&train(&reordered));
    moved.sort();
    let mut plain = plain;
    plain.sort();
    assert_eq!(plain.len(), 3);
    assert_eq!(plain, moved);
    assert!(plain.windows(2).all(|w| w[0].1 != w[1].1));
}

#[test]
fn a_composite_keeps_body_and_gradient() {
    let text = train("", "minimize cross_entropy(relu(net(x)), y)", "let net = Dense(3)\n optimizer = sgd(lr: 0.1)");
    let model = model(&text);
    let step = phase(&model, PhaseKind::Step);
    let relu = step.insts.iter().find(|i| i.op == Op::Composite { name: "relu".into() }).unwrap();
    let regions: Vec<(usize, usize)> = relu.regions.iter().map(|r| (r.inputs.len(), r.outputs.len())).collect();
    assert_eq!(regions, [(1, 1), (3, 1)]);
    let loss = step.insts.iter().find(|i| i.op == Op::Composite { name: "label_loss".into() }).unwrap();
    // Logits and labels, the result and its adjoint; only the logits get an adjoint.
    assert_eq!((loss.regions[1].inputs.len(), loss.regions[1].outputs.len()), (4, 1));
}

#[test]
fn a_file_without_training_gives_functions() {
    let model = model(
        "model Net(units: int) {\n head = Dense(units)\n fn forward(x: f32[B, T, D]) -> f32[B, T, units] { head(x) }\n}",
    );
    let forward = &model.functions[0];
    assert_eq!(forward.name, "Net");
    assert_eq!(inputs(forward, InputRole::Param), ["head.weight: f32[D, units]", "head.bias: f32[units]"]);
    assert_eq!(forward.ty(forward.outputs[0].value).to_string(), "f32[B, T, units]");
}

#[test]
fn settings_and_lets_are_overridden() {
    let text = format!(
        "let width = 16\nlet rate = 1e-3\n{}",
        train("", "minimize cross_entropy(net(x), y)", "let net = Mlp(sizes: [width])\n optimizer = sgd(lr: rate)")
    ) + MLP;
    let set = [("width", "32"), ("rate", "1"), ("epochs", "7"), ("seed", "3")];
    let (_, model, diags) = super::run(&text, &set);
    assert!(diags.is_empty(), "{diags:?}");
    assert_eq!(model.params[0].ty.shape, [4, 32]);
    assert_eq!((model.trains[0].settings.epochs, model.trains[0].settings.seed), (Some(7), 3));
    assert_eq!(model.lets.iter().map(|(n, v, _)| format!("{n}={v}")).collect::<Vec<_>>(), ["width=16", "rate=0.001"]);
}

#[test]
fn periods_inside_a_step_guard_their_updates() {
    let step = "minimize cross_entropy(net(x), y) over net.layers\n every 5 steps { minimize cross_entropy(net(x), y) over net.head }";
    let model = model(&train(MLP, step, "let net = Mlp()\n optimizer = sgd(lr: 0.1)"));
    let step = phase(&model, PhaseKind::Step);
    let guarded = |name: &str| {
        let o = step.outputs.iter().find(|o| o.name == name).unwrap();
        step.insts.iter().any(|i| i.op == Op::Select && i.results.contains(&o.value))
    };
    assert!(guarded("head.weight") && !guarded("layers.0.weight"));
    assert_eq!(reports(step), ["layers_loss", "head_loss"]);
}

//! Every file parses, every definition is documented, and programs that use them check.

use super::{check, library, model};
use nnc::sema::builtins;
use nnc::source::SourceMap;
use nnc::syntax::ast::Item;

#[test]
fn every_file_parses_to_documented_definitions() {
    let files = library(&mut SourceMap::default());
    assert!(files.len() >= 10);
    for (name, file) in files {
        assert!(!file.items.is_empty(), "{name} is empty");
        for item in &file.items {
            let doc = match item {
                Item::Fn(function) => &function.doc,
                Item::Block(block) => &block.doc,
                other => panic!("{name}: {other:?}"),
            };
            assert!(doc.is_some(), "{name}: undocumented {item:?}");
        }
    }
}

#[test]
fn no_definition_hides_a_built_in() {
    for (name, file) in library(&mut SourceMap::default()) {
        for item in &file.items {
            let defined = match item {
                Item::Fn(function) => function.name.text.clone(),
                Item::Block(block) => block.name.as_ref().expect("a name").text.clone(),
                other => panic!("{name}: {other:?}"),
            };
            assert!(builtins::lookup(&defined).is_none(), "{name}: `{defined}` is built in");
        }
    }
}

const DATA: &str = r#"
data Digits from idx("data/mnist") {
  image: f32[28, 28, 1] = f32(raw.image) / 255
  label: i32 = raw.label
  split train, test
}
"#;

/// A training program around a model body and its optimizer.
fn training(members: &str, forward: &str, loss: &str, optimizer: &str) -> String {
    format!(
        "{DATA}
model Net() {{
  {members}
  fn forward(image: f32[B, 28, 28, 1]) -> f32[B, 10] {{
    {forward}
  }}
}}
train {{
  let net = Net()
  optimizer = {optimizer}
  epochs = 1
  step (image, label) in Digits.train |> shuffle |> batch(64) {{
    let logits = net(image)
    minimize {loss}
    report accuracy: accuracy(logits, label)
  }}
  test (image, label) in Digits.test |> batch(100) {{
    report accuracy: accuracy(net(image), label), best: top_k_accuracy(net(image), label, 3)
  }}
}}
"
    )
}

const DENSE: (&str, &str) = ("head = Dense(10)", "image |> flatten |> head");

#[test]
fn every_optimizer_trains() {
    for optimizer in [
        "sgd(lr: 0.1)",
        "sgd(lr: 0.1, momentum: 0.9, nesterov: true, dampening: 0.1, decay: 1e-4)",
        "adam(lr: 1e-3)",
        "adamw(lr: 1e-3, decay: 0.1)",
        "rmsprop(lr: 1e-3, momentum: 0.9)",
        "adagrad(lr: 1e-2)",
    ] {
        model(&training(DENSE.0, DENSE.1, "cross_entropy(logits, label)", optimizer));
    }
}

#[test]
fn every_schedule_runs() {
    for schedule in [
        "constant_rate(0.1)",
        "step_decay(0.1, every: 100)",
        "exponential(0.1, steps: 100)",
        "cosine(0.1)",
        "linear_warmup(0.1, warmup: 4)",
        "warmup_cosine(3e-4, warmup: 200)",
    ] {
        let optimizer = format!("adam(lr: {schedule})");
        model(&training(DENSE.0, DENSE.1, "cross_entropy(logits, label)", &optimizer));
    }
}

#[test]
fn every_loss_is_minimised() {
    for loss in [
        "cross_entropy(logits, label, smoothing: 0.1)",
        "cross_entropy(logits, label, mask: label > 3, ignore: [7])",
        "cross_entropy(logits, label, weights: ones([10]), smoothing: 0.1, ignore: [-1])",
        "cross_entropy(logits, label, reduce: \"sum\")",
        "bce_logits(logits, 1.0) + bce_logits(logits, one_hot(label, 10))",
        "mse(logits, one_hot(label, 10)) + mae(logits, 0.5)",
        "huber(logits, one_hot(label, 10), delta: 2.0, mask: isfinite(logits))",
        "-sum(log_softmax(logits) * one_hot(label, 10)) / B",
        "sum(masked_softmax(logits, range(10) > 3) ** 2)",
    ] {
        model(&training(DENSE.0, DENSE.1, loss, "adam(lr: 1e-3)"));
    }
}

#[test]
fn every_activation_and_initializer() {
    for activation in [
        "relu",
        "leaky_relu(0.2)",
        "elu",
        "sigmoid",
        "softplus",
        "silu",
        "mish",
        "gelu",
        "gelu(approximate: true)",
        "tanh",
        "softmax",
    ] {
        let forward = format!("image |> flatten |> head |> {activation}");
        model(&training(DENSE.0, &forward, "cross_entropy(logits, label)", "adam(lr: 1e-3)"));
    }
    for init in [
        "zeros",
        "ones",
        "constant(0.5)",
        "normal(std: 0.02)",
        "uniform(low: -0.1, high: 0.1)",
        "glorot_uniform",
        "glorot_normal",
        "he_uniform",
        "he_normal",
        "lecun_uniform",
        "lecun_normal()",
    ] {
        let head = format!("head = Dense(10, init: {init})");
        model(&training(&head, DENSE.1, "cross_entropy(logits, label)", "adam(lr: 1e-3)"));
    }
}

#[test]
fn convolutional_layers() {
    let members = "conv1 = Conv2d(16, kernel: 3, padding: \"same\", use_bias: false)
  bn1 = BatchNorm()
  conv2 = Conv2d(32, kernel: [3, 5], stride: 2, padding: [[1, 1], [2, 2]], groups: 2, init: he_normal)
  drop = Dropout(0.5)
  up = ConvTranspose2d(8, kernel: 4, stride: 2, padding: \"same\")
  norm = LayerNorm()
  head = Dense(10)
  rms = RmsNorm()";
    let forward = "image |> conv1 |> bn1 |> relu |> max_pool2d(2) |> conv2 |> drop |> avg_pool2d(2, padding: \"same\")
      |> up |> norm |> upsample2d(2) |> global_avg_pool2d |> dropout(0.1) |> rms |> head";
    model(&training(members, forward, "cross_entropy(logits, label)", "adam(lr: 1e-3)"));
}

#[test]
fn sequence_layers() {
    let members = "embed = Embedding(256, 16)
  conv = Conv1d(32, kernel: 5, stride: 2)
  head = Dense(10)";
    let forward = "let ids = i32(255.0 * flatten(image))
    ids |> embed |> conv |> mean(axis: 1) |> head";
    model(&training(members, forward, "cross_entropy(logits, label)", "adam(lr: 1e-3)"));
}

/// Code and text at the first label of the only error.
fn only_error(program: &str) -> (u16, &str) {
    let (_, diags) = check(program);
    let [diag] = &diags[..] else { panic!("{diags:#?}") };
    let at = diag.labels[0].span;
    (diag.code.0, &program[at.start as usize..at.end as usize])
}

/// Options that would give a silent mean, an infinite scale, or a run that diverges at once.
#[test]
fn an_option_out_of_its_range_is_an_error_where_it_is_given() {
    const LOSS: &str = "cross_entropy(logits, label)";
    for (loss, at) in [
        ("cross_entropy(logits, label, reduce: \"avg\")", "\"avg\""),
        ("cross_entropy(logits, label, reduce: \"None\")", "\"None\""),
        ("cross_entropy(logits, label, smoothing: 1.1)", "1.1"),
        ("mse(logits, 0.0, reduce: \"avg\")", "\"avg\""),
        ("mae(logits, 0.0, reduce: \"avg\")", "\"avg\""),
        ("huber(logits, 0.0, reduce: \"avg\")", "\"avg\""),
        ("huber(logits, 0.0, delta: 0.0)", "0.0"),
        ("bce_logits(logits, 0.0, reduce: \"avg\")", "\"avg\""),
        ("sum(dropout(logits, 1.5))", "1.5"),
        ("sum(dropout(logits, 1.0))", "1.0"),
        ("sum(dropout(logits, -0.5))", "-0.5"),
    ] {
        assert_eq!(only_error(&training(DENSE.0, DENSE.1, loss, "adam(lr: 1e-3)")), (306, at), "{loss}");
    }
    for (optimizer, at) in [
        ("sgd(lr: -1.0)", "-1.0"),
        ("sgd(lr: inf)", "inf"),
        ("adam(lr: inf - inf)", "inf - inf"),
        ("sgd(lr: 0.1, nesterov: true)", "true"),
        ("adam(lr: 0.1, beta2: 1.0)", "1.0"),
        ("adam(lr: cosine(-0.1))", "-0.1"),
        ("adam(lr: step_decay(0.1, every: 0))", "0"),
        ("adam(lr: linear_warmup(0.1, warmup: -1))", "-1"),
    ] {
        assert_eq!(only_error(&training(DENSE.0, DENSE.1, LOSS, optimizer)), (306, at), "{optimizer}");
    }
}

/// The image has one channel. What only the call can find names the declaration first.
#[test]
fn a_wrong_argument_of_a_layer_is_shown_where_the_layer_is_declared() {
    for (args, code, at) in [
        ("0, kernel: 3", 306, "0"),
        ("8, kernel: 0", 306, "0"),
        ("8, kernel: [3, -3]", 306, "[3, -3]"),
        ("8, kernel: 3, stride: 0", 306, "0"),
        ("8, kernel: 3, groups: 3", 306, "8"),
        ("8, kernel: 3, groups: 0", 204, "Conv2d(8, kernel: 3, groups: 0)"),
        ("9, kernel: 3, groups: 3", 306, "3"),
        ("8, kernel: 3.5", 253, "Conv2d(8, kernel: 3.5)"),
        ("8, kernel: 3, padding: \"full\"", 253, "image |> conv"),
        ("8, kernel: 40", 359, "image |> conv"),
    ] {
        let members = format!("head = Dense(10)\n  conv = Conv2d({args})");
        let program = training(&members, "image |> conv |> flatten |> head", "mean(logits)", "sgd(lr: 0.1)");
        assert_eq!(only_error(&program), (code, at), "{args}");
        let shown = check(&program).1[0].labels.iter().any(|l| l.text.contains("`conv` is declared here"));
        assert_eq!(shown, code != 306, "{args}");
    }
}

#[test]
fn unequal_shapes_of_a_loss_are_an_error() {
    let program = training(DENSE.0, DENSE.1, "mse(logits, logits[:, :, _])", "adam(lr: 1e-3)");
    assert!(check(&program).1.iter().any(|d| d.is_error()));
}

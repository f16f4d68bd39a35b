//! The pass lists on whole programs: outputs stay the same around every pass, and nothing needless remains.

use nnc::diag::Diagnostic;
use nnc::lower::bind;
use nnc::ops::dim::Bindings;
use nnc::ops::{DType, Op};
use nnc::pass::{REORDERED, run_interpreted};
use nnc::passes::{GRAD, OPT, run};
use nnc::sema::check;
use nnc::sema::model::{Model, PhaseKind};
use nnc::source::SourceMap;
use nnc::syntax::{ast, parse};
use nnc::tensor::data::{Data, Tensor};
use nnc::tensor::{Graph, InputRole};

const STD: &[(&str, &str)] = &[
    ("std/activations.nn", include_str!("../std/activations.nn")),
    ("std/conv.nn", include_str!("../std/conv.nn")),
    ("std/dense.nn", include_str!("../std/dense.nn")),
    ("std/dropout.nn", include_str!("../std/dropout.nn")),
    ("std/init.nn", include_str!("../std/init.nn")),
    ("std/loss.nn", include_str!("../std/loss.nn")),
    ("std/norm.nn", include_str!("../std/norm.nn")),
    ("std/optim.nn", include_str!("../std/optim.nn")),
    ("std/pool.nn", include_str!("../std/pool.nn")),
    ("std/schedule.nn", include_str!("../std/schedule.nn")),
];

fn model(program: &str) -> Model {
    let mut sources = SourceMap::default();
    let files: Vec<ast::File> = [("test.nn", program)]
        .iter()
        .chain(STD)
        .map(|(name, text)| {
            let (file, problems) = parse(sources.add(name, text), text);
            assert!(problems.is_empty(), "{name}: {problems:?}");
            file
        })
        .collect();
    let (model, diagnostics) = check(&files, &[]);
    let errors: Vec<&Diagnostic> = diagnostics.iter().filter(|d| d.is_error()).collect();
    assert!(errors.is_empty(), "{errors:?}");
    model
}

/// The step of a program's training, for batches of 3 from 7 rows.
fn step(program: &str) -> Graph {
    let model = model(program);
    let phase = model.trains[0].phases.iter().find(|p| p.kind == PhaseKind::Step).expect("a step");
    let mut bindings = Bindings::new();
    for (dim, n) in [(&phase.batch, 3), (&phase.rows, 7)] {
        bindings.extend(dim.symbols().into_iter().map(|symbol| (symbol, n)));
    }
    bind(&phase.graph, &bindings).unwrap()
}

/// Fixed values for every input: rows and labels (bytes of rank 1) in range, floats around 0, moments positive.
fn inputs(graph: &Graph) -> Vec<(String, Tensor)> {
    let named = graph.insts.iter().filter_map(|inst| match &inst.op {
        Op::Input { name } => Some((name, inst.results[0])),
        _ => None,
    });
    named
        .zip(&graph.inputs)
        .map(|((name, value), (_, role))| {
            let ty = graph.ty(value);
            let n = ty.elements();
            let noise = |i: usize| ((i as f64 + name.len() as f64) * 12.9898).sin() * 437.585 % 0.3;
            let data = match (ty.dtype, role) {
                (DType::F32, InputRole::OptState) => Data::F64((0..n).map(|i| noise(i).abs()).collect()),
                (DType::F32, _) => Data::F64((0..n).map(noise).collect()),
                (DType::I32, InputRole::Scalar) => Data::I32(vec![2]),
                (DType::I32, InputRole::Rows) => Data::I32((0..n as i32).map(|i| 6 - i).collect()),
                (DType::I32, _) => Data::I32((0..n as i32).map(|i| i % 3).collect()),
                (DType::U8, _) if ty.rank() == 1 => Data::U8((0..n).map(|i| (i % 3) as u8).collect()),
                (DType::U8, _) => Data::U8((0..n).map(|i| (i * 37 % 256) as u8).collect()),
                (dtype, _) => panic!("no values for {name}: {dtype}"),
            };
            (name.clone(), Tensor::new(ty.shape.clone(), data).unwrap())
        })
        .collect()
}

/// The optimised step; each pass is compared with what it was given.
fn optimized(program: &str) -> Graph {
    let graph = run(step(program), GRAD).unwrap_or_else(|e| panic!("{e}"));
    let inputs = inputs(&graph);
    let inputs: Vec<(&str, Tensor)> = inputs.iter().map(|(n, t)| (n.as_str(), t.clone())).collect();
    run_interpreted(graph, OPT, &inputs, REORDERED).unwrap_or_else(|e| panic!("{e}"))
}

const CNN: &str = r#"
data Digits from idx("data/mnist") {
  image: f32[28, 28, 1] = f32(raw.image) / 255
  label: i32 = raw.label
  split train, test
}

model Cnn(classes: int = 10) {
  conv1 = Conv2d(2, kernel: 3)
  conv2 = Conv2d(3, kernel: 3)
  hidden = Dense(5)
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
  let net = Cnn()
  optimizer = adam(lr: 1e-3)
  epochs = 1

  step (image, label) in Digits.train |> shuffle |> batch(3) {
    let logits = net(image)
    minimize cross_entropy(logits, label)
    report accuracy: accuracy(logits, label)
  }
}
"#;

#[test]
fn convolutional_classifier() {
    let graph = optimized(CNN);
    let count = |pick: fn(&Op) -> bool| graph.insts.iter().filter(|inst| pick(&inst.op)).count();
    assert_eq!(count(|op| matches!(op, Op::Grad | Op::Composite { .. })), 0);
    // Forward twice; by weights twice; by the input of the second layer only.
    assert_eq!(count(|op| matches!(op, Op::Conv { .. })), 2);
    assert_eq!(count(|op| matches!(op, Op::ConvWeightGrad { .. })), 2);
    assert_eq!(count(|op| matches!(op, Op::ConvInputGrad { .. })), 1);
    // Two dense layers: forward, by weights, by inputs.
    assert_eq!(count(|op| matches!(op, Op::Dot { .. })), 6);
    let second = graph.insts.iter().filter(|inst| matches!(inst.op, Op::Conv { .. })).nth(1).unwrap();
    assert_eq!(graph.ty(second.results[0]).shape, [3, 10, 10, 3]);
}

//! Programs in the language, with the library, through all stages up to the plan.

use crate::machine::{check, floats, ints, run_program};
use nnc::lower;
use nnc::ops::dim::Bindings;
use nnc::ops::{DType, Op, Type};
use nnc::passes::{self, GRAD, OPT};
use nnc::schedule::{Options, StepProgram, plan};
use nnc::sema::model::Model;
use nnc::source::SourceMap;
use nnc::syntax::parse;
use nnc::tensor::data::{Data, Tensor};
use nnc::tensor::{Graph, InputRole, Value};
use std::path::Path;

/// What the data leaves open: lengths of rows, sizes of vocabularies.
const SIZE: i64 = 24;

/// The model of a program, and whether it has no errors.
fn checked(program: &str) -> (Model, Result<(), String>) {
    let mut sources = SourceMap::default();
    let mut texts = vec![("test.nn".to_owned(), program.to_owned())];
    for entry in std::fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("std")).expect("the library") {
        let path = entry.expect("a file").path();
        texts.push((path.display().to_string(), std::fs::read_to_string(&path).expect("text")));
    }
    let files: Vec<_> = texts.iter().map(|(name, text)| parse(sources.add(name, text), text).0).collect();
    let (opaque, _) = nnc::sema::check(&files, &[]);
    let values: Vec<_> = opaque.values.into_iter().map(|value| (value, SIZE)).collect();
    let (model, diagnostics) = nnc::sema::check_with(&files, &[], &values);
    let faulty = diagnostics.iter().any(|d| d.is_error());
    (model, if faulty { Err(format!("{program}\n{diagnostics:#?}")) } else { Ok(()) })
}

fn model(program: &str) -> Model {
    let (model, outcome) = checked(program);
    outcome.unwrap_or_else(|e| panic!("{e}"));
    model
}

/// Initialisation and all phases, for a batch of `batch` rows out of 20, ready for the scheduler.
fn phases(model: Model, batch: usize) -> Vec<Graph> {
    let Some(train) = model.trains.into_iter().next() else { return vec![] };
    let mut graphs = vec![lower::bind(&train.init, &Bindings::new()).expect("sizes are known")];
    for phase in &train.phases {
        let symbol = |dim: &nnc::ops::dim::Dim| dim.as_symbol().expect("a symbol").clone();
        let dims = phase.graph.types.iter().flat_map(|ty| &ty.shape);
        let mut bindings: Bindings = dims.flat_map(|dim| dim.symbols()).map(|symbol| (symbol, SIZE)).collect();
        bindings.extend([(symbol(&phase.batch), batch as i64), (symbol(&phase.rows), 20)]);
        graphs.push(lower::bind(&phase.graph, &bindings).expect("sizes are known"));
    }
    let ready = |g| passes::run(g, GRAD).and_then(|g| passes::run(g, OPT)).expect("passes keep graphs whole");
    graphs.into_iter().map(ready).collect()
}

/// Small positive numbers for what a program reads; indices within bounds.
fn input(name: &str, role: InputRole, ty: &Type) -> Tensor {
    let seed = name.bytes().map(u64::from).sum();
    let count = ty.elements();
    let data = match (role, ty.dtype) {
        (InputRole::Rows, _) => return ints(&ty.shape, 20, seed),
        (InputRole::Scalar, _) => Data::I32(vec![3]),
        (_, DType::U8) => {
            Data::U8((0..count).map(|i| (i * 7919 % 251) as u8 % if ty.rank() == 1 { 5 } else { 255 }).collect())
        }
        (_, DType::I32) => return ints(&ty.shape, 5, seed),
        (_, DType::Bool) => Data::Bool((0..count).map(|i| i % 3 > 0).collect()),
        _ => Data::F32(floats(&ty.shape, seed).to_f64().iter().map(|x| 0.3 * x.abs() as f32 + 0.01).collect()),
    };
    Tensor { shape: ty.shape.clone(), data }
}

fn inputs(graph: &Graph) -> Vec<(&str, Tensor)> {
    let of = |(value, role): &(Value, InputRole)| {
        let inst = graph.insts.iter().find(|i| i.results.contains(value)).expect("inputs are defined");
        let Op::Input { name } = &inst.op else { panic!("an input") };
        (name.as_str(), input(name, *role, graph.ty(*value)))
    };
    graph.inputs.iter().map(of).collect()
}

fn run(graph: &Graph) -> StepProgram {
    check(graph, &inputs(graph))
}

fn program(side: usize, members: &str, forward: &str, step: &str) -> String {
    format!(
        "data Digits from idx(\"d\") {{
  image: f32[{side}, {side}, 2] = f32(raw.image) / 255
  label: i32 = raw.label
  split train, test
}}
model M() {{
  {members}
  fn forward(image: f32[B, {side}, {side}, 2]) {{ {forward} }}
}}
train {{
  let net = M()
  optimizer = adam(lr: 1e-3)
  epochs = 1
  step (image, label) in Digits.train |> batch(4) {{ {step} }}
  validate (image, label) in Digits.test |> batch(4) {{
    let logits = net(image)
    report loss: cross_entropy(logits, label), accuracy: accuracy(logits, label)
  }}
}}
"
    )
}

const CLASSIFY: &str = "let logits = net(image)
    minimize cross_entropy(logits, label)
    report accuracy: accuracy(logits, label)";

/// Runs every phase of a program; the launches of the training step.
fn check_program(program: &str) -> usize {
    let graphs = phases(model(program), 4);
    graphs.iter().map(|g| run(g).launches().len()).collect::<Vec<_>>()[1]
}

#[test]
fn convolutions_with_pooling() {
    let forward = "image |> conv1 |> relu |> max_pool2d(2) |> conv2 |> relu |> avg_pool2d(2) |> flatten |> head";
    let members = "conv1 = Conv2d(6, kernel: 3)
  conv2 = Conv2d(9, kernel: 3, stride: 2, padding: \"same\")
  head = Dense(5)";
    let launches = check_program(&program(13, members, forward, CLASSIFY));
    assert!(launches <= 30, "{launches} launches");
}

#[test]
fn norms_and_dropout() {
    let forward = "image |> conv |> norm |> relu |> flatten |> wide |> layer |> gelu |> drop |> head";
    let members = "conv = Conv2d(8, kernel: 3, padding: \"same\")
  norm = BatchNorm()
  wide = Dense(33)
  layer = LayerNorm()
  drop = Dropout(0.25)
  head = Dense(5)";
    check_program(&program(6, members, forward, CLASSIFY));
}

#[test]
fn transposed_and_grouped_convolutions() {
    let forward = "image |> a |> relu |> b |> relu |> c |> global_avg_pool2d";
    let members = "a = Conv2d(4, kernel: 3, groups: 2, dilation: 2)
  b = ConvTranspose2d(6, kernel: 3, stride: 2)
  c = Conv2d(5, kernel: 1)";
    check_program(&program(8, members, forward, CLASSIFY));
}

#[test]
fn other_losses_and_optimizers() {
    let step = "let logits = net(image)
    minimize cross_entropy(logits, label, smoothing: 0.1, ignore: [3])
    report best: top_k_accuracy(logits, label, 2), norm: sum(logits ** 2)";
    let text = program(5, "head = Dense(5)", "image |> flatten |> head |> softmax", step);
    for optimizer in ["sgd(lr: 0.1, momentum: 0.9)", "adamw(lr: warmup_cosine(1e-3, 2))", "rmsprop(lr: 1e-3)"] {
        let text = text.replace("adam(lr: 1e-3)", optimizer).replace("epochs = 1", "epochs = 1\n  clip_norm = 1.0");
        check_program(&text);
    }
}

/// The real sizes are planned only: running them in the interpreter takes too long.
#[test]
fn the_mnist_nets_train_in_few_launches() {
    let data = "data Digits from idx(\"data/mnist\") {
  image: f32[28, 28, 1] = f32(raw.image) / 255
  label: i32 = raw.label
  split train, test
}";
    let mlp = "a = Dense(512)\n  b = Dense(512)\n  head = Dense(10)
  fn forward(image: f32[B, 28, 28, 1]) { image |> flatten |> a |> relu |> b |> relu |> head }";
    let cnn =
        "conv1 = Conv2d(32, kernel: 3)\n  conv2 = Conv2d(64, kernel: 3)\n  hidden = Dense(128)\n  head = Dense(10)
  fn forward(image: f32[B, 28, 28, 1]) {
    image |> conv1 |> relu |> max_pool2d(2) |> conv2 |> relu |> max_pool2d(2) |> flatten |> hidden |> relu |> head
  }";
    for (name, members, batch, most) in [("mlp", mlp, 128, 20), ("cnn", cnn, 64, 35)] {
        let text = format!(
            "{data}\nmodel M() {{\n  {members}\n}}\ntrain {{\n  let net = M()\n  optimizer = adam(lr: 1e-3)\n  epochs = 1
  step (image, label) in Digits.train |> batch({batch}) {{ {CLASSIFY} }}\n}}\n"
        );
        let graph = &phases(model(&text), batch)[1];
        let program = plan(graph, &Options { target: nnc::lane::Target::AVX512 }).expect("a plan");
        if std::env::var_os("NNC_PRINT").is_some() {
            program.kernels.iter().for_each(|k| print!("{k}"));
            println!("{program}{}{:?}", nnc::schedule::print::BufferTable::from(&program), program.stats());
        }
        assert!(program.launches().len() <= most, "{name}\n{program}");
    }
}

/// The example programs that check: those that use what is not supported yet do not.
#[test]
fn programs_have_plans() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut planned = 0;
    for folder in ["tests/programs", "examples"] {
        for entry in std::fs::read_dir(root.join(folder)).expect("a folder") {
            let path = entry.expect("a file").path();
            let Ok(text) = std::fs::read_to_string(&path) else { continue };
            let (model, Ok(())) = checked(&text) else { continue };
            for graph in phases(model, 4) {
                for target in [nnc::lane::Target::CLIF, nnc::lane::Target::AVX512] {
                    let program = plan(&graph, &Options { target }).unwrap_or_else(|e| panic!("{path:?}: {e:?}"));
                    for kernel in &program.kernels {
                        assert_eq!(nnc::tile::verify::verify(kernel), Ok(()), "{path:?}\n{kernel}");
                    }
                }
                planned += 1;
            }
        }
    }
    assert!(planned > 10, "only {planned} phases have plans");
}

/// Every phase of the smaller examples, interpreted point by point: none touches what another writes.
#[test]
fn points_of_the_examples_are_disjoint() {
    let mut phases_run = 0;
    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples");
    for name in ["autoencoder", "digits", "mlp", "mnist_cnn"] {
        let text = std::fs::read_to_string(examples.join(name).with_extension("nn")).expect("an example");
        for graph in &phases(model(&text), 1)[1..] {
            let program = plan(graph, &Options { target: nnc::lane::Target::AVX512 }).expect("a plan");
            run_program(&program, &inputs(graph));
            phases_run += 1;
        }
    }
    assert!(phases_run >= 12, "only {phases_run} phases");
}

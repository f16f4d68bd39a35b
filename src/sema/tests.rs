//! Programs in, models and diagnostics out.

use super::check;
use super::model::Model;
use crate::diag::Diagnostic;
use crate::source::{FileId, SourceMap};
use crate::syntax::ast;

/// The standard library as shipped.
const STD: [(&str, &str); 10] = [
    ("std/activations.nn", include_str!("../../std/activations.nn")),
    ("std/conv.nn", include_str!("../../std/conv.nn")),
    ("std/dense.nn", include_str!("../../std/dense.nn")),
    ("std/dropout.nn", include_str!("../../std/dropout.nn")),
    ("std/init.nn", include_str!("../../std/init.nn")),
    ("std/loss.nn", include_str!("../../std/loss.nn")),
    ("std/norm.nn", include_str!("../../std/norm.nn")),
    ("std/optim.nn", include_str!("../../std/optim.nn")),
    ("std/pool.nn", include_str!("../../std/pool.nn")),
    ("std/schedule.nn", include_str!("../../std/schedule.nn")),
];

fn parse(id: FileId, text: &str) -> ast::File {
    let (file, diags) = crate::syntax::parse(id, text);
    assert!(diags.is_empty(), "{diags:?}");
    file
}

fn files(text: &str) -> (SourceMap, Vec<ast::File>) {
    let mut sources = SourceMap::default();
    let mut files = vec![parse(sources.add("test.nn", text), text)];
    for (name, text) in STD {
        files.push(parse(sources.add(name, text), text));
    }
    (sources, files)
}

pub fn run(text: &str, overrides: &[(&str, &str)]) -> (SourceMap, Model, Vec<Diagnostic>) {
    let (sources, files) = files(text);
    let overrides: Vec<(String, String)> = overrides.iter().map(|(a, b)| (a.to_string(), b.to_string())).collect();
    let (model, diags) = check(&files, &overrides);
    (sources, model, diags)
}

/// Each diagnostic as `E0101 "text at its first label": message`.
pub fn summary(sources: &SourceMap, diags: &[Diagnostic]) -> Vec<String> {
    let place = |d: &Diagnostic| d.labels.first().map_or("", |l| sources.text(l.span)).to_string();
    diags.iter().map(|d| format!("{} {:?}: {}", d.code, place(d), d.message)).collect()
}

/// The model of a program without errors.
pub fn model(text: &str) -> Model {
    let (sources, model, diags) = run(text, &[]);
    assert!(diags.is_empty(), "{:#?}", summary(&sources, &diags));
    model
}

const MNIST: &str = r#"
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

#[test]
fn mnist_elaborates() {
    let model = model(MNIST);
    let paths: Vec<&str> = model.params.iter().map(|p| &*p.path).collect();
    assert_eq!(paths[..2], ["conv1.weight", "conv1.bias"]);
}

fn dump(graph: &crate::tensor::Graph<crate::ops::dim::Dim>, out: &mut String, indent: usize) {
    use std::fmt::Write;
    let pad = " ".repeat(indent);
    for inst in &graph.insts {
        let types: Vec<String> = inst.results.iter().map(|&r| format!("{r}: {}", graph.ty(r))).collect();
        let args: Vec<String> = inst.args.iter().map(|a| a.to_string()).collect();
        let op = format!("{:?}", inst.op);
        let op: String = op.chars().take(60).collect();
        writeln!(out, "{pad}{} = {op} ({}) @{:?}", types.join(", "), args.join(", "), inst.origin.layer).unwrap();
        for r in &inst.regions {
            dump(r, out, indent + 4);
        }
    }
    for o in &graph.outputs {
        writeln!(out, "{pad}-> {} {:?} {}", o.name, o.role, o.value).unwrap();
    }
}

#[test]
fn show() {
    let model = model(MNIST);
    let mut out = String::new();
    for t in &model.trains {
        out += "=== init\n";
        dump(&t.init, &mut out, 0);
        for p in &t.phases {
            out += &format!("=== {:?} {:?}\n", p.kind, p.pipeline);
            dump(&p.graph, &mut out, 0);
        }
    }
    println!(
        "{out}\n{:#?}\n{:?}\n{:?}",
        model.data,
        model
            .layers
            .iter()
            .map(|l| format!(
                "{} {} {} {:?}",
                l.root,
                l.path,
                l.kind,
                l.results.iter().map(|t| t.to_string()).collect::<Vec<_>>()
            ))
            .collect::<Vec<_>>(),
        model.params.iter().map(|p| format!("{} {}", p.path, p.ty)).collect::<Vec<_>>()
    );
}

/// For trying programs out: `NN=file cargo test --lib sema::tests::try_file -- --nocapture`.
#[test]
fn try_file() {
    let Ok(path) = std::env::var("NN") else { return };
    for path in path.split(',') {
        let text = std::fs::read_to_string(path).unwrap();
        let mut sources = SourceMap::default();
        let (file, diags) = crate::syntax::parse(sources.add(path, &text), &text);
        println!("=== {path} syntax: {:#?}", summary(&sources, &diags));
        let mut files = vec![file];
        for (name, text) in STD {
            files.push(parse(sources.add(name, text), text));
        }
        let (model, diags) = check(&files, &[]);
        println!("{:#?}", summary(&sources, &diags));
        for d in &diags {
            for l in &d.labels {
                println!("    {} {}: {} | {:?}", d.code, sources.locate(l.span), l.text, d.help);
            }
        }
        println!("params {:?}", model.params.iter().map(|p| format!("{} {}", p.path, p.ty)).collect::<Vec<_>>());
        for g in model.functions {
            let mut out = String::new();
            dump(&g, &mut out, 2);
            println!("{} {out}", g.name);
        }
    }
}

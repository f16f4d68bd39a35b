//! Which blocks can generate, and what is said of those that cannot.

use super::{model, run};

/// A block with these layers as its instances `a`, `b`, …; each definition is `layer` and what follows.
fn block(layers: &[&str]) -> String {
    let defined = layers.iter().enumerate().map(|(i, text)| format!("layer L{i}() {{ {text} }}\n"));
    let names = ["a", "b"];
    let lets = (0..layers.len()).map(|i| format!("  let {} = L{i}()\n", names[i]));
    let (defined, lets): (String, String) = (defined.collect(), lets.collect());
    format!(
        "data D from csv(\"d.csv\") {{ x: f32 }}
{defined}train {{
{lets}  let net = Dense(1)
  optimizer = sgd(lr: 0.1)
  epochs = 1
  step (x) in D.train |> batch(2) {{ minimize mean(net(x[:, _])) }}
}}"
    )
}

const NEXT: &str = "fn next(token: i32[B], at: i32, more: int = 1) -> f32[B, 3] { one_hot(token, 3) }";

/// Text and words at each label of what is said.
fn causes(layers: &[&str]) -> Vec<(String, String)> {
    let (sources, model, _) = run(&block(layers), &[]);
    let diag = model.trains[0].generation.as_ref().expect_err("it cannot generate");
    assert_eq!(diag.code.0, 819);
    diag.labels.iter().map(|l| (sources.text(l.span).to_string(), l.text.clone())).collect()
}

#[track_caller]
fn cause(layers: &[&str], place: &str, words: &str) {
    let found = causes(layers);
    assert!(found.iter().any(|(at, text)| at == place && text.contains(words)), "{found:?}");
}

#[test]
fn one_layer_with_next_generates() {
    assert!(model(&block(&[NEXT])).trains[0].generation.is_ok());
    let start = format!("{NEXT}\n  fn start(source: i32[B, S], mask: bool[B, S]) -> i32[B] {{ source[:, 0] }}");
    assert!(model(&block(&[&start])).trains[0].generation.as_ref().is_ok_and(|g| g.reads));
}

#[test]
fn what_keeps_a_block_from_generating_is_named() {
    cause(&[], "net", "`Dense` has no `next`");
    cause(&[NEXT, NEXT], "a", "has `next`");
    cause(&[NEXT, NEXT], "b", "so has this one");
    cause(&["fn next(token: i32[B]) -> f32[B, 3] { one_hot(token, 3) }"], "next", "other arguments");
    cause(&["fn next(x: f32[B], at: i32) -> f32[B, 3] { x[:, _] * zeros([3]) }"], "next", "other arguments");
    let flat = "fn next(token: i32[B], at: i32) -> f32[B] { f32(token) }";
    cause(&[flat], "f32[B]", "gives f32[B], expected f32[B, V]");
    let two = format!("{NEXT}\n  fn start(source: i32[B, S], mask: bool[B, S]) -> i32[B, S] {{ source }}");
    cause(&[&two], "i32[B, S]", "gives i32[B, S], expected i32[B]");
}

//! The example in the explanation of each code of operations causes that error.

use super::check;
use nnc::diag::{Code, codes};

/// The first fenced block of the explanation.
fn example(text: &str) -> &str {
    text.split_once("```nn\n").and_then(|(_, rest)| rest.split_once("```")).expect("an example").0
}

/// A function by itself may be called with any extent; a program says where an extent stays unknown: here the batch.
const CALL: &str = "
data D from idx(\"d\") {
  x: f32[48] = f32(raw.image)
  split train
}
model M() {
  param w: f32[3, 3, 3, 8] = zeros
  fn forward(x: f32[B, 48]) { f(reshape(x, [1, B, 16, 3]), w) }
}
train {
  let net = M()
  optimizer = sgd(lr: 0.1)
  epochs = 1
  step (x) in D.train |> batch(4) { minimize sum(net(x)) }
}
";

#[test]
fn every_example_causes_its_error() {
    let mut silent = vec![];
    for explanation in codes::all().filter(|e| matches!(e.code, Code(250..=299 | 350..=399))) {
        let call = if explanation.code == Code(357) { CALL } else { "" };
        let (_, found) = check(&format!("{}{call}", example(explanation.text)));
        if !found.iter().any(|d| d.code == explanation.code) {
            silent.push((explanation.code, found.into_iter().map(|d| (d.code, d.message)).collect::<Vec<_>>()));
        }
    }
    assert!(silent.is_empty(), "{silent:#?}");
}

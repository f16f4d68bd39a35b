//! Recurrent layers and embeddings: formulas by hand, states, masks. PyTorch's numbers are in tests/parity.

use super::values::{floats, graph, outputs};
use super::{assert_close, model};
use nnc::tensor::Graph;
use nnc::tensor::data::{Data, Tensor};
use nnc::tensor::interp::{self, Precision::F64};
use nnc::tensor::{InputRole, Value};

/// A fixed number in -1..1 for each index.
fn noise(i: usize) -> f64 {
    ((i as f64 + 1.0) * 12.9898).sin() * 0.9
}

/// Noise for every parameter of a graph.
pub fn parameters(graph: &Graph) -> Vec<(String, Tensor)> {
    let of = |(value, role): &(Value, InputRole)| {
        let inst = graph.insts.iter().find(|i| i.results.first() == Some(value))?;
        let nnc::ops::Op::Input { name } = &inst.op else { return None };
        let ty = graph.ty(*value);
        let numbers: Vec<f64> = (0..ty.elements()).map(|i| noise(i + 7 * name.len())).collect();
        (*role == InputRole::Param).then(|| (name.clone(), floats(&ty.shape, &numbers)))
    };
    graph.inputs.iter().filter_map(of).collect()
}

/// The outputs of a program's model on `x: f32[2, 5, 3]` and `n: i32[2]`.
fn run(members: &str, body: &str, x: Tensor) -> Vec<Vec<f64>> {
    let program =
        format!("model M() {{\n  {members}\n  fn forward(x: f32[2, 5, 3], n: i32[2]) {{\n    {body}\n  }}\n}}");
    let graph = graph(&program);
    let params = parameters(&graph);
    let lengths = Tensor::new(vec![2], Data::I32(vec![5, 2])).expect("two");
    let mut args: Vec<(&str, Tensor)> = params.iter().map(|(n, t)| (n.as_str(), t.clone())).collect();
    args.extend([("x", x), ("n", lengths)]);
    interp::run(&graph, &args, F64).expect("it runs").iter().map(Tensor::to_f64).collect()
}

fn inputs() -> Tensor {
    floats(&[2, 5, 3], &(0..30).map(noise).collect::<Vec<_>>())
}

/// Case 20 (burn#2701, mlx#3249): h(t-1) enters the second step, and no initial state means zeros, biases included.
#[test]
fn a_missing_initial_state_is_zero() {
    for layer in ["SimpleRnn(4, recurrent_bias: true)", "Lstm(4, recurrent_bias: true)", "Gru(4)"] {
        let body = "(a: rnn(x).all, b: rnn(x, initial: zeros([2, 4])).all)";
        let found = run(&format!("rnn = {layer}"), body, inputs());
        assert_eq!(found[0], found[1], "{layer}");
    }
}

#[test]
fn a_gru_by_hand() {
    let sigmoid = |x: f64| 1.0 / (1.0 + (-x).exp());
    for after in [true, false] {
        let program = format!(
            "model M() {{\n  rnn = Gru(1, reset_after: {after})\n  fn forward(x: f32[1, 2, 1]) {{ rnn(x).all }}\n}}"
        );
        let (w, u, b, c) = ([0.5, -0.4, 0.9], [0.3, 0.8, -0.7], [0.1, 0.2, -0.3], [-0.2, 0.4, 0.6]);
        let mut args = vec![
            ("x", floats(&[1, 2, 1], &[1.0, -2.0])),
            ("rnn.input", floats(&[1, 3], &w)),
            ("rnn.recurrent", floats(&[1, 3], &u)),
            ("rnn.bias", floats(&[3], &b)),
        ];
        if after {
            args.push(("rnn.bias_recurrent", floats(&[3], &c)));
        }
        let c = if after { c } else { [0.0; 3] };
        let mut h = 0.0;
        let mut expected = vec![];
        for x in [1.0, -2.0] {
            let gate = |k: usize| x * w[k] + b[k];
            let r = sigmoid(gate(0) + h * u[0] + c[0]);
            let z = sigmoid(gate(1) + h * u[1] + c[1]);
            let n = if after { (gate(2) + r * (h * u[2] + c[2])).tanh() } else { (gate(2) + r * h * u[2]).tanh() };
            h = (1.0 - z) * n + z * h;
            expected.push(h);
        }
        let found = interp::run(&graph(&program), &args, F64).expect("it runs");
        assert_close(&found[0].to_f64(), &expected, 1e-12, "two steps");
    }
}

/// Case 21 (pytorch#1811): the reversed direction ends at t = 0, and padding, be it NaN, enters neither a state nor a
/// result.
#[test]
fn padding_never_enters_the_state() {
    let mut numbers: Vec<f64> = (0..30).map(noise).collect();
    let clean = floats(&[2, 5, 3], &numbers);
    // Row 1 has two positions.
    numbers[15 + 6..].fill(f64::NAN);
    let padded = floats(&[2, 5, 3], &numbers);
    for layer in ["SimpleRnn(4)", "Lstm(4)", "Gru(4)"] {
        for way in ["false", "true"] {
            let body = format!(
                "let y = rnn(x, mask(n, 5), backward: {way})
    let short = rnn(x[1:, :2], backward: {way})
    (last: y.last[1], all: y.all[1, :2], padding: y.all[1, 2:], short: short.last, whole: short.all, ends: y.all[0])"
            );
            let found = run(&format!("rnn = {layer}"), &body, padded.clone());
            assert_close(&found[0], &found[3], 1e-12, layer);
            assert_close(&found[1], &found[4], 1e-12, layer);
            assert_eq!(found[2], vec![0.0; 12], "{layer}");
            assert_eq!(found, run(&format!("rnn = {layer}"), &body, clean.clone()), "{layer}");
            let first = if way == "true" { &found[4][..4] } else { &found[4][4..] };
            assert_close(&found[0], first, 1e-12, "the last state is that of the last position on the way");
        }
    }
}

#[test]
fn both_directions_stand_side_by_side() {
    let members = "ahead = Gru(4)\n  both = Bidirectional(Gru(4))";
    let body = "let y = both(x, mask(n, 5))
    (all: y.all[:, :, :4], last: y.last[:, :4], a: both.forwards(x, mask(n, 5)).all, b: both.forwards(x, mask(n, 5)).last,
     back: y.last[:, 4:], c: both.backwards(x, mask(n, 5), backward: true).last, d: y.all[:, 0, 4:])";
    let found = run(members, body, inputs());
    assert_eq!((&found[0], &found[1], &found[4]), (&found[2], &found[3], &found[5]));
    assert_eq!(found[5], found[6], "backwards ends at t = 0");
}

/// `another` makes a layer of the same kind with its own parameters, and what it consists of too.
#[test]
fn another_layer_has_parameters_of_its_own() {
    let program = "
layer Twice(inner: layer) {
  more = another(inner)
  fn forward(x: f32[B, D]) { x |> inner |> more }
}
model M() {
  shared = Dense(4)
  net = Twice(Twice(Dense(4, use_bias: false)))
  fn forward(x: f32[B, 4]) { x |> shared |> net }
}";
    let found = model(program);
    let mut names: Vec<String> = found.params.iter().map(|p| p.path.clone()).collect();
    names.sort();
    let net = ["inner.inner", "inner.more", "more.inner", "more.more"].map(|n| format!("net.{n}.weight"));
    assert_eq!(names, [&net[..], &["shared.bias".into(), "shared.weight".into()]].concat());
}

#[test]
fn orthogonal_matrices() {
    let scalar = Tensor::scalar_i32;
    let args = [("x", floats(&[1], &[0.0])), ("seed", scalar(3)), ("step", scalar(0))];
    let body = "let wide = initial(orthogonal, [3, 7])
    let tall = initial(orthogonal(gain: 2.0), [2, 3, 5])
    (wide: wide @ transpose(wide), tall: transpose(reshape(tall, [6, 5])) @ reshape(tall, [6, 5]), one: initial(orthogonal, [1, 1]) ** 2)";
    let found = outputs("x: f32[1]", body, &args, F64);
    let identity = |n: usize, by: f64| (0..n * n).map(move |i| if i % (n + 1) == 0 { by } else { 0.0 });
    let expected: Vec<f64> = identity(3, 1.0).chain(identity(5, 4.0)).chain([1.0]).collect();
    assert_close(&found, &expected, 1e-9, "orthogonal");
}

/// As Keras counts the stacked LSTM of the mission.
#[test]
fn parameters_of_stacked_lstms() {
    let program = "
model M() {
  rnn = Stacked([Lstm(128), Lstm(128), Lstm(128)])
  hidden = Dense(64)
  head = Dense(10)
  fn forward(x: f32[B, 100, 64]) -> f32[B, 10] { rnn(x).last |> hidden |> relu |> head }
}";
    let count =
        |p: &nnc::sema::model::Param| -> i64 { p.ty.shape.iter().filter_map(nnc::ops::Extent::known).product() };
    let counts: Vec<i64> = model(program).params.iter().map(count).collect();
    assert_eq!(counts.iter().sum::<i64>(), 98_816 + 131_584 + 131_584 + 8_256 + 650);
}

#[test]
fn options_of_recurrent_layers_are_checked() {
    let program = |layer: &str, call: &str| {
        format!("model M() {{\n  rnn = {layer}\n  fn forward(x: f32[2, 5, 3], m: bool[2, 4]) {{ {call} }}\n}}")
    };
    let codes = |text: String| super::check(&text).1.iter().map(|d| d.code.0).collect::<Vec<_>>();
    assert_eq!(codes(program("Lstm(0)", "rnn(x)")), [306]);
    assert_eq!(codes(program("Stacked([])", "rnn(x)")), [306]);
    assert_eq!(codes(program("Gru(4)", "rnn(x, initial: zeros([2, 3]))")), [301]);
    assert_eq!(codes(program("Gru(4)", "rnn(x, m)")).len(), 1, "a mask of another length");
}

//! Which programs are recognised as attention, and that they compute the same before and after.

use super::model;
use super::values::floats;
use nnc::autodiff::expand_grads;
use nnc::lane::Target;
use nnc::lower;
use nnc::ops::Op;
use nnc::ops::Scores;
use nnc::ops::dim::Bindings;
use nnc::opt::raise::raise;
use nnc::passes::{self, GRAD, OPT};
use nnc::schedule::{Options, plan};
use nnc::tensor::Graph;
use nnc::tensor::data::{Data, Tensor};
use nnc::tensor::interp::{self, Precision};
use nnc::tensor::verify::verify;

/// q [2, 4, 3, 6], k and v [2, 4, 5, 6], their kin with two heads, and square ones with one head.
const PARAMS: &str = "q: f32[2, 4, 3, 6], k: f32[2, 4, 5, 6], v: f32[2, 4, 5, 6], k2: f32[2, 2, 5, 6], \
                      v2: f32[2, 2, 5, 6], x: f32[2, 5, 6], w: f32[2, 5, 6], m: bool[2, 5], s: bool[3, 5], a: f32[4, 3, 5]";

fn args() -> Vec<(&'static str, Tensor)> {
    let noise = |n: usize, salt: usize| -> Vec<f64> {
        (0..n).map(|i| (((i * 37 + salt * 101) % 97) as f64 - 48.0) / 40.0).collect()
    };
    let float = |shape: &[usize], salt| floats(shape, &noise(shape.iter().product(), salt));
    let flags = |shape: &[usize], of: fn(usize) -> bool| {
        Tensor::new(shape.to_vec(), Data::Bool((0..shape.iter().product()).map(of).collect())).unwrap()
    };
    vec![
        ("q", float(&[2, 4, 3, 6], 1)),
        ("k", float(&[2, 4, 5, 6], 2)),
        ("v", float(&[2, 4, 5, 6], 3)),
        ("k2", float(&[2, 2, 5, 6], 4)),
        ("v2", float(&[2, 2, 5, 6], 5)),
        ("x", float(&[2, 5, 6], 6)),
        ("w", float(&[2, 5, 6], 7)),
        ("m", flags(&[2, 5], |i| i % 5 != 3)),
        ("s", flags(&[3, 5], |i| i % 4 != 1)),
        ("a", float(&[4, 3, 5], 8)),
    ]
}

/// The program with values and gradients, and definitions before the model.
fn program(definitions: &str, body: &str, wrt: &str) -> Graph {
    let text = format!(
        "{definitions}
model M() {{
  fn forward({PARAMS}) {{
    let y = {body}
    let g = grad(sum(y * y), wrt: [{wrt}])
    (y: y, a: g[0], b: g[1], c: g[2])
  }}
}}
"
    );
    let graph = model(&text).functions.into_iter().next().expect("a function");
    lower::bind(&graph, &Bindings::new()).expect("all dimensions are known")
}

fn run(graph: &Graph) -> Vec<Vec<f64>> {
    verify(graph).unwrap_or_else(|e| panic!("{e:#?}"));
    interp::run(graph, &args(), Precision::F64).expect("it runs").iter().map(Tensor::to_f64).collect()
}

/// The attentions that are recognised; values and gradients must stay.
fn attentions(definitions: &str, body: &str, wrt: &str) -> Vec<Scores> {
    let graph = program(definitions, body, wrt);
    let before = run(&expand_grads(graph.clone()));
    let raised = raise(graph);
    let found = raised.insts.iter().filter_map(|inst| match &inst.op {
        Op::Attention { scores } => Some(*scores),
        _ => None,
    });
    let found: Vec<Scores> = found.collect();
    for (a, b) in run(&expand_grads(raised)).iter().zip(before) {
        super::assert_close(a, &b, 1e-9, body);
    }
    found
}

const PLAIN: Scores =
    Scores { scale: 1.0, causal: false, masked: false, biased: false, keep: None, empty_is_zero: false };

/// One attention of this kind.
fn check(body: &str, wrt: &str, scores: Scores) {
    check_with("", body, wrt, scores);
}

fn check_with(definitions: &str, body: &str, wrt: &str, scores: Scores) {
    assert_eq!(attentions(definitions, body, wrt), [scores], "{body}");
}

fn refuse(definitions: &str, body: &str, wrt: &str) {
    assert_eq!(attentions(definitions, body, wrt), [], "{body}");
}

#[test]
fn the_library_s_attention() {
    let scale = 1.0 / 6f64.sqrt();
    let masked = Scores { scale, masked: true, empty_is_zero: true, ..PLAIN };
    check("attention(q, k, v)", "q, k, v", Scores { scale, ..PLAIN });
    check("attention(q, k, v, scale: 0.5)", "q, k, v", Scores { scale: 0.5, ..PLAIN });
    check("attention(q, k2, v2)", "q, k2, v2", Scores { scale, ..PLAIN });
    check("attention(q, k, v, mask: padding(m))", "q, k, v", masked);
    check("attention(q, k2, v2, mask: padding(m))", "q, k2, v2", masked);
    check("attention(q, k, v, bias: a)", "q, a, v", Scores { scale, biased: true, ..PLAIN });
    let causal = Scores { scale, causal: true, empty_is_zero: true, ..PLAIN };
    check("attention(q, k, v, causal: true)", "q, k, v", causal);
    check("attention(q, k, v, mask: padding(m), causal: true)", "q, k, v", Scores { masked: true, ..causal });
    let square = "attention(x[:, _], w[:, _], w[:, _], mask: causal(5))";
    check(square, "x, w, w", causal);
    let all = Scores { masked: true, biased: true, ..causal };
    check("attention(q, k, v, mask: padding(m), bias: a, causal: true)", "q, a, v", all);
}

#[test]
fn groups_are_read_in_place() {
    let graph = raise(program("", "attention(q, k2, v2, causal: true)", "q, k2, v2"));
    let inst = graph.insts.iter().find(|inst| matches!(inst.op, Op::Attention { .. })).expect("attention");
    let shapes: Vec<&[usize]> = inst.args.iter().map(|v| &graph.ty(*v).shape[..]).collect();
    assert_eq!(shapes, [&[2, 4, 3, 6][..], &[2, 2, 5, 6], &[2, 2, 5, 6]]);
}

#[test]
fn a_bias_of_heads_is_shared_by_the_batch() {
    let graph = raise(program("", "attention(q, k, v, bias: a)", "q, a, v"));
    let inst = graph.insts.iter().find(|inst| matches!(inst.op, Op::Attention { .. })).expect("attention");
    assert_eq!(graph.ty(inst.args[3]).shape, [1, 4, 3, 5]);
}

#[test]
fn written_by_hand() {
    check("einsum(\"bhqk, bhkd -> bhqd\", softmax(einsum(\"bhqd, bhkd -> bhqk\", q, k)), v)", "q, k, v", PLAIN);
    check("softmax(q @ transpose(k)) @ v", "q, k, v", PLAIN);
    check("softmax(q @ transpose(k) / 2.0) @ v", "q, k, v", Scores { scale: 0.5, ..PLAIN });
    check("softmax((q * 0.5) @ transpose(k)) @ v", "q, k, v", PLAIN);
    // Batch axes in another order, queries and values on other sides.
    check("einsum(\"bkd, bqk -> bdq\", w, softmax(einsum(\"bkd, bqd -> bqk\", w, x)))", "x, w, w", PLAIN);
    check("einsum(\"hbqk, bhkd -> bqhd\", softmax(einsum(\"bhkd, bhqd -> hbqk\", k, q)), v)", "q, k, v", PLAIN);
    // Along the first axis of the scores.
    check("einsum(\"kbq, bkd -> bqd\", softmax(einsum(\"bkd, bqd -> kbq\", w, x), axis: 0), w)", "x, w, w", PLAIN);
    // No batch at all.
    check("softmax(x[0] @ transpose(w[0])) @ w[1]", "x, w, w", PLAIN);
    // A bias by sums and differences, scaled afterwards.
    let biased = Scores { scale: 2.0, biased: true, ..PLAIN };
    check("softmax((q @ transpose(k) + a) * 2.0) @ v", "q, a, v", biased);
    check("softmax(2.0 * (q @ transpose(k) - a) + a * a) @ v", "q, a, v", biased);
    let masked = Scores { masked: true, ..PLAIN };
    check("softmax(where(s or k[:, :, _, :, 0] > 0.0 or true, q @ transpose(k), -inf)) @ v", "q, k, v", masked);
    let causal = Scores { causal: true, ..PLAIN };
    check("softmax(where(range(5)[:, _] >= range(5)[_, :], x @ transpose(w), -inf)) @ w", "x, w, w", causal);
    check("softmax(where(range(5)[_, :] < range(5)[:, _] + 1, x @ transpose(w), -inf)) @ w", "x, w, w", causal);
    // Dropout of weights, with any mask.
    check("where(s, softmax(q @ transpose(k)) * 1.25, 0.0) @ v", "q, k, v", Scores { keep: Some(1.25), ..PLAIN });
    // A window is a mask like any other, its causal half included.
    let window =
        "where(range(5)[_, :] <= range(5)[:, _] and range(5)[_, :] + 2 > range(5)[:, _], x @ transpose(w), -inf)";
    check(&format!("softmax({window}) @ w"), "x, w, w", Scores { causal: true, masked: true, ..PLAIN });
}

#[test]
fn grouped_by_hand() {
    let queries = "reshape(q, [2, 2, 2, 3, 6])";
    let scores = format!("einsum(\"bgrqd, bgkd -> bgrqk\", {queries}, k2)");
    check(&format!("einsum(\"bgrqk, bgkd -> bgrqd\", softmax({scores}), v2)"), "q, k2, v2", PLAIN);
}

const MY_SOFTMAX: &str = "
composite fn normal_exponential(x: f32[*S]) -> f32[*S] {
  let e = exp(x - max(x, axis: -1, keep: true))
  e / sum(e, axis: -1, keep: true)
} vjp (p, p_adj) {
  p * (p_adj - sum(p_adj * p, axis: -1, keep: true))
}
fn no_composite(x: f32[*S]) -> f32[*S] {
  let e = exp(x - stop_gradient(max(x, axis: -1, keep: true)))
  e / sum(e, axis: -1, keep: true)
}
composite fn no_gradient_given(x: f32[*S]) -> f32[*S] { no_composite(x) }
composite fn straight_through(x: f32[*S]) -> f32[*S] { no_composite(x) } vjp (p, p_adj) { p_adj }
composite fn twice(x: f32[*S]) -> f32[*S] { 2.0 * no_composite(x) }
";

#[test]
fn names_do_not_count() {
    for softmax in ["normal_exponential", "no_composite", "no_gradient_given"] {
        check_with(MY_SOFTMAX, &format!("{softmax}(q @ transpose(k)) @ v"), "q, k, v", PLAIN);
    }
}

#[test]
fn what_is_not_attention_stays() {
    // A gradient of its own; other functions.
    refuse(MY_SOFTMAX, "straight_through(q @ transpose(k)) @ v", "q, k, v");
    refuse(MY_SOFTMAX, "twice(q @ transpose(k)) @ v", "q, k, v");
    refuse("", "sigmoid(q @ transpose(k)) @ v", "q, k, v");
    refuse("", "softmax(tanh(q @ transpose(k))) @ v", "q, k, v");
    refuse("", "softmax(where(s, q @ transpose(k), -1e9)) @ v", "q, k, v");
    // The softmax runs along the queries; along no axis of the product.
    refuse("", "softmax(x @ transpose(w), axis: 1) @ w", "x, w, w");
    // Somebody looks at the weights.
    refuse("", "softmax(q @ transpose(k))\n    let p = y\n    let y = p @ v + sum(p)", "q, k, v");
    // Weights of one batch with values of another.
    refuse("", "einsum(\"bqk, ckd -> bcqd\", softmax(x @ transpose(w)), w)", "x, w, w");
    // Gradients by the weights, or by the scores.
    refuse("", "q @ transpose(k)\n    let z = y\n    let y = softmax(z) @ v", "z, k, v");
    refuse("", "softmax(q @ transpose(k))\n    let p = y\n    let y = p @ v", "p, k, v");
}

#[test]
fn scales_that_turn_a_mask_round() {
    // -1 · -inf is +inf, so this mask hides nothing.
    let graph = program("", "softmax(where(s, q @ transpose(k), -inf) * -1.0) @ v", "q, k, v");
    assert!(!raise(graph).insts.iter().any(|inst| matches!(inst.op, Op::Attention { .. })));
}

/// Bytes that a plan needs for an attention over so many positions Q, with its gradients.
fn planned_bytes(length: usize, attention: &str) -> usize {
    let attention = attention.replace('Q', &length.to_string());
    let x = format!("f32[1, 2, {length}, 16]");
    let text = format!(
        "model M() {{
  fn forward(q: {x}, k: {x}, v: {x}, m: bool[1, {length}]) {{
    let y = {attention}
    let g = grad(sum(y * y), wrt: [q, k, v])
    (a: g[0], b: g[1], c: g[2])
  }}
}}"
    );
    let graph = model(&text).functions.into_iter().next().expect("a function");
    let graph = lower::bind(&graph, &Bindings::new()).expect("all dimensions are known");
    let graph = passes::run(graph, GRAD).and_then(|g| passes::run(g, OPT)).expect("it compiles");
    plan(&graph, &Options { target: Target::AVX2 }).expect("it has a plan").arena_bytes
}

#[test]
fn memory_grows_with_the_length_and_not_with_its_square() {
    for attention in LONG {
        let bytes = [512, 1024, 2048, 4096].map(|length| planned_bytes(length, attention));
        for pair in bytes.windows(2) {
            assert!(pair[1] <= pair[0] * 21 / 10, "{attention}: {bytes:?}");
        }
        // The scores of two heads alone would be 128 MiB, and what a dropout keeps 32 MiB.
        assert!(bytes[3] < 16 << 20, "{attention}: {bytes:?}");
    }
}

/// Masks, a bias and dropped weights are computed where they are read.
const LONG: [&str; 7] = [
    "attention(q, k, v)",
    "attention(q, k, v, causal: true)",
    "attention(q, k, v, mask: padding(m))",
    "attention(q, k, v, mask: padding(m), causal: true)",
    "attention(q, k, v, mask: abs(range(Q)[_, :] - range(Q)[:, _]) < 100, bias: alibi(2, range(Q), range(Q)))",
    "where(bernoulli([1, 2, Q, Q], p: 0.8), softmax(q @ transpose(k)) * 1.25, 0.0) @ v",
    "where(bernoulli([1, 2, Q, Q], p: 0.8), masked_softmax(q @ transpose(k), causal(Q)) * 1.25, 0.0) @ v",
];

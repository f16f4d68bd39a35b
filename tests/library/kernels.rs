//! How many kernels the library's rows of numbers take: softmax, norms and cross-entropy are one each way. And those of a step
//! of its recurrent layers.

use super::model;
use nnc::lane::Target;
use nnc::lower;
use nnc::ops::dim::Bindings;
use nnc::passes::{self, GRAD, OPT};
use nnc::schedule::print::BufferTable;
use nnc::schedule::{Arg, Item, Options, StepProgram, loops, plan};

/// The plan of a model's `forward`.
pub fn planned(members: &str, params: &str, body: &str) -> StepProgram {
    let text = format!("model M() {{\n  {members}\n  fn forward({params}) {{\n    {body}\n  }}\n}}\n");
    let graph = model(&text).functions.into_iter().next().expect("a function");
    let graph = lower::bind(&graph, &Bindings::new()).expect("all dimensions are known");
    let graph = passes::run(graph, GRAD).and_then(|g| passes::run(g, OPT)).expect("it compiles");
    plan(&graph, &Options { target: Target::AVX2 }).expect("it has a plan")
}

/// The kernels in the order of their launches.
fn kernels(members: &str, params: &str, body: &str) -> Vec<String> {
    let program = planned(members, params, body);
    let name = |item: &Item| match item {
        Item::Launch(launch) => program.kernels[launch.kernel].name.clone(),
        Item::Loop(_) => panic!("no loops here"),
    };
    program.items.iter().map(name).collect()
}

#[track_caller]
fn check(members: &str, params: &str, body: &str, expected: &[&str]) {
    assert_eq!(kernels(members, params, body), expected, "{body}");
}

/// Forwards, and with the gradient of what a matrix makes of y.
#[track_caller]
fn check_both(members: &str, y: &str, rows: &str) {
    let params = "x: f32[96, 200], w: f32[96, 200], m: f32[200, 24]";
    check(members, params, y, &[rows]);
    let both = format!("let y = {y}\n    let z = y @ m\n    (y: y, g: grad(sum(z * z), wrt: x))");
    check(members, params, &both, &[rows, "dot", "transpose", "dot", rows]);
}

#[test]
fn softmax() {
    for y in ["softmax(x)", "log_softmax(x)", "masked_softmax(x, w > 0.0)"] {
        check_both("", y, "rows");
    }
}

#[test]
fn norms() {
    for norm in ["LayerNorm()", "RmsNorm()"] {
        check_both(&format!("norm = {norm}"), "norm(x)", "norm_rows");
    }
}

#[test]
fn cross_entropy() {
    let params = "x: f32[96, 200], labels: i32[96]";
    check("", params, "cross_entropy(x, labels)", &["rows", "take", "rows"]);
    let both = "let l = cross_entropy(x, labels)\n    (l: l, g: grad(l, wrt: x))";
    check("", params, both, &["rows", "take", "rows"]);
}

/// Rows of text, a head without a bias, and labels, of which some may not count.
const HEAD: &str = "h: f32[4, 16, 8], w: f32[8, 32000], labels: i32[4, 16], m: bool[4, 16]";
const TIED: &str = "h: f32[4, 16, 8], w: f32[32000, 8], labels: i32[4, 16], m: bool[4, 16]";

/// Heads and losses of language models: parameters, and the loss.
const LOSSES: [(&str, &str); 9] = [
    ("h: f32[64, 8], w: f32[8, 32000], labels: i32[64]", "cross_entropy(h @ w, labels)"),
    (HEAD, "cross_entropy(h @ w, labels)"),
    (HEAD, "cross_entropy(h @ w, labels, mask: m)"),
    (HEAD, "cross_entropy(h @ w, labels, mask: m, smoothing: 0.1)"),
    (HEAD, "cross_entropy(h @ w, labels, mask: m, ignore: [0])"),
    (HEAD, "cross_entropy(h[:, :-1] @ w, labels[:, 1:], mask: m[:, 1:])"),
    (HEAD, "cross_entropy((h @ w)[:, :-1], labels[:, 1:], mask: m[:, 1:])"),
    (TIED, "cross_entropy(h @ transpose(w), labels, mask: m)"),
    (TIED, "cross_entropy((h * 8.0 ** -0.5) @ transpose(w), labels, mask: m)"),
];

/// The loss and its gradients.
fn with_gradients(loss: &str) -> String {
    format!("let l = {loss}\n    let g = grad(l, wrt: [h, w])\n    (l: l, h: g[0], w: g[1])")
}

#[test]
fn a_large_vocabulary_has_its_logits_once() {
    let (logits, weights) = (4 * 64 * 32_000, 4 * 8 * 32_000);
    for (params, loss) in LOSSES {
        let program = planned("", params, &with_gradients(loss));
        // The logits, the gradient of the weights, which is a result, tied weights transposed, and the rows.
        let most = logits + weights * if params == TIED { 2 } else { 1 } + logits / 50;
        let bytes = program.arena_bytes;
        assert!(bytes <= most, "{loss}: {bytes} bytes, {most} expected\n{}", BufferTable::from(&program));
    }
}

/// The product that makes them, the rows that make them gradients, and the two products of those; one more picks labels.
#[test]
fn a_large_vocabulary_is_gone_through_few_times() {
    for (params, loss) in LOSSES {
        let program = planned("", params, &with_gradients(loss));
        let large = |arg: &Arg| program.buffers[arg.buffer.0 as usize].elements() >= 60 * 32_000;
        let through = program.launches().into_iter().filter(|l| l.args.iter().any(large));
        let kernels: Vec<&str> = through.map(|l| program.kernels[l.kernel].name.as_str()).collect();
        assert!((4..=5).contains(&kernels.len()), "{loss}: {kernels:?}\n{program}");
    }
}

/// Launches in each iteration of a recurrent layer's loops, forwards and backwards.
fn launches(layer: &str, mask: &str) -> Vec<usize> {
    let body = format!(
        "let y = rnn(x{mask}).last
    let g = grad(sum(y * y), wrt: [rnn.input, rnn.recurrent, rnn.bias])
    (input: g[0], recurrent: g[1], bias: g[2])"
    );
    let program = planned(&format!("rnn = {layer}"), "x: f32[64, 100, 64], m: bool[64, 100]", &body);
    loops(&program.items).iter().map(|l| l.items.len()).collect()
}

/// A step is one kernel forwards, the cell within the product; backwards there is a product of what the first one gives. Where
/// the reset gate stands before the product of the candidate, that is one product more either way. A mask is none.
#[test]
fn recurrent_cells() {
    let cells = [
        ("SimpleRnn(128)", [1, 2]),
        ("Lstm(128)", [1, 2]),
        ("Gru(128)", [1, 2]),
        ("Gru(128, reset_after: false)", [2, 3]),
    ];
    for (layer, expected) in cells {
        for mask in ["", ", m"] {
            assert_eq!(launches(layer, mask), expected, "{layer}{mask}");
        }
    }
}

//! What the standard library computes: values and gradients through the checker, autodiff and the reference
//! interpreter, against numbers worked out by hand or from the bug reports that the comments name.

use super::{assert_close, model};
use nnc::autodiff::expand_grads;
use nnc::lower;
use nnc::ops::dim::Bindings;
use nnc::tensor::Graph;
use nnc::tensor::data::{Data, Tensor};
use nnc::tensor::interp::{self, Precision};

/// The graph of the `forward` of the program's model.
pub fn graph(program: &str) -> Graph {
    let graph = model(program).functions.into_iter().next().expect("a function");
    expand_grads(lower::bind(&graph, &Bindings::new()).expect("all dimensions are known"))
}

pub fn floats(shape: &[usize], values: &[f64]) -> Tensor {
    Tensor::new(shape.to_vec(), Data::F64(values.to_vec())).expect("as many values as the shape says")
}

fn ints(values: &[i32]) -> Tensor {
    Tensor::new(vec![values.len()], Data::I32(values.to_vec())).unwrap()
}

/// The outputs of `body` as the `forward` of a model with these parameters, in one list.
pub fn outputs(params: &str, body: &str, args: &[(&str, Tensor)], precision: Precision) -> Vec<f64> {
    let program = format!("model M() {{\n  fn forward({params}) {{\n    {body}\n  }}\n}}\n");
    let results = interp::run(&graph(&program), args, precision).expect("it runs");
    results.iter().flat_map(Tensor::to_f64).collect()
}

/// A function of `x: f32[N]`, its value, and its gradient (of the sum).
fn check(body: &str, x: &[f64], value: &[f64], gradient: &[f64]) {
    let params = format!("x: f32[{}]", x.len());
    let with_gradient = format!("let y = {body}\n    (y: y, g: grad(sum(y), wrt: x))");
    let found = outputs(&params, &with_gradient, &[("x", floats(&[x.len()], x))], Precision::F64);
    assert_close(&found, &[value, gradient].concat(), 1e-9, body);
}

const E: f64 = std::f64::consts::E;

fn logistic(x: f64) -> f64 {
    1.0 / (1.0 + (-x).exp())
}

#[test]
fn activations() {
    check("relu(x)", &[-1.0, 0.0, 2.0], &[0.0, 0.0, 2.0], &[0.0, 0.0, 1.0]);
    check("leaky_relu(x, 0.1)", &[-2.0, 3.0], &[-0.2, 3.0], &[0.1, 1.0]);
    check("elu(x)", &[-1.0, 100.0], &[1.0 / E - 1.0, 100.0], &[1.0 / E, 1.0]);
    let s = logistic(1.0);
    check("sigmoid(x)", &[0.0, 1.0, -1000.0], &[0.5, s, 0.0], &[0.25, s * (1.0 - s), 0.0]);
    check("silu(x)", &[1.0], &[s], &[s + s * (1.0 - s)]);
    check("softplus(x)", &[0.0, 1000.0, -1000.0], &[2f64.ln(), 1000.0, 0.0], &[0.5, 1.0, 0.0]);
    // Φ(1) = 0.8413447460685429, and the density there is 0.24197072451914337.
    check("gelu(x)", &[1.0], &[0.8413447460685429], &[0.8413447460685429 + 0.24197072451914337]);
}

#[test]
fn softmax_and_its_kin() {
    let (a, b) = (1.0 / (1.0 + E), E / (1.0 + E));
    check("softmax(x)", &[0.0, 1.0], &[a, b], &[0.0, 0.0]);
    check("softmax(x) * x", &[0.0, 1.0], &[0.0, b], &[a - a * b, b + b - b * b]);
    // hb-pytorch#61: one element, however large.
    check("log_softmax(x)", &[88.72284], &[0.0], &[0.0]);
    check("log_softmax(x)", &[0.0, 1.0], &[-(1.0 + E).ln(), 1.0 - (1.0 + E).ln()], &[1.0 - 2.0 * a, 1.0 - 2.0 * b]);
    // pytorch#103963: a row without anything to attend to gives 0 with finite gradients.
    check("masked_softmax(x, [false, false])", &[1.0, 2.0], &[0.0, 0.0], &[0.0, 0.0]);
    check("masked_softmax(x, [true, false])", &[1.0, 2.0], &[1.0, 0.0], &[0.0, 0.0]);
}

#[test]
fn cross_entropy_of_huge_logits() {
    // pytorch#11752
    let found =
        outputs("x: f32[1, 2]", "cross_entropy(x, [0])", &[("x", floats(&[1, 2], &[1e8, 1e8]))], Precision::F32);
    assert_close(&found, &[2f64.ln()], 1e-6, "log 2");
}

const LOGITS: [f64; 6] = [0.5, -1.0, 2.0, 1.5, 0.0, -0.5];

fn softmax(row: &[f64]) -> Vec<f64> {
    let total: f64 = row.iter().map(|x| x.exp()).sum();
    row.iter().map(|x| x.exp() / total).collect()
}

/// Loss and gradient of a cross-entropy of two rows of three classes.
fn cross_entropy(options: &str, labels: &[i32]) -> (f64, Vec<f64>) {
    let body = format!("let l = cross_entropy(x, labels{options})\n    (l: l, g: grad(l, wrt: x))");
    let args = [("x", floats(&[2, 3], &LOGITS)), ("labels", ints(labels))];
    let found = outputs("x: f32[2, 3], labels: i32[2]", &body, &args, Precision::F64);
    (found[0], found[1..].to_vec())
}

#[test]
fn cross_entropy_is_softmax_minus_one_hot() {
    let (p, q) = (softmax(&LOGITS[..3]), softmax(&LOGITS[3..]));
    let (loss, gradient) = cross_entropy("", &[2, 0]);
    assert_close(&[loss], &[-(p[2].ln() + q[0].ln()) / 2.0], 1e-12, "loss");
    let expected = [p[0], p[1], p[2] - 1.0, q[0] - 1.0, q[1], q[2]].map(|g| g / 2.0);
    assert_close(&gradient, &expected, 1e-12, "gradient");
}

#[test]
fn ignored_rows_count_for_nothing() {
    let p = softmax(&LOGITS[..3]);
    let expected = [p[0], p[1], p[2] - 1.0, 0.0, 0.0, 0.0];
    for (options, labels) in [(", ignore: [-100]", [2, -100]), (", mask: [true, false]", [2, 7])] {
        let (loss, gradient) = cross_entropy(options, &labels);
        assert_close(&[loss], &[-p[2].ln()], 1e-12, options);
        assert_close(&gradient, &expected, 1e-12, options);
    }
    // pytorch#70348, by the table of conventions: nothing took part.
    for options in [", ignore: [1]", ", ignore: [1], weights: ones([3])", ", mask: [false, false], smoothing: 0.1"] {
        assert_eq!(cross_entropy(options, &[1, 1]), (0.0, vec![0.0; 6]), "{options}");
    }
}

#[test]
fn smoothing_with_ignored_rows_equals_dropping_them() {
    // pytorch#73205
    let p = softmax(&LOGITS[..3]);
    let mean: f64 = p.iter().map(|p| p.ln()).sum::<f64>() / 3.0;
    let expected = -(0.9 * p[2].ln() + 0.1 * mean);
    let (loss, _) = cross_entropy(", smoothing: 0.1, ignore: [-1]", &[2, -1]);
    assert_close(&[loss], &[expected], 1e-12, "smoothing");
}

#[test]
fn class_weights_divide_by_the_weights_that_took_part() {
    let (p, q) = (softmax(&LOGITS[..3]), softmax(&LOGITS[3..]));
    let (loss, _) = cross_entropy(", weights: [2.0, 4.0, 6.0]", &[2, 1]);
    assert_close(&[loss], &[-(6.0 * p[2].ln() + 4.0 * q[1].ln()) / 10.0], 1e-12, "weights");
}

#[test]
fn elementwise_losses() {
    // candle#2561: x = -100, z = 1 → 100.
    check("bce_logits(x, 1.0, reduce: \"none\")", &[-100.0, 100.0, 0.0], &[100.0, 0.0, 2f64.ln()], &[-1.0, 0.0, -0.5]);
    check("mse(x, [1.0, 1.0])", &[3.0, 0.0], &[2.5], &[2.0, -1.0]);
    check("mae(x, [1.0, 1.0])", &[3.0, 0.5], &[1.25], &[0.5, -0.5]);
    check("huber(x, 0.0, reduce: \"sum\")", &[0.5, -3.0], &[0.125 + 2.5], &[0.5, -1.0]);
    check("mse(x, 0.0, mask: [true, false])", &[3.0, 5.0], &[9.0], &[6.0, 0.0]);
}

#[test]
fn metrics() {
    let args = [("x", floats(&[2, 3], &LOGITS)), ("labels", ints(&[2, 1]))];
    let body = "(a: accuracy(x, labels), b: top_k_accuracy(x, labels, 2), c: accuracy(x, labels, mask: [true, false]))";
    assert_eq!(outputs("x: f32[2, 3], labels: i32[2]", body, &args, Precision::F32), [0.5, 1.0, 1.0]);
}

#[test]
fn norms_at_their_singular_points() {
    // pytorch#2421, pytorch#4320: gradient 0 at the zero vector and at constants.
    check("norm(x)", &[0.0, 0.0], &[0.0], &[0.0, 0.0]);
    check("norm(x)", &[3.0, -4.0], &[5.0], &[0.6, -0.8]);
    check("std(x)", &[2.0, 2.0], &[0.0], &[0.0, 0.0]);
    check("std(x, unbiased: true)", &[1.0, 3.0], &[2f64.sqrt()], &[-0.5f64.sqrt(), 0.5f64.sqrt()]);
    check("logsumexp(x)", &[1000.0, 1000.0], &[1000.0 + 2f64.ln()], &[0.5, 0.5]);
    // tensorflow#51682: ties share.
    check("max(x)", &[0.6, 0.6, 0.3], &[0.6], &[0.5, 0.5, 0.0]);
}

#[test]
fn standardize_has_the_gradient_of_its_formula() {
    let x = [1.0, 2.0, 4.0, -1.0];
    let plain = "(x - mean(x)) / sqrt(variance(x) + 0.01)";
    let body = |y: &str| format!("let y = {y}\n    (y: y, g: grad(sum(y ** 3), wrt: x))");
    let run = |y: &str| outputs("x: f32[4]", &body(y), &[("x", floats(&[4], &x))], Precision::F64);
    assert_close(&run("standardize(x, [0], 0.01).y"), &run(plain), 1e-9, "standardize");
}

#[test]
fn a_constant_row_standardises_to_exact_zeros() {
    // onnxruntime#21935: LayerNorm of 256 times 1234.0.
    let args = [("x", floats(&[256], &[1234.0; 256]))];
    assert_eq!(outputs("x: f32[256]", "standardize(x, [0], 1e-5).y", &args, Precision::F32), [0.0; 256]);
}

#[test]
fn windows() {
    // tensorflow#17654: 0..8 as 3×3, stride 2, same: the pad falls after.
    let args = [("x", floats(&[1, 3, 3, 1], &[0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0]))];
    let run = |body: &str| outputs("x: f32[1, 3, 3, 1]", body, &args, Precision::F64);
    let conv = |k: usize| format!("conv2d(x, ones([{k}, {k}, 1, 1]), stride: 2, padding: \"same\")");
    assert_eq!(run(&conv(2)), [0.0 + 1.0 + 3.0 + 4.0, 2.0 + 5.0, 6.0 + 7.0, 8.0]);
    assert_eq!(run(&conv(1)), [0.0, 2.0, 6.0, 8.0]);
    // pytorch#41294: padding never wins.
    assert_eq!(run("max_pool2d(-1.0 - x, 2, padding: 1)"), [-1.0, -2.0, -4.0, -5.0]);
    // Padding does not count.
    assert_eq!(run("avg_pool2d(x, 2, padding: \"same\")"), [2.0, 3.5, 6.5, 8.0]);
    // Flux.jl#1197: an element that wins four windows receives 4.
    let centre = [("x", floats(&[1, 3, 3, 1], &[0.0, 0.0, 0.0, 0.0, 9.0, 0.0, 0.0, 0.0, 0.0]))];
    let body = "grad(sum(max_pool2d(x, 3, stride: 2, padding: 1)), wrt: x)";
    let found = outputs("x: f32[1, 3, 3, 1]", body, &centre, Precision::F64);
    assert_eq!(found, [0.0, 0.0, 0.0, 0.0, 4.0, 0.0, 0.0, 0.0, 0.0]);
}

#[test]
fn transposed_convolution_spreads_each_pixel() {
    let args = [("x", floats(&[1, 1, 2, 1], &[1.0, 10.0]))];
    let body = "conv2d_transpose(x, reshape(f32([1, 2, 3]), [1, 3, 1, 1]), stride: [1, 2])";
    assert_eq!(outputs("x: f32[1, 1, 2, 1]", body, &args, Precision::F64), [1.0, 2.0, 13.0, 20.0, 30.0]);
}

#[test]
fn patterns_and_products() {
    let args = [("x", floats(&[2, 4], &[0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0]))];
    let run = |body: &str| outputs("x: f32[2, 4]", body, &args, Precision::F64);
    assert_eq!(run("rearrange(x, \"b (h d) -> h (b d)\", h: 2)"), [0.0, 1.0, 4.0, 5.0, 2.0, 3.0, 6.0, 7.0]);
    assert_eq!(run("einsum(\"bi, bi -> b\", x, x)"), [14.0, 126.0]);
    assert_eq!(run("einsum(\"bi, ci -> cb\", x, x[:1])"), [14.0, 38.0]);
    assert_eq!(run("x[:, :2] @ stack(x[:, 2:], x[:, :2])"), [6.0, 7.0, 38.0, 47.0, 4.0, 5.0, 20.0, 29.0]);
    assert_eq!(run("repeat(x[0, 1:3], 2)"), [1.0, 1.0, 2.0, 2.0]);
    assert_eq!(run("pad(x[:, :1], [[0, 1], [1, 0]], value: 9.0)"), [9.0, 0.0, 9.0, 4.0, 9.0, 9.0]);
    assert_eq!(run("mean(x, axis: 1, mask: [true, false])"), [1.5, 0.0]);
    assert_eq!(run("gather(x, [[3], [0]], axis: 1)"), [3.0, 4.0]);
    assert_eq!(run("take(x, i32([3, 0]), axis: 1)"), [3.0, 0.0, 7.0, 4.0]);
}

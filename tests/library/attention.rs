//! Attention on inputs that must not matter: what is masked, and rows that may look at nothing.

use super::values::{floats, outputs};
use nnc::tensor::data::{Data, Tensor};
use nnc::tensor::interp::Precision;

const SHAPE: [usize; 4] = [1, 1, 3, 2];
const Q: [f64; 6] = [1.0, 0.5, -1.0, 2.0, 0.25, -0.5];
const K: [f64; 6] = [0.5, 1.0, 2.0, -1.0, 1.5, 0.25];
const V: [f64; 6] = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0];

fn mask(shape: &[usize], truth: &[bool]) -> Tensor {
    Tensor::new(shape.to_vec(), Data::Bool(truth.to_vec())).unwrap()
}

/// The result, then the gradients of its sum by q, k and v.
fn attend(options: &str, k: [f64; 6], v: [f64; 6], mask: Tensor) -> Vec<f64> {
    let body = format!(
        "let y = attention(q, k, v{options})
    let g = grad(sum(y * y), wrt: [q, k, v])
    (y: y, q: g[0], k: g[1], v: g[2])"
    );
    let axes: Vec<String> = mask.shape.iter().map(usize::to_string).collect();
    let tensor = "f32[1, 1, 3, 2]";
    let params = format!("q: {tensor}, k: {tensor}, v: {tensor}, m: bool[{}]", axes.join(", "));
    let args = [("q", floats(&SHAPE, &Q)), ("k", floats(&SHAPE, &k)), ("v", floats(&SHAPE, &v)), ("m", mask)];
    outputs(&params, &body, &args, Precision::F64)
}

#[test]
fn rows_without_keys_give_zeros_and_finite_gradients() {
    // pytorch#103963
    let found = attend(", mask: m", K, V, mask(&[3, 3], &[true, true, false, false, false, false, true, false, true]));
    assert_eq!(found[2..4], [0.0, 0.0]);
    assert!(found.iter().all(|x| x.is_finite()), "{found:?}");
    let gradient_of_q = &found[6..12];
    assert_eq!(gradient_of_q[2..4], [0.0, 0.0]);
    assert!(gradient_of_q[0] != 0.0 && gradient_of_q[5] != 0.0);
}

#[test]
fn what_stands_at_a_masked_key_does_not_leak() {
    // pytorch#101967
    for garbage in [f64::NAN, f64::INFINITY, 1e30] {
        for options in [", mask: m", ", mask: m, causal: true"] {
            let clean = attend(options, K, V, mask(&[1, 1, 1, 3], &[true, true, false]));
            let [mut k, mut v] = [K, V];
            k[4..].fill(garbage);
            v[4..].fill(garbage);
            assert_eq!(attend(options, k, v, mask(&[1, 1, 1, 3], &[true, true, false])), clean, "{options}");
        }
    }
}

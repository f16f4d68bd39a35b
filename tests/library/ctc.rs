//! CTC against the sum over all paths.

use super::assert_close;
use super::values::{floats, outputs};
use nnc::tensor::data::{Data, Tensor};
use nnc::tensor::interp::Precision::F64;

const CLASSES: usize = 3;

fn logit(i: usize) -> f64 {
    ((i as f64 + 1.0) * 78.233).sin() * 2.0
}

/// Log-probabilities of one position.
fn log_softmax(row: &[f64]) -> Vec<f64> {
    let total: f64 = row.iter().map(|x| x.exp()).sum();
    row.iter().map(|x| x - total.ln()).collect()
}

/// What a path says: repeats joined, blanks (0) dropped.
fn read(path: &[usize]) -> Vec<usize> {
    let mut read = vec![];
    for (t, &c) in path.iter().enumerate() {
        if c != 0 && (t == 0 || path[t - 1] != c) {
            read.push(c);
        }
    }
    read
}

/// -log of the summed probabilities of all paths that read as the labels.
fn by_enumeration(logits: &[f64], labels: &[usize]) -> f64 {
    let rows: Vec<Vec<f64>> = logits.chunks(CLASSES).map(log_softmax).collect();
    let paths = (0..CLASSES.pow(rows.len() as u32))
        .map(|n| -> Vec<usize> { (0..rows.len()).map(|t| n / CLASSES.pow(t as u32) % CLASSES).collect() });
    let probability = |path: Vec<usize>| path.iter().zip(&rows).map(|(&c, row)| row[c]).sum::<f64>().exp();
    -paths.filter(|p| read(p) == labels).map(probability).sum::<f64>().ln()
}

fn loss(logits: &[f64], labels: &[usize], padded: usize, options: &str) -> Vec<f64> {
    let t = logits.len() / CLASSES;
    let mut row: Vec<i32> = labels.iter().map(|&c| c as i32).collect();
    // What stands behind the labels must not matter.
    row.resize(padded, 2);
    let ints = |v: Vec<i32>, shape: &[usize]| Tensor::new(shape.to_vec(), Data::I32(v)).expect("fits");
    let args = [
        ("x", floats(&[1, t, CLASSES], logits)),
        ("y", ints(row, &[1, padded])),
        ("n", ints(vec![t as i32], &[1])),
        ("m", ints(vec![labels.len() as i32], &[1])),
    ];
    let params = format!("x: f32[1, {t}, {CLASSES}], y: i32[1, {padded}], n: i32[1], m: i32[1]");
    let body = format!("let l = ctc_loss(x, y, n, m, reduce: \"sum\"{options})\n    (l: l, g: grad(l, wrt: x))");
    outputs(&params, &body, &args, F64)
}

#[test]
fn the_loss_sums_over_all_paths() {
    let cases: [(usize, &[usize], usize); 7] =
        [(1, &[1], 1), (1, &[], 1), (3, &[1, 2], 2), (4, &[1, 1], 2), (3, &[1, 1], 4), (5, &[2, 1, 2], 3), (6, &[], 2)];
    for (t, labels, padded) in cases {
        let logits: Vec<f64> = (0..t * CLASSES).map(logit).collect();
        let found = loss(&logits, labels, padded, "");
        assert_close(&found[..1], &[by_enumeration(&logits, labels)], 1e-9, &format!("{t} {labels:?}"));
    }
}

#[test]
fn the_gradient_is_that_of_the_sum_over_all_paths() {
    let logits: Vec<f64> = (0..4 * CLASSES).map(logit).collect();
    let found = loss(&logits, &[1, 1], 2, "");
    let h = 1e-5;
    let expected: Vec<f64> = (0..logits.len())
        .map(|i| {
            let at = |d: f64| {
                by_enumeration(
                    &logits.iter().enumerate().map(|(j, x)| x + if i == j { d } else { 0.0 }).collect::<Vec<_>>(),
                    &[1, 1],
                )
            };
            (at(h) - at(-h)) / (2.0 * h)
        })
        .collect();
    assert_close(&found[1..], &expected, 1e-7, "gradient");
}

/// Three positions hold no `1 1 1`: the loss is infinite, its gradient zero, or the row counts as 0.
#[test]
fn labels_that_do_not_fit_have_an_infinite_loss() {
    let logits: Vec<f64> = (0..3 * CLASSES).map(logit).collect();
    let found = loss(&logits, &[1, 1, 1], 3, "");
    assert_eq!(found[0], f64::INFINITY);
    assert!(found[1..].iter().all(|g| *g == 0.0), "{found:?}");
    assert_eq!(loss(&logits, &[1, 1, 1], 3, ", zero_infinity: true"), vec![0.0; 10]);
}

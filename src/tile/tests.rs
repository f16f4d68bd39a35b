//! Text form, verifier and interpreter against calculations by hand.

use super::interp::{BufferData, run, run_disjoint, scalar};
use super::parse::parse;
use super::samples;
use super::verify::verify;
use super::{Kernel, Map};
use crate::ops::DType;

fn kernel(text: &str) -> Kernel {
    let kernel = parse(text).unwrap();
    verify(&kernel).unwrap();
    kernel
}

fn execute(text: &str, buffers: &mut [BufferData]) -> bool {
    let kernel = kernel(text);
    run(&kernel, buffers, 0..kernel.points()).unwrap()
}

fn f32s(data: &BufferData) -> &[f32] {
    match data {
        BufferData::F32(data) => data,
        other => panic!("{other:?} is not f32"),
    }
}

/// Small integers, so that sums are exact in any order.
fn ramp(n: usize) -> Vec<f32> {
    (0..n).map(|i| (i * 7 % 11) as f32 - 5.0).collect()
}

#[test]
fn samples_round_trip() {
    let guide = samples::guide();
    let by_hand = samples::by_hand();
    assert_eq!((guide.len(), by_hand.len()), (5, 3));
    for text in samples::ALL.into_iter().chain(guide.iter().chain(&by_hand).map(String::as_str)) {
        let kernel = kernel(text);
        assert_eq!(kernel.to_string(), text);
        assert_eq!(parse(&kernel.to_string()).unwrap(), kernel);
    }
}

#[test]
fn literals_keep_their_bits() {
    let text = "\
kernel k(write y: f32[1]) {
  %0: f32[1, 1] = const nan(0x7ff8000000000001)
  %1: f32[1, 1] = const -0.0
  %2: f32[1, 1] = const 1e-45
  %3: f32[1, 1] = const -inf
  %4: f32[1, 1] = const 1.5e300
  store y[0] = %0
}
";
    assert_eq!(parse(text).unwrap().to_string(), text);
}

#[test]
fn parse_errors_name_the_line() {
    let error = parse("kernel k(write y: f32[1]) {\n  %0: f32[1, 1] = blah %1\n}").unwrap_err();
    assert!(error.contains("blah"), "{error}");
    let error = parse("kernel k(write y: f32[1]) {\n  store y[0] %1\n}").unwrap_err();
    assert!(error.contains("line 2"), "{error}");
}

#[test]
fn linear_multiplies() {
    let params = kernel(samples::LINEAR).params;
    let (x, w, b) = (ramp(7 * 19), ramp(19 * 21), ramp(21));
    let padded = BufferData::laid_out(&params[1], &BufferData::F32(w.clone()));
    assert_eq!(padded.logical(&params[1]), BufferData::F32(w.clone()));
    let mut buffers = [BufferData::F32(x.clone()), padded, BufferData::F32(b.clone()), BufferData::zeros(&params[3])];
    assert!(!execute(samples::LINEAR, &mut buffers));
    for r in 0..7 {
        for c in 0..21 {
            let dot: f32 = (0..19).map(|k| x[r * 19 + k] * w[k * 21 + c]).sum();
            assert_eq!(f32s(&buffers[3])[r * 21 + c], (dot + b[c]).max(0.0), "{r}, {c}");
        }
    }
}

#[test]
fn groups_of_blocks_follow_each_other() {
    let digits: Vec<_> = kernel(samples::GROUPED).digits().iter().map(|d| (d.grid, d.count, d.blocks)).collect();
    assert_eq!(digits, [(0, 2, 3), (1, 3, 1), (0, 3, 1)]);
    let (x, w) = (ramp(7 * 19), ramp(19 * 21));
    let mut buffers = [BufferData::F32(x.clone()), BufferData::F32(w.clone()), BufferData::F32(vec![0.0; 147])];
    execute(samples::GROUPED, &mut buffers);
    for at in 0..147 {
        let (r, c) = (at / 21, at % 21);
        let sum: f32 = (0..19).map(|k| x[r * 19 + k] * w[k * 21 + c]).sum();
        assert_eq!(f32s(&buffers[2])[at], sum, "{at}");
    }
}

#[test]
fn conv_pads_and_strides() {
    let (x, w) = (ramp(2 * 7 * 9 * 3), ramp(3 * 3 * 3 * 5));
    let mut buffers = [BufferData::F32(x.clone()), BufferData::F32(w.clone()), BufferData::F32(vec![0.0; 200])];
    execute(samples::CONV, &mut buffers);
    for at in 0..200 {
        let (b, oh, ow, o) = (at / 100, at / 25 % 4, at / 5 % 5, at % 5);
        let mut sum = 0.0;
        for tap in 0..27 {
            let (kh, kw, c) = (tap / 9, tap / 3 % 3, tap % 3);
            let (h, v) = (2 * oh + kh, 2 * ow + kw);
            if (1..8).contains(&h) && (1..10).contains(&v) {
                sum += x[((b * 7 + h - 1) * 9 + v - 1) * 3 + c] * w[tap * 5 + o];
            }
        }
        assert_eq!(f32s(&buffers[2])[at], sum, "{at}");
    }
}

#[test]
fn take_reports_bad_indices() {
    let table = BufferData::F32((0..30).map(|i| i as f32).collect());
    let rows = |bad| BufferData::I32(vec![5, 0, 1, 2, 3, 4, bad, 1, 1]);
    let mut buffers = [table, rows(2), BufferData::F32(vec![0.0; 45])];
    assert!(!execute(samples::TAKE, &mut buffers));
    assert_eq!(f32s(&buffers[2])[..5], [25.0, 26.0, 27.0, 28.0, 29.0]);
    for bad in [-1, 6] {
        buffers[1] = rows(bad);
        assert!(execute(samples::TAKE, &mut buffers));
        assert_eq!(f32s(&buffers[2])[30..35], [0.0, 1.0, 2.0, 3.0, 4.0]);
    }
}

#[test]
fn scatter_adds_duplicates() {
    let updates = BufferData::F32((0..40).map(|i| i as f32).collect());
    let rows = BufferData::I32(vec![2, 0, 2, 2, 0, 1, 2, 0]);
    let mut buffers = [updates, rows, BufferData::F32(vec![1.0; 15])];
    execute(samples::SCATTER, &mut buffers);
    assert_eq!(f32s(&buffers[2])[..5], [61.0, 64.0, 67.0, 70.0, 73.0]); // 1 + rows 1, 4, 7
    assert_eq!(f32s(&buffers[2])[5..10], [26.0, 27.0, 28.0, 29.0, 30.0]); // 1 + row 5
}

#[test]
fn triangle_sums_the_lower_half() {
    let mut buffers = [BufferData::F32(vec![1.0; 100]), BufferData::F32(vec![0.0; 10])];
    execute(samples::TRIANGLE, &mut buffers);
    assert_eq!(f32s(&buffers[1]), [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0, 10.0]);
}

#[test]
fn window_sums_bytes() {
    let mut buffers = [
        BufferData::U8((0..30).map(|i| i * 8).collect()),
        BufferData::I32(vec![0; 30]),
        BufferData::Bool(vec![false; 30]),
    ];
    execute(samples::WINDOW, &mut buffers);
    let BufferData::I32(sums) = &buffers[1] else { panic!() };
    assert_eq!(sums[..3], [8, 24, 48]);
    assert_eq!(sums[29], 28 * 8 + 29 * 8);
    let BufferData::Bool(big) = &buffers[2] else { panic!() };
    assert_eq!(*big, sums.iter().map(|s| *s > 300).collect::<Vec<_>>());
}

/// Sixteen partials, then the tree: the order shows in the rounding.
#[test]
fn folds_have_the_documented_order() {
    let text = "\
kernel sum(read x: f32[1, 35], write y: f32[1]) {
  %0: f32[1, 16] = const 0.0
  %1: f32[1, 35] = load x[0, col]
  %2: f32[1, 16] = fold add %0, %1
  %3: f32[1, 1] = tree add %2
  store y[0] = %3
}
";
    let x: Vec<f32> = (0..35).map(|i| 1.0 / (i as f32 + 1.3)).collect();
    let mut partial = [0f32; 16];
    for (i, v) in x.iter().enumerate() {
        partial[i % 16] += v;
    }
    let p = partial;
    let eight: [f32; 8] = std::array::from_fn(|i| p[i] + p[i + 8]);
    let four: [f32; 4] = std::array::from_fn(|i| eight[i] + eight[i + 4]);
    let expected = (four[0] + four[2]) + (four[1] + four[3]);
    let mut buffers = [BufferData::F32(x), BufferData::F32(vec![0.0])];
    execute(text, &mut buffers);
    assert_eq!(f32s(&buffers[1])[0].to_bits(), expected.to_bits());
}

#[test]
fn denormals_are_flushed() {
    let tiny = f32::MIN_POSITIVE / 4.0;
    let bits = |map, a: f32, b: f32| scalar::map(map, DType::F32, &[a.to_bits(), b.to_bits()]);
    assert_eq!(bits(Map::Add, tiny, 0.0), 0);
    assert_eq!(bits(Map::Mul, -f32::MIN_POSITIVE, 0.25), 0x8000_0000);
    assert_eq!(bits(Map::Mul, tiny, 1e30), 0);
    // (1 - 2^-24) times the smallest normal number: a float of that precision exists below it, so x86 flushes
    assert_eq!(bits(Map::Mul, f32::MIN_POSITIVE, 1.0 - f32::EPSILON / 2.0), 0);
    // measured on x86 with DAZ set: maxss(5e-45, -1) = 0, roundss(-5e-45, down) = -0
    assert_eq!(bits(Map::MaxRaw, tiny, -1.0), 0);
    assert_eq!(scalar::map(Map::Floor, DType::F32, &[(-tiny).to_bits()]), 0x8000_0000);
    assert_eq!(scalar::map(Map::Neg, DType::F32, &[tiny.to_bits()]), (-tiny).to_bits());
}

/// The known answers of Random123's Philox4x32-10.
#[test]
fn philox_known_answers() {
    let zero = scalar::philox_block([0; 4], [0; 2]);
    assert_eq!(zero, [0x6627_e8d5, 0xe169_c58d, 0xbc57_ac4c, 0x9b00_dbd8]);
    let pi = scalar::philox_block([0x243f_6a88, 0x85a3_08d3, 0x1319_8a2e, 0x0370_7344], [0xa409_3822, 0x299f_31d0]);
    assert_eq!(pi, [0xd16c_fe09, 0x94fd_cceb, 0x5001_e420, 0x2412_6ea1]);
}

/// Each broken kernel fails for its own reason.
#[test]
fn verifier_finds_faults() {
    let cases = [
        ("par i0 in 0..4 by 0", "", "the step of i0 is 0"),
        ("", "%0: f32[1, 4] = load x[col]", "rank 2"),
        ("", "%0: i32[1, 4] = load x[0, col]", "holds f32"),
        ("", "%0: f32[1, i0] = load x[0, col]", "i0 is not in scope"),
        ("", "%0: f32[1, 4] = load x[0, col] where 0 <= col < 3", "needs a fill"),
        ("", "%0: f32[1, 4] = load x[0, col]\nstore x[0, col] = %0", "read-only"),
        ("", "%0: f32[1, 4] = const 0.0\n%1: f32[1, 5] = neg %0", "does not broadcast"),
        ("", "%0: f32[1, 4] = const 1", "literal"),
        ("", "%0: f32[1, 4] = const 0.0\n%1: f32[1, 4] = not %0", "does not take f32"),
        ("", "%0: f32[1, 4] = const 0.0\n%1: f32[1, 1] = tree add %0", "16 columns"),
        ("", "%1: f32[1, 4] = const 0.0\n%0: f32[1, 4] = neg %2\n%2: f32[1, 4] = const 0.0", "not defined here"),
        ("", "%0: f32[4, 4] = const 0.0\n%1: f32[4, 4] = contract %0, %0, %0", "no load"),
        ("", "%0: f32[1, 1] = const 0.0\n%1 = for i0 in 0..4 by 1 carry (%2 = %0) {\n}", "one yield"),
        ("", "for i0 in 0..4 by 1 {\n}\nfor i0 in 0..4 by 1 {\n}", "bound twice"),
        ("", "%0: i32[1, 1] = index i0 // 2", "i0 is not in scope"),
        ("", "%0: i32[1, 1] = index col // 0", "division by 0"),
        ("", "for i0 in 0..row by 1 {\n}", "depends on row"),
        ("", "%0: bool[1, 1] = const true\n%1: bool[1, 1] = lt %0, %0", "not ordered"),
        ("", "%0: f32[1, 4] = load x[0, col]\nstore y[0, 0] &= %0", "takes bools"),
        (
            "",
            "%0: f32[1, 4] = load y[0, col]\nstore y[0, col] = %0\n%1: f32[1, 1] = const 0.0\n%2: f32[1, 4] = load y[col, 0]\n%3: f32[1, 1] = contract %1, %0, %2",
            "stored to since",
        ),
    ];
    for (grid, body, expected) in cases {
        let text = format!("kernel k(read x: f32[4, 4], inout y: f32[4, 4]) {{\n{grid}\n{body}\n}}\n");
        let error = parse(&text).and_then(|k| verify(&k)).unwrap_err();
        assert!(error.contains(expected), "{body}: {error}");
    }
}

/// Of points that run at once none may need another.
#[test]
fn points_that_touch_one_element_are_found() {
    let kernel_of = |load: &str, store: &str| {
        kernel(&format!(
            "kernel k(read x: f32[9], inout y: f32[9]) {{
  par i0 in 0..8 by 2
  %0: f32[1, i0] = load {load}
  store {store} = %0
}}"
        ))
    };
    let run = |load, store| {
        let mut buffers = [BufferData::F32(ramp(9)), BufferData::F32(ramp(9))];
        run_disjoint(&kernel_of(load, store), &mut buffers).map_err(|e| e.contains("is written by one point"))
    };
    assert_eq!(run("x[i0 + col]", "y[i0 + col]"), Ok(false));
    assert_eq!(run("x[1 + i0 + col]", "y[8 + i0 * -1 + col * -1]"), Ok(false));
    assert_eq!(run("y[i0 + col]", "y[i0 + col]"), Ok(false));
    assert_eq!(run("x[i0 + col]", "y[col]"), Err(true));
    assert_eq!(run("y[1 + i0 + col]", "y[i0 + col]"), Err(true), "read by the point that runs later");
    assert_eq!(run("y[7 + i0 * -1 + col * -1]", "y[i0 + col]"), Err(true), "read by points before and after");
}

#[test]
fn interpreter_refuses_accesses_out_of_bounds() {
    let text = "kernel k(read x: f32[4]) {\n  %0: f32[1, 4] = load x[col + 1]\n}\n";
    let mut buffers = [BufferData::F32(vec![0.0; 4])];
    assert!(run(&kernel(text), &mut buffers, 0..1).unwrap_err().contains("x[4] is out of bounds"));
}

/// Numbers around 0 without a pattern.
fn noise(n: usize, salt: f64) -> Vec<f32> {
    (0..n).map(|i| (((i as f64 + salt) * 12.9898).sin() * 43_758.545 % 1.0) as f32).collect()
}

fn close(got: f32, exact: f64) -> bool {
    (f64::from(got) - exact).abs() < 1e-5
}

#[test]
fn attention_of_the_guide_is_attention() {
    let guide = samples::guide();
    let [q, k, v] = [1.0, 2.0, 3.0].map(|salt| noise(160, salt));
    let zeros = |n| BufferData::F32(vec![0.0; n]);
    let [a, b, c] = [&q, &k, &v].map(|x| BufferData::F32(x.clone()));
    let mut buffers = [a, b, c, zeros(80), zeros(160), zeros(20)];
    execute(&guide[4], &mut buffers);
    let row = |x: &[f32], at: usize| x[at * 8..][..8].iter().map(|x| f64::from(*x)).collect::<Vec<_>>();
    for at in 0..20 {
        let (n, i) = (at / 10, at % 10);
        let dot = |j| row(&q, at).iter().zip(row(&k, n * 10 + j)).map(|(a, b)| a * b).sum::<f64>();
        let weights: Vec<f64> = (0..=i).map(|j| (dot(j) / 8f64.sqrt()).exp()).collect();
        let total: f64 = weights.iter().sum();
        for d in 0..8 {
            let mixed: f64 = weights.iter().enumerate().map(|(j, w)| w * row(&v, n * 10 + j)[d]).sum();
            assert!(close(f32s(&buffers[4])[at * 8 + d], mixed / total), "{at}, {d}");
        }
        assert!(close(f32s(&buffers[5])[at], total.ln()), "{at}");
    }
}

#[test]
fn lstm_of_the_guide_is_an_lstm() {
    let guide = samples::guide();
    let (zx, w) = (noise(3 * 5 * 32, 1.0), noise(8 * 32, 2.0));
    let (h, c) = (noise(4 * 5 * 8, 3.0), noise(4 * 5 * 8, 4.0));
    let mut buffers = [&zx, &w, &h, &c].map(|x| BufferData::F32(x.clone()));
    execute(&guide[3], &mut buffers);
    let sigmoid = |x: f64| 1.0 / (1.0 + (-x).exp());
    for b in 0..5 {
        let state = |x: &[f32]| x[b * 8..][..8].iter().map(|x| f64::from(*x)).collect::<Vec<_>>();
        let (mut hidden, mut cell) = (state(&h), state(&c));
        for t in 0..3 {
            let gate = |g: usize, u: usize| {
                let sum: f64 = (0..8).map(|k| hidden[k] * f64::from(w[k * 32 + g * 8 + u])).sum();
                sum + f64::from(zx[(t * 5 + b) * 32 + g * 8 + u])
            };
            let next = |u: usize| sigmoid(gate(1, u)) * cell[u] + sigmoid(gate(0, u)) * gate(2, u).tanh();
            cell = (0..8).map(next).collect();
            hidden = (0..8).map(|u| sigmoid(gate(3, u)) * cell[u].tanh()).collect();
            for u in 0..8 {
                let at = ((t + 1) * 5 + b) * 8 + u;
                assert!(
                    close(f32s(&buffers[2])[at], hidden[u]) && close(f32s(&buffers[3])[at], cell[u]),
                    "{t}, {b}, {u}"
                );
            }
        }
    }
}

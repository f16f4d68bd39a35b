//! Errors in ulp against f64, and special values.

use crate::ops::DType;
use crate::tile::interp::{BufferData, run, scalar};
use crate::tile::parse::parse;
use crate::tile::verify::verify;

/// An elementwise operation through text, expansion and the interpreter.
fn apply(name: &str, dtype: DType, args: &[BufferData]) -> BufferData {
    let n = args[0].len();
    let letters = &["a", "b"][..args.len()];
    let params: Vec<String> = letters.iter().map(|l| format!("read {l}: {dtype}[{n}]")).collect();
    let mut text = format!("kernel k({}, write y: {dtype}[{n}]) {{\n par i0 in 0..{n} by 64\n", params.join(", "));
    for (i, letter) in letters.iter().enumerate() {
        text += &format!("%{i}: {dtype}[1, i0] = load {letter}[i0 + col]\n");
    }
    let values: Vec<String> = (0..args.len()).map(|i| format!("%{i}")).collect();
    text += &format!("%2: {dtype}[1, i0] = {name} {}\n", values.join(", "));
    if args.len() == 1 {
        text = text.replace("%2", "%1");
    }
    text += &format!("store y[i0 + col] = %{}\n}}", args.len());
    let kernel = parse(&text).unwrap();
    let expanded = super::expand(&kernel);
    verify(&expanded).unwrap();
    assert_eq!(parse(&expanded.to_string()).unwrap().to_string(), expanded.to_string());
    let mut buffers = args.to_vec();
    buffers.push(BufferData::zeros(kernel.params.last().unwrap()));
    run(&kernel, &mut buffers, 0..kernel.points()).unwrap();
    buffers.pop().unwrap()
}

fn floats(name: &str, args: &[&[f32]]) -> Vec<f32> {
    let args: Vec<BufferData> = args.iter().map(|a| BufferData::F32(a.to_vec())).collect();
    match apply(name, DType::F32, &args) {
        BufferData::F32(y) => y,
        _ => unreachable!(),
    }
}

fn ints(name: &str, a: &[i32], b: &[i32]) -> Vec<i32> {
    match apply(name, DType::I32, &[BufferData::I32(a.to_vec()), BufferData::I32(b.to_vec())]) {
        BufferData::I32(y) => y,
        _ => unreachable!(),
    }
}

/// Distance from the true value in units of the last place of a float there.
fn ulps(got: f32, exact: f64) -> f64 {
    let rounded = exact as f32;
    if rounded.is_nan() || rounded.is_infinite() || got.is_nan() || got.is_infinite() {
        let same = got.to_bits() == rounded.to_bits() || (got.is_nan() && rounded.is_nan());
        return if same { 0.0 } else { f64::INFINITY };
    }
    if exact.abs() < f64::from(f32::MIN_POSITIVE) && got.abs() <= f32::MIN_POSITIVE {
        return 0.0;
    }
    let exponent = exact.abs().log2().floor().max(-126.0);
    (f64::from(got) - exact).abs() / (exponent - 23.0).exp2()
}

fn check(name: &str, bound: f64, x: &[f32], exact: impl Fn(f64) -> f64) {
    let y = floats(name, &[x]);
    let errors = x.iter().zip(&y).map(|(x, y)| (ulps(*y, exact(f64::from(*x))), *x, *y));
    let (error, x, y) = errors.max_by(|a, b| a.0.total_cmp(&b.0)).unwrap();
    assert!(error <= bound, "{name}({x:e}) = {y:e}, exactly {:e}: {error:.2} ulp", exact(f64::from(x)));
}

/// Evenly spaced, both ends included.
fn between(lo: f32, hi: f32, n: usize) -> Vec<f32> {
    (0..=n).map(|i| lo + (hi - lo) * (i as f32 / n as f32)).collect()
}

/// All magnitudes: bit patterns of normal numbers of both signs at equal distances.
fn magnitudes(n: u32) -> Vec<f32> {
    let (lo, hi) = (f32::MIN_POSITIVE.to_bits(), f32::MAX.to_bits());
    let positive = (0..=n).map(|i| f32::from_bits(lo + ((u64::from(hi - lo) * u64::from(i)) / u64::from(n)) as u32));
    positive.flat_map(|x| [x, -x]).collect()
}

fn around(points: &[f32]) -> Vec<f32> {
    let near = |x: f32| (-3..=3).map(move |d: i32| f32::from_bits(x.to_bits().wrapping_add_signed(d)));
    points.iter().flat_map(|x| near(*x)).filter(|x| !x.is_subnormal()).collect()
}

const N: usize = 20_000;

#[test]
fn exp() {
    let edges = around(&[88.722_84, -87.336_54, 1.0, -1.0, 0.346_573_6, -0.346_573_6, 100.0, -150.0]);
    for x in [between(-88.0, 89.0, N), between(-1.0, 1.0, N), magnitudes(4000), edges] {
        check("exp", 1.5, &x, f64::exp);
    }
    let low = around(&[-87.336_54, -87.0, -88.0, -90.0]);
    assert!(floats("exp", &[&low]).iter().all(|y| !y.is_subnormal()));
    let y = floats("exp", &[&[f32::NEG_INFINITY, f32::INFINITY, f32::NAN, 0.0, -0.0, 1e-45]]);
    assert_eq!(y[..2], [0.0, f32::INFINITY]);
    assert!(y[2].is_nan());
    assert_eq!(y[3..], [1.0, 1.0, 1.0]);
}

#[test]
fn expm1() {
    let edges = around(&[88.722_84, 1.0, -1.0, 0.346_573_6, -0.346_573_6, -17.4, 100.0, -150.0]);
    for x in [between(-20.0, 89.0, N), between(-1.0, 1.0, N), magnitudes(4000), edges] {
        check("expm1", 3.0, &x, f64::exp_m1);
    }
    let y = floats("expm1", &[&[f32::NEG_INFINITY, f32::INFINITY, f32::NAN, 0.0, -0.0]]);
    assert_eq!(y[..2], [-1.0, f32::INFINITY]);
    assert!(y[2].is_nan());
    assert_eq!([y[3].to_bits(), y[4].to_bits()], [0, 0x8000_0000]);
}

#[test]
fn log() {
    let positive: Vec<f32> = magnitudes(10_000).into_iter().filter(|x| *x > 0.0).collect();
    let edges = around(&[1.0, std::f32::consts::FRAC_1_SQRT_2, std::f32::consts::SQRT_2, 2.0, 0.5]);
    for x in [positive, between(0.4, 2.5, N), edges] {
        check("log", 1.5, &x, f64::ln);
    }
    let y = floats("log", &[&[0.0, -0.0, -1.0, f32::INFINITY, f32::NEG_INFINITY, f32::NAN, 1e-45, 1.0]]);
    assert_eq!(y[..2], [f32::NEG_INFINITY; 2]);
    assert!(y[2].is_nan() && y[4].is_nan() && y[5].is_nan());
    assert_eq!([y[3], y[6], y[7]], [f32::INFINITY, f32::NEG_INFINITY, 0.0]);
}

#[test]
fn log1p() {
    let valid: Vec<f32> = magnitudes(10_000).into_iter().filter(|x| *x > -1.0).collect();
    let edges = around(&[-0.292_893_2, 0.414_213_57, 1.0, -0.5]);
    for x in [valid, between(-0.999_999, 3.0, N), edges] {
        check("log1p", 3.0, &x, f64::ln_1p);
    }
    let y = floats("log1p", &[&[-1.0, -1.5, f32::INFINITY, f32::NAN, 0.0, -0.0]]);
    assert_eq!([y[0], y[2]], [f32::NEG_INFINITY, f32::INFINITY]);
    assert!(y[1].is_nan() && y[3].is_nan());
    assert_eq!([y[4].to_bits(), y[5].to_bits()], [0, 0x8000_0000]);
}

#[test]
fn sin_and_cos() {
    let multiples: Vec<f32> = (-6366..6366).map(|n| (f64::from(n) * std::f64::consts::FRAC_PI_2) as f32).collect();
    for x in [between(-10.0, 10.0, N), between(-1e4, 1e4, 2 * N), around(&multiples)] {
        check("sin", 2.0, &x, f64::sin);
        check("cos", 2.0, &x, f64::cos);
    }
    for name in ["sin", "cos"] {
        let beyond = magnitudes(3000);
        assert!(floats(name, &[&beyond]).iter().all(|y| (-1.0..=1.0).contains(y)), "{name} is bounded");
        assert!(floats(name, &[&[f32::INFINITY, f32::NEG_INFINITY, f32::NAN]]).iter().all(|y| y.is_nan()));
    }
    assert_eq!(floats("sin", &[&[-0.0]])[0].to_bits(), 0x8000_0000);
}

#[test]
fn tanh() {
    for x in [between(-10.0, 10.0, N), between(-0.7, 0.7, N), magnitudes(4000), around(&[0.625, -0.625, 9.0])] {
        check("tanh", 3.0, &x, f64::tanh);
    }
    let y = floats("tanh", &[&[f32::INFINITY, f32::NEG_INFINITY, f32::NAN, -0.0]]);
    assert_eq!(y[..2], [1.0, -1.0]);
    assert!(y[2].is_nan());
    assert_eq!(y[3].to_bits(), 0x8000_0000);
}

/// All terms of this series have one sign, so it has no cancellation.
fn erf_f64(x: f64) -> f64 {
    if x.abs() > 6.0 {
        return x.signum();
    }
    let (mut term, mut sum) = (x, x);
    for n in 1..400 {
        term *= 2.0 * x * x / f64::from(2 * n + 1);
        sum += term;
    }
    std::f64::consts::FRAC_2_SQRT_PI * (-x * x).exp() * sum
}

#[test]
fn erf() {
    assert!((erf_f64(1.0) - 0.842_700_792_949_715).abs() < 1e-14); // Abramowitz and Stegun, table 7.1
    for x in [between(-5.0, 5.0, N), between(-1.0, 1.0, N), magnitudes(4000), around(&[475.0 / 512.0])] {
        check("erf", 3.0, &x, erf_f64);
    }
    let y = floats("erf", &[&[f32::INFINITY, f32::NEG_INFINITY, f32::NAN, 0.0, -0.0]]);
    assert_eq!(y[..2], [1.0, -1.0]);
    assert!(y[2].is_nan());
    assert_eq!([y[3].to_bits(), y[4].to_bits()], [0, 0x8000_0000]);
}

#[test]
fn pow_is_accurate() {
    let bases = between(0.01, 20.0, 150);
    let exponents = between(-30.0, 30.0, 150);
    let pairs: Vec<(f32, f32)> = bases.iter().flat_map(|a| exponents.iter().map(move |b| (*a, *b))).collect();
    let near_one = between(0.99, 1.01, 100).into_iter().flat_map(|a| [(a, 3000.0), (a, -2500.5), (a, 2.0)]);
    let pairs: Vec<(f32, f32)> = pairs.into_iter().chain(near_one).collect();
    let (a, b): (Vec<f32>, Vec<f32>) = pairs.into_iter().unzip();
    for ((a, b), y) in a.iter().zip(&b).zip(floats("pow", &[&a, &b])) {
        let exact = f64::from(*a).powf(f64::from(*b));
        assert!(ulps(y, exact) <= 4.0, "pow({a}, {b}) = {y:e}, exactly {exact:e}");
    }
}

/// f64's powf is C's pow.
#[test]
fn pow_of_special_values_is_that_of_c() {
    let inf = f32::INFINITY;
    let values = [
        0.0,
        -0.0,
        1.0,
        -1.0,
        0.5,
        -0.5,
        2.0,
        -2.0,
        3.0,
        -3.0,
        1.5,
        -1.5,
        inf,
        -inf,
        f32::NAN,
        1e30,
        -1e30,
        16_777_215.0,
        -16_777_217.0,
        1e-30,
    ];
    let pairs: Vec<(f32, f32)> = values.iter().flat_map(|a| values.iter().map(move |b| (*a, *b))).collect();
    let (a, b): (Vec<f32>, Vec<f32>) = pairs.into_iter().unzip();
    for ((a, b), y) in a.iter().zip(&b).zip(floats("pow", &[&a, &b])) {
        let exact = f64::from(*a).powf(f64::from(*b));
        let sign = y.is_nan() || y.is_sign_negative() == exact.is_sign_negative();
        assert!(ulps(y, exact) <= 4.0 && sign, "pow({a}, {b}) = {y:e}, exactly {exact:e}");
    }
}

#[test]
fn max_and_min_propagate_nan() {
    let (a, b) = ([1.0, f32::NAN, 2.0, 0.0, -0.0], [2.0, 1.0, f32::NAN, -0.0, 0.0]);
    for (name, first) in [("max", 2.0), ("min", 1.0)] {
        let y = floats(name, &[&a, &b]);
        assert_eq!(y[0], first);
        assert!(y[1].is_nan() && y[2].is_nan());
        assert_eq!([y[3].to_bits(), y[4].to_bits()], [0x8000_0000, 0], "equal arguments give the second");
    }
    assert_eq!(ints("max", &[1, -5, i32::MIN], &[2, -7, 0]), [2, -5, 0]);
    assert_eq!(ints("min", &[1, -5, i32::MIN], &[2, -7, 0]), [1, -7, i32::MIN]);
}

#[test]
fn sign() {
    let y = floats("sign", &[&[3.0, -0.1, 0.0, -0.0, f32::INFINITY, f32::NAN]]);
    assert_eq!(y[..3], [1.0, -1.0, 0.0]);
    assert_eq!(y[3].to_bits(), 0x8000_0000);
    assert_eq!(y[4], 1.0);
    assert!(y[5].is_nan());
}

#[test]
fn float_division_floors() {
    let (a, b) = ([7.0, -7.0, 7.0, -7.0, 7.5], [2.0, 2.0, -2.0, -2.0, 0.5]);
    assert_eq!(floats("floor_div", &[&a, &b]), [3.0, -4.0, -4.0, 3.0, 15.0]);
    assert_eq!(floats("rem", &[&a, &b]), [1.0, 1.0, -1.0, -1.0, 0.0]);
}

/// Python's rules: the quotient floors, the remainder has the divisor's sign; by zero both are 0.
#[test]
fn integer_division_is_exact() {
    let mut values = vec![0, 1, -1, 2, -2, 3, 7, -7, 10, 255, 256, 65_535, 65_537, i32::MAX, i32::MIN, i32::MIN + 1];
    values.extend((0..31).flat_map(|s| [(1 << s) + 1, 1 << s, (1 << s) - 1, -(1 << s) - 1]));
    let mut word = 12345u32;
    values.extend((0..60).map(|i| {
        word = word.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        word as i32 >> (i % 24)
    }));
    let pairs: Vec<(i32, i32)> = values.iter().flat_map(|a| values.iter().map(move |b| (*a, *b))).collect();
    let (a, b): (Vec<i32>, Vec<i32>) = pairs.into_iter().unzip();
    let (quotients, rests) = (ints("floor_div", &a, &b), ints("rem", &a, &b));
    for i in 0..a.len() {
        let (x, y) = (i64::from(a[i]), i64::from(b[i]));
        let quotient = if y == 0 { 0 } else { (x as f64 / y as f64).floor() as i64 };
        let rest = if y == 0 { 0 } else { x - quotient * y };
        assert_eq!((quotients[i], rests[i]), (quotient as i32, rest as i32), "{x} / {y}");
    }
}

#[test]
fn philox_is_the_interpreters() {
    let text = "\
kernel k(read seed: i32[], read step: i32[], write y: i32[3, 37]) {
  par i0 in 0..3 by 1
  %0: i32[1, 1] = load seed[]
  %1: i32[1, 1] = load step[]
  %2: i32[1, 37] = philox 0xfedcba9876543210, %0, %1, i0 * 37 + col
  store y[i0, col] = %2
}
";
    let kernel = super::expand(&parse(text).unwrap());
    verify(&kernel).unwrap();
    assert!(!kernel.to_string().contains("philox"));
    let mut buffers = [BufferData::I32(vec![-7]), BufferData::I32(vec![1234]), BufferData::I32(vec![0; 111])];
    run(&kernel, &mut buffers, 0..3).unwrap();
    let expected = (0..111).map(|at| scalar::philox(0xfedc_ba98_7654_3210, -7i32 as u32, 1234, at) as i32).collect();
    assert_eq!(buffers[2], BufferData::I32(expected));
}

use super::parse::parse;
use super::print::{INDEX_OPS, TREE_OPS, VEC_OPS};
use super::{interp, verify::verify};

const EVERYTHING: &str = "\
kernel all.of#it(f32, i32, u8, bool) points 4 {
  v2: i64 = iconst 16
  for v3 in v0..v1 step 1 {
    v4: i64 = index.mul v3, v2
    v5: f32x16 = load b0[v4 + 0] count 13
    v6: i32x16 = load b2[v4 + 1] stride 2 count 4
    v7: mask16 = load b3[v4 + 0] splat
    v8: i32x16 = load b1[v4 + -1] indexed v6 mask v7
    v9: f32x16 = fsplat 0x80000000
    v10: f32x16 = fma v5, v9, v9
    for v11 in v3..v4 step 2 carry v12: f32x16 = v10 -> v13, v14: i32x16 = v8 -> v15 {
      v16: f32x16 = tree.fmax v12
      yield v16, v14
    }
    v17: cond = index.ge v3, v4
    if v17 -> (v18: i32x16) {
      yield v15
    } else {
      v19: i32x16 = isplat -7
      yield v19
    }
    store b3[v4 + 0] indexed v18 mask v7, v7
    fault v7
    fault_if v17
  }
}
";

fn verified(text: &str) -> super::Kernel {
    let kernel = parse(text).unwrap();
    verify(&kernel).unwrap();
    kernel
}

/// Runs a body of one point on one f32 buffer of 32 elements that starts with `input`; gives the bits from 16 on.
fn eval(body: &str, input: &[u32]) -> Vec<u32> {
    let kernel = verified(&format!("kernel k(i32, f32) points 1 {{ {body} }}"));
    let mut bytes: Vec<u8> = input.iter().flat_map(|x| x.to_le_bytes()).collect();
    bytes.resize(128, 0);
    let mut buffers = [bytes.clone(), bytes];
    assert!(!interp::run(&kernel, &mut buffers, 0, 1));
    let words = |b: &[u8]| b.chunks(4).map(|c| u32::from_le_bytes(c.try_into().unwrap())).collect::<Vec<_>>();
    let (i, f) = (words(&buffers[0]), words(&buffers[1]));
    i[16..].iter().zip(&f[16..]).map(|(a, b)| a | b).collect()
}

fn floats(op: &str, a: f32, b: f32, c: f32) -> f32 {
    let body = format!(
        "v2: i64 = iconst 0 v3: f32x4 = load b1[v2 + 0] splat v4: f32x4 = load b1[v2 + 1] splat
         v5: f32x4 = load b1[v2 + 2] splat v6: f32x4 = {op} store b1[v2 + 16] count 1, v6"
    );
    f32::from_bits(eval(&body, &[a, b, c].map(f32::to_bits))[0])
}

fn ints(op: &str, a: i32, b: i32) -> i32 {
    let body = format!(
        "v2: i64 = iconst 0 v3: i32x4 = load b0[v2 + 0] splat v4: i32x4 = load b0[v2 + 1] splat
         v5: i32x4 = {op} v3, v4 store b0[v2 + 16] count 1, v5"
    );
    eval(&body, &[a as u32, b as u32])[0] as i32
}

#[test]
fn text_round_trips() {
    let kernel = verified(EVERYTHING);
    assert_eq!(kernel.to_string(), EVERYTHING);
    assert_eq!(parse(&kernel.to_string()).unwrap(), kernel);
}

#[test]
fn every_name_is_distinct_and_parses() {
    let names: Vec<_> = VEC_OPS.iter().map(|n| n.1).collect();
    let mut unique = names.clone();
    unique.sort();
    unique.dedup();
    assert_eq!(unique.len(), names.len());
    assert_eq!((VEC_OPS.len(), TREE_OPS.len(), INDEX_OPS.len()), (30, 10, 7));
}

#[test]
fn syntax_errors_name_the_line() {
    let error = parse("kernel k(f32) points 1 {\n  v2: i64 = oops 3\n}").unwrap_err();
    assert_eq!(error, "line 2: unknown operation `oops`");
    assert!(parse("kernel k(f32) points 1 {").is_err());
    assert!(parse("kernel k(f33) points 1 { }").is_err());
    assert!(parse("kernel k() points 1 { v4000000000: i64 = iconst 1 }").is_err());
}

/// One broken kernel per invariant of the verifier.
#[test]
fn verifier_refuses() {
    for (body, message) in [
        ("v2: i64 = iconst 1 v2: i64 = iconst 1", "v2 is defined twice"),
        ("v2: i64 = index.add v0, v3 v3: i64 = iconst 1", "v3 is used but not defined here"),
        ("for v2 in v0..v1 step 1 { v3: i64 = iconst 1 } v4: i64 = index.add v3, v3", "v3 is used but not defined"),
        ("v2: i64 = index.div v0, v1", "v1 is no positive constant"),
        ("v2: i64 = iconst 0 v3: i64 = index.mod v0, v2", "v2 is no positive constant"),
        ("v2: f32x6 = fsplat 0x00000000", "6 lanes, not a multiple of 4"),
        ("v2: f32x4 = fsplat 0x00000000 v3: f32x4 = iadd v2, v2", "v2 is f32x4, expected i32x4"),
        ("v2: f32x4 = load b0[v0 + 0] count 5", "5 elements of f32x4"),
        ("v2: i32x4 = load b0[v0 + 0] count 4", "of f32 meets i32x4"),
        ("v2: f32x4 = load b7[v0 + 0] count 4", "no buffer b7"),
        ("v2: f32x4 = fsplat 0x00000000 store b0[v0 + 0] splat, v2", "splat store"),
        ("v2: f32x12 = fsplat 0x00000000 v3: f32x12 = tree.fadd v2", "a tree of 12 lanes"),
        ("v2: f32x4 = fsplat 0x00000000 v3: f32x4 = fma v2, v2", "expected 3 arguments"),
        ("for v2 in v0..v1 step 0 { }", "step 0"),
        ("for v2 in v0..v1 step 1 carry v3: i64 = v0 -> v4 { v5: i32x4 = lanes yield v5 }", "loop v2 starts with"),
        ("if v0 -> () { } else { }", "v0 is i64, expected cond"),
        ("v2: cond = index.lt v0, v1 if v2 -> (v3: i64) { yield v0 } else { }", "an arm yields"),
    ] {
        let kernel = parse(&format!("kernel k(f32) points 1 {{ {body} }}")).unwrap();
        let error = verify(&kernel).expect_err(body);
        assert!(error.contains(message), "{body}: {error}");
    }
    let kernel = parse("kernel k(f64) points 1 { }").unwrap();
    assert!(verify(&kernel).unwrap_err().contains("f64"));
}

#[test]
fn max_and_min_give_the_second_on_equal_and_nan() {
    assert_eq!(floats("fmax v3, v4", f32::NAN, 1.0, 0.0), 1.0);
    assert!(floats("fmax v3, v4", 1.0, f32::NAN, 0.0).is_nan());
    assert_eq!(floats("fmax v3, v4", 0.0, -0.0, 0.0).to_bits(), (-0f32).to_bits());
    assert_eq!(floats("fmin v3, v4", -0.0, 0.0, 0.0).to_bits(), 0);
    // A denormal is chosen as zero of its sign: measured on x86 with DAZ.
    assert_eq!(floats("fmax v3, v4", 1e-40, -1.0, 0.0).to_bits(), 0);
}

#[test]
fn denormals_are_flushed() {
    let tiny = f32::MIN_POSITIVE;
    assert_eq!(floats("fmul v3, v4", tiny, 0.5, 0.0), 0.0);
    assert_eq!(floats("fadd v3, v4", 1e-40, 1e-40, 0.0), 0.0);
    assert_eq!(floats("fsub v3, v4", tiny * 1.5, tiny, 0.0), 0.0);
    assert_eq!(floats("fmul v3, v4", -tiny, 0.5, 0.0).to_bits(), 0x8000_0000);
    assert_eq!(floats("fneg v3", 1e-40, 0.0, 0.0), -1e-40);
    assert_eq!(floats("fdiv v3, v4", 1.0, 1e-40, 0.0), f32::INFINITY);
    // (1 - 2^-24) * min normal rounds up to the smallest normal as a denormal, but is tiny after rounding to 24 bits.
    assert_eq!(floats("fmul v3, v4", tiny, 1.0 - f32::EPSILON / 2.0, 0.0), 0.0);
    assert_eq!(floats("fma v3, v4, v5", 1.0 + f32::EPSILON, 1.0 - f32::EPSILON, -1.0), -f32::EPSILON * f32::EPSILON);
}

#[test]
fn shifts_of_32_and_more() {
    assert_eq!(ints("ishl", 1, 31), i32::MIN);
    assert_eq!(ints("ishl", 1, 32), 0);
    assert_eq!(ints("ishr", -1, 32), 0);
    assert_eq!(ints("ishr", -1, 31), 1);
    assert_eq!(ints("isar", -5, 40), -1);
    assert_eq!(ints("isar", 5, -1), 0);
    assert_eq!(ints("imulhigh", -1, -1), -2);
}

#[test]
fn conversions_saturate() {
    let to_int = |x: f32| {
        let body = "v2: i64 = iconst 0 v3: f32x4 = load b1[v2 + 0] splat v4: i32x4 = to_i32 v3
                    store b0[v2 + 16] count 1, v4";
        eval(body, &[x.to_bits()])[0] as i32
    };
    assert_eq!([f32::NAN, 3e9, -3e9, -1.9, 1e-40].map(to_int), [0, i32::MAX, i32::MIN, -1, 0]);
}

/// 1e8 at lane 0 and -1e8 at lane 8 meet first, so the small ones survive: 2 + 4 in the fixed order.
#[test]
fn tree_order() {
    let mut x = [0f32; 16];
    (x[0], x[8], x[1], x[9]) = (1e8, -1e8, 2.0, 4.0);
    let body = "v2: i64 = iconst 0 v3: f32x16 = load b1[v2 + 0] count 16 v4: f32x16 = tree.fadd v3
                store b1[v2 + 16] count 16, v4";
    assert_eq!(eval(body, &x.map(f32::to_bits)), [6f32.to_bits(); 16]);
}

#[test]
fn partial_strided_and_indexed_accesses() {
    let input: Vec<u32> = (1..=16).collect();
    let contiguous = "v2: i64 = iconst 2 v3: i32x4 = load b0[v2 + 1] count 3 store b0[v2 + 14] count 4, v3";
    assert_eq!(eval(contiguous, &input)[..5], [4, 5, 6, 0, 0]);
    let strided =
        "v2: i64 = iconst 0 v3: i32x4 = load b0[v2 + 0] stride 5 count 3 store b0[v2 + 16] stride 2 count 3, v3";
    assert_eq!(eval(strided, &input)[..6], [1, 0, 6, 0, 11, 0]);
    let indexed = "v2: i64 = iconst 3 v3: i32x4 = lanes v4: i32x4 = ineg v3 v5: mask4 = first_lanes 2
                   v6: i32x4 = load b0[v2 + 0] indexed v4 mask v5 store b0[v2 + 14] indexed v4 mask v5, v6";
    assert_eq!(eval(indexed, &input)[..3], [3, 4, 0]);
}

#[test]
fn faults_are_seen() {
    let text = "kernel k() points 1 { v2: mask4 = first_lanes 1 v3: cond = index.gt v0, v1 fault_if v3 }";
    assert!(!interp::run(&verified(text), &mut [], 0, 1));
    assert!(interp::run(&verified(&text.replace("fault_if v3", "fault v2")), &mut [], 0, 1));
    assert!(interp::run(&verified(&text.replace("gt", "lt")), &mut [], 0, 1));
}

//! The machine code itself: what the inner loop of a contraction must look like.

use super::{TARGETS, emit};
use crate::codegen::disasm;
use crate::lane::{Target, place, verify::verify};
use crate::ops::DType;
use crate::runtime::harness::{self, Noise, kernel};
use crate::tile::{expand::expand, parse::parse};

/// y = x · w: blocks of 6 rows and COLUMNS columns.
const MATMUL: &str = "\
kernel matmul(read x: f32[12, 256], read w: f32[256, 128], write y: f32[12, 128]) {
  par i0 in 0..12 by 6
  par i1 in 0..128 by COLUMNS
  %0: f32[i0, i1] = const 0.0
  %2 = for i2 in 0..256 by 256 carry (%1 = %0) {
    %3: f32[i0, i2] = load x[i0 + row, i2 + col]
    %4: f32[i2, i1] = load w[i2 + row, i1 + col]
    %5: f32[i0, i1] = contract %1, %3, %4
    yield %5
  }
  store y[i0 + row, i1 + col] = %2
}
";

/// The instructions of the innermost loop: between the target of the last backward branch of the kind and it.
fn inner_loop(code: &str) -> Vec<&str> {
    let lines: Vec<&str> = code.lines().map(str::trim).collect();
    let target = |line: &str| line.split("jl ").nth(1).map(|t| t.trim().trim_end_matches('h').to_lowercase());
    let offset = |line: &str| u64::from_str_radix(line.split_whitespace().next().unwrap(), 16).unwrap();
    let (end, top) = lines
        .iter()
        .enumerate()
        .find_map(|(n, line)| {
            let top = u64::from_str_radix(target(line)?.rsplit(' ').next()?, 16).ok()?;
            (top < offset(line)).then_some((n, top))
        })
        .expect("a loop");
    lines[..end].iter().filter(|l| offset(l) >= top).copied().collect()
}

#[test]
fn accumulators_of_a_contraction_stay_in_registers() {
    for (target, vectors) in [(Target::AVX512, 4), (Target::AVX2, 2)] {
        let columns = vectors * usize::from(target.lanes);
        let kernel = parse(&MATMUL.replace("COLUMNS", &columns.to_string())).unwrap();
        let lane = place::place(&expand(&kernel), target);
        verify(&lane).unwrap();
        let code = disasm::x86(&emit(&lane, target).unwrap());
        let body = inner_loop(&code);
        let count = |name: &str| body.iter().filter(|l| l.contains(name)).count();
        let steps = count("vfmadd231ps") / (6 * vectors);
        assert!(steps > 0 && count("vfmadd") == 6 * vectors * steps, "{code}");
        assert_eq!(count("vmov"), vectors * steps, "one load per vector of w, no copies: {body:#?}");
        assert_eq!(count("vbroadcastss"), 6 * steps, "one broadcast per row: {body:#?}");
        assert!(!body.iter().any(|l| l.contains("rsp")), "no spills: {body:#?}");
    }
}

/// Offsets that are no displacements, in elements and in bytes.
#[test]
fn far_offsets() {
    for far in [1i64 << 29, 3 << 30, 1 << 40] {
        let text = format!(
            "kernel k(f32, u8) points 3 {{
               v2: i64 = iconst {far}
               v3: i64 = iconst {}
               for v4 in v0..v1 step 1 {{
                 v5: i64 = index.sub v4, v2
                 v6: f32x16 = load b0[v5 + {far}] count 7
                 v7: f32x16 = load b0[v3 + {far}] splat
                 v8: f32x16 = fadd v6, v7
                 store b0[v5 + {}] count 7, v8
                 v9: i32x16 = load b1[v5 + {far}] stride 3 count 5
                 store b1[v5 + {}] stride 2 count 5, v9
               }}
             }}",
            2 - far,
            far + 20,
            far + 20
        );
        harness::check(&text, &[Noise(5).elements(DType::F32, 40), Noise(6).elements(DType::U8, 40)]);
    }
}

/// What the emitters leave to Cranelift.
#[test]
fn narrow_vectors_and_wide_strides_are_refused() {
    let text = "
kernel k(f32) points 1 {
  v2: f32x16 = load b0[v0 + 0] stride 3 count 4
  store b0[v0 + 0] count 4, v2
}";
    let emitted = |from: &str, to: &str, target| emit(&kernel(&text.replace(from, to)), target).is_some();
    for target in TARGETS {
        assert!(emitted("", "", target));
        assert!(!emitted("x16", "x4", target));
        assert!(!emitted("stride 3", "stride 99999999", target));
        assert!(!emitted("x16", "x12", target));
    }
    assert!(emitted("x16", "x8", Target::AVX2));
    assert!(!emitted("x16", "x8", Target::AVX512));
    assert!(!emitted("", "", Target::CLIF));
}

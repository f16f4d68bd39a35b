//! The machine code itself: what the inner loop of a contraction must look like.

use super::{emit, target};
use crate::codegen::disasm;
use crate::lane::{place, verify::verify};
use crate::tile::{expand::expand, parse::parse};

/// y = x · w: blocks of 6 rows and 64 columns.
const MATMUL: &str = "\
kernel matmul(read x: f32[12, 256], read w: f32[256, 128], write y: f32[12, 128]) {
  par i0 in 0..12 by 6
  par i1 in 0..128 by 64
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
    let Some(target) = target() else { return };
    let lane = place::place(&expand(&parse(MATMUL).unwrap()), target);
    verify(&lane).unwrap();
    let code = disasm::x86(&emit(&lane, target).unwrap());
    let body = inner_loop(&code);
    let count = |name: &str| body.iter().filter(|l| l.contains(name)).count();
    let steps = count("vfmadd231ps") / 24;
    assert!(steps > 0 && count("vfmadd") == 24 * steps, "{code}");
    assert_eq!(count("vmov"), 4 * steps, "one load per vector of w, no copies: {body:#?}");
    assert_eq!(count("vbroadcastss"), 6 * steps, "one broadcast per row: {body:#?}");
    assert!(!body.iter().any(|l| l.contains("rsp")), "no spills: {body:#?}");
}

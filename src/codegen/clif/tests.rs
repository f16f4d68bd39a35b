use super::isa;
use crate::codegen::kernels;
use crate::lane::{self, parse::parse, verify::verify};

fn vcode(kernel: &lane::Kernel, triple: &str) -> String {
    kernels::vcode(kernel, isa::named(triple).unwrap().as_ref()).unwrap()
}

fn kernel(text: &str) -> lane::Kernel {
    let kernel = parse(text).unwrap();
    verify(&kernel).unwrap();
    kernel
}

/// A row of a matrix product: y[16] = sum over k of x[k] * w[k, 16].
const DOT: &str = "
kernel dot(f32, f32, f32) points 1 {
  v2: i64 = iconst 0
  v3: i64 = iconst 8
  v4: i64 = iconst 16
  v5: f32x16 = fsplat 0x00000000
  for v6 in v2..v3 step 1 carry v7: f32x16 = v5 -> v8 {
    v9: i64 = index.mul v6, v4
    v10: f32x16 = load b0[v6 + 0] splat
    v11: f32x16 = load b1[v9 + 0] count 16
    v12: f32x16 = fma v10, v11, v7
    yield v12
  }
  store b2[v2 + 0] count 16, v8
}";

/// Conversions, masks, bytes, shifts by vectors, partial accesses.
const MIX: &str = "
kernel mix(f32, u8, bool) points 1 {
  v2: i64 = iconst 3
  v3: f32x8 = load b0[v0 + 0] count 7
  v4: i32x8 = to_i32 v3
  v5: i32x8 = load b1[v0 + 0] count 8
  v6: i32x8 = ishl v5, v4
  v7: i32x8 = imulhigh v6, v4
  v8: mask8 = cmp.lt v7, v5
  v9: i64 = index.mod v0, v2
  v10: f32x8 = ffloor v3
  v11: f32x8 = fmax v10, v3
  fault v8
  store b2[v9 + 0] indexed v5 mask v8, v8
  store b1[v9 + 0] count 5, v7
  store b0[v9 + 0] stride 3 count 2, v11
}";

#[test]
fn arm_gets_neon_fma() {
    let code = vcode(&kernel(DOT), "aarch64-unknown-linux-gnu");
    assert_eq!(code.matches("fmla").count(), 4, "{code}");
    assert!(code.contains("v0.4s") || code.contains(".4s"), "{code}");
}

#[test]
fn arm_compiles_everything_without_libcalls() {
    let code = vcode(&kernel(MIX), "aarch64-unknown-linux-gnu");
    assert!(!code.contains("bl "), "{code}");
    assert!(code.contains("fcvtzs") && code.contains("frintm"), "{code}");
}

/// Two loads of one element of b0, and a store between them.
const TWICE: &str = "
kernel twice(f32, f32) points 1 {
  v2: f32x4 = load b0[v0 + 0] count 4
  store b1[v0 + 0] count 4, v2
  v3: f32x4 = load b0[v0 + 0] count 4
  store b1[v0 + 4] count 4, v3
}";

fn count_loads(text: &str) -> usize {
    vcode_host(&kernel(text)).lines().filter(|l| l.contains("vmovups") && l.contains("), %xmm")).count()
}

#[test]
#[cfg(target_arch = "x86_64")]
fn only_loads_of_untouched_buffers_are_shared() {
    assert_eq!(count_loads(TWICE), 1);
    assert_eq!(count_loads(&TWICE.replace("store b1[v0 + 0]", "store b0[v0 + 2]")), 2);
}

/// A load in a loop that may run zero times stays there.
#[test]
#[cfg(target_arch = "x86_64")]
fn loads_do_not_leave_loops_that_may_be_empty() {
    let text = "
kernel maybe(f32, f32) points 1 {
  v2: i64 = iconst 0
  v3: i64 = iconst 7
  for v4 in v2..v3 step 1 {
    v5: f32x4 = load b0[v2 + 0] count 4
    store b1[v4 + 0] count 4, v5
  }
}";
    let in_loop = |text: &str| {
        let code = vcode_host(&kernel(text));
        let load = code.find("), %xmm").unwrap();
        code[load..].matches("label").count() < code.matches("label").count() && code[..load].contains("block1:")
    };
    assert!(!in_loop(text));
    assert!(in_loop(&text.replace("in v2..v3", "in v0..v3")));
}

fn vcode_host(kernel: &lane::Kernel) -> String {
    kernels::vcode(kernel, isa::host().unwrap().as_ref()).unwrap()
}

#[test]
fn without_fma_there_is_an_error() {
    let code = |triple| isa::named(triple).err().map(|e| e.code.to_string());
    assert_eq!(code("x86_64-unknown-linux-gnu").as_deref(), Some("E0920"));
    assert_eq!(code("s390x-unknown-linux-gnu").as_deref(), Some("E0921"));
    assert_eq!(code("aarch64-unknown-linux-gnu"), None);
}

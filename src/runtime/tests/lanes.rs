//! Every lane operation: the code of all emitters against the interpreter, in bits.

use crate::lane::print::{COMPARES, TREE_OPS, VEC_OPS};
use crate::lane::{LaneKind, VecOp};
use crate::ops::DType;
use crate::runtime::harness::{Noise, check, kernel, run_clif};

/// Element type and vector type of a kind.
fn names(kind: LaneKind, lanes: usize) -> (DType, String) {
    match kind {
        LaneKind::F32 => (DType::F32, format!("f32x{lanes}")),
        LaneKind::I32 => (DType::I32, format!("i32x{lanes}")),
        LaneKind::Mask => (DType::Bool, format!("mask{lanes}")),
    }
}

/// `op` on vectors from as many buffers as it has arguments, to one more buffer, over 12 points.
fn check_op(op: &str, arity: usize, from: LaneKind, to: LaneKind, lanes: usize) {
    let ((in_type, in_vec), (out_type, out_vec)) = (names(from, lanes), names(to, lanes));
    let buffers = vec![in_type.name(); arity].join(", ");
    let loads: String =
        (0..arity).map(|i| format!("v{}: {in_vec} = load b{i}[v4 + 0] count {lanes}\n", 10 + i)).collect();
    let args = (0..arity).map(|i| format!("v{}", 10 + i)).collect::<Vec<_>>().join(", ");
    let text = format!(
        "kernel k({buffers}, {out_type}) points 12 {{
           v2: i64 = iconst {lanes}
           for v3 in v0..v1 step 1 {{
             v4: i64 = index.mul v3, v2
             {loads}
             v20: {out_vec} = {op} {args}
             store b{arity}[v4 + 0] count {lanes}, v20
           }}
         }}"
    );
    let mut noise = Noise(lanes as u64);
    let mut data: Vec<_> = (0..arity).map(|_| noise.elements(in_type, 12 * lanes)).collect();
    data.push(vec![0xaa; 12 * lanes * out_type.size()]);
    check(&text, &data);
}

#[test]
fn vector_operations() {
    for &(op, name) in VEC_OPS {
        for lanes in [4, 8, 16] {
            check_op(name, op.arity(), op.kind(), op.kind(), lanes);
        }
    }
}

#[test]
fn comparisons() {
    for &(_, name) in COMPARES {
        for kind in [LaneKind::F32, LaneKind::I32, LaneKind::Mask] {
            check_op(&format!("cmp.{name}"), 2, kind, LaneKind::Mask, 16);
        }
    }
}

#[test]
fn conversions_and_trees() {
    check_op("to_f32", 1, LaneKind::I32, LaneKind::F32, 16);
    check_op("to_i32", 1, LaneKind::F32, LaneKind::I32, 16);
    check_op("bitcast", 1, LaneKind::F32, LaneKind::I32, 8);
    check_op("bitcast", 1, LaneKind::I32, LaneKind::F32, 8);
    for &(op, name) in TREE_OPS {
        for lanes in [4, 8, 16] {
            check_op(&format!("tree.{name}"), 1, op.kind(), op.kind(), lanes);
        }
    }
}

/// Shifts by constants go another way than shifts by vectors.
#[test]
fn constant_shifts() {
    for op in [VecOp::IShl, VecOp::IShr, VecOp::ISar] {
        for count in [0, 1, 31, 32, 100, -1] {
            let name = VEC_OPS.iter().find(|o| o.0 == op).unwrap().1;
            let text = format!(
                "kernel k(i32, i32) points 1 {{
                   v2: i32x8 = load b0[v0 + 0] count 8
                   v3: i32x8 = isplat {count}
                   v4: i32x8 = {name} v2, v3
                   store b1[v0 + 0] count 8, v4
                 }}"
            );
            check(&text, &[Noise(7).elements(DType::I32, 8), vec![0; 32]]);
        }
    }
}

#[test]
fn selections() {
    for kind in [LaneKind::F32, LaneKind::I32, LaneKind::Mask] {
        let (dtype, vec) = names(kind, 16);
        let text = format!(
            "kernel k(bool, {dtype}, {dtype}, {dtype}) points 1 {{
               v2: mask16 = load b0[v0 + 0] count 16
               v3: {vec} = load b1[v0 + 0] count 16
               v4: {vec} = load b2[v0 + 0] count 16
               v5: {vec} = select v2, v3, v4
               store b3[v0 + 0] count 16, v5
             }}"
        );
        let mut noise = Noise(3);
        let data = [DType::Bool, dtype, dtype, dtype].map(|d| noise.elements(d, 16));
        check(&text, &data);
    }
}

/// Types of memory and of the vectors that meet it.
const MEMORY: [(DType, &str); 4] =
    [(DType::F32, "f32x16"), (DType::I32, "i32x16"), (DType::U8, "i32x16"), (DType::Bool, "mask16")];

/// Copies 16 lanes from `load` to `store`; buffers have exactly 64 elements, with what lies around them guarded.
fn check_copy(load: &str, store: &str) {
    for (dtype, vec) in MEMORY {
        let text = format!(
            "kernel k({dtype}, {dtype}, i32, bool) points 1 {{
               v2: i64 = iconst 8
               v3: i32x16 = load b2[v0 + 0] count 16
               v4: mask16 = load b3[v0 + 0] count 16
               v5: mask16 = first_lanes 16
               v6: {vec} = load b0[v2 + 0] {load}
               store b1[v2 + 3] {store}, v6
             }}"
        );
        let mut noise = Noise(load.len() as u64);
        let offsets: Vec<u8> = (0..16).flat_map(|l| ((l * 7 + 3) % 41 - 5i32).to_le_bytes()).collect();
        let [from, to] = [(); 2].map(|()| noise.elements(dtype, 64));
        check(&text, &[from, to, offsets, noise.elements(DType::Bool, 16)]);
    }
}

#[test]
fn contiguous_accesses() {
    for count in 0..=16 {
        check_copy(&format!("count {count}"), "count 16");
        check_copy("count 16", &format!("count {count}"));
    }
    check_copy("splat", "count 16");
}

#[test]
fn strided_accesses() {
    for (stride, count) in [(1, 16), (3, 16), (2, 7), (0, 5), (40, 2), (-1, 8)] {
        check_copy(&format!("stride {stride} count {count}"), "count 16");
        check_copy("count 16", &format!("stride {stride} count {count}"));
    }
}

#[test]
fn indexed_accesses() {
    for mask in ["v4", "v5"] {
        check_copy(&format!("indexed v3 mask {mask}"), "count 16");
        check_copy("count 16", &format!("indexed v3 mask {mask}"));
    }
}

/// Lanes that are not set may have any offset: they must not be touched.
#[test]
fn masked_lanes_touch_no_memory() {
    let text = "
kernel k(f32, f32) points 1 {
  v2: mask4 = first_lanes 1
  v3: i32x4 = lanes
  v4: i32x4 = isplat 30
  v5: i32x4 = ishl v3, v4
  v6: f32x4 = load b0[v0 + 0] indexed v5 mask v2
  v7: i32x4 = isplat 0
  v8: mask4 = cmp.eq v5, v7
  store b1[v0 + 0] indexed v5 mask v8, v6
}";
    check(text, &[vec![1, 2, 3, 4], vec![0; 4]]);
}

#[test]
fn index_arithmetic() {
    for op in ["add", "sub", "mul", "min", "max"] {
        check_index(&format!("index.{op} v3, v2"), 5);
    }
    for divisor in [1, 2, 3, 7, 8, 100] {
        check_index("index.div v3, v2", divisor);
        check_index("index.mod v3, v2", divisor);
    }
}

/// `op` on v3 = -9..16 and the constant v2, as i32.
fn check_index(op: &str, constant: i64) {
    let text = format!(
        "kernel k(i32) points 25 {{
           v2: i64 = iconst {constant}
           v4: i64 = iconst -9
           for v5 in v0..v1 step 1 {{
             v3: i64 = index.add v5, v4
             v6: i64 = {op}
             v7: i32x4 = splat_index v6
             store b0[v5 + 0] count 1, v7
           }}
         }}"
    );
    check(&text, &[vec![0; 100]]);
}

#[test]
fn conditions_of_indices() {
    for &(_, name) in COMPARES {
        let text = format!(
            "kernel k(bool) points 5 {{
               v2: i64 = iconst 2
               for v3 in v0..v1 step 1 {{
                 v4: cond = index.{name} v3, v2
                 v5: mask4 = splat_cond v4
                 store b0[v3 + 0] count 1, v5
               }}
             }}"
        );
        check(&text, &[vec![9; 5]]);
    }
}

/// Nested loops with carries, one of which runs zero times, and an `if` whose results are used after it.
#[test]
fn control_flow() {
    let text = "
kernel k(f32, f32) points 9 {
  v2: i64 = iconst 0
  v3: i64 = iconst 4
  v4: f32x4 = fsplat 0x3f800000
  v5: f32x4 = fsplat 0x40000000
  for v6 in v0..v1 step 1 {
    for v7 in v2..v6 step 3 carry v8: f32x4 = v4 -> v9, v10: f32x4 = v5 -> v11 {
      v12: f32x4 = load b0[v7 + 0] count 4
      v13: f32x4 = fadd v8, v12
      v14: cond = index.gt v7, v3
      if v14 -> (v15: f32x4, v16: i64) {
        v17: f32x4 = fmul v13, v5
        yield v17, v3
      } else {
        yield v13, v2
      }
      v18: i32x4 = splat_index v16
      v19: f32x4 = to_f32 v18
      v20: f32x4 = fadd v15, v19
      yield v10, v20
    }
    v21: f32x4 = fsub v9, v11
    v22: i64 = index.mul v6, v3
    store b1[v22 + 0] count 4, v21
  }
}";
    let floats: Vec<u8> = (0..16).flat_map(|i| (i as f32 * 0.75 - 3.0).to_le_bytes()).collect();
    check(text, &[floats, vec![0; 4 * 36]]);
}

#[test]
fn first_lane_and_lanes() {
    let text = "
kernel k(i32, i32) points 1 {
  v2: i32x16 = load b0[v0 + 0] count 16
  v3: i64 = first_lane v2
  v4: i32x16 = lanes
  v5: i32x16 = splat_index v3
  v6: i32x16 = iadd v4, v5
  store b1[v0 + 0] count 16, v6
  v7: mask16 = first_lanes 5
  v8: i32x16 = isplat -3
  v9: i32x16 = select v7, v8, v6
  store b1[v0 + 16] count 16, v9
}";
    check(text, &[Noise(1).elements(DType::I32, 16), vec![0; 128]]);
}

#[test]
fn faults() {
    let text = |last: &str| {
        format!(
            "kernel k(i32) points 6 {{
               v2: i32x4 = isplat 4
               v6: i64 = iconst 4
               for v3 in v0..v1 step 1 {{
                 v4: i32x4 = splat_index v3
                 v5: mask4 = cmp.gt v4, v2
                 v7: cond = index.gt v3, v6
                 {last}
                 store b0[v3 + 0] count 1, v4
               }}
             }}"
        )
    };
    for last in ["fault v5", "fault_if v7", ""] {
        check(&text(last), &[vec![0; 24]]);
        check(&text(last).replace("isplat 4", "isplat 9").replace("iconst 4", "iconst 9"), &[vec![0; 24]]);
    }
}

/// All points run once each, whatever the number of workers.
#[test]
fn workers_share_the_points() {
    let text = "
kernel k(i32) points 13 {
  v2: i32x4 = isplat 1
  for v3 in v0..v1 step 1 {
    v4: i32x4 = load b0[v3 + 0] count 1
    v5: i32x4 = iadd v4, v2
    store b0[v3 + 0] count 1, v5
  }
}";
    for workers in [1, 2, 3, 7, 20] {
        let mut buffers = [vec![0; 4 * 13]];
        run_clif(&kernel(text), &mut buffers, workers);
        assert_eq!(buffers[0], [1, 0, 0, 0].repeat(13), "{workers} workers");
    }
}

//! Kernels in text form that several tests use.

/// The kernels of `docs/tile-ir.md`.
pub fn guide() -> Vec<String> {
    kernels(include_str!("../../docs/tile-ir.md"))
}

/// The kernels of `docs/ptx/README.md`; too large to place or run in tests.
pub fn by_hand() -> Vec<String> {
    kernels(include_str!("../../docs/ptx/README.md"))
}

fn kernels(page: &str) -> Vec<String> {
    let blocks = page.split("```tile\n").skip(1);
    blocks.map(|block| block.split("```").next().unwrap_or_default().to_string()).collect()
}

pub const LINEAR: &str = "\
kernel linear(read x: f32[7, 19], read w: f32[19, 21] pitch 24, read b: f32[21], write y: f32[7, 21]) {
  par i0 in 0..7 by 3
  par i1 in 0..21 by 8
  %0: f32[1, i1] = load b[i1 + col]
  %1: f32[i0, i1] = const 0.0
  %2: f32[i0, i1] = add %1, %0
  %4 = for i2 in 0..19 by 4 carry (%3 = %2) {
    %5: f32[i0, i2] = load x[i0 + row, i2 + col]
    %6: f32[i2, i1] = load w[i2 + row, i1 + col]
    %7: f32[i0, i1] = contract %3, %5, %6
    yield %7
  }
  %8: f32[1, 1] = const 0.0
  %9: f32[i0, i1] = max_raw %4, %8
  store y[i0 + row, i1 + col] = %9
}
";

/// Two groups of three blocks of columns, the last block with one column.
pub const GROUPED: &str = "\
kernel grouped(read x: f32[7, 19], read w: f32[19, 21], write y: f32[7, 21]) {
  par i0 in 0..21 by 4 group 3
  par i1 in 0..7 by 3
  %0: f32[i1, i0] = const 0.0
  %2 = for i2 in 0..19 by 4 carry (%1 = %0) {
    %3: f32[i1, i2] = load x[i1 + row, i2 + col]
    %4: f32[i2, i0] = load w[i2 + row, i0 + col]
    %5: f32[i1, i0] = contract %1, %3, %4
    yield %5
  }
  store y[i1 + row, i0 + col] = %2
}
";

/// Rows of length 17: two blocks of 16, the last with one column.
pub const SOFTMAX: &str = "\
kernel softmax(read x: f32[5, 17], write y: f32[5, 17]) {
  par i0 in 0..5 by 2
  %0: f32[i0, 17] = load x[i0 + row, col]
  %1: f32[i0, 16] = const -inf
  %2: f32[i0, 16] = fold max %1, %0
  %3: f32[i0, 1] = tree max %2
  %4: f32[i0, 17] = sub %0, %3
  %5: f32[i0, 17] = exp %4
  %6: f32[i0, 16] = const 0.0
  %7: f32[i0, 16] = fold add %6, %5
  %8: f32[i0, 1] = tree add %7
  %9: f32[i0, 17] = div %5, %8
  store y[i0 + row, col] = %9
}
";

/// The same in blocks, with three passes over memory.
pub const SOFTMAX_LOOP: &str = "\
kernel softmax(read x: f32[5, 33], write y: f32[5, 33]) {
  par i0 in 0..5 by 1
  %0: f32[1, 16] = const -inf
  %2 = for i1 in 0..33 by 16 carry (%1 = %0) {
    %3: f32[1, i1] = load x[i0, i1 + col]
    %4: f32[1, 16] = fold max %1, %3
    yield %4
  }
  %5: f32[1, 1] = tree max %2
  %6: f32[1, 16] = const 0.0
  %8 = for i2 in 0..33 by 16 carry (%7 = %6) {
    %9: f32[1, i2] = load x[i0, i2 + col]
    %10: f32[1, i2] = sub %9, %5
    %11: f32[1, i2] = exp %10
    store y[i0, i2 + col] = %11
    %12: f32[1, 16] = fold add %7, %11
    yield %12
  }
  %13: f32[1, 1] = tree add %8
  for i3 in 0..33 by 16 {
    %14: f32[1, i3] = load y[i0, i3 + col]
    %15: f32[1, i3] = div %14, %13
    store y[i0, i3 + col] = %15
  }
}
";

/// 3×3, stride 2, padding 1, NHWC · HWIO; rows of a tile are neighbours along the width.
pub const CONV: &str = "\
kernel conv(read x: f32[2, 7, 9, 3], read w: f32[3, 3, 3, 5], write y: f32[2, 4, 5, 5]) {
  par i0 in 0..2 by 1
  par i1 in 0..4 by 1
  par i2 in 0..5 by 4
  par i3 in 0..5 by 4
  %0: f32[i2, i3] = const 0.0
  %2 = for i4 in 0..3 by 1 carry (%1 = %0) {
    %4 = for i5 in 0..3 by 1 carry (%3 = %1) {
      %6 = for i6 in 0..3 by 2 carry (%5 = %3) {
        %7: f32[i2, i6] = load x[i0, i1 * 2 + i4 + -1, (i2 + row) * 2 + i5 + -1, i6 + col] where 0 <= i1 * 2 + i4 + -1 < 7, 0 <= (i2 + row) * 2 + i5 + -1 < 9 else 0.0
        %8: f32[i6, i3] = load w[i4, i5, i6 + row, i3 + col]
        %9: f32[i2, i3] = contract %5, %7, %8
        yield %9
      }
      yield %6
    }
    yield %4
  }
  store y[i0, i1, i2 + row, i3 + col] = %2
}
";

/// Rows of a table by data; row 0 also where the index is out of range (a fault).
pub const TAKE: &str = "\
kernel take(read table: f32[6, 5], read rows: i32[9], write y: f32[9, 5]) {
  par i0 in 0..9 by 4
  %0: i32[i0, 1] = load rows[i0 + row]
  %1: f32[i0, 5] = load table[data(%0, 6), col]
  store y[i0 + row, col] = %1
}
";

/// Elements of each row by data along the columns.
pub const TAKE_ALONG: &str = "\
kernel take_along(read x: f32[4, 7], read at: i32[4, 9], write y: f32[4, 9]) {
  par i0 in 0..4 by 1
  %0: i32[1, 9] = load at[i0, col]
  %1: f32[1, 9] = load x[i0, data(%0, 7)]
  store y[i0, col] = %1
}
";

/// Adds rows into a table, ascending; one point owns all of it.
pub const SCATTER: &str = "\
kernel scatter(read updates: f32[8, 5], read rows: i32[8], inout y: f32[3, 5]) {
  for i0 in 0..8 by 4 {
    %0: i32[i0, 1] = load rows[i0 + row]
    %1: f32[i0, 5] = load updates[i0 + row, col]
    store y[data(%0, 3), col] += %1
  }
}
";

pub const TRANSPOSE: &str = "\
kernel transpose(read x: f32[6, 7], write y: f32[7, 6]) {
  par i0 in 0..6 by 4
  par i1 in 0..7 by 4
  %0: f32[i0, i1] = load x[i0 + row, i1 + col]
  %1: f32[i0, i1] = add %0, %0
  %2: f32[i1, i0] = transpose %1
  store y[i1 + row, i0 + col] = %2
}
";

/// Sums of columns: rows in blocks, ascending.
pub const COLUMN_SUM: &str = "\
kernel column_sum(read x: f32[11, 9], write y: f32[9]) {
  par i0 in 0..9 by 4
  %0: f32[1, i0] = const 0.0
  %2 = for i1 in 0..11 by 4 carry (%1 = %0) {
    %3: f32[i1, i0] = load x[i1 + row, i0 + col]
    %4: f32[1, i0] = fold_rows add %3
    %5: f32[1, i0] = add %1, %4
    yield %5
  }
  store y[i0 + col] = %2
}
";

/// In place, three buffers at once.
pub const MOMENTUM: &str = "\
kernel momentum(inout p: f32[37], inout m: f32[37], read g: f32[37], read lr: f32[]) {
  par i0 in 0..37 by 16
  %0: f32[1, i0] = load p[i0 + col]
  %1: f32[1, i0] = load m[i0 + col]
  %2: f32[1, i0] = load g[i0 + col]
  %3: f32[1, 1] = const 0.9
  %4: f32[1, 1] = load lr[]
  %5: f32[1, i0] = fma %1, %3, %2
  store m[i0 + col] = %5
  %6: f32[1, 1] = neg %4
  %7: f32[1, i0] = fma %6, %5, %0
  store p[i0 + col] = %7
}
";

/// Causal: the inner bound depends on the row block.
pub const TRIANGLE: &str = "\
kernel triangle(read x: f32[10, 10], write y: f32[10, 1]) {
  par i0 in 0..10 by 4
  %0: f32[i0, 16] = const 0.0
  %2 = for i1 in 0..min(10, i0 + 4) by 4 carry (%1 = %0) {
    %3: f32[i0, i1] = load x[i0 + row, i1 + col]
    %4: i32[i0, 1] = index i0 + row
    %5: i32[1, i1] = index i1 + col
    %6: bool[i0, i1] = ge %4, %5
    %7: f32[1, 1] = const 0.0
    %8: f32[i0, i1] = select %6, %3, %7
    %9: f32[i0, 16] = fold add %1, %8
    yield %9
  }
  %10: f32[i0, 1] = tree add %2
  store y[i0 + row, 0] = %10
}
";

/// Overlapping windows with padding along the columns, and bytes.
pub const WINDOW: &str = "\
kernel window(read x: u8[3, 10], write y: i32[3, 10], write big: bool[3, 10]) {
  par i0 in 0..3 by 2
  %0: i32[i0, 10] = load x[i0 + row, col + -1] where 0 <= col + -1 < 10 else 0
  %1: i32[i0, 10] = load x[i0 + row, col]
  %2: i32[i0, 10] = load x[i0 + row, col + 1] where 0 <= col + 1 < 10 else 0
  %3: i32[i0, 10] = add %0, %1
  %4: i32[i0, 10] = add %3, %2
  store y[i0 + row, col] = %4
  %5: i32[1, 1] = const 300
  %6: bool[i0, 10] = gt %4, %5
  store big[i0 + row, col] = %6
}
";

/// Random words, the left half of each row flipped, from an index with division.
pub const RANDOM: &str = "\
kernel random(read seed: i32[], read step: i32[], write y: i32[5, 6]) {
  par i0 in 0..5 by 2
  %0: i32[1, 1] = load seed[]
  %1: i32[1, 1] = load step[]
  %2: i32[i0, 6] = philox 0x123456789abcdef0, %0, %1, (i0 + row) * 6 + col
  %3: i32[i0, 6] = index col // 3 * -1 + 1
  %4: bool[i0, 6] = cast %3
  %5: i32[i0, 6] = not %2
  %6: i32[i0, 6] = select %4, %5, %2
  store y[i0 + row, col] = %6
}
";

/// Checks beside what is stored; one holds.
pub const FINITE: &str = "\
kernel finite(read x: f32[5, 17], inout y: bool[3], write z: f32[5, 17]) {
  par i0 in 0..5 by 2
  par i1 in 0..17 by 16
  %0: f32[i0, i1] = load x[i0 + row, i1 + col]
  %1: f32[1, 1] = const inf
  %2: f32[i0, i1] = abs %0
  %3: bool[i0, i1] = lt %2, %1
  %4: bool[1, 1] = const true
  store y[1] &= %3
  store z[i0 + row, i1 + col] = %2
  store y[2] &= %4
}
";

pub const ALL: [&str; 15] = [
    LINEAR,
    GROUPED,
    SOFTMAX,
    SOFTMAX_LOOP,
    CONV,
    TAKE,
    TAKE_ALONG,
    SCATTER,
    TRANSPOSE,
    COLUMN_SUM,
    MOMENTUM,
    TRIANGLE,
    WINDOW,
    RANDOM,
    FINITE,
];

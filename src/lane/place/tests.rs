//! The lane interpreter on placed kernels against the tile interpreter, bit for bit, for every target.

use crate::lane::{Target, interp, place::place, verify};
use crate::ops::DType;
use crate::tile::interp::BufferData;
use crate::tile::{self, Access, Param, samples};

/// A small generator: xorshift.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, n: usize) -> usize {
        (self.next() >> 11) as usize % n
    }

    fn pick<T: Copy>(&mut self, items: &[T]) -> T {
        items[self.below(items.len())]
    }

    /// Mostly ordinary numbers, now and then a special one.
    fn float(&mut self) -> f32 {
        const SPECIAL: [f32; 8] = [0.0, -0.0, f32::INFINITY, f32::NEG_INFINITY, f32::NAN, 1e-40, 3e38, 1.0];
        match self.below(40) {
            0 => self.pick(&SPECIAL),
            _ => (self.below(20_001) as f32 - 10_000.0) / 1_237.0,
        }
    }
}

fn data(param: &Param, random: &mut Random, limit: i32) -> BufferData {
    let n = param.shape.iter().product();
    let logical = match param.dtype {
        DType::F32 => BufferData::F32((0..n).map(|_| random.float()).collect()),
        DType::I32 => BufferData::I32((0..n).map(|_| random.below(limit as usize) as i32).collect()),
        DType::U8 => BufferData::U8((0..n).map(|_| random.below(256) as u8).collect()),
        _ => BufferData::Bool((0..n).map(|_| random.below(2) == 1).collect()),
    };
    let mut laid = BufferData::laid_out(param, &logical);
    if param.access == Access::Write {
        laid = BufferData::zeros(param);
    }
    laid
}

fn bytes(data: &BufferData) -> Vec<u8> {
    match data {
        BufferData::F32(x) => x.iter().flat_map(|x| x.to_le_bytes()).collect(),
        BufferData::I32(x) => x.iter().flat_map(|x| x.to_le_bytes()).collect(),
        BufferData::U8(x) => x.clone(),
        BufferData::Bool(x) => x.iter().map(|b| u8::from(*b)).collect(),
    }
}

/// Equal bits, any NaN like any other.
fn same(expected: &BufferData, found: &[u8]) -> bool {
    match expected {
        BufferData::F32(x) => x.iter().zip(found.chunks(4)).all(|(x, b)| {
            let y = f32::from_le_bytes([b[0], b[1], b[2], b[3]]);
            x.to_bits() == y.to_bits() || (x.is_nan() && y.is_nan())
        }),
        _ => bytes(expected) == found,
    }
}

/// Runs a kernel both ways, the lane code in two ranges of points, the later first. `limit` bounds i32 data.
fn check(text: &str, limit: i32) {
    let kernel = tile::parse::parse(text).unwrap_or_else(|e| panic!("{e}\n{text}"));
    tile::verify::verify(&kernel).unwrap_or_else(|e| panic!("{e}\n{text}"));
    let mut random = Random(0x9e37_79b9_7f4a_7c15 ^ text.len() as u64);
    let before: Vec<BufferData> = kernel.params.iter().map(|p| data(p, &mut random, limit)).collect();
    let mut expected = before.clone();
    let fault = tile::interp::run(&kernel, &mut expected, 0..kernel.points()).unwrap_or_else(|e| panic!("{e}\n{text}"));
    for target in [Target::CLIF, Target::AVX2, Target::AVX512] {
        let placed = place(&kernel, target);
        verify::verify(&placed).unwrap_or_else(|e| panic!("{e}\n{text}\n{placed}"));
        let mut buffers: Vec<Vec<u8>> = before.iter().map(bytes).collect();
        let (middle, end) = (kernel.points() as i64 / 2, kernel.points() as i64);
        let late = interp::run(&placed, &mut buffers, middle, end);
        let early = interp::run(&placed, &mut buffers, 0, middle);
        assert_eq!(late || early, fault, "fault, {target:?}\n{text}");
        for ((param, expected), found) in kernel.params.iter().zip(&expected).zip(&buffers) {
            assert!(same(expected, found), "{}, {target:?}: expected {expected:?}\n{text}\n{placed}", param.name);
        }
    }
}

const SIZES: [usize; 9] = [1, 2, 3, 7, 15, 16, 17, 31, 33];

#[test]
fn samples_agree() {
    for text in samples::ALL.map(String::from).into_iter().chain(samples::guide()) {
        check(&text, 3);
    }
}

#[test]
fn faults_agree() {
    check(samples::TAKE, 9);
    check(samples::TAKE_ALONG, 12);
    check(samples::SCATTER, 5);
}

#[test]
fn softmax_rows_of_all_lengths() {
    for n in SIZES {
        check(&samples::SOFTMAX.replace("17", &n.to_string()), 1);
        check(&samples::SOFTMAX_LOOP.replace("33", &n.to_string()), 1);
    }
}

/// Tails in m, n and k, rows with and without a pitch, k in the tile and around it.
#[test]
fn contractions() {
    let mut random = Random(7);
    for _ in 0..60 {
        let [m, n, k] = [0; 3].map(|_| random.pick(&SIZES));
        let (rows, cols, depth) = (random.pick(&[1, 3, 4]), random.pick(&[4, 8, 16, 20]), random.pick(&[1, 4, 8, 24]));
        let layout = random.pick(&[None, Some(n), Some(n + 5)]);
        let layout = layout.map_or(String::new(), |pitch| format!(" pitch {pitch}"));
        let (left, a, mark) = random.pick(
            &[
                (format!("{m}, {k}"), "f32[i0, i2] = load x[i0 + row, i2 + col]", ""),
                (format!("{k}, {m}"), "f32[i2, i0] = load x[i2 + row, i0 + col]", " transposed"),
            ]
            .map(|(s, a, m)| (&*s.leak(), a, m)),
        );
        check(
            &format!(
                "kernel linear(read x: f32[{left}], read w: f32[{k}, {n}]{layout}, write y: f32[{m}, {n}]) {{
  par i0 in 0..{m} by {rows}
  par i1 in 0..{n} by {cols}
  %0: f32[i0, i1] = const 0.5
  %2 = for i2 in 0..{k} by {depth} carry (%1 = %0) {{
    %3: {a}
    %4: f32[i2, i1] = load w[i2 + row, i1 + col]
    %5: f32[i0, i1] = contract %1, %3{mark}, %4
    yield %5
  }}
  store y[i0 + row, i1 + col] = %2
}}"
            ),
            1,
        );
    }
}

#[test]
fn convolutions() {
    for (stride, pad, rows) in [(1, 1, 4), (2, 1, 4), (2, 0, 3), (1, 2, 5)] {
        let out = |n: usize| (n + 2 * pad - 3) / stride + 1;
        let (h, w) = (out(7), out(9));
        let (y, x) = (format!("i1 * {stride} + i4 + -{pad}"), format!("(i2 + row) * {stride} + i5 + -{pad}"));
        check(
            &format!(
                "kernel conv(read x: f32[2, 7, 9, 3], read w: f32[3, 3, 3, 5], write y: f32[2, {h}, {w}, 5]) {{
  par i0 in 0..2 by 1
  par i1 in 0..{h} by 1
  par i2 in 0..{w} by {rows}
  par i3 in 0..5 by 8
  %0: f32[i2, i3] = const 0.0
  %2 = for i4 in 0..3 by 1 carry (%1 = %0) {{
    %4 = for i5 in 0..3 by 1 carry (%3 = %1) {{
      %7: f32[i2, 3] = load x[i0, {y}, {x}, col] where 0 <= {y} < 7, 0 <= {x} < 9 else 0.0
      %8: f32[3, i3] = load w[i4, i5, row, i3 + col]
      %5: f32[i2, i3] = contract %3, %7, %8
      yield %5
    }}
    yield %4
  }}
  %6: f32[1, 1] = const 0.0
  %9: f32[i2, i3] = max %2, %6
  store y[i0, i1, i2 + row, i3 + col] = %9
}}"
            ),
            1,
        );
    }
}

/// Reshapes and pads: an output index taken apart and put together again, with tails and guards by lane.
#[test]
fn divided_indices() {
    for (m, n) in [(3, 5), (4, 4), (7, 6), (2, 17)] {
        let size = m * n;
        check(
            &format!(
                "kernel swap(read x: f32[{m}, {n}], write y: f32[{size}]) {{
  par i0 in 0..{size} by 32
  %0: f32[1, i0] = load x[(i0 + col) mod {m}, (i0 + col) // {m}]
  store y[i0 + col] = %0
}}"
            ),
            1,
        );
        check(
            &format!(
                "kernel pad(read x: f32[{m}, {n}], write y: f32[{m}, {}], write z: i32[{m}, {n}]) {{
  par i0 in 0..{m} by 2
  par i1 in 0..{} by 8
  %0: f32[i0, i1] = load x[i0 + row, i1 + col + -3] where 0 <= i1 + col + -3 < {n} else 7.0
  store y[i0 + row, i1 + col] = %0
  %1: i32[i0, i1] = index max(i1 + col + -2, (i0 + row) * 3) + min(i0, 5) * 2
  store z[i0 + row, i1 + col] where 0 <= i1 + col < {n} = %1
}}",
                n + 5,
                n + 5
            ),
            1,
        );
    }
}

/// A store behind guards of rows and of columns, and an addition through a strided view.
#[test]
fn guarded_stores() {
    check(
        "kernel crop(read x: f32[9, 11], write y: f32[4, 5], inout z: f32[11, 9]) {
  par i0 in 0..9 by 4
  %0: f32[i0, 11] = load x[i0 + row, col]
  store y[i0 + row + -2, col + -3] where 0 <= i0 + row + -2 < 4, 0 <= col + -3 < 5 = %0
  store z[col, i0 + row] += %0
}",
        1,
    );
}

/// A shift in place: every element is read before its neighbour's store could overwrite it.
#[test]
fn loads_come_before_stores_that_follow() {
    check(
        "kernel shift(inout x: f32[3, 12], read k: f32[12]) {
  par i0 in 0..3 by 1
  %0: f32[1, 11] = load x[i0, col + 1]
  %1: f32[1, 11] = load k[col]
  %2: f32[1, 11] = add %0, %1
  store x[i0, col] = %2
  %3: f32[1, 11] = load x[i0, col]
  %4: f32[1, 11] = mul %3, %0
  for i1 in 0..11 by 5 {
    %5: f32[1, i1] = load k[i1 + col]
    store x[i0, i1 + col] = %5
  }
  store x[i0, col + 1] = %4
}",
        1,
    );
}

/// The other way round, each vector's store would overwrite the next vector's load.
#[test]
fn loads_come_before_all_stores_of_the_tile() {
    check(
        "kernel shift(inout x: f32[1, 34], read k: f32[33]) {
  %0: f32[1, 33] = load x[0, col]
  %1: f32[1, 33] = load k[col]
  %2: f32[1, 33] = add %0, %1
  store x[0, col + 1] = %2
}",
        1,
    );
}

/// Where a guard fails, for the row or for a lane, a bad index is no fault.
#[test]
fn guards_come_before_data() {
    for (rows, guard) in [("1", "i0 + row"), ("1", "col"), ("8", "i0 + row"), ("8", "col")] {
        let at = if rows == "1" { "at[i0 + row, 0]" } else { "at[i0 + row, col]" };
        for bound in [2, 3, 4, 6] {
            check(
                &format!(
                    "kernel k(read x: f32[3], read at: i32[8, 8], write y: f32[8, 8]) {{
  par i0 in 0..8 by 3
  %0: i32[i0, {rows}] = load {at}
  %1: f32[i0, 8] = load x[data(%0, 3)] where 0 <= {guard} < {bound} else 5.0
  store y[i0 + row, col] = %1
}}"
                ),
                4,
            );
        }
    }
    let text = "kernel k(read x: f32[3], read at: i32[4], write y: f32[4, 5]) {
  par i0 in 0..4 by 2
  %0: i32[i0, 1] = load at[i0 + row]
  %1: f32[i0, 5] = load x[data(%0, 3)] where 0 <= i0 + row < 2 else 5.0
  store y[i0 + row, col] = %1
}";
    let kernel = tile::parse::parse(text).unwrap();
    for (rows, expected) in [([0, 1, 9, -1], false), ([0, 9, 1, 1], true)] {
        let indices: Vec<u8> = rows.iter().flat_map(|r: &i32| r.to_le_bytes()).collect();
        let mut buffers = vec![vec![0; 12], indices, vec![0; 80]];
        assert_eq!(interp::run(&place(&kernel, Target::CLIF), &mut buffers, 0, 2), expected, "{rows:?}");
    }
}

/// Division of data that varies by lane: quotients and remainders of negative and positive numbers.
#[test]
fn divided_data() {
    for n in [2, 3, 5, 7, 8, 12, 49, 100, 641, 65_537] {
        check(
            &format!(
                "kernel k(read at: i32[50], write y: i32[50], write z: i32[50]) {{
  par i0 in 0..50 by 24
  %0: i32[1, i0] = load at[i0 + col]
  %1: i32[1, i0] = index (data(%0, 1000000) * 7919 + -300000000 + i0 * {n}) // {n}
  %2: i32[1, i0] = index (data(%0, 1000000) * -7919 + col) mod {n}
  store y[i0 + col] = %1
  store z[i0 + col] = %2
}}"
            ),
            100_000,
        );
    }
}

#[test]
fn gathered_contraction() {
    check(
        "kernel g(read x: f32[6, 20], read w: f32[20, 8], read at: i32[5], read from: i32[20], write y: f32[5, 8]) {
  par i0 in 0..5 by 2
  %0: f32[i0, 8] = const 0.0
  %1: i32[i0, 1] = load at[i0 + row]
  %2: f32[i0, 20] = load x[data(%1, 6), col]
  %3: i32[20, 1] = load from[row]
  %4: f32[20, 8] = load w[data(%3, 20), col]
  %5: f32[i0, 8] = contract %0, %2, %4
  store y[i0 + row, col] = %5
}",
        7,
    );
}

#[test]
fn all_folds() {
    for n in SIZES {
        for (op, dtype, init) in [
            ("add", "f32", "0.0"),
            ("mul", "f32", "1.0"),
            ("max", "f32", "-inf"),
            ("min", "f32", "inf"),
            ("add", "i32", "0"),
            ("mul", "i32", "1"),
            ("max", "i32", "-5"),
            ("min", "i32", "9"),
            ("and", "bool", "true"),
            ("or", "bool", "false"),
        ] {
            check(
                &format!(
                    "kernel fold(read x: {dtype}[3, {n}], write y: {dtype}[3], write z: {dtype}[{n}]) {{
  %0: {dtype}[3, 16] = const {init}
  %1: {dtype}[3, {n}] = load x[row, col]
  %2: {dtype}[3, 16] = fold {op} %0, %1
  %3: {dtype}[3, 1] = tree {op} %2
  store y[row] = %3
  %4: {dtype}[1, {n}] = fold_rows {op} %1
  store z[col] = %4
}}"
                ),
                4,
            );
        }
    }
}

#[test]
fn transpositions() {
    for (m, n) in [(1, 5), (5, 1), (17, 3), (3, 18), (20, 20)] {
        for dtype in ["f32", "i32", "bool"] {
            check(
                &format!(
                    "kernel t(read x: {dtype}[{m}, {n}], write y: {dtype}[{n}, {m}], write z: {dtype}[{n}, {m}]) {{
  %0: {dtype}[{m}, {n}] = load x[row, col]
  %1: {dtype}[{n}, {m}] = transpose %0
  store y[row, col] = %1
  %2: bool[1, 1] = const true
  %3: {dtype}[{m}, {n}] = select %2, %0, %0
  %4: {dtype}[{n}, {m}] = transpose %3
  store z[row, col] = %4
}}"
                ),
                9,
            );
        }
    }
}

/// Bounds that depend on the row block, on either side.
#[test]
fn triangles() {
    for (n, rows, cols) in [(10, 4, 4), (9, 2, 4), (17, 3, 8), (16, 16, 16), (5, 1, 4)] {
        check(
            &format!(
                "kernel triangle(read x: f32[{n}, {n}], write y: f32[{n}, 2]) {{
  par i0 in 0..{n} by {rows}
  %0: f32[i0, 16] = const 0.0
  %2 = for i1 in 0..min({n}, i0 + {rows}) by {cols} carry (%1 = %0) {{
    %3: f32[i0, i1] = load x[i0 + row, i1 + col]
    %4: f32[i0, 16] = fold add %1, %3
    yield %4
  }}
  %5: f32[i0, 1] = tree add %2
  store y[i0 + row, 0] = %5
  %7 = for i2 in i0..{n} by {cols} carry (%6 = %0) {{
    %8: f32[i0, i2] = load x[i0 + row, i2 + col]
    %9: f32[i0, 16] = fold add %6, %8
    yield %9
  }}
  %10: f32[i0, 1] = tree add %7
  store y[i0 + row, 1] = %10
}}"
            ),
            1,
        );
    }
}

/// Random chains of maps on tiles that broadcast, with every size and block.
#[test]
fn random_maps() {
    let mut random = Random(42);
    for _ in 0..150 {
        let (m, n) = (random.pick(&SIZES), random.pick(&SIZES));
        let (rows, cols) = (random.pick(&[1, 2, 5]), random.pick(&[4, 16, 24, 40]));
        let mut text = format!(
            "kernel maps(read a: f32[{m}, {n}], read b: f32[{n}], read c: f32[{m}], read d: i32[{m}, {n}], \
             read e: u8[{n}], read f: bool[{m}, {n}], write y: f32[{m}, {n}], write z: i32[{m}, {n}], \
             write t: bool[{m}, {n}]) {{
  par i0 in 0..{m} by {rows}
  par i1 in 0..{n} by {cols}
  %0: f32[i0, i1] = load a[i0 + row, i1 + col]
  %1: f32[1, i1] = load b[i1 + col]
  %2: f32[i0, 1] = load c[i0 + row]
  %3: i32[i0, i1] = load d[i0 + row, i1 + col]
  %4: i32[1, i1] = load e[i1 + col]
  %5: bool[i0, i1] = load f[i0 + row, i1 + col]\n"
        );
        let (mut floats, mut ints, mut bools) = (vec![0, 1, 2], vec![3, 4], vec![5]);
        let mut next = 6;
        for _ in 0..12 {
            let (dtype, line) = random_op(&mut random, &floats, &ints, &bools);
            text += &format!("  %{next}: {dtype}[i0, i1] = {line}\n");
            match dtype {
                "f32" => floats.push(next),
                "i32" => ints.push(next),
                _ => bools.push(next),
            }
            next += 1;
        }
        let (x, y, z) = (floats[floats.len() - 1], ints[ints.len() - 1], bools[bools.len() - 1]);
        text += &format!("  %{next}: f32[i0, i1] = select %5, %{x}, %{}\n", floats[floats.len() / 2]);
        text += &format!("  %{}: i32[i0, i1] = select %5, %{y}, %{}\n", next + 1, ints[ints.len() / 2]);
        text += &format!("  store y[i0 + row, i1 + col] = %{next}\n  store z[i0 + row, i1 + col] = %{}\n", next + 1);
        text += &format!("  store t[i0 + row, i1 + col] = %{z}\n}}");
        check(&text, 50);
    }
}

fn random_op(random: &mut Random, floats: &[usize], ints: &[usize], bools: &[usize]) -> (&'static str, String) {
    let (a, b, c) = (random.pick(floats), random.pick(floats), random.pick(floats));
    let (i, j) = (random.pick(ints), random.pick(ints));
    let (p, q) = (random.pick(bools), random.pick(bools));
    let unary = ["neg", "abs", "sqrt", "floor", "ceil", "round_even", "exp", "log", "tanh", "erf", "sign", "sin"];
    let binary = ["add", "sub", "mul", "div", "max_raw", "min_raw", "max", "min", "pow", "floor_div", "rem"];
    let integer = ["add", "sub", "mul", "and", "or", "xor", "shl", "shr", "shr_arith", "mul_high", "max", "floor_div"];
    let comparison = ["eq", "ne", "lt", "le", "gt", "ge"];
    match random.below(12) {
        0 => ("f32", format!("fma %{a}, %{b}, %{c}")),
        1 | 2 => ("f32", format!("{} %{a}", random.pick(&unary))),
        3 | 4 => ("f32", format!("{} %{a}, %{b}", random.pick(&binary))),
        5 | 6 => ("i32", format!("{} %{i}, %{j}", random.pick(&integer))),
        7 => ("bool", format!("{} %{a}, %{b}", random.pick(&comparison))),
        8 => ("bool", format!("{} %{i}, %{j}", random.pick(&comparison))),
        9 => ("bool", format!("{} %{p}, %{q}", random.pick(&["and", "or", "xor", "eq", "ne"]))),
        10 => ("i32", "index (i0 + row) * 3 + (i1 + col) // 3 + (i1 + col) mod 5".into()),
        _ => ("i32", format!("neg %{i}")),
    }
}

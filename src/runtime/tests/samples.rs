//! Tile kernels all the way (expand, place, every emitter, step function) against the tile interpreter, in bits.

use crate::codegen::{self, Machine, clif::isa, x86};
use crate::lane::{self, Target, place, verify::verify};
use crate::ops::DType;
use crate::runtime::harness::{self, Noise, same_bits};
use crate::tile::interp::{self, BufferData};
use crate::tile::{Kernel, Param, expand, parse::parse, samples};

fn bytes(data: &BufferData) -> Vec<u8> {
    match data {
        BufferData::F32(v) => v.iter().flat_map(|x| x.to_le_bytes()).collect(),
        BufferData::I32(v) => v.iter().flat_map(|x| x.to_le_bytes()).collect(),
        BufferData::U8(v) => v.clone(),
        BufferData::Bool(v) => v.iter().map(|&b| b.into()).collect(),
    }
}

/// Moderate numbers; integers from -1 to 10, so that some indices are out of range.
fn data(param: &Param, noise: &mut Noise) -> BufferData {
    let n = param.shape.iter().product();
    let logical = match param.dtype {
        DType::F32 => BufferData::F32((0..n).map(|_| noise.word() as i32 as f32 / 1e9).collect()),
        DType::I32 => BufferData::I32((0..n).map(|_| (noise.word() % 12) as i32 - 1).collect()),
        DType::U8 => BufferData::U8((0..n).map(|_| noise.word() as u8).collect()),
        _ => BufferData::Bool((0..n).map(|_| noise.word() & 1 == 1).collect()),
    };
    BufferData::laid_out(param, &logical)
}

fn check(text: &str, workers: usize) {
    let mut noise = Noise(text.len() as u64);
    let params = parse(text).unwrap().params;
    compare(text, params.iter().map(|p| data(p, &mut noise)).collect(), workers);
}

/// Runs a kernel through all emitters.
fn compare(text: &str, data: Vec<BufferData>, workers: usize) {
    let clif = |lane: &lane::Kernel| codegen::machine(lane, isa::host().unwrap().as_ref()).unwrap();
    compare_with(text, data.clone(), workers, Target::CLIF, clif);
    for target in x86::TARGETS.into_iter().filter(|t| harness::runs_here(*t)) {
        compare_with(text, data.clone(), workers, target, |lane| harness::wide(lane, target));
    }
}

fn compare_with(
    text: &str,
    mut expected: Vec<BufferData>,
    workers: usize,
    target: Target,
    emit: impl Fn(&lane::Kernel) -> Machine,
) {
    let kernel: Kernel = parse(text).unwrap();
    let mut found: Vec<_> = expected.iter().map(bytes).collect();
    let fault = interp::run(&kernel, &mut expected, 0..kernel.points()).unwrap();

    let lane = place::place(&expand::expand(&kernel), target);
    verify(&lane).unwrap_or_else(|e| panic!("{e}\n{lane}"));
    let machine = emit(&lane);
    assert_eq!(harness::run(&lane, machine, &mut found, workers), fault, "fault of {}", kernel.name);
    for (param, (e, f)) in kernel.params.iter().zip(expected.iter().zip(&found)) {
        same_bits(param.dtype, &bytes(e), f, &format!("`{}` of\n{text}\n{lane}", param.name));
    }
}

#[test]
fn samples_have_the_bits_of_the_interpreter() {
    samples::ALL.iter().for_each(|text| check(text, 1));
}

#[test]
fn and_with_any_number_of_workers() {
    samples::ALL.iter().for_each(|text| check(text, 3));
}

/// Around every multiple of a vector's lanes.
#[test]
fn odd_lengths_have_the_bits_of_the_interpreter() {
    for n in [1, 2, 3, 7, 15, 16, 17, 31, 33, 63, 65, 129] {
        check(&matmul(n), 1);
        check(&softmax(n), 2);
    }
}

fn matmul(n: usize) -> String {
    let (rows, columns, depth) = (n.min(6), n.min(64), n.min(32));
    format!(
        "kernel matmul(read x: f32[{n}, {n}], read w: f32[{n}, {n}], write y: f32[{n}, {n}]) {{
  par i0 in 0..{n} by {rows}
  par i1 in 0..{n} by {columns}
  %0: f32[i0, i1] = const 0.5
  %2 = for i2 in 0..{n} by {depth} carry (%1 = %0) {{
    %3: f32[i0, i2] = load x[i0 + row, i2 + col]
    %4: f32[i2, i1] = load w[i2 + row, i1 + col]
    %5: f32[i0, i1] = contract %1, %3, %4
    yield %5
  }}
  store y[i0 + row, i1 + col] = %2
}}
"
    )
}

fn softmax(n: usize) -> String {
    samples::SOFTMAX.replace("17", &n.to_string())
}

/// Every elementwise function over special values: expansions must come out in the same bits.
#[test]
fn elementary_functions_have_the_bits_of_the_interpreter() {
    const FUNCTIONS: [&str; 15] = [
        "sqrt",
        "floor",
        "ceil",
        "round_even",
        "sign",
        "exp",
        "expm1",
        "log",
        "log1p",
        "sin",
        "cos",
        "tanh",
        "erf",
        "neg",
        "abs",
    ];
    for name in FUNCTIONS {
        check_map(&format!("{name} %0"));
    }
    for name in ["add", "sub", "mul", "div", "pow", "max", "min", "max_raw", "min_raw", "floor_div", "rem"] {
        check_map(&format!("{name} %0, %1"));
    }
}

fn check_map(op: &str) {
    let text = format!(
        "kernel k(read a: f32[400], read b: f32[400], write y: f32[400]) {{
  par i0 in 0..400 by 16
  %0: f32[1, i0] = load a[i0 + col]
  %1: f32[1, i0] = load b[i0 + col]
  %2: f32[1, i0] = {op}
  store y[i0 + col] = %2
}}
"
    );
    let mut noise = Noise(11);
    let data = [(); 2].map(|()| BufferData::F32((0..400).map(|_| noise.float()).collect()));
    compare(&text, data.into_iter().chain([BufferData::F32(vec![0.0; 400])]).collect(), 1);
}

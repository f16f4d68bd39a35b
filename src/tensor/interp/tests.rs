//! Each operation on a few elements; the expectations are worked out by hand or are values of mathematical tables.

use super::{Precision, run};
use crate::ops::{Binary, Compare, DType, Literal, Op, Pad, Reduce, Type, Unary, Window};
use crate::source::Span;
use crate::tensor::build::{Builder, Loop, ScanArgs};
use crate::tensor::data::{Data, Tensor};
use crate::tensor::verify::verify;
use crate::tensor::{Graph, InputRole, Inst, Origin, OutputRole, Value};
use std::slice::from_ref;

const NAN: f32 = f32::NAN;
const INF: f32 = f32::INFINITY;

fn f(shape: &[usize], data: &[f32]) -> Tensor {
    Tensor::new(shape.to_vec(), Data::F32(data.to_vec())).unwrap()
}

fn i(shape: &[usize], data: &[i32]) -> Tensor {
    Tensor::new(shape.to_vec(), Data::I32(data.to_vec())).unwrap()
}

fn b(data: &[bool]) -> Tensor {
    Tensor::new(vec![data.len()], Data::Bool(data.to_vec())).unwrap()
}

/// Runs one operation; the result types are those of `like`, whose data does not matter.
fn results(op: Op, args: &[Tensor], like: &[&Tensor], precision: Precision) -> Result<Vec<Tensor>, String> {
    let types: Vec<Type> = args.iter().map(|t| Type::new(t.dtype(), t.shape.clone())).collect();
    results_of_types(op, args, &types, like, precision)
}

fn results_of_types(
    op: Op,
    args: &[Tensor],
    types: &[Type],
    like: &[&Tensor],
    precision: Precision,
) -> Result<Vec<Tensor>, String> {
    let ty = |t: &Tensor| Type::new(t.dtype(), t.shape.clone());
    let mut graph = Graph::new("test");
    let names: Vec<String> = (0..args.len()).map(|k| format!("arg{k}")).collect();
    let at = Origin { layer: None, span: Span::default() };
    let input = |(name, ty): (&String, &Type)| graph.input(name, InputRole::Arg, ty.clone(), at.clone());
    let inputs = names.iter().zip(types).map(input).collect();
    let outs = graph.push(op, inputs, like.iter().map(|t| ty(t)).collect(), at.clone());
    for out in outs {
        graph.output("out", OutputRole::Result, out);
    }
    let named: Vec<(&str, Tensor)> = names.iter().map(String::as_str).zip(args.iter().cloned()).collect();
    run(&graph, &named, precision).map_err(|e| e.to_string())
}

/// Bit for bit, NaN equal to NaN.
#[track_caller]
fn check(op: Op, args: &[Tensor], expected: Tensor) {
    let got = results(op, args, &[&expected], Precision::F32).unwrap().remove(0);
    assert_eq!(got.shape, expected.shape);
    assert_eq!(format!("{:?}", got.data), format!("{:?}", expected.data));
}

#[track_caller]
fn check_error(op: Op, args: &[Tensor], like: Tensor, message: &str) {
    let error = results(op, args, &[&like], Precision::F32).unwrap_err();
    assert!(error.contains(message), "{error}");
}

fn window(size: usize, stride: usize, pad: usize) -> Window {
    Window { size: [size; 2], stride: [stride; 2], dilation: [1; 2], pads: [[pad; 2]; 2] }
}

#[test]
fn unary_maps() {
    let check1 = |op, x: &[f32], y: &[f32]| check(Op::Unary(op), &[f(&[x.len()], x)], f(&[y.len()], y));
    check1(Unary::Neg, &[1., -0., INF], &[-1., 0., -INF]);
    check1(Unary::Sign, &[-2., -0., 3., NAN], &[-1., -0., 1., NAN]);
    check1(Unary::RoundEven, &[0.5, 1.5, 2.5, -0.5], &[0., 2., 2., -0.]);
    check1(Unary::Floor, &[-1.5, 1.5], &[-2., 1.]);
    check1(Unary::Ceil, &[-1.5, 1.5], &[-1., 2.]);
    check1(Unary::Sqrt, &[4., -1., 0.], &[2., NAN, 0.]);
    check1(Unary::Exp, &[0., 1., 89., -200.], &[1., std::f32::consts::E, INF, 0.]);
    check1(Unary::Expm1, &[1e-10], &[1e-10]);
    check1(Unary::Log, &[1., 0., -1.], &[0., -INF, NAN]);
    check1(Unary::Log1p, &[1e-10, -1.], &[1e-10, -INF]);
    check1(Unary::Tanh, &[0., 100., -100.], &[0., 1., -1.]);
    // Abramowitz and Stegun, table 7.1.
    check1(Unary::Erf, &[0.5, 1., 2., -1.], &[0.520_499_9, 0.842_700_8, 0.995_322_3, -0.842_700_8]);
    check1(Unary::Sin, &[std::f32::consts::FRAC_PI_2], &[1.]);
    check1(Unary::Cos, &[0.], &[1.]);
    check(Op::Unary(Unary::Not), &[i(&[2], &[0, -1])], i(&[2], &[-1, 0]));
    check(Op::Unary(Unary::Not), &[b(&[true, false])], b(&[false, true]));
    check(Op::Unary(Unary::Abs), &[i(&[2], &[-3, i32::MIN])], i(&[2], &[3, i32::MIN]));
}

#[test]
fn binary_maps() {
    let check2 = |op, a: &[f32], c: &[f32], y: &[f32]| {
        let n = [a.len()];
        check(Op::Binary(op), &[f(&n, a), f(&n, c)], f(&n, y));
    };
    check2(Binary::Add, &[16777216., INF], &[1., -INF], &[16777216., NAN]);
    check2(Binary::Div, &[1., 0., -1.], &[0., 0., 0.], &[INF, NAN, -INF]);
    check2(Binary::Pow, &[2., 0., -8., NAN], &[3., 0., 1. / 3., 0.], &[8., 1., NAN, 1.]);
    check2(Binary::Max, &[0., -0., NAN, 1., 3.], &[-0., 0., 1., NAN, 2.], &[-0., 0., NAN, NAN, 3.]);
    check2(Binary::Min, &[0., -0., NAN, 1., 3.], &[-0., 0., 1., NAN, 2.], &[-0., 0., NAN, NAN, 2.]);
    check2(Binary::FloorDiv, &[7., -7., 1.], &[2., 2., 0.], &[3., -4., INF]);
    check2(Binary::Rem, &[7., -7., 7.], &[2., 2., -2.], &[1., 1., -1.]);
}

#[test]
fn integer_maps() {
    let check2 = |op, a: &[i32], c: &[i32], y: &[i32]| {
        let n = [a.len()];
        check(Op::Binary(op), &[i(&n, a), i(&n, c)], i(&n, y));
    };
    check2(Binary::Add, &[i32::MAX], &[1], &[i32::MIN]);
    check2(Binary::Mul, &[1 << 20], &[1 << 20], &[0]);
    check2(Binary::FloorDiv, &[7, -7, 7, 5, i32::MIN], &[2, 2, -2, 0, -1], &[3, -4, -4, 0, i32::MIN]);
    check2(Binary::Rem, &[7, -7, 7, 5], &[2, 2, -2, 0], &[1, 1, -1, 0]);
    check2(Binary::Shl, &[1, 1, -1], &[31, 32, 4], &[i32::MIN, 0, -16]);
    check2(Binary::Shr, &[-1, -1, 8], &[28, 40, 2], &[15, 0, 2]);
    check2(Binary::Xor, &[6], &[3], &[5]);
}

#[test]
fn comparisons_and_choice() {
    let less = |op, y: &[bool]| check(Op::Compare(op), &[f(&[3], &[1., NAN, 2.]), f(&[3], &[2., 1., 2.])], b(y));
    less(Compare::Lt, &[true, false, false]);
    less(Compare::Ge, &[false, false, true]);
    less(Compare::Ne, &[true, true, false]);
    let branches = [b(&[true, false]), f(&[2], &[1., 2.]), f(&[2], &[3., NAN])];
    check(Op::Select, &branches, f(&[2], &[1., NAN]));
}

#[test]
fn casts() {
    check(Op::Cast(DType::I32), &[f(&[4], &[1.9, -1.9, 1e20, NAN])], i(&[4], &[1, -1, i32::MAX, 0]));
    check(Op::Cast(DType::Bool), &[i(&[2], &[2, 0])], b(&[true, false]));
    check(Op::Cast(DType::F32), &[i(&[1], &[16777217])], f(&[1], &[16777216.]));
    check(Op::Bitcast(DType::I32), &[f(&[1], &[1.])], i(&[1], &[0x3f80_0000]));
    check(Op::Bitcast(DType::F32), &[i(&[1], &[0x3f80_0000])], f(&[1], &[1.]));
}

#[test]
fn half_precision_rounds() {
    use super::array::round;
    let f16 = |x| round(x, DType::F16, Precision::F32);
    assert_eq!([f16(2049.0), f16(2051.0), f16(65520.0), f16(1e-8)], [2048.0, 2052.0, f64::INFINITY, 0.0]);
    let bf16 = |x| round(x, DType::Bf16, Precision::F32);
    assert_eq!([bf16(257.0), bf16(259.0), bf16(3.4e38)], [256.0, 260.0, f64::INFINITY]);
}

#[test]
fn f64_mode_does_not_round() {
    let x = Tensor::new(vec![1], Data::F64(vec![1.0 + 1e-12])).unwrap();
    let declared = f(&[1], &[0.0]);
    let op = Op::Unary(Unary::Neg);
    let got = results_of_types(op, &[x], &[Type::new(DType::F32, vec![1])], &[&declared], Precision::F64);
    assert_eq!(got.unwrap()[0].data, Data::F64(vec![-1.0 - 1e-12]));
}

#[test]
fn reductions() {
    let x = f(&[2, 3], &[1., 2., 3., 4., 5., NAN]);
    let reduce = |op, axes: &[usize]| Op::Reduce { op, axes: axes.to_vec() };
    check(reduce(Reduce::Sum, &[1]), from_ref(&x), f(&[2], &[6., NAN]));
    check(reduce(Reduce::Product, &[0]), from_ref(&x), f(&[3], &[4., 10., NAN]));
    check(reduce(Reduce::Max, &[0, 1]), from_ref(&x), f(&[], &[NAN]));
    check(reduce(Reduce::Min, &[1]), &[x], f(&[2], &[1., NAN]));
    let empty = f(&[2, 0], &[]);
    check(reduce(Reduce::Sum, &[1]), from_ref(&empty), f(&[2], &[0., 0.]));
    check(reduce(Reduce::Max, &[1]), from_ref(&empty), f(&[2], &[-INF, -INF]));
    check(reduce(Reduce::Product, &[1]), &[empty], f(&[2], &[1., 1.]));
    check(reduce(Reduce::All, &[0]), &[b(&[true, false])], Tensor { shape: vec![], data: Data::Bool(vec![false]) });
    check(reduce(Reduce::Any, &[0]), &[b(&[true, false])], Tensor { shape: vec![], data: Data::Bool(vec![true]) });
}

#[test]
fn extremes_and_running_sums() {
    let x = f(&[2, 3], &[1., 7., 7., 4., NAN, NAN]);
    check(Op::ArgMax { axis: 1 }, from_ref(&x), i(&[2], &[1, 1]));
    check(Op::ArgMin { axis: 1 }, from_ref(&x), i(&[2], &[0, 1]));
    check(Op::ArgMax { axis: 0 }, &[x], i(&[3], &[1, 1, 1]));
    let y = f(&[2, 2], &[1., 2., 3., 4.]);
    check(Op::CumSum { axis: 0, reverse: false }, from_ref(&y), f(&[2, 2], &[1., 2., 4., 6.]));
    check(Op::CumSum { axis: 1, reverse: true }, &[y], f(&[2, 2], &[3., 2., 7., 4.]));
}

#[test]
fn sources() {
    check(Op::Const(Literal::Float(0.5)), &[], f(&[], &[0.5]));
    check(Op::Table(vec![Literal::Int(3), Literal::Int(4)], vec![2]), &[], i(&[2], &[3, 4]));
    check(Op::Iota { shape: vec![2, 2], axis: 1, dtype: DType::I32 }, &[], i(&[2, 2], &[0, 1, 0, 1]));
}

#[test]
fn moves() {
    let x = f(&[2, 3], &[1., 2., 3., 4., 5., 6.]);
    let x = || x.clone();
    check(Op::Reshape { shape: vec![3, 2] }, &[x()], f(&[3, 2], &[1., 2., 3., 4., 5., 6.]));
    check(Op::Transpose { perm: vec![1, 0] }, &[x()], f(&[3, 2], &[1., 4., 2., 5., 3., 6.]));
    let column = f(&[2, 1], &[1., 2.]);
    check(Op::Broadcast { shape: vec![2, 2], axes: vec![0, 1] }, &[column], f(&[2, 2], &[1., 1., 2., 2.]));
    check(Op::Broadcast { shape: vec![2, 2], axes: vec![1] }, &[f(&[2], &[1., 2.])], f(&[2, 2], &[1., 2., 1., 2.]));
    let slice = Op::Slice { start: vec![1, 0], size: vec![1, 2], stride: vec![1, 2] };
    check(slice, &[x()], f(&[1, 2], &[4., 6.]));
    check(Op::Concat { axis: 0 }, &[f(&[1], &[1.]), f(&[2], &[2., 3.])], f(&[3], &[1., 2., 3.]));
    check(Op::Reverse { axes: vec![1] }, &[x()], f(&[2, 3], &[3., 2., 1., 6., 5., 4.]));
}

#[test]
fn padding() {
    let pad = |low, high, interior| Op::Pad { pads: vec![Pad { low, high, interior }] };
    let args = [f(&[3], &[1., 2., 3.]), f(&[], &[9.])];
    check(pad(1, 2, 0), &args, f(&[6], &[9., 1., 2., 3., 9., 9.]));
    check(pad(-1, 0, 1), &args, f(&[4], &[9., 2., 9., 3.]));
    check(pad(1, -2, 0), &args, f(&[2], &[9., 1.]));
}

#[test]
fn dynamic_moves() {
    let x = i(&[4], &[1, 2, 3, 4]);
    check(Op::DynamicSlice { size: vec![2] }, &[x.clone(), i(&[], &[2])], i(&[2], &[3, 4]));
    check(Op::DynamicUpdate, &[x.clone(), i(&[2], &[8, 9]), i(&[], &[1])], i(&[4], &[1, 8, 9, 4]));
    check_error(Op::DynamicSlice { size: vec![2] }, &[x, i(&[], &[3])], i(&[2], &[0, 0]), "start 3 of axis 0");
}

#[test]
fn gathers_and_scatters() {
    let x = f(&[2, 3], &[1., 2., 3., 4., 5., 6.]);
    let columns = i(&[2], &[2, 0]);
    check(Op::Take { axis: 1 }, &[x.clone(), columns.clone()], f(&[2, 2], &[3., 1., 6., 4.]));
    check(Op::Take { axis: 0 }, &[x.clone(), i(&[], &[1])], f(&[3], &[4., 5., 6.]));
    check_error(Op::Take { axis: 0 }, &[x.clone(), columns], f(&[2, 3], &[0.; 6]), "index 2 at [0] is out of range");
    check(Op::TakeAlong { axis: 1 }, &[x.clone(), i(&[2, 1], &[1, 2])], f(&[2, 1], &[2., 6.]));
    check(
        Op::ScatterAdd { axis: 0, size: 3 },
        &[x.clone(), i(&[2], &[2, 2])],
        f(&[3, 3], &[0., 0., 0., 0., 0., 0., 5., 7., 9.]),
    );
    check(
        Op::ScatterAddAlong { axis: 1, size: 2 },
        &[x, i(&[2, 3], &[0, 0, 1, 1, 1, 1])],
        f(&[2, 2], &[3., 3., 0., 15.]),
    );
}

#[test]
fn dot_with_batch() {
    let dot = |lb: &[usize], rb: &[usize], lc: &[usize], rc: &[usize]| Op::Dot {
        lhs_batch: lb.to_vec(),
        rhs_batch: rb.to_vec(),
        lhs_contract: lc.to_vec(),
        rhs_contract: rc.to_vec(),
    };
    let (x, y) = (f(&[2, 2], &[1., 2., 3., 4.]), f(&[2, 2], &[5., 6., 7., 8.]));
    check(dot(&[], &[], &[1], &[0]), &[x.clone(), y.clone()], f(&[2, 2], &[19., 22., 43., 50.]));
    check(dot(&[0], &[1], &[1], &[0]), &[x.clone(), y.clone()], f(&[2], &[19., 50.]));
    check(dot(&[], &[], &[], &[]), &[f(&[2], &[1., 2.]), f(&[1], &[3.])], f(&[2, 1], &[3., 6.]));
    check(dot(&[], &[], &[0, 1], &[0, 1]), &[x, y], f(&[], &[70.]));
}

/// 0..9 as 3 by 3: a kernel of ones with stride 2 and the pad after gives 8 in the corner (tensorflow#17654).
#[test]
fn convolution_same() {
    let x = f(&[1, 3, 3, 1], &[0., 1., 2., 3., 4., 5., 6., 7., 8.]);
    let window = Window { pads: [[0, 1], [0, 1]], ..window(2, 2, 0) };
    let conv = Op::Conv { window: window.clone(), groups: 1 };
    check(conv, &[x.clone(), f(&[2, 2, 1, 1], &[1.; 4])], f(&[1, 2, 2, 1], &[8., 7., 13., 8.]));
    let sum = Op::WindowSum { window };
    check(sum, &[x], f(&[1, 2, 2, 1], &[8., 7., 13., 8.]));
}

#[test]
fn grouped_convolution() {
    // Two channels, one a group: the kernel scales each by itself.
    let conv = Op::Conv { window: window(1, 1, 0), groups: 2 };
    check(
        conv,
        &[f(&[1, 1, 2, 2], &[1., 2., 3., 4.]), f(&[1, 1, 1, 2], &[10., 100.])],
        f(&[1, 1, 2, 2], &[10., 200., 30., 400.]),
    );
}

/// 6 by 6, kernel 3, stride 2, valid: the last row and column take no part (mlpack#2986).
#[test]
fn convolution_adjoints() {
    let grad = Op::ConvInputGrad { window: window(3, 2, 0), groups: 1, input: [6, 6] };
    let args = [f(&[1, 2, 2, 1], &[1.; 4]), f(&[3, 3, 1, 1], &[1.; 9])];
    let rows = [[1., 1., 2., 1., 1., 0.], [1., 1., 2., 1., 1., 0.], [2., 2., 4., 2., 2., 0.]];
    let all = [rows[0], rows[1], rows[2], rows[1], rows[1], [0.; 6]].concat();
    check(grad, &args, f(&[1, 6, 6, 1], &all));
    let weight = Op::ConvWeightGrad { window: window(2, 1, 0), groups: 1 };
    let x = f(&[1, 2, 3, 1], &[1., 2., 3., 4., 5., 6.]);
    check(weight, &[x, f(&[1, 1, 2, 1], &[1., 10.])], f(&[2, 2, 1, 1], &[21., 32., 54., 65.]));
}

#[test]
fn pooling() {
    let x = f(&[1, 2, 2, 1], &[-1., -2., -3., -1.]);
    let w = window(3, 1, 1);
    let offsets = i(&[1, 2, 2, 1], &[4, 3, 1, 0]);
    check(Op::WindowArgMax { window: w.clone() }, from_ref(&x), offsets.clone());
    let pooled = f(&[1, 2, 2, 1], &[-1.; 4]);
    check(Op::WindowGather { window: w.clone() }, &[x.clone(), offsets.clone()], pooled.clone());
    let scatter = Op::WindowScatter { window: w, input: [2, 2] };
    check(scatter, &[pooled, offsets], f(&[1, 2, 2, 1], &[-4., 0., 0., 0.]));
    let nan = f(&[1, 1, 3, 1], &[1., NAN, 2.]);
    let flat = Window { size: [1, 3], ..window(1, 1, 0) };
    check(Op::WindowArgMax { window: flat.clone() }, &[nan], i(&[1, 1, 1, 1], &[1]));
    let grad = Op::WindowSumGrad { window: flat, input: [1, 4] };
    check(grad, &[f(&[1, 1, 2, 1], &[1., 2.])], f(&[1, 1, 4, 1], &[1., 3., 3., 2.]));
}

#[test]
fn orders() {
    let x = f(&[5], &[2., NAN, 1., 2., 3.]);
    let pair = |op, values: Tensor, indices: Tensor| {
        let got = results(op, from_ref(&x), &[&values, &indices], Precision::F32).unwrap();
        assert_eq!(format!("{got:?}"), format!("{:?}", [values, indices]));
    };
    let sort = |descending| Op::Sort { axis: 0, descending };
    pair(sort(false), f(&[5], &[1., 2., 2., 3., NAN]), i(&[5], &[2, 0, 3, 4, 1]));
    pair(sort(true), f(&[5], &[3., 2., 2., 1., NAN]), i(&[5], &[4, 0, 3, 2, 1]));
    pair(Op::TopK { k: 2 }, f(&[2], &[3., 2.]), i(&[2], &[4, 0]));
}

/// Word i % 4 of block i / 4; the first block of key 0 and counter 0 differs from the published one by the key.
#[test]
fn philox_counts_blocks() {
    let op = Op::Philox { key: 0x0000_0002_0000_0001, shape: vec![5] };
    let got = results(op, &[i(&[], &[7]), i(&[], &[3])], &[&i(&[5], &[0; 5])], Precision::F32).unwrap();
    let key = [7, 0x6e6e_6300];
    let words = [super::philox::block([0, 3, 1, 2], key), super::philox::block([1, 3, 1, 2], key)].concat();
    let expected: Vec<i32> = words[..5].iter().map(|&w| w as i32).collect();
    assert_eq!(got[0].data, Data::I32(expected));
}

#[test]
fn composites_run_their_body() {
    let ty = Type::new(DType::F32, vec![2]);
    let mut body = Graph::new("double");
    let x = body.input("x", InputRole::Arg, ty.clone(), Origin::default());
    let sum = body.push(Op::Binary(Binary::Add), vec![x, x], vec![ty.clone()], Origin::default())[0];
    body.output("y", OutputRole::Result, sum);
    let mut graph = Graph::new("test");
    let x = graph.input("x", InputRole::Arg, ty.clone(), Origin::default());
    let y = graph.fresh(ty);
    let op = Op::Composite { name: "double".into() };
    graph.insts.push(Inst { op, args: vec![x], results: vec![y], regions: vec![body], origin: Origin::default() });
    graph.output("y", OutputRole::Result, y);
    let got = run(&graph, &[("x", f(&[2], &[1., 2.]))], Precision::F32).unwrap();
    assert_eq!(got, [f(&[2], &[2., 4.])]);
}

#[test]
fn inputs_are_checked() {
    let op = Op::Unary(Unary::Neg);
    let error = results(op, &[f(&[1], &[1.])], &[&f(&[2], &[0., 0.])], Precision::F32).unwrap_err();
    assert!(error.contains("its type says f32[2]"), "{error}");
    let mut graph: Graph = Graph::new("test");
    graph.input("x", InputRole::Arg, Type::scalar(DType::F32), Origin::default());
    assert_eq!(run(&graph, &[], Precision::F32).unwrap_err().message, "input `x` is missing");
}

/// Running sums of what `x` holds, from 10: a position, a constant, a carry, slices and both kinds of results.
fn running(how: Loop) -> Vec<Tensor> {
    let mut graph = Graph::new("test");
    let [init, factor] = ["init", "factor"].map(|name| input(&mut graph, name, DType::F32, &[]));
    let x = input(&mut graph, "x", DType::F32, &[how.length]);
    let mut b = Builder::new(&mut graph, Origin::default());
    let args = ScanArgs { consts: &[factor], inits: &[init], xs: &[x] };
    let results = b.scan(how, args, |b, step| {
        let product = b.mul(step.slices[0], step.consts[0]);
        let sum = b.add(step.carries[0], product);
        [vec![sum], vec![sum, step.position]]
    });
    results.into_iter().for_each(|v| graph.output("out", OutputRole::Result, v));
    verify(&graph).unwrap();
    let x: Vec<f32> = (1..=how.length).map(|n| n as f32).collect();
    let inputs = [("init", Tensor::scalar_f32(10.)), ("factor", Tensor::scalar_f32(2.)), ("x", f(&[how.length], &x))];
    run(&graph, &inputs, Precision::F32).unwrap()
}

fn input(graph: &mut Graph, name: &str, dtype: DType, shape: &[usize]) -> Value {
    graph.input(name, InputRole::Arg, Type::new(dtype, shape.to_vec()), Origin::default())
}

#[test]
fn scans_carry_and_stack() {
    let up = running(Loop::over(3));
    assert_eq!(up, [Tensor::scalar_f32(22.), f(&[3], &[12., 16., 22.]), i(&[3], &[0, 1, 2])]);
    let down = running(Loop { reverse: true, ..Loop::over(3) });
    assert_eq!(down, [Tensor::scalar_f32(22.), f(&[3], &[22., 20., 16.]), i(&[3], &[0, 1, 2])]);
    assert_eq!(running(Loop::over(1)), [Tensor::scalar_f32(12.), f(&[1], &[12.]), i(&[1], &[0])]);
}

/// Nothing runs, the last carry is the first, and the ys are empty.
#[test]
fn a_scan_over_nothing() {
    let mut graph = Graph::new("test");
    let init = input(&mut graph, "init", DType::F32, &[2]);
    let mut b = Builder::new(&mut graph, Origin::default());
    let args = ScanArgs { inits: &[init], ..ScanArgs::default() };
    let results = b.scan(Loop::over(0), args, |b, step| [vec![b.neg(step.carries[0])], vec![step.position]]);
    results.into_iter().for_each(|v| graph.output("out", OutputRole::Result, v));
    verify(&graph).unwrap();
    let got = run(&graph, &[("init", f(&[2], &[1., 2.]))], Precision::F32).unwrap();
    assert_eq!(got, [f(&[2], &[1., 2.]), i(&[0], &[])]);
}

/// Counts to a limit; when that is reached, the later ys stay zero, in reverse the earlier ones.
#[test]
fn a_scan_ends_when_its_carry_is_false() {
    let counted = |limit: i32, reverse: bool| {
        let mut graph = Graph::new("test");
        let limit_in = input(&mut graph, "limit", DType::I32, &[]);
        let mut b = Builder::new(&mut graph, Origin::default());
        let zero = b.scalar(0.0, DType::I32);
        let go = b.compare(Compare::Lt, zero, limit_in);
        let args = ScanArgs { consts: &[limit_in], inits: &[go, zero], xs: &[] };
        let results = b.scan(Loop { while_carry: true, reverse, ..Loop::over(4) }, args, |b, step| {
            let one = b.scalar(1.0, DType::I32);
            let n = b.add(step.carries[1], one);
            let go = b.compare(Compare::Lt, n, step.consts[0]);
            let yes = b.scalar(1.0, DType::Bool);
            [vec![go, n], vec![n, yes]]
        });
        results.into_iter().for_each(|v| graph.output("out", OutputRole::Result, v));
        verify(&graph).unwrap();
        run(&graph, &[("limit", Tensor::scalar_i32(limit))], Precision::F32).unwrap()
    };
    let bool = |x| Tensor::new(vec![], Data::Bool(vec![x])).unwrap();
    let (t, n) = (true, false);
    assert_eq!(counted(2, false), [bool(n), Tensor::scalar_i32(2), i(&[4], &[1, 2, 0, 0]), b(&[t, t, n, n])]);
    assert_eq!(counted(2, true), [bool(n), Tensor::scalar_i32(2), i(&[4], &[0, 0, 2, 1]), b(&[n, n, t, t])]);
    assert_eq!(counted(0, false), [bool(n), Tensor::scalar_i32(0), i(&[4], &[0; 4]), b(&[n; 4])]);
    assert_eq!(counted(9, false), [bool(t), Tensor::scalar_i32(4), i(&[4], &[1, 2, 3, 4]), b(&[t; 4])]);
}

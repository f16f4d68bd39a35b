//! Expectations by hand, from PyTorch's documented formulas, and from public bug reports.

use super::*;
use crate::ops::dim::{Dim, Symbol};
use crate::ops::{Binary, DType, Literal, Pad, Reduce, Unary, Window};

fn f32s(shape: &[usize]) -> Type {
    Type::new(DType::F32, shape.to_vec())
}

fn i32s(shape: &[usize]) -> Type {
    Type::new(DType::I32, shape.to_vec())
}

fn shapes(op: Op, args: &[Type]) -> Result<Vec<String>, String> {
    let args: Vec<&Type> = args.iter().collect();
    let results = infer(&op, &args).map_err(|e| e.to_string())?;
    Ok(results.unwrap_or_default().iter().map(|t| t.to_string()).collect())
}

#[track_caller]
fn check(op: Op, args: &[Type], expected: &str) {
    assert_eq!(shapes(op, args).map(|s| s.join(" ")), Ok(expected.to_string()));
}

#[track_caller]
fn fails(op: Op, args: &[Type], expected: &str) {
    assert_eq!(shapes(op, args), Err(expected.to_string()));
}

fn window(size: [usize; 2], stride: [usize; 2]) -> Window {
    Window { size, stride, dilation: [1, 1], pads: [[0, 0], [0, 0]] }
}

#[test]
fn elementwise_arguments_are_alike() {
    check(Op::Binary(Binary::Add), &[f32s(&[2, 3]), f32s(&[2, 3])], "f32[2, 3]");
    fails(Op::Binary(Binary::Add), &[f32s(&[3]), f32s(&[3, 1])], "argument 1 must have 1 axes, found 2");
    fails(Op::Binary(Binary::Add), &[f32s(&[2, 3]), f32s(&[2, 1])], "axis 1 of argument 1 must be 3, found 1");
    fails(Op::Binary(Binary::Div), &[i32s(&[2]), i32s(&[2])], "argument 0 must be of a float type, found i32");
    fails(Op::Unary(Unary::Exp), &[i32s(&[])], "argument 0 must be of a float type, found i32");
    fails(Op::Unary(Unary::Neg), &[], "expected 1 argument, found 0");
    let mask = Type::new(DType::Bool, vec![4]);
    check(Op::Select, &[mask.clone(), i32s(&[4]), i32s(&[4])], "i32[4]");
    fails(Op::Select, &[mask, i32s(&[4]), f32s(&[4])], "argument 2 must be of i32, found f32");
    check(Op::Bitcast(DType::F32), &[i32s(&[4])], "f32[4]");
    fails(Op::Bitcast(DType::F64), &[i32s(&[4])], "argument 0 must be of f64, found i32");
}

#[test]
fn reductions_remove_axes() {
    check(Op::Reduce { op: Reduce::Sum, axes: vec![0, 2] }, &[f32s(&[2, 3, 4])], "f32[3]");
    check(Op::ArgMax { axis: 1 }, &[f32s(&[2, 3])], "i32[2]");
    fails(Op::Reduce { op: Reduce::Sum, axes: vec![2] }, &[f32s(&[2])], "argument 0 has 1 axes, and no axis 2");
    let unsorted = Op::Reduce { op: Reduce::Sum, axes: vec![1, 0] };
    fails(unsorted, &[f32s(&[2, 3])], "axes must be sorted and distinct");
}

#[test]
fn moves() {
    check(Op::Reshape { shape: vec![6] }, &[f32s(&[2, 3])], "f32[6]");
    fails(Op::Reshape { shape: vec![7] }, &[f32s(&[2, 3])], "6 elements do not make 7");
    check(Op::Transpose { perm: vec![2, 0, 1] }, &[f32s(&[2, 3, 4])], "f32[4, 2, 3]");
    check(Op::Broadcast { shape: vec![5, 3, 4], axes: vec![1, 2] }, &[f32s(&[1, 4])], "f32[5, 3, 4]");
    let stretched = Op::Broadcast { shape: vec![4], axes: vec![0] };
    fails(stretched, &[f32s(&[2])], "axis 0 of argument 0 must be 4, found 2");
    let slice = |start, size, stride| Op::Slice { start: vec![start], size: vec![size], stride: vec![stride] };
    check(slice(1, 2, 3), &[f32s(&[5])], "f32[2]");
    fails(slice(2, 2, 3), &[f32s(&[5])], "axis 0 of argument 0 is 5, but 6 are needed");
    check(Op::Concat { axis: 0 }, &[f32s(&[2, 3]), f32s(&[4, 3])], "f32[6, 3]");
    fails(Op::Concat { axis: 0 }, &[f32s(&[2, 3]), f32s(&[4, 2])], "axis 1 of argument 1 must be 3, found 2");
    let pad = |low, high, interior| Op::Pad { pads: vec![Pad { low, high, interior }] };
    check(pad(1, 2, 3), &[f32s(&[4]), f32s(&[])], "f32[16]");
    check(pad(-1, -2, 0), &[f32s(&[4]), f32s(&[])], "f32[1]");
    fails(pad(-2, -2, 0), &[f32s(&[4]), f32s(&[])], "axis 0 of the result would be 0");
    let start = i32s(&[]);
    check(Op::DynamicSlice { size: vec![2] }, &[f32s(&[4]), start.clone()], "f32[2]");
    fails(Op::DynamicSlice { size: vec![2] }, &[f32s(&[4])], "expected 2 arguments, found 1");
    check(Op::DynamicUpdate, &[f32s(&[4]), f32s(&[2]), start], "f32[4]");
}

#[test]
fn indexing() {
    check(Op::Take { axis: 1 }, &[f32s(&[2, 9, 4]), i32s(&[5, 6])], "f32[2, 5, 6, 4]");
    check(Op::ScatterAdd { axis: 1, size: 9 }, &[f32s(&[2, 5, 6, 4]), i32s(&[5, 6])], "f32[2, 9, 4]");
    check(Op::TakeAlong { axis: 1 }, &[f32s(&[2, 9]), i32s(&[2, 1])], "f32[2, 1]");
    check(Op::ScatterAddAlong { axis: 1, size: 9 }, &[f32s(&[2, 1]), i32s(&[2, 1])], "f32[2, 9]");
    fails(Op::Take { axis: 0 }, &[f32s(&[2]), f32s(&[2])], "argument 1 must be of i32, found f32");
    check(Op::Sort { axis: 0, descending: false }, &[f32s(&[3, 2])], "f32[3, 2] i32[3, 2]");
    check(Op::TopK { k: 2 }, &[f32s(&[3, 5])], "f32[3, 2] i32[3, 2]");
    fails(Op::TopK { k: 6 }, &[f32s(&[3, 5])], "axis 1 of argument 0 is 5, but 6 are needed");
}

#[test]
fn dot_orders_batch_then_lhs_then_rhs() {
    let dot = Op::Dot { lhs_batch: vec![1], rhs_batch: vec![0], lhs_contract: vec![2], rhs_contract: vec![2] };
    check(dot.clone(), &[f32s(&[4, 8, 5]), f32s(&[8, 6, 5])], "f32[8, 4, 6]");
    fails(dot, &[f32s(&[4, 8, 5]), f32s(&[8, 6, 7])], "axis 2 of argument 1 must be 5, found 7");
}

/// torch.nn.Conv2d: floor((H + 2p - dilation * (k - 1) - 1) / stride) + 1.
#[test]
fn convolutions() {
    let conv = |window, groups| Op::Conv { window, groups };
    let plain = conv(window([3, 3], [1, 1]), 1);
    check(plain.clone(), &[f32s(&[64, 28, 28, 1]), f32s(&[3, 3, 1, 32])], "f32[64, 26, 26, 32]");
    let strided = Window { size: [3, 5], stride: [2, 1], dilation: [3, 1], pads: [[4, 4], [2, 2]] };
    check(conv(strided, 1), &[f32s(&[1, 50, 50, 3]), f32s(&[3, 5, 3, 8])], "f32[1, 26, 50, 8]");
    check(conv(window([3, 3], [2, 2]), 4), &[f32s(&[1, 6, 6, 8]), f32s(&[3, 3, 2, 12])], "f32[1, 2, 2, 12]");
    fails(
        conv(window([3, 3], [1, 1]), 3),
        &[f32s(&[1, 6, 6, 6]), f32s(&[3, 3, 2, 8])],
        "axis 3 of argument 1 is 8, not a multiple of 3",
    );
    fails(
        plain.clone(),
        &[f32s(&[1, 2, 6, 1]), f32s(&[3, 3, 1, 8])],
        "a kernel over 3 does not fit axis 1 of argument 0, 2 with padding",
    );
    fails(plain, &[f32s(&[1, 6, 6, 2]), f32s(&[3, 3, 1, 8])], "axis 3 of argument 0 must be 1, found 2");
}

/// onnxruntime#2518: a transposed convolution of 50×50 is 97×50.
#[test]
fn transposed_convolution_of_a_bug_report() {
    let window = Window { size: [3, 5], stride: [2, 1], dilation: [3, 1], pads: [[4, 4], [2, 2]] };
    let op = Op::ConvInputGrad { window, groups: 1, input: [97, 50] };
    check(op, &[f32s(&[1, 50, 50, 8]), f32s(&[3, 5, 3, 8])], "f32[1, 97, 50, 3]");
}

/// mlpack#2986: 6×6, k3, stride 2, valid gives 2×2, and back 6×6.
#[test]
fn adjoints_restore_shapes() {
    let w = window([3, 3], [2, 2]);
    let back = Op::ConvInputGrad { window: w.clone(), groups: 1, input: [6, 6] };
    check(back, &[f32s(&[1, 2, 2, 4]), f32s(&[3, 3, 1, 4])], "f32[1, 6, 6, 1]");
    let weight = Op::ConvWeightGrad { window: w.clone(), groups: 1 };
    check(weight, &[f32s(&[1, 6, 6, 1]), f32s(&[1, 2, 2, 4])], "f32[3, 3, 1, 4]");
    check(Op::WindowArgMax { window: w.clone() }, &[f32s(&[1, 6, 6, 4])], "i32[1, 2, 2, 4]");
    let offsets = i32s(&[1, 2, 2, 4]);
    check(Op::WindowGather { window: w.clone() }, &[f32s(&[1, 6, 6, 4]), offsets.clone()], "f32[1, 2, 2, 4]");
    let scatter = Op::WindowScatter { window: w.clone(), input: [6, 6] };
    check(scatter, &[f32s(&[1, 2, 2, 4]), offsets], "f32[1, 6, 6, 4]");
    let wrong = Op::WindowSumGrad { window: w, input: [7, 6] };
    fails(wrong, &[f32s(&[1, 2, 2, 4])], "axis 1 of argument 0 must be 3, found 2");
}

/// pytorch#42582
#[test]
fn too_many_elements() {
    let huge = 1usize << 31;
    let op = Op::Broadcast { shape: vec![huge, huge], axes: vec![] };
    fails(op, &[f32s(&[])], "a tensor of shape [2147483648, 2147483648] has too many elements");
    let t = Dim::symbol(Symbol { name: "T".into(), id: 0 });
    let x = Type::new(DType::F32, vec![t.mul(&Dim::from(i64::MAX))]);
    let doubled = infer(&Op::Concat { axis: 0 }, &[&x, &x]);
    assert_eq!(doubled, Err(ShapeError::TooLarge { shape: vec![Dim::Overflow] }));
}

#[test]
fn given_types_are_checked() {
    let table = Op::Table(vec![Literal::Int(1); 3], vec![3]);
    assert!(check_given(&table, &[i32s(&[3])]).is_ok());
    assert!(check_given(&table, &[i32s(&[1, 3])]).is_err());
    assert!(check_given(&Op::Const(Literal::Bool(true)), &[f32s(&[2])]).is_err());
    assert_eq!(check_given(&Op::Const(Literal::Float(1.0)), &[f32s(&[])]), Ok(()));
}

#[test]
fn symbolic_shapes() {
    let dim = |name: &str| Dim::symbol(Symbol { name: name.into(), id: 0 });
    let num = Dim::from;
    let image = Type::new(DType::F32, vec![dim("B"), dim("H"), dim("H"), num(3)]);
    let weight = Type::new(DType::F32, vec![num(3), num(3), num(3), num(8)]);
    let op = Op::Conv { window: window([3, 3], [2, 2]), groups: 1 };
    let result = infer(&op, &[&image, &weight]).expect("fits").expect("inferred");
    // floor((H - 3) / 2) + 1 = floor((H + 1) / 2) - 1
    assert_eq!(result[0].to_string(), "f32[B, floor((H + 1) / 2) - 1, floor((H + 1) / 2) - 1, 8]");
    let flat = Op::Reshape { shape: vec![dim("H").mul(&dim("H")).mul(&num(3)), dim("B")] };
    assert!(infer(&flat, &[&image]).is_ok());
    let other = Type::new(DType::F32, vec![dim("T"), dim("H"), dim("H"), num(3)]);
    let error = infer(&Op::Binary(Binary::Add), &[&image, &other]);
    let expected = ShapeError::Dim { arg: 1, axis: 0, expected: dim("B"), found: dim("T") };
    assert_eq!(error, Err(expected));
}

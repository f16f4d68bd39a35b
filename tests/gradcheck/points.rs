//! Points where differences say nothing: ties, poles, zeros. The expectations come from public bug reports, whose
//! numbers are given, or from the conventions of the language reference.

use super::cases::{bools, exact, ints};
use super::grad;
use nnc::autodiff::expand_grads;
use nnc::ops::{Binary, Compare, DType, Op, Reduce, Type, Unary, Window};
use nnc::tensor::build::Builder;
use nnc::tensor::data::{Data, Tensor};
use nnc::tensor::interp::{Precision, run};
use nnc::tensor::{Graph, InputRole, Origin, OutputRole, Value};

/// The gradient of Σ f(args) by each float argument.
fn gradients(args: &[Tensor], precision: Precision, f: impl Fn(&mut Builder, &[Value]) -> Value) -> Vec<Vec<f64>> {
    let mut graph = Graph::new("points");
    let names: Vec<String> = (0..args.len()).map(|i| format!("a{i}")).collect();
    let arg_type =
        |t: &Tensor| Type::new(if t.dtype() == DType::F64 { DType::F32 } else { t.dtype() }, t.shape.clone());
    let input = |(name, arg): (&String, &Tensor)| graph.input(name, InputRole::Arg, arg_type(arg), Origin::default());
    let values: Vec<Value> = names.iter().zip(args).map(input).collect();
    let mut b = Builder::new(&mut graph, Origin::default());
    let y = f(&mut b, &values);
    let axes: Vec<usize> = (0..b.shape(y).len()).collect();
    let loss = b.sum(y, &axes);
    let wrt: Vec<Value> = values.into_iter().filter(|v| b.dtype(*v).is_float()).collect();
    for value in grad(&mut b, loss, &wrt) {
        graph.output("grad", OutputRole::Result, value);
    }
    let inputs: Vec<(&str, Tensor)> = names.iter().map(String::as_str).zip(args.iter().cloned()).collect();
    run(&expand_grads(graph), &inputs, precision).unwrap().iter().map(Tensor::to_f64).collect()
}

fn of_vector(x: &[f64], f: impl Fn(&mut Builder, Value) -> Value) -> Vec<f64> {
    gradients(&[exact(&[x.len()], x)], Precision::F32, |b, args| f(b, args[0])).remove(0)
}

fn of_pair(x: &[f64], y: &[f64], op: Binary) -> [Vec<f64>; 2] {
    let args = [exact(&[x.len()], x), exact(&[y.len()], y)];
    gradients(&args, Precision::F32, |b, args| b.binary(op, args[0], args[1])).try_into().unwrap()
}

fn max_pool(b: &mut Builder, x: Value, window: Window, shape: &[usize]) -> Value {
    let argmax = Op::WindowArgMax { window: window.clone() };
    let offsets = b.op(argmax, &[x], Type::new(DType::I32, shape.to_vec()));
    b.op(Op::WindowGather { window }, &[x, offsets], Type::new(DType::F32, shape.to_vec()))
}

/// Case 1: a reduction shares among ties, a pooling window gives to the first (tensorflow#51682).
#[test]
fn ties_of_a_maximum() {
    let reduced = of_vector(&[0.6, 0.6, 0.3], |b, x| b.reduce(Reduce::Max, x, &[0]));
    assert_eq!(reduced, [0.5, 0.5, 0.0]);
    let window = Window { size: [1, 3], stride: [1, 1], dilation: [1, 1], pads: [[0, 0], [0, 0]] };
    let pooled = of_vector(&[0.6, 0.6, 0.3], |b, x| {
        let x = b.reshape(x, &[1, 1, 3, 1]);
        max_pool(b, x, window.clone(), &[1, 1, 1, 1])
    });
    assert_eq!(pooled, [1.0, 0.0, 0.0]);
    assert_eq!(of_vector(&[2.0, 1.0, 1.0], |b, x| b.reduce(Reduce::Min, x, &[0])), [0.0, 0.5, 0.5]);
}

/// Elementwise: halves at a tie.
#[test]
fn ties_of_two() {
    assert_eq!(of_pair(&[1.0, 2.0, 3.0], &[2.0, 2.0, 2.0], Binary::Max), [[0.0, 0.5, 1.0], [1.0, 0.5, 0.0]]);
    assert_eq!(of_pair(&[1.0, 2.0, 3.0], &[2.0, 2.0, 2.0], Binary::Min), [[1.0, 0.5, 0.0], [0.0, 0.5, 1.0]]);
}

/// Case 2: k3 s2 p1 over 3 by 3 has four windows, and the middle is in all (Flux.jl#1197).
#[test]
fn a_winner_of_four_windows() {
    let window = Window { size: [3, 3], stride: [2, 2], dilation: [1, 1], pads: [[1, 1], [1, 1]] };
    let x = [0., 0., 0., 0., 5., 0., 0., 0., 0.];
    let got = of_vector(&x, |b, x| {
        let x = b.reshape(x, &[1, 3, 3, 1]);
        max_pool(b, x, window.clone(), &[1, 2, 2, 1])
    });
    assert_eq!(got, [0., 0., 0., 0., 4., 0., 0., 0., 0.]);
}

/// Case 3: 70,000 ties in half precision are counted in f32 (tinygrad#12296).
#[test]
fn many_ties_in_half_precision() {
    let got = of_vector(&vec![1.0; 70_000], |b, x| {
        let x = b.cast(x, DType::F16);
        let largest = b.reduce(Reduce::Max, x, &[0]);
        b.cast(largest, DType::F32)
    });
    let total: f64 = got.iter().sum();
    assert!((total - 1.0).abs() < 2e-3, "{total}");
}

fn norm(b: &mut Builder, x: Value) -> Value {
    let square = b.mul(x, x);
    let sum = b.sum(square, &[0]);
    b.unary(Unary::Sqrt, sum)
}

/// Case 4: the norm of zeros and the standard deviation of constants (pytorch#2421, pytorch#4320).
#[test]
fn norm_of_zero_and_deviation_of_constants() {
    assert_eq!(of_vector(&[0.0; 3], norm), [0.0; 3]);
    assert_eq!(of_vector(&[3.0, 4.0], norm), [3.0f32 / 5.0, 4.0f32 / 5.0].map(f64::from));
    let deviation = of_vector(&[2.0; 3], |b, x| {
        let sum = b.sum(x, &[0]);
        let mean = b.scale(sum, 1.0 / 3.0);
        let mean = b.broadcast(mean, &[3], &[]);
        let centred = b.sub(x, mean);
        norm(b, centred)
    });
    assert_eq!(deviation, [0.0; 3]);
}

/// `where(x op 0, then(x), otherwise(x))`
fn choice(
    x: &[f64],
    op: Compare,
    then: impl Fn(&mut Builder, Value) -> Value,
    otherwise: impl Fn(&mut Builder, Value) -> Value,
) -> Vec<f64> {
    of_vector(x, |b, x| {
        let zero = b.zeros_like(x);
        let cond = b.compare(op, x, zero);
        let (then, otherwise) = (then(b, x), otherwise(b, x));
        b.select(cond, then, otherwise)
    })
}

/// Case 5: no double masking (pytorch#68425, pytorch#187297).
#[test]
fn singular_branches_that_are_not_taken() {
    let exp = |b: &mut Builder, x| b.unary(Unary::Exp, x);
    assert_eq!(choice(&[100.0], Compare::Le, exp, |b, x| b.shift(x, 1.0)), [1.0]);
    let sqrt = |b: &mut Builder, x| b.unary(Unary::Sqrt, x);
    assert_eq!(choice(&[-1.0, -4.0], Compare::Gt, sqrt, |_, x| x), [1.0, 1.0]);
    // x log x: the product's other factor is NaN or -inf.
    let x_log_x = |b: &mut Builder, x| {
        let log = b.unary(Unary::Log, x);
        b.mul(x, log)
    };
    assert_eq!(choice(&[-1.0, 0.0, 1.0], Compare::Gt, x_log_x, |b, x| b.zeros_like(x)), [0.0, 0.0, 1.0]);
    let inverse = |b: &mut Builder, x| {
        let ty = b.ty(x);
        let one = b.fill(1.0, &ty);
        b.div(one, x)
    };
    assert_eq!(choice(&[0.0, 2.0], Compare::Ne, inverse, |_, x| x), [1.0, -0.25]);
}

/// Case 6: powers of zero and of negative numbers (pytorch#27134, tt-metal#55534).
#[test]
fn powers() {
    let [base, exponent] = of_pair(&[0.0, 2.0], &[1.0, 1.0], Binary::Pow);
    assert_eq!(base, [1.0, 1.0]);
    assert_eq!(exponent[0], 0.0);
    assert!((exponent[1] - 1.386).abs() < 1e-3);
    assert_eq!(of_pair(&[-2.0], &[2.0], Binary::Pow)[0], [-4.0]);
    assert_eq!(of_pair(&[0.0, 0.0], &[0.0, 2.0], Binary::Pow), [[0.0, 0.0], [0.0, 0.0]]);
}

/// Case 7: a permutation before a broadcast (luminal#68).
#[test]
fn permute_then_broadcast() {
    let x = exact(&[2, 3], &[1., 2., 3., 4., 5., 6.]);
    let y = exact(&[2, 3, 2], &(0..12).map(f64::from).collect::<Vec<_>>());
    let permuted = gradients(&[x.clone(), y.clone()], Precision::F64, |b, args| {
        let turned = b.transpose(args[0], &[1, 0]);
        let wide = b.broadcast(turned, &[2, 3, 2], &[1, 2]);
        b.mul(wide, args[1])
    });
    // Element (i, j) of x meets y[0, j, i] and y[1, j, i].
    assert_eq!(permuted[0], [0. + 6., 2. + 8., 4. + 10., 1. + 7., 3. + 9., 5. + 11.]);
}

/// Case 17: the last row and column of a 6 by 6 input take no part in k3 s2 (mlpack#2986).
#[test]
fn rows_that_a_stride_skips() {
    let window = Window { size: [3, 3], stride: [2, 2], dilation: [1, 1], pads: [[0, 0], [0, 0]] };
    let args = [exact(&[1, 6, 6, 1], &[1.0; 36]), exact(&[3, 3, 1, 1], &[1.0; 9])];
    let got = gradients(&args, Precision::F64, |b, args| {
        let conv = Op::Conv { window: window.clone(), groups: 1 };
        b.op(conv, args, Type::new(DType::F32, vec![1, 2, 2, 1]))
    });
    for i in 0..6 {
        assert_eq!(got[0][5 * 6 + i], 0.0);
        assert_eq!(got[0][i * 6 + 5], 0.0);
    }
    assert_eq!(got[0][2 * 6 + 2], 4.0);
}

#[test]
fn corners_of_functions() {
    assert_eq!(of_vector(&[0.0, -0.0, -2.0], |b, x| b.unary(Unary::Abs, x)), [0.0, 0.0, -1.0]);
    let step = of_vector(&[2.5, -1.0], |b, x| b.unary(Unary::Floor, x));
    assert_eq!(step, [0.0, 0.0]);
    let infinite = of_vector(&[0.0], |b, x| b.unary(Unary::Log, x));
    assert_eq!(infinite, [f64::INFINITY]);
}

/// At x = 0 the adjoint of exp is 0 in Σ (exp x - 1)² / 2, whose second derivative is 1 there.
#[test]
fn a_guard_keeps_second_derivatives() {
    let second = gradients(&[exact(&[1], &[0.0])], Precision::F64, |b, args| {
        let exp = b.unary(Unary::Exp, args[0]);
        let off = b.shift(exp, -1.0);
        let square = b.mul(off, off);
        let half = b.scale(square, 0.5);
        let loss = b.sum(half, &[0]);
        grad(b, loss, args)[0]
    });
    assert_eq!(second[0], [1.0]);
}

/// A gradient by an intermediate value, and by one that the loss does not depend on.
#[test]
fn by_intermediate_and_unused_values() {
    let mut graph = Graph::new("test");
    let ty = Type::new(DType::F32, vec![2]);
    let x = graph.input("x", InputRole::Arg, ty.clone(), Origin::default());
    let unused = graph.input("unused", InputRole::Arg, ty, Origin::default());
    let mut b = Builder::new(&mut graph, Origin::default());
    let double = b.scale(x, 2.0);
    let square = b.mul(double, double);
    let loss = b.sum(square, &[0]);
    for value in grad(&mut b, loss, &[double, x, unused]) {
        graph.output("grad", OutputRole::Result, value);
    }
    let value = |data: Vec<f32>| Tensor::new(vec![2], Data::F32(data)).unwrap();
    let inputs = [("x", value(vec![1.0, 3.0])), ("unused", value(vec![1.0, 1.0]))];
    let got = run(&expand_grads(graph), &inputs, Precision::F32).unwrap();
    assert_eq!(got, [value(vec![4.0, 12.0]), value(vec![8.0, 24.0]), value(vec![0.0, 0.0])]);
}

/// Masked keys do not leak: an index that is out of a mask's reach, and bool and int arguments, have no adjoint.
#[test]
fn integers_have_no_adjoint() {
    let args = [exact(&[3], &[1., 2., 3.]), ints(&[2], &[2, 2]), bools(&[true, false])];
    let got = gradients(&args, Precision::F64, |b, args| {
        let taken = b.op(Op::Take { axis: 0 }, &args[..2], Type::new(DType::F32, vec![2]));
        let zero = b.zeros_like(taken);
        b.select(args[2], taken, zero)
    });
    assert_eq!(got, [[0.0, 0.0, 1.0]]);
}

//! Parts of columns computed beside each other, and groups that meet again.

use crate::machine::{RESULT, check, f32s, floats};
use nnc::ops::{DType, Op, Pad, Reduce, Unary};
use nnc::schedule::StepProgram;
use nnc::tensor::build::Builder;
use nnc::tensor::data::Tensor;
use nnc::tensor::{Graph, InputRole, Origin, Value};

/// A graph of float inputs, a body, and its results; run and compared.
fn case(shapes: &[&[usize]], body: impl Fn(&mut Builder, &[Value]) -> Vec<Value>) -> StepProgram {
    let mut graph = Graph::new("case");
    let names: Vec<String> = (0..shapes.len()).map(|i| format!("x{i}")).collect();
    let named = names.iter().zip(shapes);
    let inputs: Vec<Value> =
        named.clone().map(|(n, s)| graph.input(n.clone(), InputRole::Arg, f32s(s), Origin::default())).collect();
    let results = body(&mut Builder::new(&mut graph, Origin::default()), &inputs);
    for (i, value) in results.into_iter().enumerate() {
        graph.output(format!("y{i}"), RESULT, value);
    }
    let data: Vec<(&str, Tensor)> =
        named.enumerate().map(|(i, (n, s))| (n.as_str(), floats(s, i as u64 + 1))).collect();
    check(&graph, &data)
}

#[track_caller]
fn launches(program: &StepProgram, count: usize) {
    let kernels: String = program.kernels.iter().map(|k| k.to_string()).collect();
    assert_eq!(program.launches().len(), count, "{kernels}\n{program}");
}

/// The product of two matrices.
pub fn dot(b: &mut Builder, x: Value, w: Value) -> Value {
    let (rows, cols) = (b.shape(x)[0], b.shape(w)[1]);
    let op = Op::Dot { lhs_batch: vec![], rhs_batch: vec![], lhs_contract: vec![1], rhs_contract: vec![0] };
    b.op(op, &[x, w], f32s(&[rows, cols]))
}

/// Part `n` of the columns.
fn part(b: &mut Builder, x: Value, n: usize, columns: usize) -> Value {
    let rows = b.shape(x)[0];
    b.slice(x, &[0, n * columns], &[rows, columns], &[1, 1])
}

fn concat(b: &mut Builder, parts: &[Value]) -> Value {
    let [rows, columns] = b.shape(parts[0])[..] else { panic!("a matrix") };
    b.op(Op::Concat { axis: 1 }, parts, f32s(&[rows, parts.len() * columns]))
}

/// z = x·W in two to four parts: the first times the tanh of each other.
fn gated(b: &mut Builder, v: &[Value], parts: usize) -> (Value, Value) {
    let z = dot(b, v[0], v[1]);
    let columns = b.shape(z)[1] / parts;
    let mut y = part(b, z, 0, columns);
    for n in 1..parts {
        let gate = part(b, z, n, columns);
        let gate = b.unary(Unary::Tanh, gate);
        y = b.mul(y, gate);
    }
    (z, y)
}

#[test]
fn gates_are_the_epilogue_of_their_product() {
    for parts in [2, 3, 4] {
        for (rows, inner, columns) in [(1, 3, 8), (7, 17, 9), (13, 16, 33), (40, 5, 128)] {
            let program = case(&[&[rows, inner], &[inner, parts * columns]], |b, v| vec![gated(b, v, parts).1]);
            launches(&program, 1);
        }
    }
}

/// Also where the product itself is a result, or what is added to all of it, or a value of parts is read again.
#[test]
fn a_product_with_gates_keeps_its_other_readers() {
    let program = case(&[&[7, 17], &[17, 36], &[7, 36]], |b, v| {
        let (z, y) = gated(b, v, 2);
        let sum = b.add(z, v[2]);
        let again = part(b, sum, 1, 18);
        let again = b.unary(Unary::Exp, again);
        vec![z, y, sum, b.mul(again, y)]
    });
    launches(&program, 1);
}

/// Parts that are not equal, overlap or are too many, rows that are parts: each is computed, in whatever kernels.
#[test]
fn other_slices_of_a_product() {
    case(&[&[6, 5], &[5, 36]], |b, v| {
        let z = dot(b, v[0], v[1]);
        let odd = b.slice(z, &[0, 3], &[6, 18], &[1, 1]);
        let stride = b.slice(z, &[0, 0], &[6, 18], &[1, 2]);
        let rows = b.slice(z, &[2, 0], &[2, 36], &[1, 1]);
        let ninth = part(b, z, 5, 4);
        [odd, stride, rows, ninth].map(|x| b.unary(Unary::Tanh, x)).to_vec()
    });
    case(&[&[6, 5], &[5, 36]], |b, v| {
        let (z, y) = gated(b, v, 2);
        let third = part(b, z, 2, 12);
        vec![y, b.unary(Unary::Exp, third)]
    });
}

#[test]
fn what_stands_side_by_side_is_stored_part_by_part() {
    for (rows, columns) in [(1, 8), (7, 9), (65, 128)] {
        let shape: &[usize] = &[rows, columns];
        let program = case(&[shape, shape], |b, v| {
            let t = b.unary(Unary::Tanh, v[0]);
            let e = b.unary(Unary::Exp, v[1]);
            let product = b.mul(t, e);
            let all = concat(b, &[t, product, v[0], e]);
            vec![all, b.add(t, e)]
        });
        launches(&program, 1);
        for kernel in &program.kernels {
            assert!(!kernel.to_string().contains("where"), "{kernel}");
        }
    }
}

#[test]
fn gates_side_by_side() {
    let program = case(&[&[7, 17], &[17, 36]], |b, v| {
        let z = dot(b, v[0], v[1]);
        let parts = [0, 1].map(|n| part(b, z, n, 18));
        let gates = parts.map(|x| b.unary(Unary::Tanh, x));
        let product = b.mul(gates[0], gates[1]);
        vec![concat(b, &[product, gates[0]]), product]
    });
    launches(&program, 1);
}

/// The adjoint of slices: what is padded with zeros to stand side by side.
#[test]
fn sums_of_padded_parts() {
    let padded = |b: &mut Builder, x: Value, low: i64, high: i64| {
        let zero = b.scalar(0.0, DType::F32);
        let none = Pad { low: 0, high: 0, interior: 0 };
        b.pad(x, zero, vec![none, Pad { low, high, interior: 0 }])
    };
    let program = case(&[&[5, 20], &[5, 20], &[5, 20]], |b, v| {
        let e = v.iter().map(|x| b.unary(Unary::Exp, *x)).collect::<Vec<_>>();
        let [last, first, middle] = [(0, 40, 0), (1, 0, 40), (2, 20, 20)].map(|(n, lo, hi)| padded(b, e[n], lo, hi));
        let sum = b.add(last, first);
        vec![b.add(middle, sum)]
    });
    launches(&program, 1);
    assert!(!program.kernels[0].to_string().contains("where"), "{}", program.kernels[0]);
    // A gap, an overlap, another axis.
    case(&[&[5, 20], &[5, 20], &[5, 20]], |b, v| {
        let [low, high, over] = [(0, 0, 40), (1, 40, 0), (2, 10, 30)].map(|(n, lo, hi)| padded(b, v[n], lo, hi));
        let zero = b.scalar(0.0, DType::F32);
        let rows = b.pad(v[0], zero, vec![Pad { low: 5, high: 0, interior: 0 }, Pad { low: 0, high: 0, interior: 0 }]);
        let other = b.pad(v[1], zero, vec![Pad { low: 0, high: 5, interior: 0 }, Pad { low: 0, high: 0, interior: 0 }]);
        let gap = b.add(low, high);
        let overlap = b.add(over, low);
        vec![gap, overlap, b.add(rows, other)]
    });
}

/// Three maps over large arrays that nothing but the last one has in common: one kernel.
#[test]
fn groups_that_meet_are_one() {
    let shape: &[usize] = &[90, 100];
    let program = case(&[shape, shape, shape], |b, v| {
        let t = v.iter().map(|x| b.unary(Unary::Tanh, *x)).collect::<Vec<_>>();
        let squares = t.iter().map(|x| b.mul(*x, *x)).collect::<Vec<_>>();
        let first = b.mul(squares[0], t[1]);
        let second = b.mul(squares[1], t[2]);
        let both = b.add(first, second);
        vec![b.mul(both, squares[2])]
    });
    launches(&program, 1);
}

/// An operand of a product is stored before the product, also where the result has its shape and is combined with it.
#[test]
fn operands_are_not_computed_with_their_product() {
    for n in [17, 100] {
        let shape: &[usize] = &[n, n];
        let program = case(&[shape, shape], |b, v| {
            let t = b.unary(Unary::Tanh, v[0]);
            let product = dot(b, t, v[1]);
            let e = b.unary(Unary::Exp, product);
            vec![b.mul(e, t), b.add(product, t)]
        });
        launches(&program, 2);
    }
}

/// The second map needs the sum of the first over all rows, and the last one reads both.
#[test]
fn groups_with_another_between_stay_apart() {
    let shape: &[usize] = &[90, 100];
    case(&[shape, shape], |b, v| {
        let t = b.unary(Unary::Tanh, v[0]);
        let square = b.mul(t, t);
        let sums = b.reduce(Reduce::Max, square, &[0]);
        let spread = b.broadcast(sums, shape, &[1]);
        let e = b.unary(Unary::Exp, v[1]);
        let e = b.mul(e, spread);
        let turned = b.transpose(t, &[1, 0]);
        let turned = b.reshape(turned, shape);
        let sum = b.add(e, square);
        vec![b.mul(sum, e), b.mul(turned, e)]
    });
}

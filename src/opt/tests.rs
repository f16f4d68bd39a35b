//! Each pass on small programs: what remains, and that the outputs stay the same.

mod scans;
mod segments;

use crate::ops::{Binary, Compare, DType, Literal, Op, Reduce, Type, Unary};
use crate::pass::{Pass, REORDERED, run_interpreted};
use crate::passes;
use crate::tensor::build::Builder;
use crate::tensor::data::{Data, Tensor};
use crate::tensor::interp::{Precision, run};
use crate::tensor::{Graph, InputRole, Origin, OutputRole, Value};

fn noise(shape: &[usize], salt: usize) -> Tensor {
    let n: usize = shape.iter().product();
    let element = |i: usize| ((i + salt) as f64 * 12.9898).sin() * 43758.5453 % 1.0;
    Tensor::new(shape.to_vec(), Data::F64((0..n).map(element).collect())).unwrap()
}

/// A program over float inputs `a0`, `a1`, … of these shapes.
pub fn program(shapes: &[&[usize]], body: impl Fn(&mut Builder, &[Value]) -> Vec<Value>) -> Graph {
    let mut graph = Graph::new("test");
    let ty = |shape: &[usize]| Type::new(DType::F32, shape.to_vec());
    let input =
        |(i, shape): (usize, &&[usize])| graph.input(format!("a{i}"), InputRole::Arg, ty(shape), Origin::default());
    let args: Vec<Value> = shapes.iter().enumerate().map(input).collect();
    let results = body(&mut Builder::new(&mut graph, Origin::default()), &args);
    for (i, value) in results.into_iter().enumerate() {
        graph.output(format!("out{i}"), OutputRole::Result, value);
    }
    graph
}

pub fn inputs(graph: &Graph) -> Vec<(String, Tensor)> {
    let value = |(i, (v, _)): (usize, &(Value, InputRole))| (format!("a{i}"), noise(&graph.ty(*v).shape, 7 * i));
    graph.inputs.iter().enumerate().map(value).collect()
}

/// Runs the passes, comparing outputs around each.
pub fn optimized(graph: Graph, passes: &[Pass]) -> Graph {
    let inputs = inputs(&graph);
    let inputs: Vec<(&str, Tensor)> = inputs.iter().map(|(n, t)| (n.as_str(), t.clone())).collect();
    run_interpreted(graph, passes, &inputs, REORDERED).unwrap_or_else(|e| panic!("{e}"))
}

/// What is left besides inputs, as the names of the operations.
pub fn names(graph: &Graph) -> Vec<String> {
    let name = |op: &Op| match op {
        Op::Unary(op) => format!("{op:?}"),
        Op::Binary(op) => format!("{op:?}"),
        op => format!("{op:?}").chars().take_while(char::is_ascii_alphanumeric).collect(),
    };
    graph.insts.iter().map(|inst| name(&inst.op)).filter(|n| n != "Input").collect()
}

#[track_caller]
fn check(shapes: &[&[usize]], body: impl Fn(&mut Builder, &[Value]) -> Value, expected: &[&str]) {
    let graph = optimized(program(shapes, |b, args| vec![body(b, args)]), passes::OPT);
    assert_eq!(names(&graph), expected);
}

#[test]
fn neutral_elements() {
    check(&[&[3]], |b, x| b.scale(x[0], 1.0), &[]);
    check(&[&[3]], |b, x| b.shift(x[0], -0.0), &[]);
    check(&[&[3]], |b, x| b.scale(x[0], -1.0), &["Neg"]);
    // x + 0 is not x for x = -0.
    check(&[&[3]], |b, x| b.shift(x[0], 0.0), &["Const", "Broadcast", "Add"]);
    // x · 0 is not 0 for x = NaN.
    check(&[&[3]], |b, x| b.scale(x[0], 0.0), &["Const", "Broadcast", "Mul"]);
}

#[test]
fn zero_keeps_its_sign() {
    let graph = program(&[&[1]], |b, x| vec![b.shift(x[0], 0.0), b.shift(x[0], -0.0)]);
    let graph = passes::run(graph, passes::OPT).unwrap();
    let minus_zero = Tensor::new(vec![1], Data::F32(vec![-0.0])).unwrap();
    let got = run(&graph, &[("a0", minus_zero)], Precision::F32).unwrap();
    assert_eq!(got.iter().map(|t| t.to_f64()[0].is_sign_negative()).collect::<Vec<_>>(), [false, true]);
}

#[test]
fn constants_fold() {
    let half = |b: &mut Builder, x: &[Value]| {
        let two = b.scalar(2.0, DType::F32);
        let one = b.scalar(1.0, DType::F32);
        let half = b.div(one, two);
        let wide = b.broadcast(half, &[3], &[]);
        b.mul(x[0], wide)
    };
    let graph = optimized(program(&[&[3]], |b, x| vec![half(b, x)]), passes::OPT);
    assert_eq!(names(&graph), ["Const", "Broadcast", "Mul"]);
    assert!(graph.insts.iter().any(|inst| inst.op == Op::Const(Literal::Float(0.5))));
}

#[test]
fn choices_and_casts() {
    let constant = |b: &mut Builder, x: &[Value]| {
        let yes = b.fill(1.0, &Type::new(DType::Bool, vec![3]));
        b.select(yes, x[0], x[1])
    };
    check(&[&[3], &[3]], constant, &[]);
    let negated = |b: &mut Builder, x: &[Value]| {
        let less = b.compare(Compare::Lt, x[0], x[1]);
        let not = b.unary(Unary::Not, less);
        b.select(not, x[0], x[1])
    };
    check(&[&[3], &[3]], negated, &["Compare", "Select"]);
    // x, guarded by the questions whether a factor is zero and whether x is no number.
    let guarded = |b: &mut Builder, x: Value, factor: Value| {
        let zero = b.zeros_like(x);
        let is_zero = b.compare(Compare::Eq, factor, zero);
        let is_nan = b.compare(Compare::Ne, x, x);
        let both = b.binary(Binary::And, is_zero, is_nan);
        b.select(both, zero, x)
    };
    check(&[&[3]], |b, x| guarded(b, x[0], x[0]), &[]);
    // The guard of a product with a factor asks two values.
    let kept = ["Const", "Broadcast", "Compare", "Compare", "And", "Select"];
    check(&[&[3], &[3]], |b, x| guarded(b, x[0], x[1]), &kept);
    let through = |b: &mut Builder, x: &[Value]| {
        let wide = b.cast(x[0], DType::F64);
        b.cast(wide, DType::F32)
    };
    check(&[&[3]], through, &[]);
    // Through an integer something is lost.
    let rounded = |b: &mut Builder, x: &[Value]| {
        let int = b.cast(x[0], DType::I32);
        b.cast(int, DType::F32)
    };
    check(&[&[3]], rounded, &["Cast", "Cast"]);
}

#[test]
fn powers_are_products() {
    let power = |exponent| {
        move |b: &mut Builder, x: &[Value]| {
            let ty = b.ty(x[0]);
            let exponent = b.fill(exponent, &ty);
            b.binary(Binary::Pow, x[0], exponent)
        }
    };
    check(&[&[3]], power(2.0), &["Mul"]);
    check(&[&[3]], power(1.0), &[]);
    check(&[&[3]], power(-1.0), &["Const", "Broadcast", "Div"]);
    check(&[&[3]], power(0.5), &["Const", "Broadcast", "Pow"]);
}

#[test]
fn moves_combine() {
    let turned = |b: &mut Builder, x: &[Value]| {
        let y = b.transpose(x[0], &[1, 2, 0]);
        b.transpose(y, &[2, 0, 1])
    };
    check(&[&[2, 3, 5]], turned, &[]);
    let reshaped = |b: &mut Builder, x: &[Value]| {
        let y = b.reshape(x[0], &[6]);
        b.reshape(y, &[3, 2])
    };
    check(&[&[2, 3]], reshaped, &["Reshape"]);
    // A transpose that moves an axis of size 1 moves no element.
    check(&[&[3, 1, 2]], |b, x| b.transpose(x[0], &[1, 0, 2]), &["Reshape"]);
    let column = |b: &mut Builder, x: &[Value]| {
        let y = b.reshape(x[0], &[3, 1]);
        b.broadcast(y, &[2, 3, 5], &[1, 2])
    };
    check(&[&[3]], column, &["Broadcast"]);
    let sliced = |b: &mut Builder, x: &[Value]| {
        let y = b.slice(x[0], &[1], &[5], &[2]);
        b.slice(y, &[1], &[2], &[2])
    };
    let graph = optimized(program(&[&[11]], |b, x| vec![sliced(b, x)]), passes::OPT);
    let slice = Op::Slice { start: vec![3], size: vec![2], stride: vec![4] };
    assert!(graph.insts.iter().any(|inst| inst.op == slice), "{:?}", graph.insts);
}

#[test]
fn reductions_combine() {
    let twice = |b: &mut Builder, x: &[Value]| {
        let y = b.sum(x[0], &[1]);
        b.sum(y, &[1])
    };
    check(&[&[2, 3, 5]], twice, &["Reduce"]);
    let repeated = |b: &mut Builder, x: &[Value]| {
        let y = b.broadcast(x[0], &[4, 3, 5], &[1]);
        b.sum(y, &[0, 1])
    };
    check(&[&[3]], repeated, &["Const", "Broadcast", "Mul", "Broadcast", "Reduce"]);
    check(&[&[3, 1]], |b, x| b.reduce(Reduce::Max, x[0], &[1]), &["Reshape"]);
}

fn matmul(b: &mut Builder, lhs: Value, rhs: Value, n: usize) -> Value {
    let op = Op::Dot { lhs_batch: vec![], rhs_batch: vec![], lhs_contract: vec![1], rhs_contract: vec![0] };
    let rows = b.shape(lhs)[0];
    b.op(op, &[lhs, rhs], Type::new(DType::F32, vec![rows, n]))
}

#[test]
fn transposes_vanish_in_dots() {
    let operand = |b: &mut Builder, x: &[Value]| {
        let turned = b.transpose(x[1], &[1, 0]);
        matmul(b, x[0], turned, 5)
    };
    check(&[&[2, 3], &[5, 3]], operand, &["Dot"]);
    let result = |b: &mut Builder, x: &[Value]| {
        let product = matmul(b, x[0], x[1], 5);
        b.transpose(product, &[1, 0])
    };
    check(&[&[2, 3], &[3, 5]], result, &["Dot"]);
}

#[test]
fn equal_expressions_are_computed_once() {
    let body = |b: &mut Builder, x: &[Value]| {
        let (left, right) = (b.mul(x[0], x[1]), b.mul(x[1], x[0]));
        b.sub(left, right)
    };
    check(&[&[3], &[3]], body, &["Mul", "Sub"]);
}

#[test]
fn unused_instructions_go_and_inputs_stay() {
    let graph = program(&[&[3], &[3]], |b, x| {
        b.unary(Unary::Exp, x[0]);
        vec![b.neg(x[1])]
    });
    let graph = optimized(graph, passes::OPT);
    assert_eq!((names(&graph).len(), graph.inputs.len(), graph.types.len()), (1, 2, 3));
}

/// y = x¹ is another name of x: the gradient by y must not count what flows through x alone.
#[test]
fn what_a_gradient_names_stays() {
    let graph = program(&[&[3], &[3]], |b, args| {
        let ty = Type::new(DType::F32, vec![3]);
        let (one, three) = (b.fill(1.0, &ty), b.fill(3.0, &ty));
        let y = b.binary(Binary::Pow, args[0], one);
        let cube = b.binary(Binary::Pow, y, three);
        let sum = b.add(cube, args[0]);
        let loss = b.sum(sum, &[0]);
        b.graph.push(Op::Grad, vec![loss, y], vec![Type::new(DType::F32, vec![3])], Origin::default())
    });
    let graph = passes::run(passes::run(graph, passes::GRAD).unwrap(), passes::OPT).unwrap();
    assert!(!names(&graph).contains(&"Pow".to_string()));
    let x = Tensor::new(vec![3], Data::F32(vec![1.0, 2.0, -1.0])).unwrap();
    let got = run(&graph, &[("a0", x.clone()), ("a1", x)], Precision::F32).unwrap();
    assert_eq!(got[0].to_f64(), [3.0, 12.0, 3.0]);
}

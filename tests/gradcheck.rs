//! Every gradient rule against central finite differences, in f64 on the reference interpreter.
//!
//! For each case the loss is Σ w y² of the operation's result y with fixed weights w. Its gradient by autodiff must
//! agree with differences of the loss, and the gradient of Σ v · gradient with differences of that (second order).
//! `every_operation_has_a_case` reads the list of operations from `src/ops.rs` and fails where one has no case. Loops in
//! all their forms stand in [`scans`], those with checkpoints in [`checkpoints`].

#[path = "gradcheck/attention.rs"]
mod attention;
#[path = "gradcheck/cases.rs"]
mod cases;
#[path = "gradcheck/checkpoints.rs"]
mod checkpoints;
#[path = "gradcheck/points.rs"]
mod points;
#[path = "random_graphs/loops.rs"]
mod random_loops;
#[path = "gradcheck/scans.rs"]
mod scans;

use cases::{Case, cases};
use nnc::autodiff::expand_grads;
use nnc::ops::{DType, Op, Type};
use nnc::pass::{REORDERED, run_interpreted};
use nnc::passes::OPT;
use nnc::tensor::build::Builder;
use nnc::tensor::data::{Data, Tensor};
use nnc::tensor::interp::{Precision, run};
use nnc::tensor::verify::verify;
use nnc::tensor::{Graph, InputRole, Inst, Origin, OutputRole, Value};
use std::collections::BTreeSet;

/// Loss or gradient as a function of the case's arguments.
struct Program {
    graph: Graph,
    names: Vec<String>,
}

impl Program {
    fn run(&self, args: &[Tensor]) -> Vec<Vec<f64>> {
        let inputs: Vec<(&str, Tensor)> = self.names.iter().map(String::as_str).zip(args.iter().cloned()).collect();
        let outputs = run(&self.graph, &inputs, Precision::F64).unwrap_or_else(|e| panic!("{e}"));
        outputs.iter().map(Tensor::to_f64).collect()
    }
}

/// A fixed number in -1..1 for each index.
fn noise(i: usize) -> f64 {
    let mixed = (i as u64 + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    ((mixed ^ (mixed >> 29)).wrapping_mul(0xBF58_476D_1CE4_E5B9) >> 11) as f64 / 2f64.powi(52) - 1.0
}

/// A constant table of fixed weights.
fn weights(b: &mut Builder, shape: &[usize], salt: usize) -> Value {
    let n: usize = shape.iter().product();
    let literals = (0..n).map(|i| nnc::ops::Literal::Float(1.5 + noise(i + salt))).collect();
    b.op(Op::Table(literals, shape.to_vec()), &[], Type::new(DType::F32, shape.to_vec()))
}

/// Σ w x, a scalar.
fn weighted_sum(b: &mut Builder, x: Value, salt: usize) -> Value {
    let x = b.cast(x, DType::F32);
    let shape = b.shape(x);
    let w = weights(b, &shape, salt);
    let product = b.mul(x, w);
    b.sum(product, &(0..shape.len()).collect::<Vec<_>>())
}

fn grad(b: &mut Builder, loss: Value, wrt: &[Value]) -> Vec<Value> {
    let args = [&[loss], wrt].concat();
    let types = wrt.iter().map(|v| b.ty(*v)).collect();
    b.graph.push(Op::Grad, args, types, Origin::default())
}

#[derive(Clone, Copy, PartialEq)]
enum What {
    /// The loss.
    Loss,
    /// The loss's gradients by each float argument.
    Gradients,
    /// Σ v · gradients.
    SumOfGradients,
    /// The gradients of that sum.
    SecondGradients,
}

/// Appends the result for these arguments.
type Body<'a> = dyn Fn(&mut Builder, &[Value]) -> Value + 'a;

/// A differentiable function at a point.
struct Function<'a> {
    name: String,
    args: Vec<Tensor>,
    body: Box<Body<'a>>,
}

/// The function that a case's operation is.
fn function(case: &Case) -> Function<'_> {
    let body = |b: &mut Builder, args: &[Value]| {
        let results: Vec<Value> = case.results.iter().map(|ty| b.graph.fresh(ty.clone())).collect();
        let (op, regions) = (case.op.clone(), case.regions.clone());
        let inst = Inst { op, args: args.to_vec(), results: results.clone(), regions, origin: Origin::default() };
        b.graph.insts.push(inst);
        joined(b, &results)
    };
    Function { name: case.name(), args: case.args.clone(), body: Box::new(body) }
}

/// The only result, or all floats among several in one vector.
fn joined(b: &mut Builder, results: &[Value]) -> Value {
    let floats: Vec<Value> = results.iter().copied().filter(|v| b.dtype(*v).is_float()).collect();
    if floats.len() < 2 {
        return floats.first().copied().unwrap_or(results[0]);
    }
    let flat = |v: &Value| {
        let count = b.ty(*v).elements();
        b.reshape(*v, &[count])
    };
    let parts: Vec<Value> = floats.iter().map(flat).collect();
    let count = parts.iter().map(|v| b.ty(*v).elements()).sum();
    b.op(Op::Concat { axis: 0 }, &parts, Type::new(DType::F32, vec![count]))
}

/// The loss of a function, or something derived from it, gradients not yet expanded.
fn unexpanded(function: &Function, what: What) -> Program {
    let mut graph = Graph::new("case");
    let names: Vec<String> = (0..function.args.len()).map(|i| format!("a{i}")).collect();
    let arg_type = |t: &Tensor| match t.dtype() {
        DType::F64 => Type::new(DType::F32, t.shape.clone()),
        dtype => Type::new(dtype, t.shape.clone()),
    };
    let input = |(name, arg): (&String, &Tensor)| graph.input(name, InputRole::Arg, arg_type(arg), Origin::default());
    let args: Vec<Value> = names.iter().zip(&function.args).map(input).collect();

    let mut b = Builder::new(&mut graph, Origin::default());
    let wrt: Vec<Value> = args.iter().copied().filter(|v| b.dtype(*v).is_float()).collect();
    let y = (function.body)(&mut b, &args);
    let y = b.cast(y, DType::F32);
    let square = b.mul(y, y);
    let loss = weighted_sum(&mut b, square, 0);
    for value in derived(&mut b, loss, &wrt, what) {
        graph.output("out", OutputRole::Result, value);
    }
    Program { graph, names }
}

fn program(function: &Function, what: What) -> Program {
    let Program { graph, names } = unexpanded(function, what);
    let graph = expand_grads(graph);
    verify(&graph).unwrap_or_else(|e| panic!("{}: {e:?}", function.name));
    Program { graph, names }
}

fn derived(b: &mut Builder, loss: Value, wrt: &[Value], what: What) -> Vec<Value> {
    if what == What::Loss {
        return vec![loss];
    }
    let gradients = grad(b, loss, wrt);
    if what == What::Gradients {
        return gradients;
    }
    let sums: Vec<Value> = gradients.into_iter().enumerate().map(|(i, g)| weighted_sum(b, g, 100 * i)).collect();
    let zero = b.scalar(0.0, DType::F32);
    let total = sums.into_iter().fold(zero, |total, sum| b.add(total, sum));
    if what == What::SumOfGradients { vec![total] } else { grad(b, total, wrt) }
}

/// (f(x + h) - f(x - h)) / 2h for each element of each float argument.
fn differences(function: &Program, args: &[Tensor]) -> Vec<Vec<f64>> {
    const H: f64 = 1e-5;
    let floats = (0..args.len()).filter(|&i| args[i].dtype() == DType::F64);
    let slope = |i: usize, k: usize| {
        let at = |h: f64| {
            let mut moved = args.to_vec();
            let Data::F64(elements) = &mut moved[i].data else { unreachable!("a float argument") };
            elements[k] += h;
            function.run(&moved)[0][0]
        };
        (at(H) - at(-H)) / (2.0 * H)
    };
    floats.map(|i| (0..args[i].data.len()).map(|k| slope(i, k)).collect()).collect()
}

#[track_caller]
fn compare(name: &str, order: &str, gradients: &[Vec<f64>], differences: &[Vec<f64>]) {
    for (i, (got, want)) in gradients.iter().zip(differences).enumerate() {
        assert_eq!(got.len(), want.len(), "{name}: {order} gradient of argument {i}");
        for (k, (g, w)) in got.iter().zip(want).enumerate() {
            let near = (g - w).abs() <= 1e-5 * (1.0 + w.abs());
            assert!(near, "{name}: {order} gradient of argument {i}, element {k}: {g}, differences give {w}");
        }
    }
}

fn check_first(function: &Function) {
    let gradients = program(function, What::Gradients).run(&function.args);
    let want = differences(&program(function, What::Loss), &function.args);
    compare(&function.name, "first", &gradients, &want);
}

fn check_second(function: &Function) {
    let gradients = program(function, What::SecondGradients).run(&function.args);
    let want = differences(&program(function, What::SumOfGradients), &function.args);
    compare(&function.name, "second", &gradients, &want);
}

/// Every pass leaves first and second gradients as they are.
fn check_optimised(function: &Function) {
    for what in [What::Gradients, What::SecondGradients] {
        let Program { graph, names } = program(function, what);
        let inputs = names.iter().map(String::as_str).zip(function.args.iter().cloned());
        let inputs: Vec<(&str, Tensor)> = inputs.collect();
        run_interpreted(graph, OPT, &inputs, REORDERED).unwrap_or_else(|e| panic!("{}: {e}", function.name));
    }
}

#[test]
fn first_order() {
    for case in cases() {
        match zero_by_decree(&case.op) {
            true => {
                let gradients = program(&function(&case), What::Gradients).run(&case.args);
                assert!(gradients.iter().flatten().all(|g| *g == 0.0), "{}", case.name());
            }
            false => check_first(&function(&case)),
        }
    }
}

#[test]
fn second_order() {
    for case in cases().into_iter().filter(|case| !zero_by_decree(&case.op)) {
        check_second(&function(&case));
    }
}

#[test]
fn optimised_gradients_are_the_same() {
    for case in cases() {
        check_optimised(&function(&case));
    }
}

/// Where autodiff gives zero although the function moves. Exhaustive, so that a new operation must be considered
/// here and given a case.
fn zero_by_decree(op: &Op) -> bool {
    match op {
        Op::StopGradient | Op::Bitcast(_) => true,
        Op::Input { .. } | Op::Const(_) | Op::Table(..) | Op::DimValue(_) | Op::Iota { .. } | Op::Philox { .. } => {
            false
        }
        Op::Unary(_) | Op::Binary(_) | Op::Compare(_) | Op::Select | Op::Cast(_) => false,
        Op::Reduce { .. } | Op::ArgMax { .. } | Op::ArgMin { .. } | Op::CumSum { .. } => false,
        Op::Reshape { .. } | Op::Transpose { .. } | Op::Broadcast { .. } | Op::Slice { .. } | Op::Pad { .. } => false,
        Op::Concat { .. } | Op::Reverse { .. } | Op::DynamicSlice { .. } | Op::DynamicUpdate => false,
        Op::Take { .. } | Op::TakeAlong { .. } | Op::ScatterAdd { .. } | Op::ScatterAddAlong { .. } => false,
        Op::Dot { .. } | Op::Conv { .. } | Op::ConvInputGrad { .. } | Op::ConvWeightGrad { .. } => false,
        Op::WindowSum { .. } | Op::WindowSumGrad { .. } | Op::WindowArgMax { .. } => false,
        Op::WindowGather { .. } | Op::WindowScatter { .. } => false,
        Op::Attention { .. } | Op::AttentionGrad { .. } | Op::AttentionBiasGrad { .. } => false,
        Op::Sort { .. } | Op::TopK { .. } | Op::Composite { .. } | Op::Scan { .. } | Op::Grad => false,
    }
}

/// The variants of an enum of `src/ops.rs`.
fn variants(of: &str) -> Vec<String> {
    let source = include_str!("../src/ops.rs");
    let body =
        source.split_once(&format!("pub enum {of} {{")).or(source.split_once(&format!("pub enum {of}<"))).unwrap().1;
    let body = body.split_once("\n}").unwrap().0;
    let variant = |line: &str| {
        let name: String = line.strip_prefix("    ")?.chars().take_while(char::is_ascii_alphanumeric).collect();
        name.starts_with(|c: char| c.is_ascii_uppercase()).then_some(name)
    };
    body.lines().filter_map(variant).collect()
}

#[test]
fn every_operation_has_a_case() {
    let mut wanted: BTreeSet<String> = variants("Op").into_iter().collect();
    for family in ["Unary", "Binary", "Reduce"] {
        assert!(wanted.remove(family), "{family}");
        wanted.extend(variants(family).into_iter().map(|v| format!("{family}::{v}")));
    }
    // Inputs stand in every case, and every case takes gradients.
    wanted.remove("Input");
    wanted.remove("Grad");
    let covered: BTreeSet<String> = cases().iter().map(Case::name).collect();
    let missing: Vec<&String> = wanted.difference(&covered).collect();
    assert!(missing.is_empty(), "no gradient case for {missing:?}");
    assert!(wanted.len() > 70, "the list of operations was not found: {wanted:?}");
}

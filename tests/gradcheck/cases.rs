//! Ordinary points of every operation, on odd sizes.

use super::noise;
use nnc::ops::{Binary, Compare, DType, Literal, Op, Pad, Reduce, Type, Unary, Window};
use nnc::tensor::build::{Builder, Loop};
use nnc::tensor::data::{Data, Tensor};
use nnc::tensor::{Graph, InputRole, Origin, OutputRole};

pub struct Case {
    pub op: Op,
    pub args: Vec<Tensor>,
    pub results: Vec<Type>,
    pub regions: Vec<Graph>,
}

impl Case {
    fn new(op: Op, args: Vec<Tensor>, shape: &[usize]) -> Case {
        Case { op, args, results: vec![Type::new(DType::F32, shape.to_vec())], regions: vec![] }
    }

    fn of_type(op: Op, args: Vec<Tensor>, dtype: DType, shape: &[usize]) -> Case {
        Case { results: vec![Type::new(dtype, shape.to_vec())], ..Case::new(op, args, shape) }
    }

    /// `Conv`, `Unary::Neg`.
    pub fn name(&self) -> String {
        match &self.op {
            Op::Unary(op) => format!("Unary::{op:?}"),
            Op::Binary(op) => format!("Binary::{op:?}"),
            Op::Reduce { op, .. } => format!("Reduce::{op:?}"),
            op => format!("{op:?}").chars().take_while(char::is_ascii_alphanumeric).collect(),
        }
    }
}

/// Floats around `center`, at most `radius` away; `salt` makes them differ.
pub fn around(center: f64, radius: f64, shape: &[usize], salt: usize) -> Tensor {
    let n = shape.iter().product();
    let data = (0..n).map(|i| center + radius * noise(i + 1000 * salt)).collect();
    Tensor::new(shape.to_vec(), Data::F64(data)).unwrap()
}

pub fn floats(shape: &[usize], salt: usize) -> Tensor {
    around(0.0, 1.5, shape, salt)
}

pub fn exact(shape: &[usize], data: &[f64]) -> Tensor {
    Tensor::new(shape.to_vec(), Data::F64(data.to_vec())).unwrap()
}

pub fn ints(shape: &[usize], data: &[i32]) -> Tensor {
    Tensor::new(shape.to_vec(), Data::I32(data.to_vec())).unwrap()
}

pub fn bools(data: &[bool]) -> Tensor {
    Tensor::new(vec![data.len()], Data::Bool(data.to_vec())).unwrap()
}

pub fn cases() -> Vec<Case> {
    [
        sources(),
        unary(),
        binary(),
        maps(),
        reductions(),
        moves(),
        indices(),
        dots(),
        convolutions(),
        windows(),
        orders(),
        super::attention::cases(),
    ]
    .into_iter()
    .flatten()
    .chain([with_vjp(), without_vjp(), scan()])
    .collect()
}

/// Without float arguments.
fn sources() -> Vec<Case> {
    vec![
        Case::new(Op::Const(Literal::Float(2.0)), vec![], &[]),
        Case::new(Op::Table(vec![Literal::Float(1.0), Literal::Float(2.0)], vec![2]), vec![], &[2]),
        Case::of_type(Op::DimValue(3), vec![], DType::I32, &[]),
        Case::new(Op::Iota { shape: vec![3], axis: 0, dtype: DType::F32 }, vec![], &[3]),
        Case::of_type(Op::Philox { key: 1, shape: vec![3] }, vec![ints(&[], &[1]), ints(&[], &[2])], DType::I32, &[3]),
    ]
}

fn unary() -> Vec<Case> {
    let any = [
        Unary::Neg,
        Unary::Abs,
        Unary::Sign,
        Unary::Floor,
        Unary::Ceil,
        Unary::RoundEven,
        Unary::Exp,
        Unary::Expm1,
        Unary::Sin,
        Unary::Cos,
        Unary::Tanh,
        Unary::Erf,
    ];
    let positive = [Unary::Sqrt, Unary::Log, Unary::Log1p];
    let case = |op, arg: Tensor| Case::new(Op::Unary(op), vec![arg.clone()], &arg.shape);
    let any = any.into_iter().flat_map(|op| [case(op, floats(&[7], 1)), case(op, floats(&[1, 1], 2))]);
    let positive = positive.into_iter().map(|op| case(op, around(1.0, 0.8, &[7], 3)));
    let not = Case::of_type(Op::Unary(Unary::Not), vec![bools(&[true, false, true])], DType::Bool, &[3]);
    any.chain(positive).chain([not]).collect()
}

fn binary() -> Vec<Case> {
    let any = [Binary::Add, Binary::Sub, Binary::Mul, Binary::Max, Binary::Min];
    let positive = [Binary::Div, Binary::Pow, Binary::FloorDiv, Binary::Rem];
    let bits = [Binary::And, Binary::Or, Binary::Xor, Binary::Shl, Binary::Shr];
    let any = any.into_iter().map(|op| (op, floats(&[3, 7], 1), floats(&[3, 7], 2)));
    let positive = positive.into_iter().map(|op| (op, around(2.0, 1.1, &[3, 7], 3), around(1.5, 0.4, &[3, 7], 4)));
    let float = any.chain(positive).map(|(op, a, b)| Case::new(Op::Binary(op), vec![a, b], &[3, 7]));
    let bits = bits.into_iter().map(|op| {
        Case::of_type(Op::Binary(op), vec![ints(&[3], &[1, 2, 3]), ints(&[3], &[3, 2, 1])], DType::I32, &[3])
    });
    float.chain(bits).collect()
}

fn maps() -> Vec<Case> {
    vec![
        Case::of_type(Op::Compare(Compare::Lt), vec![floats(&[7], 1), floats(&[7], 2)], DType::Bool, &[7]),
        Case::new(Op::Select, vec![bools(&[true, false, true]), floats(&[3], 1), floats(&[3], 2)], &[3]),
        Case::of_type(Op::Cast(DType::F64), vec![floats(&[3], 1)], DType::F64, &[3]),
        Case::of_type(Op::Cast(DType::I32), vec![floats(&[3], 1)], DType::I32, &[3]),
        Case::of_type(Op::Bitcast(DType::I32), vec![floats(&[3], 1)], DType::I32, &[3]),
        Case::new(Op::StopGradient, vec![floats(&[3], 1)], &[3]),
    ]
}

fn reductions() -> Vec<Case> {
    let reduce = |op, axes: &[usize]| Op::Reduce { op, axes: axes.to_vec() };
    let zeros = exact(&[2, 3], &[0.0, 2.0, 3.0, 0.0, 5.0, 0.0]);
    let x = || vec![floats(&[3, 7], 1)];
    let flags = || vec![bools(&[true, false, true])];
    vec![
        Case::new(reduce(Reduce::Sum, &[1]), x(), &[3]),
        Case::new(reduce(Reduce::Sum, &[0, 2]), vec![floats(&[3, 7, 1], 2)], &[7]),
        Case::new(reduce(Reduce::Product, &[0]), x(), &[7]),
        Case::new(reduce(Reduce::Product, &[1]), vec![zeros], &[2]),
        Case::new(reduce(Reduce::Product, &[0, 2]), vec![floats(&[2, 3, 2], 3)], &[3]),
        Case::new(reduce(Reduce::Max, &[1]), x(), &[3]),
        Case::new(reduce(Reduce::Min, &[0, 1]), x(), &[]),
        Case::of_type(reduce(Reduce::Any, &[0]), flags(), DType::Bool, &[]),
        Case::of_type(reduce(Reduce::All, &[0]), flags(), DType::Bool, &[]),
        Case::of_type(Op::ArgMax { axis: 1 }, x(), DType::I32, &[3]),
        Case::of_type(Op::ArgMin { axis: 0 }, x(), DType::I32, &[7]),
        Case::new(Op::CumSum { axis: 1, reverse: false }, x(), &[3, 7]),
        Case::new(Op::CumSum { axis: 0, reverse: true }, x(), &[3, 7]),
    ]
}

fn moves() -> Vec<Case> {
    let x = || floats(&[3, 7], 1);
    let pad = |low, high, interior| Pad { low, high, interior };
    let start = |i| ints(&[], &[i]);
    vec![
        Case::new(Op::Reshape { shape: vec![7, 3, 1] }, vec![x()], &[7, 3, 1]),
        Case::new(Op::Transpose { perm: vec![2, 0, 1] }, vec![floats(&[2, 3, 5], 2)], &[5, 2, 3]),
        Case::new(Op::Broadcast { shape: vec![2, 3, 7], axes: vec![1, 2] }, vec![floats(&[3, 1], 3)], &[2, 3, 7]),
        Case::new(Op::Broadcast { shape: vec![3], axes: vec![] }, vec![floats(&[], 3)], &[3]),
        Case::new(Op::Broadcast { shape: vec![1, 3], axes: vec![0, 1] }, vec![floats(&[1, 3], 3)], &[1, 3]),
        Case::new(Op::Slice { start: vec![1, 1], size: vec![2, 3], stride: vec![1, 2] }, vec![x()], &[2, 3]),
        Case::new(Op::Pad { pads: vec![pad(1, 0, 2), pad(-2, 3, 0)] }, vec![x(), floats(&[], 9)], &[8, 8]),
        Case::new(Op::Pad { pads: vec![pad(-1, -1, 1)] }, vec![floats(&[5], 4), floats(&[], 9)], &[7]),
        Case::new(Op::Concat { axis: 1 }, vec![x(), floats(&[3, 1], 2), floats(&[3, 3], 3)], &[3, 11]),
        Case::new(Op::Reverse { axes: vec![0, 1] }, vec![x()], &[3, 7]),
        Case::new(Op::DynamicSlice { size: vec![2, 3] }, vec![x(), start(1), start(4)], &[2, 3]),
        Case::new(Op::DynamicUpdate, vec![x(), floats(&[2, 3], 2), start(0), start(2)], &[3, 7]),
    ]
}

fn indices() -> Vec<Case> {
    let x = || floats(&[3, 5], 1);
    let repeated = || ints(&[2, 2], &[0, 4, 4, 1]);
    let along = || ints(&[3, 2], &[0, 0, 4, 1, 2, 4]);
    vec![
        Case::new(Op::Take { axis: 1 }, vec![x(), repeated()], &[3, 2, 2]),
        Case::new(Op::Take { axis: 0 }, vec![x(), ints(&[], &[2])], &[5]),
        Case::new(Op::TakeAlong { axis: 1 }, vec![x(), along()], &[3, 2]),
        Case::new(Op::ScatterAdd { axis: 1, size: 5 }, vec![floats(&[3, 2, 2], 2), repeated()], &[3, 5]),
        Case::new(Op::ScatterAddAlong { axis: 1, size: 5 }, vec![floats(&[3, 2], 3), along()], &[3, 5]),
    ]
}

fn dots() -> Vec<Case> {
    let dot = |lb: &[usize], rb: &[usize], lc: &[usize], rc: &[usize]| Op::Dot {
        lhs_batch: lb.to_vec(),
        rhs_batch: rb.to_vec(),
        lhs_contract: lc.to_vec(),
        rhs_contract: rc.to_vec(),
    };
    vec![
        Case::new(dot(&[], &[], &[1], &[0]), vec![floats(&[3, 7], 1), floats(&[7, 5], 2)], &[3, 5]),
        Case::new(dot(&[], &[], &[0], &[1]), vec![floats(&[3], 1), floats(&[5, 3], 2)], &[5]),
        Case::new(
            dot(&[0], &[2], &[3, 1], &[0, 1]),
            vec![floats(&[2, 3, 5, 4], 1), floats(&[4, 3, 2, 7], 2)],
            &[2, 5, 7],
        ),
        Case::new(dot(&[2, 0], &[0, 1], &[1], &[2]), vec![floats(&[2, 3, 4], 1), floats(&[4, 2, 3], 2)], &[4, 2]),
        Case::new(dot(&[], &[], &[], &[]), vec![floats(&[3], 1), floats(&[1, 2], 2)], &[3, 1, 2]),
    ]
}

/// Uneven in every respect: a 2 by 3 kernel, strides (2, 1), dilation (1, 2), pads (1, 0), (0, 2).
fn uneven() -> Window {
    Window { size: [2, 3], stride: [2, 1], dilation: [1, 2], pads: [[1, 0], [0, 2]] }
}

/// x [2, 5, 5, 4] and y [2, 3, 3, 6], with w [2, 3, 2, 6] in two groups; and 7 by 7 of which stride 2 skips a part.
fn convolutions() -> Vec<Case> {
    let (window, groups) = (uneven(), 2);
    let (x, w, y) = ([2, 5, 5, 4], [2, 3, 2, 6], [2, 3, 3, 6]);
    let plain = Window { size: [3, 3], stride: [2, 2], dilation: [1, 1], pads: [[0, 0], [0, 0]] };
    let input_grad = Op::ConvInputGrad { window: window.clone(), groups, input: [5, 5] };
    let skipping = Op::ConvInputGrad { window: plain.clone(), groups: 1, input: [6, 6] };
    vec![
        Case::new(Op::Conv { window: window.clone(), groups }, vec![floats(&x, 1), floats(&w, 2)], &y),
        Case::new(input_grad, vec![floats(&y, 1), floats(&w, 2)], &x),
        Case::new(Op::ConvWeightGrad { window, groups }, vec![floats(&x, 1), floats(&y, 2)], &w),
        Case::new(
            Op::Conv { window: plain, groups: 1 },
            vec![floats(&[1, 6, 6, 1], 1), floats(&[3, 3, 1, 1], 2)],
            &[1, 2, 2, 1],
        ),
        Case::new(skipping, vec![floats(&[1, 2, 2, 1], 1), floats(&[3, 3, 1, 1], 2)], &[1, 6, 6, 1]),
    ]
}

fn windows() -> Vec<Case> {
    let window = || uneven();
    let (x, y) = ([1, 5, 5, 2], [1, 3, 3, 2]);
    let offsets = || ints(&y, &(0..18).map(|i| i * 5 % 6).collect::<Vec<_>>());
    vec![
        Case::new(Op::WindowSum { window: window() }, vec![floats(&x, 1)], &y),
        Case::new(Op::WindowSumGrad { window: window(), input: [5, 5] }, vec![floats(&y, 1)], &x),
        Case::of_type(Op::WindowArgMax { window: window() }, vec![floats(&x, 1)], DType::I32, &y),
        Case::new(Op::WindowGather { window: window() }, vec![floats(&x, 1), offsets()], &y),
        Case::new(Op::WindowScatter { window: window(), input: [5, 5] }, vec![floats(&y, 1), offsets()], &x),
    ]
}

fn orders() -> Vec<Case> {
    let with_indices = |op, arg, shape: &[usize]| {
        let case = Case::new(op, vec![arg], shape);
        let indices = Type::new(DType::I32, shape.to_vec());
        Case { results: vec![case.results[0].clone(), indices], ..case }
    };
    vec![
        with_indices(Op::Sort { axis: 0, descending: false }, floats(&[7, 2], 1), &[7, 2]),
        with_indices(Op::Sort { axis: 1, descending: true }, floats(&[3, 3], 1), &[3, 3]),
        with_indices(Op::TopK { k: 3 }, floats(&[2, 7], 1), &[2, 3]),
    ]
}

/// exp(x) by x + 1 in a composite.
fn composite(regions: Vec<Graph>) -> Case {
    Case { regions, ..Case::new(Op::Composite { name: "shifted_exp".into() }, vec![floats(&[3], 1)], &[3]) }
}

fn region(
    name: &str,
    inputs: usize,
    body: impl Fn(&mut Builder, &[nnc::tensor::Value]) -> nnc::tensor::Value,
) -> Graph {
    let mut graph = Graph::new(name);
    let ty = Type::new(DType::F32, vec![3]);
    let input = |i| graph.input(format!("p{i}"), InputRole::Arg, ty.clone(), Origin::default());
    let inputs: Vec<_> = (0..inputs).map(input).collect();
    let result = body(&mut Builder::new(&mut graph, Origin::default()), &inputs);
    graph.output("out", OutputRole::Result, result);
    graph
}

fn shifted_exp() -> Graph {
    region("body", 1, |b, x| {
        let shifted = b.shift(x[0], 1.0);
        b.unary(Unary::Exp, shifted)
    })
}

fn without_vjp() -> Case {
    composite(vec![shifted_exp()])
}

/// The rule uses the result: x_adj = y_adj y.
fn with_vjp() -> Case {
    composite(vec![shifted_exp(), region("vjp", 3, |b, args| b.mul(args[2], args[1]))])
}

/// h ← tanh(h x) over four steps.
fn scan() -> Case {
    let op = Loop::over(4).op(1, 1);
    let mut outer = Graph::new("outer");
    let mut input =
        |shape: &[usize]| outer.input("x", InputRole::Arg, Type::new(DType::F32, shape.to_vec()), Origin::default());
    let args = [input(&[3]), input(&[4, 3])];
    let mut body = outer.scan_body(&op, &args);
    let [carry, slice] = [1, 2].map(|n: usize| body.inputs[n].0);
    let mut b = Builder::new(&mut body, Origin::default());
    let product = b.mul(carry, slice);
    let next = b.unary(Unary::Tanh, product);
    body.step(&[next], &[]);
    Case { regions: vec![body], ..Case::new(op, vec![floats(&[3], 1), floats(&[4, 3], 2)], &[3]) }
}

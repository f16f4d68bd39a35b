//! Each operation by itself and in the combinations that kernels treat specially.

use crate::machine::{RESULT, check, f32s, floats, i32s, ints};
use nnc::ops::{Binary, Compare, DType, Literal, Op, Pad, Reduce, Type, Unary, Window};
use nnc::schedule::StepProgram;
use nnc::tensor::build::Builder;
use nnc::tensor::data::{Data, Tensor};
use nnc::tensor::{Graph, InputRole, Origin, Value};

/// A graph of float inputs, a body, and its results; run and compared.
fn case(shapes: &[&[usize]], body: impl Fn(&mut Builder, &[Value]) -> Vec<Value>) -> StepProgram {
    let mut graph = Graph::new("case");
    let names: Vec<String> = (0..shapes.len()).map(|i| format!("x{i}")).collect();
    let inputs: Vec<Value> = names
        .iter()
        .zip(shapes)
        .map(|(n, s)| graph.input(n.clone(), InputRole::Arg, f32s(s), Origin::default()))
        .collect();
    let results = body(&mut Builder::new(&mut graph, Origin::default()), &inputs);
    for (i, value) in results.into_iter().enumerate() {
        graph.output(format!("y{i}"), RESULT, value);
    }
    let data: Vec<(&str, Tensor)> =
        names.iter().zip(shapes).enumerate().map(|(i, (n, s))| (n.as_str(), floats(s, i as u64 + 1))).collect();
    check(&graph, &data)
}

const SIZES: [usize; 8] = [1, 2, 7, 15, 16, 17, 65, 130];

#[test]
fn maps_of_all_sizes() {
    for n in SIZES {
        case(&[&[n], &[n]], |b, x| {
            let sum = b.add(x[0], x[1]);
            let e = b.unary(Unary::Exp, sum);
            vec![b.mul(e, x[1]), b.neg(sum)]
        });
    }
}

#[test]
fn broadcasts_and_transposes() {
    for (r, c) in [(1, 5), (3, 17), (16, 16), (33, 20), (64, 130)] {
        case(&[&[r, c], &[c], &[c, r]], |b, x| {
            let bias = b.broadcast(x[1], &[r, c], &[1]);
            let sum = b.add(x[0], bias);
            let flipped = b.transpose(x[2], &[1, 0]);
            vec![b.add(sum, flipped), b.transpose(x[0], &[1, 0])]
        });
    }
}

#[test]
fn permutations_of_four_axes() {
    case(&[&[2, 3, 4, 5]], |b, x| {
        let moved = b.transpose(x[0], &[0, 3, 1, 2]);
        let again = b.transpose(x[0], &[3, 2, 1, 0]);
        vec![moved, b.reshape(again, &[20, 6])]
    });
}

#[test]
fn slices_pads_reverses_and_concats() {
    case(&[&[6, 9], &[4, 9]], |b, x| {
        let part = b.slice(x[0], &[1, 2], &[2, 3], &[2, 2]);
        let one = b.scalar(1.5, DType::F32);
        let pads = vec![Pad { low: 1, high: 2, interior: 1 }, Pad { low: -1, high: 1, interior: 0 }];
        let padded = b.pad(x[0], one, pads);
        let turned = b.op(Op::Reverse { axes: vec![0, 1] }, &[x[0]], f32s(&[6, 9]));
        let sum = b.add(turned, x[0]);
        let joined = b.op(Op::Concat { axis: 0 }, &[sum, x[1], x[0]], f32s(&[16, 9]));
        let wide = b.op(Op::Concat { axis: 1 }, &[sum, x[0]], f32s(&[6, 18]));
        vec![part, padded, turned, joined, b.neg(wide)]
    });
}

#[test]
fn a_pad_with_a_computed_value() {
    case(&[&[3, 4], &[]], |b, x| {
        let double = b.add(x[0], x[0]);
        let fill = b.neg(x[1]);
        let pad = |low, high| Pad { low, high, interior: 0 };
        vec![b.pad(double, fill, vec![pad(2, 0), pad(0, 3)])]
    });
}

#[test]
fn reductions_over_each_axis() {
    for shape in [[3, 4, 5], [1, 70, 2], [17, 1, 33], [2, 65, 64]] {
        for axes in [vec![0], vec![1], vec![2], vec![0, 1], vec![1, 2], vec![0, 2], vec![0, 1, 2]] {
            case(&[&shape], |b, x| {
                let sum = b.reduce(Reduce::Sum, x[0], &axes);
                vec![sum, b.reduce(Reduce::Max, x[0], &axes), b.reduce(Reduce::Min, x[0], &axes)]
            });
        }
    }
}

#[test]
fn long_reductions_are_sliced() {
    let program = case(&[&[4000, 10]], |b, x| vec![b.reduce(Reduce::Sum, x[0], &[0])]);
    assert_eq!(program.launches().len(), 2, "{program}");
    assert!(program.kernels[0].points() >= 32, "{program}");
    case(&[&[20011]], |b, x| {
        let square = b.mul(x[0], x[0]);
        vec![b.reduce(Reduce::Sum, square, &[0]), b.reduce(Reduce::Max, square, &[0])]
    });
}

#[test]
fn truth_is_reduced() {
    case(&[&[5, 40]], |b, x| {
        let half = b.fill(0.5, &f32s(&[5, 40]));
        let big = b.compare(Compare::Gt, x[0], half);
        vec![b.reduce(Reduce::Any, big, &[1]), b.reduce(Reduce::All, big, &[0])]
    });
}

#[test]
fn softmax_is_one_kernel() {
    for cols in [5, 64, 200] {
        let program = case(&[&[20, cols]], |b, x| {
            let shape = [20, cols];
            let max = b.reduce(Reduce::Max, x[0], &[1]);
            let max = b.broadcast(max, &shape, &[0]);
            let shifted = b.sub(x[0], max);
            let e = b.unary(Unary::Exp, shifted);
            let sum = b.reduce(Reduce::Sum, e, &[1]);
            let log = b.unary(Unary::Log, sum);
            let sum = b.broadcast(sum, &shape, &[0]);
            vec![b.div(e, sum), log]
        });
        assert_eq!(program.launches().len(), 1, "{program}");
    }
}

#[test]
fn layer_norm_is_one_kernel() {
    let program = case(&[&[10, 3, 96], &[96]], |b, x| {
        let shape = [10, 3, 96];
        let mean = |b: &mut Builder, v: Value| {
            let sum = b.reduce(Reduce::Sum, v, &[2]);
            let mean = b.scale(sum, 1.0 / 96.0);
            b.broadcast(mean, &shape, &[0, 1])
        };
        let mu = mean(b, x[0]);
        let centred = b.sub(x[0], mu);
        let square = b.mul(centred, centred);
        let variance = mean(b, square);
        let variance = b.shift(variance, 1e-5);
        let sd = b.unary(Unary::Sqrt, variance);
        let scaled = b.div(centred, sd);
        let gain = b.broadcast(x[1], &shape, &[2]);
        vec![b.mul(scaled, gain)]
    });
    assert_eq!(program.launches().len(), 1, "{program}");
}

#[test]
fn arg_extremes_with_ties_and_nan() {
    let mut graph = Graph::new("arg");
    let x = graph.input("x", InputRole::Arg, f32s(&[4, 5]), Origin::default());
    for (name, op, n) in
        [("max", Op::ArgMax { axis: 1 }, 4), ("min", Op::ArgMin { axis: 1 }, 4), ("first", Op::ArgMax { axis: 0 }, 5)]
    {
        let value = graph.push(op, vec![x], vec![i32s(&[n])], Origin::default())[0];
        graph.output(name, RESULT, value);
    }
    let nan = f32::NAN;
    let rows = vec![1., 3., 3., 0., -1., nan, 1., nan, 2., 0., -1., -1., -1., -1., -1., 5., 4., 3., 2., nan];
    check(&graph, &[("x", Tensor { shape: vec![4, 5], data: Data::F32(rows) })]);
}

fn dot(b: &mut Builder, x: Value, y: Value, contract: (usize, usize), shape: &[usize]) -> Value {
    let op = Op::Dot {
        lhs_batch: vec![],
        rhs_batch: vec![],
        lhs_contract: vec![contract.0],
        rhs_contract: vec![contract.1],
    };
    b.op(op, &[x, y], f32s(shape))
}

#[test]
fn products_of_all_layouts() {
    for (m, k, n) in [(1, 1, 1), (3, 5, 2), (7, 17, 10), (13, 64, 65), (6, 100, 1), (1, 33, 70), (130, 16, 48)] {
        case(&[&[m, k], &[k, n], &[k, m], &[n, k]], |b, x| {
            vec![
                dot(b, x[0], x[1], (1, 0), &[m, n]),
                dot(b, x[2], x[1], (0, 0), &[m, n]),
                dot(b, x[0], x[3], (1, 1), &[m, n]),
                dot(b, x[2], x[3], (0, 1), &[m, n]),
            ]
        });
    }
}

#[test]
fn a_long_product_is_sliced() {
    let program = case(&[&[9, 4096], &[4096, 20]], |b, x| vec![dot(b, x[0], x[1], (1, 0), &[9, 20])]);
    assert_eq!(program.launches().len(), 2, "{program}");
}

#[test]
fn slices_of_a_long_product_stay_near() {
    let program = case(&[&[91, 4096], &[4096, 4]], |b, x| vec![dot(b, x[0], x[1], (1, 0), &[91, 4])]);
    assert!(shapes(&program).contains(&[2, 91, 4].as_slice()), "{program}");
    // Nothing divides 4099.
    let prime = case(&[&[91, 4099], &[4099, 4]], |b, x| vec![dot(b, x[0], x[1], (1, 0), &[91, 4])]);
    assert_eq!(prime.launches().len(), 1, "{prime}");
}

#[test]
fn long_columns_of_a_left_side_become_rows() {
    let product = |k: usize| {
        let program = case(&[&[k, 16], &[k, 64]], |b, x| vec![dot(b, x[0], x[1], (0, 0), &[16, 64])]);
        shapes(&program).contains(&[16, k].as_slice())
    };
    assert_eq!([product(256), product(257)], [false, true]);
}

/// Of all buffers.
fn shapes(program: &StepProgram) -> Vec<&[usize]> {
    program.buffers.iter().map(|b| b.ty.shape.as_slice()).collect()
}

#[test]
fn batched_products_with_free_axes_in_any_place() {
    case(&[&[2, 5, 3, 8], &[2, 3, 8, 4]], |b, x| {
        let op = Op::Dot { lhs_batch: vec![0, 2], rhs_batch: vec![0, 1], lhs_contract: vec![3], rhs_contract: vec![2] };
        vec![b.op(op, &[x[0], x[1]], f32s(&[2, 3, 5, 4]))]
    });
    case(&[&[4, 3, 5], &[5, 6, 3]], |b, x| {
        let op = Op::Dot { lhs_batch: vec![], rhs_batch: vec![], lhs_contract: vec![1, 2], rhs_contract: vec![2, 0] };
        vec![b.op(op, &[x[0], x[1]], f32s(&[4, 6]))]
    });
}

#[test]
fn a_dense_layer_is_one_kernel() {
    let program = case(&[&[20, 30], &[30, 70], &[70]], |b, x| {
        let y = dot(b, x[0], x[1], (1, 0), &[20, 70]);
        let bias = b.broadcast(x[2], &[20, 70], &[1]);
        let y = b.add(y, bias);
        let zero = b.fill(0.0, &f32s(&[20, 70]));
        let positive = b.compare(Compare::Gt, y, zero);
        vec![b.select(positive, y, zero)]
    });
    assert_eq!(program.launches().len(), 1, "{program}");
    assert_eq!(program.stats().flops, 2 * 20 * 30 * 70);
}

fn window(size: [usize; 2], stride: [usize; 2], dilation: [usize; 2], pads: [[usize; 2]; 2]) -> Window {
    Window { size, stride, dilation, pads }
}

fn windows() -> Vec<Window> {
    vec![
        window([3, 3], [1, 1], [1, 1], [[0; 2]; 2]),
        window([2, 2], [2, 2], [1, 1], [[0; 2]; 2]),
        window([3, 2], [2, 1], [1, 1], [[1, 1], [0, 1]]),
        window([3, 3], [2, 2], [1, 1], [[1, 1], [1, 1]]),
        window([2, 3], [1, 2], [2, 1], [[1, 0], [1, 2]]),
        window([1, 1], [3, 3], [1, 1], [[0; 2]; 2]),
    ]
}

fn positions(w: &Window, n: usize, i: usize) -> usize {
    (n + w.pads[i][0] + w.pads[i][1] - (w.size[i] - 1) * w.dilation[i] - 1) / w.stride[i] + 1
}

#[test]
fn convolutions_and_their_adjoints() {
    for w in windows() {
        for (groups, ci, co) in [(1, 3, 20), (1, 1, 5), (2, 4, 6), (4, 4, 4)] {
            let (h, wd) = (7, 9);
            let (oh, ow) = (positions(&w, h, 0), positions(&w, wd, 1));
            let kernel = [w.size[0], w.size[1], ci / groups, co];
            case(&[&[2, h, wd, ci], &kernel, &[2, oh, ow, co]], |b, x| {
                let conv = Op::Conv { window: w.clone(), groups };
                let input_grad = Op::ConvInputGrad { window: w.clone(), groups, input: [h, wd] };
                let weight_grad = Op::ConvWeightGrad { window: w.clone(), groups };
                vec![
                    b.op(conv, &[x[0], x[1]], f32s(&[2, oh, ow, co])),
                    b.op(input_grad, &[x[2], x[1]], f32s(&[2, h, wd, ci])),
                    b.op(weight_grad, &[x[0], x[2]], f32s(&kernel)),
                ]
            });
        }
    }
}

#[test]
fn a_wide_convolution_with_many_channels() {
    let w = window([3, 3], [1, 1], [1, 1], [[1, 1], [1, 1]]);
    case(&[&[4, 5, 5, 24], &[3, 3, 24, 70], &[4, 5, 5, 70]], |b, x| {
        let weight_grad = Op::ConvWeightGrad { window: w.clone(), groups: 1 };
        vec![
            b.op(Op::Conv { window: w.clone(), groups: 1 }, &[x[0], x[1]], f32s(&[4, 5, 5, 70])),
            b.op(weight_grad, &[x[0], x[2]], f32s(&[3, 3, 24, 70])),
        ]
    });
}

#[test]
fn windows_and_their_adjoints() {
    for w in windows() {
        let (h, wd, c) = (7, 8, 5);
        let (oh, ow) = (positions(&w, h, 0), positions(&w, wd, 1));
        case(&[&[2, h, wd, c], &[2, oh, ow, c]], |b, x| {
            let y = [2, oh, ow, c];
            let offsets = b.op(Op::WindowArgMax { window: w.clone() }, &[x[0]], i32s(&y));
            let best = b.op(Op::WindowGather { window: w.clone() }, &[x[0], offsets], f32s(&y));
            let scatter = Op::WindowScatter { window: w.clone(), input: [h, wd] };
            let spread = b.op(scatter, &[x[1], offsets], f32s(&[2, h, wd, c]));
            let other = b.op(Op::WindowGather { window: w.clone() }, &[spread, offsets], f32s(&y));
            let sum = b.op(Op::WindowSum { window: w.clone() }, &[x[0]], f32s(&y));
            let grad = Op::WindowSumGrad { window: w.clone(), input: [h, wd] };
            let grad = b.op(grad, &[x[1]], f32s(&[2, h, wd, c]));
            vec![offsets, best, spread, other, sum, grad]
        });
    }
}

#[test]
fn a_max_pool_is_one_kernel() {
    let w = window([2, 2], [2, 2], [1, 1], [[0; 2]; 2]);
    let program = case(&[&[2, 6, 6, 32]], |b, x| {
        let offsets = b.op(Op::WindowArgMax { window: w.clone() }, &[x[0]], i32s(&[2, 3, 3, 32]));
        vec![offsets, b.op(Op::WindowGather { window: w.clone() }, &[x[0], offsets], f32s(&[2, 3, 3, 32]))]
    });
    assert_eq!(program.launches().len(), 1, "{program}");
}

/// A graph with float input `x`, update `u` and indices `i` below `limit`.
fn indexed(op: Op, x: &[usize], i: &[usize], limit: i32, result: &[usize]) {
    let mut graph = Graph::new("index");
    let a = graph.input("x", InputRole::Arg, f32s(x), Origin::default());
    let at = graph.input("i", InputRole::Rows, i32s(i), Origin::default());
    let y = graph.push(op, vec![a, at], vec![f32s(result)], Origin::default())[0];
    let mut b = Builder::new(&mut graph, Origin::default());
    let z = b.neg(y);
    graph.output("z", RESULT, z);
    check(&graph, &[("x", floats(x, 3)), ("i", ints(i, limit, 4))]);
}

/// Found by `random_graphs.rs`: such a kernel works on squares, and the gather must not turn round with its neighbours.
#[test]
fn a_transposed_gather() {
    let mut graph = Graph::new("turned");
    let x = graph.input("x", InputRole::Arg, f32s(&[3, 5, 17]), Origin::default());
    let at = graph.input("i", InputRole::Rows, i32s(&[3, 16, 17]), Origin::default());
    let mut b = Builder::new(&mut graph, Origin::default());
    let y = b.op(Op::TakeAlong { axis: 1 }, &[x, at], f32s(&[3, 16, 17]));
    let y = b.transpose(y, &[2, 1, 0]);
    graph.output("y", RESULT, y);
    check(&graph, &[("x", floats(&[3, 5, 17], 3)), ("i", ints(&[3, 16, 17], 5, 4))]);
}

#[test]
fn gathers_and_scatters() {
    indexed(Op::Take { axis: 0 }, &[10, 70], &[6], 10, &[6, 70]);
    indexed(Op::Take { axis: 0 }, &[10, 4, 3], &[2, 3], 10, &[2, 3, 4, 3]);
    indexed(Op::Take { axis: 1 }, &[3, 10], &[5], 10, &[3, 5]);
    indexed(Op::TakeAlong { axis: 1 }, &[6, 10], &[6, 1], 10, &[6, 1]);
    indexed(Op::TakeAlong { axis: 0 }, &[6, 20], &[4, 20], 6, &[4, 20]);
    indexed(Op::ScatterAdd { axis: 0, size: 5 }, &[12, 70], &[12], 5, &[5, 70]);
    indexed(Op::ScatterAdd { axis: 1, size: 4 }, &[3, 2, 5, 7], &[2, 5], 4, &[3, 4, 7]);
    indexed(Op::ScatterAddAlong { axis: 1, size: 4 }, &[3, 9], &[3, 9], 4, &[3, 4]);
    indexed(Op::ScatterAddAlong { axis: 0, size: 4 }, &[9, 20], &[9, 20], 4, &[4, 20]);
}

#[test]
fn bytes_are_gathered_and_scaled() {
    let mut graph = Graph::new("bytes");
    let ty = Type::new(DType::U8, vec![9, 4, 4]);
    let column = graph.input("images", InputRole::Column, ty, Origin::default());
    let rows = graph.input("rows", InputRole::Rows, i32s(&[3]), Origin::default());
    let mut b = Builder::new(&mut graph, Origin::default());
    let batch = b.op(Op::Take { axis: 0 }, &[column, rows], Type::new(DType::U8, vec![3, 4, 4]));
    let float = b.cast(batch, DType::F32);
    let scaled = b.scale(float, 1.0 / 255.0);
    graph.output("bytes", RESULT, batch);
    graph.output("scaled", RESULT, scaled);
    let pixels = (0..144u32).map(|i| (i * 37 % 256) as u8).collect();
    let images = Tensor { shape: vec![9, 4, 4], data: Data::U8(pixels) };
    check(&graph, &[("images", images), ("rows", ints(&[3], 9, 5))]);
}

#[test]
fn dynamic_slices_and_updates() {
    let mut graph = Graph::new("dynamic");
    let x = graph.input("x", InputRole::Arg, f32s(&[6, 20]), Origin::default());
    let u = graph.input("u", InputRole::Arg, f32s(&[2, 18]), Origin::default());
    let i = graph.input("i", InputRole::Scalar, i32s(&[]), Origin::default());
    let j = graph.input("j", InputRole::Scalar, i32s(&[]), Origin::default());
    let mut b = Builder::new(&mut graph, Origin::default());
    let part = b.op(Op::DynamicSlice { size: vec![2, 18] }, &[x, i, j], f32s(&[2, 18]));
    let new = b.op(Op::DynamicUpdate, &[x, u, i, j], f32s(&[6, 20]));
    graph.output("part", RESULT, part);
    graph.output("new", RESULT, new);
    let scalars = [("i", Tensor::scalar_i32(3)), ("j", Tensor::scalar_i32(2))];
    check(&graph, &[("x", floats(&[6, 20], 1)), ("u", floats(&[2, 18], 2)), scalars[0].clone(), scalars[1].clone()]);
}

#[test]
fn running_sums() {
    for (axis, reverse) in [(0, false), (1, true), (2, false)] {
        case(&[&[4, 5, 18]], |b, x| {
            let twice = b.add(x[0], x[0]);
            vec![b.op(Op::CumSum { axis, reverse }, &[twice], f32s(&[4, 5, 18]))]
        });
    }
}

#[test]
fn integers_and_random_bits() {
    let mut graph = Graph::new("ints");
    let seed = graph.input("seed", InputRole::Scalar, i32s(&[]), Origin::default());
    let step = graph.input("step", InputRole::Scalar, i32s(&[]), Origin::default());
    let mut b = Builder::new(&mut graph, Origin::default());
    let shape = vec![5, 7];
    let bits = b.op(Op::Philox { key: 77, shape: shape.clone() }, &[seed, step], i32s(&shape));
    let iota = b.op(Op::Iota { shape: shape.clone(), axis: 1, dtype: DType::I32 }, &[], i32s(&shape));
    let three = b.fill(3.0, &i32s(&shape));
    let q = b.binary(Binary::FloorDiv, bits, three);
    let r = b.binary(Binary::Rem, bits, three);
    let shifted = b.binary(Binary::Shr, bits, iota);
    let table: Vec<Literal> = (0..35).map(|i| Literal::Int(i * i)).collect();
    let table = b.op(Op::Table(table, shape.clone()), &[], i32s(&shape));
    let sum = b.add(table, iota);
    let n = b.op(Op::DimValue(5), &[], i32s(&[]));
    for (name, value) in [("bits", bits), ("q", q), ("r", r), ("shifted", shifted), ("sum", sum), ("n", n)] {
        graph.output(name, RESULT, value);
    }
    check(&graph, &[("seed", Tensor::scalar_i32(5)), ("step", Tensor::scalar_i32(9))]);
}

#[test]
fn sorting_with_ties_and_nan() {
    let nan = f32::NAN;
    let rows = vec![3., 1., nan, 1., -2., 0.5, nan, nan, 7., -0., 0., 2., 2., 2., 2., f32::INFINITY, -1., 9.];
    let mut graph = Graph::new("sort");
    let x = graph.input("x", InputRole::Arg, f32s(&[3, 6]), Origin::default());
    for (axis, descending) in [(1, false), (1, true), (0, false), (0, true)] {
        let types = vec![f32s(&[3, 6]), i32s(&[3, 6])];
        let sorted = graph.push(Op::Sort { axis, descending }, vec![x], types, Origin::default());
        graph.output(format!("values{axis}{descending}"), RESULT, sorted[0]);
        graph.output(format!("indices{axis}{descending}"), RESULT, sorted[1]);
    }
    let best = graph.push(Op::TopK { k: 2 }, vec![x], vec![f32s(&[3, 2]), i32s(&[3, 2])], Origin::default());
    graph.output("best", RESULT, best[0]);
    graph.output("which", RESULT, best[1]);
    check(&graph, &[("x", Tensor { shape: vec![3, 6], data: Data::F32(rows) })]);
}

/// The largest of a long axis are found in pieces: elements that repeat, NaN and infinities, within and across pieces.
#[test]
fn the_largest_of_long_axes() {
    let mut random = 1_u32;
    let mut draw = || {
        random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        match random >> 24 {
            0..4 => f32::NAN,
            4..8 => f32::INFINITY,
            8..12 => f32::NEG_INFINITY,
            12..20 => -0.0,
            n => (n % 16) as f32 - 8.0,
        }
    };
    for (length, k) in [(129, 1), (137, 5), (300, 17), (700, 8)] {
        let mut rows: Vec<f32> = (0..3 * length).map(|_| draw()).collect();
        // Fewer numbers than are wanted: NaN takes the other places.
        rows[..length].fill(f32::NAN);
        rows[length - 1] = 1.0;
        rows[length..2 * length].fill(f32::NEG_INFINITY);
        let mut graph = Graph::new("largest");
        let x = graph.input("x", InputRole::Arg, f32s(&[3, length]), Origin::default());
        let whole = graph.input("n", InputRole::Arg, i32s(&[3, length]), Origin::default());
        let types = |values: Type| vec![values, i32s(&[3, k])];
        let best = graph.push(Op::TopK { k }, vec![x], types(f32s(&[3, k])), Origin::default());
        let most = graph.push(Op::TopK { k }, vec![whole], types(i32s(&[3, k])), Origin::default());
        for (name, value) in ["best", "which", "most", "where"].into_iter().zip([best, most].concat()) {
            graph.output(name, RESULT, value);
        }
        let numbers = rows.iter().map(|x| if x.is_nan() { i32::MIN } else { x.clamp(-9.0, 9.0) as i32 }).collect();
        let shape = vec![3, length];
        check(
            &graph,
            &[
                ("x", Tensor { shape: shape.clone(), data: Data::F32(rows) }),
                ("n", Tensor { shape, data: Data::I32(numbers) }),
            ],
        );
    }
}

#[test]
fn what_has_no_kernel_is_an_error() {
    let options = nnc::schedule::Options { target: nnc::lane::Target::AVX512 };
    let mut graph = Graph::new("early");
    let x = graph.input("x", InputRole::Arg, f32s(&[]), Origin::default());
    let slope = graph.push(Op::Grad, vec![x, x], vec![f32s(&[])], Origin::default())[0];
    graph.output("y", RESULT, slope);
    assert_eq!(nnc::schedule::plan(&graph, &options).unwrap_err().code.0, 901);

    let mut graph = Graph::new("wide");
    let x = graph.input("x", InputRole::Arg, Type::new(DType::F64, vec![4]), Origin::default());
    graph.output("y", RESULT, x);
    assert_eq!(nnc::schedule::plan(&graph, &options).unwrap_err().code.0, 900);
}

/// The softmax of a product's rows, under other axes than the product's, with a result of the rows and one of the columns:
/// it takes the place of the product.
fn rows_of_a_large_product(shape: [usize; 3]) {
    let (rows, cols) = (shape[0] * shape[1], shape[2]);
    let program = case(&[&[rows, 3], &[3, cols], &shape], |b, x| {
        let op = Op::Dot { lhs_batch: vec![], rhs_batch: vec![], lhs_contract: vec![1], rhs_contract: vec![0] };
        let logits = b.op(op, &[x[0], x[1]], f32s(&[rows, cols]));
        let logits = b.reshape(logits, &shape);
        let top = b.reduce(Reduce::Max, logits, &[2]);
        let top = b.broadcast(top, &shape, &[0, 1]);
        let away = b.sub(logits, top);
        let e = b.unary(Unary::Exp, away);
        let sum = b.sum(e, &[2]);
        let sum = b.broadcast(sum, &shape, &[0, 1]);
        let weights = b.div(e, sum);
        let product = b.mul(weights, x[2]);
        let left = b.reshape(x[0], &[shape[0], shape[1], 3]);
        let back = Op::Dot { lhs_batch: vec![], rhs_batch: vec![], lhs_contract: vec![0, 1], rhs_contract: vec![0, 1] };
        vec![b.op(back, &[left, weights], f32s(&[3, cols])), b.sum(product, &[2])]
    });
    let (values, result) = (4 * rows * (cols + 16), 4 * 3 * (cols + 16));
    assert!(program.arena_bytes < values + result + 4096, "{}", nnc::schedule::print::BufferTable::from(&program));
}

#[test]
fn large_values_take_the_place_of_what_they_are_made_of() {
    rows_of_a_large_product([3, 3, 32_000]);
}

/// The rows lie apart.
#[test]
fn large_values_take_the_place_of_padded_rows() {
    rows_of_a_large_product([4, 16, 4096]);
}

//! What narrowing leaves of the nets it is meant for, and random stacks of windows.

use crate::ops::{Compare, DType, Op, Type, Unary, Window};
use crate::opt::tests::{inputs, names, optimized, program};
use crate::pass::{REORDERED, run_interpreted};
use crate::passes;
use crate::tensor::build::Builder;
use crate::tensor::data::Tensor;
use crate::tensor::{Graph, Origin, Value};

fn square(k: usize, stride: usize) -> Window {
    Window { size: [k; 2], stride: [stride; 2], dilation: [1; 2], pads: [[0; 2]; 2] }
}

fn conv(b: &mut Builder, x: Value, w: Value, window: &Window) -> Value {
    let mut shape = pooled(&b.shape(x), window);
    shape[3] = b.shape(w)[3];
    b.op(Op::Conv { window: window.clone(), groups: 1 }, &[x, w], Type::new(DType::F32, shape))
}

fn relu(b: &mut Builder, x: Value) -> Value {
    let zero = b.zeros_like(x);
    let negative = b.compare(Compare::Le, x, zero);
    b.select(negative, zero, x)
}

/// The shape of y, of as many channels as x.
fn pooled(x: &[usize], window: &Window) -> Vec<usize> {
    let out = |axis: usize| {
        let reach = (window.size[axis] - 1) * window.dilation[axis] + 1;
        let padded = x[axis + 1] + window.pads[axis][0] + window.pads[axis][1];
        (padded - reach) / window.stride[axis] + 1
    };
    vec![x[0], out(0), out(1), x[3]]
}

fn max_pool(b: &mut Builder, x: Value, window: &Window) -> Value {
    let pooled = pooled(&b.shape(x), window);
    let argmax = Op::WindowArgMax { window: window.clone() };
    let offsets = b.op(argmax, &[x], Type::new(DType::I32, pooled.clone()));
    b.op(Op::WindowGather { window: window.clone() }, &[x, offsets], Type::new(DType::F32, pooled))
}

/// The classic net in small: 28 by 28, conv 3, pool 2, conv 3, pool 2 with gradients. The second pool looks at 10 of 11
/// rows, so 12 of the 13 of the first, so 24 of the 26 of the first convolution.
fn digits() -> Graph {
    program(&[&[2, 28, 28, 1], &[3, 3, 1, 2], &[3, 3, 2, 3], &[2]], |b, args| {
        let first = conv(b, args[0], args[1], &square(3, 1));
        let shape = b.shape(first);
        let bias = b.broadcast(args[3], &shape, &[3]);
        let first = b.add(first, bias);
        let first = relu(b, first);
        let first = max_pool(b, first, &square(2, 2));
        let second = conv(b, first, args[2], &square(3, 1));
        let second = relu(b, second);
        let second = max_pool(b, second, &square(2, 2));
        let squares = b.mul(second, second);
        let loss = b.sum(squares, &[0, 1, 2, 3]);
        let types = args.iter().map(|v| b.ty(*v)).collect();
        let mut out = b.graph.push(Op::Grad, [&[loss], args].concat(), types, Origin::default());
        out.push(loss);
        out
    })
}

#[test]
fn a_pool_that_drops_rows_narrows_the_net() {
    let passes = [passes::GRAD, passes::OPT].concat();
    let graph = optimized(digits(), &passes);
    let sizes = |pick: fn(&Op) -> bool| {
        let insts = graph.insts.iter().filter(move |inst| pick(&inst.op));
        insts.map(|inst| graph.ty(inst.results[0]).shape[1]).collect::<Vec<_>>()
    };
    assert_eq!(sizes(|op| matches!(op, Op::Conv { .. })), [24, 10]);
    assert_eq!(sizes(|op| matches!(op, Op::WindowGather { .. })), [12, 5]);
    assert_eq!(sizes(|op| matches!(op, Op::WindowScatter { .. })), [10, 24]);
    // One to the first pool, one to the image.
    assert_eq!(sizes(|op| matches!(op, Op::ConvInputGrad { .. })), [12, 26]);
    // Only the gradient of the image is padded.
    assert_eq!(sizes(|op| matches!(op, Op::Pad { .. })), [28]);
    assert_eq!(sizes(|op| matches!(op, Op::Slice { .. })), [26]);
}

/// The last of five positions is looked at in no product, neither of the batch's matrices with one nor of its own.
#[test]
fn positions_that_nobody_looks_at_are_not_multiplied() {
    let dot = |batch: &[usize], lhs: &[usize], rhs: &[usize]| Op::Dot {
        lhs_batch: batch.to_vec(),
        rhs_batch: batch.to_vec(),
        lhs_contract: lhs.to_vec(),
        rhs_contract: rhs.to_vec(),
    };
    let graph = program(&[&[2, 5, 3], &[3, 7], &[2, 3, 7]], |b, args| {
        let y = b.op(dot(&[], &[2], &[0]), &[args[0], args[1]], Type::new(DType::F32, vec![2, 5, 7]));
        let z = b.op(dot(&[0], &[2], &[1]), &[args[0], args[2]], Type::new(DType::F32, vec![2, 5, 7]));
        let sum = b.mul(y, z);
        let seen = b.slice(sum, &[0, 0, 0], &[2, 4, 7], &[1; 3]);
        let squares = b.mul(seen, seen);
        let loss = b.sum(squares, &[0, 1, 2]);
        let types = args.iter().map(|v| b.ty(*v)).collect();
        b.graph.push(Op::Grad, [&[loss], args].concat(), types, Origin::default())
    });
    let graph = optimized(graph, &[passes::GRAD, passes::OPT].concat());
    let dots = graph.insts.iter().filter(|inst| matches!(inst.op, Op::Dot { .. }));
    let five = dots.flat_map(|i| i.args.iter().chain(&i.results)).filter(|v| graph.ty(**v).shape.contains(&5));
    assert_eq!(five.count(), 0, "{:?}", names(&graph));
}

/// A strided convolution that skips a row does not slice what another branch needs whole.
#[test]
fn a_skipped_row_costs_nothing() {
    let graph = program(&[&[1, 6, 6, 1], &[1, 1, 1, 1], &[3, 3, 1, 1]], |b, args| {
        let x = b.unary(Unary::Tanh, args[0]);
        let down = conv(b, x, args[1], &square(1, 2));
        let padded = Window { pads: [[1, 1], [1, 1]], ..square(3, 2) };
        let other = conv(b, x, args[2], &padded);
        let sum = b.add(down, other);
        let y = b.mul(sum, sum);
        let loss = b.sum(y, &[0, 1, 2, 3]);
        let types = args.iter().map(|v| b.ty(*v)).collect();
        b.graph.push(Op::Grad, [&[loss], args].concat(), types, Origin::default())
    });
    let graph = optimized(graph, &[passes::GRAD, passes::OPT].concat());
    let moved = names(&graph).into_iter().filter(|n| n == "Pad" || n == "Slice").count();
    assert_eq!(moved, 0, "{:?}", names(&graph));
}

/// A small generator of numbers below `n`.
struct Draw(u64);

impl Draw {
    fn below(&mut self, n: usize) -> usize {
        self.0 = self.0.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (self.0 >> 33) as usize % n
    }

    fn window(&mut self) -> Window {
        let size = [1 + self.below(3), 1 + self.below(3)];
        let dilation = [1 + self.below(2), 1 + self.below(2)];
        let pads = [0, 1].map(|axis| [0, 1].map(|_| self.below((size[axis] - 1) * dilation[axis] + 1)));
        Window { size, stride: [1 + self.below(3), 1 + self.below(3)], dilation, pads }
    }
}

/// A few random layers: convolutions, poolings, maps, slices and sums of two branches.
fn random_layers(draw: &mut Draw, b: &mut Builder, x: Value, w: Value) -> Value {
    let mut y = x;
    for _ in 0..4 {
        let window = Window { size: [2, 3], ..draw.window() };
        let window = Window { pads: window.pads.map(|p| p.map(|n| n.min(1))), ..window };
        let shape = b.shape(y);
        if shape[1] < 5 || shape[2] < 5 {
            break;
        }
        y = match draw.below(5) {
            0 => conv(b, y, w, &window),
            1 => max_pool(b, y, &window),
            2 => {
                let ty = Type::new(DType::F32, pooled(&shape, &window));
                b.op(Op::WindowSum { window }, &[y], ty)
            }
            3 => {
                let cut = [shape[0], shape[1] - 1, shape[2] - 2, shape[3]];
                let start = [0, draw.below(2), draw.below(2), 0];
                b.slice(y, &start, &cut, &[1; 4])
            }
            _ => {
                let turned = b.unary(Unary::Cos, y);
                b.mul(turned, y)
            }
        };
    }
    y
}

/// First and second gradients of random stacks of windows stay the same around every pass.
#[test]
fn random_stacks_of_windows() {
    for seed in 0..40 {
        let mut draw = Draw(seed);
        let x = [1, 7 + draw.below(5), 7 + draw.below(5), 2];
        let draw = std::cell::RefCell::new(draw);
        let graph = program(&[&x, &[2, 3, 2, 2]], |b, args| {
            let y = random_layers(&mut draw.borrow_mut(), b, args[0], args[1]);
            let all = [0, 1, 2, 3];
            let squares = b.mul(y, y);
            let loss = b.sum(squares, &all);
            let types: Vec<Type> = args.iter().map(|v| b.ty(*v)).collect();
            let grad = |b: &mut Builder, loss| {
                b.graph.push(Op::Grad, [&[loss], args].concat(), types.clone(), Origin::default())
            };
            let first = grad(b, loss);
            let squares = b.mul(first[0], first[0]);
            let penalty = b.sum(squares, &all);
            [first, grad(b, penalty)].concat()
        });
        let inputs = inputs(&graph);
        let inputs: Vec<(&str, Tensor)> = inputs.iter().map(|(n, t)| (n.as_str(), t.clone())).collect();
        let passes = [passes::GRAD, passes::OPT].concat();
        run_interpreted(graph, &passes, &inputs, REORDERED).unwrap_or_else(|e| panic!("seed {seed}: {e}"));
    }
}

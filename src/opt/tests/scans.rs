//! Loops: what they drop, what moves before and behind them, and that the outputs stay the same.

use super::{matmul, names, noise, optimized, program};
use crate::ops::{Compare, DType, Op, Pad, Reduce, Type, Unary, Window};
use crate::pass::{REORDERED, run_interpreted};
use crate::passes::{self, GRAD, OPT};
use crate::tensor::build::{Builder, Loop, ScanArgs};
use crate::tensor::data::{Data, Tensor};
use crate::tensor::{Graph, InputRole, Inst, Origin, OutputRole, Value};

/// The loops of a graph, those inside of others included.
pub fn loops(graph: &Graph) -> Vec<&Inst> {
    let here = |inst: &&Inst| matches!(inst.op, Op::Scan { .. });
    graph.insts.iter().filter(here).flat_map(|inst| [vec![inst], loops(&inst.regions[0])].concat()).collect()
}

/// How many operations of a kind stand in the bodies of all loops.
pub fn inside(graph: &Graph, wanted: impl Fn(&Op) -> bool + Copy) -> usize {
    loops(graph).iter().flat_map(|inst| &inst.regions[0].insts).filter(|inst| wanted(&inst.op)).count()
}

pub fn outside(graph: &Graph, wanted: impl Fn(&Op) -> bool) -> usize {
    graph.insts.iter().filter(|inst| wanted(&inst.op)).count()
}

pub fn is_dot(op: &Op) -> bool {
    matches!(op, Op::Dot { .. })
}

/// `(constants, carries, xs, ys)` of the only loop.
pub fn ports(graph: &Graph) -> [usize; 4] {
    let [inst] = loops(graph)[..] else { panic!("one loop, found {graph}") };
    let Op::Scan { carries, xs, .. } = inst.op else { unreachable!("a loop") };
    [inst.args.len() - carries - xs, carries, xs, inst.results.len() - carries]
}

fn scanned(
    b: &mut Builder,
    x: &[Value],
    body: impl Fn(&mut Builder, &[Value], Value) -> [Vec<Value>; 2],
) -> Vec<Value> {
    let length = b.shape(x[x.len() - 1])[0];
    let (inits, xs) = x.split_at(x.len() - 1);
    let args = ScanArgs { consts: &[], inits, xs };
    b.scan(Loop::over(length), args, |b, step| body(b, &step.carries, step.slices[0]))
}

#[test]
fn what_nobody_needs_leaves_a_loop() {
    let graph = program(&[&[3], &[3], &[3], &[5, 3]], |b, x| {
        let results = scanned(b, x, |b, h, x| {
            // h0 is needed for itself, h1 for h0, h2 by nobody but itself.
            let (next, exp) = (b.mul(h[0], h[1]), b.unary(Unary::Exp, x));
            let (second, third) = (b.add(h[1], x), b.mul(h[2], exp));
            [vec![next, second, third], vec![exp, next]]
        });
        vec![results[4]]
    });
    let graph = optimized(graph, OPT);
    assert_eq!(ports(&graph), [0, 2, 1, 1]);
    assert_eq!(inside(&graph, |op| matches!(op, Op::Unary(_))), 0);
}

#[test]
fn a_loop_without_readers_goes() {
    let graph = program(&[&[3], &[5, 3]], |b, x| {
        scanned(b, x, |b, h, x| [vec![b.mul(h[0], x)], vec![]]);
        vec![x[0]]
    });
    assert_eq!(names(&optimized(graph, OPT)), [""; 0]);
}

#[test]
fn loops_of_no_and_one_step_go() {
    let double = |length: usize| {
        program(&[&[3]], |b, x| {
            let args = ScanArgs { inits: x, ..ScanArgs::default() };
            b.scan(Loop::over(length), args, |b, step| [vec![b.add(step.carries[0], step.carries[0])], vec![]])
        })
    };
    assert_eq!(names(&optimized(double(0), OPT)), [""; 0]);
    assert_eq!(names(&optimized(double(1), OPT)), ["Add"]);
    assert_eq!(names(&optimized(double(2), OPT)), ["Scan"]);
    let single = program(&[&[3], &[1, 3]], |b, x| {
        scanned(b, x, |b, h, x| {
            let next = b.mul(h[0], x);
            [vec![next], vec![next]]
        })
    });
    assert_eq!(loops(&optimized(single, OPT)).len(), 0);
}

/// A carry that never changes, xs that repeat a row, known constants, and ys that are known outside.
#[test]
fn what_is_the_same_in_each_step() {
    let graph = program(&[&[3], &[3], &[3], &[5, 3]], |b, x| {
        let (row, two) = (b.broadcast(x[2], &[5, 3], &[1]), b.fill(2.0, &Type::new(DType::F32, vec![3])));
        let args = ScanArgs { consts: &[two, x[1]], inits: &x[..2], xs: &[row, x[3], x[3]] };
        b.scan(Loop::over(5), args, |b, step| {
            let (h, s) = (step.carries[0], &step.slices);
            let sum = b.add(h, step.carries[1]);
            let product = b.mul(sum, step.consts[0]);
            let product = b.mul(product, s[0]);
            let product = b.mul(product, s[1]);
            let next = b.add(product, s[2]);
            let cast = b.cast(step.position, DType::F32);
            let moved = b.broadcast(cast, &[3], &[]);
            let next = b.mul(next, moved);
            [vec![next, step.carries[1]], vec![s[1], step.consts[1], step.consts[0], step.position, next, next]]
        })
    });
    let graph = optimized(graph, OPT);
    // The second carry and the repeated row are constants; x stays, and of the ys one.
    assert_eq!(ports(&graph), [2, 1, 1, 1]);
}

#[test]
fn equal_expressions_and_composites_in_bodies() {
    let graph = program(&[&[3], &[5, 3]], |b, x| {
        scanned(b, x, |b, h, x| {
            let (left, right) = (b.mul(h[0], x), b.mul(x, h[0]));
            let one = b.scale(left, 1.0);
            [vec![b.sub(one, right)], vec![]]
        })
    });
    assert_eq!(inside(&optimized(graph, OPT), |op| matches!(op, Op::Binary(_))), 2);
}

#[test]
fn products_of_slices_move_before_the_loop() {
    let graph = program(&[&[3, 4], &[2, 4], &[5, 2, 3]], |b, x| {
        let args = ScanArgs { consts: &x[..1], inits: &x[1..2], xs: &x[2..] };
        b.scan(Loop::over(5), args, |b, step| {
            let curved = b.unary(Unary::Sin, step.slices[0]);
            let product = matmul(b, curved, step.consts[0], 4);
            let sum = b.add(product, step.carries[0]);
            [vec![b.unary(Unary::Tanh, sum)], vec![]]
        })
    });
    let graph = optimized(graph, OPT);
    assert_eq!((inside(&graph, is_dot), outside(&graph, is_dot)), (0, 1));
    assert_eq!(ports(&graph), [0, 1, 1, 0]);
}

/// The weights' square is computed once, and so is a loop that depends on it; where the steps end on a condition, what
/// depends on xs stays.
#[test]
fn what_depends_on_constants_moves() {
    let body = |while_carry: bool| {
        program(&[&[4, 4], &[2, 4], &[5, 2, 4]], |b, x| {
            let yes = b.scalar(1.0, DType::Bool);
            let args = ScanArgs { consts: &x[..1], inits: &[yes, x[1]], xs: &x[2..] };
            b.scan(Loop { while_carry, ..Loop::over(5) }, args, |b, step| {
                let square = matmul(b, step.consts[0], step.consts[0], 4);
                let from_x = matmul(b, step.slices[0], square, 4);
                let from_h = matmul(b, step.carries[1], square, 4);
                let sum = b.add(from_x, from_h);
                let total = b.sum(sum, &[0, 1]);
                let limit = b.scalar(100.0, DType::F32);
                let go = b.compare(Compare::Lt, total, limit);
                [vec![go, b.unary(Unary::Tanh, sum)], vec![]]
            })
        })
    };
    let graph = optimized(body(false), OPT);
    assert_eq!((inside(&graph, is_dot), outside(&graph, is_dot)), (1, 2));
    let graph = optimized(body(true), OPT);
    assert_eq!((inside(&graph, is_dot), outside(&graph, is_dot)), (2, 1));
}

/// Σ aᵀb, a bias, and a term that must stay: the sum is split.
#[test]
fn sums_move_behind_the_loop() {
    let graph = program(&[&[3, 4], &[4], &[4], &[2, 4], &[5, 2, 3], &[5, 2, 4]], |b, x| {
        let args = ScanArgs { consts: &[], inits: &x[..4], xs: &x[4..] };
        b.scan(Loop::over(5), args, |b, step| {
            let [weight, bias, mixed, h] = step.carries[..] else { unreachable!("four carries") };
            let [left, right] = step.slices[..] else { unreachable!("two slices") };
            let h = b.mul(h, right);
            let h = b.unary(Unary::Sin, h);
            let op = Op::Dot { lhs_batch: vec![], rhs_batch: vec![], lhs_contract: vec![0], rhs_contract: vec![0] };
            let product = b.op(op, &[left, h], Type::new(DType::F32, vec![3, 4]));
            let (row, product) = (b.sum(right, &[0]), b.scale(product, 2.0));
            let largest = b.reduce(Reduce::Max, h, &[0]);
            let (weight, bias) = (b.sub(weight, product), b.add(row, bias));
            let (mixed, row) = (b.add(mixed, largest), b.neg(row));
            [vec![weight, bias, b.add(mixed, row), h], vec![]]
        })
    });
    let graph = optimized(graph, OPT);
    assert_eq!((inside(&graph, is_dot), outside(&graph, is_dot)), (0, 1));
    assert_eq!(inside(&graph, |op| matches!(op, Op::Reduce { op: Reduce::Sum, .. })), 0);
    // What remains: the sum of the largest, and h.
    assert_eq!(ports(&graph), [0, 2, 1, 1]);
}

/// A running sum that is also read, or one that is scaled in each step, is no sum to move.
#[test]
fn other_carries_stay() {
    let graph = program(&[&[3], &[3], &[5, 3]], |b, x| {
        scanned(b, x, |b, h, x| {
            let (running, scaled) = (b.add(h[0], x), b.scale(h[1], 0.5));
            [vec![running, b.add(scaled, x)], vec![running]]
        })
    });
    assert_eq!(ports(&optimized(graph, OPT)), [0, 2, 1, 1]);
}

/// The rows of a table that steps add to.
#[test]
fn scatters_and_convolutions_are_summed_outside() {
    let mut graph = program(&[&[7, 3], &[5, 2, 3]], |_, _| vec![]);
    let ids = graph.input("ids", InputRole::Arg, Type::new(DType::I32, vec![5, 2]), Origin::default());
    let (table, updates) = (graph.inputs[0].0, graph.inputs[1].0);
    let mut b = Builder::new(&mut graph, Origin::default());
    let args = ScanArgs { consts: &[], inits: &[table], xs: &[updates, ids] };
    let results = b.scan(Loop::over(5), args, |b, step| {
        let op = Op::ScatterAdd { axis: 0, size: 7 };
        let rows = b.op(op, &step.slices, Type::new(DType::F32, vec![7, 3]));
        [vec![b.add(step.carries[0], rows)], vec![]]
    });
    graph.output("table", OutputRole::Result, results[0]);
    let ids = Tensor::new(vec![5, 2], Data::I32(vec![0, 6, 3, 3, 1, 0, 2, 6, 5, 4])).unwrap();
    let inputs = [("a0", noise(&[7, 3], 1)), ("a1", noise(&[5, 2, 3], 2)), ("ids", ids)];
    let graph = run_interpreted(graph, OPT, &inputs, REORDERED).unwrap();
    assert_eq!(loops(&graph).len(), 0);

    let window = Window { size: [2, 2], stride: [1, 1], dilation: [1, 1], pads: [[0, 0], [0, 0]] };
    let images = program(&[&[2, 2, 1, 2], &[5, 2, 4, 4, 1], &[5, 2, 3, 3, 2]], |b, x| {
        let args = ScanArgs { consts: &[], inits: &x[..1], xs: &x[1..] };
        b.scan(Loop::over(5), args, |b, step| {
            let op = Op::ConvWeightGrad { window: window.clone(), groups: 1 };
            let term = b.op(op, &step.slices, Type::new(DType::F32, vec![2, 2, 1, 2]));
            [vec![b.add(step.carries[0], term)], vec![]]
        })
    });
    assert_eq!(loops(&optimized(images, OPT)).len(), 0);
}

/// The projection of the state is one product behind the loop, where only ys read it.
#[test]
fn products_for_ys_move_behind_the_loop() {
    let graph = program(&[&[4, 7], &[2, 4], &[5, 2, 4]], |b, x| {
        let args = ScanArgs { consts: &x[..1], inits: &x[1..2], xs: &x[2..] };
        b.scan(Loop::over(5), args, |b, step| {
            let sum = b.add(step.carries[0], step.slices[0]);
            let h = b.unary(Unary::Tanh, sum);
            let product = matmul(b, h, step.consts[0], 7);
            [vec![h], vec![b.unary(Unary::Tanh, product)]]
        })
    });
    let graph = optimized(graph, OPT);
    assert_eq!((inside(&graph, is_dot), outside(&graph, is_dot)), (0, 1));
    assert_eq!(ports(&graph), [0, 1, 1, 1]);
}

/// Every operation that can be taken over all steps, on slices and constants, before and behind the loop.
#[test]
fn all_steps_at_once() {
    type Make = fn(&mut Builder, Value, Value) -> Value;
    let batch = |lhs_batch: &[usize], rhs_batch: &[usize], contract: [usize; 2]| Op::Dot {
        lhs_batch: lhs_batch.to_vec(),
        rhs_batch: rhs_batch.to_vec(),
        lhs_contract: vec![contract[0]],
        rhs_contract: vec![contract[1]],
    };
    let products = [
        (batch(&[], &[], [2, 0]), [2, 3, 3, 4]),
        (batch(&[0], &[2], [2, 1]), [2, 3, 3, 1]),
        (batch(&[1], &[0], [0, 2]), [3, 4, 4, 1]),
    ];
    let makes: [Make; 8] = [
        |b, x, _| b.transpose(x, &[2, 0, 1]),
        |b, x, y| b.op(Op::Concat { axis: 1 }, &[x, y], Type::new(DType::F32, vec![2, 6, 4])),
        |b, x, _| b.op(Op::CumSum { axis: 1, reverse: true }, &[x], Type::new(DType::F32, vec![2, 3, 4])),
        |b, x, _| b.op(Op::Reverse { axes: vec![0, 2] }, &[x], Type::new(DType::F32, vec![2, 3, 4])),
        |b, x, _| b.slice(x, &[0, 1, 0], &[2, 2, 2], &[1, 1, 2]),
        |b, x, y| b.sub(x, y),
        |b, x, _| {
            let sum = b.sum(x, &[1]);
            b.broadcast(sum, &[2, 3, 4], &[0, 2])
        },
        |b, x, _| {
            let zero = b.scalar(0.0, DType::F32);
            let pads = [0, 1, 2].map(|n| Pad { low: n, high: 0, interior: 0 }).to_vec();
            b.pad(x, zero, pads)
        },
    ];
    for (n, make) in makes.into_iter().enumerate() {
        for sides in [[0, 1], [1, 0]] {
            let graph = program(&[&[2, 3, 4], &[5, 2, 3, 4]], |b, a| {
                let args = ScanArgs { consts: &a[..1], inits: &[], xs: &a[1..] };
                b.scan(Loop::over(5), args, |b, step| {
                    let both = [step.slices[0], step.consts[0]];
                    let made = make(b, both[sides[0]], both[sides[1]]);
                    let rank = b.shape(made).len();
                    let last = b.shape(made)[rank - 1];
                    let rows = b.ty(made).elements() / last;
                    let flat = b.reshape(made, &[rows, last]);
                    let ones = b.fill(1.5, &Type::new(DType::F32, vec![last, 2]));
                    [vec![], vec![matmul(b, flat, ones, 2)]]
                })
            });
            assert_eq!(inside(&optimized(graph, OPT), is_dot), 0, "{n}");
        }
    }
    for (op, _) in products {
        for (left, right) in [(true, false), (false, true), (true, true)] {
            check_product(&op, left, right);
        }
    }
}

/// A dot of 2 by 3 by 4 tensors with steps on these sides.
fn check_product(op: &Op, left: bool, right: bool) {
    let Op::Dot { lhs_batch, rhs_batch, lhs_contract, rhs_contract } = op else { unreachable!("a dot") };
    let mut sizes = [vec![2, 3, 4], vec![3, 5, 2]];
    for (l, r) in lhs_batch.iter().chain(lhs_contract).zip(rhs_batch.iter().chain(rhs_contract)) {
        sizes[1][*r] = sizes[0][*l];
    }
    let stacked = |shape: &[usize], steps: bool| if steps { [&[5], shape].concat() } else { shape.to_vec() };
    let shapes = [stacked(&sizes[0], left), stacked(&sizes[1], right)];
    let graph = program(&[&shapes[0], &shapes[1]], |b, a| {
        let pick = |steps: bool| -> Vec<Value> {
            [(a[0], left), (a[1], right)].into_iter().filter(|p| p.1 == steps).map(|p| p.0).collect()
        };
        let args = ScanArgs { consts: &pick(false), inits: &[], xs: &pick(true) };
        b.scan(Loop::over(5), args, |b, step| {
            let (mut consts, mut slices) = (step.consts.iter(), step.slices.iter());
            let mut next = |steps: bool| *if steps { slices.next() } else { consts.next() }.expect("an argument");
            let operands = [next(left), next(right)];
            [vec![], b.graph.apply(op.clone(), &operands, Origin::default()).expect("a dot")]
        })
    });
    let graph = optimized(graph, OPT);
    assert_eq!(loops(&graph).len(), 0, "{graph}");
}

/// Long short-term memory of two layers in one loop over the embedded words of a table, with a projection.
fn language_model(how: Loop) -> Graph {
    let t = how.length;
    let shapes: [&[usize]; 8] = [&[9, 3], &[3, 16], &[4, 16], &[16], &[4, 16], &[4, 16], &[16], &[4, 9]];
    let mut graph = program(&shapes, |_, _| vec![]);
    let ids = graph.input("ids", InputRole::Arg, Type::new(DType::I32, vec![t, 2]), Origin::default());
    let weights: Vec<Value> = graph.inputs.iter().take(8).map(|(v, _)| *v).collect();
    let mut b = Builder::new(&mut graph, Origin::default());
    let zero = b.fill(0.0, &Type::new(DType::F32, vec![2, 4]));
    let args = ScanArgs { consts: &weights, inits: &[zero; 4], xs: &[ids] };
    let results = b.scan(how, args, |b, step| {
        let w = &step.consts;
        let row = b.op(Op::Take { axis: 0 }, &[w[0], step.slices[0]], Type::new(DType::F32, vec![2, 3]));
        let [h0, c0] = lstm(b, row, &w[1..4], &step.carries[..2]);
        let [h1, c1] = lstm(b, h0, &w[4..7], &step.carries[2..]);
        let logits = matmul(b, h1, w[7], 9);
        [vec![h0, c0, h1, c1], vec![logits]]
    });
    let square = b.mul(results[4], results[4]);
    let loss = b.sum(square, &[0, 1, 2]);
    let types = weights.iter().map(|v| b.ty(*v)).collect();
    let args = [&[loss], &weights[..]].concat();
    let gradients = b.graph.push(Op::Grad, args, types, Origin::default());
    gradients.into_iter().for_each(|g| graph.output("gradient", OutputRole::Result, g));
    graph
}

fn lstm(b: &mut Builder, x: Value, weights: &[Value], state: &[Value]) -> [Value; 2] {
    let (from_x, from_h) = (matmul(b, x, weights[0], 16), matmul(b, state[0], weights[1], 16));
    let sum = b.add(from_x, from_h);
    let bias = b.broadcast(weights[2], &[2, 16], &[1]);
    let sum = b.add(sum, bias);
    let mut gate = |n: usize, op: Unary| {
        let part = b.slice(sum, &[0, 4 * n], &[2, 4], &[1, 1]);
        b.unary(op, part)
    };
    let (i, f, g, o) = (gate(0, Unary::Tanh), gate(1, Unary::Tanh), gate(2, Unary::Tanh), gate(3, Unary::Tanh));
    let (kept, added) = (b.mul(f, state[1]), b.mul(i, g));
    let c = b.add(kept, added);
    let shown = b.unary(Unary::Tanh, c);
    [b.mul(o, shown), c]
}

/// The net's gradients after all passes; the outputs stay the same around each that follows differentiation.
pub fn gradients_of_language_model(how: Loop) -> Graph {
    let ids = Tensor::new(vec![6, 2], Data::I32((0..12).map(|i| i * 5 % 9).collect())).unwrap();
    let shapes: [&[usize]; 8] = [&[9, 3], &[3, 16], &[4, 16], &[16], &[4, 16], &[4, 16], &[16], &[4, 9]];
    let inputs: Vec<(String, Tensor)> =
        shapes.iter().enumerate().map(|(n, shape)| (format!("a{n}"), noise(shape, n))).collect();
    let mut inputs: Vec<(&str, Tensor)> = inputs.iter().map(|(n, t)| (n.as_str(), t.clone())).collect();
    inputs.push(("ids", ids));
    let graph = passes::run(language_model(how), GRAD).unwrap();
    run_interpreted(graph, OPT, &inputs, REORDERED).unwrap()
}

/// No weight gradient is accumulated step by step: only what depends on the step before is left in the loops.
#[test]
fn a_recurrent_net_accumulates_nothing() {
    let graph = gradients_of_language_model(Loop::over(6));
    // Forward: h0 by its weights, h0 by the next layer's, h1 by its weights; backward: as many adjoints of states.
    assert_eq!(loops(&graph).len(), 2, "{graph}");
    assert_eq!(inside(&graph, is_dot), 6, "{graph}");
    // Rows of the table by the first weights, the logits, both of them backward, and five weight gradients.
    assert_eq!(outside(&graph, is_dot), 2 + 2 + 5, "{graph}");
    assert_eq!(inside(&graph, |op| matches!(op, Op::Reduce { .. } | Op::ScatterAdd { .. } | Op::Take { .. })), 0);
    // Backwards only the adjoints of the four states are carried.
    assert!(loops(&graph).iter().all(|inst| matches!(inst.op, Op::Scan { carries: 4, .. })), "{graph}");
}

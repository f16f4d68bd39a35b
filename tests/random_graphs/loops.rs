//! Random loops: a body of a few operations over states of shape [2, 3], with sums beside them.

use nnc::ops::{Binary, Compare, DType, Op, Type, Unary};
use nnc::tensor::Value;
use nnc::tensor::build::{Builder, Loop, ScanArgs, Step};

/// A number below the given one.
pub type Below<'a> = dyn FnMut(usize) -> usize + 'a;

/// Types of the arguments of a loop of `length` steps: weights, a state, two xs, a mask, rows of the weights.
pub fn types(length: usize) -> [Type; 6] {
    let stacked = |dtype, shape: &[usize]| Type::new(dtype, [&[length], shape].concat());
    [
        Type::new(DType::F32, vec![3, 3]),
        Type::new(DType::F32, vec![2, 3]),
        stacked(DType::F32, &[2, 3]),
        stacked(DType::F32, &[2, 3]),
        stacked(DType::Bool, &[2, 3]),
        stacked(DType::I32, &[2]),
    ]
}

/// Appends a loop over arguments of these types; gives its results.
pub fn random_loop(below: &mut Below, b: &mut Builder, args: &[Value; 6]) -> Vec<Value> {
    let [weights, state, x, other, mask, rows] = *args;
    let zero = b.fill(0.0, &Type::new(DType::F32, vec![3, 3]));
    let count = b.scalar(0.0, DType::I32);
    let total = b.scalar(0.0, DType::F32);
    let how = Loop {
        reverse: below(2) == 0,
        checkpoint: [None, None, Some(1), Some(2)][below(4)],
        ..Loop::over(b.shape(x)[0])
    };
    let args =
        ScanArgs { consts: &[weights, state], inits: &[state, state, zero, total, count], xs: &[x, other, mask, rows] };
    b.scan(how, args, |b, step| body(below, b, step))
}

fn body(below: &mut Below, b: &mut Builder, step: &Step) -> [Vec<Value>; 2] {
    let mut states = vec![step.carries[0], step.carries[1], step.slices[0], step.slices[1], step.consts[1]];
    for _ in 0..4 + below(5) {
        let made = operation(below, b, step, &states);
        states.push(made);
    }
    let mut pick = || states[below(states.len())];
    let [first, second, left, right, summed, y, z] = [(); 7].map(|()| pick());
    let last = states[states.len() - 1];
    let (first, second) = (b.add(first, last), b.mul(second, last));
    let product = dot(b, left, right, [0, 0], [3, 3]);
    let sum = b.sum(summed, &[0, 1]);
    let one = b.scalar(1.0, DType::I32);
    let next = vec![
        b.unary(Unary::Tanh, first),
        b.unary(Unary::Sin, second),
        b.add(step.carries[2], product),
        b.add(step.carries[3], sum),
        b.add(step.carries[4], one),
    ];
    [next, vec![y, z]]
}

/// Appends something of shape [2, 3] made of such values.
fn operation(below: &mut Below, b: &mut Builder, step: &Step, states: &[Value]) -> Value {
    let [x, y] = [(); 2].map(|()| states[below(states.len())]);
    match below(14) {
        0 => b.add(x, y),
        1 => b.mul(x, y),
        2 => b.sub(x, y),
        3 => b.unary(Unary::Tanh, x),
        4 | 5 => dot(b, x, step.consts[0], [1, 0], [2, 3]),
        6 => {
            let square = dot(b, step.consts[0], step.consts[0], [1, 0], [3, 3]);
            dot(b, x, square, [1, 0], [2, 3])
        }
        7 => {
            let sum = b.sum(x, &[1]);
            let sum = b.scale(sum, 0.3);
            b.broadcast(sum, &[2, 3], &[0])
        }
        8 => b.select(step.slices[2], x, y),
        9 => counted(b, step, x),
        10 => b.op(Op::Take { axis: 0 }, &[step.consts[0], step.slices[3]], Type::new(DType::F32, vec![2, 3])),
        11 => rows(b, x, y, below(2) == 0),
        12 => b.binary(Binary::Max, x, y),
        _ => {
            let op = Op::CumSum { axis: below(2), reverse: below(2) == 0 };
            b.op(op, &[x], Type::new(DType::F32, vec![2, 3]))
        }
    }
}

fn dot(b: &mut Builder, lhs: Value, rhs: Value, contract: [usize; 2], shape: [usize; 2]) -> Value {
    let op = Op::Dot {
        lhs_batch: vec![],
        rhs_batch: vec![],
        lhs_contract: vec![contract[0]],
        rhs_contract: vec![contract[1]],
    };
    b.op(op, &[lhs, rhs], Type::new(DType::F32, shape.to_vec()))
}

/// x, or x times a factor that depends on the position and the number of steps so far.
fn counted(b: &mut Builder, step: &Step, x: Value) -> Value {
    let early = b.compare(Compare::Lt, step.position, step.carries[4]);
    let both = b.add(step.position, step.carries[4]);
    let factor = b.cast(both, DType::F32);
    let factor = b.scale(factor, 0.2);
    let factor = b.broadcast(factor, &[2, 3], &[]);
    let scaled = b.mul(x, factor);
    let early = b.broadcast(early, &[2, 3], &[]);
    b.select(early, x, scaled)
}

/// An inner loop over the rows of x, which starts from the sum of y.
fn rows(b: &mut Builder, x: Value, y: Value, reverse: bool) -> Value {
    let init = b.sum(y, &[0]);
    let args = ScanArgs { consts: &[init], inits: &[init], xs: &[x] };
    let results = b.scan(Loop { reverse, ..Loop::over(2) }, args, |b, step| {
        let product = b.mul(step.carries[0], step.consts[0]);
        let sum = b.add(product, step.slices[0]);
        let next = b.unary(Unary::Tanh, sum);
        [vec![next], vec![next]]
    });
    results[1]
}

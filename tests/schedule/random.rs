//! Random graphs of a dozen operations over odd sizes, with an update in place; fusion must not change what they give.

use crate::machine::{RESULT, check, f32s, floats, i32s};
use nnc::ops::{Binary, Compare, DType, Literal, Op, Pad, Reduce, Unary, Window};
use nnc::tensor::build::Builder;
use nnc::tensor::data::Tensor;
use nnc::tensor::{Graph, InputRole, Origin, OutputRole, Value};

/// SplitMix64.
struct Random(u64);

impl Random {
    fn below(&mut self, n: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) % n as u64) as usize
    }

    fn pick<T: Clone>(&mut self, from: &[T]) -> T {
        from[self.below(from.len())].clone()
    }

    fn axes(&mut self, rank: usize) -> Vec<usize> {
        (0..rank).filter(|_| self.below(2) == 0).collect()
    }
}

const SIZES: [usize; 9] = [1, 2, 3, 5, 7, 16, 17, 33, 65];
const LARGEST: usize = 6000;

fn shape(r: &mut Random) -> Vec<usize> {
    loop {
        let shape: Vec<usize> = (0..r.below(4)).map(|_| r.pick(&SIZES)).collect();
        if shape.iter().product::<usize>() <= LARGEST {
            return shape;
        }
    }
}

fn grow(r: &mut Random, b: &mut Builder, pool: &[Value]) -> Option<Value> {
    let x = r.pick(pool);
    let shape = b.shape(x);
    let rank = shape.len();
    let like: Vec<Value> = pool.iter().copied().filter(|v| b.shape(*v) == shape).collect();
    Some(match r.below(17) {
        0 => b.unary(r.pick(&[Unary::Neg, Unary::Abs, Unary::Tanh]), x),
        1..=3 => {
            let op = r.pick(&[Binary::Add, Binary::Sub, Binary::Mul, Binary::Max, Binary::Min]);
            b.binary(op, x, r.pick(&like))
        }
        4 | 5 => {
            let axes = r.axes(rank);
            let op = r.pick(&[Reduce::Sum, Reduce::Max, Reduce::Min]);
            let count: usize = axes.iter().map(|a| shape[*a]).product();
            let y = b.reduce(op, x, &axes);
            if op == Reduce::Sum { b.scale(y, 1.0 / count as f64) } else { y }
        }
        6 | 7 => stretch(r, b, x)?,
        8 => {
            let mut perm: Vec<usize> = (0..rank).collect();
            (1..rank).for_each(|i| perm.swap(i, r.below(i + 1)));
            b.transpose(x, &perm)
        }
        9 => {
            let all = shape.iter().product::<usize>();
            let to = r.pick(&[1, 2, 3, 5]);
            if !all.is_multiple_of(to) {
                return None;
            };
            b.reshape(x, &[to, all / to])
        }
        10 => {
            let start: Vec<usize> = shape.iter().map(|n| r.below(*n)).collect();
            let stride: Vec<usize> = shape.iter().map(|_| 1 + r.below(2)).collect();
            let fits =
                shape.iter().zip(&start).zip(&stride).map(|((n, s), t)| (n - s).div_ceil(*t)).collect::<Vec<_>>();
            b.slice(x, &start, &fits, &stride)
        }
        11 => {
            let pads = shape.iter().map(|_| Pad { low: r.below(2) as i64, high: 1, interior: r.below(2) }).collect();
            let fill = b.scalar(0.25, DType::F32);
            b.pad(x, fill, pads)
        }
        12 if rank > 0 => {
            let axis = r.below(rank);
            let mut joined = shape.clone();
            joined[axis] *= 2;
            b.op(Op::Concat { axis }, &[x, r.pick(&like)], f32s(&joined))
        }
        13 => b.op(Op::Reverse { axes: r.axes(rank) }, &[x], f32s(&shape)),
        14 if rank == 2 => {
            let (op, n) = if r.below(2) == 0 { ((1, 1), shape[0]) } else { ((0, 0), shape[1]) };
            let (lhs_contract, rhs_contract) = (vec![op.0], vec![op.1]);
            let dot = Op::Dot { lhs_batch: vec![], rhs_batch: vec![], lhs_contract, rhs_contract };
            let y = b.op(dot, &[x, r.pick(&like)], f32s(&[n, n]));
            b.scale(y, 1.0 / 64.0)
        }
        15 if rank > 0 => {
            let axis = r.below(rank);
            let picks = 1 + r.below(4);
            let table = (0..picks).map(|_| Literal::Int(r.below(shape[axis]) as i64)).collect();
            let indices = b.op(Op::Table(table, vec![picks]), &[], i32s(&[picks]));
            let mut taken = shape.clone();
            taken[axis] = picks;
            b.op(Op::Take { axis }, &[x, indices], f32s(&taken))
        }
        16 if rank == 3 => {
            let image = b.reshape(x, &[&[1], shape.as_slice()].concat());
            let window = Window { size: [2, 2], stride: [1, 2], dilation: [1, 1], pads: [[0, 1], [1, 1]] };
            let y = [1, shape[0], shape[1] / 2 + 1, shape[2]];
            b.op(Op::WindowSum { window }, &[image], f32s(&y))
        }
        _ => {
            let index = b.op(Op::Iota { shape: vec![7], axis: 0, dtype: DType::F32 }, &[], f32s(&[7]));
            let index = b.scale(index, 0.125);
            let half = b.fill(0.5, &f32s(&[7]));
            let low = b.compare(Compare::Lt, index, half);
            b.select(low, index, half)
        }
    })
}

/// A new axis, or axes of length 1 made longer.
fn stretch(r: &mut Random, b: &mut Builder, x: Value) -> Option<Value> {
    let mut shape = b.shape(x);
    let at = r.below(shape.len() + 1);
    let axes: Vec<usize> = (0..shape.len()).map(|i| if i < at { i } else { i + 1 }).collect();
    shape.insert(at, r.pick(&SIZES));
    (shape.len() <= 4 && shape.iter().product::<usize>() <= LARGEST).then(|| b.broadcast(x, &shape, &axes))
}

fn run(seed: u64) {
    let mut r = Random(seed);
    let mut graph = Graph::new(format!("random{seed}"));
    let mut inputs: Vec<(String, Tensor)> = vec![];
    let mut pool = vec![];
    for i in 0..3 {
        let shape = shape(&mut r);
        inputs.push((format!("x{i}"), floats(&shape, seed + i)));
        pool.push(graph.input(format!("x{i}"), InputRole::Param, f32s(&shape), Origin::default()));
    }
    let mut b = Builder::new(&mut graph, Origin::default());
    for _ in 0..14 {
        if let Some(value) = grow(&mut r, &mut b, &pool).filter(|v| b.graph.ty(*v).elements() <= LARGEST) {
            pool.push(value);
        }
    }
    let updated = pool[0];
    let same: Vec<Value> = pool.iter().copied().filter(|v| b.shape(*v) == b.shape(updated)).collect();
    let other = r.pick(&same);
    let new = b.sub(updated, other);
    graph.output("x0", OutputRole::Update, new);
    for (i, value) in pool.iter().rev().take(4).enumerate() {
        graph.output(format!("y{i}"), RESULT, *value);
    }
    let inputs: Vec<(&str, Tensor)> = inputs.iter().map(|(n, t)| (n.as_str(), t.clone())).collect();
    check(&graph, &inputs);
}

#[test]
fn random_graphs() {
    let seeds = std::env::var("NNC_SEEDS").ok().and_then(|n| n.parse().ok()).unwrap_or(120);
    for seed in 0..seeds {
        if let Err(e) = std::panic::catch_unwind(|| run(seed)) {
            eprintln!("seed {seed}");
            std::panic::resume_unwind(e);
        }
    }
}

//! Random graphs from a table of recipes, one or more per kind of operation, with values for their inputs.
//!
//! A value is *exact* where the interpreters must agree on its bits: inputs, and what moves or selects of them. Only of
//! exact values may a graph compute what jumps or has poles (comparisons, floor, division, logarithms).

use super::loops;
use nnc::ops::{Binary, Compare, DType, Literal, Op, Pad, Reduce, Type, Unary, Window};
use nnc::passes::{self, GRAD, OPT};
use nnc::tensor::build::Builder;
use nnc::tensor::data::{Data, Tensor};
use nnc::tensor::{Graph, InputRole, Origin, OutputRole, Value};

#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Values {
    /// In −1..1.
    Finite,
    /// With ±0, infinities and NaN among them.
    Special,
}

/// SplitMix64.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, n: usize) -> usize {
        (self.next() % n as u64) as usize
    }

    fn pick<T: Clone>(&mut self, from: &[T]) -> T {
        from[self.below(from.len())].clone()
    }

    /// A multiple of 1/64 in −1..1, never 0: products and sums of few have few roundings.
    fn float(&mut self) -> f32 {
        let magnitude = (1 + self.below(64)) as f32 / 64.0;
        if self.below(2) == 0 { magnitude } else { -magnitude }
    }
}

pub struct Generator {
    random: Random,
    values: Values,
    graph: Graph,
    inputs: Vec<(String, Tensor)>,
    /// f32 values, and whether they are exact.
    pool: Vec<(Value, bool)>,
}

const SIZES: [usize; 9] = [1, 2, 3, 7, 15, 16, 17, 31, 33];
const LARGEST: usize = 3000;

type Recipe = fn(&mut Generator) -> Option<(Value, bool)>;

/// Safe on every value.
const ALWAYS: [Recipe; 17] = [
    Generator::sum,
    Generator::extreme,
    Generator::add,
    Generator::negate,
    Generator::max_min,
    Generator::reshape,
    Generator::transpose,
    Generator::broadcast,
    Generator::slice,
    Generator::pad,
    Generator::concat,
    Generator::reverse,
    Generator::take,
    Generator::take_along,
    Generator::select,
    Generator::exact_map,
    Generator::divide,
];

/// Safe on finite values.
const FINITE: [Recipe; 15] = [
    Generator::multiply,
    Generator::multiply,
    Generator::smooth_map,
    Generator::smooth_map,
    Generator::pole_map,
    Generator::power,
    Generator::cum_sum,
    Generator::dot,
    Generator::dot,
    Generator::conv,
    Generator::window_sum,
    Generator::max_pool,
    Generator::scatter_add,
    Generator::softmax,
    Generator::scan,
];

impl Generator {
    pub fn new(seed: u64, values: Values) -> Generator {
        let graph = Graph::new(format!("random{seed}"));
        Generator { random: Random(seed), values, graph, inputs: vec![], pool: vec![] }
    }

    /// A graph of about `count` operations, and its inputs. With gradients, of the mean of the last value.
    pub fn graph(mut self, count: usize, gradients: bool) -> (Graph, Vec<(String, Tensor)>) {
        for _ in 0..3 {
            let shape = self.shape();
            self.input(&shape);
        }
        let finite = if self.values == Values::Finite { &FINITE[..] } else { &[] };
        let recipes = [&ALWAYS[..], finite].concat();
        let mut tries = 0;
        while self.pool.len() < count + 3 && tries < 10 * count {
            tries += 1;
            let recipe = self.random.pick(&recipes);
            let made = recipe(&mut self).filter(|(v, _)| self.graph.ty(*v).elements() <= LARGEST);
            self.pool.extend(made);
        }
        if gradients {
            self.gradients();
        }
        for (i, (value, _)) in self.pool.iter().rev().take(4).enumerate() {
            self.graph.output(format!("y{i}"), OutputRole::Result, *value);
        }
        self.checks();
        let graph = passes::run(self.graph, GRAD).and_then(|g| passes::run(g, OPT)).expect("passes keep graphs whole");
        let kept = |name: &str| graph.insts.iter().any(|i| matches!(&i.op, Op::Input { name: n } if n == name));
        let inputs = self.inputs.into_iter().filter(|(n, _)| kept(n)).collect();
        (graph, inputs)
    }

    fn gradients(&mut self) {
        let (last, _) = *self.pool.last().expect("inputs at least");
        let loss = self.mean(last);
        let wrt: Vec<Value> = self.pool[..3].iter().map(|p| p.0).collect();
        let types = wrt.iter().map(|v| self.graph.ty(*v).clone()).collect();
        let found = self.graph.push(Op::Grad, [&[loss], wrt.as_slice()].concat(), types, Origin::default());
        for (i, value) in found.into_iter().enumerate() {
            self.graph.output(format!("dx{i}"), OutputRole::Result, value);
        }
    }

    /// Whether each of the last floats is finite.
    fn checks(&mut self) {
        let last = self.pool.iter().rev().take(4).map(|p| p.0);
        let floats: Vec<Value> = last.filter(|x| self.graph.ty(*x).dtype == DType::F32).collect();
        for x in floats {
            let size = self.apply(Op::Unary(Unary::Abs), &[x]);
            let infinity = self.scalar(f64::INFINITY);
            let infinity = self.apply(Op::Broadcast { shape: self.dims(x), axes: vec![] }, &[infinity]);
            let finite = self.apply(Op::Compare(Compare::Lt), &[size, infinity]);
            let all = Op::Reduce { op: Reduce::All, axes: (0..self.dims(x).len()).collect() };
            let all = self.apply(all, &[finite]);
            self.graph.output(format!("{x} is finite"), OutputRole::Check, all);
        }
    }

    fn mean(&mut self, x: Value) -> Value {
        let ty = self.graph.ty(x).clone();
        let sum = self.apply(Op::Reduce { op: Reduce::Sum, axes: (0..ty.rank()).collect() }, &[x]);
        self.scaled(sum, 1.0 / ty.elements() as f64)
    }

    // ── parts ──

    fn apply(&mut self, op: Op, args: &[Value]) -> Value {
        let name = op.name();
        self.graph.apply(op, args, Origin::default()).unwrap_or_else(|e| panic!("{name}: {e}"))[0]
    }

    fn shape(&mut self) -> Vec<usize> {
        loop {
            let rank = self.random.below(4);
            let shape: Vec<usize> = (0..rank).map(|_| self.random.pick(&SIZES)).collect();
            if shape.iter().product::<usize>() <= LARGEST {
                return shape;
            }
        }
    }

    fn given(&mut self, shape: &[usize], data: Data) -> Value {
        let name = format!("x{}", self.inputs.len());
        let tensor = Tensor { shape: shape.to_vec(), data };
        let ty = Type::new(tensor.dtype(), shape.to_vec());
        self.inputs.push((name.clone(), tensor));
        self.graph.input(name, InputRole::Param, ty, Origin::default())
    }

    /// A new f32 input, also in the pool.
    fn input(&mut self, shape: &[usize]) -> Value {
        const SPECIAL: [f32; 5] = [0.0, -0.0, f32::INFINITY, f32::NEG_INFINITY, f32::NAN];
        let count = shape.iter().product::<usize>();
        let mut element = || match self.values == Values::Special && self.random.below(4) == 0 {
            true => self.random.pick(&SPECIAL),
            false => self.random.float(),
        };
        let data = (0..count).map(|_| element()).collect();
        let value = self.given(shape, Data::F32(data));
        self.pool.push((value, true));
        value
    }

    fn indices(&mut self, shape: &[usize], below: usize) -> Value {
        let data = (0..shape.iter().product()).map(|_| self.random.below(below) as i32).collect();
        self.given(shape, Data::I32(data))
    }

    fn any(&mut self) -> (Value, bool) {
        self.random.pick(&self.pool)
    }

    fn exact(&mut self) -> Value {
        let exact: Vec<Value> = self.pool.iter().filter(|p| p.1).map(|p| p.0).collect();
        self.random.pick(&exact)
    }

    /// Another value of the same type, a new input at the latest.
    fn like(&mut self, x: Value, exact: bool) -> (Value, bool) {
        let shape = self.dims(x);
        let fits = |p: &&(Value, bool)| self.graph.ty(p.0).shape == shape && (p.1 || !exact);
        let old: Vec<(Value, bool)> = self.pool.iter().filter(fits).copied().collect();
        if old.len() < 2 {
            return (self.input(&shape), true);
        }
        self.random.pick(&old)
    }

    fn dims(&self, x: Value) -> Vec<usize> {
        self.graph.ty(x).shape.clone()
    }

    fn axis(&mut self, x: Value) -> Option<usize> {
        let rank = self.dims(x).len();
        (rank > 0).then(|| self.random.below(rank))
    }

    fn scalar(&mut self, value: f64) -> Value {
        self.graph.push(Op::Const(Literal::Float(value)), vec![], vec![Type::scalar(DType::F32)], Origin::default())[0]
    }

    fn scaled(&mut self, x: Value, by: f64) -> Value {
        let scalar = self.scalar(by);
        let factor = self.apply(Op::Broadcast { shape: self.dims(x), axes: vec![] }, &[scalar]);
        self.apply(Op::Binary(Binary::Mul), &[x, factor])
    }

    /// A move keeps the exactness of its argument.
    fn moved(&mut self, op: impl Fn(&mut Generator, &[usize]) -> Option<Op>) -> Option<(Value, bool)> {
        let (x, exact) = self.any();
        let op = op(self, &self.dims(x))?;
        Some((self.apply(op, &[x]), exact))
    }

    // ── loops ──

    /// A loop of a few steps. All its results join the pool.
    fn scan(&mut self) -> Option<(Value, bool)> {
        let length = 1 + self.random.below(5);
        let args = loops::types(length).map(|ty| self.argument(&ty));
        let mut b = Builder::new(&mut self.graph, Origin::default());
        let results = loops::random_loop(&mut |n| self.random.below(n), &mut b, &args);
        let floats: Vec<Value> = results.into_iter().filter(|v| self.graph.ty(*v).dtype == DType::F32).collect();
        let chosen = self.random.pick(&floats);
        self.pool.extend(floats.into_iter().filter(|v| *v != chosen).map(|v| (v, false)));
        Some((chosen, false))
    }

    /// An input of this type; integers are indices below 3.
    fn argument(&mut self, ty: &Type) -> Value {
        let n = ty.elements();
        match ty.dtype {
            DType::I32 => self.indices(&ty.shape, 3),
            DType::Bool => {
                let data = (0..n).map(|_| self.random.below(2) == 0).collect();
                self.given(&ty.shape, Data::Bool(data))
            }
            _ => self.input(&ty.shape),
        }
    }

    // ── maps ──

    fn add(&mut self) -> Option<(Value, bool)> {
        let (x, _) = self.any();
        let (y, _) = self.like(x, false);
        let op = self.random.pick(&[Binary::Add, Binary::Sub]);
        Some((self.apply(Op::Binary(op), &[x, y]), false))
    }

    fn multiply(&mut self) -> Option<(Value, bool)> {
        let (x, _) = self.any();
        let (y, _) = self.like(x, false);
        Some((self.apply(Op::Binary(Binary::Mul), &[x, y]), false))
    }

    fn negate(&mut self) -> Option<(Value, bool)> {
        let op = self.random.pick(&[Unary::Neg, Unary::Abs]);
        self.moved(|_, _| Some(Op::Unary(op)))
    }

    fn max_min(&mut self) -> Option<(Value, bool)> {
        let (x, exact) = self.any();
        let (y, other) = self.like(x, false);
        let op = self.random.pick(&[Binary::Max, Binary::Min]);
        Some((self.apply(Op::Binary(op), &[x, y]), exact && other))
    }

    /// What jumps, but gives exact results.
    fn exact_map(&mut self) -> Option<(Value, bool)> {
        let op = self.random.pick(&[Unary::Sign, Unary::Floor, Unary::Ceil, Unary::RoundEven]);
        let x = self.exact();
        Some((self.apply(Op::Unary(op), &[x]), true))
    }

    fn divide(&mut self) -> Option<(Value, bool)> {
        let x = self.exact();
        let (y, _) = self.like(x, true);
        // Exact values of finite graphs may be 0 after a floor: those divide by inputs only.
        if self.values == Values::Finite && !self.is_input(y) {
            return None;
        }
        let op = self.random.pick(&[Binary::Div, Binary::FloorDiv, Binary::Rem]);
        Some((self.apply(Op::Binary(op), &[x, y]), false))
    }

    fn is_input(&self, x: Value) -> bool {
        self.graph.insts.iter().any(|i| matches!(i.op, Op::Input { .. }) && i.results.contains(&x))
    }

    fn smooth_map(&mut self) -> Option<(Value, bool)> {
        use Unary::*;
        let op = self.random.pick(&[Exp, Expm1, Sin, Cos, Tanh, Erf, Tanh]);
        let (x, _) = self.any();
        let x = self.apply(Op::Unary(Tanh), &[x]);
        Some((self.apply(Op::Unary(op), &[x]), false))
    }

    /// Of 1.5 + tanh x, far from every pole.
    fn positive(&mut self) -> Value {
        let (x, _) = self.any();
        let x = self.apply(Op::Unary(Unary::Tanh), &[x]);
        let shift = self.scalar(1.5);
        let shift = self.apply(Op::Broadcast { shape: self.dims(x), axes: vec![] }, &[shift]);
        self.apply(Op::Binary(Binary::Add), &[x, shift])
    }

    fn pole_map(&mut self) -> Option<(Value, bool)> {
        let op = self.random.pick(&[Unary::Log, Unary::Log1p, Unary::Sqrt]);
        let x = self.positive();
        Some((self.apply(Op::Unary(op), &[x]), false))
    }

    fn power(&mut self) -> Option<(Value, bool)> {
        let x = self.positive();
        let (y, _) = self.like(x, false);
        let y = self.apply(Op::Unary(Unary::Tanh), &[y]);
        let op = self.random.pick(&[Binary::Pow, Binary::Div]);
        let args = if op == Binary::Pow { [x, y] } else { [y, x] };
        Some((self.apply(Op::Binary(op), &args), false))
    }

    fn select(&mut self) -> Option<(Value, bool)> {
        use Compare::*;
        let a = self.exact();
        let (b, _) = self.like(a, true);
        let op = self.random.pick(&[Eq, Ne, Lt, Le, Gt, Ge]);
        let cond = self.apply(Op::Compare(op), &[a, b]);
        let ((then, x), (otherwise, y)) = (self.like(a, false), self.like(a, false));
        Some((self.apply(Op::Select, &[cond, then, otherwise]), x && y))
    }

    // ── reductions ──

    fn axes(&mut self, rank: usize) -> Vec<usize> {
        (0..rank).filter(|_| self.random.below(2) == 0).collect()
    }

    fn sum(&mut self) -> Option<(Value, bool)> {
        let (x, _) = self.any();
        let dims = self.dims(x);
        let axes = self.axes(dims.len());
        let count: usize = axes.iter().map(|a| dims[*a]).product();
        let y = self.apply(Op::Reduce { op: Reduce::Sum, axes }, &[x]);
        Some((if self.values == Values::Finite { self.scaled(y, 1.0 / count as f64) } else { y }, false))
    }

    fn extreme(&mut self) -> Option<(Value, bool)> {
        let op = self.random.pick(&[Reduce::Max, Reduce::Min]);
        self.moved(|g, dims| Some(Op::Reduce { op, axes: g.axes(dims.len()) }))
    }

    fn cum_sum(&mut self) -> Option<(Value, bool)> {
        let (x, _) = self.any();
        let (axis, reverse) = (self.axis(x)?, self.random.below(2) == 0);
        let y = self.apply(Op::CumSum { axis, reverse }, &[x]);
        let count = self.dims(x)[axis] as f64;
        Some((self.scaled(y, 1.0 / count), false))
    }

    /// exp(x − max) / Σ, over the last axis.
    fn softmax(&mut self) -> Option<(Value, bool)> {
        let (x, _) = self.any();
        let shape = self.dims(x);
        let last = shape.len().checked_sub(1)?;
        let others: Vec<usize> = (0..last).collect();
        let spread = Op::Broadcast { shape, axes: others };
        let max = self.apply(Op::Reduce { op: Reduce::Max, axes: vec![last] }, &[x]);
        let max = self.apply(Op::StopGradient, &[max]);
        let max = self.apply(spread.clone(), &[max]);
        let shifted = self.apply(Op::Binary(Binary::Sub), &[x, max]);
        let e = self.apply(Op::Unary(Unary::Exp), &[shifted]);
        let total = self.apply(Op::Reduce { op: Reduce::Sum, axes: vec![last] }, &[e]);
        let total = self.apply(spread, &[total]);
        Some((self.apply(Op::Binary(Binary::Div), &[e, total]), false))
    }

    // ── moves ──

    fn reshape(&mut self) -> Option<(Value, bool)> {
        let to = self.random.pick(&[1, 2, 3, 7, 16]);
        self.moved(|_, dims| {
            let all = dims.iter().product::<usize>();
            all.is_multiple_of(to).then(|| Op::Reshape { shape: vec![all / to, to] })
        })
    }

    fn transpose(&mut self) -> Option<(Value, bool)> {
        self.moved(|g, dims| {
            let mut perm: Vec<usize> = (0..dims.len()).collect();
            (1..dims.len()).for_each(|i| perm.swap(i, g.random.below(i + 1)));
            Some(Op::Transpose { perm })
        })
    }

    fn broadcast(&mut self) -> Option<(Value, bool)> {
        self.moved(|g, dims| {
            let at = g.random.below(dims.len() + 1);
            let mut shape = dims.to_vec();
            shape.insert(at, g.random.pick(&SIZES));
            let axes = (0..dims.len()).map(|i| i + usize::from(i >= at)).collect();
            (shape.len() <= 4 && shape.iter().product::<usize>() <= LARGEST).then_some(Op::Broadcast { shape, axes })
        })
    }

    fn slice(&mut self) -> Option<(Value, bool)> {
        self.moved(|g, dims| {
            let start: Vec<usize> = dims.iter().map(|n| g.random.below(*n)).collect();
            let stride: Vec<usize> = dims.iter().map(|_| 1 + g.random.below(3)).collect();
            let size = dims.iter().zip(&start).zip(&stride).map(|((n, s), t)| (n - s).div_ceil(*t)).collect();
            Some(Op::Slice { start, size, stride })
        })
    }

    fn pad(&mut self) -> Option<(Value, bool)> {
        let (x, exact) = self.any();
        let rank = self.dims(x).len();
        let low = self.random.below(3) as i64;
        let pads = (0..rank).map(|_| Pad { low, high: 1, interior: self.random.below(2) }).collect();
        let fill = self.scalar(0.25);
        Some((self.apply(Op::Pad { pads }, &[x, fill]), exact))
    }

    fn concat(&mut self) -> Option<(Value, bool)> {
        let (x, exact) = self.any();
        let axis = self.axis(x)?;
        let (y, other) = self.like(x, false);
        Some((self.apply(Op::Concat { axis }, &[x, y]), exact && other))
    }

    fn reverse(&mut self) -> Option<(Value, bool)> {
        self.moved(|g, dims| Some(Op::Reverse { axes: g.axes(dims.len()) }))
    }

    // ── indices ──

    fn take(&mut self) -> Option<(Value, bool)> {
        let (x, exact) = self.any();
        let axis = self.axis(x)?;
        let (count, size) = (self.random.pick(&SIZES), self.dims(x)[axis]);
        let indices = self.indices(&[count], size);
        Some((self.apply(Op::Take { axis }, &[x, indices]), exact))
    }

    fn take_along(&mut self) -> Option<(Value, bool)> {
        let (x, exact) = self.any();
        let axis = self.axis(x)?;
        let mut shape = self.dims(x);
        let size = std::mem::replace(&mut shape[axis], self.random.pick(&[1, 3, 16]));
        let indices = self.indices(&shape, size);
        Some((self.apply(Op::TakeAlong { axis }, &[x, indices]), exact))
    }

    fn scatter_add(&mut self) -> Option<(Value, bool)> {
        let (x, _) = self.any();
        let axis = self.axis(x)?;
        let (count, size) = (self.dims(x)[axis], self.random.pick(&SIZES));
        let indices = self.indices(&[count], size);
        Some((self.apply(Op::ScatterAdd { axis, size }, &[x, indices]), false))
    }

    // ── contractions and windows ──

    fn dot(&mut self) -> Option<(Value, bool)> {
        let (x, _) = self.any();
        let dims = self.dims(x);
        let (axis, units) = (self.axis(x)?, self.random.pick(&SIZES));
        let batched = dims.len() > 2 && axis != 0 && self.random.below(2) == 0;
        let shape = if batched { vec![dims[0], dims[axis], units] } else { vec![dims[axis], units] };
        let w = self.input(&shape);
        let batch = || if batched { vec![0] } else { vec![] };
        let rhs_contract = vec![usize::from(batched)];
        let op = Op::Dot { lhs_batch: batch(), rhs_batch: batch(), lhs_contract: vec![axis], rhs_contract };
        let y = self.apply(op, &[x, w]);
        Some((self.scaled(y, 1.0 / dims[axis] as f64), false))
    }

    /// A value as one image of some channels.
    fn image(&mut self) -> Option<(Value, bool)> {
        let (x, exact) = self.any();
        let dims = self.dims(x);
        let shape = match dims[..] {
            [h, w] => vec![1, h, w, 1],
            [n, h, w] => vec![n, h, w, 1],
            [_, _, _, _] => dims,
            _ => return None,
        };
        Some((self.apply(Op::Reshape { shape }, &[x]), exact))
    }

    fn window(&mut self) -> Window {
        let mut pair = |from: &[usize]| [self.random.pick(from), self.random.pick(from)];
        let (size, stride, dilation) = (pair(&[1, 2, 3]), pair(&[1, 1, 2]), pair(&[1, 1, 2]));
        // Padding that keeps the image at least as large as the window.
        let pads = [0, 1].map(|i| [(size[i] - 1) * dilation[i], (size[i] - 1) * dilation[i] / 2]);
        Window { size, stride, dilation, pads }
    }

    fn conv(&mut self) -> Option<(Value, bool)> {
        let (x, _) = self.image()?;
        let window = self.window();
        let (channels, filters) = (self.dims(x)[3], self.random.pick(&[1, 3, 16, 17]));
        let w = self.input(&[window.size[0], window.size[1], channels, filters]);
        let y = self.apply(Op::Conv { window: window.clone(), groups: 1 }, &[x, w]);
        Some((self.scaled(y, 1.0 / (channels * window.size[0] * window.size[1]) as f64), false))
    }

    fn window_sum(&mut self) -> Option<(Value, bool)> {
        let (x, _) = self.image()?;
        let window = self.window();
        let y = self.apply(Op::WindowSum { window: window.clone() }, &[x]);
        Some((self.scaled(y, 1.0 / (window.size[0] * window.size[1]) as f64), false))
    }

    /// Of exact values only: the offset of a maximum jumps.
    fn max_pool(&mut self) -> Option<(Value, bool)> {
        let (x, exact) = self.image()?;
        if !exact {
            return None;
        }
        let size = [self.random.pick(&[1, 2, 3]), self.random.pick(&[1, 2])];
        let window = Window { size, stride: size, dilation: [1, 1], pads: [[size[0] - 1, 0], [size[1] - 1, 0]] };
        let offsets = self.apply(Op::WindowArgMax { window: window.clone() }, &[x]);
        Some((self.apply(Op::WindowGather { window }, &[x, offsets]), true))
    }
}

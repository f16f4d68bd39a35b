//! Random well-typed graphs: one short recipe per operation, on values made so far or on fresh inputs.

use nnc::ops::{Binary, Compare, DType, Literal, Op, Pad, Reduce, Scores, Type, Unary, Window};
use nnc::tensor::build::Loop;
use nnc::tensor::{Graph, InputRole, Inst, Origin, OutputRole, Value};

/// xorshift64*
pub struct Rng(u64);

impl Rng {
    pub fn below(&mut self, n: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) as usize % n
    }

    fn pick<T: Copy>(&mut self, items: &[T]) -> T {
        items[self.below(items.len())]
    }
}

pub struct Generator {
    rng: Rng,
    graph: Graph,
}

/// Each recipe appends one operation (and what it needs) and says which.
const RECIPES: [fn(&mut Generator); 41] = [
    Generator::constant,
    Generator::table,
    Generator::dim_value,
    Generator::iota,
    Generator::philox,
    Generator::unary,
    Generator::not,
    Generator::binary,
    Generator::int_binary,
    Generator::compare,
    Generator::select,
    Generator::cast,
    Generator::bitcast,
    Generator::stop_gradient,
    Generator::reduce,
    Generator::reduce_bool,
    Generator::arg_extreme,
    Generator::cum_sum,
    Generator::reshape,
    Generator::transpose,
    Generator::broadcast,
    Generator::slice,
    Generator::pad,
    Generator::concat,
    Generator::reverse,
    Generator::dynamic_slice,
    Generator::dynamic_update,
    Generator::take,
    Generator::take_along,
    Generator::scatter_add,
    Generator::scatter_add_along,
    Generator::dot,
    Generator::convolutions,
    Generator::window_sums,
    Generator::window_max,
    Generator::sort,
    Generator::top_k,
    Generator::attention,
    Generator::composite,
    Generator::scan,
    Generator::grad,
];

const FLOATS: [DType; 2] = [DType::F32, DType::F64];
const INTS: [DType; 3] = [DType::I32, DType::I64, DType::U8];

impl Generator {
    pub fn new(seed: u64) -> Self {
        Generator { rng: Rng(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1), graph: Graph::new("random") }
    }

    /// A graph of at least `count` operations with a few outputs.
    pub fn graph(mut self, count: usize) -> Graph {
        for _ in 0..count {
            let recipe = self.rng.pick(&RECIPES);
            recipe(&mut self);
        }
        for i in 0..3 {
            let value = Value(self.rng.below(self.graph.types.len()) as u32);
            self.graph.output(format!("out {i}\\ \"quoted\""), OutputRole::Result, value);
        }
        self.graph
    }

    fn apply(&mut self, op: Op, args: &[Value]) -> Value {
        let name = op.name();
        let results = self.graph.apply(op, args, Origin::default());
        results.unwrap_or_else(|e| panic!("{name}: {e}"))[0]
    }

    fn given(&mut self, op: Op, ty: Type) -> Value {
        self.graph.push(op, vec![], vec![ty], Origin::default())[0]
    }

    fn input(&mut self, dtype: DType, shape: &[usize]) -> Value {
        let name = format!("x{}", self.graph.types.len());
        let role = self.rng.pick(&[InputRole::Param, InputRole::Buffer, InputRole::Arg]);
        self.graph.input(name, role, Type::new(dtype, shape.to_vec()), Origin::default())
    }

    fn dim(&mut self) -> usize {
        self.rng.pick(&[1, 2, 3, 5, 7, 16, 17])
    }

    fn shape(&mut self, rank: usize) -> Vec<usize> {
        (0..rank).map(|_| self.dim()).collect()
    }

    /// A value of one of these types and of this rank or more: an old one if there is one, or a new input.
    fn value(&mut self, dtypes: &[DType], rank: usize) -> Value {
        let fits = |ty: &Type| dtypes.contains(&ty.dtype) && (rank..5).contains(&ty.rank()) && ty.elements() < 100_000;
        let types = self.graph.types.iter().enumerate();
        let old: Vec<Value> = types.filter(|(_, ty)| fits(ty)).map(|(i, _)| Value(i as u32)).collect();
        if !old.is_empty() && self.rng.below(4) > 0 {
            return self.rng.pick(&old);
        }
        let (dtype, rank) = (self.rng.pick(dtypes), rank + self.rng.below(2));
        let shape = self.shape(rank);
        self.input(dtype, &shape)
    }

    fn number(&mut self, rank: usize) -> Value {
        self.value(&[FLOATS.as_slice(), &INTS].concat(), rank)
    }

    fn any(&mut self, rank: usize) -> Value {
        self.value(&DType::ALL, rank)
    }

    fn ty(&self, value: Value) -> Type {
        self.graph.ty(value).clone()
    }

    fn axis(&mut self, value: Value) -> usize {
        self.rng.below(self.ty(value).rank())
    }

    fn literal(&mut self, dtype: DType) -> Literal {
        const SPECIAL: [f64; 8] = [0.0, -0.0, f64::INFINITY, f64::NEG_INFINITY, f64::NAN, 1e-310, 0.1, -2.5e300];
        match dtype {
            DType::Bool => Literal::Bool(self.rng.below(2) == 1),
            _ if dtype.is_int() => Literal::Int(self.rng.below(256) as i64),
            _ => Literal::Float(self.rng.pick(&SPECIAL)),
        }
    }

    // ── sources ──

    fn scalar(&mut self, dtype: DType) -> Value {
        let literal = self.literal(dtype);
        self.given(Op::Const(literal), Type::scalar(dtype))
    }

    fn constant(&mut self) {
        let dtype = self.rng.pick(&DType::ALL);
        self.scalar(dtype);
    }

    fn table(&mut self) {
        let (dtype, n) = (self.rng.pick(&DType::ALL), self.dim());
        let literals = (0..n).map(|_| self.literal(dtype)).collect();
        self.given(Op::Table(literals, vec![n, 1]), Type::new(dtype, vec![n, 1]));
    }

    fn dim_value(&mut self) {
        let n = self.dim();
        self.apply(Op::DimValue(n), &[]);
    }

    fn iota(&mut self) {
        let (shape, axis) = (self.shape(2), self.rng.below(2));
        let dtype = self.rng.pick(&[DType::I32, DType::F32]);
        self.apply(Op::Iota { shape, axis, dtype }, &[]);
    }

    fn philox(&mut self) {
        let (seed, step) = (self.scalar(DType::I32), self.scalar(DType::I32));
        let (key, shape) = (u64::MAX - self.rng.below(1000) as u64, self.shape(2));
        self.apply(Op::Philox { key, shape }, &[seed, step]);
    }

    // ── maps ──

    fn unary(&mut self) {
        use Unary::*;
        let any = [Neg, Abs, Sign, Floor, Ceil, RoundEven, Sqrt, Exp, Expm1, Log, Log1p, Sin, Cos, Tanh, Erf];
        let (op, x) = (self.rng.pick(&any), self.value(&FLOATS, 0));
        self.apply(Op::Unary(op), &[x]);
    }

    fn not(&mut self) {
        let x = self.value(&[DType::Bool, DType::I32], 0);
        self.apply(Op::Unary(Unary::Not), &[x]);
    }

    fn like(&mut self, x: Value) -> Value {
        let ty = self.ty(x);
        if self.rng.below(2) == 0 { x } else { self.input(ty.dtype, &ty.shape) }
    }

    fn binary(&mut self) {
        use Binary::*;
        let op = self.rng.pick(&[Add, Sub, Mul, Div, Pow, Max, Min, FloorDiv, Rem]);
        let a = self.value(&FLOATS, 0);
        let b = self.like(a);
        self.apply(Op::Binary(op), &[a, b]);
    }

    fn int_binary(&mut self) {
        use Binary::*;
        let op = self.rng.pick(&[Add, Mul, FloorDiv, Rem, And, Or, Xor, Shl, Shr]);
        let a = self.value(&INTS, 0);
        let b = self.like(a);
        self.apply(Op::Binary(op), &[a, b]);
    }

    fn compared(&mut self, a: Value) -> Value {
        use Compare::*;
        let (op, b) = (self.rng.pick(&[Eq, Ne, Lt, Le, Gt, Ge]), self.like(a));
        self.apply(Op::Compare(op), &[a, b])
    }

    fn compare(&mut self) {
        let a = self.any(0);
        self.compared(a);
    }

    fn select(&mut self) {
        let then = self.any(0);
        let (cond, otherwise) = (self.compared(then), self.like(then));
        self.apply(Op::Select, &[cond, then, otherwise]);
    }

    fn cast(&mut self) {
        let (to, x) = (self.rng.pick(&DType::ALL), self.any(0));
        self.apply(Op::Cast(to), &[x]);
    }

    fn bitcast(&mut self) {
        let x = self.value(&[DType::F32], 0);
        self.apply(Op::Bitcast(DType::I32), &[x]);
    }

    fn stop_gradient(&mut self) {
        let x = self.any(0);
        self.apply(Op::StopGradient, &[x]);
    }

    // ── reductions ──

    fn reduce(&mut self) {
        let op = self.rng.pick(&[Reduce::Sum, Reduce::Product, Reduce::Max, Reduce::Min]);
        let x = self.number(1);
        let axes = vec![self.axis(x)];
        self.apply(Op::Reduce { op, axes }, &[x]);
    }

    fn reduce_bool(&mut self) {
        let (op, x) = (self.rng.pick(&[Reduce::Any, Reduce::All]), self.value(&[DType::Bool], 2));
        self.apply(Op::Reduce { op, axes: vec![0, 1] }, &[x]);
    }

    fn arg_extreme(&mut self) {
        let x = self.number(1);
        let axis = self.axis(x);
        let op = if self.rng.below(2) == 0 { Op::ArgMax { axis } } else { Op::ArgMin { axis } };
        self.apply(op, &[x]);
    }

    fn cum_sum(&mut self) {
        let x = self.number(1);
        let op = Op::CumSum { axis: self.axis(x), reverse: self.rng.below(2) == 0 };
        self.apply(op, &[x]);
    }

    // ── moves ──

    fn reshape(&mut self) {
        let x = self.any(0);
        let shape = vec![1, self.ty(x).elements()];
        self.apply(Op::Reshape { shape }, &[x]);
    }

    fn transpose(&mut self) {
        let x = self.any(2);
        let perm = (0..self.ty(x).rank()).rev().collect();
        self.apply(Op::Transpose { perm }, &[x]);
    }

    fn broadcast(&mut self) {
        let x = self.any(0);
        let ty = self.ty(x);
        let shape = [vec![self.dim()], ty.shape.clone()].concat();
        self.apply(Op::Broadcast { shape, axes: (1..=ty.rank()).collect() }, &[x]);
    }

    fn slice(&mut self) {
        let x = self.any(1);
        let dims = self.ty(x).shape;
        let start: Vec<usize> = dims.iter().map(|d| self.rng.below(*d)).collect();
        let stride = vec![1 + self.rng.below(3); dims.len()];
        let size = (0..dims.len()).map(|i| (dims[i] - start[i]).div_ceil(stride[i])).collect();
        self.apply(Op::Slice { start, size, stride }, &[x]);
    }

    fn pad(&mut self) {
        let x = self.any(1);
        let ty = self.ty(x);
        let value = self.scalar(ty.dtype);
        let low = self.rng.below(4) as i64 - 1;
        let pad = |_| Pad { low, high: 1, interior: self.rng.below(3) };
        let pads = (0..ty.rank()).map(pad).collect();
        self.apply(Op::Pad { pads }, &[x, value]);
    }

    fn concat(&mut self) {
        let x = self.any(1);
        let (y, axis) = (self.like(x), self.axis(x));
        self.apply(Op::Concat { axis }, &[x, y, x]);
    }

    fn reverse(&mut self) {
        let x = self.any(1);
        let axes = vec![self.axis(x)];
        self.apply(Op::Reverse { axes }, &[x]);
    }

    fn starts(&mut self, x: Value) -> Vec<Value> {
        (0..self.ty(x).rank()).map(|_| self.scalar(DType::I32)).collect()
    }

    fn dynamic_slice(&mut self) {
        let x = self.any(1);
        let size = self.ty(x).shape.iter().map(|d| 1 + self.rng.below(*d)).collect();
        let args = [vec![x], self.starts(x)].concat();
        self.apply(Op::DynamicSlice { size }, &args);
    }

    fn dynamic_update(&mut self) {
        let x = self.any(1);
        let args = [vec![x, self.like(x)], self.starts(x)].concat();
        self.apply(Op::DynamicUpdate, &args);
    }

    // ── index ──

    fn take(&mut self) {
        let (x, indices) = (self.any(1), self.value(&[DType::I32], 0));
        let axis = self.axis(x);
        self.apply(Op::Take { axis }, &[x, indices]);
    }

    /// i32 indices with the shape of x, but for the length of one axis.
    fn indices_along(&mut self, x: Value, axis: usize) -> Value {
        let mut shape = self.ty(x).shape;
        shape[axis] = self.dim();
        self.input(DType::I32, &shape)
    }

    fn take_along(&mut self) {
        let x = self.any(1);
        let axis = self.axis(x);
        let indices = self.indices_along(x, axis);
        self.apply(Op::TakeAlong { axis }, &[x, indices]);
    }

    fn scatter_add(&mut self) {
        let updates = self.number(1);
        let (axis, size) = (self.axis(updates), self.dim());
        let indexed = self.ty(updates).shape[axis];
        let indices = self.input(DType::I32, &[indexed]);
        self.apply(Op::ScatterAdd { axis, size }, &[updates, indices]);
    }

    fn scatter_add_along(&mut self) {
        let updates = self.number(1);
        let shape = self.ty(updates).shape;
        let indices = self.input(DType::I32, &shape);
        let op = Op::ScatterAddAlong { axis: self.axis(updates), size: self.dim() };
        self.apply(op, &[updates, indices]);
    }

    // ── contractions and windows ──

    fn dot(&mut self) {
        let [b, m, k, n] = [(); 4].map(|()| self.dim());
        let (lhs, rhs) = (self.input(DType::F32, &[b, m, k]), self.input(DType::F32, &[k, n, b]));
        let op = Op::Dot { lhs_batch: vec![0], rhs_batch: vec![2], lhs_contract: vec![2], rhs_contract: vec![0] };
        self.apply(op, &[lhs, rhs]);
    }

    fn window(&mut self) -> Window {
        let mut pair = |n: usize| [1 + self.rng.below(n), 1 + self.rng.below(n)];
        let (size, stride, dilation) = (pair(3), pair(3), pair(2));
        let pads = size.map(|n| [self.rng.below(n), self.rng.below(n)]);
        Window { size, stride, dilation, pads }
    }

    fn convolutions(&mut self) {
        let (window, groups) = (self.window(), 1 + self.rng.below(3));
        let (channels, outputs) = (2 * groups, 3 * groups);
        let x = self.input(DType::F32, &[2, 9, 8, channels]);
        let w = self.input(DType::F32, &[window.size[0], window.size[1], 2, outputs]);
        let y = self.apply(Op::Conv { window: window.clone(), groups }, &[x, w]);
        self.apply(Op::ConvInputGrad { window: window.clone(), groups, input: [9, 8] }, &[y, w]);
        self.apply(Op::ConvWeightGrad { window, groups }, &[x, y]);
    }

    fn window_sums(&mut self) {
        let (window, x) = (self.window(), self.input(DType::F32, &[2, 9, 8, 3]));
        let y = self.apply(Op::WindowSum { window: window.clone() }, &[x]);
        self.apply(Op::WindowSumGrad { window, input: [9, 8] }, &[y]);
    }

    fn window_max(&mut self) {
        let (window, x) = (self.window(), self.input(DType::F64, &[2, 9, 8, 3]));
        let offsets = self.apply(Op::WindowArgMax { window: window.clone() }, &[x]);
        let y = self.apply(Op::WindowGather { window: window.clone() }, &[x, offsets]);
        self.apply(Op::WindowScatter { window, input: [9, 8] }, &[y, offsets]);
    }

    // ── order ──

    fn sort(&mut self) {
        let x = self.number(1);
        let op = Op::Sort { axis: self.axis(x), descending: self.rng.below(2) == 0 };
        self.apply(op, &[x]);
    }

    fn top_k(&mut self) {
        let x = self.number(1);
        let last = self.ty(x).shape.last().copied().unwrap_or(1);
        let k = 1 + self.rng.below(last);
        self.apply(Op::TopK { k }, &[x]);
    }

    // ── attention ──

    fn scores(&mut self) -> Scores {
        let [causal, masked, biased, empty_is_zero, drops] = [(); 5].map(|()| self.rng.below(2) == 0);
        let scale = self.rng.pick(&[1.0, 0.125, -0.3, f64::INFINITY]);
        Scores { scale, causal, masked, biased, keep: drops.then_some(1.25), empty_is_zero }
    }

    fn attention(&mut self) {
        let (scores, [b, g, r, t, s, d, e]) = (self.scores(), [(); 7].map(|()| self.dim()));
        let square = [b, g * r, t, s];
        let mut args = vec![
            self.input(DType::F32, &[b, g * r, t, d]),
            self.input(DType::F32, &[b, g, s, d]),
            self.input(DType::F32, &[b, g, s, e]),
        ];
        args.extend(scores.mask().map(|_| self.input(DType::Bool, &square)));
        args.extend(scores.bias().map(|_| self.input(DType::F32, &[1, g * r, t, s])));
        args.extend(scores.keep().map(|_| self.input(DType::Bool, &square)));
        let o = self.graph.apply(Op::Attention { scores }, &args, Origin::default()).expect("its arguments fit");
        args.extend([o[1], o[0], o[1]]);
        self.apply(Op::AttentionGrad { scores }, &args);
        if scores.biased {
            self.apply(Op::AttentionBiasGrad { scores }, &args);
        }
    }

    // ── regions ──

    /// Twice the argument, with its own gradient half of the time.
    fn composite(&mut self) {
        let x = self.value(&FLOATS, 0);
        let ty = self.ty(x);
        let mut regions = vec![doubled("body", &ty, &["x"])];
        if self.rng.below(2) == 0 {
            regions.push(doubled("vjp", &ty, &["x", "y", "y_adj"]));
        }
        let results = vec![self.graph.fresh(ty)];
        let op = Op::Composite { name: "twice".to_string() };
        self.graph.insts.push(Inst { op, args: vec![x], results, regions, origin: Origin::default() });
    }

    /// Running sums, with the position as a second result.
    fn scan(&mut self) {
        let x = self.value(&FLOATS, 1);
        let length = self.ty(x).shape[0];
        let init = self.apply(Op::Reduce { op: Reduce::Sum, axes: vec![0] }, &[x]);
        let checkpoint = [None, Some(1), Some(3)][self.rng.below(3)];
        let op = Loop { reverse: self.rng.below(2) == 0, checkpoint, ..Loop::over(length) }.op(1, 1);
        let mut body = self.graph.scan_body(&op, &[init, x]);
        let [position, carry, slice] = [0, 1, 2].map(|n: usize| body.inputs[n].0);
        let ty = body.ty(carry).clone();
        let sum = body.push(Op::Binary(Binary::Add), vec![carry, slice], vec![ty], Origin::default())[0];
        body.step(&[sum], &[sum, position]);
        self.graph.push_scan(op, vec![init, x], body, Origin::default());
    }

    fn grad(&mut self) {
        let x = self.value(&FLOATS, 1);
        let axes = (0..self.ty(x).rank()).collect();
        let loss = self.apply(Op::Reduce { op: Reduce::Sum, axes }, &[x]);
        self.apply(Op::Grad, &[loss, x]);
    }
}

/// A region whose result is twice its last input.
fn doubled(name: &str, ty: &Type, inputs: &[&str]) -> Graph {
    let mut region = Graph::new(name);
    let args: Vec<Value> =
        inputs.iter().map(|n| region.input(*n, InputRole::Arg, ty.clone(), Origin::default())).collect();
    let last = args[args.len() - 1];
    let twice = region.push(Op::Binary(Binary::Add), vec![last, last], vec![ty.clone()], Origin::default())[0];
    region.output("twice", OutputRole::Result, twice);
    region
}

//! Whole training steps: forward, loss, gradients, Adam in place.

use crate::machine::{check, f32s, floats, i32s, ints};
use nnc::ops::{Binary, Compare, DType, Op, Reduce, Type, Unary, Window};
use nnc::passes::{self, GRAD, OPT};
use nnc::schedule::{StepProgram, plan};
use nnc::tensor::build::Builder;
use nnc::tensor::data::{Data, Tensor};
use nnc::tensor::{Graph, InputRole, Origin, OutputRole, Value};

pub struct Net {
    graph: Graph,
    inputs: Vec<(String, Tensor)>,
    params: Vec<(String, Value)>,
}

impl Net {
    fn new(name: &str) -> Net {
        Net { graph: Graph::new(name), inputs: vec![], params: vec![] }
    }

    fn b(&mut self) -> Builder<'_> {
        Builder::new(&mut self.graph, Origin::default())
    }

    fn input(&mut self, name: &str, role: InputRole, data: Tensor) -> Value {
        let ty = Type::new(data.dtype(), data.shape.clone());
        self.inputs.push((name.to_owned(), data));
        self.graph.input(name, role, ty, Origin::default())
    }

    fn param(&mut self, name: &str, shape: &[usize]) -> Value {
        let seed = self.inputs.len() as u64 + 11;
        let value = self.input(name, InputRole::Param, floats(shape, seed));
        self.params.push((name.to_owned(), value));
        value
    }

    /// A batch of images from a column of bytes, and labels.
    fn batch(&mut self, batch: usize, image: &[usize]) -> (Value, Value) {
        let shape = [&[20], image].concat();
        let pixels = (0..shape.iter().product::<usize>()).map(|i| ((i * 2_654_435_761) >> 13) as u8).collect();
        let images = self.input("images", InputRole::Column, Tensor { shape, data: Data::U8(pixels) });
        let labels = self.input("labels", InputRole::Column, ints(&[20], 10, 3));
        let rows = self.input("rows", InputRole::Rows, ints(&[batch], 20, 4));
        let full = [&[batch], image].concat();
        let mut b = self.b();
        let x = b.op(Op::Take { axis: 0 }, &[images, rows], Type::new(DType::U8, full));
        let x = b.cast(x, DType::F32);
        let y = b.op(Op::Take { axis: 0 }, &[labels, rows], i32s(&[batch]));
        (b.scale(x, 1.0 / 255.0), y)
    }

    fn dense(&mut self, name: &str, x: Value, units: usize) -> Value {
        let shape = self.graph.ty(x).shape.clone();
        let w = self.param(&format!("{name}.weight"), &[shape[1], units]);
        let bias = self.param(&format!("{name}.bias"), &[units]);
        let op = Op::Dot { lhs_batch: vec![], rhs_batch: vec![], lhs_contract: vec![1], rhs_contract: vec![0] };
        let y = self.b().op(op, &[x, w], f32s(&[shape[0], units]));
        self.bias(y, bias)
    }

    fn bias(&mut self, y: Value, bias: Value) -> Value {
        let shape = self.graph.ty(y).shape.clone();
        let mut b = self.b();
        let spread = b.broadcast(bias, &shape, &[shape.len() - 1]);
        b.add(y, spread)
    }

    fn conv(&mut self, name: &str, x: Value, filters: usize) -> Value {
        let [n, h, wd, c] = self.graph.ty(x).shape[..] else { panic!("an image") };
        let w = self.param(&format!("{name}.weight"), &[3, 3, c, filters]);
        let bias = self.param(&format!("{name}.bias"), &[filters]);
        let window = Window { size: [3, 3], stride: [1, 1], dilation: [1, 1], pads: [[0; 2]; 2] };
        let y = self.b().op(Op::Conv { window, groups: 1 }, &[x, w], f32s(&[n, h - 2, wd - 2, filters]));
        self.bias(y, bias)
    }

    fn relu(&mut self, x: Value) -> Value {
        let ty = self.graph.ty(x).clone();
        let mut b = self.b();
        let zero = b.fill(0.0, &ty);
        let off = b.compare(Compare::Le, x, zero);
        b.select(off, zero, x)
    }

    fn max_pool(&mut self, x: Value) -> Value {
        let [n, h, w, c] = self.graph.ty(x).shape[..] else { panic!("an image") };
        let window = Window { size: [2, 2], stride: [2, 2], dilation: [1, 1], pads: [[0; 2]; 2] };
        let y = [n, h / 2, w / 2, c];
        let mut b = self.b();
        let offsets = b.op(Op::WindowArgMax { window: window.clone() }, &[x], i32s(&y));
        b.op(Op::WindowGather { window }, &[x, offsets], f32s(&y))
    }

    /// Mean over the batch of logsumexp − the label's logit; and the accuracy.
    fn cross_entropy(&mut self, logits: Value, labels: Value) -> (Value, Value) {
        let shape = self.graph.ty(logits).shape.clone();
        let batch = shape[0];
        let mut b = self.b();
        let max = b.reduce(Reduce::Max, logits, &[1]);
        let max = b.op(Op::StopGradient, &[max], f32s(&[batch]));
        let spread = b.broadcast(max, &shape, &[0]);
        let shifted = b.sub(logits, spread);
        let e = b.unary(Unary::Exp, shifted);
        let sum = b.sum(e, &[1]);
        let log = b.unary(Unary::Log, sum);
        let at = b.reshape(labels, &[batch, 1]);
        let picked = b.op(Op::TakeAlong { axis: 1 }, &[shifted, at], f32s(&[batch, 1]));
        let picked = b.reshape(picked, &[batch]);
        let each = b.sub(log, picked);
        let total = b.sum(each, &[0]);
        let loss = b.scale(total, 1.0 / batch as f64);
        let guess = b.op(Op::ArgMax { axis: 1 }, &[logits], i32s(&[batch]));
        let right = b.compare(Compare::Eq, guess, labels);
        let right = b.cast(right, DType::F32);
        let right = b.sum(right, &[0]);
        (loss, b.scale(right, 1.0 / batch as f64))
    }

    fn adam(&mut self, loss: Value) {
        let step = self.input("step", InputRole::Scalar, Tensor::scalar_i32(3));
        let params = self.params.clone();
        let wrt: Vec<Value> = params.iter().map(|p| p.1).collect();
        let types = wrt.iter().map(|v| self.graph.ty(*v).clone()).collect();
        let args = [&[loss], wrt.as_slice()].concat();
        let grads = self.graph.push(Op::Grad, args, types, Origin::default());
        for ((name, p), g) in params.into_iter().zip(grads) {
            self.adam_of(&name, p, g, step);
        }
    }

    fn adam_of(&mut self, name: &str, p: Value, g: Value, step: Value) {
        let ty = self.graph.ty(p).clone();
        let [m_name, v_name] = ["m", "v"].map(|s| format!("adam.{s}.{name}"));
        let zeros = || Tensor { shape: ty.shape.clone(), data: Data::F32(vec![0.01; ty.elements()]) };
        let m = self.input(&m_name, InputRole::OptState, zeros());
        let v = self.input(&v_name, InputRole::OptState, zeros());
        let mut b = self.b();
        let blend = |b: &mut Builder, old: Value, new: Value, beta: f64| {
            let (kept, added) = (b.scale(old, beta), b.scale(new, 1.0 - beta));
            b.add(kept, added)
        };
        let m = blend(&mut b, m, g, 0.9);
        let square = b.mul(g, g);
        let v = blend(&mut b, v, square, 0.999);
        let t = b.cast(step, DType::F32);
        let corrected = |b: &mut Builder, x: Value, beta: f64| {
            let beta = b.scalar(beta, DType::F32);
            let power = b.binary(Binary::Pow, beta, t);
            let one = b.scalar(1.0, DType::F32);
            let rest = b.sub(one, power);
            let rest = b.broadcast(rest, &ty.shape, &[]);
            b.div(x, rest)
        };
        let (m_hat, v_hat) = (corrected(&mut b, m, 0.9), corrected(&mut b, v, 0.999));
        let root = b.unary(Unary::Sqrt, v_hat);
        let root = b.shift(root, 1e-8);
        let scaled = b.scale(m_hat, 1e-3);
        let delta = b.div(scaled, root);
        let new = b.sub(p, delta);
        let finite = b.sub(g, g);
        let zero = b.zeros_like(finite);
        let finite = b.compare(Compare::Eq, finite, zero);
        let finite = b.reduce(Reduce::All, finite, &(0..ty.rank()).collect::<Vec<_>>());
        for (name, value) in [(name, new), (&m_name, m), (&v_name, v)] {
            self.graph.output(name, OutputRole::Update, value);
        }
        self.graph.output(format!("{name} is finite"), OutputRole::Check, finite);
    }

    fn finish(mut self, loss: Value, accuracy: Value) -> (Graph, Vec<(String, Tensor)>) {
        let one = self.b().scalar(1.0, DType::F32);
        self.graph.output("loss", OutputRole::Report { weight: one }, loss);
        self.graph.output("accuracy", OutputRole::Report { weight: one }, accuracy);
        self.adam(loss);
        let graph = passes::run(self.graph, GRAD).and_then(|g| passes::run(g, OPT)).expect("passes keep graphs whole");
        (graph, self.inputs)
    }
}

fn check_step((graph, inputs): (Graph, Vec<(String, Tensor)>)) -> StepProgram {
    let inputs: Vec<(&str, Tensor)> = inputs.iter().map(|(n, t)| (n.as_str(), t.clone())).collect();
    let program = check(&graph, &inputs);
    updates_in_place(&program);
    program
}

fn updates_in_place(program: &StepProgram) {
    for output in program.outputs.iter().filter(|o| o.role == OutputRole::Update) {
        let input = program.inputs.iter().find(|i| i.name == output.name).expect("an input of that name");
        assert_eq!(input.buffer, output.buffer, "{} is written in place\n{program}", output.name);
    }
}

fn mlp(batch: usize, side: usize, hidden: usize) -> (Graph, Vec<(String, Tensor)>) {
    let mut net = Net::new("mlp");
    let (x, labels) = net.batch(batch, &[side, side]);
    let x = net.b().reshape(x, &[batch, side * side]);
    let h = net.dense("first", x, hidden);
    let h = net.relu(h);
    let h = net.dense("second", h, hidden);
    let h = net.relu(h);
    let logits = net.dense("head", h, 10);
    let (loss, accuracy) = net.cross_entropy(logits, labels);
    net.finish(loss, accuracy)
}

fn cnn(batch: usize, side: usize, filters: [usize; 2], hidden: usize) -> (Graph, Vec<(String, Tensor)>) {
    let mut net = Net::new("cnn");
    let (x, labels) = net.batch(batch, &[side, side, 1]);
    let mut h = x;
    for (i, filters) in filters.into_iter().enumerate() {
        h = net.conv(&format!("conv{i}"), h, filters);
        h = net.relu(h);
        h = net.max_pool(h);
    }
    let shape = net.graph.ty(h).shape.clone();
    let h = net.b().reshape(h, &[batch, shape[1] * shape[2] * shape[3]]);
    let h = net.dense("hidden", h, hidden);
    let h = net.relu(h);
    let logits = net.dense("head", h, 10);
    let (loss, accuracy) = net.cross_entropy(logits, labels);
    net.finish(loss, accuracy)
}

#[test]
fn a_small_mlp_trains_in_few_kernels() {
    let program = check_step(mlp(12, 5, 20));
    assert!(program.launches().len() <= 26, "{program}");
}

#[test]
fn a_small_cnn_trains_in_few_kernels() {
    let program = check_step(cnn(4, 13, [8, 20], 16));
    assert!(program.launches().len() <= 40, "{program}");
}

/// The real sizes are planned only: running them in the interpreter takes too long.
#[test]
fn the_real_mnist_nets_have_plans() {
    let options = nnc::schedule::Options { target: nnc::lane::Target::AVX512 };
    for (graph, _) in [mlp(128, 28, 512), cnn(64, 28, [32, 64], 128)] {
        let program = plan(&graph, &options).expect("a plan");
        updates_in_place(&program);
        if std::env::var_os("NNC_PRINT").is_some() {
            program.kernels.iter().for_each(|k| print!("{k}"));
            println!("{program}{}{:?}", nnc::schedule::print::BufferTable::from(&program), program.stats());
        }
    }
}

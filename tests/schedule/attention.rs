//! Attention and its gradients: odd sizes, shared heads, masks, biases, dropped weights, several steps of keys.

use crate::machine::{RESULT, check, f32s, floats};
use nnc::ops::{Binary, Compare, DType, Op, Scores, Type};
use nnc::schedule::StepProgram;
use nnc::tensor::build::Builder;
use nnc::tensor::data::Tensor;
use nnc::tensor::{Graph, InputRole, Origin, Value};

/// B, G, heads of queries for each of keys, T, S, D, E
type Sizes = [usize; 7];

const PLAIN: Scores =
    Scores { scale: 0.7, causal: false, masked: false, biased: false, keep: None, empty_is_zero: false };
const MASKED: Scores = Scores { masked: true, empty_is_zero: true, ..PLAIN };
const CAUSAL: Scores = Scores { causal: true, empty_is_zero: true, ..PLAIN };

struct Inputs {
    graph: Graph,
    data: Vec<(String, Tensor)>,
}

impl Inputs {
    fn add(&mut self, shape: &[usize]) -> Value {
        let name = format!("x{}", self.data.len());
        self.data.push((name.clone(), floats(shape, self.data.len() as u64 + 1)));
        self.graph.input(name, InputRole::Arg, f32s(shape), Origin::default())
    }

    fn b(&mut self) -> Builder<'_> {
        Builder::new(&mut self.graph, Origin::default())
    }

    /// True in about so many of eight elements.
    fn flags(&mut self, shape: &[usize], eighths: f64) -> Value {
        let x = self.add(shape);
        let limit = self.b().fill(eighths / 4.0 - 1.0, &f32s(shape));
        self.b().compare(Compare::Lt, x, limit)
    }

    fn apply(&mut self, op: Op, args: &[Value]) -> Vec<Value> {
        self.graph.apply(op, args, Origin::default()).unwrap_or_else(|e| panic!("{e}"))
    }
}

/// The mask hides some keys from single queries, the last key from all, and all keys from the last query.
fn mask(inputs: &mut Inputs, square: &[usize; 4]) -> Value {
    let some = inputs.flags(square, 6.0);
    let mut b = inputs.b();
    let ty = Type::new(DType::I32, square.to_vec());
    let both = |b: &mut Builder, x: Value, y: Value| b.binary(Binary::And, x, y);
    let mut seen = some;
    for (axis, size) in [(2, square[2]), (3, square[3])].into_iter().filter(|(_, size)| *size > 1) {
        let place = b.op(Op::Iota { shape: square.to_vec(), axis, dtype: DType::I32 }, &[], ty.clone());
        let last = b.fill(size as f64 - 1.0, &ty);
        let before = b.compare(Compare::Lt, place, last);
        seen = both(&mut b, seen, before);
    }
    seen
}

/// The attention, its gradients from random adjoints, and what the plan is.
fn run(scores: Scores, [b, g, r, t, s, d, e]: Sizes, bias: [usize; 2]) -> StepProgram {
    let mut inputs = Inputs { graph: Graph::new("attention"), data: vec![] };
    let square = [b, g * r, t, s];
    let mut args = vec![inputs.add(&[b, g * r, t, d]), inputs.add(&[b, g, s, d]), inputs.add(&[b, g, s, e])];
    if scores.masked {
        args.push(mask(&mut inputs, &square));
    }
    if scores.biased {
        args.push(inputs.add(&[bias[0], bias[1], t, s]));
    }
    if scores.keep.is_some() {
        args.push(inputs.flags(&square, 7.0));
    }
    let results = inputs.apply(Op::Attention { scores }, &args);
    let (o, lse) = (results[0], results[1]);
    let o_adj = inputs.add(&[b, g * r, t, e]);
    let mut build = inputs.b();
    let product = build.mul(o, o_adj);
    let delta = build.sum(product, &[3]);
    args.extend([lse, o_adj, delta]);
    let mut outputs = vec![o, lse];
    outputs.extend(inputs.apply(Op::AttentionGrad { scores }, &args));
    if scores.biased {
        outputs.extend(inputs.apply(Op::AttentionBiasGrad { scores }, &args));
    }
    for (i, value) in outputs.into_iter().enumerate() {
        inputs.graph.output(format!("y{i}"), RESULT, value);
    }
    let data: Vec<(&str, Tensor)> = inputs.data.iter().map(|(n, t)| (n.as_str(), t.clone())).collect();
    check(&inputs.graph, &data)
}

#[test]
fn small_and_odd_sizes() {
    for sizes in [
        [1, 1, 1, 1, 1, 1, 1],
        [2, 1, 1, 1, 7, 3, 5],
        [1, 2, 1, 7, 1, 2, 1],
        [1, 1, 2, 15, 16, 8, 17],
        [2, 2, 1, 16, 17, 5, 16],
        [1, 1, 1, 17, 15, 33, 7],
        [1, 3, 1, 33, 31, 16, 33],
    ] {
        run(PLAIN, sizes, [1, 1]);
        run(CAUSAL, sizes, [1, 1]);
    }
}

#[test]
fn masks() {
    for sizes in [[1, 1, 1, 1, 2, 1, 1], [2, 1, 2, 7, 9, 4, 3], [1, 1, 1, 18, 35, 8, 8]] {
        run(MASKED, sizes, [1, 1]);
        run(Scores { causal: true, ..MASKED }, sizes, [1, 1]);
        run(Scores { empty_is_zero: false, ..MASKED }, sizes, [1, 1]);
    }
}

#[test]
fn biases() {
    for bias in [[1, 1], [2, 1], [1, 4], [2, 4]] {
        run(Scores { biased: true, scale: 1.0, ..PLAIN }, [2, 2, 2, 18, 21, 4, 5], bias);
        run(Scores { biased: true, ..CAUSAL }, [2, 2, 2, 18, 21, 4, 5], bias);
    }
    run(Scores { biased: true, causal: true, ..MASKED }, [2, 1, 1, 3, 5, 2, 2], [1, 1]);
}

#[test]
fn dropped_weights() {
    for scores in [PLAIN, CAUSAL, Scores { biased: true, ..MASKED }] {
        run(Scores { keep: Some(1.25), ..scores }, [2, 1, 2, 9, 18, 4, 5], [1, 1]);
    }
}

#[test]
fn shared_heads() {
    run(CAUSAL, [2, 2, 3, 9, 9, 4, 4], [1, 1]);
    run(PLAIN, [1, 1, 4, 20, 70, 8, 8], [1, 1]);
}

#[test]
fn several_steps_and_blocks() {
    run(PLAIN, [1, 1, 1, 20, 260, 8, 8], [1, 1]);
    run(CAUSAL, [1, 2, 1, 130, 130, 8, 4], [1, 1]);
    run(CAUSAL, [1, 1, 1, 70, 200, 4, 8], [1, 1]);
    run(CAUSAL, [1, 1, 1, 200, 70, 4, 8], [1, 1]);
    run(Scores { biased: true, keep: Some(2.0), causal: true, ..MASKED }, [1, 1, 2, 66, 135, 3, 2], [1, 2]);
}

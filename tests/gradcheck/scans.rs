//! Loops in all their forms: first and second order, and again through every pass, those before the gradients included.

use super::cases::{bools, exact, floats, ints};
use super::{Function, What, check_first, check_optimised, check_second, grad, random_loops, unexpanded, weights};
use nnc::diag::Code;
use nnc::ops::{Binary, Compare, DType, Literal, Op, Reduce, Type, Unary};
use nnc::pass::{REORDERED, run_interpreted};
use nnc::passes::{GRAD, OPT};
use nnc::tensor::build::{Builder, Loop, ScanArgs, Step};
use nnc::tensor::data::Tensor;
use nnc::tensor::{Graph, InputRole, Inst, Origin, OutputRole, Value};

pub fn form(
    name: &str,
    args: Vec<Tensor>,
    body: impl Fn(&mut Builder, &[Value]) -> Value + 'static,
) -> Function<'static> {
    Function { name: name.to_string(), args, body: Box::new(body) }
}

/// Both orders as they are, with optimised gradients, and with the whole pipeline around the gradients.
pub fn check(function: Function) {
    check_first(&function);
    check_second(&function);
    check_optimised(&function);
    for (what, order) in [(What::Gradients, "first"), (What::SecondGradients, "second")] {
        let plain = super::program(&function, what).run(&function.args);
        let program = unexpanded(&function, what);
        let inputs = program.names.iter().map(String::as_str).zip(function.args.iter().cloned());
        let inputs: Vec<(&str, Tensor)> = inputs.collect();
        let graph = run_interpreted(program.graph.clone(), GRAD, &inputs, REORDERED)
            .and_then(|graph| run_interpreted(graph, OPT, &inputs, REORDERED))
            .unwrap_or_else(|e| panic!("{}: {e}", function.name));
        let optimised = super::Program { graph, ..program }.run(&function.args);
        super::compare(&function.name, &format!("optimised {order}"), &optimised, &plain);
    }
}

fn matmul(b: &mut Builder, lhs: Value, rhs: Value) -> Value {
    let op = Op::Dot { lhs_batch: vec![], rhs_batch: vec![], lhs_contract: vec![1], rhs_contract: vec![0] };
    let shape = vec![b.shape(lhs)[0], b.shape(rhs)[1]];
    b.op(op, &[lhs, rhs], Type::new(DType::F32, shape))
}

/// All results that are floats, weighted differently, in one vector.
pub fn joined(b: &mut Builder, results: &[Value]) -> Value {
    let floats: Vec<Value> = results.iter().copied().filter(|v| b.dtype(*v) == DType::F32).collect();
    let flat: Vec<Value> = floats
        .into_iter()
        .map(|v| {
            let n = b.ty(v).elements();
            b.reshape(v, &[n])
        })
        .collect();
    let n = flat.iter().map(|v| b.shape(*v)[0]).sum();
    b.op(Op::Concat { axis: 0 }, &flat, Type::new(DType::F32, vec![n]))
}

/// `[input weights, recurrent weights, bias, h, x]` for x of [T, 2, 1] and three units.
pub fn recurrent_args(steps: usize) -> Vec<Tensor> {
    let shapes: [&[usize]; 5] = [&[1, 3], &[3, 3], &[3], &[2, 3], &[steps, 2, 1]];
    shapes.iter().enumerate().map(|(salt, shape)| floats(shape, salt + 1)).collect()
}

/// tanh(x W + h U + b)
pub fn cell(b: &mut Builder, weights: &[Value], x: Value, h: Value) -> Value {
    let (from_x, from_h) = (matmul(b, x, weights[0]), matmul(b, h, weights[1]));
    let sum = b.add(from_x, from_h);
    let bias = b.broadcast(weights[2], &[2, 3], &[1]);
    let sum = b.add(sum, bias);
    b.unary(Unary::Tanh, sum)
}

/// A simple recurrent net; `pick` says which of last state and all states count.
pub fn recurrent(name: &str, how: Loop, pick: fn(&[Value]) -> &[Value]) -> Function<'static> {
    form(name, recurrent_args(how.length), move |b, a| {
        let args = ScanArgs { consts: &a[..3], inits: &a[3..4], xs: &a[4..] };
        let results = b.scan(how, args, |b, step| {
            let h = cell(b, &step.consts, step.slices[0], step.carries[0]);
            [vec![h], vec![h]]
        });
        joined(b, pick(&results))
    })
}

#[test]
fn recurrent_nets() {
    check(recurrent("all states", Loop::over(4), |r| &r[1..]));
    check(recurrent("last state", Loop::over(4), |r| &r[..1]));
    check(recurrent("both", Loop::over(5), |r| r));
    check(recurrent("reversed", Loop { reverse: true, ..Loop::over(4) }, |r| r));
}

#[test]
fn one_step_and_none() {
    check(recurrent("one step", Loop::over(1), |r| r));
    check(recurrent("one step, reversed", Loop { reverse: true, ..Loop::over(1) }, |r| r));
    check(form("no step", vec![floats(&[3], 1), floats(&[3], 2)], |b, a| {
        let args = ScanArgs { consts: &a[..1], inits: &a[1..], xs: &[] };
        b.scan(Loop::over(0), args, |b, step| {
            let next = b.mul(step.carries[0], step.consts[0]);
            [vec![next], vec![next]]
        })[0]
    }));
}

/// The position and a counter take part, the latter as a carry that has no gradient.
pub fn positions(name: &str, how: Loop) -> Function<'static> {
    form(name, vec![floats(&[2], 1), floats(&[how.length, 2], 2)], move |b, a| {
        let zero = b.scalar(0.0, DType::I32);
        let args = ScanArgs { consts: &[], inits: &[a[0], zero], xs: &a[1..] };
        let results = b.scan(how, args, |b, step| {
            let one = b.scalar(1.0, DType::I32);
            let count = b.add(step.carries[1], one);
            let both = b.binary(Binary::Mul, count, step.position);
            let factor = b.cast(both, DType::F32);
            let factor = b.scale(factor, 0.1);
            let factor = b.broadcast(factor, &[2], &[]);
            let h = b.mul(step.carries[0], step.slices[0]);
            let h = b.add(h, factor);
            let h = b.unary(Unary::Sin, h);
            [vec![h, count], vec![h, count]]
        });
        joined(b, &results)
    })
}

#[test]
fn positions_and_counters() {
    check(positions("counter", Loop::over(4)));
    check(positions("counter, reversed", Loop { reverse: true, ..Loop::over(3) }));
}

/// Long short-term memory with gates as slices of one product, and a mask that keeps the old state.
pub fn lstm(how: Loop) -> Function<'static> {
    let shapes: [&[usize]; 6] = [&[1, 8], &[2, 8], &[8], &[2, 2], &[2, 2], &[how.length, 2, 1]];
    let mut args: Vec<Tensor> = shapes.iter().enumerate().map(|(salt, shape)| floats(shape, salt + 1)).collect();
    let mut mask = bools(&(0..2 * how.length).map(|i| i % 5 != 3).collect::<Vec<_>>());
    mask.shape = vec![how.length, 2];
    args.push(mask);
    form("lstm", args, move |b, a| {
        let args = ScanArgs { consts: &a[..3], inits: &a[3..5], xs: &a[5..] };
        let results = b.scan(how, args, |b, step| {
            let [h, c] = lstm_cell(b, step);
            let mask = b.broadcast(step.slices[1], &[2, 2], &[0]);
            let h = b.select(mask, h, step.carries[0]);
            let c = b.select(mask, c, step.carries[1]);
            [vec![h, c], vec![h]]
        });
        joined(b, &results)
    })
}

fn sigmoid(b: &mut Builder, x: Value) -> Value {
    let negated = b.neg(x);
    let exp = b.unary(Unary::Exp, negated);
    let ty = b.ty(x);
    let (denominator, one) = (b.shift(exp, 1.0), b.fill(1.0, &ty));
    b.div(one, denominator)
}

fn lstm_cell(b: &mut Builder, step: &Step) -> [Value; 2] {
    let (from_x, from_h) = (matmul(b, step.slices[0], step.consts[0]), matmul(b, step.carries[0], step.consts[1]));
    let sum = b.add(from_x, from_h);
    let bias = b.broadcast(step.consts[2], &[2, 8], &[1]);
    let sum = b.add(sum, bias);
    let gate = |b: &mut Builder, n: usize| b.slice(sum, &[0, 2 * n], &[2, 2], &[1, 1]);
    let (i, f, g, o) = (gate(b, 0), gate(b, 1), gate(b, 2), gate(b, 3));
    let (i, f, o) = (sigmoid(b, i), sigmoid(b, f), sigmoid(b, o));
    let g = b.unary(Unary::Tanh, g);
    let (kept, added) = (b.mul(f, step.carries[1]), b.mul(i, g));
    let c = b.add(kept, added);
    let shown = b.unary(Unary::Tanh, c);
    [b.mul(o, shown), c]
}

#[test]
fn masked_memories() {
    check(lstm(Loop::over(3)));
    check(lstm(Loop { reverse: true, ..Loop::over(3) }));
}

/// No carries at all, and results that depend on constants only.
#[test]
fn only_ys() {
    check(form("map", vec![floats(&[3], 1), floats(&[5, 3], 2)], |b, a| {
        let args = ScanArgs { consts: &a[..1], inits: &[], xs: &a[1..] };
        let results = b.scan(Loop::over(5), args, |b, step| {
            let product = b.mul(step.consts[0], step.slices[0]);
            let curved = b.unary(Unary::Sin, product);
            let square = b.mul(step.consts[0], step.consts[0]);
            [vec![], vec![curved, step.consts[0], square, step.slices[0]]]
        });
        joined(b, &results)
    }));
}

/// Rows of a table by integer xs, integer and bool carries: none of them has an adjoint.
#[test]
fn other_types() {
    let args = vec![floats(&[4, 3], 1), floats(&[3], 2), ints(&[5], &[3, 0, 0, 2, 1])];
    check(form("other types", args, |b, a| {
        let start = b.scalar(1.0, DType::I32);
        let no = b.scalar(0.0, DType::Bool);
        let args = ScanArgs { consts: &a[..1], inits: &[a[1], start, no], xs: &a[2..] };
        let results = b.scan(Loop::over(5), args, |b, step| {
            let row = b.op(Op::Take { axis: 0 }, &[step.consts[0], step.slices[0]], Type::new(DType::F32, vec![3]));
            let larger = b.compare(Compare::Gt, step.slices[0], step.carries[1]);
            let seen = b.binary(Binary::Or, step.carries[2], larger);
            let chosen = b.broadcast(seen, &[3], &[]);
            let (sum, product) = (b.add(step.carries[0], row), b.mul(step.carries[0], row));
            let h = b.select(chosen, product, sum);
            [vec![h, step.slices[0], seen], vec![h, seen, step.carries[1]]]
        });
        joined(b, &results)
    }));
}

/// The inner loop runs over the rows of a slice, starts from the outer carry and reads constants of both.
fn nested(outer: Loop, inner: Loop) -> Function<'static> {
    let args = vec![floats(&[3], 1), floats(&[3], 2), floats(&[outer.length, inner.length, 3], 3)];
    form("nested", args, move |b, a| {
        let args = ScanArgs { consts: &a[..1], inits: &a[1..2], xs: &a[2..] };
        let results = b.scan(outer, args, |b, step| {
            let consts = [step.consts[0], step.carries[0]];
            let args = ScanArgs { consts: &consts, inits: &step.carries, xs: &step.slices };
            let inside = b.scan(inner, args, |b, step| {
                let product = b.mul(step.carries[0], step.consts[0]);
                let sum = b.add(product, step.slices[0]);
                let turned = b.unary(Unary::Sin, sum);
                let h = b.mul(turned, step.consts[1]);
                [vec![h], vec![turned]]
            });
            let total = b.sum(inside[1], &[0]);
            [vec![inside[0]], vec![total, inside[0]]]
        });
        joined(b, &results)
    })
}

#[test]
fn nested_loops() {
    let reversed = |length| Loop { reverse: true, ..Loop::over(length) };
    check(nested(Loop::over(3), Loop::over(2)));
    check(nested(Loop::over(2), reversed(3)));
    check(nested(reversed(3), Loop::over(1)));
    check(nested(Loop { checkpoint: Some(2), ..Loop::over(3) }, Loop { checkpoint: Some(2), ..Loop::over(3) }));
}

/// A carry that moves into another only after two steps, one that nobody reads, one that never changes, and one that
/// starts afresh at each step.
#[test]
fn carries_of_all_kinds() {
    let args = vec![floats(&[2], 1), floats(&[2], 2), floats(&[2], 3), floats(&[2], 4), floats(&[4, 2], 5)];
    check(form("carries", args, |b, a| {
        let args = ScanArgs { consts: &[], inits: &[a[0], a[1], a[2], a[3], a[0]], xs: &a[4..] };
        let results = b.scan(Loop::over(4), args, |b, step| {
            let c = &step.carries;
            let product = b.mul(c[0], step.slices[0]);
            let scaled = b.mul(product, c[3]);
            let unread = b.unary(Unary::Exp, c[2]);
            let fresh = b.unary(Unary::Cos, step.slices[0]);
            [vec![c[1], scaled, unread, c[3], fresh], vec![product, c[4]]]
        });
        joined(b, &[results[0], results[3], results[4], results[5], results[6]])
    }));
}

/// Reductions, sorting and a running sum inside a loop.
#[test]
fn costly_bodies() {
    check(form("softmax", vec![floats(&[2, 5], 1), floats(&[3, 2, 5], 2)], |b, a| {
        let args = ScanArgs { consts: &[], inits: &a[..1], xs: &a[1..] };
        let results = b.scan(Loop::over(3), args, |b, step| {
            let sum = b.add(step.carries[0], step.slices[0]);
            let largest = b.reduce(Reduce::Max, sum, &[1]);
            let largest = b.broadcast(largest, &[2, 5], &[0]);
            let shifted = b.sub(sum, largest);
            let exp = b.unary(Unary::Exp, shifted);
            let total = b.sum(exp, &[1]);
            let total = b.broadcast(total, &[2, 5], &[0]);
            let p = b.div(exp, total);
            let ty = b.ty(p);
            let running = b.op(Op::CumSum { axis: 1, reverse: false }, &[p], ty.clone());
            let indices = Type::new(DType::I32, ty.shape.clone());
            let op = Op::Sort { axis: 1, descending: true };
            let sorted = b.graph.push(op, vec![running], vec![ty, indices], Origin::default());
            let h = b.mul(sorted[0], step.slices[0]);
            [vec![h], vec![p, running]]
        });
        joined(b, &results)
    }));
}

fn composite(b: &mut Builder, x: Value, regions: Vec<Graph>) -> Value {
    let ty = b.ty(x);
    let y = b.graph.fresh(ty);
    let op = Op::Composite { name: "c".into() };
    b.graph.insts.push(Inst { op, args: vec![x], results: vec![y], regions, origin: Origin::default() });
    y
}

fn region(inputs: usize, shape: &[usize], body: impl Fn(&mut Builder, &[Value]) -> Value) -> Graph {
    let mut graph = Graph::new("region");
    let ty = Type::new(DType::F32, shape.to_vec());
    let input = |i| graph.input(format!("p{i}"), InputRole::Arg, ty.clone(), Origin::default());
    let inputs: Vec<Value> = (0..inputs).map(input).collect();
    let result = body(&mut Builder::new(&mut graph, Origin::default()), &inputs);
    graph.output("out", OutputRole::Result, result);
    graph
}

/// x ← sin x, three times.
fn thrice(b: &mut Builder, x: Value) -> Value {
    let args = ScanArgs { inits: &[x], ..ScanArgs::default() };
    b.scan(Loop::over(3), args, |b, step| {
        let y = b.unary(Unary::Sin, step.carries[0]);
        [vec![y], vec![]]
    })[0]
}

/// A linear congruential generator.
fn below(state: &mut u64, n: usize) -> usize {
    *state = state.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(0x1405_7b7e_f767_814f);
    (*state >> 33) as usize % n
}

fn random(seed: u64) -> Function<'static> {
    let mut start = seed;
    let length = 1 + below(&mut start, 4);
    let argument = |(salt, ty): (usize, &Type)| match ty.dtype {
        DType::F32 => floats(&ty.shape, salt + 10 * seed as usize),
        DType::I32 => ints(&ty.shape, &(0..ty.elements() as i32).map(|i| i * 7 % 3).collect::<Vec<_>>()),
        _ => {
            let elements = (0..ty.elements()).map(|i| i * 5 % 7 < 4).collect::<Vec<_>>();
            Tensor { shape: ty.shape.clone(), ..bools(&elements) }
        }
    };
    let args = random_loops::types(length).iter().enumerate().map(argument).collect();
    form(&format!("seed {seed}"), args, move |b, a| {
        let mut state = start;
        let results = random_loops::random_loop(&mut |n| below(&mut state, n), b, a.try_into().expect("six arguments"));
        joined(b, &results)
    })
}

/// More with `NNC_SEEDS=1000`.
#[test]
fn random_loops_of_both_orders() {
    let count = std::env::var("NNC_SEEDS").ok().and_then(|n| n.parse().ok()).unwrap_or(8);
    (0..count).for_each(|seed| check(random(seed)));
}

#[test]
fn loops_and_composites() {
    check(form("composites in a loop", vec![floats(&[3], 1), floats(&[4, 3], 2)], |b, a| {
        let args = ScanArgs { consts: &[], inits: &a[..1], xs: &a[1..] };
        let results = b.scan(Loop::over(4), args, |b, step| {
            let exp = region(1, &[3], |b, p| b.unary(Unary::Exp, p[0]));
            let own = region(3, &[3], |b, p| b.mul(p[2], p[1]));
            let negated = b.mul(step.carries[0], step.slices[0]);
            let plain = composite(b, negated, vec![exp.clone()]);
            let ruled = composite(b, step.slices[0], vec![exp, own]);
            let sum = b.add(plain, ruled);
            let h = b.unary(Unary::Tanh, sum);
            [vec![h], vec![ruled]]
        });
        joined(b, &results)
    }));
    check(form("loop in a composite", vec![floats(&[3], 1)], |b, a| {
        composite(b, a[0], vec![region(1, &[3], |b, p| thrice(b, p[0]))])
    }));
    check(form("loop in a composite in a loop", vec![floats(&[3], 1)], |b, a| {
        let args = ScanArgs { inits: a, ..ScanArgs::default() };
        b.scan(Loop::over(2), args, |b, step| {
            let y = composite(b, step.carries[0], vec![region(1, &[3], |b, p| thrice(b, p[0]))]);
            [vec![b.scale(y, 1.5)], vec![]]
        })[0]
    }));
}

/// Steepest descent inside of the function: a gradient in the body, and one through the loop.
#[test]
fn gradients_in_a_loop() {
    check(form("descent", vec![floats(&[3], 1), floats(&[3], 2)], |b, a| {
        let args = ScanArgs { consts: &a[..1], inits: &a[1..], xs: &[] };
        b.scan(Loop::over(3), args, |b, step| {
            let error = b.sub(step.carries[0], step.consts[0]);
            let wave = b.unary(Unary::Sin, error);
            let loss = b.sum(wave, &[0]);
            let slope = grad(b, loss, &step.carries)[0];
            let change = b.scale(slope, 0.3);
            [vec![b.sub(step.carries[0], change)], vec![]]
        })[0]
    }));
}

/// The partial derivative of what a `where` hides is singular, also where the hidden value is a carry: 0, not NaN.
#[test]
fn zeros_stay_strong_in_loops() {
    let hidden = |x: &[f64]| {
        let function = form("strong zeros", vec![exact(&[2], x)], |b, a| {
            let args = ScanArgs { inits: &[a[0], a[0]], ..ScanArgs::default() };
            let results = b.scan(Loop::over(2), args, |b, step| {
                let root = b.unary(Unary::Log, step.carries[0]);
                let root = b.mul(root, root);
                let zero = b.zeros_like(root);
                let positive = b.compare(Compare::Gt, step.carries[0], zero);
                let shown = b.select(positive, root, step.carries[1]);
                [vec![step.carries[0], shown], vec![]]
            });
            results[1]
        });
        super::program(&function, What::Gradients).run(&function.args).remove(0)
    };
    let gradient = hidden(&[-1.0, 0.0]);
    assert!(gradient.iter().all(|g| g.is_finite()), "{gradient:?}");
}

fn scans(graph: &Graph) -> Vec<&Inst> {
    let here = |inst: &&Inst| matches!(inst.op, Op::Scan { .. });
    graph.insts.iter().filter(here).flat_map(|inst| [vec![inst], scans(&inst.regions[0])].concat()).collect()
}

/// What depends on carries that a gradient does not pass through costs nothing in the backward loop.
#[test]
fn adjoints_only_where_they_matter() {
    let function = positions("", Loop::over(4));
    let graph = super::program(&function, What::Gradients).graph;
    let loops = scans(&graph);
    assert_eq!(loops.len(), 2);
    // One adjoint of the float carry; nothing is summed, since there are no constants.
    assert!(matches!(loops[1].op, Op::Scan { carries: 1, reverse: true, .. }), "{:?}", loops[1].op);
}

/// Case 20: h(t) depends on h(t − 1), so three steps of h ← w h give w³.
#[test]
fn a_step_reads_the_state_before_it() {
    let function = form("powers", vec![exact(&[], &[0.5]), exact(&[], &[3.0])], |b, a| {
        let args = ScanArgs { consts: &a[..1], inits: &a[1..], xs: &[] };
        b.scan(Loop::over(3), args, |b, step| [vec![b.mul(step.consts[0], step.carries[0])], vec![]])[0]
    });
    let program = super::program(&function, What::Gradients);
    let one = weights_of_one();
    // d(weight · (w³ h)²): 6 w⁵ h² and 2 w⁶ h.
    let got = program.run(&function.args);
    let expected = [6.0 * 0.5f64.powi(5) * 9.0 * one, 2.0 * 0.5f64.powi(6) * 3.0 * one];
    assert!((got[0][0] - expected[0]).abs() < 1e-12 && (got[1][0] - expected[1]).abs() < 1e-12, "{got:?}");
}

/// The weight of a scalar result in the loss.
fn weights_of_one() -> f64 {
    let mut graph = Graph::new("weight");
    let table = weights(&mut Builder::new(&mut graph, Origin::default()), &[], 0);
    match &graph.insts[table.0 as usize].op {
        Op::Table(literals, _) => match literals[0] {
            Literal::Float(x) => x,
            _ => unreachable!("a float"),
        },
        _ => unreachable!("a table"),
    }
}

/// The code with which a program is refused.
fn refusal(body: impl Fn(&mut Builder, &[Value]) -> Value + 'static) -> Option<Code> {
    let graph = unexpanded(&form("refused", vec![floats(&[2], 1)], body), What::Gradients).graph;
    nnc::driver::compile::differentiated(graph).err().map(|error| error.code)
}

/// x ← sin x, at most three times and as long as the first element is positive.
fn while_positive(b: &mut Builder, x: Value) -> Value {
    let yes = b.scalar(1.0, DType::Bool);
    let args = ScanArgs { inits: &[yes, x], ..ScanArgs::default() };
    b.scan(Loop { while_carry: true, ..Loop::over(3) }, args, |b, step| {
        let y = b.unary(Unary::Sin, step.carries[1]);
        let first = b.slice(y, &[0], &[1], &[1]);
        let first = b.reshape(first, &[]);
        let zero = b.scalar(0.0, DType::F32);
        [vec![b.compare(Compare::Gt, first, zero), y], vec![]]
    })[1]
}

#[test]
fn no_gradient_passes_through_a_condition() {
    assert_eq!(refusal(|b, a| while_positive(b, a[0])), Some(Code(902)));
    let twice = |b: &mut Builder, a: &[Value]| {
        let args = ScanArgs { inits: a, ..ScanArgs::default() };
        b.scan(Loop::over(2), args, |b, step| [vec![while_positive(b, step.carries[0])], vec![]])[0]
    };
    assert_eq!(refusal(twice), Some(Code(902)));
    assert_eq!(
        refusal(|b, a| composite(b, a[0], vec![region(1, &[2], |b, p| while_positive(b, p[0]))])),
        Some(Code(902))
    );
    // Beside the gradient's way, or cut off from it.
    let beside = |b: &mut Builder, a: &[Value]| {
        let ty = b.ty(a[0]);
        let stopped = b.op(Op::StopGradient, a, ty);
        let found = while_positive(b, stopped);
        b.mul(found, a[0])
    };
    assert_eq!(refusal(beside), None);
}

//! The memory plan: its verifier refuses broken plans, and updates in place happen only where they are safe.

use crate::machine::{RESULT, check, f32s, floats};
use nnc::ops::{Op, Reduce, Unary};
use nnc::schedule::{self, Item, Options, Pick, Place, Shares, Step, StepProgram, memory, plan};
use nnc::tensor::build::{Builder, Loop, ScanArgs};
use nnc::tensor::data::Tensor;
use nnc::tensor::{Graph, InputRole, Origin, OutputRole, Value};

/// Three kernels in a row: a map, the maximum over rows of all, a map that reads both.
fn chain() -> Graph {
    let mut graph = Graph::new("chain");
    let x = graph.input("x", InputRole::Arg, f32s(&[64, 65]), Origin::default());
    let mut b = Builder::new(&mut graph, Origin::default());
    let e = b.unary(Unary::Tanh, x);
    let flipped = b.transpose(e, &[1, 0]);
    let best = b.reduce(Reduce::Max, flipped, &[0]);
    let spread = b.broadcast(best, &[64, 65], &[0]);
    let y = b.sub(e, spread);
    graph.output("y", RESULT, y);
    graph
}

fn planned(graph: &Graph) -> StepProgram {
    plan(graph, &Options { target: nnc::lane::Target::AVX512 }).expect("a plan")
}

#[track_caller]
fn refused(change: impl Fn(&mut StepProgram), reason: &str) {
    let mut program = planned(&chain());
    assert_eq!(memory::verify(&program), Ok(()));
    change(&mut program);
    let error = memory::verify(&program).expect_err("a broken plan");
    assert!(error.contains(reason), "{error}");
}

/// Gives every launch and condition a barrier, or none.
fn barriers(items: &mut [Item], barrier: bool) {
    for item in items {
        match item {
            Item::Launch(launch) => launch.barrier = barrier,
            Item::Loop(inner) => {
                inner.condition.iter_mut().for_each(|c| c.barrier = barrier);
                barriers(&mut inner.items, barrier);
                barriers(&mut inner.after, barrier);
            }
        }
    }
}

fn arena(program: &mut StepProgram) -> impl Iterator<Item = &mut usize> {
    program.buffers.iter_mut().filter_map(|b| match &mut b.place {
        Place::Arena { offset } => Some(offset),
        _ => None,
    })
}

#[test]
fn buffers_that_overlap_are_found() {
    refused(|p| arena(p).for_each(|offset| *offset = 0), "does not hold its value");
}

#[test]
fn a_missing_barrier_is_found() {
    refused(|p| barriers(&mut p.items, false), "without a barrier");
}

#[test]
fn a_read_before_the_write_is_found() {
    refused(
        |p| {
            p.items.reverse();
            barriers(&mut p.items, true);
        },
        "does not hold its value",
    );
}

/// Five iterations of a carry that alternates between two slices, since it is read in reverse, and the ys.
fn looped() -> Graph {
    let mut graph = Graph::new("looped");
    let x = graph.input("x", InputRole::Arg, f32s(&[5, 65]), Origin::default());
    let mut b = Builder::new(&mut graph, Origin::default());
    let init = b.fill(1.0, &f32s(&[65]));
    let args = ScanArgs { consts: &[], inits: &[init], xs: &[x] };
    let results = b.scan(Loop::over(5), args, |b, s| {
        let turned = b.op(Op::Reverse { axes: vec![0] }, &[s.carries[0]], f32s(&[65]));
        let sum = b.add(turned, s.slices[0]);
        let next = b.unary(Unary::Tanh, sum);
        let best = b.reduce(Reduce::Max, next, &[0]);
        let best = b.broadcast(best, &[65], &[]);
        [vec![next], vec![b.sub(next, best)]]
    });
    graph.output("last", RESULT, results[0]);
    graph.output("ys", RESULT, results[1]);
    graph
}

fn only_loop(program: &mut StepProgram) -> &mut schedule::Loop {
    let mut loops = program.items.iter_mut().filter_map(|item| match item {
        Item::Loop(inner) => Some(inner),
        Item::Launch(_) => None,
    });
    loops.next().expect("a loop")
}

fn steps(program: &mut StepProgram) -> impl Iterator<Item = &mut Step> {
    let launches = only_loop(program).items.iter_mut().filter_map(|item| match item {
        Item::Launch(launch) => Some(launch),
        Item::Loop(_) => None,
    });
    launches.flat_map(|l| &mut l.args).flat_map(|arg| &mut arg.steps)
}

#[track_caller]
fn refused_in_loop(change: impl Fn(&mut StepProgram), reason: &str) {
    let mut program = planned(&looped());
    assert_eq!(memory::verify(&program), Ok(()));
    change(&mut program);
    let error = memory::verify(&program).expect_err(&format!("a broken plan\n{program}"));
    assert!(error.contains(reason), "{error}");
}

#[test]
fn broken_loops_are_found() {
    let ends_early = |p: &mut StepProgram| only_loop(p).length -= 1;
    refused_in_loop(ends_early, "at the end");
    refused_in_loop(|p| only_loop(p).length += 1, "does not fit");
    refused_in_loop(|p| only_loop(p).after.clear(), "at the end");
    refused_in_loop(|p| barriers(&mut p.items, false), "without a barrier");
    refused_in_loop(|p| barriers(&mut only_loop(p).items, false), "without a barrier");
    refused_in_loop(|p| steps(p).for_each(|s| s.stride += 1), "does not");
    refused_in_loop(|p| arena(p).for_each(|offset| *offset = 0), "does not hold its value");
    // Old and new carry change places: the first iteration reads what nobody has written.
    let swapped = |p: &mut StepProgram| {
        steps(p).for_each(|s| match s.pick {
            Pick::Odd => s.pick = Pick::Even,
            Pick::Even => s.pick = Pick::Odd,
            Pick::Position => {}
        })
    };
    refused_in_loop(swapped, "does not hold its value");
}

/// h = tanh(h·W + x): a product and a map in each step, cut at the same rows.
fn recurrent() -> Graph {
    let mut graph = Graph::new("recurrent");
    let shapes: [&[usize]; 3] = [&[3, 48, 20], &[48, 20], &[20, 20]];
    let [x, h, w] = shapes.map(|s| graph.input(format!("{s:?}"), InputRole::Arg, f32s(s), Origin::default()));
    let mut b = Builder::new(&mut graph, Origin::default());
    let args = ScanArgs { consts: &[w], inits: &[h], xs: &[x] };
    let results = b.scan(Loop::over(3), args, |b, s| {
        let op = Op::Dot { lhs_batch: vec![], rhs_batch: vec![], lhs_contract: vec![1], rhs_contract: vec![0] };
        let product = b.op(op, &[s.carries[0], s.consts[0]], f32s(&[48, 20]));
        let turned = b.op(Op::Reverse { axes: vec![1] }, &[product], f32s(&[48, 20]));
        let sum = b.add(turned, s.slices[0]);
        [vec![b.unary(Unary::Tanh, sum)], vec![]]
    });
    graph.output("last", RESULT, results[0]);
    graph
}

fn in_loop(program: &mut StepProgram, change: impl Fn(&mut schedule::Launch)) {
    for item in &mut only_loop(program).items {
        match item {
            Item::Launch(launch) => change(launch),
            Item::Loop(_) => panic!("one loop only"),
        }
    }
}

#[test]
fn broken_shares_are_found() {
    let whole = planned(&recurrent());
    assert!(whole.stats().barriers < 3, "{whole}");
    let refused = |graph: &Graph, change: &dyn Fn(&mut StepProgram), reason: &str| {
        let mut program = planned(graph);
        change(&mut program);
        let error = memory::verify(&program).expect_err(&format!("a broken plan\n{program}"));
        assert!(error.contains("in shares") && error.contains(reason), "{error}");
    };
    let fewer = |p: &mut StepProgram| only_loop(p).shares = Some(Shares { count: 1, barrier: true });
    refused(&recurrent(), &fewer, "are not all");
    let more = |p: &mut StepProgram| in_loop(p, |l| l.share += usize::from(l.kernel % 2 == 1));
    refused(&recurrent(), &more, "without a barrier");
    let early = |p: &mut StepProgram| only_loop(p).shares.iter_mut().for_each(|s| s.barrier = false);
    refused(&recurrent(), &early, "without a barrier");
    // The carry is read in reverse: whoever writes a part of it needs what all others wrote.
    let apart = |p: &mut StepProgram| {
        only_loop(p).shares = Some(Shares { count: 2, barrier: true });
        in_loop(p, |l| l.share = 1);
    };
    refused(&looped(), &apart, "without a barrier");
}

/// What the loop reads in each iteration must outlive it, also where its last reader stands before the end of the body.
#[test]
fn values_of_outside_live_through_the_loop() {
    let mut graph = Graph::new("outside");
    let x = graph.input("x", InputRole::Arg, f32s(&[4, 64, 8]), Origin::default());
    let mut b = Builder::new(&mut graph, Origin::default());
    let zero = b.fill(0.0, &f32s(&[64, 8]));
    let top = b.reduce(Reduce::Max, x, &[0]);
    let weights = b.reduce(Reduce::Max, x, &[0, 1]);
    let args = ScanArgs { consts: &[weights], inits: &[zero], xs: &[x] };
    let results = b.scan(Loop::over(4), args, |b, s| {
        let spread = b.broadcast(s.consts[0], &[64, 8], &[1]);
        let sum = b.add(s.slices[0], spread);
        let best = b.reduce(Reduce::Max, sum, &[0]);
        let best = b.broadcast(best, &[64, 8], &[1]);
        let total = b.reduce(Reduce::Sum, best, &[0]);
        let total = b.broadcast(total, &[64, 8], &[1]);
        [vec![b.add(s.carries[0], total)], vec![]]
    });
    let y = b.sub(results[0], top);
    graph.output("y", RESULT, y);
    check(&graph, &[("x", floats(&[4, 64, 8], 1))]);
}

#[test]
fn places_outside_or_askew_are_found() {
    refused(|p| arena(p).for_each(|offset| *offset += 4), "lies at");
    refused(|p| p.arena_bytes /= 2, "lies at");
}

/// Parameters `p` and `q`, their updates, and one result.
fn updates(body: impl Fn(&mut Builder, Value, Value) -> (Value, Value, Value)) -> StepProgram {
    let mut graph = Graph::new("updates");
    let [p, q] = ["p", "q"].map(|n| graph.input(n, InputRole::Param, f32s(&[40, 50]), Origin::default()));
    let (new_p, new_q, y) = body(&mut Builder::new(&mut graph, Origin::default()), p, q);
    graph.output("p", OutputRole::Update, new_p);
    graph.output("q", OutputRole::Update, new_q);
    graph.output("y", RESULT, y);
    let inputs: Vec<(&str, Tensor)> = vec![("p", floats(&[40, 50], 1)), ("q", floats(&[40, 50], 2))];
    check(&graph, &inputs)
}

fn in_place(program: &StepProgram, name: &str) -> bool {
    let input = program.inputs.iter().find(|i| i.name == name).expect("an input");
    program.outputs.iter().any(|o| o.name == name && o.buffer == input.buffer)
}

#[test]
fn elementwise_updates_are_in_place() {
    let program = updates(|b, p, q| {
        let sum = b.add(p, q);
        (sum, b.neg(q), b.reduce(Reduce::Sum, p, &[0]))
    });
    assert!(in_place(&program, "p") && in_place(&program, "q"), "{program}");
}

#[test]
fn an_old_value_that_is_still_read_is_kept() {
    let program = updates(|b, p, q| {
        let new = b.unary(Unary::Tanh, p);
        let best = b.reduce(Reduce::Max, new, &[0, 1]);
        let spread = b.broadcast(best, &[40, 50], &[]);
        (new, b.neg(q), b.mul(p, spread))
    });
    assert!(!in_place(&program, "p"), "{program}");
}

#[test]
fn an_update_that_reads_other_elements_is_not_in_place() {
    let program = updates(|b, p, q| {
        let turned = b.op(Op::Reverse { axes: vec![1] }, &[p], f32s(&[40, 50]));
        (b.add(turned, q), b.neg(q), b.neg(p))
    });
    assert!(!in_place(&program, "p"), "{program}");
}

#[test]
fn parameters_may_change_places() {
    // One kernel reads both elements before it writes either.
    let program = updates(|b, p, q| (q, p, b.neg(p)));
    assert!(in_place(&program, "p") && in_place(&program, "q"), "{program}");
}

#[test]
fn results_share_memory_only_when_dead() {
    let program = planned(&chain());
    let total: usize =
        program.buffers.iter().filter(|b| matches!(b.place, Place::Arena { .. })).map(|b| b.bytes()).sum();
    assert!(program.arena_bytes <= total, "{}", nnc::schedule::print::BufferTable::from(&program));
    assert_eq!(program.stats().launches, program.launches().len());
}

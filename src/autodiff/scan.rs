//! The gradient of a loop is a loop in the other direction.
//!
//! The body is differentiated once, by a sweep of its own from the adjoints of its results. Of the joint body so
//! obtained, the forward part stays in the loop, which now also stacks what the backward part needs ([`cut`] chooses);
//! the backward part becomes the body of a second loop. There the carries are the adjoints of the forward carries and
//! the sums of the adjoints of the constants; the ys are the adjoints of the xs.

use super::cut::{self, Choice};
use super::flow;
use super::sweep::Sweep;
use super::unfolded;
use crate::ops::{Op, Type};
use crate::tensor::build::{Builder, Loop, ScanArgs};
use crate::tensor::scan::{Scan, Values};
use crate::tensor::{Graph, InputRole, Inst, Origin, Output, OutputRole, Value};
use std::collections::HashMap;

/// Appends the adjoints of a scan's arguments. `at` is the scan's place in the graph, where its forward part gets
/// further results.
pub fn visit(sweep: &mut Sweep, at: usize, inst: &Inst) {
    let scan = Scan::of(inst).expect("the sweep calls this for scans");
    if *scan.length == 0 {
        return skip(sweep, &scan);
    }
    let active = flow::active_inside(&scan, &sweep.active);
    let through = Through::of(&scan, &active, sweep);
    let joint = Joint::new(&scan, &active, &through, sweep);
    let saved = joint.saved(&scan);
    let stacked = extend(sweep.b.graph, at, &joint, &saved);
    let results = backward(sweep, &scan, &through, &joint, &saved, &stacked);
    for (x, x_adj) in joint.receivers(&scan, &through).into_iter().zip(results) {
        sweep.accumulate(x, x_adj);
    }
}

/// Where nothing runs, the last carries are the first ones.
fn skip(sweep: &mut Sweep, scan: &Scan) {
    for (result, init) in scan.finals.iter().zip(scan.inits) {
        if let Some(adjoint) = sweep.adjoints.get(result).copied() {
            sweep.accumulate(*init, adjoint);
        }
    }
}

/// The carries, constants, xs and ys that a gradient passes through, by number.
struct Through {
    carries: Vec<usize>,
    consts: Vec<usize>,
    xs: Vec<usize>,
    ys: Vec<usize>,
}

impl Through {
    /// `active` are the active values of the body.
    fn of(scan: &Scan, active: &Values, sweep: &Sweep) -> Through {
        let wanted = flow::wanted_inside(scan, &sweep.adjoints.keys().copied().collect());
        let both = |values: Vec<Value>| -> Vec<usize> {
            (0..values.len()).filter(|&n| active.contains(&values[n]) && wanted.contains(&values[n])).collect()
        };
        let slices = scan.slices();
        let has_adjoint = |n: &usize| active.contains(&slices[*n]) && sweep.adjoints.contains_key(&scan.ys[*n]);
        let carries = carried(scan, active, &wanted);
        let ys = (0..slices.len()).filter(has_adjoint).collect();
        Through { carries, consts: both(scan.const_inputs()), xs: both(scan.slice_inputs()), ys }
    }
}

/// Carries whose last value or whose value for a step has an adjoint.
fn carried(scan: &Scan, active: &Values, wanted: &Values) -> Vec<usize> {
    let (inputs, next) = (scan.carry_inputs(), scan.next());
    (0..inputs.len()).filter(|&k| active.contains(&inputs[k]) && (wanted.contains(&next[k]))).collect()
}

/// The body with its own adjoints.
struct Joint {
    graph: Graph,
    /// Number of instructions that are the forward body.
    forward: usize,
    /// Inputs for the adjoints of the carries that the body gives, and of the ys.
    carry_adjs: Vec<Value>,
    y_adjs: Vec<Value>,
    /// Adjoints of the carries that the body takes, of constants and of slices, where there are any.
    carries: Vec<Option<Value>>,
    consts: Vec<Option<Value>>,
    slices: Vec<Option<Value>>,
}

fn pick<T: Copy>(items: &[T], numbers: &[usize]) -> Vec<T> {
    numbers.iter().map(|&n| items[n]).collect()
}

impl Joint {
    fn new(scan: &Scan, inside: &Values, through: &Through, outer: &Sweep) -> Joint {
        let wrt: Vec<Value> = scan.body.inputs.iter().map(|(v, _)| *v).filter(|v| inside.contains(v)).collect();
        let mut graph = unfolded(scan.body.clone(), &wrt);
        let forward = graph.insts.len();
        let outputs: Vec<Value> = graph.outputs.iter().map(|o| o.value).collect();
        let (next, ys) = outputs.split_at(scan.inits.len());
        let (next, ys) = (pick(next, &through.carries), pick(ys, &through.ys));
        let carry_adjs = adjoint_inputs(&mut graph, "carry", &next);
        let y_adjs = adjoint_inputs(&mut graph, "y", &ys);

        let active = flow::active(&graph, wrt);
        let mut sweep = Sweep::new(&mut graph, active, outer.b.origin.clone());
        sweep.masked = masked_outputs(scan, &outer.masked, &outputs);
        for (y, y_adj) in next.iter().zip(&carry_adjs).chain(ys.iter().zip(&y_adjs)) {
            sweep.accumulate(*y, *y_adj);
        }
        sweep.run(forward);
        let found = |inputs: Vec<Value>, numbers: &[usize]| -> Vec<Option<Value>> {
            pick(&inputs, numbers).iter().map(|v| sweep.adjoints.get(v).copied()).collect()
        };
        let carries = found(scan.carry_inputs(), &through.carries);
        let consts = found(scan.const_inputs(), &through.consts);
        let slices = found(scan.slice_inputs(), &through.xs);
        Joint { graph, forward, carry_adjs, y_adjs, carries, consts, slices }
    }

    fn forward_insts(&self) -> &[Inst] {
        &self.graph.insts[..self.forward]
    }

    /// What the backward body gives.
    fn roots(&self) -> Vec<Value> {
        [&self.carries, &self.consts, &self.slices].into_iter().flatten().copied().flatten().collect()
    }

    /// What stacked values the backward body reads.
    fn saved(&self, scan: &Scan) -> Vec<Value> {
        let forward: Values = self.forward_insts().iter().flat_map(|inst| inst.results.clone()).collect();
        let outputs: Vec<Value> = self.graph.outputs.iter().map(|o| o.value).collect();
        let choice = Choice {
            graph: &self.graph,
            forward: self.forward_insts(),
            free: &[vec![scan.position()], scan.const_inputs(), scan.slice_inputs()].concat().into_iter().collect(),
            carries: &scan.carry_inputs().into_iter().collect(),
            stacked: &outputs[scan.inits.len()..].iter().copied().collect(),
            read: &needed(&self.graph, &self.roots(), |v| forward.contains(&v)),
            frugal: scan.checkpoint == Some(1),
        };
        cut::saved(&choice)
    }

    /// The arguments that get an adjoint, in the order in which the backward loop gives them.
    fn receivers(&self, scan: &Scan, through: &Through) -> Vec<Value> {
        let existing = |args: &[Value], numbers: &[usize], adjoints: &[Option<Value>]| -> Vec<Value> {
            pick(args, numbers).into_iter().zip(adjoints).filter(|(_, a)| a.is_some()).map(|(arg, _)| arg).collect()
        };
        let consts = existing(scan.consts, &through.consts, &self.consts);
        let xs = existing(scan.xs, &through.xs, &self.slices);
        [pick(scan.inits, &through.carries), consts, xs].concat()
    }
}

/// The outputs of the body that are masked, for a body in which some composites were replaced.
fn masked_outputs(scan: &Scan, outer: &Values, outputs: &[Value]) -> Values {
    let inside = flow::masked_inside(scan, outer);
    let masked = scan.body.outputs.iter().zip(outputs).filter(|(before, _)| inside.contains(&before.value));
    masked.map(|(_, now)| *now).collect()
}

fn adjoint_inputs(graph: &mut Graph, name: &str, of: &[Value]) -> Vec<Value> {
    let types: Vec<Type> = of.iter().map(|v| graph.ty(*v).clone()).collect();
    let named = types.into_iter().enumerate().map(|(n, ty)| (format!("{name}{n}_adj"), ty));
    named.map(|(name, ty)| graph.input(name, InputRole::Arg, ty, Origin::default())).collect()
}

/// The values that the roots depend on; what `stops` is among them, but not what it depends on.
fn needed(graph: &Graph, roots: &[Value], stops: impl Fn(Value) -> bool) -> Values {
    let mut needed: Values = roots.iter().copied().collect();
    for inst in graph.insts.iter().rev() {
        if inst.results.iter().any(|v| needed.contains(v) && !stops(*v)) {
            needed.extend(&inst.args);
        }
    }
    needed
}

/// Replaces the body of the scan by the forward part, which also stacks the saved values. Gives what stacks each.
fn extend(graph: &mut Graph, at: usize, joint: &Joint, saved: &[Value]) -> Vec<Value> {
    let Op::Scan { carries, length, .. } = graph.insts[at].op else { unreachable!("the scan stays where it is") };
    let mut body = Graph { insts: joint.forward_insts().to_vec(), ..joint.graph.clone() };
    body.inputs.truncate(body.inputs.len() - joint.carry_adjs.len() - joint.y_adjs.len());
    let mut stack = |value: &Value| match body.outputs.iter().skip(carries).position(|o| o.value == *value) {
        Some(n) => graph.insts[at].results[carries + n],
        None => add_y(graph, at, &mut body, *value, length),
    };
    let stacked = saved.iter().map(&mut stack).collect();
    graph.insts[at].regions = vec![body];
    stacked
}

fn add_y(graph: &mut Graph, at: usize, body: &mut Graph, value: Value, length: usize) -> Value {
    let ty = body.ty(value);
    let stacked = Type::new(ty.dtype, [&[length], &ty.shape[..]].concat());
    let name = format!("saved{}", value.0);
    body.outputs.push(Output { name, role: OutputRole::Result, value });
    let y = graph.fresh(stacked);
    graph.insts[at].results.push(y);
    y
}

/// Appends the backward loop. Gives the adjoints of the first carries, of constants and of xs.
fn backward(
    sweep: &mut Sweep,
    scan: &Scan,
    through: &Through,
    joint: &Joint,
    saved: &[Value],
    stacked: &[Value],
) -> Vec<Value> {
    let needed = needed(&joint.graph, &joint.roots(), |v| saved.contains(&v));
    let used =
        |inputs: Vec<Value>| -> Vec<usize> { (0..inputs.len()).filter(|&n| needed.contains(&inputs[n])).collect() };
    let (consts, xs) = (used(scan.const_inputs()), used(scan.slice_inputs()));
    let finals = pick(scan.finals, &through.carries);
    let finals: Vec<Value> = finals.into_iter().map(|v| sweep.adjoint_or_zeros(v)).collect();
    let summed = pick(scan.consts, &through.consts).into_iter().zip(&joint.consts).filter(|(_, adj)| adj.is_some());
    let sums: Vec<Value> = summed.map(|(c, _)| sweep.b.zeros_like(c)).collect();
    let y_adjs: Vec<Value> = pick(scan.ys, &through.ys).iter().map(|y| sweep.adjoints[y]).collect();

    // The body's names for the arguments, in the same order.
    let const_names = pick(&scan.const_inputs(), &consts);
    let slice_names = [&pick(&scan.slice_inputs(), &xs)[..], saved, &joint.y_adjs].concat();
    let how = Loop {
        length: *scan.length,
        reverse: !scan.reverse,
        while_carry: false,
        checkpoint: scan.checkpoint.filter(|steps| *steps == 1),
    };
    let args = ScanArgs {
        consts: &pick(scan.consts, &consts),
        inits: &[finals, sums].concat(),
        xs: &[&pick(scan.xs, &xs)[..], stacked, &y_adjs].concat(),
    };
    sweep.b.scan(how, args, |b, step| {
        let (carries, sums) = step.carries.split_at(joint.carry_adjs.len());
        let mut names = Names::from([(scan.position(), step.position)]);
        names.extend(const_names.into_iter().zip(step.consts.iter().copied()));
        names.extend(slice_names.into_iter().zip(step.slices.iter().copied()));
        names.extend(joint.carry_adjs.iter().copied().zip(carries.iter().copied()));
        copy(b, &joint.graph, &needed, &mut names);
        joint.ends(b, &names, carries, sums)
    })
}

/// The new value of each value of the joint body.
type Names = HashMap<Value, Value>;

/// Appends the needed instructions whose results have no names yet.
fn copy(b: &mut Builder, from: &Graph, needed: &Values, names: &mut Names) {
    for inst in &from.insts {
        let missing = |v: &Value| needed.contains(v) && !names.contains_key(v);
        if matches!(inst.op, Op::Input { .. }) || !inst.results.iter().any(missing) {
            continue;
        }
        let args = inst.args.iter().map(|v| names[v]).collect();
        let results: Vec<Value> = inst.results.iter().map(|v| b.graph.fresh(from.ty(*v).clone())).collect();
        for (old, new) in inst.results.iter().zip(&results) {
            names.entry(*old).or_insert(*new);
        }
        b.graph.insts.push(Inst { args, results, ..inst.clone() });
    }
}

impl Joint {
    /// The next carries of the backward body (adjoints and sums) and its ys.
    fn ends(&self, b: &mut Builder, names: &Names, carries: &[Value], sums: &[Value]) -> [Vec<Value>; 2] {
        let adjoint = |(adj, carry): (&Option<Value>, &Value)| (adj.map(|v| names[&v]), *carry);
        let mut next = vec![];
        for (adj, carry) in self.carries.iter().zip(carries).map(adjoint) {
            next.push(adj.unwrap_or_else(|| b.zeros_like(carry)));
        }
        for (term, sum) in self.consts.iter().flatten().zip(sums) {
            next.push(b.add(*sum, names[term]));
        }
        [next, self.slices.iter().flatten().map(|v| names[v]).collect()]
    }
}

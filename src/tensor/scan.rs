//! Scans: loops over an axis. How arguments, body and results of [`Op::Scan`] correspond, and how to build one.
//!
//! | | in order |
//! | --- | --- |
//! | arguments | constants, first carries, xs |
//! | inputs of the body | position (i32[]), constants, carries, slices of the xs |
//! | outputs of the body | next carries, slices of the ys |
//! | results | last carries, ys |
//!
//! The body sees nothing but its inputs. The scanned axis is always axis 0 of the xs and ys; the slice of a position
//! has the other axes. A scan that runs in reverse visits the last position first, and each y stands at its position.
//! The length may be 0: then the last carries are the first ones, and the ys are empty.

use super::{Graph, InputRole, Inst, Origin, OutputRole, Value};
use crate::ops::{DType, Extent, Op, Type};
use std::collections::HashSet;

pub type Values = HashSet<Value>;

/// The parts of a scan that satisfies the verifier.
#[derive(Clone, Copy)]
pub struct Scan<'a, D = usize> {
    pub consts: &'a [Value],
    pub inits: &'a [Value],
    pub xs: &'a [Value],
    pub finals: &'a [Value],
    pub ys: &'a [Value],
    pub body: &'a Graph<D>,
    pub length: &'a D,
    pub reverse: bool,
    pub while_carry: bool,
    pub checkpoint: Option<usize>,
}

impl<'a, D> Scan<'a, D> {
    /// `None` for other instructions.
    pub fn of(inst: &'a Inst<D>) -> Option<Scan<'a, D>> {
        let Op::Scan { carries, xs, reverse, ref length, while_carry, checkpoint } = inst.op else { return None };
        let (before, xs) = inst.args.split_at(inst.args.len() - xs);
        let (consts, inits) = before.split_at(before.len() - carries);
        let (finals, ys) = inst.results.split_at(carries);
        let body = &inst.regions[0];
        Some(Scan { consts, inits, xs, finals, ys, body, length, reverse, while_carry, checkpoint })
    }

    fn inputs(&self) -> impl Iterator<Item = Value> {
        self.body.inputs.iter().map(|(value, _)| *value)
    }

    /// The body's input that is the position.
    pub fn position(&self) -> Value {
        self.body.inputs[0].0
    }

    /// The body's inputs for the constants.
    pub fn const_inputs(&self) -> Vec<Value> {
        self.inputs().skip(1).take(self.consts.len()).collect()
    }

    /// The body's inputs for the carries.
    pub fn carry_inputs(&self) -> Vec<Value> {
        self.inputs().skip(1 + self.consts.len()).take(self.inits.len()).collect()
    }

    /// The body's inputs for the slices of the xs.
    pub fn slice_inputs(&self) -> Vec<Value> {
        self.inputs().skip(1 + self.consts.len() + self.inits.len()).collect()
    }

    /// The carries that the body gives to the next step.
    pub fn next(&self) -> Vec<Value> {
        self.body.outputs.iter().take(self.inits.len()).map(|o| o.value).collect()
    }

    /// What the body adds to the ys.
    pub fn slices(&self) -> Vec<Value> {
        self.body.outputs.iter().skip(self.inits.len()).map(|o| o.value).collect()
    }
}

impl<D> Scan<'_, D> {
    /// The inputs of the body after the position, each with the argument that it is bound to or starts from.
    pub fn bound(&self) -> impl Iterator<Item = (Value, Value)> {
        let args = self.consts.iter().chain(self.inits).chain(self.xs);
        self.inputs().skip(1).zip(args.copied())
    }

    /// The results, each with the output of the body that it is or stacks.
    pub fn given(&self) -> impl Iterator<Item = (Value, Value)> {
        let results = self.finals.iter().chain(self.ys);
        results.copied().zip(self.body.outputs.iter().map(|o| o.value))
    }

    /// What `reach` finds in the body from the inputs of the `chosen` arguments and, step by step, from the carries to
    /// which it gets. The larger its argument, the larger a set it must give.
    pub fn forward(&self, chosen: impl Fn(Value) -> bool, reach: impl Fn(&Values) -> Values) -> Values {
        let seeds = self.bound().filter(|(_, arg)| chosen(*arg)).map(|(input, _)| input).collect();
        closed(seeds, reach, self.next().into_iter().zip(self.carry_inputs()).collect())
    }

    /// The same backward: from the outputs of the `chosen` results, and from the carries that later steps take.
    pub fn backward(&self, chosen: impl Fn(Value) -> bool, reach: impl Fn(&Values) -> Values) -> Values {
        let seeds = self.given().filter(|(result, _)| chosen(*result)).map(|(_, output)| output).collect();
        closed(seeds, reach, self.carry_inputs().into_iter().zip(self.next()).collect())
    }
}

/// Where `reach` finds the first value of a link, it starts from the second one too.
fn closed(mut seeds: Values, reach: impl Fn(&Values) -> Values, links: Vec<(Value, Value)>) -> Values {
    loop {
        let found = reach(&seeds);
        let before = seeds.len();
        seeds.extend(links.iter().filter(|(from, _)| found.contains(from)).map(|(_, to)| *to));
        if seeds.len() == before {
            return found;
        }
    }
}

impl Scan<'_> {
    /// The positions in the order in which the body runs.
    pub fn positions(&self) -> impl Iterator<Item = usize> + use<> {
        let (length, reverse) = (*self.length, self.reverse);
        (0..length).map(move |step| if reverse { length - 1 - step } else { step })
    }
}

/// The types without axis 0.
pub fn slices<D: Clone>(types: &[Type<D>]) -> Vec<Type<D>> {
    types.iter().map(|ty| Type::new(ty.dtype, ty.shape.iter().skip(1).cloned().collect())).collect()
}

/// Names for the inputs of a body with so many constants, carries and xs.
pub fn input_names([consts, carries, xs]: [usize; 3]) -> impl Iterator<Item = String> {
    let numbered = |name: &'static str, count| (0..count).map(move |n| format!("{name}{n}"));
    let names = numbered("const", consts).chain(numbered("carry", carries)).chain(numbered("x", xs));
    std::iter::once("i".to_string()).chain(names)
}

impl<D: Extent> Graph<D> {
    /// A body for a scan with these arguments: its inputs, and nothing yet that computes. The caller appends
    /// instructions and [`Graph::step`]s.
    pub fn scan_body(&self, op: &Op<D>, args: &[Value]) -> Graph<D> {
        let Op::Scan { carries, xs, .. } = op else { unreachable!("only a scan has such a body") };
        let types: Vec<Type<D>> = args.iter().map(|v| self.ty(*v).clone()).collect();
        let (whole, sliced) = types.split_at(types.len() - xs);
        let types = [Type::scalar(DType::I32)].into_iter().chain(whole.to_vec()).chain(slices(sliced));
        let mut body = Graph::new("body");
        for (name, ty) in input_names([whole.len() - carries, *carries, *xs]).zip(types) {
            body.input(name, InputRole::Arg, ty, Origin::default());
        }
        body
    }

    /// Ends a body: what goes to the next step, and what each step adds to the ys.
    pub fn step(&mut self, carries: &[Value], ys: &[Value]) {
        for (n, value) in carries.iter().enumerate() {
            self.output(format!("carry{n}"), OutputRole::Result, *value);
        }
        for (n, value) in ys.iter().enumerate() {
            self.output(format!("y{n}"), OutputRole::Result, *value);
        }
    }

    /// Appends a scan with a body that [`Graph::step`] has ended. Gives the last carries, then the ys.
    pub fn push_scan(&mut self, op: Op<D>, args: Vec<Value>, body: Graph<D>, origin: Origin) -> Vec<Value> {
        let Op::Scan { carries, ref length, .. } = op else { unreachable!("only a scan has such a body") };
        let stacked = |ty: &Type<D>| Type::new(ty.dtype, [std::slice::from_ref(length), &ty.shape].concat());
        let given: Vec<&Type<D>> = body.outputs.iter().map(|o| body.ty(o.value)).collect();
        let (finals, ys) = given.split_at(carries);
        let types = finals.iter().map(|ty| (*ty).clone()).chain(ys.iter().map(|ty| stacked(ty)));
        let results: Vec<Value> = types.map(|ty| self.fresh(ty)).collect();
        self.insts.push(Inst { op, args, results: results.clone(), regions: vec![body], origin });
        results
    }
}

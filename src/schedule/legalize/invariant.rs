//! What a scan computes of its constants alone is computed before it.
//!
//! The passes before have done so with the program's own operations; here it is what legalizing has added, such as the
//! transposed weights of a product.

use super::sweep;
use crate::ops::Op;
use crate::tensor::{Graph, InputRole, Inst, Origin, Value};
use std::collections::HashMap;

/// Moves instructions of a legal body to `out`, where `consts` are its constants. What the body needs of them becomes
/// further constants, behind the others; gives their values in `out`.
pub fn hoist(body: &mut Graph, consts: &[Value], out: &mut Graph) -> Vec<Value> {
    let inputs = body.inputs[1..].iter().map(|i| i.0);
    let mut known: HashMap<Value, Value> = inputs.zip(consts.iter().copied()).collect();
    let mut hoisted = vec![];
    for value in wanted(body, &known) {
        let outside = copy(body, value, &mut known, out);
        hoisted.push(outside);
        // What follows may be made of it.
        known.insert(take_as_input(body, value, consts.len() + hoisted.len()), outside);
    }
    sweep(body);
    hoisted
}

/// Whether a value is the same in every iteration: then the size of the largest constant that it is made of.
type Reach = HashMap<Value, usize>;

/// What is computed of constants, is no larger than they are, and is needed by what is not.
fn wanted(body: &Graph, consts: &HashMap<Value, Value>) -> Vec<Value> {
    let mut reach: Reach = consts.keys().map(|v| (*v, body.ty(*v).elements())).collect();
    let mut needed: Vec<Value> = vec![];
    for inst in body.insts.iter().filter(|i| !matches!(i.op, Op::Input { .. })) {
        let args: Option<Vec<usize>> = inst.args.iter().map(|a| reach.get(a).copied()).collect();
        match args {
            Some(args) => reach.extend(inst.results.iter().map(|r| (*r, args.iter().copied().max().unwrap_or(0)))),
            None => needed.extend(&inst.args),
        }
    }
    needed.extend(body.outputs.iter().map(|o| o.value));
    let computed = needed.into_iter().filter(|v| reach.contains_key(v)).map(|v| source(body, v));
    let small = |v: &Value| body.ty(*v).elements() <= reach[v];
    let mut wanted: Vec<Value> = computed.filter(|v| !consts.contains_key(v) && small(v)).collect();
    wanted.sort();
    wanted.dedup();
    wanted
}

/// What a value repeats or reshapes: that costs nothing where it is read.
fn source(body: &Graph, value: Value) -> Value {
    let inst = definition(body, value);
    if matches!(inst.op, Op::Broadcast { .. } | Op::Reshape { .. }) { source(body, inst.args[0]) } else { value }
}

fn definition(body: &Graph, value: Value) -> &Inst {
    body.insts.iter().find(|i| i.results.contains(&value)).expect("values are defined")
}

/// The value computed in `out`.
fn copy(body: &Graph, value: Value, known: &mut HashMap<Value, Value>, out: &mut Graph) -> Value {
    if let Some(copied) = known.get(&value) {
        return *copied;
    }
    let inst = definition(body, value);
    let args = inst.args.iter().map(|a| copy(body, *a, known, out)).collect();
    let types = inst.results.iter().map(|r| body.ty(*r).clone()).collect();
    let results = out.push(inst.op.clone(), args, types, inst.origin.clone());
    out.insts.last_mut().expect("pushed above").regions = inst.regions.clone();
    known.extend(inst.results.iter().copied().zip(results));
    known[&value]
}

/// Puts an input, number `at`, in place of a value; gives the input.
fn take_as_input(body: &mut Graph, value: Value, at: usize) -> Value {
    let ty = body.ty(value).clone();
    let input = body.input(format!("hoisted{at}"), InputRole::Arg, ty, Origin::default());
    body.insts.rotate_right(1);
    body.inputs[at..].rotate_right(1);
    let uses = body.insts.iter_mut().flat_map(|i| &mut i.args).chain(body.outputs.iter_mut().map(|o| &mut o.value));
    uses.filter(|v| **v == value).for_each(|v| *v = input);
    input
}

//! Removes instructions that no output needs, and numbers the remaining values in order of definition.
//!
//! Inputs stay: they are the function's signature.

use super::draft::Draft;
use super::{in_regions, rename_outputs};
use crate::ops::Op;
use crate::tensor::scan::{Scan, Values};
use crate::tensor::{Graph, Inst, OutputRole, Value};
use std::collections::HashMap;

pub fn dce(mut graph: Graph) -> Graph {
    let needed = reached(&graph, &outputs(&graph));
    let kept = |v: &Value| needed.contains(v);
    graph.insts.retain(|inst| matches!(inst.op, Op::Input { .. }) || inst.results.iter().any(kept));
    graph.insts = graph.insts.into_iter().map(|inst| trimmed(inst, &needed)).collect();
    renumber(in_regions(graph, dce))
}

fn outputs(graph: &Graph) -> Values {
    let weights = graph.outputs.iter().filter_map(|o| match o.role {
        OutputRole::Report { weight } => Some(weight),
        _ => None,
    });
    graph.outputs.iter().map(|o| o.value).chain(weights).collect()
}

/// These values and all that they depend on.
fn reached(graph: &Graph, from: &Values) -> Values {
    let mut needed = from.clone();
    for inst in graph.insts.iter().rev() {
        if !inst.results.iter().any(|v| needed.contains(v)) {
            continue;
        }
        match Scan::of(inst) {
            Some(scan) => {
                let inside = needed_inside(&scan, &needed);
                needed.extend(scan.bound().filter(|(input, _)| inside.contains(input)).map(|(_, arg)| arg));
                needed.extend(kept_carries(&scan, &needed, &inside).into_iter().map(|n| scan.inits[n]));
            }
            None => needed.extend(&inst.args),
        }
    }
    needed
}

/// What the body of a scan computes for the needed results. The carry that ends the loop is needed always.
fn needed_inside(scan: &Scan, needed: &Values) -> Values {
    let ends = scan.finals.first().filter(|_| scan.while_carry);
    scan.backward(|result| needed.contains(&result) || ends == Some(&result), |seeds| reached(scan.body, seeds))
}

/// Carries whose last value is needed, or whose value is in a later step.
fn kept_carries(scan: &Scan, needed: &Values, inside: &Values) -> Vec<usize> {
    let inputs = scan.carry_inputs();
    let ends = |n: usize| scan.while_carry && n == 0;
    let kept = |&n: &usize| needed.contains(&scan.finals[n]) || inside.contains(&inputs[n]) || ends(n);
    (0..inputs.len()).filter(kept).collect()
}

/// A scan without the carries, constants, xs and ys that nobody needs.
fn trimmed(inst: Inst, needed: &Values) -> Inst {
    let (Some(scan), Some(mut draft)) = (Scan::of(&inst), Draft::of(&inst)) else { return inst };
    let inside = needed_inside(&scan, needed);
    draft.carries = kept_carries(&scan, needed, &inside).into_iter().map(|n| draft.carries[n]).collect();
    draft.consts.retain(|port| inside.contains(&port.inside));
    draft.xs.retain(|port| inside.contains(&port.inside));
    draft.ys.retain(|y| needed.contains(&y.whole));
    draft.into_inst()
}

fn renumber(mut graph: Graph) -> Graph {
    let mut numbers: HashMap<Value, Value> = HashMap::new();
    let mut types = Vec::new();
    for inst in &mut graph.insts {
        for arg in &mut inst.args {
            *arg = numbers[arg];
        }
        for result in &mut inst.results {
            let number = Value(types.len() as u32);
            types.push(graph.types[result.0 as usize].clone());
            numbers.insert(*result, number);
            *result = number;
        }
    }
    graph.types = types;
    for (value, _) in &mut graph.inputs {
        *value = numbers[value];
    }
    rename_outputs(&mut graph.outputs, |v| numbers[&v]);
    graph
}

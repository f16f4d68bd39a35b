//! Removes instructions that no output needs, and numbers the remaining values in order of definition.
//!
//! Inputs stay: they are the function's signature.

use super::rename_outputs;
use crate::ops::Op;
use crate::tensor::{Graph, OutputRole, Value};
use std::collections::{HashMap, HashSet};

pub fn dce(mut graph: Graph) -> Graph {
    let needed = needed(&graph);
    let kept = |v: &Value| needed.contains(v);
    graph.insts.retain(|inst| matches!(inst.op, Op::Input { .. }) || inst.results.iter().any(kept));
    renumber(graph)
}

fn needed(graph: &Graph) -> HashSet<Value> {
    let mut needed: HashSet<Value> = graph.outputs.iter().map(|o| o.value).collect();
    needed.extend(graph.outputs.iter().filter_map(|o| match o.role {
        OutputRole::Report { weight } => Some(weight),
        _ => None,
    }));
    for inst in graph.insts.iter().rev() {
        if inst.results.iter().any(|v| needed.contains(v)) {
            needed.extend(&inst.args);
        }
    }
    needed
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

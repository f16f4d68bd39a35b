//! What a pass is, and how a list of passes runs.

use crate::ops::Op;
use crate::tensor::data::Tensor;
use crate::tensor::interp::{self, Precision};
use crate::tensor::{Graph, print, verify};

#[derive(Clone, Copy)]
pub struct Pass {
    pub name: &'static str,
    /// What it does, in one line, for `--help` and dumps.
    pub description: &'static str,
    pub run: fn(Graph) -> Graph,
}

/// Runs the passes in order. With `checked` every result is verified; a failure names the pass and prints its program.
pub fn run_pipeline(mut graph: Graph, passes: &[Pass], checked: bool) -> Result<Graph, String> {
    for pass in passes {
        graph = (pass.run)(graph);
        if checked {
            verify::verify(&graph).map_err(|problems| failure(pass, &graph, &problems))?;
        }
    }
    Ok(graph)
}

fn failure(pass: &Pass, graph: &Graph, problems: &[String]) -> String {
    let program = print::print(graph, &print::PrintOptions::default());
    format!("after pass `{}`: {}\n{program}", pass.name, problems.join("; "))
}

/// Runs the passes and interprets the program around each (`NNC_CHECK=each-pass`): the outputs must stay the same up to
/// a relative tolerance. As long as a program contains `Grad` it cannot be interpreted, and nothing is compared.
pub fn run_interpreted(
    mut graph: Graph,
    passes: &[Pass],
    inputs: &[(&str, Tensor)],
    tolerance: f64,
) -> Result<Graph, String> {
    let outputs = |graph: &Graph| {
        (!has_grad(graph)).then(|| interp::run(graph, inputs, Precision::F64).map_err(|e| e.to_string())).transpose()
    };
    let mut before = outputs(&graph)?;
    for pass in passes {
        graph = run_pipeline(graph, &[*pass], true)?;
        let after = outputs(&graph).map_err(|e| format!("after pass `{}`: {e}", pass.name))?;
        if let (Some(before), Some(after)) = (&before, &after) {
            compare(&graph, before, after, tolerance).map_err(|e| format!("pass `{}` changes {e}", pass.name))?;
        }
        before = after;
    }
    Ok(graph)
}

fn has_grad(graph: &Graph) -> bool {
    graph.insts.iter().any(|inst| inst.op == Op::Grad || inst.regions.iter().any(has_grad))
}

/// Relative difference that reordered arithmetic in f64 may cause.
pub const REORDERED: f64 = 1e-9;

/// The same where constants that no f32 holds are folded, in f32: 1 - 0.999 is 1.7e-5 off.
pub const FOLDED: f64 = 1e-4;

fn compare(graph: &Graph, before: &[Tensor], after: &[Tensor], tolerance: f64) -> Result<(), String> {
    for ((output, before), after) in graph.outputs.iter().zip(before).zip(after) {
        if before.shape != after.shape {
            return Err(format!("the shape of output `{}`", output.name));
        }
        let (before, after) = (before.to_f64(), after.to_f64());
        let scale = before.iter().filter(|x| x.is_finite()).fold(1.0, |scale: f64, x| scale.max(x.abs()));
        let equal = |a: f64, b: f64| a == b || (a.is_nan() && b.is_nan()) || (a - b).abs() <= tolerance * scale;
        if let Some(at) = before.iter().zip(&after).position(|(a, b)| !equal(*a, *b)) {
            return Err(format!("element {at} of output `{}` from {} to {}", output.name, before[at], after[at]));
        }
    }
    Ok(())
}

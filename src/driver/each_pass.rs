//! `NNC_CHECK=each-pass`: a phase on a few made-up rows, interpreted before and after every pass.

use super::compile::{internal, tensor};
use crate::diag::Diagnostic;
use crate::ops::{DType, Type};
use crate::pass::{FOLDED, run_interpreted};
use crate::passes::{GRAD, OPT};
use crate::sema::model::Phase;
use crate::tensor::data::{Data, Tensor};
use crate::tensor::{Graph, InputRole, Inst, Value};
use std::collections::HashMap;

/// The interpreter is slow: a few rows of each column, and batches of no more.
const ROWS: usize = 4;

/// # Errors
/// E0950 names the pass that changes what the phase computes.
pub fn check(phase: &Phase, batch: usize) -> Result<(), Diagnostic> {
    let sizes = phase.sizes(batch.min(ROWS), ROWS, ROWS);
    let graph = tensor(&phase.graph, &phase.bindings(&sizes))?;
    let inputs = made_up(&graph);
    let inputs: Vec<(&str, Tensor)> = inputs.iter().map(|(n, t)| (n.as_str(), t.clone())).collect();
    let graph = run_interpreted(graph, GRAD, &inputs, FOLDED).map_err(|e| internal("autodiff", &e))?;
    run_interpreted(graph, OPT, &inputs, FOLDED).map(drop).map_err(|e| internal("opt", &e))
}

fn made_up(graph: &Graph) -> Vec<(String, Tensor)> {
    let roles: HashMap<Value, InputRole> = graph.inputs.iter().copied().collect();
    let input = |inst: &Inst| {
        let value = inst.results[0];
        Some((inst.input_name()?.into(), values(graph.ty(value), roles[&value])))
    };
    graph.insts.iter().filter_map(input).collect()
}

/// Positive floats below 1, since a variance must not be negative; 1 for scalars such as the step; elsewhere 0 and 1, which
/// are indices into whatever has two rows.
fn values(ty: &Type, role: InputRole) -> Tensor {
    let count = ty.elements();
    let integer = |i: usize| if role == InputRole::Scalar { 1 } else { i % 2 };
    let fraction = |i: usize| (1.0 + (i * 7919 % 997) as f32) / 1000.0;
    let data = match ty.dtype {
        DType::Bool => Data::Bool((0..count).map(|i| integer(i) == 1).collect()),
        DType::U8 => Data::U8((0..count).map(|i| integer(i) as u8).collect()),
        DType::I32 => Data::I32((0..count).map(|i| integer(i) as i32).collect()),
        DType::I64 => Data::I64((0..count).map(|i| integer(i) as i64).collect()),
        DType::F64 => Data::F64((0..count).map(|i| f64::from(fraction(i))).collect()),
        DType::F32 | DType::Bf16 | DType::F16 => Data::F32((0..count).map(fraction).collect()),
    };
    Tensor { shape: ty.shape.clone(), data }
}

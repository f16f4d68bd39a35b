//! Recognises what a user wrote by hand, before gradients are taken.
//!
//! Attention becomes one operation ([`attention`](mod@attention)), whose memory does not grow with the square of the length.
//! A small whole power becomes a product: its gradient needs neither a logarithm nor a guard against singular partials.
//! Values by which a gradient is taken must keep their place in the program, so nothing here looks through them.

mod attention;
mod mask;
mod program;
mod scores;
mod softmax;

use super::{Rewriter, in_regions, rewrite};
use crate::ops::{Binary, Literal, Op};
use crate::tensor::{Graph, Inst, Value};
use std::collections::HashSet;

pub fn raise(graph: Graph) -> Graph {
    let grads = graph.insts.iter().filter(|inst| inst.op == Op::Grad);
    let watched: HashSet<Value> = grads.flat_map(|inst| inst.args[1..].to_vec()).collect();
    let graph = in_regions(graph, raise);
    let readers = attention::Readers::new(&graph, &watched);
    rewrite(graph, |r, inst| {
        if inst.results.iter().any(|v| watched.contains(v)) {
            return None;
        }
        let raised = power(r, inst, &watched).or_else(|| attention::attention(r, inst, &readers));
        raised.map(|v| vec![v])
    })
}

fn power(r: &mut Rewriter, inst: &Inst, watched: &HashSet<Value>) -> Option<Value> {
    if inst.op != Op::Binary(Binary::Pow) || depends(r, inst.args[1], watched) {
        return None;
    }
    match r.splat(inst.args[1])? {
        Literal::Float(exponent) => small_power(r, inst.args[0], exponent),
        _ => None,
    }
}

/// x⁰, x¹, x², x³ and x⁻¹ without a power.
pub fn small_power(r: &mut Rewriter, x: Value, exponent: f64) -> Option<Value> {
    let ty = r.b.ty(x);
    if exponent == 0.0 {
        return Some(r.b.fill(1.0, &ty));
    }
    if exponent == -1.0 {
        let one = r.b.fill(1.0, &ty);
        return Some(r.b.div(one, x));
    }
    let factors = [1.0, 2.0, 3.0].iter().position(|n| *n == exponent)?;
    Some((0..factors).fold(x, |product, _| r.b.mul(product, x)))
}

/// The constant, or one of the broadcasts of it, is watched.
fn depends(r: &Rewriter, value: Value, watched: &HashSet<Value>) -> bool {
    let inst = r.def(value);
    watched.contains(&value) || (matches!(inst.op, Op::Broadcast { .. }) && depends(r, inst.args[0], watched))
}

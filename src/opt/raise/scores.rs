//! From what a softmax is taken of back to the product of queries and keys: scales, biases and masks on the way.

use super::program::Program;
use crate::ops::{Binary, Op};
use crate::tensor::Value;

/// A value on the way, and which of its axes is which axis of the softmax.
#[derive(Clone)]
pub struct Placed {
    pub value: Value,
    pub axes: Vec<usize>,
}

pub struct Chain {
    /// The product of queries and keys.
    pub dot: Placed,
    pub scale: f64,
    /// What is added, and the factor that it gets afterwards.
    pub biases: Vec<(Placed, f64)>,
    /// True where a score is not replaced by -inf.
    pub masks: Vec<Placed>,
}

/// Longest chain that is followed.
const LONGEST: usize = 16;

/// The chain that ends in `x`, whose axes are those of the softmax.
pub fn chain(p: &dyn Program, x: Value) -> Option<Chain> {
    let axes = (0..p.shape(x).len()).collect();
    follow(p, Placed { value: x, axes }, 1.0, LONGEST)
}

/// `outer` is what everything further inside is multiplied by later on.
fn follow(p: &dyn Program, at: Placed, outer: f64, rest: usize) -> Option<Chain> {
    let inst = p.def(at.value);
    let arg = |i: usize| Placed { value: inst.args[i], axes: at.axes.clone() };
    let go = |i: usize, outer: f64| follow(p, arg(i), outer, rest.checked_sub(1)?);
    match &inst.op {
        Op::Dot { .. } => Some(Chain { dot: at, scale: outer, biases: vec![], masks: vec![] }),
        Op::Transpose { perm } => {
            let axes = at.axes.iter().map(|axis| perm[*axis]).collect();
            follow(p, Placed { value: inst.args[0], axes }, outer, rest.checked_sub(1)?)
        }
        Op::Binary(Binary::Mul) => match (p.float(inst.args[0]), p.float(inst.args[1])) {
            (_, Some(factor)) => go(0, outer * factor),
            (Some(factor), _) => go(1, outer * factor),
            _ => None,
        },
        Op::Binary(Binary::Div) => go(0, outer / p.float(inst.args[1])?),
        Op::Binary(Binary::Add) => {
            let biased = |i: usize, other: usize| add_bias(p, go(i, outer)?, arg(other), outer);
            biased(0, 1).or_else(|| biased(1, 0))
        }
        Op::Binary(Binary::Sub) => add_bias(p, go(0, outer)?, arg(1), -outer),
        Op::Select if p.is(inst.args[2], f64::NEG_INFINITY) && outer > 0.0 => {
            let mut chain = go(1, outer)?;
            chain.masks.push(arg(0));
            Some(chain)
        }
        _ => None,
    }
}

fn add_bias(p: &dyn Program, mut chain: Chain, bias: Placed, factor: f64) -> Option<Chain> {
    if !p.is(bias.value, 0.0) {
        chain.biases.push((bias, factor));
    }
    Some(chain)
}

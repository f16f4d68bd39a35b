//! Rules of contractions. Each is linear in both arguments, so each adjoint is a contraction again.

use super::reduce::inverse;
use super::{Rule, spatial};
use crate::ops::{Op, Type, Window};
use crate::tensor::Value;

/// The axes of one operand, sorted into the three groups.
struct Operand {
    batch: Vec<usize>,
    free: Vec<usize>,
    contract: Vec<usize>,
}

impl Operand {
    fn new(rank: usize, batch: &[usize], contract: &[usize]) -> Operand {
        let free = (0..rank).filter(|a| !batch.contains(a) && !contract.contains(a)).collect();
        Operand { batch: batch.to_vec(), free, contract: contract.to_vec() }
    }
}

/// The adjoint of one operand: y_adj contracted with the other operand over the other's free axes.
pub fn dot(r: &mut Rule, i: usize) -> Value {
    let Op::Dot { lhs_batch, rhs_batch, lhs_contract, rhs_contract } = &r.inst.op else {
        unreachable!("the table calls this for dots")
    };
    let lhs = Operand::new(r.x_type(0).rank(), lhs_batch, lhs_contract);
    let rhs = Operand::new(r.x_type(1).rank(), rhs_batch, rhs_contract);
    let (batch, lhs_free) = (lhs.batch.len(), lhs.free.len());
    let y_batch: Vec<usize> = (0..batch).collect();
    let y_lhs: Vec<usize> = (batch..batch + lhs_free).collect();
    let y_rhs: Vec<usize> = (batch + lhs_free..batch + lhs_free + rhs.free.len()).collect();
    if i == 0 {
        // Result axes: batch, free of lhs, contracted of rhs in rhs's order.
        let op = Op::Dot {
            lhs_batch: y_batch,
            rhs_batch: rhs.batch.clone(),
            lhs_contract: y_rhs,
            rhs_contract: rhs.free.clone(),
        };
        let order = [&lhs.batch[..], &lhs.free, &partners(&rhs.contract, &lhs.contract)].concat();
        restored(r, op, [r.y_adj, r.x(1)], 0, &order)
    } else {
        // Result axes: batch, contracted of lhs in lhs's order, free of rhs.
        let op = Op::Dot {
            lhs_batch: lhs.batch.clone(),
            rhs_batch: y_batch,
            lhs_contract: lhs.free.clone(),
            rhs_contract: y_lhs,
        };
        let order = [&rhs.batch[..], &partners(&lhs.contract, &rhs.contract), &rhs.free].concat();
        restored(r, op, [r.x(0), r.y_adj], 1, &order)
    }
}

/// The axes `to`, in ascending order of the axes `from` that they are contracted with.
fn partners(from: &[usize], to: &[usize]) -> Vec<usize> {
    let mut pairs: Vec<(usize, usize)> = from.iter().copied().zip(to.iter().copied()).collect();
    pairs.sort_unstable();
    pairs.into_iter().map(|(_, to)| to).collect()
}

/// Runs `op`, whose result has the axes of argument `i` in `order`, and puts them back in place.
fn restored(r: &mut Rule, op: Op, args: [Value; 2], i: usize, order: &[usize]) -> Value {
    let ty = r.x_type(i);
    let shape = order.iter().map(|&axis| ty.shape[axis]).collect();
    let product = r.b.op(op, &args, Type::new(ty.dtype, shape));
    r.b.transpose(product, &inverse(order))
}

pub fn conv(r: &mut Rule, window: &Window, groups: usize, i: usize) -> Value {
    let (x, w) = (r.x(0), r.x(1));
    if i == 0 { input_grad(r, window, groups, [r.y_adj, w], i) } else { weight_grad(r, window, groups, [x, r.y_adj]) }
}

/// The adjoint of an input is linear in `u` (an adjoint of y) and w.
pub fn conv_input_grad(r: &mut Rule, window: &Window, groups: usize, i: usize) -> Value {
    let (u, w) = (r.x(0), r.x(1));
    if i == 0 { forward(r, window, groups, [r.y_adj, w], i) } else { weight_grad(r, window, groups, [r.y_adj, u]) }
}

/// The adjoint of a weight is linear in x and `u` (an adjoint of y).
pub fn conv_weight_grad(r: &mut Rule, window: &Window, groups: usize, i: usize) -> Value {
    let (x, u) = (r.x(0), r.x(1));
    if i == 0 { input_grad(r, window, groups, [u, r.y_adj], i) } else { forward(r, window, groups, [x, r.y_adj], i) }
}

fn forward(r: &mut Rule, window: &Window, groups: usize, args: [Value; 2], i: usize) -> Value {
    let ty = r.x_type(i);
    r.b.op(Op::Conv { window: window.clone(), groups }, &args, ty)
}

fn input_grad(r: &mut Rule, window: &Window, groups: usize, args: [Value; 2], i: usize) -> Value {
    let ty = r.x_type(i);
    r.b.op(Op::ConvInputGrad { window: window.clone(), groups, input: spatial(&ty) }, &args, ty)
}

fn weight_grad(r: &mut Rule, window: &Window, groups: usize, args: [Value; 2]) -> Value {
    let ty = r.x_type(1);
    r.b.op(Op::ConvWeightGrad { window: window.clone(), groups }, &args, ty)
}

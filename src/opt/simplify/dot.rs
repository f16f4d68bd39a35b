//! Transposes beside a contraction become part of it.

use crate::ops::{Op, Type};
use crate::opt::Rewriter;
use crate::tensor::{Inst, Value};

pub fn simplify(r: &mut Rewriter, inst: &Inst) -> Option<Value> {
    match &inst.op {
        Op::Dot { .. } => transposed_operand(r, inst, 0).or_else(|| transposed_operand(r, inst, 1)),
        Op::Transpose { perm } => transposed_result(r, inst.args[0], perm),
        _ => None,
    }
}

/// Contracts the original of a transposed operand, where its free axes stay in order.
fn transposed_operand(r: &mut Rewriter, inst: &Inst, i: usize) -> Option<Value> {
    let Op::Dot { lhs_batch, rhs_batch, lhs_contract, rhs_contract } = &inst.op else { return None };
    let inner = r.def(inst.args[i]).clone();
    let Op::Transpose { perm } = inner.op else { return None };
    let (batch, contract) = if i == 0 { (lhs_batch, lhs_contract) } else { (rhs_batch, rhs_contract) };
    let free = (0..perm.len()).filter(|a| !batch.contains(a) && !contract.contains(a)).map(|a| perm[a]);
    if !free.is_sorted() {
        return None;
    }
    let original = |axes: &[usize]| axes.iter().map(|&a| perm[a]).collect::<Vec<_>>();
    let (batch, contract) = (original(batch), original(contract));
    let mut args = inst.args.clone();
    args[i] = inner.args[0];
    let op = match (i, inst.op.clone()) {
        (0, Op::Dot { rhs_batch, rhs_contract, .. }) => {
            Op::Dot { lhs_batch: batch, lhs_contract: contract, rhs_batch, rhs_contract }
        }
        (_, Op::Dot { lhs_batch, lhs_contract, .. }) => {
            Op::Dot { rhs_batch: batch, rhs_contract: contract, lhs_batch, lhs_contract }
        }
        _ => return None,
    };
    let ty = r.b.ty(inst.results[0]);
    Some(r.b.op(op, &args, ty))
}

/// A transpose that swaps the free axes of both sides swaps the operands instead.
fn transposed_result(r: &mut Rewriter, x: Value, perm: &[usize]) -> Option<Value> {
    let inner = r.def(x).clone();
    let Op::Dot { lhs_batch, rhs_batch, lhs_contract, rhs_contract } = inner.op else { return None };
    let batch = lhs_batch.len();
    let lhs_end = r.b.shape(inner.args[0]).len() - lhs_contract.len();
    if !perm.iter().copied().eq((0..batch).chain(lhs_end..perm.len()).chain(batch..lhs_end)) {
        return None;
    }
    let op =
        Op::Dot { lhs_batch: rhs_batch, rhs_batch: lhs_batch, lhs_contract: rhs_contract, rhs_contract: lhs_contract };
    let from = r.b.ty(x);
    let ty = Type::new(from.dtype, perm.iter().map(|&a| from.shape[a]).collect());
    Some(r.b.op(op, &[inner.args[1], inner.args[0]], ty))
}

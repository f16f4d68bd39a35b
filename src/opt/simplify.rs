//! Local simplifications: identities that hold for every float (-0, NaN and infinities included), folding of constants,
//! and moves that cancel or combine.
//!
//! Where a sum of equal elements becomes a product, or a small power a product, the result may differ from the original
//! in its last bit; nothing else rounds differently. To be run after the gradients have been taken: a value by which
//! one is taken could lose its place in the program.

mod arithmetic;
mod dot;
mod moves;
mod scan;

use super::{Rewriter, rewrite};
use crate::ops::{Literal, Op};
use crate::tensor::interp::fold;
use crate::tensor::{Graph, Inst, Value};

pub fn simplify(graph: Graph) -> Graph {
    rewrite(graph, |r, inst| {
        if let Op::Scan { .. } = inst.op {
            return scan::simplify(r, inst);
        }
        let value = constant(r, inst).or_else(|| arithmetic::simplify(r, inst)).or_else(|| moves::simplify(r, inst));
        value.or_else(|| dot::simplify(r, inst)).map(|v| vec![v])
    })
}

/// An operation whose arguments are constants, or tensors of one constant, gives such a tensor.
fn constant(r: &mut Rewriter, inst: &Inst) -> Option<Value> {
    let literals: Option<Vec<Literal>> = inst.args.iter().map(|v| r.splat(*v)).collect();
    let (literals, ty) = (literals?, r.b.ty(*inst.results.first()?));
    let literal = match &inst.op {
        Op::Unary(_) | Op::Binary(_) | Op::Compare(_) | Op::Select | Op::Cast(_) => {
            let mut scalar = ty.clone();
            scalar.shape.clear();
            let types: Vec<_> = inst.args.iter().map(|v| r.b.ty(*v)).collect();
            fold(&inst.op, &literals.into_iter().zip(&types).collect::<Vec<_>>(), &scalar)?
        }
        Op::Reshape { .. } | Op::Transpose { .. } | Op::Slice { .. } | Op::Reverse { .. } => literals[0],
        Op::Pad { .. } if literals[0] == literals[1] => literals[0],
        _ => return None,
    };
    let scalar = r.b.op(Op::Const(literal), &[], crate::ops::Type::scalar(ty.dtype));
    Some(if ty.shape.is_empty() { scalar } else { r.b.broadcast(scalar, &ty.shape, &[]) })
}

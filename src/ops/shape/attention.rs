//! Attention and its gradients.

use super::args::Args;
use super::error::{Class, ShapeError};
use crate::ops::{DType, Extent, Scores, Type};

/// q [B, H, T, D], k [B, G, S, D], v [B, G, S, E], mask?, bias?, keep? → o [B, H, T, E], lse [B, H, T]
pub fn forward<D: Extent>(args: Args<D>, scores: &Scores) -> Result<Vec<Type<D>>, ShapeError<D>> {
    operands(args, scores)?;
    let (q, v, dtype) = (args.shape(0), args.shape(2), args.dtype(0));
    let o = [&q[..3], &v[3..]].concat();
    Ok(vec![Type::new(dtype, o), Type::new(dtype, q[..3].to_vec())])
}

/// → adjoints of q, k, v
pub fn gradients<D: Extent>(args: Args<D>, scores: &Scores) -> Result<Vec<Type<D>>, ShapeError<D>> {
    adjoints(args, scores)?;
    Ok((0..3).map(|i| args.ty(i).clone()).collect())
}

/// → adjoint of the bias
pub fn bias_gradient<D: Extent>(args: Args<D>, scores: &Scores) -> Result<Type<D>, ShapeError<D>> {
    adjoints(args, scores)?;
    let missing = ShapeError::Attribute { what: "there is no bias" };
    scores.bias().map(|bias| args.ty(bias).clone()).ok_or(missing)
}

fn operands<D: Extent>(args: Args<D>, scores: &Scores) -> Result<(), ShapeError<D>> {
    let dtype = args.class(0, Class::Float)?;
    for arg in 0..3 {
        args.class(arg, Class::Exactly(dtype))?;
        args.rank(arg, 4)?;
    }
    let (q, k) = (args.shape(0), args.shape(1));
    args.dim(1, 0, &q[0])?;
    args.dim(1, 3, &q[3])?;
    k[..3].iter().enumerate().try_for_each(|(axis, d)| args.dim(2, axis, d))?;
    grouped(&q[1], &k[1])?;
    let square = [&q[..3], &k[2..3]].concat();
    for arg in [scores.mask(), scores.keep()].into_iter().flatten() {
        args.class(arg, Class::Exactly(DType::Bool))?;
        args.shape_is(arg, &square)?;
    }
    scores.bias().map_or(Ok(()), |arg| bias(args, arg, dtype, &square))
}

/// Every head of keys serves as many heads of queries.
fn grouped<D: Extent>(heads: &D, groups: &D) -> Result<(), ShapeError<D>> {
    let divides = match (heads.known(), groups.known()) {
        (Some(heads), Some(groups)) => groups > 0 && heads % groups == 0,
        _ => heads.same(groups),
    };
    if divides { Ok(()) } else { Err(ShapeError::Attribute { what: "heads of keys must divide the heads of queries" }) }
}

/// Batch and heads may be 1 where all share a bias.
fn bias<D: Extent>(args: Args<D>, arg: usize, dtype: DType, square: &[D]) -> Result<(), ShapeError<D>> {
    args.class(arg, Class::Exactly(dtype))?;
    args.rank(arg, 4)?;
    let shared = |axis: usize| axis < 2 && args.shape(arg)[axis].known() == Some(1);
    (0..4).filter(|axis| !shared(*axis)).try_for_each(|axis| args.dim(arg, axis, &square[axis]))
}

fn adjoints<D: Extent>(args: Args<D>, scores: &Scores) -> Result<(), ShapeError<D>> {
    operands(args, scores)?;
    let (first, dtype) = (scores.arguments(), args.dtype(0));
    let (rows, v) = (&args.shape(0)[..3], args.shape(2));
    let o = [rows, &v[3..]].concat();
    for (arg, shape) in [(first, rows), (first + 1, &o[..]), (first + 2, rows)] {
        args.class(arg, Class::Exactly(dtype))?;
        args.shape_is(arg, shape)?;
    }
    Ok(())
}

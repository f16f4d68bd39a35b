//! Gathers, scatters and sorting. Indices are i32.

use super::args::Args;
use super::error::{Class, ShapeError};
use crate::ops::{DType, Extent, Type};

type Rule<D> = Result<Type<D>, ShapeError<D>>;

const INDEX: Class = Class::Exactly(DType::I32);

/// `shape` with the axes `axis..axis + removed` replaced by `middle`.
fn spliced<D: Clone>(shape: &[D], axis: usize, removed: usize, middle: &[D]) -> Vec<D> {
    [&shape[..axis], middle, &shape[axis + removed..]].concat()
}

pub fn take<D: Extent>(args: Args<D>, axis: usize) -> Rule<D> {
    args.axis(0, axis)?;
    args.class(1, INDEX)?;
    Ok(Type::new(args.dtype(0), spliced(args.shape(0), axis, 1, args.shape(1))))
}

pub fn take_along<D: Extent>(args: Args<D>, axis: usize) -> Rule<D> {
    args.axis(0, axis)?;
    args.class(1, INDEX)?;
    let expected = spliced(args.shape(0), axis, 1, &[args.axis(1, axis)?.clone()]);
    args.shape_is(1, &expected)?;
    Ok(Type::new(args.dtype(0), expected))
}

pub fn scatter_add<D: Extent>(args: Args<D>, axis: usize, size: &D) -> Rule<D> {
    let dtype = args.class(0, Class::Number)?;
    args.class(1, INDEX)?;
    let indexed = args.shape(1);
    if args.ty(0).rank() < axis + indexed.len() {
        return Err(ShapeError::Rank { arg: 0, expected: axis + indexed.len(), found: args.ty(0).rank() });
    }
    indexed.iter().enumerate().try_for_each(|(i, d)| args.dim(0, axis + i, d))?;
    Ok(Type::new(dtype, spliced(args.shape(0), axis, indexed.len(), std::slice::from_ref(size))))
}

pub fn scatter_add_along<D: Extent>(args: Args<D>, axis: usize, size: &D) -> Rule<D> {
    let dtype = args.class(0, Class::Number)?;
    args.class(1, INDEX)?;
    args.shape_is(1, args.shape(0))?;
    args.axis(0, axis)?;
    Ok(Type::new(dtype, spliced(args.shape(0), axis, 1, std::slice::from_ref(size))))
}

/// Values and indices.
pub fn sort<D: Extent>(args: Args<D>, axis: usize) -> Result<Vec<Type<D>>, ShapeError<D>> {
    args.class(0, Class::Number)?;
    args.axis(0, axis)?;
    Ok(vec![args.ty(0).clone(), Type::new(DType::I32, args.shape(0).to_vec())])
}

/// Values and indices, on the last axis.
pub fn top_k<D: Extent>(args: Args<D>, k: usize) -> Result<Vec<Type<D>>, ShapeError<D>> {
    let dtype = args.class(0, Class::Number)?;
    let Some((_, leading)) = args.shape(0).split_last() else {
        return Err(ShapeError::Axis { arg: 0, axis: 0, rank: 0 });
    };
    let k = D::constant(k as i64);
    args.holds(0, leading.len(), k.clone())?;
    let shape = [leading, &[k]].concat();
    Ok(vec![Type::new(dtype, shape.clone()), Type::new(DType::I32, shape)])
}

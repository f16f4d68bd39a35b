//! Operations that move elements.

use super::args::{Args, ascending, shifted};
use super::error::{Class, ShapeError};
use crate::ops::{DType, Extent, Pad, Type};

type Rule<D> = Result<Type<D>, ShapeError<D>>;

pub fn product<D: Extent>(shape: &[D]) -> D {
    shape.iter().fold(D::constant(1), |product, d| product.mul(d))
}

fn same_rank<D>(lengths: &[usize], rank: usize) -> Result<(), ShapeError<D>> {
    match lengths.iter().all(|n| *n == rank) {
        true => Ok(()),
        false => Err(ShapeError::Attribute { what: "there must be one entry per axis" }),
    }
}

pub fn reshape<D: Extent>(args: Args<D>, shape: &[D]) -> Rule<D> {
    let (from, to) = (product(args.shape(0)), product(shape));
    if !from.same(&to) {
        return Err(ShapeError::Elements { from, to });
    }
    Ok(Type::new(args.dtype(0), shape.to_vec()))
}

pub fn transpose<D: Extent>(args: Args<D>, perm: &[usize]) -> Rule<D> {
    let shape = args.shape(0);
    let mut sorted = perm.to_vec();
    sorted.sort_unstable();
    if !sorted.into_iter().eq(0..shape.len()) {
        return Err(ShapeError::Attribute { what: "a transpose names each axis once" });
    }
    Ok(Type::new(args.dtype(0), perm.iter().map(|&axis| shape[axis].clone()).collect()))
}

pub fn broadcast<D: Extent>(args: Args<D>, shape: &[D], axes: &[usize]) -> Rule<D> {
    same_rank(&[axes.len()], args.ty(0).rank())?;
    ascending(axes)?;
    for (axis, &to) in axes.iter().enumerate() {
        let Some(expected) = shape.get(to) else {
            return Err(ShapeError::Attribute { what: "a broadcast axis lies beyond the result" });
        };
        if args.shape(0)[axis].known() != Some(1) {
            args.dim(0, axis, expected)?;
        }
    }
    Ok(Type::new(args.dtype(0), shape.to_vec()))
}

pub fn slice<D: Extent>(args: Args<D>, start: &[D], size: &[D], stride: &[usize]) -> Rule<D> {
    same_rank(&[start.len(), size.len(), stride.len()], args.ty(0).rank())?;
    for (axis, &step) in stride.iter().enumerate() {
        let (from, count) = (&start[axis], &size[axis]);
        if step == 0 || from.known().is_some_and(|n| n < 0) {
            return Err(ShapeError::Attribute { what: "a slice starts at 0 or later, with a stride of 1 or more" });
        }
        let last = count.sub(&D::constant(1)).mul(&D::constant(step as i64));
        args.holds(0, axis, from.add(&last).add(&D::constant(1)))?;
    }
    Ok(Type::new(args.dtype(0), size.to_vec()))
}

pub fn pad<D: Extent>(args: Args<D>, pads: &[Pad]) -> Rule<D> {
    args.scalar(1, args.dtype(0))?;
    same_rank(&[pads.len()], args.ty(0).rank())?;
    let dims = args.shape(0).iter().zip(pads).enumerate();
    let shape = dims.map(|(axis, (d, pad))| padded(axis, d, pad)).collect::<Result<_, _>>()?;
    Ok(Type::new(args.dtype(0), shape))
}

/// `low + d + (d - 1) * interior + high`
fn padded<D: Extent>(axis: usize, d: &D, pad: &Pad) -> Result<D, ShapeError<D>> {
    let interior = i64::try_from(pad.interior).ok();
    let border = interior.and_then(|i| pad.low.checked_add(pad.high)?.checked_sub(i));
    let spread = interior.and_then(|i| i.checked_add(1));
    let (Some(border), Some(spread)) = (border, spread) else {
        return Err(ShapeError::Attribute { what: "padding is too large" });
    };
    let spaced = d.mul(&D::constant(spread));
    shifted(&spaced, border).ok_or(ShapeError::Empty { axis, found: d.clone() })
}

pub fn concat<D: Extent>(args: Args<D>, axis: usize) -> Rule<D> {
    let mut shape = args.shape(0).to_vec();
    args.axis(0, axis)?;
    for arg in 1..args.len() {
        args.class(arg, Class::Exactly(args.dtype(0)))?;
        args.rank(arg, shape.len())?;
        let others = (0..shape.len()).filter(|a| *a != axis);
        others.into_iter().try_for_each(|a| args.dim(arg, a, &args.shape(0)[a]))?;
        shape[axis] = shape[axis].add(&args.shape(arg)[axis]);
    }
    Ok(Type::new(args.dtype(0), shape))
}

pub fn reverse<D: Extent>(args: Args<D>, axes: &[usize]) -> Rule<D> {
    args.axes(axes)?;
    Ok(args.ty(0).clone())
}

/// One i32 scalar per axis of argument 0, from argument `first` on.
fn starts<D: Extent>(args: Args<D>, first: usize) -> Result<(), ShapeError<D>> {
    super::Arity::Exactly(first + args.ty(0).rank()).check(args.len())?;
    (first..args.len()).try_for_each(|arg| args.scalar(arg, DType::I32))
}

pub fn dynamic_slice<D: Extent>(args: Args<D>, size: &[D]) -> Rule<D> {
    starts(args, 1)?;
    same_rank(&[size.len()], args.ty(0).rank())?;
    size.iter().enumerate().try_for_each(|(axis, n)| args.holds(0, axis, n.clone()))?;
    Ok(Type::new(args.dtype(0), size.to_vec()))
}

pub fn dynamic_update<D: Extent>(args: Args<D>) -> Rule<D> {
    starts(args, 2)?;
    args.class(1, Class::Exactly(args.dtype(0)))?;
    args.rank(1, args.ty(0).rank())?;
    let update = args.shape(1).iter().enumerate();
    update.into_iter().try_for_each(|(axis, n)| args.holds(0, axis, n.clone()))?;
    Ok(args.ty(0).clone())
}

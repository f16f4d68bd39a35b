//! Sources, elementwise operations and reductions.

use super::args::Args;
use super::error::{Class, ShapeError};
use crate::ops::{Binary, DType, Extent, Reduce, Type, Unary};

type Rule<D> = Result<Type<D>, ShapeError<D>>;

pub fn iota<D: Extent>(shape: &[D], axis: usize, dtype: DType) -> Rule<D> {
    if axis >= shape.len() {
        return Err(ShapeError::Attribute { what: "iota runs along an axis of its shape" });
    }
    if dtype == DType::Bool {
        return Err(ShapeError::Attribute { what: "iota counts in a float or integer type" });
    }
    Ok(Type::new(dtype, shape.to_vec()))
}

pub fn philox<D: Extent>(args: Args<D>, shape: &[D]) -> Rule<D> {
    args.scalar(0, DType::I32)?;
    args.scalar(1, DType::I32)?;
    Ok(Type::new(DType::I32, shape.to_vec()))
}

pub fn unary<D: Extent>(args: Args<D>, op: Unary) -> Rule<D> {
    args.class(0, unary_class(op))?;
    Ok(args.ty(0).clone())
}

fn unary_class(op: Unary) -> Class {
    match op {
        Unary::Neg | Unary::Abs | Unary::Sign => Class::Number,
        Unary::Floor | Unary::Ceil | Unary::RoundEven | Unary::Sqrt => Class::Float,
        Unary::Exp | Unary::Expm1 | Unary::Log | Unary::Log1p => Class::Float,
        Unary::Sin | Unary::Cos | Unary::Tanh | Unary::Erf => Class::Float,
        Unary::Not => Class::Bits,
    }
}

pub fn binary<D: Extent>(args: Args<D>, op: Binary) -> Rule<D> {
    args.class(0, binary_class(op))?;
    args.alike(1, 0)?;
    Ok(args.ty(0).clone())
}

fn binary_class(op: Binary) -> Class {
    match op {
        Binary::Add | Binary::Sub | Binary::Mul | Binary::Max | Binary::Min => Class::Number,
        Binary::FloorDiv | Binary::Rem => Class::Number,
        Binary::Div | Binary::Pow => Class::Float,
        Binary::And | Binary::Or | Binary::Xor => Class::Bits,
        Binary::Shl | Binary::Shr => Class::Int,
    }
}

pub fn compare<D: Extent>(args: Args<D>) -> Rule<D> {
    args.alike(1, 0)?;
    Ok(Type::new(DType::Bool, args.shape(0).to_vec()))
}

pub fn select<D: Extent>(args: Args<D>) -> Rule<D> {
    args.class(0, Class::Exactly(DType::Bool))?;
    args.shape_is(1, args.shape(0))?;
    args.alike(2, 1)?;
    Ok(args.ty(1).clone())
}

pub fn bitcast<D: Extent>(args: Args<D>, dtype: DType) -> Rule<D> {
    let from = args.class(0, Class::Number)?;
    if from.size() != dtype.size() || dtype == DType::Bool {
        return Err(ShapeError::DType { arg: 0, expected: Class::Exactly(dtype), found: from });
    }
    Ok(Type::new(dtype, args.shape(0).to_vec()))
}

pub fn reduce<D: Extent>(args: Args<D>, op: Reduce, axes: &[usize]) -> Rule<D> {
    let class = match op {
        Reduce::Sum | Reduce::Product | Reduce::Max | Reduce::Min => Class::Number,
        Reduce::Any | Reduce::All => Class::Exactly(DType::Bool),
    };
    let dtype = args.class(0, class)?;
    args.axes(axes)?;
    Ok(Type::new(dtype, without(args.shape(0), axes)))
}

pub fn arg_extreme<D: Extent>(args: Args<D>, axis: usize) -> Rule<D> {
    args.class(0, Class::Number)?;
    args.axis(0, axis)?;
    Ok(Type::new(DType::I32, without(args.shape(0), &[axis])))
}

pub fn cum_sum<D: Extent>(args: Args<D>, axis: usize) -> Rule<D> {
    args.class(0, Class::Number)?;
    args.axis(0, axis)?;
    Ok(args.ty(0).clone())
}

/// One adjoint per further argument, each of its type; all floats, the first a scalar.
pub fn grad<D: Extent>(args: Args<D>) -> Result<Vec<Type<D>>, ShapeError<D>> {
    args.rank(0, 0)?;
    (0..args.len()).try_for_each(|arg| args.class(arg, Class::Float).map(drop))?;
    Ok((1..args.len()).map(|arg| args.ty(arg).clone()).collect())
}

/// The dimensions of `shape` on axes other than `axes`.
pub fn without<D: Clone>(shape: &[D], axes: &[usize]) -> Vec<D> {
    let kept = shape.iter().enumerate().filter(|(axis, _)| !axes.contains(axis));
    kept.map(|(_, d)| d.clone()).collect()
}

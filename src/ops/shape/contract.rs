//! Contractions: dot and the three convolutions (NHWC · HWIO).

use super::args::Args;
use super::error::{Class, ShapeError};
use super::map::without;
use super::window::{check_window, is_output, outputs};
use crate::ops::{Extent, Type, Window};

type Rule<D> = Result<Type<D>, ShapeError<D>>;

/// `batch` and `contract` each hold the axes of lhs and rhs, paired by position.
pub fn dot<D: Extent>(args: Args<D>, batch: [&[usize]; 2], contract: [&[usize]; 2]) -> Rule<D> {
    let dtype = args.class(0, Class::Number)?;
    args.class(1, Class::Exactly(dtype))?;
    paired(args, batch)?;
    paired(args, contract)?;
    let used = [0, 1].map(|side| [batch[side], contract[side]].concat());
    used.iter().try_for_each(|axes| distinct(axes))?;
    let mut shape: Vec<D> = batch[0].iter().map(|&axis| args.shape(0)[axis].clone()).collect();
    shape.extend(without(args.shape(0), &used[0]));
    shape.extend(without(args.shape(1), &used[1]));
    Ok(Type::new(dtype, shape))
}

fn paired<D: Extent>(args: Args<D>, axes: [&[usize]; 2]) -> Result<(), ShapeError<D>> {
    if axes[0].len() != axes[1].len() {
        return Err(ShapeError::Attribute { what: "dot pairs each axis of one side with one of the other" });
    }
    let mut pairs = axes[0].iter().zip(axes[1]);
    pairs.try_for_each(|(&l, &r)| args.dim(1, r, args.axis(0, l)?))
}

fn distinct<D>(axes: &[usize]) -> Result<(), ShapeError<D>> {
    match (1..axes.len()).all(|i| !axes[..i].contains(&axes[i])) {
        true => Ok(()),
        false => Err(ShapeError::Attribute { what: "dot uses an axis twice" }),
    }
}

/// x[N, H, W, C], w[KH, KW, C / groups, O] → [N, OH, OW, O]
pub fn conv<D: Extent>(args: Args<D>, window: &Window, groups: usize) -> Rule<D> {
    floats(args, groups)?;
    kernel(args, window, groups)?;
    let (x, w) = (args.shape(0), args.shape(1));
    args.dim(0, 3, &w[2].mul(&D::constant(groups as i64)))?;
    let [height, width] = outputs(0, x, window)?;
    Ok(Type::new(args.dtype(0), vec![x[0].clone(), height, width, w[3].clone()]))
}

/// y_adj[N, OH, OW, O], w[KH, KW, C / groups, O] → [N, H, W, C]
pub fn conv_input_grad<D: Extent>(args: Args<D>, window: &Window, groups: usize, input: &[D; 2]) -> Rule<D> {
    floats(args, groups)?;
    kernel(args, window, groups)?;
    let (y, w) = (args.shape(0), args.shape(1));
    args.dim(0, 3, &w[3])?;
    let [height, width] = input.clone();
    let channels = w[2].mul(&D::constant(groups as i64));
    let x = vec![y[0].clone(), height, width, channels];
    is_output(args, 0, &x, window)?;
    Ok(Type::new(args.dtype(0), x))
}

/// x[N, H, W, C], y_adj[N, OH, OW, O] → [KH, KW, C / groups, O]
pub fn conv_weight_grad<D: Extent>(args: Args<D>, window: &Window, groups: usize) -> Rule<D> {
    floats(args, groups)?;
    args.rank(1, 4)?;
    let (x, y) = (args.shape(0), args.shape(1));
    args.dim(1, 0, &x[0])?;
    is_output(args, 1, x, window)?;
    let channels = args.divided(0, 3, groups)?;
    args.divided(1, 3, groups)?;
    let [height, width] = window.size.map(|n| D::constant(n as i64));
    Ok(Type::new(args.dtype(0), vec![height, width, channels, y[3].clone()]))
}

/// Argument 0 is a float of four axes, argument 1 of the same type.
fn floats<D: Extent>(args: Args<D>, groups: usize) -> Result<(), ShapeError<D>> {
    let dtype = args.class(0, Class::Float)?;
    args.class(1, Class::Exactly(dtype))?;
    args.rank(0, 4)?;
    match groups {
        0 => Err(ShapeError::Attribute { what: "a convolution has at least one group" }),
        _ => Ok(()),
    }
}

/// Argument 1 is a kernel for this window, its outputs divide among the groups.
fn kernel<D: Extent>(args: Args<D>, window: &Window, groups: usize) -> Result<(), ShapeError<D>> {
    check_window(window)?;
    args.rank(1, 4)?;
    for axis in [0, 1] {
        args.dim(1, axis, &D::constant(window.size[axis] as i64))?;
    }
    args.divided(1, 3, groups).map(drop)
}

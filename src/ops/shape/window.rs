//! Windows over the two middle axes of NHWC.

use super::args::{Args, shifted};
use super::error::{Class, ShapeError};
use crate::ops::{DType, Extent, Type, Window};

type Rule<D> = Result<Type<D>, ShapeError<D>>;

/// Sizes, strides and dilations are at least 1, and everything fits into i64 with room for sums.
pub fn check_window<D>(window: &Window) -> Result<(), ShapeError<D>> {
    let positive = [window.size, window.stride, window.dilation].concat();
    if positive.contains(&0) {
        return Err(ShapeError::Attribute { what: "a window's size, stride and dilation are at least 1" });
    }
    let limit = i32::MAX as usize;
    if positive.iter().chain(window.pads.as_flattened()).any(|n| *n > limit) {
        return Err(ShapeError::Attribute { what: "a window's size, stride, dilation or padding is too large" });
    }
    Ok(())
}

/// What the kernel covers on axis `i` (0 height, 1 width), gaps included: `(size - 1) * dilation + 1`.
fn span(window: &Window, i: usize) -> i64 {
    (window.size[i] as i64 - 1) * window.dilation[i] as i64 + 1
}

/// Number of windows along height (`i` = 0) or width (1): `floor((d + pads - span) / stride) + 1`.
/// `None` where the kernel certainly does not fit. The window has been checked.
fn count<D: Extent>(d: &D, window: &Window, i: usize) -> Option<D> {
    let pads = window.pads[i][0] as i64 + window.pads[i][1] as i64;
    let room = shifted(d, pads - span(window, i))?;
    Some(room.floor_div(window.stride[i] as i64).add(&D::constant(1)))
}

/// The output height and width for argument `arg` of shape `x` (NHWC).
pub fn outputs<D: Extent>(arg: usize, x: &[D], window: &Window) -> Result<[D; 2], ShapeError<D>> {
    Ok([window_output(arg, &x[1], window, 0)?, window_output(arg, &x[2], window, 1)?])
}

/// The output length for an input of `d` along height (`i` = 0) or width (1); errors name argument `arg`.
pub fn window_output<D: Extent>(arg: usize, d: &D, window: &Window, i: usize) -> Result<D, ShapeError<D>> {
    check_window(window)?;
    count(d, window, i).ok_or_else(|| {
        let pads = window.pads[i][0] as i64 + window.pads[i][1] as i64;
        let padded = d.known().unwrap_or(0).saturating_add(pads);
        ShapeError::Window { arg, axis: i + 1, span: span(window, i), padded }
    })
}

/// Height and width of argument `arg` are those of the output for an input of shape `x`.
pub fn is_output<D: Extent>(args: Args<D>, arg: usize, x: &[D], window: &Window) -> Result<(), ShapeError<D>> {
    let [height, width] = outputs(0, x, window)?;
    args.dim(arg, 1, &height)?;
    args.dim(arg, 2, &width)
}

/// x[N, H, W, C] → [N, OH, OW, C]
pub fn pooled<D: Extent>(args: Args<D>, window: &Window) -> Rule<D> {
    let dtype = args.class(0, Class::Number)?;
    args.rank(0, 4)?;
    let x = args.shape(0);
    let [height, width] = outputs(0, x, window)?;
    Ok(Type::new(dtype, vec![x[0].clone(), height, width, x[3].clone()]))
}

/// x[N, H, W, C] → i32[N, OH, OW, C]. A window of nothing but padding has no largest value.
pub fn arg_max<D: Extent>(args: Args<D>, window: &Window) -> Rule<D> {
    let pooled = pooled(args, window)?;
    match (0..2).all(|i| window.pads[i].iter().all(|p| (*p as i64) < span(window, i))) {
        true => Ok(Type::new(DType::I32, pooled.shape)),
        false => Err(ShapeError::Attribute { what: "padding must be smaller than the window of a max-pool" }),
    }
}

/// y_adj[N, OH, OW, C] → [N, H, W, C]
pub fn sum_grad<D: Extent>(args: Args<D>, window: &Window, input: &[D; 2]) -> Rule<D> {
    let dtype = args.class(0, Class::Number)?;
    args.rank(0, 4)?;
    let y = args.shape(0);
    let [height, width] = input.clone();
    let x = vec![y[0].clone(), height, width, y[3].clone()];
    is_output(args, 0, &x, window)?;
    Ok(Type::new(dtype, x))
}

/// x[N, H, W, C], offsets[N, OH, OW, C] → [N, OH, OW, C]
pub fn gather<D: Extent>(args: Args<D>, window: &Window) -> Rule<D> {
    let result = pooled(args, window)?;
    args.class(1, Class::Exactly(DType::I32))?;
    args.shape_is(1, &result.shape)?;
    Ok(result)
}

/// y_adj[N, OH, OW, C], offsets of the same shape → [N, H, W, C]
pub fn scatter<D: Extent>(args: Args<D>, window: &Window, input: &[D; 2]) -> Rule<D> {
    args.class(1, Class::Exactly(DType::I32))?;
    args.shape_is(1, args.shape(0))?;
    sum_grad(args, window, input)
}

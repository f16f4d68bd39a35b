//! Convolution and pooling over images `[B, H, W, C]`.
//!
//! Padding: `"valid"` (none), `"same"` (`ceil(H / stride)` positions, an odd pixel goes after), `n` on all sides, or
//! `[[top, bottom], [left, right]]`.

use super::args::{Args, MOST_PIXELS};
use super::{Builtin, entry};
use crate::ops::Extent;
use crate::sema::emit::{Checked, Emit, WindowSpec, error};
use crate::sema::value::Value;
use crate::tensor::Value as Node;

pub const TABLE: &[Builtin] = &[
    entry(
        "conv2d(x: f32[B, H, W, C], w: f32[h, w, I, F], stride: int = 1, \
         padding: str = \"valid\", dilation: int = 1, groups: int = 1) -> f32",
        "Convolution with I = C / groups.",
        |e, a| {
            let (x, w) = (a.tensor(e, "x")?, a.tensor(e, "w")?);
            let spec = conv_spec(e, a, w)?;
            e.conv2d(x, w, &spec, a.int_or("groups", 1, 1)? as usize).map(Value::Tensor)
        },
    ),
    entry(
        "conv2d_transpose(x: f32[B, H, W, C], w: f32[h, w, I, C], stride: int = 1, \
         padding: str = \"valid\", dilation: int = 1, groups: int = 1, output_padding: int = 0) -> f32",
        "The adjoint of conv2d, with I * groups channels out.",
        |e, a| {
            let (x, w) = (a.tensor(e, "x")?, a.tensor(e, "w")?);
            let spec = conv_spec(e, a, w)?;
            let extra = a.pair_or("output_padding", [0, 0], 0)?;
            e.conv2d_transpose(x, w, &spec, a.int_or("groups", 1, 1)? as usize, extra).map(Value::Tensor)
        },
    ),
    entry(
        "max_pool2d(x: f32[B, H, W, C], size: int, stride: int = size, padding: str = \"valid\") -> f32",
        "Largest value of each window; padding never wins.",
        |e, a| {
            let x = a.tensor(e, "x")?;
            e.need_float("max_pool2d", x)?;
            e.max_pool2d(x, &pool_spec(a)?).map(Value::Tensor)
        },
    ),
    entry(
        "avg_pool2d(x: f32[B, H, W, C], size: int, stride: int = size, padding: str = \"valid\") -> f32",
        "Mean of each window; padding does not count.",
        |e, a| {
            let x = a.tensor(e, "x")?;
            e.avg_pool2d(x, &pool_spec(a)?).map(Value::Tensor)
        },
    ),
];

/// The kernel's size comes from the weight, which must be known there.
fn conv_spec(e: &Emit, a: &Args, w: Node) -> Checked<WindowSpec> {
    let ty = e.ty(w);
    let span = a.need("w")?.span;
    if ty.rank() != 4 {
        return Err(error::expected_rank(span, "a kernel [h, w, I, F]", 4, ty));
    }
    let mut size = [0; 2];
    for (slot, dim) in size.iter_mut().zip(&ty.shape) {
        *slot = dim
            .known()
            .filter(|n| (1..=MOST_PIXELS).contains(n))
            .ok_or_else(|| error::bad_value(span, "a kernel's height and width must be known", dim))?
            as usize;
    }
    Ok(WindowSpec {
        size,
        stride: a.pair_or("stride", [1, 1], 1)?,
        dilation: a.pair_or("dilation", [1, 1], 1)?,
        padding: a.padding("padding")?,
    })
}

fn pool_spec(a: &Args) -> Checked<WindowSpec> {
    let size = a.pair("size", 1)?;
    Ok(WindowSpec { size, stride: a.pair_or("stride", size, 1)?, dilation: [1, 1], padding: a.padding("padding")? })
}

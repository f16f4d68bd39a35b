//! What can be said of a scan without its body.

use super::args::Args;
use super::{ShapeError, check_size};
use crate::ops::{DType, Extent, Op, Type};

/// The scanned axis of the xs is axis 0; a carry that decides whether the loop goes on is a bool scalar.
pub fn scan<D: Extent>(args: Args<D>, op: &Op<D>) -> Result<(), ShapeError<D>> {
    let Op::Scan { carries, xs, length, while_carry, checkpoint, .. } = op else { return Ok(()) };
    let first_x = args.len() - xs;
    (first_x..args.len()).try_for_each(|x| args.dim(x, 0, length))?;
    if *checkpoint == Some(0) {
        return Err(ShapeError::Attribute { what: "a checkpoint stands every 1 step or more" });
    }
    match while_carry {
        true if *carries == 0 => Err(ShapeError::Attribute { what: "`while_carry` needs a carry" }),
        true => args.scalar(first_x - carries, DType::Bool),
        false => Ok(()),
    }
}

/// The ys have an axis 0 of the scan's length, which may be 0.
pub fn scanned<D: Extent>(results: &[Type<D>], carries: usize, length: &D) -> Result<(), ShapeError<D>> {
    let Some((finals, ys)) = results.split_at_checked(carries) else {
        return Err(ShapeError::Attribute { what: "a scan gives the last value of each carry" });
    };
    finals.iter().try_for_each(check_size)?;
    ys.iter().try_for_each(|y| stacked(y, length))
}

fn stacked<D: Extent>(y: &Type<D>, length: &D) -> Result<(), ShapeError<D>> {
    match y.shape.split_first() {
        Some((steps, _)) if !steps.same(length) => {
            Err(ShapeError::Attribute { what: "axis 0 of a stacked result is the scan's length" })
        }
        Some((steps, slice)) if steps.known() == Some(0) => check_size(&Type::new(y.dtype, slice.to_vec())),
        Some(_) => check_size(y),
        None => Err(ShapeError::Attribute { what: "a stacked result has an axis for the steps" }),
    }
}

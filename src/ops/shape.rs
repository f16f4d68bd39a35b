//! The one shape and type rule of each operation, for symbolic dimensions (checker) and plain ones (IR verifier).
//!
//! A rule rejects what is certainly wrong: dimensions that are not provably equal, and inequalities (a slice within
//! its axis, a kernel within its input) that certainly fail. An inequality that a symbol leaves open passes here; the
//! checker proves it by [`Dim::interval`](super::dim::Dim::interval), and the verifier of bound graphs sees numbers.
//! Every dimension of a result that is known is at least 1, and its bytes fit into `i64`.

mod args;
mod attention;
mod contract;
mod error;
mod index;
mod map;
mod moves;
mod region;
#[cfg(test)]
mod tests;
mod window;

pub use args::Arity;
pub use error::{Class, ShapeError};
pub use window::window_output;

use super::{DType, Extent, Op, Type};
use args::Args;

/// Types of the results of `op`. `None` for operations whose types the caller gives: `Input`, `Const`, `Table`
/// (its shape is in the operation; see [`check_given`]), `Composite` and `Scan` (their bodies decide).
pub fn infer<D: Extent>(op: &Op<D>, args: &[&Type<D>]) -> Result<Option<Vec<Type<D>>>, ShapeError<D>> {
    Arity::of(op).check(args.len())?;
    let args = Args::new(args);
    if let Op::Scan { .. } = op {
        region::scan(args, op)?;
    }
    if is_given(op) {
        return Ok(None);
    }
    let results = rule(op, args)?;
    results.iter().try_for_each(check_size)?;
    Ok(Some(results))
}

/// The caller gives the types of the results.
fn is_given<D>(op: &Op<D>) -> bool {
    matches!(op, Op::Input { .. } | Op::Const(_) | Op::Table(..) | Op::Composite { .. } | Op::Scan { .. })
}

fn rule<D: Extent>(op: &Op<D>, args: Args<D>) -> Result<Vec<Type<D>>, ShapeError<D>> {
    let one = match op {
        Op::Input { .. } | Op::Const(_) | Op::Table(..) => return Ok(vec![]),
        Op::Composite { .. } | Op::Scan { .. } => return Ok(vec![]),
        Op::DimValue(_) => Ok(Type::scalar(DType::I32)),
        Op::Iota { shape, axis, dtype } => map::iota(shape, *axis, *dtype),
        Op::Philox { shape, .. } => map::philox(args, shape),
        Op::Unary(op) => map::unary(args, *op),
        Op::Binary(op) => map::binary(args, *op),
        Op::Compare(_) => map::compare(args),
        Op::Select => map::select(args),
        Op::Cast(dtype) => Ok(Type::new(*dtype, args.shape(0).to_vec())),
        Op::Bitcast(dtype) => map::bitcast(args, *dtype),
        Op::StopGradient => Ok(args.ty(0).clone()),

        Op::Reduce { op, axes } => map::reduce(args, *op, axes),
        Op::ArgMax { axis } | Op::ArgMin { axis } => map::arg_extreme(args, *axis),
        Op::CumSum { axis, .. } => map::cum_sum(args, *axis),

        Op::Reshape { shape } => moves::reshape(args, shape),
        Op::Transpose { perm } => moves::transpose(args, perm),
        Op::Broadcast { shape, axes } => moves::broadcast(args, shape, axes),
        Op::Slice { start, size, stride } => moves::slice(args, start, size, stride),
        Op::Pad { pads } => moves::pad(args, pads),
        Op::Concat { axis } => moves::concat(args, *axis),
        Op::Reverse { axes } => moves::reverse(args, axes),
        Op::DynamicSlice { size } => moves::dynamic_slice(args, size),
        Op::DynamicUpdate => moves::dynamic_update(args),

        Op::Take { axis } => index::take(args, *axis),
        Op::TakeAlong { axis } => index::take_along(args, *axis),
        Op::ScatterAdd { axis, size } => index::scatter_add(args, *axis, size),
        Op::ScatterAddAlong { axis, size } => index::scatter_add_along(args, *axis, size),

        Op::Dot { lhs_batch, rhs_batch, lhs_contract, rhs_contract } => {
            contract::dot(args, [lhs_batch, rhs_batch], [lhs_contract, rhs_contract])
        }
        Op::Conv { window, groups } => contract::conv(args, window, *groups),
        Op::ConvInputGrad { window, groups, input } => contract::conv_input_grad(args, window, *groups, input),
        Op::ConvWeightGrad { window, groups } => contract::conv_weight_grad(args, window, *groups),

        Op::WindowSum { window } => window::pooled(args, window),
        Op::WindowSumGrad { window, input } => window::sum_grad(args, window, input),
        Op::WindowArgMax { window } => window::arg_max(args, window),
        Op::WindowGather { window } => window::gather(args, window),
        Op::WindowScatter { window, input } => window::scatter(args, window, input),

        Op::Sort { axis, .. } => return index::sort(args, *axis),
        Op::TopK { k } => return index::top_k(args, *k),
        Op::Attention { scores } => return attention::forward(args, scores),
        Op::AttentionGrad { scores } => return attention::gradients(args, scores),
        Op::AttentionBiasGrad { scores } => attention::bias_gradient(args, scores),
        Op::Grad => return map::grad(args),
    };
    Ok(vec![one?])
}

/// Checks the given result types: a constant is a scalar, a table has its elements, a scan stacks its length.
pub fn check_given<D: Extent>(op: &Op<D>, results: &[Type<D>]) -> Result<(), ShapeError<D>> {
    if let Op::Scan { carries, length, .. } = op {
        return region::scanned(results, *carries, length);
    }
    results.iter().try_for_each(check_size)?;
    let single = |shape: &[D]| match results {
        [ty] if ty.shape == shape => Ok(()),
        _ => Err(ShapeError::Attribute { what: "the result's shape is not the operation's" }),
    };
    match op {
        Op::Input { .. } if results.len() == 1 => Ok(()),
        Op::Input { .. } => Err(ShapeError::Attribute { what: "an input has one result" }),
        Op::Const(_) => single(&[]),
        Op::Table(elements, shape) => {
            single(shape)?;
            let count = D::constant(elements.len() as i64);
            let product = moves::product(shape);
            if product.same(&count) { Ok(()) } else { Err(ShapeError::Elements { from: count, to: product }) }
        }
        _ => Ok(()),
    }
}

/// Known dimensions are at least 1, and the bytes fit into i64.
fn check_size<D: Extent>(ty: &Type<D>) -> Result<(), ShapeError<D>> {
    if let Some(axis) = ty.shape.iter().position(|d| d.known().is_some_and(|n| n < 1)) {
        return Err(ShapeError::Empty { axis, found: ty.shape[axis].clone() });
    }
    let mut known = ty.shape.iter().filter_map(|d| d.known());
    let bytes = known.try_fold(ty.dtype.size() as i64, |bytes, n| bytes.checked_mul(n));
    // A dimension that overflowed is not the same as anything, itself included.
    let exact = ty.shape.iter().all(|d| d.known().is_some() || d.same(d));
    match bytes {
        Some(_) if exact => Ok(()),
        _ => Err(ShapeError::TooLarge { shape: ty.shape.clone() }),
    }
}

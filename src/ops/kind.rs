//! Kinds of operations that passes treat alike.

use super::Op;

impl<D> Op<D> {
    /// Depends on nothing but its attributes.
    pub fn is_source(&self) -> bool {
        matches!(self, Op::Const(_) | Op::Table(..) | Op::DimValue(_) | Op::Iota { .. })
    }

    /// Elementwise: all arguments and the result have one shape.
    pub fn is_map(&self) -> bool {
        matches!(
            self,
            Op::Unary(_)
                | Op::Binary(_)
                | Op::Compare(_)
                | Op::Select
                | Op::Cast(_)
                | Op::Bitcast(_)
                | Op::StopGradient
        )
    }

    /// Puts elements elsewhere, at places that the attributes say.
    pub fn is_move(&self) -> bool {
        matches!(
            self,
            Op::Reshape { .. }
                | Op::Transpose { .. }
                | Op::Broadcast { .. }
                | Op::Slice { .. }
                | Op::Pad { .. }
                | Op::Concat { .. }
                | Op::Reverse { .. }
        )
    }

    /// Another way to look at the same elements in the same order, or at some of them, or at some repeatedly.
    pub fn is_view(&self) -> bool {
        matches!(self, Op::Reshape { .. } | Op::Broadcast { .. } | Op::Slice { .. } | Op::StopGradient)
    }
}

//! Sorting by counting: an element's place is the number of those that come before it.
//!
//! Quadratic in the length of the axis, but without a single dependent step; the comparisons are never stored.

use super::Legalizer;
use crate::ops::{Binary, Compare, DType, Op, Reduce, Type, Unary};
use crate::tensor::Value;

impl Legalizer<'_> {
    /// The k largest of the last axis: values and indices.
    pub(super) fn top_k(&mut self, x: Value, k: usize) -> [Value; 2] {
        let mut size = self.shape(x);
        let axis = size.len() - 1;
        size[axis] = k;
        let (start, stride) = (vec![0; size.len()], vec![1; size.len()]);
        self.sort(x, axis, true).map(|all| self.b().slice(all, &start, &size, &stride))
    }

    /// Values and indices in a stable order, NaN last.
    pub(super) fn sort(&mut self, x: Value, axis: usize, descending: bool) -> [Value; 2] {
        let ty = Type::new(DType::I32, self.shape(x));
        let places = self.places(x, axis, descending);
        let numbers = self.push(Op::Iota { shape: ty.shape.clone(), axis, dtype: DType::I32 }, &[], ty.clone());
        let size = ty.shape[axis];
        let indices = self.push(Op::ScatterAddAlong { axis, size }, &[numbers, places], ty);
        let values = self.out.ty(x).clone();
        [self.push(Op::TakeAlong { axis }, &[x, indices], values), indices]
    }

    /// How many elements come before each.
    fn places(&mut self, x: Value, axis: usize, descending: bool) -> Value {
        let shape = self.shape(x);
        let rank = shape.len();
        let space = [shape.as_slice(), &[shape[axis]]].concat();
        let own = self.b().broadcast(x, &space, &(0..rank).collect::<Vec<_>>());
        let others: Vec<usize> = (0..rank).filter(|a| *a != axis).collect();
        let moved = self.b().transpose(x, &[others.as_slice(), &[axis]].concat());
        let other = self.b().broadcast(moved, &space, &[others.as_slice(), &[rank]].concat());

        let before = self.precedes(other, own, descending);
        let after = self.precedes(own, other, descending);
        let [i, j] = [axis, rank].map(|axis| {
            let ty = Type::new(DType::I32, space.clone());
            self.push(Op::Iota { shape: space.clone(), axis, dtype: DType::I32 }, &[], ty)
        });
        let earlier = self.b().compare(Compare::Lt, j, i);
        let not_after = self.b().unary(Unary::Not, after);
        let tied = self.b().binary(Binary::And, not_after, earlier);
        let counts = self.b().binary(Binary::Or, before, tied);
        let counts = self.b().cast(counts, DType::I32);
        self.reduce(Reduce::Sum, counts, &[rank])
    }

    fn precedes(&mut self, a: Value, b: Value, descending: bool) -> Value {
        let order = if descending { Compare::Gt } else { Compare::Lt };
        let before = self.b().compare(order, a, b);
        if !self.dtype(a).is_float() {
            return before;
        }
        let number = self.b().compare(Compare::Eq, a, a);
        let nan = self.b().compare(Compare::Ne, b, b);
        let last = self.b().binary(Binary::And, number, nan);
        self.b().binary(Binary::Or, before, last)
    }
}

//! Sorting by counting: an element's place is the number of those that come before it.
//!
//! Quadratic in the length of the axis, but without a single dependent step; the comparisons are never stored. The few
//! largest of a long axis are found among the largest of its pieces.

use super::Legalizer;
use crate::ops::{Binary, Compare, DType, Op, Pad, Reduce, Type, Unary};
use crate::tensor::Value;

/// The length of a piece in which counting finds the largest; longer where more than a quarter of that is wanted.
const PIECE: usize = 64;

impl Legalizer<'_> {
    /// The k largest of the last axis: values and indices.
    pub(super) fn top_k(&mut self, x: Value, k: usize) -> [Value; 2] {
        let mut size = self.shape(x);
        let axis = size.len() - 1;
        let piece = PIECE.max(4 * k);
        if k > 0 && size[axis] > 2 * piece {
            return self.top_k_of_pieces(x, k, piece);
        }
        size[axis] = k;
        let (start, stride) = (vec![0; size.len()], vec![1; size.len()]);
        self.sort(x, axis, true).map(|all| self.b().slice(all, &start, &size, &stride))
    }

    /// The k largest of the k largest of each piece. Pieces follow each other and each keeps the order of equal
    /// elements, so that of equal ones the first is still the first.
    fn top_k_of_pieces(&mut self, x: Value, k: usize, piece: usize) -> [Value; 2] {
        let shape = self.shape(x);
        let (outer, length) = (&shape[..shape.len() - 1], shape[shape.len() - 1]);
        let pieces = length.div_ceil(piece);
        let padded = self.pad_last(x, pieces * piece - length);
        let split = self.b().reshape(padded, &[outer, &[pieces, piece]].concat());
        let [values, places] = self.top_k(split, k);

        let space = self.shape(places);
        let ty = Type::new(DType::I32, space.clone());
        let length = self.b().fill(piece as f64, &ty);
        let number = self.push(Op::Iota { shape: space, axis: outer.len(), dtype: DType::I32 }, &[], ty);
        let first = self.b().binary(Binary::Mul, number, length);
        let indices = self.b().binary(Binary::Add, places, first);
        let few = [outer, &[pieces * k]].concat();
        let [values, indices] = [values, indices].map(|v| self.b().reshape(v, &few));
        let [best, at] = self.top_k(values, k);
        let ty = self.out.ty(at).clone();
        [best, self.push(Op::TakeAlong { axis: outer.len() }, &[indices, at], ty)]
    }

    /// Lengthens the last axis by elements that come after all others.
    fn pad_last(&mut self, x: Value, more: usize) -> Value {
        let dtype = self.dtype(x);
        let least = if dtype.is_float() { f64::NAN } else { f64::from(i32::MIN) };
        let value = self.b().scalar(least, dtype);
        let mut pads = vec![Pad { low: 0, high: 0, interior: 0 }; self.shape(x).len()];
        if let Some(last) = pads.last_mut() {
            last.high = more as i64;
        }
        self.b().pad(x, value, pads)
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

//! Dots as `[batch] M K × [batch] K N`, the left side perhaps as `K M`; a batch of one is none.

use super::{Legalizer, slices};
use crate::ops::{Binary, DType, Op, Reduce, Type};
use crate::tensor::Value;

/// A canonical dot: `[batch, m, k]` (or `[batch, k, m]`) by `[batch, k, n]`, without `batch` where that is 1.
struct Dot {
    a: Value,
    b: Value,
    batch: usize,
    m: usize,
    k: usize,
    n: usize,
    a_transposed: bool,
}

/// So many steps of K: a block of columns of the right side stays in the second cache while rows of the left one pass by.
const NEAR: usize = 2048;

/// A step of K takes a line of a left side that lies as `K M`, and the next rows of tiles another part of it: so many lines are
/// still in the first cache then.
const LINES: usize = 256;

/// Whether it pays to copy a left side that lies as `K M` to `M K` first: rows of its lines would have to come again from far away,
/// and each element is used often enough to make up for the copy.
pub fn wants_rows([m, k, n]: [usize; 3]) -> bool {
    k > LINES && m >= 16 && n >= 64
}

/// The fewest slices of K that are near; one where none of a reasonable number divides it, or where their results would be
/// larger than the operands.
fn near_slices([m, k, n]: [usize; 3]) -> usize {
    let small = |parts: &usize| parts * m * n <= k * (m + n);
    if k < 2 * NEAR {
        return 1;
    }
    (k.div_ceil(NEAR)..=k / (NEAR / 4)).find(|parts| k.is_multiple_of(*parts)).filter(small).unwrap_or(1)
}

impl Legalizer<'_> {
    pub(super) fn dot(&mut self, op: &Op, args: &[Value], ty: Type) -> Value {
        let Op::Dot { lhs_batch, rhs_batch, lhs_contract, rhs_contract } = op else { unreachable!("a dot") };
        let (lhs, rhs) = (self.shape(args[0]), self.shape(args[1]));
        let lhs_free = free(lhs.len(), lhs_batch, lhs_contract);
        let rhs_free = free(rhs.len(), rhs_batch, rhs_contract);
        let size = |shape: &[usize], axes: &[usize]| axes.iter().map(|a| shape[*a]).product::<usize>();
        let (batch, k) = (size(&lhs, lhs_batch), size(&lhs, lhs_contract));
        let (m, n) = (size(&lhs, &lhs_free), size(&rhs, &rhs_free));

        let transposed = [lhs_batch.as_slice(), lhs_contract, &lhs_free].concat();
        let a_transposed = transposed.is_sorted() && m > 1 && k > 1 && !wants_rows([m, k, n]);
        let perm = if a_transposed { transposed } else { [lhs_batch.as_slice(), &lhs_free, lhs_contract].concat() };
        let a = self.b().transpose(args[0], &perm);
        let a = self.b().reshape(a, &batched(batch, if a_transposed { [k, m] } else { [m, k] }));
        let b = self.b().transpose(args[1], &[rhs_batch.as_slice(), rhs_contract, &rhs_free].concat());
        let b = self.b().reshape(b, &batched(batch, [k, n]));
        let y = self.canonical(Dot { a, b, batch, m, k, n, a_transposed });
        self.b().reshape(y, &ty.shape)
    }

    fn canonical(&mut self, dot: Dot) -> Value {
        let few = dot.batch * dot.m.div_ceil(6) * dot.n.div_ceil(64) < 16;
        let near = near_slices([dot.m, dot.k, dot.n]);
        match slices(dot.k) {
            _ if dot.n == 1 || self.dtype(dot.a) != DType::F32 => self.dot_as_reduction(dot),
            Some(parts) if few && dot.batch == 1 && dot.k >= 2048 => self.dot_in_slices(dot, parts),
            _ if dot.batch == 1 && near > 1 => self.dot_in_slices(dot, near),
            _ => self.push_dot(dot),
        }
    }

    fn push_dot(&mut self, dot: Dot) -> Value {
        let ty = self.like(dot.a, &batched(dot.batch, [dot.m, dot.n]));
        let batch: Vec<usize> = (0..ty.rank() - 2).collect();
        let first = batch.len();
        let lhs_contract = vec![if dot.a_transposed { first } else { first + 1 }];
        let op = Op::Dot { lhs_batch: batch.clone(), rhs_batch: batch, lhs_contract, rhs_contract: vec![first] };
        self.push(op, &[dot.a, dot.b], ty)
    }

    /// Parts of K as a batch of dots, summed in order.
    fn dot_in_slices(&mut self, dot: Dot, parts: usize) -> Value {
        let (m, n, k) = (dot.m, dot.n, dot.k / parts);
        let a = if dot.a_transposed {
            self.b().reshape(dot.a, &[parts, k, m])
        } else {
            let split = self.b().reshape(dot.a, &[m, parts, k]);
            self.b().transpose(split, &[1, 0, 2])
        };
        let b = self.b().reshape(dot.b, &[parts, k, n]);
        let partial = self.push_dot(Dot { a, b, batch: parts, m, k, n, a_transposed: dot.a_transposed });
        self.reduce(Reduce::Sum, partial, &[0])
    }

    /// Matrix by vector, and products of integers: a row of the left side is contiguous, so the sum runs along lanes.
    fn dot_as_reduction(&mut self, dot: Dot) -> Value {
        let Dot { a, b, batch, m, k, n, .. } = dot;
        let (space, axis, a_axes, b_axes) = match (n, dot.a_transposed) {
            (1, false) => (vec![batch, m, k], 2, [0, 1, 2], [0, 2]),
            (1, true) => (vec![batch, k, m], 1, [0, 1, 2], [0, 1]),
            (_, false) => (vec![batch, m, k, n], 2, [0, 1, 2], [0, 2]),
            (_, true) => (vec![batch, k, m, n], 1, [0, 1, 2], [0, 1]),
        };
        let lhs = if dot.a_transposed { [batch, k, m] } else { [batch, m, k] };
        let a = self.b().reshape(a, &lhs);
        let b = self.b().reshape(b, &[batch, k, n]);
        let left = self.b().broadcast(a, &space, &a_axes);
        let right = if n == 1 {
            let vector = self.b().reshape(b, &[batch, k]);
            self.b().broadcast(vector, &space, &b_axes)
        } else {
            self.b().broadcast(b, &space, &[b_axes[0], b_axes[1], 3])
        };
        let products = self.b().binary(Binary::Mul, left, right);
        self.reduce(Reduce::Sum, products, &[axis])
    }
}

fn batched(batch: usize, matrix: [usize; 2]) -> Vec<usize> {
    if batch == 1 { matrix.to_vec() } else { [&[batch], matrix.as_slice()].concat() }
}

fn free(rank: usize, batch: &[usize], contract: &[usize]) -> Vec<usize> {
    (0..rank).filter(|i| !batch.contains(i) && !contract.contains(i)).collect()
}

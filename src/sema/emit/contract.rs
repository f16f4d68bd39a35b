//! Matrix products: `@` by NumPy's rules, and general contractions by axis labels.

use super::{Checked, Emit, error};
use crate::ops::dim::Dim;
use crate::ops::{Extent, Op, Reduce};
use crate::tensor::Value as Node;

impl Emit {
    /// `a @ b`: the last axis of a meets the last but one of b (its only one at rank 1); leading axes broadcast.
    ///
    /// `[*S, D] @ [D, U] → [*S, U]`, `[*N, I, D] @ [*N, D, U] → [*N, I, U]`, `[D] @ [D] → []`.
    pub fn matmul(&mut self, a: Node, b: Node) -> Checked<Node> {
        let (ra, rb) = (self.rank(a), self.rank(b));
        self.check_matmul(a, b)?;
        if ra <= 2 || rb <= 2 { self.plain_product(a, b) } else { self.batched_product(a, b) }
    }

    fn check_matmul(&self, a: Node, b: Node) -> Checked<()> {
        let (ta, tb) = (self.ty(a), self.ty(b));
        if ta.rank() == 0 || tb.rank() == 0 {
            return Err(error::scalar_operand(self.origin.span, "`@`"));
        }
        if ta.dtype != tb.dtype {
            return Err(error::dtypes_differ(self.origin.span, ta.dtype, tb.dtype));
        }
        if !ta.dtype.is_float() {
            return Err(error::not_for_dtype(self.origin.span, "`@`", ta.dtype, "convert it first: `f32(x)`"));
        }
        let k = [&ta.shape[ta.rank() - 1], &tb.shape[tb.rank().saturating_sub(2)]];
        if k[0].same(k[1]) { Ok(()) } else { Err(error::matmul_mismatch(self.origin.span, ta, tb, k)) }
    }

    /// One side has no batch axes: a single contraction, whose free axes may need moving.
    fn plain_product(&mut self, a: Node, b: Node) -> Checked<Node> {
        let (ra, rb) = (self.rank(a), self.rank(b));
        let dot = self.dot(a, b, &[ra - 1], &[rb.saturating_sub(2)], &[])?;
        if ra < 2 || rb < 3 {
            return Ok(dot);
        }
        // The result is [I, *N, U]: I moves behind N.
        let batch = rb - 2;
        let perm = (1..=batch).chain([0, batch + 1]).collect();
        self.op(Op::Transpose { perm }, &[dot])
    }

    fn batched_product(&mut self, a: Node, b: Node) -> Checked<Node> {
        let (sa, sb) = (self.shape(a), self.shape(b));
        let (lead_a, mat_a) = sa.split_at(sa.len() - 2);
        let (lead_b, mat_b) = sb.split_at(sb.len() - 2);
        let lead = self.broadcast_shapes(lead_a, lead_b)?;
        let a = self.broadcast_to(a, &[&lead, mat_a].concat())?;
        let b = self.broadcast_to(b, &[&lead, mat_b].concat())?;
        let n = lead.len();
        let batch: Vec<(usize, usize)> = (0..n).map(|i| (i, i)).collect();
        self.dot(a, b, &[n + 1], &[n], &batch)
    }

    fn dot(&mut self, a: Node, b: Node, ka: &[usize], kb: &[usize], batch: &[(usize, usize)]) -> Checked<Node> {
        let (lhs_batch, rhs_batch) = batch.iter().copied().unzip();
        let op = Op::Dot { lhs_batch, rhs_batch, lhs_contract: ka.to_vec(), rhs_contract: kb.to_vec() };
        self.op(op, &[a, b])
    }

    /// Multiplies operands whose axes carry labels and sums over the labels that the result does not have.
    pub(super) fn contract(&mut self, operands: Vec<(Node, Vec<char>)>, result: &[char]) -> Checked<Node> {
        let mut rest = operands.into_iter();
        let Some(mut acc) = rest.next() else {
            return Err(error::bad_pattern(self.origin.span, "einsum needs at least one tensor"));
        };
        let mut rest: Vec<_> = rest.collect();
        while !rest.is_empty() {
            let next = rest.remove(0);
            let needed = |c: &char| result.contains(c) || rest.iter().any(|(_, labels)| labels.contains(c));
            acc = self.contract_pair(acc, next, &needed)?;
        }
        let (x, labels) = self.sum_out(acc, &|c| result.contains(c))?;
        let perm: Vec<usize> = result.iter().filter_map(|c| labels.iter().position(|l| l == c)).collect();
        self.transpose(x, &perm)
    }

    fn contract_pair(
        &mut self,
        a: (Node, Vec<char>),
        b: (Node, Vec<char>),
        needed: &dyn Fn(&char) -> bool,
    ) -> Checked<(Node, Vec<char>)> {
        let in_b = b.1.clone();
        let in_a = a.1.clone();
        let (a, la) = self.sum_out(a, &|c| needed(c) || in_b.contains(c))?;
        let (b, lb) = self.sum_out(b, &|c| needed(c) || in_a.contains(c))?;
        let at = |labels: &[char], c: &char| labels.iter().position(|l| l == c);
        let shared: Vec<(char, usize, usize)> =
            la.iter().enumerate().filter_map(|(i, c)| at(&lb, c).map(|j| (*c, i, j))).collect();
        self.check_extents(a, b, &shared)?;
        let (batch, summed): (Vec<_>, Vec<_>) = shared.into_iter().partition(|(c, ..)| needed(c));
        let ka: Vec<usize> = summed.iter().map(|s| s.1).collect();
        let kb: Vec<usize> = summed.iter().map(|s| s.2).collect();
        let pairs: Vec<(usize, usize)> = batch.iter().map(|s| (s.1, s.2)).collect();
        let value = self.dot(a, b, &ka, &kb, &pairs)?;
        let free_a = la.iter().filter(|c| !lb.contains(c));
        let free_b = lb.iter().filter(|c| !la.contains(c));
        let labels = batch.iter().map(|s| s.0).chain(free_a.copied()).chain(free_b.copied()).collect();
        Ok((value, labels))
    }

    fn check_extents(&self, a: Node, b: Node, shared: &[(char, usize, usize)]) -> Checked<()> {
        for &(label, i, j) in shared {
            let (x, y): (&Dim, &Dim) = (&self.ty(a).shape[i], &self.ty(b).shape[j]);
            if !x.same(y) {
                let message = format!("`{label}` is {x} in one operand and {y} in another");
                return Err(error::bad_pattern(self.origin.span, message));
            }
        }
        Ok(())
    }

    /// Sums over the axes whose labels are not kept.
    fn sum_out(&mut self, x: (Node, Vec<char>), keep: &dyn Fn(&char) -> bool) -> Checked<(Node, Vec<char>)> {
        let (node, labels) = x;
        let axes: Vec<usize> = (0..labels.len()).filter(|&i| !keep(&labels[i])).collect();
        let kept = labels.into_iter().filter(|c| keep(c)).collect();
        self.check_padded_sum(node, &axes)?;
        Ok((self.reduce(Reduce::Sum, node, &axes, false)?, kept))
    }
}

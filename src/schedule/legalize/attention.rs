//! Attention as its kernels take it: what a product reads along its columns lies so in memory, and results that nobody
//! looks at are scratch.
//!
//! - `Attention` takes q, k crossed ([B, G, D, S]), v, mask?, bias?, keep?; a third result [B, H, T, keys] holds the
//!   weights of one step of keys.
//! - `AttentionGrad` takes q, k, v crossed ([B, G, E, S]), mask?, bias?, keep?, lse, o_adj, delta, k crossed. The adjoints of
//!   k and v have a leading axis of slices of the queries, since a point owns all keys of a head; two more results
//!   [slices, B, G, queries, keys] hold the weights, and the adjoints of the products, of one block.
//! - `AttentionBiasGrad` takes q, k crossed, v crossed, mask?, bias?, keep?, lse, o_adj, delta.

use super::Legalizer;
use crate::ops::{DType, Op, Reduce, Scores, Type};
use crate::tensor::Value;

/// Keys of one step of the online softmax. A row is rescaled after each step, so this decides the bits of the result.
pub const KEYS: usize = 128;
/// Queries that share the range of keys which they look at.
pub const QUERIES: usize = 16;
/// Queries and keys of one block of the backward pass.
pub const BLOCK: usize = 64;
/// So many points are enough to share among workers.
const POINTS: usize = 16;

/// How the queries of one head are divided in the backward pass: the number of slices, and the length of each.
pub fn slices(heads: usize, queries: usize) -> (usize, usize) {
    let wanted = POINTS.div_ceil(heads.max(1)).clamp(1, queries.div_ceil(BLOCK));
    let length = queries.div_ceil(BLOCK).div_ceil(wanted) * BLOCK;
    (queries.div_ceil(length), length)
}

impl Legalizer<'_> {
    pub(super) fn attention(&mut self, scores: &Scores, args: &[Value]) -> Vec<Value> {
        let [q, v] = [args[0], args[2]].map(|x| self.shape(x));
        let k = self.crossed(args[1]);
        let keys = self.shape(args[1])[2].min(KEYS);
        let types = [[&q[..3], &v[3..]].concat(), q[..3].to_vec(), [&q[..3], &[keys]].concat()];
        let args = [&[args[0], k], &args[2..]].concat();
        let results = self.push_all(Op::Attention { scores: *scores }, args, types.to_vec());
        results[..2].to_vec()
    }

    pub(super) fn attention_grad(&mut self, scores: &Scores, args: &[Value]) -> Vec<Value> {
        let [q, k, v] = [0, 1, 2].map(|i| self.shape(args[i]));
        let [k_crossed, v_crossed] = [args[1], args[2]].map(|x| self.crossed(x));
        let (parts, _) = slices(k[0] * k[1], q[2]);
        let sliced = |shape: &[usize]| [&[parts], shape].concat();
        let block = sliced(&[k[0], k[1], q[2].min(BLOCK), k[2].min(BLOCK)]);
        let types = [q, sliced(&k), sliced(&v), block.clone(), block];
        let args = [&args[..2], &[v_crossed], &args[3..], &[k_crossed]].concat();
        let results = self.push_all(Op::AttentionGrad { scores: *scores }, args, types.to_vec());
        let [k_adj, v_adj] = [results[1], results[2]].map(|x| self.reduce(Reduce::Sum, x, &[0]));
        vec![results[0], k_adj, v_adj]
    }

    pub(super) fn attention_bias_grad(&mut self, scores: &Scores, args: &[Value]) -> Value {
        let bias = self.shape(args[scores.bias().expect("a gradient of a bias that is there")]);
        let [k, v] = [args[1], args[2]].map(|x| self.crossed(x));
        let args = [&[args[0], k, v], &args[3..]].concat();
        self.push_all(Op::AttentionBiasGrad { scores: *scores }, args, vec![bias])[0]
    }

    fn push_all(&mut self, op: Op, args: Vec<Value>, shapes: Vec<Vec<usize>>) -> Vec<Value> {
        let types = shapes.into_iter().map(|shape| Type::new(DType::F32, shape)).collect();
        self.out.push(op, args, types, self.origin.clone())
    }

    /// With the last two of four axes exchanged; made once.
    fn crossed(&mut self, x: Value) -> Value {
        if let Some(known) = self.crossed.get(&x) {
            return *known;
        }
        let crossed = self.b().transpose(x, &[0, 1, 3, 2]);
        self.crossed.insert(x, crossed);
        crossed
    }
}

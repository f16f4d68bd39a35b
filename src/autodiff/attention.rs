//! Attention: its gradient is one operation, and that one's definition in smaller operations is what second
//! derivatives are taken of.

use super::sweep::Sweep;
use crate::ops::{Compare, DType, Op, Reduce, Scores, Type, Unary};
use crate::tensor::build::Builder;
use crate::tensor::{Inst, Value};

impl Sweep<'_> {
    /// p · (o_adj·v - Σ o · o_adj + lse_adj) is the adjoint of a score.
    pub(super) fn visit_attention(&mut self, inst: &Inst, scores: &Scores) {
        let [o, lse] = *inst.results else { unreachable!("attention has two results") };
        let o_adj = self.adjoint_or_zeros(o);
        let product = self.b.mul(o, o_adj);
        let mut delta = self.b.sum(product, &[3]);
        if let Some(lse_adj) = self.adjoints.get(&lse).copied() {
            delta = self.b.sub(delta, lse_adj);
        }
        let args = [&inst.args[..], &[lse, o_adj, delta]].concat();
        self.apply_gradient(Op::AttentionGrad { scores: *scores }, &args, &inst.args[..3]);
        if let Some(bias) = scores.bias() {
            self.apply_gradient(Op::AttentionBiasGrad { scores: *scores }, &args, &inst.args[bias..=bias]);
        }
    }

    /// An operation that gives the adjoints of some values, where one of them is wanted.
    fn apply_gradient(&mut self, op: Op, args: &[Value], wrt: &[Value]) {
        let wanted: Vec<bool> = wrt.iter().map(|x| self.active.contains(x)).collect();
        if !wanted.contains(&true) {
            return;
        }
        let types = wrt.iter().map(|x| self.b.ty(*x)).collect();
        let adjoints = self.b.graph.push(op, args.to_vec(), types, self.b.origin.clone());
        for ((x, x_adj), _) in wrt.iter().zip(adjoints).zip(wanted).filter(|(_, wanted)| *wanted) {
            self.accumulate(*x, x_adj);
        }
    }
}

/// The results of `AttentionGrad` by products, sums and maps.
pub fn gradients(b: &mut Builder, inst: &Inst, scores: &Scores) -> Vec<Value> {
    Expansion::new(b, inst, scores).gradients()
}

/// The result of `AttentionBiasGrad` by products, sums and maps.
pub fn bias_gradient(b: &mut Builder, inst: &Inst, scores: &Scores) -> Value {
    Expansion::new(b, inst, scores).bias_gradient()
}

/// Of the gradient of one attention. Queries are kept as [B, G, H / G, T, ·], next to the keys they read.
struct Expansion<'a, 'g> {
    b: &'a mut Builder<'g>,
    scores: &'a Scores,
    args: &'a [Value],
    grouped: [usize; 4],
    /// [B, H, T, S]
    square: Vec<usize>,
    /// Where a query sees a key; `None`: everywhere.
    seen: Option<Value>,
}

impl<'a, 'g> Expansion<'a, 'g> {
    fn new(b: &'a mut Builder<'g>, inst: &'a Inst, scores: &'a Scores) -> Self {
        let (q, k) = (b.shape(inst.args[0]), b.shape(inst.args[1]));
        let grouped = [q[0], k[1], q[1] / k[1], q[2]];
        let square = vec![q[0], q[1], q[2], k[2]];
        let mut expansion = Expansion { b, scores, args: &inst.args, grouped, square, seen: None };
        expansion.seen = expansion.seen();
        expansion
    }

    fn arg_behind(&self, i: usize) -> Value {
        self.args[self.scores.arguments() + i]
    }

    fn seen(&mut self) -> Option<Value> {
        let mask = self.scores.mask().map(|i| self.args[i]);
        let past = self.scores.causal.then(|| self.past());
        match (mask, past) {
            (Some(mask), Some(past)) => {
                let ty = self.b.ty(mask);
                Some(self.b.op(Op::Binary(crate::ops::Binary::And), &[mask, past], ty))
            }
            (mask, past) => mask.or(past),
        }
    }

    /// key <= query + S - T
    fn past(&mut self) -> Value {
        let shape = self.square.clone();
        let ty = Type::new(DType::I32, shape.clone());
        let place = |axis| Op::Iota { shape: shape.clone(), axis, dtype: DType::I32 };
        let [query, key] = [2, 3].map(|axis| self.b.op(place(axis), &[], ty.clone()));
        let last = self.b.shift(query, shape[3] as f64 - shape[2] as f64);
        self.b.compare(Compare::Le, key, last)
    }

    /// x where a query sees a key, else 0.
    fn where_seen(&mut self, x: Value) -> Value {
        let Some(seen) = self.seen else { return x };
        let zero = self.b.zeros_like(x);
        self.b.select(seen, x, zero)
    }

    fn by_row(&mut self, x: Value) -> Value {
        let square = self.square.clone();
        self.b.broadcast(x, &square, &[0, 1, 2])
    }

    fn by_group(&mut self, x: Value) -> Value {
        let last = *self.b.shape(x).last().expect("an operand has a last axis");
        self.b.reshape(x, &[&self.grouped[..], &[last]].concat())
    }

    /// Σ a[query] · b[key] over the last axis: [B, H, T, S].
    fn products(&mut self, a: Value, b: Value) -> Value {
        let a = self.by_group(a);
        let product = self.dot([a, b], [&[4], &[3]], self.square[3], None);
        let square = self.square.clone();
        self.b.reshape(product, &square)
    }

    /// A product over batch and group. `last` is the last axis of the result; `keys` the one before, in place of the
    /// heads and positions of queries.
    fn dot(&mut self, [a, b]: [Value; 2], contract: [&[usize]; 2], last: usize, keys: Option<usize>) -> Value {
        let [lhs_contract, rhs_contract] = contract.map(<[usize]>::to_vec);
        let op = Op::Dot { lhs_batch: vec![0, 1], rhs_batch: vec![0, 1], lhs_contract, rhs_contract };
        let middle = keys.map_or(self.grouped[2..].to_vec(), |keys| vec![keys]);
        let shape = [&self.grouped[..2], &middle, &[last]].concat();
        let ty = Type::new(self.b.dtype(a), shape);
        self.b.op(op, &[a, b], ty)
    }

    /// exp(score - lse), 0 where the query does not see the key.
    fn weights(&mut self) -> Value {
        let products = self.products(self.args[0], self.args[1]);
        let mut score = self.b.scale(products, self.scores.scale);
        if let Some(bias) = self.scores.bias() {
            let square = self.square.clone();
            let bias = self.b.broadcast(self.args[bias], &square, &[0, 1, 2, 3]);
            score = self.b.add(score, bias);
        }
        let mut lse = self.arg_behind(0);
        if self.scores.empty_is_zero {
            let ty = self.b.ty(lse);
            let [nothing, zero] = [f64::NEG_INFINITY, 0.0].map(|x| self.b.fill(x, &ty));
            let empty = self.b.compare(Compare::Eq, lse, nothing);
            lse = self.b.select(empty, zero, lse);
        }
        let lse = self.by_row(lse);
        let power = self.b.sub(score, lse);
        let weight = self.b.unary(Unary::Exp, power);
        self.where_seen(weight)
    }

    /// What dropout makes of weights, or of their adjoints.
    fn kept(&mut self, x: Value) -> Value {
        let (Some(keep), Some(scale)) = (self.scores.keep(), self.scores.keep) else { return x };
        let (scaled, zero) = (self.b.scale(x, scale), self.b.zeros_like(x));
        self.b.select(self.args[keep], scaled, zero)
    }

    fn score_adjoint(&mut self, weights: Value) -> Value {
        let weight_adj = self.products(self.arg_behind(1), self.args[2]);
        let weight_adj = self.kept(weight_adj);
        let delta = self.by_row(self.arg_behind(2));
        let away = self.b.sub(weight_adj, delta);
        let score_adj = self.b.mul(weights, away);
        self.where_seen(score_adj)
    }

    fn gradients(mut self) -> Vec<Value> {
        let weights = self.weights();
        let score_adj = self.score_adjoint(weights);
        let product_adj = self.b.scale(score_adj, self.scores.scale);
        let kept = self.kept(weights);
        let [q, o_adj] = [self.args[0], self.arg_behind(1)].map(|x| self.by_group(x));
        let [product_adj, kept] = [product_adj, kept].map(|x| self.by_group(x));
        let ([width, value_width], keys) = ([q, o_adj].map(|x| self.b.shape(x)[4]), self.square[3]);
        let q_adj = self.dot([product_adj, self.args[1]], [&[4], &[2]], width, None);
        let q_shape = self.b.shape(self.args[0]);
        let q_adj = self.b.reshape(q_adj, &q_shape);
        let k_adj = self.dot([product_adj, q], [&[2, 3], &[2, 3]], width, Some(keys));
        let v_adj = self.dot([kept, o_adj], [&[2, 3], &[2, 3]], value_width, Some(keys));
        vec![q_adj, k_adj, v_adj]
    }

    /// Summed over the batch and the heads that share the bias.
    fn bias_gradient(mut self) -> Value {
        let weights = self.weights();
        let score_adj = self.score_adjoint(weights);
        let bias = self.scores.bias().expect("a gradient of a bias that is there");
        let shape = self.b.shape(self.args[bias]);
        let shared: Vec<usize> = (0..2).filter(|axis| shape[*axis] != self.square[*axis]).collect();
        let sum = self.b.reduce(Reduce::Sum, score_adj, &shared);
        self.b.reshape(sum, &shape)
    }
}

//! Attention, one query after the other.

use super::array::Array;
use crate::ops::Scores;

/// An argument of rank 4 (or less, with axes of 1 behind), row-major.
struct Operand {
    shape: [usize; 4],
    data: Vec<f64>,
}

impl Operand {
    fn of(array: &Array) -> Operand {
        let data = match array {
            Array::Float(a) => a.iter().copied().collect(),
            Array::Int(a) => a.iter().map(|n| *n as f64).collect(),
        };
        let mut shape = [1; 4];
        shape[..array.shape().len()].copy_from_slice(array.shape());
        Operand { shape, data }
    }

    fn zeros_like(&self) -> Operand {
        Operand { shape: self.shape, data: vec![0.0; self.data.len()] }
    }

    /// Where an element lies; an axis of 1 is shared by all.
    fn place(&self, at: [usize; 4]) -> usize {
        at.iter().zip(self.shape).fold(0, |place, (i, n)| place * n + if n == 1 { 0 } else { *i })
    }

    fn at(&self, at: [usize; 4]) -> f64 {
        self.data[self.place(at)]
    }

    fn add(&mut self, at: [usize; 4], x: f64) {
        let place = self.place(at);
        self.data[place] += x;
    }

    fn array(self, rank: usize) -> Array {
        Array::float(&self.shape[..rank], self.data)
    }
}

struct Problem<'a> {
    scores: &'a Scores,
    args: Vec<Operand>,
}

/// One query: batch, head and position.
type Query = [usize; 3];

impl<'a> Problem<'a> {
    fn new(args: &[&Array], scores: &'a Scores) -> Problem<'a> {
        Problem { scores, args: args.iter().map(|a| Operand::of(a)).collect() }
    }

    fn queries(&self) -> Vec<Query> {
        let [b, h, t, _] = self.args[0].shape;
        ndarray::indices([b, h, t]).into_iter().map(|(b, h, t)| [b, h, t]).collect()
    }

    fn keys(&self) -> usize {
        self.args[1].shape[2]
    }

    /// The head of keys that a head of queries reads.
    fn group(&self, head: usize) -> usize {
        head / (self.args[0].shape[1] / self.args[1].shape[1])
    }

    /// Σ a[query] · b[key] over the last axis.
    fn product(&self, a: &Operand, b: &Operand, [batch, head, t]: Query, key: usize) -> f64 {
        let group = self.group(head);
        (0..a.shape[3]).map(|i| a.at([batch, head, t, i]) * b.at([batch, group, key, i])).sum()
    }

    fn sees(&self, [b, h, t]: Query, key: usize) -> bool {
        let hidden = self.scores.causal && key + self.args[0].shape[2] > t + self.keys();
        !hidden && self.scores.mask().is_none_or(|mask| self.args[mask].at([b, h, t, key]) != 0.0)
    }

    /// `None` for a key that the query does not see.
    fn score(&self, query: Query, key: usize) -> Option<f64> {
        let [b, h, t] = query;
        let bias = self.scores.bias().map_or(0.0, |bias| self.args[bias].at([b, h, t, key]));
        let product = self.product(&self.args[0], &self.args[1], query, key);
        self.sees(query, key).then_some(self.scores.scale * product + bias)
    }

    /// What dropout makes of a weight.
    fn kept(&self, [b, h, t]: Query, key: usize, x: f64) -> f64 {
        match (self.scores.keep(), self.scores.keep) {
            (Some(keep), Some(scale)) => {
                if self.args[keep].at([b, h, t, key]) != 0.0 {
                    x * scale
                } else {
                    0.0
                }
            }
            _ => x,
        }
    }
}

pub fn forward(args: &[&Array], scores: &Scores) -> Result<Vec<Array>, String> {
    let problem = Problem::new(args, scores);
    let ([b, h, t, _], width) = (problem.args[0].shape, problem.args[2].shape[3]);
    let mut o = Operand { shape: [b, h, t, width], data: vec![0.0; b * h * t * width] };
    let mut lse = Operand { shape: [b, h, t, 1], data: vec![0.0; b * h * t] };
    for query in problem.queries() {
        let row = row(&problem, query);
        let [b, h, t] = query;
        lse.add([b, h, t, 0], row.lse);
        let group = problem.group(h);
        for (key, weight) in row.weights {
            let weight = problem.kept(query, key, weight);
            (0..width).for_each(|i| o.add([b, h, t, i], weight * problem.args[2].at([b, group, key, i])));
        }
    }
    Ok(vec![o.array(4), lse.array(3)])
}

/// The weights of the keys that a query sees.
struct Row {
    lse: f64,
    weights: Vec<(usize, f64)>,
}

fn row(problem: &Problem, query: Query) -> Row {
    let seen = (0..problem.keys()).filter_map(|key| problem.score(query, key).map(|score| (key, score)));
    let seen: Vec<(usize, f64)> = seen.collect();
    let larger = |a: f64, b: f64| if a.is_nan() || a > b { a } else { b };
    let top = seen.iter().fold(f64::NEG_INFINITY, |top, (_, score)| larger(top, *score));
    let shift = if top == f64::NEG_INFINITY { 0.0 } else { top };
    let total: f64 = seen.iter().map(|(_, score)| (score - shift).exp()).sum();
    let part = |score: f64| match total == 0.0 && problem.scores.empty_is_zero {
        true => 0.0,
        false => (score - shift).exp() / total,
    };
    let mut weights: Vec<(usize, f64)> = seen.iter().map(|(key, score)| (*key, part(*score))).collect();
    if seen.is_empty() && !problem.scores.empty_is_zero {
        weights.push((0, f64::NAN));
    }
    Row { lse: shift + total.ln(), weights }
}

/// The adjoint of each score that a query sees, and the weight.
fn score_adjoints(problem: &Problem, query: Query) -> Vec<(usize, f64, f64)> {
    let first = problem.scores.arguments();
    let [lse, o_adj, delta] = [first, first + 1, first + 2].map(|i| &problem.args[i]);
    let [b, h, t] = query;
    let shift = match lse.at([b, h, t, 0]) {
        f64::NEG_INFINITY if problem.scores.empty_is_zero => 0.0,
        lse => lse,
    };
    let of_key = |key: usize| {
        let weight = (problem.score(query, key)? - shift).exp();
        let weight_adj = problem.kept(query, key, problem.product(o_adj, &problem.args[2], query, key));
        Some((key, weight * (weight_adj - delta.at([b, h, t, 0])), weight))
    };
    (0..problem.keys()).filter_map(of_key).collect()
}

pub fn gradients(args: &[&Array], scores: &Scores) -> Result<Vec<Array>, String> {
    let problem = Problem::new(args, scores);
    let [q, k, v] = [0, 1, 2].map(|i| &problem.args[i]);
    let [mut q_adj, mut k_adj, mut v_adj] = [q, k, v].map(Operand::zeros_like);
    let o_adj = &problem.args[scores.arguments() + 1];
    for query in problem.queries() {
        let [b, h, t] = query;
        let g = problem.group(h);
        for (key, score_adj, weight) in score_adjoints(&problem, query) {
            let product_adj = score_adj * scores.scale;
            for i in 0..q.shape[3] {
                q_adj.add([b, h, t, i], product_adj * k.at([b, g, key, i]));
                k_adj.add([b, g, key, i], product_adj * q.at([b, h, t, i]));
            }
            let weight = problem.kept(query, key, weight);
            (0..v.shape[3]).for_each(|i| v_adj.add([b, g, key, i], weight * o_adj.at([b, h, t, i])));
        }
    }
    Ok(vec![q_adj.array(4), k_adj.array(4), v_adj.array(4)])
}

pub fn bias_gradient(args: &[&Array], scores: &Scores) -> Result<Array, String> {
    let problem = Problem::new(args, scores);
    let bias = scores.bias().ok_or("there is no bias")?;
    let mut bias_adj = problem.args[bias].zeros_like();
    for query in problem.queries() {
        let [b, h, t] = query;
        for (key, score_adj, _) in score_adjoints(&problem, query) {
            bias_adj.add([b, h, t, key], score_adj);
        }
    }
    Ok(bias_adj.array(4))
}

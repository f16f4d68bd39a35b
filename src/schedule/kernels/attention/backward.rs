//! The adjoints of queries, keys and values: a point takes all queries of a slice, of all heads that read one head of
//! keys, in blocks of 64 queries and 64 keys.
//!
//! For each block the weights and the adjoints of the products of queries and keys go to scratch; then each side takes its
//! products with them. Sums over blocks go on where they were left in memory, so that every element is one chain
//! of fused multiply-adds, whatever the sizes of blocks.

use super::super::contract::{Sides, contract, k_step};
use super::super::{Site, ZERO};
use super::Scene;
use crate::ops::Literal;
use crate::schedule::build::Role;
use crate::schedule::eval::Emitter;
use crate::schedule::index::{Axis, Coord, Lin};
use crate::schedule::legalize::attention::{BLOCK, QUERIES, slices};
use crate::tensor::Value;
use crate::tile::{self, Map};
use std::slice::from_ref;

/// Numbers of results.
const Q_ADJ: usize = 0;
const K_ADJ: usize = 1;
const V_ADJ: usize = 2;
const WEIGHTS: usize = 3;
const PRODUCT_ADJ: usize = 4;

pub fn build(emitter: &mut Emitter, site: &Site) {
    let scene = Scene::new(emitter, site);
    let (parts, length) = slices(scene.sizes.batch * scene.sizes.groups, scene.sizes.queries);
    let slice = scene.emitter.b.axis(parts);
    let mut pass = Pass { scene, slice, block: Block::default() };
    for axis in [slice, pass.scene.batch, pass.scene.group] {
        pass.scene.emitter.b.grid(axis, 1, Role::Point);
    }
    pass.clear(K_ADJ, pass.scene.sizes.width);
    pass.clear(V_ADJ, pass.scene.sizes.values);
    let member = pass.scene.member;
    pass.scene.emitter.b.begin(member, 1, Role::Point, &[]);
    pass.queries(length);
    pass.scene.emitter.b.end(&[]);
}

/// The open block: where it begins, and where loops over it end.
#[derive(Clone, Default)]
struct Block {
    query: Lin,
    query_ends: Vec<Lin>,
    key: Lin,
    key_ends: Vec<Lin>,
}

struct Pass<'e, 'a> {
    scene: Scene<'e, 'a>,
    slice: Axis,
    block: Block,
}

impl Pass<'_, '_> {
    /// Blocks of queries of the point's slice.
    fn queries(&mut self, length: usize) {
        let all = self.scene.sizes.queries;
        let queries = self.scene.b_axis(all);
        let first = self.slice.lin().scale(length as i64);
        let ends = [first.clone().offset(length as i64), Lin::constant(all as i64)];
        let ends = if self.slice.size == 1 { &ends[1..] } else { &ends[..] };
        self.scene.emitter.b.begin_between(queries, BLOCK, Role::Point, &[first], ends, &[]);
        let start = self.scene.start(queries, BLOCK);
        self.block.query_ends = vec![start.clone().offset(BLOCK as i64), Lin::constant(all as i64)];
        self.block.query = start;
        self.rows(&mut |pass, i, _| pass.scene.clear(Q_ADJ, i));
        self.keys();
        self.scene.emitter.b.end(&[]);
    }

    /// Blocks of keys that one of the block's queries sees.
    fn keys(&mut self) {
        let keys = self.scene.b_axis(self.scene.sizes.keys);
        let limit = self.scene.limit(&self.block.query.clone().offset(BLOCK as i64));
        self.scene.emitter.b.begin_between(keys, BLOCK, Role::Point, &[Lin::default()], &limit, &[]);
        let start = self.scene.start(keys, BLOCK);
        self.block.key_ends = [&[start.clone().offset(BLOCK as i64)], &limit[..]].concat();
        self.block.key = start;
        self.rows(&mut |pass, i, first| pass.adjoints(i, first));
        self.rows(&mut |pass, i, first| pass.add_to_queries(i, first));
        self.add_to_keys(K_ADJ, PRODUCT_ADJ, self.scene.args[0]);
        self.add_to_keys(V_ADJ, WEIGHTS, self.arg_behind(1));
        self.scene.emitter.b.end(&[]);
    }

    /// lse, o_adj, delta, k crossed.
    fn arg_behind(&self, n: usize) -> Value {
        self.scene.args[self.scene.scores.arguments() + n]
    }

    /// Tiles of queries of the block; with `causal` 16 at a time, which share a range of keys. `body` gets the first query
    /// of those.
    fn rows(&mut self, body: &mut dyn FnMut(&mut Self, Axis, &Lin)) {
        let all = self.scene.sizes.queries;
        let height = self.scene.tile(QUERIES.min(all), self.scene.sizes.keys).0;
        let (mut first, mut ends) = (self.block.query.clone(), self.block.query_ends.clone());
        let nested = self.scene.scores.causal && all > QUERIES;
        if nested {
            let part = self.scene.b_axis(all);
            self.scene.emitter.b.begin_between(part, QUERIES, Role::Point, &[first], &ends, &[]);
            first = part.lin();
            ends = vec![first.clone().offset(QUERIES as i64), Lin::constant(all as i64)];
        }
        let i = self.scene.b_axis(all);
        self.scene.emitter.b.begin_between(i, height, Role::Rows, &[first.clone()], &ends, &[]);
        body(self, i, &first);
        self.scene.emitter.b.end(&[]);
        if nested {
            self.scene.emitter.b.end(&[]);
        }
    }

    /// Where the keys of the block end for the 16 queries from `first` on.
    fn seen_ends(&self, first: &Lin) -> Vec<Lin> {
        let mut ends = self.block.key_ends.clone();
        if self.scene.scores.causal {
            ends.push(first.clone().offset(QUERIES as i64 + self.scene.lead()));
        }
        ends
    }

    /// Weights and adjoints of products of the block, and zeros beyond what these queries see.
    fn adjoints(&mut self, i: Axis, first: &Lin) {
        let width = self.scene.tile(QUERIES, self.scene.sizes.keys).1;
        let (j, ends) = (self.scene.b_axis(self.scene.sizes.keys), self.seen_ends(first));
        self.scene.emitter.b.begin_between(j, width, Role::Cols, from_ref(&self.block.key), &ends, &[]);
        let weight = self.weight(i, j);
        let kept = self.scene.kept(weight, i, j);
        self.scene.store(WEIGHTS, &self.scratch(WEIGHTS, i, j), kept);
        let product_adj = self.product_adjoint(weight, i, j);
        self.scene.store(PRODUCT_ADJ, &self.scratch(PRODUCT_ADJ, i, j), product_adj);
        self.scene.emitter.b.end(&[]);
        if self.scene.scores.causal {
            self.hide_rest(i, first, width);
        }
    }

    fn hide_rest(&mut self, i: Axis, first: &Lin, width: usize) {
        let j = self.scene.b_axis(self.scene.sizes.keys);
        let from = [self.block.key.clone(), first.clone().offset(QUERIES as i64 + self.scene.lead())];
        self.scene.emitter.b.begin_between(j, width, Role::Cols, &from, &self.block.key_ends, &[]);
        for result in [WEIGHTS, PRODUCT_ADJ] {
            let at = self.scratch(result, i, j);
            let zero = self.scene.zeros(&at);
            self.scene.store(result, &at, zero);
        }
        self.scene.emitter.b.end(&[]);
    }

    /// exp(score - lse)
    fn weight(&mut self, i: Axis, j: Axis) -> tile::Value {
        let (lse, keys) = (self.arg_behind(0), self.arg_behind(3));
        weight(&mut self.scene, lse, keys, i, j)
    }

    fn product_adjoint(&mut self, weight: tile::Value, i: Axis, j: Axis) -> tile::Value {
        let (o_adj, delta) = (self.arg_behind(1), self.arg_behind(2));
        let score_adj = score_adjoint(&mut self.scene, weight, [o_adj, delta], i, j);
        if self.scene.scores.scale == 1.0 {
            return score_adj;
        }
        let scale = self.scene.emitter.scalar(Literal::Float(self.scene.scores.scale), crate::ops::DType::F32);
        self.scene.map(Map::Mul, &[score_adj, scale])
    }

    /// q_adj += product_adj · k
    fn add_to_queries(&mut self, i: Axis, first: &Lin) {
        let size = self.scene.sizes.width;
        let (d, j) = (self.scene.b_axis(size), self.scene.b_axis(self.scene.sizes.keys));
        let (width, ends) = (self.scene.tile(QUERIES, size).1, self.seen_ends(first));
        self.scene.emitter.b.begin(d, width, Role::Cols, &[]);
        let at = self.scene.query(Q_ADJ, i, d);
        let before = self.scene.emitter.eval(self.scene.results[Q_ADJ], &at, &[]);
        let from = [self.block.key.clone()];
        let acc = self.scene.emitter.b.begin_between(j, k_step(BLOCK), Role::Cols, &from, &ends, &[before])[0];
        let k = self.scene.args[1];
        let sides = Sides {
            a_at: self.scratch(PRODUCT_ADJ, i, j),
            b_at: vec![self.scene.key(k, &j.lin(), &d.lin())],
            rows: i,
            inner: j,
            a_transposed: false,
        };
        let sum = contract(self.scene.emitter, &[acc], &[self.scene.results[PRODUCT_ADJ], k], &sides);
        let sum = self.scene.emitter.b.end(&sum)[0];
        self.scene.store(Q_ADJ, &at, sum);
        self.scene.emitter.b.end(&[]);
    }

    /// result += scratchᵀ · x, where `x` lies by queries.
    fn add_to_keys(&mut self, result: usize, scratch: usize, x: Value) {
        let size = self.scene.emitter.cx.shape(x)[3];
        let all = self.scene.sizes.keys;
        let (height, width) = self.scene.tile(QUERIES.min(all), size);
        let (mut first, mut ends) = (self.block.key.clone(), self.block.key_ends.clone());
        let nested = self.scene.scores.causal && all > QUERIES;
        if nested {
            let part = self.scene.b_axis(all);
            self.scene.emitter.b.begin_between(part, QUERIES, Role::Point, &[first], &ends, &[]);
            first = part.lin();
            ends.push(first.clone().offset(QUERIES as i64));
        }
        let (j, d, i) = (self.scene.b_axis(all), self.scene.b_axis(size), self.scene.b_axis(self.scene.sizes.queries));
        self.scene.emitter.b.begin_between(j, height, Role::Rows, &[first.clone()], &ends, &[]);
        self.scene.emitter.b.begin(d, width, Role::Cols, &[]);
        let at = self.of_key(result, j, d);
        let before = self.scene.emitter.eval(self.scene.results[result], &at, &[]);
        let from = self.seeing(&first);
        let acc =
            self.scene.emitter.b.begin_between(i, k_step(BLOCK), Role::Rows, &from, &self.block.query_ends, &[before])
                [0];
        let sides = Sides {
            a_at: self.scratch(scratch, i, j),
            b_at: vec![self.scene.of_query(x, i, d)],
            rows: j,
            inner: i,
            a_transposed: true,
        };
        let sum = contract(self.scene.emitter, &[acc], &[self.scene.results[scratch], x], &sides);
        let sum = self.scene.emitter.b.end(&sum)[0];
        self.scene.store(result, &at, sum);
        for _ in 0..2 + usize::from(nested) {
            self.scene.emitter.b.end(&[]);
        }
    }

    /// Where the queries begin that see one of the 16 keys from `first` on; whole 16s, so that it follows from shapes.
    fn seeing(&self, first: &Lin) -> Vec<Lin> {
        let mut from = vec![self.block.query.clone()];
        if self.scene.scores.causal {
            let size = QUERIES as i64;
            from.push(first.clone().offset(-self.scene.lead()).div_rem(size).0.scale(size));
        }
        from
    }

    /// Result `n` [slices, B, G, S, ·] at a key.
    fn of_key(&self, n: usize, j: Axis, d: Axis) -> Coord {
        self.place(n, j.lin(), d.lin())
    }

    fn scratch(&self, n: usize, i: Axis, j: Axis) -> Coord {
        let row = i.lin().add(&self.block.query.scale(-1));
        let col = j.lin().add(&self.block.key.scale(-1));
        self.place(n, row, col)
    }

    fn place(&self, n: usize, row: Lin, col: Lin) -> Coord {
        let shape = self.scene.emitter.cx.shape(self.scene.results[n]);
        let point = [self.slice, self.scene.batch, self.scene.group].map(|axis| axis.lin());
        Coord::from_dims(shape, point.into_iter().chain([row, col]).collect())
    }

    /// Zeros in all of result `n` [slices, B, G, S, size].
    fn clear(&mut self, n: usize, size: usize) {
        let (j, d) = (self.scene.b_axis(self.scene.sizes.keys), self.scene.b_axis(size));
        let (height, width) = self.scene.tile(QUERIES, size);
        self.scene.emitter.b.begin(j, height, Role::Rows, &[]);
        self.scene.emitter.b.begin(d, width, Role::Cols, &[]);
        let at = self.of_key(n, j, d);
        let zero = self.scene.zeros(&at);
        self.scene.store(n, &at, zero);
        self.scene.emitter.b.end(&[]);
        self.scene.emitter.b.end(&[]);
    }
}

/// exp(score - lse); 0 where the query does not see the key, also in a row of which nothing is seen.
pub(super) fn weight(scene: &mut Scene, lse: Value, keys: Value, i: Axis, j: Axis) -> tile::Value {
    let score = scene.score(i, j, keys);
    let at = scene.row(i);
    let mut lse = scene.emitter.eval(lse, &at, &[]);
    if scene.scores.empty_is_zero {
        lse = scene.finite(lse);
    }
    let away = scene.map(Map::Sub, &[score, lse]);
    let weight = scene.map(Map::Exp, &[away]);
    if scene.scores.empty_is_zero { weight } else { scene.where_seen(weight, i, j, ZERO) }
}

/// weight · (o_adj·v - delta); 0 where the query does not see the key.
pub(super) fn score_adjoint(
    scene: &mut Scene,
    weight: tile::Value,
    [o_adj, delta]: [Value; 2],
    i: Axis,
    j: Axis,
) -> tile::Value {
    let weight_adj = scene.product([o_adj, scene.args[2]], i, j);
    let weight_adj = scene.kept(weight_adj, i, j);
    let at = scene.row(i);
    let delta = scene.emitter.eval(delta, &at, &[]);
    let away = scene.map(Map::Sub, &[weight_adj, delta]);
    let score_adj = scene.map(Map::Mul, &[weight, away]);
    scene.where_seen(score_adj, i, j, ZERO)
}

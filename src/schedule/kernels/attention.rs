//! Attention in blocks, so that memory grows with the length and not with its square.
//!
//! A point of the forward kernel takes 16 queries of one head through all keys that they see: scores of a step of keys go
//! to scratch, a running maximum and sum make them weights, and the result so far is scaled and added to. What is hidden
//! from all 16 by `causal` is left out. Masks, biases and dropped weights are evaluated where they are needed.
//! [`backward`] computes the weights again.

pub mod backward;
pub mod bias;

use super::super::eval::Emitter;
use super::super::index::{Axis, Coord, Lin};
use super::contract::{Sides, contract, k_step, tile_cost};
use super::rows::fold;
use super::{Site, ZERO};
use crate::lane::Target;
use crate::ops::{Compare, DType, Literal, Op, Scores};
use crate::schedule::build::{Extents, ONE, Role};
use crate::schedule::legalize::attention::{KEYS, QUERIES};
use crate::tensor::Value;
use crate::tile::{self, Extent, FoldOp, Map, StoreMode, TileOp};
use std::slice::from_ref;

pub fn build(emitter: &mut Emitter, site: &Site) {
    let mut scene = Scene::new(emitter, site);
    let block = scene.points(QUERIES);
    let width = scene.sizes.queries.min(QUERIES);
    let i = scene.b_axis(scene.sizes.queries);
    let (height, _) = scene.tile(width, scene.sizes.keys);
    let ends = [block.clone().offset(QUERIES as i64), Lin::constant(i.size)];
    scene.emitter.b.begin_between(i, height, Role::Rows, from_ref(&block), &ends, &[]);
    let limit = scene.limit(&block.offset(QUERIES as i64));
    forward(&mut scene, i, &limit);
    scene.emitter.b.end(&[]);
}

/// What is known of some queries after a step of keys.
#[derive(Clone, Copy)]
struct Running {
    /// The largest score.
    top: tile::Value,
    /// Σ exp(score - top)
    total: tile::Value,
}

/// One tile of queries through all keys before the limits.
fn forward(scene: &mut Scene, i: Axis, limit: &[Lin]) {
    let steps = scene.sizes.keys > KEYS;
    if steps {
        scene.clear(0, i);
    }
    let rows = scene.row_extents(i);
    let nothing = scene.emitter.b.constant(Literal::Float(f64::NEG_INFINITY), DType::F32, rows);
    let zero = scene.emitter.b.constant(ZERO, DType::F32, rows);
    let step = scene.b_axis(scene.sizes.keys);
    let mut known = Running { top: nothing, total: zero };
    if steps {
        let carried =
            scene.emitter.b.begin_between(step, KEYS, Role::Point, &[Lin::default()], limit, &[nothing, zero]);
        known = Running { top: carried[0], total: carried[1] };
    }
    let first = scene.start(step, KEYS);
    let ends = [&[first.clone().offset(KEYS as i64)], limit].concat();
    let keys = Keys { first, ends };
    let top = largest(scene, i, &keys, known.top);
    let shift = scene.finite(top);
    let total = weights(scene, i, &keys, shift);
    if steps {
        known = add_step(scene, i, &keys, known, Running { top, total }, shift);
        let carried = scene.emitter.b.end(&[known.top, known.total]);
        known = Running { top: carried[0], total: carried[1] };
        divide(scene, i, known.total);
    } else {
        known = Running { top, total };
        let inverse = inverse(scene, total);
        values(scene, i, &keys, |scene, at| scene.zeros(at), |scene, sum| scene.map(Map::Mul, &[sum, inverse]));
    }
    let log = scene.map(Map::Log, &[known.total]);
    let lse = scene.map(Map::Add, &[known.top, log]);
    scene.store(1, &scene.row(i), lse);
}

/// Takes what a step gave, relative to `shift`, into what is known and into the result.
fn add_step(scene: &mut Scene, i: Axis, keys: &Keys, before: Running, step: Running, shift: tile::Value) -> Running {
    let away = scene.map(Map::Sub, &[before.top, shift]);
    let rescale = scene.map(Map::Exp, &[away]);
    let total = scene.map(Map::Fma, &[before.total, rescale, step.total]);
    let scaled = |scene: &mut Scene, at: &Coord| {
        let before = scene.emitter.eval(scene.results[0], at, &[]);
        scene.map(Map::Mul, &[before, rescale])
    };
    values(scene, i, keys, scaled, |_, sum| sum);
    Running { top: step.top, total }
}

/// The keys of one step.
struct Keys {
    first: Lin,
    ends: Vec<Lin>,
}

impl Keys {
    /// Opens a loop over them.
    fn begin(&self, scene: &mut Scene, j: Axis, step: usize, role: Role, inits: &[tile::Value]) -> Vec<tile::Value> {
        scene.emitter.b.begin_between(j, step, role, from_ref(&self.first), &self.ends, inits)
    }
}

/// Puts the weights of a step into scratch, relative to `shift`; gives their sums.
fn weights(scene: &mut Scene, i: Axis, keys: &Keys, shift: tile::Value) -> tile::Value {
    let rows = scene.row_extents(i);
    let extents = (rows.0, Extent::Fixed(16));
    let j = scene.b_axis(scene.sizes.keys);
    let width = scene.tile(QUERIES, scene.sizes.keys).1;
    let zero = scene.emitter.b.constant(ZERO, DType::F32, extents);
    let sums = keys.begin(scene, j, width, Role::Cols, &[zero])[0];
    let at = scene.scratch(2, i, j, &keys.first);
    let score = scene.emitter.eval(scene.results[2], &at, &[]);
    let away = scene.map(Map::Sub, &[score, shift]);
    let weight = scene.map(Map::Exp, &[away]);
    let sums = scene.fold(FoldOp::Add, sums, weight, extents);
    let kept = scene.kept(weight, i, j);
    scene.store(2, &at, kept);
    let sums = scene.emitter.b.end(&[sums])[0];
    scene.tree(FoldOp::Add, sums, rows)
}

/// Puts the scores of a step into scratch; gives the largest of each query so far.
fn largest(scene: &mut Scene, i: Axis, keys: &Keys, before: tile::Value) -> tile::Value {
    let rows = scene.row_extents(i);
    let extents = (rows.0, Extent::Fixed(16));
    let nothing = scene.emitter.b.constant(Literal::Float(f64::NEG_INFINITY), DType::F32, extents);
    let j = scene.b_axis(scene.sizes.keys);
    let width = scene.tile(QUERIES, scene.sizes.keys).1;
    let top = keys.begin(scene, j, width, Role::Cols, &[nothing])[0];
    let score = scene.score(i, j, scene.args[1]);
    let at = scene.scratch(2, i, j, &keys.first);
    scene.store(2, &at, score);
    let top = scene.fold(FoldOp::Max, top, score, extents);
    let top = scene.emitter.b.end(&[top])[0];
    let top = scene.tree(FoldOp::Max, top, rows);
    scene.map(Map::Max, &[before, top])
}

/// The weights of a step times the values: what `start` gives plus their products, and then what `finish` makes of it.
fn values(
    scene: &mut Scene,
    i: Axis,
    keys: &Keys,
    start: impl Fn(&mut Scene, &Coord) -> tile::Value,
    finish: impl Fn(&mut Scene, tile::Value) -> tile::Value,
) {
    let (d, j) = (scene.b_axis(scene.sizes.values), scene.b_axis(scene.sizes.keys));
    let width = scene.tile(QUERIES, scene.sizes.values).1;
    scene.emitter.b.begin(d, width, Role::Cols, &[]);
    let at = scene.query(0, i, d);
    let init = start(scene, &at);
    let acc = keys.begin(scene, j, k_step(KEYS), Role::Cols, &[init])[0];
    let sides = Sides {
        a_at: scene.scratch(2, i, j, &keys.first),
        b_at: vec![scene.key(scene.args[2], &j.lin(), &d.lin())],
        rows: i,
        inner: j,
        a_transposed: false,
    };
    let sum = contract(scene.emitter, &[acc], &[scene.results[2], scene.args[2]], &sides);
    let sum = scene.emitter.b.end(&sum)[0];
    let sum = finish(scene, sum);
    scene.store(0, &at, sum);
    scene.emitter.b.end(&[]);
}

/// 1 / total; what an empty row is multiplied by.
fn inverse(scene: &mut Scene, total: tile::Value) -> tile::Value {
    let one = scene.emitter.scalar(Literal::Float(1.0), DType::F32);
    let inverse = scene.map(Map::Div, &[one, total]);
    if !scene.scores.empty_is_zero {
        return inverse;
    }
    let zero = scene.emitter.scalar(ZERO, DType::F32);
    let empty = scene.map(Map::Compare(Compare::Eq), &[total, zero]);
    scene.map(Map::Select, &[empty, zero, inverse])
}

fn divide(scene: &mut Scene, i: Axis, total: tile::Value) {
    let inverse = inverse(scene, total);
    let d = scene.b_axis(scene.sizes.values);
    let width = scene.tile(QUERIES, scene.sizes.values).1;
    scene.emitter.b.begin(d, width, Role::Cols, &[]);
    let at = scene.query(0, i, d);
    let sum = scene.emitter.eval(scene.results[0], &at, &[]);
    let mean = scene.map(Map::Mul, &[sum, inverse]);
    scene.store(0, &at, mean);
    scene.emitter.b.end(&[]);
}

struct Sizes {
    batch: usize,
    groups: usize,
    /// Heads of queries of each head of keys.
    members: usize,
    queries: usize,
    keys: usize,
    width: usize,
    /// The width of values.
    values: usize,
}

/// The kernel of one of the operations and where it stands.
struct Scene<'e, 'a> {
    emitter: &'e mut Emitter<'a>,
    target: Target,
    scores: Scores,
    args: &'a [Value],
    results: &'a [Value],
    sizes: Sizes,
    batch: Axis,
    group: Axis,
    member: Axis,
}

impl<'e, 'a> Scene<'e, 'a> {
    fn new(emitter: &'e mut Emitter<'a>, site: &Site) -> Self {
        let cx = emitter.cx;
        let inst = cx.def(site.root());
        let (q, k, v) = (cx.shape(inst.args[0]), cx.shape(inst.args[1]), cx.shape(inst.args[2]));
        let (scores, keys, values) = match &inst.op {
            Op::Attention { scores } => (*scores, k[3], v[3]),
            Op::AttentionGrad { scores } => (*scores, k[2], v[2]),
            Op::AttentionBiasGrad { scores } => (*scores, k[3], v[2]),
            _ => unreachable!("the root of an attention group"),
        };
        let (queries, members) = (q[2], q[1] / k[1]);
        let sizes = Sizes { batch: q[0], groups: k[1], members, queries, keys, width: q[3], values };
        let [batch, group, member] = [sizes.batch, sizes.groups, sizes.members].map(|n| emitter.b.axis(n));
        let (args, results) = (&inst.args, &inst.results);
        Scene { emitter, target: site.target, scores, args, results, sizes, batch, group, member }
    }

    fn b_axis(&mut self, size: usize) -> Axis {
        self.emitter.b.axis(size)
    }

    fn map(&mut self, map: Map, args: &[tile::Value]) -> tile::Value {
        self.emitter.b.map(map, args)
    }

    // ── places ──

    /// A grid over batch, heads and blocks of queries; gives the first query of the block.
    fn points(&mut self, block: usize) -> Lin {
        for axis in [self.batch, self.group, self.member] {
            self.emitter.b.grid(axis, 1, Role::Point);
        }
        let queries = self.b_axis(self.sizes.queries);
        self.emitter.b.grid(queries, block, Role::Point);
        self.start(queries, block)
    }

    /// The first element of the open block of an axis.
    fn start(&self, axis: Axis, block: usize) -> Lin {
        if axis.size as usize <= block { Lin::default() } else { axis.lin() }
    }

    fn head(&self) -> Lin {
        self.group.lin().scale(self.sizes.members as i64).add(&self.member.lin())
    }

    /// Where loops over keys end for queries before `end`.
    fn limit(&self, end: &Lin) -> Vec<Lin> {
        let all = Lin::constant(self.sizes.keys as i64);
        match self.scores.causal {
            true => vec![all, end.clone().offset(self.lead())],
            false => vec![all],
        }
    }

    /// How many more keys than queries there are.
    fn lead(&self) -> i64 {
        self.sizes.keys as i64 - self.sizes.queries as i64
    }

    /// A value [B, H, T, ·] at a query.
    fn of_query(&self, value: Value, i: Axis, d: Axis) -> Coord {
        self.at(value, [&self.batch.lin(), &self.head(), &i.lin(), &d.lin()])
    }

    fn query(&self, n: usize, i: Axis, d: Axis) -> Coord {
        self.of_query(self.results[n], i, d)
    }

    /// An argument [B, G, ·, ·].
    fn key(&self, value: Value, row: &Lin, col: &Lin) -> Coord {
        self.at(value, [&self.batch.lin(), &self.group.lin(), row, col])
    }

    fn row(&self, i: Axis) -> Coord {
        let shape = [self.sizes.batch, self.sizes.groups * self.sizes.members, self.sizes.queries];
        Coord::from_dims(&shape, vec![self.batch.lin(), self.head(), i.lin()])
    }

    /// An argument [B or 1, H or 1, T, S].
    fn square(&self, value: Value, i: Axis, j: Axis) -> Coord {
        let shape = self.emitter.cx.shape(value);
        let shared = |n: usize, lin: Lin| if shape[n] == 1 { Lin::default() } else { lin };
        let (batch, head) = (shared(0, self.batch.lin()), shared(1, self.head()));
        Coord::from_dims(shape, vec![batch, head, i.lin(), j.lin()])
    }

    fn at(&self, value: Value, dims: [&Lin; 4]) -> Coord {
        Coord::from_dims(self.emitter.cx.shape(value), dims.into_iter().cloned().collect())
    }

    /// Result `n` [B, H, T, keys of a step] as scratch.
    fn scratch(&self, n: usize, i: Axis, j: Axis, first_key: &Lin) -> Coord {
        let col = j.lin().add(&first_key.scale(-1));
        self.at(self.results[n], [&self.batch.lin(), &self.head(), &i.lin(), &col])
    }

    // ── tiles ──

    /// Rows and columns of a tile of results of a product. Rows divide what shares a range of keys; columns are whole
    /// vectors of 16, as folds have them.
    fn tile(&self, m: usize, n: usize) -> (usize, usize) {
        let lanes = usize::from(self.target.lanes);
        let mut best = (f64::INFINITY, 1, 16);
        for rows in [1, 2, 4, 8, 16].into_iter().filter(|rows| *rows == 1 || *rows <= m) {
            for cols in [16, 32, 48, 64].into_iter().filter(|cols| *cols == 16 || *cols < n + 16) {
                let vectors = cols / lanes;
                if !self.target.keeps(vectors * rows, vectors) {
                    continue;
                }
                let cost = tile_cost(rows, vectors) * (m.div_ceil(rows) * n.div_ceil(cols)) as f64;
                if cost < best.0 {
                    best = (cost, rows, cols);
                }
            }
        }
        (best.1, best.2)
    }

    fn row_extents(&self, i: Axis) -> Extents {
        (self.emitter.b.extents(&i.lin()).0, ONE)
    }

    fn zeros(&mut self, at: &Coord) -> tile::Value {
        let extents = self.emitter.b.extents(&at.flat);
        self.emitter.b.constant(ZERO, DType::F32, extents)
    }

    fn fold(&mut self, op: FoldOp, acc: tile::Value, x: tile::Value, extents: Extents) -> tile::Value {
        fold(&mut self.emitter.b, TileOp::Fold { op, acc, x }, &[acc, x], extents)
    }

    fn tree(&mut self, op: FoldOp, x: tile::Value, extents: Extents) -> tile::Value {
        fold(&mut self.emitter.b, TileOp::Tree { op, x }, &[x], extents)
    }

    fn store(&mut self, n: usize, at: &Coord, tile: tile::Value) {
        self.emitter.b.forget(self.results[n]);
        self.emitter.store(self.results[n], at, tile, StoreMode::Set);
    }

    /// Zeros in the rows of result `n` [B, H, T, ·].
    fn clear(&mut self, n: usize, i: Axis) {
        let size = self.emitter.cx.shape(self.results[n])[3];
        let d = self.b_axis(size);
        let width = self.tile(QUERIES, size).1;
        self.emitter.b.begin(d, width, Role::Cols, &[]);
        let at = self.query(n, i, d);
        let zero = self.zeros(&at);
        self.store(n, &at, zero);
        self.emitter.b.end(&[]);
    }

    // ── scores ──

    /// Σ a[query] · b[key] for queries in rows and keys in columns; b is crossed.
    fn product(&mut self, [a, b]: [Value; 2], i: Axis, j: Axis) -> tile::Value {
        let size = self.emitter.cx.shape(a)[3];
        let d = self.b_axis(size);
        let extents = self.emitter.b.extents(&i.lin().add(&j.lin()));
        let zero = self.emitter.b.constant(ZERO, DType::F32, extents);
        let acc = self.emitter.b.begin(d, k_step(size), Role::Cols, &[zero])[0];
        let (a_at, b_at) = (self.of_query(a, i, d), self.key(b, &d.lin(), &j.lin()));
        let sides = Sides { a_at, b_at: vec![b_at], rows: i, inner: d, a_transposed: false };
        let sum = contract(self.emitter, &[acc], &[a, b], &sides);
        self.emitter.b.end(&sum)[0]
    }

    /// scale · q·k + bias, -inf where the query does not see the key.
    fn score(&mut self, i: Axis, j: Axis, keys: Value) -> tile::Value {
        let mut score = self.product([self.args[0], keys], i, j);
        if self.scores.scale != 1.0 {
            let scale = self.emitter.scalar(Literal::Float(self.scores.scale), DType::F32);
            score = self.map(Map::Mul, &[score, scale]);
        }
        if let Some(bias) = self.scores.bias().map(|n| self.args[n]) {
            let at = self.square(bias, i, j);
            let bias = self.emitter.eval(bias, &at, &[]);
            score = self.map(Map::Add, &[score, bias]);
        }
        let hidden = Literal::Float(f64::NEG_INFINITY);
        self.where_seen(score, i, j, hidden)
    }

    /// x where the query sees the key, else `hidden`.
    fn where_seen(&mut self, x: tile::Value, i: Axis, j: Axis, hidden: Literal) -> tile::Value {
        let Some(seen) = self.seen(i, j) else { return x };
        let hidden = self.emitter.scalar(hidden, DType::F32);
        self.map(Map::Select, &[seen, x, hidden])
    }

    fn seen(&mut self, i: Axis, j: Axis) -> Option<tile::Value> {
        let mask = self.scores.mask().map(|n| {
            let at = self.square(self.args[n], i, j);
            self.emitter.eval(self.args[n], &at, &[])
        });
        let past = self.scores.causal.then(|| {
            let [last, key] = [i.lin().offset(self.lead()), j.lin()].map(|lin| self.emitter.index(&lin));
            self.map(Map::Compare(Compare::Le), &[key, last])
        });
        match (mask, past) {
            (Some(mask), Some(past)) => Some(self.map(Map::And, &[mask, past])),
            (mask, past) => mask.or(past),
        }
    }

    /// What dropout makes of weights, or of their adjoints.
    fn kept(&mut self, x: tile::Value, i: Axis, j: Axis) -> tile::Value {
        let (Some(keep), Some(scale)) = (self.scores.keep().map(|n| self.args[n]), self.scores.keep) else { return x };
        let at = self.square(keep, i, j);
        let keep = self.emitter.eval(keep, &at, &[]);
        let [scale, zero] = [Literal::Float(scale), ZERO].map(|c| self.emitter.scalar(c, DType::F32));
        let scaled = self.map(Map::Mul, &[x, scale]);
        self.map(Map::Select, &[keep, scaled, zero])
    }

    /// x, and 0 where it is -inf.
    fn finite(&mut self, x: tile::Value) -> tile::Value {
        let [nothing, zero] = [Literal::Float(f64::NEG_INFINITY), ZERO].map(|c| self.emitter.scalar(c, DType::F32));
        let empty = self.map(Map::Compare(Compare::Eq), &[x, nothing]);
        self.map(Map::Select, &[empty, zero, x])
    }
}

//! The adjoint of a bias: that of the scores, summed over the batch and the heads that share it.

use super::super::{Site, ZERO};
use super::Scene;
use super::backward::{score_adjoint, weight};
use crate::ops::DType;
use crate::schedule::build::Role;
use crate::schedule::eval::Emitter;
use crate::schedule::index::{Axis, Coord, Lin};
use crate::schedule::legalize::attention::QUERIES;
use crate::tile::Map;
use std::slice::from_ref;

pub fn build(emitter: &mut Emitter, site: &Site) {
    let mut scene = Scene::new(emitter, site);
    let shape = scene.emitter.cx.shape(scene.results[0]);
    let axes = [(shape[0], scene.batch), (shape[1], scene.group), (shape[1], scene.member)];
    let of_points = axes.iter().filter(|(size, _)| *size > 1).map(|(_, axis)| *axis).collect::<Vec<Axis>>();
    let summed = axes.iter().filter(|(size, _)| *size == 1).map(|(_, axis)| *axis).collect::<Vec<Axis>>();
    of_points.iter().for_each(|axis| scene.emitter.b.grid(*axis, 1, Role::Point));
    let all = scene.sizes.queries;
    let queries = scene.b_axis(all);
    scene.emitter.b.grid(queries, QUERIES, Role::Point);
    let first = scene.start(queries, QUERIES);
    let ends = [first.clone().offset(QUERIES as i64), Lin::constant(all as i64)];
    let (height, width) = scene.tile(QUERIES.min(all), scene.sizes.keys);
    let i = scene.b_axis(all);
    scene.emitter.b.begin_between(i, height, Role::Rows, from_ref(&first), &ends, &[]);
    let limit = scene.limit(&first.offset(QUERIES as i64));
    seen(&mut scene, i, width, &limit, &summed);
    if let [_, end] = &limit[..] {
        hidden(&mut scene, i, width, end);
    }
    scene.emitter.b.end(&[]);
}

/// Sums for the keys that some of the queries see.
fn seen(scene: &mut Scene, i: Axis, width: usize, limit: &[Lin], summed: &[Axis]) {
    let j = scene.b_axis(scene.sizes.keys);
    scene.emitter.b.begin_between(j, width, Role::Cols, &[Lin::default()], limit, &[]);
    let extents = scene.emitter.b.extents(&i.lin().add(&j.lin()));
    let mut sum = scene.emitter.b.constant(ZERO, DType::F32, extents);
    for axis in summed {
        sum = scene.emitter.b.begin(*axis, 1, Role::Point, &[sum])[0];
    }
    let first = scene.scores.arguments();
    let [lse, o_adj, delta] = [0, 1, 2].map(|n| scene.args[first + n]);
    let weight = weight(scene, lse, scene.args[1], i, j);
    let score_adj = score_adjoint(scene, weight, [o_adj, delta], i, j);
    sum = scene.map(Map::Add, &[sum, score_adj]);
    for _ in summed {
        sum = scene.emitter.b.end(&[sum])[0];
    }
    scene.store(0, &place(scene, i, j), sum);
    scene.emitter.b.end(&[]);
}

/// Zeros for all other keys.
fn hidden(scene: &mut Scene, i: Axis, width: usize, from: &Lin) {
    let j = scene.b_axis(scene.sizes.keys);
    let (from, all) = ([Lin::default(), from.clone()], [Lin::constant(j.size)]);
    scene.emitter.b.begin_between(j, width, Role::Cols, &from, &all, &[]);
    let at = place(scene, i, j);
    let zero = scene.zeros(&at);
    scene.store(0, &at, zero);
    scene.emitter.b.end(&[]);
}

fn place(scene: &Scene, i: Axis, j: Axis) -> Coord {
    scene.square(scene.results[0], i, j)
}

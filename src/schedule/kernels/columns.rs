//! Reductions over other than the last axis alone: elementwise accumulation of lines, or, where the last axis is reduced
//! too, folds of them.

use super::super::eval::Emitter;
use super::super::index::{Axis, Coord, Lin};
use super::rows::{fold, start};
use super::{Site, combiner, reduction};
use crate::schedule::build::{Extents, ONE, Role};
use crate::tensor::Value;
use crate::tile::{self, Extent, TileOp};

pub fn build(emitter: &mut Emitter, site: &Site, shape: &[usize], reduced: &[usize]) {
    let axes: Vec<Axis> = shape.iter().map(|n| emitter.b.axis(*n)).collect();
    let last = shape.len() - 1;
    let folds = reduced.contains(&last);
    let values = site.group.values.len() + site.group.reads.len();
    let step = if folds { site.folded_columns(values) } else { site.columns(values) };
    let kept: Vec<usize> = (0..shape.len()).filter(|i| !reduced.contains(i)).collect();
    for &i in &kept {
        let (step, role) = if i == last { (step, Role::Cols) } else { (1, Role::Point) };
        emitter.b.grid(axes[i], step, role);
    }
    let lines =
        |set: &[usize]| -> (Vec<usize>, Vec<Lin>) { set.iter().map(|i| (shape[*i], Lin::axis(axes[*i]))).unzip() };
    let (sizes, lins) = lines(&kept);
    let at = Coord::from_dims(&sizes, lins).flat;
    let full = Coord::from_dims(shape, axes.iter().map(|a| Lin::axis(*a)).collect()).flat;
    let members: Vec<Value> =
        site.group.values.iter().copied().filter(|v| reduction(emitter.cx, *v).is_some()).collect();

    let extents = if folds { (ONE, Extent::Fixed(16)) } else { emitter.b.extents(&Lin::axis(axes[last])) };
    let inits = members.iter().map(|v| start(emitter, *v, extents)).collect();
    let loops: Vec<Axis> = reduced.iter().map(|i| axes[*i]).collect();
    let sums = accumulate(emitter, &members, &loops, inits, &Walk { full, folds, step, extents });
    for (value, sum) in members.iter().zip(sums) {
        let op = combiner(reduction(emitter.cx, *value).expect("a reduction")).1;
        let total = if folds { fold(&mut emitter.b, TileOp::Tree { op, x: sum }, &[sum], (ONE, ONE)) } else { sum };
        emitter.define(*value, &at, total);
    }
    let stores = site.stores(emitter.cx, sizes.iter().product(), &at);
    emitter.store_all(&stores);
}

struct Walk {
    full: Lin,
    /// The innermost loop runs along columns.
    folds: bool,
    step: usize,
    extents: Extents,
}

fn accumulate(
    emitter: &mut Emitter,
    members: &[Value],
    loops: &[Axis],
    accs: Vec<tile::Value>,
    walk: &Walk,
) -> Vec<tile::Value> {
    let Some((axis, rest)) = loops.split_first() else { return step(emitter, members, accs, walk) };
    let (step, role) = if rest.is_empty() && walk.folds { (walk.step, Role::Cols) } else { (1, Role::Point) };
    let inner = emitter.b.begin(*axis, step, role, &accs);
    let sums = accumulate(emitter, members, rest, inner, walk);
    emitter.b.end(&sums)
}

/// Takes one line of each operand into its accumulator.
fn step(emitter: &mut Emitter, members: &[Value], accs: Vec<tile::Value>, walk: &Walk) -> Vec<tile::Value> {
    let mut sums = vec![];
    for (value, acc) in members.iter().zip(accs) {
        let x = emitter.cx.arg(*value, 0);
        let tile = emitter.eval(x, &Coord::from_flat(emitter.cx.shape(x), walk.full.clone()), &[]);
        let tile = emitter.b.spread(tile, emitter.b.extents(&walk.full));
        let (map, op) = combiner(reduction(emitter.cx, *value).expect("a reduction"));
        sums.push(match walk.folds {
            true => fold(&mut emitter.b, TileOp::Fold { op, acc, x: tile }, &[acc, tile], walk.extents),
            false => emitter.b.map(map, &[acc, tile]),
        });
    }
    sums
}

//! Reductions of rows with everything elementwise around them: one pass over a row for each level of reductions, then
//! one for what is stored. Short rows stay in registers.

use super::super::eval::Emitter;
use super::super::index::{Axis, Coord, Lin};
use super::{Site, combiner, reduction};
use crate::schedule::build::{Builder, Role};
use crate::schedule::context::Context;
use crate::schedule::legalize::identity;
use crate::tensor::Value;
use crate::tile::{self, Extent, TileOp};

pub fn build(emitter: &mut Emitter, site: &Site, rows: usize, cols: usize) {
    let [row, col] = [rows, cols].map(|n| emitter.b.axis(n));
    let values = site.group.values.len() + site.group.reads.len();
    let step = site.folded_columns(values);
    let height = rows_per_tile(emitter.cx, site, rows, cols);
    emitter.b.grid(row, height, if height > 1 { Role::Rows } else { Role::Point });
    let at = Lin::axis(row);
    let full = at.scale(cols as i64).add(&Lin::axis(col));
    for level in levels(emitter.cx, site) {
        pass(emitter, &level, col, step, &at, &full);
    }
    let of_rows = site.stores(emitter.cx, rows, &at);
    emitter.store_all(&of_rows);
    let of_elements = if cols == 1 { vec![] } else { site.stores(emitter.cx, rows * cols, &full) };
    if !of_elements.is_empty() {
        emitter.b.begin(col, step, Role::Cols, &[]);
        emitter.store_all(&of_elements);
        emitter.b.end(&[]);
    }
}

/// Several short rows fill the vectors of a tile, unless data indices pick them.
fn rows_per_tile(cx: &Context, site: &Site, rows: usize, cols: usize) -> usize {
    let lanes = usize::from(site.target.lanes);
    let vectors = site.columns(site.group.values.len()) / lanes;
    let plain = !site.group.values.iter().any(|v| gathers(cx, site, *v));
    if plain { (vectors / cols.div_ceil(lanes)).clamp(1, rows.max(1)) } else { 1 }
}

/// Whether a data index occurs in what this kernel computes for a value.
fn gathers(cx: &Context, site: &Site, value: Value) -> bool {
    use crate::ops::Op;
    let inst = cx.def(value);
    let inside = |v: &Value| (site.home)(*v) == super::Home::Inline && gathers(cx, site, *v);
    matches!(inst.op, Op::Take { .. } | Op::TakeAlong { .. } | Op::DynamicSlice { .. } | Op::DynamicUpdate)
        || inst.args.iter().any(inside)
}

/// One pass over the row for reductions that don't depend on each other.
fn pass(emitter: &mut Emitter, level: &[Value], col: Axis, step: usize, at: &Lin, full: &Lin) {
    let rows = emitter.b.extents(at).0;
    let folds: Vec<_> = level.iter().map(|v| combiner(reduction(emitter.cx, *v).expect("a reduction")).1).collect();
    let inits: Vec<_> = level.iter().map(|v| start(emitter, *v, (rows, Extent::Fixed(16)))).collect();
    let inner = emitter.b.begin(col, step, Role::Cols, &inits);
    let cols = emitter.b.extents(&Lin::axis(col)).1;
    let mut sums = vec![];
    for ((value, acc), op) in level.iter().zip(inner).zip(&folds) {
        let x = emitter.cx.arg(*value, 0);
        let tile = emitter.eval(x, &Coord::from_flat(emitter.cx.shape(x), full.clone()), &[]);
        let tile = emitter.b.spread(tile, (rows, cols));
        sums.push(fold(
            &mut emitter.b,
            TileOp::Fold { op: *op, acc, x: tile },
            &[acc, tile],
            (rows, Extent::Fixed(16)),
        ));
    }
    let sums = emitter.b.end(&sums);
    for ((value, sum), op) in level.iter().zip(sums).zip(folds) {
        let tree = fold(&mut emitter.b, TileOp::Tree { op, x: sum }, &[sum], (rows, Extent::Fixed(1)));
        emitter.define(*value, at, tree);
    }
}

pub fn fold(b: &mut Builder, op: TileOp, operands: &[tile::Value], extents: (Extent, Extent)) -> tile::Value {
    let dtype = b.ty(operands[0]).dtype;
    b.op(op, operands, dtype, extents)
}

/// The accumulator of a reduction before the first element.
pub fn start(emitter: &mut Emitter, value: Value, extents: (Extent, Extent)) -> tile::Value {
    let dtype = emitter.cx.ty(value).dtype;
    let op = reduction(emitter.cx, value).expect("a reduction");
    emitter.b.constant(identity(op, dtype), dtype, extents)
}

/// The group's reductions, each after those that it depends on.
fn levels(cx: &Context, site: &Site) -> Vec<Vec<Value>> {
    let mut levels: Vec<Vec<Value>> = vec![];
    for value in site.group.values.iter().filter(|v| reduction(cx, **v).is_some()) {
        let depth = levels.iter().rposition(|level| level.iter().any(|r| depends(cx, site, *value, *r)));
        let at = depth.map_or(0, |d| d + 1);
        levels.resize(levels.len().max(at + 1), vec![]);
        levels[at].push(*value);
    }
    levels
}

/// Whether computing `value` in this kernel needs `on`.
fn depends(cx: &Context, site: &Site, value: Value, on: Value) -> bool {
    let mut seen = std::collections::HashSet::new();
    let mut open = cx.def(value).args.clone();
    while let Some(at) = open.pop() {
        if at == on {
            return true;
        }
        let inside = !matches!((site.home)(at), super::Home::Memory(_));
        if inside && at.0 > on.0 && seen.insert(at) {
            open.extend(&cx.def(at).args);
        }
    }
    false
}

//! Running sums: one loop along the axis, in parallel over all others.

use super::super::eval::Emitter;
use super::super::index::{Coord, Lin};
use super::Site;
use crate::ops::{DType, Literal, Op};
use crate::schedule::build::Role;
use crate::tile::{Map, StoreMode};

pub fn build(emitter: &mut Emitter, site: &Site) {
    let cx = emitter.cx;
    let root = site.root();
    let Op::CumSum { axis, reverse } = *cx.op(root) else { unreachable!("the root of a running sum") };
    let shape = cx.shape(root);
    let size = shape[axis];
    let before: usize = shape[..axis].iter().product();
    let after: usize = shape[axis + 1..].iter().product();
    let [outer, along, cols] = [before, size, after].map(|n| emitter.b.axis(n));
    emitter.b.grid(outer, 1, Role::Point);
    emitter.b.grid(cols, site.columns(0), Role::Cols);

    let step: Lin = if reverse { along.lin().scale(-1).offset(size as i64 - 1) } else { along.lin() };
    let row = outer.lin().scale(size as i64).add(&step);
    let at = Coord::from_flat(shape, row.scale(after as i64).add(&cols.lin()));
    let dtype = cx.ty(root).dtype;
    let nothing = if dtype == DType::F32 { super::ZERO } else { Literal::Int(0) };
    let extents = emitter.b.extents(&cols.lin());
    let init = emitter.b.constant(nothing, dtype, extents);
    let acc = emitter.b.begin(along, 1, Role::Point, &[init])[0];
    let x = emitter.eval(cx.arg(root, 0), &at, &[]);
    let sum = emitter.b.map(Map::Add, &[acc, x]);
    emitter.store(root, &at, sum, StoreMode::Set);
    emitter.b.end(&[sum]);
}

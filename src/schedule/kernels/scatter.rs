//! Adjoints of gathers: each point owns a range of columns of the result and adds the updates in source order.

use super::super::eval::Emitter;
use super::super::index::{Coord, Lin};
use super::Site;
use crate::ops::{DType, Literal, Op};
use crate::schedule::build::Role;
use crate::tile::StoreMode;

pub fn build(emitter: &mut Emitter, site: &Site) {
    let cx = emitter.cx;
    let root = site.root();
    let inst = cx.def(root);
    let (axis, along) = match &inst.op {
        Op::ScatterAdd { axis, .. } => (*axis, false),
        Op::ScatterAddAlong { axis, .. } => (*axis, true),
        _ => unreachable!("the root of a scatter group"),
    };
    let shape = cx.shape(root);
    let size = shape[axis];
    let before: usize = shape[..axis].iter().product();
    let after: usize = shape[axis + 1..].iter().product();
    let sources = if along { cx.shape(inst.args[0])[axis] } else { cx.elements(inst.args[1]) };
    let [outer, line, source, cols] = [before, size, sources, after].map(|n| emitter.b.axis(n));
    let at = |index: &Lin, size: usize| {
        let row = outer.lin().scale(size as i64).add(index);
        row.scale(after as i64).add(&cols.lin())
    };
    emitter.b.grid(outer, 1, Role::Point);
    emitter.b.grid(cols, site.columns(0), Role::Cols);

    let dtype = cx.ty(root).dtype;
    let nothing = if dtype == DType::F32 { super::ZERO } else { Literal::Int(0) };
    emitter.b.begin(line, 1, Role::Point, &[]);
    let zero = emitter.scalar(nothing, dtype);
    emitter.store(root, &Coord::from_flat(shape, at(&line.lin(), size)), zero, StoreMode::Set);
    emitter.b.end(&[]);

    emitter.b.begin(source, 1, Role::Point, &[]);
    let from = at(&source.lin(), sources);
    let place = if along { from.clone() } else { source.lin() };
    emitter.note_lookup(inst, size);
    let index = emitter.data(inst.args[1], &Coord::from_flat(cx.shape(inst.args[1]), place), size, &[]);
    let update = emitter.eval(inst.args[0], &Coord::from_flat(cx.shape(inst.args[0]), from), &[]);
    emitter.store(root, &Coord::from_flat(shape, at(&index, size)), update, StoreMode::Add);
    emitter.b.end(&[]);
}

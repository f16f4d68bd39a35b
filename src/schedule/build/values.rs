//! Tiles: each goes to the outermost scope in which its operands exist.

use super::{Binding, Bound, Builder, Extents, Info, ONE, Role};
use crate::ops::{DType, Literal};
use crate::schedule::index::{Axis, Lin};
use crate::tile::{Extent, Map, Stmt, TileOp, TileType, Value};
use std::collections::BTreeSet;

impl Builder {
    pub fn ty(&self, value: Value) -> TileType {
        self.values[value.0 as usize]
    }

    fn extents_of(&self, value: Value) -> Extents {
        let ty = self.ty(value);
        (ty.rows, ty.cols)
    }

    /// Axes that a value or an expression depends on, also through data indices.
    pub fn axes_of(&self, lin: &Lin) -> BTreeSet<Axis> {
        let tiles = lin.tiles();
        let behind = tiles.iter().flat_map(|t| self.infos[t.0 as usize].axes.iter().copied());
        lin.axes().into_iter().chain(behind).collect()
    }

    /// The tile extents over which an expression varies.
    pub fn extents(&self, lin: &Lin) -> Extents {
        let of_axis = |axis: &Axis| match self.bindings.get(axis) {
            Some(b) if b.role == Role::Rows => (b.extent, ONE),
            Some(b) if b.role == Role::Cols => (ONE, b.extent),
            _ => (ONE, ONE),
        };
        let axes = lin.axes();
        let tiles = lin.tiles();
        let all = axes.iter().map(of_axis).chain(tiles.iter().map(|t| self.extents_of(*t)));
        all.fold((ONE, ONE), join)
    }

    pub(super) fn place(&self, operands: &[Value], lins: &[&Lin]) -> Info {
        let mut info = Info::default();
        let tiles = lins.iter().flat_map(|l| l.tiles());
        for value in operands.iter().copied().chain(tiles) {
            let from = &self.infos[value.0 as usize];
            info.depth = info.depth.max(from.depth);
            info.axes.extend(from.axes.iter().copied());
        }
        for axis in lins.iter().flat_map(|l| l.axes()) {
            info.depth = info.depth.max(self.bindings.get(&axis).map_or(0, |b| b.depth));
            info.axes.insert(axis);
        }
        info
    }

    pub(super) fn push(&mut self, op: TileOp, dtype: DType, (rows, cols): Extents, info: Info) -> Value {
        let depth = info.depth;
        let value = self.fresh(TileType { dtype, rows, cols }, info);
        self.scopes[depth].body.push(Stmt::Let { value, op });
        value
    }

    pub fn constant(&mut self, literal: Literal, dtype: DType, extents: Extents) -> Value {
        let depth = [extents.0, extents.1].iter().map(|e| self.depth_of(*e)).max().unwrap_or(0);
        self.push(TileOp::Const(literal), dtype, extents, Info { depth, axes: BTreeSet::new() })
    }

    /// The scope of the variable that blocks an extent.
    fn depth_of(&self, extent: Extent) -> usize {
        let bound = |b: &&Binding| extent.var().is_some() && b.var == extent.var();
        self.bindings.values().find(bound).map_or(0, |b| b.depth)
    }

    pub fn map(&mut self, map: Map, args: &[Value]) -> Value {
        let dtype = match map {
            Map::Compare(_) => DType::Bool,
            Map::Select => self.ty(args[1]).dtype,
            _ => self.ty(args[0]).dtype,
        };
        let extents = args.iter().map(|a| self.extents_of(*a)).fold((ONE, ONE), join);
        let info = self.place(args, &[]);
        self.push(TileOp::Map(map, args.to_vec()), dtype, extents, info)
    }

    /// Any other operation on tiles, with its result type.
    pub fn op(&mut self, op: TileOp, operands: &[Value], dtype: DType, extents: Extents) -> Value {
        let info = self.place(operands, &[]);
        self.push(op, dtype, extents, info)
    }

    pub fn cast(&mut self, x: Value, dtype: DType) -> Value {
        let extents = self.extents_of(x);
        self.op(TileOp::Cast(x), &[x], dtype, extents)
    }

    /// The value of an expression, as i32.
    pub fn index(&mut self, lin: &Lin) -> Value {
        let info = self.place(&[], &[lin]);
        let extents = self.extents(lin);
        self.push(TileOp::Index(self.expr(lin)), DType::I32, extents, info)
    }

    pub fn philox(&mut self, key: u64, seed: Value, step: Value, at: &Lin) -> Value {
        let info = self.place(&[seed, step], &[at]);
        let op = TileOp::Philox { key, seed, step, index: self.expr(at) };
        let extents = self.extents(at);
        self.push(op, DType::I32, extents, info)
    }

    /// The value with every row and column of `extents`: elementwise operations repeat by themselves, stores do not.
    pub fn spread(&mut self, x: Value, extents: Extents) -> Value {
        if self.extents_of(x) == extents {
            return x;
        }
        let all = self.constant(Literal::Bool(true), DType::Bool, extents);
        self.map(Map::Select, &[all, x, x])
    }

    /// Truth of all bounds; `None` where each holds everywhere.
    pub fn holds(&mut self, bounds: &[Bound]) -> Option<Value> {
        use crate::ops::Compare::{Ge, Lt};
        let mut all: Option<Value> = None;
        for bound in bounds.iter().filter(|b| !b.lin.within(b.lo, b.hi)) {
            let (lo, hi) = bound.lin.range();
            let index = self.index(&bound.lin);
            let sides = [(lo < bound.lo, Ge, bound.lo), (hi >= bound.hi, Lt, bound.hi)];
            for (_, compare, limit) in sides.into_iter().filter(|s| s.0) {
                let limit = self.constant(Literal::Int(limit), DType::I32, (ONE, ONE));
                let truth = self.map(Map::Compare(compare), &[index, limit]);
                all = Some(all.map_or(truth, |a| self.map(Map::And, &[a, truth])));
            }
        }
        all
    }
}

/// The extents of an elementwise operation on two tiles.
pub(super) fn join(a: Extents, b: Extents) -> Extents {
    let pick = |x, y| if x == ONE { y } else { x };
    (pick(a.0, b.0), pick(a.1, b.1))
}

//! Evaluates tensor values at a place: the pull side of every kernel.
//!
//! [`Emitter::eval`] gives the tile of a value at a [`Coord`]: a load where the value lives in a buffer, what this kernel
//! computed before, or else the operation on its arguments, wherever those are needed. So elementwise operations, moves,
//! gathers and windows fuse into any kernel that asks for them.

mod elementwise;
mod gather;
mod moves;
mod windows;

use super::build::{Bound, Builder, Extents, Key, Source};
use super::context::Context;
use super::index::{Coord, Lin};
use super::kernels::Spot;
use crate::diag::Label;
use crate::ops::{DType, Literal, Op};
use crate::tensor::Value;
use crate::tile::{self, Map, StoreMode, TileOp};
use std::collections::HashSet;

/// How a kernel comes by a value.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Home {
    /// Computed where it is needed.
    Inline,
    /// Read from memory.
    Memory(Spot),
    /// Computed by this kernel, and stored where there is a place for it.
    Here(Option<Spot>),
}

/// One read of a tensor, or one other expression in the axes that the kernel computes.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Access {
    pub leaf: Option<Value>,
    pub at: Lin,
    pub guarded: bool,
    /// The length of a row, where rows lie apart in memory.
    pub row: Option<i64>,
}

pub struct Emitter<'a> {
    pub cx: &'a Context<'a>,
    pub b: Builder,
    home: &'a dyn Fn(Value) -> Home,
    /// Every place that was read or computed with, in order.
    pub log: Vec<Access>,
    /// The instructions that read at indices that are data.
    pub lookups: Vec<Label>,
    stored: HashSet<Value>,
}

impl<'a> Emitter<'a> {
    pub fn new(cx: &'a Context<'a>, home: &'a dyn Fn(Value) -> Home) -> Emitter<'a> {
        Emitter { cx, b: Builder::new(), home, log: vec![], lookups: vec![], stored: HashSet::new() }
    }

    /// The tile of `value` at `at`. Where a bound fails the result may be anything, but no memory is touched.
    pub fn eval(&mut self, value: Value, at: &Coord, bounds: &[Bound]) -> tile::Value {
        let key = Key { value, part: 0, at: at.flat.clone(), bounds: bounds.to_vec() };
        if let Some(tile) = self.b.recall(&key) {
            return tile;
        }
        let tile = match self.leaf(value) {
            Some(source) => self.load(value, source, at, bounds, None),
            None => self.compute(value, at, bounds),
        };
        self.b.remember(key, tile);
        tile
    }

    /// The tile of `value`, and `fill` where one of `inner` fails; `outer` bounds as in [`Self::eval`].
    fn eval_or(&mut self, value: Value, at: &Coord, outer: &[Bound], inner: &[Bound], fill: Literal) -> tile::Value {
        let bounds = [outer, inner].concat();
        if let Some(source) = self.leaf(value) {
            return self.load(value, source, at, &bounds, Some(fill));
        }
        let tile = self.eval(value, at, &bounds);
        self.log_bounds(inner);
        let Some(holds) = self.b.holds(inner) else { return tile };
        let fill = self.scalar(fill, self.b.ty(tile).dtype);
        self.b.map(Map::Select, &[holds, tile, fill])
    }

    /// Where to read a value from, if it is not to be computed.
    fn leaf(&self, value: Value) -> Option<Source> {
        match (self.home)(value) {
            Home::Memory(spot) => Some(self.source(value, spot)),
            Home::Here(Some(spot)) if self.stored.contains(&value) => Some(self.source(value, spot)),
            _ => None,
        }
    }

    /// The length of a row of a value that is stored here, where rows lie apart.
    pub fn row_of(&self, value: Value) -> Option<i64> {
        match (self.home)(value) {
            Home::Here(Some(spot)) => self.source(value, spot).row(),
            _ => None,
        }
    }

    fn source(&self, value: Value, spot: Spot) -> Source {
        let ty = self.cx.ty(value);
        Source { spot, dtype: ty.dtype, shape: ty.shape.clone() }
    }

    fn load(
        &mut self,
        value: Value,
        source: Source,
        at: &Coord,
        bounds: &[Bound],
        fill: Option<Literal>,
    ) -> tile::Value {
        let guarded = bounds.iter().any(|b| !b.lin.within(b.lo, b.hi));
        self.log.push(Access { leaf: Some(value), at: at.flat.clone(), guarded, row: source.row() });
        self.log_bounds(bounds);
        let zero = zero(source.dtype);
        self.b.load(source, at, bounds, Some(fill.unwrap_or(zero)))
    }

    fn log_bounds(&mut self, bounds: &[Bound]) {
        let open = bounds.iter().filter(|b| !b.lin.within(b.lo, b.hi));
        self.log.extend(open.map(|b| Access { leaf: None, at: b.lin.clone(), guarded: false, row: None }));
    }

    /// Stores tiles of values that live here, and clears checks; all are evaluated before the first store.
    pub fn store_all(&mut self, values: &[(Value, Coord)]) {
        let tiles: Vec<_> = values.iter().map(|(v, at)| self.eval(self.cx.computed(*v), at, &[])).collect();
        for ((value, at), tile) in values.iter().zip(tiles) {
            match self.cx.all_of(*value) {
                Some(_) => self.store(*value, &Coord::from_dims(&[], vec![]), tile, StoreMode::And),
                None => self.store(*value, at, tile, StoreMode::Set),
            }
        }
    }

    pub fn store(&mut self, value: Value, at: &Coord, tile: tile::Value, mode: StoreMode) {
        let Home::Here(Some(spot)) = (self.home)(value) else { return };
        let source = self.source(value, spot);
        self.b.store(source, at, tile, mode);
        self.stored.insert(value);
    }

    /// Makes known what a kernel computed for a value at a place.
    pub fn define(&mut self, value: Value, at: &Lin, tile: tile::Value) {
        self.b.remember(Key { value, part: 0, at: at.clone(), bounds: vec![] }, tile);
    }

    pub fn scalar(&mut self, literal: Literal, dtype: DType) -> tile::Value {
        self.b.constant(literal, dtype, (super::build::ONE, super::build::ONE))
    }

    /// The value of an expression as an i32 tile.
    pub fn index(&mut self, lin: &Lin) -> tile::Value {
        self.log.push(Access { leaf: None, at: lin.clone(), guarded: false, row: None });
        self.b.index(lin)
    }

    fn extents(&self, at: &Coord) -> Extents {
        self.b.extents(&at.flat)
    }

    /// One arm per operation that can be computed anywhere.
    fn compute(&mut self, value: Value, at: &Coord, bounds: &[Bound]) -> tile::Value {
        let inst = self.cx.def(value);
        let args = inst.args.as_slice();
        let dtype = self.cx.ty(value).dtype;
        match &inst.op {
            Op::Const(literal) => self.scalar(*literal, dtype),
            Op::Iota { axis, .. } => self.iota(&at.dims[*axis], dtype),
            Op::Philox { key, .. } => self.philox(*key, args, at, bounds),
            Op::Unary(op) => self.unary(*op, args[0], at, bounds),
            Op::Binary(op) => self.binary(*op, args, at, bounds),
            Op::Compare(op) => self.maps(Map::Compare(*op), args, at, bounds),
            Op::Select => self.maps(Map::Select, args, at, bounds),
            Op::Cast(to) => self.cast_op(*to, args[0], at, bounds),
            Op::Bitcast(to) => self.bitcast(*to, args[0], at, bounds),
            Op::StopGradient => self.eval(args[0], at, bounds),
            Op::Reshape { .. } => self.reshape(args[0], at, bounds),
            Op::Transpose { perm } => self.transpose(perm, args[0], at, bounds),
            Op::Broadcast { axes, .. } => self.broadcast(axes, args[0], at, bounds),
            Op::Slice { start, stride, .. } => self.slice(start, stride, args[0], at, bounds),
            Op::Pad { pads } => self.pad(pads, args, at, bounds),
            Op::Concat { axis } => self.concat(*axis, args, at, bounds),
            Op::Reverse { axes } => self.reverse(axes, args[0], at, bounds),
            Op::DynamicSlice { size } => self.dynamic_slice(size, args, at, bounds),
            Op::DynamicUpdate => self.dynamic_update(args, at, bounds),
            Op::Take { axis } => self.take(inst, *axis, at, bounds),
            Op::TakeAlong { axis } => self.take_along(inst, *axis, at, bounds),
            Op::WindowSum { window } => self.window_sum(window, args[0], at, bounds),
            Op::WindowSumGrad { window, .. } => self.window_sum_grad(window, value, args[0], at, bounds),
            Op::WindowArgMax { window } => self.window_argmax(window, value, args[0], at, bounds).1,
            Op::WindowGather { window } => self.window_gather(window, args, at, bounds),
            Op::WindowScatter { window, .. } => self.window_scatter(window, value, args, at, bounds),
            op => unreachable!("{op:?} is computed by its own kernel, which comes before its readers"),
        }
    }

    fn iota(&mut self, index: &Lin, dtype: DType) -> tile::Value {
        let index = self.index(index);
        if dtype == DType::I32 { index } else { self.b.cast(index, dtype) }
    }

    fn philox(&mut self, key: u64, args: &[Value], at: &Coord, bounds: &[Bound]) -> tile::Value {
        let scalar = Coord::from_dims(&[], vec![]);
        let seed = self.eval(args[0], &scalar, bounds);
        let step = self.eval(args[1], &scalar, bounds);
        self.log.push(Access { leaf: None, at: at.flat.clone(), guarded: false, row: None });
        self.b.philox(key, seed, step, &at.flat)
    }

    fn bitcast(&mut self, to: DType, x: Value, at: &Coord, bounds: &[Bound]) -> tile::Value {
        let x = self.eval(x, at, bounds);
        let ty = self.b.ty(x);
        self.b.op(TileOp::Bitcast(x), &[x], to, (ty.rows, ty.cols))
    }
}

/// What stands where nothing may be read.
fn zero(dtype: DType) -> Literal {
    match dtype {
        DType::Bool => Literal::Bool(false),
        d if d.is_float() => Literal::Float(0.0),
        _ => Literal::Int(0),
    }
}

//! Reads at indices that are data.

use super::super::build::Bound;
use super::super::index::{Atom, Coord, Lin};
use super::Emitter;
use crate::tensor::Value;
use crate::tile;

impl Emitter<'_> {
    /// The index that `indices` holds at a place, in `0..limit` or a fault.
    pub fn data(&mut self, indices: Value, at: &Coord, limit: usize, bounds: &[Bound]) -> Lin {
        let tile = self.eval(indices, at, bounds);
        Lin::atom(Atom::Data { tile, limit: limit as i64 })
    }

    pub(super) fn take(&mut self, axis: usize, args: &[Value], at: &Coord, bounds: &[Bound]) -> tile::Value {
        let (shape, rank) = (self.cx.shape(args[0]), self.cx.shape(args[1]).len());
        let place = Coord::from_dims(self.cx.shape(args[1]), at.dims[axis..axis + rank].to_vec());
        let index = self.data(args[1], &place, shape[axis], bounds);
        let dims = [&at.dims[..axis], &[index], &at.dims[axis + rank..]].concat();
        self.eval(args[0], &Coord::from_dims(shape, dims), bounds)
    }

    pub(super) fn take_along(&mut self, axis: usize, args: &[Value], at: &Coord, bounds: &[Bound]) -> tile::Value {
        let shape = self.cx.shape(args[0]);
        let mut dims = at.dims.clone();
        dims[axis] = self.data(args[1], at, shape[axis], bounds);
        self.eval(args[0], &Coord::from_dims(shape, dims), bounds)
    }
}

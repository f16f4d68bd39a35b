//! Reads at indices that are data.

use super::super::build::Bound;
use super::super::index::{Atom, Coord, Lin};
use super::Emitter;
use crate::diag::Label;
use crate::ops::{DType, Literal};
use crate::tensor::{InputRole, Inst, Value};
use crate::tile::{self, Map};

impl Emitter<'_> {
    /// The index that `indices` holds at a place, in `0..limit` or a fault.
    pub fn data(&mut self, indices: Value, at: &Coord, limit: usize, bounds: &[Bound]) -> Lin {
        let tile = self.eval(indices, at, bounds);
        Lin::atom(Atom::Data { tile, limit: limit as i64 })
    }

    /// An equal expression that divides no data: quotients and remainders of data become data.
    pub(super) fn settle(&mut self, lin: &Lin) -> Lin {
        let settled = |(atom, c): &(Atom, i64)| match atom {
            Atom::Div(x, n) if !x.tiles().is_empty() => self.divided(Map::FloorDiv, x, *n, atom).scale(*c),
            Atom::Mod(x, n) if !x.tiles().is_empty() => self.divided(Map::Rem, x, *n, atom).scale(*c),
            atom => Lin::atom(atom.clone()).scale(*c),
        };
        let terms: Vec<Lin> = lin.terms.iter().map(settled).collect();
        terms.iter().fold(Lin::constant(lin.constant), |sum, term| sum.add(term))
    }

    fn divided(&mut self, map: Map, x: &Lin, n: i64, whole: &Atom) -> Lin {
        let (x, n) = (self.index(x), self.scalar(Literal::Int(n), DType::I32));
        let limit = Lin::atom(whole.clone()).range().1 + 1;
        Lin::atom(Atom::Data { tile: self.b.map(map, &[x, n]), limit })
    }

    pub(super) fn take(&mut self, inst: &Inst, axis: usize, at: &Coord, bounds: &[Bound]) -> tile::Value {
        let [table, indices] = [inst.args[0], inst.args[1]];
        let (shape, rank) = (self.cx.shape(table), self.cx.shape(indices).len());
        self.note_lookup(inst, shape[axis]);
        let place = Coord::from_dims(self.cx.shape(indices), at.dims[axis..axis + rank].to_vec());
        let index = self.data(indices, &place, shape[axis], bounds);
        let dims = [&at.dims[..axis], &[index], &at.dims[axis + rank..]].concat();
        self.eval(table, &Coord::from_dims(shape, dims), bounds)
    }

    pub(super) fn take_along(&mut self, inst: &Inst, axis: usize, at: &Coord, bounds: &[Bound]) -> tile::Value {
        let shape = self.cx.shape(inst.args[0]);
        self.note_lookup(inst, shape[axis]);
        let mut dims = at.dims.clone();
        dims[axis] = self.data(inst.args[1], at, shape[axis], bounds);
        self.eval(inst.args[0], &Coord::from_dims(shape, dims), bounds)
    }

    /// Notes a place where an index may be out of range. The rows of a batch never are.
    pub fn note_lookup(&mut self, inst: &Inst, count: usize) {
        if self.cx.graph.inputs.contains(&(inst.args[1], InputRole::Rows)) {
            return;
        }
        let owner = inst.origin.layer.as_deref().filter(|layer| !layer.is_empty());
        let whose = owner.map_or(String::new(), |layer| format!(" of `{layer}`"));
        let text = format!("an index{whose} is not in 0..{count}");
        let label = Label { span: inst.origin.span, text };
        if !self.lookups.contains(&label) {
            self.lookups.push(label);
        }
    }
}

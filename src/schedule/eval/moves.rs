//! Moves are index maps: each reads its argument at another place.

use super::super::build::Bound;
use super::super::index::{Atom, Coord, Lin};
use super::{Emitter, zero};
use crate::ops::{DType, Literal, Op, Pad};
use crate::tensor::Value;
use crate::tile::{self, Map};

impl Emitter<'_> {
    fn at(&self, value: Value, dims: Vec<Lin>) -> Coord {
        Coord::from_dims(self.cx.shape(value), dims)
    }

    /// The offset stays. Only where something else than a buffer follows, its division into dimensions matters.
    pub(super) fn reshape(&mut self, x: Value, at: &Coord, bounds: &[Bound]) -> tile::Value {
        let mut place = at.reshape(self.cx.shape(x));
        let computes = self.leaf(x).is_none() && !matches!(self.cx.op(x), Op::Reshape { .. });
        if computes && place.dims.iter().any(Lin::divides_data) {
            let dims = place.dims.iter().map(|d| self.settle(d)).collect();
            place = self.at(x, dims);
        }
        self.eval(x, &place, bounds)
    }

    pub(super) fn transpose(&mut self, perm: &[usize], x: Value, at: &Coord, bounds: &[Bound]) -> tile::Value {
        let mut dims = vec![Lin::default(); perm.len()];
        for (to, from) in perm.iter().enumerate() {
            dims[*from] = at.dims[to].clone();
        }
        let at = self.at(x, dims);
        self.eval(x, &at, bounds)
    }

    pub(super) fn broadcast(&mut self, axes: &[usize], x: Value, at: &Coord, bounds: &[Bound]) -> tile::Value {
        let shape = self.cx.shape(x);
        let dim = |(n, axis): (&usize, &usize)| if *n == 1 { Lin::default() } else { at.dims[*axis].clone() };
        let dims = shape.iter().zip(axes).map(dim).collect();
        let at = self.at(x, dims);
        self.eval(x, &at, bounds)
    }

    pub(super) fn slice(
        &mut self,
        start: &[usize],
        stride: &[usize],
        x: Value,
        at: &Coord,
        bounds: &[Bound],
    ) -> tile::Value {
        let steps = start.iter().zip(stride);
        let dims = at.dims.iter().zip(steps).map(|(d, (lo, s))| d.scale(*s as i64).offset(*lo as i64)).collect();
        let at = self.at(x, dims);
        self.eval(x, &at, bounds)
    }

    pub(super) fn reverse(&mut self, axes: &[usize], x: Value, at: &Coord, bounds: &[Bound]) -> tile::Value {
        let mut dims = at.dims.clone();
        for &axis in axes {
            dims[axis] = dims[axis].scale(-1).offset(self.cx.shape(x)[axis] as i64 - 1);
        }
        let at = self.at(x, dims);
        self.eval(x, &at, bounds)
    }

    pub(super) fn pad(&mut self, pads: &[Pad], args: &[Value], at: &Coord, bounds: &[Bound]) -> tile::Value {
        let x = args[0];
        let mut inner = vec![];
        let mut dims = vec![];
        for ((dim, pad), n) in at.dims.iter().zip(pads).zip(self.cx.shape(x)) {
            let (index, gap) = dim.clone().offset(-pad.low).div_rem(pad.interior as i64 + 1);
            inner.push(Bound { lin: gap, lo: 0, hi: 1 });
            inner.push(Bound { lin: index.clone(), lo: 0, hi: *n as i64 });
            dims.push(index);
        }
        inner.retain(|b| !b.lin.within(b.lo, b.hi));
        let at = self.at(x, dims);
        match self.cx.op(args[1]) {
            Op::Const(fill) => self.eval_or(x, &at, bounds, &inner, *fill),
            _ => self.pad_with(args, &at, bounds, &inner),
        }
    }

    fn pad_with(&mut self, args: &[Value], at: &Coord, outer: &[Bound], inner: &[Bound]) -> tile::Value {
        let x = self.eval(args[0], at, &[outer, inner].concat());
        let fill = self.eval(args[1], &Coord::from_dims(&[], vec![]), outer);
        self.log_bounds(inner);
        match self.b.holds(inner) {
            Some(holds) => self.b.map(Map::Select, &[holds, x, fill]),
            None => x,
        }
    }

    /// A chain of choices, the last part being the rest.
    pub(super) fn concat(&mut self, axis: usize, args: &[Value], at: &Coord, bounds: &[Bound]) -> tile::Value {
        let index = &at.dims[axis];
        let (first, last) = index.range();
        let mut from = 0;
        let mut chosen: Option<tile::Value> = None;
        for &part in args {
            let to = from + self.cx.shape(part)[axis] as i64;
            if first < to && from <= last && from < to {
                let tile = self.part(part, axis, at, bounds, from, to);
                chosen = Some(match chosen {
                    None => tile,
                    Some(before) => {
                        let since = Bound { lin: index.clone(), lo: from, hi: i64::MAX };
                        self.log_bounds(std::slice::from_ref(&since));
                        match self.b.holds(&[since]) {
                            Some(holds) => self.b.map(Map::Select, &[holds, tile, before]),
                            None => tile,
                        }
                    }
                });
            }
            from = to;
        }
        let dtype = self.cx.ty(args[0]).dtype;
        chosen.unwrap_or_else(|| self.scalar(zero(dtype), dtype))
    }

    fn part(&mut self, x: Value, axis: usize, at: &Coord, bounds: &[Bound], from: i64, to: i64) -> tile::Value {
        let mut dims = at.dims.clone();
        let inside = Bound { lin: dims[axis].clone(), lo: from, hi: to };
        dims[axis] = dims[axis].clone().offset(-from);
        let at = self.at(x, dims);
        let open = (!inside.lin.within(from, to)).then_some(inside);
        self.eval(x, &at, &[bounds, open.as_slice()].concat())
    }

    /// Start indices as checked index expressions: out of `0..=n - size` is a fault.
    fn starts(&mut self, x: &[usize], size: &[usize], starts: &[Value], bounds: &[Bound]) -> Vec<Lin> {
        let scalar = Coord::from_dims(&[], vec![]);
        let room = x.iter().zip(size).map(|(n, size)| (n - size + 1) as i64);
        let tiles: Vec<_> = starts.iter().map(|s| self.eval(*s, &scalar, bounds)).collect();
        tiles.into_iter().zip(room).map(|(tile, limit)| Lin::atom(Atom::Data { tile, limit })).collect()
    }

    pub(super) fn dynamic_slice(
        &mut self,
        size: &[usize],
        args: &[Value],
        at: &Coord,
        bounds: &[Bound],
    ) -> tile::Value {
        let shape = self.cx.shape(args[0]);
        let starts = self.starts(shape, size, &args[1..], bounds);
        let dims = at.dims.iter().zip(&starts).map(|(d, s)| d.add(s)).collect();
        let at = self.at(args[0], dims);
        self.eval(args[0], &at, bounds)
    }

    /// The update where the place lies in it. Data cannot be a bound of a view, so its index is clamped.
    pub(super) fn dynamic_update(&mut self, args: &[Value], at: &Coord, bounds: &[Bound]) -> tile::Value {
        let (x, update) = (args[0], args[1]);
        let shape = self.cx.shape(update);
        let starts = self.starts(self.cx.shape(x), shape, &args[2..], bounds);
        let mut inside = None;
        let mut dims = vec![];
        for ((dim, start), size) in at.dims.iter().zip(&starts).zip(shape) {
            let (index, holds) = self.relative(dim, start, *size as i64);
            inside = Some(inside.map_or(holds, |i| self.b.map(Map::And, &[i, holds])));
            dims.push(index);
        }
        let place = self.at(update, dims);
        let new = self.eval(update, &place, bounds);
        let Some(inside) = inside else { return new };
        let old = self.eval(x, at, bounds);
        self.b.map(Map::Select, &[inside, new, old])
    }

    /// `dim - start` clamped to `0..size`, and whether it was inside.
    fn relative(&mut self, dim: &Lin, start: &Lin, size: i64) -> (Lin, tile::Value) {
        use crate::ops::Compare::{Ge, Le};
        let relative = self.index(&dim.add(&start.scale(-1)));
        let [zero, last] = [0, size - 1].map(|n| self.scalar(Literal::Int(n), DType::I32));
        let above = self.b.map(Map::Compare(Ge), &[relative, zero]);
        let below = self.b.map(Map::Compare(Le), &[relative, last]);
        let low = self.b.map(Map::Max, &[relative, zero]);
        let tile = self.b.map(Map::Min, &[low, last]);
        (Lin::atom(Atom::Data { tile, limit: size }), self.b.map(Map::And, &[above, below]))
    }
}

//! Windows over the two middle axes of NHWC, each channel by itself. Adjoints are gathers too: an input element
//! asks the windows that cover it.

use super::super::build::{Bound, Key};
use super::super::index::{Atom, Coord, Lin};
use super::Emitter;
use crate::ops::{Compare, DType, Literal, Op, Window};
use crate::tensor::Value;
use crate::tile::{self, Map};

/// One axis of a window that covers an input element.
struct Cover {
    /// The window's place in the output.
    window: Lin,
    /// The element's place in the window.
    offset: Lin,
    bounds: Vec<Bound>,
}

impl Emitter<'_> {
    /// The element `offset` of the window at `at`, and where it falls into padding.
    fn element(&self, w: &Window, x: Value, at: &Coord, offset: &[Lin; 2]) -> (Coord, Vec<Bound>) {
        let shape = self.cx.shape(x);
        let mut dims = at.dims.clone();
        let mut bounds = vec![];
        for i in 0..2 {
            let first = at.dims[i + 1].scale(w.stride[i] as i64).offset(-(w.pads[i][0] as i64));
            let index = first.add(&offset[i].scale(w.dilation[i] as i64));
            bounds.push(Bound { lin: index.clone(), lo: 0, hi: shape[i + 1] as i64 });
            dims[i + 1] = index;
        }
        bounds.retain(|b| !b.lin.within(b.lo, b.hi));
        (Coord::from_dims(shape, dims), bounds)
    }

    pub(super) fn window_sum(&mut self, w: &Window, x: Value, at: &Coord, bounds: &[Bound]) -> tile::Value {
        let dtype = self.cx.ty(x).dtype;
        let zero = super::zero(dtype);
        let extents = self.extents(at);
        let [rows, cols] = w.size.map(|n| self.b.axis(n));
        let init = self.b.constant(zero, dtype, extents);
        let outer = self.b.begin(rows, 1, super::super::build::Role::Point, &[init]);
        let inner = self.b.begin(cols, 1, super::super::build::Role::Point, &outer);
        let (place, inside) = self.element(w, x, at, &[Lin::axis(rows), Lin::axis(cols)]);
        let tile = self.eval_or(x, &place, bounds, &inside, zero);
        let sum = self.b.map(Map::Add, &[inner[0], tile]);
        let outer = self.b.end(&[sum]);
        self.b.end(&outer)[0]
    }

    /// The largest value of the window and its offset. The first of equal ones wins, and the first NaN over all.
    pub(super) fn window_argmax(
        &mut self,
        w: &Window,
        value: Value,
        x: Value,
        at: &Coord,
        bounds: &[Bound],
    ) -> (tile::Value, tile::Value) {
        let key = |part| Key { value, part, at: at.flat.clone(), bounds: bounds.to_vec() };
        if let (Some(best), Some(offset)) = (self.b.recall(&key(1)), self.b.recall(&key(2))) {
            return (best, offset);
        }
        let mut state: Option<(tile::Value, tile::Value)> = None;
        for offset in 0..w.size[0] * w.size[1] {
            let [row, col] = [offset / w.size[1], offset % w.size[1]].map(|n| Lin::constant(n as i64));
            let (place, inside) = self.element(w, x, at, &[row, col]);
            let least = Literal::Float(f64::NEG_INFINITY);
            let tile = self.eval_or(x, &place, bounds, &inside, least);
            let number = self.scalar(Literal::Int(offset as i64), DType::I32);
            self.log_bounds(&inside);
            let exists = self.b.holds(&inside);
            state = Some(self.better(state, tile, number, exists));
        }
        let (best, offset) = state.expect("a window has an element");
        self.b.remember(key(1), best);
        self.b.remember(key(2), offset);
        (best, offset)
    }

    /// The winner so far against the next element. Before the first element that exists the offset is −1.
    fn better(
        &mut self,
        state: Option<(tile::Value, tile::Value)>,
        tile: tile::Value,
        number: tile::Value,
        exists: Option<tile::Value>,
    ) -> (tile::Value, tile::Value) {
        let none = self.scalar(Literal::Int(-1), DType::I32);
        let Some((best, offset)) = state else {
            let offset = exists.map_or(number, |e| self.b.map(Map::Select, &[e, number, none]));
            return (tile, offset);
        };
        let not_above = self.b.map(Map::Compare(Compare::Le), &[tile, best]);
        let above_or_nan = self.b.map(Map::Not, &[not_above]);
        let ordered = self.b.map(Map::Compare(Compare::Eq), &[best, best]);
        let mut wins = self.b.map(Map::And, &[above_or_nan, ordered]);
        if let Some(exists) = exists {
            let empty = self.b.map(Map::Compare(Compare::Eq), &[offset, none]);
            let wins_or_first = self.b.map(Map::Or, &[wins, empty]);
            wins = self.b.map(Map::And, &[wins_or_first, exists]);
        }
        (self.b.map(Map::Select, &[wins, tile, best]), self.b.map(Map::Select, &[wins, number, offset]))
    }

    pub(super) fn window_gather(&mut self, w: &Window, args: &[Value], at: &Coord, bounds: &[Bound]) -> tile::Value {
        let (x, offsets) = (args[0], args[1]);
        let known = matches!(self.cx.op(offsets), Op::WindowArgMax { window } if window == w);
        if known && self.leaf(offsets).is_none() && self.cx.arg(offsets, 0) == x {
            return self.window_argmax(w, offsets, x, at, bounds).0;
        }
        let tile = self.eval(offsets, at, bounds);
        let offset = Lin::atom(Atom::Data { tile, limit: (w.size[0] * w.size[1]) as i64 });
        let (row, col) = offset.div_rem(w.size[1] as i64);
        let [row, col] = [row, col].map(|lin| self.settle(&lin));
        let (place, inside) = self.element(w, x, at, &[row, col]);
        self.eval_or(x, &place, bounds, &inside, Literal::Float(f64::NEG_INFINITY))
    }

    /// The windows that may cover an element, along one axis; those that don't exist fail their bounds.
    fn covers(w: &Window, i: usize, at: &Lin, windows: usize) -> Vec<Cover> {
        let [size, stride, dilation] = [w.size[i], w.stride[i], w.dilation[i]].map(|n| n as i64);
        let place = at.clone().offset(w.pads[i][0] as i64);
        let exists = |window: &Lin| Bound { lin: window.clone(), lo: 0, hi: windows as i64 };
        if dilation == 1 {
            let (last, fine) = place.div_rem(stride);
            let candidates = 0..(size + stride - 1) / stride;
            return candidates
                .map(|back| {
                    let window = last.clone().offset(-back);
                    let offset = fine.clone().offset(back * stride);
                    let inside = Bound { lin: offset.clone(), lo: 0, hi: size };
                    Cover { bounds: vec![inside, exists(&window)], window, offset }
                })
                .collect();
        }
        let cover = |offset: i64| {
            let (window, gap) = place.clone().offset(-offset * dilation).div_rem(stride);
            let hits = Bound { lin: gap, lo: 0, hi: 1 };
            Cover { bounds: vec![hits, exists(&window)], window, offset: Lin::constant(offset) }
        };
        (0..size).map(cover).collect()
    }

    /// All pairs of covers: (place of the window, bounds, offset in the window).
    fn covering(&self, w: &Window, y: Value, at: &Coord) -> Vec<(Coord, Vec<Bound>, Lin)> {
        let shape = self.cx.shape(y);
        let [rows, cols] = [0, 1].map(|i| Self::covers(w, i, &at.dims[i + 1], shape[i + 1]));
        let pairs = rows.iter().flat_map(|r| cols.iter().map(move |c| (r, c)));
        pairs
            .map(|(r, c)| {
                let dims = vec![at.dims[0].clone(), r.window.clone(), c.window.clone(), at.dims[3].clone()];
                let mut bounds = [r.bounds.as_slice(), &c.bounds].concat();
                bounds.retain(|b| !b.lin.within(b.lo, b.hi));
                let offset = r.offset.scale(w.size[1] as i64).add(&c.offset);
                (Coord::from_dims(shape, dims), bounds, offset)
            })
            .collect()
    }

    fn sum(&mut self, terms: Vec<tile::Value>, value: Value) -> tile::Value {
        let dtype = self.cx.ty(value).dtype;
        let sum = terms.into_iter().reduce(|a, b| self.b.map(Map::Add, &[a, b]));
        sum.unwrap_or_else(|| self.scalar(super::zero(dtype), dtype))
    }

    pub(super) fn window_sum_grad(
        &mut self,
        w: &Window,
        value: Value,
        y_adj: Value,
        at: &Coord,
        bounds: &[Bound],
    ) -> tile::Value {
        let zero = super::zero(self.cx.ty(value).dtype);
        let covers = self.covering(w, y_adj, at);
        let terms = covers.iter().map(|(place, inside, _)| self.eval_or(y_adj, place, bounds, inside, zero)).collect();
        self.sum(terms, value)
    }

    pub(super) fn window_scatter(
        &mut self,
        w: &Window,
        value: Value,
        args: &[Value],
        at: &Coord,
        bounds: &[Bound],
    ) -> tile::Value {
        let (y_adj, offsets) = (args[0], args[1]);
        let dtype = self.cx.ty(value).dtype;
        let zero = super::zero(dtype);
        let mut terms = vec![];
        for (place, inside, offset) in self.covering(w, y_adj, at) {
            let chosen = self.eval_or(offsets, &place, bounds, &inside, Literal::Int(-1));
            let own = self.index(&offset);
            let wins = self.b.map(Map::Compare(Compare::Eq), &[chosen, own]);
            let tile = self.eval_or(y_adj, &place, bounds, &inside, zero);
            let none = self.scalar(zero, dtype);
            terms.push(self.b.map(Map::Select, &[wins, tile, none]));
        }
        self.sum(terms, value)
    }
}

//! Buffers: parameters, loads and stores, index expressions in loop variables.

use super::values::join;
use super::{Bound, Builder, ONE, Role};
use crate::ops::{DType, Literal};
use crate::schedule::index::{Atom, Axis, Coord, Lin, strides};
use crate::schedule::kernels::Spot;
use crate::tile::{Access, Buf, Guard, Index, Layout, Param, Stmt, StoreMode, TileOp, Value, View};

/// A place in memory as the kernel sees it.
pub struct Source {
    pub spot: Spot,
    pub dtype: DType,
    pub shape: Vec<usize>,
}

impl Source {
    /// The length of a row, where rows lie apart.
    pub fn row(&self) -> Option<i64> {
        match self.spot.layout {
            Layout::RowMajor => None,
            Layout::Padded { .. } => self.shape.last().map(|n| *n as i64),
        }
    }

    /// What kernels see: of rows that lie apart, their matrix.
    fn shape(&self) -> Vec<usize> {
        match (self.spot.layout, self.shape.as_slice()) {
            (Layout::Padded { .. }, [rows @ .., row]) => vec![rows.iter().product(), *row],
            (_, shape) => shape.to_vec(),
        }
    }
}

/// The row, and the element in it.
fn in_rows(at: &Coord, source: &Source) -> Vec<Lin> {
    match at.dims.split_last() {
        Some((within, dims)) if at.dims.iter().all(Lin::is_affine) => {
            vec![Coord::from_dims(&source.shape[..dims.len()], dims.to_vec()).flat, within.clone()]
        }
        _ => at.reshape(&source.shape()).dims,
    }
}

pub(super) struct ParamState {
    pub(super) source: Source,
    loaded: bool,
    loaded_first: bool,
    stored: bool,
    /// Some view needs a division under the buffer's own shape: all are written against its elements in order.
    flat: bool,
}

impl Builder {
    /// The parameter that stands for a place, and the element under its shape: what takes over a buffer may have other
    /// axes than what lay there before.
    fn param(&mut self, source: Source, at: &Coord) -> (usize, Coord) {
        let Some(known) = self.params.iter().position(|p| p.source.spot == source.spot) else {
            let state = ParamState { source, loaded: false, loaded_first: false, stored: false, flat: false };
            self.params.push(state);
            return (self.params.len() - 1, at.clone());
        };
        let shape = &self.params[known].source.shape;
        let at = if *shape == source.shape { at.clone() } else { at.reshape(shape) };
        (known, at)
    }

    /// Reads a tile. Where bounds fail the buffer is not touched and the element is `fill`.
    pub fn load(&mut self, source: Source, at: &Coord, bounds: &[Bound], fill: Option<Literal>) -> Value {
        // Indices from data stand in a tile of the kernel's own orientation: such a load stays straight.
        let turns = self.transposes && bounds.is_empty() && at.flat.tiles().is_empty();
        if !turns || !self.runs_along_rows(&at.flat) {
            return self.load_straight(source, at, bounds, fill);
        }
        self.swap_roles();
        let tile = self.load_straight(source, at, bounds, fill);
        self.swap_roles();
        let ty = self.ty(tile);
        self.op(TileOp::Transpose(tile), &[tile], ty.dtype, (ty.cols, ty.rows))
    }

    fn runs_along_rows(&self, at: &Lin) -> bool {
        let stride = |role: Role| {
            let axis = self.bindings.iter().find(|(a, b)| b.role == role && a.size > 1).map(|(a, _)| *a);
            axis.and_then(|a| at.coefficient(a)).unwrap_or(0)
        };
        stride(Role::Rows) == 1 && stride(Role::Cols).abs() > 1
    }

    fn swap_roles(&mut self) {
        for binding in self.bindings.values_mut() {
            binding.role = match binding.role {
                Role::Rows => Role::Cols,
                Role::Cols => Role::Rows,
                Role::Point => Role::Point,
            };
        }
    }

    fn load_straight(&mut self, source: Source, at: &Coord, bounds: &[Bound], fill: Option<Literal>) -> Value {
        // Bytes widen when they are loaded.
        let dtype = if source.dtype == DType::U8 { DType::I32 } else { source.dtype };
        let (param, place) = self.param(source, at);
        let view = self.view(param, &place, bounds, fill);
        let lins: Vec<&Lin> = std::iter::once(&at.flat).chain(bounds.iter().map(|b| &b.lin)).collect();
        let extents = lins.iter().map(|l| self.extents(l)).fold((ONE, ONE), join);
        let mut info = self.place(&[], &lins);
        let state = &mut self.params[param];
        state.loaded = true;
        state.loaded_first |= !state.stored;
        if state.stored {
            info.depth = self.scopes.len() - 1;
        }
        self.push(TileOp::Load(view), dtype, extents, info)
    }

    pub fn store(&mut self, source: Source, at: &Coord, value: Value, mode: StoreMode) {
        let collects = mode == StoreMode::And;
        let value = if collects { value } else { self.spread(value, self.extents(&at.flat)) };
        let (param, place) = self.param(source, at);
        let view = self.view(param, &place, &[], None);
        let state = &mut self.params[param];
        state.loaded_first |= collects && !state.stored;
        state.stored = true;
        self.scope().body.push(Stmt::Store { view, value, mode });
    }

    fn view(&mut self, param: usize, at: &Coord, bounds: &[Bound], fill: Option<Literal>) -> View {
        let index = self.place_in(param, at).iter().map(|lin| self.expr(lin)).collect();
        let open = bounds.iter().filter(|b| !b.lin.within(b.lo, b.hi));
        let guards: Vec<Guard> = open.map(|b| Guard { expr: self.expr(&b.lin), lo: b.lo, hi: b.hi }).collect();
        let fill = fill.filter(|_| !guards.is_empty());
        View { buf: Buf(param as u32), index, guards, fill }
    }

    /// The element under the shape that the kernel sees.
    fn place_in(&mut self, param: usize, at: &Coord) -> Vec<Lin> {
        let ParamState { source, flat, .. } = &mut self.params[param];
        if source.row().is_some() {
            return in_rows(at, source);
        }
        if at.dims.len() > 1 && !at.dims.iter().all(Lin::is_affine) {
            *flat = true;
            return vec![at.flat.clone()];
        }
        at.dims.clone()
    }

    pub(super) fn expr(&self, lin: &Lin) -> Index {
        let mut sum = (lin.constant != 0).then_some(Index::Const(lin.constant));
        for (atom, c) in lin.terms.iter().rev() {
            let atom = self.atom(atom);
            let term = if *c == 1 { atom } else { Index::Mul(Box::new(atom), *c) };
            sum = Some(match sum {
                Some(sum) => Index::Add(Box::new(term), Box::new(sum)),
                None => term,
            });
        }
        sum.unwrap_or(Index::Const(0))
    }

    fn atom(&self, atom: &Atom) -> Index {
        match atom {
            Atom::Axis(axis) => self.axis_expr(*axis),
            Atom::Div(x, n) => Index::FloorDiv(Box::new(self.expr(x)), *n),
            Atom::Mod(x, n) => Index::Mod(Box::new(self.expr(x)), *n),
            Atom::Data { tile, limit } => Index::Data { tile: *tile, limit: *limit },
        }
    }

    fn axis_expr(&self, axis: Axis) -> Index {
        let Some(binding) = self.bindings.get(&axis) else { return Index::Const(0) };
        let within = match binding.role {
            Role::Point => None,
            Role::Rows => Some(Index::Row),
            Role::Cols => Some(Index::Col),
        };
        match (binding.var, within) {
            (Some(var), Some(within)) => Index::Add(Box::new(Index::Var(var)), Box::new(within)),
            (Some(var), None) => Index::Var(var),
            (None, Some(within)) => within,
            (None, None) => Index::Const(0),
        }
    }
}

impl ParamState {
    pub(super) fn param(&self, number: usize) -> Param {
        let access = match (self.stored, self.loaded_first) {
            (false, _) => Access::Read,
            (true, false) => Access::Write,
            (true, true) => Access::ReadWrite,
        };
        let letter = if self.stored { "y" } else { "x" };
        let shape = self.source.shape();
        let shape = if self.is_flat() { vec![shape.iter().product()] } else { shape };
        let (dtype, layout) = (self.source.dtype, self.source.spot.layout);
        Param { name: format!("{letter}{number}"), dtype, shape, layout, access }
    }

    fn is_flat(&self) -> bool {
        self.flat && self.source.shape.len() > 1
    }
}

/// Writes the views of flattened parameters against their elements in order.
pub(super) fn flatten(body: &mut [Stmt], params: &[ParamState]) {
    let fix = |view: &mut View| {
        let param = &params[view.buf.0 as usize];
        if param.is_flat() && view.index.len() > 1 {
            view.index = vec![dot(std::mem::take(&mut view.index), &strides(&param.source.shape))];
        }
    };
    for stmt in body {
        match stmt {
            Stmt::Let { op: TileOp::Load(view), .. } | Stmt::Store { view, .. } => fix(view),
            Stmt::For(inner) => flatten(&mut inner.body, params),
            Stmt::Let { .. } => {}
        }
    }
}

fn dot(index: Vec<Index>, strides: &[i64]) -> Index {
    let terms = index.into_iter().zip(strides).filter(|(i, _)| *i != Index::Const(0));
    let scaled = terms.map(|(i, s)| if *s == 1 { i } else { Index::Mul(Box::new(i), *s) });
    scaled.reduce(|a, b| Index::Add(Box::new(a), Box::new(b))).unwrap_or(Index::Const(0))
}

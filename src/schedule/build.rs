//! Builds one kernel: iteration axes become grid variables, loops, rows and columns; values go to the outermost
//! scope in which their operands exist.

use super::BufferId;
use super::index::{Atom, Axis, Coord, Lin, strides};
use crate::ops::{DType, Literal};
use crate::tensor;
use crate::tile::{
    Access, Buf, Carry, Extent, For, Grid, Guard, Index, Kernel, Layout, Map, Param, Stmt, StoreMode, TileOp, TileType,
    Value, Var, View,
};
use std::collections::{BTreeSet, HashMap};

/// What an axis is inside a tile.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Role {
    Point,
    Rows,
    Cols,
}

#[derive(Clone, Copy)]
struct Binding {
    var: Option<Var>,
    role: Role,
    extent: Extent,
    depth: usize,
}

/// `lo <= lin < hi`, else the element does not exist.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Bound {
    pub lin: Lin,
    pub lo: i64,
    pub hi: i64,
}

/// What a remembered tile holds: a tensor value (or a companion of it) at a place, where the bounds hold.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Key {
    pub value: tensor::Value,
    pub part: u8,
    pub at: Lin,
    pub bounds: Vec<Bound>,
}

#[derive(Default)]
struct Scope {
    body: Vec<Stmt>,
    memo: HashMap<Key, Value>,
    /// `None` for the kernel's body, and for a loop of one iteration (which is none).
    head: Option<Head>,
}

struct Head {
    var: Var,
    lo: Index,
    hi: Index,
    step: usize,
    /// (init, inner)
    carries: Vec<(Value, Value)>,
}

/// Where a value was defined, and the axes that it depends on.
#[derive(Clone, Default)]
struct Info {
    depth: usize,
    axes: BTreeSet<Axis>,
}

/// A buffer as the kernel sees it.
pub struct Source {
    pub buffer: BufferId,
    pub dtype: DType,
    pub shape: Vec<usize>,
    pub layout: Layout,
}

struct ParamState {
    source: Source,
    loaded: bool,
    loaded_first: bool,
    stored: bool,
    /// Some view needs a division under the buffer's own shape: all are written against its elements in order.
    flat: bool,
}

/// Rows and columns of a tile.
pub type Extents = (Extent, Extent);

pub const ONE: Extent = Extent::Fixed(1);

pub struct Builder {
    grid: Vec<Grid>,
    values: Vec<TileType>,
    infos: Vec<Info>,
    vars: u32,
    axes: u32,
    bindings: HashMap<Axis, Binding>,
    scopes: Vec<Scope>,
    params: Vec<ParamState>,
    /// Loads whose rows are contiguous, not their columns, read the transposed tile.
    pub transposes: bool,
}

impl Builder {
    pub fn new() -> Builder {
        Builder {
            grid: vec![],
            values: vec![],
            infos: vec![],
            vars: 0,
            axes: 0,
            bindings: HashMap::new(),
            scopes: vec![Scope::default()],
            params: vec![],
            transposes: false,
        }
    }

    // ── axes ──

    pub fn axis(&mut self, size: usize) -> Axis {
        self.axes += 1;
        Axis { id: self.axes - 1, size: size as i64 }
    }

    fn var(&mut self) -> Var {
        self.vars += 1;
        Var(self.vars - 1)
    }

    /// Blocks of `step` become grid points; one block needs none.
    pub fn grid(&mut self, axis: Axis, step: usize, role: Role) {
        let size = axis.size as usize;
        if size <= step {
            return self.whole(axis, role);
        }
        let var = self.var();
        self.grid.push(Grid { var, extent: size, step });
        self.bind(axis, var, step, role);
    }

    /// The axis lies in the tile as a whole.
    pub fn whole(&mut self, axis: Axis, role: Role) {
        let depth = self.scopes.len() - 1;
        self.bindings.insert(axis, Binding { var: None, role, extent: Extent::Fixed(axis.size as usize), depth });
    }

    fn bind(&mut self, axis: Axis, var: Var, step: usize, role: Role) {
        let whole = (axis.size as usize).is_multiple_of(step);
        let extent = if whole { Extent::Fixed(step) } else { Extent::Block(var) };
        self.bindings.insert(axis, Binding { var: Some(var), role, extent, depth: self.scopes.len() - 1 });
    }

    pub fn set_role(&mut self, axis: Axis, role: Role) {
        if let Some(binding) = self.bindings.get_mut(&axis) {
            binding.role = role;
        }
    }

    /// Opens a loop over the axis in blocks of `step`, with carried values; gives those inside.
    pub fn begin(&mut self, axis: Axis, step: usize, role: Role, inits: &[Value]) -> Vec<Value> {
        self.scopes.push(Scope::default());
        if axis.size as usize <= step {
            self.whole(axis, role);
            return inits.to_vec();
        }
        let (lo, hi) = (Index::Const(0), Index::Const(axis.size));
        self.head(axis, step, role, inits, lo, hi)
    }

    /// Opens a loop over the points of an axis that lie in `lo..hi`, expressions of axes around it.
    pub fn begin_within(&mut self, axis: Axis, lo: &Lin, hi: &Lin, inits: &[Value]) -> Vec<Value> {
        self.scopes.push(Scope::default());
        let lo = Index::Max(Box::new(Index::Const(0)), Box::new(self.expr(lo)));
        let hi = Index::Min(Box::new(Index::Const(axis.size)), Box::new(self.expr(hi)));
        self.head(axis, 1, Role::Point, inits, lo, hi)
    }

    fn head(&mut self, axis: Axis, step: usize, role: Role, inits: &[Value], lo: Index, hi: Index) -> Vec<Value> {
        let var = self.var();
        self.bind(axis, var, step, role);
        let inner: Vec<Value> = inits.iter().map(|v| self.fresh_like(*v)).collect();
        let carries = inits.iter().copied().zip(inner.iter().copied()).collect();
        self.scope().head = Some(Head { var, lo, hi, step, carries });
        inner
    }

    /// Closes the innermost loop; gives the values after it.
    pub fn end(&mut self, yields: &[Value]) -> Vec<Value> {
        let scope = self.scopes.pop().expect("a loop is open");
        let Some(head) = scope.head else {
            return self.dissolve(scope, yields);
        };
        let carry =
            |(init, inner): &(Value, Value)| Carry { init: *init, inner: *inner, result: self.fresh_like(*init) };
        let carries: Vec<Carry> = head.carries.iter().map(carry).collect();
        let results = carries.iter().map(|c| c.result).collect();
        let Head { var, lo, hi, step, .. } = head;
        let (body, yields) = (scope.body, yields.to_vec());
        self.scope().body.push(Stmt::For(For { var, lo, hi, step, carries, body, yields }));
        results
    }

    /// A loop of one iteration leaves its statements and what it remembers to the scope around it.
    fn dissolve(&mut self, inner: Scope, yields: &[Value]) -> Vec<Value> {
        let depth = self.scopes.len() - 1;
        self.infos.iter_mut().for_each(|info| info.depth = info.depth.min(depth));
        self.bindings.values_mut().for_each(|b| b.depth = b.depth.min(depth));
        let scope = self.scope();
        scope.body.extend(inner.body);
        scope.memo.extend(inner.memo);
        yields.to_vec()
    }

    fn scope(&mut self) -> &mut Scope {
        self.scopes.last_mut().expect("the kernel's body is always open")
    }

    fn fresh_like(&mut self, value: Value) -> Value {
        let depth = self.scopes.len() - 1;
        let axes = self.infos[value.0 as usize].axes.clone();
        self.fresh(self.ty(value), Info { depth, axes })
    }

    fn fresh(&mut self, ty: TileType, info: Info) -> Value {
        self.values.push(ty);
        self.infos.push(info);
        Value(self.values.len() as u32 - 1)
    }

    // ── values ──

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

    fn place(&self, operands: &[Value], lins: &[&Lin]) -> Info {
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

    fn push(&mut self, op: TileOp, dtype: DType, (rows, cols): Extents, info: Info) -> Value {
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

    // ── memory ──

    fn param(&mut self, source: Source) -> usize {
        let known = self.params.iter().position(|p| p.source.buffer == source.buffer);
        known.unwrap_or_else(|| {
            let state = ParamState { source, loaded: false, loaded_first: false, stored: false, flat: false };
            self.params.push(state);
            self.params.len() - 1
        })
    }

    /// Reads a tile. Where bounds fail the buffer is not touched and the element is `fill`.
    pub fn load(&mut self, source: Source, at: &Coord, bounds: &[Bound], fill: Option<Literal>) -> Value {
        if !self.transposes || !bounds.is_empty() || !self.runs_along_rows(&at.flat) {
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
        let param = self.param(source);
        let view = self.view(param, at, bounds, fill);
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
        let extents = self.extents(&at.flat);
        let value = self.spread(value, extents);
        let param = self.param(source);
        let view = self.view(param, at, &[], None);
        self.params[param].stored = true;
        self.scope().body.push(Stmt::Store { view, value, mode });
    }

    fn view(&mut self, param: usize, at: &Coord, bounds: &[Bound], fill: Option<Literal>) -> View {
        let flat = !at.dims.iter().all(Lin::is_affine) && at.dims.len() > 1;
        self.params[param].flat |= flat;
        let index = if flat { vec![self.expr(&at.flat)] } else { at.dims.iter().map(|d| self.expr(d)).collect() };
        let open = bounds.iter().filter(|b| !b.lin.within(b.lo, b.hi));
        let guards: Vec<Guard> = open.map(|b| Guard { expr: self.expr(&b.lin), lo: b.lo, hi: b.hi }).collect();
        let fill = fill.filter(|_| !guards.is_empty());
        View { buf: Buf(param as u32), index, guards, fill }
    }

    fn expr(&self, lin: &Lin) -> Index {
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

    // ── memory of what was computed ──

    pub fn recall(&self, key: &Key) -> Option<Value> {
        self.scopes.iter().rev().find_map(|s| s.memo.get(key)).copied()
    }

    /// Remembers a tile for as long as it is in scope.
    pub fn remember(&mut self, key: Key, value: Value) {
        let depth = self.infos[value.0 as usize].depth;
        self.scopes[depth].memo.insert(key, value);
    }

    /// The kernel and the buffers of its parameters.
    pub fn finish(mut self, name: String) -> (Kernel, Vec<BufferId>) {
        let mut body = self.scopes.pop().expect("the kernel's body").body;
        let params: Vec<Param> = self.params.iter().enumerate().map(|(i, p)| p.param(i)).collect();
        flatten(&mut body, &self.params);
        let args = self.params.iter().map(|p| p.source.buffer).collect();
        (Kernel { name, params, grid: self.grid, body, values: self.values, vars: self.vars }, args)
    }
}

impl ParamState {
    fn param(&self, number: usize) -> Param {
        let access = match (self.stored, self.loaded_first) {
            (false, _) => Access::Read,
            (true, false) => Access::Write,
            (true, true) => Access::ReadWrite,
        };
        let letter = if self.stored { "y" } else { "x" };
        let shape = self.source.shape.clone();
        let shape = if self.is_flat() { vec![shape.iter().product()] } else { shape };
        let (dtype, layout) = (self.source.dtype, self.source.layout);
        Param { name: format!("{letter}{number}"), dtype, shape, layout, access }
    }

    fn is_flat(&self) -> bool {
        self.flat && self.source.shape.len() > 1
    }
}

/// Writes the views of flattened parameters against their elements in order.
fn flatten(body: &mut [Stmt], params: &[ParamState]) {
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

/// The extents of an elementwise operation on two tiles.
fn join(a: Extents, b: Extents) -> Extents {
    let pick = |x, y| if x == ONE { y } else { x };
    (pick(a.0, b.0), pick(a.1, b.1))
}

//! Checks a kernel. A kernel that passes has these properties:
//!
//! 1. Values are numbered without holes; each is defined once and used only after that, inside its block.
//! 2. Loop variables are numbered without holes; each is bound once and used only inside its loop. Steps are ≥ 1.
//! 3. Buffers hold f32, i32, u8 or bool and have distinct names; what has a pitch has rank 2.
//! 4. Tiles are f32, i32 or bool; a blocked axis names a variable in scope; fixed extents are ≥ 1.
//! 5. A carry, its initial value and what is yielded have one type, which does not name the loop's own variable.
//! 6. A view has one index per dimension and the element type of its tile (u8 in memory is i32 in a tile). Stores go
//!    to `write` or `inout` buffers. A guarded load has a fill of its type; a store has none. `&=` takes bools to one
//!    element, without a guard.
//! 7. Divisors are ≥ 1. `data` names an i32 tile that broadcasts to the view. Loop bounds use neither row, column
//!    nor data.
//! 8. Each operation's arguments and result have the types and extents that [`TileOp`] tells; bool tiles are compared
//!    by eq and ne only.
//! 9. The operands of a contraction are loads, and no store to their buffers stands between load and contraction;
//!    `data` of the left one has one column.

mod ops;

use super::{
    Access, Buf, Extent, For, Index, Kernel, Layout, Param, Stmt, StoreMode, TileOp, TileType, Value, Var, View,
};
use crate::ops::{DType, Literal};

/// Checks all invariants; the error says what is wrong and where.
pub fn verify(kernel: &Kernel) -> Result<(), String> {
    let mut checker = Checker {
        kernel,
        defined: vec![false; kernel.values.len()],
        visible: vec![false; kernel.values.len()],
        bound: vec![false; kernel.vars as usize],
        in_scope: vec![false; kernel.vars as usize],
        loads: vec![None; kernel.values.len()],
    };
    checker.kernel().map_err(|e| format!("kernel {}: {e}", kernel.name))
}

type Checked = Result<(), String>;

struct Checker<'a> {
    kernel: &'a Kernel,
    defined: Vec<bool>,
    visible: Vec<bool>,
    bound: Vec<bool>,
    in_scope: Vec<bool>,
    /// The view of each load that still holds what the buffer holds.
    loads: Vec<Option<&'a View>>,
}

fn ensure(condition: bool, message: impl FnOnce() -> String) -> Checked {
    if condition { Ok(()) } else { Err(message()) }
}

impl<'a> Checker<'a> {
    fn kernel(&mut self) -> Checked {
        let kernel = self.kernel;
        for (i, param) in kernel.params.iter().enumerate() {
            check_param(param)?;
            let twice = kernel.params[..i].iter().any(|p| p.name == param.name);
            ensure(!twice, || format!("two buffers are called {}", param.name))?;
        }
        for grid in &kernel.grid {
            self.bind(grid.var, grid.step)?;
            let whole = grid.group > 0 && grid.blocks().is_multiple_of(grid.group);
            ensure(whole, || format!("{} blocks of {} are no groups of {}", grid.blocks(), grid.var, grid.group))?;
        }
        self.block(&kernel.body)?;
        let hole = self.defined.iter().position(|d| !d);
        ensure(hole.is_none(), || format!("%{} is never defined", hole.unwrap_or(0)))?;
        let hole = self.bound.iter().position(|d| !d);
        ensure(hole.is_none(), || format!("i{} is never bound", hole.unwrap_or(0)))
    }

    fn bind(&mut self, var: Var, step: usize) -> Checked {
        let at = var.0 as usize;
        ensure(at < self.bound.len(), || format!("{var} is beyond `vars`"))?;
        ensure(!self.bound[at], || format!("{var} is bound twice"))?;
        ensure(step > 0, || format!("the step of {var} is 0"))?;
        self.bound[at] = true;
        self.in_scope[at] = true;
        Ok(())
    }

    /// Statements of one block; what they define is invisible afterwards.
    fn block(&mut self, body: &'a [Stmt]) -> Checked {
        let mut defined = vec![];
        for stmt in body {
            self.stmt(stmt, &mut defined)?;
        }
        for value in defined {
            self.visible[value.0 as usize] = false;
        }
        Ok(())
    }

    fn stmt(&mut self, stmt: &'a Stmt, defined: &mut Vec<Value>) -> Checked {
        match stmt {
            Stmt::Let { value, op } => {
                self.op(*value, op).map_err(|e| format!("{value}: {e}"))?;
                if let TileOp::Load(view) = op {
                    self.loads[value.0 as usize] = Some(view);
                }
                self.define(*value, defined)
            }
            Stmt::For(lp) => self.for_loop(lp, defined).map_err(|e| format!("for {}: {e}", lp.var)),
            Stmt::Store { view, value, mode } => {
                self.store(view, *value, *mode).map_err(|e| format!("store of {value}: {e}"))
            }
        }
    }

    fn define(&mut self, value: Value, defined: &mut Vec<Value>) -> Checked {
        let at = value.0 as usize;
        ensure(at < self.defined.len(), || format!("{value} has no type"))?;
        ensure(!self.defined[at], || format!("{value} is defined twice"))?;
        self.tile_type(self.kernel.ty(value)).map_err(|e| format!("{value}: {e}"))?;
        self.defined[at] = true;
        self.visible[at] = true;
        defined.push(value);
        Ok(())
    }

    /// The type of a value that may be used here.
    fn used(&self, value: Value) -> Result<TileType, String> {
        let visible = self.visible.get(value.0 as usize) == Some(&true);
        ensure(visible, || format!("{value} is not defined here"))?;
        Ok(self.kernel.ty(value))
    }

    fn tile_type(&self, ty: TileType) -> Checked {
        let known = matches!(ty.dtype, DType::F32 | DType::I32 | DType::Bool);
        ensure(known, || format!("there are no tiles of {}", ty.dtype))?;
        [ty.rows, ty.cols].into_iter().try_for_each(|extent| match extent {
            Extent::Fixed(n) => ensure(n > 0, || "an extent is 0".into()),
            Extent::Block(var) => self.var(var),
        })
    }

    fn var(&self, var: Var) -> Checked {
        ensure(self.in_scope.get(var.0 as usize) == Some(&true), || format!("{var} is not in scope"))
    }

    fn for_loop(&mut self, lp: &'a For, defined: &mut Vec<Value>) -> Checked {
        for bound in [&lp.lo, &lp.hi] {
            self.bound_expr(bound)?;
        }
        let inits: Vec<TileType> = lp.carries.iter().map(|c| self.used(c.init)).collect::<Result<_, _>>()?;
        let mut inside = vec![];
        for (carry, ty) in lp.carries.iter().zip(&inits) {
            self.define(carry.inner, &mut inside)?;
            self.same_type(carry.inner, *ty)?;
        }
        self.bind(lp.var, lp.step)?;
        self.stored_in(&lp.body);
        self.inner_block(lp, &inits, inside)?;
        self.in_scope[lp.var.0 as usize] = false;
        for (carry, ty) in lp.carries.iter().zip(&inits) {
            self.define(carry.result, defined)?;
            self.same_type(carry.result, *ty)?;
        }
        Ok(())
    }

    fn inner_block(&mut self, lp: &'a For, inits: &[TileType], mut inside: Vec<Value>) -> Checked {
        for stmt in &lp.body {
            self.stmt(stmt, &mut inside)?;
        }
        ensure(lp.yields.len() == inits.len(), || "one yield per carry is needed".into())?;
        for (value, ty) in lp.yields.iter().zip(inits) {
            self.used(*value)?;
            self.same_type(*value, *ty)?;
        }
        for value in inside {
            self.visible[value.0 as usize] = false;
        }
        Ok(())
    }

    fn same_type(&self, value: Value, ty: TileType) -> Checked {
        let found = self.kernel.ty(value);
        ensure(found == ty, || format!("{value} is {found}, but its carry starts as {ty}"))
    }

    /// Loads from outside are no longer operands inside a loop that stores to their buffers.
    fn stored_in(&mut self, body: &[Stmt]) {
        for stmt in body {
            match stmt {
                Stmt::Store { view, .. } => self.stored(view.buf),
                Stmt::For(lp) => self.stored_in(&lp.body),
                Stmt::Let { .. } => {}
            }
        }
    }

    fn stored(&mut self, buf: Buf) {
        for load in self.loads.iter_mut().filter(|l| l.is_some_and(|view| view.buf == buf)) {
            *load = None;
        }
    }

    fn bound_expr(&self, index: &Index) -> Checked {
        let mut local = false;
        index.walk(&mut |i| local |= matches!(i, Index::Row | Index::Col | Index::Data { .. }));
        ensure(!local, || "a bound depends on row, column or data".into())?;
        let one = Extent::Fixed(1);
        self.index(index, TileType { dtype: DType::I32, rows: one, cols: one })
    }

    fn index(&self, index: &Index, ty: TileType) -> Checked {
        let mut result = Ok(());
        index.walk(&mut |i| {
            let found = match i {
                Index::Var(var) => self.var(*var),
                Index::FloorDiv(_, n) | Index::Mod(_, n) => ensure(*n > 0, || format!("division by {n}")),
                Index::Data { tile, .. } => self.data(*tile, ty),
                _ => Ok(()),
            };
            if result.is_ok() {
                result = found;
            }
        });
        result
    }

    fn data(&self, tile: Value, ty: TileType) -> Checked {
        let found = self.used(tile)?;
        ensure(found.dtype == DType::I32, || format!("the index {tile} is {found}, not i32"))?;
        ensure(broadcasts(found, ty), || format!("the index {tile}: {found} does not broadcast to {ty}"))
    }

    fn view(&self, view: &View, ty: TileType) -> Checked {
        let Some(param) = self.kernel.params.get(view.buf.0 as usize) else {
            return Err(format!("there is no buffer {}", view.buf.0));
        };
        let rank = param.shape.len();
        ensure(view.index.len() == rank, || format!("{} has rank {rank}", param.name))?;
        let dtype = if param.dtype == DType::U8 { DType::I32 } else { param.dtype };
        ensure(dtype == ty.dtype, || format!("{} holds {}, the tile {}", param.name, param.dtype, ty.dtype))?;
        view.exprs().try_for_each(|e| self.index(e, ty))
    }

    fn load(&self, view: &View, ty: TileType) -> Checked {
        self.view(view, ty)?;
        match view.fill {
            Some(fill) => ensure(literal_fits(fill, ty.dtype), || "the fill has another type".into()),
            None => ensure(view.guards.is_empty(), || "a guarded load needs a fill".into()),
        }
    }

    fn store(&mut self, view: &View, value: Value, mode: StoreMode) -> Checked {
        let ty = self.used(value)?;
        self.view(view, ty)?;
        if mode == StoreMode::And {
            ensure(ty.dtype == DType::Bool && view.guards.is_empty(), || "`&=` takes bools, and no guard".into())?;
            view.index.iter().try_for_each(|index| self.bound_expr(index))?;
        }
        ensure(view.fill.is_none(), || "a store has no fill".into())?;
        let param = &self.kernel.params[view.buf.0 as usize];
        ensure(param.access != Access::Read, || format!("{} is read-only", param.name))?;
        self.stored(view.buf);
        Ok(())
    }
}

fn check_param(param: &Param) -> Checked {
    let known = matches!(param.dtype, DType::F32 | DType::I32 | DType::U8 | DType::Bool);
    ensure(known, || format!("{}: kernels have no buffers of {}", param.name, param.dtype))?;
    match param.layout {
        Layout::RowMajor => Ok(()),
        Layout::Padded { pitch } => {
            let fits = param.shape.len() == 2 && pitch >= param.shape[1];
            ensure(fits, || format!("{}: only a matrix has a pitch, no shorter than its rows", param.name))
        }
    }
}

/// Whether a tile may stand where elements of `to` are wanted: equal extents, or `Fixed(1)`.
fn broadcasts(from: TileType, to: TileType) -> bool {
    let fits = |a: Extent, b: Extent| a == b || a == Extent::Fixed(1);
    fits(from.rows, to.rows) && fits(from.cols, to.cols)
}

fn literal_fits(literal: Literal, dtype: DType) -> bool {
    matches!(
        (literal, dtype),
        (Literal::Float(_), DType::F32) | (Literal::Int(_), DType::I32) | (Literal::Bool(_), DType::Bool)
    )
}

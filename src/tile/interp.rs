//! The reference: runs a kernel element by element, in the documented order of every operation.
//!
//! It evaluates each index expression for each element and knows nothing of vectors. Kernels must pass
//! [`super::verify`]; operations of the second group of [`Map`](super::Map) run through [`super::expand`].

mod buffer;
mod ownership;
pub mod scalar;

pub use buffer::BufferData;

use super::{
    Extent, FoldOp, For, Guard, Index, Kernel, Map, Stmt, StoreMode, TileOp, TileType, Value, Var, View, expand,
};
use crate::ops::{DType, Literal};
use ownership::Ownership;
use std::ops::Range;

/// Runs the grid points in order. `Ok(true)`: a data index was out of range. An access out of bounds, which no
/// correct kernel makes, is an error.
pub fn run(kernel: &Kernel, buffers: &mut [BufferData], points: Range<usize>) -> Result<bool, String> {
    interpret(kernel, buffers, points, &mut None)
}

/// The same for all grid points, the last first. It is an error where one point writes an element that another reads or
/// writes.
pub fn run_disjoint(kernel: &Kernel, buffers: &mut [BufferData]) -> Result<bool, String> {
    let mut ownership = Some(Ownership::new(buffers.iter().map(BufferData::len)));
    interpret(kernel, buffers, (0..kernel.points()).rev(), &mut ownership)
}

/// The elements of each buffer that points read, and those that they write.
#[cfg(test)]
pub fn touched(
    kernel: &Kernel,
    buffers: &mut [BufferData],
    points: Range<usize>,
) -> Result<[Vec<Vec<usize>>; 2], String> {
    let mut ownership = Some(Ownership::new(buffers.iter().map(BufferData::len)));
    interpret(kernel, buffers, points, &mut ownership)?;
    Ok(ownership.map(|o| o.touched()).unwrap_or_default())
}

fn interpret(
    kernel: &Kernel,
    buffers: &mut [BufferData],
    points: impl Iterator<Item = usize>,
    ownership: &mut Option<Ownership>,
) -> Result<bool, String> {
    let expanded = expand::expand(kernel);
    let vars = vec![Binding::default(); expanded.vars as usize];
    let tiles = vec![Tile::default(); expanded.values.len()];
    let mut machine = Machine { kernel: &expanded, buffers, vars, tiles, fault: false, ownership };
    for point in points {
        machine.point(point).map_err(|e| format!("kernel {}, point {point}: {e}", kernel.name))?;
    }
    Ok(machine.fault)
}

/// Elements row by row, as bit patterns (bool: 0 or 1).
#[derive(Clone, Default)]
struct Tile {
    rows: usize,
    cols: usize,
    data: Vec<u32>,
}

impl Tile {
    /// The element, broadcast where an extent is 1.
    fn at(&self, row: usize, col: usize) -> u32 {
        let row = if self.rows == 1 { 0 } else { row };
        let col = if self.cols == 1 { 0 } else { col };
        self.data[row * self.cols + col]
    }

    fn try_build(
        (rows, cols): (usize, usize),
        mut element: impl FnMut(usize, usize) -> Result<u32, String>,
    ) -> Result<Tile, String> {
        let mut data = Vec::with_capacity(rows * cols);
        for row in 0..rows {
            for col in 0..cols {
                data.push(element(row, col)?);
            }
        }
        Ok(Tile { rows, cols, data })
    }

    fn build(extents: (usize, usize), mut element: impl FnMut(usize, usize) -> u32) -> Tile {
        let (rows, cols) = extents;
        let data = (0..rows * cols).map(|at| element(at / cols, at % cols)).collect();
        Tile { rows, cols, data }
    }
}

/// Value of a loop variable and the length of its block.
#[derive(Clone, Copy, Default)]
struct Binding {
    value: i64,
    extent: usize,
}

struct Machine<'a> {
    kernel: &'a Kernel,
    buffers: &'a mut [BufferData],
    vars: Vec<Binding>,
    tiles: Vec<Tile>,
    fault: bool,
    /// Where points are checked against each other.
    ownership: &'a mut Option<Ownership>,
}

type Ran = Result<(), String>;

impl Machine<'_> {
    fn point(&mut self, point: usize) -> Ran {
        if let Some(ownership) = self.ownership {
            ownership.point = point as u32;
        }
        let mut rest = point;
        let mut blocks = vec![0; self.kernel.grid.len()];
        for digit in self.kernel.digits().iter().rev() {
            blocks[digit.grid] += rest % digit.count * digit.blocks;
            rest /= digit.count;
        }
        for (grid, block) in self.kernel.grid.iter().zip(blocks) {
            self.bind(grid.var, (block * grid.step) as i64, grid.extent as i64, grid.step);
        }
        self.block(&self.kernel.body)
    }

    fn bind(&mut self, var: Var, value: i64, hi: i64, step: usize) {
        self.vars[var.0 as usize] = Binding { value, extent: step.min((hi - value) as usize) };
    }

    fn block(&mut self, body: &[Stmt]) -> Ran {
        body.iter().try_for_each(|stmt| match stmt {
            Stmt::Let { value, op } => {
                let tile = self.op(self.kernel.ty(*value), op).map_err(|e| format!("{value}: {e}"))?;
                self.tiles[value.0 as usize] = tile;
                Ok(())
            }
            Stmt::For(lp) => self.for_loop(lp),
            Stmt::Store { view, value, mode } => self.store(view, *value, *mode),
        })
    }

    fn for_loop(&mut self, lp: &For) -> Ran {
        let (mut at, hi) = (self.index(&lp.lo, 0, 0), self.index(&lp.hi, 0, 0));
        let mut carried: Vec<Tile> = lp.carries.iter().map(|c| self.tile(c.init).clone()).collect();
        while at < hi {
            self.bind(lp.var, at, hi, lp.step);
            for (carry, tile) in lp.carries.iter().zip(carried) {
                self.tiles[carry.inner.0 as usize] = tile;
            }
            self.block(&lp.body)?;
            carried = lp.yields.iter().map(|y| self.tile(*y).clone()).collect();
            at += lp.step as i64;
        }
        for (carry, tile) in lp.carries.iter().zip(carried) {
            self.tiles[carry.result.0 as usize] = tile;
        }
        Ok(())
    }

    fn tile(&self, value: Value) -> &Tile {
        &self.tiles[value.0 as usize]
    }

    fn extents(&self, ty: TileType) -> (usize, usize) {
        let length = |extent| match extent {
            Extent::Fixed(n) => n,
            Extent::Block(var) => self.vars[var.0 as usize].extent,
        };
        (length(ty.rows), length(ty.cols))
    }

    fn index(&mut self, index: &Index, row: usize, col: usize) -> i64 {
        match index {
            Index::Const(n) => *n,
            Index::Var(var) => self.vars[var.0 as usize].value,
            Index::Row => row as i64,
            Index::Col => col as i64,
            Index::Add(a, b) => self.index(a, row, col) + self.index(b, row, col),
            Index::Mul(a, n) => self.index(a, row, col) * n,
            Index::FloorDiv(a, n) => self.index(a, row, col).div_euclid(*n),
            Index::Mod(a, n) => self.index(a, row, col).rem_euclid(*n),
            Index::Min(a, b) => self.index(a, row, col).min(self.index(b, row, col)),
            Index::Max(a, b) => self.index(a, row, col).max(self.index(b, row, col)),
            Index::Data { tile, limit } => self.data(*tile, *limit, row, col),
        }
    }

    /// An index from a tile: 0 and a fault where it is out of range.
    fn data(&mut self, tile: Value, limit: i64, row: usize, col: usize) -> i64 {
        let at = i64::from(self.tile(tile).at(row, col) as i32);
        let inside = (0..limit).contains(&at);
        self.fault |= !inside;
        if inside { at } else { 0 }
    }

    /// The address of an element, or `None` where a guard fails. Guards come first: a data index is not looked at
    /// where one fails.
    fn address(&mut self, view: &View, row: usize, col: usize) -> Result<Option<usize>, String> {
        for Guard { expr, lo, hi } in &view.guards {
            if !(*lo..*hi).contains(&self.index(expr, row, col)) {
                return Ok(None);
            }
        }
        let index: Vec<i64> = view.index.iter().map(|e| self.index(e, row, col)).collect();
        let param = &self.kernel.params[view.buf.0 as usize];
        let address = param.address(&index).ok_or_else(|| format!("{}{index:?} is out of bounds", param.name))?;
        Ok(Some(address))
    }

    fn op(&mut self, ty: TileType, op: &TileOp) -> Result<Tile, String> {
        let extents = self.extents(ty);
        Ok(match op {
            TileOp::Load(view) => return self.load(ty, view),
            TileOp::Const(literal) => {
                let bits = literal_bits(*literal, ty.dtype);
                Tile::build(extents, |_, _| bits)
            }
            TileOp::Index(index) => Tile::build(extents, |r, c| self.index(index, r, c) as u32),
            TileOp::Map(map, args) => self.map(extents, *map, args),
            TileOp::Cast(x) => {
                let (from, x) = (self.kernel.ty(*x).dtype, self.tile(*x));
                Tile::build(extents, |r, c| scalar::cast(from, ty.dtype, x.at(r, c)))
            }
            TileOp::Bitcast(x) => self.tile(*x).clone(),
            TileOp::Fold { op, acc, x } => self.fold(ty.dtype, *op, *acc, *x),
            TileOp::Tree { op, x } => self.tree(extents, ty.dtype, *op, *x),
            TileOp::FoldRows { op, x } => {
                let x = self.tile(*x);
                let column = |c| (1..x.rows).fold(x.at(0, c), |acc, r| scalar::fold(*op, ty.dtype, acc, x.at(r, c)));
                Tile::build(extents, |_, c| column(c))
            }
            TileOp::Transpose(x) => Tile::build(extents, |r, c| self.tile(*x).at(c, r)),
            TileOp::Contract { acc, a, b, a_transposed } => self.contract(extents, *acc, *a, *b, *a_transposed),
            TileOp::Philox { key, seed, step, index } => {
                let (seed, step) = (self.tile(*seed).at(0, 0), self.tile(*step).at(0, 0));
                Tile::build(extents, |r, c| scalar::philox(*key, seed, step, self.index(index, r, c)))
            }
        })
    }

    fn load(&mut self, ty: TileType, view: &View) -> Result<Tile, String> {
        let fill = view.fill.map_or(0, |fill| literal_bits(fill, ty.dtype));
        Tile::try_build(self.extents(ty), |r, c| {
            let Some(at) = self.address(view, r, c)? else { return Ok(fill) };
            let buf = view.buf.0 as usize;
            self.ownership.as_mut().map_or(Ok(()), |o| o.read(buf, at))?;
            Ok(self.buffers[buf].get(at))
        })
    }

    fn map(&self, extents: (usize, usize), map: Map, args: &[Value]) -> Tile {
        let dtype = self.kernel.ty(args[args.len() - 1]).dtype;
        let tiles: Vec<&Tile> = args.iter().map(|a| self.tile(*a)).collect();
        let mut bits = [0; 3];
        Tile::build(extents, |r, c| {
            for (slot, tile) in bits.iter_mut().zip(&tiles) {
                *slot = tile.at(r, c);
            }
            scalar::map(map, dtype, &bits[..tiles.len()])
        })
    }

    fn fold(&self, dtype: DType, op: FoldOp, acc: Value, x: Value) -> Tile {
        let (mut out, x) = (self.tile(acc).clone(), self.tile(x));
        for row in 0..x.rows {
            for col in 0..x.cols {
                let partial = &mut out.data[row * 16 + col % 16];
                *partial = scalar::fold(op, dtype, *partial, x.at(row, col));
            }
        }
        out
    }

    fn tree(&self, extents: (usize, usize), dtype: DType, op: FoldOp, x: Value) -> Tile {
        let x = self.tile(x);
        Tile::build(extents, |row, _| {
            let mut partials = x.data[row * 16..][..16].to_vec();
            for half in [8, 4, 2, 1] {
                for i in 0..half {
                    partials[i] = scalar::fold(op, dtype, partials[i], partials[i + half]);
                }
            }
            partials[0]
        })
    }

    fn contract(&self, extents: (usize, usize), acc: Value, a: Value, b: Value, a_transposed: bool) -> Tile {
        let [acc, a, b] = [acc, a, b].map(|v| self.tile(v));
        let float = |tile: &Tile, r, c| f32::from_bits(tile.data[r * tile.cols + c]);
        let left = |r, k| if a_transposed { float(a, k, r) } else { float(a, r, k) };
        Tile::build(extents, |r, c| {
            let chain = |sum, k| scalar::fma(left(r, k), float(b, k, c), sum);
            (0..b.rows).fold(float(acc, r, c), chain).to_bits()
        })
    }

    fn store(&mut self, view: &View, value: Value, mode: StoreMode) -> Ran {
        let dtype = self.kernel.ty(value).dtype;
        let tile = self.tile(value).clone();
        let buf = view.buf.0 as usize;
        for row in 0..tile.rows {
            for col in 0..tile.cols {
                let Some(at) = self.address(view, row, col)? else { continue };
                let bits = match mode {
                    // Several points may do this: the order makes no difference.
                    StoreMode::And => {
                        let all = self.buffers[buf].get(at) & tile.at(row, col);
                        self.buffers[buf].set(at, all);
                        continue;
                    }
                    StoreMode::Set => tile.at(row, col),
                    StoreMode::Add => scalar::map(Map::Add, dtype, &[self.buffers[buf].get(at), tile.at(row, col)]),
                };
                self.ownership.as_mut().map_or(Ok(()), |o| o.write(buf, at))?;
                self.buffers[buf].set(at, bits);
            }
        }
        Ok(())
    }
}

/// The bits of a literal in a tile of this type.
pub fn literal_bits(literal: Literal, dtype: DType) -> u32 {
    match (literal, dtype) {
        (Literal::Float(x), DType::F32) => (x as f32).to_bits(),
        (Literal::Float(x), _) => x as i32 as u32,
        (Literal::Int(n), DType::F32) => (n as f32).to_bits(),
        (Literal::Int(n), _) => n as u32,
        (Literal::Bool(b), DType::F32) => f32::from(u8::from(b)).to_bits(),
        (Literal::Bool(b), _) => b.into(),
    }
}

//! Tile IR to lane IR.
//!
//! - **Grid.** One loop over the points `lo..hi`; grid variables come from the point's number. Where the last block of
//!   a variable is shorter, the body exists twice, behind an `if`: then every extent is a number.
//! - **Tiles** become vectors, rows by ⌈columns / V⌉, computed on demand and element by element, so that a chain of
//!   maps runs vector by vector up to its store. V is the target's, and 16 for kernels with folds or transpositions.
//!   A tile with one column holds its value in every lane.
//! - **Loops** with few constant trips are unrolled; the shorter last block is peeled, or chosen by an `if` among the
//!   lengths that are possible where the bounds are dynamic.
//! - **Indices** are affine at compile time ([`affine`]): what changes in a loop is one index value, the rest of an
//!   address a constant. The coefficient of the lane decides the kind of access.
//! - **Contractions** read their operands in place: per k one splat a row, one vector a column of vectors.
//!
//! The kernel must pass [`crate::tile::verify`]; then placement cannot fail.

mod affine;
mod code;
mod contract;
mod elements;
mod index;
mod loops;
mod maps;
mod memory;
mod residues;
mod stores;
#[cfg(test)]
mod tests;

use super::{Arm, IndexOp, Kernel, Loop, Stmt, Target, Type, Value};
use crate::tile::{self, Extent, Grid, TileOp, TileType, Var};
use affine::Affine;
use code::{Code, Fact};
use std::collections::{HashMap, HashSet};

/// The kernel for a machine; operations that emitters do not have are expanded first.
pub fn place(kernel: &tile::Kernel, target: Target) -> Kernel {
    let kernel = tile::expand::expand(kernel);
    let mut placer = Placer::new(&kernel, lanes(&kernel.body, target));
    if kernel.points() > 0 {
        placer.points();
    }
    Kernel {
        name: kernel.name.clone(),
        buffers: kernel.params.iter().map(|p| p.dtype).collect(),
        points: kernel.points(),
        body: placer.code.close(),
        types: placer.code.types,
    }
}

/// Lanes of all vectors of a kernel: 16 where columns are folded into partials or crossed.
fn lanes(body: &[tile::Stmt], target: Target) -> u16 {
    fn crosses(stmt: &tile::Stmt) -> bool {
        match stmt {
            tile::Stmt::Let { op, .. } => {
                matches!(op, TileOp::Fold { .. } | TileOp::Tree { .. } | TileOp::Transpose(_))
            }
            tile::Stmt::For(lp) => lp.body.iter().any(crosses),
            tile::Stmt::Store { .. } => false,
        }
    }
    if body.iter().any(crosses) { 16 } else { target.lanes }
}

/// Values that are operands of contractions and nothing else.
fn operands(body: &[tile::Stmt]) -> HashSet<tile::Value> {
    fn visit(stmt: &tile::Stmt, operands: &mut HashSet<tile::Value>, others: &mut HashSet<tile::Value>) {
        match stmt {
            tile::Stmt::Let { op: TileOp::Contract { acc, a, b, .. }, .. } => {
                operands.extend([*a, *b]);
                others.insert(*acc);
            }
            tile::Stmt::Let { op, .. } => others.extend(op.uses()),
            tile::Stmt::For(lp) => {
                others.extend(lp.carries.iter().map(|c| c.init));
                others.extend(&lp.yields);
                lp.body.iter().for_each(|s| visit(s, operands, others));
            }
            tile::Stmt::Store { view, value, .. } => {
                others.insert(*value);
                others.extend(view.data());
            }
        }
    }
    let (mut operands, mut others) = (HashSet::new(), HashSet::new());
    body.iter().for_each(|s| visit(s, &mut operands, &mut others));
    operands.difference(&others).copied().collect()
}

/// An element of a tile: row and number of the vector.
type Place = (tile::Value, usize, usize);

struct Placer<'a> {
    kernel: &'a tile::Kernel,
    code: Code,
    vars: HashMap<Var, Affine>,
    /// Lengths of the blocks of variables, in the version at hand.
    blocks: HashMap<Var, usize>,
    definitions: HashMap<tile::Value, &'a TileOp>,
    memo: HashMap<Place, Value>,
    /// What was put into `memo`, so that a scope can take it out again.
    log: Vec<Place>,
    /// Loads in open scopes; some of their elements may not have been read yet.
    loads: Vec<tile::Value>,
    /// Loads that only contractions use: never read as a whole.
    operands: HashSet<tile::Value>,
    /// Loads whose buffers were stored to since: only their elements in `memo` count.
    stale: HashSet<tile::Value>,
}

impl<'a> Placer<'a> {
    fn new(kernel: &'a tile::Kernel, lanes: u16) -> Placer<'a> {
        Placer {
            kernel,
            code: Code::new(lanes),
            vars: HashMap::new(),
            blocks: HashMap::new(),
            definitions: HashMap::new(),
            memo: HashMap::new(),
            log: vec![],
            loads: vec![],
            operands: operands(&kernel.body),
            stale: HashSet::new(),
        }
    }

    fn extent(&self, extent: Extent) -> usize {
        match extent {
            Extent::Fixed(n) => n,
            Extent::Block(var) => self.blocks[&var],
        }
    }

    /// Rows and vectors in a row.
    fn shape(&self, ty: TileType) -> (usize, usize) {
        (self.extent(ty.rows), self.extent(ty.cols).div_ceil(self.code.lanes.into()))
    }

    /// Used lanes of a vector.
    fn count(&self, ty: TileType, vector: usize) -> u16 {
        let lanes = usize::from(self.code.lanes);
        (self.extent(ty.cols) - vector * lanes).min(lanes) as u16
    }

    /// Whether some tile's extent is the block of this variable.
    fn is_blocked(&self, var: Var) -> bool {
        self.kernel.values.iter().any(|ty| [ty.rows, ty.cols].contains(&Extent::Block(var)))
    }

    /// The loop over grid points.
    fn points(&mut self) {
        let (lo, hi) = (Value(0), Value(1));
        self.code.open();
        let point = self.code.fresh(Type::I64);
        let last = self.kernel.points() as i64 - 1;
        self.code.learn(point, Fact { lo: 0, hi: last.max(0), multiple: 1 });
        let partial = self.decode(point);
        self.versions(&partial);
        let body = self.code.close();
        self.code.push(Stmt::Loop(Loop { var: point, lo, hi, step: 1, carries: vec![], body, yields: vec![] }));
    }

    /// Binds the grid variables; returns those whose last block is shorter, with the number of their block.
    fn decode(&mut self, point: Value) -> Vec<(&'a Grid, Value)> {
        let mut partial = vec![];
        let numbers = self.block_numbers(point);
        for (grid, number) in self.kernel.grid.iter().zip(numbers).rev() {
            let Some(number) = number else {
                self.bind(grid.var, Affine::constant(0), grid.extent);
                continue;
            };
            self.bind(grid.var, Affine::term(number, grid.step as i64), grid.step);
            if grid.extent % grid.step != 0 && self.is_blocked(grid.var) {
                partial.push((grid, number));
            }
        }
        partial
    }

    /// For each grid variable of more than one block, the number of its block.
    fn block_numbers(&mut self, point: Value) -> Vec<Option<Value>> {
        let digits = self.kernel.digits();
        let outermost = digits.iter().position(|d| d.count > 1);
        let mut numbers: Vec<Option<Value>> = vec![None; self.kernel.grid.len()];
        let mut rest = point;
        for (n, digit) in digits.iter().enumerate().rev().filter(|(_, d)| d.count > 1) {
            let count = digit.count as i64;
            let value = if outermost == Some(n) { rest } else { self.code.index_by(IndexOp::Mod, rest, count) };
            rest = if outermost == Some(n) { rest } else { self.code.index_by(IndexOp::Div, rest, count) };
            self.code.learn(value, Fact { lo: 0, hi: count - 1, multiple: 1 });
            numbers[digit.grid] = Some(match numbers[digit.grid] {
                None => value,
                Some(inside) => self.in_group(value, inside, &self.kernel.grid[digit.grid]),
            });
        }
        numbers
    }

    /// The number of a block from its group's and its place there.
    fn in_group(&mut self, group: Value, inside: Value, grid: &Grid) -> Value {
        let first = self.code.index_by(IndexOp::Mul, group, grid.group as i64);
        let number = self.code.index(IndexOp::Add, first, inside);
        self.code.learn(number, Fact { lo: 0, hi: grid.blocks() as i64 - 1, multiple: 1 });
        number
    }

    fn bind(&mut self, var: Var, value: Affine, block: usize) {
        self.vars.insert(var, value);
        self.blocks.insert(var, block);
    }

    /// The body once for each choice between whole and shorter last blocks.
    fn versions(&mut self, partial: &[(&'a Grid, Value)]) {
        let Some(((grid, number), others)) = partial.split_first() else {
            let mark = self.mark();
            self.block(&self.kernel.body);
            return self.forget(mark);
        };
        let last = (grid.extent / grid.step) as i64;
        let cond = self.code.equals(*number, last);
        let whole = self.vars[&grid.var].clone();
        let start = last * grid.step as i64;
        let tail = grid.extent % grid.step;
        let then = self.arm(others, grid, Affine::constant(start), tail);
        let fact = self.code.fact(*number);
        self.code.learn(*number, Fact { hi: last - 1, ..fact });
        let otherwise = self.arm(others, grid, whole, grid.step);
        self.code.learn(*number, fact);
        self.code.push(Stmt::If { cond, then, otherwise, results: vec![] });
    }

    fn arm(&mut self, others: &[(&'a Grid, Value)], grid: &Grid, value: Affine, block: usize) -> Arm {
        self.code.open();
        self.bind(grid.var, value, block);
        self.versions(others);
        Arm { body: self.code.close(), yields: vec![] }
    }
}

//! Tile IR: one description of a kernel for every emitter.
//!
//! A kernel is a parallel grid of independent points and a body of loops over small two-dimensional tiles that
//! stay in registers. There are no barriers, masks or lane counts: lowering adds them. What does not fit in
//! registers is a loop, written by the scheduler; kernels talk through buffers only.
//!
//! **Extents.** An axis of a tile is [`Extent::Fixed`] or blocked by a loop variable, [`Extent::Block`]: then its
//! length is the variable's step, and less at the edge: `min(step, hi - var)`. So edges need no masks here.
//!
//! **Indices.** A view maps each element `(row, col)` of a tile to one element of a buffer by [`Index`] expressions in
//! loop variables, `row` and `col`. A convolution is a contraction whose left view is `x[b, oh*s + kh, ow*s + row*s + kw, c + col]`.
//!
//! **Bits.** Every operation has exactly one result, whatever emitter runs it: elementwise operations are IEEE single
//! operations, [`TileOp::Contract`] is one ascending chain of fused multiply-adds per element, a reduction along columns
//! goes through 16 partials ([`TileOp::Fold`]: column c into partial c mod 16, ascending) and a fixed tree
//! ([`TileOp::Tree`]: 8, 4, 2, 1). exp, log, tanh, erf, pow, sin, cos, philox are expanded into those by [`expand`].

pub mod expand;
pub mod footprint;
pub mod interp;
pub mod names;
pub mod parse;
pub mod print;
#[cfg(test)]
pub(crate) mod samples;
#[cfg(test)]
mod tests;
pub mod verify;

use crate::ops::{Compare, DType, Literal};
use std::fmt;

/// A tile value; prints as `%3`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct Value(pub u32);

/// A loop variable; prints as `i0`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct Var(pub u32);

/// A buffer parameter; prints as its name.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct Buf(pub u32);

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "%{}", self.0)
    }
}

impl fmt::Display for Var {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "i{}", self.0)
    }
}

#[derive(Clone, PartialEq, Debug)]
pub struct Kernel {
    pub name: String,
    pub params: Vec<Param>,
    /// The grid, outermost first; points are numbered row-major and run in any order, by any worker.
    pub grid: Vec<Grid>,
    pub body: Vec<Stmt>,
    /// Type of each value, by its number.
    pub values: Vec<TileType>,
    /// Names of the loop variables are their numbers; `vars` counts them.
    pub vars: u32,
}

/// `par i in 0..extent by step group n`
#[derive(Clone, PartialEq, Debug)]
pub struct Grid {
    pub var: Var,
    pub extent: usize,
    pub step: usize,
    /// So many blocks follow each other before variables further inside go on; a divisor of the number of blocks.
    pub group: usize,
}

/// A digit of a point's number.
pub struct Digit {
    /// Which grid variable it belongs to.
    pub grid: usize,
    pub count: usize,
    /// By how many blocks it moves the variable.
    pub blocks: usize,
}

#[derive(Clone, PartialEq, Debug)]
pub struct Param {
    pub name: String,
    pub dtype: DType,
    pub shape: Vec<usize>,
    pub layout: Layout,
    pub access: Access,
}

/// How a buffer lies in memory. Views are written against the shape; the layout only changes addresses.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Layout {
    RowMajor,
    /// Rows (runs along the last dimension) that begin `pitch` elements apart, no less than they are long. A kernel sees
    /// such a buffer as the matrix of its rows.
    Padded {
        pitch: usize,
    },
}

impl Layout {
    /// Number of elements in memory, padding included.
    pub fn elements(self, shape: &[usize]) -> usize {
        match (self, shape) {
            (Layout::Padded { pitch }, [rows @ .., _]) => rows.iter().product::<usize>() * pitch,
            _ => shape.iter().product(),
        }
    }

    /// Where an element lies, by its number in row-major order.
    pub fn position(self, shape: &[usize], element: usize) -> usize {
        match (self, shape) {
            (Layout::Padded { pitch }, [.., row]) => element / row * pitch + element % row,
            _ => element,
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Access {
    Read,
    /// Every element that is read was stored by the same grid point before, or the kernel writes each once.
    Write,
    /// In place: a point reads only elements that it alone writes.
    ReadWrite,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Extent {
    Fixed(usize),
    /// `min(step, hi - var)` of a grid or loop variable
    Block(Var),
}

/// `f32[i0, 16]`: dtype, rows, columns. Elementwise arguments broadcast where an extent is `Fixed(1)`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct TileType {
    pub dtype: DType,
    pub rows: Extent,
    pub cols: Extent,
}

/// An integer expression. Division and remainder are by positive constants and floor.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum Index {
    Const(i64),
    Var(Var),
    /// The row, the column of the element in its tile.
    Row,
    Col,
    Add(Box<Index>, Box<Index>),
    Mul(Box<Index>, i64),
    FloorDiv(Box<Index>, i64),
    Mod(Box<Index>, i64),
    Min(Box<Index>, Box<Index>),
    Max(Box<Index>, Box<Index>),
    /// The element of an i32 tile (broadcast as in maps). Out of `0..limit` is a fault: the run stops with an error
    /// after this kernel, and the access goes to index 0.
    Data {
        tile: Value,
        limit: i64,
    },
}

/// Elements of a buffer, one for each (row, col).
#[derive(Clone, PartialEq, Debug)]
pub struct View {
    pub buf: Buf,
    /// One per dimension of the buffer.
    pub index: Vec<Index>,
    /// Where a guard fails the buffer is not touched: loads give `fill`, stores do nothing.
    pub guards: Vec<Guard>,
    pub fill: Option<Literal>,
}

/// `lo <= expr < hi`
#[derive(Clone, PartialEq, Debug)]
pub struct Guard {
    pub expr: Index,
    pub lo: i64,
    pub hi: i64,
}

#[derive(Clone, PartialEq, Debug)]
pub enum Stmt {
    Let {
        value: Value,
        op: TileOp,
    },
    /// `results = for var in lo..hi by step carry (inner = init) { … yield … }`; runs in ascending order.
    For(For),
    Store {
        view: View,
        value: Value,
        mode: StoreMode,
    },
}

#[derive(Clone, PartialEq, Debug)]
pub struct For {
    pub var: Var,
    pub lo: Index,
    pub hi: Index,
    pub step: usize,
    pub carries: Vec<Carry>,
    pub body: Vec<Stmt>,
    /// One per carry.
    pub yields: Vec<Value>,
}

#[derive(Clone, PartialEq, Debug)]
pub struct Carry {
    pub init: Value,
    /// The value inside the loop.
    pub inner: Value,
    /// The value after the loop.
    pub result: Value,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum StoreMode {
    Set,
    /// Adds to what is there, one element after the other, rows ascending.
    Add,
    /// Makes one bool false where any element of the tile is; all points may do so. The index is the same for all elements.
    And,
}

/// Elementwise operations. The first group exists in every emitter; the second is expanded by [`expand`].
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Map {
    // f32 and i32
    Neg,
    Abs,
    Add,
    Sub,
    Mul,
    // f32
    Div,
    Sqrt,
    Floor,
    Ceil,
    RoundEven,
    /// a * b + c with one rounding
    Fma,
    /// `a > b ? a : b`, as x86's maxps: any NaN, and equal arguments, give b; a denormal comes out as zero, as from
    /// any float operation. `max` of ops is expanded.
    MaxRaw,
    /// `a < b ? a : b`
    MinRaw,
    // i32 and bool
    And,
    Or,
    Xor,
    Not,
    // i32; shift counts of 32 or more give 0 (or the sign, for ShrArith)
    Shl,
    Shr,
    ShrArith,
    /// High 32 bits of the unsigned product.
    MulHigh,
    /// Arguments of one type; the result is bool.
    Compare(Compare),
    /// bool, a, b
    Select,

    // expanded
    Sign,
    Exp,
    Expm1,
    Log,
    Log1p,
    Sin,
    Cos,
    Tanh,
    Erf,
    Pow,
    Max,
    Min,
    FloorDiv,
    Rem,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum FoldOp {
    Add,
    Mul,
    Max,
    Min,
    And,
    Or,
}

#[derive(Clone, PartialEq, Debug)]
pub enum TileOp {
    Load(View),
    /// All elements alike.
    Const(Literal),
    /// The value of an index expression as i32.
    Index(Index),
    Map(Map, Vec<Value>),
    /// f32 ↔ i32 (saturating, NaN → 0), bool → i32/f32 (0, 1), i32/f32 → bool (≠ 0), u8 → i32.
    Cast(Value),
    /// f32 ↔ i32, the same bits.
    Bitcast(Value),
    /// acc[r, 16], x[r, c]: folds column c of x into column c mod 16 of acc, ascending. In every fold `∘` takes the
    /// earlier element first; max and min propagate NaN and equal arguments give the second.
    Fold {
        op: FoldOp,
        acc: Value,
        x: Value,
    },
    /// x[r, 16] → [r, 1]: x0∘x8, x1∘x9, …; then 4, 2, 1.
    Tree {
        op: FoldOp,
        x: Value,
    },
    /// x[r, c] → [1, c]: rows ascending from the first.
    FoldRows {
        op: FoldOp,
        x: Value,
    },
    Transpose(Value),
    /// acc[r, c] + a · b. `a` is [r, k], or [k, r] with `a_transposed`; `b` is [k, c]. For each element one chain of
    /// fused multiply-adds, k ascending. `a` and `b` are results of loads.
    Contract {
        acc: Value,
        a: Value,
        b: Value,
        a_transposed: bool,
    },
    /// Word `i % 4` of Philox4x32-10 block `i / 4`, where i is the index expression: see `ops::Op::Philox`.
    Philox {
        key: u64,
        seed: Value,
        step: Value,
        index: Index,
    },
}

impl Grid {
    pub fn blocks(&self) -> usize {
        self.extent.div_ceil(self.step)
    }
}

impl Kernel {
    /// Number of grid points.
    pub fn points(&self) -> usize {
        self.grid.iter().map(Grid::blocks).product()
    }

    /// The digits of a point's number, the outermost first. A variable with groups has two: the number of the group where
    /// the variable stands, and the block in its group inside of all variables.
    pub fn digits(&self) -> Vec<Digit> {
        let grid = || self.grid.iter().enumerate();
        let groups = grid().map(|(n, g)| Digit { grid: n, count: g.blocks() / g.group, blocks: g.group });
        let inside = grid().filter(|(_, g)| g.group > 1).map(|(n, g)| Digit { grid: n, count: g.group, blocks: 1 });
        groups.chain(inside).collect()
    }

    pub fn ty(&self, value: Value) -> TileType {
        self.values[value.0 as usize]
    }
}

impl Param {
    /// Number of elements in memory, padding included.
    pub fn elements(&self) -> usize {
        self.layout.elements(&self.shape)
    }

    /// Where the element at `index` lies, counted in elements; `None` out of bounds.
    pub fn address(&self, index: &[i64]) -> Option<usize> {
        let inside = |(i, n): (&i64, &usize)| (0..*n as i64).contains(i);
        if index.len() != self.shape.len() || !index.iter().zip(&self.shape).all(inside) {
            return None;
        }
        let element = index.iter().zip(&self.shape).fold(0, |at, (i, n)| at * n + *i as usize);
        Some(self.layout.position(&self.shape, element))
    }
}

impl Extent {
    pub fn var(self) -> Option<Var> {
        match self {
            Extent::Block(var) => Some(var),
            Extent::Fixed(_) => None,
        }
    }
}

impl Index {
    /// The tiles it takes indices from.
    pub fn data(&self) -> Vec<Value> {
        let mut tiles = vec![];
        self.walk(&mut |index| {
            if let Index::Data { tile, .. } = index {
                tiles.push(*tile);
            }
        });
        tiles
    }

    /// Calls `f` on this expression and every one inside it.
    pub fn walk<'a>(&'a self, f: &mut impl FnMut(&'a Index)) {
        f(self);
        match self {
            Index::Add(a, b) | Index::Min(a, b) | Index::Max(a, b) => {
                a.walk(f);
                b.walk(f);
            }
            Index::Mul(a, _) | Index::FloorDiv(a, _) | Index::Mod(a, _) => a.walk(f),
            Index::Const(_) | Index::Var(_) | Index::Row | Index::Col | Index::Data { .. } => {}
        }
    }
}

impl View {
    /// The tiles that its expressions take indices from.
    pub fn data(&self) -> Vec<Value> {
        self.exprs().flat_map(Index::data).collect()
    }

    /// The index expressions, then those of the guards.
    pub fn exprs(&self) -> impl Iterator<Item = &Index> {
        self.index.iter().chain(self.guards.iter().map(|g| &g.expr))
    }
}

impl TileOp {
    /// The values it reads, those inside index expressions last.
    pub fn uses(&self) -> Vec<Value> {
        let mut uses = match self {
            TileOp::Load(_) | TileOp::Const(_) | TileOp::Index(_) => vec![],
            TileOp::Map(_, args) => args.clone(),
            TileOp::Cast(x) | TileOp::Bitcast(x) | TileOp::Transpose(x) => vec![*x],
            TileOp::Fold { acc, x, .. } => vec![*acc, *x],
            TileOp::Tree { x, .. } | TileOp::FoldRows { x, .. } => vec![*x],
            TileOp::Contract { acc, a, b, .. } => vec![*acc, *a, *b],
            TileOp::Philox { seed, step, .. } => vec![*seed, *step],
        };
        match self {
            TileOp::Load(view) => uses.extend(view.data()),
            TileOp::Index(index) | TileOp::Philox { index, .. } => uses.extend(index.data()),
            _ => {}
        }
        uses
    }
}

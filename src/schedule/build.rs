//! Builds one kernel: iteration axes become grid variables, loops, rows and columns; values go to the outermost
//! scope in which their operands exist.

mod axes;
mod memory;
mod values;

pub use memory::Source;

use super::index::{Axis, Lin};
use super::kernels::Spot;
use crate::tensor;
use crate::tile::{Extent, Grid, Index, Kernel, Param, Stmt, TileType, Value, Var};
use memory::ParamState;
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

    pub fn recall(&self, key: &Key) -> Option<Value> {
        self.scopes.iter().rev().find_map(|s| s.memo.get(key)).copied()
    }

    /// Remembers a tile for as long as it is in scope.
    pub fn remember(&mut self, key: Key, value: Value) {
        let depth = self.infos[value.0 as usize].depth;
        self.scopes[depth].memo.insert(key, value);
    }

    /// Forgets all tiles of a value that is about to change.
    pub fn forget(&mut self, value: tensor::Value) {
        self.scopes.iter_mut().for_each(|scope| scope.memo.retain(|key, _| key.value != value));
    }

    /// The kernel, and what its parameters stand for.
    pub fn finish(mut self, name: String) -> (Kernel, Vec<Spot>) {
        let mut body = self.scopes.pop().expect("the kernel's body").body;
        let params: Vec<Param> = self.params.iter().enumerate().map(|(i, p)| p.param(i)).collect();
        memory::flatten(&mut body, &self.params);
        let args = self.params.iter().map(|p| p.source.spot).collect();
        (Kernel { name, params, grid: self.grid, body, values: self.values, vars: self.vars }, args)
    }
}

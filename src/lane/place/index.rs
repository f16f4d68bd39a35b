//! Tile index expressions at a place in a tile.

use super::Placer;
use super::affine::{Affine, Expr};
use crate::lane::{IndexOp, Value, VecOp};
use crate::ops::Compare;
use crate::tile::{self, Extent, Index, TileType};

/// Where an index expression is evaluated: row and column of lane 0, how they go on from lane to lane, the used lanes,
/// and the element (row and vector) for data.
#[derive(Clone)]
pub struct Position {
    pub row: Expr,
    pub col: Expr,
    pub count: u16,
    pub element: (usize, usize),
    pub live: Live,
}

/// Where guards hold: conditions for the access as a whole and for single lanes.
#[derive(Clone, Copy, Default)]
pub struct Live {
    /// Must be at least 0.
    pub slack: Option<Value>,
    /// The lanes that count.
    pub mask: Option<Value>,
    /// At least 0 where the mask holds all used lanes; absent where that cannot be told or cannot be.
    pub all: Option<Value>,
}

impl Placer<'_> {
    /// The position of a vector of a tile. One column is one value for all lanes.
    pub fn position(&self, ty: TileType, row: usize, vector: usize) -> Position {
        let lane = i64::from(ty.cols != Extent::Fixed(1));
        let first = vector as i64 * i64::from(self.code.lanes);
        Position {
            row: Expr::scalar(Affine::constant(row as i64)),
            col: Expr { base: Affine::constant(first), lane, vectors: vec![] },
            count: self.count(ty, vector),
            element: (row, vector),
            live: Live::default(),
        }
    }

    pub fn eval(&mut self, index: &Index, at: &Position) -> Expr {
        match index {
            Index::Const(n) => Expr::scalar(Affine::constant(*n)),
            Index::Var(var) => Expr::scalar(self.vars[var].clone()),
            Index::Row => at.row.clone(),
            Index::Col => at.col.clone(),
            Index::Add(a, b) => self.eval(a, at).plus(&self.eval(b, at)),
            Index::Mul(a, n) => self.eval(a, at).times(*n),
            Index::FloorDiv(a, n) => {
                let a = self.eval(a, at);
                self.code.floor_div(&a, *n, at.count)
            }
            Index::Mod(a, n) => {
                let a = self.eval(a, at);
                self.code.modulo(&a, *n, at.count)
            }
            Index::Min(a, b) => self.extreme(IndexOp::Min, a, b, at),
            Index::Max(a, b) => self.extreme(IndexOp::Max, a, b, at),
            Index::Data { tile, limit } => self.data(*tile, *limit, at),
        }
    }

    fn extreme(&mut self, op: IndexOp, a: &Index, b: &Index, at: &Position) -> Expr {
        let (a, b) = (self.eval(a, at), self.eval(b, at));
        self.code.extreme(op, &a, &b)
    }

    /// A bound of a loop.
    pub fn scalar(&mut self, index: &Index) -> Affine {
        let zero = Expr::scalar(Affine::constant(0));
        let at = Position { row: zero.clone(), col: zero, count: 1, element: (0, 0), live: Live::default() };
        self.eval(index, &at).base
    }

    /// An index from a tile; out of `0..limit` it is a fault and counts as 0.
    fn data(&mut self, tile: tile::Value, limit: i64, at: &Position) -> Expr {
        let vector = self.broadcast_element(tile, at.element.0, at.element.1);
        if self.kernel.ty(tile).cols == Extent::Fixed(1) {
            self.scalar_data(vector, limit, at.live)
        } else {
            self.lane_data(vector, limit, at)
        }
    }

    fn scalar_data(&mut self, vector: Value, limit: i64, live: Live) -> Expr {
        let index = self.code.first_lane(vector);
        let from_end = Affine::term(index, -1).offset(limit - 1);
        let from_end = self.code.value(&from_end);
        let slack = self.code.index(IndexOp::Min, index, from_end);
        // a fault: slack < 0, and the access is live
        let excess = self.code.value(&Affine::term(slack, -1).offset(-1));
        match live.mask {
            None => {
                let excess = live.slack.map_or(excess, |s| self.code.index(IndexOp::Min, s, excess));
                let cond = self.code.at_least_zero(excess);
                self.code.fault_if(cond);
            }
            Some(mask) => {
                let cond = self.code.at_least_zero(excess);
                let bad = self.code.splat_cond(cond);
                let bad = self.code.vec(VecOp::MAnd, &[bad, mask]);
                self.code.fault(bad);
            }
        }
        // 1 where the slack is at least 0, else 0
        let step = self.code.index_by(IndexOp::Add, slack, 1);
        let step = self.code.index_by(IndexOp::Max, step, 0);
        let valid = self.code.index_by(IndexOp::Min, step, 1);
        let checked = self.code.index(IndexOp::Mul, index, valid);
        self.code.learn(checked, super::Fact { lo: 0, hi: (limit - 1).max(0), multiple: 1 });
        Expr::scalar(Affine::term(checked, 1))
    }

    fn lane_data(&mut self, vector: Value, limit: i64, at: &Position) -> Expr {
        let (zero, limit) = (self.code.isplat(0), self.code.isplat(limit.min(i32::MAX.into()) as i32));
        let low = self.code.compare(Compare::Ge, vector, zero);
        let high = self.code.compare(Compare::Lt, vector, limit);
        let valid = self.code.vec(VecOp::MAnd, &[low, high]);
        let mut bad = self.code.vec(VecOp::MNot, &[valid]);
        let used = self.code.first_lanes(at.count);
        bad = self.code.vec(VecOp::MAnd, &[bad, used]);
        if let Some(mask) = self.live_mask(at.live) {
            bad = self.code.vec(VecOp::MAnd, &[bad, mask]);
        }
        self.code.fault(bad);
        Expr::vector(self.code.select(valid, vector, zero))
    }

    /// The mask of both conditions.
    pub fn live_mask(&mut self, live: Live) -> Option<Value> {
        let scalar = live.slack.map(|slack| {
            let cond = self.code.at_least_zero(slack);
            self.code.splat_cond(cond)
        });
        match (scalar, live.mask) {
            (Some(a), Some(b)) => Some(self.code.vec(VecOp::MAnd, &[a, b])),
            (a, b) => a.or(b),
        }
    }
}

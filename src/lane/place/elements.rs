//! Elements of tiles on demand: each vector is computed once, where it is first needed.

use super::{Place, Placer};
use crate::lane::place::affine::{Affine, Expr};
use crate::lane::place::index::Position;
use crate::lane::{LaneOp, TreeOp, Value, VecOp};
use crate::ops::{Compare, DType};
use crate::tile::{self, Extent, FoldOp, TileOp};

impl<'a> Placer<'a> {
    /// The point in `log` to which a scope goes back.
    pub fn mark(&self) -> (usize, usize) {
        (self.log.len(), self.loads.len())
    }

    pub fn forget(&mut self, (log, loads): (usize, usize)) {
        for place in self.log.drain(log..) {
            self.memo.remove(&place);
        }
        self.loads.truncate(loads);
    }

    pub fn remember(&mut self, place: Place, value: Value) {
        self.memo.insert(place, value);
        self.log.push(place);
    }

    /// The vector of a tile that serves row and vector of a larger one.
    pub fn broadcast_element(&mut self, value: tile::Value, row: usize, vector: usize) -> Value {
        let ty = self.kernel.ty(value);
        let row = if ty.rows == Extent::Fixed(1) { 0 } else { row };
        let vector = if ty.cols == Extent::Fixed(1) { 0 } else { vector };
        self.element(value, row, vector)
    }

    pub fn element(&mut self, value: tile::Value, row: usize, vector: usize) -> Value {
        if let Some(known) = self.memo.get(&(value, row, vector)) {
            return *known;
        }
        let result = self.compute(value, row, vector);
        self.remember((value, row, vector), result);
        result
    }

    /// Computes all vectors of a tile.
    pub fn force(&mut self, value: tile::Value) -> Vec<Value> {
        let (rows, vectors) = self.shape(self.kernel.ty(value));
        let places = (0..rows).flat_map(|r| (0..vectors).map(move |j| (r, j)));
        places.map(|(r, j)| self.element(value, r, j)).collect()
    }

    fn compute(&mut self, value: tile::Value, row: usize, vector: usize) -> Value {
        let ty = self.kernel.ty(value);
        let op: &'a TileOp = self.definitions[&value];
        match op {
            TileOp::Load(view) => {
                let at = self.position(ty, row, vector);
                self.load(view, ty.dtype, &at)
            }
            TileOp::Const(literal) => self.splat(ty.dtype, tile::interp::literal_bits(*literal, ty.dtype)),
            TileOp::Index(index) => {
                let at = self.position(ty, row, vector);
                let expr = self.eval(index, &at);
                self.code.vector(&expr)
            }
            TileOp::Map(map, args) => {
                let dtype = self.kernel.ty(args[args.len() - 1]).dtype;
                let args: Vec<Value> = args.iter().map(|a| self.broadcast_element(*a, row, vector)).collect();
                self.map(*map, dtype, &args)
            }
            TileOp::Cast(x) => {
                let from = self.kernel.ty(*x).dtype;
                let x = self.element(*x, row, vector);
                self.cast(from, ty.dtype, x)
            }
            TileOp::Bitcast(x) => {
                let same = self.kernel.ty(*x).dtype == ty.dtype;
                let x = self.element(*x, row, vector);
                if same { x } else { self.code.pure(self.vector_type(ty.dtype), LaneOp::Bitcast(x), &[x]) }
            }
            TileOp::Fold { op, acc, x } => self.fold(*op, *acc, *x, row),
            TileOp::Tree { op, x } => {
                let x = self.element(*x, row, 0);
                self.tree(*op, ty.dtype, x)
            }
            TileOp::FoldRows { op, x } => {
                let rows = self.extent(self.kernel.ty(*x).rows);
                let first = self.element(*x, 0, vector);
                (1..rows).fold(first, |acc, r| {
                    let next = self.element(*x, r, vector);
                    self.combine(*op, ty.dtype, acc, next)
                })
            }
            TileOp::Transpose(x) => self.transpose(*x, row, vector),
            TileOp::Contract { .. } => unreachable!("contractions are computed where they stand"),
            TileOp::Philox { .. } => unreachable!("philox is expanded"),
        }
    }

    /// Columns into sixteen partials; lanes beyond the last column keep theirs.
    fn fold(&mut self, op: FoldOp, acc: tile::Value, x: tile::Value, row: usize) -> Value {
        let ty = self.kernel.ty(x);
        let mut acc = self.element(acc, row, 0);
        for vector in 0..self.shape(ty).1 {
            let next = self.element(x, row, vector);
            let folded = self.combine(op, ty.dtype, acc, next);
            let count = self.count(ty, vector);
            acc = if count < self.code.lanes {
                let used = self.code.first_lanes(count);
                self.code.select(used, folded, acc)
            } else {
                folded
            };
        }
        acc
    }

    /// The emitters' max and min do not promise NaN, so it is put back: any NaN gives NaN.
    fn tree(&mut self, op: FoldOp, dtype: DType, x: Value) -> Value {
        let ty = self.vector_type(dtype);
        let tree = tree_op(op, dtype);
        let result = self.code.pure(ty, LaneOp::Tree(tree, x), &[x]);
        if dtype != DType::F32 || !matches!(op, FoldOp::Max | FoldOp::Min) {
            return result;
        }
        let unordered = self.code.compare(Compare::Ne, x, x);
        let any = self.code.pure(self.code.mask(), LaneOp::Tree(TreeOp::MOr, unordered), &[unordered]);
        let nan = self.code.fsplat(f32::NAN.to_bits());
        self.code.select(any, nan, result)
    }

    /// A load is read across; other tiles are crossed lane by lane.
    fn transpose(&mut self, x: tile::Value, row: usize, vector: usize) -> Value {
        let from = self.kernel.ty(x);
        if let (Some(TileOp::Load(view)), false) = (self.definitions.get(&x).copied(), self.stale.contains(&x))
            && view.data().is_empty()
        {
            let to = tile::TileType { rows: from.cols, cols: from.rows, ..from };
            let at = self.position(to, row, vector);
            let at = Position { row: at.col.clone(), col: at.row.clone(), ..at };
            return self.load(view, from.dtype, &at);
        }
        self.cross(x, row, vector)
    }

    fn cross(&mut self, x: tile::Value, row: usize, vector: usize) -> Value {
        let from = self.kernel.ty(x);
        let lanes = usize::from(self.code.lanes);
        let sources = self.extent(from.rows) - vector * lanes;
        let mut result = None;
        for l in 0..sources.min(lanes) {
            let (from_vector, from_lane) =
                if from.cols == Extent::Fixed(1) { (0, 0) } else { (row / lanes, row % lanes) };
            let source = self.element(x, vector * lanes + l, from_vector);
            let everywhere = self.spread(source, from_lane as u16);
            result = Some(result.map_or(everywhere, |before| {
                let lane = self.code.one_lane(l as u16);
                self.code.select(lane, everywhere, before)
            }));
        }
        result.expect("a tile has rows")
    }

    /// One lane of a vector in every lane: the sum of its bits and zeros.
    fn spread(&mut self, x: Value, lane: u16) -> Value {
        let ty = self.code.types[x.0 as usize];
        let this = self.code.one_lane(lane);
        if ty == self.code.mask() {
            let alone = self.code.vec(VecOp::MAnd, &[x, this]);
            return self.code.pure(ty, LaneOp::Tree(TreeOp::MOr, alone), &[alone]);
        }
        let i32s = self.code.i32s();
        let bits = if ty == i32s { x } else { self.code.pure(i32s, LaneOp::Bitcast(x), &[x]) };
        let zero = self.code.isplat(0);
        let alone = self.code.select(this, bits, zero);
        let sum = self.code.pure(i32s, LaneOp::Tree(TreeOp::IAdd, alone), &[alone]);
        if ty == i32s { sum } else { self.code.pure(ty, LaneOp::Bitcast(sum), &[sum]) }
    }

    /// The position of k in an operand of a contraction: one row or column for all lanes.
    pub fn scalar_position(&self, row: Affine, col: Affine, element: (usize, usize)) -> Position {
        let (row, col) = (Expr::scalar(row), Expr::scalar(col));
        Position { row, col, count: 1, element, live: Default::default() }
    }
}

fn tree_op(op: FoldOp, dtype: DType) -> TreeOp {
    match (op, dtype) {
        (FoldOp::Add, DType::F32) => TreeOp::FAdd,
        (FoldOp::Mul, DType::F32) => TreeOp::FMul,
        (FoldOp::Max, DType::F32) => TreeOp::FMax,
        (FoldOp::Min, DType::F32) => TreeOp::FMin,
        (FoldOp::Add, _) => TreeOp::IAdd,
        (FoldOp::Mul, _) => TreeOp::IMul,
        (FoldOp::Max, _) => TreeOp::IMax,
        (FoldOp::Min, _) => TreeOp::IMin,
        (FoldOp::And, _) => TreeOp::MAnd,
        (FoldOp::Or, _) => TreeOp::MOr,
    }
}

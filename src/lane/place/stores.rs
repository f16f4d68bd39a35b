//! Blocks: definitions are noted, stores are gathered and run element by element together.

use super::Placer;
use crate::lane::{Access, Address, Arm, LaneOp, Stmt, Store, Value, VecOp};
use crate::ops::DType;
use crate::tile::{self, Buf, StoreMode, TileOp, View};

/// A store that has not run yet.
#[derive(Clone, Copy)]
pub struct Pending<'a> {
    view: &'a View,
    value: tile::Value,
    mode: StoreMode,
}

impl<'a> Placer<'a> {
    pub fn block(&mut self, body: &'a [tile::Stmt]) {
        let mut queue: Vec<Pending<'a>> = vec![];
        for stmt in body {
            match stmt {
                tile::Stmt::Let { value, op } => self.define(*value, op, &mut queue),
                tile::Stmt::For(lp) => {
                    self.flush(&mut queue);
                    self.for_loop(lp);
                }
                tile::Stmt::Store { view, value, mode } => {
                    if !self.joins(&queue, view, *value) {
                        self.flush(&mut queue);
                    }
                    queue.push(Pending { view, value: *value, mode: *mode });
                    if *mode == StoreMode::Add {
                        self.flush(&mut queue);
                    }
                }
            }
        }
        self.flush(&mut queue);
    }

    fn define(&mut self, value: tile::Value, op: &'a TileOp, queue: &mut Vec<Pending<'a>>) {
        self.definitions.insert(value, op);
        let touched = match op {
            TileOp::Load(view) => queue.iter().any(|p| p.view.buf == view.buf),
            TileOp::Contract { .. } => true,
            _ => false,
        };
        if touched {
            self.flush(queue);
        }
        match op {
            TileOp::Load(view) => {
                self.stale.remove(&value);
                self.loads.push(value);
                // faults are reported even where nothing uses the element; a contraction reports its own
                if !self.operands.contains(&value) && !view.data().is_empty() {
                    self.force(value);
                }
            }
            TileOp::Index(index) if !index.data().is_empty() => {
                self.force(value);
            }
            TileOp::Contract { acc, a, b, a_transposed } => self.contract(value, *acc, *a, *b, *a_transposed),
            _ => {}
        }
    }

    /// Stores to different buffers, of tiles of one shape, run together.
    fn joins(&self, queue: &[Pending], view: &View, value: tile::Value) -> bool {
        let shape = |v| (self.kernel.ty(v).rows, self.kernel.ty(v).cols);
        queue.iter().all(|p| p.view.buf != view.buf && shape(p.value) == shape(value))
    }

    fn flush(&mut self, queue: &mut Vec<Pending<'a>>) {
        let stores = std::mem::take(queue);
        let Some(first) = stores.first() else { return };
        let together = self.settle_loads(&stores);
        let (rows, vectors) = self.shape(self.kernel.ty(first.value));
        let mut all = vec![None; stores.len()];
        for row in 0..rows {
            for vector in 0..vectors {
                for load in &together {
                    self.element(*load, row, vector);
                }
                for (store, all) in stores.iter().zip(&mut all) {
                    let value = self.element(store.value, row, vector);
                    match store.mode {
                        StoreMode::And => *all = Some(self.both_hold(*all, value, store, vector)),
                        StoreMode::Set | StoreMode::Add => self.store(*store, value, row, vector),
                    }
                }
            }
        }
        for (store, all) in stores.iter().zip(all) {
            if let Some(all) = all {
                self.clear(store, all);
            }
        }
        let bufs: Vec<Buf> = stores.iter().map(|s| s.view.buf).collect();
        self.spoil(&bufs);
    }

    /// Reads what the stores would overwrite. Loads of the very elements that are stored may be read just before each
    /// store: those are returned.
    fn settle_loads(&mut self, stores: &[Pending]) -> Vec<tile::Value> {
        let mut together = vec![];
        for load in self.loads.clone() {
            let Some(TileOp::Load(view)) = self.definitions.get(&load).copied() else { continue };
            let Some(store) = stores.iter().find(|s| s.view.buf == view.buf) else { continue };
            if self.stale.contains(&load) || self.operands.contains(&load) {
                continue;
            }
            let same = *store.view == View { fill: None, ..view.clone() } && store.mode == StoreMode::Set;
            let (from, to) = (self.kernel.ty(load), self.kernel.ty(store.value));
            if same && (from.rows, from.cols) == (to.rows, to.cols) {
                together.push(load);
            } else {
                self.force(load);
            }
        }
        together
    }

    /// Reads what stores to these buffers would overwrite.
    pub fn settle(&mut self, bufs: &[Buf]) {
        for load in self.loads.clone() {
            if let Some(TileOp::Load(view)) = self.definitions.get(&load).copied()
                && bufs.contains(&view.buf)
                && !self.stale.contains(&load)
                && !self.operands.contains(&load)
            {
                self.force(load);
            }
        }
        self.spoil(bufs);
    }

    fn spoil(&mut self, bufs: &[Buf]) {
        for load in &self.loads {
            if let Some(TileOp::Load(view)) = self.definitions.get(load)
                && bufs.contains(&view.buf)
            {
                self.stale.insert(*load);
            }
        }
    }

    /// The lanes of a mask in which `value` holds as well; lanes that are not in use do.
    fn both_hold(&mut self, all: Option<Value>, value: Value, store: &Pending, vector: usize) -> Value {
        let count = self.count(self.kernel.ty(store.value), vector);
        let mut value = value;
        if count < self.code.lanes {
            let used = self.code.first_lanes(count);
            let unused = self.code.vec(VecOp::MNot, &[used]);
            value = self.code.vec(VecOp::MOr, &[value, unused]);
        }
        all.map_or(value, |all| self.code.vec(VecOp::MAnd, &[all, value]))
    }

    /// Stores false where a lane does not hold. Nothing is stored else: other workers may do the same at this time.
    fn clear(&mut self, store: &Pending, all: Value) {
        let mut at = self.position(self.kernel.ty(store.value), 0, 0);
        at.count = self.code.lanes;
        at.live.mask = Some(self.code.vec(VecOp::MNot, &[all]));
        let Some((address, access, _)) = self.store_access(store.view, &at) else { return };
        let value = self.code.first_lanes(0);
        self.code.push(Stmt::Store(Store { address, access, value }));
    }

    fn store(&mut self, store: Pending<'a>, value: Value, row: usize, vector: usize) {
        let ty = self.kernel.ty(store.value);
        let at = self.position(ty, row, vector);
        let Some((address, access, cond)) = self.store_access(store.view, &at) else { return };
        let Some(cond) = cond else { return self.store_here(store.mode, ty.dtype, address, access, value, at.count) };
        self.code.open();
        self.store_here(store.mode, ty.dtype, address, access, value, at.count);
        let then = Arm { body: self.code.close(), yields: vec![] };
        let otherwise = Arm { body: vec![], yields: vec![] };
        self.code.push(Stmt::If { cond, then, otherwise, results: vec![] });
    }

    /// Adding where lanes may meet in one element goes lane by lane.
    fn store_here(
        &mut self,
        mode: StoreMode,
        dtype: DType,
        address: Address,
        access: Access,
        value: Value,
        count: u16,
    ) {
        match (mode, access) {
            (StoreMode::Set | StoreMode::And, _) => self.code.push(Stmt::Store(Store { address, access, value })),
            (StoreMode::Add, Access::Indexed { offsets, mask }) => {
                for lane in 0..count {
                    let this = self.code.one_lane(lane);
                    let mask = self.code.vec(VecOp::MAnd, &[mask, this]);
                    self.add_to(dtype, address, Access::Indexed { offsets, mask }, value);
                }
            }
            (StoreMode::Add, _) => self.add_to(dtype, address, access, value),
        }
    }

    fn add_to(&mut self, dtype: DType, address: Address, access: Access, value: Value) {
        let before = self.code.emit(self.vector_type(dtype), LaneOp::Load { address, access });
        let op = if dtype == DType::F32 { VecOp::FAdd } else { VecOp::IAdd };
        let value = self.code.vec(op, &[before, value]);
        self.code.push(Stmt::Store(Store { address, access, value }));
    }
}

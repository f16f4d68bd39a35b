//! Views: addresses, guards, loads.

use super::Placer;
use super::affine::{Affine, Expr};
use super::index::Position;
use crate::lane::{Access, Address, Arm, IndexOp, LaneOp, Stmt, Type, Value, VecOp};
use crate::ops::{Compare, DType};
use crate::tile::interp::literal_bits;
use crate::tile::{Guard, Layout, View};

impl Placer<'_> {
    /// The type of vectors of a tile, or from a buffer, of this element type.
    pub fn vector_type(&self, dtype: DType) -> Type {
        match dtype {
            DType::F32 => self.code.f32s(),
            DType::Bool => self.code.mask(),
            _ => self.code.i32s(),
        }
    }

    /// Every lane a literal's bits.
    pub fn splat(&mut self, dtype: DType, bits: u32) -> Value {
        match dtype {
            DType::F32 => self.code.fsplat(bits),
            DType::Bool => self.code.first_lanes(if bits != 0 { self.code.lanes } else { 0 }),
            _ => self.code.isplat(bits as i32),
        }
    }

    /// The position with what the guards leave of it; `None` where no lane is left.
    fn guards(&mut self, guards: &[Guard], at: &Position) -> Option<Position> {
        let mut at = at.clone();
        for guard in guards {
            let expr = self.eval(&guard.expr, &at);
            let (lo, hi) = (guard.lo, guard.hi - 1);
            match self.code.lane_range(&expr, at.count) {
                Some((least, most)) if least >= lo && most <= hi => {}
                Some((least, most)) if most < lo || least > hi => return None,
                _ if expr.is_scalar() => {
                    let slack = self.slack(&expr.base, lo, hi);
                    at.live.slack = self.both(at.live.slack, Some(slack));
                }
                _ => self.lane_guard(&expr, lo, hi, &mut at),
            }
        }
        Some(at)
    }

    /// The smaller of two slacks.
    fn both(&mut self, a: Option<Value>, b: Option<Value>) -> Option<Value> {
        match (a, b) {
            (Some(a), Some(b)) => Some(self.code.index(IndexOp::Min, a, b)),
            (a, b) => a.or(b),
        }
    }

    /// At least 0 where `lo <= affine <= hi`.
    fn slack(&mut self, affine: &Affine, lo: i64, hi: i64) -> Value {
        let (least, most) = self.code.range(affine);
        let above = affine.offset(-lo);
        let below = affine.times(-1).offset(hi);
        if least >= lo {
            return self.code.value(&below);
        }
        let above = self.code.value(&above);
        if most <= hi {
            return above;
        }
        let below = self.code.value(&below);
        self.code.index(IndexOp::Min, above, below)
    }

    /// A guard that differs between lanes. Known lanes from the first on shorten the access; others make a mask.
    fn lane_guard(&mut self, expr: &Expr, lo: i64, hi: i64, at: &mut Position) {
        let masked = at.live.mask.is_some();
        let mask = match (expr.base.known(), expr.vectors.is_empty()) {
            (Some(base), true) => {
                let inside = |l| (lo..=hi).contains(&(base + expr.lane * i64::from(l)));
                let lanes: Vec<bool> = (0..self.code.lanes).map(|l| l < at.count && inside(l)).collect();
                let first = lanes.iter().take_while(|l| **l).count();
                if first > 0 && lanes[first..].iter().all(|l| !l) {
                    at.count = first as u16;
                    return;
                }
                at.live.all = None;
                self.code.static_mask(&lanes)
            }
            (_, affine) => {
                let all = affine.then(|| self.all_lanes(expr, lo, hi, at.count));
                at.live.all = match (masked, at.live.all, all) {
                    (true, None, _) | (_, _, None) => None,
                    (_, before, all) => self.both(before, all),
                };
                self.dynamic_mask(expr, lo, hi, at.count)
            }
        };
        at.live.mask = Some(at.live.mask.map_or(mask, |m| self.code.vec(VecOp::MAnd, &[m, mask])));
    }

    fn dynamic_mask(&mut self, expr: &Expr, lo: i64, hi: i64, count: u16) -> Value {
        let vector = self.code.vector(expr);
        let (lo, hi) = (self.code.isplat(clip(lo)), self.code.isplat(clip(hi)));
        let above = self.code.compare(Compare::Ge, vector, lo);
        let below = self.code.compare(Compare::Le, vector, hi);
        let inside = self.code.vec(VecOp::MAnd, &[above, below]);
        let used = self.code.first_lanes(count);
        if count < self.code.lanes { self.code.vec(VecOp::MAnd, &[inside, used]) } else { inside }
    }

    /// At least 0 where the first and the last lane are within the bounds.
    fn all_lanes(&mut self, expr: &Expr, lo: i64, hi: i64, count: u16) -> Value {
        let reach = expr.lane * (i64::from(count) - 1);
        let above = expr.base.offset(reach.min(0) - lo);
        let below = expr.base.offset(reach.max(0)).times(-1).offset(hi);
        let (above, below) = (self.code.value(&above), self.code.value(&below));
        self.code.index(IndexOp::Min, above, below)
    }

    /// Index expressions of the dimensions.
    fn dimensions(&mut self, view: &View, at: &Position) -> Vec<Expr> {
        view.index.iter().map(|index| self.eval(index, at)).collect()
    }

    /// Distance in memory, in elements, from the start of the buffer.
    fn linear(&mut self, view: &View, dims: &[Expr]) -> Expr {
        let param = &self.kernel.params[view.buf.0 as usize];
        match param.layout {
            Layout::RowMajor => {
                let step = |sum: Expr, (dim, n): (&Expr, &usize)| sum.times(*n as i64).plus(dim);
                dims.iter().zip(&param.shape).fold(Expr::default(), step)
            }
            Layout::Padded { pitch } => dims[0].times(pitch as i64).plus(&dims[1]),
        }
    }

    /// The address and kind of access of a vector. `mask`: lanes that may be touched, beyond the first `count`.
    pub fn access(
        &mut self,
        view: &View,
        dims: &[Expr],
        count: u16,
        mask: Option<Value>,
        load: bool,
    ) -> (Address, Access) {
        let linear = self.linear(view, dims);
        let (index, offset) = self.code.split_value(&linear.base);
        let address = Address { buffer: view.buf.0, index, offset };
        let access = match linear.lane {
            0 if load => Some(Access::Splat),
            0 if count > 1 => None,
            0 | 1 => Some(Access::Contiguous { count }),
            stride => Some(Access::Strided { stride, count }),
        };
        if let (Some(access), None, true) = (access, mask, linear.vectors.is_empty()) {
            return (address, access);
        }
        let varying = Expr { base: Affine::default(), ..linear };
        let offsets = self.code.vector(&varying);
        let used = self.code.first_lanes(count);
        let mask = match mask {
            Some(mask) if count < self.code.lanes => self.code.vec(VecOp::MAnd, &[mask, used]),
            Some(mask) => mask,
            None => used,
        };
        (address, Access::Indexed { offsets, mask })
    }

    /// Loads a vector of a view.
    pub fn load(&mut self, view: &View, dtype: DType, at: &Position) -> Value {
        let fill = view.fill.map_or(0, |fill| literal_bits(fill, dtype));
        let Some(left) = self.guards(&view.guards, at) else { return self.splat(dtype, fill) };
        let dims = self.dimensions(view, &left);
        let loaded = match (left.live.mask, left.live.slack) {
            (Some(_), _) => self.load_masked(view, dtype, &dims, &left, fill),
            (None, Some(slack)) => self.load_guarded(view, dtype, &dims, left.count, slack, fill),
            (None, None) => self.load_plain(view, dtype, &dims, left.count, None),
        };
        if left.count == at.count {
            return loaded;
        }
        let (used, fill) = (self.code.first_lanes(left.count), self.splat(dtype, fill));
        self.code.select(used, loaded, fill)
    }

    fn load_plain(&mut self, view: &View, dtype: DType, dims: &[Expr], count: u16, mask: Option<Value>) -> Value {
        let (address, access) = self.access(view, dims, count, mask, true);
        self.code.emit(self.vector_type(dtype), LaneOp::Load { address, access })
    }

    /// Lanes whose guard fails are not touched: they read 0, and the fill is selected where it is another value. Mostly
    /// all lanes hold, so that case has a plain load of its own.
    fn load_masked(&mut self, view: &View, dtype: DType, dims: &[Expr], at: &Position, fill: u32) -> Value {
        let affine = dims.iter().all(|d| d.vectors.is_empty());
        match self.both(at.live.all, at.live.slack) {
            Some(slack) if affine && at.live.all.is_some() => {
                let cond = self.code.at_least_zero(slack);
                self.choose(
                    cond,
                    dtype,
                    |placer| placer.load_plain(view, dtype, dims, at.count, None),
                    |placer| placer.load_some(view, dtype, dims, at, fill),
                )
            }
            _ => self.load_some(view, dtype, dims, at, fill),
        }
    }

    fn load_some(&mut self, view: &View, dtype: DType, dims: &[Expr], at: &Position, fill: u32) -> Value {
        let mask = self.live_mask(at.live);
        let loaded = self.load_plain(view, dtype, dims, at.count, mask);
        match mask {
            Some(mask) if fill != 0 => {
                let fill = self.splat(dtype, fill);
                self.code.select(mask, loaded, fill)
            }
            _ => loaded,
        }
    }

    /// `if cond { then } else { otherwise }`
    fn choose(
        &mut self,
        cond: Value,
        dtype: DType,
        then: impl FnOnce(&mut Self) -> Value,
        otherwise: impl FnOnce(&mut Self) -> Value,
    ) -> Value {
        self.code.open();
        let value = then(self);
        let then = Arm { body: self.code.close(), yields: vec![value] };
        self.code.open();
        let value = otherwise(self);
        let otherwise = Arm { body: self.code.close(), yields: vec![value] };
        let result = self.code.fresh(self.vector_type(dtype));
        self.code.push(Stmt::If { cond, then, otherwise, results: vec![result] });
        result
    }

    /// A guard for all lanes: the indices are clamped and the fill is selected. Where an index that varies by lane
    /// could leave the buffer, the load stands in an `if`.
    fn load_guarded(&mut self, view: &View, dtype: DType, dims: &[Expr], count: u16, slack: Value, fill: u32) -> Value {
        let cond = self.code.at_least_zero(slack);
        let fill = self.splat(dtype, fill);
        let Some(clamped) = self.clamped(view, dims, count) else {
            return self.choose(cond, dtype, |placer| placer.load_plain(view, dtype, dims, count, None), |_| fill);
        };
        let loaded = self.load_plain(view, dtype, &clamped, count, None);
        let mask = self.code.splat_cond(cond);
        self.code.select(mask, loaded, fill)
    }

    /// The indices within the shape, or `None` where lanes differ and may lie outside.
    fn clamped(&mut self, view: &View, dims: &[Expr], count: u16) -> Option<Vec<Expr>> {
        let shape = &self.kernel.params[view.buf.0 as usize].shape;
        let mut out = vec![];
        for (dim, n) in dims.iter().zip(shape) {
            let last = *n as i64 - 1;
            let range = self.code.lane_range(dim, count);
            if range.is_some_and(|(lo, hi)| lo >= 0 && hi <= last) {
                out.push(dim.clone());
            } else if dim.is_scalar() {
                let zero = Expr::scalar(Affine::constant(0));
                let low = self.code.extreme(IndexOp::Max, dim, &zero);
                out.push(self.code.extreme(IndexOp::Min, &low, &zero.offset(last)));
            } else {
                return None;
            }
        }
        Some(out)
    }

    /// Address and kind of access of a store; `None` where it does nothing. The condition, if any, must hold.
    pub fn store_access(&mut self, view: &View, at: &Position) -> Option<(Address, Access, Option<Value>)> {
        let at = self.guards(&view.guards, at)?;
        let dims = self.dimensions(view, &at);
        let (address, access) = self.access(view, &dims, at.count, at.live.mask, false);
        let cond = at.live.slack.map(|slack| self.code.at_least_zero(slack));
        Some((address, access, cond))
    }
}

fn clip(n: i64) -> i32 {
    n.clamp(i32::MIN.into(), i32::MAX.into()) as i32
}

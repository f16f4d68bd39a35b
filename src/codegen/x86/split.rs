//! Vectors of more lanes than a register has, as several vectors of one register each: lane IR to lane IR.
//!
//! A value that is the same in all lanes stays one value, and so does what is computed from such values alone.

use crate::lane::{Access, Address, Arm, Elem, Kernel, LaneOp, Loop, Stmt, Store, TreeOp, Type, Value, VecOp};
use crate::ops::Compare;
use std::borrow::Cow;
use std::collections::HashMap;

/// The kernel with vectors of `lanes` lanes. Stays as it is where no vector is longer, or one is no multiple of that.
pub fn split(kernel: &Kernel, lanes: u16) -> Cow<'_, Kernel> {
    let longer = kernel.types.iter().any(|ty| ty.lanes() > lanes);
    let fits = kernel.types.iter().all(|ty| ty.lanes().is_multiple_of(lanes));
    if !longer || !fits {
        return Cow::Borrowed(kernel);
    }
    let mut splitter = Splitter {
        kernel,
        lanes,
        types: kernel.types[..2].to_vec(),
        parts: vec![vec![]; kernel.types.len()],
        prefixes: HashMap::new(),
        body: vec![],
    };
    (0..2).for_each(|n| splitter.parts[n] = vec![Value(n as u32)]);
    let body = splitter.block(&kernel.body);
    Cow::Owned(Kernel {
        body,
        types: splitter.types,
        name: kernel.name.clone(),
        buffers: kernel.buffers.clone(),
        ..*kernel
    })
}

struct Splitter<'a> {
    kernel: &'a Kernel,
    lanes: u16,
    types: Vec<Type>,
    /// The vectors of each value of the kernel, in the order of their lanes.
    parts: Vec<Vec<Value>>,
    /// New masks of a known number of first lanes.
    prefixes: HashMap<Value, u16>,
    body: Vec<Stmt>,
}

// ── values ──
impl Splitter<'_> {
    fn fresh(&mut self, ty: Type) -> Value {
        self.types.push(ty);
        Value(self.types.len() as u32 - 1)
    }

    fn emit(&mut self, ty: Type, op: LaneOp) -> Value {
        let value = self.fresh(ty);
        if let LaneOp::FirstLanes(n) = op {
            self.prefixes.insert(value, n);
        }
        self.body.push(Stmt::Let { value, op });
        value
    }

    /// The type of a part, and the number of parts.
    fn part_of(&self, ty: Type) -> (Type, u16) {
        match ty {
            Type::I64 | Type::Cond => (ty, 1),
            Type::Vec(elem, n) => (Type::Vec(elem, self.lanes), n / self.lanes),
            Type::Mask(n) => (Type::Mask(self.lanes), n / self.lanes),
        }
    }

    fn scalar(&self, v: Value) -> Value {
        self.parts[v.0 as usize][0]
    }

    /// Part `n`; scalars are one.
    fn part(&self, v: Value, n: u16) -> Value {
        let parts = &self.parts[v.0 as usize];
        parts[usize::from(n).min(parts.len() - 1)]
    }

    fn all_parts(&self, values: impl IntoIterator<Item = Value>) -> Vec<Value> {
        values.into_iter().flat_map(|v| self.parts[v.0 as usize].clone()).collect()
    }

    /// New values in place of one that a loop or an `if` defines.
    fn define(&mut self, v: Value) -> Vec<Value> {
        let (ty, n) = self.part_of(self.kernel.types[v.0 as usize]);
        let parts: Vec<Value> = (0..n).map(|_| self.fresh(ty)).collect();
        self.parts[v.0 as usize] = parts.clone();
        parts
    }
}

// ── statements ──
impl Splitter<'_> {
    fn block(&mut self, body: &[Stmt]) -> Vec<Stmt> {
        let outside = std::mem::take(&mut self.body);
        body.iter().for_each(|s| self.stmt(s));
        std::mem::replace(&mut self.body, outside)
    }

    fn stmt(&mut self, stmt: &Stmt) {
        match stmt {
            Stmt::Let { value, op } => self.parts[value.0 as usize] = self.assign(*value, op),
            Stmt::Loop(l) => self.looped(l),
            Stmt::If { cond, then, otherwise, results } => {
                let cond = self.scalar(*cond);
                let [then, otherwise] = [then, otherwise].map(|arm| self.arm(arm));
                let results = results.iter().flat_map(|r| self.define(*r)).collect();
                self.body.push(Stmt::If { cond, then, otherwise, results });
            }
            Stmt::Store(s) => self.store(s),
            Stmt::Fault { mask } => {
                let mut masks = self.all_parts([*mask]);
                masks.dedup();
                self.body.extend(masks.into_iter().map(|mask| Stmt::Fault { mask }));
            }
            Stmt::FaultIf { cond } => {
                let cond = self.scalar(*cond);
                self.body.push(Stmt::FaultIf { cond });
            }
        }
    }

    fn arm(&mut self, arm: &Arm) -> Arm {
        let body = self.block(&arm.body);
        Arm { body, yields: self.all_parts(arm.yields.iter().copied()) }
    }

    fn looped(&mut self, l: &Loop) {
        let (lo, hi) = (self.scalar(l.lo), self.scalar(l.hi));
        let inits = self.all_parts(l.carries.iter().map(|c| c.0));
        let var = self.define(l.var)[0];
        let inside: Vec<Value> = l.carries.iter().flat_map(|c| self.define(c.1)).collect();
        let body = self.block(&l.body);
        let yields = self.all_parts(l.yields.iter().copied());
        let after: Vec<Value> = l.carries.iter().flat_map(|c| self.define(c.2)).collect();
        let carries = inits.into_iter().zip(inside).zip(after).map(|((a, b), c)| (a, b, c)).collect();
        self.body.push(Stmt::Loop(Loop { var, lo, hi, step: l.step, carries, body, yields }));
    }

    fn store(&mut self, s: &Store) {
        let parts = self.parts[s.value.0 as usize].clone();
        for (n, value) in (0..).zip(parts) {
            if let Some((address, access)) = self.access(&s.address, &s.access, n) {
                self.body.push(Stmt::Store(Store { address, access, value }));
            }
        }
    }
}

// ── memory ──
impl Splitter<'_> {
    /// Part `n` of an access; `None` where no lane is left.
    fn access(&self, address: &Address, access: &Access, n: u16) -> Option<(Address, Access)> {
        let skipped = n * self.lanes;
        let left = |count: u16| count.saturating_sub(skipped).min(self.lanes);
        let moved = |stride: i64| Address {
            index: self.scalar(address.index),
            offset: address.offset + i64::from(skipped) * stride,
            ..*address
        };
        Some(match *access {
            Access::Contiguous { count } | Access::Strided { count, .. } if left(count) == 0 => return None,
            Access::Contiguous { count } => (moved(1), Access::Contiguous { count: left(count) }),
            Access::Strided { stride, count } => (moved(stride), Access::Strided { stride, count: left(count) }),
            Access::Splat => (moved(0), Access::Splat),
            Access::Indexed { offsets, mask } => {
                let mask = self.part(mask, n);
                if self.prefixes.get(&mask) == Some(&0) {
                    return None;
                }
                (moved(0), Access::Indexed { offsets: self.part(offsets, n), mask })
            }
        })
    }
}

/// One part of an operation: another one, or a value that is there already.
enum Piece {
    Op(LaneOp),
    Is(Value),
}

// ── operations ──
impl Splitter<'_> {
    /// The parts of an operation's result. A part like the one before it is the same value.
    fn assign(&mut self, value: Value, op: &LaneOp) -> Vec<Value> {
        let (ty, n) = self.part_of(self.kernel.types[value.0 as usize]);
        if let LaneOp::Tree(op, v) = op {
            return vec![self.tree(*op, ty, *v); n.into()];
        }
        let mut parts: Vec<Value> = vec![];
        let mut before = None;
        for n in 0..n {
            let part = match self.piece(ty, op, n) {
                Piece::Is(value) => value,
                Piece::Op(op) if before.as_ref() == Some(&op) => parts[usize::from(n) - 1],
                Piece::Op(op) => {
                    before = Some(op.clone());
                    self.emit(ty, op)
                }
            };
            parts.push(part);
        }
        parts
    }

    fn piece(&mut self, ty: Type, op: &LaneOp, n: u16) -> Piece {
        let prefix = |v: Value| self.prefixes.get(&self.part(v, n)).copied();
        match op {
            LaneOp::Lanes if n > 0 => {
                let (first, skipped) = (self.emit(ty, LaneOp::Lanes), LaneOp::ISplat(i32::from(n * self.lanes)));
                let skipped = self.emit(ty, skipped);
                Piece::Op(LaneOp::Vec(VecOp::IAdd, vec![first, skipped]))
            }
            LaneOp::FirstLanes(count) => {
                Piece::Op(LaneOp::FirstLanes(count.saturating_sub(n * self.lanes).min(self.lanes)))
            }
            LaneOp::Load { address, access } => Piece::Op(match self.access(address, access, n) {
                Some((address, access)) => LaneOp::Load { address, access },
                None => zero(ty),
            }),
            LaneOp::Select(m, _, b) if prefix(*m) == Some(0) => Piece::Is(self.part(*b, n)),
            LaneOp::Select(m, a, _) if prefix(*m) == Some(self.lanes) => Piece::Is(self.part(*a, n)),
            _ => Piece::Op(with_args(op, |v| self.part(v, n))),
        }
    }

    /// The first steps of a tree pair whole registers.
    fn tree(&mut self, op: TreeOp, ty: Type, v: Value) -> Value {
        let mut parts = self.parts[v.0 as usize].clone();
        while parts.len() > 1 {
            let above = parts.split_off(parts.len() / 2);
            parts = parts.into_iter().zip(above).map(|(a, b)| self.tree_step(op, ty, a, b)).collect();
        }
        self.emit(ty, LaneOp::Tree(op, parts[0]))
    }

    fn tree_step(&mut self, op: TreeOp, ty: Type, a: Value, b: Value) -> Value {
        let op = match op {
            TreeOp::FAdd => VecOp::FAdd,
            TreeOp::FMul => VecOp::FMul,
            TreeOp::FMax => VecOp::FMax,
            TreeOp::FMin => VecOp::FMin,
            TreeOp::IAdd => VecOp::IAdd,
            TreeOp::IMul => VecOp::IMul,
            TreeOp::MAnd => VecOp::MAnd,
            TreeOp::MOr => VecOp::MOr,
            TreeOp::IMax => return self.pick(Compare::Gt, ty, a, b),
            TreeOp::IMin => return self.pick(Compare::Lt, ty, a, b),
        };
        self.emit(ty, LaneOp::Vec(op, vec![a, b]))
    }

    /// Lanes of `a` where the comparison with `b` holds, else of `b`.
    fn pick(&mut self, op: Compare, ty: Type, a: Value, b: Value) -> Value {
        let mask = self.emit(Type::Mask(self.lanes), LaneOp::Compare(op, a, b));
        self.emit(ty, LaneOp::Select(mask, a, b))
    }
}

fn zero(ty: Type) -> LaneOp {
    match ty {
        Type::Vec(Elem::F32, _) => LaneOp::FSplat(0),
        Type::Mask(_) => LaneOp::FirstLanes(0),
        _ => LaneOp::ISplat(0),
    }
}

/// The operation on other arguments. Memory and trees are for the caller.
fn with_args(op: &LaneOp, f: impl Fn(Value) -> Value) -> LaneOp {
    match op {
        LaneOp::Index(op, a, b) => LaneOp::Index(*op, f(*a), f(*b)),
        LaneOp::IndexCompare(op, a, b) => LaneOp::IndexCompare(*op, f(*a), f(*b)),
        LaneOp::FirstLane(v) => LaneOp::FirstLane(f(*v)),
        LaneOp::SplatIndex(v) => LaneOp::SplatIndex(f(*v)),
        LaneOp::SplatCond(v) => LaneOp::SplatCond(f(*v)),
        LaneOp::Vec(op, args) => LaneOp::Vec(*op, args.iter().map(|v| f(*v)).collect()),
        LaneOp::Compare(op, a, b) => LaneOp::Compare(*op, f(*a), f(*b)),
        LaneOp::Select(m, a, b) => LaneOp::Select(f(*m), f(*a), f(*b)),
        LaneOp::ToF32(v) => LaneOp::ToF32(f(*v)),
        LaneOp::ToI32(v) => LaneOp::ToI32(f(*v)),
        LaneOp::Bitcast(v) => LaneOp::Bitcast(f(*v)),
        LaneOp::IConst(_)
        | LaneOp::FSplat(_)
        | LaneOp::ISplat(_)
        | LaneOp::Lanes
        | LaneOp::FirstLanes(_)
        | LaneOp::Load { .. }
        | LaneOp::Tree(..) => op.clone(),
    }
}

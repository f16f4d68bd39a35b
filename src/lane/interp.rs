//! The reference interpreter of lane IR: the bits that every emitter must produce, one lane at a time.
//!
//! f32 arithmetic is IEEE single with denormals flushed: a denormal argument counts as zero of its sign, and so does a
//! result that is denormal after rounding, as x86 does with FTZ and DAZ. Operations on bits (negation, absolute value,
//! select, bitcast, loads and stores) flush nothing. NaN is compared as a class: payloads are not specified.

use super::{Access, Address, Elem, IndexOp, Kernel, LaneOp, Loop, Stmt, Store, TreeOp, Type, Value, VecOp};
use crate::ops::{Compare, DType};
use std::cmp::Ordering;

/// Runs grid points `lo..hi` on `buffers` (bytes, one per kernel buffer); true where a data index was out of range.
///
/// Panics where the kernel touches memory outside a buffer or was not verified: both are faults of the compiler.
pub fn run(kernel: &Kernel, buffers: &mut [Vec<u8>], lo: i64, hi: i64) -> bool {
    let mut machine = Machine { kernel, values: vec![Datum::I64(0); kernel.types.len()], buffers, fault: false };
    machine.set(Value(0), Datum::I64(lo));
    machine.set(Value(1), Datum::I64(hi));
    machine.body(&kernel.body);
    machine.fault
}

/// What a value holds; vectors as bits, masks as one word per lane, 0 or 1.
#[derive(Clone, Debug)]
enum Datum {
    I64(i64),
    Cond(bool),
    Lanes(Vec<u32>),
}

struct Machine<'a> {
    kernel: &'a Kernel,
    values: Vec<Datum>,
    buffers: &'a mut [Vec<u8>],
    fault: bool,
}

// ── control ──
impl Machine<'_> {
    fn set(&mut self, value: Value, datum: Datum) {
        self.values[value.0 as usize] = datum;
    }

    fn get(&self, value: Value) -> &Datum {
        &self.values[value.0 as usize]
    }

    fn ty(&self, value: Value) -> Type {
        self.kernel.types[value.0 as usize]
    }

    fn index(&self, value: Value) -> i64 {
        let Datum::I64(n) = *self.get(value) else { panic!("{value} is no index") };
        n
    }

    fn cond(&self, value: Value) -> bool {
        let Datum::Cond(c) = *self.get(value) else { panic!("{value} is no condition") };
        c
    }

    fn lanes(&self, value: Value) -> &[u32] {
        let Datum::Lanes(lanes) = self.get(value) else { panic!("{value} is no vector") };
        lanes
    }

    fn copy_all(&mut self, from: &[Value], to: impl Iterator<Item = Value>) {
        let data: Vec<_> = from.iter().map(|&v| self.get(v).clone()).collect();
        to.zip(data).for_each(|(value, datum)| self.set(value, datum));
    }

    fn body(&mut self, body: &[Stmt]) {
        body.iter().for_each(|s| self.stmt(s));
    }

    fn stmt(&mut self, stmt: &Stmt) {
        match stmt {
            Stmt::Let { value, op } => {
                let datum = self.op(op, self.ty(*value));
                self.set(*value, datum);
            }
            Stmt::Loop(l) => self.looped(l),
            Stmt::If { cond, then, otherwise, results } => {
                let arm = if self.cond(*cond) { then } else { otherwise };
                self.body(&arm.body);
                self.copy_all(&arm.yields, results.iter().copied());
            }
            Stmt::Store(s) => self.store(s),
            Stmt::Fault { mask } => self.fault |= self.lanes(*mask).contains(&1),
            Stmt::FaultIf { cond } => self.fault |= self.cond(*cond),
        }
    }

    fn looped(&mut self, l: &Loop) {
        let inits: Vec<_> = l.carries.iter().map(|c| c.0).collect();
        let inner: Vec<_> = l.carries.iter().map(|c| c.1).collect();
        self.copy_all(&inits, inner.iter().copied());
        let (mut at, hi) = (self.index(l.lo), self.index(l.hi));
        while at < hi {
            self.set(l.var, Datum::I64(at));
            self.body(&l.body);
            self.copy_all(&l.yields, inner.iter().copied());
            at += l.step;
        }
        self.copy_all(&inner, l.carries.iter().map(|c| c.2));
    }
}

// ── memory ──
impl Machine<'_> {
    /// The elements that an access touches: (lane, index in the buffer).
    fn elements(&self, address: &Address, access: &Access, lanes: u16) -> Vec<(usize, usize)> {
        let base = self.index(address.index) + address.offset;
        let at = |lane: i64, index: i64| {
            (lane as usize, usize::try_from(index).unwrap_or_else(|_| panic!("b{}[{index}]", address.buffer)))
        };
        match *access {
            Access::Contiguous { count } => (0..count as i64).map(|l| at(l, base + l)).collect(),
            Access::Splat => (0..lanes as i64).map(|l| at(l, base)).collect(),
            Access::Strided { stride, count } => (0..count as i64).map(|l| at(l, base + l * stride)).collect(),
            Access::Indexed { offsets, mask } => {
                let (offsets, mask) = (self.lanes(offsets), self.lanes(mask));
                let live = (0..lanes as usize).filter(|&l| mask[l] == 1);
                live.map(|l| at(l as i64, base + offsets[l] as i32 as i64)).collect()
            }
        }
    }

    fn load(&self, address: &Address, access: &Access, ty: Type) -> Vec<u32> {
        let mut out = vec![0; ty.lanes() as usize];
        let dtype = self.kernel.buffers[address.buffer as usize];
        for (lane, index) in self.elements(address, access, ty.lanes()) {
            let bytes = &self.buffers[address.buffer as usize][index * dtype.size()..][..dtype.size()];
            out[lane] = match dtype {
                DType::U8 => bytes[0] as u32,
                DType::Bool => (bytes[0] != 0) as u32,
                _ => u32::from_le_bytes(bytes.try_into().expect("four bytes")),
            };
        }
        out
    }

    fn store(&mut self, s: &Store) {
        let lanes = self.lanes(s.value).to_vec();
        let size = self.kernel.buffers[s.address.buffer as usize].size();
        for (lane, index) in self.elements(&s.address, &s.access, lanes.len() as u16) {
            let bytes = &lanes[lane].to_le_bytes()[..size];
            self.buffers[s.address.buffer as usize][index * size..][..size].copy_from_slice(bytes);
        }
    }
}

// ── operations ──
impl Machine<'_> {
    fn op(&self, op: &LaneOp, ty: Type) -> Datum {
        let n = ty.lanes() as usize;
        Datum::Lanes(match op {
            LaneOp::IConst(n) => return Datum::I64(*n),
            LaneOp::Index(op, a, b) => return Datum::I64(index_op(*op, self.index(*a), self.index(*b))),
            LaneOp::IndexCompare(op, a, b) => {
                return Datum::Cond(compare(*op, Some(self.index(*a).cmp(&self.index(*b)))));
            }
            LaneOp::FirstLane(v) => return Datum::I64(self.lanes(*v)[0] as i32 as i64),
            LaneOp::SplatIndex(v) => vec![self.index(*v) as u32; n],
            LaneOp::SplatCond(v) => vec![self.cond(*v) as u32; n],
            LaneOp::FSplat(bits) => vec![*bits; n],
            LaneOp::ISplat(i) => vec![*i as u32; n],
            LaneOp::Lanes => (0..n as u32).collect(),
            LaneOp::FirstLanes(count) => (0..n).map(|l| (l < *count as usize) as u32).collect(),
            LaneOp::Load { address, access } => self.load(address, access, ty),
            LaneOp::Vec(op, args) => {
                let args: Vec<_> = args.iter().map(|&v| self.lanes(v)).collect();
                (0..n).map(|l| vec_op(*op, |i| args[i][l])).collect()
            }
            LaneOp::Compare(op, a, b) => {
                let order = order_of(self.ty(*a));
                let (a, b) = (self.lanes(*a), self.lanes(*b));
                a.iter().zip(b).map(|(&a, &b)| compare(*op, order(a, b)) as u32).collect()
            }
            LaneOp::Select(m, a, b) => {
                let (m, a, b) = (self.lanes(*m), self.lanes(*a), self.lanes(*b));
                (0..n).map(|l| if m[l] == 1 { a[l] } else { b[l] }).collect()
            }
            LaneOp::ToF32(v) => self.lanes(*v).iter().map(|&x| (x as i32 as f32).to_bits()).collect(),
            LaneOp::ToI32(v) => self.lanes(*v).iter().map(|&x| f32::from_bits(x) as i32 as u32).collect(),
            LaneOp::Bitcast(v) => self.lanes(*v).to_vec(),
            LaneOp::Tree(op, v) => vec![tree(*op, self.lanes(*v)); n],
        })
    }
}

fn index_op(op: IndexOp, a: i64, b: i64) -> i64 {
    match op {
        IndexOp::Add => a.wrapping_add(b),
        IndexOp::Sub => a.wrapping_sub(b),
        IndexOp::Mul => a.wrapping_mul(b),
        IndexOp::Min => a.min(b),
        IndexOp::Max => a.max(b),
        IndexOp::Div => a.div_euclid(b),
        IndexOp::Mod => a.rem_euclid(b),
    }
}

fn compare(op: Compare, order: Option<Ordering>) -> bool {
    match op {
        Compare::Eq => order == Some(Ordering::Equal),
        Compare::Ne => order != Some(Ordering::Equal),
        Compare::Lt => order == Some(Ordering::Less),
        Compare::Le => matches!(order, Some(Ordering::Less | Ordering::Equal)),
        Compare::Gt => order == Some(Ordering::Greater),
        Compare::Ge => matches!(order, Some(Ordering::Greater | Ordering::Equal)),
    }
}

fn order_of(ty: Type) -> fn(u32, u32) -> Option<Ordering> {
    match ty {
        Type::Vec(Elem::F32, _) => |a, b| value(a).partial_cmp(&value(b)),
        Type::Vec(Elem::I32, _) => |a, b| Some((a as i32).cmp(&(b as i32))),
        _ => |a, b| Some(a.cmp(&b)),
    }
}

/// An argument of arithmetic: a denormal is zero of its sign.
fn value(bits: u32) -> f32 {
    let x = f32::from_bits(bits);
    if x.is_subnormal() { 0f32.copysign(x) } else { x }
}

/// A result of arithmetic: `x` is the exact `wide` rounded to f32. It is flushed where rounding `wide` to 24 bits with
/// an unbounded exponent would stay below the smallest normal number.
fn result(x: f32, wide: f64) -> u32 {
    const TINY: f64 = f32::MIN_POSITIVE as f64 * (1.0 - 1.0 / (1u64 << 25) as f64);
    let tiny = x.is_subnormal() || (x.abs() == f32::MIN_POSITIVE && wide.abs() < TINY);
    if tiny { 0f32.copysign(x).to_bits() } else { x.to_bits() }
}

fn exact(x: f32) -> u32 {
    result(x, x as f64)
}

/// `a > b ? a : b` and its mirror image, on flushed values.
fn pick(a: u32, b: u32, chosen: fn(f32, f32) -> bool) -> u32 {
    let (a, b) = (value(a), value(b));
    (if chosen(a, b) { a } else { b }).to_bits()
}

fn fma(a: f32, b: f32, c: f32) -> u32 {
    result(a.mul_add(b, c), (a as f64).mul_add(b as f64, c as f64))
}

/// One lane of an operation; `bits(i)` is the lane of argument i.
fn vec_op(op: VecOp, bits: impl Fn(usize) -> u32) -> u32 {
    let f = |i| value(bits(i));
    let wide = |i| f(i) as f64;
    let i = |k| bits(k) as i32;
    let shift = |by: u32, shifted: fn(u32, u32) -> u32| if by < 32 { shifted(bits(0), by) } else { 0 };
    match op {
        VecOp::FNeg => bits(0) ^ 0x8000_0000,
        VecOp::FAbs => bits(0) & 0x7fff_ffff,
        VecOp::FAdd => exact(f(0) + f(1)),
        VecOp::FSub => exact(f(0) - f(1)),
        VecOp::FMul => result(f(0) * f(1), wide(0) * wide(1)),
        VecOp::FDiv => result(f(0) / f(1), wide(0) / wide(1)),
        VecOp::FSqrt => f(0).sqrt().to_bits(),
        VecOp::FFloor => f(0).floor().to_bits(),
        VecOp::FCeil => f(0).ceil().to_bits(),
        VecOp::FRound => f(0).round_ties_even().to_bits(),
        VecOp::Fma => fma(f(0), f(1), f(2)),
        VecOp::FMax => pick(bits(0), bits(1), |a, b| a > b),
        VecOp::FMin => pick(bits(0), bits(1), |a, b| a < b),
        VecOp::INeg => i(0).wrapping_neg() as u32,
        VecOp::IAbs => i(0).wrapping_abs() as u32,
        VecOp::IAdd => bits(0).wrapping_add(bits(1)),
        VecOp::ISub => bits(0).wrapping_sub(bits(1)),
        VecOp::IMul => bits(0).wrapping_mul(bits(1)),
        VecOp::IMulHigh => ((bits(0) as u64 * bits(1) as u64) >> 32) as u32,
        VecOp::IAnd | VecOp::MAnd => bits(0) & bits(1),
        VecOp::IOr | VecOp::MOr => bits(0) | bits(1),
        VecOp::IXor | VecOp::MXor => bits(0) ^ bits(1),
        VecOp::INot => !bits(0),
        VecOp::MNot => 1 - bits(0),
        VecOp::IShl => shift(bits(1), |x, by| x << by),
        VecOp::IShr => shift(bits(1), |x, by| x >> by),
        VecOp::ISar => (i(0) >> bits(1).min(31)) as u32,
    }
}

fn tree(op: TreeOp, lanes: &[u32]) -> u32 {
    let mut x = lanes.to_vec();
    let mut half = x.len() / 2;
    while half > 0 {
        (0..half).for_each(|l| x[l] = tree_op(op, x[l], x[l + half]));
        half /= 2;
    }
    x[0]
}

fn tree_op(op: TreeOp, a: u32, b: u32) -> u32 {
    let vec = |op| vec_op(op, |i| if i == 0 { a } else { b });
    match op {
        TreeOp::FAdd => vec(VecOp::FAdd),
        TreeOp::FMul => vec(VecOp::FMul),
        TreeOp::FMax => vec(VecOp::FMax),
        TreeOp::FMin => vec(VecOp::FMin),
        TreeOp::IAdd => vec(VecOp::IAdd),
        TreeOp::IMul => vec(VecOp::IMul),
        TreeOp::IMax => (a as i32).max(b as i32) as u32,
        TreeOp::IMin => (a as i32).min(b as i32) as u32,
        TreeOp::MAnd => vec(VecOp::MAnd),
        TreeOp::MOr => vec(VecOp::MOr),
    }
}

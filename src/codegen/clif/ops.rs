//! Vector operations, four lanes at a time.

use super::{Emitter, Known, int_cc, parts};
use crate::lane::{self, Elem, LaneOp, TreeOp, Value, VecOp};
use crate::ops::Compare;
use cranelift::codegen::ir::{self, ConstantData, types};
use cranelift::prelude::{FloatCC, InstBuilder, IntCC};

const F32X4: ir::Type = types::F32X4;
const I32X4: ir::Type = types::I32X4;

fn float_cc(op: Compare) -> FloatCC {
    match op {
        Compare::Eq => FloatCC::Equal,
        Compare::Ne => FloatCC::NotEqual,
        Compare::Lt => FloatCC::LessThan,
        Compare::Le => FloatCC::LessThanOrEqual,
        Compare::Gt => FloatCC::GreaterThan,
        Compare::Ge => FloatCC::GreaterThanOrEqual,
    }
}

/// The words of lanes `4 * quad ..` of a vector whose lane l holds `word(l)`.
fn quad_words(quad: usize, word: impl Fn(u32) -> u32) -> [u32; 4] {
    std::array::from_fn(|l| word((4 * quad + l) as u32))
}

fn all_ones(set: bool) -> u32 {
    if set { u32::MAX } else { 0 }
}

/// Puts the factor of an fma that all quads share second: x86 overwrites the first, and would copy it each time.
fn order_factors(op: VecOp, args: &mut [Vec<ir::Value>]) {
    if op == VecOp::Fma && args[0].iter().all(|q| *q == args[0][0]) {
        args.swap(0, 1);
    }
}

impl Emitter<'_, '_> {
    pub(super) fn vector_op(&mut self, op: &LaneOp, ty: lane::Type) -> Vec<ir::Value> {
        let count = parts(ty).1;
        match op {
            LaneOp::SplatIndex(v) => {
                let low = self.b.ins().ireduce(types::I32, self.values[v.0 as usize][0]);
                vec![self.b.ins().splat(I32X4, low); count]
            }
            LaneOp::SplatCond(v) => {
                let mask = self.b.ins().bmask(types::I32, self.values[v.0 as usize][0]);
                vec![self.b.ins().splat(I32X4, mask); count]
            }
            LaneOp::FSplat(bits) => vec![self.words(F32X4, [*bits; 4]); count],
            LaneOp::ISplat(n) => vec![self.words(I32X4, [*n as u32; 4]); count],
            LaneOp::Lanes => (0..count).map(|q| self.words(I32X4, quad_words(q, |l| l))).collect(),
            LaneOp::FirstLanes(n) => {
                (0..count).map(|q| self.words(I32X4, quad_words(q, |l| all_ones(l < (*n).into())))).collect()
            }
            LaneOp::Vec(op @ (VecOp::IShl | VecOp::IShr | VecOp::ISar), args) => self.shift(*op, args[0], args[1]),
            LaneOp::Vec(op, args) => {
                let mut args: Vec<_> = args.iter().map(|&v| self.get(v)).collect();
                order_factors(*op, &mut args);
                (0..count).map(|q| self.quad_op(*op, &args.iter().map(|a| a[q]).collect::<Vec<_>>())).collect()
            }
            LaneOp::Compare(op, a, b) => self.zip(*a, *b, |e, ty, a, b| e.compare(*op, ty, a, b)),
            LaneOp::Select(m, a, b) => {
                let masks = self.get(*m).into_iter();
                let pairs = self.get(*a).into_iter().zip(self.get(*b));
                masks.zip(pairs).map(|(m, (a, b))| self.select(m, a, b)).collect()
            }
            LaneOp::ToF32(v) => self.map(*v, |e, x| e.b.ins().fcvt_from_sint(F32X4, x)),
            LaneOp::ToI32(v) => self.map(*v, |e, x| e.b.ins().fcvt_to_sint_sat(I32X4, x)),
            LaneOp::Bitcast(v) => self.map(*v, |e, x| e.as_type(parts(ty).0, x)),
            LaneOp::Tree(op, v) => self.tree(*op, *v),
            _ => unreachable!("scalar operations are emitted by `op`"),
        }
    }

    fn map(&mut self, v: Value, mut f: impl FnMut(&mut Self, ir::Value) -> ir::Value) -> Vec<ir::Value> {
        self.get(v).into_iter().map(|x| f(self, x)).collect()
    }

    fn zip(
        &mut self,
        a: Value,
        b: Value,
        mut f: impl FnMut(&mut Self, lane::Type, ir::Value, ir::Value) -> ir::Value,
    ) -> Vec<ir::Value> {
        let ty = self.ty(a);
        self.get(a).into_iter().zip(self.get(b)).map(|(a, b)| f(self, ty, a, b)).collect()
    }

    /// Lanes of masks compare as unsigned numbers: false < true.
    fn compare(&mut self, op: Compare, ty: lane::Type, a: ir::Value, b: ir::Value) -> ir::Value {
        match ty {
            lane::Type::Vec(Elem::F32, _) => self.b.ins().fcmp(float_cc(op), a, b),
            lane::Type::Vec(Elem::I32, _) => self.b.ins().icmp(int_cc(op, true), a, b),
            _ => self.b.ins().icmp(int_cc(op, false), a, b),
        }
    }

    fn select(&mut self, mask: ir::Value, a: ir::Value, b: ir::Value) -> ir::Value {
        let ty = self.b.func.dfg.value_type(a);
        let mask = self.as_type(ty, mask);
        self.b.ins().bitselect(mask, a, b)
    }

    /// `a` where `x < y`, else `b`; on x86 one `minps` or `maxps`.
    fn select_less(&mut self, x: ir::Value, y: ir::Value, a: ir::Value, b: ir::Value) -> ir::Value {
        let less = self.b.ins().fcmp(FloatCC::LessThan, x, y);
        self.select(less, a, b)
    }

    fn quad_op(&mut self, op: VecOp, x: &[ir::Value]) -> ir::Value {
        match op {
            VecOp::FNeg => self.b.ins().fneg(x[0]),
            VecOp::FAbs => self.b.ins().fabs(x[0]),
            VecOp::FAdd => self.b.ins().fadd(x[0], x[1]),
            VecOp::FSub => self.b.ins().fsub(x[0], x[1]),
            VecOp::FMul => self.b.ins().fmul(x[0], x[1]),
            VecOp::FDiv => self.b.ins().fdiv(x[0], x[1]),
            VecOp::FSqrt => self.b.ins().sqrt(x[0]),
            VecOp::FFloor => self.b.ins().floor(x[0]),
            VecOp::FCeil => self.b.ins().ceil(x[0]),
            VecOp::FRound => self.b.ins().nearest(x[0]),
            VecOp::Fma => self.b.ins().fma(x[0], x[1], x[2]),
            VecOp::FMax => self.select_less(x[1], x[0], x[0], x[1]),
            VecOp::FMin => self.select_less(x[0], x[1], x[0], x[1]),
            VecOp::INeg => self.b.ins().ineg(x[0]),
            VecOp::IAbs => self.b.ins().iabs(x[0]),
            VecOp::IAdd => self.b.ins().iadd(x[0], x[1]),
            VecOp::ISub => self.b.ins().isub(x[0], x[1]),
            VecOp::IMul => self.b.ins().imul(x[0], x[1]),
            VecOp::IMulHigh => self.mul_high(x[0], x[1]),
            VecOp::IAnd | VecOp::MAnd => self.b.ins().band(x[0], x[1]),
            VecOp::IOr | VecOp::MOr => self.b.ins().bor(x[0], x[1]),
            VecOp::IXor | VecOp::MXor => self.b.ins().bxor(x[0], x[1]),
            VecOp::INot | VecOp::MNot => self.b.ins().bnot(x[0]),
            VecOp::IShl | VecOp::IShr | VecOp::ISar => unreachable!("shifts are emitted by `shift`"),
        }
    }

    /// Bytes of the 32 of a and b, chosen by `bytes`, as a quad of i32.
    fn shuffle(&mut self, a: ir::Value, b: ir::Value, bytes: [u8; 16]) -> ir::Value {
        let (a, b) = (self.as_type(types::I8X16, a), self.as_type(types::I8X16, b));
        let mask = self.b.func.dfg.immediates.push(ConstantData::from(&bytes[..]));
        self.b.ins().shuffle(a, b, mask)
    }

    fn mul_high(&mut self, a: ir::Value, b: ir::Value) -> ir::Value {
        let (a_low, b_low) = (self.b.ins().uwiden_low(a), self.b.ins().uwiden_low(b));
        let (a_high, b_high) = (self.b.ins().uwiden_high(a), self.b.ins().uwiden_high(b));
        let (low, high) = (self.b.ins().imul(a_low, b_low), self.b.ins().imul(a_high, b_high));
        let words = self.shuffle(low, high, std::array::from_fn(|i| (i / 4 * 8 + 4 + i % 4) as u8));
        self.as_type(I32X4, words)
    }
}

// ── shifts ──
impl Emitter<'_, '_> {
    /// Cranelift shifts all lanes by one count, modulo 32: other counts go lane by lane.
    fn shift(&mut self, op: VecOp, x: Value, by: Value) -> Vec<ir::Value> {
        match self.known(by) {
            Known::Int(n) => {
                let n = if op == VecOp::ISar { (n as u32).min(31) } else { n as u32 };
                self.map(x, |e, x| if n < 32 { e.shift_all(op, x, n) } else { e.words(I32X4, [0; 4]) })
            }
            _ => self.zip(x, by, |e, _, x, by| e.shift_lanes(op, x, by)),
        }
    }

    fn shift_all(&mut self, op: VecOp, x: ir::Value, n: u32) -> ir::Value {
        let n = self.b.ins().iconst(types::I32, i64::from(n));
        self.shift_by(op, x, n)
    }

    fn shift_by(&mut self, op: VecOp, x: ir::Value, n: ir::Value) -> ir::Value {
        match op {
            VecOp::IShl => self.b.ins().ishl(x, n),
            VecOp::IShr => self.b.ins().ushr(x, n),
            _ => self.b.ins().sshr(x, n),
        }
    }

    fn shift_lanes(&mut self, op: VecOp, x: ir::Value, by: ir::Value) -> ir::Value {
        let lanes = std::array::from_fn(|l| {
            let (x, n) = (self.b.ins().extractlane(x, l as u8), self.b.ins().extractlane(by, l as u8));
            self.shift_lane(op, x, n)
        });
        self.pack(I32X4, lanes)
    }

    fn shift_lane(&mut self, op: VecOp, x: ir::Value, n: ir::Value) -> ir::Value {
        let most = self.b.ins().iconst(types::I32, 31);
        if op == VecOp::ISar {
            let n = self.b.ins().umin(n, most);
            return self.shift_by(op, x, n);
        }
        let shifted = self.shift_by(op, x, n);
        let zero = self.b.ins().iconst(types::I32, 0);
        let small = self.b.ins().icmp(IntCC::UnsignedLessThanOrEqual, n, most);
        self.b.ins().select(small, shifted, zero)
    }

    /// Four scalars as a vector.
    pub(super) fn pack(&mut self, ty: ir::Type, lanes: [ir::Value; 4]) -> ir::Value {
        let first = self.b.ins().scalar_to_vector(ty, lanes[0]);
        (1..4).fold(first, |v, l| self.b.ins().insertlane(v, lanes[l], l as u8))
    }
}

// ── trees ──
impl Emitter<'_, '_> {
    /// Lanes that are four or more apart are in different quads, the rest within one.
    fn tree(&mut self, op: TreeOp, v: Value) -> Vec<ir::Value> {
        let mut quads = self.get(v);
        let count = quads.len();
        while quads.len() > 1 {
            let above = quads.split_off(quads.len() / 2);
            quads = quads.into_iter().zip(above).map(|(a, b)| self.tree_op(op, a, b)).collect();
        }
        let two = self.tree_within(op, quads[0], 2);
        let one = self.tree_within(op, two, 1);
        let lane = self.b.ins().extractlane(one, 0);
        let ty = parts(self.ty(v)).0;
        vec![self.b.ins().splat(ty, lane); count]
    }

    /// Lane l ∘ lane l + `half`.
    fn tree_within(&mut self, op: TreeOp, x: ir::Value, half: usize) -> ir::Value {
        let ty = self.b.func.dfg.value_type(x);
        let moved = self.shuffle(x, x, std::array::from_fn(|i| ((i + 4 * half) % 16) as u8));
        let moved = self.as_type(ty, moved);
        self.tree_op(op, x, moved)
    }

    fn tree_op(&mut self, op: TreeOp, a: ir::Value, b: ir::Value) -> ir::Value {
        match op {
            TreeOp::FAdd => self.quad_op(VecOp::FAdd, &[a, b]),
            TreeOp::FMul => self.quad_op(VecOp::FMul, &[a, b]),
            TreeOp::FMax => self.quad_op(VecOp::FMax, &[a, b]),
            TreeOp::FMin => self.quad_op(VecOp::FMin, &[a, b]),
            TreeOp::IAdd => self.quad_op(VecOp::IAdd, &[a, b]),
            TreeOp::IMul => self.quad_op(VecOp::IMul, &[a, b]),
            TreeOp::IMax => self.b.ins().smax(a, b),
            TreeOp::IMin => self.b.ins().smin(a, b),
            TreeOp::MAnd => self.b.ins().band(a, b),
            TreeOp::MOr => self.b.ins().bor(a, b),
        }
    }
}

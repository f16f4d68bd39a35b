//! Vector operations: tables from lane operations to instructions.

use super::alloc::Home;
use super::asm::Arg;
use super::emit::{Emitter, simd};
use super::index::xmm;
use super::isa::Isa;
use super::simd::Simd;
use crate::lane::{LaneKind, TreeOp, Type, Value, VecOp};
use crate::ops::Compare;
use iced_x86::{Code, Register};

/// How an operation is done.
enum Way {
    /// One instruction of two arguments; true where they may change places.
    Two(Simd, bool),
    /// One instruction of one argument.
    One(Simd),
    /// One instruction of the argument and a control byte.
    Control(Simd, u8),
    /// One instruction of the argument and a word in all lanes.
    With(Simd, u32),
    /// Lanes shifted by as many counts, and by one known count.
    Shift(Simd, Simd),
    /// An instruction on masks.
    Masks(Simd),
    Special,
}

fn way(op: VecOp) -> Way {
    match op {
        VecOp::FNeg => Way::With(Simd::BitXor, 0x8000_0000),
        VecOp::FAbs => Way::With(Simd::BitAnd, 0x7fff_ffff),
        VecOp::FAdd => Way::Two(Simd::Add, true),
        VecOp::FSub => Way::Two(Simd::Sub, false),
        VecOp::FMul => Way::Two(Simd::Mul, true),
        VecOp::FDiv => Way::Two(Simd::Div, false),
        VecOp::FSqrt => Way::One(Simd::Sqrt),
        VecOp::FRound => Way::Control(Simd::Round, 8),
        VecOp::FFloor => Way::Control(Simd::Round, 9),
        VecOp::FCeil => Way::Control(Simd::Round, 10),
        // Of equal arguments, and where one is NaN, the second: what lane IR asks for.
        VecOp::FMax => Way::Two(Simd::Max, false),
        VecOp::FMin => Way::Two(Simd::Min, false),
        VecOp::IAbs => Way::One(Simd::IAbs),
        VecOp::IAdd => Way::Two(Simd::IAdd, true),
        VecOp::ISub => Way::Two(Simd::ISub, false),
        VecOp::IMul => Way::Two(Simd::IMul, true),
        VecOp::IAnd => Way::Two(Simd::IAnd, true),
        VecOp::IOr => Way::Two(Simd::IOr, true),
        VecOp::IXor => Way::Two(Simd::IXor, true),
        VecOp::INot => Way::With(Simd::IXor, u32::MAX),
        VecOp::IShl => Way::Shift(Simd::IShl, Simd::IShlBy),
        VecOp::IShr => Way::Shift(Simd::IShr, Simd::IShrBy),
        VecOp::ISar => Way::Shift(Simd::ISar, Simd::ISarBy),
        VecOp::MAnd => Way::Masks(Simd::MaskAnd),
        VecOp::MOr => Way::Masks(Simd::MaskOr),
        VecOp::MXor => Way::Masks(Simd::MaskXor),
        VecOp::Fma | VecOp::INeg | VecOp::IMulHigh | VecOp::MNot => Way::Special,
    }
}

impl<I: Isa> Emitter<'_, I> {
    pub fn vec_op(&mut self, op: VecOp, args: &[Value], to: Register) {
        match (way(op), args) {
            (Way::Two(simd, commutes), &[a, b]) => self.two(simd, commutes, a, b, to),
            (Way::One(simd), &[a]) => {
                let a = self.operand(a);
                self.simd(simd, &[to.into(), a]);
            }
            (Way::Control(simd, control), &[a]) => {
                let a = self.operand(a);
                self.simd(simd, &[to.into(), a, control.into()]);
            }
            (Way::With(simd, word), &[a]) => {
                let (a, word) = (self.vector(a, 0), self.word(word));
                self.simd(simd, &[to.into(), a.into(), word.into()]);
            }
            (Way::Shift(by_lane, by_one), &[a, b]) => match self.facts.word(b) {
                Some(count) => I::shift(self, by_one, a, count.min(255) as u8, to),
                None => self.two(by_lane, false, a, b, to),
            },
            (Way::Masks(simd), &[a, b]) => {
                let (a, b) = (self.mask(a, 0), self.mask(b, 1));
                self.simd(simd, &[to.into(), a.into(), b.into()]);
            }
            (_, args) => self.special(op, args, to),
        }
    }

    fn special(&mut self, op: VecOp, args: &[Value], to: Register) {
        match (op, args) {
            (VecOp::Fma, &[a, b, c]) => self.fma(a, b, c, to),
            (VecOp::IMulHigh, &[a, b]) => self.multiply_high(a, b, to),
            (VecOp::INeg, &[a]) => I::negate(self, a, to),
            (VecOp::MNot, &[a]) => {
                let a = self.mask(a, 0);
                I::not(self, a, to);
            }
            _ => unreachable!("the verifier counts arguments"),
        }
    }

    fn two(&mut self, simd: Simd, commutes: bool, a: Value, b: Value, to: Register) {
        let first = self.operand(a);
        let (first, b) = match first {
            Arg::Mem(_) if commutes => (self.operand(b), a),
            _ => (first, b),
        };
        let first = self.in_register(first, 0);
        let second = self.operand(b);
        self.simd(simd, &[to.into(), first.into(), second]);
    }

    /// The argument that shares the result's register decides the form; the one that is in memory comes last.
    fn fma(&mut self, a: Value, b: Value, c: Value, to: Register) {
        let is_here = |v| self.homes.of(v) == Home::Reg(to);
        let (a, b) = if is_here(b) { (b, a) } else { (a, b) };
        if is_here(a) && !is_here(c) {
            return self.fma_on_factor(b, c, to);
        }
        let sum = self.operand(c);
        self.load_operand(to, sum);
        let first = self.operand(a);
        let (first, b) = if matches!(first, Arg::Mem(_)) { (self.operand(b), a) } else { (first, b) };
        let first = self.in_register(first, 1);
        let second = self.operand(b);
        simd!(self, Fma231, to, first, second);
    }

    /// `to = to * b + c`
    fn fma_on_factor(&mut self, b: Value, c: Value, to: Register) {
        match (self.operand(b), self.operand(c)) {
            (Arg::Mem(_), Arg::Reg(c)) => {
                let b = self.operand(b);
                simd!(self, Fma132, to, c, b);
            }
            _ => {
                let b = self.vector(b, 1);
                let c = self.operand(c);
                simd!(self, Fma213, to, b, c);
            }
        }
    }

    /// Products of even lanes and of odd lanes have 64 bits; their high halves are merged.
    fn multiply_high(&mut self, a: Value, b: Value, to: Register) {
        let (x, y) = (self.scratch(1), self.scratch(2));
        let (a, b) = (self.vector(a, 1), self.vector(b, 2));
        simd!(self, MulWide, to, a, b);
        simd!(self, ShrWide, to, to, 32u8);
        simd!(self, ShrWide, x, a, 32u8);
        simd!(self, ShrWide, y, b, 32u8);
        simd!(self, MulWide, x, x, y);
        I::merge_odd(self, to, x);
    }
}

// ── comparisons ──
impl<I: Isa> Emitter<'_, I> {
    pub fn compare(&mut self, op: Compare, a: Value, b: Value, to: Register) {
        match self.ty(a) {
            Type::Mask(_) => self.compare_masks(op, a, b, to),
            _ => I::compare(self, op, a, b, to),
        }
    }

    /// false < true
    fn compare_masks(&mut self, op: Compare, a: Value, b: Value, to: Register) {
        let (a, b) = (self.mask(a, 0), self.mask(b, 1));
        match op {
            Compare::Eq => simd!(self, MaskXnor, to, a, b),
            Compare::Ne => simd!(self, MaskXor, to, a, b),
            Compare::Lt | Compare::Ge => simd!(self, MaskAndNot, to, a, b),
            Compare::Gt | Compare::Le => simd!(self, MaskAndNot, to, b, a),
        }
        if matches!(op, Compare::Le | Compare::Ge) {
            I::not(self, to, to);
        }
    }
}

/// Control bytes of `vcmpps`: ordered, but for "not equal".
pub fn float_predicate(op: Compare) -> u8 {
    match op {
        Compare::Eq => 0,
        Compare::Ne => 4,
        Compare::Lt => 0x11,
        Compare::Le => 0x12,
        Compare::Gt => 0x1e,
        Compare::Ge => 0x1d,
    }
}

/// The control byte of `vcmpps` that asks whether neither is NaN.
pub const ORDERED: u8 = 7;

// ── trees ──

/// The instruction of a tree of vectors, and whether its arguments may change places.
fn tree_simd(op: TreeOp) -> (Simd, bool) {
    match op {
        TreeOp::FAdd => (Simd::Add, true),
        TreeOp::FMul => (Simd::Mul, true),
        TreeOp::FMax => (Simd::Max, false),
        TreeOp::FMin => (Simd::Min, false),
        TreeOp::IAdd => (Simd::IAdd, true),
        TreeOp::IMul => (Simd::IMul, true),
        TreeOp::IMax => (Simd::IMax, true),
        TreeOp::IMin | TreeOp::MAnd | TreeOp::MOr => (Simd::IMin, true),
    }
}

impl<I: Isa> Emitter<'_, I> {
    pub fn tree(&mut self, op: TreeOp, v: Value, to: Register) {
        match (op.kind(), op) {
            (LaneKind::Mask, TreeOp::MAnd) => self.tree_of_mask(Code::Setb_rm8, v, to),
            (LaneKind::Mask, _) => self.tree_of_mask(Code::Setne_rm8, v, to),
            _ => self.tree_of_vector(op, v, to),
        }
    }

    fn tree_of_mask(&mut self, set: Code, v: Value, to: Register) {
        let mask = self.mask(v, 0);
        I::test(self, mask);
        self.splat_flags(set, to);
    }

    /// Each step pairs every lane l with l ± half: lane 0 is the result, and so are all where the operation commutes.
    fn tree_of_vector(&mut self, op: TreeOp, v: Value, to: Register) {
        let (simd, commutes) = tree_simd(op);
        let (sum, moved) = (self.scratch(0), self.scratch(1));
        let mut from = self.vector(v, 0);
        for (code, control) in I::HALVES {
            self.asm.op(*code, &[moved.into(), from.into(), from.into(), (*control).into()]);
            self.simd(simd, &[sum.into(), from.into(), moved.into()]);
            from = sum;
        }
        simd!(self, Permute, moved, sum, 0x4eu8);
        self.simd(simd, &[sum.into(), sum.into(), moved.into()]);
        simd!(self, Permute, moved, sum, 0xb1u8);
        if commutes {
            return self.simd(simd, &[to.into(), sum.into(), moved.into()]);
        }
        self.simd(simd, &[sum.into(), sum.into(), moved.into()]);
        simd!(self, SplatLane, to, xmm(sum));
    }
}

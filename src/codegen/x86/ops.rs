//! Vector operations: tables from lane operations to instructions.

use super::alloc::Home;
use super::asm::Arg;
use super::emit::{Emitter, MASKS, ZMMS, put};
use super::facts::is_float;
use super::index::xmm;
use crate::lane::{LaneKind, TreeOp, Type, Value, VecOp};
use crate::ops::Compare;
use iced_x86::{Code, MemoryOperand, Register};

/// How an operation is done.
enum Way {
    /// One instruction of two arguments; true where they may change places.
    Two(Code, bool),
    /// One instruction of one argument.
    One(Code),
    /// One instruction of the argument and a control byte.
    Control(Code, u8),
    /// One instruction of the argument and a word in all lanes.
    With(Code, u32),
    /// Lanes shifted by as many counts, and by one known count.
    Shift(Code, Code),
    /// Instructions on masks.
    Masks(Code),
    Special,
}

fn way(op: VecOp) -> Way {
    match op {
        VecOp::FNeg => Way::With(Code::EVEX_Vpxord_zmm_k1z_zmm_zmmm512b32, 0x8000_0000),
        VecOp::FAbs => Way::With(Code::EVEX_Vpandd_zmm_k1z_zmm_zmmm512b32, 0x7fff_ffff),
        VecOp::FAdd => Way::Two(Code::EVEX_Vaddps_zmm_k1z_zmm_zmmm512b32_er, true),
        VecOp::FSub => Way::Two(Code::EVEX_Vsubps_zmm_k1z_zmm_zmmm512b32_er, false),
        VecOp::FMul => Way::Two(Code::EVEX_Vmulps_zmm_k1z_zmm_zmmm512b32_er, true),
        VecOp::FDiv => Way::Two(Code::EVEX_Vdivps_zmm_k1z_zmm_zmmm512b32_er, false),
        VecOp::FSqrt => Way::One(Code::EVEX_Vsqrtps_zmm_k1z_zmmm512b32_er),
        VecOp::FRound => Way::Control(Code::EVEX_Vrndscaleps_zmm_k1z_zmmm512b32_imm8_sae, 8),
        VecOp::FFloor => Way::Control(Code::EVEX_Vrndscaleps_zmm_k1z_zmmm512b32_imm8_sae, 9),
        VecOp::FCeil => Way::Control(Code::EVEX_Vrndscaleps_zmm_k1z_zmmm512b32_imm8_sae, 10),
        // Of equal arguments, and where one is NaN, the second: what lane IR asks for.
        VecOp::FMax => Way::Two(Code::EVEX_Vmaxps_zmm_k1z_zmm_zmmm512b32_sae, false),
        VecOp::FMin => Way::Two(Code::EVEX_Vminps_zmm_k1z_zmm_zmmm512b32_sae, false),
        VecOp::IAbs => Way::One(Code::EVEX_Vpabsd_zmm_k1z_zmmm512b32),
        VecOp::IAdd => Way::Two(Code::EVEX_Vpaddd_zmm_k1z_zmm_zmmm512b32, true),
        VecOp::ISub => Way::Two(Code::EVEX_Vpsubd_zmm_k1z_zmm_zmmm512b32, false),
        VecOp::IMul => Way::Two(Code::EVEX_Vpmulld_zmm_k1z_zmm_zmmm512b32, true),
        VecOp::IAnd => Way::Two(Code::EVEX_Vpandd_zmm_k1z_zmm_zmmm512b32, true),
        VecOp::IOr => Way::Two(Code::EVEX_Vpord_zmm_k1z_zmm_zmmm512b32, true),
        VecOp::IXor => Way::Two(Code::EVEX_Vpxord_zmm_k1z_zmm_zmmm512b32, true),
        VecOp::INot => Way::With(Code::EVEX_Vpxord_zmm_k1z_zmm_zmmm512b32, u32::MAX),
        VecOp::IShl => Way::Shift(Code::EVEX_Vpsllvd_zmm_k1z_zmm_zmmm512b32, Code::EVEX_Vpslld_zmm_k1z_zmmm512b32_imm8),
        VecOp::IShr => Way::Shift(Code::EVEX_Vpsrlvd_zmm_k1z_zmm_zmmm512b32, Code::EVEX_Vpsrld_zmm_k1z_zmmm512b32_imm8),
        VecOp::ISar => Way::Shift(Code::EVEX_Vpsravd_zmm_k1z_zmm_zmmm512b32, Code::EVEX_Vpsrad_zmm_k1z_zmmm512b32_imm8),
        VecOp::MAnd => Way::Masks(Code::VEX_Kandw_kr_kr_kr),
        VecOp::MOr => Way::Masks(Code::VEX_Korw_kr_kr_kr),
        VecOp::MXor => Way::Masks(Code::VEX_Kxorw_kr_kr_kr),
        VecOp::MNot => Way::Masks(Code::VEX_Knotw_kr_kr),
        VecOp::Fma | VecOp::INeg | VecOp::IMulHigh => Way::Special,
    }
}

impl Emitter<'_> {
    pub fn vec_op(&mut self, op: VecOp, args: &[Value], to: Register) {
        match (way(op), args) {
            (Way::Two(code, commutes), &[a, b]) => self.two(code, commutes, a, b, to),
            (Way::One(code), &[a]) => {
                let a = self.operand(a);
                self.asm.op(code, &[to.into(), a]);
            }
            (Way::Control(code, control), &[a]) => {
                let a = self.operand(a);
                self.asm.op(code, &[to.into(), a, control.into()]);
            }
            (Way::With(code, word), &[a]) => {
                let (a, word) = (self.zmm(a, ZMMS[0]), self.asm.word(word));
                self.asm.op(code, &[to.into(), a.into(), word.into()]);
            }
            (Way::Shift(by_lane, by_one), &[a, b]) => match self.facts.word(b) {
                Some(count) => {
                    let a = self.operand(a);
                    self.asm.op(by_one, &[to.into(), a, (count.min(255) as u8).into()]);
                }
                None => self.two(by_lane, false, a, b, to),
            },
            (Way::Masks(code), args) => self.masks(code, args, to),
            (_, &[a, b, c]) => self.fma(a, b, c, to),
            (_, &[a, b]) => self.multiply_high(a, b, to),
            (_, args) => self.negate(args[0], to),
        }
    }

    fn two(&mut self, code: Code, commutes: bool, a: Value, b: Value, to: Register) {
        let first = self.operand(a);
        let (first, b) = match first {
            Arg::Mem(_) if commutes => (self.operand(b), a),
            _ => (first, b),
        };
        let first = self.in_register(first, ZMMS[0]);
        let second = self.operand(b);
        self.asm.op(code, &[to.into(), first.into(), second]);
    }

    fn masks(&mut self, code: Code, args: &[Value], to: Register) {
        let mut operands = vec![Arg::from(to)];
        for (v, scratch) in args.iter().zip(MASKS) {
            operands.push(self.mask(*v, scratch).into());
        }
        self.asm.op(code, &operands);
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
        let first = self.in_register(first, ZMMS[1]);
        let second = self.operand(b);
        put!(self, EVEX_Vfmadd231ps_zmm_k1z_zmm_zmmm512b32_er, to, first, second);
    }

    /// `to = to * b + c`
    fn fma_on_factor(&mut self, b: Value, c: Value, to: Register) {
        match (self.operand(b), self.operand(c)) {
            (Arg::Mem(_), Arg::Reg(c)) => {
                let b = self.operand(b);
                put!(self, EVEX_Vfmadd132ps_zmm_k1z_zmm_zmmm512b32_er, to, c, b);
            }
            _ => {
                let b = self.zmm(b, ZMMS[1]);
                let c = self.operand(c);
                put!(self, EVEX_Vfmadd213ps_zmm_k1z_zmm_zmmm512b32_er, to, b, c);
            }
        }
    }

    fn negate(&mut self, a: Value, to: Register) {
        let a = self.operand(a);
        put!(self, EVEX_Vpxord_zmm_k1z_zmm_zmmm512b32, ZMMS[1], ZMMS[1], ZMMS[1]);
        put!(self, EVEX_Vpsubd_zmm_k1z_zmm_zmmm512b32, to, ZMMS[1], a);
    }

    /// Products of even lanes and of odd lanes have 64 bits; their high halves are merged.
    fn multiply_high(&mut self, a: Value, b: Value, to: Register) {
        let (a, b) = (self.zmm(a, ZMMS[1]), self.zmm(b, ZMMS[2]));
        put!(self, EVEX_Vpmuludq_zmm_k1z_zmm_zmmm512b64, to, a, b);
        put!(self, EVEX_Vpsrlq_zmm_k1z_zmmm512b64_imm8, to, to, 32u8);
        put!(self, EVEX_Vpsrlq_zmm_k1z_zmmm512b64_imm8, ZMMS[1], a, 32u8);
        put!(self, EVEX_Vpsrlq_zmm_k1z_zmmm512b64_imm8, ZMMS[2], b, 32u8);
        put!(self, EVEX_Vpmuludq_zmm_k1z_zmm_zmmm512b64, ZMMS[1], ZMMS[1], ZMMS[2]);
        let odd = self.mask_bits(0xaaaa);
        put!(self, VEX_Kmovw_kr_km16, MASKS[0], odd);
        let args = [to.into(), ZMMS[1].into()];
        self.asm.masked(Code::EVEX_Vmovdqa32_zmm_k1z_zmmm512, &args, MASKS[0], false);
    }
}

// ── comparisons ──

/// Control bytes of `vcmpps` (ordered, but for "not equal") and `vpcmpd`.
fn predicate(op: Compare, float: bool) -> u8 {
    match (op, float) {
        (Compare::Eq, _) => 0,
        (Compare::Ne, _) => 4,
        (Compare::Lt, true) => 0x11,
        (Compare::Le, true) => 0x12,
        (Compare::Gt, true) => 0x1e,
        (Compare::Ge, true) => 0x1d,
        (Compare::Lt, false) => 1,
        (Compare::Le, false) => 2,
        (Compare::Gt, false) => 6,
        (Compare::Ge, false) => 5,
    }
}

impl Emitter<'_> {
    pub fn compare(&mut self, op: Compare, a: Value, b: Value, to: Register) {
        let ty = self.ty(a);
        if matches!(ty, Type::Mask(_)) {
            return self.compare_masks(op, a, b, to);
        }
        let first = self.zmm(a, ZMMS[0]);
        let second = self.operand(b);
        let control = predicate(op, is_float(ty));
        if is_float(ty) {
            put!(self, EVEX_Vcmpps_kr_k1_zmm_zmmm512b32_imm8_sae, to, first, second, control);
        } else {
            put!(self, EVEX_Vpcmpd_kr_k1_zmm_zmmm512b32_imm8, to, first, second, control);
        }
    }

    /// false < true
    fn compare_masks(&mut self, op: Compare, a: Value, b: Value, to: Register) {
        let (a, b) = (self.mask(a, MASKS[0]), self.mask(b, MASKS[1]));
        match op {
            Compare::Eq => put!(self, VEX_Kxnorw_kr_kr_kr, to, a, b),
            Compare::Ne => put!(self, VEX_Kxorw_kr_kr_kr, to, a, b),
            Compare::Lt | Compare::Ge => put!(self, VEX_Kandnw_kr_kr_kr, to, a, b),
            Compare::Gt | Compare::Le => put!(self, VEX_Kandnw_kr_kr_kr, to, b, a),
        }
        if matches!(op, Compare::Le | Compare::Ge) {
            put!(self, VEX_Knotw_kr_kr, to, to);
        }
    }

    pub fn select(&mut self, m: Value, a: Value, b: Value, to: Register) {
        if matches!(self.ty(a), Type::Mask(_)) {
            return self.select_masks(m, a, b, to);
        }
        let mask = self.mask(m, MASKS[0]);
        if self.facts.word(b) == Some(0) {
            let a = self.operand(a);
            return match a {
                Arg::Mem(memory) if memory.is_broadcast => {
                    let one = MemoryOperand { is_broadcast: false, ..memory };
                    self.asm.masked(Code::EVEX_Vbroadcastss_zmm_k1z_xmmm32, &[to.into(), one.into()], mask, true);
                }
                _ => self.asm.masked(Code::EVEX_Vmovups_zmm_k1z_zmmm512, &[to.into(), a], mask, true),
            };
        }
        let otherwise = self.zmm(b, ZMMS[0]);
        let then = self.operand(a);
        let args = [to.into(), otherwise.into(), then];
        self.asm.masked(Code::EVEX_Vblendmps_zmm_k1z_zmm_zmmm512b32, &args, mask, false);
    }

    /// `b ^ (m & (a ^ b))`
    fn select_masks(&mut self, m: Value, a: Value, b: Value, to: Register) {
        let [differ, other] = MASKS;
        let (x, y) = (self.mask(a, differ), self.mask(b, other));
        put!(self, VEX_Kxorw_kr_kr_kr, differ, x, y);
        let m = self.mask(m, other);
        put!(self, VEX_Kandw_kr_kr_kr, differ, differ, m);
        let y = self.mask(b, other);
        put!(self, VEX_Kxorw_kr_kr_kr, to, differ, y);
    }
}

// ── conversions ──
impl Emitter<'_> {
    pub fn convert(&mut self, v: Value, to: Register) {
        let from = self.operand(v);
        put!(self, EVEX_Vcvtdq2ps_zmm_k1z_zmmm512b32_er, to, from);
    }

    /// The instruction gives the smallest integer for all that does not fit; NaN and large values are put right.
    pub fn truncate(&mut self, v: Value, to: Register) {
        let from = self.zmm(v, ZMMS[1]);
        let fits = MASKS[0];
        put!(self, EVEX_Vcmpps_kr_k1_zmm_zmmm512b32_imm8_sae, fits, from, from, 7u8);
        let args = [to.into(), from.into()];
        self.asm.masked(Code::EVEX_Vcvttps2dq_zmm_k1z_zmmm512b32_sae, &args, fits, true);
        let limit = self.asm.word(2f32.powi(31).to_bits());
        put!(self, EVEX_Vcmpps_kr_k1_zmm_zmmm512b32_imm8_sae, fits, from, limit, predicate(Compare::Ge, true));
        let most = self.asm.constant(&i32::MAX.to_le_bytes());
        self.asm.masked(Code::EVEX_Vpbroadcastd_zmm_k1z_xmmm32, &[to.into(), most.into()], fits, false);
    }
}

// ── trees ──

/// The instruction of a tree of vectors, and whether its arguments may change places.
fn tree_code(op: TreeOp) -> (Code, bool) {
    match op {
        TreeOp::FAdd => (Code::EVEX_Vaddps_zmm_k1z_zmm_zmmm512b32_er, true),
        TreeOp::FMul => (Code::EVEX_Vmulps_zmm_k1z_zmm_zmmm512b32_er, true),
        TreeOp::FMax => (Code::EVEX_Vmaxps_zmm_k1z_zmm_zmmm512b32_sae, false),
        TreeOp::FMin => (Code::EVEX_Vminps_zmm_k1z_zmm_zmmm512b32_sae, false),
        TreeOp::IAdd => (Code::EVEX_Vpaddd_zmm_k1z_zmm_zmmm512b32, true),
        TreeOp::IMul => (Code::EVEX_Vpmulld_zmm_k1z_zmm_zmmm512b32, true),
        TreeOp::IMax => (Code::EVEX_Vpmaxsd_zmm_k1z_zmm_zmmm512b32, true),
        TreeOp::IMin | TreeOp::MAnd | TreeOp::MOr => (Code::EVEX_Vpminsd_zmm_k1z_zmm_zmmm512b32, true),
    }
}

impl Emitter<'_> {
    pub fn tree(&mut self, op: TreeOp, v: Value, to: Register) {
        match (op.kind(), op) {
            (LaneKind::Mask, TreeOp::MAnd) => self.tree_of_mask(Code::Setb_rm8, v, to),
            (LaneKind::Mask, _) => self.tree_of_mask(Code::Setne_rm8, v, to),
            _ => self.tree_of_vector(op, v, to),
        }
    }

    /// `kortest` sets carry where all lanes are set, and zero where none is.
    fn tree_of_mask(&mut self, set: Code, v: Value, to: Register) {
        let mask = self.mask(v, MASKS[0]);
        put!(self, VEX_Kortestw_kr_kr, mask, mask);
        self.splat_flags(set, to);
    }

    /// Each step pairs every lane l with l ± half: lane 0 is the result, and so are all where the operation commutes.
    fn tree_of_vector(&mut self, op: TreeOp, v: Value, to: Register) {
        let (code, commutes) = tree_code(op);
        let [sum, moved, _] = ZMMS;
        let first = self.zmm(v, sum);
        put!(self, EVEX_Vshuff32x4_zmm_k1z_zmm_zmmm512b32_imm8, moved, first, first, 0x4eu8);
        self.asm.op(code, &[sum.into(), first.into(), moved.into()]);
        put!(self, EVEX_Vshuff32x4_zmm_k1z_zmm_zmmm512b32_imm8, moved, sum, sum, 0xb1u8);
        self.asm.op(code, &[sum.into(), sum.into(), moved.into()]);
        put!(self, EVEX_Vpermilps_zmm_k1z_zmmm512b32_imm8, moved, sum, 0x4eu8);
        self.asm.op(code, &[sum.into(), sum.into(), moved.into()]);
        put!(self, EVEX_Vpermilps_zmm_k1z_zmmm512b32_imm8, moved, sum, 0xb1u8);
        if commutes {
            return self.asm.op(code, &[to.into(), sum.into(), moved.into()]);
        }
        self.asm.op(code, &[sum.into(), sum.into(), moved.into()]);
        put!(self, EVEX_Vbroadcastss_zmm_k1z_xmmm32, to, xmm(sum));
    }
}

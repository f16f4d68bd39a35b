//! AVX-512: zmm registers, masks in k registers, parts of vectors under a mask.

use super::asm::{Arg, Asm, broadcast, memory};
use super::emit::{Emitter, put, simd};
use super::facts::{Class, Constant, is_float};
use super::index::xmm;
use super::isa::{Isa, Shape};
use super::ops::{ORDERED, float_predicate};
use super::scratch::Part;
use super::simd::Simd;
use crate::lane::{Access, Store, Type, Value};
use crate::ops::Compare;
use iced_x86::Register::{
    EAX, K1, K2, K3, K4, K5, K6, K7, RAX, ZMM0, ZMM1, ZMM2, ZMM3, ZMM4, ZMM5, ZMM6, ZMM7, ZMM8, ZMM9, ZMM10, ZMM11,
    ZMM12, ZMM13, ZMM14, ZMM15, ZMM16, ZMM17, ZMM18, ZMM19, ZMM20, ZMM21, ZMM22, ZMM23, ZMM24, ZMM25, ZMM26, ZMM27,
    ZMM28, ZMM29, ZMM30, ZMM31,
};
use iced_x86::{Code, MemoryOperand, Register};

pub struct Avx512;

const MASKS: [Register; 2] = [K7, K6];

type E<'a> = Emitter<'a, Avx512>;

impl Isa for Avx512 {
    const SHAPE: Shape = Shape {
        lanes: 16,
        mask: Class::Mask,
        broadcasts: true,
        masked: |_, _| true,
        vectors: &[
            ZMM0, ZMM1, ZMM2, ZMM3, ZMM4, ZMM5, ZMM6, ZMM7, ZMM8, ZMM9, ZMM10, ZMM11, ZMM12, ZMM13, ZMM14, ZMM15,
            ZMM16, ZMM17, ZMM18, ZMM19, ZMM20, ZMM21, ZMM22, ZMM23, ZMM24, ZMM25, ZMM26, ZMM27, ZMM28,
        ],
        masks: &[K1, K2, K3, K4, K5],
        scratch: &[ZMM31, ZMM30, ZMM29],
    };

    const HALVES: &'static [(Code, u8)] = &[
        (Code::EVEX_Vshuff32x4_zmm_k1z_zmm_zmmm512b32_imm8, 0x4e),
        (Code::EVEX_Vshuff32x4_zmm_k1z_zmm_zmmm512b32_imm8, 0xb1),
    ];

    fn code(simd: Simd) -> Code {
        simd.zmm()
    }

    fn pooled(asm: &mut Asm, constant: Constant) -> MemoryOperand {
        match constant {
            Constant::Word(word) => broadcast(asm.constant(&word.to_le_bytes())),
            Constant::Lanes => asm.words(16, |l| l),
            Constant::First(n) => asm.constant(&(((1u32 << n) - 1) as u16).to_le_bytes()),
        }
    }

    // ── masks ──

    fn mask_scratch(_: &mut E, n: usize) -> Register {
        MASKS[n]
    }

    fn not(e: &mut E, a: Register, to: Register) {
        put!(e, VEX_Knotw_kr_kr, to, a);
    }

    fn mask_of_eax(e: &mut E, to: Register) {
        put!(e, VEX_Kmovw_kr_r32, to, EAX);
    }

    fn test(e: &mut E, mask: Register) {
        put!(e, VEX_Kortestw_kr_kr, mask, mask);
    }

    fn live_lanes(e: &mut E, access: &Access) -> Register {
        let to = MASKS[0];
        match e.facts.lanes_in_use(access) {
            Some(v) => {
                let mask = e.mask(v, 0);
                if mask != to {
                    put!(e, VEX_Kmovw_kr_km16, to, mask);
                }
            }
            None => put!(e, VEX_Kxnorw_kr_kr_kr, to, to, to),
        }
        to
    }

    fn lay_out_mask(e: &mut E, mask: Register) {
        let place = e.part(Part::Mask, 0);
        put!(e, VEX_Kmovw_m16_kr, place, mask);
    }

    // ── vectors ──

    fn compare(e: &mut E, op: Compare, a: Value, b: Value, to: Register) {
        let first = e.vector(a, 0);
        let second = e.operand(b);
        if is_float(e.ty(a)) {
            put!(e, EVEX_Vcmpps_kr_k1_zmm_zmmm512b32_imm8_sae, to, first, second, float_predicate(op));
        } else {
            put!(e, EVEX_Vpcmpd_kr_k1_zmm_zmmm512b32_imm8, to, first, second, int_predicate(op));
        }
    }

    fn nonzero(e: &mut E, vector: Register, to: Register) {
        put!(e, EVEX_Vptestmd_kr_k1_zmm_zmmm512b32, to, vector, vector);
    }

    fn select(e: &mut E, m: Value, a: Value, b: Value, to: Register) {
        if matches!(e.ty(a), Type::Mask(_)) {
            return select_masks(e, m, a, b, to);
        }
        let mask = e.mask(m, 0);
        if e.facts.word(b) == Some(0) {
            return keep(e, mask, a, to);
        }
        let otherwise = e.vector(b, 0);
        let then = e.operand(a);
        let args = [to.into(), otherwise.into(), then];
        e.asm.masked(Code::EVEX_Vblendmps_zmm_k1z_zmm_zmmm512b32, &args, mask, false);
    }

    fn splat_word(e: &mut E, from: Register, to: Register) {
        put!(e, EVEX_Vpbroadcastd_zmm_k1z_r32, to, from);
    }

    fn shift(e: &mut E, by: Simd, a: Value, count: u8, to: Register) {
        let a = e.operand(a);
        e.asm.op(by.zmm(), &[to.into(), a, count.into()]);
    }

    fn negate(e: &mut E, a: Value, to: Register) {
        let (a, zero) = (e.operand(a), e.scratch(1));
        e.clear(zero);
        put!(e, EVEX_Vpsubd_zmm_k1z_zmm_zmmm512b32, to, zero, a);
    }

    fn merge_odd(e: &mut E, to: Register, odd: Register) {
        let lanes = e.asm.constant(&0xaaaau16.to_le_bytes());
        put!(e, VEX_Kmovw_kr_km16, MASKS[0], lanes);
        let args = [to.into(), odd.into()];
        e.asm.masked(Code::EVEX_Vmovdqa32_zmm_k1z_zmmm512, &args, MASKS[0], false);
    }

    /// The instruction gives the smallest integer for all that does not fit; NaN and large values are put right.
    fn truncate(e: &mut E, v: Value, to: Register) {
        let from = e.vector(v, 1);
        let fits = MASKS[0];
        put!(e, EVEX_Vcmpps_kr_k1_zmm_zmmm512b32_imm8_sae, fits, from, from, ORDERED);
        e.asm.masked(Simd::Truncate.zmm(), &[to.into(), from.into()], fits, true);
        let limit = e.word(2f32.powi(31).to_bits());
        put!(e, EVEX_Vcmpps_kr_k1_zmm_zmmm512b32_imm8_sae, fits, from, limit, float_predicate(Compare::Ge));
        let most = e.asm.constant(&i32::MAX.to_le_bytes());
        e.asm.masked(Code::EVEX_Vpbroadcastd_zmm_k1z_xmmm32, &[to.into(), most.into()], fits, false);
    }

    // ── memory ──

    fn load_words(e: &mut E, count: u16, from: MemoryOperand, to: Register) {
        partial(e, Simd::Load.zmm(), &[to.into(), from.into()], count, true);
    }

    fn store_words(e: &mut E, count: u16, to: MemoryOperand, from: Register) {
        partial(e, Simd::Store.zmm(), &[to.into(), from.into()], count, false);
    }

    fn load_bytes(e: &mut E, count: u16, from: MemoryOperand, to: Register) {
        partial(e, Simd::WidenBytes.zmm(), &[to.into(), from.into()], count, true);
    }

    fn load_bools(e: &mut E, count: u16, from: MemoryOperand, to: Register) {
        let bytes = xmm(e.scratch(0));
        partial(e, Code::EVEX_Vmovdqu8_xmm_k1z_xmmm128, &[bytes.into(), from.into()], count, true);
        put!(e, EVEX_Vptestmb_kr_k1_xmm_xmmm128, to, bytes, bytes);
    }

    fn bytes(e: &mut E, v: Value) -> Register {
        let to = xmm(e.scratch(1));
        if matches!(e.ty(v), Type::Mask(_)) {
            let mask = e.mask(v, 0);
            let ones = e.asm.constant(&[1; 16]);
            e.asm.masked(Code::EVEX_Vmovdqu8_xmm_k1z_xmmm128, &[to.into(), ones.into()], mask, true);
        } else {
            let from = e.vector(v, 0);
            put!(e, EVEX_Vpmovdb_xmmm128_k1z_zmm, to, from);
        }
        to
    }

    fn store_bytes(e: &mut E, count: u16, to: MemoryOperand, from: Register) {
        partial(e, Code::EVEX_Vmovdqu8_xmmm128_k1z_xmm, &[to.into(), from.into()], count, false);
    }

    fn gather(e: &mut E, to: Register, lanes: MemoryOperand, mask: Register) {
        e.asm.masked(Code::EVEX_Vgatherdps_zmm_k1_vm32z, &[to.into(), lanes.into()], mask, false);
    }

    fn scatter(e: &mut E, s: &Store) {
        let from = e.vector(s.value, 0);
        let mask = Avx512::live_lanes(e, &s.access);
        let offsets = e.offsets(&s.access);
        let offsets = e.in_register(offsets, 1);
        e.pointer(&s.address, 4);
        let lanes = memory(RAX, offsets, 4, 0);
        e.asm.masked(Code::EVEX_Vscatterdps_vm32z_k1_zmm, &[lanes.into(), from.into()], mask, false);
    }
}

/// An instruction on the first `count` lanes, zeroing further ones of a register.
fn partial(e: &mut E, code: Code, args: &[Arg], count: u16, zeroing: bool) {
    match e.facts.tail(count) {
        Some(tail) => {
            let mask = e.mask(tail, 0);
            e.asm.masked(code, args, mask, zeroing);
        }
        None => e.asm.op(code, args),
    }
}

/// Control bytes of `vpcmpd`.
fn int_predicate(op: Compare) -> u8 {
    match op {
        Compare::Eq => 0,
        Compare::Ne => 4,
        Compare::Lt => 1,
        Compare::Le => 2,
        Compare::Gt => 6,
        Compare::Ge => 5,
    }
}

/// Lanes of a vector, and 0 where the mask is not set.
fn keep(e: &mut E, mask: Register, a: Value, to: Register) {
    match e.operand(a) {
        Arg::Mem(memory) if memory.is_broadcast => {
            let one = MemoryOperand { is_broadcast: false, ..memory };
            e.asm.masked(Simd::Splat.zmm(), &[to.into(), one.into()], mask, true);
        }
        a => e.asm.masked(Simd::Load.zmm(), &[to.into(), a], mask, true),
    }
}

/// `b ^ (m & (a ^ b))`
fn select_masks(e: &mut E, m: Value, a: Value, b: Value, to: Register) {
    let differ = MASKS[0];
    let (x, y) = (e.mask(a, 0), e.mask(b, 1));
    simd!(e, MaskXor, differ, x, y);
    let m = e.mask(m, 1);
    simd!(e, MaskAnd, differ, differ, m);
    let y = e.mask(b, 1);
    simd!(e, MaskXor, to, differ, y);
}

//! AVX2 and FMA: ymm registers, masks as vectors of all ones and zeros, parts of vectors in pieces.

use super::asm::{Arg, Asm};
use super::emit::{Emitter, put, simd};
use super::facts::{Class, Constant, is_float};
use super::index::xmm;
use super::isa::{Isa, Shape, Touch};
use super::ops::{ORDERED, float_predicate};
use super::scratch::Part;
use super::simd::Simd;
use crate::lane::{Access, Store, Type, Value};
use crate::ops::Compare;
use iced_x86::Register::{
    EAX, EDX, YMM0, YMM1, YMM2, YMM3, YMM4, YMM5, YMM6, YMM7, YMM8, YMM9, YMM10, YMM11, YMM12, YMM13, YMM14, YMM15,
};
use iced_x86::{Code, MemoryOperand, Register};

pub struct Avx2;

const LANES: u16 = 8;

type E<'a> = Emitter<'a, Avx2>;

impl Isa for Avx2 {
    const SHAPE: Shape = Shape {
        lanes: LANES,
        mask: Class::Vector,
        broadcasts: false,
        // Stores under a mask are slow on some machines, loads are not.
        masked: |count, touch| match touch {
            Touch::LoadWords => !matches!(count, 1 | 2 | 4),
            Touch::Gather => true,
            Touch::LoadBytes | Touch::Store => false,
        },
        vectors: &[YMM0, YMM1, YMM2, YMM3, YMM4, YMM5, YMM6, YMM7, YMM8, YMM9, YMM10, YMM11, YMM12, YMM13, YMM14],
        masks: &[],
        scratch: &[YMM15],
    };

    const HALVES: &'static [(Code, u8)] = &[(Code::VEX_Vperm2f128_ymm_ymm_ymmm256_imm8, 1)];

    fn code(simd: Simd) -> Code {
        simd.ymm()
    }

    fn pooled(asm: &mut Asm, constant: Constant) -> MemoryOperand {
        match constant {
            Constant::Word(word) => asm.words(LANES, |_| word as i32),
            Constant::Lanes => asm.words(LANES, |l| l),
            Constant::First(n) => asm.words(LANES, |l| -i32::from(l < n.into())),
        }
    }

    // ── masks ──

    fn mask_scratch(e: &mut E, n: usize) -> Register {
        e.scratch(n)
    }

    fn not(e: &mut E, a: Register, to: Register) {
        let ones = e.word(u32::MAX);
        simd!(e, MaskXor, to, a, ones);
    }

    fn mask_of_eax(e: &mut E, to: Register) {
        Avx2::splat_word(e, EAX, to);
    }

    fn test(e: &mut E, mask: Register) {
        let ones = e.word(u32::MAX);
        put!(e, VEX_Vptest_ymm_ymmm256, mask, ones);
    }

    fn live_lanes(e: &mut E, access: &Access) -> Register {
        let to = e.scratch(2);
        match e.facts.lanes_in_use(access) {
            Some(v) => {
                let mask = e.operand(v);
                e.load_operand(to, mask);
            }
            None => simd!(e, MaskXnor, to, to, to),
        }
        to
    }

    fn lay_out_mask(e: &mut E, mask: Register) {
        put!(e, VEX_Vmovmskps_r32_ymm, EDX, mask);
        let place = e.part(Part::Mask, 0);
        put!(e, Mov_rm32_r32, place, EDX);
    }

    // ── vectors ──

    /// Of integers there are "equal" and "greater".
    fn compare(e: &mut E, op: Compare, a: Value, b: Value, to: Register) {
        let float = is_float(e.ty(a));
        let swapped = !float && matches!(op, Compare::Lt | Compare::Ge);
        let (a, b) = if swapped { (b, a) } else { (a, b) };
        let first = e.vector(a, 0);
        let second = e.operand(b);
        if float {
            return put!(e, VEX_Vcmpps_ymm_ymm_ymmm256_imm8, to, first, second, float_predicate(op));
        }
        match op {
            Compare::Eq | Compare::Ne => put!(e, VEX_Vpcmpeqd_ymm_ymm_ymmm256, to, first, second),
            _ => put!(e, VEX_Vpcmpgtd_ymm_ymm_ymmm256, to, first, second),
        }
        if matches!(op, Compare::Ne | Compare::Le | Compare::Ge) {
            Avx2::not(e, to, to);
        }
    }

    fn nonzero(e: &mut E, vector: Register, to: Register) {
        let zero = e.word(0);
        put!(e, VEX_Vpcmpeqd_ymm_ymm_ymmm256, to, vector, zero);
        Avx2::not(e, to, to);
    }

    fn select(e: &mut E, m: Value, a: Value, b: Value, to: Register) {
        let mask = e.vector(m, 0);
        if e.facts.word(b) == Some(0) {
            let a = e.operand(a);
            return simd!(e, MaskAnd, to, mask, a);
        }
        if e.facts.word(a) == Some(0) {
            let b = e.operand(b);
            return simd!(e, MaskAndNot, to, mask, b);
        }
        let otherwise = e.operand(b);
        let otherwise = in_other_register(e, otherwise, mask);
        let then = e.operand(a);
        put!(e, VEX_Vblendvps_ymm_ymm_ymmm256_ymm, to, otherwise, then, mask);
    }

    fn splat_word(e: &mut E, from: Register, to: Register) {
        put!(e, VEX_Vmovd_xmm_rm32, xmm(to), from);
        put!(e, VEX_Vpbroadcastd_ymm_xmmm32, to, xmm(to));
    }

    fn shift(e: &mut E, by: Simd, a: Value, count: u8, to: Register) {
        let a = e.vector(a, 0);
        e.asm.op(by.ymm(), &[to.into(), a.into(), count.into()]);
    }

    fn negate(e: &mut E, a: Value, to: Register) {
        let (a, minus_one) = (e.vector(a, 0), e.word(u32::MAX));
        put!(e, VEX_Vpsignd_ymm_ymm_ymmm256, to, a, minus_one);
    }

    fn merge_odd(e: &mut E, to: Register, odd: Register) {
        put!(e, VEX_Vpblendd_ymm_ymm_ymmm256_imm8, to, to, odd, 0xaau8);
    }

    /// The instruction gives the smallest integer for all that does not fit: large values invert that to the largest,
    /// NaN clears it.
    fn truncate(e: &mut E, v: Value, to: Register) {
        let from = e.operand(v);
        let from = in_other_register(e, from, to);
        let test = e.scratch_beside(&[from, to]);
        simd!(e, Truncate, to, from);
        let limit = e.word(2f32.powi(31).to_bits());
        put!(e, VEX_Vcmpps_ymm_ymm_ymmm256_imm8, test, from, limit, float_predicate(Compare::Ge));
        simd!(e, IXor, to, to, test);
        put!(e, VEX_Vcmpps_ymm_ymm_ymmm256_imm8, test, from, from, ORDERED);
        simd!(e, IAnd, to, to, test);
    }

    // ── memory ──

    fn load_words(e: &mut E, count: u16, from: MemoryOperand, to: Register) {
        match (count, e.facts.tail(count)) {
            (1, _) => put!(e, VEX_Vmovss_xmm_m32, xmm(to), from),
            (2, _) => put!(e, VEX_Vmovsd_xmm_m64, xmm(to), from),
            (4, _) => put!(e, VEX_Vmovups_xmm_xmmm128, xmm(to), from),
            (_, Some(tail)) => {
                let mask = e.vector(tail, 0);
                put!(e, VEX_Vmaskmovps_ymm_ymm_m256, to, mask, from);
            }
            (_, None) => simd!(e, Load, to, from),
        }
    }

    fn store_words(e: &mut E, count: u16, to: MemoryOperand, from: Register) {
        if count == LANES {
            return simd!(e, Store, to, from);
        }
        let (mut low, mut at) = (xmm(from), 0);
        if count >= 4 {
            put!(e, VEX_Vmovups_xmmm128_xmm, to, low);
            at = 4;
        }
        if count > 4 {
            low = xmm(e.scratch(0));
            put!(e, VEX_Vextractf128_xmmm128_ymm_imm8, low, from, 1u8);
        }
        if count & 2 != 0 {
            put!(e, VEX_Vmovlps_m64_xmm, beyond(to, 4 * at), low);
        }
        match count & 3 {
            1 => put!(e, VEX_Vmovss_m32_xmm, beyond(to, 4 * at), low),
            3 => put!(e, VEX_Vextractps_rm32_xmm_imm8, beyond(to, 4 * at + 8), low, 2u8),
            _ => {}
        }
    }

    fn load_bytes(e: &mut E, count: u16, from: MemoryOperand, to: Register) {
        if count == LANES {
            return simd!(e, WidenBytes, to, from);
        }
        let low = xmm(to);
        match count {
            4.. => put!(e, VEX_Vmovd_xmm_rm32, low, from),
            _ => put!(e, VEX_Vpxor_xmm_xmm_xmmm128, low, low, low),
        }
        let mut at = count & 4;
        if count & 2 != 0 {
            put!(e, VEX_Vpinsrw_xmm_xmm_r32m16_imm8, low, low, beyond(from, at.into()), (at / 2) as u8);
            at += 2;
        }
        if count & 1 != 0 {
            put!(e, VEX_Vpinsrb_xmm_xmm_r32m8_imm8, low, low, beyond(from, at.into()), at as u8);
        }
        simd!(e, WidenBytes, to, low);
    }

    fn load_bools(e: &mut E, count: u16, from: MemoryOperand, to: Register) {
        Avx2::load_bytes(e, count, from, to);
        Avx2::nonzero(e, to, to);
    }

    /// Each half brings four bytes to its first word; then these two words become neighbours.
    fn bytes(e: &mut E, v: Value) -> Register {
        let (from, to) = (e.vector(v, 0), e.scratch(0));
        let lowest = e.words(|l| if l % 4 == 0 { 0x0c08_0400 } else { -1 });
        if matches!(e.ty(v), Type::Mask(_)) {
            simd!(e, IShrBy, to, from, 31u8);
            put!(e, VEX_Vpshufb_ymm_ymm_ymmm256, to, to, lowest);
        } else {
            put!(e, VEX_Vpshufb_ymm_ymm_ymmm256, to, from, lowest);
        }
        put!(e, VEX_Vpermq_ymm_ymmm256_imm8, to, to, 8u8);
        put!(e, VEX_Vpshufd_xmm_xmmm128_imm8, xmm(to), xmm(to), 8u8);
        xmm(to)
    }

    fn store_bytes(e: &mut E, count: u16, to: MemoryOperand, from: Register) {
        if count == LANES {
            return put!(e, VEX_Vmovq_xmmm64_xmm, to, from);
        }
        let mut at = count & 4;
        if at != 0 {
            put!(e, VEX_Vmovd_rm32_xmm, to, from);
        }
        if count & 2 != 0 {
            put!(e, VEX_Vpextrw_r32m16_xmm_imm8, beyond(to, at.into()), from, (at / 2) as u8);
            at += 2;
        }
        if count & 1 != 0 {
            put!(e, VEX_Vpextrb_r32m8_xmm_imm8, beyond(to, at.into()), from, at as u8);
        }
    }

    fn gather(e: &mut E, to: Register, lanes: MemoryOperand, mask: Register) {
        put!(e, VEX_Vgatherdps_ymm_vm32y_ymm, to, lanes, mask);
    }

    fn scatter(e: &mut E, s: &Store) {
        let (from, place) = (e.vector(s.value, 0), e.part(Part::Lanes, 0));
        simd!(e, Store, place, from);
        e.store_lanes(s, 4);
    }
}

/// An operand in a register; what is in memory goes to a scratch register that is not `other`.
fn in_other_register(e: &mut E, operand: Arg, other: Register) -> Register {
    if let Arg::Reg(register) = operand {
        return register;
    }
    let scratch = e.scratch_beside(&[other]);
    e.load_operand(scratch, operand);
    scratch
}

/// The place so many bytes on.
fn beyond(place: MemoryOperand, bytes: i64) -> MemoryOperand {
    MemoryOperand { displacement: place.displacement + bytes, displ_size: 1, ..place }
}

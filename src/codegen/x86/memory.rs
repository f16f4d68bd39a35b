//! Loads and stores. Exactly the elements of an access count; lanes beyond are masked off and never touched (loads of
//! single bytes read the aligned word around each, which lies in the same page).

use super::asm::{Arg, based, memory};
use super::emit::{Emitter, MASKS, ZMMS, put};
use super::facts::{LANES, is_byte};
use super::index::xmm;
use crate::lane::{Access, Address, Store, Type, Value};
use crate::ops::DType;
use iced_x86::{Code, Register};

const RAX: Register = Register::RAX;

impl Emitter<'_> {
    fn dtype(&self, address: &Address) -> DType {
        self.kernel.buffers[address.buffer as usize]
    }

    fn element(&mut self, address: &Address) -> Arg {
        let size = self.dtype(address).size() as u32;
        self.address(address, size).into()
    }

    /// An instruction on the first `count` lanes, zeroing further ones of a register.
    fn partial(&mut self, code: Code, args: &[Arg], count: u16, zeroing: bool) {
        match self.facts.tail(count) {
            Some(tail) => {
                let mask = self.mask(tail, MASKS[0]);
                self.asm.masked(code, args, mask, zeroing);
            }
            None => self.asm.op(code, args),
        }
    }

    /// A copy of the mask of an access, in a register that a gather may clear.
    fn lanes_of(&mut self, access: &Access) {
        let to = MASKS[0];
        let from = match *access {
            Access::Indexed { mask, .. } => Some(mask),
            Access::Contiguous { count } | Access::Strided { count, .. } => self.facts.tail(count),
            Access::Splat => None,
        };
        match from {
            Some(v) => {
                let mask = self.mask(v, to);
                if mask != to {
                    put!(self, VEX_Kmovw_kr_km16, to, mask);
                }
            }
            None => put!(self, VEX_Kxnorw_kr_kr_kr, to, to, to),
        }
    }

    /// Distances of lanes from the address, in elements.
    fn offsets(&mut self, access: &Access) -> Arg {
        match *access {
            Access::Indexed { offsets, .. } => self.operand(offsets),
            Access::Strided { stride, .. } => self.asm.words(|l| l * stride as i32).into(),
            Access::Contiguous { .. } | Access::Splat => self.asm.words(|l| l).into(),
        }
    }

    fn clear(&mut self, to: Register) {
        put!(self, EVEX_Vpxord_zmm_k1z_zmm_zmmm512b32, to, to, to);
    }
}

// ── loads ──
impl Emitter<'_> {
    pub fn load(&mut self, ty: Type, address: &Address, access: &Access, to: Register) {
        if let Access::Contiguous { count: 0 } | Access::Strided { count: 0, .. } = access {
            return match ty {
                Type::Mask(_) => put!(self, VEX_Kxorw_kr_kr_kr, to, to, to),
                _ => self.clear(to),
            };
        }
        match self.dtype(address) {
            DType::U8 => self.load_bytes(address, access, to),
            DType::Bool => self.load_bools(address, access, to),
            _ => self.load_words(address, access, to),
        }
    }

    fn load_words(&mut self, address: &Address, access: &Access, to: Register) {
        match *access {
            Access::Contiguous { count } => {
                let from = self.element(address);
                self.partial(Code::EVEX_Vmovups_zmm_k1z_zmmm512, &[to.into(), from], count, true);
            }
            Access::Splat => {
                let from = self.element(address);
                put!(self, EVEX_Vbroadcastss_zmm_k1z_xmmm32, to, from);
            }
            Access::Strided { .. } | Access::Indexed { .. } => {
                self.lanes_of(access);
                self.clear(to);
                let offsets = self.offsets(access);
                let offsets = self.in_register(offsets, ZMMS[1]);
                self.pointer(address, 4);
                let lanes = memory(RAX, offsets, 4, 0);
                self.asm.masked(Code::EVEX_Vgatherdps_zmm_k1_vm32z, &[to.into(), lanes.into()], MASKS[0], false);
            }
        }
    }

    fn load_bytes(&mut self, address: &Address, access: &Access, to: Register) {
        match *access {
            Access::Contiguous { count } => {
                let from = self.element(address);
                self.partial(Code::EVEX_Vpmovzxbd_zmm_k1z_xmmm128, &[to.into(), from], count, true);
            }
            Access::Splat => {
                let from = self.element(address);
                put!(self, Movzx_r32_rm8, Register::EAX, from);
                put!(self, EVEX_Vpbroadcastd_zmm_k1z_r32, to, Register::EAX);
            }
            Access::Strided { .. } | Access::Indexed { .. } => self.gather_bytes(address, access, to),
        }
    }

    fn load_bools(&mut self, address: &Address, access: &Access, to: Register) {
        let vector = ZMMS[0];
        match *access {
            Access::Contiguous { count } => {
                let from = self.element(address);
                self.partial(Code::EVEX_Vmovdqu8_xmm_k1z_xmmm128, &[xmm(vector).into(), from], count, true);
                put!(self, EVEX_Vptestmb_kr_k1_xmm_xmmm128, to, xmm(vector), xmm(vector));
            }
            Access::Splat | Access::Strided { .. } | Access::Indexed { .. } => {
                self.load_bytes(address, access, vector);
                put!(self, EVEX_Vptestmd_kr_k1_zmm_zmmm512b32, to, vector, vector);
            }
        }
    }

    /// Gathers the aligned words around the bytes, then shifts each byte down.
    fn gather_bytes(&mut self, address: &Address, access: &Access, to: Register) {
        let at = ZMMS[1];
        self.lanes_of(access);
        self.clear(to);
        self.pointer(address, 1);
        put!(self, Mov_r32_rm32, Register::ECX, Register::EAX);
        self.asm.arithmetic((Code::And_rm32_imm8, Code::And_rm32_imm32), Register::ECX, 3);
        put!(self, Sub_r64_rm64, RAX, Register::RCX);
        let (aligned, low, byte) = (self.asm.word(!3), self.asm.word(24), self.asm.word(255));
        self.byte_positions(access, at);
        put!(self, EVEX_Vpandd_zmm_k1z_zmm_zmmm512b32, at, at, aligned);
        let lanes = memory(RAX, at, 1, 0);
        self.asm.masked(Code::EVEX_Vpgatherdd_zmm_k1_vm32z, &[to.into(), lanes.into()], MASKS[0], false);
        self.byte_positions(access, at);
        put!(self, EVEX_Vpslld_zmm_k1z_zmmm512b32_imm8, at, at, 3u8);
        put!(self, EVEX_Vpandd_zmm_k1z_zmm_zmmm512b32, at, at, low);
        put!(self, EVEX_Vpsrlvd_zmm_k1z_zmm_zmmm512b32, to, to, at);
        put!(self, EVEX_Vpandd_zmm_k1z_zmm_zmmm512b32, to, to, byte);
    }

    /// `to` = offsets + ecx
    fn byte_positions(&mut self, access: &Access, to: Register) {
        put!(self, EVEX_Vpbroadcastd_zmm_k1z_r32, to, Register::ECX);
        let offsets = self.offsets(access);
        put!(self, EVEX_Vpaddd_zmm_k1z_zmm_zmmm512b32, to, to, offsets);
    }
}

// ── stores ──
impl Emitter<'_> {
    pub fn store(&mut self, s: &Store) {
        if let Access::Contiguous { count: 0 } | Access::Strided { count: 0, .. } = s.access {
            return;
        }
        match (is_byte(self.dtype(&s.address)), s.access) {
            (true, Access::Contiguous { count }) => self.store_bytes(s, count),
            (true, Access::Strided { stride, count }) => self.store_strided_bytes(s, stride, count),
            (true, Access::Indexed { offsets, mask }) => self.scatter_bytes(s, offsets, mask),
            (false, Access::Contiguous { count }) => {
                let from = self.zmm(s.value, ZMMS[0]);
                let to = self.element(&s.address);
                self.partial(Code::EVEX_Vmovups_zmmm512_k1z_zmm, &[to, from.into()], count, false);
            }
            (_, Access::Splat) => unreachable!("the verifier refuses splat stores"),
            (false, _) => self.scatter(s),
        }
    }

    /// Lanes in ascending order, so that the last of several to one place stays.
    fn scatter(&mut self, s: &Store) {
        let from = self.zmm(s.value, ZMMS[0]);
        self.lanes_of(&s.access);
        let offsets = self.offsets(&s.access);
        let offsets = self.in_register(offsets, ZMMS[1]);
        self.pointer(&s.address, 4);
        let lanes = memory(RAX, offsets, 4, 0);
        self.asm.masked(Code::EVEX_Vscatterdps_vm32z_k1_zmm, &[lanes.into(), from.into()], MASKS[0], false);
    }

    /// The bytes of a vector's lanes, or of a mask as 0 and 1, in an xmm register.
    fn bytes(&mut self, v: Value) -> Register {
        let to = xmm(ZMMS[1]);
        if matches!(self.ty(v), Type::Mask(_)) {
            let mask = self.mask(v, MASKS[0]);
            let ones = self.asm.constant(&[1; 16]);
            self.asm.masked(Code::EVEX_Vmovdqu8_xmm_k1z_xmmm128, &[to.into(), ones.into()], mask, true);
        } else {
            let from = self.zmm(v, ZMMS[0]);
            put!(self, EVEX_Vpmovdb_xmmm128_k1z_zmm, to, from);
        }
        to
    }

    fn store_bytes(&mut self, s: &Store, count: u16) {
        let bytes = self.bytes(s.value);
        let to = self.element(&s.address);
        self.partial(Code::EVEX_Vmovdqu8_xmmm128_k1z_xmm, &[to, bytes.into()], count, false);
    }

    /// Puts the bytes into scratch memory, and the address into rax.
    fn lay_out(&mut self, s: &Store) {
        let bytes = self.bytes(s.value);
        put!(self, EVEX_Vmovdqu8_xmmm128_k1z_xmm, based(Register::RSP, self.scratch), bytes);
        self.pointer(&s.address, 1);
    }

    fn store_strided_bytes(&mut self, s: &Store, stride: i64, count: u16) {
        self.lay_out(s);
        for lane in 0..i64::from(count) {
            put!(self, Movzx_r32_rm8, Register::ECX, based(Register::RSP, self.scratch + lane));
            put!(self, Mov_rm8_r8, based(RAX, lane * stride), Register::CL);
        }
    }

    fn scatter_bytes(&mut self, s: &Store, offsets: Value, mask: Value) {
        let (to_offsets, to_mask) = (self.scratch + 64, self.scratch + 128);
        let offsets = self.zmm(offsets, ZMMS[0]);
        put!(self, EVEX_Vmovups_zmmm512_k1z_zmm, based(Register::RSP, to_offsets), offsets);
        let mask = self.mask(mask, MASKS[0]);
        put!(self, VEX_Kmovw_m16_kr, based(Register::RSP, to_mask), mask);
        self.lay_out(s);
        for lane in 0..i64::from(LANES) {
            let skip = self.asm.label();
            put!(self, Bt_rm16_imm8, based(Register::RSP, to_mask), lane as u8);
            self.asm.branch(Code::Jae_rel32_64, skip);
            put!(self, Movsxd_r64_rm32, Register::RDX, based(Register::RSP, to_offsets + 4 * lane));
            put!(self, Movzx_r32_rm8, Register::ECX, based(Register::RSP, self.scratch + lane));
            put!(self, Mov_rm8_r8, memory(RAX, Register::RDX, 1, 0), Register::CL);
            self.asm.bind(skip);
        }
    }
}

//! Loads and stores. Exactly the elements of an access count; lanes beyond are never touched (loads of single bytes
//! read the aligned word around each, which lies in the same page).

use super::asm::{Arg, based, memory};
use super::emit::{Emitter, put, simd};
use super::facts::is_byte;
use super::isa::Isa;
use super::scratch::Part;
use crate::lane::{Access, Address, Store, Type, Value};
use crate::ops::DType;
use iced_x86::{Code, MemoryOperand, Register};

const RAX: Register = Register::RAX;

impl<I: Isa> Emitter<'_, I> {
    fn dtype(&self, address: &Address) -> DType {
        self.kernel.buffers[address.buffer as usize]
    }

    fn element(&mut self, address: &Address) -> MemoryOperand {
        let size = self.dtype(address).size() as u32;
        self.address(address, size)
    }

    /// Distances of lanes from the address, in elements.
    pub fn offsets(&mut self, access: &Access) -> Arg {
        match *access {
            Access::Indexed { offsets, .. } => self.operand(offsets),
            Access::Strided { stride, .. } => self.words(|l| l * stride as i32).into(),
            Access::Contiguous { .. } | Access::Splat => self.words(|l| l).into(),
        }
    }
}

// ── loads ──
impl<I: Isa> Emitter<'_, I> {
    pub fn load(&mut self, ty: Type, address: &Address, access: &Access, to: Register) {
        if let Access::Contiguous { count: 0 } | Access::Strided { count: 0, .. } = access {
            return match ty {
                Type::Mask(_) => simd!(self, MaskXor, to, to, to),
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
                I::load_words(self, count, from, to);
            }
            Access::Splat => {
                let from = self.element(address);
                simd!(self, Splat, to, from);
            }
            Access::Strided { .. } | Access::Indexed { .. } => {
                let mask = I::live_lanes(self, access);
                self.clear(to);
                let offsets = self.offsets(access);
                let offsets = self.in_register(offsets, 1);
                self.pointer(address, 4);
                I::gather(self, to, memory(RAX, offsets, 4, 0), mask);
            }
        }
    }

    fn load_bytes(&mut self, address: &Address, access: &Access, to: Register) {
        match *access {
            Access::Contiguous { count } => {
                let from = self.element(address);
                I::load_bytes(self, count, from, to);
            }
            Access::Splat => {
                let from = self.element(address);
                put!(self, Movzx_r32_rm8, Register::EAX, from);
                I::splat_word(self, Register::EAX, to);
            }
            Access::Strided { .. } | Access::Indexed { .. } => self.gather_bytes(address, access, to),
        }
    }

    fn load_bools(&mut self, address: &Address, access: &Access, to: Register) {
        match *access {
            Access::Contiguous { count } => {
                let from = self.element(address);
                I::load_bools(self, count, from, to);
            }
            Access::Splat | Access::Strided { .. } | Access::Indexed { .. } => {
                let vector = self.scratch(0);
                self.load_bytes(address, access, vector);
                I::nonzero(self, vector, to);
            }
        }
    }

    /// Gathers the aligned words around the bytes, then shifts each byte down.
    fn gather_bytes(&mut self, address: &Address, access: &Access, to: Register) {
        let at = self.scratch(1);
        let mask = I::live_lanes(self, access);
        self.clear(to);
        self.pointer(address, 1);
        put!(self, Mov_r32_rm32, Register::ECX, Register::EAX);
        self.asm.arithmetic((Code::And_rm32_imm8, Code::And_rm32_imm32), Register::ECX, 3);
        put!(self, Sub_r64_rm64, RAX, Register::RCX);
        let (aligned, low, byte) = (self.word(!3), self.word(24), self.word(255));
        self.byte_positions(access, at);
        simd!(self, IAnd, at, at, aligned);
        I::gather(self, to, memory(RAX, at, 1, 0), mask);
        self.byte_positions(access, at);
        simd!(self, IShlBy, at, at, 3u8);
        simd!(self, IAnd, at, at, low);
        simd!(self, IShr, to, to, at);
        simd!(self, IAnd, to, to, byte);
    }

    /// `to` = offsets + ecx
    fn byte_positions(&mut self, access: &Access, to: Register) {
        I::splat_word(self, Register::ECX, to);
        let offsets = self.offsets(access);
        simd!(self, IAdd, to, to, offsets);
    }
}

// ── stores ──
impl<I: Isa> Emitter<'_, I> {
    pub fn store(&mut self, s: &Store) {
        if let Access::Contiguous { count: 0 } | Access::Strided { count: 0, .. } = s.access {
            return;
        }
        match (is_byte(self.dtype(&s.address)), s.access) {
            (true, Access::Contiguous { count }) => {
                let bytes = I::bytes(self, s.value);
                let to = self.element(&s.address);
                I::store_bytes(self, count, to, bytes);
            }
            (false, Access::Contiguous { count }) => {
                let from = self.vector(s.value, 0);
                let to = self.element(&s.address);
                I::store_words(self, count, to, from);
            }
            (_, Access::Splat) => unreachable!("the verifier refuses splat stores"),
            (false, _) => I::scatter(self, s),
            (true, _) => {
                let bytes = I::bytes(self, s.value);
                let place = self.part(Part::Lanes, 0);
                I::store_bytes(self, I::SHAPE.lanes, place, bytes);
                self.store_lanes(s, 1);
            }
        }
    }

    /// Stores lanes of `size` bytes from scratch memory, one by one.
    pub fn store_lanes(&mut self, s: &Store, size: u32) {
        match s.access {
            Access::Strided { stride, count } => {
                self.pointer(&s.address, size);
                for lane in 0..i64::from(count) {
                    self.store_lane(lane, size, based(RAX, lane * stride * i64::from(size)));
                }
            }
            Access::Indexed { offsets, mask } => self.store_indexed(&s.address, offsets, mask, size),
            Access::Contiguous { .. } | Access::Splat => unreachable!("these have other stores"),
        }
    }

    fn store_lane(&mut self, lane: i64, size: u32, to: MemoryOperand) {
        let from = self.part(Part::Lanes, lane * i64::from(size));
        if size == 1 {
            put!(self, Movzx_r32_rm8, Register::ECX, from);
            put!(self, Mov_rm8_r8, to, Register::CL);
        } else {
            put!(self, Mov_r32_rm32, Register::ECX, from);
            put!(self, Mov_rm32_r32, to, Register::ECX);
        }
    }

    fn store_indexed(&mut self, address: &Address, offsets: Value, mask: Value, size: u32) {
        let (offsets, place) = (self.vector(offsets, 0), self.part(Part::Offsets, 0));
        simd!(self, Store, place, offsets);
        let mask = self.mask(mask, 0);
        I::lay_out_mask(self, mask);
        self.pointer(address, size);
        for lane in 0..i64::from(I::SHAPE.lanes) {
            let skip = self.asm.label();
            let (bits, offset) = (self.part(Part::Mask, 0), self.part(Part::Offsets, 4 * lane));
            put!(self, Bt_rm16_imm8, bits, lane as u8);
            self.asm.branch(Code::Jae_rel32_64, skip);
            put!(self, Movsxd_r64_rm32, Register::RDX, offset);
            self.store_lane(lane, size, memory(RAX, Register::RDX, size, 0));
            self.asm.bind(skip);
        }
    }
}

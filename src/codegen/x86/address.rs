//! Addresses as memory operands: buffer pointer + index * element size + offset.

use super::asm::{based, memory};
use super::emit::{Emitter, put};
use super::isa::Isa;
use crate::lane::Address;
use iced_x86::{MemoryOperand, Register};

/// Displacements from this on go to a register: what is left is for the pieces of an access.
const FARTHEST: u64 = (1 << 31) - 256;

impl<I: Isa> Emitter<'_, I> {
    /// The element at an address, `size` bytes (1 or 4) each. May use rax, rcx and rdx.
    pub fn address(&mut self, address: &Address, size: u32) -> MemoryOperand {
        let base = self.gpr(self.facts.base(address.buffer), Register::RAX);
        let bytes = |n: i64| n.wrapping_mul(size.into());
        let (index, distance) = match self.number(address.index) {
            Some(n) => (Register::None, bytes(n.wrapping_add(address.offset))),
            None => (self.gpr(address.index, Register::RCX), bytes(address.offset)),
        };
        if distance.unsigned_abs() < FARTHEST {
            return memory(base, index, size, distance);
        }
        self.asm.set(Register::RDX, distance);
        put!(self, Lea_r64_m, Register::RAX, memory(base, Register::RDX, 1, 0));
        memory(Register::RAX, index, size, 0)
    }

    /// The same, as a pointer in rax.
    pub fn pointer(&mut self, address: &Address, size: u32) {
        let place = self.address(address, size);
        if place != based(Register::RAX, 0) {
            put!(self, Lea_r64_m, Register::RAX, place);
        }
    }
}

//! Index arithmetic in general registers, and its way to and from vectors. rax, rcx and rdx are free here.

use super::asm::memory;
use super::emit::{Emitter, put, simd};
use super::facts::Form;
use super::isa::Isa;
use crate::lane::{IndexOp, Value};
use crate::ops::Compare;
use iced_x86::Register::{RAX, RCX, RDX};
use iced_x86::{Code, Register};

/// The comparison that holds where this does not.
pub fn opposite(op: Compare) -> Compare {
    match op {
        Compare::Eq => Compare::Ne,
        Compare::Ne => Compare::Eq,
        Compare::Lt => Compare::Ge,
        Compare::Le => Compare::Gt,
        Compare::Gt => Compare::Le,
        Compare::Ge => Compare::Lt,
    }
}

fn set_code(op: Compare) -> Code {
    match op {
        Compare::Eq => Code::Sete_rm8,
        Compare::Ne => Code::Setne_rm8,
        Compare::Lt => Code::Setl_rm8,
        Compare::Le => Code::Setle_rm8,
        Compare::Gt => Code::Setg_rm8,
        Compare::Ge => Code::Setge_rm8,
    }
}

impl<I: Isa> Emitter<'_, I> {
    pub fn index_op(&mut self, op: IndexOp, a: Value, b: Value, to: Register) {
        match op {
            IndexOp::Add => self.index_add(a, b, to),
            IndexOp::Sub => self.index_sub(a, b, to),
            IndexOp::Mul => self.index_mul(a, b, to),
            IndexOp::Min => self.index_pick(Code::Cmovg_r64_rm64, a, b, to),
            IndexOp::Max => self.index_pick(Code::Cmovl_r64_rm64, a, b, to),
            IndexOp::Div => self.floor_div(a, self.divisor(b), to),
            IndexOp::Mod => self.floor_mod(a, self.divisor(b), to),
        }
    }

    /// Divisors are positive constants; the verifier sees to it.
    fn divisor(&self, b: Value) -> i64 {
        self.number(b).unwrap_or(1)
    }

    /// A known index that fits an instruction.
    fn immediate(&self, v: Value) -> Option<i32> {
        self.number(v).and_then(|n| i32::try_from(n).ok())
    }

    pub fn copy(&mut self, to: Register, from: Register) {
        if to != from {
            put!(self, Mov_r64_rm64, to, from);
        }
    }

    fn index_add(&mut self, a: Value, b: Value, to: Register) {
        let (a, b) = if self.number(a).is_some() { (b, a) } else { (a, b) };
        let x = self.gpr(a, RCX);
        match self.immediate(b) {
            Some(n) if x == to => self.asm.arithmetic((Code::Add_rm64_imm8, Code::Add_rm64_imm32), to, n),
            Some(n) => put!(self, Lea_r64_m, to, memory(x, Register::None, 1, n.into())),
            None => {
                let y = self.gpr(b, RDX);
                put!(self, Lea_r64_m, to, memory(x, y, 1, 0));
            }
        }
    }

    fn index_sub(&mut self, a: Value, b: Value, to: Register) {
        let x = self.gpr(a, RCX);
        if let Some(n) = self.immediate(b).and_then(i32::checked_neg) {
            return put!(self, Lea_r64_m, to, memory(x, Register::None, 1, n.into()));
        }
        let y = self.gpr(b, RDX);
        if to == y && to != x {
            put!(self, Neg_rm64, to);
            return put!(self, Add_r64_rm64, to, x);
        }
        self.copy(to, x);
        put!(self, Sub_r64_rm64, to, y);
    }

    fn index_mul(&mut self, a: Value, b: Value, to: Register) {
        let (a, b) = if self.number(a).is_some() { (b, a) } else { (a, b) };
        let x = self.gpr(a, RCX);
        match (self.number(b), self.immediate(b)) {
            (Some(n), _) if n > 0 && n & (n - 1) == 0 => {
                self.copy(to, x);
                put!(self, Shl_rm64_imm8, to, n.trailing_zeros() as u8);
            }
            (Some(n @ (3 | 5 | 9)), _) => put!(self, Lea_r64_m, to, memory(x, x, n as u32 - 1, 0)),
            (_, Some(n)) => put!(self, Imul_r64_rm64_imm32, to, x, n),
            _ => {
                let y = self.gpr(b, RDX);
                let (x, y) = if to == y { (y, x) } else { (x, y) };
                self.copy(to, x);
                put!(self, Imul_r64_rm64, to, y);
            }
        }
    }

    /// The smaller or the larger, by a move where `to` is above or below the other.
    fn index_pick(&mut self, code: Code, a: Value, b: Value, to: Register) {
        let (x, y) = (self.gpr(a, RCX), self.gpr(b, RDX));
        let (x, y) = if to == y { (y, x) } else { (x, y) };
        self.copy(to, x);
        put!(self, Cmp_r64_rm64, to, y);
        self.asm.op(code, &[to.into(), y.into()]);
    }

    fn floor_div(&mut self, a: Value, n: i64, to: Register) {
        let x = self.gpr(a, RCX);
        if n & (n - 1) == 0 {
            self.copy(to, x);
            return put!(self, Sar_rm64_imm8, to, n.trailing_zeros() as u8);
        }
        self.quotient(x, n);
        self.copy(to, RDX);
    }

    fn floor_mod(&mut self, a: Value, n: i64, to: Register) {
        let x = self.gpr(a, RCX);
        if n & (n - 1) == 0 {
            self.asm.set(RDX, n - 1);
            self.copy(to, x);
            return put!(self, And_r64_rm64, to, RDX);
        }
        self.quotient(x, n);
        self.asm.set(RAX, n);
        put!(self, Imul_r64_rm64, RDX, RAX);
        let x = self.gpr(a, RCX);
        put!(self, Mov_r64_rm64, RAX, x);
        put!(self, Sub_r64_rm64, RAX, RDX);
        self.copy(to, RAX);
    }

    /// rdx = floor(x / n), for n no power of two. With s the sign of x (0 or -1), `floor(x / n) = ((x ^ s) / n) ^ s`;
    /// x ^ s has 63 bits, so a factor of 64 bits gives the exact quotient (Granlund and Montgomery 1994).
    fn quotient(&mut self, x: Register, n: i64) {
        let bits = 64 - (n - 1).leading_zeros();
        let factor = (1u128 << (63 + bits)).div_ceil(n as u128) as u64;
        self.copy(RDX, x);
        self.copy(RCX, x);
        put!(self, Sar_rm64_imm8, RCX, 63u8);
        put!(self, Xor_r64_rm64, RDX, RCX);
        self.asm.set(RAX, factor as i64);
        put!(self, Mul_rm64, RDX);
        put!(self, Shr_rm64_imm8, RDX, bits as u8 - 1);
        put!(self, Xor_r64_rm64, RDX, RCX);
    }
}

// ── conditions ──
impl<I: Isa> Emitter<'_, I> {
    /// Compares; the result tells which comparison of the flags is the condition.
    pub fn test(&mut self, cond: Value) -> Compare {
        let Form::Test(op, a, b) = self.facts.form(cond) else { unreachable!("conditions are comparisons") };
        self.compare_indices(a, b);
        op
    }

    pub fn compare_indices(&mut self, a: Value, b: Value) {
        let x = self.gpr(a, RAX);
        match self.immediate(b) {
            Some(n) => self.asm.arithmetic((Code::Cmp_rm64_imm8, Code::Cmp_rm64_imm32), x, n),
            None => {
                let y = self.gpr(b, RCX);
                put!(self, Cmp_r64_rm64, x, y);
            }
        }
    }

    /// All lanes of a mask the truth of the flags.
    pub fn splat_flags(&mut self, set: Code, to: Register) {
        self.asm.op(set, &[Register::AL.into()]);
        put!(self, Movzx_r32_rm8, Register::EAX, Register::AL);
        put!(self, Neg_rm32, Register::EAX);
        I::mask_of_eax(self, to);
    }

    pub fn splat_cond(&mut self, cond: Value, to: Register) {
        let op = self.test(cond);
        self.splat_flags(set_code(op), to);
    }
}

// ── vectors ──
impl<I: Isa> Emitter<'_, I> {
    pub fn first_lane(&mut self, v: Value, to: Register) {
        let vector = self.vector(v, 0);
        simd!(self, FirstLane, Register::EAX, xmm(vector));
        put!(self, Movsxd_r64_rm32, to, Register::EAX);
    }

    pub fn splat_index(&mut self, v: Value, to: Register) {
        let x = self.gpr(v, RAX);
        I::splat_word(self, x.full_register32(), to);
    }
}

/// The first four lanes of a vector register.
pub fn xmm(vector: Register) -> Register {
    Register::XMM0 + vector.number() as u32
}

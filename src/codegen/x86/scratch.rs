//! Scratch registers and scratch memory of the statement at hand. Where a statement wants more vector registers than
//! the instruction set keeps back, it borrows one that no value has just now; if all are taken, the value of one that
//! the statement does not use waits in the frame.

use super::alloc::Home;
use super::asm::based;
use super::emit::{Emitter, simd};
use super::facts::Class;
use super::isa::Isa;
use crate::lane::Value;
use iced_x86::{MemoryOperand, Register};

/// Scratch memory: lanes, offsets and mask of stores that go lane by lane, then registers that were lent.
const OFFSETS: i64 = 64;
const MASK: i64 = 128;
const LENT: i64 = 192;
/// Its length.
pub const SCRATCH: i64 = 384;

#[derive(Default)]
pub struct Loans {
    /// Position of the statement, as in `live`.
    at: u32,
    /// What it reads and writes.
    values: Vec<Value>,
    /// Borrowed registers, and where their values wait.
    loans: Vec<(Register, Option<MemoryOperand>)>,
}

/// Parts of scratch memory.
#[derive(Clone, Copy)]
pub enum Part {
    Lanes,
    Offsets,
    Mask,
}

impl<I: Isa> Emitter<'_, I> {
    /// Begins the next statement, which reads and writes these values.
    pub fn begin(&mut self, values: Vec<Value>) {
        self.loans.at += 2;
        self.loans.values = values;
    }

    /// Gives back what was borrowed.
    pub fn end(&mut self) {
        for (register, place) in std::mem::take(&mut self.loans.loans) {
            if let Some(place) = place {
                simd!(self, Move, register, place);
            }
        }
    }

    /// Scratch register `n` of this statement.
    pub fn scratch(&mut self, n: usize) -> Register {
        if let Some(register) = I::SHAPE.scratch.get(n) {
            return *register;
        }
        let n = n - I::SHAPE.scratch.len();
        while self.loans.loans.len() <= n {
            self.borrow();
        }
        self.loans.loans[n].0
    }

    /// The first scratch register that is none of these.
    pub fn scratch_beside(&mut self, others: &[Register]) -> Register {
        let mut n = 0;
        while others.contains(&self.scratch(n)) {
            n += 1;
        }
        self.scratch(n)
    }

    fn borrow(&mut self) {
        let lent = |r: &Register| self.loans.loans.iter().any(|l| l.0 == *r);
        let used = |r: &Register| self.loans.values.iter().any(|v| self.homes.of(*v) == Home::Reg(*r));
        let others = I::SHAPE.vectors.iter().copied().enumerate().filter(|(_, r)| !lent(r));
        if let Some((_, register)) = others.clone().find(|(n, _)| self.homes.is_free(*n, self.loans.at)) {
            return self.loans.loans.push((register, None));
        }
        let (_, register) = others.clone().find(|(_, r)| !used(r)).expect("a statement uses few registers");
        let place = self.scratch_memory(LENT + self.loans.loans.len() as i64 * I::SHAPE.bytes());
        simd!(self, Keep, place, register);
        self.loans.loans.push((register, Some(place)));
    }

    /// Where a value waits while others move.
    pub fn waiting_home(&mut self, class: Class) -> Home {
        match class {
            Class::Gpr => Home::Reg(Register::RCX),
            Class::Mask => Home::Reg(I::mask_scratch(self, 1)),
            Class::Vector => I::SHAPE.scratch.get(1).map_or_else(|| self.waiting_slot(), |r| Home::Reg(*r)),
        }
    }

    fn waiting_slot(&mut self) -> Home {
        self.uses_frame = true;
        Home::Slot(self.scratch_at + LENT)
    }

    fn scratch_memory(&mut self, at: i64) -> MemoryOperand {
        self.uses_frame = true;
        based(Register::RSP, self.scratch_at + at)
    }

    /// Byte `at` of a part of scratch memory.
    pub fn part(&mut self, part: Part, at: i64) -> MemoryOperand {
        let start = match part {
            Part::Lanes => 0,
            Part::Offsets => OFFSETS,
            Part::Mask => MASK,
        };
        self.scratch_memory(start + at)
    }
}

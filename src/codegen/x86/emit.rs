//! The emitter: how values become operands, and results registers.

use super::alloc::{Home, Homes};
use super::asm::{Arg, Asm, based, broadcast};
use super::facts::{Class, Constant, Facts, Form};
use super::isa::Isa;
use super::scratch::{Loans, SCRATCH};
use super::simd::Simd;
use crate::lane::{Kernel, LaneOp, Type, Value};
use iced_x86::{Code, MemoryOperand, Register};
use std::marker::PhantomData;

/// One instruction: code and operands.
macro_rules! put {
    ($emitter:expr, $code:ident $(, $arg:expr)*) => {
        $emitter.asm.op(iced_x86::Code::$code, &[$($crate::codegen::x86::asm::Arg::from($arg)),*])
    };
}
pub(super) use put;

/// One vector instruction in the form of the emitter's instruction set.
macro_rules! simd {
    ($emitter:expr, $simd:ident $(, $arg:expr)*) => {
        $emitter.simd($crate::codegen::x86::simd::Simd::$simd, &[$($crate::codegen::x86::asm::Arg::from($arg)),*])
    };
}
pub(super) use simd;

const LARGEST_FRAME: i64 = 1 << 18;

pub struct Emitter<'a, I> {
    pub kernel: &'a Kernel,
    pub facts: &'a Facts<'a>,
    pub homes: &'a Homes,
    pub asm: Asm,
    /// Distance of scratch memory from the stack pointer.
    pub scratch_at: i64,
    pub uses_frame: bool,
    pub loans: Loans,
    isa: PhantomData<I>,
}

/// The machine code of a kernel; `None` where its frame would be too large.
pub fn function<I: Isa>(kernel: &Kernel, facts: &Facts, homes: &Homes) -> Option<Vec<u8>> {
    let mut emitter = Emitter::<I>::new(kernel, facts, homes);
    if emitter.scratch_at > LARGEST_FRAME {
        return None;
    }
    let framed = homes.frame > 0;
    emitter.function(framed);
    if emitter.uses_frame && !framed {
        emitter = Emitter::new(kernel, facts, homes);
        emitter.function(true);
    }
    emitter.asm.finish()
}

impl<'a, I: Isa> Emitter<'a, I> {
    fn new(kernel: &'a Kernel, facts: &'a Facts, homes: &'a Homes) -> Self {
        let scratch_at = (64 + homes.frame + 63) & !63;
        let (asm, loans) = (Asm::new(), Loans::default());
        Emitter { kernel, facts, homes, asm, scratch_at, uses_frame: false, loans, isa: PhantomData }
    }

    /// The whole function. Without a frame there is no scratch memory: then `uses_frame` tells whether it was missed.
    fn function(&mut self, framed: bool) {
        for register in &self.homes.saved {
            put!(self, Push_r64, *register);
        }
        if framed {
            self.open_frame();
        }
        self.parameters();
        self.body(&self.kernel.body);
        put!(self, VEX_Vzeroupper);
        if framed {
            put!(self, Mov_r64_rm64, Register::RSP, based(Register::RSP, 0));
        }
        for register in self.homes.saved.iter().rev() {
            put!(self, Pop_r64, *register);
        }
        put!(self, Retnq);
    }

    /// Makes room, aligned to whole vectors; the caller's stack pointer lies at its start.
    fn open_frame(&mut self) {
        put!(self, Mov_r64_rm64, Register::RAX, Register::RSP);
        put!(self, Sub_rm64_imm32, Register::RSP, (self.scratch_at + SCRATCH) as i32);
        put!(self, And_rm64_imm32, Register::RSP, -64);
        put!(self, Mov_rm64_r64, based(Register::RSP, 0), Register::RAX);
    }

    /// Takes the parameters (rdi, rsi, rdx, rcx), buffer pointers and masks to their homes.
    fn parameters(&mut self) {
        put!(self, Mov_r64_rm64, Register::RAX, Register::RDI);
        let sources = [(Value(0), Register::RSI), (Value(1), Register::RDX), (self.facts.fault(), Register::RCX)];
        self.parallel(sources.map(|(v, r)| (Class::Gpr, self.homes.of(v), Home::Reg(r))).to_vec());
        for buffer in 0..self.kernel.buffers.len() as u32 {
            let pointer = based(Register::RAX, 8 * i64::from(buffer));
            match self.homes.of(self.facts.base(buffer)) {
                Home::Reg(register) => put!(self, Mov_r64_rm64, register, pointer),
                Home::Slot(at) => {
                    put!(self, Mov_r64_rm64, Register::RCX, pointer);
                    self.store_home(Class::Gpr, at, Register::RCX);
                }
                Home::Pool(_) | Home::Nowhere => {}
            }
        }
        let mut tails: Vec<_> = self.facts.tails().collect();
        tails.sort_unstable();
        tails.into_iter().for_each(|tail| self.settle(tail));
    }

    pub fn simd(&mut self, simd: Simd, args: &[Arg]) {
        self.asm.op(I::code(simd), args);
    }

    pub fn ty(&self, v: Value) -> Type {
        self.kernel.types[v.0 as usize]
    }
}

// ── homes ──
impl<I: Isa> Emitter<'_, I> {
    fn slot(at: i64) -> MemoryOperand {
        based(Register::RSP, at)
    }

    pub fn store_home(&mut self, class: Class, at: i64, from: Register) {
        let code = match class {
            Class::Gpr => Code::Mov_rm64_r64,
            Class::Vector => I::code(Simd::Keep),
            Class::Mask => Code::VEX_Kmovw_m16_kr,
        };
        self.asm.op(code, &[Self::slot(at).into(), from.into()]);
    }

    /// Brings what is at a home to a register.
    pub fn load_home(&mut self, class: Class, to: Register, home: Home) {
        match (class, home) {
            (Class::Gpr, Home::Reg(from)) => put!(self, Mov_r64_rm64, to, from),
            (Class::Vector, Home::Reg(from)) => simd!(self, Move, to, from),
            (Class::Mask, Home::Reg(from)) => put!(self, VEX_Kmovw_kr_km16, to, from),
            (Class::Gpr, Home::Slot(at)) => put!(self, Mov_r64_rm64, to, Self::slot(at)),
            (Class::Vector, Home::Slot(at)) => simd!(self, Move, to, Self::slot(at)),
            (Class::Mask, Home::Slot(at)) => put!(self, VEX_Kmovw_kr_km16, to, Self::slot(at)),
            (_, Home::Pool(constant)) => self.materialise(constant, to),
            (_, Home::Nowhere) => {}
        }
    }

    pub fn materialise(&mut self, constant: Constant, to: Register) {
        match constant {
            Constant::Word(0) => self.clear(to),
            _ => {
                let memory = self.pooled(constant);
                self.load_operand(to, memory.into());
            }
        }
    }

    fn pooled(&mut self, constant: Constant) -> MemoryOperand {
        I::pooled(&mut self.asm, constant)
    }

    /// One word for every lane, as an operand.
    pub fn word(&mut self, word: u32) -> MemoryOperand {
        self.pooled(Constant::Word(word))
    }

    /// A word per lane, as an operand.
    pub fn words(&mut self, lane: impl Fn(i32) -> i32) -> MemoryOperand {
        self.asm.words(I::SHAPE.lanes, lane)
    }

    pub fn clear(&mut self, to: Register) {
        simd!(self, IXor, to, to, to);
    }

    /// Brings a constant to its register, if it has one.
    pub fn settle(&mut self, v: Value) {
        if let (Form::Constant(_, constant), Home::Reg(to)) = (self.facts.form(v), self.homes.of(v)) {
            self.materialise(constant, to);
        }
    }
}

// ── operands ──
impl<I: Isa> Emitter<'_, I> {
    /// A vector as the last operand of an instruction: a register, as many bytes in memory, or one word for all lanes.
    pub fn operand(&mut self, v: Value) -> Arg {
        if let Form::Folded(address, splat) = self.facts.form(v) {
            let memory = self.address(&address, 4);
            return if splat { broadcast(memory).into() } else { memory.into() };
        }
        match self.homes.of(v) {
            Home::Reg(register) => register.into(),
            Home::Slot(at) => Self::slot(at).into(),
            Home::Pool(constant) => self.pooled(constant).into(),
            Home::Nowhere => self.scratch(0).into(),
        }
    }

    /// A vector in a register: its own, or scratch register `n`.
    pub fn vector(&mut self, v: Value, n: usize) -> Register {
        let operand = self.operand(v);
        self.in_register(operand, n)
    }

    /// An operand in a register; what is in memory goes to scratch register `n`.
    pub fn in_register(&mut self, operand: Arg, n: usize) -> Register {
        if let Arg::Reg(register) = operand {
            return register;
        }
        let scratch = self.scratch(n);
        self.load_operand(scratch, operand);
        scratch
    }

    /// Loads an operand, of a vector or a mask.
    pub fn load_operand(&mut self, to: Register, operand: Arg) {
        match operand {
            _ if to.is_k() => put!(self, VEX_Kmovw_kr_km16, to, operand),
            Arg::Mem(memory) if memory.is_broadcast => {
                let memory = MemoryOperand { is_broadcast: false, ..memory };
                simd!(self, Splat, to, memory);
            }
            _ if operand != to.into() => simd!(self, Load, to, operand),
            _ => {}
        }
    }

    /// A mask in a register: its own, or scratch register `n` of masks.
    pub fn mask(&mut self, v: Value, n: usize) -> Register {
        match self.homes.of(v) {
            Home::Reg(register) => register,
            home => {
                let scratch = I::mask_scratch(self, n);
                self.load_home(I::SHAPE.mask, scratch, home);
                scratch
            }
        }
    }

    /// An index in a register: its own, or `scratch`.
    pub fn gpr(&mut self, v: Value, scratch: Register) -> Register {
        match (self.facts.form(v), self.homes.of(v)) {
            (Form::Number(n), _) => self.asm.set(scratch, n),
            (_, Home::Reg(register)) => return register,
            (_, home) => self.load_home(Class::Gpr, scratch, home),
        }
        scratch
    }

    /// An index that is known.
    pub fn number(&self, v: Value) -> Option<i64> {
        match self.facts.form(v) {
            Form::Number(n) => Some(n),
            _ => None,
        }
    }

    /// For results that go to the stack, and for moves from memory to memory.
    pub fn first_scratch(&mut self, class: Class) -> Register {
        match class {
            Class::Gpr => Register::RAX,
            Class::Vector => self.scratch(0),
            Class::Mask => I::mask_scratch(self, 0),
        }
    }

    /// Runs `f` with the register that the result goes to, and stores it where the home is on the stack.
    pub fn define(&mut self, v: Value, class: Class, f: impl FnOnce(&mut Self, Register)) {
        match self.homes.of(v) {
            Home::Reg(register) => f(self, register),
            Home::Slot(at) => {
                let scratch = self.first_scratch(class);
                f(self, scratch);
                self.store_home(class, at, scratch);
            }
            Home::Pool(_) | Home::Nowhere => {}
        }
    }
}

// ── statements ──
impl<I: Isa> Emitter<'_, I> {
    pub fn assign(&mut self, value: Value, op: &LaneOp) {
        match self.facts.form(value) {
            Form::Stored(class) => self.define(value, class, |e, to| e.op(value, op, to)),
            Form::Constant(..) => self.settle(value),
            Form::Number(_) | Form::Test(..) | Form::Folded(..) => {}
        }
    }

    fn op(&mut self, value: Value, op: &LaneOp, to: Register) {
        match op {
            LaneOp::Index(op, a, b) => self.index_op(*op, *a, *b, to),
            LaneOp::FirstLane(v) => self.first_lane(*v, to),
            LaneOp::SplatIndex(v) => self.splat_index(*v, to),
            LaneOp::SplatCond(v) => self.splat_cond(*v, to),
            LaneOp::Load { address, access } => self.load(self.ty(value), address, access, to),
            LaneOp::Vec(op, args) => self.vec_op(*op, args, to),
            LaneOp::Compare(op, a, b) => self.compare(*op, *a, *b, to),
            LaneOp::Select(m, a, b) => I::select(self, *m, *a, *b, to),
            LaneOp::ToF32(v) => {
                let from = self.operand(*v);
                simd!(self, ToFloat, to, from);
            }
            LaneOp::ToI32(v) => I::truncate(self, *v, to),
            LaneOp::Bitcast(v) => {
                let from = self.operand(*v);
                self.load_operand(to, from);
            }
            LaneOp::Tree(op, v) => self.tree(*op, *v, to),
            LaneOp::IConst(_)
            | LaneOp::IndexCompare(..)
            | LaneOp::FSplat(_)
            | LaneOp::ISplat(_)
            | LaneOp::Lanes
            | LaneOp::FirstLanes(_) => unreachable!("constants and comparisons have other forms"),
        }
    }
}

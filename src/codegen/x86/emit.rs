//! The emitter: how values become operands, and results registers.

use super::alloc::{Home, Homes};
use super::asm::{Arg, Asm, based, broadcast};
use super::facts::{Class, Constant, Facts, Form};
use crate::lane::{Kernel, LaneOp, Type, Value};
use iced_x86::{Code, MemoryOperand, Register};

/// One instruction: code and operands.
macro_rules! put {
    ($emitter:expr, $code:ident $(, $arg:expr)*) => {
        $emitter.asm.op(iced_x86::Code::$code, &[$($crate::codegen::x86::asm::Arg::from($arg)),*])
    };
}
pub(super) use put;

/// Registers that no value has. The first of each class also holds results that go to the stack.
pub const ZMMS: [Register; 3] = [Register::ZMM31, Register::ZMM30, Register::ZMM29];
pub const MASKS: [Register; 2] = [Register::K7, Register::K6];

/// What a frame holds beyond slots: lanes, offsets and mask of stores that go lane by lane.
const SCRATCH: i64 = 192;
const LARGEST_FRAME: i64 = 1 << 18;

pub struct Emitter<'a> {
    pub kernel: &'a Kernel,
    pub facts: &'a Facts,
    pub homes: &'a Homes,
    pub asm: Asm,
    /// Distance of scratch memory from the stack pointer.
    pub scratch: i64,
}

impl<'a> Emitter<'a> {
    pub fn new(kernel: &'a Kernel, facts: &'a Facts, homes: &'a Homes) -> Emitter<'a> {
        let scratch = (64 + homes.frame + 63) & !63;
        Emitter { kernel, facts, homes, asm: Asm::new(), scratch }
    }

    /// The whole function; `None` where its frame would be too large.
    pub fn function(mut self) -> Option<Vec<u8>> {
        if self.scratch > LARGEST_FRAME {
            return None;
        }
        let framed = self.homes.frame > 0 || self.kernel.buffers.iter().any(|b| b.size() == 1);
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
        self.asm.finish()
    }

    /// Makes room, aligned to whole vectors; the caller's stack pointer lies at its start.
    fn open_frame(&mut self) {
        put!(self, Mov_r64_rm64, Register::RAX, Register::RSP);
        put!(self, Sub_rm64_imm32, Register::RSP, (self.scratch + SCRATCH) as i32);
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

    pub fn ty(&self, v: Value) -> Type {
        self.kernel.types[v.0 as usize]
    }
}

// ── homes ──
impl Emitter<'_> {
    fn slot(at: i64) -> MemoryOperand {
        based(Register::RSP, at)
    }

    pub fn store_home(&mut self, class: Class, at: i64, from: Register) {
        let code = match class {
            Class::Gpr => Code::Mov_rm64_r64,
            Class::Zmm => Code::EVEX_Vmovaps_zmmm512_k1z_zmm,
            Class::Mask => Code::VEX_Kmovw_m16_kr,
        };
        self.asm.op(code, &[Self::slot(at).into(), from.into()]);
    }

    /// Brings what is at a home to a register.
    pub fn load_home(&mut self, class: Class, to: Register, home: Home) {
        match (class, home) {
            (Class::Gpr, Home::Reg(from)) => put!(self, Mov_r64_rm64, to, from),
            (Class::Zmm, Home::Reg(from)) => put!(self, EVEX_Vmovaps_zmm_k1z_zmmm512, to, from),
            (Class::Mask, Home::Reg(from)) => put!(self, VEX_Kmovw_kr_km16, to, from),
            (Class::Gpr, Home::Slot(at)) => put!(self, Mov_r64_rm64, to, Self::slot(at)),
            (Class::Zmm, Home::Slot(at)) => put!(self, EVEX_Vmovaps_zmm_k1z_zmmm512, to, Self::slot(at)),
            (Class::Mask, Home::Slot(at)) => put!(self, VEX_Kmovw_kr_km16, to, Self::slot(at)),
            (_, Home::Pool(constant)) => self.materialise(constant, to),
            (_, Home::Nowhere) => {}
        }
    }

    pub fn materialise(&mut self, constant: Constant, to: Register) {
        match constant {
            Constant::Word(0) => put!(self, EVEX_Vpxord_zmm_k1z_zmm_zmmm512b32, to, to, to),
            _ => {
                let memory = self.pooled(constant);
                self.load_operand(to, memory.into());
            }
        }
    }

    fn pooled(&mut self, constant: Constant) -> MemoryOperand {
        match constant {
            Constant::Word(word) => self.asm.word(word),
            Constant::Lanes => self.asm.words(|l| l),
            Constant::First(n) => self.mask_bits(((1u32 << n) - 1) as u16),
        }
    }

    /// A mask in memory.
    pub fn mask_bits(&mut self, bits: u16) -> MemoryOperand {
        self.asm.constant(&bits.to_le_bytes())
    }

    /// Brings a constant to its register, if it has one.
    pub fn settle(&mut self, v: Value) {
        if let (Form::Constant(_, constant), Home::Reg(to)) = (self.facts.form(v), self.homes.of(v)) {
            self.materialise(constant, to);
        }
    }
}

// ── operands ──
impl Emitter<'_> {
    /// A vector as the last operand of an instruction: a register, 64 bytes in memory, or one word for all lanes.
    pub fn operand(&mut self, v: Value) -> Arg {
        if let Form::Folded(address, splat) = self.facts.form(v) {
            let memory = self.address(&address, 4);
            return if splat { broadcast(memory).into() } else { memory.into() };
        }
        match self.homes.of(v) {
            Home::Reg(register) => register.into(),
            Home::Slot(at) => Self::slot(at).into(),
            Home::Pool(constant) => self.pooled(constant).into(),
            Home::Nowhere => ZMMS[0].into(),
        }
    }

    /// A vector in a register: its own, or `scratch`.
    pub fn zmm(&mut self, v: Value, scratch: Register) -> Register {
        let operand = self.operand(v);
        self.in_register(operand, scratch)
    }

    pub fn in_register(&mut self, operand: Arg, scratch: Register) -> Register {
        if let Arg::Reg(register) = operand {
            return register;
        }
        self.load_operand(scratch, operand);
        scratch
    }

    /// Loads an operand, of a vector or a mask.
    pub fn load_operand(&mut self, to: Register, operand: Arg) {
        match operand {
            _ if to.is_k() => put!(self, VEX_Kmovw_kr_km16, to, operand),
            Arg::Mem(memory) if memory.is_broadcast => {
                let memory = MemoryOperand { is_broadcast: false, ..memory };
                put!(self, EVEX_Vbroadcastss_zmm_k1z_xmmm32, to, memory);
            }
            _ if operand != to.into() => put!(self, EVEX_Vmovups_zmm_k1z_zmmm512, to, operand),
            _ => {}
        }
    }

    /// A mask in a register: its own, or `scratch`.
    pub fn mask(&mut self, v: Value, scratch: Register) -> Register {
        match self.homes.of(v) {
            Home::Reg(register) => register,
            home => {
                self.load_home(Class::Mask, scratch, home);
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

    /// Runs `f` with the register that the result goes to, and stores it where the home is on the stack.
    pub fn define(&mut self, v: Value, class: Class, f: impl FnOnce(&mut Self, Register)) {
        let scratch = match class {
            Class::Gpr => Register::RAX,
            Class::Zmm => ZMMS[0],
            Class::Mask => MASKS[0],
        };
        match self.homes.of(v) {
            Home::Reg(register) => f(self, register),
            Home::Slot(at) => {
                f(self, scratch);
                self.store_home(class, at, scratch);
            }
            Home::Pool(_) | Home::Nowhere => {}
        }
    }
}

// ── statements ──
impl Emitter<'_> {
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
            LaneOp::Select(m, a, b) => self.select(*m, *a, *b, to),
            LaneOp::ToF32(v) => self.convert(*v, to),
            LaneOp::ToI32(v) => self.truncate(*v, to),
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

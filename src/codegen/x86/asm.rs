//! Encoding: instructions from a code and operands, labels, alignment, and constants behind the code.

use iced_x86::{Code, Encoder, IcedError, Instruction, MemoryOperand, OpKind, Register};
use std::collections::HashMap;

/// Where the constants are thought to lie until the length of the code is known.
const POOL: i64 = 1 << 30;

#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Arg {
    Reg(Register),
    Mem(MemoryOperand),
    /// Control byte of a vector instruction, shift count.
    Imm8(u8),
    /// Sign-extended to 64 bits.
    Imm32(i32),
    /// 32 bits.
    Word(u32),
}

impl From<u8> for Arg {
    fn from(byte: u8) -> Arg {
        Arg::Imm8(byte)
    }
}

impl From<i32> for Arg {
    fn from(n: i32) -> Arg {
        Arg::Imm32(n)
    }
}

impl From<Register> for Arg {
    fn from(register: Register) -> Arg {
        Arg::Reg(register)
    }
}

impl From<MemoryOperand> for Arg {
    fn from(memory: MemoryOperand) -> Arg {
        Arg::Mem(memory)
    }
}

/// `[base + index * scale + displacement]`
pub fn memory(base: Register, index: Register, scale: u32, displacement: i64) -> MemoryOperand {
    let size = if displacement == 0 && base != Register::RIP { 0 } else { 1 };
    MemoryOperand::new(base, index, scale, displacement, size, false, Register::None)
}

/// `[base + displacement]`
pub fn based(base: Register, displacement: i64) -> MemoryOperand {
    memory(base, Register::None, 1, displacement)
}

/// The one element in every lane.
pub fn broadcast(memory: MemoryOperand) -> MemoryOperand {
    MemoryOperand { is_broadcast: true, ..memory }
}

#[derive(Clone, Copy)]
pub struct Label(usize);

/// Four bytes at `at`, relative to `end`.
struct Fixup {
    at: usize,
    end: usize,
    label: Label,
}

pub struct Asm {
    encoder: Encoder,
    len: usize,
    labels: Vec<Option<usize>>,
    branches: Vec<Fixup>,
    /// Places of four bytes that refer to constants.
    constants: Vec<usize>,
    pool: Vec<u8>,
    pooled: HashMap<Vec<u8>, i64>,
    error: Option<IcedError>,
}

fn instruction(code: Code, args: &[Arg]) -> Result<Instruction, IcedError> {
    let mut out = Instruction::default();
    out.set_code(code);
    for (n, arg) in (0..).zip(args) {
        match *arg {
            Arg::Reg(register) => {
                out.try_set_op_kind(n, OpKind::Register)?;
                out.try_set_op_register(n, register)?;
            }
            Arg::Mem(memory) => {
                out.try_set_op_kind(n, OpKind::Memory)?;
                set_memory(&mut out, &memory);
            }
            Arg::Imm8(byte) => {
                out.try_set_op_kind(n, OpKind::Immediate8)?;
                out.set_immediate8(byte);
            }
            Arg::Imm32(word) => {
                out.try_set_op_kind(n, OpKind::Immediate32to64)?;
                out.set_immediate32to64(word.into());
            }
            Arg::Word(word) => {
                out.try_set_op_kind(n, OpKind::Immediate32)?;
                out.set_immediate32(word);
            }
        }
    }
    Ok(out)
}

fn set_memory(out: &mut Instruction, memory: &MemoryOperand) {
    out.set_memory_base(memory.base);
    out.set_memory_index(memory.index);
    out.set_memory_index_scale(memory.scale);
    out.set_memory_displacement64(memory.displacement as u64);
    out.set_memory_displ_size(memory.displ_size);
    out.set_is_broadcast(memory.is_broadcast);
}

// ── instructions ──
impl Asm {
    pub fn new() -> Asm {
        Asm {
            encoder: Encoder::new(64),
            len: 0,
            labels: vec![],
            branches: vec![],
            constants: vec![],
            pool: vec![],
            pooled: HashMap::new(),
            error: None,
        }
    }

    pub fn op(&mut self, code: Code, args: &[Arg]) {
        self.add(instruction(code, args));
    }

    /// An instruction under a mask; lanes that are not set become zero, or keep what the destination holds.
    pub fn masked(&mut self, code: Code, args: &[Arg], mask: Register, zeroing: bool) {
        self.add(instruction(code, args).map(|mut i| {
            i.set_op_mask(mask);
            i.set_zeroing_masking(zeroing);
            i
        }));
    }

    /// `register = n`; flags stay.
    pub fn set(&mut self, register: Register, n: i64) {
        match (u32::try_from(n), i32::try_from(n)) {
            (Ok(n), _) => self.add(Instruction::with2(Code::Mov_r32_imm32, register.full_register32(), n)),
            (_, Ok(n)) => self.add(Instruction::with2(Code::Mov_rm64_imm32, register, n)),
            _ => self.add(Instruction::with2(Code::Mov_r64_imm64, register, n)),
        }
    }

    /// Arithmetic of a register and a number; `codes` are the forms for 8 and 32 bits.
    pub fn arithmetic(&mut self, codes: (Code, Code), register: Register, n: i32) {
        let code = if i8::try_from(n).is_ok() { codes.0 } else { codes.1 };
        self.add(Instruction::with2(code, register, n));
    }

    fn add(&mut self, instruction: Result<Instruction, IcedError>) {
        let start = self.len;
        let done = instruction.and_then(|i| self.encoder.encode(&i, start as u64).map(|len| (i, len)));
        match done {
            Ok((instruction, len)) => {
                self.len += len;
                if instruction.is_ip_rel_memory_operand() {
                    self.constants.push(start + self.encoder.get_constant_offsets().displacement_offset());
                }
            }
            Err(e) => self.error = self.error.take().or(Some(e)),
        }
    }
}

// ── labels ──
impl Asm {
    pub fn label(&mut self) -> Label {
        self.labels.push(None);
        Label(self.labels.len() - 1)
    }

    pub fn bind(&mut self, label: Label) {
        self.labels[label.0] = Some(self.len);
    }

    /// A branch; `code` is the near form.
    pub fn branch(&mut self, code: Code, label: Label) {
        if let Some(target) = self.labels[label.0].filter(|t| self.len - t < 120) {
            return self.add(Instruction::with_branch(code.as_short_branch(), target as u64));
        }
        self.add(Instruction::with_branch(code, self.len as u64));
        self.branches.push(Fixup { at: self.len - 4, end: self.len, label });
    }

    /// Fills up to a multiple of `to` bytes.
    pub fn align(&mut self, to: usize) {
        /// The recommended instructions of one to nine bytes that do nothing.
        const NOPS: [&[u8]; 9] = [
            &[0x90],
            &[0x66, 0x90],
            &[0x0f, 0x1f, 0x00],
            &[0x0f, 0x1f, 0x40, 0x00],
            &[0x0f, 0x1f, 0x44, 0x00, 0x00],
            &[0x66, 0x0f, 0x1f, 0x44, 0x00, 0x00],
            &[0x0f, 0x1f, 0x80, 0x00, 0x00, 0x00, 0x00],
            &[0x0f, 0x1f, 0x84, 0x00, 0x00, 0x00, 0x00, 0x00],
            &[0x66, 0x0f, 0x1f, 0x84, 0x00, 0x00, 0x00, 0x00, 0x00],
        ];
        while !self.len.is_multiple_of(to) {
            let nop = NOPS[(to - self.len % to).min(NOPS.len()) - 1];
            nop.iter().for_each(|b| self.encoder.write_u8(*b));
            self.len += nop.len();
        }
    }
}

// ── constants ──
impl Asm {
    /// A constant in memory, aligned to its length (a power of two).
    pub fn constant(&mut self, bytes: &[u8]) -> MemoryOperand {
        let pool = &mut self.pool;
        let offset = *self.pooled.entry(bytes.to_vec()).or_insert_with(|| {
            pool.resize(pool.len().next_multiple_of(bytes.len()), 0);
            let offset = pool.len() as i64;
            pool.extend_from_slice(bytes);
            offset
        });
        based(Register::RIP, POOL + offset)
    }

    /// A word per lane.
    pub fn words(&mut self, lanes: u16, lane: impl Fn(i32) -> i32) -> MemoryOperand {
        let bytes: Vec<u8> = (0..i32::from(lanes)).flat_map(|l| lane(l).to_le_bytes()).collect();
        self.constant(&bytes)
    }

    /// Code and constants; `None` where an instruction had no encoding, which is a fault of the emitter.
    pub fn finish(mut self) -> Option<Vec<u8>> {
        debug_assert!(self.error.is_none(), "{:?}", self.error);
        if self.error.is_some() {
            return None;
        }
        let mut code = self.encoder.take_buffer();
        for fixup in &self.branches {
            let target = self.labels[fixup.label.0]?;
            let distance = target as i32 - fixup.end as i32;
            code[fixup.at..fixup.at + 4].copy_from_slice(&distance.to_le_bytes());
        }
        let pool = code.len().next_multiple_of(64);
        for &at in &self.constants {
            let field = &mut code[at..at + 4];
            let guess = i32::from_le_bytes([field[0], field[1], field[2], field[3]]);
            let distance = guess + (pool as i64 - POOL) as i32;
            field.copy_from_slice(&distance.to_le_bytes());
        }
        code.resize(pool, 0xcc);
        code.extend(self.pool);
        Some(code)
    }
}

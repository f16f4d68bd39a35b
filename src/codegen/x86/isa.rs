//! What the emitter is generic in: an instruction set with its registers and masks.

use super::asm::Asm;
use super::emit::Emitter;
use super::facts::{Class, Constant};
use super::simd::Simd;
use crate::lane::{Access, Store, Value};
use crate::ops::Compare;
use iced_x86::{Code, MemoryOperand, Register};

/// Ways to touch the first few lanes in memory.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Touch {
    LoadWords,
    LoadBytes,
    Gather,
    Store,
}

/// What the passes before emission ask of an instruction set.
pub struct Shape {
    /// Lanes of a register.
    pub lanes: u16,
    /// Where masks live.
    pub mask: Class,
    /// Whether an operand may be one word in memory, the same in all lanes.
    pub broadcasts: bool,
    /// Whether so many lanes are touched under a mask, not piece by piece.
    pub masked: fn(count: u16, touch: Touch) -> bool,
    /// Registers that values may have.
    pub vectors: &'static [Register],
    pub masks: &'static [Register],
    /// Vector registers that no value has.
    pub scratch: &'static [Register],
}

impl Shape {
    /// Bytes of a register.
    pub const fn bytes(&self) -> i64 {
        4 * self.lanes as i64
    }
}

/// An instruction set. Its functions emit what differs by more than encoding: masks are k registers, or vectors of all
/// ones and zeros; a part of a vector goes to memory under a mask, or in pieces.
///
/// `to` may be the register of an argument, except where [`super::facts::writes_early`] forbids it.
pub trait Isa: Sized {
    const SHAPE: Shape;

    /// Instructions and control bytes that bring lane l + n to lane l, for n from half of all lanes down to 4.
    const HALVES: &'static [(Code, u8)];

    fn code(simd: Simd) -> Code;

    /// Where a constant lies in memory, as an operand of instructions on its class.
    fn pooled(asm: &mut Asm, constant: Constant) -> MemoryOperand;

    // ── masks ──

    /// The `n`th register for masks that no value has; where masks are vectors it is the `n`th scratch register.
    fn mask_scratch(e: &mut Emitter<Self>, n: usize) -> Register;

    fn not(e: &mut Emitter<Self>, a: Register, to: Register);

    /// All lanes of `to` the truth of eax, which is 0 or -1.
    fn mask_of_eax(e: &mut Emitter<Self>, to: Register);

    /// Sets the zero flag where no lane is set, the carry flag where all are.
    fn test(e: &mut Emitter<Self>, mask: Register);

    /// The lanes in use at an access, as a mask that a gather may clear.
    fn live_lanes(e: &mut Emitter<Self>, access: &Access) -> Register;

    /// Writes a mask to scratch memory, a bit a lane.
    fn lay_out_mask(e: &mut Emitter<Self>, mask: Register);

    // ── vectors ──

    /// Compares f32 or i32 lanes.
    fn compare(e: &mut Emitter<Self>, op: Compare, a: Value, b: Value, to: Register);

    /// The lanes that are not 0.
    fn nonzero(e: &mut Emitter<Self>, vector: Register, to: Register);

    /// `m ? a : b`, on vectors or masks.
    fn select(e: &mut Emitter<Self>, m: Value, a: Value, b: Value, to: Register);

    /// The low word of a general register in all lanes.
    fn splat_word(e: &mut Emitter<Self>, from: Register, to: Register);

    /// Shifts by one count, which is less than 256.
    fn shift(e: &mut Emitter<Self>, by: Simd, a: Value, count: u8, to: Register);

    fn negate(e: &mut Emitter<Self>, a: Value, to: Register);

    /// Takes over the odd lanes of another vector.
    fn merge_odd(e: &mut Emitter<Self>, to: Register, odd: Register);

    /// To i32, truncating and saturating, NaN to 0.
    fn truncate(e: &mut Emitter<Self>, v: Value, to: Register);

    // ── memory ──

    /// Loads `count` words, and zeros into further lanes.
    fn load_words(e: &mut Emitter<Self>, count: u16, from: MemoryOperand, to: Register);

    fn store_words(e: &mut Emitter<Self>, count: u16, to: MemoryOperand, from: Register);

    /// Loads `count` bytes to a lane each, and zeros into further lanes.
    fn load_bytes(e: &mut Emitter<Self>, count: u16, from: MemoryOperand, to: Register);

    /// Loads `count` bools.
    fn load_bools(e: &mut Emitter<Self>, count: u16, from: MemoryOperand, to: Register);

    /// The low bytes of a vector's lanes, or a mask as bytes 0 and 1, in an xmm register.
    fn bytes(e: &mut Emitter<Self>, v: Value) -> Register;

    fn store_bytes(e: &mut Emitter<Self>, count: u16, to: MemoryOperand, from: Register);

    /// Loads the words at `lanes` (base and vector of offsets) that the mask asks for; other lanes of `to` stay.
    fn gather(e: &mut Emitter<Self>, to: Register, lanes: MemoryOperand, mask: Register);

    /// Stores words lane by lane in ascending order, so that the last of several to one place stays.
    fn scatter(e: &mut Emitter<Self>, s: &Store);
}

//! Lane IR: scalar index arithmetic and short vectors, structured loops, explicit addresses. What an emitter turns into
//! machine code by a table; [`place`] makes it from tile IR for a given [`Target`].
//!
//! Vectors are `f32` or `i32` with a lane count that is a multiple of 4; an emitter splits a vector into as many
//! registers as it needs (16 lanes: four xmm, two ymm, one zmm), which changes no bits. Masks are vectors of bool.
//! A kernel is called as `fn(args: *const *mut u8, lo: i64, hi: i64, fault: *mut i32)`: it runs grid points `lo..hi`,
//! `args` holds one pointer per buffer, and a data index out of range stores 1 to `fault`.

pub mod interp;
pub mod parse;
pub mod place;
pub mod print;
#[cfg(test)]
mod tests;
pub mod verify;

use crate::ops::{Compare, DType};
use std::fmt;

/// An SSA value; prints as `v3`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct Value(pub u32);

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "v{}", self.0)
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Elem {
    F32,
    I32,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Type {
    /// An index, in elements.
    I64,
    /// Truth of a scalar comparison.
    Cond,
    Vec(Elem, u16),
    Mask(u16),
}

impl Type {
    /// Lanes of a vector or mask; 0 for scalars.
    pub fn lanes(self) -> u16 {
        match self {
            Type::I64 | Type::Cond => 0,
            Type::Vec(_, n) | Type::Mask(n) => n,
        }
    }
}

#[derive(Clone, PartialEq, Debug)]
pub struct Kernel {
    pub name: String,
    /// Element type of each buffer in memory, in the order of `args`: f32, i32, u8 or bool.
    pub buffers: Vec<DType>,
    /// Number of grid points; the two I64 values `lo` and `hi` are v0 and v1.
    pub points: usize,
    pub body: Vec<Stmt>,
    pub types: Vec<Type>,
}

#[derive(Clone, PartialEq, Debug)]
pub enum Stmt {
    Let {
        value: Value,
        op: LaneOp,
    },
    Loop(Loop),
    /// Results are defined by both arms.
    If {
        cond: Value,
        then: Arm,
        otherwise: Arm,
        results: Vec<Value>,
    },
    Store(Store),
    /// Stores 1 to `fault` where any lane of the mask is set.
    Fault {
        mask: Value,
    },
    /// Stores 1 to `fault` where the condition holds.
    FaultIf {
        cond: Value,
    },
}

#[derive(Clone, PartialEq, Debug)]
pub struct Arm {
    pub body: Vec<Stmt>,
    pub yields: Vec<Value>,
}

/// `for var in lo..hi by step`; lo, hi: I64. Runs zero times where lo >= hi.
#[derive(Clone, PartialEq, Debug)]
pub struct Loop {
    pub var: Value,
    pub lo: Value,
    pub hi: Value,
    pub step: i64,
    /// (init, inside, after)
    pub carries: Vec<(Value, Value, Value)>,
    pub body: Vec<Stmt>,
    pub yields: Vec<Value>,
}

/// `buffer[index + offset]`, in elements of the buffer.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Address {
    pub buffer: u32,
    pub index: Value,
    pub offset: i64,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Access {
    /// Lane l at `address + l`, for l < count; further lanes read 0 and are not stored.
    Contiguous { count: u16 },
    /// Every lane reads the one element (loads only).
    Splat,
    /// Lane l at `address + l * stride`, for l < count.
    Strided { stride: i64, count: u16 },
    /// Lane l at `address + offsets[l]` (i32 vector) where mask[l]; other lanes read 0 and are not stored.
    Indexed { offsets: Value, mask: Value },
}

#[derive(Clone, PartialEq, Debug)]
pub struct Store {
    pub address: Address,
    pub access: Access,
    /// A vector for f32/i32 buffers; i32 (low byte) for u8; a mask for bool.
    pub value: Value,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum IndexOp {
    Add,
    Sub,
    Mul,
    Min,
    Max,
    /// Floor; by a positive constant, given as an `IConst`.
    Div,
    Mod,
}

/// Lanewise operations on vectors of one type.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum VecOp {
    // f32
    FNeg,
    FAbs,
    FAdd,
    FSub,
    FMul,
    FDiv,
    FSqrt,
    FFloor,
    FCeil,
    FRound,
    /// a * b + c
    Fma,
    /// `a > b ? a : b`
    FMax,
    /// `a < b ? a : b`
    FMin,
    // i32
    INeg,
    IAbs,
    IAdd,
    ISub,
    IMul,
    /// High half of the unsigned product.
    IMulHigh,
    IAnd,
    IOr,
    IXor,
    INot,
    /// Counts are vectors; 32 or more (unsigned) gives 0, for ISar the sign.
    IShl,
    IShr,
    ISar,
    // masks
    MAnd,
    MOr,
    MXor,
    MNot,
}

/// What the lanes of an operation are.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum LaneKind {
    F32,
    I32,
    Mask,
}

impl LaneKind {
    /// The type of `lanes` lanes of this kind.
    pub fn of(self, lanes: u16) -> Type {
        match self {
            LaneKind::F32 => Type::Vec(Elem::F32, lanes),
            LaneKind::I32 => Type::Vec(Elem::I32, lanes),
            LaneKind::Mask => Type::Mask(lanes),
        }
    }
}

impl VecOp {
    /// Kind of the arguments and of the result.
    pub fn kind(self) -> LaneKind {
        use VecOp::*;
        match self {
            FNeg | FAbs | FAdd | FSub | FMul | FDiv | FSqrt | FFloor | FCeil | FRound | Fma | FMax | FMin => {
                LaneKind::F32
            }
            INeg | IAbs | IAdd | ISub | IMul | IMulHigh | IAnd | IOr | IXor | INot | IShl | IShr | ISar => {
                LaneKind::I32
            }
            MAnd | MOr | MXor | MNot => LaneKind::Mask,
        }
    }

    pub fn arity(self) -> usize {
        use VecOp::*;
        match self {
            FNeg | FAbs | FSqrt | FFloor | FCeil | FRound | INeg | IAbs | INot | MNot => 1,
            Fma => 3,
            _ => 2,
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum TreeOp {
    FAdd,
    FMul,
    FMax,
    FMin,
    IAdd,
    IMul,
    IMax,
    IMin,
    MAnd,
    MOr,
}

impl TreeOp {
    pub fn kind(self) -> LaneKind {
        use TreeOp::*;
        match self {
            FAdd | FMul | FMax | FMin => LaneKind::F32,
            IAdd | IMul | IMax | IMin => LaneKind::I32,
            MAnd | MOr => LaneKind::Mask,
        }
    }
}

#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum LaneOp {
    /// I64
    IConst(i64),
    Index(IndexOp, Value, Value),
    /// I64 comparison → Cond
    IndexCompare(Compare, Value, Value),
    /// I64 from lane 0 of an i32 vector, sign-extended.
    FirstLane(Value),
    /// i32 vector, every lane the low 32 bits of an I64.
    SplatIndex(Value),
    /// Mask, every lane the truth of a Cond.
    SplatCond(Value),
    /// f32 bits
    FSplat(u32),
    ISplat(i32),
    /// 0, 1, 2, … as i32
    Lanes,
    /// Mask of the first n lanes.
    FirstLanes(u16),
    /// A vector (f32, i32; u8 widens to i32) or a mask (bool).
    Load {
        address: Address,
        access: Access,
    },
    Vec(VecOp, Vec<Value>),
    /// Vectors of one type → mask.
    Compare(Compare, Value, Value),
    /// mask, then, otherwise (vectors of one type, or masks)
    Select(Value, Value, Value),
    /// i32 → f32, nearest even
    ToF32(Value),
    /// f32 → i32, truncating and saturating, NaN → 0
    ToI32(Value),
    Bitcast(Value),
    /// A vector of 2^n lanes to its tree reduction, in every lane; of 16 lanes: l ∘ l+8 for l < 8, l ∘ l+4 for l < 4,
    /// l ∘ l+2, l ∘ l+1.
    Tree(TreeOp, Value),
}

/// What [`place`] must know of a machine.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Target {
    /// Native lanes of f32: 4, 8 or 16.
    pub lanes: u16,
    /// Vector registers.
    pub registers: u16,
}

impl Target {
    pub const CLIF: Target = Target { lanes: 4, registers: 16 };
    pub const AVX2: Target = Target { lanes: 8, registers: 16 };
    pub const AVX512: Target = Target { lanes: 16, registers: 32 };

    /// Whether a product keeps so many accumulators in registers. Beside them lie a row of the right side, one element
    /// of the left, and a register of the emitter's own.
    pub fn keeps(self, accumulators: usize, row: usize) -> bool {
        let registers = usize::from(self.registers);
        accumulators <= registers * 3 / 4 && accumulators + row + 2 <= registers
    }
}

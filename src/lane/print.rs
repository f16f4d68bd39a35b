//! The text form of lane IR. Every definition carries its type, so that [`super::parse`] needs no inference:
//!
//! ```text
//! kernel scale(f32, f32) points 4 {
//!   for v2 in v0..v1 step 1 {
//!     v3: i64 = iconst 16
//!     v4: i64 = index.mul v2, v3
//!     v5: f32x16 = load b0[v4 + 0] count 16
//!     v6: f32x16 = fsplat 0x40000000
//!     v7: f32x16 = fmul v5, v6
//!     store b1[v4 + 0] count 16, v7
//!   }
//! }
//! ```

use super::{Access, Address, Arm, Elem, IndexOp, Kernel, LaneOp, Loop, Stmt, TreeOp, Type, Value, VecOp};
use crate::ops::Compare;
use std::fmt::{self, Display, Formatter};

/// Names of operations in the text form.
pub type Names<T> = &'static [(T, &'static str)];

pub const INDEX_OPS: Names<IndexOp> = &[
    (IndexOp::Add, "add"),
    (IndexOp::Sub, "sub"),
    (IndexOp::Mul, "mul"),
    (IndexOp::Min, "min"),
    (IndexOp::Max, "max"),
    (IndexOp::Div, "div"),
    (IndexOp::Mod, "mod"),
];

pub const COMPARES: Names<Compare> = &[
    (Compare::Eq, "eq"),
    (Compare::Ne, "ne"),
    (Compare::Lt, "lt"),
    (Compare::Le, "le"),
    (Compare::Gt, "gt"),
    (Compare::Ge, "ge"),
];

pub const VEC_OPS: Names<VecOp> = &[
    (VecOp::FNeg, "fneg"),
    (VecOp::FAbs, "fabs"),
    (VecOp::FAdd, "fadd"),
    (VecOp::FSub, "fsub"),
    (VecOp::FMul, "fmul"),
    (VecOp::FDiv, "fdiv"),
    (VecOp::FSqrt, "fsqrt"),
    (VecOp::FFloor, "ffloor"),
    (VecOp::FCeil, "fceil"),
    (VecOp::FRound, "fround"),
    (VecOp::Fma, "fma"),
    (VecOp::FMax, "fmax"),
    (VecOp::FMin, "fmin"),
    (VecOp::INeg, "ineg"),
    (VecOp::IAbs, "iabs"),
    (VecOp::IAdd, "iadd"),
    (VecOp::ISub, "isub"),
    (VecOp::IMul, "imul"),
    (VecOp::IMulHigh, "imulhigh"),
    (VecOp::IAnd, "iand"),
    (VecOp::IOr, "ior"),
    (VecOp::IXor, "ixor"),
    (VecOp::INot, "inot"),
    (VecOp::IShl, "ishl"),
    (VecOp::IShr, "ishr"),
    (VecOp::ISar, "isar"),
    (VecOp::MAnd, "mand"),
    (VecOp::MOr, "mor"),
    (VecOp::MXor, "mxor"),
    (VecOp::MNot, "mnot"),
];

pub const TREE_OPS: Names<TreeOp> = &[
    (TreeOp::FAdd, "fadd"),
    (TreeOp::FMul, "fmul"),
    (TreeOp::FMax, "fmax"),
    (TreeOp::FMin, "fmin"),
    (TreeOp::IAdd, "iadd"),
    (TreeOp::IMul, "imul"),
    (TreeOp::IMax, "imax"),
    (TreeOp::IMin, "imin"),
    (TreeOp::MAnd, "mand"),
    (TreeOp::MOr, "mor"),
];

/// The name of `op`; every variant stands in its table (a test holds that).
pub fn name_of<T: PartialEq + Copy>(table: Names<T>, op: T) -> &'static str {
    table.iter().find(|(o, _)| *o == op).map_or("?", |(_, name)| name)
}

impl Display for Type {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Type::I64 => f.write_str("i64"),
            Type::Cond => f.write_str("cond"),
            Type::Vec(Elem::F32, n) => write!(f, "f32x{n}"),
            Type::Vec(Elem::I32, n) => write!(f, "i32x{n}"),
            Type::Mask(n) => write!(f, "mask{n}"),
        }
    }
}

impl Display for Address {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "b{}[{} + {}]", self.buffer, self.index, self.offset)
    }
}

impl Display for Access {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Access::Contiguous { count } => write!(f, "count {count}"),
            Access::Splat => f.write_str("splat"),
            Access::Strided { stride, count } => write!(f, "stride {stride} count {count}"),
            Access::Indexed { offsets, mask } => write!(f, "indexed {offsets} mask {mask}"),
        }
    }
}

impl Display for LaneOp {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            LaneOp::IConst(n) => write!(f, "iconst {n}"),
            LaneOp::Index(op, a, b) => write!(f, "index.{} {a}, {b}", name_of(INDEX_OPS, *op)),
            LaneOp::IndexCompare(op, a, b) => write!(f, "index.{} {a}, {b}", name_of(COMPARES, *op)),
            LaneOp::FirstLane(v) => write!(f, "first_lane {v}"),
            LaneOp::SplatIndex(v) => write!(f, "splat_index {v}"),
            LaneOp::SplatCond(v) => write!(f, "splat_cond {v}"),
            LaneOp::FSplat(bits) => write!(f, "fsplat {bits:#010x}"),
            LaneOp::ISplat(n) => write!(f, "isplat {n}"),
            LaneOp::Lanes => f.write_str("lanes"),
            LaneOp::FirstLanes(n) => write!(f, "first_lanes {n}"),
            LaneOp::Load { address, access } => write!(f, "load {address} {access}"),
            LaneOp::Vec(op, args) => write!(f, "{} {}", name_of(VEC_OPS, *op), list(args)),
            LaneOp::Compare(op, a, b) => write!(f, "cmp.{} {a}, {b}", name_of(COMPARES, *op)),
            LaneOp::Select(m, a, b) => write!(f, "select {m}, {a}, {b}"),
            LaneOp::ToF32(v) => write!(f, "to_f32 {v}"),
            LaneOp::ToI32(v) => write!(f, "to_i32 {v}"),
            LaneOp::Bitcast(v) => write!(f, "bitcast {v}"),
            LaneOp::Tree(op, v) => write!(f, "tree.{} {v}", name_of(TREE_OPS, *op)),
        }
    }
}

fn list<T: Display>(items: &[T]) -> String {
    items.iter().map(T::to_string).collect::<Vec<_>>().join(", ")
}

impl Display for Kernel {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        writeln!(f, "kernel {}({}) points {} {{", self.name, list(&self.buffers), self.points)?;
        Printer { kernel: self }.body(f, &self.body, 1)?;
        writeln!(f, "}}")
    }
}

struct Printer<'a> {
    kernel: &'a Kernel,
}

impl Printer<'_> {
    /// `v3: f32x16`
    fn typed(&self, value: Value) -> String {
        match self.kernel.types.get(value.0 as usize) {
            Some(ty) => format!("{value}: {ty}"),
            None => format!("{value}: ?"),
        }
    }

    fn body(&self, f: &mut Formatter<'_>, body: &[Stmt], depth: usize) -> fmt::Result {
        body.iter().try_for_each(|stmt| self.stmt(f, stmt, depth))
    }

    fn stmt(&self, f: &mut Formatter<'_>, stmt: &Stmt, depth: usize) -> fmt::Result {
        write!(f, "{:1$}", "", depth * 2)?;
        match stmt {
            Stmt::Let { value, op } => writeln!(f, "{} = {op}", self.typed(*value)),
            Stmt::Loop(l) => self.looped(f, l, depth),
            Stmt::If { cond, then, otherwise, results } => {
                let results: Vec<_> = results.iter().map(|&v| self.typed(v)).collect();
                writeln!(f, "if {cond} -> ({}) {{", list(&results))?;
                self.arm(f, then, depth)?;
                writeln!(f, "{:1$}}} else {{", "", depth * 2)?;
                self.arm(f, otherwise, depth)?;
                writeln!(f, "{:1$}}}", "", depth * 2)
            }
            Stmt::Store(s) => writeln!(f, "store {} {}, {}", s.address, s.access, s.value),
            Stmt::Fault { mask } => writeln!(f, "fault {mask}"),
            Stmt::FaultIf { cond } => writeln!(f, "fault_if {cond}"),
        }
    }

    fn looped(&self, f: &mut Formatter<'_>, l: &Loop, depth: usize) -> fmt::Result {
        write!(f, "for {} in {}..{} step {}", l.var, l.lo, l.hi, l.step)?;
        if !l.carries.is_empty() {
            let carry =
                |&(init, inner, after): &(Value, Value, Value)| format!("{} = {init} -> {after}", self.typed(inner));
            write!(f, " carry {}", list(&l.carries.iter().map(carry).collect::<Vec<_>>()))?;
        }
        writeln!(f, " {{")?;
        self.arm_parts(f, &l.body, &l.yields, depth)?;
        writeln!(f, "{:1$}}}", "", depth * 2)
    }

    fn arm(&self, f: &mut Formatter<'_>, arm: &Arm, depth: usize) -> fmt::Result {
        self.arm_parts(f, &arm.body, &arm.yields, depth)
    }

    fn arm_parts(&self, f: &mut Formatter<'_>, body: &[Stmt], yields: &[Value], depth: usize) -> fmt::Result {
        self.body(f, body, depth + 1)?;
        if yields.is_empty() {
            return Ok(());
        }
        writeln!(f, "{:1$}yield {2}", "", depth * 2 + 2, list(yields))
    }
}

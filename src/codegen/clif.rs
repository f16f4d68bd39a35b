//! Lane IR to Cranelift functions, on every machine that Cranelift knows with fused multiply-add.
//!
//! A vector of n lanes is n / 4 values of 128 bits (F32X4 or I32X4), a mask n / 4 values of I32X4 whose lanes are all
//! ones or all zeros. Each lane operation is one arm of a table in [`ops`] or [`memory`]; [`control`] makes blocks of
//! loops and conditions; [`step`] strings kernels into the step function.
//!
//! **Loads.** Cranelift folds, shares and moves only loads that are marked `readonly`, `notrap` and `can_move`. So a load
//! is marked where it is true: its buffer is not stored by the kernel, and it runs whenever the kernel has a point
//! (not in an arm of an `if`, nor in a loop that may run zero times), so that hoisting it cannot touch foreign memory.
//! The caller keeps buffers that a kernel reads apart from those it writes.

mod control;
pub mod isa;
mod memory;
mod ops;
pub mod step;
#[cfg(test)]
mod tests;

use crate::lane::{self, Elem, IndexOp, LaneOp, Stmt, Value};
use crate::ops::Compare;
use cranelift::codegen::ir::{self, AbiParam, BlockArg, ConstantData, Function, StackSlot, types};
use cranelift::codegen::isa::TargetIsa;
use cranelift::prelude::{FunctionBuilder, FunctionBuilderContext, InstBuilder, IntCC, MemFlagsData, Signature};

/// Pointers are 64 bits on every target.
const POINTER: ir::Type = types::I64;

/// `fn(args, lo, hi, fault)`
pub fn kernel_signature(isa: &dyn TargetIsa) -> Signature {
    let mut signature = Signature::new(isa.default_call_conv());
    signature.params = vec![AbiParam::new(POINTER); 4];
    signature
}

/// Emits a verified kernel.
pub fn function(kernel: &lane::Kernel, isa: &dyn TargetIsa) -> Function {
    let mut function = Function::with_name_signature(ir::UserFuncName::default(), kernel_signature(isa));
    let mut context = FunctionBuilderContext::new();
    let mut b = FunctionBuilder::new(&mut function, &mut context);
    let entry = b.create_block();
    b.append_block_params_for_function_params(entry);
    b.switch_to_block(entry);
    let &[args, lo, hi, fault] = b.block_params(entry) else { unreachable!("the signature has four parameters") };
    let mut emitter = Emitter::new(kernel, b, args, fault);
    emitter.set(Value(0), vec![lo]);
    emitter.set(Value(1), vec![hi]);
    emitter.body(&kernel.body);
    emitter.b.ins().return_(&[]);
    emitter.b.seal_all_blocks();
    emitter.b.finalize(isa.frontend_config());
    function
}

/// What is known of a value at compile time.
#[derive(Clone, Copy, PartialEq)]
enum Known {
    Nothing,
    /// An I64 constant, or an i32 splat.
    Int(i64),
    /// A mask with every lane set.
    AllTrue,
}

struct Emitter<'a, 'f> {
    kernel: &'a lane::Kernel,
    b: FunctionBuilder<'f>,
    /// Base pointer of each buffer.
    buffers: Vec<ir::Value>,
    fault: ir::Value,
    /// The Cranelift values of each lane value: one of a scalar, one per four lanes of a vector.
    values: Vec<Vec<ir::Value>>,
    known: Vec<Known>,
    /// Buffers that the kernel stores to.
    stored: Vec<bool>,
    /// Code here runs whenever the kernel has a point.
    unconditional: bool,
    /// Where disabled lanes of indexed stores go.
    sink: Option<StackSlot>,
}

/// Marks the buffers that `body` stores to.
pub(super) fn mark_stores(body: &[Stmt], stored: &mut [bool]) {
    for stmt in body {
        match stmt {
            Stmt::Store(s) => stored[s.address.buffer as usize] = true,
            Stmt::Loop(l) => mark_stores(&l.body, stored),
            Stmt::If { then, otherwise, .. } => {
                mark_stores(&then.body, stored);
                mark_stores(&otherwise.body, stored);
            }
            _ => {}
        }
    }
}

fn int_cc(op: Compare, signed: bool) -> IntCC {
    match (op, signed) {
        (Compare::Eq, _) => IntCC::Equal,
        (Compare::Ne, _) => IntCC::NotEqual,
        (Compare::Lt, true) => IntCC::SignedLessThan,
        (Compare::Le, true) => IntCC::SignedLessThanOrEqual,
        (Compare::Gt, true) => IntCC::SignedGreaterThan,
        (Compare::Ge, true) => IntCC::SignedGreaterThanOrEqual,
        (Compare::Lt, false) => IntCC::UnsignedLessThan,
        (Compare::Le, false) => IntCC::UnsignedLessThanOrEqual,
        (Compare::Gt, false) => IntCC::UnsignedGreaterThan,
        (Compare::Ge, false) => IntCC::UnsignedGreaterThanOrEqual,
    }
}

/// Cranelift's type of one part of a value, and the number of parts.
fn parts(ty: lane::Type) -> (ir::Type, usize) {
    let quads = ty.lanes() as usize / 4;
    match ty {
        lane::Type::I64 => (types::I64, 1),
        lane::Type::Cond => (types::I8, 1),
        lane::Type::Vec(Elem::F32, _) => (types::F32X4, quads),
        lane::Type::Vec(Elem::I32, _) | lane::Type::Mask(_) => (types::I32X4, quads),
    }
}

// ── values ──
impl<'a, 'f> Emitter<'a, 'f> {
    fn new(kernel: &'a lane::Kernel, mut b: FunctionBuilder<'f>, args: ir::Value, fault: ir::Value) -> Self {
        let n = kernel.types.len();
        let flags = MemFlagsData::new().with_notrap().with_readonly().with_can_move();
        let buffers = (0..kernel.buffers.len()).map(|i| b.ins().load(POINTER, flags, args, i as i32 * 8)).collect();
        let mut stored = vec![false; kernel.buffers.len()];
        mark_stores(&kernel.body, &mut stored);
        let (values, known) = (vec![vec![]; n], vec![Known::Nothing; n]);
        Emitter { kernel, b, buffers, fault, values, known, stored, unconditional: true, sink: None }
    }

    fn set(&mut self, value: Value, parts: Vec<ir::Value>) {
        self.values[value.0 as usize] = parts;
    }

    fn get(&self, value: Value) -> Vec<ir::Value> {
        self.values[value.0 as usize].clone()
    }

    fn scalar(&self, value: Value) -> ir::Value {
        self.values[value.0 as usize][0]
    }

    fn ty(&self, value: Value) -> lane::Type {
        self.kernel.types[value.0 as usize]
    }

    fn known(&self, value: Value) -> Known {
        self.known[value.0 as usize]
    }

    fn block_args(&self, values: &[Value]) -> Vec<BlockArg> {
        values.iter().flat_map(|&v| self.get(v)).map(BlockArg::Value).collect()
    }

    /// A 128-bit constant of four words.
    fn words(&mut self, ty: ir::Type, words: [u32; 4]) -> ir::Value {
        let bytes: Vec<u8> = words.iter().flat_map(|w| w.to_le_bytes()).collect();
        let constant = self.b.func.dfg.constants.insert(ConstantData::from(bytes));
        self.b.ins().vconst(ty, constant)
    }

    fn int(&mut self, n: i64) -> ir::Value {
        self.b.ins().iconst(types::I64, n)
    }

    fn as_type(&mut self, ty: ir::Type, x: ir::Value) -> ir::Value {
        if self.b.func.dfg.value_type(x) == ty {
            return x;
        }
        let little = MemFlagsData::new().with_endianness(ir::Endianness::Little);
        self.b.ins().bitcast(ty, little, x)
    }
}

// ── scalar operations ──
impl Emitter<'_, '_> {
    fn assign(&mut self, value: Value, op: &LaneOp) {
        self.known[value.0 as usize] = match *op {
            LaneOp::IConst(n) => Known::Int(n),
            LaneOp::ISplat(n) => Known::Int(n.into()),
            LaneOp::FirstLanes(n) if n == self.ty(value).lanes() => Known::AllTrue,
            _ => Known::Nothing,
        };
        let parts = self.op(op, self.ty(value));
        self.set(value, parts);
    }

    fn op(&mut self, op: &LaneOp, ty: lane::Type) -> Vec<ir::Value> {
        match op {
            LaneOp::IConst(n) => vec![self.int(*n)],
            LaneOp::Index(op, a, b) => vec![self.index_op(*op, *a, *b)],
            LaneOp::IndexCompare(op, a, b) => {
                let (a, b) = (self.scalar(*a), self.scalar(*b));
                vec![self.b.ins().icmp(int_cc(*op, true), a, b)]
            }
            LaneOp::FirstLane(v) => {
                let quad = self.scalar(*v);
                let lane = self.b.ins().extractlane(quad, 0);
                vec![self.b.ins().sextend(types::I64, lane)]
            }
            LaneOp::Load { address, access } => self.load(address, access, ty),
            _ => self.vector_op(op, ty),
        }
    }

    fn index_op(&mut self, op: IndexOp, a: Value, b: Value) -> ir::Value {
        let divisor = self.known(b);
        let (a, b) = (self.scalar(a), self.scalar(b));
        match (op, divisor) {
            (IndexOp::Add, _) => self.b.ins().iadd(a, b),
            (IndexOp::Sub, _) => self.b.ins().isub(a, b),
            (IndexOp::Mul, _) => self.b.ins().imul(a, b),
            (IndexOp::Min, _) => self.b.ins().smin(a, b),
            (IndexOp::Max, _) => self.b.ins().smax(a, b),
            (IndexOp::Div, Known::Int(n)) => self.floor_div(a, n),
            (IndexOp::Mod, Known::Int(n)) => self.floor_mod(a, n),
            (IndexOp::Div | IndexOp::Mod, _) => unreachable!("the verifier asks for constant divisors"),
        }
    }

    /// -1 where x is negative, else 0.
    fn sign(&mut self, x: ir::Value) -> ir::Value {
        let bits = self.b.ins().iconst(types::I64, 63);
        self.b.ins().sshr(x, bits)
    }

    fn floor_div(&mut self, a: ir::Value, n: i64) -> ir::Value {
        if n & (n - 1) == 0 {
            let bits = self.int(n.trailing_zeros().into());
            return self.b.ins().sshr(a, bits);
        }
        let n = self.int(n);
        let quotient = self.b.ins().sdiv(a, n);
        let whole = self.b.ins().imul(quotient, n);
        let rest = self.b.ins().isub(a, whole);
        let less = self.sign(rest);
        self.b.ins().iadd(quotient, less)
    }

    fn floor_mod(&mut self, a: ir::Value, n: i64) -> ir::Value {
        if n & (n - 1) == 0 {
            let mask = self.int(n - 1);
            return self.b.ins().band(a, mask);
        }
        let n = self.int(n);
        let rest = self.b.ins().srem(a, n);
        let less = self.sign(rest);
        let more = self.b.ins().band(n, less);
        self.b.ins().iadd(rest, more)
    }
}

//! The barrier: workers count up, the last one opens the next phase.

use super::{StepContext, build, flags};
use crate::codegen::clif::POINTER;
use cranelift::codegen::ir::{self, AbiParam, AtomicRmwOp, FuncRef, Function, Signature, types};
use cranelift::codegen::isa::TargetIsa;
use cranelift::prelude::{FunctionBuilder, InstBuilder, IntCC};
use std::mem::offset_of;

/// The phase in which workers leave.
const STOP: i64 = -1;
/// Rounds of `pause` (about 40 to 140 cycles each) before a waiting worker yields its core.
const SPINS: i64 = 2000;

/// `barrier(context, workers)`; the result is 1 where the run must stop.
pub fn signature(isa: &dyn TargetIsa) -> Signature {
    let mut signature = Signature::new(isa.default_call_conv());
    signature.params = vec![AbiParam::new(POINTER); 2];
    signature.returns = vec![AbiParam::new(types::I8)];
    signature
}

/// `fn()`, for `pause` and `sched_yield` (whose result is ignored).
pub fn plain_signature(isa: &dyn TargetIsa) -> Signature {
    Signature::new(isa.default_call_conv())
}

/// A function that tells the core that it spins, as bytes; `None` for unknown machines.
pub fn pause_bytes(isa: &dyn TargetIsa) -> Option<&'static [u8]> {
    match isa.name() {
        // pause; ret
        "x64" => Some(&[0xf3, 0x90, 0xc3]),
        // yield; ret
        "aarch64" => Some(&[0x3f, 0x20, 0x03, 0xd5, 0xc0, 0x03, 0x5f, 0xd6]),
        _ => None,
    }
}

/// Fills in the barrier; `pause` and `sched_yield` are declared in it.
pub fn barrier(function: &mut Function, isa: &dyn TargetIsa, pause: FuncRef, sched_yield: FuncRef) {
    let emit = |b: &mut FunctionBuilder, params: &[ir::Value]| {
        let [last, wait] = [(); 2].map(|()| b.create_block());
        let field = |b: &mut FunctionBuilder, offset: usize| b.ins().iadd_imm_s(params[0], offset as i64);
        let arrived = field(b, offset_of!(StepContext, arrived));
        let phase = field(b, offset_of!(StepContext, phase));
        let before = b.ins().atomic_load(types::I32, flags(), phase);
        let one = b.ins().iconst(types::I32, 1);
        let others = b.ins().atomic_rmw(types::I32, flags(), AtomicRmwOp::Add, arrived, one);
        let count = b.ins().iadd(others, one);
        let workers = b.ins().ireduce(types::I32, params[1]);
        let complete = b.ins().icmp(IntCC::Equal, count, workers);
        b.ins().brif(complete, last, &[], wait, &[]);
        b.switch_to_block(last);
        release(b, params[0], arrived, phase, before);
        b.switch_to_block(wait);
        spin(b, phase, before, pause, sched_yield);
    };
    build(signature(isa), isa, emit, function);
}

/// The last to arrive: empties the barrier, then opens the next phase.
fn release(b: &mut FunctionBuilder, context: ir::Value, arrived: ir::Value, phase: ir::Value, before: ir::Value) {
    let zero = b.ins().iconst(types::I32, 0);
    b.ins().atomic_store(flags(), zero, arrived);
    let fault = b.ins().load(types::I32, flags(), context, offset_of!(StepContext, fault) as i32);
    let failed = b.ins().icmp(IntCC::NotEqual, fault, zero);
    let next = b.ins().iadd_imm_s(before, 1);
    let next = b.ins().band_imm_u(next, 0x7fff_ffff);
    let stop = b.ins().iconst(types::I32, STOP);
    let next = b.ins().select(failed, stop, next);
    b.ins().atomic_store(flags(), next, phase);
    b.ins().return_(&[failed]);
}

/// All others: wait for the phase to change.
fn spin(b: &mut FunctionBuilder, phase: ir::Value, before: ir::Value, pause: FuncRef, sched_yield: FuncRef) {
    let [test, again, tired, fresh, leave] = [(); 5].map(|()| b.create_block());
    let rounds = b.append_block_param(test, types::I64);
    let zero = b.ins().iconst(types::I64, 0);
    b.ins().jump(test, &[zero.into()]);
    b.switch_to_block(test);
    let now = b.ins().atomic_load(types::I32, flags(), phase);
    let same = b.ins().icmp(IntCC::Equal, now, before);
    b.ins().brif(same, again, &[], leave, &[]);
    b.switch_to_block(again);
    let next = b.ins().iadd_imm_s(rounds, 1);
    let long = b.ins().icmp_imm_s(IntCC::SignedGreaterThan, rounds, SPINS);
    b.ins().brif(long, tired, &[], fresh, &[]);
    for (block, callee) in [(tired, sched_yield), (fresh, pause)] {
        b.switch_to_block(block);
        b.ins().call(callee, &[]);
        b.ins().jump(test, &[next.into()]);
    }
    b.switch_to_block(leave);
    let stopped = b.ins().icmp_imm_s(IntCC::Equal, now, STOP);
    b.ins().return_(&[stopped]);
}

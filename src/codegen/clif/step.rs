//! The step function: every worker runs all launches in order, each on its own static range of points.
//!
//! `step(context, worker, workers)`. Between launches that depend on each other stands a barrier. It is machine code as
//! well (atomic operations, `pause`, and libc's `sched_yield` after a while): no Rust code runs while denormals are
//! flushed. The last worker to arrive decides whether to go on: if a kernel has met a data index out of range, all
//! workers leave at the same barrier, and [`StepContext::fault`] names the launch.

use super::POINTER;
use cranelift::codegen::ir::{self, Signature, types};
use cranelift::codegen::ir::{AbiParam, AtomicRmwOp, Block, FuncRef, Function, StackSlotData, StackSlotKind};
use cranelift::codegen::isa::TargetIsa;
use cranelift::prelude::{FunctionBuilder, FunctionBuilderContext, InstBuilder, IntCC, MemFlagsData};
use std::mem::offset_of;
use std::sync::atomic::AtomicU32;

/// What the step function works on; one per executable.
#[repr(C, align(64))]
pub struct StepContext {
    /// The buffers of all launches, one launch after the other.
    pub args: *const *mut u8,
    /// 1 + the number of a launch that met an index out of range, else 0.
    pub fault: AtomicU32,
    pub arrived: Line,
    pub phase: Line,
}

/// A counter with a cache line to itself.
#[repr(C, align(64))]
#[derive(Default)]
pub struct Line(pub AtomicU32);

/// The phase in which workers leave.
const STOP: i64 = -1;
/// Rounds of `pause` (about 40 to 140 cycles each) before a waiting worker yields its core.
const SPINS: i64 = 2000;

/// One launch as the step function sees it.
pub struct Call {
    pub kernel: usize,
    /// Number of its first buffer in [`StepContext::args`].
    pub first_arg: usize,
    pub points: usize,
    pub barrier: bool,
    /// The kernel may store to its fault flag.
    pub may_fault: bool,
}

/// Functions that the step function calls.
pub struct Callees {
    pub kernels: Vec<FuncRef>,
    pub barrier: FuncRef,
}

pub fn step_signature(isa: &dyn TargetIsa) -> Signature {
    let mut signature = Signature::new(isa.default_call_conv());
    signature.params = vec![AbiParam::new(POINTER); 3];
    signature
}

/// `barrier(context, workers)`; the result is 1 where the run must stop.
pub fn barrier_signature(isa: &dyn TargetIsa) -> Signature {
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

/// Builds one function with its entry block.
fn build(
    signature: Signature,
    isa: &dyn TargetIsa,
    emit: impl FnOnce(&mut FunctionBuilder, &[ir::Value]),
    function: &mut Function,
) {
    function.signature = signature;
    let mut context = FunctionBuilderContext::new();
    let mut b = FunctionBuilder::new(function, &mut context);
    let entry = b.create_block();
    b.append_block_params_for_function_params(entry);
    b.switch_to_block(entry);
    let params = b.block_params(entry).to_vec();
    emit(&mut b, &params);
    b.seal_all_blocks();
    b.finalize(isa.frontend_config());
}

fn flags() -> MemFlagsData {
    MemFlagsData::new().with_notrap()
}

/// Fills in `function`, whose callees are declared in it.
pub fn step(function: &mut Function, isa: &dyn TargetIsa, calls: &[Call], callees: &Callees) {
    let emit = |b: &mut FunctionBuilder, params: &[ir::Value]| {
        let exit = b.create_block();
        let mut step = Step::new(b, params, callees, exit);
        for (number, call) in calls.iter().enumerate() {
            step.launch(number, call);
        }
        b.ins().jump(exit, &[]);
        b.switch_to_block(exit);
        b.ins().return_(&[]);
    };
    build(step_signature(isa), isa, emit, function);
}

struct Step<'a, 'f> {
    b: &'a mut FunctionBuilder<'f>,
    callees: &'a Callees,
    context: ir::Value,
    worker: ir::Value,
    workers: ir::Value,
    args: ir::Value,
    /// Address of this worker's fault flag.
    flag: ir::Value,
    exit: Block,
}

impl<'a, 'f> Step<'a, 'f> {
    fn new(b: &'a mut FunctionBuilder<'f>, params: &[ir::Value], callees: &'a Callees, exit: Block) -> Self {
        let &[context, worker, workers] = params else { unreachable!("the signature has three parameters") };
        let args = b.ins().load(POINTER, flags(), context, offset_of!(StepContext, args) as i32);
        let slot = b.create_sized_stack_slot(StackSlotData::new(StackSlotKind::ExplicitSlot, 8, 3));
        let flag = b.ins().stack_addr(POINTER, slot, 0);
        let mut step = Step { b, callees, context, worker, workers, args, flag, exit };
        step.clear_flag();
        step
    }

    fn clear_flag(&mut self) {
        let zero = self.b.ins().iconst(types::I32, 0);
        self.b.ins().store(flags(), zero, self.flag, 0);
    }

    fn launch(&mut self, number: usize, call: &Call) {
        if call.barrier {
            self.barrier();
        }
        let next = self.b.ins().iadd_imm_s(self.worker, 1);
        let (lo, hi) = (self.bound(call.points, self.worker), self.bound(call.points, next));
        let [run, done] = [(); 2].map(|()| self.b.create_block());
        let any = self.b.ins().icmp(IntCC::SignedLessThan, lo, hi);
        self.b.ins().brif(any, run, &[], done, &[]);
        self.b.switch_to_block(run);
        let args = self.b.ins().iadd_imm_s(self.args, 8 * call.first_arg as i64);
        self.b.ins().call(self.callees.kernels[call.kernel], &[args, lo, hi, self.flag]);
        if call.may_fault {
            self.note_fault(number, done);
        }
        self.b.ins().jump(done, &[]);
        self.b.switch_to_block(done);
    }

    /// `points * worker / workers`
    fn bound(&mut self, points: usize, worker: ir::Value) -> ir::Value {
        let scaled = self.b.ins().imul_imm_s(worker, points as i64);
        self.b.ins().udiv(scaled, self.workers)
    }

    fn note_fault(&mut self, number: usize, done: Block) {
        let [fault, fine] = [(); 2].map(|()| self.b.create_block());
        self.b.set_cold_block(fault);
        let set = self.b.ins().load(types::I32, flags(), self.flag, 0);
        self.b.ins().brif(set, fault, &[], fine, &[]);
        self.b.switch_to_block(fault);
        let launch = self.b.ins().iconst(types::I32, number as i64 + 1);
        self.b.ins().store(flags(), launch, self.context, offset_of!(StepContext, fault) as i32);
        self.clear_flag();
        self.b.ins().jump(done, &[]);
        self.b.switch_to_block(fine);
    }

    fn barrier(&mut self) {
        let call = self.b.ins().call(self.callees.barrier, &[self.context, self.workers]);
        let stop = self.b.inst_results(call)[0];
        let go_on = self.b.create_block();
        self.b.ins().brif(stop, self.exit, &[], go_on, &[]);
        self.b.switch_to_block(go_on);
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
    build(barrier_signature(isa), isa, emit, function);
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

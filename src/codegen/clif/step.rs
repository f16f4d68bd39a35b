//! The step function: every worker runs all launches and loops in order, each launch on its own static range of points.
//!
//! `step(context, worker, workers)`. Between launches that depend on each other stands a barrier. It is machine code as
//! well (atomic operations, `pause`, and libc's `sched_yield` after a while): no Rust code runs while denormals are
//! flushed. The last worker to arrive decides whether to go on: if a kernel has met a data index out of range, all
//! workers leave at the same barrier, and [`StepContext::fault`] names the launch.
//!
//! Pointers come from a table. Where a loop moves one, each worker adds what its iteration asks for, in a table of its
//! own on its stack.

pub mod barrier;
mod loops;

use super::POINTER;
use crate::schedule::{Pick, Shares};
use cranelift::codegen::ir::{self, Signature, types};
use cranelift::codegen::ir::{AbiParam, Block, FuncRef, Function, StackSlotData, StackSlotKind};
use cranelift::codegen::isa::TargetIsa;
use cranelift::prelude::{FunctionBuilder, FunctionBuilderContext, InstBuilder, IntCC, MemFlagsData};
use loops::Iteration;
use std::mem::offset_of;
use std::sync::atomic::AtomicU32;

/// What the step function works on; one per executable.
#[repr(C, align(64))]
pub struct StepContext {
    /// Where the arguments lie, one launch after the other; for moved ones, what does not move.
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

/// What the step function does, in order.
#[derive(Clone)]
pub enum Code {
    Call(Call),
    Loop(Loop),
}

/// One launch as the step function sees it.
#[derive(Clone)]
pub struct Call {
    /// Its number in the program, for faults.
    pub number: usize,
    pub kernel: usize,
    /// Number of its first argument in [`StepContext::args`].
    pub first_arg: usize,
    /// What loops add to each argument.
    pub args: Vec<Vec<Move>>,
    pub points: usize,
    /// Points of a share, where a loop around has shares.
    pub share: usize,
    pub barrier: bool,
    /// The kernel may store to its fault flag.
    pub may_fault: bool,
}

#[derive(Clone)]
pub struct Loop {
    pub length: usize,
    pub reverse: bool,
    pub condition: Option<Condition>,
    /// With no more workers than shares, each runs the loop by itself.
    pub shares: Option<Shares>,
    pub body: Vec<Code>,
    pub after: Vec<Code>,
}

/// A byte that is read before each iteration: the loop ends where it is 0.
#[derive(Clone)]
pub struct Condition {
    /// Its number in [`StepContext::args`].
    pub arg: usize,
    pub moves: Vec<Move>,
    pub barrier: bool,
}

/// Adds `bytes` times a number that follows from the iteration of a loop, counted from the outermost.
#[derive(Clone, Copy)]
pub struct Move {
    pub depth: usize,
    pub pick: Pick,
    pub bytes: usize,
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
pub fn step(function: &mut Function, isa: &dyn TargetIsa, code: &[Code], callees: &Callees) {
    let emit = |b: &mut FunctionBuilder, params: &[ir::Value]| {
        let exit = b.create_block();
        let mut step = Step::new(b, params, callees, exit, loops::most_moved(code));
        step.code(code);
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
    /// Address of this worker's table of moved arguments.
    moved: ir::Value,
    /// The loops around, outermost first.
    frame: Vec<Iteration>,
    /// This worker's first share, and the one behind its last, in a loop that it runs by itself.
    own: Option<[ir::Value; 2]>,
    exit: Block,
}

impl<'a, 'f> Step<'a, 'f> {
    fn new(
        b: &'a mut FunctionBuilder<'f>,
        params: &[ir::Value],
        callees: &'a Callees,
        exit: Block,
        most_moved: usize,
    ) -> Self {
        let &[context, worker, workers] = params else { unreachable!("the signature has three parameters") };
        let args = b.ins().load(POINTER, flags(), context, offset_of!(StepContext, args) as i32);
        let [flag, moved] = [1, most_moved].map(|words| {
            let slot = StackSlotData::new(StackSlotKind::ExplicitSlot, 8 * words as u32, 3);
            let slot = b.create_sized_stack_slot(slot);
            b.ins().stack_addr(POINTER, slot, 0)
        });
        let mut step = Step { b, callees, context, worker, workers, args, flag, moved, frame: vec![], own: None, exit };
        step.clear_flag();
        step
    }

    fn code(&mut self, code: &[Code]) {
        for code in code {
            match code {
                Code::Call(call) => self.launch(call),
                Code::Loop(inner) => self.looped(inner),
            }
        }
    }

    fn clear_flag(&mut self) {
        let zero = self.b.ins().iconst(types::I32, 0);
        self.b.ins().store(flags(), zero, self.flag, 0);
    }

    fn launch(&mut self, call: &Call) {
        if call.barrier {
            self.barrier();
        }
        let [lo, hi] = self.range(call);
        let [run, done] = [(); 2].map(|()| self.b.create_block());
        let any = self.b.ins().icmp(IntCC::SignedLessThan, lo, hi);
        self.b.ins().brif(any, run, &[], done, &[]);
        self.b.switch_to_block(run);
        let args = self.arguments(call);
        self.b.ins().call(self.callees.kernels[call.kernel], &[args, lo, hi, self.flag]);
        if call.may_fault {
            self.note_fault(call.number, done);
        }
        self.b.ins().jump(done, &[]);
        self.b.switch_to_block(done);
    }

    /// The first point of this worker, and the one behind its last.
    fn range(&mut self, call: &Call) -> [ir::Value; 2] {
        let Some(shares) = self.own else { return self.part(call.points) };
        shares.map(|share| {
            let point = self.b.ins().imul_imm_s(share, call.share as i64);
            let points = self.b.ins().iconst(POINTER, call.points as i64);
            self.b.ins().umin(point, points)
        })
    }

    /// This worker's part of `0..count`: from `count * worker / workers` on.
    fn part(&mut self, count: usize) -> [ir::Value; 2] {
        let next = self.b.ins().iadd_imm_s(self.worker, 1);
        [self.worker, next].map(|worker| {
            let scaled = self.b.ins().imul_imm_s(worker, count as i64);
            self.b.ins().udiv(scaled, self.workers)
        })
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

    /// No worker waits for another in a loop that each runs by itself.
    fn barrier(&mut self) {
        if self.own.is_some() {
            return;
        }
        let call = self.b.ins().call(self.callees.barrier, &[self.context, self.workers]);
        let stop = self.b.inst_results(call)[0];
        let go_on = self.b.create_block();
        self.b.ins().brif(stop, self.exit, &[], go_on, &[]);
        self.b.switch_to_block(go_on);
    }
}

//! Loops over launches, and the arguments that they move.

use super::{Call, Code, Condition, Loop, Move, Step, flags};
use crate::codegen::clif::POINTER;
use crate::schedule::Pick;
use cranelift::codegen::ir::{self, types};
use cranelift::prelude::{InstBuilder, IntCC};

/// Where a worker is in a loop.
#[derive(Clone, Copy)]
pub struct Iteration {
    count: ir::Value,
    position: ir::Value,
}

/// The most arguments of a launch of which a loop moves one.
pub fn most_moved(code: &[Code]) -> usize {
    let most = code.iter().map(|code| match code {
        Code::Call(call) if call.is_moved() => call.args.len(),
        Code::Call(_) => 0,
        Code::Loop(inner) => most_moved(&inner.body).max(most_moved(&inner.after)),
    });
    most.max().unwrap_or(0)
}

impl Call {
    fn is_moved(&self) -> bool {
        self.args.iter().any(|moves| !moves.is_empty())
    }
}

impl Step<'_, '_> {
    /// The address of a launch's arguments.
    pub fn arguments(&mut self, call: &Call) -> ir::Value {
        if !call.is_moved() {
            return self.b.ins().iadd_imm_s(self.args, 8 * call.first_arg as i64);
        }
        for (i, moves) in call.args.iter().enumerate() {
            let pointer = self.argument(call.first_arg + i, moves);
            self.b.ins().store(flags(), pointer, self.moved, 8 * i as i32);
        }
        self.moved
    }

    /// The address that argument `number` stands for.
    fn argument(&mut self, number: usize, moves: &[Move]) -> ir::Value {
        let base = self.b.ins().load(POINTER, flags(), self.args, 8 * number as i32);
        moves.iter().fold(base, |pointer, step| {
            let times = self.pick(*step);
            let distance = self.b.ins().imul_imm_s(times, step.bytes as i64);
            self.b.ins().iadd(pointer, distance)
        })
    }

    fn pick(&mut self, step: Move) -> ir::Value {
        let Iteration { count, position } = self.frame[step.depth];
        match step.pick {
            Pick::Position => position,
            Pick::Odd => self.b.ins().band_imm_u(count, 1),
            Pick::Even => {
                let odd = self.b.ins().band_imm_u(count, 1);
                self.b.ins().bxor_imm_u(odd, 1)
            }
        }
    }

    pub fn looped(&mut self, inner: &Loop) {
        let Some(shares) = inner.shares else { return self.turns(inner) };
        if shares.barrier {
            self.barrier();
        }
        let [alone, together, done] = [(); 3].map(|()| self.b.create_block());
        let count = shares.count as i64;
        let few = self.b.ins().icmp_imm_u(IntCC::UnsignedLessThanOrEqual, self.workers, count);
        self.b.ins().brif(few, alone, &[], together, &[]);
        self.b.switch_to_block(alone);
        self.own = Some(self.part(shares.count));
        self.turns(inner);
        self.b.ins().jump(done, &[]);
        self.b.switch_to_block(together);
        self.turns(inner);
        self.b.ins().jump(done, &[]);
        self.b.switch_to_block(done);
    }

    fn turns(&mut self, inner: &Loop) {
        let [test, body, exit] = [(); 3].map(|()| self.b.create_block());
        let count = self.b.append_block_param(test, types::I64);
        let first = self.b.ins().iconst(types::I64, 0);
        self.b.ins().jump(test, &[first.into()]);

        self.b.switch_to_block(test);
        let iteration = self.iteration(inner, count);
        self.frame.push(iteration);
        let more = self.b.ins().icmp_imm_s(IntCC::SignedLessThan, count, inner.length as i64);
        self.go_on(more, exit);
        if let Some(condition) = &inner.condition {
            let flag = self.condition(condition);
            self.go_on(flag, exit);
        }
        self.b.ins().jump(body, &[]);

        self.b.switch_to_block(body);
        self.code(&inner.body);
        let next = self.b.ins().iadd_imm_s(count, 1);
        self.b.ins().jump(test, &[next.into()]);

        self.b.switch_to_block(exit);
        if inner.shares.is_some() {
            self.own = None;
        }
        self.code(&inner.after);
        self.frame.pop();
    }

    /// Leaves for `exit` where `condition` is 0.
    fn go_on(&mut self, condition: ir::Value, exit: ir::Block) {
        let next = self.b.create_block();
        self.b.ins().brif(condition, next, &[], exit, &[]);
        self.b.switch_to_block(next);
    }

    fn iteration(&mut self, inner: &Loop, count: ir::Value) -> Iteration {
        if !inner.reverse {
            return Iteration { count, position: count };
        }
        let last = self.b.ins().iconst(types::I64, inner.length as i64 - 1);
        Iteration { count, position: self.b.ins().isub(last, count) }
    }

    fn condition(&mut self, condition: &Condition) -> ir::Value {
        if condition.barrier {
            self.barrier();
        }
        let pointer = self.argument(condition.arg, &condition.moves);
        self.b.ins().load(types::I8, flags(), pointer, 0)
    }
}

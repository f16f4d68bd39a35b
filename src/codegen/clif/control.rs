//! Blocks: loops test at the bottom and carry values as block parameters; the arms of a condition meet in a join.

use super::{Emitter, Known, parts};
use crate::lane::{Arm, Loop, Stmt, Value};
use cranelift::codegen::ir::{self, Block, BlockArg, types};
use cranelift::prelude::{InstBuilder, IntCC, MemFlagsData};

impl Emitter<'_, '_> {
    pub(super) fn body(&mut self, body: &[Stmt]) {
        body.iter().for_each(|s| self.stmt(s));
    }

    fn stmt(&mut self, stmt: &Stmt) {
        match stmt {
            Stmt::Let { value, op } => self.assign(*value, op),
            Stmt::Loop(l) => self.looped(l),
            Stmt::If { cond, then, otherwise, results } => self.branch(*cond, then, otherwise, results),
            Stmt::Store(s) => self.store(s),
            Stmt::Fault { mask } => {
                let any = self.any(*mask);
                self.fault_where(any);
            }
            Stmt::FaultIf { cond } => self.fault_where(self.scalar(*cond)),
        }
    }

    /// Gives `value` parameters of `block`, one per part.
    fn bind_params(&mut self, block: Block, value: Value) {
        let (ty, count) = parts(self.ty(value));
        let params = (0..count).map(|_| self.b.append_block_param(block, ty)).collect();
        self.set(value, params);
    }

    /// Whether a loop runs at least once, and each time that the kernel has a point. `v0..v1` is the range of points;
    /// an address that does not depend on the point is good even where this worker has none.
    fn surely_runs(&self, l: &Loop) -> bool {
        let constant = matches!((self.known(l.lo), self.known(l.hi)), (Known::Int(lo), Known::Int(hi)) if lo < hi);
        constant || (l.lo == Value(0) && l.hi == Value(1))
    }

    fn looped(&mut self, l: &Loop) {
        let (body, exit) = (self.b.create_block(), self.b.create_block());
        let (lo, hi) = (self.scalar(l.lo), self.scalar(l.hi));
        let inits: Vec<_> = l.carries.iter().map(|c| c.0).collect();
        let outside = self.unconditional;
        self.unconditional &= self.surely_runs(l);

        let inits = self.block_args(&inits);
        let start = with_first(lo, &inits);
        let runs = self.b.ins().icmp(IntCC::SignedLessThan, lo, hi);
        self.b.ins().brif(runs, body, &start, exit, &inits);

        self.b.switch_to_block(body);
        self.bind_params(body, l.var);
        l.carries.iter().for_each(|c| self.bind_params(body, c.1));
        self.body(&l.body);
        let yields = self.block_args(&l.yields);
        let var = self.scalar(l.var);
        let step = self.int(l.step);
        let next = self.b.ins().iadd(var, step);
        let again = self.b.ins().icmp(IntCC::SignedLessThan, next, hi);
        self.b.ins().brif(again, body, &with_first(next, &yields), exit, &yields);

        self.b.switch_to_block(exit);
        l.carries.iter().for_each(|c| self.bind_params(exit, c.2));
        self.unconditional = outside;
    }

    fn branch(&mut self, cond: Value, then: &Arm, otherwise: &Arm, results: &[Value]) {
        let [yes, no, join] = [(); 3].map(|()| self.b.create_block());
        let cond = self.scalar(cond);
        self.b.ins().brif(cond, yes, &[], no, &[]);
        let outside = std::mem::replace(&mut self.unconditional, false);
        for (block, arm) in [(yes, then), (no, otherwise)] {
            self.b.switch_to_block(block);
            self.body(&arm.body);
            let yields = self.block_args(&arm.yields);
            self.b.ins().jump(join, &yields);
        }
        self.b.switch_to_block(join);
        results.iter().for_each(|&r| self.bind_params(join, r));
        self.unconditional = outside;
    }

    /// Whether any lane of a mask is set.
    fn any(&mut self, mask: Value) -> ir::Value {
        let quads = self.get(mask);
        let all = quads[1..].iter().fold(quads[0], |all, &q| self.b.ins().bor(all, q));
        self.b.ins().vany_true(all)
    }

    fn fault_where(&mut self, cond: ir::Value) {
        let (fault, next) = (self.b.create_block(), self.b.create_block());
        self.b.set_cold_block(fault);
        self.b.ins().brif(cond, fault, &[], next, &[]);
        self.b.switch_to_block(fault);
        let one = self.b.ins().iconst(types::I32, 1);
        self.b.ins().store(MemFlagsData::new().with_notrap(), one, self.fault, 0);
        self.b.ins().jump(next, &[]);
        self.b.switch_to_block(next);
    }
}

fn with_first(first: ir::Value, rest: &[BlockArg]) -> Vec<BlockArg> {
    std::iter::once(BlockArg::Value(first)).chain(rest.iter().copied()).collect()
}

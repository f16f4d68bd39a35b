//! Loops test at the bottom, and at the top only where they may run zero times; conditions compare and branch.

use super::asm::{Arg, based};
use super::emit::{Emitter, put};
use super::facts::{for_uses, load_touch};
use super::index::opposite;
use super::isa::{Isa, Touch};
use crate::lane::{Arm, LaneOp, Loop, Stmt, Value};
use crate::ops::Compare;
use iced_x86::{Code, Register};

/// Where the first instruction of an innermost loop lies, in bytes.
const LOOP_ALIGNMENT: usize = 32;

fn jump_code(op: Compare) -> Code {
    match op {
        Compare::Eq => Code::Je_rel32_64,
        Compare::Ne => Code::Jne_rel32_64,
        Compare::Lt => Code::Jl_rel32_64,
        Compare::Le => Code::Jle_rel32_64,
        Compare::Gt => Code::Jg_rel32_64,
        Compare::Ge => Code::Jge_rel32_64,
    }
}

impl<I: Isa> Emitter<'_, I> {
    pub fn body(&mut self, body: &[Stmt]) {
        body.iter().for_each(|s| self.stmt(s));
    }

    fn stmt(&mut self, stmt: &Stmt) {
        match stmt {
            Stmt::Let { value, .. } if !self.facts.is_computed(*value) => {}
            Stmt::Loop(l) => self.looped(l),
            Stmt::If { cond, then, otherwise, results } => self.branch(*cond, then, otherwise, results),
            _ => {
                self.begin(self.values(stmt));
                self.simple(stmt);
                self.end();
            }
        }
    }

    /// What a statement reads and writes.
    fn values(&self, stmt: &Stmt) -> Vec<Value> {
        let mut values = vec![];
        for_uses(stmt, |v| values.push(v));
        match stmt {
            Stmt::Let { value, op } => {
                values.push(*value);
                if let LaneOp::Load { address, access } = op {
                    values.extend(self.facts.tail_of(access, load_touch(self.kernel, address)));
                }
            }
            Stmt::Store(s) => values.extend(self.facts.tail_of(&s.access, Touch::Store)),
            _ => {}
        }
        values
    }

    fn simple(&mut self, stmt: &Stmt) {
        match stmt {
            Stmt::Let { value, op } => self.assign(*value, op),
            Stmt::Store(s) => self.store(s),
            Stmt::Fault { mask } => {
                let mask = self.mask(*mask, 0);
                I::test(self, mask);
                self.fault_unless(Compare::Eq);
            }
            Stmt::FaultIf { cond } => {
                let op = self.test(*cond);
                self.fault_unless(opposite(op));
            }
            Stmt::Loop(_) | Stmt::If { .. } => unreachable!("these hold other statements"),
        }
    }

    fn fault_unless(&mut self, fine: Compare) {
        let skip = self.asm.label();
        self.asm.branch(jump_code(fine), skip);
        let flag = self.gpr(self.facts.fault(), Register::RAX);
        put!(self, Mov_rm32_imm32, based(flag, 0), Arg::Word(1));
        self.asm.bind(skip);
    }

    fn surely_runs(&self, l: &Loop) -> bool {
        self.number(l.lo).zip(self.number(l.hi)).is_some_and(|(lo, hi)| lo < hi)
    }

    fn looped(&mut self, l: &Loop) {
        let (top, exit) = (self.asm.label(), self.asm.label());
        let inside = || l.carries.iter().map(|c| c.1);
        let from: Vec<Value> = l.carries.iter().map(|c| c.0).chain([l.lo]).collect();
        let to: Vec<Value> = inside().chain([l.var]).collect();
        self.begin(vec![]);
        self.transfer(&from, &to);
        if !self.surely_runs(l) {
            self.compare_indices(l.var, l.hi);
            self.asm.branch(Code::Jge_rel32_64, exit);
        }
        if !l.body.iter().any(|s| matches!(s, Stmt::Loop(_))) {
            self.asm.align(LOOP_ALIGNMENT);
        }
        self.asm.bind(top);
        self.body(&l.body);
        self.begin(vec![]);
        self.transfer(&l.yields, &inside().collect::<Vec<_>>());
        self.advance(l.var, l.step);
        self.compare_indices(l.var, l.hi);
        self.asm.branch(Code::Jl_rel32_64, top);
        self.asm.bind(exit);
    }

    fn branch(&mut self, cond: Value, then: &Arm, otherwise: &Arm, results: &[Value]) {
        let (other, join) = (self.asm.label(), self.asm.label());
        self.begin(vec![]);
        let op = self.test(cond);
        self.asm.branch(jump_code(opposite(op)), other);
        self.arm(then, results);
        let empty = otherwise.body.is_empty() && results.is_empty();
        if !empty {
            self.asm.branch(Code::Jmp_rel32_64, join);
        }
        self.asm.bind(other);
        self.arm(otherwise, results);
        self.asm.bind(join);
    }

    fn arm(&mut self, arm: &Arm, results: &[Value]) {
        self.body(&arm.body);
        self.begin(vec![]);
        self.transfer(&arm.yields, results);
    }
}

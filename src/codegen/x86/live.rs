//! Where values live. The program is numbered as it is written; statement n reads at 2n and writes at 2n + 1.
//!
//! A value lives from its definition to its last use. One that is defined outside a loop and used in it lives to the
//! loop's end. A loop's carried value may have a gap between its last use in the body and the end, where the yield
//! takes over; the results of an `if` are defined at the end of both arms. So a value has a list of spans.

use super::facts::{Facts, Form, for_args, load_touch, writes_early};
use super::isa::Touch;
use crate::lane::{Access, Address, Arm, Kernel, LaneOp, Loop, Stmt, Value, VecOp};

/// Positions, both included.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Span {
    pub from: u32,
    pub to: u32,
}

/// A wish that two values share a register, by how often that saves a move.
pub struct Join {
    pub a: Value,
    pub b: Value,
    pub weight: f32,
}

pub struct Lives {
    /// Ascending, of each value.
    pub spans: Vec<Vec<Span>>,
    /// How often each value is read, as guessed from the depth of loops; 0 where it need not be computed.
    pub reads: Vec<f32>,
    /// How often it is written.
    pub writes: Vec<f32>,
    /// Values that must share: a carried value inside its loop and after it.
    pub same: Vec<(Value, Value)>,
    pub joins: Vec<Join>,
}

/// Guess at the trips of a loop.
const TRIPS: f32 = 10.0;

pub fn lives(kernel: &Kernel, facts: &Facts) -> Lives {
    let n = facts.forms.len();
    let lives =
        Lives { spans: vec![vec![]; n], reads: vec![0.0; n], writes: vec![0.0; n], same: vec![], joins: vec![] };
    let mut walk = Walk { kernel, facts, lives, at: 0, frequency: 1.0, depths: vec![0; n], loops: vec![] };
    walk.entry();
    walk.body(&kernel.body);
    walk.lives
}

struct Walk<'a> {
    kernel: &'a Kernel,
    facts: &'a Facts<'a>,
    lives: Lives,
    at: u32,
    frequency: f32,
    /// Number of loops around the definition of each value.
    depths: Vec<usize>,
    /// Open loops, with the values from outside that must live to their end.
    loops: Vec<Vec<Value>>,
}

impl Walk<'_> {
    /// The position of the next statement; the emitter counts in the same way.
    fn next(&mut self) -> u32 {
        self.at += 1;
        2 * self.at
    }

    fn entry(&mut self) {
        let bases = (0..self.kernel.buffers.len()).map(|b| self.facts.base(b as u32));
        let all: Vec<_> = bases.chain([Value(0), Value(1), self.facts.fault()]).chain(self.facts.tails()).collect();
        all.into_iter().for_each(|v| self.define(v, 1));
    }

    fn define(&mut self, v: Value, at: u32) {
        self.lives.spans[v.0 as usize].push(Span { from: at, to: at });
        self.lives.writes[v.0 as usize] += self.frequency;
        self.depths[v.0 as usize] = self.loops.len();
    }

    /// A use at a position, or of what the value is made of.
    fn reads(&mut self, v: Value, at: u32) {
        match self.facts.form(v) {
            Form::Number(_) => {}
            Form::Test(_, a, b) => [a, b].into_iter().for_each(|v| self.reads(v, at)),
            Form::Folded(address, _) => self.address(&address, at),
            Form::Stored(_) | Form::Constant(..) => self.lasts(v, at),
        }
    }

    fn lasts(&mut self, v: Value, at: u32) {
        let index = v.0 as usize;
        self.lives.reads[index] += self.frequency;
        if let Some(span) = self.lives.spans[index].last_mut() {
            span.to = span.to.max(at);
        }
        if let Some(outside) = self.loops.get_mut(self.depths[index]) {
            outside.push(v);
        }
    }

    fn address(&mut self, address: &Address, at: u32) {
        self.reads(address.index, at);
        self.reads(self.facts.base(address.buffer), at);
    }

    fn access(&mut self, address: &Address, access: &Access, touch: Touch, at: u32) {
        self.address(address, at);
        if let Access::Indexed { offsets, mask } = *access {
            [offsets, mask].into_iter().for_each(|v| self.reads(v, at));
        }
        if let Some(tail) = self.facts.tail_of(access, touch) {
            self.reads(tail, at);
        }
    }

    fn join(&mut self, a: Value, b: Value) {
        self.lives.joins.push(Join { a, b, weight: self.frequency });
    }

    fn body(&mut self, body: &[Stmt]) {
        body.iter().for_each(|s| self.stmt(s));
    }

    fn stmt(&mut self, stmt: &Stmt) {
        match stmt {
            Stmt::Let { value, op } => self.assign(*value, op),
            Stmt::Loop(l) => self.looped(l),
            Stmt::If { cond, then, otherwise, results } => {
                let at = self.next();
                self.reads(*cond, at);
                self.arm(then, results);
                self.arm(otherwise, results);
            }
            Stmt::Store(s) => {
                let at = self.next();
                self.reads(s.value, at);
                self.access(&s.address, &s.access, Touch::Store, at);
            }
            Stmt::Fault { mask: v } | Stmt::FaultIf { cond: v } => {
                let at = self.next();
                self.reads(*v, at);
                self.reads(self.facts.fault(), at);
            }
        }
    }

    fn assign(&mut self, value: Value, op: &LaneOp) {
        if !self.facts.is_computed(value) {
            return;
        }
        let at = self.next();
        let read = if writes_early(op) { at + 1 } else { at };
        match op {
            LaneOp::Load { address, access } => self.access(address, access, load_touch(self.kernel, address), read),
            _ => for_args(op, |v| self.reads(v, read)),
        }
        self.define(value, at + 1);
        self.wishes(value, op);
    }

    /// Arguments whose register the result would like to take over.
    fn wishes(&mut self, value: Value, op: &LaneOp) {
        match op {
            LaneOp::Vec(VecOp::Fma, args) => [args[2], args[0], args[1]].iter().for_each(|a| self.join(*a, value)),
            LaneOp::Bitcast(v) => self.join(*v, value),
            LaneOp::Index(_, a, _) => self.join(*a, value),
            _ => {}
        }
    }

    fn looped(&mut self, l: &Loop) {
        let start = self.next();
        l.carries.iter().for_each(|c| self.reads(c.0, start));
        [l.lo, l.hi].into_iter().for_each(|v| self.reads(v, start));
        self.loops.push(vec![]);
        let outside = self.frequency;
        self.define(l.var, start + 1);
        for c in &l.carries {
            self.define(c.1, start + 1);
            self.lives.same.push((c.1, c.2));
            self.join(c.0, c.1);
        }
        self.frequency = outside * TRIPS;
        self.body(&l.body);
        let end = self.next();
        for (yielded, c) in l.yields.iter().zip(&l.carries) {
            self.reads(*yielded, end);
            self.join(*yielded, c.1);
        }
        [l.var, l.hi].into_iter().for_each(|v| self.reads(v, end + 1));
        self.frequency = outside;
        self.leave(end + 1);
        l.carries.iter().for_each(|c| self.define(c.2, end + 1));
    }

    /// Ends a loop at a position, and with it the spans of what it uses from outside.
    fn leave(&mut self, end: u32) {
        for v in self.loops.pop().unwrap_or_default() {
            if let Some(span) = self.lives.spans[v.0 as usize].last_mut() {
                span.to = end;
            }
        }
    }

    fn arm(&mut self, arm: &Arm, results: &[Value]) {
        self.body(&arm.body);
        let end = self.next();
        for (yielded, result) in arm.yields.iter().zip(results) {
            self.reads(*yielded, end);
            self.join(*yielded, *result);
        }
        results.iter().for_each(|r| self.define(*r, end + 1));
    }
}

//! Where workers must wait.

use super::range;
use crate::schedule::{Arg, Item, Launch, Loop, StepProgram, launches};
use crate::tile::{Access, Kernel};

/// A launch waits where it touches what a launch since the last barrier wrote, or writes what such a one read. The
/// launches before the first one of an iteration are also those at the end of the iteration before.
pub fn place(program: &mut StepProgram) {
    let mut items = std::mem::take(&mut program.items);
    Barriers { program, pending: vec![] }.items(&mut items);
    program.items = items;
}

struct Barriers<'a> {
    program: &'a StepProgram,
    /// What was touched since the last barrier.
    pending: Vec<Touch>,
}

/// A buffer, and whether it is written.
type Touch = (usize, bool);

impl Barriers<'_> {
    fn items(&mut self, items: &mut [Item]) {
        for item in items {
            match item {
                Item::Launch(launch) => {
                    let touches = touches(&self.program.kernels[launch.kernel], launch);
                    launch.barrier |= self.pass(&touches);
                }
                Item::Loop(inner) => self.looped(inner),
            }
        }
    }

    /// Twice: as the first iteration, and as one after another.
    fn looped(&mut self, inner: &mut Loop) {
        let touched = self.all(&inner.items);
        if let Some(shares) = &mut inner.shares {
            shares.barrier |= self.wait(&touched);
        }
        let mut stopped = vec![];
        for _ in 0..2 {
            if let Some(condition) = &mut inner.condition {
                condition.barrier |= self.pass(&[touch(&condition.flag, false)]);
                stopped.extend_from_slice(&self.pending);
            }
            self.items(&mut inner.items);
        }
        self.add(&stopped);
        if inner.shares.is_some() {
            self.add(&touched);
        }
        self.items(&mut inner.after);
    }

    fn all(&self, items: &[Item]) -> Vec<Touch> {
        launches(items).into_iter().flat_map(|l| touches(&self.program.kernels[l.kernel], l)).collect()
    }

    /// Whether workers must wait before touches that come next.
    fn wait(&mut self, touches: &[Touch]) -> bool {
        let conflict = touches.iter().any(|t| self.pending.iter().any(|p| conflict(self.program, *t, *p)));
        if conflict {
            self.pending.clear();
        }
        conflict
    }

    /// The same, and notes them.
    fn pass(&mut self, touches: &[Touch]) -> bool {
        let waits = self.wait(touches);
        self.add(touches);
        waits
    }

    fn add(&mut self, touches: &[Touch]) {
        for touch in touches {
            if !self.pending.contains(touch) {
                self.pending.push(*touch);
            }
        }
    }
}

fn touch(arg: &Arg, written: bool) -> Touch {
    (arg.buffer.0 as usize, written)
}

fn touches(kernel: &Kernel, launch: &Launch) -> Vec<Touch> {
    launch.args.iter().zip(&kernel.params).map(|(arg, p)| touch(arg, p.access != Access::Read)).collect()
}

fn conflict(program: &StepProgram, a: Touch, b: Touch) -> bool {
    (a.1 || b.1) && overlap(program, a.0, b.0)
}

fn overlap(program: &StepProgram, a: usize, b: usize) -> bool {
    match (range(program, a), range(program, b)) {
        (Some(a), Some(b)) => a.start < b.end && b.start < a.end,
        _ => a == b,
    }
}

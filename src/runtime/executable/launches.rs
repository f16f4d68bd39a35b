//! Steps launch by launch: for profiles, and with workers in another order. The program must be compiled for profiles.

use super::{Executable, Fault, context};
use crate::codegen::clif::step::StepContext;
use crate::runtime::enter::enter;
use crate::schedule::walk::{Frame, Run, walk};
use crate::schedule::{Condition, Launch, Loop};

/// Calls `call` with the number and the arguments of each launch.
pub fn run(executable: &Executable, call: impl FnMut(usize, &StepContext)) -> Result<(), Fault> {
    walk(&executable.program().items, &mut Each { executable, call })
}

struct Each<'a, F> {
    executable: &'a Executable,
    call: F,
}

impl<F: FnMut(usize, &StepContext)> Run for Each<'_, F> {
    type Error = Fault;

    fn launch(&mut self, number: usize, launch: &Launch, frame: &Frame) -> Result<(), Fault> {
        let args = self.executable.addresses(launch, frame);
        let context = context(&args);
        (self.call)(number, &context);
        self.executable.outcome(number, context)
    }

    fn goes_on(&mut self, condition: &Condition, frame: &Frame) -> Result<bool, Fault> {
        Ok(self.executable.holds(condition, frame))
    }
}

/// The calling thread does the work of all workers: from barrier to barrier that of each in turn, in this order.
pub fn run_in_order(executable: &Executable, order: &[usize]) -> Result<(), Fault> {
    let mut ordered = Ordered { executable, order, waiting: vec![], alone: false };
    walk(&executable.program().items, &mut ordered)?;
    ordered.barrier()
}

struct Ordered<'a> {
    executable: &'a Executable,
    order: &'a [usize],
    /// Launches since the last barrier, with their arguments.
    waiting: Vec<(usize, Vec<*mut u8>)>,
    /// In a loop that each worker runs by itself.
    alone: bool,
}

impl Run for Ordered<'_> {
    type Error = Fault;

    fn launch(&mut self, number: usize, launch: &Launch, frame: &Frame) -> Result<(), Fault> {
        if launch.barrier && !self.alone {
            self.barrier()?;
        }
        self.waiting.push((number, self.executable.addresses(launch, frame)));
        Ok(())
    }

    fn enter(&mut self, inner: &Loop) -> Result<(), Fault> {
        if inner.shares.is_some_and(|s| s.barrier) {
            self.barrier()?;
        }
        self.alone |= inner.shares.is_some_and(|s| self.order.len() <= s.count);
        Ok(())
    }

    fn leave(&mut self, inner: &Loop) {
        self.alone &= inner.shares.is_none();
    }

    fn goes_on(&mut self, condition: &Condition, frame: &Frame) -> Result<bool, Fault> {
        if condition.barrier {
            self.barrier()?;
        }
        Ok(self.executable.holds(condition, frame))
    }
}

impl Ordered<'_> {
    fn barrier(&mut self) -> Result<(), Fault> {
        let waiting = std::mem::take(&mut self.waiting);
        for &worker in self.order {
            for (number, args) in &waiting {
                let context = context(args);
                // SAFETY: the pointers are those of the launch's arguments, alive like `executable`, and nothing else
                // touches them meanwhile; a single launch has no barrier, so no worker waits for another.
                unsafe { enter(self.executable.compiled.single()[*number], &context, worker, self.order.len()) };
                self.executable.outcome(*number, context)?;
            }
        }
        Ok(())
    }
}

impl Executable {
    fn addresses(&self, launch: &Launch, frame: &Frame) -> Vec<*mut u8> {
        launch.args.iter().map(|arg| self.address(arg, frame)).collect()
    }

    fn outcome(&self, launch: usize, context: StepContext) -> Result<(), Fault> {
        match context.fault.into_inner() {
            0 => Ok(()),
            _ => Err(self.index_fault(launch)),
        }
    }

    fn holds(&self, condition: &Condition, frame: &Frame) -> bool {
        // SAFETY: the flag is a byte inside of its buffer, which is alive like `self`; no worker runs now.
        unsafe { *self.address(&condition.flag, frame) != 0 }
    }
}

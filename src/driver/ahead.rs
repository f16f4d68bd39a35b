//! Compiling ahead: while the run trains, a thread of its own compiles the shapes that later batches will need. Code does
//! not depend on when it was compiled, so a run gives the same bits with and without it.

use super::compile::{Backend, Compiler, compiled};
use crate::codegen::Compiled;
use crate::diag::Diagnostic;
use crate::runtime::Executable;
use crate::sema::model::{Phase, Sizes};
use crate::train::phases::Compile;
use std::collections::{HashMap, VecDeque};
use std::sync::{Condvar, Mutex, MutexGuard};
use std::thread;

/// A phase, by its number, and the sizes of a batch.
type Shape = (usize, Sizes);

/// What the run and the thread share.
struct Queue<'a> {
    phases: &'a [Phase],
    backend: Backend,
    jobs: Mutex<Jobs>,
    changed: Condvar,
}

#[derive(Default)]
struct Jobs {
    waiting: VecDeque<Shape>,
    running: Option<Shape>,
    done: HashMap<Shape, Result<Compiled, Diagnostic>>,
    /// Nobody will ask for more.
    closed: bool,
}

impl Jobs {
    fn has(&self, shape: &Shape) -> bool {
        self.running.as_ref() == Some(shape) || self.done.contains_key(shape) || self.waiting.contains(shape)
    }
}

impl Queue<'_> {
    fn jobs(&self) -> MutexGuard<'_, Jobs> {
        self.jobs.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    /// Waits while `busy` says so.
    fn wait(&self, busy: impl Fn(&mut Jobs) -> bool) -> MutexGuard<'_, Jobs> {
        self.changed.wait_while(self.jobs(), |jobs| busy(jobs)).unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    /// What the thread does: one shape after the other, in the order in which they were announced.
    fn work(&self) {
        loop {
            let mut jobs = self.wait(|jobs| jobs.waiting.is_empty() && !jobs.closed);
            let Some(shape) = jobs.waiting.pop_front().filter(|_| !jobs.closed) else { return };
            jobs.running = Some(shape.clone());
            drop(jobs);
            let running = Running(self);
            self.compile(shape);
            drop(running);
        }
    }

    fn compile(&self, shape: Shape) {
        let result = compiled(&self.phases[shape.0], &shape.1, &self.backend);
        self.jobs().done.insert(shape, result);
    }

    /// What became of a shape in the thread: nothing, where it has not begun with it, and will not. Who waits for the
    /// thread compiles the shapes after it meanwhile.
    fn take(&self, shape: &Shape) -> Option<Result<Compiled, Diagnostic>> {
        while let Some(next) = self.next_behind(shape) {
            self.compile(next);
        }
        let mut jobs = self.wait(|jobs| jobs.running.as_ref() == Some(shape));
        jobs.waiting.retain(|waiting| waiting != shape);
        jobs.done.remove(shape)
    }

    /// The shape to compile next while the thread has this one in hand.
    fn next_behind(&self, shape: &Shape) -> Option<Shape> {
        let mut jobs = self.jobs();
        if jobs.running.as_ref() == Some(shape) { jobs.waiting.pop_front() } else { None }
    }
}

/// Held while the thread compiles; nobody waits for a thread that panicked.
struct Running<'q, 'a>(&'q Queue<'a>);

impl Drop for Running<'_, '_> {
    fn drop(&mut self) {
        self.0.jobs().running = None;
        self.0.changed.notify_all();
    }
}

/// Held while the run may ask for shapes.
struct Open<'q, 'a>(&'q Queue<'a>);

impl Drop for Open<'_, '_> {
    fn drop(&mut self) {
        self.0.jobs().closed = true;
        self.0.changed.notify_all();
    }
}

/// A compiler with a thread that works ahead.
struct Ahead<'q, 'a> {
    compiler: &'q Compiler,
    queue: &'q Queue<'a>,
}

impl Ahead<'_, '_> {
    fn number(&self, phase: &Phase) -> Option<usize> {
        self.queue.phases.iter().position(|p| std::ptr::eq(p, phase))
    }
}

impl Compile for Ahead<'_, '_> {
    fn compile(&self, phase: &Phase, sizes: &Sizes) -> Result<Executable, Diagnostic> {
        let taken = self.number(phase).and_then(|number| self.queue.take(&(number, sizes.clone())));
        taken.map_or_else(|| self.compiler.compile(phase, sizes), |result| self.compiler.executable(result?))
    }

    fn announce(&self, phase: &Phase, sizes: &Sizes) {
        let Some(number) = self.number(phase) else { return };
        let shape = (number, sizes.clone());
        let mut jobs = self.queue.jobs();
        if !jobs.has(&shape) {
            jobs.waiting.push_back(shape);
            self.queue.changed.notify_all();
        }
    }
}

/// Does the work with a compiler of these phases; it compiles ahead where the machine has more than one core. Also where the
/// run uses all of them: steps that go on at half their speed meanwhile are better than none.
pub fn with<R>(compiler: &Compiler, phases: &[Phase], work: impl FnOnce(&dyn Compile) -> R) -> R {
    let cores = thread::available_parallelism().map_or(1, usize::from);
    if cores == 1 || compiler.checks_passes() {
        return work(compiler);
    }
    let queue = Queue { phases, backend: compiler.backend(), jobs: Mutex::default(), changed: Condvar::new() };
    thread::scope(|scope| {
        scope.spawn(|| queue.work());
        let _open = Open(&queue);
        work(&Ahead { compiler, queue: &queue })
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::driver::Session;
    use crate::driver::compile::MachineOptions;
    use std::path::Path;

    fn sizes(batch: usize) -> Sizes {
        Sizes { batch, rows: 16, padded: vec![] }
    }

    #[test]
    fn a_shape_is_compiled_once_ahead_or_when_it_is_asked_for() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/digits.nn");
        let session = Session::open(&path, &[]).unwrap();
        let phases = &session.train(None).unwrap().phases;
        let machine =
            MachineOptions { threads: 1, code: None, profile: false, check_passes: false, run: Default::default() };
        let compiler = Compiler::new(&machine).unwrap();
        let queue = Queue { phases, backend: compiler.backend(), jobs: Mutex::default(), changed: Condvar::new() };
        let ahead = Ahead { compiler: &compiler, queue: &queue };
        for batch in [8, 4, 8] {
            ahead.announce(&phases[0], &sizes(batch));
        }
        assert_eq!(queue.jobs().waiting.len(), 2);
        assert!(queue.take(&(0, sizes(8))).is_none(), "not begun: whoever asks compiles it");
        assert_eq!(queue.jobs().waiting, [(0, sizes(4))]);
        thread::scope(|scope| {
            scope.spawn(|| queue.work());
            let _open = Open(&queue);
            drop(queue.wait(|jobs| jobs.done.is_empty()));
            ahead.announce(&phases[0], &sizes(4));
        });
        assert!(queue.jobs().waiting.is_empty(), "it is there already");
        ahead.compile(&phases[0], &sizes(4)).unwrap();
        assert!(queue.jobs().done.is_empty());
        ahead.compile(&phases[0], &sizes(2)).unwrap();
    }
}

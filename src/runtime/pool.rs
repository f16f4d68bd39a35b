//! Worker threads that run step functions. Between steps they spin for a moment, then sleep.

use super::enter::enter;
use crate::codegen::StepFn;
use crate::codegen::clif::step::StepContext;
use std::hint::spin_loop;
use std::sync::atomic::{AtomicPtr, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::thread::{self, JoinHandle};

/// Rounds of waiting before an idle worker sleeps, and before the caller yields its core: some 50 µs.
const SPINS: usize = 2000;

/// `workers - 1` threads; the caller of [`Pool::run`] is worker 0.
pub struct Pool {
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
    /// Held during a run: one step at a time.
    turn: Mutex<()>,
}

struct Shared {
    /// Counts jobs; a change tells the workers that there is a new one.
    epoch: AtomicUsize,
    /// The job: a [`StepFn`], or null where the workers are to end.
    step: AtomicPtr<()>,
    context: AtomicPtr<StepContext>,
    workers: usize,
    /// Workers that have not finished the job.
    running: AtomicUsize,
    sleepers: AtomicUsize,
    lock: Mutex<()>,
    wake: Condvar,
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
}

impl Pool {
    /// A pool of `workers` workers, at least one.
    pub fn new(workers: usize) -> Pool {
        let shared = Arc::new(Shared {
            epoch: AtomicUsize::new(0),
            step: AtomicPtr::default(),
            context: AtomicPtr::default(),
            workers: workers.max(1),
            running: AtomicUsize::new(0),
            sleepers: AtomicUsize::new(0),
            lock: Mutex::new(()),
            wake: Condvar::new(),
        });
        let spawn = |worker| {
            let shared = shared.clone();
            thread::spawn(move || shared.work(worker))
        };
        let threads = (1..workers).map(spawn).collect();
        Pool { shared, threads, turn: Mutex::new(()) }
    }

    pub fn workers(&self) -> usize {
        self.shared.workers
    }

    /// Runs a step function on all workers and waits for the last.
    ///
    /// # Safety
    /// As for [`enter`]: the context describes live buffers that nothing else touches meanwhile.
    pub unsafe fn run(&self, step: StepFn, context: &StepContext) {
        let _turn = locked(&self.turn);
        let shared = &*self.shared;
        shared.running.store(self.threads.len(), SeqCst);
        shared.publish(step as *mut (), (&raw const *context).cast_mut());
        // SAFETY: passed on from the caller; every other worker makes the same call with its own number.
        unsafe { enter(step, context, 0, shared.workers) };
        wait(|| shared.running.load(SeqCst) == 0);
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        self.shared.publish(std::ptr::null_mut(), std::ptr::null_mut());
        // A worker ends without a panic: it runs machine code only.
        self.threads.drain(..).for_each(|t| drop(t.join()));
    }
}

/// Spins, then yields, until `done`.
fn wait(done: impl Fn() -> bool) {
    let mut rounds = 0;
    while !done() {
        rounds += 1;
        if rounds < SPINS { spin_loop() } else { thread::yield_now() }
    }
}

impl Shared {
    fn publish(&self, step: *mut (), context: *mut StepContext) {
        self.step.store(step, SeqCst);
        self.context.store(context, SeqCst);
        self.epoch.fetch_add(1, SeqCst);
        if self.sleepers.load(SeqCst) > 0 {
            // The lock makes sure that a worker that is about to sleep does so before it is woken.
            drop(locked(&self.lock));
            self.wake.notify_all();
        }
    }

    fn work(&self, worker: usize) {
        let mut seen = 0;
        loop {
            self.next_epoch(seen);
            seen += 1;
            let step = self.step.load(SeqCst);
            if step.is_null() {
                return;
            }
            // SAFETY: a pointer that is not null was published by `Pool::run` from a `StepFn`, and its caller keeps
            // the context's promise until `running` is zero.
            unsafe {
                let step = std::mem::transmute::<*mut (), StepFn>(step);
                enter(step, self.context.load(SeqCst), worker, self.workers);
            }
            self.running.fetch_sub(1, SeqCst);
        }
    }

    /// Waits until the epoch is past `seen`.
    fn next_epoch(&self, seen: usize) {
        for _ in 0..SPINS {
            if self.epoch.load(SeqCst) != seen {
                return;
            }
            spin_loop();
        }
        let mut guard = locked(&self.lock);
        // The count goes up before the epoch is read, the caller reads the count after it raises the epoch: one of
        // the two sees the other.
        self.sleepers.fetch_add(1, SeqCst);
        while self.epoch.load(SeqCst) == seen {
            guard = self.wake.wait(guard).unwrap_or_else(|poisoned| poisoned.into_inner());
        }
        self.sleepers.fetch_sub(1, SeqCst);
    }
}

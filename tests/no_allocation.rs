//! Once each batch size has run, a training step allocates nothing, on any thread.

use nnc::driver::Session;
use nnc::driver::compile::{Form, MachineOptions};
use nnc::driver::run::{Run, Start};
use nnc::sema::model::PhaseKind;
use nnc::train::fit::phase_of;
use nnc::train::metrics::Metrics;
use nnc::train::phases::{PhaseRunner, Scalars, Sources};
use std::alloc::{GlobalAlloc, Layout, System};
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

/// The system's allocator, counting.
struct Counting;

static ALLOCATIONS: AtomicUsize = AtomicUsize::new(0);

// SAFETY: every call goes on to the system's allocator with the same arguments.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.fetch_add(1, SeqCst);
        // SAFETY: the caller keeps the contract of `GlobalAlloc::alloc`.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the pointer came from the system's allocator, with this layout.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static COUNTING: Counting = Counting;

/// examples/digits.nn: convolution, BatchNorm, dropout, Adam; a report besides the loss.
#[test]
fn a_step_allocates_nothing() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    check_program(&root.join("examples/digits.nn"));
    // Recurrent layers: loops.
    let folder = tempfile::tempdir().unwrap();
    let data = root.join("examples/data/digits").display().to_string();
    let program = folder.path().join("sequences.nn");
    std::fs::write(&program, include_str!("cases/sequences.nn").replace("DATA", &data)).unwrap();
    check_program(&program);
}

fn check_program(program: &Path) {
    let session = Session::open(program, &[]).unwrap();
    for (threads, code) in [(1, None), (3, None), (2, Some(Form::Portable))] {
        let machine = MachineOptions { threads, code, profile: false, check_passes: false, run: Default::default() };
        let run = Run::new(&session, None, &machine, Start::Weights).unwrap();
        for kind in [PhaseKind::Step, PhaseKind::Validate] {
            check(&run, kind);
        }
    }
}

/// Runs a phase on a full batch and on a shorter one, in turn.
fn check(run: &Run, kind: PhaseKind) {
    let phase = phase_of(run.train, kind).unwrap();
    let sources = Sources::open(run.model(), &run.program_folder()).unwrap();
    let mut runner = PhaseRunner::new(phase, &sources, &run.compiler).unwrap();
    let mut rows = vec![];
    runner.epoch(None).rows(0, &mut rows);
    let mut metrics = Metrics::default();
    let mut before = 0;
    for step in 1..=8 {
        if step == 3 {
            before = ALLOCATIONS.load(SeqCst);
        }
        let rows = if step % 2 == 0 { &rows[..5] } else { &rows[..] };
        let outcome = runner
            .run(rows, Scalars { step, total: 100, epoch: 1, seed: 1, ..Scalars::default() }, &mut metrics)
            .unwrap();
        assert_eq!(outcome.failed, None);
    }
    let allocations = ALLOCATIONS.load(SeqCst) - before;
    assert!(metrics.get("loss").is_some_and(f64::is_finite));
    assert!(before > 0, "the allocator counts");
    assert_eq!(allocations, 0, "six steps of {kind:?} allocate");
}

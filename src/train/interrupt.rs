//! Ctrl-C: the first asks the run to stop after its step, the second ends the process at once.

use std::sync::atomic::{AtomicBool, Ordering};

static STOP: AtomicBool = AtomicBool::new(false);

/// Installs the handler; later calls do nothing.
pub fn install() {
    // A handler that is already there belongs to an earlier call.
    let _ = ctrlc::set_handler(|| {
        if STOP.swap(true, Ordering::SeqCst) {
            std::process::exit(130);
        }
    });
}

pub fn requested() -> bool {
    STOP.load(Ordering::SeqCst)
}

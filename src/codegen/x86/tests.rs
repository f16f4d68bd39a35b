//! Random lane programs against the interpreter: many values alive at once, nested loops and conditions, so that
//! registers run out in every class. Single operations and accesses are tested with those of the other emitter, in
//! `runtime::tests`.

mod code;
mod random;

use super::{emit, host_target};
use crate::lane::Target;

/// This machine's wide target; says so where there is none, and the test is skipped.
fn target() -> Option<Target> {
    let target = host_target();
    if target.is_none() {
        println!("skipped: no AVX-512");
    }
    target
}

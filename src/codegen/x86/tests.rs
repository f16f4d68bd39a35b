//! Random lane programs against the interpreter: many values alive at once, nested loops and conditions, so that
//! registers run out in every class. Single operations and accesses are tested with those of the other emitter, in
//! `runtime::tests`. Code is generated for every target, and run where the machine has it.

mod code;
mod random;

use super::{TARGETS, emit};

//! The wide x86-64 emitter: lane IR to AVX-512 machine code, one zmm register per vector of 16 lanes and one k register
//! per mask.
//!
//! 1. [`facts`]: what needs no register: index constants, comparisons that are repeated where a branch asks, loads that
//!    become the memory operand of their only use. Buffer pointers and masks of partial vectors become values here.
//! 2. [`live`]: where each value lives, as spans of positions in the program written out in one line.
//! 3. [`alloc`]: values that hand over to each other share a register; linear scan with eviction by density of use.
//! 4. [`emit`]: one pass over the kernel; tables of operations in [`ops`], [`index`], [`memory`], structure in [`control`].
//! 5. [`asm`]: encoding, labels, constants behind the code. The code is position independent.
//!
//! MXCSR is the caller's: denormals are flushed as lane IR says.

mod address;
mod alloc;
mod asm;
mod control;
mod emit;
mod facts;
mod index;
mod live;
mod memory;
mod moves;
mod ops;
#[cfg(test)]
mod tests;

use crate::lane::{Kernel, Target};

/// What this machine has, where it has a wide form. The code follows the System V convention.
#[cfg(target_arch = "x86_64")]
pub fn host_target() -> Option<Target> {
    let wide = is_x86_feature_detected!("avx512f")
        && is_x86_feature_detected!("avx512dq")
        && is_x86_feature_detected!("avx512bw")
        && is_x86_feature_detected!("avx512vl");
    (wide && cfg!(unix)).then_some(Target::AVX512)
}

/// No wide form on other machines.
#[cfg(not(target_arch = "x86_64"))]
pub fn host_target() -> Option<Target> {
    None
}

/// Machine code of a verified kernel that was placed for `target`, with the calling convention of
/// `codegen::clif::kernel_signature`; position independent, and `vzeroupper` at its end. `None` where the emitter
/// does not take the kernel: then the Cranelift form runs.
pub fn emit(kernel: &Kernel, target: Target) -> Option<Vec<u8>> {
    if target != Target::AVX512 || !facts::accepts(kernel) {
        return None;
    }
    let facts = facts::Facts::new(kernel);
    let lives = live::lives(kernel, &facts);
    let homes = alloc::allocate(&facts, &lives);
    emit::Emitter::new(kernel, &facts, &homes).function()
}

//! The wide x86-64 emitter (AVX2, AVX-512): lane IR to machine code for whole vectors.

use crate::lane::{Kernel, Target};

/// What this machine has, where it has a wide form.
pub fn host_target() -> Option<Target> {
    None
}

/// Machine code of a verified kernel that was placed for `target`, with the calling convention of
/// `codegen::clif::kernel_signature`; position independent, and `vzeroupper` at its end. `None` where the emitter
/// does not take the kernel: then the Cranelift form runs.
pub fn emit(_kernel: &Kernel, _target: Target) -> Option<Vec<u8>> {
    None
}

//! The trampoline into machine code.

use crate::codegen::StepFn;
use crate::codegen::clif::step::StepContext;
use std::arch::naked_asm;

/// Runs `step(context, worker, workers)` with denormals flushed and the default rounding, and restores the caller's
/// control register. The upper halves of the vector registers are cleared on both sides: dirty, they slow legacy SSE
/// moves down by a factor of hundreds.
///
/// # Safety
/// `step` is a finished step function, and `context` describes live buffers of its program that nothing else touches
/// until all `workers` calls (one per `worker`) have returned.
#[cfg(target_arch = "x86_64")]
#[unsafe(naked)]
pub unsafe extern "sysv64" fn enter(step: StepFn, context: *const StepContext, worker: usize, workers: usize) {
    // 0x9fc0: all exceptions masked (0x1f80), flush to zero (0x8000), denormals are zeros (0x0040).
    naked_asm!(
        "push rbp",
        "mov rbp, rsp",
        "sub rsp, 16",
        "stmxcsr [rbp - 4]",
        "mov dword ptr [rbp - 8], 0x9fc0",
        "ldmxcsr [rbp - 8]",
        "vzeroupper",
        "mov rax, rdi",
        "mov rdi, rsi",
        "mov rsi, rdx",
        "mov rdx, rcx",
        "call rax",
        "vzeroupper",
        "ldmxcsr [rbp - 4]",
        "mov rsp, rbp",
        "pop rbp",
        "ret",
    )
}

/// Runs `step(context, worker, workers)` with denormals flushed and the default rounding, and restores the caller's
/// control register.
///
/// # Safety
/// `step` is a finished step function, and `context` describes live buffers of its program that nothing else touches
/// until all `workers` calls (one per `worker`) have returned.
#[cfg(target_arch = "aarch64")]
#[unsafe(naked)]
pub unsafe extern "C" fn enter(step: StepFn, context: *const StepContext, worker: usize, workers: usize) {
    // Bit 24 of FPCR: flush to zero.
    naked_asm!(
        "stp x29, x30, [sp, #-32]!",
        "mov x29, sp",
        "mrs x9, fpcr",
        "str x9, [sp, #16]",
        "mov x10, #0x1000000",
        "msr fpcr, x10",
        "mov x9, x0",
        "mov x0, x1",
        "mov x1, x2",
        "mov x2, x3",
        "blr x9",
        "ldr x9, [sp, #16]",
        "msr fpcr, x9",
        "ldp x29, x30, [sp], #32",
        "ret",
    )
}

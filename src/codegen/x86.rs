//! The wide x86-64 emitter: lane IR to machine code with one register per vector: AVX-512 with zmm registers of 16 lanes
//! and k registers for masks, or AVX2 and FMA with ymm registers of 8 lanes, where masks are vectors too.
//!
//! 1. [`split`]: vectors of more lanes than a register become several.
//! 2. [`facts`]: what needs no register: index constants, comparisons that are repeated where a branch asks, loads that
//!    become the memory operand of their only use. Buffer pointers and masks of partial vectors become values here.
//! 3. [`live`]: where each value lives, as spans of positions in the program written out in one line.
//! 4. [`alloc`]: values that hand over to each other share a register; linear scan with eviction by density of use.
//! 5. [`emit`]: one pass over the kernel; tables of operations in [`ops`], [`index`], [`memory`], structure in [`control`].
//!    What the instruction sets share stands in [`simd`], a line an instruction; what they do each in its way are the
//!    functions of [`isa::Isa`], in [`avx2`] and [`avx512`].
//! 6. [`asm`]: encoding, labels, constants behind the code. The code is position independent.
//!
//! MXCSR is the caller's: denormals are flushed as lane IR says.

mod address;
mod alloc;
mod asm;
mod avx2;
mod avx512;
mod control;
mod emit;
mod facts;
mod index;
mod isa;
mod live;
mod memory;
mod moves;
mod ops;
mod scratch;
mod simd;
mod split;
#[cfg(test)]
mod tests;

use crate::lane::{Kernel, Target, verify};
use isa::Isa;

/// The machines that there is an emitter for.
pub const TARGETS: [Target; 2] = [Target::AVX512, Target::AVX2];

/// Wide forms that this machine can run, the best first. The code follows the System V convention.
#[cfg(all(target_arch = "x86_64", unix))]
pub fn host_targets() -> Vec<Target> {
    let avx2 = is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma");
    let avx512 = is_x86_feature_detected!("avx512f")
        && is_x86_feature_detected!("avx512dq")
        && is_x86_feature_detected!("avx512bw")
        && is_x86_feature_detected!("avx512vl");
    let found = [(avx512, Target::AVX512), (avx2, Target::AVX2)];
    found.into_iter().filter_map(|(has, target)| has.then_some(target)).collect()
}

/// No wide forms on other machines.
#[cfg(not(all(target_arch = "x86_64", unix)))]
pub fn host_targets() -> Vec<Target> {
    vec![]
}

/// Machine code of a verified kernel that was placed for `target`, with the calling convention of
/// `codegen::clif::kernel_signature`; position independent, and `vzeroupper` at its end. `None` where the emitter
/// does not take the kernel: then the Cranelift form runs.
pub fn emit(kernel: &Kernel, target: Target) -> Option<Vec<u8>> {
    match target {
        Target::AVX512 => function::<avx512::Avx512>(kernel),
        Target::AVX2 => function::<avx2::Avx2>(kernel),
        _ => None,
    }
}

fn function<I: Isa>(kernel: &Kernel) -> Option<Vec<u8>> {
    let shape = I::SHAPE;
    let kernel = split::split(kernel, shape.lanes);
    debug_assert_eq!(verify::verify(&kernel), Ok(()), "{kernel}");
    if !facts::accepts(&kernel, shape.lanes) {
        return None;
    }
    let facts = facts::Facts::new(&kernel, &shape);
    let lives = live::lives(&kernel, &facts);
    let homes = alloc::allocate(&facts, &lives, &shape);
    emit::function::<I>(&kernel, &facts, &homes)
}

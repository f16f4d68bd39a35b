//! The way into machine code and back: control register and upper halves of vector registers.
#![cfg(target_arch = "x86_64")]

use crate::codegen::clif::step::{Line, StepContext};
use crate::codegen::{self, Machine};
use crate::runtime::enter::enter;
use crate::runtime::harness::{kernel, run_clif};
use std::arch::asm;
use std::sync::atomic::AtomicU32;

/// The caller's rounding and denormals are as before, and denormals are flushed inside.
#[test]
fn denormals_are_flushed_inside_only() {
    let text = "
kernel k(f32, f32) points 1 {
  v2: f32x4 = load b0[v0 + 0] count 4
  v3: f32x4 = fadd v2, v2
  store b1[v0 + 0] count 4, v3
}";
    let denormals: Vec<u8> = [1e-40f32; 4].iter().flat_map(|x| x.to_le_bytes()).collect();
    let mut buffers = [denormals, vec![1; 16]];
    run_clif(&kernel(text), &mut buffers, 2);
    assert_eq!(buffers[1], [0; 16]);
    let tiny = std::hint::black_box(1e-40f32);
    assert_eq!((tiny + tiny).to_bits(), 2 * tiny.to_bits());
}

const EMPTY: &str = "kernel k(f32) points 1 { }";

/// Machine code with the upper half of ymm15 as the kernel sees it: `mov rax, [rdi]; vmovups [rax], ymm15; ret`.
const SAVE_YMM15: [u8; 8] = [0x48, 0x8b, 0x07, 0xc5, 0x7c, 0x11, 0x38, 0xc3];
/// `vpcmpeqd ymm15, ymm15, ymm15; ret`
const SET_YMM15: [u8; 6] = [0xc4, 0x41, 0x05, 0x76, 0xff, 0xc3];

fn ymm15() -> [u64; 4] {
    let mut words = [0u64; 4];
    // SAFETY: stores 32 bytes to `words`; the machine has AVX, as all that nnc runs on.
    unsafe { asm!("vmovups [{}], ymm15", in(reg) &mut words, options(nostack)) };
    words
}

/// Dirties ymm15, runs machine code right after it, and gives ymm15 as it is then.
fn enter_dirty(bytes: &[u8], buffer: &mut [u8; 32]) -> [u64; 4] {
    let machine = Machine { bytes: bytes.to_vec(), alignment: 64 };
    let module = codegen::single(&kernel(EMPTY), machine).unwrap();
    let args = [buffer.as_mut_ptr()];
    let context =
        StepContext { args: args.as_ptr(), fault: AtomicU32::new(0), arrived: Line::default(), phase: Line::default() };
    // SAFETY: sets a register that is declared as clobbered; the code stores at most 32 bytes to its one buffer.
    unsafe {
        asm!("vpcmpeqd ymm15, ymm15, ymm15", out("xmm15") _, options(nomem, nostack));
        enter(module.step(), &context, 0, 1);
    }
    ymm15()
}

/// Legacy SSE moves, which Cranelift emits for spills, are hundreds of times slower with dirty upper halves.
#[test]
fn upper_halves_are_clean_on_both_sides() {
    let mut buffer = [0xaa; 32];
    enter_dirty(&SAVE_YMM15, &mut buffer);
    assert_eq!(buffer[16..], [0; 16]);
    assert_eq!(enter_dirty(&SET_YMM15, &mut buffer)[2..], [0, 0]);
}

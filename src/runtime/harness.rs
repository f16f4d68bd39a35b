//! For tests of emitters: runs machine code of one lane kernel beside the interpreter.

use super::Pool;
use crate::codegen::clif::isa;
use crate::codegen::clif::step::{Line, StepContext};
use crate::codegen::{self, Machine, disasm, x86};
use crate::lane::{Kernel, Target, interp, parse::parse, verify::verify};
use crate::ops::DType;
use std::sync::atomic::AtomicU32;

/// Parses and verifies a lane kernel.
pub fn kernel(text: &str) -> Kernel {
    let kernel = parse(text).unwrap_or_else(|e| panic!("{e}\n{text}"));
    verify(&kernel).unwrap_or_else(|e| panic!("{e}\n{text}"));
    kernel
}

/// Runs all points of a kernel; true where it met an index out of range.
pub fn run(kernel: &Kernel, machine: Machine, buffers: &mut [Vec<u8>], workers: usize) -> bool {
    let module = codegen::single(kernel, machine).unwrap();
    let args: Vec<_> = buffers.iter_mut().map(|b| b.as_mut_ptr()).collect();
    let context =
        StepContext { args: args.as_ptr(), fault: AtomicU32::new(0), arrived: Line::default(), phase: Line::default() };
    // SAFETY: the buffers are borrowed exclusively here; the caller gives the kernel buffers of the sizes it needs.
    unsafe { Pool::new(workers).run(module.step(), &context) };
    context.fault.into_inner() != 0
}

/// Runs a kernel through Cranelift.
pub fn run_clif(kernel: &Kernel, buffers: &mut [Vec<u8>], workers: usize) -> bool {
    run(kernel, codegen::machine(kernel, isa::host().unwrap().as_ref()).unwrap(), buffers, workers)
}

/// Asserts that all emitters and the interpreter leave the same bits (NaN as a class) in all buffers.
pub fn check(text: &str, buffers: &[Vec<u8>]) {
    check_with(text, buffers, |kernel| codegen::machine(kernel, isa::host().unwrap().as_ref()).unwrap());
    for target in x86::TARGETS {
        for lanes in [target.lanes, 16] {
            check_wide(&widened(text, lanes), buffers, target);
        }
    }
}

fn check_wide(text: &str, buffers: &[Vec<u8>], target: Target) {
    if runs_here(target) {
        check_with(text, buffers, |kernel| wide(kernel, target));
    } else {
        wide(&kernel(text), target);
    }
}

/// Whether the machine has the instructions; says so where not, and what must run is skipped.
pub fn runs_here(target: Target) -> bool {
    let runs = x86::host_targets().contains(&target);
    if !runs {
        println!("skipped: this machine has no {target:?}; code is generated only");
    }
    runs
}

/// Machine code of a wide emitter, which must take the kernel; up to its return it is valid instructions.
pub fn wide(kernel: &Kernel, target: Target) -> Machine {
    let bytes = x86::emit(kernel, target).unwrap_or_else(|| panic!("{target:?} refuses\n{kernel}"));
    let code = disasm::x86(&bytes);
    let body = code.lines().take_while(|l| !l.ends_with("ret"));
    assert!(body.clone().count() < code.lines().count() && body.clone().all(|l| !l.contains("(bad)")), "{code}");
    Machine { bytes, alignment: 64 }
}

/// The kernel with at least so many lanes in each vector: counts of accesses stay.
fn widened(text: &str, lanes: u16) -> String {
    let narrow = [4, 8].into_iter().filter(|n| *n < lanes).flat_map(|n| ["f32x", "i32x", "mask"].map(|ty| (ty, n)));
    narrow.fold(text.to_string(), |text, (ty, n)| text.replace(&format!("{ty}{n}"), &format!("{ty}{lanes}")))
}

fn check_with(text: &str, buffers: &[Vec<u8>], emit: impl Fn(&Kernel) -> Machine) {
    let kernel = kernel(text);
    let (mut expected, mut found) = (buffers.to_vec(), buffers.to_vec());
    let expected_fault = interp::run(&kernel, &mut expected, 0, kernel.points as i64);
    let found_fault = run(&kernel, emit(&kernel), &mut found, 1);
    assert_eq!(found_fault, expected_fault, "fault of {text}");
    for (i, &dtype) in kernel.buffers.iter().enumerate() {
        same_bits(dtype, &expected[i], &found[i], &format!("b{i} of {text}\ninputs {buffers:?}"));
    }
}

pub fn same_bits(dtype: DType, expected: &[u8], found: &[u8], what: &str) {
    let size = dtype.size();
    for (i, (e, f)) in expected.chunks(size).zip(found.chunks(size)).enumerate() {
        let nan = |b: &[u8]| dtype == DType::F32 && f32::from_le_bytes(b.try_into().unwrap()).is_nan();
        assert!(e == f || (nan(e) && nan(f)), "element {i}: expected {e:02x?}, found {f:02x?} in {what}");
    }
}

/// Pseudo-random bits; the same for the same seed.
pub struct Noise(pub u64);

impl Noise {
    pub fn word(&mut self) -> u32 {
        self.0 = self.0.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (self.0 >> 33) as u32 ^ (self.0 >> 5) as u32
    }

    /// A float: half of them special (zeros, denormals, infinities, NaN, halves), half of moderate size.
    pub fn float(&mut self) -> f32 {
        const SPECIAL: [f32; 16] = [
            0.0,
            -0.0,
            1e-40,
            -1e-40,
            f32::MIN_POSITIVE,
            -f32::MIN_POSITIVE,
            f32::INFINITY,
            f32::NEG_INFINITY,
            f32::NAN,
            f32::MAX,
            0.5,
            -2.5,
            3e9,
            -3e9,
            8388609.0,
            1.0,
        ];
        let pick = self.word();
        if pick & 1 == 0 { SPECIAL[(pick >> 1) as usize % 16] } else { (self.word() as i32) as f32 / 1e8 }
    }

    /// `n` elements of a type, as bytes.
    pub fn elements(&mut self, dtype: DType, n: usize) -> Vec<u8> {
        match dtype {
            DType::F32 => (0..n).flat_map(|_| self.float().to_le_bytes()).collect(),
            DType::I32 => (0..n).flat_map(|_| self.int().to_le_bytes()).collect(),
            DType::Bool => (0..n).map(|_| (self.word() & 1) as u8).collect(),
            _ => (0..n).map(|_| self.word() as u8).collect(),
        }
    }

    /// An integer: of few bits, of all bits, or extreme.
    pub fn int(&mut self) -> i32 {
        let word = self.word() as i32;
        match self.word() % 4 {
            0 => word % 40,
            1 => [i32::MIN, i32::MAX, 0, -1, 31, 32, 33][word as u32 as usize % 7],
            _ => word,
        }
    }
}

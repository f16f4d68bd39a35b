//! Kernels to machine code, on several threads.

use super::{CodegenOptions, CompiledKernel, Form, clif, errors, x86};
use crate::diag::Diagnostic;
use crate::lane::{self, Target, place, verify};
use crate::tile;
use cranelift::codegen::control::ControlPlane;
use cranelift::codegen::isa::TargetIsa;
use cranelift::codegen::{CodegenError, Context};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Machine code that refers to nothing outside itself.
pub struct Machine {
    pub bytes: Vec<u8>,
    pub alignment: u64,
}

type Slot = Option<Result<CompiledKernel, Diagnostic>>;

/// Compiles kernels in order; threads take the next one as they finish. The first error wins.
pub fn compile_all(
    kernels: &[&tile::Kernel],
    isa: &dyn TargetIsa,
    options: &CodegenOptions,
) -> Result<Vec<CompiledKernel>, Diagnostic> {
    let next = AtomicUsize::new(0);
    let done: Mutex<Vec<Slot>> = Mutex::new(kernels.iter().map(|_| None).collect());
    let work = || {
        loop {
            let at = next.fetch_add(1, Ordering::Relaxed);
            let Some(kernel) = kernels.get(at) else { return };
            let compiled = compile_one(kernel, isa, options);
            done.lock().unwrap_or_else(|e| e.into_inner())[at] = Some(compiled);
        }
    };
    std::thread::scope(|scope| {
        (1..options.threads.min(kernels.len())).for_each(|_| {
            scope.spawn(work);
        });
        work();
    });
    let done = done.into_inner().unwrap_or_else(|e| e.into_inner());
    done.into_iter().map(|slot| slot.unwrap_or_else(|| Err(errors::internal("compile", "a thread stopped")))).collect()
}

fn compile_one(
    kernel: &tile::Kernel,
    isa: &dyn TargetIsa,
    options: &CodegenOptions,
) -> Result<CompiledKernel, Diagnostic> {
    tile::verify::verify(kernel).map_err(|e| errors::internal("tile IR", &e))?;
    let expanded = tile::expand::expand(kernel);
    let name = kernel.name.clone();
    if options.form != Form::Portable {
        let target = options.form.target();
        let lane = placed(&expanded, target)?;
        if let Some(bytes) = x86::emit(&lane, target) {
            return Ok(CompiledKernel { name, lane, machine: Machine { bytes, alignment: 64 }, wide: true });
        }
    }
    let lane = placed(&expanded, Target::CLIF)?;
    let machine = machine(&lane, isa)?;
    Ok(CompiledKernel { name, lane, machine, wide: false })
}

fn placed(kernel: &tile::Kernel, target: Target) -> Result<lane::Kernel, Diagnostic> {
    let lane = place::place(kernel, target);
    verify::verify(&lane).map_err(|e| errors::internal(&kernel.name, &e))?;
    Ok(lane)
}

/// Compiles a verified lane kernel with Cranelift.
pub fn machine(kernel: &lane::Kernel, isa: &dyn TargetIsa) -> Result<Machine, Diagnostic> {
    let mut context = Context::for_function(clif::function(kernel, isa));
    let code = context.compile(isa, &mut ControlPlane::default()).map_err(|e| failed(kernel, e.inner))?;
    if !code.buffer.relocs().is_empty() {
        return Err(errors::internal(&kernel.name, "the code calls a library"));
    }
    Ok(Machine { bytes: code.code_buffer().to_vec(), alignment: u64::from(code.buffer.alignment).max(64) })
}

/// Cranelift's text of the machine code of a verified lane kernel.
pub fn vcode(kernel: &lane::Kernel, isa: &dyn TargetIsa) -> Result<String, Diagnostic> {
    let mut context = Context::for_function(clif::function(kernel, isa));
    context.set_disasm(true);
    let code = context.compile(isa, &mut ControlPlane::default()).map_err(|e| failed(kernel, e.inner))?;
    Ok(code.vcode.clone().unwrap_or_default())
}

fn failed(kernel: &lane::Kernel, error: CodegenError) -> Diagnostic {
    errors::internal(&kernel.name, &format!("{error:?}"))
}

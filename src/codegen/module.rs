//! The JIT module: puts machine code into executable memory, and owns it.

use super::clif::kernel_signature;
use super::clif::step::{self, Callees, Code, barrier};
use super::{CompiledKernel, StepFn, errors};
use crate::diag::Diagnostic;
use cranelift::codegen::Context;
use cranelift::codegen::ir::Signature;
use cranelift::codegen::isa::{OwnedTargetIsa, TargetIsa};
use cranelift::jit::{ArenaMemoryProvider, JITBuilder, JITModule};
use cranelift::module::{FuncId, Linkage, Module as _, ModuleError, default_libcall_names};

/// Address space for code. Reserved, not allocated; all calls in it are within 2 GiB.
const RESERVED: usize = 256 << 20;

pub struct Module {
    /// `None` only while it is dropped.
    jit: Option<JITModule>,
    step: StepFn,
    /// A step function for each launch by itself.
    single: Vec<StepFn>,
}

fn failed(e: ModuleError) -> Diagnostic {
    errors::internal("jit", &e.to_string())
}

impl Module {
    /// Defines all kernels, the barrier, the step function, and one step function for each of `single`.
    pub fn new(
        isa: OwnedTargetIsa,
        kernels: &[CompiledKernel],
        code: &[Code],
        single: &[Code],
    ) -> Result<Module, Diagnostic> {
        let mut builder = JITBuilder::with_isa(isa, default_libcall_names());
        let memory =
            ArenaMemoryProvider::new_with_size(RESERVED).map_err(|e| errors::internal("jit", &e.to_string()))?;
        builder.memory_provider(Box::new(memory));
        builder.symbol("sched_yield", libc::sched_yield as *const u8);
        let mut definer = Definer { jit: JITModule::new(builder) };
        let ids = kernels.iter().map(|k| definer.kernel(k)).collect::<Result<Vec<_>, _>>()?;
        let barrier = definer.barrier()?;
        let id = definer.step("step", &ids, barrier, code)?;
        let single = single.iter().enumerate();
        let single = single.map(|(i, call)| {
            let name = format!("launch{i}");
            definer.step(&name, &ids, barrier, std::slice::from_ref(call))
        });
        let single = single.collect::<Result<Vec<_>, _>>()?;
        let mut jit = definer.jit;
        jit.finalize_definitions().map_err(failed)?;
        // SAFETY: the functions were emitted with `step_signature`, which is `StepFn`'s; the module owns their code.
        let function = |id| unsafe { std::mem::transmute::<*const u8, StepFn>(jit.get_finalized_function(id)) };
        let (step, single) = (function(id), single.into_iter().map(function).collect());
        Ok(Module { step, single, jit: Some(jit) })
    }

    pub fn single(&self) -> &[StepFn] {
        &self.single
    }

    pub fn step(&self) -> StepFn {
        self.step
    }
}

impl Drop for Module {
    fn drop(&mut self) {
        if let Some(jit) = self.jit.take() {
            // SAFETY: pointers into the code are handed out for the life of `Compiled` only, which ends here; the
            // runtime has no worker in a step while it drops an executable.
            unsafe { jit.free_memory() };
        }
    }
}

struct Definer {
    jit: JITModule,
}

impl Definer {
    fn isa(&self) -> &dyn TargetIsa {
        self.jit.isa()
    }

    fn declare(&mut self, name: &str, linkage: Linkage, signature: &Signature) -> Result<FuncId, Diagnostic> {
        self.jit.declare_function(name, linkage, signature).map_err(failed)
    }

    fn bytes(&mut self, name: &str, signature: &Signature, align: u64, bytes: &[u8]) -> Result<FuncId, Diagnostic> {
        let number = self.jit.declarations().get_functions().count();
        let id = self.declare(&format!("{name}.{number}"), Linkage::Local, signature)?;
        self.jit.define_function_bytes(id, align, bytes, &[]).map_err(failed)?;
        Ok(id)
    }

    fn kernel(&mut self, kernel: &CompiledKernel) -> Result<FuncId, Diagnostic> {
        let signature = kernel_signature(self.isa());
        self.bytes(&kernel.name, &signature, kernel.machine.alignment, &kernel.machine.bytes)
    }

    fn define(&mut self, id: FuncId, mut context: Context) -> Result<FuncId, Diagnostic> {
        self.jit.define_function(id, &mut context).map_err(failed)?;
        Ok(id)
    }

    fn barrier(&mut self) -> Result<FuncId, Diagnostic> {
        let plain = barrier::plain_signature(self.isa());
        let bytes = barrier::pause_bytes(self.isa()).ok_or_else(|| errors::unsupported_machine(self.isa().name()))?;
        let pause = self.bytes("pause", &plain, 64, bytes)?;
        let sched_yield = self.declare("sched_yield", Linkage::Import, &plain)?;
        let signature = barrier::signature(self.isa());
        let id = self.declare("barrier", Linkage::Local, &signature)?;
        let mut context = self.jit.make_context();
        let [pause, sched_yield] = [pause, sched_yield].map(|f| self.jit.declare_func_in_func(f, &mut context.func));
        barrier::barrier(&mut context.func, self.isa(), pause, sched_yield);
        self.define(id, context)
    }

    fn step(&mut self, name: &str, kernels: &[FuncId], barrier: FuncId, code: &[Code]) -> Result<FuncId, Diagnostic> {
        let signature = step::step_signature(self.isa());
        let id = self.declare(name, Linkage::Local, &signature)?;
        let mut context = self.jit.make_context();
        let kernels = kernels.iter().map(|&k| self.jit.declare_func_in_func(k, &mut context.func)).collect();
        let barrier = self.jit.declare_func_in_func(barrier, &mut context.func);
        step::step(&mut context.func, self.isa(), code, &Callees { kernels, barrier });
        self.define(id, context)
    }
}

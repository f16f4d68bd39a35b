//! Machine code: tile kernels through lane IR to functions, and the step function that runs them.
//!
//! Each kernel takes one of two ways: [`x86`] (ymm or zmm vectors, where the machine has them and the emitter accepts the
//! kernel) or [`clif`] (four lanes at a time, everywhere). All give the same bits. Identical kernels are compiled once,
//! in parallel. All functions of a program lie in one JIT module; [`Compiled`] owns it.

pub mod clif;
pub mod disasm;
pub mod errors;
mod form;
mod kernels;
mod launches;
mod module;
pub mod x86;

use crate::diag::Diagnostic;
use crate::lane;
use crate::schedule::StepProgram;
use crate::tile;
use clif::step::{Code, StepContext};
pub use form::Form;
pub use kernels::{Machine, machine};
pub use module::Module;

#[derive(Clone, Copy, Debug)]
pub struct CodegenOptions {
    /// The form of the code; kernels that a wide emitter refuses are portable code.
    pub form: Form,
    /// Threads that compile.
    pub threads: usize,
    /// Also make each launch callable by itself.
    pub profile: bool,
}

/// The forms of a kernel that can be shown.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Stage {
    Lane,
    Clif,
    Asm,
}

/// A program as machine code.
pub struct Compiled {
    pub program: StepProgram,
    /// Distinct kernels.
    kernels: Vec<CompiledKernel>,
    /// The distinct kernel of each kernel of the program.
    index: Vec<usize>,
    module: Module,
}

pub struct CompiledKernel {
    pub name: String,
    pub lane: lane::Kernel,
    pub machine: Machine,
    /// Compiled by a wide emitter.
    pub wide: bool,
}

/// The step function; see [`clif::step`].
pub type StepFn = unsafe extern "C" fn(context: *const StepContext, worker: usize, workers: usize);

/// Compiles all kernels of a program and its step function.
pub fn compile(program: &StepProgram, options: &CodegenOptions) -> Result<Compiled, Diagnostic> {
    launches::check_aliases(program)?;
    let isa = clif::isa::host()?;
    let (distinct, index) = distinct(&program.kernels);
    let kernels = kernels::compile_all(&distinct, isa.as_ref(), options)?;
    let lanes: Vec<&lane::Kernel> = index.iter().map(|i| &kernels[*i].lane).collect();
    let code = launches::code(program, &lanes, &index);
    let single = if options.profile { launches::single(&code) } else { vec![] };
    let module = Module::new(isa, &kernels, &code, &single)?;
    Ok(Compiled { program: program.clone(), kernels, index, module })
}

/// A module whose step function runs one kernel over all its points: for tests of emitters.
pub fn single(kernel: &lane::Kernel, machine: Machine) -> Result<Module, Diagnostic> {
    let call = launches::call(0, kernel);
    let kernel = CompiledKernel { name: kernel.name.clone(), lane: kernel.clone(), machine, wide: false };
    Module::new(clif::isa::host()?, &[kernel], &[Code::Call(call)], &[])
}

impl Compiled {
    pub fn step(&self) -> StepFn {
        self.module.step()
    }

    /// A step function for each launch by itself, where the options asked for them. Its arguments are the launch's, as
    /// its iteration has moved them.
    pub fn single(&self) -> &[StepFn] {
        self.module.single()
    }

    /// The compiled form of kernel `kernel` of the program.
    pub fn kernel(&self, kernel: usize) -> &CompiledKernel {
        &self.kernels[self.index[kernel]]
    }

    pub fn distinct_kernels(&self) -> &[CompiledKernel] {
        &self.kernels
    }

    /// All distinct kernels at one stage, as text.
    pub fn text(&self, stage: Stage) -> Result<String, Diagnostic> {
        self.kernels.iter().map(|k| k.text(stage)).collect()
    }
}

impl CompiledKernel {
    pub fn text(&self, stage: Stage) -> Result<String, Diagnostic> {
        let isa = clif::isa::host()?;
        Ok(match stage {
            Stage::Lane => self.lane.to_string(),
            Stage::Clif => format!("; {}\n{}", self.name, clif::function(&self.lane, isa.as_ref()).display()),
            Stage::Asm if cfg!(target_arch = "x86_64") => {
                format!("{}:\n{}", self.name, disasm::x86(&self.machine.bytes))
            }
            Stage::Asm => format!("{}:\n{}", self.name, kernels::vcode(&self.lane, isa.as_ref())?),
        })
    }
}

/// Kernels that differ in more than names, and for each kernel its place among them.
fn distinct(kernels: &[tile::Kernel]) -> (Vec<&tile::Kernel>, Vec<usize>) {
    let mut seen = std::collections::HashMap::new();
    let mut distinct = vec![];
    let mut place = |kernel| {
        *seen.entry(identity(kernel)).or_insert_with(|| {
            distinct.push(kernel);
            distinct.len() - 1
        })
    };
    let index = kernels.iter().map(&mut place).collect();
    (distinct, index)
}

/// What a kernel is, apart from names.
fn identity(kernel: &tile::Kernel) -> String {
    let mut kernel = kernel.clone();
    kernel.name.clear();
    kernel.params.iter_mut().for_each(|p| p.name.clear());
    format!("{kernel:?}")
}

//! Machine code: tile kernels through lane IR to functions, and the step function that runs them.
//!
//! Each kernel takes one of two ways: [`x86`] (whole vectors, where the machine has them and the emitter accepts the
//! kernel) or [`clif`] (four lanes at a time, everywhere). Both give the same bits. Identical kernels are compiled once,
//! in parallel. All functions of a program lie in one JIT module; [`Compiled`] owns it.

pub mod clif;
pub mod disasm;
pub mod errors;
mod kernels;
mod module;
pub mod x86;

use crate::diag::Diagnostic;
use crate::lane;
use crate::schedule::{BufferId, Launch, Place, StepProgram};
use crate::tile;
use clif::step::{Call, StepContext};
pub use kernels::{Machine, machine};
pub use module::Module;

#[derive(Clone, Copy, Debug)]
pub struct CodegenOptions {
    /// Use the wide emitter where the machine has one.
    pub wide: bool,
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
    /// Compiled by the wide emitter.
    pub wide: bool,
}

/// The step function; see [`clif::step`].
pub type StepFn = unsafe extern "C" fn(context: *const StepContext, worker: usize, workers: usize);

/// Compiles all kernels of a program and its step function.
pub fn compile(program: &StepProgram, options: &CodegenOptions) -> Result<Compiled, Diagnostic> {
    check_aliases(program)?;
    let isa = clif::isa::host()?;
    let (distinct, index) = distinct(&program.kernels);
    let kernels = kernels::compile_all(&distinct, isa.as_ref(), options)?;
    let calls = calls(program, &kernels, &index);
    let module = Module::new(isa, &kernels, &calls, options.profile)?;
    Ok(Compiled { program: program.clone(), kernels, index, module })
}

/// A module whose step function runs one kernel over all its points: for tests of emitters.
pub fn single(kernel: &lane::Kernel, machine: Machine) -> Result<Module, Diagnostic> {
    let call = call(0, kernel, 0, false);
    let kernel = CompiledKernel { name: kernel.name.clone(), lane: kernel.clone(), machine, wide: false };
    Module::new(clif::isa::host()?, &[kernel], &[call], false)
}

impl Compiled {
    pub fn step(&self) -> StepFn {
        self.module.step()
    }

    /// A step function for each launch by itself, without barriers, where the options asked for them.
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

fn calls(program: &StepProgram, kernels: &[CompiledKernel], index: &[usize]) -> Vec<Call> {
    let mut first_arg = 0;
    let mut next = |launch: &Launch| {
        let kernel = index[launch.kernel];
        let call = call(kernel, &kernels[kernel].lane, first_arg, launch.barrier);
        first_arg += launch.args.len();
        call
    };
    program.launches.iter().map(&mut next).collect()
}

fn call(kernel: usize, lane: &lane::Kernel, first_arg: usize, barrier: bool) -> Call {
    Call { kernel, first_arg, points: lane.points, barrier, may_fault: may_fault(&lane.body) }
}

fn may_fault(body: &[lane::Stmt]) -> bool {
    body.iter().any(|stmt| match stmt {
        lane::Stmt::Fault { .. } | lane::Stmt::FaultIf { .. } => true,
        lane::Stmt::Loop(l) => may_fault(&l.body),
        lane::Stmt::If { then, otherwise, .. } => may_fault(&then.body) || may_fault(&otherwise.body),
        _ => false,
    })
}

/// No buffer that a launch writes may overlap another of its arguments: emitters move loads past stores.
fn check_aliases(program: &StepProgram) -> Result<(), Diagnostic> {
    for launch in &program.launches {
        let kernel = &program.kernels[launch.kernel];
        if kernel.params.len() != launch.args.len() {
            return Err(errors::internal(&kernel.name, "a launch has the wrong number of arguments"));
        }
        for (i, param) in kernel.params.iter().enumerate() {
            let written = param.access != tile::Access::Read;
            let mut others = (0..launch.args.len()).filter(|&j| j != i);
            if written && others.any(|j| overlap(program, launch.args[i], launch.args[j])) {
                return Err(errors::internal(&kernel.name, &format!("`{}` overlaps another argument", param.name)));
            }
        }
    }
    Ok(())
}

fn overlap(program: &StepProgram, a: BufferId, b: BufferId) -> bool {
    let buffer = |id: BufferId| &program.buffers[id.0 as usize];
    match (buffer(a).place, buffer(b).place) {
        (Place::Arena { offset: i }, Place::Arena { offset: j }) => {
            i < j + buffer(b).bytes() && j < i + buffer(a).bytes()
        }
        (a, b) => a == b,
    }
}

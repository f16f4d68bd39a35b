//! From a phase of the model to an executable: bind, optimise, schedule, generate code.

use super::each_pass;
use crate::autodiff::{self, Refused};
use crate::codegen::{self, CodegenOptions, Compiled};
use crate::diag::{Code, Diagnostic};
use crate::lane::Target;
use crate::lower;
use crate::ops::dim::{Bindings, Dim};
use crate::passes;
use crate::runtime::{Executable, Pool, RunOptions, StateStore};
use crate::schedule::{self, StepProgram};
use crate::sema::model::{Param, ParamKind, Phase, Sizes};
use crate::tensor::{Graph, InputRole, Origin};
use std::cell::RefCell;
use std::sync::Arc;

/// How a machine is to be used.
#[derive(Clone, Debug)]
pub struct MachineOptions {
    pub threads: usize,
    /// Only Cranelift's 128-bit code.
    pub portable: bool,
    /// Make each launch callable by itself.
    pub profile: bool,
    /// Interpret every phase around each pass.
    pub check_passes: bool,
    pub run: RunOptions,
}

/// Compiles phases of one program; all its executables share the state and the thread pool.
pub struct Compiler {
    state: RefCell<StateStore>,
    pool: Arc<Pool>,
    backend: Backend,
    check_passes: bool,
    run: RunOptions,
}

/// The code generators that this machine and the options allow.
#[derive(Clone, Copy, Debug)]
pub struct Backend {
    pub codegen: CodegenOptions,
    pub target: Target,
}

impl Backend {
    pub fn new(portable: bool, threads: usize) -> Backend {
        let wide = codegen::x86::host_target().filter(|_| !portable);
        let codegen = CodegenOptions { wide: wide.is_some(), threads, profile: false };
        Backend { codegen, target: wide.unwrap_or(Target::CLIF) }
    }

    /// `x86-64 with 16 lanes, AVX-512`
    pub fn describe(&self) -> String {
        let form = match self.target.lanes {
            16 => "AVX-512",
            8 => "AVX2",
            _ => "portable 128-bit code",
        };
        format!("{} {form}, {} lanes", std::env::consts::ARCH, self.target.lanes)
    }

    /// What runs slower here than it could.
    pub fn notes(&self) -> Vec<String> {
        if self.target.lanes == 16 {
            return vec![];
        }
        vec![format!("no AVX-512 on this machine, or switched off: running {}", self.describe())]
    }
}

impl Compiler {
    pub fn new(machine: &MachineOptions) -> Compiler {
        let mut backend = Backend::new(machine.portable, machine.threads);
        backend.codegen.profile = machine.profile;
        let pool = Arc::new(Pool::new(machine.threads));
        Compiler { state: RefCell::default(), pool, backend, check_passes: machine.check_passes, run: machine.run }
    }

    pub fn state(&self) -> &RefCell<StateStore> {
        &self.state
    }

    pub fn notes(&self) -> Vec<String> {
        self.backend.notes()
    }

    /// Compiles a phase for these sizes.
    pub fn compile(&self, phase: &Phase, sizes: &Sizes) -> Result<Executable, Diagnostic> {
        if self.check_passes {
            each_pass::check(phase, sizes.batch)?;
        }
        let graph = tensor(&phase.graph, &phase.bindings(sizes))?;
        self.finish(optimized(graph)?)
    }

    /// Compiles the graph that computes the first values of the parameters.
    pub fn compile_init(&self, graph: &Graph<Dim>, params: &[Param]) -> Result<Executable, Diagnostic> {
        let mut graph = optimized(tensor(graph, &Bindings::new())?)?;
        declare_targets(&mut graph, params);
        self.finish(graph)
    }

    fn finish(&self, graph: Graph) -> Result<Executable, Diagnostic> {
        let compiled = generate(&plan(&graph, &self.backend)?, &self.backend)?;
        Executable::new(compiled, self.pool.clone(), &mut self.state.borrow_mut(), self.run)
    }
}

/// Gives each update of the init graph the state that it fills: an input which nothing reads.
fn declare_targets(graph: &mut Graph, params: &[Param]) {
    for param in params {
        let role = match param.kind {
            ParamKind::Trainable => InputRole::Param,
            ParamKind::Buffer => InputRole::Buffer,
            ParamKind::OptState => InputRole::OptState,
        };
        if graph.outputs.iter().any(|o| o.name == param.path) {
            graph.input(&param.path, role, param.ty.clone(), Origin::default());
        }
    }
}

/// Tensor IR as lowered: nothing differentiated, nothing optimised.
pub fn tensor(graph: &Graph<Dim>, bindings: &Bindings) -> Result<Graph, Diagnostic> {
    lower::bind(graph, bindings).map_err(|e| internal("lowering", &e.to_string()))
}

pub fn differentiated(graph: Graph) -> Result<Graph, Diagnostic> {
    let graph = passes::run(graph, passes::GRAD).map_err(|e| internal("autodiff", &e))?;
    autodiff::refused(&graph).map_or(Ok(graph), |refused| Err(through_condition(&refused)))
}

pub fn optimized(graph: Graph) -> Result<Graph, Diagnostic> {
    passes::run(differentiated(graph)?, passes::OPT).map_err(|e| internal("opt", &e))
}

pub fn plan(graph: &Graph, backend: &Backend) -> Result<StepProgram, Diagnostic> {
    schedule::plan(graph, &schedule::Options { target: backend.target })
}

pub fn generate(program: &StepProgram, backend: &Backend) -> Result<Compiled, Diagnostic> {
    codegen::compile(program, &backend.codegen)
}

fn through_condition(refused: &Refused) -> Diagnostic {
    Diagnostic::error(Code(902), "no gradient passes through a loop that ends on a condition")
        .label(refused.grad.span, "this gradient depends on the loop")
        .label(refused.scan.span, "the loop with `while`")
        .help("scan all positions and choose with `where`, or cut the gradient with `stop_gradient`")
}

/// A fault of the compiler itself, reported like any other error.
pub(super) fn internal(stage: &str, detail: &str) -> Diagnostic {
    Diagnostic::error(Code(950), format!("{stage} failed: {detail}"))
        .help("this is a fault of nnc: please report it together with the program")
}

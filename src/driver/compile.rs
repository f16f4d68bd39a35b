//! From a phase of the model to an executable: bind, optimise, schedule, generate code.

use super::each_pass;
use crate::autodiff::{self, Refused};
pub use crate::codegen::Form;
use crate::codegen::{self, CodegenOptions, Compiled};
use crate::diag::{Code, Diagnostic};
use crate::lane::Target;
use crate::lower::{self, Problem};
use crate::ops::Extent;
use crate::ops::dim::{Bindings, Dim};
use crate::passes;
use crate::runtime::{Executable, Pool, RunOptions, StateStore};
use crate::schedule::{self, StepProgram};
use crate::sema::model::{Param, Phase, Sizes};
use crate::source::Span;
use crate::tensor::{Graph, Origin};
use crate::train::phases::Compile;
use std::cell::RefCell;
use std::sync::Arc;

/// How a machine is to be used.
#[derive(Clone, Debug)]
pub struct MachineOptions {
    pub threads: usize,
    /// The form of machine code; by default the fastest that runs here.
    pub code: Option<Form>,
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
    pub fn new(form: Form, threads: usize) -> Backend {
        Backend { codegen: CodegenOptions { form, threads, profile: false }, target: form.target() }
    }

    /// `x86_64 AVX-512, 16 lanes`
    pub fn describe(&self) -> String {
        let form = match self.codegen.form {
            Form::Avx512 => "AVX-512",
            Form::Avx2 => "AVX2",
            Form::Portable => "portable 128-bit code",
        };
        format!("{} {form}, {} lanes", std::env::consts::ARCH, self.target.lanes)
    }

    /// What runs slower here than it could.
    pub fn notes(&self) -> Vec<String> {
        if self.codegen.form == Form::Avx512 {
            return vec![];
        }
        vec![format!("no AVX-512 on this machine, or switched off: running {}", self.describe())]
    }
}

impl Compiler {
    /// # Errors
    /// Where the machine cannot run the code that is asked for.
    pub fn new(machine: &MachineOptions) -> Result<Compiler, Diagnostic> {
        let mut backend = Backend::new(Form::choose(machine.code, &Form::here())?, machine.threads);
        backend.codegen.profile = machine.profile;
        let pool = Arc::new(Pool::new(machine.threads));
        let state = RefCell::default();
        Ok(Compiler { state, pool, backend, check_passes: machine.check_passes, run: machine.run })
    }

    pub fn state(&self) -> &RefCell<StateStore> {
        &self.state
    }

    pub fn notes(&self) -> Vec<String> {
        self.backend.notes()
    }

    pub fn backend(&self) -> Backend {
        self.backend
    }

    pub fn checks_passes(&self) -> bool {
        self.check_passes
    }

    /// Compiles the graph that computes the first values of the parameters.
    pub fn compile_init(&self, graph: &Graph<Dim>, params: &[Param]) -> Result<Executable, Diagnostic> {
        let mut graph = optimized(tensor(graph, &Bindings::new())?)?;
        declare_targets(&mut graph, params);
        self.finish(graph)
    }

    /// Compiles a graph of a generation, whose states are kept with those of the run.
    pub fn compile_generation(&self, graph: &Graph<Dim>, bindings: &Bindings) -> Result<Executable, Diagnostic> {
        self.finish(optimized(tensor(graph, bindings)?)?)
    }

    fn finish(&self, graph: Graph) -> Result<Executable, Diagnostic> {
        self.executable(machine_code(&graph, &self.backend)?)
    }

    /// Binds code to the run's state and threads.
    pub fn executable(&self, compiled: Compiled) -> Result<Executable, Diagnostic> {
        Executable::new(compiled, self.pool.clone(), &mut self.state.borrow_mut(), self.run)
    }
}

impl Compile for Compiler {
    fn compile(&self, phase: &Phase, sizes: &Sizes) -> Result<Executable, Diagnostic> {
        if self.check_passes {
            each_pass::check(phase, sizes.batch)?;
        }
        self.executable(compiled(phase, sizes, &self.backend)?)
    }
}

/// The machine code of a phase for these sizes.
pub fn compiled(phase: &Phase, sizes: &Sizes, backend: &Backend) -> Result<Compiled, Diagnostic> {
    machine_code(&optimized(tensor(&phase.graph, &phase.bindings(sizes))?)?, backend)
}

fn machine_code(graph: &Graph, backend: &Backend) -> Result<Compiled, Diagnostic> {
    generate(&plan(graph, backend)?, backend)
}

/// Gives each update of the init graph the state that it fills: an input which nothing reads.
fn declare_targets(graph: &mut Graph, params: &[Param]) {
    for param in params {
        if graph.outputs.iter().any(|o| o.name == param.path) {
            graph.input(&param.path, param.kind.role(), param.ty.clone(), Origin::default());
        }
    }
}

/// Tensor IR as lowered: nothing differentiated, nothing optimised.
pub fn tensor(graph: &Graph<Dim>, bindings: &Bindings) -> Result<Graph, Diagnostic> {
    lower::bind(graph, bindings).map_err(|e| match &e.problem {
        Problem::TooSmall(dim, n) if !dim.symbols().is_empty() => empty(dim, *n, e.origin.span, bindings),
        _ => internal("lowering", &e.to_string()),
    })
}

pub fn differentiated(graph: Graph) -> Result<Graph, Diagnostic> {
    let graph = passes::run(graph, passes::GRAD).map_err(|e| internal("autodiff", &e))?;
    match refusal(&graph) {
        Some(error) => Err(error),
        None => Ok(graph),
    }
}

/// Why the gradients of a graph cannot be taken.
pub fn refusal<D: Extent>(graph: &Graph<D>) -> Option<Diagnostic> {
    autodiff::refused(graph).map(|refused| through_condition(&refused))
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

/// What the data gives leaves an axis empty.
fn empty(dim: &Dim, n: i64, span: Span, bindings: &Bindings) -> Diagnostic {
    let mut sizes: Vec<String> =
        dim.symbols().iter().filter_map(|s| bindings.get(s).map(|n| format!("{} = {n}", s.name))).collect();
    sizes.dedup();
    Diagnostic::error(Code(824), format!("the axis `{dim}` would be empty"))
        .label(span, format!("it has the length {n} here, with {}", sizes.join(", ")))
        .help("an axis has at least one element: say which lengths are allowed, as in `where T >= 2`, and leave the other rows out with `|> skip_bad`; a prompt has to be longer")
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

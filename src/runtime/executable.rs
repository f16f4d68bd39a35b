//! A compiled phase with its memory: bind inputs, run steps, read results.

mod launches;

use super::{Arena, Memory, Pool, SharedBytes, StateStore, errors, layout};
use crate::codegen::clif::step::{Line, StepContext};
use crate::codegen::{Compiled, errors as codegen_errors};
use crate::diag::{Diagnostic, Label};
use crate::ops::DType;
use crate::schedule::walk::Frame;
use crate::schedule::{self, Arg, Buffer, BufferId, Outcome, Place, StepProgram};
use crate::tensor::{InputRole, OutputRole};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::AtomicU32;

/// How steps run; each of these shows a fault of the plan as other bits.
#[derive(Clone, Copy, Default, Debug)]
pub struct RunOptions {
    /// Fills the arena with NaN before each step, so that reading what was not written shows.
    pub poison: bool,
    /// The calling thread does the work of so many workers: from barrier to barrier that of each in turn, in this order,
    /// so that a missing barrier shows. The program must be compiled for profiles.
    pub order: Option<&'static [usize]>,
}

/// Why a step stopped.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Fault {
    /// A data index was out of range in this kernel. State that a launch after it would have updated is unchanged.
    Index { kernel: String, lookups: Vec<Label> },
    /// An input has no data yet.
    Unbound { input: String },
}

impl Fault {
    pub fn diagnostic(&self) -> Diagnostic {
        match self {
            Fault::Index { kernel, lookups } => errors::index_out_of_range(kernel, lookups),
            Fault::Unbound { input } => errors::unbound(input),
        }
    }
}

/// A metric of the last step.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Report<'a> {
    pub name: &'a str,
    pub value: f32,
    pub weight: f32,
}

/// Where the data of an input lies.
enum Slot {
    State(Rc<Memory>),
    Owned(Memory),
    Column(Option<SharedBytes>),
}

impl Slot {
    fn pointer(&self) -> *mut u8 {
        match self {
            Slot::State(memory) => memory.pointer(),
            Slot::Owned(memory) => memory.pointer(),
            Slot::Column(Some(bytes)) => bytes.pointer().cast_mut(),
            Slot::Column(None) => std::ptr::null_mut(),
        }
    }
}

/// An update that was not made in place; `staging` where another update overwrites its source.
struct Update {
    from: BufferId,
    to: BufferId,
    staging: Option<Memory>,
}

pub struct Executable {
    compiled: Compiled,
    pool: Arc<Pool>,
    options: RunOptions,
    arena: Rc<Arena>,
    /// Where the arena began when `args` were made.
    base: *mut u8,
    /// The number of the last step.
    turn: u64,
    constants: Vec<Memory>,
    /// One per input of the program.
    slots: Vec<Slot>,
    updates: Vec<Update>,
    /// Pointers of all launches, in the order that the step function expects.
    args: Vec<*mut u8>,
}

// ── set-up ──
impl Executable {
    /// Allocates everything that a step needs. States are shared through `store`, where new ones are zeros.
    pub fn new(
        compiled: Compiled,
        pool: Arc<Pool>,
        store: &mut StateStore,
        options: RunOptions,
    ) -> Result<Executable, Diagnostic> {
        let program = &compiled.program;
        let arena = store.arena();
        arena.grow(program.arena_bytes)?;
        let constants = program.constants.iter().map(|c| constant(c)).collect::<Result<_, _>>()?;
        let slots = (0..program.inputs.len()).map(|i| slot(program, i, store)).collect::<Result<_, _>>()?;
        let updates = updates(program)?;
        let base = std::ptr::null_mut();
        let mut executable =
            Executable { compiled, pool, options, arena, base, turn: 0, constants, slots, updates, args: vec![] };
        executable.point();
        Ok(executable)
    }

    pub fn program(&self) -> &StepProgram {
        &self.compiled.program
    }

    pub fn compiled(&self) -> &Compiled {
        &self.compiled
    }

    fn buffer(&self, id: BufferId) -> &Buffer {
        &self.compiled.program.buffers[id.0 as usize]
    }

    fn pointer(&self, id: BufferId) -> *mut u8 {
        match self.buffer(id).place {
            Place::Arena { offset } => self.arena.pointer().wrapping_add(offset),
            Place::Input(i) => self.slots[i].pointer(),
            Place::Constant { data } => self.constants[data].pointer(),
        }
    }

    /// Where an argument begins in these iterations.
    fn address(&self, arg: &Arg, frame: &Frame) -> *mut u8 {
        self.pointer(arg.buffer).wrapping_add(arg.element(frame) * self.buffer(arg.buffer).ty.dtype.size())
    }

    fn point(&mut self) {
        self.base = self.arena.pointer();
        self.args = self.arg_pointers();
    }

    fn arg_pointers(&self) -> Vec<*mut u8> {
        let unmoved = |arg: &Arg| self.address(&Arg { steps: vec![], ..arg.clone() }, &[]);
        schedule::args(&self.compiled.program.items).into_iter().map(unmoved).collect()
    }
}

/// What a step function is called with.
fn context(args: &[*mut u8]) -> StepContext {
    StepContext { args: args.as_ptr(), fault: AtomicU32::new(0), arrived: Line::default(), phase: Line::default() }
}

fn constant(data: &[u8]) -> Result<Memory, Diagnostic> {
    let memory = Memory::zeroed(data.len())?;
    memory.write(0, data);
    Ok(memory)
}

fn slot(program: &StepProgram, input: usize, store: &mut StateStore) -> Result<Slot, Diagnostic> {
    let binding = &program.inputs[input];
    let buffer = &program.buffers[binding.buffer.0 as usize];
    Ok(match binding.role {
        InputRole::Param | InputRole::Buffer | InputRole::OptState => Slot::State(store.memory(&binding.name, buffer)?),
        InputRole::Column => Slot::Column(None),
        InputRole::Rows | InputRole::Scalar | InputRole::Arg => Slot::Owned(Memory::zeroed(buffer.bytes())?),
    })
}

/// The updates that the runtime copies.
fn updates(program: &StepProgram) -> Result<Vec<Update>, Diagnostic> {
    let outcomes = program.outputs.iter().filter(|o| o.role == OutputRole::Update);
    let pairs = outcomes.map(|o| target(program, o).map(|to| (o.buffer, to))).collect::<Result<Vec<_>, _>>()?;
    let pairs: Vec<_> = pairs.into_iter().filter(|(from, to)| from != to).collect();
    let overwritten = |id: BufferId| pairs.iter().any(|&(_, to)| to == id);
    let stage = |id: BufferId| Memory::zeroed(program.buffers[id.0 as usize].bytes());
    let update = |&(from, to): &(BufferId, BufferId)| {
        let staging = overwritten(from).then(|| stage(from)).transpose()?;
        Ok(Update { from, to, staging })
    };
    pairs.iter().map(update).collect()
}

/// The buffer of the input that an update renews.
fn target(program: &StepProgram, outcome: &Outcome) -> Result<BufferId, Diagnostic> {
    let error = |reason| codegen_errors::internal(&outcome.name, reason);
    let input = program.inputs.iter().find(|b| b.name == outcome.name).ok_or_else(|| error("updates no input"))?;
    let buffer = |id: BufferId| &program.buffers[id.0 as usize];
    let (from, to) = (buffer(outcome.buffer), buffer(input.buffer));
    if from.ty != to.ty || from.layout != to.layout {
        return Err(error("the update differs from its input in type or layout"));
    }
    Ok(input.buffer)
}

// ── inputs ──
impl Executable {
    fn find(&self, name: &str, wanted: impl Fn(&Slot) -> bool) -> Result<usize, Diagnostic> {
        let inputs = self.compiled.program.inputs.iter().zip(&self.slots);
        let found = inputs.enumerate().find(|(_, (b, slot))| b.name == name && wanted(slot));
        found.map(|(i, _)| i).ok_or_else(|| errors::no_input(name))
    }

    /// The program has an input of this name.
    pub fn has_input(&self, name: &str) -> bool {
        self.compiled.program.inputs.iter().any(|b| b.name == name)
    }

    /// The program has a scalar of this name.
    pub fn has_scalar(&self, name: &str) -> bool {
        self.compiled.program.inputs.iter().any(|b| b.name == name && b.role == InputRole::Scalar)
    }

    fn checked(&self, input: usize, found: usize) -> Result<(), Diagnostic> {
        let binding = &self.compiled.program.inputs[input];
        let expected = self.buffer(binding.buffer).ty.bytes();
        if found == expected { Ok(()) } else { Err(errors::wrong_size(&binding.name, expected, found)) }
    }

    /// Binds a column, row-major. It stays bound until another is.
    pub fn bind_column(&mut self, name: &str, data: SharedBytes) -> Result<(), Diagnostic> {
        let input = self.find(name, |s| matches!(s, Slot::Column(_)))?;
        self.checked(input, data.len())?;
        self.slots[input] = Slot::Column(Some(data));
        self.point();
        Ok(())
    }

    /// Sets a scalar, rows or an argument from its row-major bytes.
    pub fn write(&mut self, name: &str, data: &[u8]) -> Result<(), Diagnostic> {
        let input = self.find(name, |s| matches!(s, Slot::Owned(_)))?;
        self.checked(input, data.len())?;
        let Slot::Owned(memory) = &self.slots[input] else { return Err(errors::no_input(name)) };
        memory.write(0, data);
        Ok(())
    }

    pub fn write_f32(&mut self, name: &str, data: &[f32]) -> Result<(), Diagnostic> {
        self.write(name, &layout::float_bytes(data))
    }

    /// Sets one of the scalars `step`, `total`, `epoch`, `seed`.
    pub fn write_scalar(&mut self, name: &str, value: i32) -> Result<(), Diagnostic> {
        self.write(name, &value.to_le_bytes())
    }

    /// Sets the rows of the batch, for every input of this role; nothing where the program has none.
    pub fn write_rows(&mut self, rows: &[i32]) -> Result<(), Diagnostic> {
        for input in 0..self.slots.len() {
            let Slot::Owned(memory) = &self.slots[input] else { continue };
            if self.compiled.program.inputs[input].role != InputRole::Rows {
                continue;
            }
            self.checked(input, 4 * rows.len())?;
            rows.iter().enumerate().for_each(|(i, row)| memory.write(4 * i, &row.to_le_bytes()));
        }
        Ok(())
    }
}

// ── running ──
impl Executable {
    /// Runs one step. Allocates nothing.
    pub fn run(&mut self) -> Result<(), Fault> {
        if let Some(input) = self.slots.iter().position(|s| matches!(s, Slot::Column(None))) {
            return Err(Fault::Unbound { input: self.compiled.program.inputs[input].name.clone() });
        }
        self.begin();
        if self.options.poison {
            self.arena.fill(0xff);
        }
        match self.options.order {
            None => self.call()?,
            Some(order) => launches::run_in_order(self, order)?,
        }
        self.copy_updates();
        Ok(())
    }

    /// Takes the arena, which may have moved since the last step.
    fn begin(&mut self) {
        self.turn = self.arena.begin();
        if self.base != self.arena.pointer() {
            self.point();
        }
    }

    /// Runs a step launch by launch and adds the seconds of each to `times`; the program must be compiled for profiles.
    pub fn run_timed(&mut self, times: &mut [f64]) -> Result<(), Fault> {
        self.begin();
        launches::run(self, |launch, context| {
            let started = std::time::Instant::now();
            // SAFETY: as in `call`.
            unsafe { self.pool.run(self.compiled.single()[launch], context) };
            times[launch] += started.elapsed().as_secs_f64();
        })?;
        self.copy_updates();
        Ok(())
    }

    /// Runs the step function on all workers.
    fn call(&self) -> Result<(), Fault> {
        let context = context(&self.args);
        // SAFETY: the pointers are those of this program's buffers, each `bytes()` long and alive: `self` owns them or
        // a share, and `begin` has looked where the arena is. Memory is not `Sync`, so nothing else touches it while this
        // thread is in here.
        unsafe { self.pool.run(self.compiled.step(), &context) };
        match context.fault.into_inner() {
            0 => Ok(()),
            launch => Err(self.index_fault(launch as usize - 1)),
        }
    }

    fn index_fault(&self, launch: usize) -> Fault {
        let program = &self.compiled.program;
        let launch = program.launches()[launch];
        Fault::Index { kernel: program.kernels[launch.kernel].name.clone(), lookups: launch.lookups.clone() }
    }

    fn copy_updates(&self) {
        for update in &self.updates {
            if let Some(staging) = &update.staging {
                self.copy(update.from, self.pointer(update.from), staging.pointer());
            }
        }
        for update in &self.updates {
            let from = update.staging.as_ref().map_or_else(|| self.pointer(update.from), Memory::pointer);
            self.copy(update.from, from, self.pointer(update.to));
        }
    }

    /// Copies a buffer of the size of `id`.
    fn copy(&self, id: BufferId, from: *const u8, to: *mut u8) {
        // SAFETY: both are blocks of `bytes()` bytes: `target` checked that source and destination have one type and
        // layout; they are different buffers, live after the run, or staging memory. No worker runs now.
        unsafe { from.copy_to_nonoverlapping(to, self.buffer(id).bytes()) };
    }
}

// ── results ──
impl Executable {
    fn outcomes(&self) -> &[Outcome] {
        &self.compiled.program.outputs
    }

    /// Bytes of a buffer in its own layout.
    fn raw(&self, id: BufferId, out: &mut [u8]) {
        match self.buffer(id).place {
            Place::Arena { offset } => self.arena.read(self.turn, offset, out),
            Place::Constant { data } => self.constants[data].read(0, out),
            Place::Input(i) => match &self.slots[i] {
                Slot::State(memory) => memory.read(0, out),
                Slot::Owned(memory) => memory.read(0, out),
                Slot::Column(bytes) => bytes.iter().for_each(|b| b.read(out)),
            },
        }
    }

    /// The row-major bytes of an output after the last step.
    pub fn read(&self, name: &str) -> Option<Vec<u8>> {
        let id = self.outcomes().iter().find(|o| o.name == name)?.buffer;
        let buffer = self.buffer(id);
        let mut bytes = vec![0; if self.is_column(id) { buffer.ty.bytes() } else { buffer.bytes() }];
        self.raw(id, &mut bytes);
        Some(layout::unpack(&bytes, buffer))
    }

    /// Columns come without padding.
    fn is_column(&self, id: BufferId) -> bool {
        matches!(self.buffer(id).place, Place::Input(i) if matches!(self.slots[i], Slot::Column(_)))
    }

    /// The elements of an f32 output in row-major order.
    pub fn read_f32(&self, name: &str) -> Option<Vec<f32>> {
        let id = self.outcomes().iter().find(|o| o.name == name)?.buffer;
        let float = self.buffer(id).ty.dtype == DType::F32;
        self.read(name).filter(|_| float).map(|b| layout::floats(&b))
    }

    fn scalar_f32(&self, id: BufferId) -> f32 {
        let mut bytes = [0; 4];
        self.raw(id, &mut bytes);
        f32::from_le_bytes(bytes)
    }

    /// The plain results of the last step: name, type and row-major bytes.
    pub fn results(&self) -> impl Iterator<Item = (&str, &crate::ops::Type, Vec<u8>)> {
        let results = self.outcomes().iter().filter(|o| o.role == OutputRole::Result);
        results.map(|o| (o.name.as_str(), &self.buffer(o.buffer).ty, self.read(&o.name).unwrap_or_default()))
    }

    /// The metrics of the last step, in the order of the program.
    pub fn reports(&self) -> impl Iterator<Item = Report<'_>> {
        let reports = self.outcomes().iter().filter(|o| matches!(o.role, OutputRole::Report { .. }));
        reports.map(|o| Report {
            name: &o.name,
            value: self.scalar_f32(o.buffer),
            weight: o.weight.map_or(1.0, |w| self.scalar_f32(w)),
        })
    }

    /// The first check that does not hold after the last step.
    pub fn failed_check(&self) -> Option<&str> {
        self.unmet(OutputRole::Check).next()
    }

    /// Names of the checks or warnings that do not hold after the last step.
    pub fn unmet(&self, role: OutputRole) -> impl Iterator<Item = &str> {
        let holds = |id: BufferId| {
            let mut byte = [0];
            self.raw(id, &mut byte);
            byte[0] != 0
        };
        let wanted = self.outcomes().iter().filter(move |o| o.role == role);
        wanted.filter(move |o| !holds(o.buffer)).map(|o| o.name.as_str())
    }
}

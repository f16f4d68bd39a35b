//! Tensor IR to kernels: fusion groups, their tile IR, the step program and the memory plan.
//!
//! [`plan`] is the stage: [`legalize`] rewrites to what kernels exist for, [`groups`] fuses, [`kernels`] builds tile IR, [`memory`]
//! places buffers. Results have the same bits for every [`Target`](crate::lane::Target): only tile sizes depend on it, the order of every sum follows
//! from shapes.

mod build;
mod context;
mod error;
mod eval;
mod groups;
mod index;
mod kernels;
mod layout;
mod legalize;
pub mod memory;
pub mod parse;
mod plan;
pub mod print;
mod shares;
pub mod stats;
pub mod walk;

pub use plan::{Options, plan};

use crate::diag::Label;
use crate::ops::Type;
use crate::tensor::{InputRole, OutputRole};
use crate::tile::{Kernel, Layout};

/// Names a buffer of a step program; prints as `b3`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct BufferId(pub u32);

/// A compiled phase: kernels, launches and loops in order, and where every buffer lies. Static: nothing allocates while
/// it runs.
#[derive(Clone, Debug)]
pub struct StepProgram {
    pub name: String,
    pub kernels: Vec<Kernel>,
    pub items: Vec<Item>,
    pub buffers: Vec<Buffer>,
    /// Bytes of the arena that all `Place::Arena` buffers share.
    pub arena_bytes: usize,
    /// Contents of the constant buffers, as they lie in memory.
    pub constants: Vec<Vec<u8>>,
    pub inputs: Vec<Binding>,
    pub outputs: Vec<Outcome>,
}

#[derive(Clone, PartialEq, Debug)]
pub struct Buffer {
    pub ty: Type,
    pub layout: Layout,
    pub place: Place,
    /// What it holds, for `ir --stage buffers`.
    pub name: String,
}

impl Buffer {
    /// An input that programs leave to each other, which agree on its layout.
    pub fn of_input(name: &str, ty: &Type, number: usize) -> Buffer {
        Buffer { layout: layout::of(ty), ty: ty.clone(), place: Place::Input(number), name: name.into() }
    }

    /// Bytes in its layout, rounded up so that a whole 64-byte vector may be read at the end.
    pub fn bytes(&self) -> usize {
        (self.elements() * self.ty.dtype.size()).next_multiple_of(64)
    }

    /// Elements in memory, padding included.
    pub fn elements(&self) -> usize {
        self.layout.elements(&self.ty.shape)
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Place {
    /// At this byte offset of the arena (a multiple of 64); shared with buffers that are not live at the same time.
    Arena { offset: usize },
    /// The runtime gives a pointer: inputs, and state that is updated in place. The number is an index into `inputs`.
    Input(usize),
    /// Constants, filled in before the first step.
    Constant { data: usize },
}

#[derive(Clone, PartialEq, Debug)]
pub enum Item {
    Launch(Launch),
    Loop(Loop),
}

/// One launch of a kernel over all its grid points, split statically among the workers.
#[derive(Clone, PartialEq, Debug)]
pub struct Launch {
    pub kernel: usize,
    /// One per parameter of the kernel.
    pub args: Vec<Arg>,
    /// All workers must have finished the launches before this one.
    pub barrier: bool,
    /// Points of a share, in a loop that has shares; else 0.
    pub share: usize,
    /// Where the program reads at indices that are data, which may be out of range.
    pub lookups: Vec<Label>,
}

/// Runs its items `length` times. Positions count 0, 1, …, or from `length - 1` down to 0.
#[derive(Clone, PartialEq, Debug)]
pub struct Loop {
    pub length: usize,
    pub reverse: bool,
    pub condition: Option<Condition>,
    pub shares: Option<Shares>,
    pub items: Vec<Item>,
    /// Runs once after the loop, with the iteration that would have come next: what is carried is found there.
    pub after: Vec<Item>,
}

/// The points of each launch in a loop fall into `count` shares, in order, and no launch touches in one share what
/// another writes in a different one. So where there are no more workers than shares, each of them runs the whole loop
/// for shares of its own, and the barriers in the loop are left out.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Shares {
    pub count: usize,
    /// All workers must have finished the launches before the loop.
    pub barrier: bool,
}

/// A bool that every worker reads before each iteration; if it is false the loop ends.
#[derive(Clone, PartialEq, Debug)]
pub struct Condition {
    pub flag: Arg,
    /// As for a launch, before the flag is read.
    pub barrier: bool,
}

/// What a launch works on: a buffer from some element on, which loops around the launch may move.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Arg {
    pub buffer: BufferId,
    /// The element in memory (padding counts) that it begins with, where no loop adds anything.
    pub offset: usize,
    pub steps: Vec<Step>,
}

/// What a loop adds to an offset: `stride` elements in memory times a number that follows from its iteration.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Step {
    /// The loop, counted from the outermost.
    pub depth: usize,
    pub pick: Pick,
    pub stride: usize,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Pick {
    /// The position.
    Position,
    /// 1 in the second, fourth, … iteration, else 0.
    Odd,
    /// 1 in the first, third, … iteration, else 0.
    Even,
}

impl From<BufferId> for Arg {
    /// The whole buffer.
    fn from(buffer: BufferId) -> Arg {
        Arg { buffer, offset: 0, steps: vec![] }
    }
}

impl Arg {
    /// The place `elements` further on.
    pub fn after(&self, elements: usize) -> Arg {
        Arg { offset: self.offset + elements, ..self.clone() }
    }

    /// The place `offset` elements further on, moved by one more loop.
    pub fn moved(&self, offset: usize, step: Step) -> Arg {
        let mut arg = self.after(offset);
        arg.steps.push(step);
        arg
    }
}

impl StepProgram {
    /// Without kernels, buffers and anything to do.
    pub fn new(name: impl Into<String>) -> StepProgram {
        StepProgram {
            name: name.into(),
            kernels: vec![],
            items: vec![],
            buffers: vec![],
            arena_bytes: 0,
            constants: vec![],
            inputs: vec![],
            outputs: vec![],
        }
    }

    /// All launches in the order of the text: the numbers by which faults and profiles name them.
    pub fn launches(&self) -> Vec<&Launch> {
        launches(&self.items)
    }
}

/// All launches of items, those in loops included.
pub fn launches(items: &[Item]) -> Vec<&Launch> {
    let mut found = vec![];
    for item in items {
        match item {
            Item::Launch(launch) => found.push(launch),
            Item::Loop(inner) => {
                found.extend(launches(&inner.items));
                found.extend(launches(&inner.after));
            }
        }
    }
    found
}

/// All loops of items, each before those in it.
pub fn loops(items: &[Item]) -> Vec<&Loop> {
    let mut found = vec![];
    for item in items {
        if let Item::Loop(inner) = item {
            found.push(inner);
            found.extend(loops(&inner.items));
            found.extend(loops(&inner.after));
        }
    }
    found
}

/// All arguments of items: of each launch, and the flag of a loop before what is in it.
pub fn args(items: &[Item]) -> Vec<&Arg> {
    let mut found = vec![];
    for item in items {
        match item {
            Item::Launch(launch) => found.extend(&launch.args),
            Item::Loop(inner) => {
                found.extend(inner.condition.iter().map(|c| &c.flag));
                found.extend(args(&inner.items));
                found.extend(args(&inner.after));
            }
        }
    }
    found
}

/// An input of the function and the buffer it is bound to.
#[derive(Clone, Debug)]
pub struct Binding {
    pub name: String,
    pub role: InputRole,
    pub buffer: BufferId,
}

/// An output. An `Update` whose buffer is the input's own was written in place; any other is copied by the runtime.
#[derive(Clone, Debug)]
pub struct Outcome {
    pub name: String,
    pub role: OutputRole,
    pub buffer: BufferId,
    /// The weight of a report.
    pub weight: Option<BufferId>,
}

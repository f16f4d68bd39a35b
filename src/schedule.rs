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
mod legalize;
pub mod memory;
pub mod parse;
mod plan;
pub mod print;
pub mod stats;

pub use plan::{Options, plan};

use crate::ops::Type;
use crate::tensor::{InputRole, OutputRole};
use crate::tile::{Kernel, Layout};

/// Names a buffer of a step program; prints as `b3`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct BufferId(pub u32);

/// A compiled phase: kernels, launches in order, and where every buffer lies. Static: nothing allocates while it runs.
#[derive(Clone, Debug)]
pub struct StepProgram {
    pub name: String,
    pub kernels: Vec<Kernel>,
    pub launches: Vec<Launch>,
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
    /// Bytes in its layout, rounded up so that a whole 64-byte vector may be read at the end.
    pub fn bytes(&self) -> usize {
        let elements = match self.layout {
            Layout::RowMajor => self.ty.elements(),
            Layout::Panel { width } => self.ty.shape[0] * self.ty.shape[1].next_multiple_of(width),
        };
        (elements * self.ty.dtype.size()).next_multiple_of(64)
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

/// One launch of a kernel over all its grid points, split statically among the workers.
#[derive(Clone, Debug)]
pub struct Launch {
    pub kernel: usize,
    /// One per parameter of the kernel.
    pub args: Vec<BufferId>,
    /// All workers must have finished the launches before this one.
    pub barrier: bool,
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

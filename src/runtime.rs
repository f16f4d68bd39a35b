//! Runs compiled programs: memory, threads and the way into machine code.
//!
//! An [`Executable`] is one compiled phase with its bound inputs. Parameters, saved buffers and optimizer state lie in a
//! [`StateStore`] by name, so that the executables of training, of other shapes of batches, of validation and of test
//! share them; they share one [`Arena`] too. Nothing is allocated while a step runs.
//!
//! **Threads.** All workers of a [`Pool`] run the step function; the caller is worker 0. The machine code splits the work
//! and waits at its own barriers.
//!
//! **Floating point.** Denormals are flushed in machine code only: [`enter`] changes the control register, calls, and
//! restores it, so Rust code never runs under a changed one.
//!
//! **Memory safety.** No Rust reference to the arena or to state ever exists: [`Memory`] copies in and out through raw
//! pointers. It is neither `Send` nor `Sync`, and workers touch it only while the owning thread waits in a run.

pub mod arena;
pub mod enter;
pub mod errors;
pub mod executable;
#[cfg(test)]
pub mod harness;
pub mod layout;
pub mod memory;
pub mod pool;
pub mod shared;
pub mod state;
#[cfg(test)]
mod tests;

pub use arena::Arena;
pub use executable::{Executable, Fault, Report, RunOptions};
pub use memory::{Memory, Slab};
pub use pool::Pool;
pub use shared::SharedBytes;
pub use state::StateStore;

//! Step programs against the reference: small graphs through `schedule::plan` and the tile interpreter give what the
//! tensor interpreter gives, for every target, with grid points in any order and a poisoned arena.

#[path = "schedule/attention.rs"]
mod attention;
#[path = "schedule/layout.rs"]
mod layout;
#[path = "schedule/machine.rs"]
mod machine;
#[path = "schedule/memory.rs"]
mod memory;
#[path = "schedule/ops.rs"]
mod ops;
#[path = "schedule/parts.rs"]
mod parts;
#[path = "schedule/programs.rs"]
mod programs;
#[path = "schedule/random.rs"]
mod random;
#[path = "schedule/scans.rs"]
mod scans;
#[path = "schedule/training.rs"]
mod training;

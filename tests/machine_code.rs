//! The cases of `schedule.rs` as machine code: the same bits as the tile interpreter, with any number of workers.

#[path = "schedule/attention.rs"]
mod attention;
#[allow(dead_code, reason = "the comparison of random graphs is for tests/random_graphs.rs")]
#[path = "machine_code/machine.rs"]
mod machine;
#[path = "schedule/ops.rs"]
mod ops;
#[path = "schedule/parts.rs"]
mod parts;
#[path = "schedule/scans.rs"]
mod scans;

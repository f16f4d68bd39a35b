//! Machine code against the interpreters, the step function, threads and state.

mod entry;
mod lanes;
mod programs;
mod samples;

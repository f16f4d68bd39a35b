//! Machine code against the interpreters, the step function, threads and state.

mod lanes;

//! Tensors in memory, the thread pool, and running a compiled step.

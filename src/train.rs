//! Data sources, batching, the training loop, checkpoints, metrics, logs.

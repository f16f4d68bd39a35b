//! Training: data sources, batching, the loop, checkpoints, metrics and logs.
//!
//! Nothing here knows the language: it runs a checked [`Model`](crate::sema::model::Model) through phases that the
//! driver compiled. Files are replaced atomically; an interrupted run leaves a checkpoint it can go on from.

mod assemble;
pub mod batches;
pub mod checkpoint;
pub mod console;
pub mod data;
pub mod decode;
pub mod fit;
pub mod folder;
pub mod generate;
pub mod interrupt;
pub mod known;
pub mod log;
pub mod metrics;
pub mod phases;
pub mod predict;
pub mod progress;
pub mod spell;
pub mod split;
pub mod state;
pub mod statistics;
pub mod steps;
pub mod tokenizer;
pub mod vocabulary;
pub mod weights;
mod windows;

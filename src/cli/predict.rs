//! `nnc predict --data`: runs the `predict` phase over stored rows, one JSON object a row.

use super::output::{Failure, Output, say};
use super::{Machine, Program, Weights};
use crate::driver::run::Run;
use clap::Args;
use std::path::PathBuf;

/// Predict for every row of a data source; prints one JSON object a row
#[derive(Args)]
pub struct Options {
    #[command(flatten)]
    program: Program,
    #[command(flatten)]
    machine: Machine,
    /// A source of the kind that the program's `data` declares (an idx folder, a csv file)
    #[arg(long)]
    data: PathBuf,
    /// The part of the source, where it has several (`train`, `test`)
    #[arg(long)]
    part: Option<String>,
    #[command(flatten)]
    weights: Weights,
    /// The `train` block, by name
    #[arg(long)]
    train: Option<String>,
}

pub fn run(options: &Options, output: &Output) -> Result<(), Failure> {
    let session = output.open_run(&options.program, options.weights.run.as_deref())?;
    let run = Run::new(&session, options.train.as_deref(), &options.machine.options(), options.weights.start())
        .map_err(|d| Failure::run(d, &session))?;
    let print = |row: serde_json::Value| say(row);
    run.predict(&options.data, options.part.as_deref(), &print).map_err(|d| Failure::run(d, &session))
}

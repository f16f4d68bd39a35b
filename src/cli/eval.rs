//! `nnc eval`: scores a run's kept weights.

use super::output::{Failure, Output};
use super::{Machine, Program};
use crate::driver::run::{Run, Start};
use crate::sema::model::PhaseKind;
use clap::{Args, ValueEnum};
use std::path::PathBuf;

/// Score the kept weights of a run on a split
#[derive(Args)]
pub struct Options {
    #[command(flatten)]
    program: Program,
    #[command(flatten)]
    machine: Machine,
    /// The run's folder [default: the program's latest under runs/]
    #[arg(long, value_name = "FOLDER")]
    run: Option<PathBuf>,
    /// Without a run: give what the program does not load its first values
    #[arg(long)]
    untrained: bool,
    /// Which phase to run
    #[arg(long, value_enum, default_value = "test")]
    phase: Which,
    /// The `train` block, by name
    #[arg(long)]
    train: Option<String>,
}

#[derive(Clone, Copy, ValueEnum)]
enum Which {
    Validate,
    Test,
}

pub fn run(options: &Options, output: &Output) -> Result<(), Failure> {
    let session = output.open_run(&options.program, options.run.as_deref())?;
    let start = Start::Kept { folder: options.run.clone(), untrained: options.untrained };
    let run = Run::new(&session, options.train.as_deref(), &options.machine.options(), start)
        .map_err(|d| Failure::run(d, &session))?;
    let kind = match options.phase {
        Which::Validate => PhaseKind::Validate,
        Which::Test => PhaseKind::Test,
    };
    output.scores(&run.evaluate(kind).map_err(|d| Failure::run(d, &session))?);
    Ok(())
}

//! `nnc eval`: scores a run's kept weights.

use super::output::{Failure, Output};
use super::{Machine, Program, Weights};
use crate::driver::run::Run;
use crate::sema::model::PhaseKind;
use clap::{Args, ValueEnum};

/// Score the kept weights of a run on a split
#[derive(Args)]
pub struct Options {
    #[command(flatten)]
    program: Program,
    #[command(flatten)]
    machine: Machine,
    #[command(flatten)]
    weights: Weights,
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
    let session = output.open_run(&options.program, options.weights.run.as_deref())?;
    let run = Run::new(&session, options.train.as_deref(), &options.machine.options(), options.weights.start())
        .map_err(|d| Failure::run(d, &session))?;
    let kind = match options.phase {
        Which::Validate => PhaseKind::Validate,
        Which::Test => PhaseKind::Test,
    };
    output.scores(&run.evaluate(kind).map_err(|d| Failure::run(d, &session))?);
    Ok(())
}

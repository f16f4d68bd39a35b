//! `nnc train`: compiles and runs the training of a program.

use super::output::{Failure, Output};
use super::{Machine, Program};
use crate::driver::run::{Run, Start};
use crate::train::console::note;
use crate::train::fit::Ended;
use crate::train::interrupt;
use clap::Args;
use std::path::PathBuf;
use std::time::Instant;

/// Train a program; checkpoints and the log go to a folder under runs/
#[derive(Args)]
pub struct Options {
    #[command(flatten)]
    program: Program,
    #[command(flatten)]
    machine: Machine,
    /// The `train` block, by name
    train: Option<String>,
    /// Go on from the last checkpoint of this run's folder
    #[arg(long, value_name = "FOLDER")]
    resume: Option<PathBuf>,
    /// Begin with the weights of this run's folder or safetensors file, by their own names
    #[arg(long, value_name = "PATH", conflicts_with = "resume")]
    init: Option<PathBuf>,
    /// Where the folders of runs are
    #[arg(long, default_value = "runs")]
    runs: PathBuf,
}

pub fn run(options: &Options, output: &Output) -> Result<(), Failure> {
    let started = Instant::now();
    let session = match &options.resume {
        Some(folder) => output.open_run(&options.program, Some(folder))?,
        None => output.open_with_data(&options.program)?,
    };
    interrupt::install();
    let fail = |d| Failure::run(d, &session);
    let start = match (&options.resume, &options.init) {
        (Some(folder), _) => Start::Resume(folder.clone()),
        (None, Some(from)) => Start::From(options.runs.clone(), session.checkpoint(Some(from)).map_err(fail)?),
        (None, None) => Start::Fresh(options.runs.clone()),
    };
    let mut run = Run::new(&session, options.train.as_deref(), &options.machine.options(), start)
        .map_err(|d| Failure::run(d, &session))?;
    run.notes().iter().for_each(|text| note(format_args!("note: {text}")));
    run.json = output.json;
    let (ended, scores) = run.fit(started).map_err(|d| Failure::run(d, &session))?;
    output.scores(&scores);
    match ended {
        Ended::Finished => Ok(()),
        Ended::StoppedEarly => {
            note("stopped early: no better result within the patience");
            Ok(())
        }
        Ended::Interrupted => {
            note(format_args!("interrupted; go on with --resume {}", run.folder().display()));
            Err(Failure::Interrupted)
        }
    }
}

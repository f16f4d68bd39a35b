//! `nnc export`: a run's weights as a safetensors file that other systems read.

use super::output::{Failure, Output};
use super::{Machine, Program};
use crate::diag::Diagnostic;
use crate::driver::Session;
use crate::driver::run::{Run, Start};
use crate::train::console::note;
use clap::Args;
use std::path::PathBuf;

/// Write the weights of a run to a safetensors file, under the names of the program's `load` lines
#[derive(Args)]
pub struct Options {
    #[command(flatten)]
    program: Program,
    /// The file to write
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// The run's folder, or a checkpoint [default: the program's latest under runs/]
    #[arg(long, value_name = "PATH")]
    run: Option<PathBuf>,
    #[command(flatten)]
    machine: Machine,
    /// Without a run: give what the program does not load its first values
    #[arg(long)]
    untrained: bool,
    /// The `train` block, by name
    #[arg(long)]
    train: Option<String>,
}

pub fn run(options: &Options, output: &Output) -> Result<(), Failure> {
    let folder = options.run.as_deref().filter(|path| path.is_dir());
    let session = match (&options.run, folder) {
        (Some(_), None) => output.open(&options.program)?,
        _ => output.open_run(&options.program, folder)?,
    };
    let count = written(options, &session).map_err(|d| Failure::run(d, &session))?;
    note(format_args!("{count} tensors written to {}", options.out.display()));
    Ok(())
}

/// Without a run the weights are those that the program loads.
fn written(options: &Options, session: &Session) -> Result<usize, Diagnostic> {
    let train = options.train.as_deref();
    if options.run.is_some() || session.run_folder(None).is_ok() {
        return session.export(train, options.run.as_deref(), &options.out);
    }
    let start = Start::Kept { folder: None, untrained: options.untrained };
    Run::new(session, train, &options.machine.options(), start)?.export(&options.out)
}

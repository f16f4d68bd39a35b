//! `nnc export`: a run's weights as a safetensors file that other systems read.

use super::Program;
use super::output::{Failure, Output};
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
    let count = session
        .export(options.train.as_deref(), options.run.as_deref(), &options.out)
        .map_err(|d| Failure::run(d, &session))?;
    note(format_args!("{count} tensors written to {}", options.out.display()));
    Ok(())
}

//! `nnc summary`: layers, parameters, FLOPs, activations and the planned peak.

use super::Program;
use super::output::{Failure, Output, say};
use crate::driver::summary::{Summary, summarize};
use clap::Args;

/// Show layers, shapes, parameters, FLOPs and memory
#[derive(Args)]
pub struct Options {
    #[command(flatten)]
    program: Program,
    /// Also show the chosen schedule of every kernel
    #[arg(long)]
    schedules: bool,
    /// The `train` block, by name
    #[arg(long)]
    train: Option<String>,
}

pub fn run(options: &Options, output: &Output) -> Result<(), Failure> {
    let session = output.open_with_data(&options.program)?;
    let summary = summarize(&session, options.train.as_deref()).map_err(|d| Failure::run(d, &session))?;
    if output.json {
        say(summary.json());
    } else {
        say(human(&summary, options.schedules).trim_end());
    }
    Ok(())
}

fn human(summary: &Summary, schedules: bool) -> String {
    let mut text = summary.table();
    if schedules {
        text += &summary.schedules.join("\n");
        text += "\n";
    }
    text
}

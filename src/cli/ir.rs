//! `nnc ir`: any stage of any phase as text.

use super::Program;
use super::output::{Failure, Output, say};
use crate::driver::compile::Form;
use crate::driver::stages::{Selection, Stage};
use clap::Args;

/// Print a stage of the compiler
#[derive(Args)]
pub struct Options {
    #[command(flatten)]
    program: Program,
    /// The stage to print
    #[arg(long, value_enum, default_value = "opt")]
    stage: Stage,
    /// The phase: step, validate, test, predict or init; `step 1` is the first of several graphs of a step
    #[arg(long, default_value = "step")]
    phase: String,
    /// The `train` block, by name
    #[arg(long)]
    train: Option<String>,
    /// Only what comes from this layer
    #[arg(long)]
    layer: Option<String>,
    /// Show where each line came from
    #[arg(long)]
    spans: bool,
    /// Batch size [default: the phase's own]
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..))]
    batch: Option<u32>,
    /// The form of machine code, which need not run here [default: the fastest that does]
    #[arg(long, value_enum)]
    code: Option<Form>,
}

pub fn run(options: &Options, output: &Output) -> Result<(), Failure> {
    let session = match options.stage {
        Stage::Ast => output.open(&options.program)?,
        _ => output.open_with_data(&options.program)?,
    };
    let selection = Selection {
        phase: options.phase.clone(),
        train: options.train.clone(),
        layer: options.layer.clone(),
        spans: options.spans,
        batch: options.batch.map(|n| n as usize),
        code: options.code,
    };
    let text = session.stage(options.stage, &selection).map_err(|d| Failure::run(d, &session))?;
    say(text.trim_end());
    Ok(())
}

//! `nnc check`: every name, type and shape, without opening any data.

use super::Program;
use super::output::{Failure, Output, say};
use clap::Args;

/// Check names, types and shapes
#[derive(Args)]
pub struct Options {
    #[command(flatten)]
    program: Program,
}

pub fn run(options: &Options, output: &Output) -> Result<(), Failure> {
    let session = output.open(&options.program)?;
    if output.json {
        say(serde_json::json!({ "reason": "checked", "parameters": session.parameter_count() }));
    } else {
        say(format_args!("{}: no errors", options.program.file.display()));
    }
    Ok(())
}

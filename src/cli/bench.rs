//! `nnc bench`: the time of a training step, for comparison with other systems (see benches/bench.py).

use super::output::{Failure, Output, say};
use super::{Machine, Program};
use crate::driver::bench::{self, Timing};
use crate::driver::compile::MachineOptions;
use crate::driver::run::{Run, Start};
use clap::Args;
use serde_json::json;
use std::path::PathBuf;

/// Time training steps on the first batch
#[derive(Args)]
pub struct Options {
    #[command(flatten)]
    program: Program,
    #[command(flatten)]
    machine: Machine,
    /// Start from these weights (safetensors, under the program's names)
    #[arg(long)]
    weights: Option<PathBuf>,
    /// Steps before the clock starts, two at least; the loss of the last is shown
    #[arg(long, value_name = "STEPS", default_value_t = 50)]
    warm_up: u64,
    /// How long to time
    #[arg(long, default_value_t = 3.0)]
    seconds: f64,
    /// Also show the time of each launch
    #[arg(long)]
    kernels: bool,
}

pub fn run(options: &Options, output: &Output) -> Result<(), Failure> {
    let session = output.open_with_data(&options.program)?;
    let fail = |d| Failure::run(d, &session);
    let machine = MachineOptions { profile: options.kernels, ..options.machine.options() };
    let run = Run::new(&session, None, &machine, Start::Weights).map_err(fail)?;
    if let Some(path) = &options.weights {
        run.load_weights(path).map_err(fail)?;
    }
    let Timing { milliseconds, losses, first, kernels } =
        bench::steps(&run, options.warm_up, options.seconds).map_err(fail)?;
    if output.json {
        say(json!({ "reason": "bench", "ms": milliseconds, "losses": losses, "first_step_s": first }));
    } else {
        let last = options.warm_up.max(2);
        say(format_args!("{milliseconds:.3} ms/step; loss at steps 1, 2, {last}: {losses:?}"));
    }
    kernels.iter().for_each(|(name, microseconds)| say(format_args!("{microseconds:10.1} µs  {name}")));
    Ok(())
}

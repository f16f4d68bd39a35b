//! `nnc generate`: goes on with a text, and prints as it goes.

use super::output::{Failure, Output, put, say};
use super::{Machine, Program, Weights};
use crate::driver::generate::Request;
use crate::driver::run::{Run, Start};
use crate::train::console::note;
use crate::train::generate::{Choice, Ended};
use crate::train::interrupt;
use clap::Args;
use serde_json::json;
use std::path::PathBuf;

/// Go on with a prompt, token by token; prints the text as it comes
#[derive(Args)]
pub struct Options {
    #[command(flatten)]
    program: Program,
    #[command(flatten)]
    machine: Machine,
    /// The text to go on from, or to answer
    #[arg(long)]
    prompt: String,
    /// How many tokens to generate at most
    #[arg(long, value_name = "N", default_value_t = 200)]
    max_tokens: usize,
    /// Below 1 likely tokens are preferred; 0 takes the likeliest
    #[arg(long, value_name = "T", default_value_t = 1.0, value_parser = parse_temperature)]
    temperature: f32,
    /// Choose among so many of the likeliest tokens [default: all]
    #[arg(long, value_name = "K", default_value_t = 0, hide_default_value = true)]
    top_k: usize,
    /// Choose among the likeliest tokens that together have this probability
    #[arg(long, value_name = "P", default_value_t = 1.0, value_parser = parse_probability)]
    top_p: f32,
    /// Follow so many continuations side by side, and print the best
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=256), conflicts_with_all = CHANCE)]
    beams: Option<u16>,
    /// Take the likeliest token each time
    #[arg(long, conflicts_with_all = CHANCE)]
    greedy: bool,
    /// Of chance [default: the seed of the program]
    #[arg(long)]
    seed: Option<u64>,
    #[command(flatten)]
    kept: Weights,
    /// Take these weights (safetensors, under the program's names)
    #[arg(long, value_name = "FILE", conflicts_with = "run")]
    weights: Option<PathBuf>,
    /// The `train` block, by name
    #[arg(long)]
    train: Option<String>,
}

const CHANCE: [&str; 4] = ["temperature", "top_k", "top_p", "seed"];

fn parse_temperature(text: &str) -> Result<f32, String> {
    let fits = |t: &f32| t.is_finite() && *t >= 0.0;
    text.parse().ok().filter(fits).ok_or_else(|| "expected a number that is not negative".into())
}

fn parse_probability(text: &str) -> Result<f32, String> {
    let fits = |p: &f32| *p > 0.0 && *p <= 1.0;
    text.parse().ok().filter(fits).ok_or_else(|| "expected a number above 0, and 1 at most".into())
}

impl Options {
    fn choice(&self) -> Choice {
        match self.beams {
            Some(beams) => Choice::Beams(beams.into()),
            None if self.greedy => Choice::Sample { temperature: 0.0, best: 0, mass: 1.0 },
            None => Choice::Sample { temperature: self.temperature, best: self.top_k, mass: self.top_p },
        }
    }
}

pub fn run(options: &Options, output: &Output) -> Result<(), Failure> {
    let session = output.open_run(&options.program, options.kept.run.as_deref())?;
    let fail = |d| Failure::run(d, &session);
    interrupt::install();
    let start = match options.weights {
        Some(_) => Start::Weights,
        None => options.kept.start(),
    };
    let run = Run::new(&session, options.train.as_deref(), &options.machine.options(), start).map_err(fail)?;
    if let Some(path) = &options.weights {
        run.load_weights(path).map_err(fail)?;
    }
    let request =
        Request { prompt: &options.prompt, most: options.max_tokens, choice: options.choice(), seed: options.seed };
    let mut all = String::new();
    let mut print = |text: &str| if output.json { all.push_str(text) } else { put(text) };
    let generated = run.generate(&request, &mut print).map_err(fail)?;
    if output.json {
        say(json!({ "reason": "generated", "text": all }));
    } else {
        put("\n");
    }
    if let Some(full) = generated.full {
        note(format_args!(
            "note: the context of {full} tokens was full; from there on the model saw the last {} or more",
            full / 2
        ));
    }
    match generated.ended {
        Ended::Finished => Ok(()),
        Ended::Interrupted => Err(Failure::Interrupted),
    }
}

//! The command line, one file a command. Results go to standard output, progress and logs to standard error.
//!
//! Exit codes: 0 well; 1 diagnostics; 2 usage; 3 the run failed; 130 interrupted, after a checkpoint.

mod bench;
mod check;
mod eval;
mod explain;
mod export;
mod fmt;
mod generate;
mod ir;
mod new;
mod output;
mod predict;
mod summary;
mod tokenizer;
mod train;

use crate::driver::compile::{Form, MachineOptions};
use crate::driver::run::Start;
use crate::train::console::note;
use clap::builder::PossibleValue;
use clap::{Args, Parser, Subcommand, ValueEnum};
use output::Output;
use std::path::PathBuf;
use std::process::ExitCode;

/// A compiler for neural networks: checks every shape, compiles to machine code, trains.
#[derive(Parser)]
#[command(name = "nnc", version, max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    command: Command,
    #[command(flatten)]
    global: Global,
}

#[derive(Args)]
struct Global {
    /// Form of diagnostics and results
    #[arg(long, global = true, value_enum, default_value = "human")]
    message_format: Format,
    /// Colours in diagnostics
    #[arg(long, global = true, value_enum, default_value = "auto")]
    color: Color,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    Human,
    Json,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Color {
    Auto,
    Always,
    Never,
}

impl ValueEnum for Form {
    fn value_variants<'a>() -> &'a [Form] {
        &Form::ALL
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        Some(PossibleValue::new(self.name()))
    }
}

#[derive(Subcommand)]
enum Command {
    New(new::Options),
    Check(check::Options),
    Summary(summary::Options),
    Ir(ir::Options),
    Train(train::Options),
    Eval(eval::Options),
    Predict(predict::Options),
    Generate(generate::Options),
    Export(export::Options),
    Bench(bench::Options),
    Tokenizer(tokenizer::Options),
    Explain(explain::Options),
    Fmt(fmt::Options),
}

/// The program, and values for its settings and top-level `let`s.
#[derive(Args)]
struct Program {
    /// The .nn file
    file: PathBuf,
    /// Give a top-level `let` or a setting another value
    #[arg(long = "set", value_name = "NAME=VALUE", value_parser = parse_set)]
    set: Vec<(String, String)>,
}

/// How phases are compiled and run.
#[derive(Args)]
struct Machine {
    /// Threads that compute [default: the machine's cores]
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..=MOST_THREADS))]
    threads: Option<u16>,
    /// The form of machine code: all give the same bits [default: the fastest that runs here]
    #[arg(long, value_enum)]
    code: Option<Form>,
}

/// Which weights a command takes.
#[derive(Args)]
struct Weights {
    /// The run's folder [default: the program's latest under runs/]
    #[arg(long, value_name = "FOLDER")]
    run: Option<PathBuf>,
    /// Without a run: give what the program does not load its first values
    #[arg(long)]
    untrained: bool,
}

impl Weights {
    fn start(&self) -> Start {
        Start::Kept { folder: self.run.clone(), untrained: self.untrained }
    }
}

/// More than any machine has: such a number is a slip.
const MOST_THREADS: i64 = 256;

impl Machine {
    /// The options; threads that share a core are worth a note.
    fn options(&self) -> MachineOptions {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let threads = self.threads.map_or(cores, usize::from);
        if threads > cores {
            note(format_args!("note: {threads} threads on {cores} cores wait for each other: fewer are faster"));
        }
        MachineOptions {
            threads,
            code: self.code,
            profile: false,
            check_passes: std::env::var("NNC_CHECK").is_ok_and(|what| what == "each-pass"),
            run: Default::default(),
        }
    }
}

fn parse_set(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("expected NAME=VALUE")?;
    Ok((name.trim().to_string(), value.trim().to_string()))
}

/// Runs the command line; the only place that chooses an exit code.
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    let output = Output::new(&cli.global);
    let result = match cli.command {
        Command::New(options) => new::run(&options),
        Command::Check(options) => check::run(&options, &output),
        Command::Summary(options) => summary::run(&options, &output),
        Command::Ir(options) => ir::run(&options, &output),
        Command::Train(options) => train::run(&options, &output),
        Command::Eval(options) => eval::run(&options, &output),
        Command::Predict(options) => predict::run(&options, &output),
        Command::Generate(options) => generate::run(&options, &output),
        Command::Export(options) => export::run(&options, &output),
        Command::Bench(options) => bench::run(&options, &output),
        Command::Tokenizer(options) => tokenizer::run(&options, &output),
        Command::Explain(options) => explain::run(&options),
        Command::Fmt(options) => fmt::run(&options, &output),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.report(&output),
    }
}

//! `nnc fmt`: one layout for all programs.

use super::output::{Failure, Output, say};
use crate::source::SourceMap;
use crate::syntax;
use crate::train::checkpoint::replace;
use clap::Args;
use std::path::{Path, PathBuf};

/// Format programs in place
#[derive(Args)]
pub struct Options {
    /// The .nn files
    #[arg(required = true)]
    files: Vec<PathBuf>,
    /// Change nothing; exit with 1 where a file would change
    #[arg(long)]
    check: bool,
}

pub fn run(options: &Options, output: &Output) -> Result<(), Failure> {
    let mut clean = true;
    for file in &options.files {
        clean &= format(file, options.check, output)?;
    }
    if clean { Ok(()) } else { Err(Failure::Diagnostics) }
}

/// `false` where the file does not parse, or differs under `--check`. A file with errors is left as it is.
fn format(path: &Path, check: bool, output: &Output) -> Result<bool, Failure> {
    let usage = |what: &str, e: std::io::Error| Failure::Usage(format!("cannot {what} `{}`: {e}", path.display()));
    let text = std::fs::read_to_string(path).map_err(|e| usage("read", e))?;
    let mut sources = SourceMap::default();
    let id = sources.add(&path.display().to_string(), &text);
    let (_, diagnostics) = syntax::parse(id, &text);
    if !diagnostics.is_empty() {
        output.diagnostics(&diagnostics, &sources);
        return Ok(false);
    }
    let formatted = syntax::format(&text);
    if formatted == text {
        return Ok(true);
    }
    if check {
        say(format_args!("{} would change", path.display()));
        return Ok(false);
    }
    replace(path, formatted.as_bytes()).map_err(|e| usage("write", e))?;
    Ok(true)
}

//! `nnc explain E0123`: what an error means, an example, and how to mend it.

use super::output::{Failure, say};
use crate::diag::{Code, codes};
use clap::Args;

/// Explain an error code
#[derive(Args)]
pub struct Options {
    /// A code such as E0301; without one, all codes are listed
    code: Option<String>,
}

pub fn run(options: &Options) -> Result<(), Failure> {
    let Some(code) = &options.code else {
        codes::all().for_each(|e| say(format_args!("{}  {}", e.code, e.title)));
        return Ok(());
    };
    let number = code.trim_start_matches(['E', 'e']).parse().map(Code);
    let found = number.ok().and_then(codes::explain);
    let explanation = found.ok_or_else(|| Failure::Usage(format!("there is no error code `{code}`")))?;
    say(format_args!("{}: {}\n\n{}", explanation.code, explanation.title, explanation.text.trim()));
    Ok(())
}

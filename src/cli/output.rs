//! What commands say and how they fail.

use super::{Color, Format, Global, Program};
use crate::diag::{Diagnostic, render};
use crate::driver::Session;
use crate::source::SourceMap;
use crate::train::fit::Scores;
use serde_json::json;
use std::fmt::Display;
use std::io::{IsTerminal, Write};
use std::process::ExitCode;

pub struct Output {
    pub json: bool,
    color: bool,
}

/// Why a command ends without success.
pub enum Failure {
    /// Diagnostics were printed: exit code 1.
    Diagnostics,
    /// Bad usage: 2.
    Usage(String),
    /// The run failed: 3.
    Run(Box<Diagnostic>, Box<SourceMap>),
    /// Interrupted, after a checkpoint: 130.
    Interrupted,
}

impl Failure {
    pub fn run(diagnostic: Diagnostic, session: &Session) -> Failure {
        Failure::Run(Box::new(diagnostic), Box::new(session.sources.clone()))
    }

    pub fn report(self, output: &Output) -> ExitCode {
        match self {
            Failure::Diagnostics => ExitCode::from(1),
            Failure::Usage(message) => {
                eprintln!("error: {message}");
                ExitCode::from(2)
            }
            Failure::Run(diagnostic, sources) => {
                output.diagnostics(&[*diagnostic], &sources);
                ExitCode::from(3)
            }
            Failure::Interrupted => ExitCode::from(130),
        }
    }
}

/// A line on standard output. A reader that has gone away (`| head`) ends the command, as the signal would have.
pub fn say(line: impl Display) {
    if writeln!(std::io::stdout(), "{line}").is_err() {
        std::process::exit(128 + libc::SIGPIPE);
    }
}

impl Output {
    pub fn new(global: &Global) -> Output {
        let color = match global.color {
            Color::Always => true,
            Color::Never => false,
            Color::Auto => std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|v| v.is_empty()),
        };
        Output { json: global.message_format == Format::Json, color }
    }

    /// People read diagnostics on standard error; tools read one object a line on standard output.
    pub fn diagnostics(&self, diagnostics: &[Diagnostic], sources: &SourceMap) {
        if self.json {
            diagnostics.iter().for_each(|d| say(render::render_json(d, sources)));
        } else if !diagnostics.is_empty() {
            eprint!("{}", render::render_human(diagnostics, sources, self.color));
        }
    }

    /// What phases reported, a line each.
    pub fn scores(&self, scores: &Scores) {
        for (title, metrics) in scores {
            if self.json {
                say(json!({ "reason": "metrics", "phase": title, "metrics": metrics.json() }));
            } else {
                say(format_args!("{title} {}", metrics.line()));
            }
        }
    }

    /// Opens and checks a program and prints what the checker says; an error ends the command.
    pub fn open(&self, program: &Program) -> Result<Session, Failure> {
        let session = Session::open(&program.file, &program.set)
            .map_err(|e| Failure::Usage(format!("cannot read `{}`: {e}", program.file.display())))?;
        self.diagnostics(&session.diagnostics, &session.sources);
        if session.has_errors() { Err(Failure::Diagnostics) } else { Ok(session) }
    }
}

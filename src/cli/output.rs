//! What commands say and how they fail.

use super::{Color, Format, Global, Program};
use crate::diag::{Diagnostic, render};
use crate::driver::Session;
use crate::source::SourceMap;
use crate::train::checkpoint::Stored;
use crate::train::console::note;
use crate::train::fit::Scores;
use crate::train::folder::RunFolder;
use serde_json::json;
use std::fmt::Display;
use std::io::{IsTerminal, Write};
use std::path::Path;
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
                note(format_args!("error: {message}"));
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

/// A part of a line on standard output, at once.
pub fn put(text: &str) {
    let mut out = std::io::stdout();
    if out.write_all(text.as_bytes()).and_then(|()| out.flush()).is_err() {
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
            note(render::render_human(diagnostics, sources, self.color).trim_end_matches('\n'));
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
        let session = self.session(program, &[])?;
        self.checked(session)
    }

    /// The same with what the program asks of its data (sizes of vocabularies), for which it is opened.
    pub fn open_with_data(&self, program: &Program) -> Result<Session, Failure> {
        let session = self.session(program, &[])?;
        self.resolved(session)
    }

    /// The same with the `--set` values of the run in this folder, and with what it learned from its data; the values of
    /// the command line come after those.
    pub fn open_run(&self, program: &Program, folder: Option<&Path>) -> Result<Session, Failure> {
        let folder = RunFolder::of(folder, &program.file);
        let session = self.session(program, &folder.as_ref().map(|f| f.sets()).unwrap_or_default())?;
        if let Some(progress) = folder.and_then(|f| Stored::open(&f.last()).and_then(|s| s.progress()).ok()) {
            session.remember(&progress.fitted);
        }
        self.resolved(session)
    }

    fn resolved(&self, mut session: Session) -> Result<Session, Failure> {
        if !session.has_errors() {
            session.resolve().map_err(|d| Failure::run(d, &session))?;
        }
        self.checked(session)
    }

    fn checked(&self, session: Session) -> Result<Session, Failure> {
        self.diagnostics(&session.diagnostics, &session.sources);
        if session.has_errors() { Err(Failure::Diagnostics) } else { Ok(session) }
    }

    fn session(&self, program: &Program, stored: &[(String, String)]) -> Result<Session, Failure> {
        let sets: Vec<_> =
            stored.iter().filter(|(n, _)| program.set.iter().all(|(own, _)| own != n)).cloned().collect();
        if !sets.is_empty() {
            let list = sets.iter().map(|(n, v)| format!("{n}={v}")).collect::<Vec<_>>().join(" ");
            note(format_args!("note: with the run's own settings: {list}"));
        }
        let sets: Vec<_> = sets.into_iter().chain(program.set.iter().cloned()).collect();
        Session::open(&program.file, &sets)
            .map_err(|e| Failure::Usage(format!("cannot read `{}`: {e}", program.file.display())))
    }
}

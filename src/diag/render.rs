//! Rendering of diagnostics: the only place that knows miette.
//!
//! [`render_human`] draws the source with its labels, in boxes with the feature `fancy` and as plain sentences
//! without; [`render_json`] makes one object for `--message-format json`.

use super::{Diagnostic, Fix, Label, Severity};
use crate::source::{SourceFile, SourceMap, Span};
use miette::{LabeledSpan, NamedSource, SourceCode};
use serde_json::{Value, json};
use std::fmt;
use std::sync::Arc;

/// All diagnostics as text for a terminal, each with its source.
pub fn render_human(diagnostics: &[Diagnostic], sources: &SourceMap, color: bool) -> String {
    let mut out = String::new();
    for diagnostic in diagnostics {
        // Writing to a string cannot fail; a report that miette refuses keeps its message.
        if draw(&mut out, &View::new(diagnostic, sources), color).is_err() {
            out.push_str(&diagnostic.message);
        }
        out.push('\n');
    }
    out
}

#[cfg(feature = "fancy")]
fn draw(out: &mut String, view: &View, color: bool) -> fmt::Result {
    let theme = if color { miette::GraphicalTheme::unicode() } else { miette::GraphicalTheme::unicode_nocolor() };
    miette::GraphicalReportHandler::new_themed(theme).with_links(false).with_width(100).render_report(out, view)
}

#[cfg(not(feature = "fancy"))]
fn draw(out: &mut String, view: &View, _color: bool) -> fmt::Result {
    miette::NarratableReportHandler::new().render_report(out, view)
}

/// What miette sees of a diagnostic: one file. Labels in other files are notes below it.
#[derive(Debug)]
struct View {
    message: String,
    code: Option<String>,
    severity: miette::Severity,
    labels: Vec<LabeledSpan>,
    help: Option<String>,
    source: Option<NamedSource<Arc<str>>>,
    elsewhere: Vec<View>,
}

impl View {
    fn new(diagnostic: &Diagnostic, sources: &SourceMap) -> View {
        let home = diagnostic.labels.first().map(|label| label.span.file);
        let (here, there): (Vec<&Label>, Vec<&Label>) =
            diagnostic.labels.iter().partition(|label| Some(label.span.file) == home);
        View {
            message: diagnostic.message.clone(),
            code: Some(diagnostic.code.to_string()),
            severity: severity(diagnostic.severity),
            labels: here.iter().map(|label| labelled(label, sources)).collect(),
            help: help(diagnostic, sources),
            source: home.map(|id| named(sources.file(id))),
            elsewhere: there.iter().map(|label| View::note(label, sources)).collect(),
        }
    }

    fn note(label: &Label, sources: &SourceMap) -> View {
        View {
            message: label.text.clone(),
            code: None,
            severity: miette::Severity::Advice,
            labels: vec![labelled(label, sources)],
            help: None,
            source: Some(named(sources.file(label.span.file))),
            elsewhere: vec![],
        }
    }
}

fn named(file: &SourceFile) -> NamedSource<Arc<str>> {
    NamedSource::new(&file.name, file.text.clone())
}

/// A label whose span lies within its file, whatever happened to it.
fn labelled(label: &Label, sources: &SourceMap) -> LabeledSpan {
    let length = sources.file(label.span.file).text.len();
    let start = (label.span.start as usize).min(length);
    let end = (label.span.end as usize).clamp(start, length);
    let text = (!label.text.is_empty()).then(|| label.text.clone());
    LabeledSpan::new(text, start, end - start)
}

fn severity(severity: Severity) -> miette::Severity {
    match severity {
        Severity::Error => miette::Severity::Error,
        Severity::Warning => miette::Severity::Warning,
        Severity::Note => miette::Severity::Advice,
    }
}

/// The help, and on a line of its own what the fix would write, unless the help says it.
fn help(diagnostic: &Diagnostic, sources: &SourceMap) -> Option<String> {
    let says = |fix: &&Fix| diagnostic.help.as_ref().is_some_and(|h| h.contains(&format!("`{}`", fix.replacement)));
    let fix = diagnostic.fix.as_ref().filter(|fix| !says(fix)).map(|fix| fix_line(fix, sources));
    let lines: Vec<String> = diagnostic.help.iter().cloned().chain(fix).collect();
    (!lines.is_empty()).then(|| lines.join("\n"))
}

fn fix_line(fix: &Fix, sources: &SourceMap) -> String {
    let old = sources.text(fix.span);
    let says = fix.title.contains(&format!("`{}`", fix.replacement.trim())) || fix.title.starts_with("write `");
    match (old.is_empty(), fix.replacement.is_empty()) {
        (true, _) if says => fix.title.clone(),
        (true, _) => format!("{}: insert `{}`", fix.title, fix.replacement.trim()),
        (false, true) => format!("{}: remove `{old}`", fix.title),
        (false, false) if says => format!("{} instead of `{old}`", fix.title),
        (false, false) => format!("{}: write `{}` instead of `{old}`", fix.title, fix.replacement),
    }
}

impl fmt::Display for View {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for View {}

impl miette::Diagnostic for View {
    fn code<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        self.code.as_ref().map(|code| Box::new(code) as Box<dyn fmt::Display>)
    }

    fn severity(&self) -> Option<miette::Severity> {
        Some(self.severity)
    }

    fn help<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        self.help.as_ref().map(|help| Box::new(help) as Box<dyn fmt::Display>)
    }

    fn source_code(&self) -> Option<&dyn SourceCode> {
        self.source.as_ref().map(|source| source as &dyn SourceCode)
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        (!self.labels.is_empty()).then(|| Box::new(self.labels.iter().cloned()) as Box<dyn Iterator<Item = _>>)
    }

    fn related<'a>(&'a self) -> Option<Box<dyn Iterator<Item = &'a dyn miette::Diagnostic> + 'a>> {
        let notes = self.elsewhere.iter().map(|view| view as &dyn miette::Diagnostic);
        (!self.elsewhere.is_empty()).then(|| Box::new(notes) as Box<dyn Iterator<Item = _>>)
    }
}

/// One object for each diagnostic; lines and columns count from 1, `start` and `end` are bytes.
pub fn render_json(diagnostic: &Diagnostic, sources: &SourceMap) -> Value {
    json!({
        "reason": "diagnostic",
        "code": diagnostic.code.to_string(),
        "severity": severity_word(diagnostic.severity),
        "message": diagnostic.message,
        "labels": diagnostic.labels.iter().map(|l| place(l.span, &l.text, sources)).collect::<Vec<_>>(),
        "help": diagnostic.help,
        "fix": diagnostic.fix.as_ref().map(|fix| json!({
            "title": fix.title,
            "file": &*sources.file(fix.span.file).name,
            "start": fix.span.start,
            "end": fix.span.end,
            "replacement": fix.replacement,
        })),
    })
}

fn place(span: Span, text: &str, sources: &SourceMap) -> Value {
    let file = sources.file(span.file);
    let (start, end) = (file.position(span.start), file.position(span.end));
    json!({
        "file": &*file.name,
        "line": start.line,
        "column": start.column,
        "end_line": end.line,
        "end_column": end.column,
        "start": span.start,
        "end": span.end,
        "text": text,
    })
}

fn severity_word(severity: Severity) -> &'static str {
    match severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
        Severity::Note => "note",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diag::Code;

    fn example() -> (Diagnostic, SourceMap) {
        let mut sources = SourceMap::default();
        let main = sources.add("main.nn", "let a = 1\nlet b = é + c\n");
        let other = sources.add("other.nn", "fn c() { 1 }\n");
        let diagnostic = Diagnostic::error(Code(101), "there is no `c`")
            .label(Span::new(main, 23, 24), "not found here")
            .label(Span::new(main, 4, 5), "did you mean this?")
            .label(Span::new(other, 3, 4), "a function, not a value")
            .help("names are case-sensitive")
            .fix(Span::new(main, 23, 24), "a", "use `a`");
        (diagnostic, sources)
    }

    #[test]
    fn text_shows_code_message_labels_of_all_files_help_and_fix() {
        let (diagnostic, sources) = example();
        let text = render_human(&[diagnostic], &sources, false);
        for part in ["E0101", "there is no `c`", "main.nn", "other.nn", "not found here", "did you mean this?"] {
            assert!(text.contains(part), "{part} in\n{text}");
        }
        for part in ["a function, not a value", "names are case-sensitive", "use `a` instead of `c`", "fn c() { 1 }"] {
            assert!(text.contains(part), "{part} in\n{text}");
        }
        assert!(!text.contains('\u{1b}'), "{text}");
    }

    #[test]
    fn help_and_fix_say_a_thing_once() {
        let (diagnostic, sources) = example();
        let span = diagnostic.labels[0].span;
        let meant = Diagnostic::error(Code(101), "no").help("did you mean `a`?").fix(span, "a", "write `a`");
        let text = render_human(&[meant], &sources, false);
        assert_eq!((text.matches("`a`").count(), text.matches("write").count()), (1, 0), "{text}");
        let call = Diagnostic::error(Code(101), "no").label(span, "").fix(span, "c()", "write `c()`");
        let text = render_human(&[call], &sources, false);
        assert!(text.contains("write `c()` instead of `c`") && text.matches("write").count() == 1, "{text}");
    }

    #[test]
    fn a_diagnostic_without_a_place_and_one_past_the_end_are_drawn() {
        let mut sources = SourceMap::default();
        let file = sources.add("empty.nn", "");
        let nowhere = Diagnostic::warning(Code(1), "nowhere");
        let past = Diagnostic::error(Code(2), "past").label(Span::new(file, 5, 9), "end");
        let text = render_human(&[nowhere, past], &sources, false);
        assert!(text.contains("nowhere") && text.contains("past"), "{text}");
    }

    #[test]
    fn json_has_positions_in_characters_and_bytes() {
        let (diagnostic, sources) = example();
        let value = render_json(&diagnostic, &sources);
        assert_eq!(value["reason"], "diagnostic");
        assert_eq!(value["code"], "E0101");
        assert_eq!(value["severity"], "error");
        let expected = json!({
            "file": "main.nn", "line": 2, "column": 13, "end_line": 2, "end_column": 14, "start": 23, "end": 24,
            "text": "not found here",
        });
        assert_eq!(value["labels"][0], expected);
        assert_eq!(value["labels"][2]["file"], "other.nn");
        let fix = json!({"title": "use `a`", "file": "main.nn", "start": 23, "end": 24, "replacement": "a"});
        assert_eq!(value["fix"], fix);
    }
}

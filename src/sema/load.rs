//! `load "file.safetensors" into net { … }`: checked without the file.

use super::checker::Checker;
use super::defs::{did_you_mean, suggest};
use super::value::Value;
use super::weights::{Fault, Line, Load, Pattern, Turn, likeness};
use crate::diag::{Code, Diagnostic};
use crate::ops::Extent;
use crate::source::Span;
use crate::syntax::ast::{Clause, Directive, Expr, ExprKind, MapOption, MapSide, Mapping, StringLit};

impl Checker {
    /// After the phases: only then all parameters of the target are known.
    pub fn check_load(&mut self, d: &Directive) -> Option<Load> {
        let [Clause::Expr(path), Clause::Expr(into), Clause::Expr(target)] = &d.clauses[..] else {
            self.report(malformed(d.word.span));
            return None;
        };
        if !is_word(into, "into") {
            self.report(malformed(into.span));
            return None;
        }
        let file = self.file_name(path);
        let prefix = self.target_path(target).map(|path| path.to_string());
        let lines: Vec<Option<Line>> = d.mappings.iter().map(|m| self.map_line(m)).collect();
        let mut lines = lines.into_iter().collect::<Option<Vec<_>>>()?;
        if d.mappings.is_empty() {
            lines.push(Line::identity(d.span));
        }
        let load = Load { path: file?, target: prefix?, target_text: path_text(target), lines, span: d.word.span };
        d.mappings.iter().zip(&load.lines).for_each(|(mapping, line)| self.check_fit(&load, mapping, line));
        Some(load)
    }

    fn file_name(&mut self, path: &Expr) -> Option<String> {
        match self.eval(path) {
            Value::Str(text) => Some(text.to_string()),
            Value::Error => None,
            other => {
                self.report(no_file_name(path.span, other.describe()));
                None
            }
        }
    }

    fn map_line(&mut self, m: &Mapping) -> Option<Line> {
        let (foreign, own) = (self.map_side(&m.from)?, self.map_side(&m.to)?);
        let mut line = Line { foreign, own, turn: Turn::Same, along: 0, parts: None, span: m.span };
        for option in &m.options {
            self.map_option(option, &mut line)?;
        }
        let fault = faulty(&line);
        if let Some(diag) = fault {
            self.report(diag);
            return None;
        }
        widen(&mut line);
        Some(line)
    }

    fn map_side(&mut self, side: &MapSide) -> Option<Vec<Pattern>> {
        match side {
            MapSide::Word(word) if &*word.text == "skip" => Some(vec![]),
            MapSide::Word(word) => {
                self.report(no_pattern(word.span));
                None
            }
            MapSide::Names(names) => names.iter().map(|name| self.pattern(name)).collect(),
        }
    }

    fn pattern(&mut self, text: &StringLit) -> Option<Pattern> {
        match Pattern::parse(&text.text) {
            Ok(pattern) => Some(pattern),
            Err(fault) => {
                self.report(bad_pattern(text.span, fault));
                None
            }
        }
    }

    fn map_option(&mut self, option: &MapOption, line: &mut Line) -> Option<()> {
        let at = option.value.as_ref().map_or(option.word.span, |v| v.span);
        match (&*option.word.text, &option.value) {
            ("transposed", None) => line.turn = Turn::Swapped,
            ("transposed", Some(order)) => {
                let order = self.eval_naturals(order)?;
                let mut sorted = order.clone();
                sorted.sort_unstable();
                if !sorted.iter().copied().eq(0..order.len()) {
                    self.report(bad_option(at, "every axis once, as in `transposed [2, 3, 1, 0]`"));
                    return None;
                }
                line.turn = Turn::Order(order);
            }
            ("along", Some(axis)) => line.along = self.eval_natural(axis)?,
            ("parts", Some(lengths)) => line.parts = Some(self.eval_naturals(lengths)?),
            ("along", None) => return self.fail_option(at, "an axis, as in `along 1`"),
            ("parts", None) => return self.fail_option(at, "lengths, as in `parts [512, 128]`"),
            _ => {
                self.report(unknown_option(option));
                return None;
            }
        }
        Some(())
    }

    fn fail_option(&mut self, at: Span, expected: &str) -> Option<()> {
        self.report(bad_option(at, expected));
        None
    }

    fn eval_natural(&mut self, e: &Expr) -> Option<usize> {
        let n = self.eval_int(e)?;
        let fine = usize::try_from(n).ok();
        if fine.is_none() {
            self.report(bad_option(e.span, "a number that is not negative"));
        }
        fine
    }

    fn eval_naturals(&mut self, e: &Expr) -> Option<Vec<usize>> {
        let value = self.eval(e);
        let natural = |v: &Value| match v {
            Value::Dim(n) => n.known().and_then(|n| usize::try_from(n).ok()),
            _ => None,
        };
        let found: Option<Vec<usize>> = match &value {
            Value::List(items) => items.iter().map(natural).collect(),
            _ => None,
        };
        if found.is_none() && !value.is_error() {
            self.report(bad_option(e.span, "a list of numbers"));
        }
        found
    }

    /// Names on the right that no parameter has are slips of the pen.
    fn check_fit(&mut self, load: &Load, mapping: &Mapping, line: &Line) {
        let MapSide::Names(texts) = &mapping.to else { return };
        let states = self.params.iter().filter(|p| p.kind.is_weight());
        let names: Vec<String> = states.filter_map(|p| load.local(&p.path)).map(str::to_string).collect();
        // After another error parameters may be missing.
        if self.diags.iter().any(Diagnostic::is_error) {
            return;
        }
        for (pattern, text) in line.own.iter().zip(texts) {
            if !names.iter().any(|name| pattern.captures(name).is_some()) {
                self.report(fits_nothing(text, &load.target_text, &names));
            }
        }
    }
}

pub(super) fn is_word(e: &Expr, word: &str) -> bool {
    matches!(&e.kind, ExprKind::Name(name) if &*name.text == word)
}

/// `net.bert` as it is written.
pub(super) fn path_text(e: &Expr) -> String {
    match &e.kind {
        ExprKind::Name(name) => name.text.to_string(),
        ExprKind::Field(base, field) => format!("{}.{}", path_text(base), field.text),
        _ => String::new(),
    }
}

/// A hole that ends all patterns of its line stands for all that follows.
fn widen(line: &mut Line) {
    let patterns = || line.foreign.iter().chain(&line.own);
    let last: Vec<Option<String>> = patterns().map(|p| p.last_hole().map(str::to_string)).collect();
    if last.windows(2).all(|w| w[0] == w[1]) {
        line.foreign.iter_mut().chain(&mut line.own).for_each(Pattern::widen);
    }
}

/// What makes a line impossible to follow in both directions.
fn faulty(line: &Line) -> Option<Diagnostic> {
    let patterns: Vec<&Pattern> = line.foreign.iter().chain(&line.own).collect();
    let holes = |p: &Pattern| {
        let mut names: Vec<String> = p.holes().map(str::to_string).collect();
        names.sort();
        names
    };
    let first = patterns.first()?;
    let other = patterns.iter().find(|p| holes(p) != holes(first));
    let lengths = line.parts.as_ref().map_or(line.foreign.len(), Vec::len);
    match other {
        Some(other) => Some(other_holes(line.span, &first.text, &other.text)),
        None if lengths != line.foreign.len() => Some(other_parts(line.span, line.foreign.len(), lengths)),
        None if line.foreign.len() > 1 && line.own.len() > 1 => Some(many_to_many(line.span)),
        None => None,
    }
}

fn malformed(span: Span) -> Diagnostic {
    Diagnostic::error(Code(540), "this `load` cannot be read")
        .label(span, "expected a file, `into` and a layer instance")
        .help("write `load \"model.safetensors\" into net { \"foreign.name\" -> \"own.name\" }`")
}

fn no_file_name(span: Span, what: &str) -> Diagnostic {
    Diagnostic::error(Code(540), format!("a file name is needed here, and this is {what}"))
        .label(span, "expected a string")
}

fn no_pattern(span: Span) -> Diagnostic {
    Diagnostic::error(Code(541), "a line of `load` has names on both sides")
        .label(span, "expected a string, a list of strings, or `skip`")
        .help("`\"name\" -> skip` leaves a tensor of the file out, `skip -> \"name\"` a parameter of the program")
}

fn bad_pattern(span: Span, fault: Fault) -> Diagnostic {
    let what = match fault {
        Fault::Brace => "a brace without its partner",
        Fault::Name => "a name is missing in the braces, as in `{i}`",
        Fault::Twice => "the same name twice",
        Fault::Adjacent => "nothing between two holes",
    };
    Diagnostic::error(Code(541), "this pattern cannot be read").label(span, what)
}

fn other_holes(span: Span, first: &str, other: &str) -> Diagnostic {
    Diagnostic::error(Code(541), "the patterns of this line have different holes")
        .label(span, format!("`{first}` and `{other}` cannot be turned into each other"))
        .help("each name in braces stands once on either side")
}

fn other_parts(span: Span, names: usize, lengths: usize) -> Diagnostic {
    Diagnostic::error(Code(541), format!("{lengths} lengths for {names} names"))
        .label(span, "`parts` gives the length of each tensor of the file")
}

fn many_to_many(span: Span) -> Diagnostic {
    Diagnostic::error(Code(541), "several names on both sides")
        .label(span, "what goes where?")
        .help("a list on the left joins tensors, a list on the right splits one: use two lines")
}

fn bad_option(span: Span, expected: &str) -> Diagnostic {
    Diagnostic::error(Code(541), "this part of the line cannot be read").label(span, format!("expected {expected}"))
}

fn unknown_option(option: &MapOption) -> Diagnostic {
    let word = &option.word;
    let diag = Diagnostic::error(Code(541), format!("`{}` says nothing about a tensor", word.text))
        .label(word.span, "expected `transposed`, `along` or `parts`");
    did_you_mean(diag, word.span, suggest(&word.text, ["transposed", "along", "parts"].into_iter()))
}

fn fits_nothing(text: &StringLit, target: &str, names: &[String]) -> Diagnostic {
    let diag = Diagnostic::error(Code(542), format!("`{target}` has no parameter `{}`", text.text))
        .label(text.span, "fits no name");
    let nearest = names.iter().max_by(|a, b| likeness(&text.text, a).total_cmp(&likeness(&text.text, b)));
    match nearest {
        Some(name) => diag.help(format!("the nearest is `{name}`")),
        None => diag,
    }
}

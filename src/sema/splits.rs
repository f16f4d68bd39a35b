//! `split train, validate 5_000 of train by hash, test`

use super::checker::Checker;
use super::data::{Holds, Source};
use super::model::{Split, SplitBy, SplitSize};
use super::value::Value;
use crate::diag::{Code, Diagnostic};
use crate::ops::Extent;
use crate::source::Span;
use crate::syntax::ast::{Clause, Directive, Expr, ExprKind, Name};

/// One part between commas.
struct Part {
    name: Name,
    size: Option<Value>,
    of: Option<Name>,
    by: Option<Name>,
}

/// The splits of a directive, and whether a part was left out because of an error, which is reported.
pub fn parse(checker: &mut Checker, directive: &Directive, source: &Source) -> (Vec<Split>, bool) {
    let groups: Vec<&[Clause]> = directive.clauses.split(|c| matches!(c, Clause::Comma(_))).collect();
    let count = groups.len();
    let parts: Vec<Part> = groups.into_iter().filter_map(|g| part(checker, g, directive.span)).collect();
    let mut splits: Vec<Split> = vec![];
    for part in &parts {
        if let Some(diag) = wrong_parent(part, &parts, source) {
            checker.report(diag);
            continue;
        }
        let parent = parent_of(part, source);
        // The same part split by one rule: a `by` anywhere holds for all its pieces.
        let same_parent = |p: &&Part| parent_of(p, source) == parent;
        let by = parts.iter().filter(same_parent).find_map(|p| p.by.as_ref());
        if let Some(by) = by.filter(|by| source.kind.holds == Holds::Text && &*by.text != "position") {
            checker.report(text_by_position(by));
            continue;
        }
        let by = by.map_or(default_rule(source), split_by);
        match size_of(part, parent, source, &parts) {
            Some(size) => splits.push(Split { name: part.name.text.to_string(), size, by, span: part.name.span }),
            None => {
                checker.report(bad_size(part.name.span));
            }
        }
    }
    check_fractions(checker, &splits, directive.span);
    let broken = splits.len() < count;
    (splits, broken)
}

/// Windows of one part of a text must not reach into another: a text is cut into pieces.
fn default_rule(source: &Source) -> SplitBy {
    if source.kind.holds == Holds::Text { SplitBy::Position } else { SplitBy::Hash }
}

/// `of` names a part that the source has, or another split, and not in a circle.
fn wrong_parent(part: &Part, parts: &[Part], source: &Source) -> Option<Diagnostic> {
    let mut of = part.of.as_ref()?;
    for _ in parts {
        if source.has_part(&of.text) {
            return None;
        }
        let Some(parent) = parts.iter().find(|p| p.name.text == of.text) else { return Some(no_parent(of)) };
        match &parent.of {
            Some(next) => of = next,
            None => return None,
        }
    }
    Some(circular(of))
}

/// Without a `split`: the source's own parts, or everything as `train`.
pub fn default_splits(source: &Source, span: Span) -> Vec<Split> {
    let by = default_rule(source);
    let own = |name: &String| Split { name: name.clone(), size: SplitSize::Own, by: by.clone(), span };
    if source.parts.is_empty() {
        let size = SplitSize::Rest { of: String::new() };
        return vec![Split { name: "train".into(), size, by, span }];
    }
    source.parts.iter().map(own).collect()
}

fn part(checker: &mut Checker, clauses: &[Clause], span: Span) -> Option<Part> {
    let mut exprs = clauses.iter().filter_map(|c| if let Clause::Expr(e) = c { Some(e) } else { None }).peekable();
    let Some(name) = exprs.next().and_then(as_name) else {
        checker.report(bad_split(exprs.next().map_or(span, |e| e.span)));
        return None;
    };
    let mut part = Part { name: name.clone(), size: None, of: None, by: None };
    while let Some(expr) = exprs.next() {
        match as_name(expr).map(|n| &*n.text) {
            Some("of") => part.of = exprs.next().and_then(as_name).cloned(),
            Some("by") => part.by = exprs.next().and_then(as_name).cloned(),
            _ if part.size.is_none() => part.size = Some(checker.eval(expr)),
            _ => {
                checker.report(bad_split(expr.span));
                return None;
            }
        }
    }
    Some(part)
}

fn as_name(expr: &Expr) -> Option<&Name> {
    if let ExprKind::Name(n) = &expr.kind { Some(n) } else { None }
}

/// The part of the source, or the split, that this one is cut from; empty for all of the source.
fn parent_of(part: &Part, source: &Source) -> String {
    let is_own = source.has_part(&part.name.text);
    match &part.of {
        Some(of) => of.text.to_string(),
        None if is_own => part.name.text.to_string(),
        None => String::new(),
    }
}

fn size_of(part: &Part, of: String, source: &Source, parts: &[Part]) -> Option<SplitSize> {
    let shared = parts.iter().filter(|p| parent_of(p, source) == of).count() > 1;
    // Of another split it takes a part that is said.
    let nested = part.of.as_ref().is_some_and(|of| !source.has_part(&of.text));
    Some(match &part.size {
        None if nested => return None,
        None if source.has_part(&part.name.text) && !shared => SplitSize::Own,
        None => SplitSize::Rest { of },
        Some(Value::Float(v)) if *v > 0.0 && *v <= 1.0 => SplitSize::Fraction { of, part: *v },
        Some(Value::Dim(d)) => {
            let rows = d.known().and_then(|n| usize::try_from(n).ok()).filter(|&n| n > 0)?;
            SplitSize::Rows { of, rows }
        }
        Some(_) => return None,
    })
}

fn split_by(name: &Name) -> SplitBy {
    match &*name.text {
        "hash" => SplitBy::Hash,
        "position" => SplitBy::Position,
        field => SplitBy::Field(field.into()),
    }
}

fn check_fractions(checker: &mut Checker, splits: &[Split], span: Span) {
    let mut sums: Vec<(&str, f64)> = vec![];
    for split in splits {
        if let SplitSize::Fraction { of, part } = &split.size {
            match sums.iter_mut().find(|(n, _)| n == of) {
                Some((_, sum)) => *sum += part,
                None => sums.push((of, *part)),
            }
        }
    }
    if let Some((_, sum)) = sums.iter().find(|(_, sum)| *sum > 1.0 + 1e-9) {
        checker.report(too_much(*sum, span));
    }
}

fn bad_split(span: Span) -> Diagnostic {
    Diagnostic::error(Code(516), "this split cannot be read")
        .label(span, "expected a name, a size, `of` and `by`")
        .help("for example `split train 0.9, test 0.1 by hash`")
}

fn bad_size(span: Span) -> Diagnostic {
    Diagnostic::error(Code(516), "the size of a split is a fraction up to 1.0 or a number of rows")
        .label(span, "this split")
}

fn too_much(sum: f64, span: Span) -> Diagnostic {
    Diagnostic::error(Code(516), format!("the parts of the split add up to {sum}")).label(span, "more than 1.0")
}

fn no_parent(of: &Name) -> Diagnostic {
    Diagnostic::error(Code(516), format!("there is no part `{}` to split", of.text))
        .label(of.span, "neither a part of the source nor another split")
}

fn circular(of: &Name) -> Diagnostic {
    Diagnostic::error(Code(516), "these splits are parts of each other").label(of.span, "the circle goes through here")
}

fn text_by_position(by: &Name) -> Diagnostic {
    Diagnostic::error(Code(516), "a text is split by position")
        .label(by.span, "windows of one part would overlap those of another")
        .help("write `by position`: each part takes the next piece of the text")
}

//! Pest pairs to Ast.
//!
//! Every builder takes the pair of one rule. Error nodes were reported before ([`super::errors`]); here they only
//! become `Error` nodes: what is missing is an `Error` expression, type or pattern, a list with text that does not
//! belong in it makes the expression that owns it an `Error`.

mod expr;
mod item;
mod member;
mod stmt;
mod types;

use super::ast::*;
use super::errors;
use super::grammar::Rule;
use crate::diag::Diagnostic;
use crate::source::{FileId, Span};
use pest::iterators::{Pair, Pairs};
use std::iter::Peekable;

/// The deepest Ast that is built: every later stage recurses over it.
const MAX_DEPTH: usize = 1024;

/// Builds the file from the pairs of the tolerant entry, and reports what the grammar cannot express.
pub(super) fn file(id: FileId, text: &str, pairs: Pairs<'_, Rule>) -> (File, Vec<Diagnostic>) {
    let mut builder = Builder { file: id, text, depth: 0, diagnostics: vec![] };
    let items = pairs.flat_map(Kids::new).filter_map(|pair| builder.item(pair)).collect();
    (File { id, items }, builder.diagnostics)
}

struct Builder<'i> {
    file: FileId,
    text: &'i str,
    /// Levels of expressions and chains of operators around the present one.
    depth: usize,
    diagnostics: Vec<Diagnostic>,
}

impl<'i> Builder<'i> {
    /// The place of a pair, without the blanks that pest leaves at its end.
    fn span(&self, pair: &Pair<'i, Rule>) -> Span {
        let span = pair.as_span();
        Span::new(self.file, span.start(), span.start() + span.as_str().trim_end().len())
    }

    fn name(&self, pair: Pair<'i, Rule>) -> Name {
        Name { text: pair.as_str().trim_end().into(), span: self.span(&pair) }
    }

    /// Quoted text; one that is never closed runs to the end of its line.
    fn string(&self, pair: Pair<'i, Rule>) -> StringLit {
        StringLit { text: pair.as_str().trim_matches('"').into(), span: self.span(&pair) }
    }

    /// `None` if a name is missing after a dot.
    fn path(&self, pair: Pair<'i, Rule>) -> Option<Path> {
        let span = self.span(&pair);
        let broken = is_broken(&pair);
        let names = Kids::new(pair).map(|name| self.name(name)).collect();
        (!broken).then_some(Path { names, span })
    }

    /// Builds at `levels` more of depth; `None`, with a diagnostic, if that is too deep.
    fn deeper<T>(&mut self, levels: usize, span: Span, build: impl FnOnce(&mut Self) -> T) -> Option<T> {
        if self.depth + levels > MAX_DEPTH {
            self.diagnostics.push(errors::expression_too_deep(span));
            return None;
        }
        self.depth += levels;
        let built = build(self);
        self.depth -= levels;
        Some(built)
    }

    /// The comment lines directly above the line at `start`, without slashes.
    fn doc(&self, start: u32) -> Option<std::sync::Arc<str>> {
        let line_start = self.text[..start as usize].rfind('\n').map_or(0, |i| i + 1);
        let comment = |line: &'i str| line.trim().strip_prefix("//").map(|text| text.trim_start_matches('/'));
        let comment = |line| comment(line).map(|text| text.strip_prefix(' ').unwrap_or(text));
        let mut lines: Vec<_> = self.text[..line_start].lines().rev().map_while(comment).collect();
        lines.reverse();
        (!lines.is_empty()).then(|| lines.join("\n").into())
    }
}

/// The children of a pair that carry meaning, taken in order.
///
/// Keywords and error nodes are left out, except for missing expressions, types and patterns, which stand for
/// an `Error` of their kind.
struct Kids<'i> {
    pairs: Peekable<std::vec::IntoIter<Pair<'i, Rule>>>,
}

impl<'i> Kids<'i> {
    fn new(pair: Pair<'i, Rule>) -> Self {
        let kept: Vec<_> = pair.into_inner().filter(|p| !is_left_out(p.as_rule())).collect();
        Kids { pairs: kept.into_iter().peekable() }
    }

    /// The next child if it comes from this rule.
    fn next_of(&mut self, rule: Rule) -> Option<Pair<'i, Rule>> {
        self.pairs.next_if(|p| p.as_rule() == rule)
    }

    fn next_among(&mut self, wanted: impl Fn(Rule) -> bool) -> Option<Pair<'i, Rule>> {
        self.pairs.next_if(|p| wanted(p.as_rule()))
    }
}

impl<'i> Iterator for Kids<'i> {
    type Item = Pair<'i, Rule>;

    fn next(&mut self) -> Option<Self::Item> {
        self.pairs.next()
    }
}

fn is_left_out(rule: Rule) -> bool {
    use Rule::*;
    let stands_for_error = matches!(rule, missing_expr | missing_type | missing_dim | missing_pattern);
    is_keyword(rule) || (errors::is_error(rule) && !stands_for_error && !errors::is_line(rule))
}

fn is_keyword(rule: Rule) -> bool {
    use Rule::*;
    matches!(
        rule,
        kw_let
            | kw_if
            | kw_else
            | kw_for
            | kw_in
            | kw_scan
            | kw_fn
            | kw_where
            | kw_yield
            | kw_use
            | kw_vjp
            | kw_from
            | kw_every
            | kw_report
            | kw_minimize
            | kw_over
            | kw_with
            | kw_weight
            | kw_along
            | kw_reversed
            | kw_while
            | kw_checkpoint
    )
}

/// Whether an error node stands directly below the pair.
fn is_broken(pair: &Pair<'_, Rule>) -> bool {
    pair.clone().into_inner().any(|p| errors::is_error(p.as_rule()))
}

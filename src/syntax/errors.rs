//! Syntax errors: which grammar rules are error nodes, what each says, and the constructors of the rest.

mod indent;
mod words;

use super::grammar::Rule;
use crate::diag::{Code, Diagnostic};
use crate::source::{FileId, Span};
use pest::iterators::{Pair, Pairs};
use std::collections::HashSet;

const EXPECTED: Code = Code(1);
const UNEXPECTED: Code = Code(2);
const NOT_AN_ITEM: Code = Code(3);
const UNCLOSED: Code = Code(4);
const UNMATCHED: Code = Code(5);
const TOO_DEEP: Code = Code(6);
const CHAINED: Code = Code(7);
const BAD_NUMBER: Code = Code(8);
const UNCLOSED_STRING: Code = Code(9);
const MIXED_RECORD: Code = Code(10);
const ASSIGNMENT: Code = Code(11);
const BARE_NOT: Code = Code(12);
const VJP: Code = Code(13);
const SPREAD: Code = Code(14);

/// An error node of the grammar that stands for a whole item, member or statement.
pub(super) fn is_line(rule: Rule) -> bool {
    use Rule::*;
    matches!(rule, item_error | member_error | stmt_error | mapping_error | trailing)
}

/// An error node of the grammar.
pub(super) fn is_error(rule: Rule) -> bool {
    use Rule::*;
    is_line(rule) || is_missing(rule) || matches!(rule, junk_header | junk_list | bad_number | bad_string)
}

fn is_missing(rule: Rule) -> bool {
    use Rule::*;
    matches!(
        rule,
        missing_name
            | missing_params
            | missing_type
            | missing_dim
            | missing_expr
            | missing_pattern
            | missing_string
            | missing_block
            | missing_equals
            | missing_colon
            | missing_arrow
            | missing_in
            | missing_close
            | missing_brace
            | missing_end
            | skipped
    )
}

/// One diagnostic for each error node, but only the first of a line: the rest follow from it.
pub(super) fn collect(file: FileId, text: &str, pairs: Pairs<'_, Rule>) -> Vec<Diagnostic> {
    let mut collector = Collector { file, text, lines: HashSet::new(), found: vec![] };
    for pair in pairs {
        collector.walk(&pair);
    }
    collector.found
}

struct Collector<'i> {
    file: FileId,
    text: &'i str,
    /// The lines that have an error, by the number of newlines before them.
    lines: HashSet<usize>,
    found: Vec<Diagnostic>,
}

impl<'i> Collector<'i> {
    fn walk(&mut self, parent: &Pair<'i, Rule>) {
        for pair in parent.clone().into_inner() {
            if is_error(pair.as_rule()) {
                self.report(&pair, parent);
            }
            self.walk(&pair);
        }
    }

    fn report(&mut self, pair: &Pair<'i, Rule>, parent: &Pair<'i, Rule>) {
        let line = self.text[..pair.as_span().start()].matches('\n').count();
        if self.lines.insert(line) {
            let diagnostic = self.describe(pair, parent);
            self.found.push(diagnostic);
        }
    }

    fn describe(&self, pair: &Pair<'i, Rule>, parent: &Pair<'i, Rule>) -> Diagnostic {
        let start = pair.as_span().start();
        let slice = pair.as_str().trim_end();
        let span = self.span(start, start + slice.len());
        match pair.as_rule() {
            Rule::bad_number => malformed_number(span, slice),
            Rule::bad_string => unclosed_string(span),
            Rule::item_error if slice == "}" => unmatched_brace(span),
            Rule::item_error => not_an_item(span, slice),
            Rule::trailing | Rule::stmt_error if slice.starts_with('=') => not_assignable(span),
            Rule::missing_expr if self.compound_operator(start).is_some() => self.compound_assignment(start),
            rule if is_missing(rule) && self.bare_point(start).is_some() => self.no_leading_digit(start),
            Rule::junk_list if self.is_equals_label(slice, start, parent) => self.equals_label(start),
            Rule::missing_close => self.unclosed(start, parent),
            Rule::missing_brace => self.open_brace(start, parent),
            rule if is_missing(rule) => self.missing(start, &words::wanted(rule, parent.as_rule())),
            rule => {
                let help = words::word_help(line_word(pair, parent));
                let diagnostic = unexpected(span, slice, &words::instead(rule, parent.as_rule()));
                let diagnostic = Diagnostic { help: diagnostic.help.or(help), ..diagnostic };
                if rule == Rule::junk_list { self.opened_above(diagnostic, start, parent) } else { diagnostic }
            }
        }
    }

    /// Shows the bracket of a list if it stands in another line than the error.
    fn opened_above(&self, diagnostic: Diagnostic, at: usize, list: &Pair<'i, Rule>) -> Diagnostic {
        let open_at = list.as_span().start();
        match self.text[open_at..at].contains('\n') {
            true => diagnostic.label(self.span(open_at, open_at + 1), "inside this bracket"),
            false => diagnostic,
        }
    }

    fn span(&self, start: usize, end: usize) -> Span {
        Span::new(self.file, start, end)
    }

    /// What stands at `at`, or, at the end of a line, the end of what stands before.
    fn place(&self, at: usize) -> (Span, String) {
        let before = words::token_before(self.text, at);
        let after = if before.text.is_empty() { String::new() } else { format!(" after `{}`", before.text) };
        match words::token_after(self.text, at) {
            Some(next) => (self.span(next.start, next.start + next.text.len()), after),
            None => (self.span(before.end(), before.end()), after),
        }
    }

    fn missing(&self, at: usize, wanted: &str) -> Diagnostic {
        let (span, after) = self.place(at);
        Diagnostic::error(EXPECTED, format!("expected {wanted}{after}")).label(span, format!("expected {wanted}"))
    }

    fn unclosed(&self, at: usize, parent: &Pair<'i, Rule>) -> Diagnostic {
        let (span, after) = self.place(at);
        let open_at = parent.as_span().start();
        let opener = &self.text[open_at..open_at + 1];
        let wanted = words::closing(opener, parent.as_rule(), words::token_before(self.text, at).text);
        Diagnostic::error(UNCLOSED, format!("expected {wanted}{after}"))
            .label(span, format!("expected {wanted}"))
            .label(self.span(open_at, open_at + 1), format!("this `{opener}` is not closed"))
    }

    fn open_brace(&self, at: usize, parent: &Pair<'i, Rule>) -> Diagnostic {
        let open_at = indent::outdented_brace(self.text, at).unwrap_or(parent.as_span().start());
        let (place, before) = match words::token_after(self.text, at) {
            Some(next) => (self.span(next.start, next.start + next.text.len()), format!("before `{}`", next.text)),
            None => (self.span(self.text.len(), self.text.len()), "at the end of the file".to_owned()),
        };
        Diagnostic::error(UNCLOSED, format!("expected `}}` {before}"))
            .label(place, "expected `}`")
            .label(self.span(open_at, open_at + 1), "this `{` is not closed")
    }

    /// The `.5` that stands at `at`.
    fn bare_point(&self, at: usize) -> Option<words::Token<'i>> {
        let rest = self.text[at..].trim_start();
        let digits = rest.strip_prefix('.')?.bytes().take_while(u8::is_ascii_digit).count();
        (digits > 0).then(|| words::Token { text: &rest[..=digits], start: self.text.len() - rest.len() })
    }

    fn no_leading_digit(&self, at: usize) -> Diagnostic {
        let Some(number) = self.bare_point(at) else { return self.missing(at, "an expression") };
        Diagnostic::error(BAD_NUMBER, format!("`{}` is not a number", number.text))
            .label(self.span(number.start, number.end()), "a digit must stand before the point")
            .fix(self.span(number.start, number.start), "0", format!("write `0{}`", number.text))
    }

    /// `kernel=3` in a call.
    fn is_equals_label(&self, junk: &str, at: usize, parent: &Pair<'i, Rule>) -> bool {
        let after_name = words::is_name(words::token_before(self.text, at).text);
        parent.as_rule() == Rule::call && junk.starts_with('=') && !junk.starts_with("==") && after_name
    }

    fn equals_label(&self, at: usize) -> Diagnostic {
        let name = words::token_before(self.text, at);
        let value = self.text.len() - self.text[at + 1..].trim_start_matches([' ', '\t']).len();
        Diagnostic::error(UNEXPECTED, "arguments are labelled with `:`")
            .label(self.span(at, at + 1), "not an assignment")
            .fix(self.span(name.end(), value), ": ", "label it with `:`")
    }

    /// The `+` of `x += 1`.
    fn compound_operator(&self, at: usize) -> Option<&'i str> {
        let operator = words::token_before(self.text, at).text;
        let assigns = self.text[at..].starts_with('=') && self.text[..at].ends_with(operator);
        (assigns && matches!(operator, "+" | "-" | "*" | "/" | "%" | "@" | "**")).then_some(operator)
    }

    fn compound_assignment(&self, at: usize) -> Diagnostic {
        let operator = words::token_before(self.text, at);
        Diagnostic::error(ASSIGNMENT, format!("there is no `{}=`", operator.text))
            .label(self.span(operator.start, at + 1), "not an assignment")
            .help(format!("write `x = x {} …`", operator.text))
    }
}

/// The only word before the rest of a line that fits nowhere, as `return` in `return x`; or empty.
fn line_word<'i>(pair: &Pair<'i, Rule>, parent: &Pair<'i, Rule>) -> &'i str {
    let start = pair.as_span().start();
    let before = parent.clone().into_inner().take_while(|p| p.as_span().start() < start).last();
    before.map(|p| p.as_str().trim_end()).filter(|text| words::is_name(text)).unwrap_or_default()
}

/// The grammar's tolerant entry accepts any text; this is for what pest itself refuses.
pub(super) fn unreadable(file: FileId, error: &pest::error::Error<Rule>) -> Diagnostic {
    let at = match error.location {
        pest::error::InputLocation::Pos(at) | pest::error::InputLocation::Span((at, _)) => at,
    };
    Diagnostic::error(UNEXPECTED, "this file cannot be parsed")
        .label(Span::new(file, at, at), "the parser stopped here")
}

pub(super) fn too_deep(file: FileId, at: usize) -> Diagnostic {
    let limit = super::depth::MAX_BRACKETS;
    Diagnostic::error(TOO_DEEP, format!("brackets are nested more than {limit} deep"))
        .label(Span::new(file, at, at + 1), "too deep")
        .help("give parts names with `let`, or move them into functions")
}

pub(super) fn expression_too_deep(span: Span) -> Diagnostic {
    Diagnostic::error(TOO_DEEP, "this expression has too many operators")
        .label(span, "too long")
        .help("give parts names with `let`")
}

pub(super) fn chained_comparison(op: Span, left: Span) -> Diagnostic {
    Diagnostic::error(CHAINED, "comparisons don't chain")
        .label(op, "a second comparison")
        .label(left, "this is already a comparison")
        .help("join two comparisons with `and`, or put one in parentheses")
}

pub(super) fn chained_range(op: Span) -> Diagnostic {
    Diagnostic::error(CHAINED, "ranges don't chain").label(op, "a second range")
}

pub(super) fn bare_not(span: Span) -> Diagnostic {
    Diagnostic::error(BARE_NOT, "`not` binds more loosely than the operator on its left")
        .label(span, "put this in parentheses")
}

pub(super) fn number_too_large(span: Span) -> Diagnostic {
    Diagnostic::error(BAD_NUMBER, "this number is too large")
        .label(span, "integers have 64 bits, floats end near 1.8e308")
}

fn malformed_number(span: Span, text: &str) -> Diagnostic {
    Diagnostic::error(BAD_NUMBER, format!("`{text}` is not a number"))
        .label(span, "expected a number")
        .help("numbers are written `5_000`, `0.5`, `1e-3`; names don't begin with a digit")
}

fn unclosed_string(span: Span) -> Diagnostic {
    Diagnostic::error(UNCLOSED_STRING, "this string is not closed")
        .label(span, "expected `\"` before the end of the line")
}

fn unmatched_brace(span: Span) -> Diagnostic {
    Diagnostic::error(UNMATCHED, "`}` without an open `{`").label(span, "nothing to close here")
}

fn not_an_item(span: Span, text: &str) -> Diagnostic {
    let diagnostic = Diagnostic::error(NOT_AN_ITEM, "expected a definition at the top level of the file")
        .label(span, "expected `fn`, `let`, `use`, `layer`, `model`, `data` or `train`");
    match text.split_once('=') {
        Some((name, _)) if words::is_name(name.trim()) => {
            diagnostic.fix(Span { end: span.start, ..span }, "let ", "define it with `let`")
        }
        _ => diagnostic,
    }
}

fn not_assignable(span: Span) -> Diagnostic {
    Diagnostic::error(ASSIGNMENT, "only a name can be assigned")
        .label(span, "what stands left of this is not a name")
        .help("values don't change in place: build a new one, with `where` or `update`, and rebind the name")
}

fn unexpected(span: Span, text: &str, instead: &str) -> Diagnostic {
    let found = words::token_after(text, 0).map_or(text, |token| token.text);
    let diagnostic = Diagnostic::error(UNEXPECTED, format!("expected {instead}, found `{found}`"))
        .label(span, format!("expected {instead}"));
    match found {
        ";" => diagnostic.help("a statement ends with its line; there are no semicolons"),
        _ => diagnostic,
    }
}

pub(super) fn mixed_record(span: Span) -> Diagnostic {
    Diagnostic::error(MIXED_RECORD, "either all values in parentheses have a label, or none")
        .label(span, "some have a label, some have none")
        .help("a record is `(a: x, b: y)`, a tuple `(x, y)`")
}

pub(super) fn vjp_without_composite(vjp: Span, function: Span) -> Diagnostic {
    let insert = Span { end: function.start, ..function };
    Diagnostic::error(VJP, "only a `composite fn` has a gradient of its own")
        .label(vjp, "this function is differentiated through its body")
        .fix(insert, "composite ", "make the function composite")
}

pub(super) fn spread_in_comprehension(span: Span) -> Diagnostic {
    Diagnostic::error(SPREAD, "`*` cannot stand before `for`")
        .label(span, "each turn of a comprehension makes one element")
        .help("join the lists with `+`")
}

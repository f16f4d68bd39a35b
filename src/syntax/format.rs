//! The formatter: the author's lines, with indentation, blanks and empty lines made regular.
//!
//! It works on tokens, so that comments stay where they are and a broken file can be formatted too. Only blanks and
//! empty lines change, never a token or a line break between tokens.

mod tokens;

use tokens::{Token, tokens};

const STEP: usize = 2;

/// The text in the usual layout. Formatting twice changes nothing more.
pub fn format(text: &str) -> String {
    let mut layout = Layout::default();
    for line in text.lines() {
        layout.line(&tokens(line));
    }
    layout.out
}

/// An open bracket.
struct Open<'t> {
    text: &'t str,
    /// The indentation of the line in which the construct begins: its closing bracket goes there.
    indent: usize,
    /// The indentation of what it holds.
    inner: usize,
    /// Elements have commas between, so that a comma does not make the next line a continuation.
    is_list: bool,
}

#[derive(Default)]
struct Layout<'t> {
    out: String,
    open: Vec<Open<'t>>,
    /// The last line with code ends with something that goes on.
    continues: bool,
    /// The last line stands among the facts of a definition, after its `where`.
    in_where: bool,
    empty_lines: usize,
    /// The last line ended with `{`, or there is none.
    at_start: bool,
}

impl<'t> Layout<'t> {
    fn line(&mut self, line: &[Token<'t>]) {
        let Some(first) = line.first() else {
            self.empty_lines += 1;
            return;
        };
        if self.empty_lines > 0 && !self.at_start && !self.out.is_empty() && first.text != "}" {
            self.out.push('\n');
        }
        self.empty_lines = 0;
        let indent = self.indent(line);
        self.in_where = tokens::is_where_line(line) || (self.in_where && self.continues);
        self.out.extend(std::iter::repeat_n(' ', indent));
        self.tokens(line, indent);
        self.out.push('\n');
        if let Some(last) = line.iter().rfind(|token| !token.is_comment()) {
            self.continues = self.goes_on(last);
        }
        self.at_start = line.last().is_some_and(|token| token.text == "{");
    }

    fn indent(&self, line: &[Token<'t>]) -> usize {
        let closers = line.iter().take_while(|token| token.closes()).count().min(self.open.len());
        if closers > 0 {
            return self.open[self.open.len() - closers].indent;
        }
        let continued = self.continues || tokens::continues_above(line);
        self.open.last().map_or(0, |open| open.inner) + if continued { STEP } else { 0 }
    }

    /// Whether the next line belongs to the statement that ends with this token.
    fn goes_on(&self, last: &Token<'t>) -> bool {
        let in_list = self.open.last().is_some_and(|open| open.is_list);
        last.is_binary() || (last.text == "," && !in_list)
    }

    fn tokens(&mut self, line: &[Token<'t>], indent: usize) {
        // A block after the facts of a definition belongs to the definition above.
        let mut start = if self.in_where { indent.saturating_sub(STEP) } else { indent };
        let mut column = indent;
        for (i, token) in line.iter().enumerate() {
            let blanks = if i > 0 { self.blanks(&line[..i], token) } else { 0 };
            self.out.extend(std::iter::repeat_n(' ', blanks));
            self.out.push_str(token.text);
            column += blanks + token.text.chars().count();
            if token.opens() {
                let inner = inner_indent(&line[i..], start, column);
                let is_list = line[0].text == "use" || token.text != "{";
                self.open.push(Open { text: token.text, indent: start, inner, is_list });
            } else if token.closes() {
                start = self.open.pop().map_or(start, |open| open.indent);
            }
        }
    }

    /// The blanks between the last token of `before` and `token`.
    fn blanks(&self, before: &[Token<'t>], token: &Token<'t>) -> usize {
        if token.is_comment() {
            return token.blanks.max(1);
        }
        let previous = &before[before.len() - 1];
        let in_square = self.open.last().is_some_and(|open| open.text == "[");
        let is_prefix = tokens::is_prefix(before, token.blanks == 0);
        usize::from(spaced(previous, token, is_prefix, in_square))
    }
}

/// The indentation inside of the bracket at the start of `line`: elements stand below the first one, if that follows.
fn inner_indent(line: &[Token<'_>], start: usize, column: usize) -> usize {
    let follows = line.get(1).is_some_and(|next| !next.is_comment());
    if line[0].text != "{" && follows { column } else { start + STEP }
}

/// Whether a blank stands between two tokens; `is_prefix`: the first is a sign, `in_square`: a colon is a slice.
fn spaced(first: &Token<'_>, second: &Token<'_>, is_prefix: bool, in_square: bool) -> bool {
    match (first.text, second.text) {
        ("{", "}") | ("(" | "[", _) | (_, ")" | "]" | ",") => false,
        (",", _) | ("{", _) | (_, "{" | "}") => true,
        _ if is_prefix => false,
        ("." | ".." | "..=", _) | (_, "." | ".." | "..=") => false,
        (":", _) => !in_square,
        (_, ":") => false,
        _ => first.is_binary() || second.is_binary() || second.blanks > 0,
    }
}

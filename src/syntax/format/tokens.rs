//! The tokens of one line.

/// A word, number, string, comment or operator.
pub(super) struct Token<'t> {
    pub text: &'t str,
    /// Blanks before it.
    pub blanks: usize,
}

const OPERATORS: [&str; 9] = ["..=", "..", "|>", "**", "==", "!=", "<=", ">=", "->"];

/// Reserved words after which a value follows.
const BEFORE_VALUE: [&str; 8] = ["in", "if", "and", "or", "not", "yield", "where", "else"];

impl Token<'_> {
    pub(super) fn is_comment(&self) -> bool {
        self.text.starts_with("//")
    }

    pub(super) fn opens(&self) -> bool {
        matches!(self.text, "(" | "[" | "{")
    }

    pub(super) fn closes(&self) -> bool {
        matches!(self.text, ")" | "]" | "}")
    }

    /// An operator with blanks around it; a sign looks the same, see [`is_prefix`].
    pub(super) fn is_binary(&self) -> bool {
        matches!(
            self.text,
            "|>" | "**" | "==" | "!=" | "<=" | ">=" | "->" | "=" | "<" | ">" | "@" | "+" | "-" | "*" | "/" | "%"
        ) || matches!(self.text, "and" | "or" | "in")
    }
}

/// Whether a line goes on with the line above.
pub(super) fn continues_above(line: &[Token<'_>]) -> bool {
    match line {
        [first, ..] => is_where_line(line) || first.text == "." || (first.is_binary() && first.text != "-"),
        [] => false,
    }
}

/// A line with the facts of a definition, not a call of `where`.
pub(super) fn is_where_line(line: &[Token<'_>]) -> bool {
    line[0].text == "where" && line.get(1).is_none_or(|next| next.text != "(")
}

/// Whether the last token is a sign (`-x`) or a spread (`*S`); `tight`: nothing stands between it and its operand.
pub(super) fn is_prefix(line: &[Token<'_>], tight: bool) -> bool {
    let Some((last, before)) = line.split_last() else { return false };
    if !matches!(last.text, "-" | "*") {
        return false;
    }
    match before.last() {
        None => tight,
        Some(token) if token.opens() || matches!(token.text, "," | ":" | ".." | "..=") => true,
        Some(token) if BEFORE_VALUE.contains(&token.text) => true,
        Some(token) if token.is_binary() => true,
        // `minimize -x`
        Some(token) => is_word(token.text) && last.blanks > 0 && tight,
    }
}

fn is_word(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
}

/// Splits one line.
pub(super) fn tokens(line: &str) -> Vec<Token<'_>> {
    let mut found = vec![];
    let mut rest = line.trim_end();
    loop {
        let text = rest.trim_start();
        if text.is_empty() {
            return found;
        }
        let (token, after) = text.split_at(length(text));
        found.push(Token { text: token.trim_end(), blanks: rest.len() - text.len() });
        rest = after;
    }
}

/// The bytes of the token at the start of the text.
fn length(text: &str) -> usize {
    let first = text.chars().next().map_or(0, char::len_utf8);
    match text.as_bytes()[0] {
        b'/' if text.starts_with("//") => text.len(),
        b'"' => text[1..].find('"').map_or(text.len(), |end| end + 2),
        b'0'..=b'9' => number_length(text.as_bytes()),
        b if b.is_ascii_alphabetic() || b == b'_' => word_length(text.as_bytes(), 0),
        _ => OPERATORS.iter().find(|op| text.starts_with(**op)).map_or(first, |op| op.len()),
    }
}

fn word_length(bytes: &[u8], from: usize) -> usize {
    let end = bytes[from..].iter().position(|b| !(b.is_ascii_alphanumeric() || *b == b'_'));
    end.map_or(bytes.len(), |end| from + end)
}

/// `5_000`, `0.5`, `1e-3`
fn number_length(bytes: &[u8]) -> usize {
    let mut end = word_length(bytes, 0);
    if bytes.get(end) == Some(&b'.') && bytes.get(end + 1).is_some_and(u8::is_ascii_digit) {
        end = word_length(bytes, end + 1);
    }
    let has_exponent = matches!(bytes[end - 1], b'e' | b'E') && matches!(bytes.get(end), Some(b'+' | b'-'));
    if has_exponent { word_length(bytes, end + 1) } else { end }
}

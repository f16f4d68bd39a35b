//! Grammar rules in words, and the tokens around a place.

use super::Rule;
use crate::diag::suggest::suggest;

/// What had to stand where a `missing_*` node is.
pub(super) fn wanted(rule: Rule, parent: Rule) -> String {
    use Rule::*;
    match (rule, parent) {
        (missing_params, _) => "`(` and parameters",
        (missing_type, _) => "a type",
        (missing_dim, _) => "a dimension",
        (missing_expr, index) => "an index",
        (missing_expr, constraints) => "a condition",
        (missing_expr, _) => "an expression",
        (missing_pattern, _) => "a name, or names in brackets",
        (missing_string, _) => "a string",
        (missing_block, use_item) => "`{` and names to import",
        (missing_block, _) => "`{`",
        (missing_equals, _) => "`=` and a value",
        (missing_colon, _) => "`:` and a type",
        (missing_arrow, _) => "`->` and a string",
        (missing_in, _) => "`in`",
        (missing_end, _) => "the end of the line",
        (skipped, _) => return format!("{} between the commas", one_of(parent)),
        _ => "a name",
    }
    .to_owned()
}

/// What could stand where there is text that fits nowhere.
pub(super) fn instead(rule: Rule, parent: Rule) -> String {
    use Rule::*;
    match rule {
        trailing => "the end of the line".to_owned(),
        junk_header => "`{`".to_owned(),
        junk_list => format!("`,` or `{}`", if closes_square(parent) { "]" } else { ")" }),
        member_error => "a member".to_owned(),
        mapping_error => "a mapping `\"from\" -> \"to\"`".to_owned(),
        _ => "a statement".to_owned(),
    }
}

/// What could follow in a list that is not closed.
pub(super) fn closing(opener: &str, parent: Rule, before: &str) -> String {
    let close = match opener {
        "(" => ")",
        "[" => "]",
        _ => "}",
    };
    match before {
        _ if parent == Rule::list_ty => format!("`{close}`"),
        "," => format!("{} or `{close}`", one_of(parent)),
        _ if before == opener => format!("{} or `{close}`", one_of(parent)),
        _ => format!("`,` or `{close}`"),
    }
}

/// Help for a line that begins with a word of another language, or with a misspelt one.
pub(super) fn word_help(word: &str) -> Option<String> {
    const WORDS: [&str; 9] = ["let", "var", "if", "for", "scan", "yield", "report", "minimize", "every"];
    let help = match word {
        "return" => "there is no `return`: the value of a block is its last expression",
        "while" => {
            "a loop that ends early is `scan i in 0..n while c { … }`; `for i in 0..n { … }` repeats for a known range"
        }
        "const" | "val" => "a name is defined with `let`",
        "def" | "func" | "function" => "a function is defined with `fn`",
        "print" => "values are shown with `report name: value`",
        _ => {
            let nearest = suggest(word, WORDS.into_iter())?;
            return Some(format!("did you mean `{nearest}`?"));
        }
    };
    Some(help.to_owned())
}

fn closes_square(parent: Rule) -> bool {
    use Rule::*;
    matches!(parent, shape | index | list | list_pattern)
}

fn one_of(parent: Rule) -> &'static str {
    use Rule::*;
    match parent {
        call => "an argument",
        params => "a parameter",
        shape => "a dimension",
        index => "an index",
        list => "an element",
        record_ty | each_fields => "a field",
        paren => "a value",
        map_body => "a mapping",
        _ => "a name",
    }
}

/// A word, string or operator in the text.
pub(super) struct Token<'t> {
    pub text: &'t str,
    pub start: usize,
}

impl Token<'_> {
    pub(super) fn end(&self) -> usize {
        self.start + self.text.len()
    }
}

/// The last token before `at`; empty at the start of the text.
pub(super) fn token_before(text: &str, at: usize) -> Token<'_> {
    let before = text[..at].trim_end();
    let length = match before.chars().next_back() {
        Some('"') => 1 + before[..before.len() - 1].rfind('"').map_or(0, |i| before.len() - 1 - i),
        Some(c) => run(before.chars().rev(), c),
        None => 0,
    };
    let start = before.len() - length;
    Token { text: &before[start..], start }
}

/// The next token after `at` in the same line.
pub(super) fn token_after(text: &str, at: usize) -> Option<Token<'_>> {
    let rest = text[at..].trim_start_matches([' ', '\t']);
    let start = text.len() - rest.len();
    let first = rest.chars().next().filter(|c| !matches!(c, '\n' | '\r') && !rest.starts_with("//"))?;
    let length = run(rest.chars(), first);
    Some(Token { text: &rest[..length], start })
}

pub(super) fn is_name(text: &str) -> bool {
    !text.is_empty() && text.chars().all(is_word) && !text.starts_with(|c: char| c.is_ascii_digit())
}

fn is_word(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_'
}

/// The bytes of the longest run that belongs together with the character it begins with.
fn run(chars: impl Iterator<Item = char>, first: char) -> usize {
    let operator = |c: char| "|>=*.<!-".contains(c);
    let belongs = |c: char| (is_word(first) && is_word(c)) || (operator(first) && operator(c));
    let more: usize = chars.skip(1).take_while(|&c| belongs(c)).map(char::len_utf8).sum();
    first.len_utf8() + more
}

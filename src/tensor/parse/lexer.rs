//! Words, numbers and signs of the text form.

use crate::ops::Literal;

#[derive(Clone, PartialEq, Debug)]
pub enum Token {
    /// `%7`
    Value(u32),
    Word(String),
    Text(String),
    Lit(Literal),
    Sign(char),
    /// `**`
    Power,
}

/// The tokens of `text`, each with its line (from 1).
pub fn tokens(text: &str) -> Result<Vec<(Token, usize)>, String> {
    let mut found = vec![];
    for (index, line) in text.lines().enumerate() {
        let mut rest = line.trim_start();
        while !rest.is_empty() && !rest.starts_with("//") {
            let (token, length) = next(rest).ok_or_else(|| format!("line {}: cannot read `{rest}`", index + 1))?;
            found.push((token, index + 1));
            rest = rest[length..].trim_start();
        }
    }
    Ok(found)
}

/// The first token and its length in bytes.
fn next(text: &str) -> Option<(Token, usize)> {
    let first = text.chars().next()?;
    match first {
        '%' => {
            let digits = run(&text[1..], |c| c.is_ascii_digit());
            Some((Token::Value(text[1..=digits].parse().ok()?), digits + 1))
        }
        '"' => quoted(text),
        _ if first.is_ascii_digit() || text.starts_with("-inf") || is_negative(text) => number(text),
        _ if first.is_alphabetic() || first == '_' => word(text),
        '*' if text.starts_with("**") => Some((Token::Power, 2)),
        '{' | '}' | '[' | ']' | '(' | ')' | ',' | ':' | '=' | '+' | '-' | '*' | '/' | '>' => {
            Some((Token::Sign(first), 1))
        }
        _ => None,
    }
}

fn is_negative(text: &str) -> bool {
    text.starts_with('-') && text[1..].starts_with(|c: char| c.is_ascii_digit())
}

fn run(text: &str, is: impl Fn(char) -> bool) -> usize {
    text.find(|c| !is(c)).unwrap_or(text.len())
}

fn quoted(text: &str) -> Option<(Token, usize)> {
    let mut content = String::new();
    let mut chars = text.char_indices().skip(1);
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => return Some((Token::Text(content), at + 1)),
            '\\' => content.push(match chars.next()?.1 {
                'n' => '\n',
                escaped => escaped,
            }),
            _ => content.push(c),
        }
    }
    None
}

fn word(text: &str) -> Option<(Token, usize)> {
    let length = run(text, |c| c.is_alphanumeric() || c == '_');
    let token = match &text[..length] {
        "true" => Token::Lit(Literal::Bool(true)),
        "false" => Token::Lit(Literal::Bool(false)),
        "inf" => Token::Lit(Literal::Float(f64::INFINITY)),
        "nan" => return nan(text),
        name => Token::Word(name.to_string()),
    };
    Some((token, length))
}

/// `nan(0x7ff8000000000000)`
fn nan(text: &str) -> Option<(Token, usize)> {
    let end = text.find(')')?;
    let bits = u64::from_str_radix(text[..end].strip_prefix("nan(0x")?, 16).ok()?;
    Some((Token::Lit(Literal::Float(f64::from_bits(bits))), end + 1))
}

/// A float has a point, an exponent or is infinite; `0x…` gives the bits of an integer.
fn number(text: &str) -> Option<(Token, usize)> {
    if text.starts_with("-inf") {
        return Some((Token::Lit(Literal::Float(f64::NEG_INFINITY)), 4));
    }
    if let Some(hex) = text.strip_prefix("0x") {
        let length = run(hex, |c| c.is_ascii_hexdigit());
        let bits = u64::from_str_radix(&hex[..length], 16).ok()?;
        return Some((Token::Lit(Literal::Int(bits as i64)), length + 2));
    }
    let length = run(text, |c| c.is_ascii_digit() || matches!(c, '-' | '.' | 'e'));
    let digits = &text[..length];
    let literal = match digits.contains(['.', 'e']) {
        true => Literal::Float(digits.parse().ok()?),
        false => Literal::Int(digits.parse().ok()?),
    };
    Some((Token::Lit(literal), length))
}

//! Tokens of the text form.

use crate::ops::Literal;

#[derive(Clone, PartialEq, Debug)]
pub enum Token {
    Word(String),
    /// `%3`
    Value(u32),
    Literal(Literal),
    /// Punctuation and operators.
    Sign(&'static str),
}

/// Longest first.
const SIGNS: [&str; 20] =
    ["..", "//", "+=", "&=", "<=", "(", ")", "[", "]", "{", "}", ":", ",", "=", "+", "*", "<", "%", "#", "-"];

/// Tokens with their line numbers, from 1.
pub fn tokens(text: &str) -> Result<Vec<(Token, usize)>, String> {
    let mut out = vec![];
    for (number, line) in text.lines().enumerate() {
        let mut rest = line.trim_start();
        while !rest.is_empty() && !rest.starts_with('#') {
            let (token, length) = next(rest).ok_or_else(|| format!("line {}: cannot read `{rest}`", number + 1))?;
            out.push((token, number + 1));
            rest = rest[length..].trim_start();
        }
    }
    Ok(out)
}

fn next(text: &str) -> Option<(Token, usize)> {
    let first = text.chars().next()?;
    let second = text[first.len_utf8()..].chars().next().unwrap_or(' ');
    if first == '%' && second.is_ascii_digit() {
        let digits = run(&text[1..], |c| c.is_ascii_digit());
        return Some((Token::Value(text[1..=digits].parse().ok()?), digits + 1));
    }
    if first.is_ascii_digit() || (first == '-' && (second.is_ascii_digit() || second == 'i')) {
        return number(text);
    }
    if first.is_alphabetic() || first == '_' {
        return Some(word(text));
    }
    let sign = SIGNS.into_iter().find(|s| text.starts_with(s))?;
    Some((Token::Sign(sign), sign.len()))
}

/// Words may have single dots inside (`fc1.w`): a dot counts where a letter or digit follows.
fn word(text: &str) -> (Token, usize) {
    let letter = |c: char| c.is_alphanumeric() || c == '_';
    let mut length = run(text, letter);
    while text[length..].starts_with('.') && text[length + 1..].starts_with(letter) {
        length += 1 + run(&text[length + 1..], letter);
    }
    let token = match &text[..length] {
        "inf" => Token::Literal(Literal::Float(f64::INFINITY)),
        "true" => Token::Literal(Literal::Bool(true)),
        "false" => Token::Literal(Literal::Bool(false)),
        word => Token::Word(word.to_string()),
    };
    (token, length)
}

/// `-12`, `0x1f`, `1.5e-7`, `-inf`; `0..4` is the integer 0 and a range sign.
fn number(text: &str) -> Option<(Token, usize)> {
    if text.starts_with("-inf") {
        return Some((Token::Literal(Literal::Float(f64::NEG_INFINITY)), 4));
    }
    if let Some(hex) = text.strip_prefix("0x") {
        let digits = run(hex, |c| c.is_ascii_hexdigit());
        let bits = u64::from_str_radix(&hex[..digits], 16).ok()?;
        return Some((Token::Literal(Literal::Int(bits as i64)), digits + 2));
    }
    let digit = |c: char| c.is_ascii_digit();
    let start = usize::from(text.starts_with('-'));
    let mut length = start + run(&text[start..], digit);
    let whole = length;
    if text[length..].starts_with('.') && text[length + 1..].starts_with(digit) {
        length += 1 + run(&text[length + 1..], digit);
    }
    if let Some(power) = text[length..].strip_prefix('e') {
        let sign = usize::from(power.starts_with('-'));
        length += 1 + sign + run(&power[sign..], digit);
    }
    let literal = match length == whole {
        true => Literal::Int(text[..length].parse().ok()?),
        false => Literal::Float(text[..length].parse().ok()?),
    };
    Some((Token::Literal(literal), length))
}

/// Bytes of the longest prefix of such characters.
fn run(text: &str, is: impl Fn(char) -> bool) -> usize {
    text.find(|c| !is(c)).unwrap_or(text.len())
}

//! A place in the tokens of a text, and the small things that every text form reads.

use super::lexer::{self, Token};
use crate::ops::{DType, Literal, Type};
use crate::tensor::Value;

pub type Read<T> = Result<T, String>;

/// Value numbers a text may use.
const MAX_VALUE: u32 = 1 << 24;

pub struct Cursor {
    tokens: Vec<(Token, usize)>,
    at: usize,
}

impl Cursor {
    pub fn new(text: &str) -> Read<Cursor> {
        Ok(Cursor { tokens: lexer::tokens(text)?, at: 0 })
    }

    pub fn peek(&self) -> Option<&Token> {
        self.tokens.get(self.at).map(|t| &t.0)
    }

    /// The line of the next token, or the last.
    pub fn line(&self) -> usize {
        let last = self.tokens.last().map_or(0, |t| t.1);
        self.tokens.get(self.at).map_or(last, |t| t.1)
    }

    pub fn error(&self, message: &str) -> String {
        format!("line {}: {message}", self.line())
    }

    pub fn fail<T>(&self, expected: &str) -> Read<T> {
        match self.peek() {
            Some(token) => Err(self.error(&format!("expected {expected}, found {token:?}"))),
            None => Err(format!("expected {expected}, found the end")),
        }
    }

    pub fn end(&self) -> Read<()> {
        if self.peek().is_none() { Ok(()) } else { self.fail("the end") }
    }

    /// Takes the next token if `f` makes something of it.
    pub fn take<T>(&mut self, expected: &str, f: impl Fn(&Token) -> Option<T>) -> Read<T> {
        match self.peek().and_then(f) {
            Some(found) => {
                self.at += 1;
                Ok(found)
            }
            None => self.fail(expected),
        }
    }

    /// Reads with `read` and converts; where that gives nothing, the error is about the text from here on.
    pub fn convert<T, U>(
        &mut self,
        expected: &str,
        read: impl FnOnce(&mut Cursor) -> Read<T>,
        f: impl FnOnce(T) -> Option<U>,
    ) -> Read<U> {
        let start = self.at;
        let found = f(read(self)?);
        found.map_or_else(
            || {
                self.at = start;
                self.fail(expected)
            },
            Ok,
        )
    }

    pub fn eat(&mut self, sign: char) -> bool {
        let found = self.peek() == Some(&Token::Sign(sign));
        self.at += usize::from(found);
        found
    }

    pub fn expect(&mut self, sign: char) -> Read<()> {
        if self.eat(sign) { Ok(()) } else { self.fail(&format!("`{sign}`")) }
    }

    pub fn at_word(&self, word: &str) -> bool {
        matches!(self.peek(), Some(Token::Word(w)) if w == word)
    }

    pub fn eat_word(&mut self, word: &str) -> bool {
        let found = self.at_word(word);
        self.at += usize::from(found);
        found
    }

    pub fn expect_word(&mut self, word: &str) -> Read<()> {
        if self.eat_word(word) { Ok(()) } else { self.fail(&format!("`{word}`")) }
    }

    pub fn word(&mut self) -> Read<String> {
        self.take("a name", |t| if let Token::Word(w) = t { Some(w.clone()) } else { None })
    }

    pub fn text(&mut self) -> Read<String> {
        self.take("quoted text", |t| if let Token::Text(w) = t { Some(w.clone()) } else { None })
    }

    pub fn value(&mut self) -> Read<Value> {
        let small = |t: &Token| if let Token::Value(n) = t { Some(Value(*n)) } else { None };
        self.take("a value", |t| small(t).filter(|v| v.0 < MAX_VALUE))
    }

    pub fn number<T: TryFrom<i64>>(&mut self, expected: &str) -> Read<T> {
        self.take(expected, |t| match t {
            Token::Lit(Literal::Int(n)) => T::try_from(*n).ok(),
            _ => None,
        })
    }

    /// Items up to `close`, separated by commas.
    pub fn list<T>(&mut self, close: char, mut item: impl FnMut(&mut Cursor) -> Read<T>) -> Read<Vec<T>> {
        let mut items = vec![];
        while !self.eat(close) {
            if !items.is_empty() {
                self.expect(',')?;
            }
            items.push(item(self)?);
        }
        Ok(items)
    }

    /// `f32[64, 10]`
    pub fn ty<D>(&mut self, dimension: impl FnMut(&mut Cursor) -> Read<D>) -> Read<Type<D>> {
        let dtype = self.take("an element type", |t| match t {
            Token::Word(word) => DType::from_name(word),
            _ => None,
        })?;
        self.expect('[')?;
        Ok(Type::new(dtype, self.list(']', dimension)?))
    }
}

//! Dimensions and attributes. A dimension is an expression as [`Dim`] prints it: `2 * floor(T / 2) + 1`. A name is a
//! symbol, the same one wherever it stands in the text.

use super::MAX_DEPTH;
use super::cursor::{Cursor, Read};
use super::lexer::Token;
use crate::ops::attr::Attr;
use crate::ops::dim::{Dim, Symbol};
use crate::ops::{DType, Extent, Literal};

/// Reads dimensions of the kind that the graph has.
pub struct Dims<D> {
    symbols: Vec<Symbol>,
    convert: fn(Dim) -> Option<D>,
}

impl<D> Dims<D> {
    pub fn new(convert: fn(Dim) -> Option<D>) -> Self {
        Dims { symbols: vec![], convert }
    }

    pub fn dimension(&mut self, cursor: &mut Cursor) -> Read<D> {
        let convert = self.convert;
        cursor.convert("a dimension", |c| self.sum(c, 0), convert)
    }

    pub fn attr(&mut self, cursor: &mut Cursor, depth: usize) -> Read<Attr<D>> {
        if depth <= MAX_DEPTH && cursor.eat('[') {
            return Ok(Attr::List(cursor.list(']', |c| self.attr(c, depth + 1))?));
        }
        let convert = self.convert;
        match cursor.peek() {
            Some(Token::Word(word)) if DType::from_name(word).is_some() => cursor.word().map(Attr::Word),
            Some(Token::Text(_)) => cursor.text().map(Attr::Text),
            Some(Token::Lit(Literal::Int(_)) | Token::Word(_) | Token::Sign('-')) => cursor.convert(
                "an attribute",
                |c| self.sum(c, 0),
                |dim| match dim {
                    Dim::Const(n) => Some(Attr::Lit(Literal::Int(n))),
                    term => convert(term).map(Attr::Dim),
                },
            ),
            _ => cursor.take("an attribute", |t| if let Token::Lit(l) = t { Some(Attr::Lit(*l)) } else { None }),
        }
    }

    fn sum(&mut self, cursor: &mut Cursor, depth: usize) -> Read<Dim> {
        if depth > MAX_DEPTH {
            return Err(cursor.error("a dimension is nested too deep"));
        }
        let negative = cursor.eat('-');
        let first = self.product(cursor, depth)?;
        let mut sum = if negative { Dim::Const(0).sub(&first) } else { first };
        loop {
            if cursor.eat('+') {
                sum = sum.add(&self.product(cursor, depth)?);
            } else if cursor.eat('-') {
                sum = sum.sub(&self.product(cursor, depth)?);
            } else {
                return Ok(sum);
            }
        }
    }

    fn product(&mut self, cursor: &mut Cursor, depth: usize) -> Read<Dim> {
        let mut product = self.power(cursor, depth)?;
        while cursor.eat('*') {
            product = product.mul(&self.power(cursor, depth)?);
        }
        Ok(product)
    }

    fn power(&mut self, cursor: &mut Cursor, depth: usize) -> Read<Dim> {
        let base = self.atom(cursor, depth)?;
        match cursor.peek() {
            Some(Token::Power) => {
                cursor.take("`**`", |_| Some(()))?;
                Ok(base.pow(cursor.number("an exponent")?))
            }
            _ => Ok(base),
        }
    }

    fn atom(&mut self, cursor: &mut Cursor, depth: usize) -> Read<Dim> {
        if cursor.eat('(') {
            let sum = self.sum(cursor, depth + 1)?;
            return cursor.expect(')').map(|()| sum);
        }
        match cursor.peek() {
            Some(Token::Word(_)) => {
                let name = cursor.word()?;
                match name == "floor" && cursor.eat('(') {
                    true => self.floor(cursor, depth),
                    false => Ok(Dim::symbol(self.symbol(&name))),
                }
            }
            _ => cursor.number("a dimension").map(Dim::Const),
        }
    }

    /// `(T + 1) / 4)`, after `floor(`.
    fn floor(&mut self, cursor: &mut Cursor, depth: usize) -> Read<Dim> {
        let inner = self.sum(cursor, depth + 1)?;
        cursor.expect('/')?;
        let divisor = cursor.number("a divisor")?;
        cursor.expect(')')?;
        Ok(inner.floor_div(divisor))
    }

    fn symbol(&mut self, name: &str) -> Symbol {
        if let Some(known) = self.symbols.iter().find(|s| &*s.name == name) {
            return known.clone();
        }
        let symbol = Symbol { name: name.into(), id: self.symbols.len() as u32 };
        self.symbols.push(symbol.clone());
        symbol
    }
}

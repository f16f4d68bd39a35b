//! Reads the text form that [`super::print`] writes. Errors name the line; [`super::verify`] checks the meaning.
//! Origins are not part of the text: they come back empty.

mod lexer;
#[cfg(test)]
mod tests;

use super::{Graph, InputRole, Inst, Origin, OutputRole, Value};
use crate::ops::attr::{Attr, Parsed};
use crate::ops::{DType, Literal, Op, Type};
use lexer::Token;

/// Reads one graph.
pub fn parse(text: &str) -> Result<Graph, String> {
    let mut parser = Parser { tokens: lexer::tokens(text)?, at: 0 };
    let graph = parser.graph(0)?;
    match parser.peek() {
        None => Ok(graph),
        Some(_) => parser.fail("the end"),
    }
}

/// Regions nest this deep at most.
const MAX_DEPTH: usize = 64;

/// Value numbers and dimensions a text may use.
const MAX_VALUE: u32 = 1 << 24;

struct Parser {
    tokens: Vec<(Token, usize)>,
    at: usize,
}

type Read<T> = Result<T, String>;

impl Parser {
    fn peek(&self) -> Option<&Token> {
        self.tokens.get(self.at).map(|t| &t.0)
    }

    fn line(&self) -> usize {
        let last = self.tokens.last().map_or(0, |t| t.1);
        self.tokens.get(self.at).map_or(last, |t| t.1)
    }

    fn error(&self, message: &str) -> String {
        format!("line {}: {message}", self.line())
    }

    fn fail<T>(&self, expected: &str) -> Read<T> {
        match self.peek() {
            Some(token) => Err(self.error(&format!("expected {expected}, found {token:?}"))),
            None => Err(format!("expected {expected}, found the end")),
        }
    }

    /// Takes the next token if `f` makes something of it.
    fn take<T>(&mut self, expected: &str, f: impl Fn(&Token) -> Option<T>) -> Read<T> {
        match self.peek().and_then(f) {
            Some(found) => {
                self.at += 1;
                Ok(found)
            }
            None => self.fail(expected),
        }
    }

    fn eat(&mut self, sign: char) -> bool {
        let found = self.peek() == Some(&Token::Sign(sign));
        self.at += usize::from(found);
        found
    }

    fn expect(&mut self, sign: char) -> Read<()> {
        if self.eat(sign) { Ok(()) } else { self.fail(&format!("`{sign}`")) }
    }

    fn eat_word(&mut self, word: &str) -> bool {
        let found = matches!(self.peek(), Some(Token::Word(w)) if w == word);
        self.at += usize::from(found);
        found
    }

    fn word(&mut self) -> Read<String> {
        self.take("a name", |t| if let Token::Word(w) = t { Some(w.clone()) } else { None })
    }

    fn text(&mut self) -> Read<String> {
        self.take("quoted text", |t| if let Token::Text(w) = t { Some(w.clone()) } else { None })
    }

    fn value(&mut self) -> Read<Value> {
        let small = |t: &Token| if let Token::Value(n) = t { Some(Value(*n)) } else { None };
        self.take("a value", |t| small(t).filter(|v| v.0 < MAX_VALUE))
    }

    fn dimension(&mut self) -> Read<usize> {
        self.take("a dimension", |t| match t {
            Token::Lit(Literal::Int(n)) => usize::try_from(*n).ok(),
            _ => None,
        })
    }

    /// Items up to `close`, separated by commas.
    fn list<T>(&mut self, close: char, item: impl Fn(&mut Self) -> Read<T>) -> Read<Vec<T>> {
        let mut items = vec![];
        while !self.eat(close) {
            if !items.is_empty() {
                self.expect(',')?;
            }
            items.push(item(self)?);
        }
        Ok(items)
    }

    fn ty(&mut self) -> Read<Type> {
        let dtype = self.take("an element type", |t| match t {
            Token::Word(word) => DType::from_name(word),
            _ => None,
        })?;
        self.expect('[')?;
        Ok(Type::new(dtype, self.list(']', Self::dimension)?))
    }

    fn graph(&mut self, depth: usize) -> Read<Graph> {
        if !self.eat_word("graph") {
            return self.fail("`graph`");
        }
        if depth > MAX_DEPTH {
            return Err(self.error("regions are nested too deep"));
        }
        let mut graph = Graph::new(self.text()?);
        self.expect('{')?;
        while !self.eat('}') {
            match self.eat_word("output") {
                true => self.output(&mut graph)?,
                false => self.inst(&mut graph, depth)?,
            }
        }
        Ok(graph)
    }

    fn output(&mut self, graph: &mut Graph) -> Read<()> {
        let role = self.word()?;
        let (name, value) = (self.text()?, self.value()?);
        let role = match role.as_str() {
            "update" => OutputRole::Update,
            "result" => OutputRole::Result,
            "check" => OutputRole::Check,
            "report" if self.eat_word("weight") => OutputRole::Report { weight: self.value()? },
            _ => return self.fail("a role of an output"),
        };
        graph.output(name, role, value);
        Ok(())
    }

    fn inst(&mut self, graph: &mut Graph, depth: usize) -> Read<()> {
        let line = self.line();
        let results = self.results(graph)?;
        let name = self.word()?;
        let lead = self.lead(line)?;
        let args = self.args(line)?;
        let op = self.op(&name, lead, line)?;
        if let Op::Input { .. } = op {
            let role = self.role()?;
            graph.inputs.extend(results.iter().map(|v| (*v, role)));
        }
        let mut regions = vec![];
        while matches!(self.peek(), Some(Token::Word(w)) if w == "graph") {
            regions.push(self.graph(depth + 1)?);
        }
        graph.insts.push(Inst { op, args, results, regions, origin: Origin::default() });
        Ok(())
    }

    /// `%5: f32[2], %6: i32[2] =`; records the types.
    fn results(&mut self, graph: &mut Graph) -> Read<Vec<Value>> {
        let results = self.list('=', |p| {
            let value = p.value()?;
            p.expect(':')?;
            Ok((value, p.ty()?))
        })?;
        for (value, ty) in &results {
            let index = value.0 as usize;
            if graph.types.len() <= index {
                graph.types.resize(index + 1, Type::scalar(DType::Bool));
            }
            graph.types[index] = ty.clone();
        }
        Ok(results.into_iter().map(|(value, _)| value).collect())
    }

    /// The attribute before the arguments: a literal or quoted text on the instruction's line.
    fn lead(&mut self, line: usize) -> Read<Option<Attr>> {
        match self.peek() {
            Some(Token::Text(_) | Token::Lit(_)) if self.line() == line => self.attr(0).map(Some),
            _ => Ok(None),
        }
    }

    fn args(&mut self, line: usize) -> Read<Vec<Value>> {
        let mut args = vec![];
        while self.line() == line && matches!(self.peek(), Some(Token::Value(_))) {
            args.push(self.value()?);
            self.eat(',');
        }
        Ok(args)
    }

    fn op(&mut self, name: &str, lead: Option<Attr>, line: usize) -> Read<Op> {
        let mut attrs = Parsed::default();
        attrs.0.extend(lead.map(|attr| (String::new(), attr)));
        if self.eat('{') {
            attrs.0.extend(self.list('}', |p| Ok((p.word()?, p.attr(0)?)))?);
        }
        let op = Op::from_attrs(name, &mut attrs).map_err(|e| format!("line {line}: {name}: {e}"))?;
        match attrs.0.first() {
            None => Ok(op),
            Some((key, _)) => Err(format!("line {line}: `{name}` has no attribute `{key}`")),
        }
    }

    fn attr(&mut self, depth: usize) -> Read<Attr> {
        if depth <= MAX_DEPTH && self.eat('[') {
            return Ok(Attr::List(self.list(']', |p| p.attr(depth + 1))?));
        }
        self.take("an attribute", |t| match t {
            Token::Lit(literal) => Some(Attr::Lit(*literal)),
            Token::Word(word) => Some(Attr::Word(word.clone())),
            Token::Text(text) => Some(Attr::Text(text.clone())),
            Token::Value(_) | Token::Sign(_) => None,
        })
    }

    fn role(&mut self) -> Read<InputRole> {
        self.take("a role of an input", |t| match t {
            Token::Word(word) => InputRole::ALL.into_iter().find(|(_, name)| name == word).map(|(role, _)| role),
            _ => None,
        })
    }
}

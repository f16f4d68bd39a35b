//! Reads the text form that [`super::print`] writes. Errors name the line; [`super::verify`] checks the meaning.

mod lexer;
mod ops;

use super::{
    Access, Buf, Carry, Extent, For, Grid, Guard, Index, Kernel, Layout, Param, Stmt, StoreMode, TileType, Value, Var,
    View,
};
use crate::ops::{DType, Literal};
use lexer::Token;

/// Reads one kernel.
pub fn parse(text: &str) -> Result<Kernel, String> {
    let mut parser = Parser { tokens: lexer::tokens(text)?, at: 0, params: vec![], types: vec![], vars: 0 };
    let kernel = parser.kernel()?;
    match parser.peek() {
        None => Ok(kernel),
        Some(_) => parser.fail("the end"),
    }
}

struct Parser {
    tokens: Vec<(Token, usize)>,
    at: usize,
    params: Vec<Param>,
    types: Vec<Option<TileType>>,
    vars: u32,
}

type Parsed<T> = Result<T, String>;

impl Parser {
    fn peek(&self) -> Option<&Token> {
        self.tokens.get(self.at).map(|t| &t.0)
    }

    fn fail<T>(&self, expected: &str) -> Parsed<T> {
        match self.tokens.get(self.at) {
            Some((token, line)) => Err(format!("line {line}: expected {expected}, found {token:?}")),
            None => Err(format!("expected {expected}, found the end")),
        }
    }

    /// Takes the next token if it is this sign or word.
    fn eat(&mut self, text: &str) -> bool {
        let found = match self.peek() {
            Some(Token::Sign(sign)) => *sign == text,
            Some(Token::Word(word)) => word == text,
            _ => false,
        };
        self.at += usize::from(found);
        found
    }

    fn expect(&mut self, text: &str) -> Parsed<()> {
        if self.eat(text) { Ok(()) } else { self.fail(&format!("`{text}`")) }
    }

    fn word(&mut self) -> Parsed<String> {
        match self.peek().cloned() {
            Some(Token::Word(word)) => {
                self.at += 1;
                Ok(word)
            }
            _ => self.fail("a name"),
        }
    }

    fn literal(&mut self) -> Parsed<Literal> {
        if self.eat("nan") {
            self.expect("(")?;
            let bits = self.int()?;
            self.expect(")")?;
            return Ok(Literal::Float(f64::from_bits(bits as u64)));
        }
        match self.peek() {
            Some(Token::Literal(literal)) => {
                let literal = *literal;
                self.at += 1;
                Ok(literal)
            }
            _ => self.fail("a literal"),
        }
    }

    fn int(&mut self) -> Parsed<i64> {
        match self.peek() {
            Some(Token::Literal(Literal::Int(n))) => {
                let n = *n;
                self.at += 1;
                Ok(n)
            }
            _ => self.fail("an integer"),
        }
    }

    fn size(&mut self) -> Parsed<usize> {
        let n = self.int()?;
        usize::try_from(n).or_else(|_| self.fail("a size"))
    }

    fn value(&mut self) -> Parsed<Value> {
        match self.peek() {
            Some(Token::Value(n)) => {
                let value = Value(*n);
                self.at += 1;
                Ok(value)
            }
            _ => self.fail("a value"),
        }
    }

    fn values(&mut self) -> Parsed<Vec<Value>> {
        self.list(Parser::value)
    }

    fn var(&mut self) -> Parsed<Var> {
        let number = match self.peek() {
            Some(Token::Word(word)) => word.strip_prefix('i').and_then(|n| n.parse().ok()),
            _ => None,
        };
        let Some(number) = number else { return self.fail("a loop variable") };
        self.at += 1;
        self.vars = self.vars.max(number + 1);
        Ok(Var(number))
    }

    /// One or more, separated by commas.
    fn list<T>(&mut self, item: fn(&mut Parser) -> Parsed<T>) -> Parsed<Vec<T>> {
        let mut items = vec![item(self)?];
        while self.eat(",") {
            items.push(item(self)?);
        }
        Ok(items)
    }

    /// `open … close` around a list that may be empty; `open` has been taken.
    fn until<T>(&mut self, close: &str, item: fn(&mut Parser) -> Parsed<T>) -> Parsed<Vec<T>> {
        if self.eat(close) {
            return Ok(vec![]);
        }
        let items = self.list(item)?;
        self.expect(close)?;
        Ok(items)
    }

    fn define(&mut self, value: Value, ty: TileType) {
        let at = value.0 as usize;
        if self.types.len() <= at {
            self.types.resize(at + 1, None);
        }
        self.types[at] = Some(ty);
    }

    fn type_of(&self, value: Value) -> Parsed<TileType> {
        self.types.get(value.0 as usize).copied().flatten().ok_or_else(|| format!("{value} has no type yet"))
    }

    fn kernel(&mut self) -> Parsed<Kernel> {
        self.expect("kernel")?;
        let name = self.word()?;
        self.expect("(")?;
        self.params = self.until(")", Parser::param)?;
        self.expect("{")?;
        let mut grid = vec![];
        while self.eat("par") {
            grid.push(self.grid()?);
        }
        let body = self.stmts()?;
        self.expect("}")?;
        let types = std::mem::take(&mut self.types).into_iter().enumerate();
        let values = types.map(|(i, t)| t.ok_or_else(|| format!("%{i} is never defined"))).collect::<Parsed<_>>()?;
        Ok(Kernel { name, params: std::mem::take(&mut self.params), grid, body, values, vars: self.vars })
    }

    fn param(&mut self) -> Parsed<Param> {
        let access = match self.word()?.as_str() {
            "read" => Access::Read,
            "write" => Access::Write,
            "inout" => Access::ReadWrite,
            _ => return self.fail("read, write or inout before this"),
        };
        let name = self.word()?;
        self.expect(":")?;
        let dtype = self.dtype()?;
        self.expect("[")?;
        let shape = self.until("]", Parser::size)?;
        let layout = if self.eat("pitch") { Layout::Padded { pitch: self.size()? } } else { Layout::RowMajor };
        Ok(Param { name, dtype, shape, layout, access })
    }

    fn grid(&mut self) -> Parsed<Grid> {
        let var = self.var()?;
        self.expect("in")?;
        self.int()?;
        self.expect("..")?;
        let extent = self.size()?;
        self.expect("by")?;
        let step = self.size()?;
        let group = if self.eat("group") { self.size()? } else { 1 };
        Ok(Grid { var, extent, step, group })
    }

    fn dtype(&mut self) -> Parsed<DType> {
        let name = self.word()?;
        DType::from_name(&name).ok_or_else(|| format!("`{name}` is no element type"))
    }

    fn tile_type(&mut self) -> Parsed<TileType> {
        let dtype = self.dtype()?;
        self.expect("[")?;
        let rows = self.extent()?;
        self.expect(",")?;
        let cols = self.extent()?;
        self.expect("]")?;
        Ok(TileType { dtype, rows, cols })
    }

    fn extent(&mut self) -> Parsed<Extent> {
        match self.peek() {
            Some(Token::Literal(_)) => Ok(Extent::Fixed(self.size()?)),
            _ => Ok(Extent::Block(self.var()?)),
        }
    }

    fn stmts(&mut self) -> Parsed<Vec<Stmt>> {
        let mut stmts = vec![];
        loop {
            match self.peek() {
                Some(Token::Word(word)) if word == "yield" => return Ok(stmts),
                Some(Token::Word(_) | Token::Value(_)) => stmts.push(self.stmt()?),
                _ => return Ok(stmts),
            }
        }
    }

    fn stmt(&mut self) -> Parsed<Stmt> {
        if self.eat("store") {
            return self.store();
        }
        if self.eat("for") {
            return self.for_loop(vec![]);
        }
        let mut results = self.values()?;
        if self.eat("=") {
            self.expect("for")?;
            return self.for_loop(results);
        }
        self.expect(":")?;
        let ty = self.tile_type()?;
        self.expect("=")?;
        let value = results.remove(0);
        let op = self.op()?;
        self.define(value, ty);
        Ok(Stmt::Let { value, op })
    }

    fn store(&mut self) -> Parsed<Stmt> {
        let view = self.view()?;
        let mode = if self.eat("+=") {
            StoreMode::Add
        } else if self.eat("&=") {
            StoreMode::And
        } else {
            self.expect("=")?;
            StoreMode::Set
        };
        Ok(Stmt::Store { view, value: self.value()?, mode })
    }

    fn for_loop(&mut self, results: Vec<Value>) -> Parsed<Stmt> {
        let var = self.var()?;
        self.expect("in")?;
        let lo = self.index()?;
        self.expect("..")?;
        let hi = self.index()?;
        self.expect("by")?;
        let step = self.size()?;
        let mut pairs = vec![];
        if self.eat("carry") {
            self.expect("(")?;
            pairs = self.until(")", Parser::carry)?;
        }
        if pairs.len() != results.len() {
            return self.fail("as many carries as results before this");
        }
        let carries = pairs.into_iter().zip(results).map(|((inner, init), result)| Carry { init, inner, result });
        let carries: Vec<Carry> = carries.collect();
        for carry in &carries {
            let ty = self.type_of(carry.init)?;
            self.define(carry.inner, ty);
            self.define(carry.result, ty);
        }
        self.expect("{")?;
        let body = self.stmts()?;
        let yields = if self.eat("yield") { self.values()? } else { vec![] };
        self.expect("}")?;
        Ok(Stmt::For(For { var, lo, hi, step, carries, body, yields }))
    }

    /// `inner = init`
    fn carry(&mut self) -> Parsed<(Value, Value)> {
        let inner = self.value()?;
        self.expect("=")?;
        Ok((inner, self.value()?))
    }

    fn view(&mut self) -> Parsed<View> {
        let name = self.word()?;
        let Some(buf) = self.params.iter().position(|p| p.name == name) else {
            return Err(format!("no buffer is called `{name}`"));
        };
        self.expect("[")?;
        let index = self.until("]", Parser::index)?;
        let guards = if self.eat("where") { self.list(Parser::guard)? } else { vec![] };
        let fill = if self.eat("else") { Some(self.literal()?) } else { None };
        Ok(View { buf: Buf(buf as u32), index, guards, fill })
    }

    fn guard(&mut self) -> Parsed<Guard> {
        let lo = self.int()?;
        self.expect("<=")?;
        let expr = self.index()?;
        self.expect("<")?;
        Ok(Guard { expr, lo, hi: self.int()? })
    }

    fn index(&mut self) -> Parsed<Index> {
        let mut sum = self.term()?;
        while self.eat("+") {
            sum = Index::Add(Box::new(sum), Box::new(self.term()?));
        }
        Ok(sum)
    }

    fn term(&mut self) -> Parsed<Index> {
        let mut term = self.factor()?;
        loop {
            term = if self.eat("*") {
                Index::Mul(Box::new(term), self.int()?)
            } else if self.eat("//") {
                Index::FloorDiv(Box::new(term), self.int()?)
            } else if self.eat("mod") {
                Index::Mod(Box::new(term), self.int()?)
            } else {
                return Ok(term);
            }
        }
    }

    fn factor(&mut self) -> Parsed<Index> {
        if let Some(Token::Literal(_)) = self.peek() {
            return Ok(Index::Const(self.int()?));
        }
        if self.eat("(") {
            let index = self.index()?;
            self.expect(")")?;
            return Ok(index);
        }
        for (name, constant) in [("row", Index::Row), ("col", Index::Col)] {
            if self.eat(name) {
                return Ok(constant);
            }
        }
        for (name, make) in [("min", Index::Min as fn(_, _) -> _), ("max", Index::Max)] {
            if self.eat(name) {
                let (a, b) = self.pair()?;
                return Ok(make(Box::new(a), Box::new(b)));
            }
        }
        if self.eat("data") {
            return self.data();
        }
        Ok(Index::Var(self.var()?))
    }

    fn pair(&mut self) -> Parsed<(Index, Index)> {
        self.expect("(")?;
        let a = self.index()?;
        self.expect(",")?;
        let b = self.index()?;
        self.expect(")")?;
        Ok((a, b))
    }

    fn data(&mut self) -> Parsed<Index> {
        self.expect("(")?;
        let tile = self.value()?;
        self.expect(",")?;
        let limit = self.int()?;
        self.expect(")")?;
        Ok(Index::Data { tile, limit })
    }
}

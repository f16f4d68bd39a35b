//! Reads the text form that [`super::print`] writes. Errors name the line; [`super::verify`] checks the meaning.
//! Origins are not part of the text: they come back empty.

pub(crate) mod cursor;
mod dims;
pub(crate) mod lexer;
#[cfg(test)]
mod tests;

use super::{Graph, InputRole, Inst, Origin, OutputRole, Value};
use crate::ops::attr::{Attr, Parsed};
use crate::ops::dim::Dim;
use crate::ops::{DType, Extent, Op, Type};
use cursor::{Cursor, Read};
use dims::Dims;
use lexer::Token;

/// Reads one graph whose dimensions are numbers.
pub fn parse(text: &str) -> Result<Graph, String> {
    read(text, |dim| dim.known().and_then(|n| usize::try_from(n).ok()))
}

/// Reads one graph with symbolic dimensions. Symbols of the same name are one symbol.
pub fn parse_symbolic(text: &str) -> Result<Graph<Dim>, String> {
    read(text, |dim| (dim != Dim::Overflow).then_some(dim))
}

fn read<D: Extent>(text: &str, convert: fn(Dim) -> Option<D>) -> Result<Graph<D>, String> {
    let mut parser = Parser { cursor: Cursor::new(text)?, dims: Dims::new(convert) };
    let graph = parser.graph(0)?;
    parser.cursor.end()?;
    Ok(graph)
}

/// Regions and brackets nest this deep at most.
const MAX_DEPTH: usize = 64;

struct Parser<D> {
    cursor: Cursor,
    dims: Dims<D>,
}

impl<D: Extent> Parser<D> {
    fn graph(&mut self, depth: usize) -> Read<Graph<D>> {
        self.cursor.expect_word("graph")?;
        if depth > MAX_DEPTH {
            return Err(self.cursor.error("regions are nested too deep"));
        }
        let mut graph = Graph::new(self.cursor.text()?);
        self.cursor.expect('{')?;
        while !self.cursor.eat('}') {
            match self.cursor.eat_word("output") {
                true => self.output(&mut graph)?,
                false => self.inst(&mut graph, depth)?,
            }
        }
        Ok(graph)
    }

    fn output(&mut self, graph: &mut Graph<D>) -> Read<()> {
        let role = self.cursor.word()?;
        let (name, value) = (self.cursor.text()?, self.cursor.value()?);
        let role = match role.as_str() {
            "update" => OutputRole::Update,
            "result" => OutputRole::Result,
            "check" => OutputRole::Check,
            "warning" => OutputRole::Warning,
            "report" if self.cursor.eat_word("weight") => OutputRole::Report { weight: self.cursor.value()? },
            _ => return self.cursor.fail("a role of an output"),
        };
        graph.output(name, role, value);
        Ok(())
    }

    fn inst(&mut self, graph: &mut Graph<D>, depth: usize) -> Read<()> {
        let line = self.cursor.line();
        let results = self.results(graph)?;
        let name = self.cursor.word()?;
        let lead = self.lead(line)?;
        let args = self.args(line)?;
        let op = self.op(&name, lead, line)?;
        if let Op::Input { .. } = op {
            let role = self.role()?;
            graph.inputs.extend(results.iter().map(|v| (*v, role)));
        }
        let mut regions = vec![];
        while self.cursor.at_word("graph") {
            regions.push(self.graph(depth + 1)?);
        }
        graph.insts.push(Inst { op, args, results, regions, origin: Origin::default() });
        Ok(())
    }

    /// `%5: f32[2], %6: i32[2] =`; records the types.
    fn results(&mut self, graph: &mut Graph<D>) -> Read<Vec<Value>> {
        let Parser { cursor, dims } = self;
        let results = cursor.list('=', |c| {
            let value = c.value()?;
            c.expect(':')?;
            Ok((value, c.ty(|c| dims.dimension(c))?))
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

    /// The attribute before the arguments, on the instruction's line: a literal, quoted text or a dimension.
    fn lead(&mut self, line: usize) -> Read<Option<Attr<D>>> {
        match self.cursor.peek() {
            None | Some(Token::Value(_) | Token::Sign('{' | '}')) => Ok(None),
            Some(_) if self.cursor.line() != line => Ok(None),
            Some(_) => self.dims.attr(&mut self.cursor, 0).map(Some),
        }
    }

    fn args(&mut self, line: usize) -> Read<Vec<Value>> {
        let mut args = vec![];
        while self.cursor.line() == line && matches!(self.cursor.peek(), Some(Token::Value(_))) {
            args.push(self.cursor.value()?);
            self.cursor.eat(',');
        }
        Ok(args)
    }

    fn op(&mut self, name: &str, lead: Option<Attr<D>>, line: usize) -> Read<Op<D>> {
        let mut attrs = Parsed(lead.map(|attr| (String::new(), attr)).into_iter().collect());
        if self.cursor.eat('{') {
            let Parser { cursor, dims } = self;
            attrs.0.extend(cursor.list('}', |c| Ok((c.word()?, dims.attr(c, 0)?)))?);
        }
        let op = Op::from_attrs(name, &mut attrs).map_err(|e| format!("line {line}: {name}: {e}"))?;
        match attrs.0.first() {
            None => Ok(op),
            Some((key, _)) => Err(format!("line {line}: `{name}` has no attribute `{key}`")),
        }
    }

    fn role(&mut self) -> Read<InputRole> {
        self.cursor.take("a role of an input", |t| match t {
            Token::Word(word) => InputRole::ALL.into_iter().find(|(_, name)| name == word).map(|(role, _)| role),
            _ => None,
        })
    }
}

//! Reads the text form that [`super::print`] writes. It checks syntax only: [`super::verify`] checks the rest.

use super::print::{COMPARES, INDEX_OPS, Names, TREE_OPS, VEC_OPS};
use super::{Access, Address, Arm, Elem, Kernel, LaneOp, Loop, Stmt, Store, Type, Value};
use crate::ops::DType;

/// Parses one kernel; the error names the line.
pub fn parse(text: &str) -> Result<Kernel, String> {
    let mut p = Parser { text, rest: text, types: vec![Type::I64, Type::I64] };
    let kernel = p.kernel().map_err(|message| format!("line {}: {message}", p.line()))?;
    Ok(kernel)
}

/// A numbered value is refused beyond this, so that `v4000000000` does not fill the memory with types.
const MAX_VALUE: u32 = 1 << 24;

type Parsed<T> = Result<T, String>;

struct Parser<'a> {
    text: &'a str,
    rest: &'a str,
    types: Vec<Type>,
}

fn is_word(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_'
}

// ── tokens ──
impl<'a> Parser<'a> {
    fn line(&self) -> usize {
        self.text[..self.text.len() - self.rest.len()].matches('\n').count() + 1
    }

    fn skip(&mut self) {
        self.rest = self.rest.trim_start();
    }

    /// Takes `token` where it comes next.
    fn eat(&mut self, token: &str) -> bool {
        self.skip();
        let Some(rest) = self.rest.strip_prefix(token) else { return false };
        if token.ends_with(is_word) && rest.starts_with(is_word) {
            return false;
        }
        self.rest = rest;
        true
    }

    fn expect(&mut self, token: &str) -> Parsed<()> {
        if self.eat(token) {
            return Ok(());
        }
        let found: String = self.rest.chars().take_while(|c| *c != '\n').take(20).collect();
        Err(format!("expected `{token}`, found `{found}`"))
    }

    fn word(&mut self) -> Parsed<&'a str> {
        self.skip();
        let end = self.rest.find(|c| !is_word(c)).unwrap_or(self.rest.len());
        if end == 0 {
            return Err("expected a word".into());
        }
        let (word, rest) = self.rest.split_at(end);
        self.rest = rest;
        Ok(word)
    }

    fn int(&mut self) -> Parsed<i64> {
        let negative = self.eat("-");
        let word = self.word()?;
        let sign = if negative { "-" } else { "" };
        format!("{sign}{word}").parse().map_err(|_| format!("`{sign}{word}` is no integer"))
    }

    fn number<T: TryFrom<i64>>(&mut self) -> Parsed<T> {
        let n = self.int()?;
        T::try_from(n).map_err(|_| format!("{n} is out of range"))
    }

    fn separated<T>(&mut self, close: &str, mut item: impl FnMut(&mut Self) -> Parsed<T>) -> Parsed<Vec<T>> {
        let mut items = vec![];
        if self.eat(close) {
            return Ok(items);
        }
        loop {
            items.push(item(self)?);
            if self.eat(close) {
                return Ok(items);
            }
            self.expect(",")?;
        }
    }

    fn value(&mut self) -> Parsed<Value> {
        let word = self.word()?;
        let number = word.strip_prefix('v').and_then(|n| n.parse().ok()).filter(|n| *n < MAX_VALUE);
        number.map(Value).ok_or_else(|| format!("`{word}` is no value"))
    }

    fn values(&mut self) -> Parsed<Vec<Value>> {
        let mut values = vec![self.value()?];
        while self.eat(",") {
            values.push(self.value()?);
        }
        Ok(values)
    }

    fn name<T: Copy>(&mut self, table: Names<T>) -> Parsed<T> {
        let word = self.word()?;
        lookup(table, word).ok_or_else(|| format!("unknown operation `{word}`"))
    }
}

fn lookup<T: Copy>(table: Names<T>, word: &str) -> Option<T> {
    table.iter().find(|(_, name)| *name == word).map(|(op, _)| *op)
}

fn ty(word: &str) -> Option<Type> {
    let lanes = |prefix: &str| word.strip_prefix(prefix).and_then(|n| n.parse().ok());
    match word {
        "i64" => Some(Type::I64),
        "cond" => Some(Type::Cond),
        _ => lanes("f32x")
            .map(|n| Type::Vec(Elem::F32, n))
            .or_else(|| lanes("i32x").map(|n| Type::Vec(Elem::I32, n)))
            .or_else(|| lanes("mask").map(Type::Mask)),
    }
}

// ── structure ──
impl Parser<'_> {
    fn kernel(&mut self) -> Parsed<Kernel> {
        self.expect("kernel")?;
        let (name, rest) = self.rest.split_once('(').ok_or("expected `(`")?;
        self.rest = rest;
        let buffers = self.separated(")", Self::dtype)?;
        self.expect("points")?;
        let points = self.number()?;
        self.expect("{")?;
        let (body, yields) = self.block()?;
        if !yields.is_empty() {
            return Err("a kernel yields nothing".into());
        }
        self.skip();
        if !self.rest.is_empty() {
            return Err("expected the end".into());
        }
        let types = std::mem::take(&mut self.types);
        Ok(Kernel { name: name.trim().into(), buffers, points, body, types })
    }

    fn dtype(&mut self) -> Parsed<DType> {
        let word = self.word()?;
        DType::from_name(word).ok_or_else(|| format!("`{word}` is no element type"))
    }

    /// `v3: f32x16`
    fn typed(&mut self) -> Parsed<Value> {
        let value = self.value()?;
        self.expect(":")?;
        let word = self.word()?;
        let ty = ty(word).ok_or_else(|| format!("`{word}` is no type"))?;
        self.set_type(value, ty);
        Ok(value)
    }

    fn set_type(&mut self, value: Value, ty: Type) {
        let at = value.0 as usize;
        if self.types.len() <= at {
            self.types.resize(at + 1, Type::I64);
        }
        self.types[at] = ty;
    }

    /// Statements up to and with `}`, and what they yield.
    fn block(&mut self) -> Parsed<(Vec<Stmt>, Vec<Value>)> {
        let mut body = vec![];
        loop {
            if self.eat("}") {
                return Ok((body, vec![]));
            }
            if self.eat("yield") {
                let yields = self.values()?;
                self.expect("}")?;
                return Ok((body, yields));
            }
            body.push(self.stmt()?);
        }
    }

    fn stmt(&mut self) -> Parsed<Stmt> {
        if self.eat("for") {
            return self.looped().map(Stmt::Loop);
        }
        if self.eat("if") {
            return self.branch();
        }
        if self.eat("store") {
            let (address, access) = self.place()?;
            self.expect(",")?;
            return Ok(Stmt::Store(Store { address, access, value: self.value()? }));
        }
        if self.eat("fault") {
            return Ok(Stmt::Fault { mask: self.value()? });
        }
        if self.eat("fault_if") {
            return Ok(Stmt::FaultIf { cond: self.value()? });
        }
        let value = self.typed()?;
        self.expect("=")?;
        Ok(Stmt::Let { value, op: self.op()? })
    }

    fn looped(&mut self) -> Parsed<Loop> {
        let var = self.value()?;
        self.set_type(var, Type::I64);
        self.expect("in")?;
        let lo = self.value()?;
        self.expect("..")?;
        let hi = self.value()?;
        self.expect("step")?;
        let step = self.int()?;
        let carries = if self.eat("carry") { self.separated("{", Self::carry)? } else { self.no_carries()? };
        let (body, yields) = self.block()?;
        Ok(Loop { var, lo, hi, step, carries, body, yields })
    }

    fn no_carries(&mut self) -> Parsed<Vec<(Value, Value, Value)>> {
        self.expect("{").map(|()| vec![])
    }

    fn carry(&mut self) -> Parsed<(Value, Value, Value)> {
        let inner = self.typed()?;
        self.expect("=")?;
        let init = self.value()?;
        self.expect("->")?;
        let after = self.value()?;
        self.set_type(after, self.types[inner.0 as usize]);
        Ok((init, inner, after))
    }

    fn branch(&mut self) -> Parsed<Stmt> {
        let cond = self.value()?;
        self.expect("->")?;
        self.expect("(")?;
        let results = self.separated(")", Self::typed)?;
        self.expect("{")?;
        let (body, yields) = self.block()?;
        let then = Arm { body, yields };
        self.expect("else")?;
        self.expect("{")?;
        let (body, yields) = self.block()?;
        Ok(Stmt::If { cond, then, otherwise: Arm { body, yields }, results })
    }
}

// ── operations ──
impl Parser<'_> {
    fn op(&mut self) -> Parsed<LaneOp> {
        let word = self.word()?;
        Ok(match word {
            "iconst" => LaneOp::IConst(self.int()?),
            "index" => self.index_op()?,
            "first_lane" => LaneOp::FirstLane(self.value()?),
            "splat_index" => LaneOp::SplatIndex(self.value()?),
            "splat_cond" => LaneOp::SplatCond(self.value()?),
            "fsplat" => LaneOp::FSplat(self.bits()?),
            "isplat" => LaneOp::ISplat(self.number()?),
            "lanes" => LaneOp::Lanes,
            "first_lanes" => LaneOp::FirstLanes(self.number()?),
            "load" => {
                let (address, access) = self.place()?;
                LaneOp::Load { address, access }
            }
            "cmp" => {
                self.expect(".")?;
                let op = self.name(COMPARES)?;
                let [a, b] = self.args()?;
                LaneOp::Compare(op, a, b)
            }
            "select" => {
                let [m, a, b] = self.args()?;
                LaneOp::Select(m, a, b)
            }
            "to_f32" => LaneOp::ToF32(self.value()?),
            "to_i32" => LaneOp::ToI32(self.value()?),
            "bitcast" => LaneOp::Bitcast(self.value()?),
            "tree" => {
                self.expect(".")?;
                LaneOp::Tree(self.name(TREE_OPS)?, self.value()?)
            }
            _ => {
                let op = lookup(VEC_OPS, word).ok_or_else(|| format!("unknown operation `{word}`"))?;
                LaneOp::Vec(op, self.values()?)
            }
        })
    }

    fn args<const N: usize>(&mut self) -> Parsed<[Value; N]> {
        self.values()?.try_into().map_err(|v: Vec<_>| format!("expected {N} arguments, found {}", v.len()))
    }

    fn index_op(&mut self) -> Parsed<LaneOp> {
        self.expect(".")?;
        let word = self.word()?;
        let [a, b] = self.args()?;
        lookup(INDEX_OPS, word)
            .map(|op| LaneOp::Index(op, a, b))
            .or_else(|| lookup(COMPARES, word).map(|op| LaneOp::IndexCompare(op, a, b)))
            .ok_or_else(|| format!("unknown index operation `{word}`"))
    }

    fn bits(&mut self) -> Parsed<u32> {
        let word = self.word()?;
        let digits = word.strip_prefix("0x").ok_or("expected the bits as 0x…")?;
        u32::from_str_radix(digits, 16).map_err(|_| format!("`{word}` are no 32 bits"))
    }

    /// `b0[v3 + 4] count 16`
    fn place(&mut self) -> Parsed<(Address, Access)> {
        let word = self.word()?;
        let buffer =
            word.strip_prefix('b').and_then(|n| n.parse().ok()).ok_or_else(|| format!("`{word}` is no buffer"))?;
        self.expect("[")?;
        let index = self.value()?;
        self.expect("+")?;
        let offset = self.int()?;
        self.expect("]")?;
        Ok((Address { buffer, index, offset }, self.access()?))
    }

    fn access(&mut self) -> Parsed<Access> {
        Ok(match self.word()? {
            "count" => Access::Contiguous { count: self.number()? },
            "splat" => Access::Splat,
            "stride" => {
                let stride = self.int()?;
                self.expect("count")?;
                Access::Strided { stride, count: self.number()? }
            }
            "indexed" => {
                let offsets = self.value()?;
                self.expect("mask")?;
                Access::Indexed { offsets, mask: self.value()? }
            }
            word => return Err(format!("unknown access `{word}`")),
        })
    }
}

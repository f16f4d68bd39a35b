//! The right-hand side of a `let`.

use super::{Parsed, Parser};
use crate::tile::{FoldOp, Map, TileOp};

impl Parser {
    pub(super) fn op(&mut self) -> Parsed<TileOp> {
        let word = self.word()?;
        Ok(match word.as_str() {
            "load" => TileOp::Load(self.view()?),
            "const" => TileOp::Const(self.literal()?),
            "index" => TileOp::Index(self.index()?),
            "cast" => TileOp::Cast(self.value()?),
            "bitcast" => TileOp::Bitcast(self.value()?),
            "transpose" => TileOp::Transpose(self.value()?),
            "fold" => self.fold()?,
            "tree" => TileOp::Tree { op: self.fold_op()?, x: self.value()? },
            "fold_rows" => TileOp::FoldRows { op: self.fold_op()?, x: self.value()? },
            "contract" => self.contract()?,
            "philox" => self.philox()?,
            name => match Map::from_name(name) {
                Some(map) => TileOp::Map(map, self.values()?),
                None => return Err(format!("`{name}` is no operation")),
            },
        })
    }

    fn fold_op(&mut self) -> Parsed<FoldOp> {
        let name = self.word()?;
        FoldOp::from_name(&name).ok_or_else(|| format!("`{name}` is no fold"))
    }

    fn fold(&mut self) -> Parsed<TileOp> {
        let op = self.fold_op()?;
        let acc = self.value()?;
        self.expect(",")?;
        Ok(TileOp::Fold { op, acc, x: self.value()? })
    }

    fn contract(&mut self) -> Parsed<TileOp> {
        let acc = self.value()?;
        self.expect(",")?;
        let a = self.value()?;
        let a_transposed = self.eat("transposed");
        self.expect(",")?;
        Ok(TileOp::Contract { acc, a, b: self.value()?, a_transposed })
    }

    fn philox(&mut self) -> Parsed<TileOp> {
        let key = self.int()? as u64;
        self.expect(",")?;
        let seed = self.value()?;
        self.expect(",")?;
        let step = self.value()?;
        self.expect(",")?;
        Ok(TileOp::Philox { key, seed, step, index: self.index()? })
    }
}

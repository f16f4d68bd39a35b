//! `for`: unrolled, looped, with the shorter last block peeled or chosen.

use super::Placer;
use super::affine::Affine;
use super::code::Fact;
use crate::lane::{Arm, IndexOp, Loop, Stmt, Type, Value};
use crate::ops::dim::gcd;
use crate::tile::{self, Buf, Extent, For, TileOp};
use std::collections::BTreeSet;

/// Loops of at most so many trips are unrolled, if that makes no more vector operations than this.
const UNROLL_TRIPS: i64 = 4;
const UNROLL_OPERATIONS: usize = 256;

/// The vectors of each carry.
type Carried = Vec<Vec<Value>>;

impl<'a> Placer<'a> {
    pub fn for_loop(&mut self, lp: &'a For) {
        self.prepare(lp);
        let carried = lp.carries.iter().map(|c| self.force(c.init)).collect();
        self.blocks.insert(lp.var, lp.step);
        let (lo, hi) = (self.scalar(&lp.lo), self.scalar(&lp.hi));
        let carried = match (lo.known(), hi.known()) {
            (Some(lo), Some(hi)) => self.static_loop(lp, lo, hi, carried),
            _ => self.dynamic_loop(lp, lo, hi, carried),
        };
        for (carry, vectors) in lp.carries.iter().zip(carried) {
            self.put(carry.result, vectors);
        }
    }

    /// Computes before the loop what it uses from outside, and reads what it overwrites.
    fn prepare(&mut self, lp: &'a For) {
        let mut facts = Facts::default();
        facts.of_loop(lp);
        for value in facts.used.difference(&facts.defined) {
            if !matches!(self.definitions.get(value), Some(TileOp::Const(_))) {
                self.force(*value);
            }
        }
        self.settle(&facts.stored);
    }

    fn put(&mut self, value: tile::Value, vectors: Vec<Value>) {
        let columns = self.shape(self.kernel.ty(value)).1;
        for (at, vector) in vectors.into_iter().enumerate() {
            self.remember((value, at / columns, at % columns), vector);
        }
    }

    /// One run of the body in the open block.
    fn iterate(&mut self, lp: &'a For, value: Affine, block: usize, carried: Carried) -> Carried {
        self.bind(lp.var, value, block);
        let mark = self.mark();
        for (carry, vectors) in lp.carries.iter().zip(carried) {
            self.put(carry.inner, vectors);
        }
        self.block(&lp.body);
        let yields = lp.yields.iter().map(|y| self.force(*y)).collect();
        self.forget(mark);
        yields
    }

    fn static_loop(&mut self, lp: &'a For, lo: i64, hi: i64, mut carried: Carried) -> Carried {
        let step = lp.step as i64;
        let length = (hi - lo).max(0);
        let (mut trips, mut rest) = (length / step, length % step);
        if !self.is_blocked(lp.var) && rest > 0 {
            (trips, rest) = (trips + 1, 0);
        }
        if trips == 1 || (trips <= UNROLL_TRIPS && trips as usize * self.cost(lp) <= UNROLL_OPERATIONS) {
            for trip in 0..trips {
                carried = self.iterate(lp, Affine::constant(lo + trip * step), lp.step, carried);
            }
        } else if trips > 0 {
            let end = lo + trips * step;
            let fact = Fact { lo, hi: end - step, multiple: gcd(lo.abs(), step) };
            let (lo, end) = (self.code.iconst(lo), self.code.iconst(end));
            carried = self.run(lp, lo, end, fact, carried);
        }
        if rest > 0 {
            carried = self.iterate(lp, Affine::constant(hi - rest), rest as usize, carried);
        }
        carried
    }

    /// Vector operations of one trip, roughly.
    fn cost(&self, lp: &For) -> usize {
        let stmts = lp.body.iter().map(|stmt| match stmt {
            tile::Stmt::Let { value, op } => self.vectors(*value) * self.depth(op),
            tile::Stmt::Store { value, .. } => self.vectors(*value),
            tile::Stmt::For(_) => UNROLL_OPERATIONS + 1,
        });
        stmts.sum()
    }

    fn vectors(&self, value: tile::Value) -> usize {
        let ty = self.kernel.ty(value);
        self.length(ty.rows) * self.length(ty.cols).div_ceil(self.code.lanes.into())
    }

    /// How many operations make one vector.
    fn depth(&self, op: &TileOp) -> usize {
        match op {
            TileOp::Contract { b, .. } => self.length(self.kernel.ty(*b).rows),
            TileOp::Fold { x, .. } => self.length(self.kernel.ty(*x).cols).div_ceil(16),
            TileOp::FoldRows { x, .. } => self.length(self.kernel.ty(*x).rows),
            _ => 1,
        }
    }

    /// The extent; that of a variable not bound yet counts as one.
    fn length(&self, extent: Extent) -> usize {
        match extent {
            Extent::Fixed(n) => n,
            Extent::Block(var) => self.blocks.get(&var).copied().unwrap_or(1),
        }
    }

    /// A loop of whole blocks.
    fn run(&mut self, lp: &'a For, lo: Value, hi: Value, fact: Fact, carried: Carried) -> Carried {
        let types: Vec<Vec<Type>> =
            carried.iter().map(|c| c.iter().map(|v| self.code.types[v.0 as usize]).collect()).collect();
        self.code.open();
        let var = self.code.fresh(Type::I64);
        self.code.learn(var, fact);
        let inner = self.fresh_all(&types);
        let yields = self.iterate(lp, Affine::term(var, 1), lp.step, inner.clone());
        let body = self.code.close();
        let after = self.fresh_all(&types);
        let flat = carried.concat().into_iter().zip(inner.concat()).zip(after.concat());
        let carries = flat.map(|((a, b), c)| (a, b, c)).collect();
        let yields = yields.concat();
        self.code.push(Stmt::Loop(Loop { var, lo, hi, step: lp.step as i64, carries, body, yields }));
        after
    }

    fn fresh_all(&mut self, types: &[Vec<Type>]) -> Carried {
        types.iter().map(|c| c.iter().map(|ty| self.code.fresh(*ty)).collect()).collect()
    }

    /// Bounds that depend on loop variables.
    fn dynamic_loop(&mut self, lp: &'a For, lo: Affine, hi: Affine, mut carried: Carried) -> Carried {
        let step = lp.step as i64;
        let residues = if self.is_blocked(lp.var) { self.residues(&lp.lo, &lp.hi, step) } else { BTreeSet::from([0]) };
        let fact = Fact {
            lo: self.code.range(&lo).0,
            hi: self.code.range(&hi).1 - 1,
            multiple: gcd(self.code.multiple(&lo), step),
        };
        let start = self.code.value(&lo);
        if residues.iter().all(|r| *r == 0) {
            let end = self.code.value(&hi);
            return self.run(lp, start, end, fact, carried);
        }
        let length = self.code.value(&hi.plus(&lo.times(-1)));
        let length = self.code.index_by(IndexOp::Max, length, 0);
        let rest = self.code.index_by(IndexOp::Mod, length, step);
        let whole = hi.plus(&Affine::term(rest, -1));
        let end = self.code.value(&whole);
        self.code.learn(end, Fact { hi: fact.hi, ..fact });
        carried = self.run(lp, start, end, fact, carried);
        for residue in residues.into_iter().filter(|r| *r > 0) {
            carried = self.tail(lp, rest, residue, end, carried);
        }
        carried
    }

    /// The last block, where it has this length.
    fn tail(&mut self, lp: &'a For, rest: Value, length: i64, start: Value, carried: Carried) -> Carried {
        let cond = self.code.equals(rest, length);
        let types: Vec<Vec<Type>> =
            carried.iter().map(|c| c.iter().map(|v| self.code.types[v.0 as usize]).collect()).collect();
        self.code.open();
        let yields = self.iterate(lp, Affine::term(start, 1), length as usize, carried.clone());
        let then = Arm { body: self.code.close(), yields: yields.concat() };
        let otherwise = Arm { body: vec![], yields: carried.concat() };
        let results = self.fresh_all(&types);
        self.code.push(Stmt::If { cond, then, otherwise, results: results.concat() });
        results
    }
}

/// What the statements of a loop do with values and buffers.
#[derive(Default)]
struct Facts {
    /// Operands of contractions aside: those are read in place.
    used: BTreeSet<tile::Value>,
    defined: BTreeSet<tile::Value>,
    stored: Vec<Buf>,
}

impl Facts {
    fn of_loop(&mut self, lp: &For) {
        for carry in &lp.carries {
            self.used.insert(carry.init);
            self.defined.extend([carry.inner, carry.result]);
        }
        self.used.extend(&lp.yields);
        lp.body.iter().for_each(|stmt| self.of_stmt(stmt));
    }

    fn of_stmt(&mut self, stmt: &tile::Stmt) {
        match stmt {
            tile::Stmt::Let { value, op } => {
                self.defined.insert(*value);
                match op {
                    TileOp::Contract { acc, .. } => self.used.extend([*acc]),
                    _ => self.used.extend(op.uses()),
                }
            }
            tile::Stmt::For(lp) => self.of_loop(lp),
            tile::Stmt::Store { view, value, .. } => {
                self.used.insert(*value);
                self.used.extend(view.data());
                self.stored.push(view.buf);
            }
        }
    }
}

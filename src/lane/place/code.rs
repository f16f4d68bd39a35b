//! The lane code under construction: open blocks, shared pure operations, and what is known of index values.

use crate::lane::{Elem, IndexOp, LaneOp, Stmt, Type, Value, VecOp};
use crate::ops::Compare;
use std::collections::{HashMap, HashSet};

/// Inclusive bounds of an index value, and a number that divides it.
#[derive(Clone, Copy, Debug)]
pub struct Fact {
    pub lo: i64,
    pub hi: i64,
    pub multiple: i64,
}

/// Bounds beyond any index, far from overflow.
pub const FAR: i64 = 1 << 40;

impl Fact {
    pub const UNKNOWN: Fact = Fact { lo: -FAR, hi: FAR, multiple: 1 };
}

#[derive(Default)]
struct Block {
    stmts: Vec<Stmt>,
    known: HashMap<LaneOp, Value>,
    /// Masks whose faults are already reported.
    faults: HashSet<Value>,
}

/// Pure operations go to the outermost block that knows their arguments, once; so what does not change in a loop
/// stands before it.
pub struct Code {
    pub types: Vec<Type>,
    /// Number of open blocks around the definition of each value, less one.
    levels: Vec<usize>,
    blocks: Vec<Block>,
    facts: HashMap<Value, Fact>,
    /// Lanes of every vector.
    pub lanes: u16,
}

impl Code {
    /// Code with the two index values `lo` and `hi`.
    pub fn new(lanes: u16) -> Code {
        let types = vec![Type::I64; 2];
        Code { types, levels: vec![0; 2], blocks: vec![Block::default()], facts: HashMap::new(), lanes }
    }

    pub fn open(&mut self) {
        self.blocks.push(Block::default());
    }

    pub fn close(&mut self) -> Vec<Stmt> {
        self.blocks.pop().map(|b| b.stmts).unwrap_or_default()
    }

    fn current(&mut self) -> &mut Block {
        self.blocks.last_mut().expect("a block is open")
    }

    pub fn push(&mut self, stmt: Stmt) {
        self.current().stmts.push(stmt);
    }

    /// A new value of the innermost open block.
    pub fn fresh(&mut self, ty: Type) -> Value {
        self.fresh_at(ty, self.blocks.len() - 1)
    }

    fn fresh_at(&mut self, ty: Type, level: usize) -> Value {
        self.types.push(ty);
        self.levels.push(level);
        Value(self.types.len() as u32 - 1)
    }

    /// An operation right here, whether known or not.
    pub fn emit(&mut self, ty: Type, op: LaneOp) -> Value {
        let value = self.fresh(ty);
        self.push(Stmt::Let { value, op });
        value
    }

    pub fn level(&self, value: Value) -> usize {
        self.levels[value.0 as usize]
    }

    /// An operation without effects, shared and as far out as its arguments allow.
    pub fn pure(&mut self, ty: Type, op: LaneOp, args: &[Value]) -> Value {
        let level = args.iter().map(|a| self.level(*a)).max().unwrap_or(0);
        if let Some(value) = self.blocks[level].known.get(&op) {
            return *value;
        }
        let value = self.fresh_at(ty, level);
        self.blocks[level].known.insert(op.clone(), value);
        self.blocks[level].stmts.push(Stmt::Let { value, op });
        value
    }

    pub fn fact(&self, value: Value) -> Fact {
        self.facts.get(&value).copied().unwrap_or(Fact::UNKNOWN)
    }

    pub fn learn(&mut self, value: Value, fact: Fact) {
        self.facts.insert(value, fact);
    }

    pub fn iconst(&mut self, n: i64) -> Value {
        self.pure(Type::I64, LaneOp::IConst(n), &[])
    }

    pub fn index(&mut self, op: IndexOp, a: Value, b: Value) -> Value {
        self.pure(Type::I64, LaneOp::Index(op, a, b), &[a, b])
    }

    pub fn index_by(&mut self, op: IndexOp, a: Value, n: i64) -> Value {
        let n = self.iconst(n);
        self.index(op, a, n)
    }

    /// `value >= 0`
    pub fn at_least_zero(&mut self, value: Value) -> Value {
        let zero = self.iconst(0);
        self.pure(Type::Cond, LaneOp::IndexCompare(Compare::Ge, value, zero), &[value, zero])
    }

    pub fn equals(&mut self, value: Value, n: i64) -> Value {
        let n = self.iconst(n);
        self.pure(Type::Cond, LaneOp::IndexCompare(Compare::Eq, value, n), &[value, n])
    }

    pub fn f32s(&self) -> Type {
        Type::Vec(Elem::F32, self.lanes)
    }

    pub fn i32s(&self) -> Type {
        Type::Vec(Elem::I32, self.lanes)
    }

    pub fn mask(&self) -> Type {
        Type::Mask(self.lanes)
    }

    pub fn fsplat(&mut self, bits: u32) -> Value {
        self.pure(self.f32s(), LaneOp::FSplat(bits), &[])
    }

    pub fn isplat(&mut self, n: i32) -> Value {
        self.pure(self.i32s(), LaneOp::ISplat(n), &[])
    }

    pub fn first_lanes(&mut self, n: u16) -> Value {
        self.pure(self.mask(), LaneOp::FirstLanes(n), &[])
    }

    pub fn splat_cond(&mut self, cond: Value) -> Value {
        self.pure(self.mask(), LaneOp::SplatCond(cond), &[cond])
    }

    /// A lanewise operation, shared.
    pub fn vec(&mut self, op: VecOp, args: &[Value]) -> Value {
        let ty = self.types[args[0].0 as usize];
        self.pure(ty, LaneOp::Vec(op, args.to_vec()), args)
    }

    pub fn compare(&mut self, compare: Compare, a: Value, b: Value) -> Value {
        self.pure(self.mask(), LaneOp::Compare(compare, a, b), &[a, b])
    }

    pub fn select(&mut self, mask: Value, then: Value, otherwise: Value) -> Value {
        let ty = self.types[then.0 as usize];
        self.pure(ty, LaneOp::Select(mask, then, otherwise), &[mask, then, otherwise])
    }

    /// Mask of exactly these lanes: the exclusive or of the prefixes where it changes.
    pub fn static_mask(&mut self, lanes: &[bool]) -> Value {
        let mut mask = None;
        for end in 1..=lanes.len() {
            if lanes.get(end).copied().unwrap_or(false) != lanes[end - 1] {
                let prefix = self.first_lanes(end as u16);
                mask = Some(mask.map_or(prefix, |m| self.vec(VecOp::MXor, &[m, prefix])));
            }
        }
        mask.unwrap_or_else(|| self.first_lanes(0))
    }

    /// Mask of lane n alone.
    pub fn one_lane(&mut self, n: u16) -> Value {
        let lanes: Vec<bool> = (0..self.lanes).map(|l| l == n).collect();
        self.static_mask(&lanes)
    }

    /// i32 lanes with these values; further lanes repeat the last.
    pub fn static_lanes(&mut self, lanes: &[i32]) -> Value {
        let mut vector = self.isplat(lanes[0]);
        for l in 1..lanes.len() {
            if lanes[l] != lanes[l - 1] {
                let (before, next) = (self.first_lanes(l as u16), self.isplat(lanes[l]));
                vector = self.select(before, vector, next);
            }
        }
        vector
    }

    pub fn fault(&mut self, mask: Value) {
        if self.current().faults.insert(mask) {
            self.push(Stmt::Fault { mask });
        }
    }

    pub fn fault_if(&mut self, cond: Value) {
        if self.current().faults.insert(cond) {
            self.push(Stmt::FaultIf { cond });
        }
    }
}

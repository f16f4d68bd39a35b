//! Contractions: operands in place, k ascending, all accumulators at hand.

use super::Placer;
use super::affine::Affine;
use super::code::Fact;
use super::index::Position;
use crate::lane::{Loop, Stmt, Type, Value, VecOp};
use crate::ops::DType;
use crate::tile::{self, TileOp, View};

/// Longest k that is unrolled whole, and the steps of k per trip where it is not.
const UNROLL_ALL: usize = 32;
const UNROLL: usize = 4;

struct Operands<'v> {
    a: &'v View,
    b: &'v View,
    a_transposed: bool,
    /// Type of the result, and number of rows and of vectors in a row.
    ty: tile::TileType,
    rows: usize,
    vectors: usize,
}

impl Placer<'_> {
    /// Computes all elements of a contraction.
    pub fn contract(
        &mut self,
        value: tile::Value,
        acc: tile::Value,
        a: tile::Value,
        b: tile::Value,
        a_transposed: bool,
    ) {
        let ty = self.kernel.ty(value);
        let (rows, vectors) = self.shape(ty);
        let (Some(TileOp::Load(a)), Some(TileOp::Load(view))) =
            (self.definitions.get(&a).copied(), self.definitions.get(&b).copied())
        else {
            unreachable!("operands of contractions are loads");
        };
        let operands = Operands { a, b: view, a_transposed, ty, rows, vectors };
        let k = self.extent(self.kernel.ty(b).rows);
        let sums = self.force(acc);
        let sums = self.contract_all(&operands, k, sums);
        for (at, sum) in sums.into_iter().enumerate() {
            self.remember((value, at / vectors, at % vectors), sum);
        }
    }

    fn contract_all(&mut self, operands: &Operands, k: usize, mut sums: Vec<Value>) -> Vec<Value> {
        let data = !operands.a.data().is_empty() || !operands.b.data().is_empty();
        let whole = if k <= UNROLL_ALL || data { 0 } else { k - k % UNROLL };
        if whole > 0 {
            sums = self.contract_loop(operands, whole, sums);
        }
        for k in whole..k {
            self.contract_step(operands, &Affine::constant(k as i64), k, &mut sums);
        }
        sums
    }

    fn contract_loop(&mut self, operands: &Operands, whole: usize, sums: Vec<Value>) -> Vec<Value> {
        let (lo, hi) = (self.code.iconst(0), self.code.iconst(whole as i64));
        let ty = self.code.f32s();
        self.code.open();
        let var = self.code.fresh(Type::I64);
        let last = (whole - UNROLL) as i64;
        self.code.learn(var, Fact { lo: 0, hi: last, multiple: UNROLL as i64 });
        let inner: Vec<Value> = sums.iter().map(|_| self.code.fresh(ty)).collect();
        let mut yields = inner.clone();
        for step in 0..UNROLL {
            self.contract_step(operands, &Affine::term(var, 1).offset(step as i64), 0, &mut yields);
        }
        let body = self.code.close();
        let after: Vec<Value> = sums.iter().map(|_| self.code.fresh(ty)).collect();
        let carries = sums.into_iter().zip(inner).zip(&after).map(|((a, b), c)| (a, b, *c)).collect();
        self.code.push(Stmt::Loop(Loop { var, lo, hi, step: UNROLL as i64, carries, body, yields }));
        after
    }

    /// Adds the products of one k to all sums. `at` is its number where that is known, for data indices.
    fn contract_step(&mut self, operands: &Operands, k: &Affine, at: usize, sums: &mut [Value]) {
        let Operands { a, b, a_transposed, ty, rows, vectors } = *operands;
        let right: Vec<Value> = (0..vectors)
            .map(|vector| {
                let place = self.position(ty, at, vector);
                let place = Position { row: super::affine::Expr::scalar(k.clone()), ..place };
                self.load(b, DType::F32, &place)
            })
            .collect();
        for row in 0..rows {
            let r = Affine::constant(row as i64);
            let place = if a_transposed {
                self.scalar_position(k.clone(), r, (at, 0))
            } else {
                self.scalar_position(r, k.clone(), (row, 0))
            };
            let left = self.load(a, DType::F32, &place);
            for (sum, right) in sums[row * vectors..].iter_mut().zip(&right) {
                *sum = self.code.vec(VecOp::Fma, &[left, *right, *sum]);
            }
        }
    }
}

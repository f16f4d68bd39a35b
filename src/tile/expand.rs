//! Rewrites what not every emitter has (the second group of [`Map`], and `philox`) into what every emitter has, once
//! for all: so exp and its kin have the same bits everywhere. Fused multiply-adds are explicit.
//!
//! | function | error in ulp, at most | |
//! | --- | --- | --- |
//! | exp, log | 1.5 | |
//! | expm1, log1p, tanh, erf | 3 | |
//! | sin, cos | 2 | for arguments up to 1e4; beyond that only bounded in [-1, 1] |
//! | pow | 4 | special cases as C's `pow` |
//!
//! Zeros, infinities and NaN come out as IEEE and C have them. Denormal arguments count as zero, denormal results are
//! flushed.

mod exponential;
mod integer;
mod logarithm;
mod philox;
#[cfg(test)]
mod tests;
mod trigonometric;

use super::{Extent, Kernel, Map, Stmt, TileOp, TileType, Value};
use crate::ops::{Compare, DType, Literal};
use std::collections::HashMap;

/// The same kernel without operations of the second group of [`Map`] and without `philox`.
pub fn expand(kernel: &Kernel) -> Kernel {
    let mut builder = Builder { values: kernel.values.clone(), ..Builder::default() };
    builder.block(&kernel.body);
    let mut body = builder.constants;
    body.append(&mut builder.out);
    Kernel { body, values: builder.values, ..kernel.clone() }
}

/// Emits operations; a result has the extents of its arguments together.
#[derive(Default)]
struct Builder {
    values: Vec<TileType>,
    /// Constants stand before the body and are shared.
    constants: Vec<Stmt>,
    known: HashMap<(DType, u32), Value>,
    out: Vec<Stmt>,
}

impl Builder {
    fn block(&mut self, body: &[Stmt]) {
        for stmt in body {
            match stmt {
                Stmt::Let { value, op } => self.op(*value, op),
                Stmt::For(lp) => {
                    let outer = std::mem::take(&mut self.out);
                    self.block(&lp.body);
                    let body = std::mem::replace(&mut self.out, outer);
                    self.out.push(Stmt::For(super::For { body, ..lp.clone() }));
                }
                Stmt::Store { .. } => self.out.push(stmt.clone()),
            }
        }
    }

    fn op(&mut self, value: Value, op: &TileOp) {
        let ty = self.values[value.0 as usize];
        let result = match op {
            TileOp::Map(map, args) => self.map(*map, args),
            TileOp::Philox { key, seed, step, index } => Some(self.philox(*key, *seed, *step, index, ty)),
            _ => None,
        };
        match result {
            Some(result) => self.rename(result, value),
            None => self.out.push(Stmt::Let { value, op: op.clone() }),
        }
    }

    /// Gives the operation just emitted the number that the program knows.
    fn rename(&mut self, last: Value, known: Value) {
        self.values.pop();
        debug_assert_eq!(last.0 as usize, self.values.len(), "the result is the last value");
        if let Some(Stmt::Let { value, .. }) = self.out.last_mut() {
            *value = known;
        }
    }

    fn map(&mut self, map: Map, args: &[Value]) -> Option<Value> {
        let float = self.dtype(args[0]) == DType::F32;
        let a = args[0];
        let b = args.get(1).copied().unwrap_or(a);
        Some(match map {
            Map::Sign => self.sign(a),
            Map::Exp => self.exp(a),
            Map::Expm1 => self.expm1(a),
            Map::Log => self.log(a),
            Map::Log1p => self.log1p(a),
            Map::Sin => self.sin(a),
            Map::Cos => self.cos(a),
            Map::Tanh => self.tanh(a),
            Map::Erf => self.erf(a),
            Map::Pow => self.pow(a, b),
            Map::Max => self.extreme(a, b, Map::MaxRaw, Compare::Gt),
            Map::Min => self.extreme(a, b, Map::MinRaw, Compare::Lt),
            Map::FloorDiv if float => self.floor_div_f32(a, b),
            Map::FloorDiv => self.floor_div_i32(a, b),
            Map::Rem if float => self.rem_f32(a, b),
            Map::Rem => self.rem_i32(a, b),
            _ => return None,
        })
    }

    fn dtype(&self, value: Value) -> DType {
        self.values[value.0 as usize].dtype
    }

    fn emit(&mut self, ty: TileType, op: TileOp) -> Value {
        self.values.push(ty);
        let value = Value(self.values.len() as u32 - 1);
        self.out.push(Stmt::Let { value, op });
        value
    }

    /// A first-group operation with the extents of its arguments together.
    fn do_map(&mut self, map: Map, args: &[Value]) -> Value {
        let dtype = if let Map::Compare(_) = map { DType::Bool } else { self.dtype(args[args.len() - 1]) };
        let types = args.iter().map(|a| self.values[a.0 as usize]);
        let one = TileType { dtype, rows: Extent::Fixed(1), cols: Extent::Fixed(1) };
        let ty = types.fold(one, |a, b| TileType { dtype, rows: join(a.rows, b.rows), cols: join(a.cols, b.cols) });
        self.emit(ty, TileOp::Map(map, args.to_vec()))
    }

    fn constant(&mut self, dtype: DType, bits: u32, literal: Literal) -> Value {
        if let Some(value) = self.known.get(&(dtype, bits)) {
            return *value;
        }
        self.values.push(TileType { dtype, rows: Extent::Fixed(1), cols: Extent::Fixed(1) });
        let value = Value(self.values.len() as u32 - 1);
        self.constants.push(Stmt::Let { value, op: TileOp::Const(literal) });
        self.known.insert((dtype, bits), value);
        value
    }

    fn f(&mut self, x: f32) -> Value {
        self.constant(DType::F32, x.to_bits(), Literal::Float(x.into()))
    }

    fn i(&mut self, n: i32) -> Value {
        self.constant(DType::I32, n as u32, Literal::Int(n.into()))
    }

    fn un(&mut self, map: Map, a: Value) -> Value {
        self.do_map(map, &[a])
    }

    fn bin(&mut self, map: Map, a: Value, b: Value) -> Value {
        self.do_map(map, &[a, b])
    }

    fn add(&mut self, a: Value, b: Value) -> Value {
        self.bin(Map::Add, a, b)
    }

    fn sub(&mut self, a: Value, b: Value) -> Value {
        self.bin(Map::Sub, a, b)
    }

    fn mul(&mut self, a: Value, b: Value) -> Value {
        self.bin(Map::Mul, a, b)
    }

    fn fma(&mut self, a: Value, b: Value, c: Value) -> Value {
        self.do_map(Map::Fma, &[a, b, c])
    }

    fn neg(&mut self, a: Value) -> Value {
        self.un(Map::Neg, a)
    }

    fn abs(&mut self, a: Value) -> Value {
        self.un(Map::Abs, a)
    }

    fn compare(&mut self, compare: Compare, a: Value, b: Value) -> Value {
        self.bin(Map::Compare(compare), a, b)
    }

    fn select(&mut self, condition: Value, then: Value, otherwise: Value) -> Value {
        self.do_map(Map::Select, &[condition, then, otherwise])
    }

    fn bitcast(&mut self, a: Value) -> Value {
        let ty = self.values[a.0 as usize];
        let dtype = if ty.dtype == DType::F32 { DType::I32 } else { DType::F32 };
        self.emit(TileType { dtype, ..ty }, TileOp::Bitcast(a))
    }

    fn cast(&mut self, dtype: DType, a: Value) -> Value {
        let ty = self.values[a.0 as usize];
        self.emit(TileType { dtype, ..ty }, TileOp::Cast(a))
    }

    /// Horner with fused steps, highest coefficient first.
    fn polynomial(&mut self, x: Value, coefficients: &[f32]) -> Value {
        let mut sum = self.f(coefficients[0]);
        for c in &coefficients[1..] {
            let c = self.f(*c);
            sum = self.fma(sum, x, c);
        }
        sum
    }

    /// x within [lo, hi]; NaN stays.
    fn clamp(&mut self, x: Value, lo: f32, hi: f32) -> Value {
        let (lo, hi) = (self.f(lo), self.f(hi));
        let x = self.bin(Map::MaxRaw, lo, x);
        self.bin(Map::MinRaw, hi, x)
    }

    /// 2^n for -127 <= n <= 128: 0 at the lower end, infinity at the upper.
    fn power_of_two(&mut self, n: Value) -> Value {
        let (bias, shift) = (self.i(127), self.i(23));
        let biased = self.add(n, bias);
        let bits = self.bin(Map::Shl, biased, shift);
        self.bitcast(bits)
    }

    /// a where a is 0 (with its sign), else b.
    fn keep_zero(&mut self, a: Value, b: Value) -> Value {
        let zero = self.f(0.0);
        let is_zero = self.compare(Compare::Eq, a, zero);
        self.select(is_zero, a, b)
    }
}

fn join(a: Extent, b: Extent) -> Extent {
    if a == Extent::Fixed(1) { b } else { a }
}

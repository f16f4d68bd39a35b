//! Types of operations: one short function per kind.

use super::{Checked, Checker, broadcasts, ensure, literal_fits};
use crate::ops::{Compare, DType};
use crate::tile::{Extent, FoldOp, Map, TileOp, TileType, Value};

const NUMBERS: &[DType] = &[DType::F32, DType::I32];
const F32: &[DType] = &[DType::F32];
const I32: &[DType] = &[DType::I32];
const BITS: &[DType] = &[DType::I32, DType::Bool];
const ANY: &[DType] = &[DType::F32, DType::I32, DType::Bool];

impl Checker<'_> {
    pub(super) fn op(&self, value: Value, op: &TileOp) -> Checked {
        let Some(&ty) = self.kernel.values.get(value.0 as usize) else {
            return Err("it has no type".into());
        };
        for used in op.uses() {
            self.used(used)?;
        }
        match op {
            TileOp::Load(view) => self.load(view, ty),
            TileOp::Const(literal) => {
                ensure(literal_fits(*literal, ty.dtype), || "the literal has another type".into())
            }
            TileOp::Index(index) => {
                ensure(ty.dtype == DType::I32, || "an index is i32".into())?;
                self.index(index, ty)
            }
            TileOp::Map(map, args) => self.map(*map, args, ty),
            TileOp::Cast(x) => ensure(self.extents(*x) == (ty.rows, ty.cols), || "extents differ".into()),
            TileOp::Bitcast(x) => self.bitcast(self.kernel.ty(*x), ty),
            TileOp::Fold { op, acc, x } => self.fold(*op, *acc, *x, ty),
            TileOp::Tree { op, x } => self.tree(*op, *x, ty),
            TileOp::FoldRows { op, x } => self.fold_rows(*op, *x, ty),
            TileOp::Transpose(x) => {
                let from = self.kernel.ty(*x);
                expect(TileType { rows: from.cols, cols: from.rows, ..from }, ty)
            }
            TileOp::Contract { acc, a, b, a_transposed } => self.contract(*acc, *a, *b, *a_transposed, ty),
            TileOp::Philox { seed, step, index, .. } => self.philox([*seed, *step], ty).and(self.index(index, ty)),
        }
    }

    fn extents(&self, value: Value) -> (Extent, Extent) {
        let ty = self.kernel.ty(value);
        (ty.rows, ty.cols)
    }

    fn map(&self, map: Map, args: &[Value], ty: TileType) -> Checked {
        ensure(args.len() == map.arity(), || format!("{} takes {} arguments", map.name(), map.arity()))?;
        let types: Vec<TileType> = args.iter().map(|a| self.kernel.ty(*a)).collect();
        for from in &types {
            ensure(broadcasts(*from, ty), || format!("an argument of type {from} does not broadcast to {ty}"))?;
        }
        let allowed = allowed(map);
        let (operands, result) = match map {
            Map::Select => {
                expect_dtype(types[0], DType::Bool)?;
                (&types[1..], types[1].dtype)
            }
            Map::Compare(Compare::Eq | Compare::Ne) => (&types[..], DType::Bool),
            Map::Compare(_) => {
                ensure(types[0].dtype != DType::Bool, || "bool is not ordered".into())?;
                (&types[..], DType::Bool)
            }
            _ => (&types[..], types[0].dtype),
        };
        let dtype = operands[0].dtype;
        ensure(allowed.contains(&dtype), || format!("{} does not take {dtype}", map.name()))?;
        operands.iter().try_for_each(|t| expect_dtype(*t, dtype))?;
        expect_dtype(ty, result)
    }

    fn bitcast(&self, from: TileType, to: TileType) -> Checked {
        let number = |t: TileType| t.dtype != DType::Bool;
        let fits = number(from) && number(to) && (from.rows, from.cols) == (to.rows, to.cols);
        ensure(fits, || format!("{from} has not the bits of {to}"))
    }

    fn fold_dtype(&self, op: FoldOp, x: Value) -> Checked {
        let logical = matches!(op, FoldOp::And | FoldOp::Or);
        let ty = self.kernel.ty(x);
        ensure(logical == (ty.dtype == DType::Bool), || format!("{} does not fold {}", op.name(), ty.dtype))
    }

    fn fold(&self, op: FoldOp, acc: Value, x: Value, ty: TileType) -> Checked {
        self.fold_dtype(op, x)?;
        expect(TileType { cols: Extent::Fixed(16), ..self.kernel.ty(x) }, ty)?;
        expect(self.kernel.ty(acc), ty)
    }

    fn tree(&self, op: FoldOp, x: Value, ty: TileType) -> Checked {
        self.fold_dtype(op, x)?;
        let from = self.kernel.ty(x);
        ensure(from.cols == Extent::Fixed(16), || format!("a tree reduces 16 columns, not {from}"))?;
        expect(TileType { cols: Extent::Fixed(1), ..from }, ty)
    }

    fn fold_rows(&self, op: FoldOp, x: Value, ty: TileType) -> Checked {
        self.fold_dtype(op, x)?;
        expect(TileType { rows: Extent::Fixed(1), ..self.kernel.ty(x) }, ty)
    }

    fn contract(&self, acc: Value, a: Value, b: Value, a_transposed: bool, ty: TileType) -> Checked {
        for operand in [a, b] {
            let loaded = self.loads[operand.0 as usize].is_some();
            ensure(loaded, || format!("the operand {operand} is no load, or its buffer was stored to since"))?;
        }
        let data = self.loads[a.0 as usize].map(|view| view.data()).unwrap_or_default();
        let narrow = data.into_iter().all(|tile| self.kernel.ty(tile).cols == Extent::Fixed(1));
        ensure(narrow, || format!("the indices of the left operand {a} vary along its columns"))?;
        expect(self.kernel.ty(acc), ty)?;
        expect_dtype(ty, DType::F32)?;
        let (rows, k) = self.extents(a);
        let (rows, k) = if a_transposed { (k, rows) } else { (rows, k) };
        let b_ty = TileType { dtype: DType::F32, rows: k, cols: ty.cols };
        ensure(rows == ty.rows, || format!("the left operand has {rows} rows, not {}", ty.rows))?;
        expect_dtype(self.kernel.ty(a), DType::F32)?;
        expect(self.kernel.ty(b), b_ty)
    }

    fn philox(&self, scalars: [Value; 2], ty: TileType) -> Checked {
        expect_dtype(ty, DType::I32)?;
        let one = TileType { dtype: DType::I32, rows: Extent::Fixed(1), cols: Extent::Fixed(1) };
        scalars.into_iter().try_for_each(|s| expect(self.kernel.ty(s), one))
    }
}

fn allowed(map: Map) -> &'static [DType] {
    match map {
        Map::Neg | Map::Abs | Map::Add | Map::Sub | Map::Mul | Map::Sign | Map::Max | Map::Min => NUMBERS,
        Map::FloorDiv | Map::Rem => NUMBERS,
        Map::And | Map::Or | Map::Xor | Map::Not => BITS,
        Map::Shl | Map::Shr | Map::ShrArith | Map::MulHigh => I32,
        Map::Compare(_) | Map::Select => ANY,
        _ => F32,
    }
}

fn expect(found: TileType, wanted: TileType) -> Checked {
    ensure(found == wanted, || format!("expected {wanted}, found {found}"))
}

fn expect_dtype(found: TileType, wanted: DType) -> Checked {
    ensure(found.dtype == wanted, || format!("expected {wanted}, found {found}"))
}

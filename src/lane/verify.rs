//! Checks a lane kernel. The invariants:
//!
//! 1. Every value is defined once, before its uses, and seen only inside the body that defines it; v0 and v1 (`lo`,
//!    `hi`) are I64 and defined by the kernel.
//! 2. Arguments and results have the types that [`LaneOp`] states; lane counts are positive multiples of 4.
//! 3. A buffer is f32, i32, u8 or bool; f32 memory meets f32 vectors, i32 and u8 meet i32 vectors, bool meets masks.
//! 4. An access names at most as many elements as the vector has lanes; splats are never stored.
//! 5. Divisors of index arithmetic are positive constants; loop steps are positive.
//! 6. Each carry has one type throughout, and a body yields one value per carry (an arm one per result).

use super::{Access, Address, Arm, Elem, IndexOp, Kernel, LaneKind, LaneOp, Loop, Stmt, Type, Value};
use crate::ops::DType;

type Checked<T = ()> = Result<T, String>;

/// The first broken invariant, with the value or statement that breaks it.
pub fn verify(kernel: &Kernel) -> Checked {
    let n = kernel.types.len();
    let mut v = Verifier { kernel, seen: vec![false; n], visible: vec![false; n], constants: vec![None; n] };
    kernel.buffers.iter().try_for_each(|&b| memory_kind(b).map(|_| ()))?;
    v.define(Value(0))?;
    v.define(Value(1))?;
    v.expect(Value(0), Type::I64)?;
    v.expect(Value(1), Type::I64)?;
    v.scope(&kernel.body, &[]).map(|_| ())
}

struct Verifier<'a> {
    kernel: &'a Kernel,
    /// Defined anywhere so far.
    seen: Vec<bool>,
    /// Defined, and in scope here.
    visible: Vec<bool>,
    constants: Vec<Option<i64>>,
}

/// What vectors hold that come from memory of this type.
fn memory_kind(dtype: DType) -> Checked<LaneKind> {
    match dtype {
        DType::F32 => Ok(LaneKind::F32),
        DType::I32 | DType::U8 => Ok(LaneKind::I32),
        DType::Bool => Ok(LaneKind::Mask),
        _ => Err(format!("buffers of {dtype} have no lane form")),
    }
}

fn ensure(holds: bool, message: impl FnOnce() -> String) -> Checked {
    if holds { Ok(()) } else { Err(message()) }
}

impl Verifier<'_> {
    fn define(&mut self, value: Value) -> Checked {
        let at = value.0 as usize;
        let fresh = self.seen.get(at).is_some_and(|seen| !seen);
        ensure(fresh, || format!("{value} is defined twice or has no type"))?;
        let lanes = self.kernel.types[at].lanes();
        let scalar = matches!(self.kernel.types[at], Type::I64 | Type::Cond);
        ensure(scalar || (lanes > 0 && lanes.is_multiple_of(4)), || {
            format!("{value} has {lanes} lanes, not a multiple of 4")
        })?;
        self.seen[at] = true;
        self.visible[at] = true;
        Ok(())
    }

    /// The type of a visible value.
    fn ty(&self, value: Value) -> Checked<Type> {
        let visible = self.visible.get(value.0 as usize).copied().unwrap_or(false);
        ensure(visible, || format!("{value} is used but not defined here"))?;
        Ok(self.kernel.types[value.0 as usize])
    }

    fn expect(&self, value: Value, ty: Type) -> Checked {
        let found = self.ty(value)?;
        ensure(found == ty, || format!("{value} is {found}, expected {ty}"))
    }

    fn expect_all(&self, values: &[Value], ty: Type) -> Checked {
        values.iter().try_for_each(|&v| self.expect(v, ty))
    }

    /// Checks a body and what it yields; its definitions go out of scope. Gives the types of the yields.
    fn scope(&mut self, body: &[Stmt], yields: &[Value]) -> Checked<Vec<Type>> {
        let outer = self.visible.clone();
        body.iter().try_for_each(|s| self.stmt(s))?;
        let types = yields.iter().map(|&v| self.ty(v)).collect();
        self.visible = outer;
        types
    }

    fn stmt(&mut self, stmt: &Stmt) -> Checked {
        match stmt {
            Stmt::Let { value, op } => self.assign(*value, op),
            Stmt::Loop(l) => self.looped(l),
            Stmt::If { cond, then, otherwise, results } => {
                self.expect(*cond, Type::Cond)?;
                self.arm(then, results)?;
                self.arm(otherwise, results)?;
                results.iter().try_for_each(|&r| self.define(r))
            }
            Stmt::Store(s) => {
                ensure(s.access != Access::Splat, || format!("{} is a splat store", s.address))?;
                let ty = self.ty(s.value)?;
                self.memory(&s.address, &s.access, ty)
            }
            Stmt::Fault { mask } => {
                let ty = self.ty(*mask)?;
                self.expect(*mask, Type::Mask(ty.lanes()))
            }
            Stmt::FaultIf { cond } => self.expect(*cond, Type::Cond),
        }
    }

    fn arm(&mut self, arm: &Arm, results: &[Value]) -> Checked {
        let types = self.scope(&arm.body, &arm.yields)?;
        let expected: Vec<_> = results.iter().filter_map(|r| self.kernel.types.get(r.0 as usize).copied()).collect();
        ensure(types == expected, || format!("an arm yields {types:?}, its `if` has {expected:?}"))
    }

    fn looped(&mut self, l: &Loop) -> Checked {
        self.expect_all(&[l.lo, l.hi], Type::I64)?;
        ensure(l.step > 0, || format!("loop {} has step {}", l.var, l.step))?;
        ensure(l.yields.len() == l.carries.len(), || format!("loop {} yields {} values", l.var, l.yields.len()))?;
        let outer = self.visible.clone();
        let inits = l.carries.iter().map(|c| self.ty(c.0)).collect::<Checked<Vec<_>>>()?;
        self.define(l.var)?;
        self.expect(l.var, Type::I64)?;
        for (carry, &ty) in l.carries.iter().zip(&inits) {
            self.define(carry.1)?;
            self.expect(carry.1, ty)?;
        }
        let yields = self.scope(&l.body, &l.yields)?;
        ensure(yields == inits, || format!("loop {} starts with {inits:?} and yields {yields:?}", l.var))?;
        self.visible = outer;
        for (carry, ty) in l.carries.iter().zip(inits) {
            self.define(carry.2)?;
            self.expect(carry.2, ty)?;
        }
        Ok(())
    }

    fn assign(&mut self, value: Value, op: &LaneOp) -> Checked {
        let result = self.kernel.types.get(value.0 as usize).copied();
        let result = result.ok_or_else(|| format!("{value} has no type"))?;
        self.op(op, result).map_err(|e| format!("{value} = {op}: {e}"))?;
        if let LaneOp::IConst(n) = op {
            self.constants[value.0 as usize] = Some(*n);
        }
        self.define(value)
    }

    /// Checks arguments and result of one operation.
    fn op(&self, op: &LaneOp, result: Type) -> Checked {
        let lanes = result.lanes();
        let is = |ty: Type| ensure(result == ty, || format!("the result is {result}, expected {ty}"));
        let (f32s, i32s, mask) = (LaneKind::F32.of(lanes), LaneKind::I32.of(lanes), Type::Mask(lanes));
        match op {
            LaneOp::IConst(_) => is(Type::I64),
            LaneOp::Index(op, a, b) => {
                self.divisor(*op, *b)?;
                self.expect_all(&[*a, *b], Type::I64)?;
                is(Type::I64)
            }
            LaneOp::IndexCompare(_, a, b) => {
                self.expect_all(&[*a, *b], Type::I64)?;
                is(Type::Cond)
            }
            LaneOp::FirstLane(v) => {
                self.expect(*v, LaneKind::I32.of(self.ty(*v)?.lanes()))?;
                is(Type::I64)
            }
            LaneOp::SplatIndex(v) => self.expect(*v, Type::I64).and_then(|()| is(i32s)),
            LaneOp::SplatCond(v) => self.expect(*v, Type::Cond).and_then(|()| is(mask)),
            LaneOp::FSplat(_) => is(f32s),
            LaneOp::ISplat(_) | LaneOp::Lanes => is(i32s),
            LaneOp::FirstLanes(n) => ensure(*n <= lanes, || format!("{n} of {lanes} lanes")).and_then(|()| is(mask)),
            LaneOp::Load { address, access } => self.memory(address, access, result),
            LaneOp::Vec(op, args) => {
                let ty = op.kind().of(lanes);
                ensure(args.len() == op.arity(), || format!("expected {} arguments", op.arity()))?;
                self.expect_all(args, ty)?;
                is(ty)
            }
            LaneOp::Compare(_, a, b) => {
                let ty = self.ty(*a)?;
                self.expect(*b, ty)?;
                ensure(ty.lanes() == lanes && lanes > 0, || format!("compares {ty}"))?;
                is(mask)
            }
            LaneOp::Select(m, a, b) => self.expect(*m, mask).and_then(|()| self.expect_all(&[*a, *b], result)),
            LaneOp::ToF32(v) => self.expect(*v, i32s).and_then(|()| is(f32s)),
            LaneOp::ToI32(v) => self.expect(*v, f32s).and_then(|()| is(i32s)),
            LaneOp::Bitcast(v) => {
                let from = if result == f32s { i32s } else { f32s };
                self.expect(*v, from)?;
                ensure(result == f32s || result == i32s, || format!("the result is {result}"))
            }
            LaneOp::Tree(op, v) => {
                self.expect(*v, result)?;
                ensure(lanes.is_power_of_two(), || format!("a tree of {lanes} lanes"))?;
                is(op.kind().of(lanes))
            }
        }
    }

    fn divisor(&self, op: IndexOp, b: Value) -> Checked {
        let constant = self.constants.get(b.0 as usize).copied().flatten();
        let divides = matches!(op, IndexOp::Div | IndexOp::Mod);
        ensure(!divides || constant.is_some_and(|n| n > 0), || format!("{b} is no positive constant"))
    }

    /// Checks an access that loads or stores a value of type `ty`.
    fn memory(&self, address: &Address, access: &Access, ty: Type) -> Checked {
        self.expect(address.index, Type::I64)?;
        let dtype = self.kernel.buffers.get(address.buffer as usize);
        let dtype = *dtype.ok_or_else(|| format!("there is no buffer b{}", address.buffer))?;
        let expected = memory_kind(dtype)?.of(ty.lanes());
        ensure(ty == expected, || format!("{address} of {dtype} meets {ty}"))?;
        match *access {
            Access::Splat => Ok(()),
            Access::Contiguous { count } | Access::Strided { count, .. } => {
                ensure(count <= ty.lanes(), || format!("{address}: {count} elements of {ty}"))
            }
            Access::Indexed { offsets, mask } => {
                self.expect(offsets, Type::Vec(Elem::I32, ty.lanes()))?;
                self.expect(mask, Type::Mask(ty.lanes()))
            }
        }
    }
}

//! What the backward pass reads of the forward pass: of equivalent values, the one that is in memory anyway or smaller.
//!
//! - The mask of `y = where(x <= 0, 0, x)` is that of y: x need not be saved.
//! - A mask after the adjoint of a max-pool may come before it: only the element that won receives anything, and its
//!   value is the pool's result.
//! - The sum over all positions of that adjoint is the sum of what it spreads.

use super::Legalizer;
use crate::ops::{Compare, Literal, Op, Type, Window};
use crate::tensor::Value;

/// `where(mask, …)` that lets a value through or gives 0.
struct Gate {
    mask: Value,
    through: Value,
    /// The mask is true where the result is 0.
    closes: bool,
}

impl Legalizer<'_> {
    pub(super) fn select(&mut self, args: &[Value], ty: Type) -> Value {
        let Some(gate) = self.gate(args) else { return self.push(Op::Select, args, ty) };
        if let Some(spread) = self.gate_before_spread(&gate) {
            return spread;
        }
        let y = self.push(Op::Select, args, ty);
        if let Some((compare, x, zero)) = self.sign_test(gate.mask)
            && x == gate.through
            && compare == gate.test()
        {
            let mask = self.b().compare(compare, y, zero);
            self.masks.insert(gate.mask, mask);
        }
        y
    }

    fn gate(&self, args: &[Value]) -> Option<Gate> {
        let [mask, then, otherwise] = *args else { return None };
        match (self.is_zero(then), self.is_zero(otherwise)) {
            (true, false) => Some(Gate { mask, through: otherwise, closes: true }),
            (false, true) => Some(Gate { mask, through: then, closes: false }),
            _ => None,
        }
    }

    /// +0 in every element.
    pub(super) fn is_zero(&self, value: Value) -> bool {
        let inst = self.def(value);
        match inst.op {
            Op::Const(Literal::Float(x)) => x.to_bits() == 0,
            Op::Broadcast { .. } => self.is_zero(inst.args[0]),
            _ => false,
        }
    }

    /// Comparison with zero: which, of what, with which zero.
    fn sign_test(&self, mask: Value) -> Option<(Compare, Value, Value)> {
        let inst = self.def(mask);
        match inst.op {
            Op::Compare(compare) if self.is_zero(inst.args[1]) => Some((compare, inst.args[0], inst.args[1])),
            _ => None,
        }
    }

    fn gate_before_spread(&mut self, gate: &Gate) -> Option<Value> {
        let spread = self.def(gate.through).clone();
        let (compare, y, _) = self.sign_test(gate.mask)?;
        let (Op::WindowScatter { window, .. }, true) = (&spread.op, compare == gate.test()) else { return None };
        let (y_adj, offsets) = (spread.args[0], spread.args[1]);
        let wins = self.def(offsets);
        if wins.op != (Op::WindowArgMax { window: window.clone() }) || wins.args[0] != y {
            return None;
        }
        let ty = self.out.ty(y_adj).clone();
        let best = self.pooled(window, y, offsets);
        let zero = self.full(Literal::Float(0.0), ty.dtype, &ty.shape);
        let mask = self.b().compare(compare, best, zero);
        let gated = if gate.closes { [mask, zero, y_adj] } else { [mask, y_adj, zero] };
        let gated = self.push(Op::Select, &gated, ty);
        let ty = self.out.ty(gate.through).clone();
        Some(self.push(spread.op, &[gated, offsets], ty))
    }

    /// The result of the max-pool, which exists where it was used forwards.
    fn pooled(&mut self, window: &Window, y: Value, offsets: Value) -> Value {
        let op = Op::WindowGather { window: window.clone() };
        let known = self.out.insts.iter().find(|i| i.op == op && i.args == [y, offsets]);
        let found = known.map(|inst| inst.results[0]);
        found.unwrap_or_else(|| {
            let ty = Type::new(self.dtype(y), self.shape(offsets));
            self.push(op, &[y, offsets], ty)
        })
    }

    /// What to sum instead of `x` over all positions of an image.
    pub(super) fn before_spread(&self, x: Value, axes: &[usize]) -> Value {
        let inst = self.def(x);
        match &inst.op {
            Op::WindowScatter { window, .. } if axes.starts_with(&[0, 1, 2]) && window.pads == [[0; 2]; 2] => {
                inst.args[0]
            }
            _ => x,
        }
    }
}

impl Gate {
    /// The comparison with zero that makes the gate of a value by its own sign a rectifier.
    fn test(&self) -> Compare {
        if self.closes { Compare::Le } else { Compare::Gt }
    }
}

//! Sums of what is padded with zeros to stand side by side are the parts one after the other: the adjoint of slices.

use super::Legalizer;
use crate::ops::{Binary, Op};
use crate::tensor::Value;

/// More parts than this stay a sum.
const MOST_PARTS: usize = 16;

/// A value that is padded with zeros along one axis.
struct Padded {
    value: Value,
    axis: usize,
    from: usize,
    to: usize,
}

impl Legalizer<'_> {
    /// The parts of a sum in order, where they fill an axis.
    pub(super) fn side_by_side(&mut self, args: &[Value]) -> Option<Value> {
        let mut parts = vec![];
        args.iter().all(|arg| self.collect(*arg, &mut parts)).then_some(())?;
        parts.sort_by_key(|p| p.from);
        let (axis, ty) = (parts[0].axis, self.out.ty(args[0]).clone());
        let mut end = 0;
        for part in &parts {
            (part.axis == axis && part.from == end).then_some(())?;
            end = part.to;
        }
        let values: Vec<Value> = parts.iter().map(|p| p.value).collect();
        (end == ty.shape[axis]).then(|| self.push(Op::Concat { axis }, &values, ty))
    }

    /// Adds what a sum is made of; false where something is not padded.
    fn collect(&self, value: Value, parts: &mut Vec<Padded>) -> bool {
        let inst = self.def(value);
        match &inst.op {
            Op::Binary(Binary::Add) => inst.args.iter().all(|arg| self.collect(*arg, parts)),
            Op::Pad { .. } if parts.len() < MOST_PARTS => {
                let padded = self.padded(value);
                let found = padded.is_some();
                parts.extend(padded);
                found
            }
            _ => false,
        }
    }

    fn padded(&self, value: Value) -> Option<Padded> {
        let inst = self.def(value);
        let Op::Pad { pads } = &inst.op else { return None };
        let mut wide = pads.iter().enumerate().filter(|(_, p)| p.low != 0 || p.high != 0 || p.interior != 0);
        let ((axis, pad), None) = (wide.next()?, wide.next()) else { return None };
        let plain = pad.low >= 0 && pad.high >= 0 && pad.interior == 0 && self.is_zero(inst.args[1]);
        let from = usize::try_from(pad.low).ok()?;
        let size = self.out.ty(inst.args[0]).shape[axis];
        plain.then_some(Padded { value: inst.args[0], axis, from, to: from + size })
    }
}

//! Moving elements about: reshape, transpose, concat, split, repeat.

use super::{Checked, Emit, error};
use crate::ops::dim::Dim;
use crate::ops::{Extent, Op};
use crate::tensor::Value as Node;

impl Emit {
    pub fn reshape(&mut self, x: Node, shape: &[Dim]) -> Checked<Node> {
        let own = self.shape(x);
        if own.len() == shape.len() && own.iter().zip(shape).all(|(a, b)| a.same(b)) {
            return Ok(x);
        }
        if !product(&own).same(&product(shape)) {
            return Err(error::reshape_count(self.origin.span, &own, shape));
        }
        self.op(Op::Reshape { shape: shape.to_vec() }, &[x])
    }

    /// A shape in which one `-1` stands for what the rest leaves.
    pub fn infer_shape(&self, x: Node, shape: &[Dim]) -> Checked<Vec<Dim>> {
        let own = self.shape(x);
        let holes = shape.iter().filter(|d| d.known() == Some(-1)).count();
        if holes == 0 {
            return Ok(shape.to_vec());
        }
        let mut have = own.clone();
        let mut given: Vec<Dim> = shape.iter().filter(|d| d.known() != Some(-1)).cloned().collect();
        cancel(&mut have, &mut given);
        let rest = match product(&given).known() {
            Some(n) if n > 0 && holes == 1 => product(&have).floor_div(n),
            _ => return Err(error::reshape_count(self.origin.span, &own, shape)),
        };
        Ok(shape.iter().map(|d| if d.known() == Some(-1) { rest.clone() } else { d.clone() }).collect())
    }

    /// Joins all axes but the first: `[B, 28, 28, 1] → [B, 784]`.
    pub fn flatten(&mut self, x: Node) -> Checked<Node> {
        let shape = self.shape(x);
        if shape.len() < 2 {
            return Ok(x);
        }
        self.reshape(x, &[shape[0].clone(), product(&shape[1..])])
    }

    pub fn transpose(&mut self, x: Node, perm: &[usize]) -> Checked<Node> {
        if perm.iter().enumerate().all(|(i, &p)| i == p) {
            return Ok(x);
        }
        self.op(Op::Transpose { perm: perm.to_vec() }, &[x])
    }

    /// A new axis of length 1 at `axis` of the result.
    pub fn expand(&mut self, x: Node, axis: usize) -> Checked<Node> {
        let mut shape = self.shape(x);
        shape.insert(axis, Dim::Const(1));
        self.reshape(x, &shape)
    }

    pub fn concat(&mut self, parts: &[Node], axis: usize) -> Checked<Node> {
        let first = self.ty(parts[0]).clone();
        for &part in &parts[1..] {
            let ty = self.ty(part);
            if ty.dtype != first.dtype {
                return Err(error::dtypes_differ(self.origin.span, first.dtype, ty.dtype));
            }
            let agree = |(i, (a, b)): (usize, (&Dim, &Dim))| i == axis || a.same(b);
            if ty.rank() != first.rank() || !first.shape.iter().zip(&ty.shape).enumerate().all(agree) {
                let what = format!("concat along axis {axis}");
                return Err(error::shapes_differ(self.origin.span, &what, &first.shape, &ty.shape));
            }
        }
        if parts.len() == 1 { Ok(parts[0]) } else { self.op(Op::Concat { axis }, parts) }
    }

    pub fn stack(&mut self, parts: &[Node], axis: usize) -> Checked<Node> {
        let parts = parts.iter().map(|&p| self.expand(p, axis)).collect::<Checked<Vec<_>>>()?;
        self.concat(&parts, axis)
    }

    /// `parts` pieces of equal length.
    pub fn split(&mut self, x: Node, parts: i64, axis: usize) -> Checked<Vec<Node>> {
        let size = self.shape(x)[axis].clone();
        let piece = size.floor_div(parts);
        if !piece.mul(&Dim::constant(parts)).same(&size) {
            return Err(error::does_not_divide(self.origin.span, &size, parts));
        }
        self.split_sizes(x, &vec![piece; parts as usize], axis)
    }

    /// Pieces of the given lengths, which must add up to the axis.
    pub fn split_sizes(&mut self, x: Node, sizes: &[Dim], axis: usize) -> Checked<Vec<Node>> {
        let own = self.shape(x);
        let total = sizes.iter().fold(Dim::Const(0), |a, b| a.add(b));
        if !total.same(&own[axis]) {
            return Err(error::shapes_differ(self.origin.span, "split sizes", &own[axis..=axis], sizes));
        }
        let mut start = Dim::Const(0);
        let mut pieces = vec![];
        for size in sizes {
            pieces.push(self.slice_axis(x, axis, start.clone(), size.clone())?);
            start = start.add(size);
        }
        Ok(pieces)
    }

    /// Each element `count` times in a row along `axis`.
    pub fn repeat(&mut self, x: Node, count: &Dim, axis: usize) -> Checked<Node> {
        let shape = self.shape(x);
        let mut wide = shape.clone();
        wide.insert(axis + 1, count.clone());
        let spread = self.expand(x, axis + 1)?;
        let spread = self.broadcast_to(spread, &wide)?;
        let mut joined = shape;
        joined[axis] = joined[axis].mul(count);
        self.reshape(spread, &joined)
    }
}

pub(super) fn product(shape: &[Dim]) -> Dim {
    shape.iter().fold(Dim::Const(1), |a, b| a.mul(b))
}

/// Removes dimensions that stand in both lists.
fn cancel(a: &mut Vec<Dim>, b: &mut Vec<Dim>) {
    b.retain(|d| match a.iter().position(|x| x.same(d)) {
        Some(i) => {
            a.remove(i);
            false
        }
        None => true,
    });
}

//! Contractions: dot products over any axes, and the convolution trio.

use super::array::Array;
use crate::ops::Window;
use ndarray::{Array3, ArrayD, IxDyn, LinalgScalar, Zip};

pub struct DotAxes<'a> {
    pub lhs_batch: &'a [usize],
    pub rhs_batch: &'a [usize],
    pub lhs_contract: &'a [usize],
    pub rhs_contract: &'a [usize],
}

pub fn dot(lhs: &Array, rhs: &Array, axes: &DotAxes) -> Result<Array, String> {
    match (lhs, rhs) {
        (Array::Float(a), Array::Float(b)) => Ok(Array::Float(product(a, b, axes))),
        (Array::Int(a), Array::Int(b)) => Ok(Array::Int(product(a, b, axes))),
        _ => Err("the arguments have different types".into()),
    }
}

fn product<T: LinalgScalar>(lhs: &ArrayD<T>, rhs: &ArrayD<T>, axes: &DotAxes) -> ArrayD<T> {
    let lhs_free = free_axes(lhs.ndim(), axes.lhs_batch, axes.lhs_contract);
    let rhs_free = free_axes(rhs.ndim(), axes.rhs_batch, axes.rhs_contract);
    let a = grouped(lhs, [axes.lhs_batch, &lhs_free, axes.lhs_contract]);
    let b = grouped(rhs, [axes.rhs_batch, axes.rhs_contract, &rhs_free]);
    let mut out = Array3::zeros((a.dim().0, a.dim().1, b.dim().2));
    Zip::from(out.outer_iter_mut()).and(a.outer_iter()).and(b.outer_iter()).for_each(|mut o, a, b| {
        o.assign(&a.dot(&b));
    });
    let sizes = |of: &ArrayD<T>, axes: &[usize]| axes.iter().map(|&i| of.shape()[i]).collect::<Vec<_>>();
    let shape = [sizes(lhs, axes.lhs_batch), sizes(lhs, &lhs_free), sizes(rhs, &rhs_free)].concat();
    out.into_shape_with_order(IxDyn(&shape)).expect("as many elements")
}

fn free_axes(rank: usize, batch: &[usize], contract: &[usize]) -> Vec<usize> {
    (0..rank).filter(|a| !batch.contains(a) && !contract.contains(a)).collect()
}

/// Axes in the given order, each group as one axis.
fn grouped<T: Clone>(a: &ArrayD<T>, groups: [&[usize]; 3]) -> Array3<T> {
    let size = |axes: &[usize]| axes.iter().map(|&i| a.shape()[i]).product::<usize>();
    let elements = a.view().permuted_axes(IxDyn(&groups.concat())).iter().cloned().collect();
    Array3::from_shape_vec(groups.map(size), elements).expect("a permutation keeps the elements")
}

/// Sizes of a convolution from the shapes of x (NHWC), w (HWIO) and y (NHWO).
struct ConvSizes<'a> {
    window: &'a Window,
    groups: usize,
    x: [usize; 4],
    w: [usize; 4],
    y: [usize; 4],
}

impl ConvSizes<'_> {
    /// Calls `f` with the flat places in y, x and w of every product that a convolution adds up.
    fn each_product(&self, mut f: impl FnMut(usize, usize, usize)) {
        let per_group = self.y[3] / self.groups;
        for [n, oh, ow, o] in positions(self.y) {
            for [kh, kw, i, _] in positions([self.w[0], self.w[1], self.w[2], 1]) {
                let Some(h) = source(self.window, 0, oh, kh, self.x[1]) else { continue };
                let Some(w) = source(self.window, 1, ow, kw, self.x[2]) else { continue };
                let channel = o / per_group * self.w[2] + i;
                f(flat(self.y, [n, oh, ow, o]), flat(self.x, [n, h, w, channel]), flat(self.w, [kh, kw, i, o]));
            }
        }
    }
}

/// Where tap `k` of the window at output position `o` reads on a spatial axis; `None` in the padding.
pub fn source(window: &Window, axis: usize, o: usize, k: usize, size: usize) -> Option<usize> {
    let place = (o * window.stride[axis] + k * window.dilation[axis]).checked_sub(window.pads[axis][0])?;
    (place < size).then_some(place)
}

pub fn positions(sizes: [usize; 4]) -> impl Iterator<Item = [usize; 4]> {
    ndarray::indices(sizes).into_iter().map(|(a, b, c, d)| [a, b, c, d])
}

pub fn flat(sizes: [usize; 4], at: [usize; 4]) -> usize {
    at.iter().zip(sizes).fold(0, |place, (i, size)| place * size + i)
}

pub fn four(shape: &[usize]) -> Result<[usize; 4], String> {
    shape.try_into().map_err(|_| format!("{shape:?} is not of rank 4"))
}

/// The elements in row-major order.
pub fn elements(x: &Array) -> Result<Vec<f64>, String> {
    Ok(x.floats()?.iter().copied().collect())
}

pub fn conv(x: &Array, w: &Array, window: &Window, groups: usize, y: &[usize]) -> Result<Array, String> {
    let sizes = ConvSizes { window, groups, x: four(x.shape())?, w: four(w.shape())?, y: four(y)? };
    let (x, w, mut out) = (elements(x)?, elements(w)?, vec![0.0; y.iter().product()]);
    sizes.each_product(|at_y, at_x, at_w| out[at_y] += x[at_x] * w[at_w]);
    Ok(Array::float(y, out))
}

pub fn conv_input_grad(y_adj: &Array, w: &Array, window: &Window, groups: usize, x: &[usize]) -> Result<Array, String> {
    let sizes = ConvSizes { window, groups, x: four(x)?, w: four(w.shape())?, y: four(y_adj.shape())? };
    let (y_adj, w, mut out) = (elements(y_adj)?, elements(w)?, vec![0.0; x.iter().product()]);
    sizes.each_product(|at_y, at_x, at_w| out[at_x] += y_adj[at_y] * w[at_w]);
    Ok(Array::float(x, out))
}

pub fn conv_weight_grad(
    x: &Array,
    y_adj: &Array,
    window: &Window,
    groups: usize,
    w: &[usize],
) -> Result<Array, String> {
    let sizes = ConvSizes { window, groups, x: four(x.shape())?, w: four(w)?, y: four(y_adj.shape())? };
    let (x, y_adj, mut out) = (elements(x)?, elements(y_adj)?, vec![0.0; w.iter().product()]);
    sizes.each_product(|at_y, at_x, at_w| out[at_w] += x[at_x] * y_adj[at_y]);
    Ok(Array::float(w, out))
}

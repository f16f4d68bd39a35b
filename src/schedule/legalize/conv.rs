//! Convolutions and their adjoints as valid convolutions: padding is a pad, the adjoint in x a convolution with the
//! flipped kernel, a depthwise convolution a sum of products.

use super::{Legalizer, slices};
use crate::ops::{Binary, Literal, Op, Pad, Reduce, Window};
use crate::tensor::Value;

const NO_PAD: Pad = Pad { low: 0, high: 0, interior: 0 };
const ZERO: Literal = Literal::Float(0.0);

impl Legalizer<'_> {
    pub(super) fn conv(&mut self, x: Value, w: Value, window: &Window, groups: usize) -> Value {
        let (x, window) = self.pad_input(x, window);
        let (shape, kernel) = (self.shape(x), self.shape(w));
        let [oh, ow] = positions(&shape, &window);
        let result = [shape[0], oh, ow, kernel[3]];
        if groups > 1 && groups == shape[3] && groups == kernel[3] {
            return self.depthwise(x, w, &window, result);
        }
        let ty = self.like(x, &result);
        self.push(Op::Conv { window, groups }, &[x, w], ty)
    }

    fn pad_input(&mut self, x: Value, window: &Window) -> (Value, Window) {
        let side = |p: [usize; 2]| Pad { low: p[0] as i64, high: p[1] as i64, interior: 0 };
        let pads = vec![NO_PAD, side(window.pads[0]), side(window.pads[1]), NO_PAD];
        (self.pad(x, pads, ZERO), Window { pads: [[0; 2]; 2], ..window.clone() })
    }

    /// What the element (row, col) of the kernel meets: `[B, OH, OW, C]`.
    fn tap(&mut self, x: Value, window: &Window, [row, col]: [usize; 2], [oh, ow]: [usize; 2]) -> Value {
        let shape = self.shape(x);
        let start = [0, row * window.dilation[0], col * window.dilation[1], 0];
        self.b().slice(x, &start, &[shape[0], oh, ow, shape[3]], &[1, window.stride[0], window.stride[1], 1])
    }

    fn depthwise(&mut self, x: Value, w: Value, window: &Window, result: [usize; 4]) -> Value {
        let mut sum = None;
        for (row, col) in taps(window) {
            let input = self.tap(x, window, [row, col], [result[1], result[2]]);
            let weight = self.b().slice(w, &[row, col, 0, 0], &[1, 1, 1, result[3]], &[1; 4]);
            let weight = self.b().reshape(weight, &[result[3]]);
            let weight = self.b().broadcast(weight, &result, &[3]);
            let term = self.b().binary(Binary::Mul, input, weight);
            sum = Some(sum.map_or(term, |s| self.b().binary(Binary::Add, s, term)));
        }
        sum.expect("a kernel has an element")
    }

    pub(super) fn conv_input_grad(
        &mut self,
        y_adj: Value,
        w: Value,
        window: &Window,
        groups: usize,
        input: [usize; 2],
    ) -> Value {
        let spread = self.pad_once(y_adj, adjoint_pads(&self.shape(y_adj), window, input));
        let flipped = self.flip(w, groups);
        let window = Window { stride: [1, 1], pads: [[0; 2]; 2], ..window.clone() };
        self.conv(spread, flipped, &window, groups)
    }

    fn pad_once(&mut self, x: Value, pads: Vec<Pad>) -> Value {
        if let Some(padded) = self.padded.get(&(x, pads.clone())) {
            return *padded;
        }
        let padded = self.pad(x, pads.clone(), ZERO);
        self.padded.insert((x, pads), padded);
        padded
    }

    /// Where the adjoint in x pads `y_adj`, the adjoint in w can read it there: then only the padded one is in memory.
    pub(super) fn shared_pad(&mut self, source: Value, y_adj: Value) -> Value {
        let reader = self.graph.insts.iter().find_map(|inst| match &inst.op {
            Op::ConvInputGrad { window, input, .. } if inst.args[0] == source => Some((window, *input)),
            _ => None,
        });
        let Some((window, input)) = reader else { return y_adj };
        let shape = self.shape(y_adj);
        let pads = adjoint_pads(&shape, window, input);
        if pads.iter().any(|p| p.low < 0 || p.high < 0 || p.interior > 0) {
            return y_adj;
        }
        let padded = self.pad_once(y_adj, pads.clone());
        let start: Vec<usize> = pads.iter().map(|p| p.low as usize).collect();
        self.b().slice(padded, &start, &shape, &[1; 4])
    }

    /// Both axes reversed, inputs and outputs of each group exchanged.
    fn flip(&mut self, w: Value, groups: usize) -> Value {
        let [kh, kw, i, o] = self.shape(w)[..] else { unreachable!("a kernel has rank 4") };
        let ty = self.out.ty(w).clone();
        let reversed = self.push(Op::Reverse { axes: vec![0, 1] }, &[w], ty);
        let split = self.b().reshape(reversed, &[kh, kw, i, groups, o / groups]);
        let exchanged = self.b().transpose(split, &[0, 1, 4, 3, 2]);
        self.b().reshape(exchanged, &[kh, kw, o / groups, groups * i])
    }

    pub(super) fn conv_weight_grad(&mut self, x: Value, y_adj: Value, window: &Window, groups: usize) -> Value {
        let (x, window) = self.pad_input(x, window);
        let (shape, out) = (self.shape(x), self.shape(y_adj));
        if groups > 1 && groups == shape[3] && groups == out[3] {
            return self.depthwise_weight_grad(x, y_adj, &window);
        }
        let [kh, kw] = window.size;
        let (i, o) = (shape[3] / groups, out[3]);
        let tiles = kh * kw * i.div_ceil(6) * groups * (o / groups).div_ceil(64);
        let read = shape.iter().product::<usize>() + out.iter().product::<usize>();
        let parts = weight_grad_slices(shape[0], tiles, i).max(cache_slices(shape[0], read, kh * kw * i * o));
        let ty = self.like(x, &[parts, kh, kw, i, o]);
        let partial = self.push(Op::ConvWeightGrad { window, groups }, &[x, y_adj], ty);
        self.reduce(Reduce::Sum, partial, &[0])
    }

    fn depthwise_weight_grad(&mut self, x: Value, y_adj: Value, window: &Window) -> Value {
        let out = self.shape(y_adj);
        let mut rows = vec![];
        for (row, col) in taps(window) {
            let input = self.tap(x, window, [row, col], [out[1], out[2]]);
            let products = self.b().binary(Binary::Mul, input, y_adj);
            let sum = self.reduce(Reduce::Sum, products, &[0, 1, 2]);
            rows.push(self.b().reshape(sum, &[1, out[3]]));
        }
        let ty = self.like(x, &[rows.len(), out[3]]);
        let all = self.push(Op::Concat { axis: 0 }, &rows, ty);
        self.b().reshape(all, &[window.size[0], window.size[1], 1, out[3]])
    }
}

/// Zeros between the elements of `y_adj` undo the stride, those around it meet the edges of x.
fn adjoint_pads(y_adj: &[usize], window: &Window, input: [usize; 2]) -> Vec<Pad> {
    let side = |i: usize| {
        let reach = (window.dilation[i] * (window.size[i] - 1)) as i64;
        let spread = ((y_adj[i + 1] - 1) * window.stride[i] + 1) as i64;
        let low = reach - window.pads[i][0] as i64;
        Pad { low, high: input[i] as i64 + reach - low - spread, interior: window.stride[i] - 1 }
    };
    vec![NO_PAD, side(0), side(1), NO_PAD]
}

/// Output positions of a valid window.
fn positions(x: &[usize], window: &Window) -> [usize; 2] {
    [0, 1].map(|i| (x[i + 1] - (window.size[i] - 1) * window.dilation[i] - 1) / window.stride[i] + 1)
}

fn taps(window: &Window) -> impl Iterator<Item = (usize, usize)> + use<> {
    let [kh, kw] = window.size;
    (0..kh).flat_map(move |row| (0..kw).map(move |col| (row, col)))
}

/// Elements that stay in the second cache while all tiles of a weight gradient go over them.
const NEAR: usize = 96 << 10;

/// Slices of the batch that stay near, where results cost less memory than what is read: otherwise one.
fn cache_slices(batch: usize, read: usize, results: usize) -> usize {
    let near = (1..=batch).find(|d| batch.is_multiple_of(*d) && read / d <= NEAR);
    near.filter(|d| d * results <= read).unwrap_or(1)
}

/// Slices of the batch for a weight gradient with this many tiles, so that there is work for many workers.
fn weight_grad_slices(batch: usize, tiles: usize, inputs: usize) -> usize {
    // A kernel over few inputs holds all its taps in one tile.
    let tiles = if inputs == 1 { 1 } else { tiles };
    match slices(batch) {
        Some(parts) if tiles < 16 => parts,
        _ => (1..=batch).find(|d| batch.is_multiple_of(*d) && tiles * d >= 48).unwrap_or(batch.max(1)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slices_stay_near_where_results_are_small() {
        // The second convolutions of benches/cnn.nn and its odd twin, and a late layer of a ResNet.
        assert_eq!(cache_slices(64, 64 * (13 * 13 * 32 + 10 * 10 * 64), 9 * 32 * 64), 8);
        assert_eq!(cache_slices(50, 50 * (14 * 14 * 48 + 12 * 12 * 72), 9 * 48 * 72), 25);
        assert_eq!(cache_slices(32, 32 * 2 * 7 * 7 * 512, 9 * 512 * 512), 1);
        assert_eq!([cache_slices(8, NEAR, 1), cache_slices(1, 10 * NEAR, 1), cache_slices(0, 0, 1)], [1; 3]);
    }
}

//! Windows over the two middle axes of NHWC: convolution and pooling.

use super::{Checked, Emit, error};
use crate::ops::dim::Dim;
use crate::ops::{Binary, Extent, Op, Window};
use crate::tensor::Value as Node;

/// How a window treats the edges.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Padding {
    /// None: `floor((H - k) / stride) + 1` positions.
    Valid,
    /// `ceil(H / stride)` positions; an odd pixel of padding goes after (TensorFlow's rule).
    Same,
    /// `[[top, bottom], [left, right]]`
    Explicit([[usize; 2]; 2]),
}

/// What a convolution or pool is asked for; height before width.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct WindowSpec {
    pub size: [usize; 2],
    pub stride: [usize; 2],
    pub dilation: [usize; 2],
    pub padding: Padding,
}

impl WindowSpec {
    /// Pixels that the window spans along one axis, dilation included.
    fn span(&self, axis: usize) -> usize {
        (self.size[axis] - 1) * self.dilation[axis] + 1
    }

    fn with_pads(&self, pads: [[usize; 2]; 2]) -> Window {
        Window { size: self.size, stride: self.stride, dilation: self.dilation, pads }
    }
}

impl Emit {
    /// `[B, H, W, C] · [h, w, C / groups, F] → [B, H', W', F]`
    pub fn conv2d(&mut self, x: Node, w: Node, spec: &WindowSpec, groups: usize) -> Checked<Node> {
        let window = self.window(x, spec)?;
        self.op(Op::Conv { window, groups }, &[x, w])
    }

    /// The adjoint of a convolution, as a layer: `[B, H, W, C] · [h, w, F / groups, C] → [B, H', W', F]` with
    /// `H' = (H - 1) * stride + (h - 1) * dilation + 1 - pads + extra`; padding `same` gives `H * stride`.
    pub fn conv2d_transpose(
        &mut self,
        x: Node,
        w: Node,
        spec: &WindowSpec,
        groups: usize,
        extra: [usize; 2],
    ) -> Checked<Node> {
        self.need_image(x)?;
        let shape = self.shape(x);
        let mut input = [Dim::Const(0), Dim::Const(0)];
        let mut pads = [[0; 2]; 2];
        for axis in 0..2 {
            (input[axis], pads[axis]) = transposed_extent(&shape[axis + 1], spec, axis, extra[axis]);
            if !self.proves(&input[axis], 1) {
                return Err(error::window_too_large(self.origin.span, spec.span(axis), &shape[axis + 1]));
            }
        }
        self.op(Op::ConvInputGrad { window: spec.with_pads(pads), groups, input }, &[x, w])
    }

    /// The largest value of each window; padding never wins. The gradient goes to the first largest in row order.
    pub fn max_pool2d(&mut self, x: Node, spec: &WindowSpec) -> Checked<Node> {
        let window = self.window(x, spec)?;
        let frozen = self.op(Op::StopGradient, &[x])?;
        let offsets = self.op(Op::WindowArgMax { window: window.clone() }, &[frozen])?;
        self.op(Op::WindowGather { window }, &[x, offsets])
    }

    /// The mean of each window over the elements inside the image: padding does not count.
    pub fn avg_pool2d(&mut self, x: Node, spec: &WindowSpec) -> Checked<Node> {
        self.need_float("avg_pool2d", x)?;
        let window = self.window(x, spec)?;
        let sum = self.op(Op::WindowSum { window: window.clone() }, &[x])?;
        if window.pads == [[0; 2]; 2] {
            let count = (window.size[0] * window.size[1]) as f64;
            return self.with_number(Binary::Div, sum, count);
        }
        let mut shape = self.shape(x);
        (shape[0], shape[3]) = (Dim::Const(1), Dim::Const(1));
        let ones = self.fill(1.0, self.dtype(x), &shape)?;
        let counts = self.op(Op::WindowSum { window }, &[ones])?;
        self.zip(Binary::Div, sum, counts)
    }

    /// The window with its padding in numbers; checks that it fits.
    fn window(&self, x: Node, spec: &WindowSpec) -> Checked<Window> {
        self.need_image(x)?;
        let shape = &self.ty(x).shape;
        let mut pads = [[0; 2]; 2];
        for axis in 0..2 {
            let extent = &shape[axis + 1];
            pads[axis] = self.pads(extent, spec, axis)?;
            let padded = extent.add(&Dim::constant((pads[axis][0] + pads[axis][1]) as i64));
            if !self.proves(&padded, spec.span(axis) as i64) {
                return Err(error::window_too_large(self.origin.span, spec.span(axis), extent));
            }
        }
        Ok(spec.with_pads(pads))
    }

    fn pads(&self, extent: &Dim, spec: &WindowSpec, axis: usize) -> Checked<[usize; 2]> {
        match spec.padding {
            Padding::Valid => Ok([0, 0]),
            Padding::Explicit(pads) => Ok(pads[axis]),
            Padding::Same => {
                let stride = spec.stride[axis];
                let total = match extent.known() {
                    _ if stride == 1 => spec.span(axis) - 1,
                    Some(n) => same_total(n as usize, spec.span(axis), stride),
                    None => return Err(error::same_needs_known_extent(self.origin.span, extent, stride)),
                };
                Ok(halves(total))
            }
        }
    }

    fn need_image(&self, x: Node) -> Checked<()> {
        match self.rank(x) {
            4 => Ok(()),
            _ => Err(error::expected_rank(self.origin.span, "an image [B, H, W, C]", 4, self.ty(x))),
        }
    }
}

/// Padding that gives `ceil(n / stride)` positions.
fn same_total(n: usize, span: usize, stride: usize) -> usize {
    ((n.div_ceil(stride) - 1) * stride + span).saturating_sub(n)
}

/// The odd pixel goes after.
fn halves(total: usize) -> [usize; 2] {
    [total / 2, total - total / 2]
}

/// Extent of a transposed convolution's result, and the padding of the convolution that it is the adjoint of.
fn transposed_extent(n: &Dim, spec: &WindowSpec, axis: usize, extra: usize) -> (Dim, [usize; 2]) {
    let (stride, span) = (spec.stride[axis], spec.span(axis));
    let pads = match spec.padding {
        Padding::Valid => [0, 0],
        Padding::Explicit(pads) => pads[axis],
        Padding::Same => return (n.mul(&Dim::constant(stride as i64)), halves(span.saturating_sub(stride))),
    };
    let grown = n.sub(&Dim::Const(1)).mul(&Dim::constant(stride as i64));
    let rest = (span + extra) as i64 - (pads[0] + pads[1]) as i64;
    (grown.add(&Dim::constant(rest)), pads)
}

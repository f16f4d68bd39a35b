//! Valid convolutions as contractions with an affine view of x: rows of the tile are positions along a line of the
//! image, columns output channels.

use super::super::eval::Emitter;
use super::super::index::{Axis, Coord, Lin};
use super::contract::{Sides, contract, finish, k_step, tile_size};
use super::{Site, ZERO};
use crate::ops::{DType, Literal, Op, Window};
use crate::schedule::build::Role;
use crate::schedule::context::Context;
use crate::tensor::Value;
use crate::tile;

/// Kernels over so few elements are one contraction, without loops.
const SMALL_KERNEL: usize = 32;

struct Conv<'a> {
    window: &'a Window,
    x: &'a [usize],
    w: &'a [usize],
    /// First and last line of x that is not padding, where it is padded.
    lines: Option<(i64, i64)>,
    args: &'a [Value],
    image: Axis,
    group: Axis,
    row: Axis,
    col: Axis,
    out: Axis,
}

pub fn build(emitter: &mut Emitter, site: &Site) {
    let cx = emitter.cx;
    let inst = cx.def(site.root());
    let Op::Conv { window, groups } = &inst.op else { unreachable!("the root of a convolution group") };
    let [images, height, width, outs] = cx.shape(site.root())[..] else { unreachable!("convolutions have rank 4") };
    let per_group = outs / groups;
    let [image, group, row, col, out] = [images, *groups, height, width, per_group].map(|n| emitter.b.axis(n));
    let (x, w) = (cx.shape(inst.args[0]), cx.shape(inst.args[1]));
    let lines = lines(cx, inst.args[0], window);
    let conv = Conv { window, x, w, lines, args: &inst.args, image, group, row, col, out };

    let (rows, cols) = tile_size(width, per_group, 1, site.target);
    for axis in [image, row, group] {
        emitter.b.grid(axis, 1, Role::Point);
    }
    let loops = images * height >= 64;
    for (axis, step, role) in [(out, cols, Role::Cols), (col, rows, Role::Rows)] {
        match loops {
            true => drop(emitter.b.begin(axis, step, role, &[])),
            false => emitter.b.grid(axis, step, role),
        }
    }
    let channel = Lin::axis(group).scale(per_group as i64).add(&Lin::axis(out));
    let at = Coord::from_dims(&[images, height, width, outs], vec![image.lin(), row.lin(), col.lin(), channel]);
    let init = emitter.b.constant(ZERO, DType::F32, emitter.b.extents(&at.flat));
    let sum = conv.sum(emitter, init);
    finish(emitter, site, &at.flat, sum);
    if loops {
        emitter.b.end(&[]);
        emitter.b.end(&[]);
    }
}

/// Lines of zeros above and below an image are left out of the sum; what lies between them, or nothing to leave out.
fn lines(cx: &Context, x: Value, window: &Window) -> Option<(i64, i64)> {
    let (Op::Pad { pads }, [image, fill]) = (cx.op(x), cx.def(x).args.as_slice()) else { return None };
    let pad = &pads[1];
    let zeros = matches!(cx.op(*fill), Op::Const(Literal::Float(0.0)));
    let plain = zeros && pad.interior == 0 && window.dilation[0] == 1 && window.size[0] > 1;
    let padded = pad.low > 0 || pad.high > 0;
    (plain && padded).then(|| (pad.low, pad.low + cx.shape(*image)[1] as i64))
}

impl Axis {
    pub fn lin(self) -> Lin {
        Lin::axis(self)
    }
}

impl Conv<'_> {
    fn sum(&self, emitter: &mut Emitter, init: tile::Value) -> tile::Value {
        let [kh, kw, ci, _] = self.w[..] else { unreachable!("kernels have rank 4") };
        if kh * kw * ci <= SMALL_KERNEL {
            let k = emitter.b.axis(kh * kw * ci);
            let tap = Coord::from_flat(&[kh, kw, ci], k.lin()).dims;
            return self.over_channels(emitter, init, k, kh * kw * ci, &tap);
        }
        let [r, c, k] = [kh, kw, ci].map(|n| emitter.b.axis(n));
        let outer = match self.lines {
            Some((first, end)) => {
                let above = self.row.lin().scale(-(self.window.stride[0] as i64));
                emitter.b.begin_within(r, &above.clone().offset(first), &above.offset(end), &[init])
            }
            None => emitter.b.begin(r, 1, Role::Point, &[init]),
        };
        let inner = emitter.b.begin(c, 1, Role::Point, &outer)[0];
        let sum = self.over_channels(emitter, inner, k, k_step(ci), &[r.lin(), c.lin(), k.lin()]);
        let sums = emitter.b.end(&[sum]);
        emitter.b.end(&sums)[0]
    }

    /// The loop over `k` by `step`, at the element `tap` of the kernel.
    fn over_channels(
        &self,
        emitter: &mut Emitter,
        init: tile::Value,
        k: Axis,
        step: usize,
        tap: &[Lin],
    ) -> tile::Value {
        let acc = emitter.b.begin(k, step, Role::Cols, &[init])[0];
        let sides = Sides {
            a_at: self.input(tap),
            b_at: vec![self.weight(tap)],
            rows: self.col,
            inner: k,
            a_transposed: false,
        };
        let sums = contract(emitter, &[acc], self.args, &sides);
        emitter.b.end(&sums)[0]
    }

    fn input(&self, tap: &[Lin]) -> Coord {
        let along = |i: usize, position: Axis| {
            let first = position.lin().scale(self.window.stride[i] as i64);
            first.add(&tap[i].scale(self.window.dilation[i] as i64))
        };
        let channel = self.group.lin().scale(self.w[2] as i64).add(&tap[2]);
        Coord::from_dims(self.x, vec![self.image.lin(), along(0, self.row), along(1, self.col), channel])
    }

    fn weight(&self, tap: &[Lin]) -> Coord {
        let channel = self.group.lin().scale(self.out.size).add(&self.out.lin());
        Coord::from_dims(self.w, [tap, &[channel]].concat())
    }
}

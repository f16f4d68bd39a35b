//! The adjoint of a convolution in its kernel: a contraction over positions, a slice of the batch at a time.

use super::super::eval::Emitter;
use super::super::index::{Axis, Coord, Lin};
use super::contract::{Sides, contract, finish, k_step, tile_size};
use super::{Site, ZERO};
use crate::ops::{DType, Op, Window};
use crate::schedule::build::Role;

/// Rows of the kernel that fit one tile go there together.
const SMALL_KERNEL: usize = 24;

pub fn build(emitter: &mut Emitter, site: &Site) {
    let cx = emitter.cx;
    let inst = cx.def(site.root());
    let Op::ConvWeightGrad { window, groups } = &inst.op else { unreachable!("the root of a weight gradient group") };
    let shape = cx.shape(site.root());
    let [slices, kh, kw, inputs, outs] = shape[..] else { unreachable!("sliced weight gradients have rank 5") };
    let (x, y) = (cx.shape(inst.args[0]), cx.shape(inst.args[1]));
    let per_group = outs / groups;
    let [slice, group, image] = [slices, *groups, x[0] / slices].map(|n| emitter.b.axis(n));
    let [row, col, out] = [y[1], y[2], per_group].map(|n| emitter.b.axis(n));

    let tap = Tap::new(emitter, [kh, kw, inputs], per_group, site);
    emitter.b.grid(slice, 1, Role::Point);
    emitter.b.grid(group, 1, Role::Point);
    tap.points.iter().for_each(|a| emitter.b.grid(*a, 1, Role::Point));
    emitter.b.grid(out, tap.cols, Role::Cols);
    emitter.b.grid(tap.rows, tap.height, Role::Rows);

    let batch = slice.lin().scale(image.size).add(&image.lin());
    let channel = group.lin().scale(per_group as i64).add(&out.lin());
    let [r, c, i] = tap.place.clone();
    let at = Coord::from_dims(shape, vec![slice.lin(), r.clone(), c.clone(), i.clone(), channel.clone()]);
    let place = [strided(window, 0, row, &r), strided(window, 1, col, &c)];
    let input = group.lin().scale(inputs as i64).add(&i);
    let a_at = Coord::from_dims(x, vec![batch.clone(), place[0].clone(), place[1].clone(), input]);
    let b_at = Coord::from_dims(y, vec![batch, row.lin(), col.lin(), channel]);

    let init = emitter.b.constant(ZERO, DType::F32, emitter.b.extents(&at.flat));
    let images = emitter.b.begin(image, 1, Role::Point, &[init]);
    let lines = emitter.b.begin(row, 1, Role::Point, &images);
    let acc = emitter.b.begin(col, k_step(y[2]), Role::Rows, &lines)[0];
    let sides = Sides { a_at, b_at: vec![b_at], rows: tap.rows, inner: col, a_transposed: true };
    let mut sum = contract(emitter, &[acc], &inst.args, &sides);
    for _ in 0..3 {
        sum = emitter.b.end(&sum);
    }
    finish(emitter, site, &at.flat, sum[0]);
}

fn strided(window: &Window, i: usize, position: Axis, tap: &Lin) -> Lin {
    position.lin().scale(window.stride[i] as i64).add(&tap.scale(window.dilation[i] as i64))
}

/// How the kernel's rows, columns and inputs become rows of the tile and grid points.
struct Tap {
    /// (row, column, input) in the kernel
    place: [Lin; 3],
    points: Vec<Axis>,
    rows: Axis,
    height: usize,
    cols: usize,
}

impl Tap {
    fn new(emitter: &mut Emitter, [kh, kw, inputs]: [usize; 3], outs: usize, site: &Site) -> Tap {
        let whole = [kh * kw * inputs, kw * inputs].into_iter().position(|n| n <= SMALL_KERNEL);
        match whole {
            Some(0) => {
                let rows = emitter.b.axis(kh * kw * inputs);
                let place = Coord::from_flat(&[kh, kw, inputs], rows.lin()).dims;
                Tap::with(place, vec![], rows, outs, site)
            }
            Some(_) => {
                let [r, rows] = [kh, kw * inputs].map(|n| emitter.b.axis(n));
                let inner = Coord::from_flat(&[kw, inputs], rows.lin()).dims;
                Tap::with([vec![r.lin()], inner].concat(), vec![r], rows, outs, site)
            }
            None => {
                let [r, c, rows] = [kh, kw, inputs].map(|n| emitter.b.axis(n));
                Tap::with(vec![r.lin(), c.lin(), rows.lin()], vec![r, c], rows, outs, site)
            }
        }
    }

    fn with(place: Vec<Lin>, points: Vec<Axis>, rows: Axis, outs: usize, site: &Site) -> Tap {
        let (height, cols) = tile_size(rows.size as usize, outs, 1, site.target);
        let place = place.try_into().expect("three coordinates");
        Tap { place, points, rows, height, cols }
    }
}

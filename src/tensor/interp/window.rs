//! Pooling windows over the two middle axes of NHWC.
//!
//! A window that lies wholly in the padding has offset 0; gathers read 0 from padding and scatters drop it.

use super::array::Array;
use super::contract::{elements, flat, four, positions, source};
use crate::ops::Window;

/// Flat place in x of tap `[kh, kw]` of the window at y's position; `None` in the padding.
fn tap(window: &Window, x: [usize; 4], [n, oh, ow, c]: [usize; 4], [kh, kw]: [usize; 2]) -> Option<usize> {
    let h = source(window, 0, oh, kh, x[1])?;
    let w = source(window, 1, ow, kw, x[2])?;
    Some(flat(x, [n, h, w, c]))
}

fn taps(window: &Window) -> impl Iterator<Item = [usize; 2]> + use<> {
    let [height, width] = window.size;
    (0..height * width).map(move |offset| [offset / width, offset % width])
}

pub fn sum(x: &Array, window: &Window, y: &[usize]) -> Result<Array, String> {
    let (sizes, x) = (four(x.shape())?, elements(x)?);
    let total = |at| taps(window).filter_map(|k| tap(window, sizes, at, k)).map(|place| x[place]).sum();
    Ok(Array::float(y, positions(four(y)?).map(total).collect()))
}

pub fn sum_grad(y_adj: &Array, window: &Window, x: &[usize]) -> Result<Array, String> {
    let (sizes, mut out) = (four(x)?, vec![0.0; x.iter().product()]);
    for (at, y_adj) in positions(four(y_adj.shape())?).zip(elements(y_adj)?) {
        for place in taps(window).filter_map(|k| tap(window, sizes, at, k)) {
            out[place] += y_adj;
        }
    }
    Ok(Array::float(x, out))
}

pub fn arg_max(x: &Array, window: &Window, y: &[usize]) -> Result<Array, String> {
    let (sizes, x) = (four(x.shape())?, elements(x)?);
    let first_largest = |at| {
        let mut best: Option<(usize, f64)> = None;
        for (offset, k) in taps(window).enumerate() {
            let Some(place) = tap(window, sizes, at, k) else { continue };
            if best.is_none_or(|(_, b)| !b.is_nan() && (x[place].is_nan() || x[place] > b)) {
                best = Some((offset, x[place]));
            }
        }
        best.map_or(0, |(offset, _)| offset as i64)
    };
    Ok(Array::int(y, positions(four(y)?).map(first_largest).collect()))
}

pub fn gather(x: &Array, offsets: &Array, window: &Window, y: &[usize]) -> Result<Array, String> {
    let (sizes, x) = (four(x.shape())?, elements(x)?);
    let read = |(at, k): ([usize; 4], [usize; 2])| tap(window, sizes, at, k).map_or(0.0, |place| x[place]);
    let taps = checked_offsets(offsets, window)?;
    Ok(Array::float(y, positions(four(y)?).zip(taps).map(read).collect()))
}

pub fn scatter(y_adj: &Array, offsets: &Array, window: &Window, x: &[usize]) -> Result<Array, String> {
    let (sizes, mut out) = (four(x)?, vec![0.0; x.iter().product()]);
    let taps = checked_offsets(offsets, window)?;
    for ((at, y_adj), k) in positions(four(y_adj.shape())?).zip(elements(y_adj)?).zip(taps) {
        if let Some(place) = tap(window, sizes, at, k) {
            out[place] += y_adj;
        }
    }
    Ok(Array::float(x, out))
}

fn checked_offsets(offsets: &Array, window: &Window) -> Result<Vec<[usize; 2]>, String> {
    let [height, width] = window.size;
    let check = |&o: &i64| match usize::try_from(o) {
        Ok(offset) if offset < height * width => Ok([offset / width, offset % width]),
        _ => Err(format!("offset {o} is outside a window of {height} by {width}")),
    };
    offsets.ints()?.iter().map(check).collect()
}

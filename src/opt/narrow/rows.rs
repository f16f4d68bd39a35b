//! How many rows of x the first rows of y look at, for windows and convolutions.

use crate::ops::Window;

/// Rows of x, of `n`, that the first `o` rows of y read on a spatial axis. At least 1 for the windows that
/// [`is_regular`] lets pass.
pub fn reach(window: &Window, axis: usize, o: usize, n: usize) -> usize {
    unclipped(window, axis, o).min(n)
}

fn unclipped(window: &Window, axis: usize, o: usize) -> usize {
    (o - 1) * window.stride[axis] + (window.size[axis] - 1) * window.dilation[axis] + 1 - window.pads[axis][0]
}

/// The first window touches x on both axes.
pub fn is_regular(window: &Window) -> bool {
    (0..2).all(|axis| window.pads[axis][0] <= (window.size[axis] - 1) * window.dilation[axis])
}

/// The sizes of x between these give `o` rows too, as a stride skips the rest: the one nearest to `n`.
pub fn nearest(window: &Window, axis: usize, reach: usize, n: usize) -> usize {
    n.clamp(reach, reach + window.stride[axis] - 1)
}

/// The window with its padding after x such that x of these sizes gives y of those.
pub fn resized(window: &Window, x: [usize; 2], y: [usize; 2]) -> Window {
    let mut window = window.clone();
    for axis in 0..2 {
        window.pads[axis][1] = unclipped(&window, axis, y[axis]).saturating_sub(x[axis]);
    }
    window
}

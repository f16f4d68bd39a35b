//! Which elements of its buffers some grid points of a kernel touch, at most: intervals of addresses.

use super::{Extent, For, Index, Kernel, Param, Stmt, TileOp, TileType, Var, View};
use std::ops::Range;

/// What points touch of each parameter, counted in elements; empty ranges where nothing.
#[derive(Clone, PartialEq, Debug)]
pub struct Footprint {
    pub reads: Vec<Range<usize>>,
    pub writes: Vec<Range<usize>>,
}

/// Asks for the footprints of one kernel.
pub struct Footprints<'a> {
    kernel: &'a Kernel,
    views: Vec<Touch<'a>>,
}

/// A view with the tile that it is read or written through, and the loops around it.
struct Touch<'a> {
    view: &'a View,
    ty: TileType,
    stored: bool,
    loops: Vec<&'a For>,
}

impl<'a> Footprints<'a> {
    pub fn new(kernel: &'a Kernel) -> Footprints<'a> {
        let mut views = vec![];
        collect(kernel, &kernel.body, &mut vec![], &mut views);
        Footprints { kernel, views }
    }

    /// Of the points in a range that is not empty.
    pub fn of(&self, points: Range<usize>) -> Footprint {
        let grid = grid_values(self.kernel, points);
        let nothing = vec![0..0; self.kernel.params.len()];
        let mut footprint = Footprint { reads: nothing.clone(), writes: nothing };
        for touch in &self.views {
            let param = touch.view.buf.0 as usize;
            let touched = touch.addresses(self.kernel, &grid);
            let side = if touch.stored { &mut footprint.writes } else { &mut footprint.reads };
            side[param] = hull(&side[param], &touched);
        }
        footprint
    }
}

fn collect<'a>(kernel: &'a Kernel, body: &'a [Stmt], loops: &mut Vec<&'a For>, found: &mut Vec<Touch<'a>>) {
    for stmt in body {
        match stmt {
            Stmt::Let { value, op: TileOp::Load(view) } => {
                found.push(Touch { view, ty: kernel.ty(*value), stored: false, loops: loops.clone() });
            }
            Stmt::Store { view, value, .. } => {
                found.push(Touch { view, ty: kernel.ty(*value), stored: true, loops: loops.clone() });
            }
            Stmt::For(inner) => {
                loops.push(inner);
                collect(kernel, &inner.body, loops, found);
                loops.pop();
            }
            Stmt::Let { .. } => {}
        }
    }
}

/// The least range that holds both.
pub fn hull(a: &Range<usize>, b: &Range<usize>) -> Range<usize> {
    match (a.is_empty(), b.is_empty()) {
        (true, _) => b.clone(),
        (_, true) => a.clone(),
        _ => a.start.min(b.start)..a.end.max(b.end),
    }
}

/// The least and the largest value.
type Interval = (i64, i64);

/// The values of grid variables over points in a range: exact down to the first digit that differs.
fn grid_values(kernel: &Kernel, points: Range<usize>) -> Vec<(Var, Interval)> {
    let (mut first, mut last) = (points.start, points.end - 1);
    let mut found: Vec<(Var, Interval)> = kernel.grid.iter().map(|g| (g.var, (0, 0))).collect();
    let mut inner = kernel.points();
    for digit in kernel.digits() {
        inner /= digit.count;
        let (a, b) = (first / inner, last / inner);
        let step = digit.blocks * kernel.grid[digit.grid].step;
        let known = &mut found[digit.grid].1;
        *known = (known.0 + (a * step) as i64, known.1 + (b * step) as i64);
        (first, last) = if a == b { (first % inner, last % inner) } else { (0, inner - 1) };
    }
    found
}

impl Touch<'_> {
    fn addresses(&self, kernel: &Kernel, grid: &[(Var, Interval)]) -> Range<usize> {
        let mut values = Values { kernel, known: grid.to_vec(), tile: self.ty };
        for around in &self.loops {
            let (lo, hi) = (values.of(&around.lo).0, values.of(&around.hi).1 - 1);
            if hi < lo {
                return 0..0;
            }
            values.known.push((around.var, (lo, hi)));
        }
        let param = &kernel.params[self.view.buf.0 as usize];
        let index: Vec<Interval> = self.view.index.iter().map(|i| values.of(i)).collect();
        addresses(param, &index)
    }
}

/// Indices are within their dimensions, whatever the intervals say: blocks at an edge are shorter.
fn addresses(param: &Param, index: &[Interval]) -> Range<usize> {
    let (mut first, mut last) = (0, 0);
    for ((lo, hi), n) in index.iter().zip(&param.shape) {
        let most = *n as i64 - 1;
        first = first * n + (*lo).clamp(0, most.max(0)) as usize;
        last = last * n + (*hi).clamp(0, most.max(0)) as usize;
    }
    // What lies between two rows counts as the end of the first.
    let position = |element| param.layout.position(&param.shape, element);
    if param.elements() == 0 { 0..0 } else { position(first)..position(last + 1) }
}

struct Values<'a> {
    kernel: &'a Kernel,
    known: Vec<(Var, Interval)>,
    tile: TileType,
}

impl Values<'_> {
    fn of(&self, index: &Index) -> Interval {
        match index {
            Index::Const(n) => (*n, *n),
            Index::Var(var) => self.var(*var),
            Index::Row => (0, self.length(self.tile.rows) - 1),
            Index::Col => (0, self.length(self.tile.cols) - 1),
            Index::Add(a, b) => {
                let (a, b) = (self.of(a), self.of(b));
                (a.0 + b.0, a.1 + b.1)
            }
            Index::Mul(a, n) => {
                let (a, b) = self.of(a);
                ((a * n).min(b * n), (a * n).max(b * n))
            }
            Index::FloorDiv(a, n) => {
                let (a, b) = self.of(a);
                (a.div_euclid(*n), b.div_euclid(*n))
            }
            Index::Mod(a, n) => {
                let (a, b) = self.of(a);
                let within = a.div_euclid(*n) == b.div_euclid(*n);
                if within { (a.rem_euclid(*n), b.rem_euclid(*n)) } else { (0, n - 1) }
            }
            Index::Min(a, b) => {
                let (a, b) = (self.of(a), self.of(b));
                (a.0.min(b.0), a.1.min(b.1))
            }
            Index::Max(a, b) => {
                let (a, b) = (self.of(a), self.of(b));
                (a.0.max(b.0), a.1.max(b.1))
            }
            Index::Data { limit, .. } => (0, limit - 1),
        }
    }

    fn var(&self, var: Var) -> Interval {
        self.known.iter().rev().find(|k| k.0 == var).expect("variables are used inside of their loops").1
    }

    /// Rows or columns of a tile, at most.
    fn length(&self, extent: Extent) -> i64 {
        match extent {
            Extent::Fixed(n) => n as i64,
            Extent::Block(var) => self.step(var),
        }
    }

    fn step(&self, var: Var) -> i64 {
        let grid = self.kernel.grid.iter().find(|g| g.var == var).map(|g| g.step);
        let step = grid.or_else(|| step_in(&self.kernel.body, var));
        step.expect("an extent is blocked by a variable of the kernel") as i64
    }
}

fn step_in(body: &[Stmt], var: Var) -> Option<usize> {
    body.iter().find_map(|stmt| match stmt {
        Stmt::For(inner) if inner.var == var => Some(inner.step),
        Stmt::For(inner) => step_in(&inner.body, var),
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tile::interp::{BufferData, touched};
    use crate::tile::parse::parse;
    use crate::tile::samples;

    /// Every range of points of every sample kernel, against what the interpreter touches.
    #[test]
    fn footprints_hold_what_points_touch() {
        for text in samples::guide() {
            let kernel = parse(&text).unwrap();
            let footprints = Footprints::new(&kernel);
            for first in 0..kernel.points() {
                for end in [first + 1, first + 3, kernel.points()].into_iter().filter(|n| *n <= kernel.points()) {
                    check(&kernel, &footprints.of(first..end), first..end);
                }
            }
        }
    }

    fn check(kernel: &Kernel, footprint: &Footprint, points: Range<usize>) {
        let mut buffers: Vec<BufferData> = kernel.params.iter().map(BufferData::zeros).collect();
        let [reads, writes] = touched(kernel, &mut buffers, points.clone()).unwrap();
        for (found, allowed) in [(reads, &footprint.reads), (writes, &footprint.writes)] {
            for (param, (elements, range)) in found.iter().zip(allowed).enumerate() {
                let outside = elements.iter().find(|e| !range.contains(e));
                assert_eq!(outside, None, "parameter {param} over {points:?}: {range:?}\n{kernel}");
            }
        }
    }

    /// Rows of a product, and a map over them: prefixes of points touch prefixes of rows.
    #[test]
    fn footprints_of_rows_are_exact() {
        let text = "kernel k(read x: f32[7, 19], read w: f32[19, 21], write y: f32[7, 21]) {
  par i0 in 0..7 by 3
  par i1 in 0..21 by 8
  %0: f32[i0, i1] = const 0.0
  %2 = for i2 in 0..19 by 4 carry (%1 = %0) {
    %3: f32[i0, i2] = load x[i0 + row, i2 + col]
    %4: f32[i2, i1] = load w[i2 + row, i1 + col]
    %5: f32[i0, i1] = contract %1, %3, %4
    yield %5
  }
  store y[i0 + row, i1 + col] = %2
}
";
        let kernel = parse(text).unwrap();
        let footprints = Footprints::new(&kernel);
        let rows = |points: Range<usize>| {
            let footprint = footprints.of(points);
            assert_eq!(footprint.reads[1], 0..19 * 21);
            (footprint.reads[0].clone(), footprint.writes[2].clone())
        };
        assert_eq!(rows(0..3), (0..3 * 19, 0..3 * 21));
        assert_eq!(rows(3..9), (3 * 19..7 * 19, 3 * 21..7 * 21));
        assert_eq!(footprints.of(4..5).writes[2], 3 * 21 + 8..5 * 21 + 16);
    }
}

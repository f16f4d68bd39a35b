//! Matrix products: a tile of accumulators, one loop over K, and the epilogue on the tile.

use super::super::eval::Emitter;
use super::super::index::{Axis, Coord, Lin};
use super::{Site, ZERO};
use crate::lane::Target;
use crate::ops::{DType, Op};
use crate::schedule::build::Role;
use crate::tile::{self, TileOp};

/// So many bytes of the right side stay in the second cache while the rows of the left one pass by.
const NEAR: usize = 1 << 18;

pub fn build(emitter: &mut Emitter, site: &Site) {
    let cx = emitter.cx;
    let root = site.root();
    let inst = cx.def(root);
    let Op::Dot { lhs_contract, .. } = &inst.op else { unreachable!("the root of a dot group") };
    let shape = cx.shape(root);
    let (leading, [m, n]) = shape.split_last_chunk().expect("dots have rank 2 or more");
    let a_transposed = lhs_contract[0] == leading.len();
    let k = cx.shape(inst.args[1])[leading.len()];
    let batch = leading.iter().product();
    let columns = site.group.columns.unwrap_or(*n);
    let parts = n / columns;
    let [b_axis, i, j, k_axis] = [batch, *m, columns, k].map(|n| emitter.b.axis(n));
    let (rows, cols) = tile_size(*m, columns, parts, site.target);
    emitter.b.grid(b_axis, 1, Role::Point);
    let group = near_blocks(columns.div_ceil(cols), 4 * k * cols * parts, 4 * m * k);
    emitter.b.grouped_grid(j, cols, group, Role::Cols);
    emitter.b.grid(i, rows, Role::Rows);

    let [bl, il, jl, kl] = [b_axis, i, j, k_axis].map(Lin::axis);
    let place = |shape: &[usize], matrix: [&Lin; 2]| {
        let batch = (shape.len() > 2).then_some(&bl);
        Coord::from_dims(shape, batch.into_iter().chain(matrix).cloned().collect())
    };
    let at: Vec<Lin> = (0..parts).map(|part| jl.clone().offset((part * columns) as i64)).collect();
    let a_at = place(cx.shape(inst.args[0]), if a_transposed { [&kl, &il] } else { [&il, &kl] });
    let b_at = at.iter().map(|col| place(cx.shape(inst.args[1]), [&kl, col])).collect();

    let tile = emitter.b.extents(&il.add(&jl));
    let inits: Vec<_> = at.iter().map(|_| emitter.b.constant(ZERO, DType::F32, tile)).collect();
    let accs = emitter.b.begin(k_axis, k_step(k), Role::Cols, &inits);
    let sides = Sides { a_at, b_at, rows: i, inner: k_axis, a_transposed };
    let sums = contract(emitter, &accs, &inst.args, &sides);
    let sums = emitter.b.end(&sums);
    for (sum, col) in sums.into_iter().zip(&at) {
        emitter.define(root, &place(shape, [&il, col]).flat, sum);
    }
    let part = [leading, &[*m, columns]].concat();
    let stores = site.stores(cx, part.iter().product(), &place(&part, [&il, &jl]).flat);
    emitter.store_all(&stores);
}

/// How many blocks of columns, of so many bytes of the right side each, are a group: points go along a row of the result through all
/// of them before the next row, so that the left side is read once for a group, and what the epilogue reads and writes is contiguous.
/// Where the left side is small and the right one is not, a block is left when all rows have used it.
fn near_blocks(blocks: usize, bytes: usize, left: usize) -> usize {
    let most = (NEAR / bytes.max(1)).clamp(1, blocks.max(1));
    if most < blocks && left <= 2 * NEAR {
        return 1;
    }
    (1..=most).rev().find(|group| blocks.is_multiple_of(*group)).unwrap_or(1)
}

/// Makes the accumulators known as the root's value, and stores all members.
pub fn finish(emitter: &mut Emitter, site: &Site, at: &Lin, sum: tile::Value) {
    emitter.define(site.root(), at, sum);
    let stores = site.stores(emitter.cx, emitter.cx.elements(site.root()), at);
    emitter.store_all(&stores);
}

/// Where the operands of contractions lie that have their left side in common, and the axes of their tiles.
pub struct Sides {
    pub a_at: Coord,
    /// One for each accumulator.
    pub b_at: Vec<Coord>,
    /// The axis of the result's rows.
    pub rows: Axis,
    /// The axis that is summed.
    pub inner: Axis,
    pub a_transposed: bool,
}

/// `acc + a · b` for each accumulator. The summed axis is columns of one operand and rows of the other.
pub fn contract(
    emitter: &mut Emitter,
    accs: &[tile::Value],
    args: &[crate::tensor::Value],
    sides: &Sides,
) -> Vec<tile::Value> {
    let (rows, inner) = if sides.a_transposed { (Role::Cols, Role::Rows) } else { (Role::Rows, Role::Cols) };
    emitter.b.set_role(sides.rows, rows);
    emitter.b.set_role(sides.inner, inner);
    let a = emitter.eval(args[0], &sides.a_at, &[]);
    emitter.b.set_role(sides.rows, Role::Rows);
    emitter.b.set_role(sides.inner, Role::Rows);
    let mut sums = vec![];
    for (acc, at) in accs.iter().zip(&sides.b_at) {
        let b = emitter.eval(args[1], at, &[]);
        let ty = emitter.b.ty(*acc);
        let op = TileOp::Contract { acc: *acc, a, b, a_transposed: sides.a_transposed };
        sums.push(emitter.b.op(op, &[*acc, a, b], DType::F32, (ty.rows, ty.cols)));
    }
    sums
}

/// How much of K one step of the loop takes: it is unrolled.
pub fn k_step(k: usize) -> usize {
    if k <= 16 { k.max(1) } else { [8, 7, 6, 5, 4].into_iter().find(|d| k.is_multiple_of(*d)).unwrap_or(8) }
}

/// Going through B less often makes up for so much of what is counted. Not so in recurrent cells, which have parts: their
/// rows are shared out among workers.
const TALLER: f64 = 1.04;

/// Rows and columns of an accumulator tile: the cheapest for a result of `parts` times `n` columns, tails included.
pub fn tile_size(m: usize, n: usize, parts: usize, target: Target) -> (usize, usize) {
    let lanes = usize::from(target.lanes);
    let mut best = (f64::INFINITY, 1, lanes);
    for vectors in 1..=(4 / parts).max(1).min(n.div_ceil(lanes).max(1)) {
        let fits = |rows: &usize| target.keeps(rows * vectors * parts, vectors);
        for rows in (1..=m.max(1)).take_while(fits) {
            let cost = result_cost([m, n, parts], rows, vectors, lanes);
            let taller = parts == 1 && vectors * lanes == best.2 && m.div_ceil(rows) < m.div_ceil(best.1);
            if cost < best.0 * if taller { TALLER } else { 1.0 } {
                best = (cost.min(best.0), rows, vectors * lanes);
            }
        }
    }
    (best.1, best.2)
}

/// Cycles per step of K over the whole result.
fn result_cost([m, n, count]: [usize; 3], rows: usize, vectors: usize, lanes: usize) -> f64 {
    let width = vectors * lanes;
    let parts =
        |size: usize, step: usize| [(size / step, step), (usize::from(!size.is_multiple_of(step)), size % step)];
    let mut cost = 0.0;
    for (across, cols) in parts(n, width) {
        for (down, rows) in parts(m, rows) {
            cost += (across * down) as f64 * tile_cost(rows, count * cols.div_ceil(lanes));
        }
    }
    cost
}

/// Two multiply-adds and two loads a cycle, and vectors of B, which are new in each step of K, may not all be near; where they come
/// from the second cache it gives one in two cycles. A chain of four cycles must be covered.
pub fn tile_cost(rows: usize, vectors: usize) -> f64 {
    let products = (rows * vectors) as f64 / 2.0;
    let loads = (rows + vectors) as f64 / 2.0 + vectors as f64 / 4.0;
    let lines = vectors as f64 * 2.0;
    products.max(loads).max(lines).max(4.0) + 0.2
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_stay_near_and_divide_the_blocks() {
        // The right side is near as a whole; four blocks of it are, of eight, of thirty and of seven; none is; there are none.
        let far = 4 * NEAR;
        let groups = [(8, NEAR / 8), (8, NEAR / 4), (30, NEAR / 4), (7, NEAR / 4), (8, far), (0, 0)];
        assert_eq!(groups.map(|(blocks, bytes)| near_blocks(blocks, bytes, far)), [8, 4, 3, 1, 1, 1]);
        assert_eq!([near_blocks(8, NEAR / 8, NEAR), near_blocks(8, NEAR / 4, NEAR)], [8, 1]);
    }
}

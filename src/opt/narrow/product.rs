//! Which axes of a product are which: those that the result has are narrowed like the axes of maps, and contracted ones
//! to what is zero on neither side.

use crate::ops::Op;

/// Axes of both sides.
pub struct Product<'a> {
    batch: [&'a [usize]; 2],
    contract: [&'a [usize]; 2],
}

/// Where an axis of one side is met again.
pub enum Met {
    Result(usize),
    /// An axis of the other side.
    Contracted(usize),
}

impl<'a> Product<'a> {
    pub fn of(op: &'a Op) -> Option<Product<'a>> {
        let Op::Dot { lhs_batch, rhs_batch, lhs_contract, rhs_contract } = op else { return None };
        Some(Product { batch: [lhs_batch, rhs_batch], contract: [lhs_contract, rhs_contract] })
    }

    /// The axes of a side; `left` is the rank of the left one.
    pub fn axes(&self, side: usize, rank: usize, left: usize) -> Vec<Met> {
        let shared = self.batch[0].len();
        let mut free = if side == 0 { shared } else { left - self.contract[0].len() };
        let place = |axes: &[usize], axis: usize| axes.iter().position(|a| *a == axis);
        let met = |axis: usize| match (place(self.batch[side], axis), place(self.contract[side], axis)) {
            (Some(n), _) => Met::Result(n),
            (_, Some(n)) => Met::Contracted(self.contract[1 - side][n]),
            _ => {
                free += 1;
                Met::Result(free - 1)
            }
        };
        (0..rank).map(met).collect()
    }
}

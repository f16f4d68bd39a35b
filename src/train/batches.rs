//! The order of rows within an epoch. It depends on the seed and the epoch alone, so a resumed run goes on exactly.

use super::split::hash;

/// Cuts the rows of one epoch into batches.
pub struct Epoch {
    order: Vec<i32>,
    batch: usize,
    drop_last: bool,
}

impl Epoch {
    /// `shuffle` is `Some((seed, epoch))` for a shuffled epoch.
    pub fn new(rows: &[u32], batch: usize, drop_last: bool, shuffle: Option<(u64, u64)>) -> Epoch {
        let mut order: Vec<i32> = rows.iter().map(|&r| r as i32).collect();
        if let Some((seed, epoch)) = shuffle {
            permute(&mut order, hash(seed) ^ hash(epoch.wrapping_add(1)));
        }
        Epoch { order, batch, drop_last }
    }

    pub fn len(&self) -> usize {
        count(self.order.len(), self.batch, self.drop_last)
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Rows of batch `index`; the last may be shorter.
    pub fn rows(&self, index: usize) -> &[i32] {
        let start = index * self.batch;
        &self.order[start..(start + self.batch).min(self.order.len())]
    }
}

/// Batches of an epoch.
pub fn count(rows: usize, batch: usize, drop_last: bool) -> usize {
    if drop_last { rows / batch } else { rows.div_ceil(batch) }
}

/// Fisher–Yates with SplitMix64.
fn permute(order: &mut [i32], key: u64) {
    for i in (1..order.len()).rev() {
        let random = hash(key.wrapping_add((i as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15)));
        // Multiply-shift maps 64 random bits to 0..=i.
        let j = ((u128::from(random) * (i as u128 + 1)) >> 64) as usize;
        order.swap(i, j);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_epoch_is_a_permutation_and_the_last_batch_is_shorter() {
        let rows: Vec<u32> = (10..20).collect();
        let epoch = Epoch::new(&rows, 4, false, Some((1, 1)));
        assert_eq!(epoch.len(), 3);
        let mut seen: Vec<i32> = (0..3).flat_map(|i| epoch.rows(i).to_vec()).collect();
        assert_eq!(epoch.rows(2).len(), 2);
        seen.sort_unstable();
        assert_eq!(seen, (10..20).collect::<Vec<_>>());
    }

    #[test]
    fn epochs_and_seeds_give_different_orders() {
        let rows: Vec<u32> = (0..100).collect();
        let order = |seed, epoch| Epoch::new(&rows, 100, false, Some((seed, epoch))).rows(0).to_vec();
        assert_ne!(order(1, 1), order(1, 2));
        assert_ne!(order(1, 1), order(2, 1));
        assert_eq!(order(1, 1), order(1, 1));
    }

    #[test]
    fn drop_last_drops_the_short_batch() {
        assert_eq!(count(10, 4, true), 2);
        assert_eq!(count(3, 4, true), 0);
        assert_eq!(count(3, 4, false), 1);
    }
}

//! The order of rows within an epoch. It depends on the seed and the epoch alone, so a resumed run goes on exactly.

use super::split::hash;
use std::rc::Rc;

/// Rows of a part, ascending.
#[derive(Clone, Debug, PartialEq)]
pub enum RowSet {
    List(Rc<[u32]>),
    /// All of so many rows.
    All(u64),
}

impl RowSet {
    pub fn len(&self) -> usize {
        match self {
            RowSet::List(rows) => rows.len(),
            RowSet::All(n) => *n as usize,
        }
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub fn get(&self, index: usize) -> u64 {
        match self {
            RowSet::List(rows) => rows[index].into(),
            RowSet::All(_) => index as u64,
        }
    }
}

/// How the rows of an epoch are put in order and cut.
#[derive(Clone, Copy)]
pub struct Plan<'a> {
    pub batch: usize,
    pub drop_last: bool,
    /// Seed and epoch of a shuffled one.
    pub shuffle: Option<(u64, u64)>,
    /// Each row of a batch goes on where the one before it stopped: lane by lane.
    pub lanes: bool,
    /// The length of a row, where batches are to have rows of similar length.
    pub length: Option<&'a dyn Fn(u64) -> usize>,
}

/// Cuts the rows of one epoch into batches.
pub struct Epoch {
    order: Order,
    rows: usize,
    /// The order of the batches, where they are not in that of their rows.
    batches: Option<Vec<u32>>,
    batch: usize,
    drop_last: bool,
}

enum Order {
    AsStored(RowSet),
    List(Vec<u32>),
    /// A permutation of all rows by its key.
    Permuted(Permutation),
    /// Lanes of so many rows each, side by side.
    Lanes(usize),
}

/// Batches whose rows are sorted by length together, in a shuffled epoch: they lie near each other in the order.
const POOL: usize = 64;

impl Epoch {
    pub fn new(rows: &RowSet, plan: Plan) -> Epoch {
        let Plan { batch, drop_last, shuffle, length, lanes } = plan;
        let key = shuffle.map(|(seed, epoch)| hash(seed) ^ hash(epoch.wrapping_add(1)));
        let order = match (key, rows, length) {
            _ if lanes => Order::Lanes(rows.len() / batch),
            (None, _, None) => Order::AsStored(rows.clone()),
            (Some(key), RowSet::All(n), None) => Order::Permuted(Permutation::new(*n, key)),
            _ => Order::List((0..rows.len()).map(|i| rows.get(i) as u32).collect()),
        };
        let mut epoch = Epoch { order, rows: rows.len(), batches: None, batch, drop_last };
        let batches = epoch.len();
        if let Order::List(order) = &mut epoch.order {
            key.into_iter().for_each(|key| permute(order, key));
            if let Some(length) = length {
                let pool = if key.is_some() { POOL * batch } else { usize::MAX };
                order.chunks_mut(pool).for_each(|rows| rows.sort_by_key(|&r| length(r.into())));
                epoch.batches = key.map(|key| shuffled(batches, hash(key)));
            }
        }
        epoch
    }

    pub fn len(&self) -> usize {
        count(self.rows, self.batch, self.drop_last)
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Rows of batch `index`; one batch of an epoch may be shorter.
    pub fn rows(&self, index: usize, out: &mut Vec<u64>) {
        let batch = self.batches.as_ref().map_or(index, |b| b[index] as usize);
        let start = batch * self.batch;
        out.clear();
        out.extend((start..(start + self.batch).min(self.rows)).map(|i| self.row(i)));
    }

    fn row(&self, index: usize) -> u64 {
        match &self.order {
            Order::AsStored(rows) => rows.get(index),
            Order::List(rows) => rows[index].into(),
            Order::Permuted(permutation) => permutation.get(index as u64),
            Order::Lanes(length) => (index % self.batch * length + index / self.batch) as u64,
        }
    }
}

/// Batches of an epoch.
pub fn count(rows: usize, batch: usize, drop_last: bool) -> usize {
    if drop_last { rows / batch } else { rows.div_ceil(batch) }
}

fn shuffled(count: usize, key: u64) -> Vec<u32> {
    let mut order: Vec<u32> = (0..count as u32).collect();
    permute(&mut order, key);
    order
}

/// Fisher–Yates with SplitMix64.
fn permute(order: &mut [u32], key: u64) {
    for i in (1..order.len()).rev() {
        let random = hash(key.wrapping_add((i as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15)));
        order.swap(i, below(random, i as u64 + 1) as usize);
    }
}

/// Multiply-shift maps 64 random bits to 0..n.
fn below(random: u64, n: u64) -> u64 {
    ((u128::from(random) * u128::from(n)) >> 64) as u64
}

/// A permutation of 0..n that needs no memory: the swap-or-not shuffle (Hoang, Morris and Rogaway 2012). Each round
/// pairs all numbers, `x` with `k - x` modulo n, and swaps each pair or not by a hash of its larger number.
struct Permutation {
    n: u64,
    /// For each round `k` and the key of its hash.
    rounds: Vec<(u64, u64)>,
}

/// Each round mixes all numbers by half; these are enough for 2^32 of them.
const ROUNDS: u64 = 64;

impl Permutation {
    fn new(n: u64, key: u64) -> Permutation {
        let round = |i: u64| {
            let key = hash(key.wrapping_add(i));
            (below(hash(key), n), key)
        };
        Permutation { n, rounds: (0..ROUNDS).map(round).collect() }
    }

    fn get(&self, mut x: u64) -> u64 {
        for &(k, key) in &self.rounds {
            let partner = if k >= x { k - x } else { k + self.n - x };
            if hash(x.max(partner) ^ key) >> 63 == 1 {
                x = partner;
            }
        }
        x
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(batch: usize, shuffle: Option<(u64, u64)>) -> Plan<'static> {
        Plan { batch, drop_last: false, shuffle, lanes: false, length: None }
    }

    fn batches(epoch: &Epoch) -> Vec<Vec<u64>> {
        let batch = |i| {
            let mut rows = vec![];
            epoch.rows(i, &mut rows);
            rows
        };
        (0..epoch.len()).map(batch).collect()
    }

    #[test]
    fn an_epoch_is_a_permutation_and_the_last_batch_is_shorter() {
        for rows in [RowSet::List((0..10).collect()), RowSet::All(10)] {
            let found = batches(&Epoch::new(&rows, plan(4, Some((1, 1)))));
            assert_eq!(found.iter().map(Vec::len).collect::<Vec<_>>(), [4, 4, 2]);
            let mut all = found.concat();
            assert_ne!(all, (0..10).collect::<Vec<_>>());
            all.sort_unstable();
            assert_eq!(all, (0..10).collect::<Vec<_>>());
        }
        let rows = RowSet::List([3, 5, 8].into());
        assert_eq!(batches(&Epoch::new(&rows, plan(2, None))), [vec![3, 5], vec![8]]);
    }

    #[test]
    fn epochs_and_seeds_give_different_orders() {
        for rows in [RowSet::List((0..100).collect()), RowSet::All(100)] {
            let order = |seed, epoch| batches(&Epoch::new(&rows, plan(100, Some((seed, epoch)))));
            assert_ne!(order(1, 1), order(1, 2));
            assert_ne!(order(1, 1), order(2, 1));
            assert_eq!(order(1, 1), order(1, 1));
        }
    }

    #[test]
    fn drop_last_drops_the_short_batch() {
        assert_eq!(count(10, 4, true), 2);
        assert_eq!(count(3, 4, true), 0);
        assert_eq!(count(3, 4, false), 1);
    }

    #[test]
    fn a_bucket_holds_rows_of_similar_length() {
        let rows = RowSet::List((0..1001).collect());
        let length = |row: u64| (hash(row) % 50) as usize;
        let plan = |shuffle| Plan { length: Some(&length), ..plan(10, shuffle) };
        let shuffled = batches(&Epoch::new(&rows, plan(Some((3, 1)))));
        let spread = |batch: &Vec<u64>| {
            let lengths = batch.iter().map(|&r| length(r));
            lengths.clone().max().unwrap() - lengths.min().unwrap()
        };
        assert_eq!(shuffled.iter().filter(|b| b.len() == 10).count(), 100);
        assert!(shuffled.iter().filter(|b| spread(b) > 3).count() < 3);
        let firsts: Vec<usize> = shuffled.iter().map(|b| length(b[0])).collect();
        assert!(!firsts.is_sorted(), "batches come in any order");
        let mut all = shuffled.concat();
        all.sort_unstable();
        assert_eq!(all, (0..1001).collect::<Vec<_>>());
        let sorted = batches(&Epoch::new(&rows, plan(None))).concat();
        assert!(sorted.iter().map(|&r| length(r)).is_sorted());
    }

    #[test]
    fn lanes_go_on_side_by_side() {
        let epoch = Epoch::new(&RowSet::All(6), Plan { lanes: true, ..plan(2, None) });
        assert_eq!(batches(&epoch), [[0, 3], [1, 4], [2, 5]]);
    }

    /// Over many keys each order of four rows comes as often as any other.
    #[test]
    fn permutations_are_uniform() {
        let mut counts = std::collections::HashMap::new();
        for key in 0..24_000 {
            let permutation = Permutation::new(4, key);
            let order: Vec<u64> = (0..4).map(|i| permutation.get(i)).collect();
            *counts.entry(order).or_insert(0) += 1;
        }
        assert_eq!(counts.len(), 24);
        assert!(counts.values().all(|n| (880..1120).contains(n)), "{counts:?}");
    }
}

//! Which remainders an index can leave: so that a dynamic loop needs few versions of its last block.

use super::Placer;
use super::affine::Affine;
use crate::tile::Index;
use std::collections::BTreeSet;

impl Placer<'_> {
    /// All values that `hi - lo` can have modulo `step`, perhaps more.
    pub fn residues(&self, lo: &Index, hi: &Index, step: i64) -> BTreeSet<i64> {
        let (lo, hi) = (self.residues_of(lo, step), self.residues_of(hi, step));
        hi.iter().flat_map(|h| lo.iter().map(move |l| (h - l).rem_euclid(step))).collect()
    }

    fn residues_of(&self, index: &Index, step: i64) -> BTreeSet<i64> {
        let map = |set: BTreeSet<i64>, f: &dyn Fn(i64) -> i64| set.into_iter().map(|r| f(r).rem_euclid(step)).collect();
        match index {
            Index::Const(n) => BTreeSet::from([n.rem_euclid(step)]),
            Index::Var(var) => self.affine_residues(&self.vars[var], step),
            Index::Add(a, b) => {
                let b = self.residues_of(b, step);
                let sums = self.residues_of(a, step).into_iter();
                sums.flat_map(|x| b.iter().map(move |y| (x + y) % step)).collect()
            }
            Index::Mul(a, n) => map(self.residues_of(a, step), &|r| r * n),
            Index::Min(a, b) | Index::Max(a, b) => &self.residues_of(a, step) | &self.residues_of(b, step),
            _ => (0..step).collect(),
        }
    }

    fn affine_residues(&self, affine: &Affine, step: i64) -> BTreeSet<i64> {
        let mut set = BTreeSet::from([affine.constant.rem_euclid(step)]);
        for (value, coefficient) in &affine.terms {
            let stride = self.code.fact(*value).multiple * coefficient;
            set = set.iter().flat_map(|r| (0..step).map(move |n| (r + n * stride).rem_euclid(step))).collect();
        }
        set
    }
}

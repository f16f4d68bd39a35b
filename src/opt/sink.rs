//! Moves sums and products out of loops, behind the loop.
//!
//! A carry that only adds up (`acc ← acc + e`) becomes one operation over all steps: a sum of products `a b` is a product
//! that also contracts the steps, a sum of row sums is one sum. So the gradient of a recurrent weight is one product. What
//! the operation reads is stacked by the loop, if it is not yet. And a product that goes into nothing but ys is taken from
//! all steps at once.
//!
//! A loop with a condition keeps its sums (its steps are not known), and one with a checkpoint in every step all but those
//! of what is stacked anyway: what it computes again is not to be stacked.

mod products;
mod sums;
mod total;

use super::batch::Outside;
use super::draft::{Draft, Stack};
use super::{Rewriter, in_regions, rewrite};
use crate::ops::Type;
use crate::tensor::build::Builder;
use crate::tensor::{Graph, Inst, Value};
use std::collections::HashMap;

pub fn sink(graph: Graph) -> Graph {
    let graph = rewrite(in_regions(graph, sink), |r, inst| {
        let draft = open(inst)?;
        let zeros = draft.carries.iter().map(|c| sums::is_zero(r.splat(c.init))).collect();
        behind(r, inst, draft, |behind| sums::sink(behind, zeros))
    });
    rewrite(graph, |r, inst| {
        let draft = open(inst).filter(|draft| !draft.how.keeps_carries_only())?;
        behind(r, inst, draft, products::sink)
    })
}

/// A loop that can be changed so.
fn open(inst: &Inst) -> Option<Draft> {
    Draft::of(inst).filter(|draft| !draft.how.while_carry && draft.how.length > 0)
}

/// A loop, and what is computed from its results.
struct Behind<'a, 'g> {
    b: &'a mut Builder<'g>,
    draft: Draft,
    /// What stands for results of the loop.
    known: HashMap<Value, Value>,
}

/// Appends the loop as `change` makes it, and what that appends behind; `None` where nothing changes.
fn behind(r: &mut Rewriter, inst: &Inst, draft: Draft, change: impl FnOnce(&mut Behind)) -> Option<Vec<Value>> {
    let at = r.b.graph.insts.len();
    let mut behind = Behind { b: &mut r.b, draft, known: HashMap::new() };
    change(&mut behind);
    let Behind { mut draft, known, .. } = behind;
    if known.is_empty() {
        r.b.graph.insts.truncate(at);
        return None;
    }
    draft.prune();
    if !draft.carries.is_empty() || !draft.ys.is_empty() {
        r.b.graph.insts.insert(at, draft.into_inst());
    }
    Some(inst.results.iter().map(|v| *known.get(v).unwrap_or(v)).collect())
}

impl Behind<'_, '_> {
    fn add_y(&mut self, slice: Value) -> Outside {
        let ty = self.draft.body.ty(slice);
        let whole = Type::new(ty.dtype, [&[self.draft.how.length], &ty.shape[..]].concat());
        let whole = self.b.graph.fresh(whole);
        self.draft.ys.push(Stack { slice, whole });
        Outside { value: whole, steps: true }
    }
}

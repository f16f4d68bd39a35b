//! Moves out of loops what does not depend on carries, before the loop.
//!
//! What is the same in every step is computed once. A product of slices of the xs (with constants or with each other)
//! becomes one product over all steps, whose result the loop reads by slices: the projections of the inputs of a
//! recurrent net. What such a product is made of moves with it, and stays in the loop where that needs it too. A loop with a
//! checkpoint in every step keeps its products: the result for all steps is what it is not to hold.
//! A body that takes gradients of its own values is left alone: they would lose their place.

use super::batch::{Lift, entries, is_product};
use super::draft::{Draft, Port};
use super::{Rewriter, in_regions, rewrite};
use crate::ops::Op;
use crate::tensor::scan::Values;
use crate::tensor::{Graph, Inst, Value};

pub fn hoist(graph: Graph) -> Graph {
    rewrite(in_regions(graph, hoist), |r, inst| {
        let draft = Draft::of(inst)?;
        let takes_gradients = draft.body.insts.iter().any(|inst| inst.op == Op::Grad);
        if takes_gradients { None } else { hoisted(r, draft) }
    })
}

/// The scan with less in its body; `None` where nothing moves.
fn hoisted(r: &mut Rewriter, mut draft: Draft) -> Option<Vec<Value>> {
    let entries = entries(&mut r.b, &draft);
    let conditional = draft.how.while_carry || draft.how.length == 0;
    let mut lift = Lift::new(&draft, entries, |inst| !(conditional && may_fail(inst)));
    let moves = |inst: &&Inst| match inst.results.first().and_then(|v| lift.kind(*v)) {
        Some(true) => !draft.how.keeps_carries_only() && is_product(&draft, inst),
        Some(false) => is_work(inst),
        None => false,
    };
    let moving: Values = draft.body.insts.iter().filter(moves).flat_map(|inst| inst.results.clone()).collect();
    if moving.is_empty() {
        return None;
    }
    let mut read: Vec<Value> = read_by_rest(&draft, &moving).into_iter().filter(|v| moving.contains(v)).collect();
    read.sort_unstable();
    for inside in read {
        let outside = lift.lift(&mut r.b, &draft, inside);
        let ports = if outside.steps { &mut draft.xs } else { &mut draft.consts };
        ports.push(Port { outside: outside.value, inside });
    }
    draft.body.insts.retain(|inst| stays(inst, &moving));
    let inst = draft.into_inst();
    let results = inst.results.clone();
    r.b.graph.insts.push(inst);
    Some(results)
}

fn stays(inst: &Inst, moving: &Values) -> bool {
    !inst.results.iter().any(|v| moving.contains(v))
}

/// What stays in the loop reads these values.
fn read_by_rest(draft: &Draft, moving: &Values) -> Values {
    let rest = draft.body.insts.iter().filter(|inst| stays(inst, moving));
    let next = draft.carries.iter().map(|c| c.next);
    rest.flat_map(|inst| inst.args.clone()).chain(next).chain(draft.ys.iter().map(|y| y.slice)).collect()
}

/// More than another view of a tensor, or something that is made where it is read.
fn is_work(inst: &Inst) -> bool {
    !inst.op.is_view() && !inst.op.is_source()
}

/// An index may be out of range, which is an error only if the loop gets there.
fn may_fail(inst: &Inst) -> bool {
    let by_index =
        matches!(inst.op, Op::Take { .. } | Op::TakeAlong { .. } | Op::DynamicSlice { .. } | Op::DynamicUpdate);
    let scatters = matches!(inst.op, Op::ScatterAdd { .. } | Op::ScatterAddAlong { .. });
    by_index || scatters || inst.regions.iter().flat_map(|region| &region.insts).any(may_fail)
}

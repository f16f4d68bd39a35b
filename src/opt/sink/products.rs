//! Products that only ys read.

use super::Behind;
use crate::opt::batch::{Lift, Outside, entries, exits, is_product};
use crate::opt::draft::{Draft, Stack};
use crate::tensor::scan::Values;
use crate::tensor::{Inst, Value};

/// Takes products that only ys read out of the loop. What the carries need is computed there anyway and can be
/// stacked; the rest must follow from it, from constants and from xs.
pub fn sink(at: &mut Behind) {
    let inside = at.draft.reached(at.draft.carries.iter().flat_map(|c| [c.inside, c.next]));
    let mut made = entries(at.b, &at.draft);
    made.extend(exits(&at.draft).filter(|(slice, _)| inside.contains(slice)));
    let pending: Values = inside.iter().copied().filter(|v| !made.contains_key(v)).collect();
    let not_yet = Outside { value: Value(u32::MAX), steps: true };
    made.extend(pending.iter().map(|v| (*v, not_yet)));
    let lift = Lift::new(&at.draft, made, |_| true);
    let mut ending = Ending { inside, pending, lift };
    for y in at.draft.ys.clone() {
        if ending.is_product(&at.draft, &y) {
            product(at, &mut ending, &y);
        }
    }
}

fn product(at: &mut Behind, ending: &mut Ending, y: &Stack) {
    for value in ending.missing(&at.draft, y) {
        let stacked = at.add_y(value);
        ending.pending.remove(&value);
        ending.lift.add(value, stacked);
    }
    let value = ending.lift.lift(at.b, &at.draft, y.slice).value;
    at.draft.ys.retain(|other| other.whole != y.whole);
    at.known.insert(y.whole, value);
}

/// What only ys read.
struct Ending {
    /// What the carries need.
    inside: Values,
    /// The part of it that is not stacked.
    pending: Values,
    lift: Lift,
}

impl Ending {
    /// The instructions that make a y of what the carries need.
    fn cone<'d>(&self, draft: &'d Draft, y: &Stack) -> Vec<&'d Inst> {
        let mut needed = Values::from([y.slice]);
        let mut cone = vec![];
        for inst in draft.body.insts.iter().rev() {
            if inst.results.iter().any(|v| needed.contains(v) && !self.inside.contains(v)) {
                needed.extend(&inst.args);
                cone.push(inst);
            }
        }
        cone
    }

    /// There is a product, and none is larger than the y: only the ys are known to fit into memory for all steps.
    fn is_product(&self, draft: &Draft, y: &Stack) -> bool {
        let size = |v: Value| draft.body.ty(v).elements();
        let cone = self.cone(draft, y);
        let mut products = cone.iter().filter(|inst| is_product(draft, inst)).peekable();
        let possible = !self.inside.contains(&y.slice) && self.lift.kind(y.slice) == Some(true);
        possible && products.peek().is_some() && products.all(|inst| size(inst.results[0]) <= size(y.slice))
    }

    fn missing(&self, draft: &Draft, y: &Stack) -> Vec<Value> {
        let read: Values = self.cone(draft, y).iter().flat_map(|inst| inst.args.clone()).collect();
        let mut missing: Vec<Value> = read.into_iter().filter(|v| self.pending.contains(v)).collect();
        missing.sort_unstable();
        missing
    }
}

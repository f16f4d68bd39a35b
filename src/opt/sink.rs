//! Moves sums and products out of loops, behind the loop.
//!
//! A carry that only adds up (`acc ← acc + e`) becomes one operation over all steps: a sum of products `a b` is a product
//! that also contracts the steps, a sum of row sums is one sum. So the gradient of a recurrent weight is one product. What
//! the operation reads is stacked by the loop, if it is not yet. And a product that goes into nothing but ys is taken from
//! all steps at once.
//!
//! A loop with a condition keeps its sums (its steps are not known), and so does one with a checkpoint in every step
//! (what it computes again is not to be stacked).

mod total;

use super::batch::{Lift, Outside, entries, exits, is_product};
use super::draft::{Carry, Draft, Stack};
use super::{Rewriter, in_regions, rewrite};
use crate::ops::{Binary, Literal, Op, Type};
use crate::tensor::build::Builder;
use crate::tensor::scan::Values;
use crate::tensor::{Graph, Inst, Value};
use std::collections::HashMap;

pub fn sink(graph: Graph) -> Graph {
    rewrite(in_regions(graph, sink), |r, inst| {
        let draft = Draft::of(inst)?;
        let keeps = draft.how.while_carry || draft.how.length == 0 || draft.how.checkpoint == Some(1);
        if keeps { None } else { sunk(r, inst, draft) }
    })
}

fn sunk(r: &mut Rewriter, inst: &Inst, draft: Draft) -> Option<Vec<Value>> {
    let before = draft.clone();
    let at = r.b.graph.insts.len();
    let zero: Vec<bool> = draft.carries.iter().map(|c| is_zero(r.splat(c.init))).collect();
    let mut sinker = Sinker::new(&mut r.b, draft);
    for (carry, starts_at_zero) in before.carries.iter().zip(zero) {
        sinker.accumulator(carry, starts_at_zero);
    }
    sinker.products();
    let Sinker { mut draft, known, .. } = sinker;
    if known.is_empty() {
        r.b.graph.insts.truncate(at);
        return None;
    }
    draft.prune();
    if !draft.carries.is_empty() || !draft.ys.is_empty() {
        // What has been appended reads the loop's results.
        r.b.graph.insts.insert(at, draft.into_inst());
    }
    Some(inst.results.iter().map(|v| *known.get(v).unwrap_or(v)).collect())
}

fn is_zero(literal: Option<Literal>) -> bool {
    match literal {
        Some(Literal::Float(x)) => x == 0.0,
        Some(Literal::Int(n)) => n == 0,
        _ => false,
    }
}

struct Sinker<'a, 'g> {
    b: &'a mut Builder<'g>,
    draft: Draft,
    lift: Lift,
    /// What stands for results of the loop.
    known: HashMap<Value, Value>,
}

/// A term of a sum.
#[derive(Clone, Copy)]
struct Term {
    value: Value,
    negative: bool,
}

impl<'a, 'g> Sinker<'a, 'g> {
    fn new(b: &'a mut Builder<'g>, draft: Draft) -> Self {
        let mut made = entries(b, &draft);
        made.extend(exits(&draft));
        let lift = Lift::new(&draft, made, is_light);
        Sinker { b, draft, lift, known: HashMap::new() }
    }

    // ── sums ──

    /// Takes as much as possible of what a carry adds up out of the loop.
    fn accumulator(&mut self, carry: &Carry, starts_at_zero: bool) {
        let Some(terms) = self.terms(carry) else { return };
        let (mut totals, mut rest) = (vec![], vec![]);
        for term in terms {
            match self.total(term.value) {
                Some(value) => totals.push(Term { value, ..term }),
                None => rest.push(term),
            }
        }
        if totals.is_empty() {
            return;
        }
        self.b.origin = self.draft.origin.clone();
        let begin = match rest.is_empty() {
            true => (!starts_at_zero).then_some(carry.init),
            false => Some(self.carry_on(carry, &rest)),
        };
        self.draft.carries.retain(|c| !rest.is_empty() || c.inside != carry.inside);
        let sum = add_up(self.b, begin, &totals);
        self.known.insert(carry.last, sum);
    }

    /// What each step adds to a carry that is used for nothing else.
    fn terms(&self, carry: &Carry) -> Option<Vec<Term>> {
        if self.uses(carry.inside) != 1 || self.uses(carry.next) != 1 {
            return None;
        }
        let (mut terms, mut open) = (vec![], vec![Term { value: carry.next, negative: false }]);
        let mut begins = false;
        while let Some(term) = open.pop() {
            match self.definition(term.value).map(|inst| (&inst.op, &inst.args)) {
                _ if term.value == carry.inside => begins = !term.negative,
                Some((Op::Binary(op @ (Binary::Add | Binary::Sub)), args)) if self.uses(term.value) == 1 => {
                    let negative = term.negative != (*op == Binary::Sub);
                    open.extend([Term { value: args[1], negative }, Term { value: args[0], ..term }]);
                }
                _ => terms.push(term),
            }
        }
        begins.then_some(terms)
    }

    fn uses(&self, value: Value) -> usize {
        let args = self.draft.body.insts.iter().flat_map(|inst| &inst.args);
        let next = self.draft.carries.iter().map(|c| &c.next);
        args.chain(next).chain(self.draft.ys.iter().map(|y| &y.slice)).filter(|v| **v == value).count()
    }

    fn definition(&self, value: Value) -> Option<&Inst> {
        self.draft.body.insts.iter().find(|inst| inst.results.contains(&value))
    }

    /// Keeps the carry for what could not be taken out; gives its new last value.
    fn carry_on(&mut self, carry: &Carry, rest: &[Term]) -> Value {
        let mut body = Builder::new(&mut self.draft.body, self.draft.origin.clone());
        let next = add_up(&mut body, Some(carry.inside), rest);
        let last = self.b.graph.fresh(self.draft.body.ty(carry.inside).clone());
        let kept = self.draft.carries.iter_mut().find(|c| c.inside == carry.inside);
        kept.into_iter().for_each(|c| *c = Carry { next, last, ..*c });
        last
    }

    /// All steps of a value, which the loop stacks from now on if there is no other way.
    fn stack(&mut self, value: Value) -> Outside {
        if self.lift.kind(value).is_none() {
            let y = self.add_y(value);
            self.lift.add(value, y);
        }
        self.lift.lift(self.b, &self.draft, value)
    }

    fn add_y(&mut self, slice: Value) -> Outside {
        let ty = self.draft.body.ty(slice);
        let whole = Type::new(ty.dtype, [&[self.draft.how.length], &ty.shape[..]].concat());
        let whole = self.b.graph.fresh(whole);
        self.draft.ys.push(Stack { slice, whole });
        Outside { value: whole, steps: true }
    }

    // ── products ──

    /// Takes products that only ys read out of the loop. What the carries need is computed there anyway and can be
    /// stacked; the rest must follow from it, from constants and from xs.
    fn products(&mut self) {
        let inside = self.draft.reached(self.draft.carries.iter().flat_map(|c| [c.inside, c.next]));
        let mut made = entries(self.b, &self.draft);
        made.extend(exits(&self.draft).filter(|(slice, _)| inside.contains(slice)));
        let pending: Values = inside.iter().copied().filter(|v| !made.contains_key(v)).collect();
        let not_yet = Outside { value: Value(u32::MAX), steps: true };
        made.extend(pending.iter().map(|v| (*v, not_yet)));
        let lift = Lift::new(&self.draft, made, |_| true);
        let mut ending = Ending { inside, pending, lift };
        for y in self.draft.ys.clone() {
            if ending.is_product(&self.draft, &y) {
                self.product(&mut ending, &y);
            }
        }
    }

    fn product(&mut self, ending: &mut Ending, y: &Stack) {
        for value in ending.missing(&self.draft, y) {
            let stacked = self.add_y(value);
            ending.pending.remove(&value);
            ending.lift.add(value, stacked);
        }
        let value = ending.lift.lift(self.b, &self.draft, y.slice).value;
        self.draft.ys.retain(|other| other.whole != y.whole);
        self.known.insert(y.whole, value);
    }
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

/// The sum of signed terms, at least one.
fn add_up(b: &mut Builder, begin: Option<Value>, terms: &[Term]) -> Value {
    let mut terms = terms.iter();
    let mut sum = begin.unwrap_or_else(|| {
        let first = terms.next().expect("a sum has terms");
        if first.negative { b.neg(first.value) } else { first.value }
    });
    for term in terms {
        sum = if term.negative { b.sub(sum, term.value) } else { b.add(sum, term.value) };
    }
    sum
}

/// Computed where it is read: worth doing outside what the loop does too.
fn is_light(inst: &Inst) -> bool {
    inst.op.is_source() || inst.op.is_map() || inst.op.is_move()
}

//! Carries that only add up.

use super::Behind;
use crate::ops::{Binary, Literal, Op};
use crate::opt::batch::{Lift, Outside, entries, exits};
use crate::opt::draft::Carry;
use crate::tensor::build::Builder;
use crate::tensor::{Inst, Value};

/// Takes sums out of a loop; `zeros` says which carries begin at zero.
pub fn sink(at: &mut Behind, zeros: Vec<bool>) {
    let mut made = entries(at.b, &at.draft);
    made.extend(exits(&at.draft));
    let stacks = !at.draft.how.keeps_carries_only();
    let lift = Lift::new(&at.draft, made, if stacks { is_light } else { is_made });
    let carries = at.draft.carries.clone();
    let mut sums = Sums { at, lift, stacks };
    for (carry, starts_at_zero) in carries.iter().zip(zeros) {
        sums.accumulator(carry, starts_at_zero);
    }
}

/// Computed where it is read: worth doing outside what the loop does too.
fn is_light(inst: &Inst) -> bool {
    inst.op.is_source() || inst.op.is_map() || inst.op.is_move()
}

/// Takes no memory of its own.
fn is_made(inst: &Inst) -> bool {
    inst.op.is_source() || inst.op.is_view()
}

pub fn is_zero(literal: Option<Literal>) -> bool {
    match literal {
        Some(Literal::Float(x)) => x == 0.0,
        Some(Literal::Int(n)) => n == 0,
        _ => false,
    }
}

pub(super) struct Sums<'l, 'a, 'g> {
    pub(super) at: &'l mut Behind<'a, 'g>,
    pub(super) lift: Lift,
    /// Whether the loop may stack more than it does.
    stacks: bool,
}

/// A term of a sum.
#[derive(Clone, Copy)]
struct Term {
    value: Value,
    negative: bool,
}

impl Sums<'_, '_, '_> {
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
        self.at.b.origin = self.at.draft.origin.clone();
        let begin = match rest.is_empty() {
            true => (!starts_at_zero).then_some(carry.init),
            false => Some(self.carry_on(carry, &rest)),
        };
        self.at.draft.carries.retain(|c| !rest.is_empty() || c.inside != carry.inside);
        let sum = add_up(self.at.b, begin, &totals);
        self.at.known.insert(carry.last, sum);
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
        let args = self.at.draft.body.insts.iter().flat_map(|inst| &inst.args);
        let next = self.at.draft.carries.iter().map(|c| &c.next);
        args.chain(next).chain(self.at.draft.ys.iter().map(|y| &y.slice)).filter(|v| **v == value).count()
    }

    pub(super) fn definition(&self, value: Value) -> Option<&Inst> {
        self.at.draft.body.insts.iter().find(|inst| inst.results.contains(&value))
    }

    /// Keeps the carry for what could not be taken out; gives its new last value.
    fn carry_on(&mut self, carry: &Carry, rest: &[Term]) -> Value {
        let mut body = Builder::new(&mut self.at.draft.body, self.at.draft.origin.clone());
        let next = add_up(&mut body, Some(carry.inside), rest);
        let last = self.at.b.graph.fresh(self.at.draft.body.ty(carry.inside).clone());
        let kept = self.at.draft.carries.iter_mut().find(|c| c.inside == carry.inside);
        kept.into_iter().for_each(|c| *c = Carry { next, last, ..*c });
        last
    }

    /// All steps of a value, which the loop stacks from now on if there is no other way and it may.
    pub(super) fn stack(&mut self, value: Value) -> Option<Outside> {
        if self.lift.kind(value).is_none() {
            let y = self.stacks.then(|| self.at.add_y(value))?;
            self.lift.add(value, y);
        }
        Some(self.lift.lift(self.at.b, &self.at.draft, value))
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

//! `scan x in xs along T { … }`: the loop over data.
//!
//! The body is elaborated once, between [`Emit::open_loop`](super::emit::Emit::open_loop) and `close_loop`, with
//! placeholders for what changes from iteration to iteration: the slices of the scanned values, each outer `var` that
//! the body assigns, and each buffer and state that it may reach. What did not change is no carry after all.

mod assigned;
mod carry;
mod error;
mod over;
mod tree;
mod yields;

use super::checker::Checker;
use super::emit::{Carry, Finished, Slot};
use super::value::Value;
use crate::diag::Diagnostic;
use crate::ops::{DType, Type};
use crate::source::Span;
use crate::syntax::ast::{self, Expr, Scan, Stmt};
use crate::tensor;
use carry::Carried;
use over::Over;

/// What stands in the head of a scan, evaluated.
struct Head {
    over: Over,
    reverse: bool,
    checkpoint: Option<usize>,
    carried: Vec<Carried>,
    /// The condition of `while` before the first iteration.
    go: Option<tensor::Value>,
}

/// What the body has left when it has been elaborated.
struct Ran {
    carries: Vec<Carry>,
    /// The yielded value and its tensors.
    yielded: Option<(Value, Vec<tensor::Value>)>,
}

impl Checker {
    pub fn eval_scan(&mut self, scan: &Scan, span: Span) -> Value {
        self.in_root_call(|c| match c.scan_head(scan) {
            Some(head) => c.run_scan(scan, head, span),
            None => c.check_broken(scan),
        })
    }

    fn scan_head(&mut self, scan: &Scan) -> Option<Head> {
        let over = self.scan_over(scan);
        let reverse = match &scan.reversed {
            None => Some(false),
            Some(None) => Some(true),
            Some(Some(cond)) => self.eval_condition(cond),
        };
        let checkpoint = match &scan.checkpoint {
            None => Some(None),
            Some(expr) => self.checkpoint(expr).map(Some),
        };
        let carried = self.carried(scan);
        let yields = self.check_yields(scan);
        let go = match &scan.while_ {
            None => Some(None),
            Some(cond) => self.go(cond).map(Some),
        };
        if !yields {
            return None;
        }
        Some(Head { over: over?, reverse: reverse?, checkpoint: checkpoint?, carried: carried?, go: go? })
    }

    fn checkpoint(&mut self, expr: &Expr) -> Option<usize> {
        let n = self.eval_int(expr)?;
        if n < 1 {
            self.report(error::bad_checkpoint(expr.span, n));
        }
        usize::try_from(n).ok().filter(|&n| n > 0)
    }

    /// The condition of `while` as a bool scalar of the present graph.
    fn go(&mut self, cond: &Expr) -> Option<tensor::Value> {
        let value = self.eval(cond);
        if value.is_error() {
            return None;
        }
        let node = self.emit(cond.span).operand(&value, DType::Bool).ok();
        match node.filter(|&x| *self.graph.emit.ty(x) == Type::scalar(DType::Bool)) {
            Some(node) => Some(node),
            None => {
                let found = self.type_text(&value);
                self.report(error::bad_while(cond.span, &found));
                None
            }
        }
    }

    /// A scan with a mistake in its head: the body is still looked at once, so that its own mistakes show.
    fn check_broken(&mut self, scan: &Scan) -> Value {
        for name in assigned::outer_names(scan) {
            if let Some(local) = self.find_local(&name.text) {
                local.value = Value::Error;
            }
        }
        self.frame().yields.push(vec![]);
        self.in_scope(|c| {
            c.bind_pattern(&scan.pattern, Value::Error, false);
            c.run_block(&scan.body);
        });
        self.frame().yields.pop();
        Value::Error
    }

    fn run_scan(&mut self, scan: &Scan, mut head: Head, span: Span) -> Value {
        self.at(span);
        self.graph.emit.open_loop();
        self.open_slots();
        let ran = self.run_body(scan, &mut head);
        let slots = self.graph.emit.loops.last().map(|l| l.slots.clone()).unwrap_or_default();
        let Some(ran) = ran else { return self.give_up(&head, slots) };
        let Ran { mut carries, yielded } = ran;
        carries.extend(slots.iter().map(|s| self.slot_carry(s)));
        if yielded.is_none() && !carries.iter().any(|c| c.next != c.inside) {
            return self.without_effect(scan, &head, slots, span);
        }
        let finished = Finished {
            length: head.over.length.clone(),
            reverse: head.reverse,
            checkpoint: head.checkpoint,
            while_carry: head.go.is_some(),
            xs: head.over.xs.clone(),
            ys: yielded.iter().flat_map(|(_, nodes)| nodes.clone()).collect(),
            carries,
        };
        self.at(span);
        let (finals, ys) = match self.graph.emit.close_loop(finished) {
            Ok(results) => results,
            Err(diag) => {
                self.report(*diag);
                return self.abandon(&head, slots);
            }
        };
        let of_vars = finals.into_iter().skip(usize::from(head.go.is_some())).collect();
        self.keep_finals(&head, &slots, of_vars);
        match yielded {
            Some((value, _)) => self.stacked(&value, ys, head.over.axis),
            None => Value::Unit,
        }
    }

    /// Elaborates the body; `None` after an error.
    fn run_body(&mut self, scan: &Scan, head: &mut Head) -> Option<Ran> {
        let before = self.diags.len();
        let go = head.go.map(|init| {
            let inside = self.graph.emit.placeholder_for(init);
            Carry { name: "go".into(), inside, init, next: inside }
        });
        let mut carries: Vec<Carry> = go.into_iter().collect();
        for carried in &head.carried {
            carries.extend(self.enter_carry(carried));
        }
        self.frame().yields.push(vec![]);
        self.in_scope(|c| {
            let items = c.scan_items(&mut head.over);
            c.bind_pattern(&scan.pattern, items, false);
            c.run_scan_block(&scan.body);
        });
        let yielded = self.frame().yields.pop().and_then(|mut found| found.pop());
        let mut next = vec![];
        if let (Some(cond), Some(_)) = (&scan.while_, head.go) {
            next.push(self.go(cond)?);
        }
        for carried in &head.carried {
            next.extend(self.next_values(carried)?);
        }
        carries.iter_mut().zip(next).for_each(|(carry, next)| carry.next = next);
        let yielded = match yielded {
            Some((value, at)) => Some(self.yielded_nodes(value, at)?),
            None => None,
        };
        (self.diags.len() == before).then_some(Ran { carries, yielded })
    }

    /// The body as a block; a value at its end is most likely meant to be yielded.
    fn run_scan_block(&mut self, body: &ast::Block) {
        let value = self.eval_block(body);
        if let Some(Stmt::Expr(e)) = body.stmts.last()
            && !matches!(value, Value::Unit)
            && !value.is_error()
        {
            self.report(error::value_at_end(e.span));
        }
    }

    /// A loop that gives nothing is an error, unless the body drops values on purpose: `let _ = net.next(x)` may have
    /// an effect with one net and none with another.
    fn without_effect(&mut self, scan: &Scan, head: &Head, slots: Vec<Slot>, span: Span) -> Value {
        if !assigned::drops_values(scan) {
            let hidden = self.hidden_var(scan);
            self.report(error::no_effect(span, hidden.as_ref()));
            return self.give_up(head, slots);
        }
        self.graph.emit.drop_loop();
        self.keep_finals(
            head,
            &slots,
            head.carried.iter().flat_map(Carried::inits).chain(slots.iter().map(|s| s.outside)).collect(),
        );
        Value::Unit
    }

    /// Leaves a broken loop behind.
    fn give_up(&mut self, head: &Head, slots: Vec<Slot>) -> Value {
        self.graph.emit.loops.pop();
        self.abandon(head, slots)
    }

    fn abandon(&mut self, head: &Head, slots: Vec<Slot>) -> Value {
        for slot in slots {
            self.graph.current.insert(slot.name, slot.outside);
        }
        for carried in &head.carried {
            self.set_var(&carried.name.text, Value::Error);
        }
        Value::Error
    }

    /// The named tensors that the body may change are carries until it turns out that it does not.
    fn open_slots(&mut self) {
        let depth = self.graph.emit.loops.len() - 1;
        for name in self.changeable() {
            let inside = self.graph.emit.slot(depth, &name, self.graph.current[&name]);
            self.graph.current.insert(name, inside);
        }
    }

    fn slot_carry(&self, slot: &Slot) -> Carry {
        let next = self.graph.current.get(&slot.name).copied().unwrap_or(slot.inside);
        Carry { name: slot.name.to_string(), inside: slot.inside, init: slot.outside, next }
    }

    /// After the loop each carry has its final value.
    fn keep_finals(&mut self, head: &Head, slots: &[Slot], finals: Vec<tensor::Value>) {
        let mut finals = finals.into_iter();
        for carried in &head.carried {
            let value = carried.rebuilt(&mut finals);
            self.set_var(&carried.name.text, value);
        }
        for (slot, value) in slots.iter().zip(finals) {
            self.graph.current.insert(slot.name.clone(), value);
        }
    }

    fn set_var(&mut self, name: &str, value: Value) {
        if let Some(local) = self.find_local(name) {
            local.value = value;
        }
    }
}

/// What a step does once, in the body of a scan.
pub fn not_in_scan(stmt: &Stmt) -> Diagnostic {
    match stmt {
        Stmt::Minimize(m) => error::not_in_scan("minimize", m.span),
        Stmt::Every { span, .. } => error::not_in_scan("every", *span),
        Stmt::Report { span, .. } => error::not_in_scan("report", *span),
        other => unreachable!("{other:?} may stand in a scan"),
    }
}

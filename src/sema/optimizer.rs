//! `minimize`: gradients, clipping, the optimizer's code for each parameter.

use super::checker::Checker;
use super::emit::Checked;
use super::layer::join;
use super::member::typed_member;
use super::model::{Micro, ParamKind, PhaseKind};
use super::param::ParamInfo;
use super::scope::{OptimizerSlot, Owner};
use super::value::{CallArg, Object, Value};
use crate::diag::{Code, Diagnostic};
use crate::ops::dim::Dim;
use crate::ops::{Binary, Compare, DType, Op, Type};
use crate::source::Span;
use crate::syntax::ast::{self, BlockItem, Expr, ExprKind, Minimize, TypedMember};
use crate::tensor::{self, Graph, Origin, OutputRole, is_within};
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;

/// An optimizer with the name under which its state is kept.
#[derive(Clone, Debug)]
pub struct Choice {
    pub object: Rc<Object>,
    pub prefix: Arc<str>,
}

/// One parameter with its gradient.
pub(super) struct Target {
    index: usize,
    pub path: Arc<str>,
    old: tensor::Value,
    pub gradient: tensor::Value,
}

/// The declaration of an optimizer's buffer.
pub fn buffer<'a>(def: &'a BlockItem, name: &str) -> Option<&'a TypedMember> {
    // Conditions do not matter: an update uses a buffer only where its own conditions say so.
    typed_member(&def.members, name)
}

impl Checker {
    pub fn eval_minimize(&mut self, m: &Minimize) {
        if self.phase.as_ref().is_none_or(|p| p.kind != PhaseKind::Step) {
            self.report(minimize_outside(m.span));
            return;
        }
        let weight = match &m.weight {
            Some(e) => self.scalar_weight(e),
            None => self.rows_weight(),
        };
        let Some(loss) = self.loss(&m.loss) else { return };
        let prefixes: Vec<Arc<str>> = m.over.iter().flat_map(|p| self.target_paths(&path_expr(p))).collect();
        if !m.over.is_empty() && prefixes.is_empty() {
            return;
        }
        let with = match &m.with {
            Some(path) => match self.optimizer_choice(&path_expr(path)) {
                Some(choice) => Some(choice),
                None => return,
            },
            None => None,
        };
        let wanted = self.reached_params(loss, &prefixes);
        if wanted.is_empty() {
            self.report(nothing_to_train(m));
            return;
        }
        let Some(weight) = weight else { return };
        self.note_loss(m, loss, weight);
        let learning: Vec<usize> = wanted.iter().copied().filter(|&i| !self.is_frozen(&self.params[i].path)).collect();
        if learning.is_empty() {
            self.check_frozen(m, &wanted);
        }
        let mut targets = self.gradients(loss, &learning, m.span);
        self.at(m.span);
        if let Err(diag) = self.prepare(m, loss, weight, &mut targets) {
            self.report(*diag);
            return;
        }
        self.train.minimized += 1;
        if self.micro() == Micro::Gather {
            return;
        }
        for target in &targets {
            let Some(choice) = self.choose(target, with.as_ref(), m.span) else { return };
            self.update(target, &choice, m.span);
        }
    }

    /// Makes of the gradients those that the optimizer gets: sums over the batches of a step, clipped; and checks them.
    fn prepare(
        &mut self,
        m: &Minimize,
        loss: tensor::Value,
        weight: tensor::Value,
        targets: &mut [Target],
    ) -> Checked<()> {
        let name = loss_name(m);
        let mut weight = weight;
        let finite = self.graph.emit.is_finite(loss)?;
        let mut checks = vec![(format!("`{name}`"), finite)];
        if self.micro() != Micro::Whole {
            weight = self.accumulate(weight, finite, targets)?;
            checks.push((format!("`{name}` of an earlier batch of the step"), self.graph.emit.is_finite(weight)?));
        }
        let divisors = match (&m.weight, self.micro()) {
            (Some(_), Micro::Gather) => vec![],
            (Some(_), Micro::Apply) => vec![weight],
            (Some(_), Micro::Whole) => [self.shares(loss), vec![weight]].concat(),
            (None, _) => self.shares(loss),
        };
        self.warn_of_nothing(&name, divisors)?;
        if self.micro() != Micro::Gather {
            checks.extend(self.clip(targets)?);
        }
        if let Some(phase) = &mut self.phase {
            phase.checks.extend(checks);
        }
        Ok(())
    }

    /// The divisors of the means that a loss is made of.
    fn shares(&self, loss: tensor::Value) -> Vec<tensor::Value> {
        let reached = reached(&self.graph.emit.graph, loss, &[]);
        let shares = self.graph.emit.shares.iter().filter(|(mean, _)| reached[mean.0 as usize]);
        shares.map(|(_, divisor)| *divisor).collect()
    }

    /// A mean over nothing is 0, and so is its gradient: a run that meets such a loss says so.
    fn warn_of_nothing(&mut self, name: &str, divisors: Vec<tensor::Value>) -> Checked<()> {
        let emit = &mut self.graph.emit;
        let mut some = None;
        for divisor in divisors {
            let is = emit.compare(Compare::Ne, &Value::Tensor(divisor), &Value::Float(0.0))?;
            some = Some(match some {
                None => is,
                Some(others) => emit.zip(Binary::And, others, is)?,
            });
        }
        if let (Some(phase), Some(some)) = (&mut self.phase, some) {
            phase.warnings.push((format!("nothing took part in `{name}`"), some));
        }
        Ok(())
    }

    /// A loss that trains nothing is fine for a time, and a mistake where that never ends.
    fn check_frozen(&mut self, m: &Minimize, wanted: &[usize]) {
        let places: Option<Vec<Span>> = wanted.iter().map(|&i| self.frozen_for_good(&self.params[i].path)).collect();
        if let Some(place) = places.and_then(|places| places.first().copied()) {
            self.report(all_frozen(m.loss.span, place));
        }
    }

    fn loss(&mut self, expr: &Expr) -> Option<tensor::Value> {
        let value = self.eval(expr);
        if value.is_error() {
            return None;
        }
        let Value::Tensor(node) = value else {
            self.report(loss_is_no_tensor(expr.span, value.describe()));
            return None;
        };
        let ty = self.graph.emit.ty(node).clone();
        if ty.rank() != 0 || !ty.dtype.is_float() {
            self.report(loss_not_scalar(expr.span, &ty));
            return None;
        }
        Some(node)
    }

    /// The weight of a loss or of a metric: a scalar, as f32.
    pub(super) fn scalar_weight(&mut self, expr: &Expr) -> Option<tensor::Value> {
        let value = self.eval(expr);
        if value.is_error() {
            return None;
        }
        let emit = self.emit(expr.span);
        let result = emit.tensor(&value).and_then(|x| emit.cast(x, DType::F32)).map(Value::Tensor);
        match self.settle(result) {
            Value::Tensor(x) if self.graph.emit.rank(x) == 0 => Some(x),
            Value::Tensor(x) => {
                let ty = self.graph.emit.ty(x).clone();
                self.report(weight_not_scalar(expr.span, &ty));
                None
            }
            _ => None,
        }
    }

    /// The loss is reported.
    fn note_loss(&mut self, m: &Minimize, loss: tensor::Value, weight: tensor::Value) {
        let name = loss_name(m);
        let Ok(loss) = self.graph.emit.cast(loss, DType::F32) else { return };
        if let Some(phase) = &mut self.phase
            && !phase.losses.iter().any(|(n, ..)| *n == name)
        {
            phase.losses.push((name, loss, OutputRole::Report { weight }));
        }
    }

    /// Trainable parameters below the prefixes (all, if there are none) that the loss depends on.
    fn reached_params(&self, loss: tensor::Value, prefixes: &[Arc<str>]) -> Vec<usize> {
        let trainable = |p: &ParamInfo| {
            p.kind == ParamKind::Trainable && (prefixes.is_empty() || prefixes.iter().any(|q| is_within(&p.path, q)))
        };
        let present = |p: &ParamInfo| self.graph.current.get(&p.path).copied();
        let leaves: Vec<tensor::Value> =
            self.params.iter().filter(|p| p.kind == ParamKind::Trainable).filter_map(present).collect();
        let reached = reached(&self.graph.emit.graph, loss, &leaves);
        let depends = |p: &ParamInfo| present(p).is_some_and(|x| reached[x.0 as usize]);
        let all = 0..self.params.len();
        let mut found: Vec<usize> = all.filter(|&i| trainable(&self.params[i]) && depends(&self.params[i])).collect();
        found.sort_by_key(|&i| self.declaration_order(&self.params[i]));
        found
    }

    fn gradients(&mut self, loss: tensor::Value, wanted: &[usize], span: Span) -> Vec<Target> {
        if wanted.is_empty() {
            return vec![];
        }
        let paths: Vec<Arc<str>> = wanted.iter().map(|&i| self.params[i].path.clone()).collect();
        let old: Vec<tensor::Value> = paths.iter().map(|p| self.graph.current[p]).collect();
        let types: Vec<Type<Dim>> = old.iter().map(|&x| self.graph.emit.ty(x).clone()).collect();
        let args = std::iter::once(loss).chain(old.iter().copied()).collect();
        let origin = Origin { layer: None, span };
        let gradients = self.graph.emit.graph.push(Op::Grad, args, types, origin);
        let parts = wanted.iter().zip(paths).zip(old).zip(gradients);
        parts.map(|(((&index, path), old), gradient)| Target { index, path, old, gradient }).collect()
    }

    fn choose(&mut self, target: &Target, with: Option<&Choice>, span: Span) -> Option<Choice> {
        let targeted = self.train.targeted.iter().filter(|(prefix, _)| is_within(&target.path, prefix));
        let nearest = targeted.max_by_key(|(prefix, _)| prefix.len()).map(|(_, c)| c);
        let found = with.or(nearest).or(self.train.optimizer.as_ref()).cloned();
        if found.is_none() && !self.train.broken_settings {
            self.report(no_optimizer(span, &target.path));
        }
        found
    }

    /// Runs the optimizer's `update` on one parameter.
    fn update(&mut self, target: &Target, choice: &Choice, span: Span) {
        let Some(function) = super::call::method(&choice.object.def, "update").cloned() else {
            self.report(no_update(&choice.object, span));
            return;
        };
        let slot = OptimizerSlot { prefix: choice.prefix.clone(), path: target.path.clone() };
        let owner = Owner::Object(choice.object.clone(), Some(Rc::new(slot)));
        let step = self.graph.emit.scalar("step");
        let count = match self.update_count(&target.path) {
            Ok(count) => count,
            Err(diag) => return drop(self.report(*diag)),
        };
        let args: Vec<CallArg> = [target.old, target.gradient, step, count]
            .into_iter()
            .take(function.params.len())
            .map(|x| CallArg { label: None, value: Value::Tensor(x), span })
            .collect();
        let layer = Some(self.params[target.index].layer.clone());
        let outer = std::mem::replace(&mut self.graph.emit.origin, Origin { layer, span });
        let value = self.call_function(&function, owner, args, span);
        self.graph.emit.origin = outer;
        if value.is_error() {
            return;
        }
        let name = ast::Name { text: target.path.clone(), span };
        self.store(target.index, value, &name);
    }

    /// Where `good` is false, everything that changed since `before` keeps its old value, but for the sums over the batches
    /// of one step.
    pub fn guard(&mut self, before: &HashMap<Arc<str>, tensor::Value>, good: tensor::Value) {
        let outlives = |path: &&Arc<str>| self.find_state(path).is_some() || self.begun_with(path).is_some();
        let updated: Vec<Arc<str>> = self.graph.updated.iter().filter(outlives).cloned().collect();
        for path in updated {
            let new = self.graph.current[&path];
            let old = before.get(&path).copied().or_else(|| self.begun_with(&path)).or_else(|| self.input_of(&path));
            if let Some(old) = old.filter(|&x| x != new) {
                let [c, a, b] = [good, new, old].map(Value::Tensor);
                if let Ok(kept) = self.graph.emit.select(&c, &a, &b) {
                    self.graph.current.insert(path, kept);
                }
            }
        }
    }

    /// The input of this name, for state that was read for the first time.
    fn input_of(&self, path: &str) -> Option<tensor::Value> {
        let graph = &self.graph.emit.graph;
        graph.insts.iter().find(|i| i.input_name() == Some(path)).map(|i| i.results[0])
    }

    /// What a bare name means in an optimizer, schedule or initializer.
    pub fn object_name(&mut self, object: &Object, slot: Option<&OptimizerSlot>, name: &ast::Name) -> Option<Value> {
        if let Some((_, value)) = object.args.iter().find(|(n, _)| *n == name.text) {
            return Some(value.clone());
        }
        let slot = slot?;
        let declared = buffer(&object.def, &name.text)?.clone();
        Some(match self.slot_state(slot, &declared) {
            Some(index) => self.read_state(index, name.span),
            None => Value::Error,
        })
    }

    /// The state of one buffer for one parameter, declared on first use.
    fn slot_state(&mut self, slot: &OptimizerSlot, declared: &TypedMember) -> Option<usize> {
        let path = join(&join(&slot.prefix, &declared.name.text), &slot.path);
        if let Some(index) = self.find_state(&path) {
            return Some(index);
        }
        let ty = self.state_type(&declared.ty)?;
        let Some(init) = &declared.value else { return self.missing_start(declared) };
        // Values of the step are not visible to a first value.
        let mut frame = self.frame().clone();
        frame.scopes = vec![vec![]];
        self.in_frame(frame, |c| c.initialise(&path, &ty, init));
        let info =
            ParamInfo { path, kind: ParamKind::OptState, ty, layer: slot.path.clone(), span: declared.name.span };
        self.params.push(info);
        Some(self.params.len() - 1)
    }

    fn missing_start(&mut self, declared: &TypedMember) -> Option<usize> {
        self.report(buffer_without_start(declared));
        None
    }

    pub fn assign_slot(&mut self, object: &Object, slot: &OptimizerSlot, name: &ast::Name, value: Value) {
        let Some(declared) = buffer(&object.def, &name.text).cloned() else { return };
        let Some(index) = self.slot_state(slot, &declared) else { return };
        self.store(index, value, name);
    }
}

/// The loss is called `loss`; with `over` it has the name of what it trains.
fn loss_name(m: &Minimize) -> Arc<str> {
    match m.over.first().and_then(|p| p.names.last()) {
        Some(last) => format!("{}_loss", last.text).into(),
        None => "loss".into(),
    }
}

/// Values from which `from` is computed, not looking behind `leaves` and gradients that are stopped.
fn reached(graph: &Graph<Dim>, from: tensor::Value, leaves: &[tensor::Value]) -> Vec<bool> {
    let mut needed = vec![false; graph.types.len()];
    needed[from.0 as usize] = true;
    for inst in graph.insts.iter().rev() {
        let wanted = inst.results.iter().any(|r| needed[r.0 as usize]);
        let is_end = inst.op == Op::StopGradient || inst.results.iter().any(|r| leaves.contains(r));
        if wanted && !is_end {
            inst.args.iter().for_each(|a| needed[a.0 as usize] = true);
        }
    }
    needed
}

/// `net.encoder` as an expression.
pub(super) fn path_expr(path: &ast::Path) -> Expr {
    let mut names = path.names.iter();
    let first = names.next().map_or(ExprKind::Error, |n| ExprKind::Name(n.clone()));
    let base = Expr { kind: first, span: path.span };
    names.fold(base, |base, name| Expr { kind: ExprKind::Field(Box::new(base), name.clone()), span: path.span })
}

fn minimize_outside(span: Span) -> Diagnostic {
    Diagnostic::error(Code(504), "`minimize` belongs in `step`").label(span, "parameters change only in training steps")
}

fn loss_is_no_tensor(span: Span, what: &str) -> Diagnostic {
    Diagnostic::error(Code(505), format!("a loss is a scalar of the network's results, and this is {what}"))
        .label(span, "not a loss")
}

fn loss_not_scalar(span: Span, ty: &Type<Dim>) -> Diagnostic {
    Diagnostic::error(Code(505), format!("a loss is one number, and this is {ty}"))
        .label(span, format!("this is {ty}"))
        .help("reduce it, for example with `mean(…)`")
}

fn weight_not_scalar(span: Span, ty: &Type<Dim>) -> Diagnostic {
    Diagnostic::error(Code(505), format!("a weight is one number, and this is {ty}"))
        .label(span, format!("this is {ty}"))
        .help("count what takes part, for example with `count(mask)`")
}

fn nothing_to_train(m: &Minimize) -> Diagnostic {
    let diag = Diagnostic::error(Code(506), "the loss depends on no parameter").label(m.loss.span, "nothing to train");
    match m.over.first() {
        Some(path) => diag.label(path.span, "no parameter of this is used"),
        None => diag.help("compute it from what a layer gives; `stop_gradient` cuts the dependence"),
    }
}

fn all_frozen(span: Span, freeze: Span) -> Diagnostic {
    Diagnostic::error(Code(506), "every parameter of this loss is frozen")
        .label(span, "nothing to train")
        .label(freeze, "frozen here, for good")
        .help("leave a part out, or write `until epoch 2`")
}

fn no_optimizer(span: Span, path: &str) -> Diagnostic {
    Diagnostic::error(Code(503), format!("no optimizer is set for `{path}`"))
        .label(span, "which optimizer takes this step?")
        .help("add `optimizer = adam(lr: 1e-3)` to the `train` block, or write `with` here")
}

fn no_update(object: &Object, span: Span) -> Diagnostic {
    Diagnostic::error(Code(521), "this optimizer has no `update`")
        .label(span, "used here")
        .label(object.def.word.span, "needs `fn update(p: f32[*S], g: f32[*S], step: i32) -> f32[*S]`")
}

fn buffer_without_start(declared: &TypedMember) -> Diagnostic {
    let end = Span { start: declared.ty.span.end, ..declared.ty.span };
    Diagnostic::error(Code(413), format!("`{}` has no initial value", declared.name.text))
        .label(declared.name.span, "what does it start with?")
        .fix(end, " = 0.0", "start with zeros")
}

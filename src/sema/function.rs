//! Inlining a call of a `fn`: arguments are matched with their types, conditions proved, the body elaborated.

use super::args::{Given, Signature};
use super::call::block_name;
use super::checker::{CallSite, Checker};
use super::facts::Call;
use super::scope::{Frame, Local, Owner};
use super::value::{CallArg, Value};
use crate::diag::{Code, Diagnostic};
use crate::source::Span;
use crate::syntax::ast;
use crate::tensor::Origin;
use std::rc::Rc;
use std::sync::Arc;

/// Deepest nesting of calls.
const MAX_DEPTH: usize = 60;

impl Checker {
    pub fn call_function(&mut self, f: &Rc<ast::Function>, owner: Owner, args: Vec<CallArg>, span: Span) -> Value {
        let name = self.function_name(f, &owner);
        if let Some(diag) = self.recursion(f, &name, span, &owner) {
            return self.report(diag);
        }
        let args = args.into_iter().map(|a| Given { label: a.label, span: a.span, what: a.value }).collect();
        let signature = Signature { name: &name, params: &f.params, span: f.name.span };
        let Some(slots) = self.assign_args(&signature, args, span) else { return Value::Error };
        if slots.iter().flatten().any(|a| a.what.is_error()) {
            return Value::Error;
        }
        self.entered.insert(f.span);
        self.calls.push(CallSite { name: name.clone(), function: f.span, owner: owner.instance(), span });
        let origin = self.enter_origin(&owner, span);
        let training = self.training;
        self.training &= !owner.instance().is_some_and(|id| self.is_frozen(&self.instances[id.0 as usize].path));
        let mut frame = Frame::new(owner);
        frame.in_training = self.frame().in_training;
        let value =
            self.in_root_call(|c| c.in_frame(frame, |c| c.without_place(|c| c.run_function(f, &name, slots, span))));
        self.training = training;
        self.graph.emit.origin = origin;
        self.calls.pop();
        value
    }

    /// The origin of what the call emits; the former one is returned.
    fn enter_origin(&mut self, owner: &Owner, span: Span) -> Origin {
        let former = self.graph.emit.origin.clone();
        if let Owner::Instance(id) = owner {
            let layer = Some(self.instances[id.0 as usize].path.clone());
            self.graph.emit.origin = Origin { layer, span };
        }
        former
    }

    /// `Dense.forward`, or the plain name.
    fn function_name(&self, f: &ast::Function, owner: &Owner) -> Arc<str> {
        match owner {
            Owner::None => f.name.text.clone(),
            Owner::Instance(id) => {
                let kind = block_name(&self.instances[id.0 as usize].def);
                if &*f.name.text == "forward" { kind.into() } else { format!("{kind}.{}", f.name.text).into() }
            }
            Owner::Object(object, _) => block_name(&object.def).into(),
        }
    }

    fn recursion(&self, f: &ast::Function, name: &str, span: Span, owner: &Owner) -> Option<Diagnostic> {
        let open = |c: &CallSite| c.function == f.span && c.owner == owner.instance();
        let again = matches!(owner, Owner::None | Owner::Instance(_)) && self.calls.iter().any(open);
        (again || self.calls.len() >= MAX_DEPTH).then(|| recursive_call(name, span, f.name.span))
    }

    fn run_function(
        &mut self,
        f: &Rc<ast::Function>,
        name: &str,
        slots: Vec<Option<Given<Value>>>,
        span: Span,
    ) -> Value {
        for (param, slot) in f.params.iter().zip(slots) {
            let given = slot.as_ref().map(|s| (param.name.text.clone(), s.span));
            self.frame().given.extend(given);
            let value = self.argument(param, slot, name, span);
            self.frame().declare(Local { name: param.name.text.clone(), value, is_var: false, span: param.name.span });
        }
        let solved = self.solve_deferred();
        let matched = solved && !self.frame().scopes.iter().flatten().any(|l| l.value.is_error());
        if !matched || !self.prove_all(&f.constraints, Call { name, span, def: f.span }) {
            return Value::Error;
        }
        if let Owner::Instance(id) = self.owner()
            && !self.realize(id)
        {
            return Value::Error;
        }
        let value = if f.composite { self.eval_composite(f) } else { self.eval_body(f) };
        self.note_result(&f.name.text, &value);
        value
    }

    fn argument(&mut self, param: &ast::Param, slot: Option<Given<Value>>, name: &str, span: Span) -> Value {
        let (value, at) = match (slot, &param.default) {
            (Some(given), _) => (given.what, given.span),
            (None, Some(default)) => (self.eval(default), default.span),
            (None, None) => (Value::Error, span),
        };
        match &param.ty {
            Some(ty) => self.convert(value, at, ty, &format!("argument `{}` of `{name}`", param.name.text)),
            None => value,
        }
    }

    /// The body's value, checked against the declared result.
    pub fn eval_body(&mut self, f: &ast::Function) -> Value {
        let value = self.eval_block(&f.body);
        let at = match f.body.stmts.last() {
            Some(ast::Stmt::Expr(e)) => e.span,
            _ => f.name.span,
        };
        let Some(ty) = &f.result else { return value };
        if matches!(value, Value::Unit) {
            return self.report(no_result(f, ty.span));
        }
        let value = self.convert(value, at, ty, &format!("the result of `{}`", f.name.text));
        if self.solve_deferred() { value } else { Value::Error }
    }
}

fn recursive_call(name: &str, span: Span, defined: Span) -> Diagnostic {
    Diagnostic::error(Code(114), format!("`{name}` calls itself"))
        .label(span, "this call never ends")
        .label(defined, "defined here")
        .help("every call is written out where it stands, so a function cannot recur; use `for`")
}

fn no_result(f: &ast::Function, result: Span) -> Diagnostic {
    Diagnostic::error(Code(215), format!("`{}` gives no value", f.name.text))
        .label(f.name.span, "its body ends without a value")
        .label(result, "but this is declared")
}

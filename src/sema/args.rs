//! Which argument goes to which parameter.

use super::checker::Checker;
use super::defs::{did_you_mean, suggest};
use crate::diag::{Code, Diagnostic};
use crate::source::Span;
use crate::syntax::ast;
use std::sync::Arc;

/// An argument as given; a constructor's are not evaluated before they have found their parameter.
pub struct Given<A> {
    pub label: Option<(Arc<str>, Span)>,
    pub span: Span,
    pub what: A,
}

/// What is called, for messages.
pub struct Signature<'a> {
    pub name: &'a str,
    pub params: &'a [ast::Param],
    pub span: Span,
}

impl Checker {
    /// The arguments in the order of the parameters; `None` after an error. A parameter with a default may have none.
    pub fn assign_args<A>(
        &mut self,
        callee: &Signature,
        args: Vec<Given<A>>,
        span: Span,
    ) -> Option<Vec<Option<Given<A>>>> {
        let mut slots: Vec<Option<Given<A>>> = callee.params.iter().map(|_| None).collect();
        let mut next = 0;
        let mut fine = true;
        for arg in args {
            let slot = match &arg.label {
                Some((label, _)) => callee.params.iter().position(|p| p.name.text == *label),
                None => Some(next).filter(|&i| i < slots.len()),
            };
            next += usize::from(arg.label.is_none());
            match slot {
                Some(i) if slots[i].is_none() => slots[i] = Some(arg),
                Some(i) => fine = self.refuse(given_twice(&callee.params[i], arg.span)),
                None => fine = self.refuse(no_parameter(callee, &arg)),
            }
        }
        let missing: Vec<&str> = callee
            .params
            .iter()
            .zip(&slots)
            .filter(|(p, s)| s.is_none() && p.default.is_none())
            .map(|(p, _)| &*p.name.text)
            .collect();
        // After another mistake a missing argument is most likely that mistake.
        if fine && !missing.is_empty() {
            fine = self.refuse(missing_arguments(callee, &missing, span));
        }
        fine.then_some(slots)
    }

    fn refuse(&mut self, diag: Diagnostic) -> bool {
        self.report(diag);
        false
    }
}

fn given_twice(param: &ast::Param, span: Span) -> Diagnostic {
    Diagnostic::error(Code(108), format!("`{}` is given twice", param.name.text)).label(span, "already given")
}

fn no_parameter<A>(callee: &Signature, arg: &Given<A>) -> Diagnostic {
    match &arg.label {
        Some((label, span)) => unknown_label(callee, label, *span),
        None => too_many(callee, arg.span),
    }
}

fn unknown_label(callee: &Signature, label: &str, span: Span) -> Diagnostic {
    let names: Vec<&str> = callee.params.iter().map(|p| &*p.name.text).collect();
    let diag = Diagnostic::error(Code(105), format!("`{}` has no parameter `{label}`", callee.name))
        .label(span, "unknown")
        .label(callee.span, "defined here");
    match suggest(label, names.iter().copied()) {
        None if names.is_empty() => diag.help("it takes no arguments"),
        None => diag.help(format!("its parameters are `{}`", names.join("`, `"))),
        found => did_you_mean(diag, span, found),
    }
}

fn too_many(callee: &Signature, span: Span) -> Diagnostic {
    let n = callee.params.len();
    let takes = format!("`{}` takes {n} argument{}", callee.name, if n == 1 { "" } else { "s" });
    Diagnostic::error(Code(106), takes).label(span, "one too many").label(callee.span, "defined here")
}

fn missing_arguments(callee: &Signature, missing: &[&str], span: Span) -> Diagnostic {
    let names = missing.join("`, `");
    Diagnostic::error(Code(107), format!("`{}` needs `{names}`", callee.name))
        .label(span, format!("`{names}` is missing"))
        .label(callee.span, "defined here")
}

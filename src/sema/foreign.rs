//! Habits from other systems: methods of tensors, modules before functions, `self`.

use super::builtins;
use super::checker::Checker;
use super::defs::suggest;
use crate::diag::{Code, Diagnostic};
use crate::source::Span;
use crate::syntax::ast::{self, Expr, ExprKind};

/// Modules and objects that stand before a name elsewhere; here a name stands alone.
const QUALIFIERS: [&str; 11] = ["self", "torch", "nn", "F", "np", "numpy", "jnp", "jax", "tf", "keras", "optim"];

impl Checker {
    /// `torch.relu` or `self.fc` where nothing is called `torch` or `self`.
    pub fn qualified(&mut self, base: &Expr, name: &ast::Name) -> Option<Diagnostic> {
        let root = root_name(base)?;
        let foreign = QUALIFIERS.contains(&&*root.text) && !self.is_defined(root);
        let span = Span { end: name.span.end, ..base.span };
        foreign.then(|| unqualified(root, span, self.plain_name(name)))
    }

    /// The name as it is known here.
    fn plain_name(&self, name: &ast::Name) -> Option<String> {
        let mut known: Vec<String> = builtins::names().map(str::to_string).collect();
        known.extend(self.defs.names().map(str::to_string));
        known.extend(self.owner().instance().iter().flat_map(|id| self.instances[id.0 as usize].names()));
        let known = || known.iter().map(String::as_str);
        if known().any(|k| k == &*name.text) { Some(name.text.to_string()) } else { suggest(&name.text, known()) }
    }
}

fn root_name(base: &Expr) -> Option<&ast::Name> {
    match &base.kind {
        ExprKind::Name(name) => Some(name),
        ExprKind::Field(base, _) => root_name(base),
        _ => None,
    }
}

fn unqualified(root: &ast::Name, span: Span, plain: Option<String>) -> Diagnostic {
    let diag = Diagnostic::error(Code(101), format!("`{}` is not defined", root.text)).label(root.span, "not found");
    let diag = match &*root.text {
        "self" => diag.help("members are called by their name alone"),
        _ => diag.help("functions and layers are called by their name alone; there are no modules"),
    };
    match plain {
        Some(plain) => diag.fix(span, &*plain, format!("write `{plain}`")),
        None => diag,
    }
}

/// `x.reshape(…)`: how it is written here.
pub fn instead_of_method(name: &str) -> Option<String> {
    let written = match name {
        "shape" | "size" => "shape(x)",
        "T" | "mT" | "t" | "permute" => "transpose(x)",
        "view" => "reshape(x, […])",
        "unsqueeze" => "expand(x, axis: 0)",
        "detach" => "stop_gradient(x)",
        "float" | "to" | "astype" => "f32(x)",
        "long" | "int" => "i32(x)",
        "relu" | "sigmoid" | "softmax" | "log_softmax" | "gelu" | "dropout" => return Some(call_form(name)),
        _ if builtins::lookup(name).is_some() => return Some(call_form(name)),
        _ => return None,
    };
    Some(format!("functions are not members of a tensor: write `{written}`"))
}

fn call_form(name: &str) -> String {
    format!("functions are not members of a tensor: write `{name}(x, …)`, or `x |> {name}(…)`")
}

//! Declared shapes against actual ones: one way, left to right.
//!
//! A bare capital that is not bound yet is bound by the first dimension it meets; everything else must be equal.
//! A term with an unknown capital (`2 * D`) waits until all arguments were seen and is then solved.

use super::checker::Checker;
use super::defs::Def;
use super::scope::{BoundDim, Owner, Pack, is_capital};
use super::terms::{collect_capitals, expr_text};
use crate::diag::{Code, Diagnostic};
use crate::ops::Extent;
use crate::ops::dim::{Dim, Verdict};
use crate::source::Span;
use crate::syntax::ast::{self, DimExpr, Expr, ExprKind};
use std::sync::Arc;

/// A dimension that could not be compared yet.
#[derive(Clone, Debug)]
pub struct Deferred {
    expr: Expr,
    actual: Dim,
    span: Span,
    what: Arc<str>,
}

/// One comparison: where the value stands, what it is, and where its type is declared.
#[derive(Clone, Copy)]
struct Site<'a> {
    span: Span,
    what: &'a str,
    declared: Span,
}

impl Checker {
    /// Matches a declared shape with the actual one; false after an error.
    pub fn match_shape(&mut self, dims: &[DimExpr], actual: &[Dim], span: Span, what: &str, declared: Span) -> bool {
        let site = Site { span, what, declared };
        let pack = dims.iter().position(|d| matches!(d, DimExpr::Pack(_)));
        let (before, after) = match pack {
            Some(p) => (&dims[..p], &dims[p + 1..]),
            None => (dims, &dims[..0]),
        };
        let fixed = before.len() + after.len();
        if actual.len() < fixed || (pack.is_none() && actual.len() != fixed) {
            self.report(wrong_rank(site, dims, actual));
            return false;
        }
        let end = actual.len() - after.len();
        let mut fine = self.match_dims(before, &actual[..before.len()], site);
        if let Some(DimExpr::Pack(name)) = pack.map(|p| &dims[p]) {
            fine &= self.match_pack(name, &actual[before.len()..end], site);
        }
        self.match_dims(after, &actual[end..], site) && fine
    }

    fn match_dims(&mut self, dims: &[DimExpr], actual: &[Dim], site: Site) -> bool {
        let mut fine = true;
        for (dim, actual) in dims.iter().zip(actual) {
            fine &= match dim {
                DimExpr::Dim(expr) => self.match_dim(expr, actual, site),
                DimExpr::Pack(name) => {
                    self.report(second_pack(name));
                    false
                }
            };
        }
        fine
    }

    fn match_dim(&mut self, expr: &Expr, actual: &Dim, site: Site) -> bool {
        if let ExprKind::Name(name) = &expr.kind
            && is_capital(&name.text)
        {
            return match self.find_dim(&name.text) {
                Some(bound) if bound.dim.same(actual) => true,
                Some(bound) => self.dim_conflict(name, &bound, actual, site),
                None => self.bind_dim(name, actual, site.span),
            };
        }
        if !self.unbound(expr).is_empty() {
            let deferred =
                Deferred { expr: expr.clone(), actual: actual.clone(), span: site.span, what: site.what.into() };
            self.frame().deferred.push(deferred);
            return true;
        }
        let Some(expected) = self.eval_dim(expr) else { return false };
        let fits = expected.same(actual);
        if !fits {
            self.report(dim_differs(site, expr, &expected, actual));
        }
        fits
    }

    fn bind_dim(&mut self, name: &ast::Name, actual: &Dim, span: Span) -> bool {
        let entry = (name.text.clone(), BoundDim { dim: actual.clone(), span });
        match self.owner() {
            Owner::Instance(id) if self.instances[id.0 as usize].dim_names.contains(&name.text) => {
                self.instances[id.0 as usize].dims.push(entry);
            }
            _ => self.frame().dims.push(entry),
        }
        true
    }

    fn dim_conflict(&mut self, name: &ast::Name, bound: &BoundDim, actual: &Dim, site: Site) -> bool {
        let of_instance = self.owner().instance().filter(|id| self.instances[id.0 as usize].dim(&name.text).is_some());
        let diag = match of_instance {
            Some(id) => instance_dim_conflict(&self.instances[id.0 as usize].path, name, bound, actual, site),
            None => dim_conflict(name, bound, actual, site),
        };
        self.report(diag);
        false
    }

    fn match_pack(&mut self, name: &ast::Name, actual: &[Dim], site: Site) -> bool {
        let Some(bound) = self.find_pack(&name.text) else {
            let pack = Pack { dims: actual.to_vec(), span: site.span };
            self.frame().packs.push((name.text.clone(), pack));
            return true;
        };
        let equal = bound.dims.len() == actual.len() && bound.dims.iter().zip(actual).all(|(a, b)| a.same(b));
        if !equal {
            self.report(pack_conflict(name, &bound, actual, site));
        }
        equal
    }

    /// Compares what had to wait, and solves for a dimension that is still unknown; false after an error.
    pub fn solve_deferred(&mut self) -> bool {
        let mut fine = true;
        for d in std::mem::take(&mut self.frame().deferred) {
            let site = Site { span: d.span, what: &d.what, declared: d.expr.span };
            fine &= match &self.unbound(&d.expr)[..] {
                [] => self.match_dim(&d.expr, &d.actual, site),
                [name] => self.solve_dim(name, &d.expr, &d.actual, site),
                [name, ..] => {
                    self.report(cannot_solve(name, site));
                    false
                }
            };
        }
        fine
    }

    fn solve_dim(&mut self, name: &ast::Name, expr: &Expr, actual: &Dim, site: Site) -> bool {
        let unknown = self.fresh_symbol(&name.text);
        let trial = BoundDim { dim: unknown.clone(), span: site.span };
        self.frame().dims.push((name.text.clone(), trial));
        let term = self.eval_dim(expr);
        self.frame().dims.pop();
        let Some(term) = term else { return false };
        match unknown.as_symbol().and_then(|s| term.solve_for(s, actual)) {
            Some(dim) => self.bind_dim(name, &dim, site.span),
            None => {
                self.report(no_solution(expr, actual, site));
                false
            }
        }
    }

    /// Capitals in a term of a shape that mean dimensions and have no value yet.
    pub fn unbound(&self, expr: &Expr) -> Vec<ast::Name> {
        let mut names = vec![];
        collect_capitals(expr, &mut names);
        names.retain(|n| {
            self.find_dim(&n.text).is_none()
                && self.find_pack(&n.text).is_none()
                && !matches!(self.defs.get(&n.text, n.span.file), Some(Def::Let(_)))
        });
        names.dedup_by(|a, b| a.text == b.text);
        names
    }

    /// The shape, where all of it has a value already.
    pub fn known_shape(&mut self, dims: &[DimExpr]) -> Option<Vec<Dim>> {
        let mut shape = vec![];
        for dim in dims {
            match dim {
                DimExpr::Pack(name) => shape.extend(self.find_pack(&name.text)?.dims),
                DimExpr::Dim(expr) if self.unbound(expr).is_empty() => shape.push(self.eval_dim(expr)?),
                DimExpr::Dim(_) => return None,
            }
        }
        Some(shape)
    }
}

/// The axes that a declared shape calls by a bare name.
pub fn axis_names(dims: &[DimExpr], rank: usize) -> impl Iterator<Item = (Arc<str>, usize)> {
    let pack = dims.iter().position(|d| matches!(d, DimExpr::Pack(_))).unwrap_or(dims.len());
    dims.iter().enumerate().filter_map(move |(i, dim)| {
        let DimExpr::Dim(Expr { kind: ExprKind::Name(name), .. }) = dim else { return None };
        let axis = if i < pack { i } else { rank + i - dims.len() };
        is_capital(&name.text).then(|| (name.text.clone(), axis))
    })
}

fn dims_text(dims: &[DimExpr]) -> String {
    let dim = |d: &DimExpr| match d {
        DimExpr::Pack(name) => format!("*{}", name.text),
        DimExpr::Dim(e) => expr_text(e),
    };
    format!("[{}]", dims.iter().map(dim).collect::<Vec<_>>().join(", "))
}

fn shape_text(dims: &[Dim]) -> String {
    format!("[{}]", dims.iter().map(Dim::to_string).collect::<Vec<_>>().join(", "))
}

fn wrong_rank(site: Site, dims: &[DimExpr], actual: &[Dim]) -> Diagnostic {
    let (want, have) = (dims_text(dims), shape_text(actual));
    let diag = Diagnostic::error(Code(302), format!("{} has shape {have}, expected {want}", site.what))
        .label(site.span, format!("rank {}: {have}", actual.len()))
        .label(site.declared, format!("{want} is declared here"));
    match dims.len() {
        n if n < actual.len() => diag.help("`flatten(x)` joins all dimensions after the first"),
        _ => diag,
    }
}

fn dim_differs(site: Site, expr: &Expr, expected: &Dim, actual: &Dim) -> Diagnostic {
    let text = expr_text(expr);
    let declared =
        if text == expected.to_string() { format!("`{text}`") } else { format!("`{text}`, which is {expected}") };
    let diag = Diagnostic::error(Code(301), format!("{} has a dimension {actual}, expected {declared}", site.what))
        .label(site.span, format!("{actual} here"))
        .label(expr.span, format!("{expected} is declared here"));
    with_counterexample(diag, expected, actual)
}

/// For symbolic terms: values of the symbols for which the two differ.
pub fn with_counterexample(diag: Diagnostic, expected: &Dim, actual: &Dim) -> Diagnostic {
    match expected.compare(actual) {
        Verdict::Different { witness, left, right } if !witness.is_empty() => {
            let at: Vec<String> = witness.iter().map(|(s, n)| format!("{} = {n}", s.name)).collect();
            diag.help(format!("with {} they are {left} and {right}", at.join(", ")))
        }
        Verdict::TooLarge => diag.help("the two terms are too large to compare"),
        _ => diag,
    }
}

fn dim_conflict(name: &ast::Name, bound: &BoundDim, actual: &Dim, site: Site) -> Diagnostic {
    let (name, first) = (&name.text, &bound.dim);
    let diag = Diagnostic::error(Code(303), format!("{} has `{name}` = {actual}, and `{name}` is {first}", site.what))
        .label(site.span, format!("`{name}` = {actual} here"))
        .label(bound.span, format!("`{name}` = {first} comes from here"))
        .label(site.declared, "the declared type");
    with_counterexample(diag, first, actual)
}

fn instance_dim_conflict(path: &str, name: &ast::Name, bound: &BoundDim, actual: &Dim, site: Site) -> Diagnostic {
    let (name, first) = (&name.text, &bound.dim);
    let layer = if path.is_empty() { "the model".into() } else { format!("layer `{path}`") };
    Diagnostic::error(Code(404), format!("{} has `{name}` = {actual}, but {layer} has `{name}` = {first}", site.what))
        .label(site.span, format!("`{name}` = {actual} here"))
        .label(bound.span, format!("the first call fixed `{name}` = {first}"))
        .label(site.declared, "the declared type")
        .help("a layer has one set of parameters, so its own dimensions are the same in every call")
}

fn pack_conflict(name: &ast::Name, bound: &Pack, actual: &[Dim], site: Site) -> Diagnostic {
    let (name, first, here) = (&name.text, shape_text(&bound.dims), shape_text(actual));
    Diagnostic::error(Code(308), format!("{} has `*{name}` = {here}, and `*{name}` is {first}", site.what))
        .label(site.span, format!("`*{name}` = {here} here"))
        .label(bound.span, format!("`*{name}` = {first} comes from here"))
}

fn second_pack(name: &ast::Name) -> Diagnostic {
    Diagnostic::error(Code(309), "a shape has one pack of dimensions")
        .label(name.span, format!("`*{}` is the second", name.text))
}

fn cannot_solve(name: &ast::Name, site: Site) -> Diagnostic {
    Diagnostic::error(Code(304), format!("nothing fixes the dimension `{}`", name.text))
        .label(name.span, "stands only in terms with other unknown dimensions")
        .label(site.span, "from this value")
        .help("declare one argument with the bare dimension, as in `x: f32[B, D]`")
}

fn no_solution(expr: &Expr, actual: &Dim, site: Site) -> Diagnostic {
    let text = expr_text(expr);
    Diagnostic::error(Code(305), format!("{} has a dimension {actual}, which is no value of `{text}`", site.what))
        .label(site.span, format!("{actual} here"))
        .label(expr.span, format!("`{text}` is declared here"))
}

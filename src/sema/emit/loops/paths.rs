//! What a gradient in the body of a loop would miss.
//!
//! `grad(loss, wrt: w)` differentiates what the body computes. Where `w` comes from outside and `loss` depends on it
//! also through something else that enters the body (another outside value, what is scanned, what earlier iterations
//! left), that part of the derivative lies around the body. It is an error, never a gradient that is too small.

use super::{Finished, OpenLoop};
use crate::ops::Op;
use crate::ops::dim::Dim;
use crate::sema::emit::{Checked, Emit, error};
use crate::source::Span;
use crate::tensor::{Graph, Inst, Value as Node};
use std::collections::{HashMap, HashSet};

impl Emit {
    /// Checks the gradients in the body of this loop, before it is cut out.
    pub(super) fn check_gradients(&self, open: &OpenLoop, parts: &Finished) -> Checked<()> {
        let body = &self.graph.insts[open.start..];
        if !body.iter().any(differentiates) {
            return Ok(());
        }
        let paths = Paths::new(&self.graph, open, parts);
        let is_outside = |v: &Node| !paths.inside.contains(v) && !open.placeholders.contains(v);
        let mut asked = body.iter().flat_map(asked).filter(|a| is_outside(&a.wrt));
        match asked.find_map(|a| Some((a.span, paths.missed(&a)?))) {
            Some((span, by)) => Err(error::missed_path(span, by)),
            None => Ok(()),
        }
    }
}

/// A derivative that a body takes by a value.
struct Asked {
    wrt: Node,
    /// What is differentiated, or all that it may depend on.
    from: Vec<Node>,
    span: Span,
}

/// The derivatives of an instruction of a body: its own, and those that a loop in it takes by what enters it.
fn asked(inst: &Inst<Dim>) -> Vec<Asked> {
    let of = |wrt: Node, from: Vec<Node>, span: Span| Asked { wrt, from, span };
    match inst.op {
        Op::Grad => inst.args[1..].iter().map(|wrt| of(*wrt, vec![inst.args[0]], inst.origin.span)).collect(),
        Op::Scan { .. } => {
            let others = |n: usize| inst.args.iter().enumerate().filter(|(m, _)| *m != n).map(|(_, v)| *v).collect();
            let entered = inst.regions.first().map(by_entering).unwrap_or_default();
            entered.into_iter().map(|(n, span)| of(inst.args[n], others(n), span)).collect()
        }
        _ => vec![],
    }
}

fn differentiates(inst: &Inst<Dim>) -> bool {
    inst.op == Op::Grad || inst.regions.iter().any(|body| body.insts.iter().any(differentiates))
}

/// The arguments of a loop by which its body differentiates. The first input of the body is the position.
fn by_entering(body: &Graph<Dim>) -> Vec<(usize, Span)> {
    let inputs: HashMap<Node, usize> =
        body.inputs.iter().skip(1).enumerate().map(|(n, (value, _))| (*value, n)).collect();
    let all = body.insts.iter().flat_map(asked);
    all.filter_map(|a| Some((*inputs.get(&a.wrt)?, a.span))).collect()
}

/// How values depend on each other.
struct Paths<'g> {
    graph: &'g Graph<Dim>,
    insts: HashMap<Node, &'g Inst<Dim>>,
    /// What the body computes.
    inside: HashSet<Node>,
    /// What enters an iteration, with what it is made of.
    around: HashMap<Node, Vec<Node>>,
}

impl<'g> Paths<'g> {
    fn new(graph: &'g Graph<Dim>, open: &OpenLoop, parts: &Finished) -> Self {
        let insts = graph.insts.iter().flat_map(|i| i.results.iter().map(move |r| (*r, i))).collect();
        let computed = graph.insts[open.start..].iter().flat_map(|i| &i.results);
        let inside = computed.filter(|r| !open.placeholders.contains(r)).copied().collect();
        let carries = parts.carries.iter().map(|c| (c.inside, vec![c.init, c.next]));
        let around = carries.chain(parts.xs.iter().map(|x| (x.slice, vec![x.whole]))).collect();
        Paths { graph, insts, inside, around }
    }

    /// Where what leads around the body to the value comes from; `None` if nothing does.
    fn missed(&self, asked: &Asked) -> Option<Span> {
        // A value, and where the body was left on the way to it.
        let mut todo: Vec<(Node, Option<Span>)> = asked.from.iter().map(|v| (*v, None)).collect();
        let mut seen = HashSet::new();
        while let Some((value, left)) = todo.pop() {
            if value == asked.wrt {
                match left {
                    Some(by) => return Some(by),
                    None => continue,
                }
            }
            if self.graph.ty(value).dtype.is_float() && seen.insert((value, left.is_some())) {
                let left = if self.inside.contains(&value) { left } else { left.or(Some(self.span(value))) };
                todo.extend(self.before(value).into_iter().map(|v| (v, left)));
            }
        }
        None
    }

    fn span(&self, value: Node) -> Span {
        self.insts.get(&value).map_or_else(Span::default, |inst| inst.origin.span)
    }

    /// What a value is computed from, as far as a derivative goes.
    fn before(&self, value: Node) -> Vec<Node> {
        if let Some(made_of) = self.around.get(&value) {
            return made_of.clone();
        }
        match self.insts.get(&value) {
            Some(inst) if inst.op != Op::StopGradient => inst.args.clone(),
            _ => vec![],
        }
    }
}

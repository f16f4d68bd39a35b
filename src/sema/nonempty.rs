//! Axes that would be empty: `x[:, 1:]` of a batch whose rows have one element.
//!
//! A length of the data can grow until every axis has a place: padding does not count, so no result changes, and what is
//! reduced there is reduced over nothing. The batch size cannot: it becomes a requirement, settled before the phase runs.

use super::model::{Padded, Requirement};
use crate::diag::{Code, Diagnostic};
use crate::ops::dim::{Bindings, Dim};
use crate::ops::{Compare, Extent, Op};
use crate::source::Span;
use crate::tensor::Graph;
use std::collections::HashSet;

/// A batch is never padded further than by so many multiples for the sake of an axis.
const FURTHEST: usize = 4096;

/// Each distinct length of an axis that is open, with the first place that has it. What a loop stacks may be empty.
#[derive(Default)]
struct Axes<'g> {
    seen: HashSet<&'g Dim>,
    found: Vec<(&'g Dim, Span)>,
}

impl<'g> Axes<'g> {
    fn collect(&mut self, graph: &'g Graph<Dim>) {
        for inst in &graph.insts {
            inst.regions.iter().for_each(|region| self.collect(region));
            if !matches!(inst.op, Op::Scan { .. }) {
                let dims = inst.results.iter().flat_map(|v| &graph.ty(*v).shape).filter(|d| d.known().is_none());
                self.found.extend(dims.filter(|d| self.seen.insert(d)).map(|d| (d, inst.origin.span)));
            }
        }
    }
}

/// Raises the least size of the padded lengths of a phase, and gives what its batch size must fulfil.
pub fn ensure(graph: &Graph<Dim>, batch: &Dim, padded: &mut [Padded]) -> Vec<Requirement> {
    let mut axes = Axes::default();
    axes.collect(graph);
    lengthen(&axes.found, batch, padded);
    requirements(&axes.found, batch)
}

/// Where an axis is empty at the least sizes, a length that it depends on grows by one multiple.
fn lengthen(axes: &[(&Dim, Span)], batch: &Dim, padded: &mut [Padded]) {
    for _ in 0..FURTHEST {
        let sizes = least(batch, padded);
        let mut empty = axes.iter().map(|(d, _)| d).filter(|d| is_empty(d, &sizes));
        let Some(at) = empty.find_map(|d| padded.iter().position(|p| concerns(d, &p.dim) && p.can_grow())) else {
            return;
        };
        padded[at].least += padded[at].multiple;
    }
}

/// A batch of one row, and the least sizes of the lengths.
fn least(batch: &Dim, padded: &[Padded]) -> Bindings {
    let lengths = padded.iter().flat_map(|p| p.dim.symbols().into_iter().map(|s| (s, (p.least / p.multiple) as i64)));
    batch.symbols().into_iter().map(|s| (s, 1)).chain(lengths).collect()
}

/// Dimensions that depend on anything else are not known here.
fn is_empty(dim: &Dim, sizes: &Bindings) -> bool {
    dim.eval(sizes).is_some_and(|n| n < 1)
}

fn concerns(dim: &Dim, length: &Dim) -> bool {
    length.symbols().iter().any(|s| dim.symbols().contains(s))
}

fn requirements(axes: &[(&Dim, Span)], batch: &Dim) -> Vec<Requirement> {
    let one = least(batch, &[]);
    let empty = axes.iter().filter(|(d, _)| is_empty(d, &one));
    let requirement = |(dim, span): &(&Dim, Span)| Requirement {
        op: Compare::Ge,
        left: (*dim).clone(),
        right: Dim::Const(1),
        error: Diagnostic::error(Code(824), format!("the axis `{dim}` would be empty")).label(*span, "of this value"),
    };
    empty.map(requirement).collect()
}

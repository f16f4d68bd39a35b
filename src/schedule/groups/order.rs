//! In which order values join groups, what each group stores, which inputs are overwritten in place, and the order of
//! launches.

use super::parts::probe_parts;
use super::{Group, Grouping, Probe, Root, is_leaf, own_kernel, place};
use crate::ops::{Op, Type};
use crate::schedule::context::Context;
use crate::schedule::legalize::histories;
use crate::tensor::scan::Scan;
use crate::tensor::{Inst, Value};
use std::collections::{BTreeSet, HashMap};

/// Instructions in the order in which they join groups. Totals that follow from little data alone and that large values
/// are scaled by, as the number of elements that a mask lets through, come first: a gradient that needs one need not wait
/// for the loss, and joins the kernel of the rows that it goes through.
pub fn totals_first<'a>(cx: &Context<'a>) -> Vec<&'a Inst> {
    let mut first = early_totals(cx);
    for inst in cx.graph.insts.iter().rev() {
        if inst.results.iter().any(|r| first[r.0 as usize]) {
            inst.args.iter().for_each(|a| first[a.0 as usize] = true);
        }
    }
    let (mut order, rest): (Vec<&Inst>, Vec<&Inst>) =
        cx.graph.insts.iter().partition(|i| i.results.iter().any(|r| first[r.0 as usize]));
    order.extend(rest);
    order
}

/// Values behind small reductions, without any other kernel before them, that a large value reads.
fn early_totals(cx: &Context) -> Vec<bool> {
    let is_large = |v: &Value| cx.ty(*v).bytes() >= LARGE;
    let [mut early, mut total, mut wanted] = [(); 3].map(|_| vec![false; cx.graph.types.len()]);
    for inst in &cx.graph.insts {
        let sums = matches!(inst.op, Op::Reduce { .. });
        let follows = (sums || !own_kernel(&inst.op)) && inst.args.iter().all(|a| early[a.0 as usize]);
        let of_total = sums || inst.args.iter().any(|a| total[a.0 as usize]);
        for result in &inst.results {
            early[result.0 as usize] = is_leaf(&inst.op) || follows && !is_large(result);
            total[result.0 as usize] = early[result.0 as usize] && of_total;
        }
        if inst.results.iter().any(is_large) {
            inst.args.iter().for_each(|a| wanted[a.0 as usize] |= total[a.0 as usize]);
        }
    }
    wanted
}

pub fn finish(cx: &Context, mut groups: Vec<Group>, group_of: HashMap<Value, usize>, realised: Vec<bool>) -> Grouping {
    let mut stored: BTreeSet<Value> = cx.outputs().filter(|v| !is_leaf(cx.op(*v))).collect();
    let probes: Vec<Vec<Probe>> = groups.iter().map(|g| probes(cx, g, &realised)).collect();
    for (group, probes) in groups.iter_mut().zip(&probes) {
        group.reads = probes.iter().flat_map(|p| &p.log).filter_map(|a| a.leaf).collect();
        group.reads.retain(|v| !group.values.contains(v));
        stored.extend(group.reads.iter().filter(|v| group_of.contains_key(v)));
        if group.root.keeps_scratch() {
            stored.extend(&group.values);
        }
    }
    let mut edges = Edges::of(&groups, &group_of);
    let in_place = take_over(cx, (&groups, &probes), (&group_of, &stored), &mut edges);
    let order = edges.order();
    let rank: HashMap<usize, usize> = order.iter().enumerate().map(|(new, old)| (*old, new)).collect();
    let group_of = group_of.into_iter().map(|(v, g)| (v, rank[&g])).collect();
    let groups = order.iter().map(|old| groups[*old].clone()).collect();
    Grouping { groups, group_of, realised, stored, in_place }
}

/// The reads of each member, given that its group computes all its members.
fn probes(cx: &Context, group: &Group, realised: &[bool]) -> Vec<Probe> {
    let here = |member: Value| move |v: Value| v != member && group.values.contains(&v) && !own_kernel(cx.op(v));
    group.values.iter().map(|member| probe_parts(cx, *member, realised, &here(*member))).collect()
}

/// A buffer from this size on is worth looking for one to take over.
const LARGE: usize = 1 << 20;

/// Updates that can be written over the old value, and large values over one that nobody needs any more: its other
/// readers come before, and the kernel itself reads only the element that it is about to write.
fn take_over(
    cx: &Context,
    (groups, probes): (&[Group], &[Vec<Probe>]),
    (group_of, stored): (&HashMap<Value, usize>, &BTreeSet<Value>),
    edges: &mut Edges,
) -> HashMap<Value, Value> {
    let mut taken = HashMap::new();
    for (new, old) in cx.updates.iter().copied().chain(successors(cx, groups, stored)) {
        let Some(&at) = group_of.get(&new) else { continue };
        let free = !taken.contains_key(&new) && !taken.values().any(|v| *v == old);
        if !free
            || !lie_alike(cx.ty(new), cx.ty(old))
            || is_output(cx, old)
            || !reads_own_elements(cx, &groups[at], &probes[at], new, old)
        {
            continue;
        }
        let readers: Vec<usize> = (0..groups.len()).filter(|g| *g != at && groups[*g].reads.contains(&old)).collect();
        if readers.iter().any(|g| edges.reaches(at, *g)) {
            continue;
        }
        readers.iter().for_each(|g| edges.add(*g, at));
        taken.insert(new, old);
    }
    taken
}

/// Whether an element lies at the same place of both, row by row: axes before the last may be split and merged.
fn lie_alike(a: &Type, b: &Type) -> bool {
    a.dtype == b.dtype && a.elements() == b.elements() && a.shape.last() == b.shape.last()
}

/// The old value itself is a result somewhere, and so must survive.
fn is_output(cx: &Context, value: Value) -> bool {
    cx.outputs().any(|v| v == value)
}

/// Values whose place a loop chooses or shares: first carries, and the histories of carries, of which two may be the same
/// memory, a slice apart.
fn placed_by_loops(cx: &Context) -> BTreeSet<Value> {
    let scans = cx.graph.insts.iter().filter_map(Scan::of);
    let placed = scans.flat_map(|scan| {
        let kept = histories(&scan).into_iter().flat_map(|h| [h.new, h.old]).flatten().map(|y| scan.ys[y]);
        scan.inits.iter().copied().chain(kept).collect::<Vec<_>>()
    });
    placed.collect()
}

/// Pairs of large values of which one kernel stores the first and reads the second.
fn successors(cx: &Context, groups: &[Group], stored: &BTreeSet<Value>) -> Vec<(Value, Value)> {
    let placed = placed_by_loops(cx);
    let is_free = |v: &Value| stored.contains(v) && !placed.contains(v) && !is_output(cx, *v);
    let is_large = |v: &&Value| cx.ty(**v).bytes() >= LARGE && is_free(v);
    let of_group = |group: &Group| {
        let old: Vec<Value> = group.reads.iter().filter(is_large).copied().collect();
        let new: Vec<Value> = group.values.iter().filter(is_large).copied().collect();
        new.into_iter().flat_map(move |new| old.clone().into_iter().map(move |old| (new, old)))
    };
    groups.iter().flat_map(of_group).collect()
}

fn reads_own_elements(cx: &Context, group: &Group, probes: &[Probe], new: Value, old: Value) -> bool {
    if matches!(group.root, Root::ScatterAdd | Root::CumSum | Root::Scan) || group.root.keeps_scratch() {
        return false;
    }
    group.values.iter().zip(probes).all(|(member, probe)| {
        let mut reads = probe.log.iter().filter(|a| a.leaf == Some(old)).peekable();
        let own = match (cx.op(*member), &group.root) {
            _ if cx.all_of(*member).is_some() => place(cx.shape(cx.computed(*member))).1.flat,
            // A row is reduced before anything is stored in it.
            (Op::Reduce { .. }, Root::Rows { .. }) => place(cx.shape(cx.arg(*member, 0))).1.flat,
            _ if own_kernel(cx.op(*member)) || probe.elements != cx.elements(new) => {
                return reads.peek().is_none();
            }
            _ => probe.own.clone(),
        };
        reads.all(|a| !a.guarded && a.at == own)
    })
}

/// `before` edges between groups.
struct Edges {
    after: Vec<BTreeSet<usize>>,
}

impl Edges {
    fn of(groups: &[Group], group_of: &HashMap<Value, usize>) -> Edges {
        let mut edges = Edges { after: vec![BTreeSet::new(); groups.len()] };
        for (at, group) in groups.iter().enumerate() {
            group.reads.iter().filter_map(|v| group_of.get(v)).for_each(|from| edges.add(*from, at));
        }
        edges
    }

    fn add(&mut self, before: usize, after: usize) {
        if before != after {
            self.after[before].insert(after);
        }
    }

    fn reaches(&self, from: usize, to: usize) -> bool {
        let mut seen = vec![false; self.after.len()];
        let mut open = vec![from];
        while let Some(at) = open.pop() {
            if at == to {
                return true;
            }
            if !std::mem::replace(&mut seen[at], true) {
                open.extend(&self.after[at]);
            }
        }
        false
    }

    /// Every group after those before it, else in the order of definition.
    fn order(&self) -> Vec<usize> {
        let mut waits = vec![0; self.after.len()];
        self.after.iter().flatten().for_each(|to| waits[*to] += 1);
        let mut ready: BTreeSet<usize> = (0..waits.len()).filter(|g| waits[*g] == 0).collect();
        let mut order = vec![];
        while let Some(at) = ready.pop_first() {
            order.push(at);
            for to in &self.after[at] {
                waits[*to] -= 1;
                if waits[*to] == 0 {
                    ready.insert(*to);
                }
            }
        }
        order
    }
}

//! Iteration spaces of maps: which neighbouring dimensions are one axis for everything that is read.

use super::super::eval::{Access, Emitter};
use super::super::groups::place;
use super::super::index::{Axis, Coord, Lin};
use super::Site;
use crate::schedule::build::Role;
use std::collections::BTreeSet;

/// A merged iteration space.
pub struct Space {
    /// Lengths, outermost first; no length is 1.
    pub sizes: Vec<usize>,
    /// Axes that lie behind a data index: one point of them at a time.
    pub data: Vec<bool>,
    /// An axis along which something is contiguous that is not along the last one.
    pub across: Option<usize>,
    /// Values that one element needs, about.
    pub work: usize,
}

/// Evaluates the group's stores once with one axis per dimension, and merges what the reads allow.
pub fn analyse(emitter: &Emitter, site: &Site, shape: &[usize]) -> Space {
    let (axes, own) = place(shape);
    let mut trial = Emitter::new(emitter.cx, site.home);
    axes.iter().for_each(|a| trial.b.grid(*a, 1, Role::Point));
    let size = shape.iter().product();
    let mut apart = vec![];
    for (value, at) in site.stores(emitter.cx, size, &own.flat) {
        trial.eval(emitter.cx.computed(value), &at, &[]);
        let store = Access { leaf: Some(value), at: at.flat, guarded: false, row: emitter.row_of(value) };
        if store.at != own.flat {
            trial.log.push(store);
        } else if store.row.is_some() {
            apart.push(store);
        }
    }
    let work = trial.log.len();
    trial.log.extend(apart);
    let behind: BTreeSet<Axis> = trial.log.iter().flat_map(|a| behind_data(&trial, &a.at)).collect();
    merge(&axes, &behind, &trial.log, work)
}

fn behind_data(trial: &Emitter, at: &Lin) -> Vec<Axis> {
    let direct = at.axes();
    let hidden = |a: &Axis| !direct.contains(a) || !at.tiles().is_empty() && at.coefficient(*a) == Some(0);
    trial.b.axes_of(at).into_iter().filter(hidden).collect()
}

fn merge(axes: &[Axis], behind: &BTreeSet<Axis>, log: &[Access], work: usize) -> Space {
    let mut merged: Vec<Vec<Axis>> = vec![];
    for &axis in axes.iter().filter(|a| a.size != 1) {
        match merged.last_mut() {
            Some(run) if joins(run[run.len() - 1], axis, log, behind) => run.push(axis),
            _ => merged.push(vec![axis]),
        }
    }
    let across = transposed(&merged, log);
    Space {
        sizes: merged.iter().map(|run| run.iter().map(|a| a.size as usize).product()).collect(),
        data: merged.iter().map(|run| run.iter().any(|a| behind.contains(a))).collect(),
        across,
        work,
    }
}

/// Whether each read goes on from the end of a line of `inner` to the next step of `outer`, in memory too.
fn joins(outer: Axis, inner: Axis, log: &[Access], behind: &BTreeSet<Axis>) -> bool {
    let contiguous = |read: &Access| match (read.at.coefficient(outer), read.at.coefficient(inner)) {
        (Some(a), Some(b)) => {
            a == b * inner.size && read.row.is_none_or(|row| a.abs() * outer.size <= row || b % row == 0)
        }
        _ => false,
    };
    !behind.contains(&outer) && !behind.contains(&inner) && log.iter().all(contiguous)
}

fn transposed(merged: &[Vec<Axis>], log: &[Access]) -> Option<usize> {
    let innermost = |run: &Vec<Axis>| run[run.len() - 1];
    let (last, outer) = merged.split_last()?;
    let reads = log.iter().map(|read| &read.at);
    let strided = |at: &&Lin| at.coefficient(innermost(last)).is_some_and(|c| c.abs() > 1);
    reads.filter(strided).find_map(|at| outer.iter().position(|run| at.coefficient(innermost(run)) == Some(1)))
}

impl Space {
    /// Axes for the space, and the element that they meet.
    pub fn axes(&self, emitter: &mut Emitter) -> (Vec<Axis>, Lin) {
        let axes: Vec<Axis> = self.sizes.iter().map(|n| emitter.b.axis(*n)).collect();
        let at = Coord::from_dims(&self.sizes, axes.iter().map(|a| Lin::axis(*a)).collect());
        (axes, at.flat)
    }
}

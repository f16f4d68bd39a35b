//! Which tensor of a file goes where: names and shapes, without any element.

use super::file::Archive;
use super::foreign_shape;
use crate::ops::{DType, Type};
use crate::sema::model::Param;
use crate::sema::weights::{Captures, Line, Load};
use std::collections::{BTreeMap, HashSet};

/// Tensors of the file that become parameters of the program.
pub(super) struct Move<'a> {
    pub line: &'a Line,
    pub foreign: Vec<String>,
    pub own: Vec<&'a Param>,
}

/// What does not fit.
#[derive(Default)]
pub(super) struct Mismatch<'a> {
    /// Parameters that no tensor of the file reaches.
    pub missing: Vec<&'a Param>,
    /// Tensors of the file that no line takes, or only to a name that the program does not have.
    pub unused: Vec<String>,
    /// Both are there, in other shapes.
    pub shapes: Vec<(&'a Param, Vec<String>)>,
}

/// The tensors of the file that belong to one use of a line, by place on its left.
type Group = Vec<Option<String>>;

pub(super) fn plan<'a>(load: &'a Load, params: &[&'a Param], archive: &Archive) -> Result<Vec<Move<'a>>, Mismatch<'a>> {
    let mut found = Mismatch::default();
    let mut moves = vec![];
    for ((line, captures), group) in groups(load, archive, &mut found) {
        let line = &load.lines[line];
        match targets(load, line, &captures, params) {
            None => found.unused.extend(group.into_iter().flatten()),
            // What lacks a part is missing; its other parts have their place.
            Some(own) => match group.into_iter().collect::<Option<Vec<String>>>() {
                None => found.missing.extend(own),
                Some(foreign) if fits(line, &foreign, &own, archive) => moves.push(Move { line, foreign, own }),
                Some(foreign) => found.shapes.extend(own.into_iter().map(|p| (p, foreign.clone()))),
            },
        }
    }
    let reached: HashSet<&str> = reached(&moves, &found).collect();
    let open = |p: &&&Param| !reached.contains(p.path.as_str()) && !is_skipped(load, p);
    let missing: Vec<&Param> = params.iter().filter(open).copied().collect();
    found.missing.extend(missing);
    if found.missing.is_empty() && found.unused.is_empty() && found.shapes.is_empty() { Ok(moves) } else { Err(found) }
}

fn reached<'m>(moves: &'m [Move], found: &'m Mismatch) -> impl Iterator<Item = &'m str> {
    let moved = moves.iter().flat_map(|m| &m.own);
    let others = found.missing.iter().chain(found.shapes.iter().map(|(p, _)| p));
    moved.chain(others).map(|p| p.path.as_str())
}

/// The file's names by the first line that fits them, and what its holes stand for. Names that no line fits are unused;
/// those that a line leaves out are dropped.
fn groups(load: &Load, archive: &Archive, found: &mut Mismatch) -> BTreeMap<(usize, Captures), Group> {
    let mut groups: BTreeMap<(usize, Captures), Group> = BTreeMap::new();
    for name in archive.names() {
        match load.fit(name, |line| &line.foreign) {
            None => found.unused.push(name.into()),
            Some((line, ..)) if load.lines[line].own.is_empty() => {}
            Some((line, place, captures)) => {
                let empty = || vec![None; load.lines[line].foreign.len()];
                groups.entry((line, captures)).or_insert_with(empty)[place] = Some(name.into());
            }
        }
    }
    groups
}

/// The parameters that a line fills; `None` if the program lacks one of them.
fn targets<'a>(load: &Load, line: &Line, captures: &Captures, params: &[&'a Param]) -> Option<Vec<&'a Param>> {
    let path = |pattern: &crate::sema::weights::Pattern| load.full(&pattern.fill(captures));
    let find = |path: String| params.iter().find(|p| p.path == path).copied();
    line.own.iter().map(|pattern| find(path(pattern))).collect()
}

/// `skip -> "…"`
fn is_skipped(load: &Load, param: &Param) -> bool {
    let Some(local) = load.local(&param.path) else { return false };
    load.fit(local, |line| &line.own).is_some_and(|(line, ..)| load.lines[line].foreign.is_empty())
}

/// Whether the joined tensors have the shape of the joined parameters, and a type that converts.
fn fits(line: &Line, foreign: &[String], own: &[&Param], archive: &Archive) -> bool {
    let types: Option<Vec<&Type>> = foreign.iter().map(|name| archive.ty(name)).collect();
    let Some(types) = types else { return false };
    let shapes: Vec<Vec<usize>> = types.iter().map(|ty| ty.shape.clone()).collect();
    let wanted: Vec<Vec<usize>> = own.iter().map(|p| foreign_shape(line, &p.ty)).collect();
    let ordered = own.iter().all(|p| line.turn.order(p.ty.rank()).is_some());
    let converts = |from: DType| own.iter().all(|p| from == p.ty.dtype || p.ty.dtype == DType::F32 && from.is_float());
    ordered
        && types.iter().all(|ty| converts(ty.dtype))
        && lengths_are_given(line, &shapes)
        && joined(&shapes, line.along).is_some_and(|shape| joined(&wanted, line.along) == Some(shape))
}

/// The file's tensors have the lengths of `parts`, or equal ones: else the way back would not be known.
fn lengths_are_given(line: &Line, shapes: &[Vec<usize>]) -> bool {
    if shapes.len() < 2 {
        return true;
    }
    let lengths: Vec<Option<&usize>> = shapes.iter().map(|s| s.get(line.along)).collect();
    match &line.parts {
        Some(parts) => lengths.iter().copied().eq(parts.iter().map(Some)),
        None => lengths.windows(2).all(|w| w[0] == w[1]),
    }
}

/// The shape of tensors joined along an axis; one alone is as it is.
fn joined(shapes: &[Vec<usize>], axis: usize) -> Option<Vec<usize>> {
    let (first, rest) = shapes.split_first()?;
    let mut shape = first.clone();
    for other in rest {
        let same = |(i, (a, b)): (usize, (&usize, &usize))| i == axis || a == b;
        if axis >= shape.len() || other.len() != shape.len() || !shape.iter().zip(other).enumerate().all(same) {
            return None;
        }
        shape[axis] += other[axis];
    }
    Some(shape)
}

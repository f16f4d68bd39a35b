//! Parameters under the names that a `load` has for them.

use super::{arrange, foreign_shape};
use crate::diag::Diagnostic;
use crate::sema::model::Train;
use crate::sema::weights::{Captures, Line, Load};
use crate::train::checkpoint::Tensor;
use std::collections::{BTreeMap, HashSet};

/// The tensors with foreign names; those that no line of a `load` takes keep their own. Of several names for one
/// parameter the first counts.
///
/// # Errors
/// E0806 where two parameters would have one name, or a list of a line is not complete.
pub fn export(train: &Train, tensors: &[Tensor]) -> Result<Vec<Tensor>, Diagnostic> {
    let mut groups: BTreeMap<(usize, usize, Captures), Vec<Option<&Tensor>>> = BTreeMap::new();
    let mut written = vec![];
    for tensor in tensors {
        let uses = train.loads.iter().enumerate();
        match uses.into_iter().find_map(|(number, load)| Some((number, find(load, &tensor.name)?))) {
            None => written.push(tensor.clone()),
            Some((number, (line, place, captures))) => {
                let empty = || vec![None; train.loads[number].lines[line].own.len()];
                groups.entry((number, line, captures)).or_insert_with(empty)[place] = Some(tensor);
            }
        }
    }
    for ((number, line, captures), group) in groups {
        let line = &train.loads[number].lines[line];
        let complete = group.into_iter().collect::<Option<Vec<&Tensor>>>();
        let own = complete.ok_or_else(|| errors::incomplete(line))?;
        written.extend(foreign(line, &captures, &own)?);
    }
    written.sort_by(|a, b| a.name.cmp(&b.name));
    unique(&written)?;
    Ok(written)
}

/// The first line that fills this parameter, the place in its list, and what its holes stand for; `None` also where
/// the line says that nothing does.
fn find(load: &Load, path: &str) -> Option<(usize, usize, Captures)> {
    let local = load.local(path)?;
    load.fit(local, |line| &line.own).filter(|(line, ..)| !load.lines[*line].foreign.is_empty())
}

/// The tensors of the file that one use of a line makes.
fn foreign(line: &Line, captures: &Captures, own: &[&Tensor]) -> Result<Vec<Tensor>, Diagnostic> {
    let turned = |tensor: &&Tensor| arrange::permuted(tensor, &line.turn.inverse(tensor.ty.rank()).unwrap_or_default());
    if own.iter().any(|t| foreign_shape(line, &t.ty).len() != t.ty.rank()) {
        return Err(errors::other_rank(line));
    }
    let whole = arrange::join(own.iter().map(turned).collect(), line.along);
    let names = line.foreign.iter().map(|pattern| pattern.fill(captures));
    let lengths = match line.foreign.len() {
        1 => return Ok(names.map(|name| Tensor { name, ..whole.clone() }).collect()),
        count => lengths(line, whole.ty.shape.get(line.along).copied(), count)?,
    };
    let parts = arrange::split(&whole, line.along, &lengths);
    Ok(names.zip(parts).map(|(name, part)| Tensor { name, ..part }).collect())
}

fn lengths(line: &Line, whole: Option<usize>, count: usize) -> Result<Vec<usize>, Diagnostic> {
    let whole = whole.ok_or_else(|| errors::other_rank(line))?;
    let lengths = line.parts.clone().unwrap_or_else(|| vec![whole / count; count]);
    if lengths.iter().sum::<usize>() == whole { Ok(lengths) } else { Err(errors::not_divisible(line, whole)) }
}

fn unique(tensors: &[Tensor]) -> Result<(), Diagnostic> {
    let mut names = HashSet::new();
    match tensors.iter().find(|t| !names.insert(&t.name)) {
        Some(twice) => Err(errors::twice(&twice.name)),
        None => Ok(()),
    }
}

mod errors {
    //! E0806: what cannot be written under foreign names.

    use super::*;
    use crate::diag::Code;

    fn error(message: String) -> Diagnostic {
        Diagnostic::error(Code(806), message)
    }

    pub fn twice(name: &str) -> Diagnostic {
        error(format!("two parameters would be written as `{name}`"))
            .help("give each a name of its own in the lines of `load`")
    }

    pub fn incomplete(line: &Line) -> Diagnostic {
        error("a parameter of this line is not in the checkpoint".into()).label(line.span, "joins parameters")
    }

    pub fn other_rank(line: &Line) -> Diagnostic {
        error("a parameter of this line has another number of axes".into()).label(line.span, "does not fit")
    }

    pub fn not_divisible(line: &Line, whole: usize) -> Diagnostic {
        error(format!("{whole} along axis {} cannot be cut for {} names", line.along, line.foreign.len()))
            .label(line.span, "give the lengths with `parts [n, m]`")
    }
}

//! Weights of other systems: safetensors files with foreign names, read into the state by the lines of a `load`, and
//! written back under the same names.

mod arrange;
mod export;
mod file;
mod mismatch;
mod plan;
mod propose;

pub use export::export;
pub use file::Archive;

use super::checkpoint::Tensor;
use crate::diag::Diagnostic;
use crate::ops::Type;
use crate::runtime::StateStore;
use crate::sema::model::{Model, Param};
use crate::sema::weights::{Line, Load};
use plan::Move;
use std::collections::HashSet;
use std::path::Path;

/// Fills the target of a `load` from its file, and gives the paths that it filled; the file's is relative to `folder`.
///
/// # Errors
/// E0801 where the file cannot be read, E0804 where it does not fit, E0805 where names for one parameter differ.
pub fn load(load: &Load, model: &Model, state: &mut StateStore, folder: &Path) -> Result<HashSet<String>, Diagnostic> {
    let path = folder.join(&load.path);
    let archive = Archive::open(&path)?;
    let params: Vec<&Param> = model.params.iter().filter(|p| is_own(load, p)).collect();
    let moves = plan::plan(load, &params, &archive)
        .map_err(|found| mismatch::diagnostic(load, model, &archive, &path, &found))?;
    let mut filled = HashSet::new();
    for step in &moves {
        for tensor in moved(step, &archive)? {
            let is_new = filled.insert(tensor.name.clone());
            fill(state, &tensor, is_new, step)?;
        }
    }
    Ok(filled)
}

/// Whether a `load` fills this parameter or buffer.
fn is_own(load: &Load, param: &Param) -> bool {
    param.kind.is_weight() && load.local(&param.path).is_some()
}

/// A second name of a parameter must say the same.
fn fill(state: &mut StateStore, tensor: &Tensor, is_new: bool, step: &Move) -> Result<(), Diagnostic> {
    match state.ty(&tensor.name) {
        // A state that no phase reads has no memory.
        None => Ok(()),
        Some(_) if is_new => state.write(&tensor.name, &tensor.bytes),
        Some(_) if state.read(&tensor.name).as_ref() == Some(&tensor.bytes) => Ok(()),
        Some(_) => Err(mismatch::differs(step, &tensor.name)),
    }
}

/// The tensors that a move gives: joined, split, turned.
fn moved(step: &Move, archive: &Archive) -> Result<Vec<Tensor>, Diagnostic> {
    let Line { along, turn, .. } = step.line;
    let read = |name: &String| archive.tensor(name, step.own[0].ty.dtype);
    let parts = step.foreign.iter().map(read).collect::<Result<Vec<_>, _>>()?;
    let whole = arrange::join(parts, *along);
    let length = |p: &&Param| foreign_shape(step.line, &p.ty)[*along];
    let pieces = match step.own.len() {
        1 => vec![whole],
        _ => arrange::split(&whole, *along, &step.own.iter().map(length).collect::<Vec<_>>()),
    };
    let turned = |(piece, param): (Tensor, &&Param)| {
        let order = turn.order(piece.ty.rank()).unwrap_or_default();
        Tensor { name: param.path.clone(), ..arrange::permuted(&piece, &order) }
    };
    Ok(pieces.into_iter().zip(&step.own).map(turned).collect())
}

/// The shape in the file of a tensor of the program; empty where the line's order does not fit it.
fn foreign_shape(line: &Line, ty: &Type) -> Vec<usize> {
    let order = line.turn.inverse(ty.rank()).unwrap_or_default();
    order.iter().map(|&axis| ty.shape[axis]).collect()
}

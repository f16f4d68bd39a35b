//! Parameters, buffers, optimizer state, and states over lanes, between memory and checkpoints.

use super::checkpoint::{self, Entry, Progress, Stored, Tensor, errors};
use crate::diag::Diagnostic;
use crate::ops::{DType, Type};
use crate::runtime::StateStore;
use crate::sema::model::{Model, Param, ParamKind, PhaseKind, Train, is_between_batches};
use std::borrow::Cow;
use std::io;
use std::path::Path;

/// All tensors of the program, in order of declaration.
pub fn tensors(model: &Model, state: &StateStore) -> Vec<Tensor> {
    let read = |p: &Param| Tensor { name: p.path.clone(), ty: p.ty.clone(), bytes: bytes(p, state) };
    model.params.iter().map(read).collect()
}

/// A state that no phase reads has no memory: it still holds its first value, zero.
fn bytes(param: &Param, state: &StateStore) -> Vec<u8> {
    state.read(&param.path).unwrap_or_else(|| vec![0; param.ty.bytes()])
}

/// Writes a checkpoint, tensor by tensor.
pub fn save(model: &Model, train: &Train, state: &StateStore, progress: &Progress, path: &Path) -> io::Result<()> {
    let entry = |p| -> Entry {
        let p: &Param = p;
        Entry { name: &p.path, ty: &p.ty, bytes: Box::new(move || Cow::Owned(bytes(p, state))) }
    };
    let states = train.states(&[PhaseKind::Step]);
    checkpoint::save(path, progress, model.params.iter().chain(states).map(entry).collect())
}

/// Fills the state from a checkpoint; every declared tensor must be there with its shape, and nothing else. Where the run
/// does not go on, it has no `states`, and those of the file are left.
pub fn load(model: &Model, states: &[&Param], state: &mut StateStore, file: &Stored) -> Result<(), Diagnostic> {
    let params: Vec<&Param> = model.params.iter().chain(states.iter().copied()).collect();
    let mut types = file.types()?;
    types.retain(|(name, _)| !states.is_empty() || !is_between_batches(name));
    // No phase that has them is compiled yet.
    states.iter().try_for_each(|s| state.reserve(&s.path, &s.ty))?;
    fill(&params, state, file, &types)
}

/// Fills parameters and buffers from a file of weights; optimizer state keeps its first value.
pub fn load_weights(model: &Model, state: &mut StateStore, file: &Stored) -> Result<(), Diagnostic> {
    let params: Vec<&Param> = model.params.iter().filter(|p| p.kind.is_weight()).collect();
    let optimizer = |name: &str| model.params.iter().any(|p| p.path == name && !p.kind.is_weight());
    let mut types = file.types()?;
    types.retain(|(name, _)| !optimizer(name) && !is_between_batches(name));
    fill(&params, state, file, &types)
}

/// Fills these parameters from those tensors of the file that are to fit them.
fn fill(params: &[&Param], state: &mut StateStore, file: &Stored, types: &[(String, Type)]) -> Result<(), Diagnostic> {
    let find = |name: &str| types.iter().find(|t| t.0 == name);
    let missing = params.iter().filter(|p| find(&p.path).is_none()).map(|p| p.path.clone()).collect::<Vec<_>>();
    let unused = types.iter().filter(|t| params.iter().all(|p| p.path != t.0)).map(|t| t.0.clone());
    let unused = unused.collect::<Vec<_>>();
    let differs = |p: &&&Param| find(&p.path).is_some_and(|t| t.1 != p.ty);
    let shapes = params.iter().filter(differs).map(|p| format!("{} {}", p.path, p.ty)).collect::<Vec<_>>();
    if !(missing.is_empty() && unused.is_empty() && shapes.is_empty()) {
        return Err(errors::mismatch(file.path(), &missing, &unused, &shapes));
    }
    for (name, _) in types {
        if state.ty(name).is_some() {
            state.write(name, &file.bytes(name)?)?;
        }
    }
    Ok(())
}

/// The first trainable parameter that holds NaN or an infinity; a buffer may mean to.
pub fn first_not_finite(model: &Model, state: &StateStore) -> Option<String> {
    let bad = |p: &&Param| {
        let bytes = state.read(&p.path).unwrap_or_default();
        let mut floats = bytes.chunks_exact(4).map(|c| f32::from_le_bytes([c[0], c[1], c[2], c[3]]));
        p.kind == ParamKind::Trainable && p.ty.dtype == DType::F32 && floats.any(|f| !f.is_finite())
    };
    model.params.iter().find(bad).map(|p| p.path.clone())
}

//! Parameters, buffers and optimizer state between memory and checkpoints.

use super::checkpoint::{Checkpoint, Tensor, errors};
use crate::diag::Diagnostic;
use crate::ops::DType;
use crate::runtime::StateStore;
use crate::sema::model::{Model, Param, ParamKind};
use std::path::Path;

/// All tensors of the program, in order of declaration.
pub fn tensors(model: &Model, state: &StateStore) -> Vec<Tensor> {
    // A state that no phase reads has no memory: it still holds its first value, zero.
    let bytes = |p: &Param| state.read(&p.path).unwrap_or_else(|| vec![0; p.ty.bytes()]);
    let read = |p: &Param| Tensor { name: p.path.clone(), ty: p.ty.clone(), bytes: bytes(p) };
    model.params.iter().map(read).collect()
}

/// Fills the state from a checkpoint; every declared tensor must be there with its shape, and nothing else.
pub fn load(model: &Model, state: &mut StateStore, checkpoint: &Checkpoint, path: &Path) -> Result<(), Diagnostic> {
    let params: Vec<&Param> = model.params.iter().collect();
    fill(&params, state, &checkpoint.tensors, path)
}

/// Fills parameters and buffers from a file of weights; optimizer state keeps its first value.
pub fn load_weights(model: &Model, state: &mut StateStore, file: &[Tensor], path: &Path) -> Result<(), Diagnostic> {
    let params: Vec<&Param> = model.params.iter().filter(|p| p.kind.is_weight()).collect();
    let optimizer = |t: &&Tensor| model.params.iter().any(|p| p.path == t.name && !p.kind.is_weight());
    let file: Vec<Tensor> = file.iter().filter(|t| !optimizer(t)).cloned().collect();
    fill(&params, state, &file, path)
}

fn fill(params: &[&Param], state: &mut StateStore, file: &[Tensor], path: &Path) -> Result<(), Diagnostic> {
    let find = |name: &str| file.iter().find(|t| t.name == name);
    let missing = params.iter().filter(|p| find(&p.path).is_none()).map(|p| p.path.clone()).collect::<Vec<_>>();
    let unused = file.iter().filter(|t| params.iter().all(|p| p.path != t.name)).map(|t| t.name.clone());
    let unused = unused.collect::<Vec<_>>();
    let differs = |p: &&&Param| find(&p.path).is_some_and(|t| t.ty != p.ty);
    let shapes = params.iter().filter(differs).map(|p| format!("{} {}", p.path, p.ty)).collect::<Vec<_>>();
    if !(missing.is_empty() && unused.is_empty() && shapes.is_empty()) {
        return Err(errors::mismatch(path, &missing, &unused, &shapes));
    }
    for tensor in file {
        if state.ty(&tensor.name).is_some() {
            state.write(&tensor.name, &tensor.bytes)?;
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

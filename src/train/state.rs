//! Parameters, buffers and optimizer state between memory and checkpoints.

use super::checkpoint::{Checkpoint, Tensor, errors};
use crate::diag::Diagnostic;
use crate::ops::DType;
use crate::runtime::StateStore;
use crate::sema::model::Model;
use std::path::Path;

/// All tensors of the program, in order of declaration.
pub fn tensors(model: &Model, state: &StateStore) -> Vec<Tensor> {
    let read = |p: &crate::sema::model::Param| Tensor {
        name: p.path.clone(),
        ty: p.ty.clone(),
        bytes: state.read(&p.path),
    };
    model.params.iter().map(read).collect()
}

/// Fills the state from a checkpoint; every declared tensor must be there with its shape, and nothing else.
pub fn load(model: &Model, state: &StateStore, checkpoint: &Checkpoint, path: &Path) -> Result<(), Diagnostic> {
    let find = |name: &str| checkpoint.tensors.iter().find(|t| t.name == name);
    let declared = |name: &str| model.params.iter().any(|p| p.path == name);
    let missing: Vec<String> = model.params.iter().filter(|p| find(&p.path).is_none()).map(|p| p.path.clone()).collect();
    let unused: Vec<String> =
        checkpoint.tensors.iter().filter(|t| !declared(&t.name)).map(|t| t.name.clone()).collect();
    let differs = |p: &&crate::sema::model::Param| find(&p.path).is_some_and(|t| t.ty != p.ty);
    let shapes: Vec<String> = model.params.iter().filter(differs).map(|p| format!("{} {}", p.path, p.ty)).collect();
    if !(missing.is_empty() && unused.is_empty() && shapes.is_empty()) {
        return Err(errors::mismatch(path, &missing, &unused, &shapes));
    }
    for tensor in &checkpoint.tensors {
        state.write(&tensor.name, &tensor.bytes);
    }
    Ok(())
}

/// The first tensor that holds NaN or an infinity.
pub fn first_not_finite(model: &Model, state: &StateStore) -> Option<String> {
    let bad = |p: &&crate::sema::model::Param| {
        let bytes = state.read(&p.path);
        let mut floats = bytes.chunks_exact(4).map(|c| f32::from_le_bytes([c[0], c[1], c[2], c[3]]));
        p.ty.dtype == DType::F32 && floats.any(|f| !f.is_finite())
    };
    model.params.iter().find(bad).map(|p| p.path.clone())
}

//! A run's weights under the names of another system: `nnc export`.

use super::Session;
use super::run::errors;
use crate::diag::Diagnostic;
use crate::sema::model::{Train, is_between_batches};
use crate::train::checkpoint::{self, Checkpoint, Tensor};
use crate::train::folder::RunFolder;
use crate::train::{fit, weights};
use std::path::{Path, PathBuf};

impl Session {
    /// Writes the parameters and buffers of a checkpoint (a file, or the kept one of a run's folder, by default that of
    /// the latest run) to a safetensors file, and gives their number. Their names are those of the program's `load`s.
    pub fn export(&self, train: Option<&str>, from: Option<&Path>, out: &Path) -> Result<usize, Diagnostic> {
        let train = self.train(train)?;
        let path = self.checkpoint(from)?;
        self.write_foreign(train, Checkpoint::tensors(&path)?, out)
    }

    /// Writes those tensors that are weights, and gives their number.
    pub(super) fn write_foreign(&self, train: &Train, tensors: Vec<Tensor>, out: &Path) -> Result<usize, Diagnostic> {
        let is_state = |name: &str| {
            is_between_batches(name) || self.model.params.iter().any(|p| p.path == name && !p.kind.is_weight())
        };
        let tensors: Vec<Tensor> = tensors.into_iter().filter(|t| !is_state(&t.name)).collect();
        let written = weights::export(train, &tensors)?;
        checkpoint::save_weights(&written, out).map_err(|e| fit::errors::io(out, &e))?;
        Ok(written.len())
    }

    /// The file with the weights of a run.
    pub fn checkpoint(&self, from: Option<&Path>) -> Result<PathBuf, Diagnostic> {
        match from {
            Some(path) if !path.is_dir() => Ok(path.into()),
            folder => Ok(self.run_folder(folder)?.kept()),
        }
    }

    /// The given folder, or that of the program's latest run.
    pub fn run_folder(&self, given: Option<&Path>) -> Result<RunFolder, Diagnostic> {
        RunFolder::of(given, &self.path).ok_or_else(errors::no_run)
    }
}

//! Checkpoints: safetensors files that anything can read, replaced atomically.
//!
//! A checkpoint holds every parameter, buffer and optimizer state under its path, and where the run stood as metadata.

use super::vocabulary::Fitted;
use crate::diag::{Code, Diagnostic};
use crate::ops::{DType, Type};
use crate::runtime::SharedBytes;
use safetensors::tensor::{Dtype, Metadata, SafeTensors, TensorView};
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::io::{self, Write};
use std::path::Path;

/// One tensor of a checkpoint, row-major, little-endian.
#[derive(Clone, Debug, PartialEq)]
pub struct Tensor {
    pub name: String,
    pub ty: Type,
    pub bytes: Vec<u8>,
}

/// Where a run stood when the checkpoint was written.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, Default)]
pub struct Progress {
    /// Steps done.
    pub step: u64,
    /// The epoch that is running, from 1, and how many of its batches are done.
    pub epoch: u64,
    pub batch: usize,
    pub seed: u64,
    /// Best value of the kept metric so far, and epochs since.
    pub best: Option<f64>,
    pub since_best: u32,
    /// Sums of the training metrics of the running epoch: name, Σ weight·value, Σ weight.
    pub metrics: Vec<(String, f64, f64)>,
    pub skipped: u64,
    /// What the conversions of the data learned.
    #[serde(default)]
    pub fitted: Vec<Fitted>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Checkpoint {
    pub tensors: Vec<Tensor>,
    pub progress: Progress,
}

const PROGRESS: &str = "nnc.progress";

impl Checkpoint {
    /// Writes to a temporary file beside `path`, syncs it, and renames it: the old file or the new one exists, never half.
    pub fn save(&self, path: &Path) -> io::Result<()> {
        let views = self.tensors.iter().map(|t| Ok((t.name.as_str(), view(t)?))).collect::<io::Result<Vec<_>>>()?;
        let progress = serde_json::to_string(&self.progress)?;
        // One entry only: the order of several would vary from run to run, and with it the bytes of the file.
        let metadata = HashMap::from([(PROGRESS.to_string(), progress)]);
        let bytes = safetensors::serialize(views, Some(metadata)).map_err(io::Error::other)?;
        replace(path, &bytes)
    }

    /// Reads a checkpoint.
    ///
    /// # Errors
    /// E0801 where the file cannot be read, E0802 where it is not a checkpoint of nnc.
    pub fn load(path: &Path) -> Result<Checkpoint, Diagnostic> {
        let bytes = std::fs::read(path).map_err(|e| errors::unreadable(path, &e.to_string()))?;
        let (_, metadata) = SafeTensors::read_metadata(&bytes).map_err(|e| errors::unreadable(path, &e.to_string()))?;
        Ok(Checkpoint { progress: progress_of(path, &metadata)?, tensors: parse(path, &bytes)? })
    }

    /// Where the run of a checkpoint stood, without its tensors.
    pub fn progress(path: &Path) -> Result<Progress, Diagnostic> {
        let unreadable = |e: &dyn std::fmt::Display| errors::unreadable(path, &e.to_string());
        let file = std::fs::File::open(path).map_err(|e| unreadable(&e))?;
        let bytes = SharedBytes::map(&file).map_err(|e| unreadable(&e))?;
        let (_, metadata) = SafeTensors::read_metadata(bytes.as_slice()).map_err(|e| unreadable(&e))?;
        progress_of(path, &metadata)
    }

    /// The tensors of any safetensors file, in order of their names.
    pub fn tensors(path: &Path) -> Result<Vec<Tensor>, Diagnostic> {
        let bytes = std::fs::read(path).map_err(|e| errors::unreadable(path, &e.to_string()))?;
        parse(path, &bytes)
    }
}

fn progress_of(path: &Path, metadata: &Metadata) -> Result<Progress, Diagnostic> {
    let progress = metadata.metadata().as_ref().and_then(|m| m.get(PROGRESS));
    progress.and_then(|p| serde_json::from_str(p).ok()).ok_or_else(|| errors::no_progress(path))
}

fn parse(path: &Path, bytes: &[u8]) -> Result<Vec<Tensor>, Diagnostic> {
    let file = SafeTensors::deserialize(bytes).map_err(|e| errors::unreadable(path, &e.to_string()))?;
    let mut tensors = file.iter().map(|(n, v)| tensor(path, n, &v)).collect::<Result<Vec<_>, _>>()?;
    tensors.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(tensors)
}

/// Writes tensors for other systems: Hugging Face reads files whose metadata name a format.
pub fn save_weights(tensors: &[Tensor], path: &Path) -> io::Result<()> {
    let views = tensors.iter().map(|t| Ok((t.name.as_str(), view(t)?))).collect::<io::Result<Vec<_>>>()?;
    let metadata = HashMap::from([("format".to_string(), "pt".to_string())]);
    let bytes = safetensors::serialize(views, Some(metadata)).map_err(io::Error::other)?;
    replace(path, &bytes)
}

/// Replaces a file atomically.
pub fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let temporary = path.with_extension(format!("tmp{}", std::process::id()));
    let mut file = std::fs::File::create(&temporary)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    std::fs::rename(&temporary, path).inspect_err(|_| {
        // The rename's error is the one to report.
        let _ = std::fs::remove_file(&temporary);
    })
}

const TYPES: [(DType, Dtype); 8] = [
    (DType::F32, Dtype::F32),
    (DType::F64, Dtype::F64),
    (DType::Bf16, Dtype::BF16),
    (DType::F16, Dtype::F16),
    (DType::I32, Dtype::I32),
    (DType::I64, Dtype::I64),
    (DType::U8, Dtype::U8),
    (DType::Bool, Dtype::BOOL),
];

fn view(tensor: &Tensor) -> io::Result<TensorView<'_>> {
    let dtype = TYPES.iter().find(|(d, _)| *d == tensor.ty.dtype).map(|(_, s)| *s);
    let dtype = dtype.ok_or_else(|| io::Error::other("element type"))?;
    TensorView::new(dtype, tensor.ty.shape.clone(), &tensor.bytes).map_err(io::Error::other)
}

/// The element type for one of a safetensors file; `None` for the types that nnc does not have.
pub(super) fn dtype_of(stored: Dtype) -> Option<DType> {
    TYPES.iter().find(|(_, s)| *s == stored).map(|(d, _)| *d)
}

fn tensor(path: &Path, name: &str, view: &TensorView) -> Result<Tensor, Diagnostic> {
    let dtype = dtype_of(view.dtype())
        .ok_or_else(|| errors::unreadable(path, &format!("`{name}` has type {:?}", view.dtype())))?;
    Ok(Tensor { name: name.into(), ty: Type::new(dtype, view.shape().to_vec()), bytes: view.data().to_vec() })
}

pub mod errors {
    //! E080x: checkpoints.

    use super::*;

    pub fn unreadable(path: &Path, detail: &str) -> Diagnostic {
        Diagnostic::error(Code(801), format!("checkpoint `{}` cannot be read: {detail}", path.display()))
    }

    pub fn no_progress(path: &Path) -> Diagnostic {
        Diagnostic::error(Code(802), format!("`{}` was not written by a run of nnc", path.display()))
            .help("`train --resume` takes a folder under runs/, with the `last.safetensors` of a run")
    }

    /// Tensors that the program declares and the file lacks, that the file has and the program lacks, and whose shapes differ.
    pub fn mismatch(path: &Path, missing: &[String], unused: &[String], shapes: &[String]) -> Diagnostic {
        let list = |title: &str, names: &[String]| match names {
            [] => String::new(),
            names => format!("\n  {title}: {}", names.join(", ")),
        };
        let text = list("missing", missing) + &list("not used", unused) + &list("other shapes", shapes);
        Diagnostic::error(Code(803), format!("`{}` does not fit this program{text}", path.display()))
            .help("the program changed since the checkpoint was written; train anew, or put the old program back")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_checkpoint_reads_back_and_is_replaced_whole() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("last.safetensors");
        let tensor = Tensor {
            name: "conv1.weight".into(),
            ty: Type::new(DType::F32, vec![2]),
            bytes: [1f32, -0.0].iter().flat_map(|f| f.to_le_bytes()).collect(),
        };
        let progress = Progress { step: 3, best: Some(0.1 + 0.2), ..Progress::default() };
        let checkpoint = Checkpoint { tensors: vec![tensor], progress };
        checkpoint.save(&path).unwrap();
        checkpoint.save(&path).unwrap();
        assert_eq!(Checkpoint::load(&path).unwrap(), checkpoint);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_damaged_file_is_an_error_with_a_code() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("bad.safetensors");
        std::fs::write(&path, b"nonsense").unwrap();
        assert_eq!(Checkpoint::load(&path).unwrap_err().code, Code(801));
    }
}

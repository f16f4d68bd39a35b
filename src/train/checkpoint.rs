//! Checkpoints: safetensors files that anything can read, replaced atomically.
//!
//! A checkpoint holds every parameter, buffer and optimizer state under its path, and where the run stood as metadata.

use super::vocabulary::Fitted;
use crate::diag::{Code, Diagnostic};
use crate::ops::{DType, Type};
use crate::runtime::SharedBytes;
use safetensors::tensor::{Dtype, Metadata, SafeTensors, TensorInfo};
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::collections::HashMap;
use std::fs::File;
use std::io::{self, BufWriter, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

/// One tensor of a checkpoint, row-major, little-endian.
#[derive(Clone, Debug, PartialEq)]
pub struct Tensor {
    pub name: String,
    pub ty: Type,
    pub bytes: Vec<u8>,
}

impl Tensor {
    fn entry(&self) -> Entry<'_> {
        Entry { name: &self.name, ty: &self.ty, bytes: Box::new(|| Cow::Borrowed(&*self.bytes)) }
    }
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
    /// Reads a checkpoint.
    ///
    /// # Errors
    /// E0801 where the file cannot be read, E0802 where it is not a checkpoint of nnc.
    pub fn load(path: &Path) -> Result<Checkpoint, Diagnostic> {
        let stored = Stored::open(path)?;
        Ok(Checkpoint { progress: stored.progress()?, tensors: stored.all()? })
    }

    /// The tensors of any safetensors file, in order of their names.
    pub fn tensors(path: &Path) -> Result<Vec<Tensor>, Diagnostic> {
        Stored::open(path)?.all()
    }
}

/// A safetensors file, of which one tensor at a time is read.
pub struct Stored {
    path: PathBuf,
    file: File,
    metadata: Metadata,
    /// Where the tensors begin.
    start: u64,
}

impl Stored {
    /// Reads what the file says of its tensors.
    ///
    /// # Errors
    /// E0801 where the file cannot be read.
    pub fn open(path: &Path) -> Result<Stored, Diagnostic> {
        let unreadable = |e: &dyn std::fmt::Display| errors::unreadable(path, &e.to_string());
        let file = File::open(path).map_err(|e| unreadable(&e))?;
        let bytes = SharedBytes::map(&file).map_err(|e| unreadable(&e))?;
        let (header, metadata) = SafeTensors::read_metadata(bytes.as_slice()).map_err(|e| unreadable(&e))?;
        Ok(Stored { path: path.into(), file, metadata, start: (LENGTH + header) as u64 })
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Where the run stood; E0802 where no run of nnc wrote the file.
    pub fn progress(&self) -> Result<Progress, Diagnostic> {
        let progress = self.metadata.metadata().as_ref().and_then(|m| m.get(PROGRESS));
        progress.and_then(|p| serde_json::from_str(p).ok()).ok_or_else(|| errors::no_progress(&self.path))
    }

    /// Names and types in order of the names.
    pub fn types(&self) -> Result<Vec<(String, Type)>, Diagnostic> {
        let of = |(name, info): (String, &TensorInfo)| {
            let dtype = dtype_of(info.dtype).ok_or_else(|| self.unreadable(&name, info))?;
            Ok((name, Type::new(dtype, info.shape.clone())))
        };
        let mut types = self.metadata.tensors().into_iter().map(of).collect::<Result<Vec<_>, _>>()?;
        types.sort_by(|a, b| a.0.cmp(&b.0));
        Ok(types)
    }

    fn unreadable(&self, name: &str, info: &TensorInfo) -> Diagnostic {
        errors::unreadable(&self.path, &format!("`{name}` has type {:?}", info.dtype))
    }

    /// The row-major bytes of a tensor.
    pub fn bytes(&self, name: &str) -> Result<Vec<u8>, Diagnostic> {
        let lacks = || errors::unreadable(&self.path, &format!("`{name}` is not in it"));
        let (from, to) = self.metadata.info(name).ok_or_else(lacks)?.data_offsets;
        let mut bytes = vec![0; to - from];
        let mut file = &self.file;
        let read = file.seek(SeekFrom::Start(self.start + from as u64)).and_then(|_| file.read_exact(&mut bytes));
        read.map_err(|e| errors::unreadable(&self.path, &e.to_string()))?;
        Ok(bytes)
    }

    fn all(&self) -> Result<Vec<Tensor>, Diagnostic> {
        let read = |(name, ty): (String, Type)| Ok(Tensor { bytes: self.bytes(&name)?, name, ty });
        self.types()?.into_iter().map(read).collect()
    }
}

/// What is written of a tensor: name, type, and its bytes when their turn comes.
pub struct Entry<'a> {
    pub name: &'a str,
    pub ty: &'a Type,
    pub bytes: Box<dyn Fn() -> Cow<'a, [u8]> + 'a>,
}

/// Writes a checkpoint beside `path` and renames it: the old file or the new one exists, never half.
pub fn save(path: &Path, progress: &Progress, tensors: Vec<Entry>) -> io::Result<()> {
    // One entry only: the order of several would vary from run to run, and with it the bytes of the file.
    write(path, (PROGRESS, serde_json::to_string(progress)?), tensors)
}

/// Writes tensors for other systems: Hugging Face reads files whose metadata name a format.
pub fn save_weights(tensors: &[Tensor], path: &Path) -> io::Result<()> {
    write(path, ("format", "pt".into()), tensors.iter().map(Tensor::entry).collect())
}

/// Bytes of the number that a file begins with: the length of its header, which is a multiple of this.
const LENGTH: usize = 8;

/// Writes a safetensors file in the order of its format: wide element types first, then by name.
fn write(path: &Path, (key, value): (&str, String), tensors: Vec<Entry>) -> io::Result<()> {
    let mut tensors = tensors.into_iter().map(|t| Ok((stored_type(t.ty)?, t))).collect::<io::Result<Vec<_>>>()?;
    tensors.sort_by(|(a, left), (b, right)| b.cmp(a).then(left.name.cmp(right.name)));
    let mut end = 0;
    let info = |(dtype, t): &(Dtype, Entry)| {
        let start = end;
        end += t.ty.bytes();
        (t.name.to_string(), TensorInfo { dtype: *dtype, shape: t.ty.shape.clone(), data_offsets: (start, end) })
    };
    let infos = tensors.iter().map(info).collect();
    let metadata = Metadata::new(Some(HashMap::from([(key.into(), value)])), infos).map_err(io::Error::other)?;
    let mut header = serde_json::to_vec(&metadata)?;
    header.resize(header.len().next_multiple_of(LENGTH), b' ');
    replace_by(path, |file| {
        file.write_all(&(header.len() as u64).to_le_bytes())?;
        file.write_all(&header)?;
        tensors.iter().try_for_each(|(_, t)| file.write_all(&(t.bytes)()))
    })
}

/// Replaces a file atomically.
pub fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    replace_by(path, |file| file.write_all(bytes))
}

/// Writes to a temporary file beside `path`, whose folder is made where there is none, syncs it, and renames it.
fn replace_by(path: &Path, write: impl FnOnce(&mut BufWriter<File>) -> io::Result<()>) -> io::Result<()> {
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder)?;
    }
    let temporary = path.with_extension(format!("tmp{}", std::process::id()));
    let mut file = BufWriter::new(File::create(&temporary)?);
    write(&mut file)?;
    file.into_inner()?.sync_all()?;
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

fn stored_type(ty: &Type) -> io::Result<Dtype> {
    let dtype = TYPES.iter().find(|(d, _)| *d == ty.dtype).map(|(_, s)| *s);
    dtype.ok_or_else(|| io::Error::other("element type"))
}

/// The element type for one of a safetensors file; `None` for the types that nnc does not have.
pub(super) fn dtype_of(stored: Dtype) -> Option<DType> {
    TYPES.iter().find(|(_, s)| *s == stored).map(|(d, _)| *d)
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
        for _ in 0..2 {
            let entries = checkpoint.tensors.iter().map(Tensor::entry).collect();
            save(&path, &checkpoint.progress, entries).unwrap();
        }
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

//! Safetensors files: one, or shards that an index lists. They are mapped, and converted tensor by tensor.

use super::arrange;
use crate::diag::Diagnostic;
use crate::ops::{DType, Type};
use crate::runtime::SharedBytes;
use crate::train::checkpoint::{Tensor, dtype_of, errors};
use safetensors::tensor::SafeTensors;
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// The tensors of a model's file or files, by name.
pub struct Archive {
    path: PathBuf,
    entries: BTreeMap<String, Entry>,
}

struct Entry {
    ty: Type,
    bytes: SharedBytes,
}

/// What Hugging Face calls the file of a model, and the index of its shards.
const NAMES: [&str; 2] = ["model.safetensors", "model.safetensors.index.json"];

impl Archive {
    /// Opens a safetensors file, an index (`….json`) with its shards, or the folder of a model.
    ///
    /// # Errors
    /// E0801 where a file cannot be read, or an index names what is not there.
    pub fn open(path: &Path) -> Result<Archive, Diagnostic> {
        let found = NAMES.iter().map(|name| path.join(name)).find(|p| path.is_dir() && p.exists());
        let path = found.unwrap_or_else(|| path.to_path_buf());
        let mut archive = Archive { path: path.clone(), entries: BTreeMap::new() };
        match path.extension().is_some_and(|e| e == "json") {
            true => archive.add_shards()?,
            false => archive.add(&path)?,
        }
        Ok(archive)
    }

    fn add_shards(&mut self) -> Result<(), Diagnostic> {
        let path = self.path.clone();
        let text = std::fs::read_to_string(&path).map_err(|e| errors::unreadable(&path, &e.to_string()))?;
        let index: Value = serde_json::from_str(&text).map_err(|e| errors::unreadable(&path, &e.to_string()))?;
        let map = index["weight_map"].as_object().ok_or_else(|| errors::unreadable(&path, "it has no `weight_map`"))?;
        let mut shards: Vec<&str> = map.values().filter_map(Value::as_str).collect();
        shards.sort_unstable();
        shards.dedup();
        for shard in shards {
            self.add(&path.with_file_name(shard))?;
        }
        match map.keys().find(|name| !self.entries.contains_key(*name)) {
            Some(name) => Err(errors::unreadable(&path, &format!("it lists `{name}`, which its files do not have"))),
            None => Ok(()),
        }
    }

    fn add(&mut self, path: &Path) -> Result<(), Diagnostic> {
        let unreadable = |detail: String| errors::unreadable(path, &detail);
        let file = std::fs::File::open(path).map_err(|e| unreadable(e.to_string()))?;
        let map = SharedBytes::map(&file).map_err(|e| unreadable(e.to_string()))?;
        let tensors = SafeTensors::deserialize(map.as_slice()).map_err(|e| unreadable(e.to_string()))?;
        for (name, view) in tensors.iter() {
            let dtype = dtype_of(view.dtype());
            let dtype = dtype.ok_or_else(|| unreadable(format!("`{name}` has the type {:?}", view.dtype())))?;
            let offset = view.data().as_ptr() as usize - map.as_slice().as_ptr() as usize;
            let bytes =
                map.slice(offset, view.data().len()).ok_or_else(|| unreadable(format!("`{name}` is cut off")))?;
            self.entries.insert(name.into(), Entry { ty: Type::new(dtype, view.shape().to_vec()), bytes });
        }
        Ok(())
    }

    /// The names in alphabetical order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.entries.keys().map(String::as_str)
    }

    pub fn ty(&self, name: &str) -> Option<&Type> {
        self.entries.get(name).map(|e| &e.ty)
    }

    /// A tensor in another element type.
    pub(super) fn tensor(&self, name: &str, dtype: DType) -> Result<Tensor, Diagnostic> {
        let lacks = || errors::unreadable(&self.path, &format!("`{name}` is not in it, or of another type"));
        let entry = self.entries.get(name).ok_or_else(lacks)?;
        let bytes = arrange::converted(entry.bytes.as_slice(), entry.ty.dtype, dtype).ok_or_else(lacks)?;
        Ok(Tensor { name: name.into(), ty: Type::new(dtype, entry.ty.shape.clone()), bytes })
    }
}

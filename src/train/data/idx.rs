//! The idx format of MNIST: a folder of `<part>-<column>s-idx<rank>-ubyte` files, plain (memory-mapped) or `.gz`.
//!
//! Header: two zero bytes, a type byte, the rank, then each dimension as a big-endian u32.
//! Reference: the description on the MNIST home page ("the IDX file format").

use super::array::Array;
use super::{Part, Stored, errors};
use crate::diag::Diagnostic;
use crate::ops::DType;
use crate::runtime::SharedBytes;
use crate::sema::model::{Column, Data};
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

/// Prefixes of file names and the part they stand for; files without a prefix form the one part `all`.
const PARTS: [(&str, &str); 4] = [("train-", "train"), ("t10k-", "test"), ("test-", "test"), ("", "all")];

pub fn open(data: &Data, folder: &Path) -> Result<Vec<Part>, Diagnostic> {
    let files = list(data, folder)?;
    let mut parts: Vec<Part> = vec![];
    for (prefix, name) in PARTS {
        let found = data.columns.iter().map(|c| find(&files, prefix, c)).collect::<Vec<_>>();
        if found.iter().all(Option::is_none) || parts.iter().any(|p| p.name == name) {
            continue;
        }
        if prefix.is_empty() && !parts.is_empty() {
            break;
        }
        parts.push(read_part(data, folder, name, found)?);
    }
    if parts.is_empty() {
        return Err(errors::not_found(data, folder, "no file is named like `train-images-idx3-ubyte`"));
    }
    Ok(parts)
}

fn list(data: &Data, folder: &Path) -> Result<Vec<PathBuf>, Diagnostic> {
    let entries = std::fs::read_dir(folder).map_err(|e| errors::not_found(data, folder, &e.to_string()))?;
    let mut files: Vec<PathBuf> = entries.flatten().map(|e| e.path()).collect();
    files.sort();
    Ok(files)
}

/// `image` is stored in `<prefix>images-idx3-ubyte` or `<prefix>image….gz`.
fn find(files: &[PathBuf], prefix: &str, column: &Column) -> Option<PathBuf> {
    let start = format!("{prefix}{}", column.stored);
    let matches = |p: &&PathBuf| {
        let name = p.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
        name.starts_with(&start) && name.contains("idx")
    };
    files.iter().find(matches).cloned()
}

fn read_part(data: &Data, folder: &Path, name: &str, files: Vec<Option<PathBuf>>) -> Result<Part, Diagnostic> {
    let mut columns: Vec<(String, Array)> = vec![];
    for (column, file) in data.columns.iter().zip(files) {
        let missing =
            || errors::not_found(data, folder, &format!("part `{name}` has no file for column `{}`", column.stored));
        columns.push((column.name.clone(), read(data, &file.ok_or_else(missing)?)?));
    }
    let rows = columns.first().map_or(0, |(_, c)| c.rows);
    let declared = |((name, array), column): ((String, Array), &Column)| {
        if array.rows != rows {
            return Err(errors::uneven(data, column, array.rows, rows));
        }
        let ty = column.fixed().ok_or_else(|| errors::row_shape(column, &array.row))?;
        Ok((name, Stored::Whole(array.declared(column, &ty)?)))
    };
    let columns = columns.into_iter().zip(&data.columns).map(declared).collect::<Result<_, _>>()?;
    Ok(Part { name: name.into(), path: folder.into(), rows, columns, bad: vec![] })
}

/// Reads one idx file.
fn read(data: &Data, path: &Path) -> Result<Array, Diagnostic> {
    let damaged = |detail: &str| errors::damaged(data, path, detail);
    let bytes = contents(path).map_err(|e| damaged(&e.to_string()))?;
    let header = Header::parse(bytes.as_slice()).ok_or_else(|| damaged("this is not an idx file"))?;
    let stored = bytes.len() - header.len;
    if header.bytes() != Some(stored) {
        return Err(damaged(&format!(
            "its header says {} of {}, it holds {stored} bytes",
            header.shape(),
            header.dtype
        )));
    }
    let bytes = match bytes.slice(header.len, stored) {
        Some(body) if header.dtype == DType::U8 => body,
        _ => little_endian(&bytes.as_slice()[header.len..], header.dtype.size()).into(),
    };
    Ok(Array { dtype: header.dtype, rows: header.dims[0], row: header.dims[1..].to_vec(), bytes })
}

fn contents(path: &Path) -> std::io::Result<SharedBytes> {
    let file = File::open(path)?;
    if path.extension().is_some_and(|e| e == "gz") {
        let mut bytes = vec![];
        flate2::read::GzDecoder::new(file).read_to_end(&mut bytes)?;
        return Ok(bytes.into());
    }
    SharedBytes::map(&file)
}

/// idx stores big-endian numbers.
fn little_endian(bytes: &[u8], size: usize) -> Vec<u8> {
    bytes.chunks_exact(size).flat_map(|c| c.iter().rev().copied()).collect()
}

struct Header {
    dtype: DType,
    dims: Vec<usize>,
    len: usize,
}

impl Header {
    fn parse(bytes: &[u8]) -> Option<Header> {
        let [0, 0, code, rank, ..] = *bytes else { return None };
        let dtype = match code {
            0x08 => DType::U8,
            0x0c => DType::I32,
            0x0d => DType::F32,
            0x0e => DType::F64,
            _ => return None,
        };
        let len = 4 + 4 * rank as usize;
        let dims = bytes.get(4..len)?.chunks_exact(4);
        let dims: Vec<usize> = dims.map(|d| u32::from_be_bytes([d[0], d[1], d[2], d[3]]) as usize).collect();
        (!dims.is_empty()).then_some(Header { dtype, dims, len })
    }

    /// Bytes behind the header; `None` where no file is that long.
    fn bytes(&self) -> Option<usize> {
        self.dims.iter().try_fold(self.dtype.size(), |n, d| n.checked_mul(*d))
    }

    fn shape(&self) -> String {
        self.dims.iter().map(usize::to_string).collect::<Vec<_>>().join("×")
    }
}

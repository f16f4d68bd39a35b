//! Data sets in memory: one array per column and part, memory-mapped where the file allows it.

pub mod csv;
pub mod idx;

use crate::diag::Diagnostic;
use crate::ops::DType;
use crate::runtime::SharedBytes;
use crate::sema::model::{Column, Data};
use std::path::Path;

/// `rows` rows of `row` elements each, row-major.
#[derive(Clone)]
pub struct Array {
    /// The column's name.
    pub name: String,
    pub dtype: DType,
    pub rows: usize,
    pub row: Vec<usize>,
    pub bytes: SharedBytes,
}

/// A part that a source stores separately (`train` and `test` of an idx folder); a source without parts has one, `all`.
#[derive(Clone)]
pub struct Part {
    pub name: String,
    pub rows: usize,
    /// One per column of the declaration, in its order.
    pub columns: Vec<Array>,
}

#[derive(Clone)]
pub struct DataSet {
    pub name: String,
    pub parts: Vec<Part>,
}

impl DataSet {
    /// Opens what a `data` declaration names; `folder` is the program's. Columns have the declared types afterwards.
    pub fn open(data: &Data, folder: &Path) -> Result<DataSet, Diagnostic> {
        Self::open_at(data, &folder.join(&data.path))
    }

    /// The same declaration over other files (`predict --data`).
    pub fn open_at(data: &Data, path: &Path) -> Result<DataSet, Diagnostic> {
        let parts = match data.source.as_str() {
            "idx" => idx::open(data, path)?,
            "csv" | "tsv" => csv::open(data, path)?,
            other => return Err(errors::unsupported_source(data, other)),
        };
        let parts = parts.into_iter().map(|p| check_part(data, p)).collect::<Result<_, _>>()?;
        Ok(DataSet { name: data.name.clone(), parts })
    }

    /// Opens only some columns of the declaration, in its order: `predict` needs no labels.
    pub fn open_columns(data: &Data, path: &Path, columns: &[String]) -> Result<DataSet, Diagnostic> {
        let wanted = data.columns.iter().filter(|c| columns.contains(&c.name)).cloned().collect();
        Self::open_at(&Data { columns: wanted, ..data.clone() }, path)
    }

    pub fn part(&self, name: &str) -> Option<&Part> {
        self.parts.iter().find(|p| p.name == name)
    }
}

fn check_part(data: &Data, mut part: Part) -> Result<Part, Diagnostic> {
    for (array, column) in part.columns.iter_mut().zip(&data.columns) {
        if array.rows != part.rows {
            return Err(errors::uneven(data, column, array.rows, part.rows));
        }
        if array.row.iter().product::<usize>() != column.ty.elements() || !same_but_ones(&array.row, &column.ty.shape) {
            return Err(errors::row_shape(column, &array.row));
        }
        *array = convert(array.clone(), column)?;
        array.row = column.ty.shape.clone();
    }
    Ok(part)
}

/// Equal shapes up to axes of length 1, or a flattened row.
fn same_but_ones(stored: &[usize], declared: &[usize]) -> bool {
    let strip = |s: &[usize]| s.iter().copied().filter(|&d| d != 1).collect::<Vec<_>>();
    let (a, b) = (strip(stored), strip(declared));
    a == b || b.len() <= 1
}

/// Widens a stored column to the declared element type where every value survives (u8 → i32 → f32).
fn convert(array: Array, column: &Column) -> Result<Array, Diagnostic> {
    let wanted = column.ty.dtype;
    if array.dtype == wanted {
        return Ok(array);
    }
    let bytes = array.bytes.as_slice();
    let words = |f: &dyn Fn(&u8) -> [u8; 4]| bytes.iter().flat_map(f).collect::<Vec<u8>>();
    let converted = match (array.dtype, wanted) {
        (DType::U8, DType::I32) => words(&|&b| i32::from(b).to_le_bytes()),
        (DType::U8, DType::F32) => words(&|&b| f32::from(b).to_le_bytes()),
        (DType::I32, DType::F32) => bytes.chunks_exact(4).flat_map(widen_i32).collect(),
        _ => return Err(errors::stored_type(column, array.dtype)),
    };
    Ok(Array { dtype: wanted, bytes: converted.into(), ..array })
}

fn widen_i32(word: &[u8]) -> [u8; 4] {
    (i32::from_le_bytes([word[0], word[1], word[2], word[3]]) as f32).to_le_bytes()
}

pub mod errors {
    //! E07xx: one constructor per error.

    use super::*;
    use crate::diag::Code;

    pub fn unsupported_source(data: &Data, source: &str) -> Diagnostic {
        Diagnostic::error(Code(701), format!("data source `{source}` is not supported"))
            .label(data.span, "declared here")
            .help("sources that can be read today: `idx`, `csv`, `tsv`")
    }

    pub fn not_found(data: &Data, path: &Path, detail: &str) -> Diagnostic {
        Diagnostic::error(Code(702), format!("no data for `{}` at `{}`: {detail}", data.name, path.display()))
            .label(data.span, "declared here")
            .help("paths are relative to the folder of the .nn file")
    }

    pub fn damaged(data: &Data, path: &Path, detail: &str) -> Diagnostic {
        Diagnostic::error(Code(703), format!("`{}` cannot be read: {detail}", path.display()))
            .label(data.span, "declared here")
    }

    pub fn row_shape(column: &Column, found: &[usize]) -> Diagnostic {
        Diagnostic::error(Code(704), format!("a stored row of `{}` has shape {found:?}", column.name))
            .label(column.span, format!("declared as {}", column.ty))
            .help("declare the shape that is stored; axes of length 1 may be added or left out")
    }

    pub fn uneven(data: &Data, column: &Column, found: usize, expected: usize) -> Diagnostic {
        Diagnostic::error(
            Code(705),
            format!("column `{}` has {found} rows where the others have {expected}", column.name),
        )
        .label(data.span, "in this data set")
    }

    pub fn stored_type(column: &Column, found: DType) -> Diagnostic {
        Diagnostic::error(Code(706), format!("column `{}` is stored as {found}", column.name))
            .label(column.span, format!("read as {}", column.ty.dtype))
    }

    pub fn bad_row(data: &Data, path: &Path, row: usize, field: &str, detail: &str) -> Diagnostic {
        Diagnostic::error(Code(707), format!("`{}`, row {row}, field `{field}`: {detail}", path.display()))
            .label(data.span, "declared here")
    }

    pub fn missing_column(column: &Column, path: &Path, known: &[String]) -> Diagnostic {
        Diagnostic::error(Code(708), format!("`{}` has no column `{}`", path.display(), column.name))
            .label(column.span, "read here")
            .help(format!("its columns: {}", known.join(", ")))
    }
}

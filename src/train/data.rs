//! Data sets, opened: columns by part, in memory, in mapped files, or row by row.

pub mod array;
pub mod csv;
pub mod idx;
pub mod jsonl;
pub mod sequences;
mod store;
mod table;

use crate::diag::Diagnostic;
use crate::ops::DType;
use crate::sema::model::{Column, Data};
use array::Array;
use sequences::Sequences;
use std::path::{Path, PathBuf};

/// A column of a part.
pub enum Stored {
    /// All rows have one shape.
    Whole(Array),
    /// One axis varies.
    Ragged(Sequences),
}

/// A part that a source stores separately (`train` and `test` of an idx folder); a source without parts has one, `all`.
pub struct Part {
    pub name: String,
    /// Where it was read.
    pub path: PathBuf,
    pub rows: usize,
    /// One per column of the declaration, in its order, with its name.
    pub columns: Vec<(String, Stored)>,
    /// Rows that could not be read, ascending.
    pub bad: Vec<BadRow>,
}

/// A row that could not be read.
#[derive(Clone, Debug)]
pub struct BadRow {
    /// From 0.
    pub row: usize,
    /// The field, where one is to blame.
    pub field: String,
    pub detail: String,
}

impl BadRow {
    /// File, row and field, and what is wrong.
    pub fn describe(&self, path: &Path) -> String {
        let field = if self.field.is_empty() { String::new() } else { format!(", field `{}`", self.field) };
        format!("`{}`, row {}{field}: {}", path.display(), self.row + 1, self.detail)
    }
}

impl Part {
    pub fn column(&self, name: &str) -> Option<&Stored> {
        self.columns.iter().find(|(n, _)| n == name).map(|(_, stored)| stored)
    }
}

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
            "jsonl" => jsonl::open(data, path)?,
            other => return Err(errors::unsupported_source(data, other)),
        };
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

pub mod errors {
    //! E07xx: one constructor per error.

    use super::*;
    use crate::diag::Code;

    pub fn unsupported_source(data: &Data, source: &str) -> Diagnostic {
        Diagnostic::error(Code(701), format!("data source `{source}` is not supported"))
            .label(data.span, "declared here")
            .help("sources that can be read today: `idx`, `csv`, `tsv`, `jsonl`")
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
            .label(column.span, format!("declared as {}", column.describe()))
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
            .label(column.span, format!("read as {}", column.dtype))
    }

    /// The first of so many rows that cannot be read.
    pub fn bad_row(data: &Data, path: &Path, bad: &BadRow, count: usize) -> Diagnostic {
        let diag = Diagnostic::error(Code(707), bad.describe(path)).label(data.span, "declared here");
        let help = "mend the row, or leave such rows out with `|> skip_bad`";
        if count == 1 { diag.help(help) } else { diag.help(format!("{help}; {count} rows cannot be read")) }
    }

    pub fn missing_column(column: &Column, path: &Path, known: &[String]) -> Diagnostic {
        Diagnostic::error(Code(708), format!("`{}` has no column `{}`", path.display(), column.stored))
            .label(column.span, "read here")
            .help(format!("its columns: {}", known.join(", ")))
    }
}

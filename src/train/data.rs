//! Data sets, opened: columns by part, in memory, in mapped files, or row by row.

pub mod array;
pub mod csv;
pub mod fit;
pub mod idx;
pub mod jsonl;
pub mod sequences;
mod store;
mod table;
pub mod text;

use super::known::Known;
use crate::diag::Diagnostic;
use crate::ops::DType;
use crate::sema::model::{Column, Data, Files};
use array::Array;
use fit::Fitting;
use sequences::Sequences;
use std::path::{Path, PathBuf};
use text::Piece;

/// A column of a part.
pub enum Stored {
    /// All rows have one shape.
    Whole(Array),
    /// One axis varies, or the rows are put together for another reason.
    Ragged(Sequences),
    /// Texts that are not converted yet.
    Texts(Sequences),
    /// One text, cut into windows.
    Text(Piece),
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

    pub fn is_bad(&self, row: usize) -> bool {
        self.bad.binary_search_by_key(&row, |b| b.row).is_ok()
    }

    fn add_bad(&mut self, more: Vec<BadRow>) {
        self.bad.extend(more);
        self.bad.sort_by_key(|b| b.row);
    }
}

pub struct DataSet {
    pub name: String,
    pub parts: Vec<Part>,
}

impl DataSet {
    /// Opens the files of a declaration that is no text; texts in them are not converted yet.
    pub fn open(data: &Data, folder: &Path) -> Result<DataSet, Diagnostic> {
        let parts = match &data.files {
            Files::One(path) => open_parts(data, &folder.join(path))?,
            Files::Parts(files) => {
                let part = |(name, path): &(String, String)| {
                    let parts = open_parts(data, &folder.join(path))?;
                    Ok(parts.into_iter().map(|part| Part { name: name.clone(), ..part }).collect())
                };
                files.iter().map(part).collect::<Result<Vec<Vec<Part>>, Diagnostic>>()?.into_iter().flatten().collect()
            }
        };
        Ok(DataSet { name: data.name.clone(), parts })
    }

    /// Opens other files for some columns of a declaration (`predict` needs no labels), with what is known of its texts.
    pub fn open_columns(data: &Data, path: &Path, columns: &[String], known: &Known) -> Result<DataSet, Diagnostic> {
        let wanted = data.columns.iter().filter(|c| columns.contains(&c.name)).cloned().collect();
        let data = Data { columns: wanted, ..data.clone() };
        if data.is_text() {
            return text::whole(&data, path, known);
        }
        let mut set = DataSet { name: data.name.clone(), parts: open_parts(&data, path)? };
        Fitting { data: &data, train: None, known }.convert(&mut set)?;
        Ok(set)
    }

    pub fn part(&self, name: &str) -> Option<&Part> {
        self.parts.iter().find(|p| p.name == name)
    }
}

/// The parts of a file, or of a folder of files.
fn open_parts(data: &Data, path: &Path) -> Result<Vec<Part>, Diagnostic> {
    match data.source.as_str() {
        "idx" => idx::open(data, path),
        "csv" | "tsv" => csv::open(data, path),
        "jsonl" => jsonl::open(data, path),
        other => Err(errors::unsupported_source(data, other)),
    }
}

pub mod errors {
    //! E07xx: one constructor per error.

    use super::*;
    use crate::diag::Code;

    pub fn unsupported_source(data: &Data, source: &str) -> Diagnostic {
        Diagnostic::error(Code(701), format!("data source `{source}` is not supported"))
            .label(data.span, "declared here")
            .help("sources that can be read today: `idx`, `csv`, `tsv`, `jsonl`, `text`")
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

    pub fn not_fitted(data: &Data, column: &Column) -> Diagnostic {
        let message =
            format!("nothing is known of `{}` of `{}`: it was not learned in training", column.name, data.name);
        Diagnostic::error(Code(715), message)
            .label(column.span, "read here")
            .help("`predict` takes what the run learned; train the program first")
    }

    /// Rows that were read once and are needed again.
    pub fn not_read_back(data: &Data, error: &std::io::Error) -> Diagnostic {
        Diagnostic::error(Code(703), format!("rows of `{}` cannot be read again: {error}", data.name))
            .label(data.span, "declared here")
    }

    pub fn no_tokenizer(column: &Column, path: &Path, detail: &str) -> Diagnostic {
        no_tokenizer_file(path, detail)
            .label(column.span, "used here")
            .help("paths are relative to the folder of the .nn file; `nnc tokenizer train` makes such a file")
    }

    pub fn no_tokenizer_file(path: &Path, detail: &str) -> Diagnostic {
        Diagnostic::error(Code(716), format!("`{}` cannot be read as a tokenizer: {detail}", path.display()))
    }

    pub fn other_tokenizer(column: &Column, path: &Path) -> Diagnostic {
        Diagnostic::error(
            Code(717),
            format!("`{}` is not the tokenizer that this run was trained with", path.display()),
        )
        .label(column.span, "used here")
        .help("its ids mean something else now: put the file back, or train again")
    }

    pub fn no_such_id(column: &Column, token: &str) -> Diagnostic {
        Diagnostic::error(Code(718), format!("`{token}` has no id in `{}`", column.name))
            .label(column.span, "these are the ids")
            .help("ids are those of the tokenizer file, or of what the rows of training have")
    }

    pub fn missing_column(column: &Column, path: &Path, known: &[String]) -> Diagnostic {
        Diagnostic::error(Code(708), format!("`{}` has no column `{}`", path.display(), column.stored))
            .label(column.span, "read here")
            .help(format!("its columns: {}", known.join(", ")))
    }
}

//! Text files with a row a record, read row by row into columns. A row that cannot be read is kept as such: whoever uses
//! it decides whether that ends the run.

use super::array::Array;
use super::errors;
use super::sequences::{Layout, Sequences};
use super::{BadRow, Part, Stored};
use crate::diag::Diagnostic;
use crate::ops::{DType, Type};
use crate::sema::model::{Column, Data, Length, Reading};
use std::path::Path;

/// Why a row cannot be read: the field, and what is wrong with it.
pub type Fault = (String, String);

/// The columns of a file under construction.
pub struct Table<'a> {
    data: &'a Data,
    path: &'a Path,
    rows: usize,
    columns: Vec<Growing<'a>>,
    bad: Vec<BadRow>,
}

struct Growing<'a> {
    column: &'a Column,
    /// The row that is read, row-major.
    row: Vec<u8>,
    length: Option<&'a Length>,
    layout: Layout,
    rows: Rows,
}

enum Rows {
    Fixed(Type, Vec<u8>),
    Ragged(Sequences),
    /// Texts, which are converted once the splits are known.
    Texts(Sequences),
}

/// Most rows of a file: the step counts them in i32.
const MOST_ROWS: usize = i32::MAX as usize;

impl<'a> Table<'a> {
    pub fn new(data: &'a Data, path: &'a Path) -> Table<'a> {
        let columns = data.columns.iter().map(|c| Growing::new(c, &data.lengths)).collect();
        Table { data, path, rows: 0, columns, bad: vec![] }
    }

    /// Adds a row; `read` writes the elements of each column, or says why it cannot.
    pub fn row(&mut self, read: impl Fn(usize, &Column, &mut Vec<u8>) -> Result<(), Fault>) -> Result<(), Diagnostic> {
        let mut row = || {
            for (at, growing) in self.columns.iter_mut().enumerate() {
                growing.row.clear();
                read(at, growing.column, &mut growing.row)?;
                growing.check()?;
            }
            equal_lengths(&self.columns)
        };
        let fault = row().err();
        self.rows += 1;
        if self.rows > MOST_ROWS {
            return Err(errors::damaged(self.data, self.path, "it has too many rows"));
        }
        for growing in &mut self.columns {
            let result = growing.keep(fault.is_some());
            result.map_err(|e| errors::damaged(self.data, self.path, &e.to_string()))?;
        }
        if let Some((field, detail)) = fault {
            self.bad.push(BadRow { row: self.rows - 1, field, detail });
        }
        Ok(())
    }

    pub fn finish(self) -> Part {
        let columns = self.columns.into_iter().map(|c| (c.column.name.clone(), c.finish(self.rows))).collect();
        Part { name: "all".into(), path: self.path.into(), rows: self.rows, columns, bad: self.bad }
    }
}

impl<'a> Growing<'a> {
    fn new(column: &'a Column, lengths: &'a [Length]) -> Growing<'a> {
        let is_text = column.reading != Reading::Number;
        let layout = if is_text { Layout::bytes() } else { Layout::of(column) };
        let rows = match column.fixed() {
            _ if is_text => Rows::Texts(Sequences::new(layout)),
            Some(ty) => Rows::Fixed(ty, vec![]),
            None => Rows::Ragged(Sequences::new(layout)),
        };
        let length =
            column.varying().filter(|_| !is_text).and_then(|(_, name)| lengths.iter().find(|l| l.name == name));
        Growing { column, row: vec![], length, layout, rows }
    }

    /// Steps along the axis that varies.
    fn steps(&self) -> usize {
        self.row.len() / (self.layout.step() * self.layout.dtype.size())
    }

    /// The row has the size that is declared.
    fn check(&self) -> Result<(), Fault> {
        let field = || self.column.stored.clone();
        match (&self.rows, self.length) {
            (Rows::Fixed(ty, _), _) if self.row.len() != ty.bytes() => {
                let found = self.row.len() / ty.dtype.size();
                Err((field(), format!("{found} elements do not make a row of {ty}")))
            }
            (Rows::Ragged(_), Some(length)) if !length.allows(self.steps()) => {
                Err((field(), format!("its length {} is not {}", self.steps(), expected(length))))
            }
            _ => Ok(()),
        }
    }

    /// Appends the row; zeros, or nothing, for one that is bad.
    fn keep(&mut self, bad: bool) -> std::io::Result<()> {
        match &mut self.rows {
            Rows::Fixed(ty, bytes) => {
                self.row.truncate(if bad { 0 } else { ty.bytes() });
                self.row.resize(ty.bytes(), 0);
                bytes.extend_from_slice(&self.row);
                Ok(())
            }
            Rows::Ragged(rows) | Rows::Texts(rows) => rows.push(if bad { &[] } else { &self.row }),
        }
    }

    fn finish(self, rows: usize) -> Stored {
        match self.rows {
            Rows::Fixed(ty, bytes) => {
                Stored::Whole(Array { dtype: ty.dtype, rows, row: ty.shape, bytes: bytes.into() })
            }
            Rows::Ragged(sequences) => Stored::Ragged(sequences),
            Rows::Texts(texts) => Stored::Texts(texts),
        }
    }
}

/// Columns that share a dimension are equally long in each row.
fn equal_lengths(columns: &[Growing]) -> Result<(), Fault> {
    let ragged = || columns.iter().filter(|c| c.length.is_some());
    for column in ragged() {
        let same = |c: &&Growing| c.length == column.length && c.steps() != column.steps();
        if let Some(first) = ragged().find(same) {
            let name = column.length.map_or("", |l| &l.name);
            let detail =
                format!("`{name}` is {} here and {} in `{}`", column.steps(), first.steps(), first.column.stored);
            return Err((column.column.stored.clone(), detail));
        }
    }
    Ok(())
}

/// `within 1..=128 and a multiple of 8`
pub fn expected(length: &Length) -> String {
    let bounds = match length.most {
        Some(most) => format!("within {}..={most}", length.least),
        None => format!("at least {}", length.least),
    };
    if length.multiple > 1 { format!("{bounds} and a multiple of {}", length.multiple) } else { bounds }
}

/// A number in a column's type, little-endian; `false` where it does not fit. An i32 column takes 3.0, never 3.5.
/// `written`: NaN and infinity are what their writer says; a finite number that is too large is not.
pub fn push_number(value: f64, written: bool, dtype: DType, out: &mut Vec<u8>) -> bool {
    let whole = |lo: f64, hi: f64| value.fract() == 0.0 && (lo..=hi).contains(&value);
    match dtype {
        DType::F32 if written || (value as f32).is_finite() => out.extend((value as f32).to_le_bytes()),
        DType::I32 if whole(i32::MIN.into(), i32::MAX.into()) => out.extend((value as i32).to_le_bytes()),
        DType::U8 if whole(0.0, 255.0) => out.push(value as u8),
        _ => return false,
    }
    true
}

//! Putting a batch together: which sizes its rows need, and the inputs that are not read from whole columns.

use super::data::sequences::Sequences;
use super::data::{Part, Stored, errors};
use super::windows::{self, TextRows};
use crate::diag::Diagnostic;
use crate::runtime::Executable;
use crate::sema::model::{Data, Padded, Phase, Sizes};
use std::ops::Range;

/// Makes the inputs of one phase, batch by batch, in memory that is used again.
pub struct Assembly<'a> {
    phase: &'a Phase,
    data: &'a Data,
    part: &'a Part,
    lengths: Vec<Lengths<'a>>,
    columns: Vec<Column<'a>>,
    sizes: Sizes,
    rows: Vec<i32>,
    row: Vec<u8>,
    bytes: Vec<u8>,
}

/// A dimension that varies.
struct Lengths<'a> {
    /// The input with the length of each row.
    input: String,
    /// A column that has the dimension.
    column: &'a Sequences,
}

/// A column whose rows are put together.
struct Column<'a> {
    input: String,
    rows: Rows<'a>,
    /// Bytes of a row, or of one step along its dimension, and the number of that among the phase's.
    bytes: usize,
    padded: Option<usize>,
}

enum Rows<'a> {
    Sequences(&'a Sequences),
    Windows(TextRows<'a>),
}

impl<'a> Assembly<'a> {
    pub fn new(phase: &'a Phase, data: &'a Data, part: &'a Part) -> Assembly<'a> {
        let padded = &phase.padded;
        let lengths = padded.iter().filter_map(|p| {
            let column = sequences_of(data, part, &p.name)?;
            Some(Lengths { input: Padded::lengths_input(&data.name, &p.name), column })
        });
        let columns = data.columns.iter().filter_map(|c| {
            let rows = match part.column(&c.name)? {
                Stored::Ragged(rows) => Rows::Sequences(rows),
                Stored::Text(_) => Rows::Windows(windows::of(phase, data, part)?),
                _ => return None,
            };
            let bytes = match &rows {
                Rows::Sequences(rows) => rows.step_bytes(),
                Rows::Windows(rows) => rows.bytes(),
            };
            let padded = c.varying().and_then(|(_, name)| padded.iter().position(|p| p.name == name));
            Some(Column { input: format!("{}.{}", data.name, c.name), rows, bytes, padded })
        });
        let sizes = Sizes { batch: 0, rows: part.rows, padded: vec![0; padded.len()] };
        Assembly {
            phase,
            data,
            part,
            lengths: lengths.collect(),
            columns: columns.collect(),
            sizes,
            rows: vec![],
            row: vec![],
            bytes: vec![],
        }
    }

    /// A column with a dimension of this name.
    pub fn sequences(&self, name: &str) -> Option<&'a Sequences> {
        sequences_of(self.data, self.part, name)
    }

    /// Finds the sizes that these rows need.
    pub fn measure(&mut self, rows: &[u64]) {
        self.sizes.batch = rows.len();
        for ((size, padded), lengths) in self.sizes.padded.iter_mut().zip(&self.phase.padded).zip(&self.lengths) {
            let longest = rows.iter().map(|&r| lengths.column.length(r as usize)).max();
            *size = padded.size(longest.unwrap_or(0));
        }
    }

    /// Enough of these batches of an epoch to meet all their sizes: where no dimension varies, only the last may be smaller.
    pub fn telling(&self, batches: Range<usize>) -> impl Iterator<Item = usize> + use<> {
        let apart = if self.lengths.is_empty() { batches.len().saturating_sub(1).max(1) } else { 1 };
        batches.step_by(apart)
    }

    /// The sizes of the rows that were measured last.
    pub fn sizes(&self) -> &Sizes {
        &self.sizes
    }

    /// Writes those inputs that the program has.
    pub fn write(&mut self, rows: &[u64], executable: &mut Executable) -> Result<(), Diagnostic> {
        self.rows.clear();
        self.rows.extend(rows.iter().map(|&r| r as i32));
        executable.write_rows(&self.rows)?;
        for lengths in &self.lengths {
            if !executable.has_input(&lengths.input) {
                continue;
            }
            self.bytes.clear();
            let length = |&row: &u64| (lengths.column.length(row as usize) as i32).to_le_bytes();
            self.bytes.extend(rows.iter().flat_map(length));
            executable.write(&lengths.input, &self.bytes)?;
        }
        for column in &self.columns {
            if !executable.has_input(&column.input) {
                continue;
            }
            let steps = column.padded.map_or(1, |at| self.sizes.padded[at]);
            let row_bytes = steps * column.bytes;
            self.bytes.resize(rows.len() * row_bytes, 0);
            for (&row, out) in rows.iter().zip(self.bytes.chunks_exact_mut(row_bytes)) {
                let read = match &column.rows {
                    Rows::Sequences(rows) => rows.read(row as usize, steps, &mut self.row, out),
                    Rows::Windows(rows) => rows.read(row, &mut self.row, out),
                };
                read.map_err(|e| errors::not_read_back(self.data, &e))?;
            }
            executable.write(&column.input, &self.bytes)?;
        }
        Ok(())
    }
}

/// The first column with a dimension of this name.
fn sequences_of<'a>(data: &Data, part: &'a Part, name: &str) -> Option<&'a Sequences> {
    let mut columns = data.columns.iter().filter(|c| c.varying().is_some_and(|(_, n)| n == name));
    columns.find_map(|c| match part.column(&c.name) {
        Some(Stored::Ragged(rows)) => Some(rows),
        _ => None,
    })
}

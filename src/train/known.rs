//! What conversions of texts go by: what earlier runs learned, and tokenizer files.

use super::data::errors;
use super::tokenizer::{Tokenizer, mark};
use super::vocabulary::{END, Encoder, Fitted};
use crate::diag::Diagnostic;
use crate::sema::model::{Asked, Column, Data, DataValue, Reading, TextUnit};
use std::cell::RefCell;
use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

pub struct Known<'a> {
    fitted: &'a [Fitted],
    /// Paths of tokenizer files are relative to it.
    folder: &'a Path,
    /// Files that were read, with their marks.
    files: RefCell<HashMap<String, (Arc<Tokenizer>, String)>>,
}

impl<'a> Known<'a> {
    pub fn new(fitted: &'a [Fitted], folder: &'a Path) -> Known<'a> {
        Known { fitted, folder, files: RefCell::default() }
    }

    /// What is known of a column.
    pub fn of(&self, data: &Data, column: &Column) -> Option<&'a Fitted> {
        self.fitted.iter().find(|f| f.data == data.name && f.column == column.name)
    }

    /// The tokenizer of a column, with the mark of its file.
    ///
    /// # Errors
    /// E0716 where the file cannot be read, E0717 where it is not the one that the run was trained with.
    pub fn tokenizer(&self, data: &Data, column: &Column, path: &str) -> Result<(Arc<Tokenizer>, String), Diagnostic> {
        let known = self.files.borrow().get(path).cloned();
        let (tokenizer, mark) = match known {
            Some(file) => file,
            None => {
                let file = self.read(column, path)?;
                self.files.borrow_mut().insert(path.into(), file.clone());
                file
            }
        };
        match self.of(data, column).and_then(|f| f.tokenizer.as_ref()) {
            Some(trained) if *trained != mark => Err(errors::other_tokenizer(column, &self.folder.join(path))),
            _ => Ok((tokenizer, mark)),
        }
    }

    fn read(&self, column: &Column, path: &str) -> Result<(Arc<Tokenizer>, String), Diagnostic> {
        let path = self.folder.join(path);
        let failed = |detail: String| errors::no_tokenizer(column, &path, &detail);
        let bytes = std::fs::read(&path).map_err(|e| failed(e.to_string()))?;
        Ok((Arc::new(Tokenizer::parse(&bytes).map_err(failed)?), mark(&bytes)))
    }

    /// What turns the texts of a column into ids; `fitted` is what was learned of it.
    pub fn encoder(&self, data: &Data, column: &Column, fitted: &Fitted) -> Result<Encoder, Diagnostic> {
        let Reading::Ids { unit, limit } = &column.reading else { return Err(errors::not_fitted(data, column)) };
        match unit {
            TextUnit::Tokenizer { path, special } => {
                Ok(Encoder::tokens(self.tokenizer(data, column, path)?.0, *special, *limit))
            }
            unit => Ok(Encoder::new(unit, &fitted.entries, *limit)),
        }
    }

    /// The id that ends each row of a text, where one does.
    ///
    /// # Errors
    /// Those of [`Known::tokenizer`].
    pub fn end(&self, data: &Data, column: &Column) -> Result<Option<i32>, Diagnostic> {
        match column.reading.unit() {
            Some(TextUnit::Tokenizer { path, special: true }) => {
                Ok(self.tokenizer(data, column, path)?.0.end().map(|id| id as i32))
            }
            Some(TextUnit::Characters { end: true } | TextUnit::Words { end: true, .. }) => Ok(Some(END)),
            _ => Ok(None),
        }
    }

    /// The number that a value of the data is; `None` where that is not learned yet.
    ///
    /// # Errors
    /// E0718 where the data does not have the token that is asked for; those of [`Known::tokenizer`].
    pub fn value(&self, data: &[Data], value: &DataValue) -> Result<Option<i64>, Diagnostic> {
        let column = |d: &'_ Data| d.columns.iter().position(|c| c.name == value.column);
        let found = data.iter().find(|d| d.name == value.data).and_then(|d| Some((d, &d.columns[column(d)?])));
        let Some((data, column)) = found else { return Ok(None) };
        if let Reading::Ids { unit: TextUnit::Tokenizer { path, .. }, .. } = &column.reading {
            let (tokenizer, _) = self.tokenizer(data, column, path)?;
            return asked(column, value, tokenizer.size(), |token| tokenizer.id(token).map(i64::from)).map(Some);
        }
        if let Reading::Ids { unit: TextUnit::Bytes, .. } = &column.reading {
            let byte = |text: &str| if let [byte] = text.as_bytes() { Some(i64::from(*byte)) } else { None };
            return asked(column, value, 256, byte).map(Some);
        }
        let Some(Fitted { entries, .. }) = self.of(data, column) else { return Ok(None) };
        let reserved = column.reading.unit().map_or(0, TextUnit::reserved);
        let place = |text: &str| entries.iter().position(|e| e == text).map(|at| (at + reserved) as i64);
        asked(column, value, entries.len() + reserved, place).map(Some)
    }
}

fn asked(column: &Column, value: &DataValue, size: usize, id: impl Fn(&str) -> Option<i64>) -> Result<i64, Diagnostic> {
    match &value.what {
        Asked::Size => Ok(size as i64),
        Asked::Id(token) => id(token).ok_or_else(|| errors::no_such_id(column, token)),
    }
}

//! Conversions of texts: what they learn from the rows of training, and the ids and labels they make.

use super::array::Array;
use super::sequences::{Layout, Sequences};
use super::table::expected;
use super::{BadRow, DataSet, Part, Stored, errors};
use crate::diag::Diagnostic;
use crate::ops::DType;
use crate::sema::model::{Column, Data, Reading, TextUnit};
use crate::train::known::Known;
use crate::train::split::Rows;
use crate::train::vocabulary::{Counter, Encoder, Fitted, labels};
use std::collections::{BTreeSet, HashMap};
use std::io;

/// What conversions know, and learn where they don't.
pub struct Fitting<'a> {
    pub data: &'a Data,
    /// The rows to learn from; where there are none, everything must be known.
    pub train: Option<&'a Rows>,
    pub known: &'a Known<'a>,
}

impl Fitting<'_> {
    /// Turns the texts of a data set into numbers; gives what was learned or known.
    pub fn convert(&self, set: &mut DataSet) -> Result<Vec<Fitted>, Diagnostic> {
        let mut all = vec![];
        for (at, column) in self.data.columns.iter().enumerate() {
            if column.reading == Reading::Number {
                continue;
            }
            let fitted = self.fitted(column, set, at)?;
            let encoder = match &column.reading {
                Reading::Ids { .. } => Some(self.known.encoder(self.data, column, &fitted)?),
                _ => None,
            };
            for part in &mut set.parts {
                let converted = match &encoder {
                    Some(encoder) => ids(self.data, column, part, at, encoder),
                    None => categories(column, part, at, &fitted.entries),
                };
                part.columns[at].1 = converted.map_err(|e| errors::not_read_back(self.data, &e))?;
            }
            all.push(fitted);
        }
        Ok(all)
    }

    /// What is known of a column, or else what the rows of training give.
    fn fitted(&self, column: &Column, set: &DataSet, at: usize) -> Result<Fitted, Diagnostic> {
        let (mut entries, mut tokenizer) = (vec![], None);
        match &column.reading {
            Reading::Ids { unit: TextUnit::Bytes, .. } => {}
            Reading::Ids { unit: TextUnit::Tokenizer { path, .. }, .. } => {
                tokenizer = Some(self.known.tokenizer(self.data, column, path)?.1);
            }
            _ => entries = self.entries(column, set, at)?,
        }
        Ok(Fitted { data: self.data.name.clone(), column: column.name.clone(), entries, tokenizer })
    }

    fn entries(&self, column: &Column, set: &DataSet, at: usize) -> Result<Vec<String>, Diagnostic> {
        if let Some(known) = self.known.of(self.data, column) {
            return Ok(known.entries.clone());
        }
        let rows = self.train.ok_or_else(|| errors::not_fitted(self.data, column))?;
        let part = set.part(&rows.part).ok_or_else(|| errors::not_fitted(self.data, column))?;
        let texts = Texts { part, at, rows: &rows.rows };
        learn(&column.reading, texts).map_err(|e| errors::not_read_back(self.data, &e))
    }
}

/// The texts of some rows of a column.
struct Texts<'a> {
    part: &'a Part,
    at: usize,
    rows: &'a [u32],
}

impl Texts<'_> {
    fn each(&self, mut f: impl FnMut(&str)) -> io::Result<()> {
        let Stored::Texts(texts) = &self.part.columns[self.at].1 else { return Ok(()) };
        let mut bytes = vec![];
        for &row in self.rows {
            if !self.part.is_bad(row as usize) {
                f(text(texts, row as usize, &mut bytes)?);
            }
        }
        Ok(())
    }
}

/// A text that was stored; the table checks that it is UTF-8.
fn text<'b>(texts: &Sequences, row: usize, bytes: &'b mut Vec<u8>) -> io::Result<&'b str> {
    texts.bytes(row, bytes)?;
    std::str::from_utf8(bytes).map_err(|_| io::ErrorKind::InvalidData.into())
}

fn learn(reading: &Reading, rows: Texts) -> io::Result<Vec<String>> {
    match reading {
        Reading::Ids { unit, .. } => {
            let mut counter = Counter::default();
            rows.each(|text| counter.add(unit, text))?;
            Ok(counter.entries(unit))
        }
        _ => {
            let mut found = BTreeSet::new();
            rows.each(|text| {
                if !found.contains(text) {
                    found.insert(text.to_string());
                }
            })?;
            Ok(labels(found))
        }
    }
}

/// The ids of each row; a row that is too long or too short is bad.
fn ids(data: &Data, column: &Column, part: &mut Part, at: usize, encoder: &Encoder) -> io::Result<Stored> {
    let Stored::Texts(texts) = &part.columns[at].1 else { return Err(io::ErrorKind::InvalidData.into()) };
    let mut found = Sequences::new(Layout::of(column));
    let (mut bytes, mut bad) = (vec![], vec![]);
    for first in (0..part.rows).step_by(AT_ONCE) {
        let rows = first..part.rows.min(first + AT_ONCE);
        let read = |row| Ok(if part.is_bad(row) { String::new() } else { text(texts, row, &mut bytes)?.to_string() });
        let group = rows.clone().map(read).collect::<io::Result<Vec<String>>>()?;
        for (row, encoded) in rows.zip(encoder.encode_all(&group)) {
            let checked = |ids: Vec<i32>| right_length(data, column, part, row, ids.len()).map(|()| ids);
            let mut ids = match encoded.and_then(checked) {
                _ if part.is_bad(row) => vec![],
                Ok(ids) => ids,
                Err(detail) => {
                    bad.push(BadRow { row, field: column.stored.clone(), detail });
                    vec![]
                }
            };
            if let (Some(ty), true) = (column.fixed(), ids.is_empty()) {
                ids.resize(ty.elements(), 0);
            }
            found.push(&ids.iter().flat_map(|id| id.to_le_bytes()).collect::<Vec<u8>>())?;
        }
    }
    part.add_bad(bad);
    Ok(Stored::Ragged(found))
}

/// Rows whose texts become ids together.
const AT_ONCE: usize = 1024;

/// A row of ids has the declared length, and that of the other columns with the same dimension.
fn right_length(data: &Data, column: &Column, part: &Part, row: usize, found: usize) -> Result<(), String> {
    let Some((_, name)) = column.varying() else {
        let wanted = column.fixed().map_or(0, |ty| ty.elements());
        return if found == wanted { Ok(()) } else { Err(format!("{found} ids, expected {wanted}")) };
    };
    if let Some(length) = data.lengths.iter().find(|l| l.name == name)
        && !length.allows(found)
    {
        return Err(format!("its length {found} is not {}", expected(length)));
    }
    for (other, (_, stored)) in data.columns.iter().zip(&part.columns) {
        if let Stored::Ragged(rows) = stored
            && other.varying().is_some_and(|(_, n)| n == name)
            && rows.length(row) != found
        {
            return Err(format!("`{name}` is {found} here and {} in `{}`", rows.length(row), other.stored));
        }
    }
    Ok(())
}

/// The place of each row's label; one that training does not have is bad.
fn categories(column: &Column, part: &mut Part, at: usize, entries: &[String]) -> io::Result<Stored> {
    let Stored::Texts(texts) = &part.columns[at].1 else { return Err(io::ErrorKind::InvalidData.into()) };
    let places: HashMap<&str, i32> = entries.iter().map(String::as_str).zip(0..).collect();
    let (mut labels, mut bytes, mut bad) = (vec![], vec![], vec![]);
    for row in 0..part.rows {
        let label = text(texts, row, &mut bytes)?;
        let place = places.get(label).copied();
        if place.is_none() && !part.is_bad(row) {
            let detail = format!("`{label}` is none of the {} labels of training", entries.len());
            bad.push(BadRow { row, field: column.stored.clone(), detail });
        }
        labels.push(place.unwrap_or(0));
    }
    part.add_bad(bad);
    Ok(Stored::Whole(Array { dtype: DType::I32, rows: part.rows, row: vec![], bytes: labels.into() }))
}

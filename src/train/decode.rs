//! From the ids that `predict` reports to their texts and labels.

use super::data::errors;
use super::known::Known;
use super::spell::Speller;
use super::tokenizer::Tokenizer;
use crate::diag::Diagnostic;
use crate::sema::model::{Column, Data, DecodedReport, Phase, TextUnit};
use serde_json::{Value, json};
use std::sync::Arc;

/// Prints one report as text.
pub struct Decoder {
    report: String,
    axes: usize,
    names: Names,
}

/// What has the ids of a column.
enum Names {
    Tokens { tokenizer: Arc<Tokenizer>, end: Option<i32> },
    Units { unit: TextUnit, entries: Vec<String>, end: Option<i32> },
    Labels(Vec<String>),
}

impl Decoder {
    /// Those of the reports of a phase.
    ///
    /// # Errors
    /// E0715 where the run learned nothing of a column; those of [`Known::tokenizer`].
    pub fn all(phase: &Phase, data: &[Data], known: &Known) -> Result<Vec<Decoder>, Diagnostic> {
        let column = |report: &DecodedReport| {
            let data = data.iter().find(|d| d.name == report.data)?;
            Some((data, data.columns.iter().find(|c| c.name == report.column)?))
        };
        let found = phase.decoded.iter().filter_map(|report| Some((report, column(report)?)));
        let decoder =
            |report: &DecodedReport, names| Decoder { report: report.report.clone(), axes: report.axes, names };
        found.map(|(report, (data, column))| Ok(decoder(report, Names::of(data, column, known)?))).collect()
    }

    /// Replaces the ids in a row by their text.
    pub fn apply(&self, row: &mut Value) {
        if let Some(ids) = row.get_mut(&self.report) {
            *ids = self.decode(ids, self.axes);
        }
    }

    fn decode(&self, ids: &Value, axes: usize) -> Value {
        let id = |value: &Value| value.as_i64().map(|id| id as i32);
        match ids {
            Value::Array(items) if axes > 0 => items.iter().map(|ids| self.decode(ids, axes - 1)).collect(),
            Value::Array(items) => self.names.decode(&items.iter().filter_map(id).collect::<Vec<_>>()),
            one => self.names.decode(&id(one).into_iter().collect::<Vec<_>>()),
        }
    }
}

impl Names {
    fn of(data: &Data, column: &Column, known: &Known) -> Result<Names, Diagnostic> {
        let end = known.end(data, column)?;
        let learned = || known.of(data, column).map(|f| f.entries.clone());
        let entries = || learned().ok_or_else(|| errors::not_fitted(data, column));
        Ok(match column.reading.unit() {
            Some(TextUnit::Tokenizer { path, .. }) => {
                Names::Tokens { tokenizer: known.tokenizer(data, column, path)?.0, end }
            }
            Some(TextUnit::Bytes) => Names::Units { unit: TextUnit::Bytes, entries: vec![], end },
            Some(unit) => Names::Units { unit: unit.clone(), entries: entries()?, end },
            None => Names::Labels(entries()?),
        })
    }

    /// The text of ids up to the one that ends a row, without special tokens; the label of one id, null where training
    /// has none.
    fn decode(&self, ids: &[i32]) -> Value {
        match self {
            Names::Tokens { tokenizer, end } => {
                let ids: Vec<u32> = before(ids, *end).iter().filter_map(|id| u32::try_from(*id).ok()).collect();
                json!(tokenizer.decode(&ids, false))
            }
            Names::Units { unit, entries, end } => {
                let mut speller = Speller::new(unit, entries);
                let text: String = before(ids, *end).iter().map(|id| speller.next(*id)).collect();
                json!(text + &speller.finish())
            }
            Names::Labels(labels) => {
                json!(ids.first().and_then(|id| labels.get(usize::try_from(*id).ok()?)))
            }
        }
    }
}

/// The ids before the one that ends a row.
fn before(ids: &[i32], end: Option<i32>) -> &[i32] {
    let length = ids.iter().position(|id| Some(*id) == end).unwrap_or(ids.len());
    &ids[..length]
}

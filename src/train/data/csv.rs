//! Comma- and tab-separated numbers with a header line. A column of rank 0 is one field of its name; a vector column
//! `x: f32[3]` without a field of that name takes `x0`, `x1`, `x2`; a text is one field.

use super::table::{Fault, Table, push_number};
use super::{Part, errors};
use crate::diag::Diagnostic;
use crate::sema::model::{Column, Data, Reading};
use std::path::Path;

pub fn open(data: &Data, path: &Path) -> Result<Vec<Part>, Diagnostic> {
    let delimiter = if data.source == "tsv" { b'\t' } else { b',' };
    let mut reader = ::csv::ReaderBuilder::new()
        .delimiter(delimiter)
        .trim(::csv::Trim::All)
        .flexible(true)
        .from_path(path)
        .map_err(|e| errors::not_found(data, path, &e.to_string()))?;
    let header = reader.headers().map_err(|e| errors::damaged(data, path, &e.to_string()))?.clone();
    let places = data.columns.iter().map(|c| places(c, &header, path)).collect::<Result<Vec<_>, _>>()?;
    let mut table = Table::new(data, path);
    for record in reader.records() {
        let (record, whole) = match record {
            Ok(record) => {
                let whole = same_fields(&record, &header);
                (record, whole)
            }
            Err(e) if matches!(e.kind(), ::csv::ErrorKind::Utf8 { .. }) => {
                (Default::default(), Err((String::new(), "it is not UTF-8".into())))
            }
            Err(e) => return Err(errors::damaged(data, path, &e.to_string())),
        };
        table.row(|at, column, out| {
            whole.clone()?;
            if column.reading != Reading::Number {
                places[at].iter().for_each(|&place| out.extend(record[place].as_bytes()));
                return Ok(());
            }
            places[at].iter().try_for_each(|&place| number(&record[place], column, &header[place], out))
        })?;
    }
    Ok(vec![table.finish()])
}

fn same_fields(record: &::csv::StringRecord, header: &::csv::StringRecord) -> Result<(), Fault> {
    if record.len() == header.len() {
        return Ok(());
    }
    let first = header.get(record.len()).unwrap_or_default();
    Err((first.into(), format!("{} fields where the header has {}", record.len(), header.len())))
}

/// Which fields of a record make up a column.
fn places(column: &Column, header: &::csv::StringRecord, path: &Path) -> Result<Vec<usize>, Diagnostic> {
    let at = |name: &str| header.iter().position(|h| h == name);
    let text = (column.reading != Reading::Number).then_some(1);
    let elements = text.or_else(|| column.fixed().map(|ty| ty.elements()));
    let found = match (at(&column.stored), elements) {
        (Some(place), Some(1)) => Some(vec![place]),
        (_, n) => (0..n.unwrap_or(0)).map(|i| at(&format!("{}{i}", column.stored))).collect(),
    };
    let names: Vec<String> = header.iter().map(String::from).collect();
    found.ok_or_else(|| errors::missing_column(column, path, &names))
}

fn number(text: &str, column: &Column, field: &str, out: &mut Vec<u8>) -> Result<(), Fault> {
    let written = text.trim_start_matches(['-', '+']).chars().next().is_some_and(char::is_alphabetic);
    let fits = text.parse().is_ok_and(|value| push_number(value, written, column.dtype, out));
    let bad = || (field.into(), format!("`{text}` is not a number of type {}", column.dtype));
    if fits { Ok(()) } else { Err(bad()) }
}

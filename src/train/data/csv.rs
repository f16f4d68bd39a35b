//! Comma- and tab-separated numbers with a header line. A column of rank 0 is one field of its name; a vector column
//! `x: f32[3]` without a field of that name takes `x0`, `x1`, `x2`.

use super::{Array, Part, errors};
use crate::diag::Diagnostic;
use crate::ops::DType;
use crate::sema::model::{Column, Data};
use std::path::Path;

pub fn open(data: &Data, path: &Path) -> Result<Vec<Part>, Diagnostic> {
    let delimiter = if data.source == "tsv" { b'\t' } else { b',' };
    let mut reader = ::csv::ReaderBuilder::new()
        .delimiter(delimiter)
        .trim(::csv::Trim::All)
        .from_path(path)
        .map_err(|e| errors::not_found(data, path, &e.to_string()))?;
    let header = reader.headers().map_err(|e| errors::damaged(data, path, &e.to_string()))?;
    let header: Vec<String> = header.iter().map(String::from).collect();
    let places = data.columns.iter().map(|c| places(c, &header, path)).collect::<Result<Vec<_>, _>>()?;
    let mut bytes = vec![vec![]; data.columns.len()];
    let mut rows = 0;
    for record in reader.records() {
        let record = record.map_err(|e| errors::damaged(data, path, &e.to_string()))?;
        rows += 1;
        for ((column, places), out) in data.columns.iter().zip(&places).zip(&mut bytes) {
            for &place in places {
                let text = record.get(place).unwrap_or("");
                let dtype = column.ty.dtype;
                let detail = || format!("`{text}` is not a number of type {dtype}");
                let bad = || errors::bad_row(data, path, rows, &header[place], &detail());
                out.extend(number(text, dtype).ok_or_else(bad)?);
            }
        }
    }
    let columns = data.columns.iter().zip(bytes).map(|(c, b)| array(c, rows, b)).collect();
    Ok(vec![Part { name: "all".into(), rows, columns }])
}

fn array(column: &Column, rows: usize, bytes: Vec<u8>) -> Array {
    Array { name: column.name.clone(), dtype: column.ty.dtype, rows, row: column.ty.shape.clone(), bytes: bytes.into() }
}

/// Which fields of a record make up a column.
fn places(column: &Column, header: &[String], path: &Path) -> Result<Vec<usize>, Diagnostic> {
    let at = |name: &str| header.iter().position(|h| h == name);
    let found = match (at(&column.name), column.ty.elements()) {
        (Some(place), 1) => Some(vec![place]),
        (_, n) => (0..n).map(|i| at(&format!("{}{i}", column.name))).collect(),
    };
    found.ok_or_else(|| errors::missing_column(column, path, header))
}

/// A number in the column's type, little-endian. An i32 column takes `3` and `3.0`, never `3.5`.
fn number(text: &str, dtype: DType) -> Option<Vec<u8>> {
    // `nan` and `inf` are what their writer says; a number that is too large is not.
    let written = text.trim_start_matches(['-', '+']).chars().next().is_some_and(char::is_alphabetic);
    let value: f64 = text.parse().ok().filter(|v: &f64| written || (*v as f32).is_finite())?;
    let whole = |lo: f64, hi: f64| (value.fract() == 0.0 && (lo..=hi).contains(&value)).then_some(value);
    match dtype {
        DType::F32 => Some((value as f32).to_le_bytes().to_vec()),
        DType::I32 => whole(i32::MIN.into(), i32::MAX.into()).map(|v| (v as i32).to_le_bytes().to_vec()),
        DType::U8 => whole(0.0, 255.0).map(|v| vec![v as u8]),
        _ => None,
    }
}

//! `standardize`: mean and deviation of a column over the rows of training.

use super::data::sequences::Sequences;
use super::data::{DataSet, Stored};
use super::split::Rows;
use crate::ops::DType;
use crate::sema::model::{Axis, Column, Data, Model};
use std::io;

/// The path of a statistic and its f32 values.
pub type Statistic = (String, Vec<f32>);

/// The statistics that the program asks of a data set, over these rows.
pub fn learn(model: &Model, data: &Data, set: &DataSet, rows: &Rows) -> io::Result<Vec<Statistic>> {
    let mut found = vec![];
    for column in &data.columns {
        let [mean, deviation] = ["mean", "deviation"].map(|what| column.statistic(&data.name, what));
        let Some(part) = set.part(&rows.part) else { continue };
        let Some(stored) = part.column(&column.name) else { continue };
        if model.params.iter().any(|p| p.path == mean) {
            let readable = rows.rows.iter().map(|&r| r as usize).filter(|&r| !part.is_bad(r)).collect::<Vec<_>>();
            let (means, deviations) = moments(column, stored, &readable)?;
            found.extend([(mean, means), (deviation, deviations)]);
        }
    }
    Ok(found)
}

/// Mean and (biased) deviation at each place of the fixed axes; a deviation of 0 counts as 1.
fn moments(column: &Column, stored: &Stored, rows: &[usize]) -> io::Result<(Vec<f32>, Vec<f32>)> {
    let places: usize = column.fixed_axes().iter().product();
    let mut sums = vec![0.0; places];
    let mut counts = vec![0u64; places];
    each(column, stored, rows, |place, x| {
        sums[place] += x;
        counts[place] += 1;
    })?;
    let means: Vec<f64> = sums.iter().zip(&counts).map(|(sum, &n)| sum / n.max(1) as f64).collect();
    let mut squares = vec![0.0; places];
    each(column, stored, rows, |place, x| squares[place] += (x - means[place]).powi(2))?;
    let deviation = |(sum, &n): (f64, &u64)| match (sum / n.max(1) as f64).sqrt() {
        0.0 => 1.0,
        deviation => deviation as f32,
    };
    let deviations = squares.into_iter().zip(&counts).map(deviation).collect();
    Ok((means.into_iter().map(|m| m as f32).collect(), deviations))
}

/// Gives each number of these rows to `f`, with its place on the fixed axes.
fn each(column: &Column, stored: &Stored, rows: &[usize], mut f: impl FnMut(usize, f64)) -> io::Result<()> {
    let mut bytes = vec![];
    let inner: usize = column
        .varying()
        .map_or(1, |(at, _)| column.shape[at..].iter().map(|a| if let Axis::Fixed(n) = a { *n } else { 1 }).product());
    for &row in rows {
        let steps = match stored {
            Stored::Whole(array) => {
                let size = array.dtype.size() * array.row.iter().product::<usize>();
                bytes.clear();
                bytes.extend_from_slice(&array.bytes.as_slice()[row * size..(row + 1) * size]);
                1
            }
            Stored::Ragged(sequences) => read(sequences, row, &mut bytes)?,
            Stored::Texts(_) | Stored::Text(_) => 0,
        };
        for (i, number) in bytes.chunks_exact(column.dtype.size()).enumerate() {
            // Row-major [outer, steps, inner] without the axis of the steps.
            let place = if column.varying().is_some() { i / (steps * inner) * inner + i % inner } else { i };
            f(place, value(column.dtype, number));
        }
    }
    Ok(())
}

fn read(sequences: &Sequences, row: usize, bytes: &mut Vec<u8>) -> io::Result<usize> {
    sequences.bytes(row, bytes)?;
    Ok(sequences.length(row))
}

fn value(dtype: DType, bytes: &[u8]) -> f64 {
    match (dtype, bytes) {
        (DType::F32, &[a, b, c, d]) => f32::from_le_bytes([a, b, c, d]).into(),
        (DType::I32, &[a, b, c, d]) => i32::from_le_bytes([a, b, c, d]).into(),
        (_, bytes) => f64::from(bytes[0]),
    }
}

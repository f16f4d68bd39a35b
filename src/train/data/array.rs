//! Columns whose rows have one shape: an array in memory or in a mapped file, which the step reads itself.

use super::errors;
use crate::diag::Diagnostic;
use crate::ops::{DType, Type};
use crate::runtime::SharedBytes;
use crate::sema::model::Column;

/// `rows` rows of `row` elements each, row-major.
#[derive(Clone)]
pub struct Array {
    pub dtype: DType,
    pub rows: usize,
    pub row: Vec<usize>,
    pub bytes: SharedBytes,
}

impl Array {
    /// The array in the declared type and shape.
    pub fn declared(self, column: &Column, ty: &Type) -> Result<Array, Diagnostic> {
        if self.row.iter().product::<usize>() != ty.elements() || !same_but_ones(&self.row, &ty.shape) {
            return Err(errors::row_shape(column, &self.row));
        }
        Ok(Array { row: ty.shape.clone(), ..convert(self, column)? })
    }
}

/// Equal shapes up to axes of length 1, or a flattened row.
fn same_but_ones(stored: &[usize], declared: &[usize]) -> bool {
    let strip = |s: &[usize]| s.iter().copied().filter(|&d| d != 1).collect::<Vec<_>>();
    let (a, b) = (strip(stored), strip(declared));
    a == b || b.len() <= 1
}

/// Widens a stored column to the declared element type where every value survives (u8 → i32 → f32).
fn convert(array: Array, column: &Column) -> Result<Array, Diagnostic> {
    let wanted = column.dtype;
    if array.dtype == wanted {
        return Ok(array);
    }
    let bytes = array.bytes.as_slice();
    let words = |f: &dyn Fn(&u8) -> [u8; 4]| bytes.iter().flat_map(f).collect::<Vec<u8>>();
    let converted = match (array.dtype, wanted) {
        (DType::U8, DType::I32) => words(&|&b| i32::from(b).to_le_bytes()),
        (DType::U8, DType::F32) => words(&|&b| f32::from(b).to_le_bytes()),
        (DType::I32, DType::F32) => bytes.chunks_exact(4).flat_map(widen_i32).collect(),
        _ => return Err(errors::stored_type(column, array.dtype)),
    };
    Ok(Array { dtype: wanted, bytes: converted.into(), ..array })
}

fn widen_i32(word: &[u8]) -> [u8; 4] {
    (i32::from_le_bytes([word[0], word[1], word[2], word[3]]) as f32).to_le_bytes()
}

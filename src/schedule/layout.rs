//! Rows that lie apart, where row after row would meet in few sets of a cache.

use crate::ops::{DType, Type};
use crate::tile::Layout;

/// Bytes of a cache line.
const LINE: usize = 64;
/// A cache of 64 sets, 8 ways each, holds 64 lines of a column whose rows are so long, and fewer where they are longer
/// by a power of two.
const MEETING: usize = 512;
/// Fewer rows are not worth it.
const MANY: usize = 64;

/// How a buffer lies that only kernels use. It follows from the type alone, so that all programs of a run agree on their
/// states.
pub fn of(ty: &Type) -> Layout {
    let (DType::F32, [rows @ .., row]) = (ty.dtype, ty.shape.as_slice()) else { return Layout::RowMajor };
    let meet = *row > 0 && (row * DType::F32.size()).is_multiple_of(MEETING);
    match meet && rows.iter().product::<usize>() >= MANY {
        true => Layout::Padded { pitch: row + LINE / DType::F32.size() },
        false => Layout::RowMajor,
    }
}

//! Tensors between row-major order and the layout of a buffer.

use crate::schedule::Buffer;
use crate::tile::Layout;

/// For each element in row-major order, its number in the buffer.
fn positions(buffer: &Buffer) -> Box<dyn Iterator<Item = usize>> {
    let Layout::Panel { width } = buffer.layout else { return Box::new(0..buffer.ty.elements()) };
    let (rows, cols) = (buffer.ty.shape[0], buffer.ty.shape[1]);
    Box::new((0..rows * cols).map(move |i| {
        let (row, col) = (i / cols, i % cols);
        (col / width * rows + row) * width + col % width
    }))
}

/// Row-major bytes into the buffer's layout, with zeros in its padding; `buffer.bytes()` long.
pub fn pack(data: &[u8], buffer: &Buffer) -> Vec<u8> {
    let size = buffer.ty.dtype.size();
    let mut out = vec![0; buffer.bytes()];
    for (element, at) in data.chunks_exact(size).zip(positions(buffer)) {
        out[at * size..][..size].copy_from_slice(element);
    }
    out
}

/// The row-major bytes of a buffer in its layout.
pub fn unpack(data: &[u8], buffer: &Buffer) -> Vec<u8> {
    let size = buffer.ty.dtype.size();
    if buffer.layout == Layout::RowMajor {
        return data[..buffer.ty.bytes()].to_vec();
    }
    positions(buffer).flat_map(|at| data[at * size..][..size].iter().copied()).collect()
}

pub fn floats(bytes: &[u8]) -> Vec<f32> {
    bytes.as_chunks().0.iter().map(|b| f32::from_le_bytes(*b)).collect()
}

pub fn float_bytes(floats: &[f32]) -> Vec<u8> {
    floats.iter().flat_map(|x| x.to_le_bytes()).collect()
}

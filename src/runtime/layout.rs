//! Tensors between row-major order and the layout of a buffer.

use crate::schedule::Buffer;
use crate::tile::Layout;

/// Bytes of a run of elements that lie together, and of the distance to the next.
fn runs(buffer: &Buffer) -> (usize, usize) {
    let (size, shape) = (buffer.ty.dtype.size(), &buffer.ty.shape);
    match (buffer.layout, shape.last()) {
        (Layout::Padded { pitch }, Some(row)) => (row * size, pitch * size),
        _ => (buffer.ty.bytes().max(1), buffer.bytes().max(1)),
    }
}

/// Row-major bytes into the buffer's layout, with zeros in its padding; `buffer.bytes()` long.
pub fn pack(data: &[u8], buffer: &Buffer) -> Vec<u8> {
    let (run, distance) = runs(buffer);
    let mut out = vec![0; buffer.bytes()];
    for (from, to) in data.chunks_exact(run).zip(out.chunks_mut(distance)) {
        to[..run].copy_from_slice(from);
    }
    out
}

/// The row-major bytes of a buffer in its layout.
pub fn unpack(data: &[u8], buffer: &Buffer) -> Vec<u8> {
    let (run, distance) = runs(buffer);
    let mut out = Vec::with_capacity(buffer.ty.bytes());
    for from in data.chunks(distance) {
        let left = buffer.ty.bytes() - out.len();
        out.extend_from_slice(&from[..run.min(left)]);
    }
    out
}

pub fn floats(bytes: &[u8]) -> Vec<f32> {
    bytes.as_chunks().0.iter().map(|b| f32::from_le_bytes(*b)).collect()
}

pub fn float_bytes(floats: &[f32]) -> Vec<u8> {
    floats.iter().flat_map(|x| x.to_le_bytes()).collect()
}

//! Rows of different lengths, put together batch by batch.

use super::store::Store;
use crate::ops::DType;
use crate::sema::model::{Axis, Column};
use std::io;

/// The rows of a column in which one axis varies.
pub struct Sequences {
    store: Store,
    /// Where each row ends, in steps along the axis; a row begins where the one before it ends.
    ends: Vec<u64>,
    layout: Layout,
}

/// How the elements of a row lie.
#[derive(Clone, Copy)]
pub struct Layout {
    pub dtype: DType,
    /// Elements before the axis that varies, and behind it.
    outer: usize,
    inner: usize,
}

impl Layout {
    /// Of a column in which one axis varies.
    pub fn of(column: &Column) -> Layout {
        let at = column.varying().map_or(0, |(at, _)| at);
        let size = |a: &Axis| if let Axis::Fixed(n) = a { *n } else { 1 };
        let product = |axes: &[Axis]| axes.iter().map(size).product();
        Layout { dtype: column.dtype, outer: product(&column.shape[..at]), inner: product(&column.shape[at..]) }
    }

    /// Of texts, in bytes.
    pub fn bytes() -> Layout {
        Layout { dtype: DType::U8, outer: 1, inner: 1 }
    }

    /// Elements of one step along the axis.
    pub fn step(&self) -> usize {
        self.outer * self.inner
    }
}

impl Sequences {
    pub fn new(layout: Layout) -> Sequences {
        Sequences { store: Store::default(), ends: vec![], layout }
    }

    pub fn rows(&self) -> usize {
        self.ends.len()
    }

    /// Appends a row of row-major elements.
    pub fn push(&mut self, bytes: &[u8]) -> io::Result<()> {
        let steps = bytes.len() / self.step_bytes();
        self.store.push(bytes)?;
        self.ends.push(self.end(self.rows()) + steps as u64);
        Ok(())
    }

    /// Bytes of one step along the axis.
    pub fn step_bytes(&self) -> usize {
        self.layout.step() * self.layout.dtype.size()
    }

    /// Where the first `rows` rows end.
    fn end(&self, rows: usize) -> u64 {
        if rows == 0 { 0 } else { self.ends[rows - 1] }
    }

    pub fn length(&self, row: usize) -> usize {
        (self.end(row + 1) - self.end(row)) as usize
    }

    /// The bytes of a row.
    pub fn bytes(&self, row: usize, out: &mut Vec<u8>) -> io::Result<()> {
        out.resize(self.length(row) * self.step_bytes(), 0);
        self.store.read(self.end(row) * self.step_bytes() as u64, out)
    }

    /// Writes a row into its place in a batch, padded with zeros to so many steps. `row_bytes` is memory to use again.
    pub fn read(&self, row: usize, padded: usize, row_bytes: &mut Vec<u8>, out: &mut [u8]) -> io::Result<()> {
        let length = self.length(row);
        self.bytes(row, row_bytes)?;
        let inner = self.layout.inner * self.layout.dtype.size();
        out.fill(0);
        for part in 0..self.layout.outer {
            let from = &row_bytes[part * length * inner..(part + 1) * length * inner];
            out[part * padded * inner..][..from.len()].copy_from_slice(from);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sema::model::Reading;
    use crate::source::Span;

    fn sequences(shape: Vec<Axis>, rows: &[&[u8]]) -> Sequences {
        let column = Column {
            name: "x".into(),
            stored: "x".into(),
            reading: Reading::Number,
            dtype: DType::U8,
            shape,
            span: Span::default(),
        };
        let mut sequences = Sequences::new(Layout::of(&column));
        rows.iter().for_each(|r| sequences.push(r).unwrap());
        sequences
    }

    fn read(sequences: &Sequences, row: usize, padded: usize) -> Vec<u8> {
        let mut out = vec![9; padded * sequences.layout.step()];
        sequences.read(row, padded, &mut vec![], &mut out).unwrap();
        out
    }

    #[test]
    fn rows_are_padded_at_their_end() {
        let time = || Axis::Varying("T".into());
        let plain = sequences(vec![time()], &[&[1, 2, 3], &[], &[4]]);
        assert_eq!((0..3).map(|r| plain.length(r)).collect::<Vec<_>>(), [3, 0, 1]);
        assert_eq!(read(&plain, 0, 4), [1, 2, 3, 0]);
        assert_eq!(read(&plain, 1, 1), [0]);
        assert_eq!(read(&plain, 2, 3), [4, 0, 0]);
        let pairs = sequences(vec![time(), Axis::Fixed(2)], &[&[1, 2, 3, 4], &[5, 6]]);
        assert_eq!(read(&pairs, 1, 2), [5, 6, 0, 0]);
        assert_eq!(read(&pairs, 0, 2), [1, 2, 3, 4]);
    }

    #[test]
    fn the_axis_may_be_behind_another() {
        let channels = sequences(vec![Axis::Fixed(2), Axis::Varying("T".into())], &[&[1, 2, 3, 7, 8, 9]]);
        assert_eq!(channels.length(0), 3);
        assert_eq!(read(&channels, 0, 4), [1, 2, 3, 0, 7, 8, 9, 0]);
    }
}

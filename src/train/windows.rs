//! Windows of a text as the rows of a phase.

use super::batches::RowSet;
use super::data::text::Piece;
use super::data::{Part, Stored};
use crate::sema::model::{Axis, Data, Phase, Windows};
use std::io;

/// A piece of a text, cut as a pipeline says.
#[derive(Clone, Copy)]
pub struct TextRows<'a> {
    piece: &'a Piece,
    windows: Windows,
    /// Rows of each lane, and how far the next lane is, where there are lanes.
    lanes: Option<Lane>,
    count: u64,
}

#[derive(Clone, Copy)]
struct Lane {
    rows: u64,
    units: u64,
}

/// The windows of a phase over a text; `None` over anything else.
pub fn of<'a>(phase: &Phase, data: &Data, part: &'a Part) -> Option<TextRows<'a>> {
    let piece = part.columns.iter().find_map(|(_, c)| if let Stored::Text(piece) = c { Some(piece) } else { None })?;
    let pipeline = &phase.pipeline;
    // Without a pipeline, the field says how long they are.
    let windows = pipeline.windows.or_else(|| match data.columns.first()?.shape[..] {
        [Axis::Fixed(length)] => Some(Windows { length, stride: length }),
        _ => None,
    })?;
    let lane = |lanes: u64| {
        let units = piece.units() / lanes;
        Lane { rows: windows.count(units), units }
    };
    let lanes = pipeline.lanes.then(|| lane(pipeline.batch as u64));
    let count = lanes.map_or(windows.count(piece.units()), |lane| lane.rows * pipeline.batch as u64);
    Some(TextRows { piece, windows, lanes, count })
}

impl TextRows<'_> {
    pub fn rows(&self) -> RowSet {
        RowSet::All(self.count)
    }

    /// Bytes of a window.
    pub fn bytes(&self) -> usize {
        4 * self.windows.length
    }

    /// Reads a window as little-endian i32.
    pub fn read(&self, row: u64, bytes: &mut Vec<u8>, out: &mut [u8]) -> io::Result<()> {
        let start = match self.lanes {
            None => row * self.windows.stride as u64,
            Some(lane) => row / lane.rows * lane.units + row % lane.rows * self.windows.stride as u64,
        };
        self.piece.read(start, bytes, out)
    }
}

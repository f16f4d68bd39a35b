//! Checks hold until a kernel meets an element that does not: all are set by one kernel, before the others.

use super::Spot;
use crate::ops::{DType, Literal};
use crate::schedule::build::{Builder, ONE, Source};
use crate::schedule::index::Coord;
use crate::tile::{Kernel, StoreMode};

/// Sets all of these; `None` where there is none.
pub fn build(spots: &[Spot]) -> Option<(Kernel, Vec<Spot>)> {
    spots.first()?;
    let mut b = Builder::new();
    let holds = b.constant(Literal::Bool(true), DType::Bool, (ONE, ONE));
    for &spot in spots {
        let source = Source { spot, dtype: DType::Bool, shape: vec![] };
        b.store(source, &Coord::from_dims(&[], vec![]), holds, StoreMode::Set);
    }
    Some(b.finish("checks".into()))
}

//! Codes E01xx: names and definitions.

use super::Explanation;

pub const ALL: &[Explanation] = &[];

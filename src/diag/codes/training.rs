//! Codes E05xx: training blocks and data declarations.

use super::Explanation;

pub const ALL: &[Explanation] = &[];

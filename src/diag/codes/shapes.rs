//! Codes E03xx: shapes and dimensions.

use super::Explanation;

pub const ALL: &[Explanation] = &[];

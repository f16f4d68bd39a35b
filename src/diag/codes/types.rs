//! Codes E02xx: types.

use super::Explanation;

pub const ALL: &[Explanation] = &[];

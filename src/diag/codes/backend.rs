//! Codes E09xx: the back end.

use super::Explanation;

pub const ALL: &[Explanation] = &[];

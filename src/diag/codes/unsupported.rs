//! Codes E06xx: what is not supported yet.

use super::Explanation;

pub const ALL: &[Explanation] = &[];

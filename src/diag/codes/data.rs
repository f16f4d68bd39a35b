//! Codes E07xx: data at run time.

use super::Explanation;

pub const ALL: &[Explanation] = &[];

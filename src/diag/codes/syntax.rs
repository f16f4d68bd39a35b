//! Codes E00xx: syntax.

use super::Explanation;

pub const ALL: &[Explanation] = &[];

//! Codes E04xx: layers, instances and parameters.

use super::Explanation;

pub const ALL: &[Explanation] = &[];

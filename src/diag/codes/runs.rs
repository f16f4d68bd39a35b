//! Codes E08xx: checkpoints and runs.

use super::Explanation;

pub const ALL: &[Explanation] = &[];

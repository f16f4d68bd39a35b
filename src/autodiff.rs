//! Reverse-mode differentiation: expands every `Op::Grad`.

//! Optimising passes over tensor IR.

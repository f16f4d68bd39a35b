//! The pipelines as literal lists.

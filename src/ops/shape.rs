//! Shape rules.

//! The standard library's sources, embedded in the binary.

/// Display name (`std/dense.nn`) and text of each file.
pub const FILES: &[(&str, &str)] = include!(concat!(env!("OUT_DIR"), "/stdlib.rs"));

//! Progress and notes on standard error. A terminal that has gone away must not end a training.

use std::fmt::Display;
use std::io::Write;

/// A line on standard error; that nobody reads it is no error.
pub fn note(line: impl Display) {
    let _ = writeln!(std::io::stderr(), "{line}");
}

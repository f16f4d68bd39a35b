//! Every error code with its title and explanation: the source of `nnc explain`.
//!
//! One file per range. A code, once released, never changes its meaning.

mod backend;
mod data;
mod layers;
mod loops;
mod machine;
mod names;
mod operands;
mod operations;
mod runs;
mod shapes;
mod syntax;
mod training;
mod types;
mod unsupported;

use super::Code;

pub struct Explanation {
    pub code: Code,
    pub title: &'static str,
    /// Markdown: what the error means, an example that causes it, and how to mend it.
    pub text: &'static str,
}

const RANGES: [&[Explanation]; 14] = [
    syntax::ALL,
    names::ALL,
    types::ALL,
    operands::ALL,
    shapes::ALL,
    operations::ALL,
    layers::ALL,
    training::ALL,
    unsupported::ALL,
    loops::ALL,
    data::ALL,
    runs::ALL,
    backend::ALL,
    machine::ALL,
];

/// All explanations in ascending order of code.
pub fn all() -> impl Iterator<Item = &'static Explanation> {
    RANGES.into_iter().flatten()
}

pub fn explain(code: Code) -> Option<&'static Explanation> {
    all().find(|e| e.code == code)
}

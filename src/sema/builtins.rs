//! The functions of the language that are not written in it: one table per topic.
//!
//! An entry is a signature, a line of documentation and a function over the graph under construction. The signature
//! is what a hover shows and what calls are bound against (see [`args`]): there is no second list of parameters.
//! What can be said in the language itself stands in `std/*.nn` instead.

pub mod args;
mod creation;
mod index;
mod lists;
mod math;
mod nn;
mod random;
mod reduce;
mod shape;

#[cfg(test)]
mod tests;

use super::emit::{Checked, Emit};
use super::value::{Call, Value};
use args::Args;

/// One built-in function.
pub struct Builtin {
    /// `sum(x: f32[*S], axis: int = all) -> f32`; the text before the bracket is the name.
    pub signature: &'static str,
    /// One line.
    pub doc: &'static str,
    body: Body,
}

/// Computes the result of a call whose arguments are bound.
type Body = fn(&mut Emit, &Args<'_>) -> Checked<Value>;

impl Builtin {
    pub fn name(&self) -> &'static str {
        self.signature.split('(').next().unwrap_or_default()
    }

    /// Binds the arguments and computes; errors that no argument causes stand at the call.
    pub fn run(&self, emit: &mut Emit, call: &Call<'_>) -> Checked<Value> {
        emit.origin.span = call.span;
        (self.body)(emit, &Args::bind(self.signature, call)?)
    }
}

const fn entry(signature: &'static str, doc: &'static str, body: Body) -> Builtin {
    Builtin { signature, doc, body }
}

const TOPICS: [&[Builtin]; 8] =
    [math::TABLE, reduce::TABLE, shape::TABLE, index::TABLE, creation::TABLE, nn::TABLE, random::TABLE, lists::TABLE];

pub fn all() -> impl Iterator<Item = &'static Builtin> {
    TOPICS.into_iter().flatten()
}

pub fn names() -> impl Iterator<Item = &'static str> {
    all().map(Builtin::name)
}

pub fn lookup(name: &str) -> Option<&'static Builtin> {
    all().find(|b| b.name() == name)
}

//! The checker: Ast to [`model::Model`]. Scopes, names, symbolic dimensions, compile-time evaluation and
//! elaboration of layers, optimizers and phases to graphs of primitive operations.

pub mod builtins;
pub mod emit;
pub mod model;
pub mod value;

//! nnc: a compiler for a small language that describes neural networks and how they are trained.
//!
//! The pipeline is a straight line, and the modules show it: [`source`] and [`diag`], [`syntax`] (text to Ast),
//! [`ops`] (every tensor operation once), [`sema`] (Ast to model), [`lower`] (model to [`tensor`] IR), [`autodiff`],
//! [`opt`], [`schedule`] (tensor IR to [`tile`] IR, step program and memory plan), [`lane`] IR, [`codegen`] (machine
//! code), [`runtime`], [`train`]. Only [`driver`] sequences the stages; [`cli`] talks to people.

pub mod autodiff;
pub mod cli;
pub mod codegen;
pub mod diag;
pub mod driver;
pub mod lane;
pub mod lower;
pub mod ops;
pub mod opt;
pub mod pass;
pub mod passes;
pub mod runtime;
pub mod schedule;
pub mod sema;
pub mod source;
pub mod syntax;
pub mod tensor;
pub mod tile;
pub mod train;

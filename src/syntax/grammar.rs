//! The generated parser: the only module that names the grammar file.

#[derive(pest_derive::Parser)]
#[grammar = "../grammar/nn.pest"]
pub(super) struct Grammar;

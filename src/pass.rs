//! What a pass is: a name, a description and a function on tensor IR.

use crate::tensor::Graph;

pub struct Pass {
    pub name: &'static str,
    pub description: &'static str,
    pub run: fn(Graph) -> Graph,
}

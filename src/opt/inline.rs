//! Replaces every composite by its body.

use super::{in_regions, rewrite};
use crate::ops::Op;
use crate::tensor::Graph;

pub fn inline(graph: Graph) -> Graph {
    let mut graph = in_regions(graph, inline);
    let is_composite = |op: &Op| matches!(op, Op::Composite { .. });
    while graph.insts.iter().any(|inst| is_composite(&inst.op)) {
        graph = rewrite(graph, |r, inst| is_composite(&inst.op).then(|| r.b.splice(&inst.regions[0], &inst.args)));
    }
    graph
}

//! The pipelines as literal lists.

use crate::autodiff::expand_grads;
use crate::opt::{
    cse::cse, dce::dce, hoist::hoist, inline::inline, narrow::narrow, raise::raise, segment::segment,
    simplify::simplify, sink::sink,
};
use crate::pass::{Pass, run_pipeline};
use crate::tensor::Graph;

const SIMPLIFY: Pass =
    Pass { name: "simplify", description: "identities, constants, moves that cancel", run: simplify };
const CSE: Pass = Pass { name: "cse", description: "compute equal expressions once", run: cse };
const HOIST: Pass = Pass { name: "hoist", description: "move what needs no carry before its loop", run: hoist };
const DCE: Pass = Pass { name: "dce", description: "drop what no output needs", run: dce };

/// From the lowered program to one with all gradients as ordinary operations (stage `grad`).
pub const GRAD: &[Pass] = &[
    Pass { name: "raise", description: "recognise what was written by hand", run: raise },
    DCE,
    // Before products move out of loops: out of a segment, but not out of all of them.
    Pass { name: "segment", description: "divide loops with checkpoints", run: segment },
    HOIST,
    Pass { name: "autodiff", description: "expand gradients by reverse mode", run: expand_grads },
    DCE,
];

/// From there to what the scheduler takes (stage `opt`).
pub const OPT: &[Pass] = &[
    Pass { name: "inline", description: "replace composites by their bodies", run: inline },
    SIMPLIFY,
    CSE,
    DCE,
    // Sums before what they are of: a sum of products is one product.
    Pass { name: "sink", description: "move sums and products behind their loop", run: sink },
    HOIST,
    SIMPLIFY,
    CSE,
    DCE,
    Pass { name: "narrow", description: "leave out rows that nobody needs or that are zero", run: narrow },
    SIMPLIFY,
    CSE,
    DCE,
];

/// Runs one of the lists; in debug builds the program is checked after each pass.
pub fn run(graph: Graph, passes: &[Pass]) -> Result<Graph, String> {
    run_pipeline(graph, passes, cfg!(debug_assertions))
}

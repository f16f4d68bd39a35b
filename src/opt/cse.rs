//! Common subexpressions: of equal instructions on equal arguments only the first stays.
//!
//! Every operation is a function of its arguments and attributes (random bits too); only inputs are left alone.

use super::{in_regions, rewrite};
use crate::ops::{Binary, Compare, Op, Type};
use crate::tensor::{Graph, Inst, Value};
use std::collections::HashMap;

/// Operation and attributes as text (which keeps NaN and -0 apart from other numbers), arguments, result type.
type Key = (String, Vec<Value>, Type);

pub fn cse(graph: Graph) -> Graph {
    let mut seen: HashMap<Key, Vec<Value>> = HashMap::new();
    rewrite(in_regions(graph, cse), |r, inst| {
        if matches!(inst.op, Op::Input { .. }) || !inst.regions.is_empty() {
            return None;
        }
        let key = (format!("{:?}", inst.op), ordered(inst), r.b.ty(inst.results[0]));
        let first = seen.entry(key).or_insert_with(|| inst.results.clone());
        (*first != inst.results).then(|| first.clone())
    })
}

/// The arguments; those of a commutative operation in the order of their numbers.
fn ordered(inst: &Inst) -> Vec<Value> {
    let mut args = inst.args.clone();
    let commutes = matches!(
        inst.op,
        Op::Binary(Binary::Add | Binary::Mul | Binary::And | Binary::Or | Binary::Xor)
            | Op::Compare(Compare::Eq | Compare::Ne)
    );
    if commutes {
        args.sort_unstable();
    }
    args
}

//! What a gradient passes through: the values that depend on what it is taken by, and those that the loss depends on.
//!
//! In a loop both go around: a carry is active where the step makes it depend on something active, and wanted where a
//! later step puts it into something wanted. The sets of a body are the least ones that are closed under this.

use crate::ops::{Binary, Extent, Op, Unary};
use crate::tensor::scan::{Scan, Values};
use crate::tensor::{Graph, Inst, Origin, Value};

/// Operations whose derivative is zero almost everywhere, or zero by decree. What a gradient that is not expanded yet
/// passes through is seen only afterwards.
fn is_flat<D>(op: &Op<D>) -> bool {
    matches!(
        op,
        Op::StopGradient
            | Op::Grad
            | Op::Bitcast(_)
            | Op::Unary(Unary::Sign | Unary::Floor | Unary::Ceil | Unary::RoundEven)
            | Op::Binary(Binary::FloorDiv)
    )
}

/// The float values that depend differentiably on one of `wrt`.
pub fn active<D: Extent>(graph: &Graph<D>, wrt: impl IntoIterator<Item = Value>) -> Values {
    let is_float = |v: &Value| graph.ty(*v).dtype.is_float();
    let mut active: Values = wrt.into_iter().filter(is_float).collect();
    for inst in &graph.insts {
        if let Some(scan) = Scan::of(inst) {
            let inside = active_inside(&scan, &active);
            active.extend(active_results(&scan, &active, &inside));
        } else if !is_flat(&inst.op) && inst.args.iter().any(|v| active.contains(v)) {
            active.extend(inst.results.iter().copied().filter(is_float));
        }
    }
    active
}

/// The active values of a scan's body.
pub fn active_inside<D: Extent>(scan: &Scan<D>, active: &Values) -> Values {
    scan.forward(|arg| active.contains(&arg), |seeds| self::active(scan.body, seeds.iter().copied()))
}

fn active_results<D: Extent>(scan: &Scan<D>, active: &Values, inside: &Values) -> Vec<Value> {
    let finals = scan.finals.iter().zip(scan.inits).zip(scan.carry_inputs());
    if scan.length.known() == Some(0) {
        return finals.filter(|((_, init), _)| active.contains(init)).map(|((last, _), _)| *last).collect();
    }
    let finals = finals.filter(|(_, input)| inside.contains(input)).map(|((last, _), _)| *last);
    let ys = scan.ys.iter().zip(scan.slices()).filter(|(_, slice)| inside.contains(slice)).map(|(y, _)| *y);
    finals.chain(ys).collect()
}

/// The float values that one of `from` depends on differentiably.
pub fn wanted<D: Extent>(graph: &Graph<D>, from: impl IntoIterator<Item = Value>) -> Values {
    let is_float = |v: &Value| graph.ty(*v).dtype.is_float();
    let mut wanted: Values = from.into_iter().filter(is_float).collect();
    for inst in graph.insts.iter().rev().filter(|inst| !is_flat(&inst.op)) {
        if !inst.results.iter().any(|v| wanted.contains(v)) {
            continue;
        }
        match Scan::of(inst) {
            Some(scan) => wanted.extend(wanted_args(&scan, &wanted)),
            None => wanted.extend(inst.args.iter().copied().filter(is_float)),
        }
    }
    wanted
}

/// The wanted values of a scan's body.
pub fn wanted_inside<D: Extent>(scan: &Scan<D>, wanted: &Values) -> Values {
    scan.backward(|result| wanted.contains(&result), |seeds| self::wanted(scan.body, seeds.iter().copied()))
}

fn wanted_args<D: Extent>(scan: &Scan<D>, wanted: &Values) -> Vec<Value> {
    if scan.length.known() == Some(0) {
        let kept = scan.inits.iter().zip(scan.finals).filter(|(_, result)| wanted.contains(result));
        return kept.map(|(init, _)| *init).collect();
    }
    args_of(scan, &wanted_inside(scan, wanted))
}

/// The arguments whose inputs of the body are in a set.
fn args_of<D>(scan: &Scan<D>, inside: &Values) -> Vec<Value> {
    scan.bound().filter(|(input, _)| inside.contains(input)).map(|(_, arg)| arg).collect()
}

/// Values that reach a `where` or something masked with no contraction between.
fn masked(graph: &Graph, from: &Values) -> Values {
    let mut masked = from.clone();
    for inst in graph.insts.iter().rev() {
        spread_mask(inst, &mut masked);
    }
    masked
}

/// The masked values of a scan's body.
pub fn masked_inside(scan: &Scan, masked: &Values) -> Values {
    scan.backward(|result| masked.contains(&result), |seeds| self::masked(scan.body, seeds))
}

/// Passes the mask of an instruction's results on to its arguments.
pub fn spread_mask(inst: &Inst, masked: &mut Values) {
    if let Some(scan) = Scan::of(inst) {
        let inside = masked_inside(&scan, masked);
        return masked.extend(args_of(&scan, &inside));
    }
    let from_result = inst.results.iter().any(|v| masked.contains(v)) && !is_contraction(&inst.op);
    if from_result || matches!(inst.op, Op::Select) {
        masked.extend(&inst.args);
    }
}

fn is_contraction(op: &Op) -> bool {
    matches!(
        op,
        Op::Dot { .. }
            | Op::Conv { .. }
            | Op::ConvInputGrad { .. }
            | Op::ConvWeightGrad { .. }
            | Op::Attention { .. }
            | Op::AttentionGrad { .. }
            | Op::AttentionBiasGrad { .. }
    )
}

/// A loop that ends on a condition, and that a gradient would have to pass through.
pub fn obstacle<D: Extent>(graph: &Graph<D>, active: &Values, wanted: &Values) -> Option<Origin> {
    graph.insts.iter().find_map(|inst| {
        let scan = Scan::of(inst)?;
        if !inst.results.iter().any(|v| active.contains(v) && wanted.contains(v)) {
            return None;
        }
        if scan.while_carry {
            return Some(inst.origin.clone());
        }
        obstacle(scan.body, &active_inside(&scan, active), &wanted_inside(&scan, wanted))
    })
}

//! Which values get a buffer.

use super::{is_leaf, own_kernel, place, probe};
use crate::ops::{Binary, Op, Unary};
use crate::schedule::context::Context;
use crate::schedule::index::Axis;
use crate::schedule::legalize::wants_rows;
use crate::tensor::{Inst, Value};
use std::collections::HashSet;

/// For each value, whether it lives in memory (or in registers of the group that computes it), not in its readers.
pub fn realise(cx: &Context) -> Vec<bool> {
    let outputs: HashSet<Value> = cx.outputs().collect();
    let mut realised = vec![false; cx.graph.types.len()];
    let mut costs = vec![0; cx.graph.types.len()];
    // Follows from the place of an element alone.
    let mut of_places = vec![false; cx.graph.types.len()];
    for inst in &cx.graph.insts {
        for result in &inst.results {
            let at = result.0 as usize;
            costs[at] = cost(inst, &costs);
            of_places[at] = !own_buffer(&inst.op) && inst.args.iter().all(|a| of_places[a.0 as usize]);
            let cheap = of_places[at] && costs[at] <= PLACES;
            realised[at] = own_buffer(&inst.op)
                || picks_few(cx, *result)
                || outputs.contains(result)
                || demanded(cx, *result, &realised, costs[at])
                || !cheap && worthwhile(cx, *result, costs[at]);
            if realised[at] {
                costs[at] = 0;
            }
        }
    }
    realised
}

/// The cost of computing each value from realised ones, its own operation included.
pub fn costs(cx: &Context, realised: &[bool]) -> Vec<usize> {
    let mut costs = vec![0; cx.graph.types.len()];
    let mut inline = costs.clone();
    for inst in &cx.graph.insts {
        for result in &inst.results {
            let at = result.0 as usize;
            costs[at] = cost(inst, &inline);
            inline[at] = if realised[at] { 0 } else { costs[at] };
        }
    }
    costs
}

/// Instructions per element, about.
fn cost(inst: &Inst, costs: &[usize]) -> usize {
    let args: usize = inst.args.iter().map(|a| costs[a.0 as usize]).sum();
    args.saturating_add(weight(&inst.op)).min(1 << 20)
}

fn weight(op: &Op) -> usize {
    match op {
        Op::Unary(Unary::Sqrt) | Op::Binary(Binary::Div) => 4,
        Op::Unary(Unary::Exp | Unary::Expm1 | Unary::Log | Unary::Log1p) => 14,
        Op::Unary(Unary::Sin | Unary::Cos | Unary::Tanh | Unary::Erf) => 20,
        Op::Binary(Binary::Pow | Binary::Rem | Binary::FloorDiv) => 30,
        Op::Unary(_) | Op::Binary(_) | Op::Compare(_) | Op::Select | Op::Cast(_) | Op::Bitcast(_) => 1,
        Op::Philox { .. } => 60,
        Op::Iota { .. } | Op::Concat { .. } | Op::Pad { .. } => 1,
        Op::Take { .. } | Op::TakeAlong { .. } | Op::DynamicSlice { .. } => 3,
        Op::DynamicUpdate => 6,
        Op::WindowSumGrad { window, .. } => window.size[0] * window.size[1],
        Op::WindowScatter { window, .. } => {
            let covers = |i: usize| window.size[i].div_ceil(window.stride[i]);
            4 * covers(0) * covers(1)
        }
        Op::WindowSum { .. } | Op::WindowArgMax { .. } | Op::WindowGather { .. } => 40,
        _ => 0,
    }
}

fn own_buffer(op: &Op) -> bool {
    let window = matches!(op, Op::WindowSum { .. } | Op::WindowArgMax { .. } | Op::WindowGather { .. });
    is_leaf(op) || own_kernel(op) || window
}

/// A few elements of a large value: whoever needs them then need not keep all of it.
pub fn picks_few(cx: &Context, value: Value) -> bool {
    matches!(cx.op(value), Op::TakeAlong { .. }) && cx.elements(value) * 64 <= cx.elements(cx.arg(value, 0))
}

/// Readers that need it in memory.
fn demanded(cx: &Context, value: Value, realised: &[bool], cost: usize) -> bool {
    cx.users(value).any(|user| {
        let args = user.args.iter().enumerate().filter(|(_, a)| **a == value);
        args.into_iter().any(|(position, _)| match (&user.op, position) {
            (Op::Dot { .. }, 0) => cost > 0 || !is_strided(cx, value, realised, reads_rows(cx, user)),
            (Op::Dot { .. } | Op::Conv { .. } | Op::ConvWeightGrad { .. }, _) => {
                cost > 0 || !is_strided(cx, value, realised, position == 1)
            }
            (Op::Attention { .. } | Op::AttentionGrad { .. } | Op::AttentionBiasGrad { .. }, _) => {
                attention_demands(cx, &user.op, position, value, realised, cost)
            }
            (Op::WindowSum { .. } | Op::WindowArgMax { .. } | Op::WindowGather { .. }, 0) => cost > 0,
            (Op::Take { .. } | Op::TakeAlong { .. }, 0) => cost > 0,
            (Op::WindowScatter { .. }, 0) | (Op::WindowSumGrad { .. }, 0) => cost > 2,
            (Op::WindowGather { .. } | Op::WindowScatter { .. }, 1) => true,
            (Op::CumSum { .. }, _) => cost > 30,
            (Op::Scan { .. }, _) => true,
            // What computes is stored, not each of its reshapes.
            (Op::Reshape { .. }, _) => cost > 0 && demanded(cx, user.results[0], realised, cost),
            _ => false,
        })
    })
}

/// Whether the left side of a dot has to lie as `M K`.
fn reads_rows(cx: &Context, dot: &Inst) -> bool {
    let Op::Dot { lhs_contract, .. } = &dot.op else { return false };
    let [.., k, n] = cx.shape(dot.args[1])[..] else { return false };
    let left = cx.shape(dot.args[0]);
    let is_last = lhs_contract[0] + 1 == left.len();
    is_last && wants_rows([left[left.len() - 2], k, n])
}

/// Operands of attention's products lie in memory, and those on the right side row by row. Masks and biases are computed
/// element by element in its kernels.
fn attention_demands(cx: &Context, op: &Op, position: usize, value: Value, realised: &[bool], cost: usize) -> bool {
    let (scores, right) = match op {
        Op::Attention { scores } => (scores, vec![1, 2]),
        Op::AttentionGrad { scores } => {
            let behind = scores.arguments();
            (scores, vec![0, 1, 2, behind + 1, behind + 3])
        }
        Op::AttentionBiasGrad { scores } => (scores, vec![1, 2]),
        _ => return false,
    };
    let is_operand = position < 3 || [1, 3].contains(&position.wrapping_sub(scores.arguments()));
    is_operand && (cost > 0 || !is_strided(cx, value, realised, right.contains(&position)))
}

/// Masks, biases and dropped weights: an attention reads them element by element, next to whole products.
fn is_absorbed(cx: &Context, value: Value) -> bool {
    let absorbs = |user: &Inst| {
        let (Op::Attention { scores } | Op::AttentionGrad { scores } | Op::AttentionBiasGrad { scores }) = &user.op
        else {
            return false;
        };
        let own = user.args.iter().enumerate().filter(|(_, a)| **a == value);
        own.into_iter().all(|(position, _)| (3..scores.arguments()).contains(&position))
    };
    let mut users = cx.users(value).peekable();
    users.peek().is_some() && users.all(absorbs)
}

/// Whether a value is one buffer read with fixed strides, none of them 0 (but for a batch), and along its last axis one
/// after the other if `rows`.
fn is_strided(cx: &Context, value: Value, realised: &[bool], rows: bool) -> bool {
    let reads = probe(cx, value, realised, &|_| false);
    let [read] = reads.log.as_slice() else { return false };
    let plain = read.leaf.is_some() && !read.guarded && read.at.is_affine() && read.at.tiles().is_empty();
    let axes = place(cx.shape(value)).0;
    let stride = |axis: &Axis| if axis.size == 1 { Some(1) } else { read.at.coefficient(*axis) };
    let contiguous = axes.last().is_none_or(|axis| stride(axis) == Some(1));
    plain && axes.iter().skip(axes.len().saturating_sub(2)).all(|a| stride(a) != Some(0)) && (contiguous || !rows)
}

/// A buffer saves more work than its traffic costs.
fn worthwhile(cx: &Context, value: Value, cost: usize) -> bool {
    if cost <= 2 {
        return false;
    }
    if is_absorbed(cx, value) {
        return cost > ABSORBED && cx.elements(value) <= LARGE_MASK;
    }
    let users = cx.users(value).count();
    users > 1 || cost > 400 || is_expanded(cx, value, cost, cx.elements(value))
}

/// Masks and distances of places that cost no more are faster made than read.
const PLACES: usize = 12;
/// What attention computes for each score without noticing; and the most elements that a mask or bias of a higher cost
/// may have to get a buffer, which must not grow with the square of the length.
const ABSORBED: usize = 30;
const LARGE_MASK: usize = 1 << 20;

/// Some reader repeats it many times over.
fn is_expanded(cx: &Context, value: Value, cost: usize, elements: usize) -> bool {
    cx.users(value).any(|user| {
        let result = user.results[0];
        match user.op {
            Op::Broadcast { .. } if cost <= ABSORBED && is_absorbed(cx, result) => false,
            Op::Broadcast { .. } => cx.elements(result) >= 4 * elements,
            Op::Reshape { .. } => is_expanded(cx, result, cost, elements),
            _ => false,
        }
    })
}

//! What a graph costs: floating-point operations and bytes of results, for `summary` and for tests of counts.

use super::{Graph, Inst, Origin};
use crate::ops::{Op, Type, Window};

/// FLOPs of the instructions whose origin is wanted. A fused multiply-add counts two; moves count nothing.
pub fn flops(graph: &Graph, wanted: impl Fn(&Origin) -> bool + Copy) -> u64 {
    graph.insts.iter().map(|i| inst_flops(graph, i, wanted)).sum()
}

/// Bytes of all results of the wanted instructions that a naive evaluation would store.
pub fn bytes(graph: &Graph, wanted: impl Fn(&Origin) -> bool) -> u64 {
    let computed = graph.insts.iter().filter(|i| wanted(&i.origin) && !is_free(&i.op));
    computed.flat_map(|i| &i.results).map(|&v| graph.ty(v).bytes() as u64).sum()
}

fn is_free(op: &Op) -> bool {
    matches!(op, Op::Input { .. } | Op::Const(_) | Op::Reshape { .. } | Op::Broadcast { .. } | Op::StopGradient)
}

fn inst_flops(graph: &Graph, inst: &Inst, wanted: impl Fn(&Origin) -> bool + Copy) -> u64 {
    if let Op::Composite { .. } = inst.op {
        return flops(&inst.regions[0], wanted);
    }
    if let Op::Scan { length, .. } = inst.op {
        return length as u64 * flops(&inst.regions[0], wanted);
    }
    if !wanted(&inst.origin) {
        return 0;
    }
    let arg = |i: usize| graph.ty(inst.args[i]);
    let result = || graph.ty(inst.results[0]).elements() as u64;
    let window = |w: &Window| (w.size[0] * w.size[1]) as u64;
    match &inst.op {
        Op::Unary(_) | Op::Binary(_) | Op::Compare(_) | Op::Select => result(),
        Op::Reduce { .. } | Op::ArgMax { .. } | Op::ArgMin { .. } | Op::CumSum { .. } => arg(0).elements() as u64,
        Op::Dot { lhs_contract, .. } => 2 * result() * along(arg(0), lhs_contract),
        Op::Conv { window: w, .. } => 2 * result() * window(w) * arg(1).shape[2] as u64,
        Op::ConvInputGrad { window: w, .. } => 2 * arg(0).elements() as u64 * window(w) * arg(1).shape[2] as u64,
        Op::ConvWeightGrad { .. } => {
            let outputs: usize = arg(1).shape[..3].iter().product();
            2 * result() * outputs as u64
        }
        Op::WindowSum { window: w } | Op::WindowArgMax { window: w } => result() * window(w),
        Op::ScatterAdd { .. } | Op::ScatterAddAlong { .. } => arg(0).elements() as u64,
        Op::Attention { .. } => attention_products(graph, inst, [1, 1]),
        Op::AttentionGrad { .. } => attention_products(graph, inst, [3, 2]),
        Op::AttentionBiasGrad { .. } => attention_products(graph, inst, [1, 1]),
        _ => 0,
    }
}

/// So many products of all queries with all keys over the width of keys, and over that of values.
fn attention_products(graph: &Graph, inst: &Inst, [of_keys, of_values]: [usize; 2]) -> u64 {
    let [q, k, v] = [0, 1, 2].map(|i| &graph.ty(inst.args[i]).shape);
    let square = q[0] * q[1] * q[2] * k[2];
    2 * (square * (of_keys * q[3] + of_values * v[3])) as u64
}

fn along(ty: &Type, axes: &[usize]) -> u64 {
    axes.iter().map(|&a| ty.shape[a] as u64).product()
}

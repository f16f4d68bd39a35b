//! Attention written as a product, a softmax and a product.
//!
//! The pattern is `dot(keep(softmax(mask(scale · dot(q, k) + bias))), v)`, all but the products optional, with the axes
//! of `einsum` in any order: queries, keys and values share batch axes, the softmax runs along the keys, and nobody else
//! looks at anything between the products. Every other program stays as it is.

use super::mask::{Mask, Sides};
use super::program::Program;
use super::scores::{Chain, Placed, chain};
use super::softmax::{Softmax, softmax};
use crate::ops::{Binary, Op, Scores, Type};
use crate::opt::Rewriter;
use crate::tensor::{Graph, Inst, OutputRole, Value};
use std::collections::{HashMap, HashSet};

/// Who reads each value, by the first result of the reader; outputs and gradients read for the world outside.
pub struct Readers {
    of: HashMap<Value, Vec<Value>>,
    outside: HashSet<Value>,
}

impl Readers {
    pub fn new(graph: &Graph, watched: &HashSet<Value>) -> Readers {
        let mut readers = Readers { of: HashMap::new(), outside: watched.clone() };
        for output in &graph.outputs {
            readers.outside.insert(output.value);
            if let OutputRole::Report { weight } = output.role {
                readers.outside.insert(weight);
            }
        }
        for inst in &graph.insts {
            for arg in &inst.args {
                readers.of.entry(*arg).or_default().extend(inst.results.first());
            }
        }
        readers
    }
}

/// The attention that an instruction ends, if it does.
pub fn attention(r: &mut Rewriter, inst: &Inst, readers: &Readers) -> Option<Value> {
    let Op::Dot { .. } = inst.op else { return None };
    let found = [0, 1].into_iter().find_map(|side| Match::of(&*r, inst, side))?;
    found.is_closed(r, inst, readers).then(|| found.emit(r))
}

/// The axes of an operand of a product, in the order of the product's result.
struct Operand {
    value: Value,
    batch: Vec<usize>,
    free: Vec<usize>,
    contract: Vec<usize>,
}

impl Operand {
    fn of(p: &dyn Program, inst: &Inst, side: usize) -> Operand {
        let Op::Dot { lhs_batch, rhs_batch, lhs_contract, rhs_contract } = &inst.op else { unreachable!("a product") };
        let (batch, contract) = [(lhs_batch, lhs_contract), (rhs_batch, rhs_contract)][side];
        let rank = p.shape(inst.args[side]).len();
        let free = (0..rank).filter(|a| !batch.contains(a) && !contract.contains(a)).collect();
        Operand { value: inst.args[side], batch: batch.clone(), free, contract: contract.clone() }
    }

    fn shape(&self, p: &dyn Program, axes: &[usize]) -> Vec<usize> {
        let shape = p.shape(self.value);
        axes.iter().map(|a| shape[*a]).collect()
    }
}

struct Match {
    /// Which operand of the last product the weights are.
    side: usize,
    /// What the values are weighted by, as the last product takes it.
    weights: Operand,
    values: Operand,
    queries: Operand,
    keys: Operand,
    softmax: Softmax,
    /// Axis of the softmax.
    key_axis: usize,
    chain: Chain,
    keep: Option<(Value, f64)>,
}

impl Match {
    fn of(p: &dyn Program, inst: &Inst, side: usize) -> Option<Match> {
        let (weights, values) = (Operand::of(p, inst, side), Operand::of(p, inst, 1 - side));
        let [key_axis] = weights.contract[..] else { return None };
        if weights.free.is_empty() {
            return None;
        }
        let keep = kept(p, weights.value);
        let plain = keep.map_or(weights.value, |(_, _, plain)| plain);
        let softmax = softmax(p, plain, key_axis)?;
        let chain = chain(p, softmax.x)?;
        let (queries, keys) = sides(p, &chain, &weights, key_axis)?;
        let keep = keep.map(|(mask, scale, _)| (mask, scale));
        Some(Match { side, weights, values, queries, keys, softmax, key_axis, chain, keep })
    }

    /// Nobody else reads what lies between the two products.
    fn is_closed(&self, r: &Rewriter, last: &Inst, readers: &Readers) -> bool {
        let inside = between(r, self.chain.dot.value, self.weights.value);
        let is_inside = |v: &Value| inside.contains(v) || *v == last.results[0];
        let of = |v: &Value| readers.of.get(v).is_none_or(|list| list.iter().all(is_inside));
        inside.iter().all(|v| !readers.outside.contains(v) && of(v))
    }

    fn emit(&self, r: &mut Rewriter) -> Value {
        let sizes = Sizes::of(&*r, self);
        let sharing = self.sharing(r, &sizes);
        let groups = sharing.as_ref().map_or(sizes.groups, |[keys, _]| r.shape(*keys)[sizes.head_of_keys(&self.keys)]);
        let [keys, values] = sharing.unwrap_or([self.keys.value, self.values.value]);
        let order = |operand: &Operand, middle: &[usize], last: &[usize]| [&operand.batch, middle, last].concat();
        let q_order = order(&self.queries, &self.queries.free, &self.queries.contract);
        let q = arranged(r, self.queries.value, &q_order, [sizes.batch, sizes.heads, sizes.queries, sizes.width]);
        let k_order = order(&self.keys, &self.keys.free, &self.keys.contract);
        let k = arranged(r, keys, &k_order, [sizes.batch, groups, sizes.keys, sizes.width]);
        let v_order = order(&self.values, &self.values.contract, &self.values.free);
        let v = arranged(r, values, &v_order, [sizes.batch, groups, sizes.keys, sizes.value_width]);
        let (mask, causal) = self.mask(r, &sizes);
        let bias = self.bias(r, &sizes);
        let keep = self.keep.map(|(keep, _)| arranged(r, keep, &self.square(), sizes.square()));
        let scores = Scores {
            scale: self.chain.scale,
            causal,
            masked: mask.is_some(),
            biased: bias.is_some(),
            keep: self.keep.map(|(_, scale)| scale),
            empty_is_zero: self.softmax.mask.is_some(),
        };
        let args: Vec<Value> = [q, k, v].into_iter().chain(mask).chain(bias).chain(keep).collect();
        let o = self.push(r, Op::Attention { scores }, args);
        self.restored(r, o)
    }

    fn push(&self, r: &mut Rewriter, op: Op, args: Vec<Value>) -> Value {
        let (q, v) = (r.b.ty(args[0]), r.b.ty(args[2]));
        let o = Type::new(q.dtype, [&q.shape[..3], &v.shape[3..]].concat());
        let lse = Type::new(q.dtype, q.shape[..3].to_vec());
        r.b.graph.push(op, args, vec![o, lse], r.b.origin.clone())[0]
    }

    /// Axes of the softmax in the order of [B, H, T, S].
    fn square(&self) -> Vec<usize> {
        [&self.weights.batch[..], &self.weights.free, &[self.key_axis]].concat()
    }

    /// The axis of the softmax along which queries follow each other.
    fn query_axis(&self) -> usize {
        self.weights.free[self.weights.free.len() - 1]
    }

    fn mask(&self, r: &mut Rewriter, sizes: &Sizes) -> (Option<Value>, bool) {
        let whole = (0..r.shape(self.softmax.x).len()).collect();
        let of_softmax = self.softmax.mask.map(|value| Placed { value, axes: whole });
        let (mut rest, mut causal): (Option<Value>, bool) = (None, false);
        for placed in self.chain.masks.iter().cloned().chain(of_softmax) {
            let sides = Sides { query: placed.axes[self.query_axis()], key: placed.axes[self.key_axis] };
            let mask = Mask::of(r, placed.value, &sides);
            causal |= mask.causal;
            if let Some(value) = mask.rest(&mut r.b) {
                let order: Vec<usize> = self.square().iter().map(|axis| placed.axes[*axis]).collect();
                let value = arranged(r, value, &order, sizes.square());
                rest = Some(rest.map_or(value, |before| r.b.binary(Binary::And, before, value)));
            }
        }
        (rest, causal)
    }

    /// The sum of the biases, [B or 1, H or 1, T, S].
    fn bias(&self, r: &mut Rewriter, sizes: &Sizes) -> Option<Value> {
        let placed: Vec<Value> =
            self.chain.biases.iter().map(|(bias, factor)| self.one_bias(r, bias, *factor, sizes)).collect();
        placed.into_iter().reduce(|a, b| {
            let larger = r.shape(a).iter().zip(r.shape(b)).map(|(a, b)| *a.max(b)).collect::<Vec<_>>();
            let [a, b] = [a, b].map(|x| r.b.broadcast(x, &larger, &[0, 1, 2, 3]));
            r.b.add(a, b)
        })
    }

    fn one_bias(&self, r: &mut Rewriter, bias: &Placed, factor: f64, sizes: &Sizes) -> Value {
        let place = |axes: &[usize]| axes.iter().map(|axis| bias.axes[*axis]).collect::<Vec<_>>();
        let heads = sizes.head_axes(&self.weights);
        let batch: Vec<usize> = self.weights.batch.iter().copied().filter(|axis| !heads.contains(axis)).collect();
        let mut shape = sizes.square();
        let mut alike = vec![];
        for (size, axes) in [(0, place(&batch)), (1, place(&heads))] {
            if is_alike(&*r, bias.value, &axes) {
                shape[size] = 1;
                alike.extend(axes);
            }
        }
        let value = narrowed(r, bias.value, &alike);
        let value = arranged(r, value, &place(&self.square()), shape);
        if factor == 1.0 { value } else { r.b.scale(value, factor) }
    }

    /// Keys and values before each of their heads was repeated for several heads of queries, where both were.
    fn sharing(&self, r: &mut Rewriter, sizes: &Sizes) -> Option<[Value; 2]> {
        let (keys, values) = (sizes.head_of_keys(&self.keys), sizes.head_of_keys(&self.values));
        if self.weights.batch.len() < 2 || self.weights.free.len() > 1 {
            return None;
        }
        let found = [unrepeated(r, self.keys.value, keys)?, unrepeated(r, self.values.value, values)?];
        if r.shape(found[0])[keys] != r.shape(found[1])[values] {
            return None;
        }
        Some(found)
    }

    /// The result [B, H, T, E] with the axes of the product that it stands for.
    fn restored(&self, r: &mut Rewriter, o: Value) -> Value {
        let of = |operand: &Operand, axes: &[usize]| operand.shape(&*r, axes);
        let parts = [
            of(&self.weights, &self.weights.batch),
            of(&self.weights, &self.weights.free),
            of(&self.values, &self.values.free),
        ];
        let [batch, free, width] = [0, 1, 2].map(|i| parts[i].len());
        let o = r.b.reshape(o, &parts.concat());
        if self.side == 0 {
            return o;
        }
        let order: Vec<usize> =
            (0..batch).chain(batch + free..batch + free + width).chain(batch..batch + free).collect();
        r.b.transpose(o, &order)
    }
}

/// Dropout: mask, factor, and what they are applied to.
fn kept(p: &dyn Program, weights: Value) -> Option<(Value, f64, Value)> {
    let [mask, scaled, zero] = p.select(weights)?;
    let [x, factor] = p.binary(scaled, Binary::Mul)?;
    if !p.is(zero, 0.0) {
        return None;
    }
    match (p.float(factor), p.float(x)) {
        (Some(factor), _) => Some((mask, factor, x)),
        (None, Some(scale)) => Some((mask, scale, factor)),
        _ => None,
    }
}

/// The operands of the first product as queries and keys, axes in the order of the weights.
fn sides(p: &dyn Program, chain: &Chain, weights: &Operand, key_axis: usize) -> Option<(Operand, Operand)> {
    let dot = p.def(chain.dot.value);
    let [lhs, rhs] = [0, 1].map(|side| Operand::of(p, dot, side));
    let batch = lhs.batch.len();
    let at = |axis: usize| chain.dot.axes[axis];
    let wanted: Vec<usize> = weights.batch.iter().map(|axis| at(*axis)).collect();
    if wanted.len() != batch || wanted.iter().any(|axis| *axis >= batch) {
        return None;
    }
    let first_rhs = batch + lhs.free.len();
    let (mut queries, mut keys, first_query, key) = match at(key_axis) {
        key if key >= first_rhs => (lhs, rhs, batch, key - first_rhs),
        key if key >= batch => (rhs, lhs, first_rhs, key - batch),
        _ => return None,
    };
    if keys.free.len() != 1 || key != 0 || queries.free.len() != weights.free.len() {
        return None;
    }
    let free = weights.free.iter().map(|axis| at(*axis).checked_sub(first_query));
    let free = free.map(|at| queries.free.get(at?).copied()).collect::<Option<Vec<usize>>>()?;
    for operand in [&mut queries, &mut keys] {
        operand.batch = wanted.iter().map(|axis| operand.batch[*axis]).collect();
    }
    queries.free = free;
    Some((queries, keys))
}

/// The values that depend on `from` and that `to` depends on, both included.
fn between(r: &Rewriter, from: Value, to: Value) -> HashSet<Value> {
    let first = r.place(from);
    let mut dependent: HashMap<Value, bool> = HashMap::from([(from, true)]);
    depends(r, to, first, &mut dependent);
    dependent.into_iter().filter(|(_, depends)| *depends).map(|(v, _)| v).collect()
}

fn depends(r: &Rewriter, value: Value, first: usize, known: &mut HashMap<Value, bool>) -> bool {
    if let Some(known) = known.get(&value) {
        return *known;
    }
    let inst = Rewriter::def(r, value);
    // Every argument is looked at, so that all dependent values are found.
    let found = r.place(value) > first && inst.args.iter().filter(|arg| depends(r, **arg, first, known)).count() > 0;
    known.insert(value, found);
    found
}

/// The value with its axes in this order, merged to four.
fn arranged(r: &mut Rewriter, value: Value, order: &[usize], shape: [usize; 4]) -> Value {
    let moved = r.b.transpose(value, order);
    r.b.reshape(moved, &shape)
}

/// Whether a value is seen to be the same along some axes.
fn is_alike(p: &dyn Program, value: Value, along: &[usize]) -> bool {
    let inst = p.def(value);
    let Op::Broadcast { axes, .. } = &inst.op else { return along.is_empty() };
    let varies = |axis: &usize| axes.iter().zip(p.shape(inst.args[0])).any(|(a, n)| a == axis && *n != 1);
    !along.iter().any(varies)
}

/// The value with these axes, along which it is the same, of length 1.
fn narrowed(r: &mut Rewriter, value: Value, along: &[usize]) -> Value {
    let inst = Rewriter::def(r, value);
    let Op::Broadcast { shape, axes } = inst.op.clone() else { return value };
    let x = inst.args[0];
    let narrow: Vec<usize> = (0..shape.len()).map(|axis| if along.contains(&axis) { 1 } else { shape[axis] }).collect();
    r.b.broadcast(x, &narrow, &axes)
}

/// What repeats each element of an axis several times in a row.
fn unrepeated(r: &mut Rewriter, value: Value, axis: usize) -> Option<Value> {
    let inst = Rewriter::def(r, value);
    let Op::Reshape { shape } = inst.op.clone() else { return None };
    let spread = Rewriter::def(r, inst.args[0]);
    let Op::Broadcast { shape: wide, axes } = &spread.op else { return None };
    let x = spread.args[0];
    let mut joined = wide.clone();
    let times = if joined.len() == shape.len() + 1 { joined.remove(axis + 1) } else { return None };
    joined[axis] *= times;
    let along = |axis: usize| axes.iter().zip(r.shape(x)).all(|(a, n)| *a != axis || *n == 1);
    let whole = |axis: usize| axes.iter().zip(r.shape(x)).any(|(a, n)| *a == axis && *n == wide[axis]);
    let others = (0..wide.len()).filter(|a| *a != axis + 1).all(|a| whole(a) || wide[a] == 1);
    if joined != shape || !along(axis + 1) || !others {
        return None;
    }
    let mut narrow = shape;
    narrow[axis] /= times;
    Some(r.b.reshape(x, &narrow))
}

/// The sizes of [B, H, T, S] and of the rest.
struct Sizes {
    batch: usize,
    heads: usize,
    /// Heads of keys, as they are.
    groups: usize,
    queries: usize,
    keys: usize,
    width: usize,
    value_width: usize,
}

impl Sizes {
    fn of(p: &dyn Program, found: &Match) -> Sizes {
        let size = |operand: &Operand, axes: &[usize]| operand.shape(p, axes).iter().product::<usize>();
        let weights = &found.weights;
        let (last, outer) = weights.free.split_last().expect("weights have queries");
        let groups = if weights.batch.len() > 1 { size(weights, &weights.batch[weights.batch.len() - 1..]) } else { 1 };
        Sizes {
            batch: size(weights, &weights.batch) / groups,
            heads: groups * size(weights, outer),
            groups,
            queries: size(weights, &[*last]),
            keys: size(weights, &[found.key_axis]),
            width: size(&found.queries, &found.queries.contract),
            value_width: size(&found.values, &found.values.free),
        }
    }

    fn square(&self) -> [usize; 4] {
        [self.batch, self.heads, self.queries, self.keys]
    }

    /// Axes of the weights that make up H.
    fn head_axes(&self, weights: &Operand) -> Vec<usize> {
        let group = if weights.batch.len() > 1 { &weights.batch[weights.batch.len() - 1..] } else { &[] };
        [group, &weights.free[..weights.free.len() - 1]].concat()
    }

    /// The axis of keys or values along which their heads lie.
    fn head_of_keys(&self, operand: &Operand) -> usize {
        operand.batch.last().copied().unwrap_or(0)
    }
}

//! What a loop need not do: carry what never changes, read what is the same in each step, stack what is known outside.

use super::simplify as simplify_graph;
use crate::ops::{DType, Literal, Op, Type};
use crate::opt::Rewriter;
use crate::opt::draft::{Carry, Draft, Port};
use crate::tensor::{Inst, Value};
use std::collections::HashMap;

pub fn simplify(r: &mut Rewriter, inst: &Inst) -> Option<Vec<Value>> {
    let mut draft = Draft::of(inst)?;
    if draft.how.length == 0 && draft.ys.is_empty() {
        return Some(draft.carries.iter().map(|c| c.init).collect());
    }
    if draft.how.length == 1 && !draft.how.while_carry {
        return Some(once(r, inst, &draft));
    }
    let mut known = HashMap::new();
    steady_carries(&mut draft, &mut known);
    steady_xs(r, &mut draft);
    equal_ports(&mut draft);
    known_ys(r, &mut draft, &mut known);
    constants(r, &mut draft);
    let mut inst_now = draft.into_inst();
    inst_now.regions = inst_now.regions.into_iter().map(simplify_graph).collect();
    r.b.graph.insts.push(inst_now);
    Some(inst.results.iter().map(|v| *known.get(v).unwrap_or(v)).collect())
}

/// The body in place of a loop of one step.
fn once(r: &mut Rewriter, inst: &Inst, draft: &Draft) -> Vec<Value> {
    let position = r.b.scalar(0.0, DType::I32);
    let consts = draft.consts.iter().map(|p| p.outside);
    let mut args: Vec<Value> =
        std::iter::once(position).chain(consts).chain(draft.carries.iter().map(|c| c.init)).collect();
    for x in &draft.xs {
        let shape = r.b.shape(x.outside);
        args.push(r.b.reshape(x.outside, &shape[1..]));
    }
    let mut results = r.b.splice(&inst.regions[0], &args);
    for y in &mut results[draft.carries.len()..] {
        let shape = [&[1], &r.b.shape(*y)[..]].concat();
        *y = r.b.reshape(*y, &shape);
    }
    results
}

/// A carry that each step gives on as it is becomes a constant.
fn steady_carries(draft: &mut Draft, known: &mut HashMap<Value, Value>) {
    let ends = draft.carries.first().filter(|_| draft.how.while_carry).map(|c| c.inside);
    let is_steady = |c: &Carry| c.next == c.inside && ends != Some(c.inside);
    let (steady, moving): (Vec<Carry>, Vec<Carry>) = draft.carries.iter().partition(|c| is_steady(c));
    draft.carries = moving;
    for carry in steady {
        known.insert(carry.last, carry.init);
        draft.consts.push(Port { outside: carry.init, inside: carry.inside });
    }
}

/// One of the xs that repeats the same slice becomes a constant, which the body repeats as far as it was.
fn steady_xs(r: &Rewriter, draft: &mut Draft) {
    for port in std::mem::take(&mut draft.xs) {
        let inst = r.def(port.outside);
        match &inst.op {
            Op::Broadcast { axes, .. } if !axes.contains(&0) => {
                let inner = draft.add_const(inst.args[0], r.b.ty(inst.args[0]));
                let shape = draft.body.ty(port.inside).shape.clone();
                let op = Op::Broadcast { shape, axes: axes.iter().map(|a| a - 1).collect() };
                define(draft, port.inside, op, &[inner], inst);
            }
            _ => draft.xs.push(port),
        }
    }
}

/// Defines a value at the start of the body.
fn define(draft: &mut Draft, value: Value, op: Op, args: &[Value], like: &Inst) {
    let origin = like.origin.clone();
    let inst = Inst { op, args: args.to_vec(), results: vec![value], regions: vec![], origin };
    draft.body.insts.insert(0, inst);
}

/// A constant whose elements are all known is made inside.
fn constants(r: &Rewriter, draft: &mut Draft) {
    for port in std::mem::take(&mut draft.consts) {
        let Some(literal) = r.splat(port.outside) else {
            draft.consts.push(port);
            continue;
        };
        let (like, ty) = (r.def(port.outside), draft.body.ty(port.inside).clone());
        if ty.shape.is_empty() {
            define(draft, port.inside, Op::Const(literal), &[], like);
            continue;
        }
        let scalar = draft.body.fresh(Type::scalar(ty.dtype));
        define(draft, port.inside, Op::Broadcast { shape: ty.shape, axes: vec![] }, &[scalar], like);
        define(draft, scalar, Op::Const(literal), &[], like);
    }
}

/// Of constants that are one value, and of xs that are one, the first stays.
fn equal_ports(draft: &mut Draft) {
    let mut names = HashMap::new();
    for ports in [&mut draft.consts, &mut draft.xs] {
        let mut first: HashMap<Value, Value> = HashMap::new();
        ports.retain(|port| {
            let inside = *first.entry(port.outside).or_insert(port.inside);
            names.insert(port.inside, inside);
            inside == port.inside
        });
    }
    draft.rename(&names);
}

/// A y that stacks what can be had without the loop, or what another y stacks too. Where a loop may end early, a y is
/// only what that loop makes it; nothing else has an axis of length 0.
fn known_ys(r: &mut Rewriter, draft: &mut Draft, known: &mut HashMap<Value, Value>) {
    let mut first: HashMap<Value, Value> = HashMap::new();
    let only_loop = draft.how.while_carry || draft.how.length == 0;
    for y in std::mem::take(&mut draft.ys) {
        let same = first.get(&y.slice).copied();
        let outside = if only_loop { same } else { same.or_else(|| outside(r, draft, y.slice)) };
        first.entry(y.slice).or_insert(outside.unwrap_or(y.whole));
        match outside {
            Some(value) => drop(known.insert(y.whole, value)),
            None => draft.ys.push(y),
        }
    }
}

/// All steps of a value of the body that is an input, except for the carries.
fn outside(r: &mut Rewriter, draft: &Draft, slice: Value) -> Option<Value> {
    let shape = [&[draft.how.length], &draft.body.ty(slice).shape[..]].concat();
    if let Some(x) = draft.xs.iter().find(|x| x.inside == slice) {
        return Some(x.outside);
    }
    if slice == draft.position {
        let (op, ty) = (Op::Iota { shape: shape.clone(), axis: 0, dtype: DType::I32 }, draft.body.ty(slice));
        return Some(r.b.op(op, &[], Type::new(ty.dtype, shape)));
    }
    if let Some(literal) = splat(draft, slice) {
        let scalar = r.b.op(Op::Const(literal), &[], Type::scalar(draft.body.ty(slice).dtype));
        return Some(r.b.broadcast(scalar, &shape, &[]));
    }
    let port = draft.consts.iter().find(|c| c.inside == slice)?;
    let axes: Vec<usize> = (1..shape.len()).collect();
    Some(r.b.broadcast(port.outside, &shape, &axes))
}

/// The constant that every element of a value of the body equals.
fn splat(draft: &Draft, value: Value) -> Option<Literal> {
    let inst = draft.body.insts.iter().find(|inst| inst.results.contains(&value))?;
    match inst.op {
        Op::Const(literal) => Some(literal),
        Op::Broadcast { .. } => splat(draft, inst.args[0]),
        _ => None,
    }
}

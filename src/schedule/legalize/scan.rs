//! Scans whose results can be written where they belong.
//!
//! Afterwards each first carry is a value of its own that only the scan reads, and each output of the body is computed in
//! it and is no other output, but for what [`histories`] finds. Reshapes before constants and xs are left out where
//! the body can read the same memory. What the body computes of constants alone is one more constant. A scan with a condition has more constants, before the others, which the body does not read: zeros for each y.

use super::{Legalizer, invariant, legalize};
use crate::diag::Diagnostic;
use crate::ops::{DType, Literal, Op, Type};
use crate::schedule::groups::is_leaf;
use crate::schedule::layout;
use crate::tensor::build::Builder;
use crate::tensor::scan::Scan;
use crate::tensor::{Graph, InputRole, Inst, Origin, Value};
use crate::tile::Layout;

/// Which ys of a scan are what a carry was over time.
#[derive(Clone, Copy, Default)]
pub struct History {
    /// The y that gets each new value.
    pub new: Option<usize>,
    /// The y that gets each old value.
    pub old: Option<usize>,
}

impl History {
    pub fn is_kept(&self) -> bool {
        self.new.is_some() || self.old.is_some()
    }
}

/// The history of each carry of a legal scan.
pub fn histories(scan: &Scan) -> Vec<History> {
    let slices = scan.slices();
    let find = |value: Value| slices.iter().position(|y| *y == value);
    let carries = scan.next().into_iter().zip(scan.carry_inputs());
    carries.map(|(new, old)| History { new: find(new), old: find(old) }).collect()
}

impl Legalizer<'_> {
    pub(super) fn scan(&mut self, inst: &Inst, args: &[Value]) -> Result<Vec<Value>, Diagnostic> {
        let scan = Scan::of(inst).expect("a scan");
        let (before, xs) = args.split_at(args.len() - scan.xs.len());
        let (consts, inits) = before.split_at(scan.consts.len());
        let types: Vec<Type> = inst.results.iter().map(|r| self.graph.ty(*r).clone()).collect();
        let ys = &types[scan.finals.len()..];
        if *scan.length == 0 {
            return Ok(inits.iter().copied().chain(ys.iter().map(|ty| self.zeros(ty))).collect());
        }
        let mut body = legalize(scan.body)?;
        let hoisted = invariant::hoist(&mut body, consts, &mut self.out);
        let consts: Vec<Value> = consts.iter().map(|v| self.elements_of(*v)).chain(hoisted).collect();
        settle(&mut body, &scan);
        let mut legal = vec![];
        if scan.while_carry {
            legal.extend(ys.iter().map(|ty| self.zeros(ty)));
            add_inputs(&mut body, ys);
        }
        legal.extend(consts);
        legal.extend(inits.iter().map(|v| copy(&mut self.b(), *v)));
        legal.extend(xs.iter().map(|v| self.elements_of(*v)));
        let results = self.out.push(inst.op.clone(), legal, types, self.origin.clone());
        self.out.insts.last_mut().expect("pushed").regions.push(body);
        Ok(results)
    }

    fn zeros(&mut self, ty: &Type) -> Value {
        let zero = if ty.dtype.is_float() { Literal::Float(0.0) } else { Literal::Int(0) };
        let zero = if ty.dtype == DType::Bool { Literal::Bool(false) } else { zero };
        self.full(zero, ty.dtype, &ty.shape)
    }

    /// The value without the reshapes that made it, as far as its elements lie in memory as they would under its own shape.
    fn elements_of(&self, value: Value) -> Value {
        let inst = self.def(value);
        let Op::Reshape { .. } = inst.op else { return value };
        let from = self.out.ty(inst.args[0]);
        let same = layout::of(from) == Layout::RowMajor || from.shape.last() == self.out.ty(value).shape.last();
        if same { self.elements_of(inst.args[0]) } else { value }
    }
}

/// The same elements as another value.
fn copy(b: &mut Builder, value: Value) -> Value {
    let ty = b.ty(value);
    b.op(Op::Reshape { shape: ty.shape.clone() }, &[value], ty)
}

/// Gives outputs of a legal body that cannot be written where they belong a value of their own.
fn settle(body: &mut Graph, scan: &Scan) {
    let carries = scan.inits.len();
    let first = body.inputs.len() - scan.xs.len() - carries;
    let old: Vec<Value> = body.inputs[first..].iter().map(|i| i.0).take(carries).collect();
    let mut histories = vec![History::default(); carries];
    for at in 0..body.outputs.len() {
        let value = body.outputs[at].value;
        let y = at.checked_sub(carries);
        let next = body.outputs.iter().take(carries).position(|o| o.value == value);
        let incoming = old.iter().position(|v| *v == value).filter(|_| !scan.while_carry);
        let kept = y.is_some_and(|y| keep(&mut histories, y, next, incoming));
        let first = !body.outputs[..at].iter().any(|o| o.value == value);
        if !(kept || first && has_own_place(body, value)) {
            body.outputs[at].value = copy(&mut Builder::new(body, Origin::default()), value);
        }
    }
}

/// Whether a value is computed, to wherever it is asked for.
pub fn has_own_place(graph: &Graph, value: Value) -> bool {
    let inst = graph.insts.iter().find(|i| i.results.contains(&value)).expect("values are defined");
    match Scan::of(inst) {
        Some(scan) => !histories(&scan).iter().flat_map(|h| [h.new, h.old]).flatten().any(|y| scan.ys[y] == value),
        None => !is_leaf(&inst.op),
    }
}

/// Makes y the history of a carry that it is and that has none yet.
fn keep(histories: &mut [History], y: usize, new: Option<usize>, old: Option<usize>) -> bool {
    if let Some(place) = new.map(|c| &mut histories[c].new).filter(|p| p.is_none()) {
        *place = Some(y);
        return true;
    }
    if let Some(place) = old.map(|c| &mut histories[c].old).filter(|p| p.is_none()) {
        *place = Some(y);
        return true;
    }
    false
}

/// Adds inputs before the constants.
fn add_inputs(body: &mut Graph, types: &[Type]) {
    for (n, ty) in types.iter().enumerate() {
        body.input(format!("zeros{n}"), InputRole::Arg, ty.clone(), Origin::default());
    }
    body.inputs[1..].rotate_right(types.len());
}

//! Dimensions that vary from row to row: what `where` says of them, and how a batch sees them.
//!
//! In a phase such a dimension is the longest row of the batch, rounded up: a multiple of an opaque symbol with an
//! interval. Beside the padded field stand the lengths of its rows, and the mask that is made of them.

use super::columns::Field;
use super::{DataInfo, errors};
use crate::ops::dim::{Dim, lcm};
use crate::ops::{Compare, DType, Extent, Op, Type};
use crate::sema::checker::{Checker, GraphKind};
use crate::sema::emit::{Checked, Emit};
use crate::sema::model::{Length, Padded};
use crate::sema::scope::BoundDim;
use crate::sema::value::Value;
use crate::source::Span;
use crate::syntax::ast::{self, BinaryOp, Expr, ExprKind};
use crate::tensor::{self, InputRole, Origin};
use std::collections::HashMap;
use std::sync::Arc;

/// A varying dimension in a graph.
#[derive(Clone, Debug)]
pub struct BatchLength {
    pub padded: Padded,
    /// i32[B]: the length of each row.
    pub lengths: tensor::Value,
}

impl BatchLength {
    /// The dimension under its name, for a frame.
    pub fn bound(&self, span: Span) -> (Arc<str>, BoundDim) {
        (self.padded.name.as_str().into(), BoundDim { dim: self.padded.dim.clone(), span })
    }
}

/// Longest row of a file.
const LONGEST: i64 = i32::MAX as i64;

/// What one condition says of a length.
enum Fact {
    AtLeast(usize),
    AtMost(usize),
    MultipleOf(usize),
}

impl Checker {
    /// The varying dimensions of a declaration, as its `where` bounds them.
    pub(super) fn lengths(&mut self, fields: &[Field], conditions: &[Expr]) -> Vec<Length> {
        let mut found: Vec<Length> = vec![];
        for field in fields {
            if let Some(name) = field.varying()
                && !found.iter().any(|l| l.name == name)
            {
                let span = field.ty.span;
                found.push(Length { name: name.into(), least: 1, most: None, multiple: 1, span });
            }
        }
        let mut facts = vec![];
        for condition in conditions {
            match self.length_facts(condition, &found) {
                Some((at, said)) => facts.extend(said.into_iter().map(|f| (at, f))),
                None => {
                    self.report(errors::bad_fact(condition.span, &found));
                }
            }
        }
        for (at, length) in found.iter_mut().enumerate() {
            apply(length, facts.iter().filter(|(i, _)| *i == at).map(|(_, f)| f));
        }
        found.retain(|l| self.has_lengths(l));
        found
    }

    /// Of which length a condition speaks, and what it says.
    fn length_facts(&mut self, condition: &Expr, lengths: &[Length]) -> Option<(usize, Vec<Fact>)> {
        let ExprKind::Binary(op, left, right) = &condition.kind else { return None };
        let at = |e: &Expr| match &e.kind {
            ExprKind::Name(n) => lengths.iter().position(|l| l.name == *n.text),
            _ => None,
        };
        match (op, &left.kind) {
            (BinaryOp::Eq, ExprKind::Binary(BinaryOp::Rem, x, n)) => {
                let (at, n, rest) = (at(x)?, self.size(n)?, self.size(right)?);
                (n > 0 && rest == 0).then(|| (at, vec![Fact::MultipleOf(n)]))
            }
            (BinaryOp::In, _) => {
                let (at, Value::Range(lo, hi)) = (at(left)?, self.eval(right)) else { return None };
                let [lo, end] = [lo, hi].map(|d| d.known().and_then(|n| usize::try_from(n).ok()));
                Some((at, vec![Fact::AtLeast(lo?), Fact::AtMost(end?.checked_sub(1)?)]))
            }
            _ => match at(left) {
                Some(at) => Some((at, vec![bound(*op, self.size(right)?)?])),
                None => Some((at(right)?, vec![bound(turned(*op), self.size(left)?)?])),
            },
        }
    }

    fn size(&mut self, e: &Expr) -> Option<usize> {
        self.eval_int(e).and_then(|n| usize::try_from(n).ok())
    }

    /// Whether any length fulfils all that is said.
    fn has_lengths(&mut self, length: &Length) -> bool {
        let first = length.least.next_multiple_of(length.multiple);
        let possible = length.most.is_none_or(|most| first <= most);
        if !possible {
            self.report(errors::no_length(length));
        }
        possible
    }

    /// The varying dimensions of a data set in the graph under construction. `pads` are the multiples that the pipeline
    /// asks for, by name.
    pub fn open_lengths(&mut self, data: &DataInfo, size: &Dim, pads: &[(String, usize)]) -> Vec<BatchLength> {
        let mut found = vec![];
        for length in &data.model.lengths {
            let pad = pads.iter().find(|(n, _)| *n == length.name).map_or(1, |(_, n)| *n);
            found.push(self.open_length(&data.model.name, length, size, both(length.multiple, pad)));
        }
        found
    }

    fn open_length(&mut self, data: &str, length: &Length, size: &Dim, multiple: usize) -> BatchLength {
        let symbol = self.fresh_symbol(&length.name);
        let times = |n: usize| n.div_ceil(multiple).max(1) as i64;
        let most = length.most.map_or(LONGEST, times);
        let input = Padded::lengths_input(data, &length.name);
        let origin = Origin { layer: None, span: length.span };
        let dim = symbol.mul(&Dim::Const(multiple as i64));
        let emit = &mut self.graph.emit;
        let lengths = emit.graph.input(input, InputRole::Arg, Type::new(DType::I32, vec![size.clone()]), origin);
        if let Some(symbol) = symbol.as_symbol() {
            emit.ranges.insert(symbol.clone(), (times(length.least), most));
            emit.ragged.open(symbol.clone(), dim.clone(), lengths);
        }
        let bounds = (length.least, length.most);
        BatchLength { padded: Padded { name: length.name.clone(), dim, multiple, least: multiple, bounds }, lengths }
    }

    /// `tokens.mask` and `tokens.lengths` of a field that varies in length; `None` for anything else.
    pub fn sequence_field(&mut self, field: tensor::Value, name: &ast::Name) -> Option<Value> {
        if self.graph.kind != GraphKind::Phase {
            return None;
        }
        let length = self.phase.as_ref()?.sequences.get(&field)?.clone();
        match &*name.text {
            "lengths" => Some(Value::Tensor(length.lengths)),
            "mask" => {
                let result = mask(self.emit(name.span), &length).map(Value::Tensor);
                Some(self.settle(result))
            }
            _ => Some(self.report(errors::no_sequence_field(name))),
        }
    }

    /// A dimension of the pipeline's data, named in a stage: `bucket(by: T)`.
    pub fn length_named(&mut self, data: &DataInfo, name: &Expr) -> Option<String> {
        let known = &data.model.lengths;
        match &name.kind {
            ExprKind::Name(n) if known.iter().any(|l| l.name == *n.text) => Some(n.text.to_string()),
            _ => {
                self.report(errors::not_varying(name.span, &data.model.name, known));
                None
            }
        }
    }
}

/// A length has at least 1 element unless something else is said.
fn apply<'f>(length: &mut Length, facts: impl Iterator<Item = &'f Fact>) {
    let mut least = None;
    for fact in facts {
        match *fact {
            Fact::AtLeast(n) => least = least.max(Some(n)),
            Fact::AtMost(n) => length.most = Some(length.most.map_or(n, |most| most.min(n))),
            Fact::MultipleOf(n) => length.multiple = both(length.multiple, n),
        }
    }
    length.least = least.unwrap_or(length.least);
}

/// `T op n`
fn bound(op: BinaryOp, n: usize) -> Option<Fact> {
    match op {
        BinaryOp::Ge => Some(Fact::AtLeast(n)),
        BinaryOp::Gt => n.checked_add(1).map(Fact::AtLeast),
        BinaryOp::Le => Some(Fact::AtMost(n)),
        BinaryOp::Lt => n.checked_sub(1).map(Fact::AtMost),
        _ => None,
    }
}

/// The varying dimension of each sequence field in the graph of a phase.
pub type Sequences = HashMap<tensor::Value, BatchLength>;

/// bool[B, T]: where a row has elements.
fn mask(emit: &mut Emit, length: &BatchLength) -> Checked<tensor::Value> {
    let shape = vec![emit.shape(length.lengths)[0].clone(), length.padded.dim.clone()];
    let places = emit.op(Op::Iota { shape: shape.clone(), axis: 1, dtype: DType::I32 }, &[])?;
    let lengths = emit.op(Op::Broadcast { shape, axes: vec![0] }, &[length.lengths])?;
    emit.op(Op::Compare(Compare::Lt), &[places, lengths])
}

/// `a < b` as `b > a`.
fn turned(op: BinaryOp) -> BinaryOp {
    match op {
        BinaryOp::Lt => BinaryOp::Gt,
        BinaryOp::Le => BinaryOp::Ge,
        BinaryOp::Gt => BinaryOp::Lt,
        BinaryOp::Ge => BinaryOp::Le,
        other => other,
    }
}

/// The least multiple of both, saturating.
fn both(a: usize, b: usize) -> usize {
    lcm(a as u64, b as u64) as usize
}

//! Padded dimensions. Behind the end of a short row stands padding, and what is reduced over such a dimension has to
//! leave it out: the value must have met the mask on its way, or the user says that the padding counts.
//!
//! The rule looks at how a value was made. From the argument of a reduction it goes back through elementwise
//! operations and moves, not through contractions and other reductions: a mask that an earlier layer used says nothing
//! about this sum. It is content where it finds the lengths of the rows, of which every mask is made, or a condition
//! on places along the dimension (a causal mask). A contraction is a reduction of products, so a mask in one of its
//! operands is enough.
//!
//! The end of a padded axis is no place of a row: what begins there reads the padding of short rows, masked or not.

use super::{Checked, Emit, error};
use crate::ops::dim::{Dim, Symbol};
use crate::ops::{Extent, Op, Reduce, Type, Unary};
use crate::tensor::{Graph, Inst, Value as Node};
use std::collections::{HashMap, HashSet};

/// The padded dimensions of a graph.
#[derive(Clone, Debug, Default)]
pub struct Ragged {
    open: Vec<Padded>,
    /// Values whose padding is settled: the lengths of the rows, parameters of a region whose arguments met the mask,
    /// and what the user vouches for.
    settled: HashSet<(Symbol, Node)>,
    /// What the user vouches for.
    vouched: HashSet<Node>,
    /// Whether the graph is the body of a composite, as that of `softmax`.
    in_composite: bool,
}

/// A dimension that is open, and the length to which it pads: a multiple of the symbol.
#[derive(Clone, Debug)]
struct Padded {
    symbol: Symbol,
    length: Dim,
}

impl Ragged {
    /// A dimension that is padded to this length, and whose rows have these lengths.
    pub fn open(&mut self, symbol: Symbol, length: Dim, lengths: Node) {
        self.settled.insert((symbol.clone(), lengths));
        self.open.push(Padded { symbol, length });
    }

    /// The padding of `x` counts.
    pub fn vouch(&mut self, x: Node) {
        self.settled.extend(self.open.iter().map(|p| (p.symbol.clone(), x)));
        self.vouched.insert(x);
    }

    fn symbols(&self) -> impl Iterator<Item = &Symbol> {
        self.open.iter().map(|p| &p.symbol)
    }
}

impl Emit {
    /// The padded dimensions in the body of a composite whose parameters stand for these arguments.
    pub fn ragged_in_region(&self, args: &[Node], params: &[Node]) -> Ragged {
        let mut inner = Ragged { open: self.ragged.open.clone(), in_composite: true, ..Ragged::default() };
        for symbol in self.ragged.symbols() {
            let met = args.iter().zip(params).filter(|(arg, _)| self.meets_mask(symbol, **arg));
            inner.settled.extend(met.map(|(_, param)| (symbol.clone(), *param)));
        }
        inner
    }

    /// `inside` is what a loop's body sees of `outside`, and has met the masks that this has.
    pub fn settle_like(&mut self, inside: Node, outside: Node) {
        let met: Vec<Symbol> = self.ragged.symbols().filter(|s| self.meets_mask(s, outside)).cloned().collect();
        self.ragged.settled.extend(met.into_iter().map(|s| (s, inside)));
    }

    /// A reduction over a padded dimension none of whose arguments met the mask is an error, and so is a value that
    /// begins at the end of one.
    pub(super) fn check_padding(&self, op: &Op<Dim>, args: &[Node]) -> Checked<()> {
        match args.first() {
            Some(&x) if !self.ragged.open.is_empty() => {
                self.check_padded_end(op, x)?;
                let help = remedy(op, self.ragged.in_composite);
                self.need_mask(&reduced_dims(op, self.ty(x)), args, help)
            }
            _ => Ok(()),
        }
    }

    /// What `einsum` sums of one operand alone.
    pub(super) fn check_padded_sum(&self, x: Node, axes: &[usize]) -> Checked<()> {
        let dims: Vec<&Dim> = axes.iter().map(|&a| &self.ty(x).shape[a]).collect();
        self.need_mask(&dims, &[x], ZEROS)
    }

    /// What goes along an axis of this size, as a scan does, needs a mask among its arguments.
    pub(super) fn check_padded_axis(&self, size: &Dim, args: &[Node]) -> Checked<()> {
        self.need_mask(&[size], args, SCANNED)
    }

    fn need_mask(&self, dims: &[&Dim], args: &[Node], help: &str) -> Checked<()> {
        for symbol in self.ragged.symbols().filter(|s| dims.iter().any(|d| d.symbols().contains(s))) {
            if !args.iter().any(|&arg| self.meets_mask(symbol, arg)) {
                return Err(error::padding_counts(self.origin.span, &symbol.name, help));
            }
        }
        Ok(())
    }

    fn check_padded_end(&self, op: &Op<Dim>, x: Node) -> Checked<()> {
        let read = |p: &&Padded| self.begins_at_end(op, x, p) && self.holds_rows(&p.symbol, x);
        match self.ragged.open.iter().find(read) {
            Some(padded) => Err(error::padding_is_read(self.origin.span, &padded.symbol.name, remedy(op, false))),
            None => Ok(()),
        }
    }

    /// Whether the first element that an operation takes of a padded axis is counted from the end. What begins behind
    /// all rows is something else that was joined to them.
    fn begins_at_end(&self, op: &Op<Dim>, x: Node, padded: &Padded) -> bool {
        let varies = |d: &Dim| d.symbols().contains(&padded.symbol);
        match op {
            Op::Slice { start, .. } => start.iter().any(|s| varies(s) && !self.proves(&s.sub(&padded.length), 0)),
            Op::Reverse { axes } => axes.iter().any(|&a| varies(&self.ty(x).shape[a])),
            _ => false,
        }
    }

    /// Whether a value is made of padded rows for which nobody vouches; positions, masks and tables are not.
    fn holds_rows(&self, symbol: &Symbol, value: Node) -> bool {
        let insts = self.by_result();
        let (mut seen, mut left) = (HashSet::new(), vec![value]);
        while let Some(value) = left.pop() {
            let new = !self.ragged.vouched.contains(&value) && seen.insert(value);
            let Some(inst) = insts.get(&value).filter(|_| new) else { continue };
            let padded = || self.ty(value).shape.iter().any(|d| d.symbols().contains(symbol));
            if matches!(inst.op, Op::Input { .. }) && padded() {
                return true;
            }
            left.extend(&inst.args);
        }
        false
    }

    fn by_result(&self) -> HashMap<Node, &Inst<Dim>> {
        self.graph.insts.iter().flat_map(|i| i.results.iter().map(move |r| (*r, i))).collect()
    }

    fn meets_mask(&self, symbol: &Symbol, value: Node) -> bool {
        let (settled, insts) = (&self.ragged.settled, self.by_result());
        Walk { symbol, settled, insts, seen: HashSet::new() }.meets(value, false)
    }
}

/// The way back from a value.
struct Walk<'g> {
    symbol: &'g Symbol,
    settled: &'g HashSet<(Symbol, Node)>,
    insts: HashMap<Node, &'g Inst<Dim>>,
    seen: HashSet<(Node, bool)>,
}

impl Walk<'_> {
    /// `condition`: on the way a comparison, or the condition of a choice, was passed.
    fn meets(&mut self, value: Node, condition: bool) -> bool {
        if self.settled.contains(&(self.symbol.clone(), value)) {
            return true;
        }
        if !self.seen.insert((value, condition)) {
            return false;
        }
        let Some(inst) = self.insts.get(&value).copied() else { return false };
        match &inst.op {
            Op::Iota { shape, axis, .. } => condition && shape[*axis].symbols().contains(self.symbol),
            Op::Select => self.meets(inst.args[0], true) || inst.args[1..].iter().any(|&a| self.meets(a, condition)),
            op if keeps_places(inst, self.symbol) => {
                let condition = condition || matches!(op, Op::Compare(_));
                inst.args.iter().any(|&a| self.meets(a, condition))
            }
            _ => false,
        }
    }
}

/// Whether an operation computes each element from those at its own place, or moves elements. So does a softmax along
/// the padded dimension: where the padding of its argument is masked, that of its result is.
fn keeps_places(inst: &Inst<Dim>, symbol: &Symbol) -> bool {
    match &inst.op {
        Op::Composite { .. } => inst.regions.first().is_some_and(|body| {
            let source = |op: &Op<Dim>| matches!(op, Op::Input { .. } | Op::Const(_) | Op::DimValue(_));
            body.insts.iter().all(|i| source(&i.op) || keeps_places(i, symbol) || is_total(i, body, symbol))
        }),
        op => op.is_map() || op.is_move(),
    }
}

/// A total over the padded dimension to which the results of a body relate each place: the largest, or a sum of
/// exponentials, to which what was masked adds nothing. A mean of other numbers would move the masked places, too.
fn is_total(inst: &Inst<Dim>, body: &Graph<Dim>, symbol: &Symbol) -> bool {
    let Op::Reduce { op, axes } = &inst.op else { return false };
    let ty = body.ty(inst.args[0]);
    let along = axes.iter().all(|&a| ty.shape[a].symbols().contains(symbol));
    let summed = body.insts.iter().find(|i| i.results.contains(&inst.args[0])).map(|i| &i.op);
    let stays = match op {
        Reduce::Max => true,
        Reduce::Sum => matches!(summed, Some(Op::Unary(Unary::Exp) | Op::Select)),
        _ => false,
    };
    along && stays && body.outputs.iter().all(|o| body.ty(o.value).rank() == ty.rank())
}

/// The dimensions of the first argument that an operation mixes, the padding with the rest.
fn reduced_dims<'t>(op: &Op<Dim>, x: &'t Type<Dim>) -> Vec<&'t Dim> {
    let axes = match op {
        Op::Reduce { axes, .. } => axes.clone(),
        Op::Dot { lhs_contract, .. } => lhs_contract.clone(),
        // A running sum from the front does not see what comes behind.
        Op::CumSum { axis, reverse: true } => vec![*axis],
        Op::ArgMax { axis } | Op::ArgMin { axis } | Op::Sort { axis, .. } => vec![*axis],
        Op::TopK { .. } => vec![x.rank() - 1],
        _ => vec![],
    };
    axes.into_iter().map(|a| &x.shape[a]).collect()
}

/// What leaves the padding out of an operation.
fn remedy(op: &Op<Dim>, in_composite: bool) -> &'static str {
    match op {
        Op::Reduce { .. } if in_composite => SHARED,
        Op::Reduce { .. } => "give the mask of the field, as in `mean(x, axis: T, mask: tokens.mask)`",
        Op::ArgMin { .. } | Op::Sort { descending: false, .. } => "put the padding last: `where(mask, x, inf)`",
        Op::ArgMax { .. } | Op::Sort { .. } | Op::TopK { .. } => "put the padding last: `where(mask, x, -inf)`",
        Op::Slice { .. } => LAST,
        Op::Reverse { .. } => {
            "go from each row's end to its start with a layer's `backward: true`, or `scan … reversed`"
        }
        _ => ZEROS,
    }
}

const ZEROS: &str = "make the padding zero: `where(mask, x, 0.0)`";
const SHARED: &str = "hide the padding, as in `softmax(where(mask, x, -inf))` or `masked_softmax(x, mask)`; attention takes `padding(mask)`";
const LAST: &str = "the end of each row is `.last` of a recurrent layer, or `gather(x, (lengths - 1)[:, _], axis: 1)`";
const SCANNED: &str = "give a layer the mask, as in `rnn(x, mask)`; a scan of your own goes through it too, and keeps its \
                       state in padding: `h = advance(mt, next, h)`";

//! Padded dimensions. Behind the end of a short row stands padding, and what is reduced over such a dimension has to
//! leave it out: the value must have met the mask on its way, or the user says that the padding counts.
//!
//! The rule looks at how a value was made. From the argument of a reduction it goes back through elementwise
//! operations and moves, not through contractions and other reductions: a mask that an earlier layer used says nothing
//! about this sum. It is content where it finds the lengths of the rows, of which every mask is made, or a condition
//! on places along the dimension (a causal mask).

use super::{Checked, Emit, error};
use crate::ops::dim::{Dim, Symbol};
use crate::ops::{Op, Type};
use crate::tensor::{Inst, Value as Node};
use std::collections::{HashMap, HashSet};

/// The padded dimensions of a graph.
#[derive(Clone, Debug, Default)]
pub struct Ragged {
    open: Vec<Symbol>,
    /// Values whose padding is settled: the lengths of the rows, parameters of a region whose arguments met the mask,
    /// and what the user vouches for.
    settled: HashSet<(Symbol, Node)>,
}

impl Ragged {
    /// A dimension whose rows have these lengths.
    pub fn open(&mut self, symbol: Symbol, lengths: Node) {
        self.settled.insert((symbol.clone(), lengths));
        self.open.push(symbol);
    }

    /// The padding of `x` counts.
    pub fn vouch(&mut self, x: Node) {
        self.settled.extend(self.open.iter().map(|s| (s.clone(), x)));
    }
}

impl Emit {
    /// The padded dimensions in a region whose parameters stand for these arguments.
    pub fn ragged_in_region(&self, args: &[Node], params: &[Node]) -> Ragged {
        let mut inner = Ragged { open: self.ragged.open.clone(), settled: HashSet::new() };
        for symbol in &self.ragged.open {
            let met = args.iter().zip(params).filter(|(arg, _)| self.meets_mask(symbol, **arg));
            inner.settled.extend(met.map(|(_, param)| (symbol.clone(), *param)));
        }
        inner
    }

    /// `inside` is what a loop's body sees of `outside`, and has met the masks that this has.
    pub fn settle_like(&mut self, inside: Node, outside: Node) {
        let met: Vec<Symbol> = self.ragged.open.iter().filter(|s| self.meets_mask(s, outside)).cloned().collect();
        self.ragged.settled.extend(met.into_iter().map(|s| (s, inside)));
    }

    /// A reduction over a padded dimension whose argument did not meet the mask is an error.
    pub(super) fn check_padding(&self, op: &Op<Dim>, args: &[Node]) -> Checked<()> {
        if self.ragged.open.is_empty() {
            return Ok(());
        }
        if let Some(&arg) = args.first() {
            let reduced = reduced_axes(op, self.ty(arg)).into_iter();
            let symbols = reduced.flat_map(|axis| self.ty(arg).shape[axis].symbols());
            self.need_mask(symbols, &[arg])?;
        }
        Ok(())
    }

    /// What goes along an axis of this size, as a scan does, needs a mask among its arguments.
    pub(super) fn check_padded_axis(&self, size: &Dim, args: &[Node]) -> Checked<()> {
        self.need_mask(size.symbols().into_iter(), args)
    }

    fn need_mask(&self, symbols: impl Iterator<Item = Symbol>, args: &[Node]) -> Checked<()> {
        for symbol in symbols.filter(|s| self.ragged.open.contains(s)) {
            if !args.iter().any(|&arg| self.meets_mask(&symbol, arg)) {
                return Err(error::padding_counts(self.origin.span, &symbol.name));
            }
        }
        Ok(())
    }

    fn meets_mask(&self, symbol: &Symbol, value: Node) -> bool {
        let insts = self.graph.insts.iter().flat_map(|i| i.results.iter().map(move |r| (*r, i))).collect();
        Walk { symbol, settled: &self.ragged.settled, insts, seen: HashSet::new() }.meets(value, false)
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
            op if keeps_places(op, inst) => {
                let condition = condition || matches!(op, Op::Compare(_));
                inst.args.iter().any(|&a| self.meets(a, condition))
            }
            _ => false,
        }
    }
}

/// Whether an operation computes each element from those at its own place, or moves elements.
fn keeps_places(op: &Op<Dim>, inst: &Inst<Dim>) -> bool {
    match op {
        Op::Composite { .. } => inst.regions.first().is_some_and(|body| {
            let source = |op: &Op<Dim>| matches!(op, Op::Input { .. } | Op::Const(_) | Op::DimValue(_));
            body.insts.iter().all(|i| source(&i.op) || keeps_places(&i.op, i))
        }),
        _ => op.is_map() || op.is_move(),
    }
}

/// The axes of the first argument that an operation mixes, the padding with the rest.
fn reduced_axes(op: &Op<Dim>, x: &Type<Dim>) -> Vec<usize> {
    match op {
        Op::Reduce { axes, .. } => axes.clone(),
        // A running sum from the front does not see what comes behind.
        Op::CumSum { axis, reverse: true } => vec![*axis],
        Op::ArgMax { axis } | Op::ArgMin { axis } | Op::Sort { axis, .. } => vec![*axis],
        Op::TopK { .. } => vec![x.rank() - 1],
        _ => vec![],
    }
}

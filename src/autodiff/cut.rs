//! What a loop saves for its backward pass: a minimum cut.
//!
//! The backward body reads some values of the forward body. Each is either saved for every step, or computed again from
//! values that are saved or at hand anyway (the position, constants, slices). What is expensive is never computed again,
//! and a carry cannot be. Among all choices that respect this, the cut saves the fewest bytes; among those, it saves
//! what stands closest to the backward pass.
//!
//! The network: each value is a pair of nodes joined by an edge of its bytes; edges without limit lead from arguments to
//! results, from the source to what must not be computed again, and from what is read to the sink.

use crate::ops::{Binary, Op, Unary};
use crate::tensor::scan::Values;
use crate::tensor::{Graph, Inst, Value};
use std::collections::{HashMap, VecDeque};

/// What the choice depends on.
pub struct Choice<'a> {
    pub graph: &'a Graph,
    /// The forward body is the first instructions of the graph.
    pub forward: &'a [Inst],
    /// At hand in the backward body.
    pub free: &'a Values,
    pub carries: &'a Values,
    /// What the loop stacks already costs nothing.
    pub stacked: &'a Values,
    /// Forward values that the backward body reads.
    pub read: &'a Values,
    /// Save carries only.
    pub frugal: bool,
}

/// The values to save, in order.
pub fn saved(choice: &Choice) -> Vec<Value> {
    let mut network = Network::of(choice);
    network.fill();
    let mut saved: Vec<Value> = network.cut().into_iter().filter(|v| !choice.free.contains(v)).collect();
    saved.sort_unstable();
    saved
}

const SOURCE: usize = 0;
const SINK: usize = 1;
const UNLIMITED: u64 = u64::MAX / 4;

struct Network {
    values: Vec<Value>,
    /// From, to and what can still flow; edge `e ^ 1` is the opposite of `e`.
    edges: Vec<(usize, usize, u64)>,
    leaving: Vec<Vec<usize>>,
}

/// Where a value enters its node pair; it leaves at the next number.
fn entry(index: usize) -> usize {
    2 + 2 * index
}

impl Network {
    fn of(choice: &Choice) -> Network {
        let values: Vec<Value> = choice.forward.iter().flat_map(|inst| inst.results.clone()).collect();
        let index: HashMap<Value, usize> = values.iter().enumerate().map(|(i, v)| (*v, i)).collect();
        let leaving = vec![vec![]; 2 + 2 * values.len()];
        let mut network = Network { values: values.clone(), edges: vec![], leaving };
        for inst in choice.forward {
            for result in &inst.results {
                let at = entry(index[result]);
                network.join(at, at + 1, choice.cost(*result));
                if choice.is_fixed(inst, *result) {
                    network.join(SOURCE, at, UNLIMITED);
                }
                if choice.read.contains(result) && !choice.free.contains(result) {
                    network.join(at + 1, SINK, UNLIMITED);
                }
                inst.args.iter().for_each(|arg| network.join(entry(index[arg]) + 1, at, UNLIMITED));
            }
        }
        network
    }

    fn join(&mut self, from: usize, to: usize, limit: u64) {
        for (from, to, limit) in [(from, to, limit), (to, from, 0)] {
            self.leaving[from].push(self.edges.len());
            self.edges.push((from, to, limit));
        }
    }

    /// Sends as much as possible from the source to the sink, along shortest paths.
    fn fill(&mut self) {
        while let Some(path) = self.path() {
            let amount = path.iter().map(|e| self.edges[*e].2).min().unwrap_or(0);
            for e in path {
                self.edges[e].2 -= amount;
                self.edges[e ^ 1].2 += amount;
            }
        }
    }

    /// The edges of a shortest path with room.
    fn path(&self) -> Option<Vec<usize>> {
        let mut by: Vec<Option<usize>> = vec![None; self.leaving.len()];
        let mut queue = VecDeque::from([SOURCE]);
        while let Some(node) = queue.pop_front() {
            for &e in &self.leaving[node] {
                let (_, to, room) = self.edges[e];
                if room > 0 && to != SOURCE && by[to].is_none() {
                    by[to] = Some(e);
                    queue.push_back(to);
                }
            }
        }
        let mut path = vec![by[SINK]?];
        while let Some(e) = by[self.edges[path[path.len() - 1]].0] {
            path.push(e);
        }
        Some(path)
    }

    /// The values whose entry cannot reach the sink any more, while their exit can.
    fn cut(&self) -> Vec<Value> {
        let mut reaches = vec![false; self.leaving.len()];
        reaches[SINK] = true;
        let mut queue = vec![SINK];
        while let Some(node) = queue.pop() {
            for &e in &self.leaving[node] {
                let from = self.edges[e].1;
                if self.edges[e ^ 1].2 > 0 && !reaches[from] {
                    reaches[from] = true;
                    queue.push(from);
                }
            }
        }
        let is_cut = |i: &usize| !reaches[entry(*i)] && reaches[entry(*i) + 1];
        (0..self.values.len()).filter(is_cut).map(|i| self.values[i]).collect()
    }
}

impl Choice<'_> {
    fn cost(&self, value: Value) -> u64 {
        if self.stacked.contains(&value) { 0 } else { self.graph.ty(value).bytes() as u64 }
    }

    fn is_fixed(&self, inst: &Inst, value: Value) -> bool {
        if let Op::Input { .. } = inst.op {
            return self.carries.contains(&value);
        }
        !self.frugal && !is_cheap(inst)
    }
}

/// About as fast to compute again as to read back: moves, rows by index, and arithmetic that is no function to be
/// approximated.
fn is_cheap(inst: &Inst) -> bool {
    match &inst.op {
        Op::Unary(op) => is_cheap_map(*op),
        Op::Binary(op) => *op != Binary::Pow,
        Op::Composite { .. } => inst.regions[0].insts.iter().all(is_cheap),
        Op::Input { .. } | Op::DynamicSlice { .. } | Op::Take { .. } | Op::TakeAlong { .. } => true,
        op => op.is_source() || op.is_map() || op.is_move(),
    }
}

fn is_cheap_map(op: Unary) -> bool {
    match op {
        Unary::Neg | Unary::Abs | Unary::Sign | Unary::Floor | Unary::Ceil | Unary::RoundEven => true,
        Unary::Sqrt | Unary::Not => true,
        Unary::Exp | Unary::Expm1 | Unary::Log | Unary::Log1p | Unary::Sin | Unary::Cos => false,
        Unary::Tanh | Unary::Erf => false,
    }
}

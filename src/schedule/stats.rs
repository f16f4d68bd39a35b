//! Counts of a step program, for summaries and tests.

use super::{Item, Loop, StepProgram};
use crate::tile::{Extent, Index, Kernel, Stmt, TileOp, Var};

#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Stats {
    pub kernels: usize,
    /// In one run, every iteration counted; no condition ends a loop.
    pub launches: usize,
    /// As the launches; with no more workers than a loop has shares.
    pub barriers: usize,
    pub arena_bytes: usize,
    /// Floating-point operations of contractions in one run, at most (loops may leave out zeros); a multiply-add is two.
    pub flops: u64,
}

impl StepProgram {
    pub fn stats(&self) -> Stats {
        let kernels: Vec<u64> = self.kernels.iter().map(flops).collect();
        let mut stats = Stats { kernels: kernels.len(), arena_bytes: self.arena_bytes, ..Stats::default() };
        stats.add(&self.items, 1, 1, &kernels);
        stats
    }
}

impl Stats {
    /// Adds items that run so many times, with their barriers or without; `flops` has those of each kernel.
    fn add(&mut self, items: &[Item], times: usize, barriers: usize, flops: &[u64]) {
        for item in items {
            match item {
                Item::Launch(launch) => {
                    self.launches += times;
                    self.barriers += barriers * usize::from(launch.barrier);
                    self.flops += times as u64 * flops[launch.kernel];
                }
                Item::Loop(inner) => self.add_loop(inner, times, barriers, flops),
            }
        }
    }

    fn add_loop(&mut self, inner: &Loop, times: usize, barriers: usize, flops: &[u64]) {
        let within = if inner.shares.is_some() { 0 } else { barriers * inner.length };
        self.barriers += barriers * usize::from(inner.shares.is_some_and(|s| s.barrier));
        self.barriers += within * usize::from(inner.condition.as_ref().is_some_and(|c| c.barrier));
        self.add(&inner.items, times * inner.length, within, flops);
        self.add(&inner.after, times, barriers, flops);
    }
}

/// A loop around a statement: variable, length and step.
type Around = (Var, usize, usize);

fn flops(kernel: &Kernel) -> u64 {
    let mut around: Vec<Around> = kernel.grid.iter().map(|g| (g.var, g.extent, g.step)).collect();
    count(kernel, &kernel.body, &mut around)
}

fn count(kernel: &Kernel, body: &[Stmt], around: &mut Vec<Around>) -> u64 {
    let mut total = 0;
    for stmt in body {
        match stmt {
            Stmt::Let { op: TileOp::Contract { acc, a, a_transposed, .. }, .. } => {
                let (acc, a) = (kernel.ty(*acc), kernel.ty(*a));
                let inner = if *a_transposed { a.rows } else { a.cols };
                total += 2 * products([acc.rows, acc.cols, inner], around);
            }
            Stmt::For(inner) => {
                around.push((inner.var, most(&inner.hi), inner.step));
                total += count(kernel, &inner.body, around);
                around.pop();
            }
            _ => {}
        }
    }
    total
}

/// A loop's end at most: loops start at 0 or later.
fn most(end: &Index) -> usize {
    match end {
        Index::Const(n) => *n as usize,
        Index::Min(a, b) => most(a).min(most(b)),
        _ => usize::MAX,
    }
}

/// Elements that the extents meet over all iterations: a blocked axis meets its loop's length in all.
fn products(extents: [Extent; 3], around: &[Around]) -> u64 {
    let fixed = extents.iter().map(|e| if let Extent::Fixed(n) = e { *n as u64 } else { 1 });
    let blocks = |var: Var| extents.contains(&Extent::Block(var));
    let turns = around.iter().map(|(var, size, step)| if blocks(*var) { *size } else { size.div_ceil(*step) } as u64);
    fixed.chain(turns).product()
}

//! Counts of a step program, for summaries and tests.

use super::StepProgram;
use crate::tile::{Extent, Index, Kernel, Stmt, TileOp, Var};

#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Stats {
    pub kernels: usize,
    pub launches: usize,
    pub barriers: usize,
    pub arena_bytes: usize,
    /// Floating-point operations of contractions in one run, at most (loops may leave out zeros); a multiply-add is two.
    pub flops: u64,
}

impl StepProgram {
    pub fn stats(&self) -> Stats {
        Stats {
            kernels: self.kernels.len(),
            launches: self.launches.len(),
            barriers: self.launches.iter().filter(|l| l.barrier).count(),
            arena_bytes: self.arena_bytes,
            flops: self.launches.iter().map(|l| flops(&self.kernels[l.kernel])).sum(),
        }
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

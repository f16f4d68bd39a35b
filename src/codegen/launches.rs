//! Launches and loops of a program as the step function runs them.

use super::clif::step::{Call, Code, Condition, Loop, Move};
use super::errors;
use crate::diag::Diagnostic;
use crate::lane;
use crate::schedule::walk::{Frame, Iteration};
use crate::schedule::{self, Arg, Item, Launch, Pick, Place, Shares, Step, StepProgram};
use crate::tile::Access;

/// The step function of a program; `kernels` has the placed form of each kernel, `index` the number of its function.
pub fn code(program: &StepProgram, kernels: &[&lane::Kernel], index: &[usize]) -> Vec<Code> {
    Coder { program, kernels, index, launches: 0, args: 0 }.items(&program.items)
}

/// Every launch by itself, with a table of its own.
pub fn single(code: &[Code]) -> Vec<Code> {
    let alone = |code: &Code| match code {
        Code::Call(call) => {
            let args = vec![vec![]; call.args.len()];
            vec![Code::Call(Call { number: 0, first_arg: 0, args, barrier: false, ..*call })]
        }
        Code::Loop(inner) => [in_shares(inner.shares, single(&inner.body)), single(&inner.after)].concat(),
    };
    code.iter().flat_map(alone).collect()
}

/// Launches by themselves that are split like the iterations of the loop that they stand in.
fn in_shares(shares: Option<Shares>, launches: Vec<Code>) -> Vec<Code> {
    let Some(Shares { count, .. }) = shares else { return launches };
    let once = |launch: Code| {
        let shares = Some(Shares { count, barrier: false });
        Code::Loop(Loop { length: 1, reverse: false, condition: None, shares, body: vec![launch], after: vec![] })
    };
    launches.into_iter().map(once).collect()
}

/// One launch of a kernel on the first arguments of the table.
pub fn call(kernel: usize, lane: &lane::Kernel) -> Call {
    Call {
        number: 0,
        kernel,
        first_arg: 0,
        args: vec![],
        points: lane.points,
        share: 0,
        barrier: false,
        may_fault: may_fault(&lane.body),
    }
}

fn may_fault(body: &[lane::Stmt]) -> bool {
    body.iter().any(|stmt| match stmt {
        lane::Stmt::Fault { .. } | lane::Stmt::FaultIf { .. } => true,
        lane::Stmt::Loop(l) => may_fault(&l.body),
        lane::Stmt::If { then, otherwise, .. } => may_fault(&then.body) || may_fault(&otherwise.body),
        _ => false,
    })
}

struct Coder<'a> {
    program: &'a StepProgram,
    kernels: &'a [&'a lane::Kernel],
    index: &'a [usize],
    /// Launches and arguments so far: in the order of [`schedule::launches`] and [`schedule::args`].
    launches: usize,
    args: usize,
}

impl Coder<'_> {
    fn items(&mut self, items: &[Item]) -> Vec<Code> {
        let mut code = vec![];
        for item in items {
            code.push(match item {
                Item::Launch(launch) => Code::Call(self.launch(launch)),
                Item::Loop(inner) => Code::Loop(self.looped(inner)),
            });
        }
        code
    }

    fn launch(&mut self, launch: &Launch) -> Call {
        let call = Call {
            number: self.launches,
            first_arg: self.args,
            args: launch.args.iter().map(|arg| self.moves(arg)).collect(),
            share: launch.share,
            barrier: launch.barrier,
            ..call(self.index[launch.kernel], self.kernels[launch.kernel])
        };
        self.launches += 1;
        self.args += launch.args.len();
        call
    }

    fn looped(&mut self, inner: &schedule::Loop) -> Loop {
        let condition = inner.condition.as_ref().map(|c| {
            self.args += 1;
            Condition { arg: self.args - 1, moves: self.moves(&c.flag), barrier: c.barrier }
        });
        let (length, reverse, shares) = (inner.length, inner.reverse, inner.shares);
        Loop { length, reverse, condition, shares, body: self.items(&inner.items), after: self.items(&inner.after) }
    }

    fn moves(&self, arg: &Arg) -> Vec<Move> {
        let size = self.program.buffers[arg.buffer.0 as usize].ty.dtype.size();
        arg.steps.iter().map(|s| Move { depth: s.depth, pick: s.pick, bytes: s.stride * size }).collect()
    }
}

/// No argument that a launch writes may overlap another of its arguments: emitters move loads past stores.
pub fn check_aliases(program: &StepProgram) -> Result<(), Diagnostic> {
    for launch in program.launches() {
        let kernel = &program.kernels[launch.kernel];
        if kernel.params.len() != launch.args.len() {
            return Err(errors::internal(&kernel.name, "a launch has the wrong number of arguments"));
        }
        let elements = |i: usize| kernel.params[i].elements();
        for (i, param) in kernel.params.iter().enumerate() {
            let other = |j: usize| overlap(program, (&launch.args[i], elements(i)), (&launch.args[j], elements(j)));
            if param.access != Access::Read && (0..launch.args.len()).any(|j| j != i && other(j)) {
                return Err(errors::internal(&kernel.name, &format!("`{}` overlaps another argument", param.name)));
            }
        }
    }
    Ok(())
}

/// Whether two arguments of so many elements overlap in some iteration.
fn overlap(program: &StepProgram, (a, a_len): (&Arg, usize), (b, b_len): (&Arg, usize)) -> bool {
    let buffer = |arg: &Arg| &program.buffers[arg.buffer.0 as usize];
    if a.buffer == b.buffer {
        let meet = |frame: &Frame| {
            let (a, b) = (a.element(frame), b.element(frame));
            a < b + b_len && b < a + a_len
        };
        return positions(a) != positions(b) || [0, 1].iter().any(|count| meet(&frame([a, b], *count)));
    }
    match (buffer(a).place, buffer(b).place) {
        (Place::Arena { offset: i }, Place::Arena { offset: j }) => {
            i < j + buffer(b).bytes() && j < i + buffer(a).bytes()
        }
        (a, b) => a == b,
    }
}

/// The first position of every loop, in an even or an odd iteration.
fn frame(args: [&Arg; 2], count: usize) -> Vec<Iteration> {
    let loops = args.iter().flat_map(|arg| &arg.steps).map(|s| s.depth + 1).max().unwrap_or(0);
    vec![Iteration { count, position: 0 }; loops]
}

/// What follows from positions: where it is equal, the distance of two arguments is the same at all positions.
fn positions(arg: &Arg) -> Vec<Step> {
    let mut steps: Vec<Step> = arg.steps.iter().copied().filter(|s| s.pick == Pick::Position).collect();
    steps.sort_by_key(|s| (s.depth, s.stride));
    steps
}

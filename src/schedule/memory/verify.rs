//! Checks a step program by going through a run of it, sharing nothing with what made it.
//!
//! Invariants: arguments fit their parameters in type, shape and layout, and lie inside their buffers; arena buffers are
//! aligned and inside the arena; what a launch reads was written by an earlier launch (or is an input or a constant) and
//! no other buffer's write came over it since; results hold their buffers at the end; constants are not written;
//! launches between two barriers touch no common byte that one of them writes. Where workers run a loop by themselves,
//! that is all launches in it, and no byte may be common to different shares. All of this holds wherever conditions stop
//! their loops: at once, after one iteration, or never.

mod owners;
mod ranges;

use crate::schedule::walk::{Frame, Run, walk};
use crate::schedule::{Arg, BufferId, Condition, Launch, Loop, Place, Shares, StepProgram, loops};
use crate::tile::footprint::{Footprint, Footprints};
use crate::tile::{Access, Kernel, Layout, Param};
use owners::Owners;
use ranges::Ranges;
use std::collections::HashMap;
use std::ops::Range;

pub fn verify(program: &StepProgram) -> Result<(), String> {
    places(program)?;
    let loops = loops(&program.items);
    let stops: &[usize] = if loops.iter().any(|l| l.condition.is_some()) { &[0, 1, usize::MAX] } else { &[usize::MAX] };
    stops.iter().try_for_each(|stop| run(program, *stop, false))?;
    match loops.iter().any(|l| l.shares.is_some()) {
        true => run(program, usize::MAX, true).map_err(|e| format!("in shares: {e}")),
        false => Ok(()),
    }
}

/// A run in which conditions hold `iterations` times, and workers run loops by themselves if they may.
fn run(program: &StepProgram, iterations: usize, alone: bool) -> Result<(), String> {
    let mut memory = Memory::new(program, iterations, alone);
    walk(&program.items, &mut memory)?;
    let mut ends = program.outputs.iter().flat_map(|o| std::iter::once(o.buffer).chain(o.weight));
    ends.try_for_each(|b| {
        let buffer = &program.buffers[b.0 as usize];
        let all = 0..buffer.elements() * buffer.ty.dtype.size();
        memory.readable(b, &all).map_err(|e| format!("at the end, {e}"))
    })
}

fn places(program: &StepProgram) -> Result<(), String> {
    for (i, buffer) in program.buffers.iter().enumerate() {
        let Place::Arena { offset } = buffer.place else { continue };
        if offset % 64 != 0 || offset + buffer.bytes() > program.arena_bytes {
            return Err(format!("b{i} lies at {offset} of an arena of {} bytes", program.arena_bytes));
        }
    }
    Ok(())
}

struct Memory<'a> {
    program: &'a StepProgram,
    iterations: usize,
    alone: bool,
    /// Bytes of each buffer of the arena that hold what was written.
    valid: Vec<Ranges>,
    /// Buffers that share memory with each, itself included.
    shared_memory: Vec<Vec<usize>>,
    /// Who read and who wrote bytes of each buffer since the last barrier: a launch, or a share of a loop.
    since: Vec<[Owners; 2]>,
    /// The owner after all so far.
    next_owner: usize,
    /// The loop that workers run by themselves, and the owner that its first share is.
    shared: Option<(Shares, usize)>,
    /// What the shares of a launch touch.
    footprints: HashMap<usize, Vec<Footprint>>,
}

impl Run for Memory<'_> {
    type Error = String;

    fn launch(&mut self, number: usize, launch: &Launch, frame: &Frame) -> Result<(), String> {
        let name = &self.program.kernels[launch.kernel].name;
        self.touch(number, launch, frame).map_err(|e| format!("launch {number} ({name}): {e}"))
    }

    fn enter(&mut self, inner: &Loop) -> Result<(), String> {
        let Some(shares) = inner.shares else { return Ok(()) };
        if shares.barrier {
            self.wait();
        }
        if self.alone && self.shared.is_none() {
            self.shared = Some((shares, self.next_owner));
            self.next_owner += shares.count;
        }
        Ok(())
    }

    fn leave(&mut self, inner: &Loop) {
        if inner.shares.is_some() {
            self.shared = None;
        }
    }

    fn goes_on(&mut self, condition: &Condition, frame: &Frame) -> Result<bool, String> {
        if condition.barrier {
            self.wait();
        }
        let at = condition.flag.element(frame);
        let fail = |e: String| format!("a condition: {e}");
        self.readable(condition.flag.buffer, &(at..at + 1)).map_err(fail)?;
        self.next_owner += 1;
        self.claim(condition.flag.buffer, &(at..at + 1), false, self.next_owner - 1).map_err(fail)?;
        Ok(frame.last().is_some_and(|i| i.count < self.iterations))
    }
}

impl<'a> Memory<'a> {
    fn new(program: &'a StepProgram, iterations: usize, alone: bool) -> Memory<'a> {
        let count = program.buffers.len();
        let meeting = |a: usize| (0..count).filter(|b| meet(program, a, *b)).collect();
        Memory {
            program,
            iterations,
            alone,
            valid: vec![Ranges::default(); count],
            shared_memory: (0..count).map(meeting).collect(),
            since: (0..count).map(|_| Default::default()).collect(),
            next_owner: 0,
            shared: None,
            footprints: HashMap::new(),
        }
    }

    /// A barrier, which those who run a loop by themselves leave out.
    fn wait(&mut self) {
        if self.shared.is_none() {
            self.since.iter_mut().flatten().for_each(Owners::clear);
        }
    }

    fn touch(&mut self, number: usize, launch: &Launch, frame: &Frame) -> Result<(), String> {
        let params = &self.program.kernels[launch.kernel].params;
        if launch.args.len() != params.len() {
            return Err("one argument per parameter".to_owned());
        }
        if launch.barrier {
            self.wait();
        }
        let args = launch.args.iter().zip(params);
        let args = args.map(|(arg, p)| Ok((arg.buffer, self.fit(arg, p, frame)?, p.access)));
        let args = args.collect::<Result<Vec<_>, String>>()?;
        self.share_out(number, launch, &args)?;
        for (buffer, bytes, _) in args.iter().filter(|a| a.2 != Access::Write) {
            self.readable(*buffer, bytes)?;
        }
        args.iter().filter(|a| a.2 != Access::Read).try_for_each(|(buffer, bytes, _)| self.write(*buffer, bytes))
    }

    /// Claims what a launch touches: as a whole, or for each share of a loop that workers run by themselves.
    fn share_out(
        &mut self,
        number: usize,
        launch: &Launch,
        args: &[(BufferId, Range<usize>, Access)],
    ) -> Result<(), String> {
        let Some((shares, first)) = self.shared else {
            self.next_owner += 1;
            let owner = self.next_owner - 1;
            return args
                .iter()
                .try_for_each(|(b, bytes, access)| self.claim(*b, bytes, *access != Access::Read, owner));
        };
        let kernel = &self.program.kernels[launch.kernel];
        let points = |share: usize| (share * launch.share).min(kernel.points());
        if launch.share == 0 || points(shares.count) < kernel.points() {
            return Err(format!("{} shares of {} points are not all", shares.count, launch.share));
        }
        let footprints = self.footprints.remove(&number).unwrap_or_else(|| {
            let all = Footprints::new(kernel);
            (0..shares.count).map(|s| all.of(points(s)..points(s + 1))).collect()
        });
        for (share, footprint) in footprints.iter().enumerate() {
            self.claim_share(args, kernel, footprint, first + share)?;
        }
        self.footprints.insert(number, footprints);
        Ok(())
    }

    fn claim_share(
        &mut self,
        args: &[(BufferId, Range<usize>, Access)],
        kernel: &Kernel,
        footprint: &Footprint,
        owner: usize,
    ) -> Result<(), String> {
        for (n, (buffer, bytes, _)) in args.iter().enumerate() {
            let size = kernel.params[n].dtype.size();
            for (elements, write) in [(&footprint.reads[n], false), (&footprint.writes[n], true)] {
                let part = bytes.start + elements.start * size..bytes.start + elements.end * size;
                self.claim(*buffer, &part, write, owner)?;
            }
        }
        Ok(())
    }

    /// The bytes of an argument, which must fit the parameter.
    fn fit(&self, arg: &Arg, param: &Param, frame: &Frame) -> Result<Range<usize>, String> {
        let buffer = &self.program.buffers[arg.buffer.0 as usize];
        let elements = param.elements();
        let first = arg.element(frame);
        let inside = first.checked_add(elements).is_some_and(|end| end <= buffer.elements());
        let rows = param.layout == Layout::RowMajor || param.shape.last() == buffer.ty.shape.last();
        if buffer.ty.dtype != param.dtype || buffer.layout != param.layout || !rows || !inside {
            return Err(format!("{arg} does not fit {}", param.name));
        }
        let size = param.dtype.size();
        Ok(first * size..(first + elements) * size)
    }

    fn readable(&self, buffer: BufferId, bytes: &Range<usize>) -> Result<(), String> {
        let at = buffer.0 as usize;
        match self.program.buffers[at].place {
            Place::Arena { .. } if !self.valid[at].contain(bytes) => {
                Err(format!("{buffer} is read but does not hold its value"))
            }
            _ => Ok(()),
        }
    }

    /// Notes who touches bytes; nobody else may have done so since the last barrier, unless both read.
    fn claim(&mut self, buffer: BufferId, bytes: &Range<usize>, write: bool, owner: usize) -> Result<(), String> {
        let at = buffer.0 as usize;
        for &other in &self.shared_memory[at] {
            let bytes = self.within(at, bytes, other);
            let [read, written] = &self.since[other];
            if written.has_others(&bytes, owner) || write && read.has_others(&bytes, owner) {
                return Err(format!("{buffer} is in use by a launch without a barrier between"));
            }
        }
        self.since[at][usize::from(write)].claim(bytes, owner);
        Ok(())
    }

    fn write(&mut self, buffer: BufferId, bytes: &Range<usize>) -> Result<(), String> {
        let at = buffer.0 as usize;
        if matches!(self.program.buffers[at].place, Place::Constant { .. }) {
            return Err(format!("{buffer} is a constant and is written"));
        }
        for other in self.shared_memory[at].clone() {
            let bytes = self.within(at, bytes, other);
            self.valid[other].remove(&bytes);
        }
        self.valid[at].add(bytes);
        Ok(())
    }

    /// Bytes of one buffer as bytes of another that shares memory with it; what lies before its start is left out.
    fn within(&self, buffer: usize, bytes: &Range<usize>, other: usize) -> Range<usize> {
        let start = |b: usize| match self.program.buffers[b].place {
            Place::Arena { offset } => offset,
            _ => 0,
        };
        let shift = |at: usize| (start(buffer) + at).saturating_sub(start(other));
        shift(bytes.start)..shift(bytes.end)
    }
}

/// Whether two buffers share memory.
fn meet(program: &StepProgram, a: usize, b: usize) -> bool {
    let [x, y] = [a, b].map(|i| &program.buffers[i]);
    match (x.place, y.place) {
        (Place::Arena { offset: p }, Place::Arena { offset: q }) => p < q + y.bytes() && q < p + x.bytes(),
        _ => a == b,
    }
}

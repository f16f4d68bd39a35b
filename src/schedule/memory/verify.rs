//! Checks a step program by going through a run of it, sharing nothing with what made it.
//!
//! Invariants: arguments fit their parameters in type, shape and layout, and lie inside their buffers; arena buffers are
//! aligned and inside the arena; what a launch reads was written by an earlier launch (or is an input or a constant) and
//! no other buffer's write came over it since; results hold their buffers at the end; constants are not written;
//! launches between two barriers touch no common byte that one of them writes. All of this holds wherever conditions
//! stop their loops: at once, after one iteration, or never.

mod ranges;

use crate::schedule::walk::{Frame, Run, walk};
use crate::schedule::{Arg, BufferId, Condition, Launch, Place, StepProgram};
use crate::tile::{Access, Layout, Param};
use ranges::Ranges;
use std::ops::Range;

pub fn verify(program: &StepProgram) -> Result<(), String> {
    places(program)?;
    let conditional = crate::schedule::loops(&program.items).iter().any(|l| l.condition.is_some());
    let stops: &[usize] = if conditional { &[0, 1, usize::MAX] } else { &[usize::MAX] };
    stops.iter().try_for_each(|stop| run(program, *stop))
}

/// A run in which conditions hold `iterations` times.
fn run(program: &StepProgram, iterations: usize) -> Result<(), String> {
    let mut memory = Memory::new(program, iterations);
    walk(&program.items, &mut memory)?;
    let mut ends = program.outputs.iter().flat_map(|o| std::iter::once(o.buffer).chain(o.weight));
    ends.try_for_each(|b| {
        let all = 0..program.buffers[b.0 as usize].ty.bytes();
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
    /// Bytes of each buffer of the arena that hold what was written.
    valid: Vec<Ranges>,
    /// Buffers that share memory with each, itself included.
    shared: Vec<Vec<usize>>,
    /// Bytes of each buffer that were read and written since the last barrier.
    since: Vec<[Ranges; 2]>,
}

impl Run for Memory<'_> {
    type Error = String;

    fn launch(&mut self, number: usize, launch: &Launch, frame: &Frame) -> Result<(), String> {
        let name = &self.program.kernels[launch.kernel].name;
        self.touch(launch, frame).map_err(|e| format!("launch {number} ({name}): {e}"))
    }

    fn goes_on(&mut self, condition: &Condition, frame: &Frame) -> Result<bool, String> {
        if condition.barrier {
            self.wait();
        }
        let at = condition.flag.element(frame);
        self.read(condition.flag.buffer, at..at + 1).map_err(|e| format!("a condition: {e}"))?;
        Ok(frame.last().is_some_and(|i| i.count < self.iterations))
    }
}

impl<'a> Memory<'a> {
    fn new(program: &'a StepProgram, iterations: usize) -> Memory<'a> {
        let count = program.buffers.len();
        let meeting = |a: usize| (0..count).filter(|b| meet(program, a, *b)).collect();
        Memory {
            program,
            iterations,
            valid: vec![Ranges::default(); count],
            shared: (0..count).map(meeting).collect(),
            since: vec![Default::default(); count],
        }
    }

    fn wait(&mut self) {
        self.since.iter_mut().flatten().for_each(Ranges::clear);
    }

    fn touch(&mut self, launch: &Launch, frame: &Frame) -> Result<(), String> {
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
        // What one launch does, its workers do at the same time: reads first, against what came before.
        for (buffer, bytes, access) in &args {
            self.alone(*buffer, bytes, *access != Access::Read)?;
            if *access != Access::Write {
                self.readable(*buffer, bytes)?;
            }
        }
        for (buffer, bytes, access) in args {
            self.since[buffer.0 as usize][usize::from(access != Access::Read)].add(&bytes);
            if access != Access::Read {
                self.write(buffer, &bytes)?;
            }
        }
        Ok(())
    }

    /// The bytes of an argument, which must fit the parameter.
    fn fit(&self, arg: &Arg, param: &Param, frame: &Frame) -> Result<Range<usize>, String> {
        let buffer = &self.program.buffers[arg.buffer.0 as usize];
        let elements: usize = param.shape.iter().product();
        let whole = arg.steps.is_empty() && arg.offset == 0 && buffer.ty.elements() == elements;
        let first = arg.element(frame);
        let inside = first.checked_add(elements).is_some_and(|end| end <= buffer.ty.elements());
        let sliced = inside && buffer.layout == Layout::RowMajor;
        if buffer.ty.dtype != param.dtype || buffer.layout != param.layout || !(whole || sliced) {
            return Err(format!("{arg} does not fit {}", param.name));
        }
        let size = param.dtype.size();
        Ok(first * size..(first + elements) * size)
    }

    fn read(&mut self, buffer: BufferId, bytes: Range<usize>) -> Result<(), String> {
        self.alone(buffer, &bytes, false)?;
        self.readable(buffer, &bytes)?;
        self.since[buffer.0 as usize][0].add(&bytes);
        Ok(())
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

    /// No launch since the last barrier conflicts.
    fn alone(&self, buffer: BufferId, bytes: &Range<usize>, write: bool) -> Result<(), String> {
        for &other in &self.shared[buffer.0 as usize] {
            let bytes = self.within(buffer.0 as usize, bytes, other);
            let [read, written] = &self.since[other];
            if written.meet(&bytes) || write && read.meet(&bytes) {
                return Err(format!("{buffer} is in use by a launch without a barrier between"));
            }
        }
        Ok(())
    }

    fn write(&mut self, buffer: BufferId, bytes: &Range<usize>) -> Result<(), String> {
        let at = buffer.0 as usize;
        if matches!(self.program.buffers[at].place, Place::Constant { .. }) {
            return Err(format!("{buffer} is a constant and is written"));
        }
        for other in self.shared[at].clone() {
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

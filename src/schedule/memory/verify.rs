//! Checks a step program, sharing nothing with what made it.
//!
//! Invariants: arguments fit their parameters in type, shape and layout; arena buffers are aligned and inside the arena;
//! what a launch reads was written by an earlier launch (or is an input or a constant) and no other buffer's write came
//! over it since; results hold their buffers at the end; constants are not written; launches between two barriers
//! touch no common byte that one of them writes.

use crate::schedule::{BufferId, Launch, Place, StepProgram};
use crate::tile::{Access, Param};

pub fn verify(program: &StepProgram) -> Result<(), String> {
    places(program)?;
    let mut memory = Memory { program, valid: vec![false; program.buffers.len()], group: vec![] };
    for (at, launch) in program.launches.iter().enumerate() {
        memory.launch(at, launch)?;
    }
    let ends = program.outputs.iter().flat_map(|o| std::iter::once(o.buffer).chain(o.weight));
    ends.into_iter().try_for_each(|b| memory.readable(b).map_err(|e| format!("at the end, {e}")))
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
    /// Buffers of the arena whose contents are whole.
    valid: Vec<bool>,
    /// Launches since the last barrier.
    group: Vec<&'a Launch>,
}

impl<'a> Memory<'a> {
    fn launch(&mut self, at: usize, launch: &'a Launch) -> Result<(), String> {
        let kernel = &self.program.kernels[launch.kernel];
        let fail = |e: String| format!("launch {at} ({}): {e}", kernel.name);
        if launch.args.len() != kernel.params.len() {
            return Err(fail("one argument per parameter".to_owned()));
        }
        if launch.barrier {
            self.group.clear();
        }
        for (arg, param) in launch.args.iter().zip(&kernel.params) {
            self.fits(*arg, param).map_err(fail)?;
            if param.access != Access::Write {
                self.readable(*arg).map_err(fail)?;
            }
            self.alone(*arg, param.access != Access::Read).map_err(fail)?;
        }
        for (arg, _) in writes(self.program, launch) {
            self.write(arg).map_err(fail)?;
        }
        self.group.push(launch);
        Ok(())
    }

    fn fits(&self, arg: BufferId, param: &Param) -> Result<(), String> {
        let buffer = &self.program.buffers[arg.0 as usize];
        let elements: usize = param.shape.iter().product();
        let same = buffer.ty.dtype == param.dtype && buffer.ty.elements() == elements && buffer.layout == param.layout;
        if same { Ok(()) } else { Err(format!("b{} does not fit {}", arg.0, param.name)) }
    }

    fn readable(&self, buffer: BufferId) -> Result<(), String> {
        let at = buffer.0 as usize;
        match self.program.buffers[at].place {
            Place::Arena { .. } if !self.valid[at] => Err(format!("b{at} is read but does not hold its value")),
            _ => Ok(()),
        }
    }

    /// No launch of the same barrier group conflicts.
    fn alone(&self, buffer: BufferId, write: bool) -> Result<(), String> {
        for other in &self.group {
            let params = &self.program.kernels[other.kernel].params;
            for (arg, param) in other.args.iter().zip(params) {
                if (write || param.access != Access::Read) && self.meet(buffer, *arg) {
                    return Err(format!("b{} is in use by a launch without a barrier between", buffer.0));
                }
            }
        }
        Ok(())
    }

    fn meet(&self, a: BufferId, b: BufferId) -> bool {
        let [x, y] = [a, b].map(|id| &self.program.buffers[id.0 as usize]);
        match (x.place, y.place) {
            (Place::Arena { offset: p }, Place::Arena { offset: q }) => p < q + y.bytes() && q < p + x.bytes(),
            _ => a == b,
        }
    }

    fn write(&mut self, buffer: BufferId) -> Result<(), String> {
        if matches!(self.program.buffers[buffer.0 as usize].place, Place::Constant { .. }) {
            return Err(format!("b{} is a constant and is written", buffer.0));
        }
        for other in 0..self.valid.len() {
            if self.meet(buffer, BufferId(other as u32)) {
                self.valid[other] = false;
            }
        }
        self.valid[buffer.0 as usize] = true;
        Ok(())
    }
}

fn writes<'a>(program: &'a StepProgram, launch: &'a Launch) -> impl Iterator<Item = (BufferId, &'a Param)> {
    let params = &program.kernels[launch.kernel].params;
    launch.args.iter().copied().zip(params).filter(|(_, p)| p.access != Access::Read)
}

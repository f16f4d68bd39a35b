//! The memory plan: when each buffer is live, where it lies in the arena, and where workers must wait.

mod verify;

pub use verify::verify;

use super::{Launch, Place, StepProgram};
use crate::tile::Access;
use std::ops::Range;

/// Launches from the first to the last that touch each buffer; results live to the end.
fn lives(program: &StepProgram) -> Vec<Option<(usize, usize)>> {
    let mut lives: Vec<Option<(usize, usize)>> = vec![None; program.buffers.len()];
    for (at, launch) in program.launches.iter().enumerate() {
        for arg in &launch.args {
            let life = lives[arg.0 as usize].get_or_insert((at, at));
            life.1 = at;
        }
    }
    for output in &program.outputs {
        for buffer in std::iter::once(output.buffer).chain(output.weight) {
            if let Some(life) = &mut lives[buffer.0 as usize] {
                life.1 = usize::MAX;
            }
        }
    }
    lives
}

/// Gives every arena buffer an offset (large ones first, each at the lowest gap that fits), and launches their barriers.
pub fn assign(program: &mut StepProgram) {
    let lives = lives(program);
    let in_arena = |i: &usize| matches!(program.buffers[*i].place, Place::Arena { .. });
    let mut order: Vec<usize> = (0..program.buffers.len()).filter(in_arena).collect();
    order.sort_by_key(|i| (std::cmp::Reverse(program.buffers[*i].bytes()), *i));
    let mut placed: Vec<usize> = vec![];
    for i in order {
        let meets = |j: &&usize| matches!((lives[i], lives[**j]), (Some(a), Some(b)) if a.0 <= b.1 && b.0 <= a.1);
        let mut taken: Vec<Range<usize>> = placed.iter().filter(meets).filter_map(|j| range(program, *j)).collect();
        taken.sort_by_key(|r| r.start);
        let offset = first_gap(&taken, program.buffers[i].bytes());
        program.buffers[i].place = Place::Arena { offset };
        program.arena_bytes = program.arena_bytes.max(offset + program.buffers[i].bytes());
        placed.push(i);
    }
    barriers(program);
}

fn first_gap(taken: &[Range<usize>], bytes: usize) -> usize {
    let mut at = 0;
    for range in taken {
        if range.start >= at + bytes {
            break;
        }
        at = at.max(range.end);
    }
    at
}

/// Bytes of the arena that a buffer takes.
fn range(program: &StepProgram, buffer: usize) -> Option<Range<usize>> {
    match program.buffers[buffer].place {
        Place::Arena { offset } => Some(offset..offset + program.buffers[buffer].bytes()),
        _ => None,
    }
}

/// A launch waits where it touches what a launch since the last barrier wrote, or writes what such a one read.
fn barriers(program: &mut StepProgram) {
    let mut since = 0;
    for at in 0..program.launches.len() {
        let conflict = (since..at).any(|before| conflicts(program, before, at));
        program.launches[at].barrier = conflict;
        if conflict {
            since = at;
        }
    }
}

/// Whether two launches may not run at the same time.
fn conflicts(program: &StepProgram, a: usize, b: usize) -> bool {
    let touches = |launch: &Launch| -> Vec<(usize, bool)> {
        let params = &program.kernels[launch.kernel].params;
        launch.args.iter().zip(params).map(|(arg, p)| (arg.0 as usize, p.access != Access::Read)).collect()
    };
    let (a, b) = (touches(&program.launches[a]), touches(&program.launches[b]));
    a.iter().any(|x| b.iter().any(|y| (x.1 || y.1) && overlap(program, x.0, y.0)))
}

fn overlap(program: &StepProgram, a: usize, b: usize) -> bool {
    match (range(program, a), range(program, b)) {
        (Some(a), Some(b)) => a.start < b.end && b.start < a.end,
        _ => a == b,
    }
}

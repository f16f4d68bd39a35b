//! The memory plan: when each buffer is live, where it lies in the arena, and where workers must wait.

mod barriers;
mod lives;
mod verify;

pub use verify::verify;

use super::{Place, StepProgram};
use std::ops::Range;

/// Gives every arena buffer an offset (large ones first, each at the lowest gap that fits), and launches their barriers.
pub fn assign(program: &mut StepProgram) {
    let lives = lives::lives(program);
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
    barriers::place(program);
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

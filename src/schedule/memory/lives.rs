//! From which launch to which a buffer must keep its contents.

use crate::schedule::{BufferId, Item, StepProgram, launches};

/// Launches from the first to the last that touch each buffer; results live to the end. What is touched in a loop and
/// elsewhere lives through all of the loop; what only one loop touches is written and read within an iteration, unless
/// workers run the loop by themselves and may be in different iterations.
pub fn lives(program: &StepProgram) -> Vec<Option<(usize, usize)>> {
    let mut finder = Finder { loops: vec![], shared: None, touches: vec![vec![]; program.buffers.len()] };
    finder.items(&program.items, 0);
    for output in &program.outputs {
        for buffer in std::iter::once(output.buffer).chain(output.weight) {
            finder.read_at_end(buffer);
        }
    }
    finder.touches.iter().map(|touches| life(touches)).collect()
}

/// The loops around a touch, outermost first, as their ranges of launches; then the launch, or the loop that has shares.
type Touch = Vec<(usize, usize)>;

struct Finder {
    loops: Touch,
    /// The number of loops around the one that has shares.
    shared: Option<usize>,
    touches: Vec<Vec<Touch>>,
}

impl Finder {
    /// Gives the number of the launch after these.
    fn items(&mut self, items: &[Item], mut number: usize) -> usize {
        for item in items {
            match item {
                Item::Launch(launch) => {
                    launch.args.iter().for_each(|arg| self.touch(arg.buffer, number));
                    number += 1;
                }
                Item::Loop(inner) => {
                    let end = number + launches(&inner.items).len();
                    let shared = self.shared;
                    self.shared = shared.or(inner.shares.map(|_| self.loops.len()));
                    self.loops.push((number, end.max(number + 1) - 1));
                    inner.condition.iter().for_each(|c| self.touch(c.flag.buffer, number));
                    self.items(&inner.items, number);
                    self.loops.pop();
                    self.shared = shared;
                    number = self.items(&inner.after, end);
                }
            }
        }
        number
    }

    /// A result is read after all loops, so it lives through all of each loop that makes it.
    fn read_at_end(&mut self, buffer: BufferId) {
        let touches = &mut self.touches[buffer.0 as usize];
        if !touches.is_empty() {
            touches.push(vec![(usize::MAX, usize::MAX)]);
        }
    }

    fn touch(&mut self, buffer: BufferId, number: usize) {
        let mut touch: Touch = self.loops.iter().copied().chain([(number, number)]).collect();
        touch.truncate(self.shared.map_or(touch.len(), |around| around + 1));
        self.touches[buffer.0 as usize].push(touch);
    }
}

/// The union of what all touches keep alive: the outermost loop around one that is not around all.
fn life(touches: &[Touch]) -> Option<(usize, usize)> {
    let first = touches.first()?;
    let common = |depth: &usize| touches.iter().all(|t| t.len() > depth + 1 && t[*depth] == first[*depth]);
    let depth = (0..first.len()).take_while(common).count();
    let ranges = touches.iter().map(|t| t[depth]);
    ranges.reduce(|a, b| (a.0.min(b.0), a.1.max(b.1)))
}

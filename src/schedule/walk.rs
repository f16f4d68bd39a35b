//! The launches of one run in order, loops and all: for interpreters, for profiles, and for checks of the plan.

use super::{Arg, Condition, Item, Launch, Loop, Pick, launches};

/// The iterations that a launch stands in, outermost first.
pub type Frame = [Iteration];

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Iteration {
    /// Counts iterations from 0.
    pub count: usize,
    /// What slices are taken by. After the last iteration of a loop that runs in reverse it is -1, wrapped around.
    pub position: usize,
}

/// What happens in a run.
pub trait Run {
    type Error;

    /// Launch `number` of the program, with its barrier.
    fn launch(&mut self, number: usize, launch: &Launch, frame: &Frame) -> Result<(), Self::Error>;

    /// A loop begins.
    fn enter(&mut self, _inner: &Loop) -> Result<(), Self::Error> {
        Ok(())
    }

    /// The last iteration of a loop is over.
    fn leave(&mut self, _inner: &Loop) {}

    /// Whether a loop goes on; the frame has the iteration that would come.
    fn goes_on(&mut self, condition: &Condition, frame: &Frame) -> Result<bool, Self::Error>;
}

/// Tells `run` what happens, in order.
pub fn walk<R: Run>(items: &[Item], run: &mut R) -> Result<(), R::Error> {
    Walk { run, frame: vec![] }.items(items, 0).map(drop)
}

struct Walk<'a, R> {
    run: &'a mut R,
    frame: Vec<Iteration>,
}

impl<R: Run> Walk<'_, R> {
    /// Gives the number of the launch after these.
    fn items(&mut self, items: &[Item], mut number: usize) -> Result<usize, R::Error> {
        for item in items {
            number = match item {
                Item::Launch(launch) => {
                    self.run.launch(number, launch, &self.frame)?;
                    number + 1
                }
                Item::Loop(inner) => self.looped(inner, number)?,
            };
        }
        Ok(number)
    }

    fn looped(&mut self, inner: &Loop, first: usize) -> Result<usize, R::Error> {
        self.run.enter(inner)?;
        let mut count = 0;
        self.frame.push(inner.iteration(count));
        while count < inner.length && self.goes_on(inner)? {
            self.items(&inner.items, first)?;
            count += 1;
            *self.frame.last_mut().expect("pushed above") = inner.iteration(count);
        }
        self.run.leave(inner);
        let next = self.items(&inner.after, first + launches(&inner.items).len());
        self.frame.pop();
        next
    }

    fn goes_on(&mut self, inner: &Loop) -> Result<bool, R::Error> {
        inner.condition.as_ref().map_or(Ok(true), |condition| self.run.goes_on(condition, &self.frame))
    }
}

impl Loop {
    fn iteration(&self, count: usize) -> Iteration {
        let position = if self.reverse { (self.length - 1).wrapping_sub(count) } else { count };
        Iteration { count, position }
    }
}

impl Arg {
    /// Its first element in these iterations.
    pub fn element(&self, frame: &Frame) -> usize {
        let moved =
            |at: usize, step: &super::Step| at.wrapping_add(step.stride.wrapping_mul(step.pick.of(frame[step.depth])));
        self.steps.iter().fold(self.offset, moved)
    }
}

impl Pick {
    fn of(self, iteration: Iteration) -> usize {
        match self {
            Pick::Position => iteration.position,
            Pick::Odd => iteration.count % 2,
            Pick::Even => (iteration.count + 1) % 2,
        }
    }
}

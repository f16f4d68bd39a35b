//! The graphs of a `step`: which of them runs when.

use super::batches::Epoch;
use super::phases::{Compile, PhaseRunner, Sources};
use crate::diag::Diagnostic;
use crate::sema::model::{Micro, Phase, PhaseKind, Train};
use std::ops::Range;

/// A runner for each stage of a training, compiled when it is first needed.
pub struct Steps<'a> {
    runners: Vec<PhaseRunner<'a>>,
    /// Batches that make one step.
    pub accumulate: usize,
}

impl<'a> Steps<'a> {
    pub fn new(train: &'a Train, sources: &'a Sources<'a>, compile: &'a dyn Compile) -> Result<Self, Diagnostic> {
        let phases = train.phases.iter().filter(|p| p.kind == PhaseKind::Step);
        let runners = phases.map(|p| PhaseRunner::new(p, sources, compile)).collect::<Result<Vec<_>, _>>()?;
        if runners.is_empty() {
            return Err(super::fit::errors::no_step(train));
        }
        Ok(Steps { runners, accumulate: train.settings.accumulate })
    }

    /// Any of them: their rows and batches are the same.
    pub fn first(&self) -> &PhaseRunner<'a> {
        &self.runners[0]
    }

    /// Steps of an epoch of so many batches.
    pub fn count(&self, batches: usize) -> u64 {
        batches.div_ceil(self.accumulate) as u64
    }

    /// Announces what these batches of an epoch will need, by the graphs of the step that is next.
    pub fn announce(&mut self, (number, step): (u64, u64), epoch: &Epoch, batches: Range<usize>) {
        let early = (self.accumulate > 1).then_some(false);
        for is_last in early.into_iter().chain([true]) {
            self.at(number, step, is_last).announce(epoch, batches.clone());
        }
    }

    /// The graph for a batch of this step: the last of its step, or an earlier one.
    pub fn at(&mut self, epoch: u64, step: u64, is_last: bool) -> &mut PhaseRunner<'a> {
        let found = self.runners.iter().position(|r| runs(r.phase, epoch, step, is_last)).unwrap_or(0);
        &mut self.runners[found]
    }
}

fn runs(phase: &Phase, epoch: u64, step: u64, is_last: bool) -> bool {
    phase.stage.as_ref().is_none_or(|stage| {
        let part = match stage.micro {
            Micro::Whole => true,
            Micro::Gather => !is_last,
            Micro::Apply => is_last,
        };
        part && stage.epochs.contains(&epoch) && stage.steps.contains(&step)
    })
}

//! Timing of training steps: `nnc bench`.

use super::run::Run;
use crate::diag::Diagnostic;
use crate::runtime::Executable;
use crate::schedule::Launch;
use crate::sema::model::{Phase, PhaseKind};
use crate::train::fit::phase_of;
use crate::train::metrics::Metrics;
use crate::train::phases::{PhaseRunner, Scalars, errors};
use std::time::Instant;

pub struct Timing {
    /// Median milliseconds of a step.
    pub milliseconds: f64,
    /// Losses at steps 1, 2 and the last before the clock starts.
    pub losses: [f64; 3],
    /// Seconds from compiling to the end of the first step.
    pub first: f64,
    /// Name and least microseconds of each launch in a step, where the run was compiled for profiles.
    pub kernels: Vec<(String, f64)>,
}

/// Runs training steps on the first batch over and over; the clock starts after `warm_up` of them (two at least).
pub fn steps(run: &Run, warm_up: u64, seconds: f64) -> Result<Timing, Diagnostic> {
    let phase = phase_of(run.train, PhaseKind::Step).ok_or_else(|| crate::train::fit::errors::no_step(run.train))?;
    let sources = run.sources()?;
    let mut runner = PhaseRunner::new(phase, &sources, &run.compiler)?;
    let mut rows = vec![];
    runner.epoch(None).rows(0, &mut rows);
    let scalars = |step| Scalars {
        step,
        total: 1_000_000,
        epoch: 1,
        seed: run.train.settings.seed,
        epoch_steps: 1,
        ..Scalars::default()
    };
    let mut done = 0;
    let mut step = || {
        done += 1;
        runner.run(&rows, scalars(done), &mut Metrics::default()).map(|o| o.loss.unwrap_or(f64::NAN))
    };
    let started = Instant::now();
    let mut losses = vec![step()?];
    let first = started.elapsed().as_secs_f64();
    for _ in 1..warm_up.max(2) {
        losses.push(step()?);
    }
    let mut times = vec![];
    let started = Instant::now();
    while started.elapsed().as_secs_f64() < seconds || times.len() < 5 {
        let before = Instant::now();
        step()?;
        times.push(before.elapsed().as_secs_f64() * 1e3);
    }
    times.sort_by(f64::total_cmp);
    let losses = [losses[0], losses[1], losses[losses.len() - 1]];
    let kernels = kernels(runner.prepare(&rows)?, phase, times.len())?;
    Ok(Timing { milliseconds: times[times.len() / 2], losses, first, kernels })
}

/// The least time of each launch in so many steps (others use the machine as well); nothing where the program was not compiled for profiles.
fn kernels(executable: &mut Executable, phase: &Phase, steps: usize) -> Result<Vec<(String, f64)>, Diagnostic> {
    let launches = executable.compiled().single().len();
    if launches == 0 {
        return Ok(vec![]);
    }
    let mut best = vec![f64::INFINITY; launches];
    for _ in 0..steps {
        let mut times = vec![0.0; launches];
        executable.run_timed(&mut times).map_err(|fault| errors::fault(phase, &fault))?;
        best.iter_mut().zip(times).for_each(|(best, time)| *best = best.min(time));
    }
    let program = executable.program();
    let name = |l: &Launch| {
        let kernel = &program.kernels[l.kernel];
        let wide = if executable.compiled().kernel(l.kernel).wide { "" } else { " (portable)" };
        format!("{} over {}{wide}", kernel.name, kernel.points())
    };
    Ok(program.launches().into_iter().map(name).zip(best.into_iter().map(|seconds| seconds * 1e6)).collect())
}

//! The training loop.

use super::batches::{self, Epoch};
use super::checkpoint::{Progress, Stored};
use super::console::note;
use super::folder::RunFolder;
use super::interrupt;
use super::log::Log;
use super::metrics::Metrics;
use super::phases::{Compile, PhaseRunner, Scalars, Sources};
use super::progress;
use super::state;
use super::steps::Steps;
use crate::diag::{Code, Diagnostic};
use crate::runtime::StateStore;
use crate::sema::model::{Goal, Model, NonFinite, Phase, PhaseKind, Pipeline, Train, Unit};
use serde_json::{Map, json};
use std::cell::RefCell;
use std::io::Write;
use std::time::Instant;

/// Why a run ended without an error.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Ended {
    Finished,
    StoppedEarly,
    Interrupted,
}

/// Titles of phases and what they reported.
pub type Scores = Vec<(String, Metrics)>;

/// Everything one run works on.
pub struct Fit<'a> {
    pub model: &'a Model,
    pub train: &'a Train,
    pub state: &'a RefCell<StateStore>,
    pub folder: &'a RunFolder,
    pub log: Log,
    pub at: Progress,
    /// Where epoch lines go; `false` keeps standard error quiet.
    pub verbose: bool,
    /// Each epoch also goes to standard output as JSON.
    pub json: bool,
    runners: Runners<'a>,
    training: Metrics,
    /// What was warned of.
    warned: Vec<String>,
    total: u64,
    epoch_steps: u64,
    /// What the tests reported, once the run has ended.
    pub scores: Scores,
    /// Called once after the first step.
    pub after_first_step: Option<Box<dyn FnOnce() + 'a>>,
    /// Asked after each step, with the number of steps done: is it to stop here?
    pub stop: &'a dyn Fn(u64) -> bool,
}

struct Runners<'a> {
    step: Steps<'a>,
    validate: Vec<PhaseRunner<'a>>,
    test: Vec<PhaseRunner<'a>>,
}

impl<'a> Fit<'a> {
    pub fn new(
        model: &'a Model,
        train: &'a Train,
        state: &'a RefCell<StateStore>,
        folder: &'a RunFolder,
        sources: &'a Sources<'a>,
        compile: &'a dyn Compile,
        at: Progress,
    ) -> Result<Fit<'a>, Diagnostic> {
        let of = |kind: PhaseKind| {
            let phases = train.phases.iter().filter(move |p| p.kind == kind);
            phases.map(|p| PhaseRunner::new(p, sources, compile)).collect::<Result<Vec<_>, _>>()
        };
        let step = Steps::new(train, sources, compile)?;
        let runners = Runners { step, validate: of(PhaseKind::Validate)?, test: of(PhaseKind::Test)? };
        let first = runners.step.first();
        let Pipeline { batch, drop_last, .. } = first.phase.pipeline;
        let epoch_steps = runners.step.count(batches::count(first.rows.len(), batch, drop_last));
        let total = total_steps(train, epoch_steps);
        let log = Log::open(&folder.path).map_err(|e| errors::io(&folder.path, &e))?;
        let training = restored(&at);
        Ok(Fit {
            model,
            train,
            state,
            folder,
            log,
            at,
            verbose: true,
            json: false,
            runners,
            training,
            warned: vec![],
            total,
            epoch_steps,
            scores: vec![],
            after_first_step: None,
            stop: &|_| interrupt::requested(),
        })
    }

    /// Trains to the end, or until it is interrupted or stops early; then scores the test set once with the kept weights.
    pub fn run(&mut self) -> Result<Ended, Diagnostic> {
        let mut ended = Ended::Finished;
        while self.at.step < self.total && ended == Ended::Finished {
            ended = self.epoch()?;
        }
        self.save_last()?;
        if ended == Ended::Interrupted {
            return Ok(ended);
        }
        self.restore_kept()?;
        self.test()?;
        Ok(ended)
    }

    fn epoch(&mut self) -> Result<Ended, Diagnostic> {
        let epoch = self.runners.step.first().epoch(Some((self.at.seed, self.at.epoch)));
        let bar = progress::Progress::epoch(format!("epoch {}", self.at.epoch), epoch.len());
        let started = Instant::now();
        let (mut ran, mut batch, mut announced) = (0, vec![], false);
        while self.at.batch < epoch.len() && self.at.step < self.total {
            let last = (self.at.batch + self.runners.step.accumulate).min(epoch.len());
            for (micro, index) in (self.at.batch..last).enumerate() {
                epoch.rows(index, &mut batch);
                let loss = self.batch(&batch, (micro, index), index + 1 == last)?;
                ran += batch.len();
                bar.step(loss);
            }
            self.at.step += 1;
            self.at.batch = last;
            if !std::mem::replace(&mut announced, true) {
                self.announce(&epoch);
            }
            self.after_step()?;
            if (self.stop)(self.at.step) {
                return Ok(Ended::Interrupted);
            }
        }
        bar.finish();
        self.end_epoch(ran as f64 / started.elapsed().as_secs_f64(), started)
    }

    /// Tells the compiler what the rest of this epoch will need, and then its validation: after the first step, which is not
    /// to be later for it.
    fn announce(&mut self, epoch: &Epoch) {
        let Progress { epoch: number, step, batch, .. } = self.at;
        let left = (self.total - step).saturating_mul(self.runners.step.accumulate as u64);
        let end = epoch.len().min(batch.saturating_add(left as usize));
        self.runners.step.announce((number, step + 1), epoch, batch..end);
        for runner in &mut self.runners.validate {
            let epoch = runner.epoch(None);
            runner.announce(&epoch, 0..epoch.len());
        }
    }

    /// One batch of the step that is under way, with its places in the step and in the epoch; returns the loss. The last
    /// updates.
    fn batch(
        &mut self,
        rows: &[u64],
        (micro, index): (usize, usize),
        is_last: bool,
    ) -> Result<Option<f64>, Diagnostic> {
        let at = Scalars { micro: micro as u64, batch: index as u64, ..self.scalars(1) };
        let runner = self.runners.step.at(at.epoch, at.step, is_last);
        let outcome = runner.run(rows, at, &mut self.training)?;
        outcome.warnings.into_iter().for_each(|what| warn(&mut self.warned, what, at.step));
        match (outcome.failed, self.train.settings.nonfinite) {
            (Some(what), NonFinite::Error) => return Err(errors::not_finite(runner.phase, at.step, &what)),
            // The last batch knows of those before.
            (Some(_), NonFinite::Skip) if is_last => self.at.skipped += 1,
            _ => {}
        }
        if let Some(first) = self.after_first_step.take() {
            first();
        }
        Ok(outcome.loss)
    }

    /// `step` counts from 1: while a step runs it is the number of steps done plus one.
    fn scalars(&self, ahead: u64) -> Scalars {
        Scalars {
            step: self.at.step + ahead,
            total: self.total,
            epoch: self.at.epoch,
            seed: self.at.seed,
            epoch_steps: self.epoch_steps,
            ..Scalars::default()
        }
    }

    fn after_step(&mut self) -> Result<(), Diagnostic> {
        if self.at.step.is_multiple_of(LOG_EVERY) {
            let mut fields = Map::new();
            fields.insert("step".into(), json!(self.at.step));
            fields.insert("epoch".into(), json!(self.at.epoch));
            fields.extend(self.training.json());
            self.write_log("step", fields)?;
        }
        let due =
            |every: Option<(u64, Unit)>| matches!(every, Some((n, Unit::Steps)) if self.at.step.is_multiple_of(n));
        if due(self.train.settings.save_every) {
            self.save_last()?;
        }
        for index in 0..self.runners.validate.len() {
            let every = self.runners.validate[index].phase.every;
            if matches!(every, Some((n, Unit::Steps)) if self.at.step.is_multiple_of(n)) {
                let metrics = self.evaluate(index)?;
                self.consider(&metrics)?;
            }
        }
        Ok(())
    }

    fn end_epoch(&mut self, rate: f64, started: Instant) -> Result<Ended, Diagnostic> {
        let trained = std::mem::take(&mut self.training);
        let mut validated = Metrics::default();
        for index in 0..self.runners.validate.len() {
            let every = self.runners.validate[index].phase.every;
            let due = match every {
                None => true,
                Some((n, Unit::Epochs)) => self.at.epoch.is_multiple_of(n),
                Some((_, Unit::Steps)) => false,
            };
            if due {
                let metrics = self.evaluate(index)?;
                metrics.iter().for_each(|(n, v)| validated.add(n, v, 1.0));
            }
        }
        let seconds = started.elapsed().as_secs_f64();
        self.say_epoch(&trained, &validated, rate, seconds);
        self.log_epoch(&trained, &validated, seconds)?;
        self.at.epoch += 1;
        self.at.batch = 0;
        self.consider(&validated)?;
        self.save_last()?;
        Ok(if self.patience_is_over() { Ended::StoppedEarly } else { Ended::Finished })
    }

    fn say_epoch(&self, trained: &Metrics, validated: &Metrics, rate: f64, seconds: f64) {
        if self.verbose {
            let validated = match validated.line() {
                line if line.is_empty() => line,
                line => format!(" | validate {line}"),
            };
            note(format_args!(
                "epoch {:>2}  {}{validated}  ({rate:.0} rows/s, {seconds:.1} s)",
                self.at.epoch,
                trained.line()
            ));
        }
    }

    fn log_epoch(&mut self, trained: &Metrics, validated: &Metrics, seconds: f64) -> Result<(), Diagnostic> {
        let mut fields = Map::new();
        fields.insert("epoch".into(), json!(self.at.epoch));
        fields.insert("step".into(), json!(self.at.step));
        fields.insert("train".into(), trained.json().into());
        fields.insert("validate".into(), validated.json().into());
        fields.insert("seconds".into(), json!(seconds));
        fields.insert("skipped".into(), json!(self.at.skipped));
        self.write_log("epoch", fields)
    }

    fn write_log(&mut self, reason: &str, fields: Map<String, serde_json::Value>) -> Result<(), Diagnostic> {
        if self.json && reason == "epoch" {
            let head = std::iter::once(("reason".to_string(), json!(reason)));
            // Nobody reads it: the log in the folder has it too.
            let _ = writeln!(std::io::stdout(), "{}", json!(head.chain(fields.clone()).collect::<Map<_, _>>()));
        }
        self.log.event(reason, fields).map_err(|e| errors::io(&self.folder.path, &e))
    }

    fn evaluate(&mut self, index: usize) -> Result<Metrics, Diagnostic> {
        let at = self.scalars(0);
        run_all(&mut self.runners.validate[index], at)
    }

    /// Keeps the weights if the goal's metric is the best so far.
    fn consider(&mut self, validated: &Metrics) -> Result<(), Diagnostic> {
        let settings = &self.train.settings;
        let goal = settings.keep.as_ref().or(settings.stop.as_ref().map(|s| &s.goal));
        let Some(goal) = goal else { return Ok(()) };
        let Some(value) = validated.get(&goal.metric) else { return Ok(()) };
        if better(goal, value, self.at.best) {
            self.at.best = Some(value);
            self.at.since_best = 0;
            if settings.keep.is_some() {
                self.save(&self.folder.best())?;
            }
        } else {
            self.at.since_best += 1;
        }
        Ok(())
    }

    fn patience_is_over(&self) -> bool {
        self.train.settings.stop.as_ref().is_some_and(|s| self.at.since_best >= s.epochs)
    }

    fn save_last(&mut self) -> Result<(), Diagnostic> {
        self.at.metrics = self.training.sums();
        self.save(&self.folder.last())
    }

    /// Writes a checkpoint; weights that are not finite never replace those of an earlier one.
    fn save(&self, path: &std::path::Path) -> Result<(), Diagnostic> {
        if let Some(name) = state::first_not_finite(self.model, &self.state.borrow()) {
            let phase = self.runners.step.first().phase;
            return Err(errors::not_finite(phase, self.at.step, &format!("`{name}`")));
        }
        state::save(self.model, self.train, &self.state.borrow(), &self.at, path).map_err(|e| errors::io(path, &e))
    }

    /// Puts the best weights back, also when the epoch limit ended the run.
    fn restore_kept(&mut self) -> Result<(), Diagnostic> {
        let best = self.folder.best();
        if self.train.settings.keep.is_some() && best.exists() {
            state::load(self.model, &[], &mut self.state.borrow_mut(), &Stored::open(&best)?)?;
        }
        Ok(())
    }

    fn test(&mut self) -> Result<(), Diagnostic> {
        let at = self.scalars(0);
        for index in 0..self.runners.test.len() {
            let metrics = run_all(&mut self.runners.test[index], at)?;
            let title = self.runners.test[index].phase.title.clone().unwrap_or_else(|| "test".into());
            let mut fields = Map::new();
            fields.insert("title".into(), json!(title));
            fields.extend(metrics.json());
            self.write_log("test", fields)?;
            self.scores.push((title, metrics));
        }
        Ok(())
    }
}

/// Says a thing once in a run.
fn warn(warned: &mut Vec<String>, what: String, step: u64) {
    if !warned.contains(&what) {
        note(format_args!("warning: {what} at step {step}: it is 0 there, and its gradients are"));
        warned.push(what);
    }
}

/// Steps between two `step` events in the log.
const LOG_EVERY: u64 = 50;

/// Runs a phase over all its rows once.
pub fn run_all(runner: &mut PhaseRunner, at: Scalars) -> Result<Metrics, Diagnostic> {
    let epoch = runner.epoch(None);
    let (mut metrics, mut batch) = (Metrics::default(), vec![]);
    runner.announce(&epoch, 0..epoch.len());
    for index in 0..epoch.len() {
        epoch.rows(index, &mut batch);
        runner.run(&batch, Scalars { batch: index as u64, ..at }, &mut metrics)?;
    }
    Ok(metrics)
}

fn total_steps(train: &Train, epoch_steps: u64) -> u64 {
    let epochs = train.settings.epochs.map(|e| u64::from(e) * epoch_steps);
    epochs.into_iter().chain(train.settings.steps).min().unwrap_or(epoch_steps)
}

fn better(goal: &Goal, value: f64, best: Option<f64>) -> bool {
    let Some(best) = best else { return !value.is_nan() };
    if goal.maximize { value > best } else { value < best }
}

fn restored(at: &Progress) -> Metrics {
    let mut metrics = Metrics::default();
    for (name, sum, weight) in &at.metrics {
        metrics.restore(name, *sum, *weight);
    }
    metrics
}

/// A phase of the program by kind, for `bench` and `predict`; of the graphs of `step` the last, in which most learns.
pub fn phase_of(train: &Train, kind: PhaseKind) -> Option<&Phase> {
    let mut phases = train.phases.iter().filter(|p| p.kind == kind);
    if kind == PhaseKind::Step { phases.next_back() } else { phases.next() }
}

pub mod errors {
    //! E081x: runs.

    use super::*;
    use std::path::Path;

    pub fn no_step(train: &Train) -> Diagnostic {
        Diagnostic::error(Code(810), "this `train` block has no `step`").label(train.span, "declared here")
    }

    pub fn io(path: &Path, error: &std::io::Error) -> Diagnostic {
        Diagnostic::error(Code(811), format!("cannot write `{}`: {error}", path.display()))
    }

    /// `what` is the loss or the gradient of a parameter.
    pub fn not_finite(phase: &Phase, step: u64, what: &str) -> Diagnostic {
        Diagnostic::error(Code(812), format!("{what} is not finite at step {step}"))
            .label(phase.span, "in this step")
            .help("lower the learning rate, set `clip_norm`, or write `nonfinite = skip` to leave such steps out")
    }
}

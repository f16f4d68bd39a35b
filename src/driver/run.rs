//! Runs of a program: state, data and executables put together for `train`, `eval` and `predict`.

use super::Session;
use super::ahead;
use super::compile::{Compiler, MachineOptions};
use crate::diag::{Code, Diagnostic};
use crate::runtime::StateStore;
use crate::sema::model::{Model, Param, ParamKind, Phase, PhaseKind, Reading, Train};
use crate::train::checkpoint::{Progress, Stored};
use crate::train::console::note;
use crate::train::data::DataSet;
use crate::train::decode::Decoder;
use crate::train::fit::{Ended, Fit, Scores, phase_of, run_all};
use crate::train::folder::{RunFolder, stem};
use crate::train::known::Known;
use crate::train::phases::{Compile, PhaseRunner, Scalars, Sources, set_scalars};
use crate::train::vocabulary::Fitted;
use crate::train::{interrupt, predict, state, weights};
use std::cell::RefCell;
use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::time::Instant;

/// Where a run takes its weights and its folder from.
pub enum Start {
    /// New weights, and a new folder under this one.
    Fresh(PathBuf),
    /// The weights of this file, and a new folder under the first.
    From(PathBuf, PathBuf),
    /// The last checkpoint in this folder, to go on.
    Resume(PathBuf),
    /// The kept weights of this run's folder, or of the program's latest run: for `eval` and `predict`. Without a run
    /// those that the program loads; `untrained`: what it does not load has its first value.
    Kept { folder: Option<PathBuf>, untrained: bool },
    /// New weights and no folder.
    Weights,
}

pub struct Run<'s> {
    session: &'s Session,
    pub train: &'s Train,
    pub compiler: Compiler,
    folder: RunFolder,
    /// Where the folder of a fresh run will be made: once its data is open, so that no empty folder is left behind.
    base: Option<PathBuf>,
    progress: Progress,
    /// Events of the training go to standard output as JSON.
    pub json: bool,
}

impl<'s> Run<'s> {
    pub fn new(
        session: &'s Session,
        train: Option<&str>,
        machine: &MachineOptions,
        start: Start,
    ) -> Result<Run<'s>, Diagnostic> {
        let train = session.train(train)?;
        let compiler = Compiler::new(machine)?;
        let mut run = Run {
            session,
            train,
            compiler,
            folder: RunFolder::default(),
            base: None,
            progress: fresh(train),
            json: false,
        };
        // Also before a checkpoint is loaded: this allocates every state.
        run.initialize()?;
        match start {
            Start::Fresh(base) => {
                run.base = Some(base);
                run.load_foreign()?;
            }
            Start::From(base, weights) => {
                run.base = Some(base);
                run.load_weights(&weights)?;
            }
            Start::Weights => drop(run.load_foreign()?),
            Start::Resume(folder) => {
                run.folder = RunFolder { path: folder };
                run.load(&run.folder.last(), &run.train.states(&[PhaseKind::Step]))?;
            }
            Start::Kept { folder, untrained } => match session.run_folder(folder.as_deref()) {
                Ok(folder) => {
                    run.folder = folder;
                    run.load(&run.folder.kept(), &[])?;
                }
                Err(no_run) => run.load_without_run(untrained, no_run)?,
            },
        }
        Ok(run)
    }

    pub fn folder(&self) -> &Path {
        &self.folder.path
    }

    pub fn state(&self) -> &RefCell<StateStore> {
        self.compiler.state()
    }

    /// What the user should know about how this machine is used (no AVX-512, …).
    pub fn notes(&self) -> Vec<String> {
        self.compiler.notes()
    }

    /// Computes the first value of every parameter, buffer and optimizer state.
    fn initialize(&self) -> Result<(), Diagnostic> {
        let mut init = self.compiler.compile_init(&self.train.init, &self.session.model.params)?;
        set_scalars(&mut init, self.scalars())?;
        init.run().map_err(|fault| fault.diagnostic().label(self.train.span, "in this block"))
    }

    /// Takes the weights of a checkpoint, these states, and where its run stood.
    fn load(&mut self, path: &Path, states: &[&Param]) -> Result<(), Diagnostic> {
        let stored = Stored::open(path)?;
        let progress = stored.progress()?;
        state::load(&self.session.model, states, &mut self.state().borrow_mut(), &stored)?;
        self.session.remember(&progress.fitted);
        let seed = self.progress.seed;
        self.progress = progress;
        if self.progress.seed != seed && self.session.overrides.iter().any(|(name, _)| name == "seed") {
            note(format_args!("note: the run keeps its seed {}", self.progress.seed));
        }
        Ok(())
    }

    /// Fills what the `load`s of the program name, and gives the paths.
    fn load_foreign(&self) -> Result<HashSet<String>, Diagnostic> {
        let (model, folder) = (&self.session.model, self.session.folder());
        let mut state = self.state().borrow_mut();
        let filled = self.train.loads.iter().map(|load| weights::load(load, model, &mut state, &folder));
        Ok(filled.collect::<Result<Vec<_>, _>>()?.into_iter().flatten().collect())
    }

    /// Takes the weights that the program loads, where it was never trained, and says so.
    fn load_without_run(&self, untrained: bool, no_run: Diagnostic) -> Result<(), Diagnostic> {
        let loads = &self.train.loads;
        if loads.is_empty() && !untrained {
            return Err(no_run);
        }
        let filled = self.load_foreign()?;
        let weights = self.session.model.params.iter().filter(|p| p.kind.is_weight());
        let first: Vec<&str> = weights.filter(|p| !filled.contains(&p.path)).map(|p| p.path.as_str()).collect();
        if !first.is_empty() && !untrained {
            return Err(errors::not_loaded(self.train, &first));
        }
        let files = loads.iter().map(|l| l.path.as_str()).collect::<Vec<_>>().join(", ");
        let what = match (loads.is_empty(), first.len()) {
            (true, _) => "the first values of all weights".to_string(),
            (false, 0) => format!("the weights of {files}"),
            (false, n) => format!("the weights of {files}, and first values of {n} others"),
        };
        note(format_args!("note: no run of this program; with {what}"));
        Ok(())
    }

    /// Writes the weights as they are under the names of the program's `load`s, and gives their number.
    pub fn export(&self, out: &Path) -> Result<usize, Diagnostic> {
        let tensors = state::tensors(&self.session.model, &self.state().borrow());
        self.session.write_foreign(self.train, tensors, out)
    }

    /// Replaces parameters by those of a safetensors file, which must have all of them.
    pub fn load_weights(&self, path: &Path) -> Result<(), Diagnostic> {
        state::load_weights(&self.session.model, &mut self.state().borrow_mut(), &Stored::open(path)?)
    }

    pub fn model(&self) -> &Model {
        &self.session.model
    }

    pub fn program_folder(&self) -> PathBuf {
        self.session.folder()
    }

    /// Makes the folder of a fresh run, with a copy of the program beside its weights, so that a run explains itself.
    fn make_folder(&mut self, base: &Path) -> Result<(), Diagnostic> {
        self.folder = RunFolder::create(base, &stem(&self.session.path)).map_err(|e| errors::folder(base, &e))?;
        let text = &self.session.sources.file(self.session.files[0].id).text;
        let path = self.folder.path.join("program.nn");
        std::fs::write(&path, text.as_bytes()).map_err(|e| errors::folder(&path, &e))?;
        self.folder.keep_sets(&self.session.overrides).map_err(|e| errors::folder(&self.folder.path, &e))
    }

    /// What can be known of all phases before anything is written: their splits, and their batches.
    fn check_data(&self, sources: &Sources) -> Result<(), Diagnostic> {
        let mut phases = self.train.phases.iter().filter(|p| p.kind != PhaseKind::Predict);
        phases.try_for_each(|phase| PhaseRunner::new(phase, sources, &self.compiler).map(drop))
    }

    fn say_left_out(&self, sources: &Sources) {
        let mut notes: Vec<String> = self.train.phases.iter().filter_map(|p| sources.left_out(p)).collect();
        notes.dedup();
        notes.iter().for_each(|text| note(format_args!("note: {text}")));
    }

    /// Trains to the end; `started` is when the command began. Gives why it ended, and the scores of the tests.
    pub fn fit(&mut self, started: Instant) -> Result<(Ended, Scores), Diagnostic> {
        self.fit_until(started, &|_| interrupt::requested())
    }

    /// The same, but it stops, as if interrupted, after the step at which `stop` says so.
    pub fn fit_until(&mut self, started: Instant, stop: &dyn Fn(u64) -> bool) -> Result<(Ended, Scores), Diagnostic> {
        let session = self.session;
        let sources = self.sources()?;
        self.progress.fitted = sources.fitted().to_vec();
        self.check_data(&sources)?;
        if let Some(base) = self.base.take() {
            self.make_folder(&base)?;
        }
        note(format_args!("run {}", self.folder().display()));
        self.say_left_out(&sources);
        let progress = self.progress.clone();
        ahead::with(&self.compiler, &self.train.phases, |compile| {
            let mut fit =
                Fit::new(&session.model, self.train, self.state(), &self.folder, &sources, compile, progress)?;
            fit.stop = stop;
            fit.json = self.json;
            fit.after_first_step = Some(Box::new(move || {
                note(format_args!("first step after {:.3} s", started.elapsed().as_secs_f64()));
            }));
            let ended = fit.run()?;
            Ok((ended, fit.scores))
        })
    }

    /// Runs every phase of a kind over its split; returns titles and metrics.
    pub fn evaluate(&self, kind: PhaseKind) -> Result<Scores, Diagnostic> {
        let phases: Vec<&Phase> = self.train.phases.iter().filter(|p| p.kind == kind).collect();
        if phases.is_empty() {
            return Err(errors::no_phase(self.train, kind));
        }
        let sources = self.sources()?;
        let score = |phase: &Phase, compile: &dyn Compile| {
            let mut runner = PhaseRunner::new(phase, &sources, compile)?;
            let title = phase.title.clone().unwrap_or_else(|| phase_name(kind).into());
            Ok((title, run_all(&mut runner, self.scalars())?))
        };
        ahead::with(&self.compiler, &self.train.phases, |compile| {
            phases.into_iter().map(|phase| score(phase, compile)).collect()
        })
    }

    /// Runs `predict` over another source; `print` gets one JSON object a row.
    pub fn predict(
        &self,
        path: &Path,
        part: Option<&str>,
        print: &dyn Fn(serde_json::Value),
    ) -> Result<(), Diagnostic> {
        let phase =
            phase_of(self.train, PhaseKind::Predict).ok_or_else(|| errors::no_phase(self.train, PhaseKind::Predict))?;
        let mut sets = self.session.model.data.iter().map(|d| (d, predict::columns(phase, &d.name)));
        let (data, columns) = sets.find(|(_, c)| !c.is_empty()).ok_or_else(|| errors::no_columns(phase))?;
        let learns = data.columns.iter().any(|c| columns.contains(&c.name) && c.reading != Reading::Number);
        let fitted = self.fitted(learns || !phase.decoded.is_empty())?;
        let folder = self.session.folder();
        let known = Known::new(&fitted, &folder);
        let decoders = Decoder::all(phase, &self.session.model.data, &known)?;
        let set = DataSet::open_columns(data, path, &columns, &known)?;
        let print = |mut row| {
            decoders.iter().for_each(|d| d.apply(&mut row));
            print(row);
        };
        ahead::with(&self.compiler, &self.train.phases, |compile| {
            predict::run(phase, data, &set, part, compile, self.scalars(), &print)
        })
    }

    /// What conversions learned. Where nothing is known yet the data is opened, if it is asked for (`learns`).
    pub(super) fn fitted(&self, learns: bool) -> Result<Vec<Fitted>, Diagnostic> {
        let learns = learns || self.session.model.params.iter().any(|p| p.kind == ParamKind::Statistic);
        if self.is_untrained() && learns {
            return Ok(self.sources()?.fitted().to_vec());
        }
        Ok(self.session.known())
    }

    /// No checkpoint was loaded: what conversions learn is learned now.
    fn is_untrained(&self) -> bool {
        self.progress.step == 0
    }

    /// The data, opened; a run that is not trained yet takes the statistics of its rows.
    pub(super) fn sources(&self) -> Result<Sources<'s>, Diagnostic> {
        let sources = self.session.data()?;
        if self.is_untrained() {
            let mut state = self.state().borrow_mut();
            for (path, values) in sources.statistics()? {
                state.write_f32(&path, &values)?;
            }
        }
        Ok(sources)
    }

    fn scalars(&self) -> Scalars {
        let at = &self.progress;
        Scalars {
            step: at.step,
            total: at.step.max(1),
            epoch: at.epoch,
            seed: at.seed,
            epoch_steps: 1,
            ..Scalars::default()
        }
    }
}

fn fresh(train: &Train) -> Progress {
    Progress { epoch: 1, seed: train.settings.seed, ..Progress::default() }
}

fn phase_name(kind: PhaseKind) -> &'static str {
    match kind {
        PhaseKind::Step => "step",
        PhaseKind::Validate => "validate",
        PhaseKind::Test => "test",
        PhaseKind::Predict => "predict",
    }
}

pub(super) mod errors {
    use super::*;

    pub fn folder(path: &Path, error: &std::io::Error) -> Diagnostic {
        Diagnostic::error(Code(811), format!("cannot write `{}`: {error}", path.display()))
    }

    pub fn no_run() -> Diagnostic {
        Diagnostic::error(Code(813), "there is no run of this program under runs/")
            .help("train it first, name the folder with --run, or take first values with --untrained")
    }

    pub fn not_loaded(train: &Train, paths: &[&str]) -> Diagnostic {
        let shown = paths.iter().take(5).map(|p| format!("`{p}`")).collect::<Vec<_>>().join(", ");
        let more = if paths.len() > 5 { ", …" } else { "" };
        Diagnostic::error(Code(820), "the program was never trained, and does not load all of its weights")
            .label(train.span, format!("no `load` gives {shown}{more}"))
            .help("train it first, name a run with --run, or take first values with --untrained")
    }

    pub fn no_columns(phase: &Phase) -> Diagnostic {
        Diagnostic::error(Code(815), "`predict` reads no field of a data set").label(phase.span, "in this phase")
    }

    pub fn no_phase(train: &Train, kind: PhaseKind) -> Diagnostic {
        let name = phase_name(kind);
        Diagnostic::error(Code(814), format!("this `train` block has no `{name}`")).label(train.span, "declared here")
    }
}

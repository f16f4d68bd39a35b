//! Phases over data: a phase of the program, the rows it runs over, and the executables for each shape it meets.
//!
//! The last, smaller batch of an epoch is a specialisation of its own, never padding: BatchNorm and means would see it.
//! Rows of different lengths are padded to the longest of their batch; each such shape is a specialisation too.

use super::assemble::Assembly;
use super::batches::{Epoch, Plan, RowSet};
use super::data::fit::Fitting;
use super::data::{DataSet, Part, Stored, text};
use super::known::Known;
use super::metrics::Metrics;
use super::split::{self, Rows};
use super::statistics::{self, Statistic};
use super::vocabulary::Fitted;
use super::windows;
use crate::diag::Diagnostic;
use crate::runtime::{Executable, Report};
use crate::sema::model::{Data, Files, Model, Phase, Pipeline, Sizes};
use crate::tensor::OutputRole;
use std::collections::{HashMap, HashSet};
use std::ops::Range;
use std::path::Path;
use std::rc::Rc;

/// What gives phases their executables, bound to the run's state.
pub trait Compile {
    fn compile(&self, phase: &Phase, sizes: &Sizes) -> Result<Executable, Diagnostic>;

    /// These sizes will be asked for, after those announced before.
    fn announce(&self, _phase: &Phase, _sizes: &Sizes) {}
}

/// A data set and the rows of its splits.
type OpenSet = (DataSet, HashMap<String, Rows>);

/// The data sets of a program, opened, with their splits resolved and their texts converted.
pub struct Opened {
    sets: Vec<OpenSet>,
    fitted: Vec<Fitted>,
}

impl Opened {
    /// Opens data sets; conversions learn what `known` does not have.
    pub fn open(data: &[Data], folder: &Path, known: &[Fitted]) -> Result<Opened, Diagnostic> {
        let known = &Known::new(known, folder);
        let mut opened = Opened { sets: vec![], fitted: vec![] };
        for data in data {
            let (set, splits, fitted) = if let ("text", Files::One(path)) = (&*data.source, &data.files) {
                let text = text::open(data, &folder.join(path), known)?;
                (text.set, text.splits, text.fitted)
            } else {
                let mut set = DataSet::open(data, folder)?;
                let splits = split::resolve(data, &set)?;
                let train = splits.get(split::training_name(data));
                let fitted = Fitting { data, train, known }.convert(&mut set)?;
                (set, splits, fitted)
            };
            opened.sets.push((set, splits));
            opened.fitted.extend(fitted);
        }
        Ok(opened)
    }
}

/// Open data in the light of a model.
pub struct Sources<'a> {
    model: &'a Model,
    opened: Rc<Opened>,
}

impl<'a> Sources<'a> {
    /// Opens every data set of a program.
    pub fn open(model: &'a Model, folder: &Path) -> Result<Sources<'a>, Diagnostic> {
        Ok(Sources::new(model, Rc::new(Opened::open(&model.data, folder, &[])?)))
    }

    pub fn new(model: &'a Model, opened: Rc<Opened>) -> Sources<'a> {
        Sources { model, opened }
    }

    /// What conversions learned, or knew before.
    pub fn fitted(&self) -> &[Fitted] {
        &self.opened.fitted
    }

    /// The statistics of the rows of training that the program asks for.
    pub fn statistics(&self) -> Result<Vec<Statistic>, Diagnostic> {
        let mut all = vec![];
        for (data, (set, splits)) in self.model.data.iter().zip(&self.opened.sets) {
            if let Some(rows) = splits.get(split::training_name(data)) {
                let found = statistics::learn(self.model, data, set, rows);
                all.extend(found.map_err(|e| super::data::errors::not_read_back(data, &e))?);
            }
        }
        Ok(all)
    }

    fn set(&self, name: &str) -> Option<(&Data, &OpenSet)> {
        self.model.data.iter().zip(&self.opened.sets).find(|(data, _)| data.name == name)
    }

    /// The stored part and the rows of a phase's split, without those that cannot be read.
    pub fn of(&self, phase: &Phase) -> Result<(&Data, &Part, RowSet), Diagnostic> {
        let pipeline = &phase.pipeline;
        let (data, (set, splits)) = self.set(&pipeline.data).ok_or_else(|| errors::no_rows(phase))?;
        let rows = splits.get(&pipeline.split).ok_or_else(|| errors::no_rows(phase))?;
        let part = set.part(&rows.part).ok_or_else(|| errors::no_rows(phase))?;
        let rows = rows_of(phase, data, part, &rows.rows)?;
        let too_small = pipeline.drop_last && rows.len() < pipeline.batch;
        if rows.is_empty() || too_small {
            return Err(errors::too_few_rows(phase, rows.len()));
        }
        Ok((data, part, rows))
    }

    /// What the user should know of the rows that a pipeline leaves out.
    pub fn left_out(&self, phase: &Phase) -> Option<String> {
        let Pipeline { data, split, skip_bad, .. } = &phase.pipeline;
        let (_, (set, splits)) = self.set(data)?;
        let rows = splits.get(split).filter(|_| *skip_bad)?;
        let part = set.part(&rows.part)?;
        let bad = || part.bad.iter().filter(|b| rows.rows.binary_search(&(b.row as u32)).is_ok());
        let (count, first) = (bad().count(), bad().next()?);
        let rows = if count == 1 { "row" } else { "rows" };
        Some(format!("left out {count} {rows} of `{data}.{split}`: {}", first.describe(&part.path)))
    }
}

/// The rows of a phase: windows of a text, or those of a table that can be read.
pub fn rows_of(phase: &Phase, data: &Data, part: &Part, rows: &[u32]) -> Result<RowSet, Diagnostic> {
    match windows::of(phase, data, part) {
        Some(windows) => Ok(windows.rows()),
        None => readable(phase, data, part, rows),
    }
}

/// Without the rows that cannot be read: they end the run, unless the pipeline leaves them out.
fn readable(phase: &Phase, data: &Data, part: &Part, rows: &[u32]) -> Result<RowSet, Diagnostic> {
    let bad: Vec<_> = part.bad.iter().filter(|b| rows.binary_search(&(b.row as u32)).is_ok()).collect();
    let Some(first) = bad.first() else { return Ok(RowSet::List(rows.into())) };
    let error = super::data::errors::bad_row(data, &part.path, first, bad.len());
    if !phase.pipeline.skip_bad {
        return Err(error);
    }
    let is_bad = |row: &u32| bad.binary_search_by_key(&(*row as usize), |b| b.row).is_ok();
    Ok(RowSet::List(rows.iter().copied().filter(|r| !is_bad(r)).collect()))
}

/// Values of the scalar inputs of a step.
#[derive(Clone, Copy, Debug, Default)]
pub struct Scalars {
    pub step: u64,
    pub total: u64,
    pub epoch: u64,
    pub seed: u64,
    /// The place of a batch in its step, from 0.
    pub micro: u64,
    /// The place of a batch in its pass over the data, from 0.
    pub batch: u64,
    /// Steps of an epoch.
    pub epoch_steps: u64,
}

/// A phase ready to run.
pub struct PhaseRunner<'a> {
    pub phase: &'a Phase,
    pub rows: RowSet,
    data: &'a Data,
    part: &'a Part,
    compile: &'a dyn Compile,
    executables: HashMap<Sizes, Executable>,
    assembly: Assembly<'a>,
}

impl<'a> PhaseRunner<'a> {
    pub fn new(phase: &'a Phase, sources: &'a Sources<'a>, compile: &'a dyn Compile) -> Result<Self, Diagnostic> {
        let (data, part, rows) = sources.of(phase)?;
        Self::over(phase, data, part, rows, compile)
    }

    /// The phase over these rows of a part.
    pub fn over(
        phase: &'a Phase,
        data: &'a Data,
        part: &'a Part,
        rows: RowSet,
        compile: &'a dyn Compile,
    ) -> Result<Self, Diagnostic> {
        check_batches(phase, rows.len())?;
        let assembly = Assembly::new(phase, data, part);
        Ok(PhaseRunner { phase, rows, data, part, compile, executables: HashMap::new(), assembly })
    }

    /// The rows in batches. In training seed and epoch shuffle them, where the pipeline says so.
    pub fn epoch(&self, training: Option<(u64, u64)>) -> Epoch {
        let pipeline = &self.phase.pipeline;
        let column = pipeline.bucket.as_ref().and_then(|name| self.assembly.sequences(name));
        let length = |row: u64| column.map_or(0, |c| c.length(row as usize));
        let plan = Plan {
            batch: pipeline.batch,
            drop_last: pipeline.drop_last,
            shuffle: training.filter(|_| pipeline.shuffle),
            lanes: pipeline.lanes,
            length: column.is_some().then_some(&length),
        };
        Epoch::new(&self.rows, plan)
    }

    /// Announces what these batches of an epoch will need and is not compiled yet.
    pub fn announce(&mut self, epoch: &Epoch, batches: Range<usize>) {
        let mut rows = vec![];
        let mut seen = HashSet::new();
        for index in self.assembly.telling(batches) {
            epoch.rows(index, &mut rows);
            self.assembly.measure(&rows);
            let sizes = self.assembly.sizes();
            if !self.executables.contains_key(sizes) && seen.insert(sizes.clone()) {
                self.compile.announce(self.phase, sizes);
            }
        }
    }

    /// How long these rows are in a dimension of this name.
    pub fn lengths(&self, name: &str, rows: &[u64]) -> Vec<usize> {
        let column = self.assembly.sequences(name);
        rows.iter().map(|&row| column.map_or(0, |c| c.length(row as usize))).collect()
    }

    /// Runs one batch and adds its reports to `metrics`; returns the reported `loss`.
    pub fn run(&mut self, rows: &[u64], at: Scalars, metrics: &mut Metrics) -> Result<Outcome, Diagnostic> {
        let executable = self.execute(rows, at)?;
        let mut outcome = Outcome {
            loss: None,
            failed: executable.failed_check().map(str::to_string),
            warnings: executable.unmet(OutputRole::Warning).map(str::to_string).collect(),
        };
        for Report { name, value, weight } in executable.reports() {
            metrics.add(name, value.into(), weight.into());
            if name == "loss" {
                outcome.loss = Some(value.into());
            }
        }
        Ok(outcome)
    }

    /// Runs one batch; the results can be read from what is returned.
    pub fn execute(&mut self, rows: &[u64], at: Scalars) -> Result<&mut Executable, Diagnostic> {
        self.prepare(rows)?;
        let phase = self.phase;
        let executable = self.executables.get_mut(self.assembly.sizes()).expect("prepared");
        self.assembly.write(rows, executable)?;
        set_scalars(executable, at)?;
        executable.run().map_err(|fault| errors::fault(phase, &fault))?;
        Ok(executable)
    }

    /// The executable for the shape of these rows, compiled on first need.
    pub fn prepare(&mut self, rows: &[u64]) -> Result<&mut Executable, Diagnostic> {
        self.assembly.measure(rows);
        let sizes = self.assembly.sizes();
        if !self.executables.contains_key(sizes) {
            let mut executable = self.compile.compile(self.phase, sizes)?;
            bind_columns(&mut executable, self.data, self.part)?;
            self.executables.insert(sizes.clone(), executable);
        }
        Ok(self.executables.get_mut(sizes).expect("just inserted"))
    }
}

/// The size of every batch that so many rows give, the last included, fulfils what the phase requires.
pub fn check_batches(phase: &Phase, rows: usize) -> Result<(), Diagnostic> {
    let Pipeline { batch, drop_last, .. } = phase.pipeline;
    let last = if drop_last { 0 } else { rows % batch };
    let sizes = [if rows < batch { 0 } else { batch }, last];
    let mut unmet = sizes.into_iter().filter(|n| *n > 0).filter_map(|n| phase.unmet(n).map(|r| (n, r)));
    match unmet.next() {
        None => Ok(()),
        Some((size, requirement)) => Err(errors::bad_batch_size(phase, size, requirement)),
    }
}

/// What a batch said.
#[derive(Clone, Debug)]
pub struct Outcome {
    pub loss: Option<f64>,
    /// The first of the program's checks that did not hold: what is not finite.
    pub failed: Option<String>,
    /// What the user should know of this batch.
    pub warnings: Vec<String>,
}

/// Sets those scalars that the program uses.
pub fn set_scalars(executable: &mut Executable, at: Scalars) -> Result<(), Diagnostic> {
    let scalars = [
        ("step", at.step),
        ("total", at.total),
        ("epoch", at.epoch),
        ("seed", at.seed),
        ("micro", at.micro),
        ("batch", at.batch),
        ("epoch_steps", at.epoch_steps),
    ];
    for (name, value) in scalars {
        if executable.has_scalar(name) {
            // The program counts in i32; a seed keeps its low bits.
            executable.write_scalar(name, value as i32)?;
        }
    }
    Ok(())
}

/// Binds those whole columns that the program reads.
fn bind_columns(executable: &mut Executable, data: &Data, part: &Part) -> Result<(), Diagnostic> {
    for (name, stored) in &part.columns {
        let name = format!("{}.{name}", data.name);
        if let Stored::Whole(array) = stored
            && executable.has_input(&name)
        {
            executable.bind_column(&name, array.bytes.clone())?;
        }
    }
    Ok(())
}

pub mod errors {
    use crate::diag::{Code, Diagnostic};
    use crate::runtime::Fault;
    use crate::sema::model::{Phase, Requirement};

    pub fn no_rows(phase: &Phase) -> Diagnostic {
        let pipeline = &phase.pipeline;
        Diagnostic::error(Code(713), format!("`{}` has no split `{}`", pipeline.data, pipeline.split))
            .label(pipeline.span, "read here")
    }

    pub fn too_few_rows(phase: &Phase, rows: usize) -> Diagnostic {
        let pipeline = &phase.pipeline;
        if rows == 0 {
            return Diagnostic::error(Code(714), format!("`{}.{}` has no rows", pipeline.data, pipeline.split))
                .label(pipeline.span, "read here")
                .help("the source is empty, or too small for its windows or the parts of its `split`");
        }
        Diagnostic::error(Code(714), format!("{rows} rows do not fill one batch of {}", pipeline.batch))
            .label(pipeline.span, "batches are made here")
            .help("use a smaller batch, or keep the last one by leaving out drop_last")
    }

    /// A condition of the program that batches of this size do not fulfil.
    pub fn bad_batch_size(phase: &Phase, size: usize, requirement: &Requirement) -> Diagnostic {
        let rows = if size == 1 { "row" } else { "rows" };
        let last = if size < phase.pipeline.batch { "the last batch" } else { "a batch" };
        let error = requirement.error.clone();
        error
            .label(phase.pipeline.span, format!("{last} has {size} {rows}"))
            .help("take another batch size, or leave out a smaller last batch with `drop_last: true`")
    }

    /// What the run itself reports, with the place of the phase.
    pub fn fault(phase: &Phase, fault: &Fault) -> Diagnostic {
        fault.diagnostic().label(phase.span, "in this phase")
    }
}

//! Phases over data: a phase of the program, the rows it runs over, and the executables for each batch size it meets.
//!
//! The last, smaller batch of an epoch is a specialisation of its own, never padding: BatchNorm and means would see it.

use super::data::{DataSet, Part};
use super::metrics::Metrics;
use super::split::{self, Rows};
use crate::diag::Diagnostic;
use crate::runtime::{Executable, Report};
use crate::sema::model::{Data, Model, Phase, Pipeline};
use std::collections::HashMap;
use std::path::Path;

/// Compiles a phase for a batch size and a number of stored rows, bound to the run's state.
pub type Compile<'a> = dyn Fn(&Phase, usize, usize) -> Result<Executable, Diagnostic> + 'a;

/// The data sets of a program, opened, with their splits resolved.
pub struct Sources<'a> {
    model: &'a Model,
    sets: Vec<(DataSet, HashMap<String, Rows>)>,
}

impl<'a> Sources<'a> {
    /// Opens every data set that a phase reads from.
    pub fn open(model: &'a Model, folder: &Path) -> Result<Sources<'a>, Diagnostic> {
        let open = |data: &Data| {
            let set = DataSet::open(data, folder)?;
            let splits = split::resolve(data, &set)?;
            Ok((set, splits))
        };
        Ok(Sources { model, sets: model.data.iter().map(open).collect::<Result<_, _>>()? })
    }

    /// The stored part and the rows of a phase's split.
    pub fn of(&self, phase: &Phase) -> Result<(&Data, &Part, &[u32]), Diagnostic> {
        let pipeline = &phase.pipeline;
        let at = self.model.data.iter().position(|d| d.name == pipeline.data);
        let (data, (set, splits)) =
            at.map(|i| (&self.model.data[i], &self.sets[i])).ok_or_else(|| errors::no_rows(phase))?;
        let rows = splits.get(&pipeline.split).ok_or_else(|| errors::no_rows(phase))?;
        let part = set.part(&rows.part).ok_or_else(|| errors::no_rows(phase))?;
        let too_small = pipeline.drop_last && rows.rows.len() < pipeline.batch;
        if rows.rows.is_empty() || too_small {
            return Err(errors::too_few_rows(phase, rows.rows.len()));
        }
        Ok((data, part, &rows.rows))
    }
}

/// Values of the scalar inputs of a step.
#[derive(Clone, Copy, Debug)]
pub struct Scalars {
    pub step: u64,
    pub total: u64,
    pub epoch: u64,
    pub seed: u64,
}

/// A phase ready to run.
pub struct PhaseRunner<'a> {
    pub phase: &'a Phase,
    pub rows: &'a [u32],
    data: &'a Data,
    part: &'a Part,
    compile: &'a Compile<'a>,
    executables: HashMap<usize, Executable>,
}

impl<'a> PhaseRunner<'a> {
    pub fn new(phase: &'a Phase, sources: &'a Sources<'a>, compile: &'a Compile<'a>) -> Result<Self, Diagnostic> {
        let (data, part, rows) = sources.of(phase)?;
        check_batches(phase, rows.len())?;
        Ok(PhaseRunner { phase, rows, data, part, compile, executables: HashMap::new() })
    }

    /// Runs one batch and adds its reports to `metrics`; returns the reported `loss`.
    pub fn run(&mut self, rows: &[i32], at: Scalars, metrics: &mut Metrics) -> Result<Outcome, Diagnostic> {
        let phase = self.phase;
        let executable = self.executable(rows.len())?;
        set_scalars(executable, at)?;
        executable.write_rows(rows)?;
        executable.run().map_err(|fault| errors::fault(phase, &fault))?;
        let mut outcome = Outcome { loss: None, passed: true };
        for Report { name, value, weight } in executable.reports() {
            metrics.add(name, value.into(), weight.into());
            if name == "loss" {
                outcome.loss = Some(value.into());
            }
        }
        outcome.passed = executable.failed_check().is_none();
        Ok(outcome)
    }

    /// The executable for a batch size, compiled on first need.
    pub fn executable(&mut self, batch: usize) -> Result<&mut Executable, Diagnostic> {
        if !self.executables.contains_key(&batch) {
            let mut executable = (self.compile)(self.phase, batch, self.part.rows)?;
            bind_columns(&mut executable, self.data, self.part)?;
            self.executables.insert(batch, executable);
        }
        Ok(self.executables.get_mut(&batch).expect("just inserted"))
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
#[derive(Clone, Copy, Debug)]
pub struct Outcome {
    pub loss: Option<f64>,
    /// All checks of the program held.
    pub passed: bool,
}

/// Sets those scalars that the program uses.
pub fn set_scalars(executable: &mut Executable, at: Scalars) -> Result<(), Diagnostic> {
    for (name, value) in [("step", at.step), ("total", at.total), ("epoch", at.epoch), ("seed", at.seed)] {
        if executable.has_input(name) {
            // The program counts in i32; a seed keeps its low bits.
            executable.write_scalar(name, value as i32)?;
        }
    }
    Ok(())
}

/// Binds those columns that the program reads.
pub fn bind_columns(executable: &mut Executable, data: &Data, part: &Part) -> Result<(), Diagnostic> {
    for array in &part.columns {
        let name = format!("{}.{}", data.name, array.name);
        if executable.has_input(&name) {
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

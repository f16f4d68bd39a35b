//! Trains the program of a fixture through the driver.

use crate::fixture::{Fixture, Tensor, numbers};
use nnc::driver::Session;
use nnc::driver::compile::MachineOptions;
use nnc::driver::run::{Run, Start};
use nnc::sema::model::PhaseKind;
use nnc::train::fit::phase_of;
use nnc::train::metrics::Metrics;
use nnc::train::phases::{PhaseRunner, Scalars, Sources};
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::path::Path;

/// What training gave.
pub struct Outcome {
    /// Of `predict`, before the first step.
    pub forward: Vec<f64>,
    pub losses: Vec<f64>,
    /// Parameters and buffers after the last step.
    pub after: BTreeMap<String, Vec<f64>>,
}

impl Outcome {
    /// All numbers, bit by bit.
    pub fn bits(&self) -> Vec<u64> {
        let after = self.after.values().flatten();
        self.forward.iter().chain(&self.losses).chain(after).map(|x| x.to_bits()).collect()
    }
}

/// Trains `rounds` steps over all rows from the fixture's first values.
pub fn train(fixture: &Fixture, optimizer: &str, rounds: usize, machine: &MachineOptions) -> Outcome {
    let folder = tempfile::tempdir().unwrap();
    let program = folder.path().join("program.nn");
    std::fs::write(&program, fixture.program.replace("OPTIMIZER", optimizer)).unwrap();
    let data = folder.path().join("unused.csv");
    std::fs::write(&data, csv(&fixture.columns)).unwrap();

    let session = Session::open(&program, &[]).unwrap();
    assert!(session.diagnostics.is_empty(), "{}: {:#?}", fixture.name, session.diagnostics);
    let run = Run::new(&session, None, machine, Start::Weights).unwrap_or_else(|d| panic!("{}: {d:#?}", fixture.name));
    start(&run, fixture);
    let forward = forward(&run, &data);
    let losses = losses(&run, &session, rounds);
    let read = |name: &String| run.state().borrow().read_f32(name).unwrap().iter().map(|x| f64::from(*x)).collect();
    let after = fixture.start.keys().map(|name| (name.clone(), read(name))).collect();
    Outcome { forward, losses, after }
}

/// One field for each number of a row: `x0`, `x1`, …
fn csv(columns: &BTreeMap<String, Tensor>) -> String {
    let rows = columns.values().next().expect("a column").shape[0];
    let width = |t: &Tensor| t.data.len() / rows;
    let header = columns.iter().flat_map(|(name, t)| match t.shape.len() {
        1 => vec![name.clone()],
        _ => (0..width(t)).map(|i| format!("{name}{i}")).collect(),
    });
    let mut lines = vec![header.collect::<Vec<_>>().join(",")];
    for row in 0..rows {
        let of = |t: &Tensor| t.data[row * width(t)..(row + 1) * width(t)].to_vec();
        let fields = columns.values().flat_map(of).map(|x| x.to_string());
        lines.push(fields.collect::<Vec<_>>().join(","));
    }
    lines.join("\n") + "\n"
}

fn start(run: &Run, fixture: &Fixture) {
    let mut state = run.state().borrow_mut();
    for (name, tensor) in &fixture.start {
        let shape = state.ty(name).map(|ty| ty.shape.clone());
        assert_eq!(shape.as_ref(), Some(&tensor.shape), "{}: shape of `{name}`", fixture.name);
        let data: Vec<f32> = tensor.data.iter().map(|x| *x as f32).collect();
        state.write_f32(name, &data).unwrap();
    }
}

fn forward(run: &Run, data: &Path) -> Vec<f64> {
    let out = RefCell::new(vec![]);
    run.predict(data, None, &|row| out.borrow_mut().extend(numbers(&row["out"]))).unwrap();
    out.into_inner()
}

fn losses(run: &Run, session: &Session, rounds: usize) -> Vec<f64> {
    let sources = Sources::open(&session.model, &session.folder()).unwrap();
    let phase = phase_of(run.train, PhaseKind::Step).unwrap();
    let mut runner = PhaseRunner::new(phase, &sources, &run.compiler).unwrap();
    let rows: Vec<u64> = (0..runner.rows.len()).map(|i| runner.rows.get(i)).collect();
    let mut step = |number: usize| {
        let at =
            Scalars { step: number as u64, total: rounds as u64, epoch: number as u64, seed: 1, ..Scalars::default() };
        runner.run(&rows, at, &mut Metrics::default()).unwrap().loss.expect("a loss")
    };
    (1..=rounds).map(&mut step).collect()
}

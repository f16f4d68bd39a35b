//! A net whose state goes on over lanes, step by step as lanes.py trained it.

use crate::fixture::{Tensor, map, numbers, tensor};
use crate::{DEFAULT, LOSS, WEIGHT};
use nnc::driver::Session;
use nnc::driver::run::{Run, Start};
use nnc::sema::model::PhaseKind;
use nnc::train::fit::{phase_of, run_all};
use nnc::train::metrics::Metrics;
use nnc::train::phases::{PhaseRunner, Scalars, Sources};
use serde_json::Value;
use std::collections::BTreeMap;

fn near(what: &str, found: &[f64], expected: &[f64], tolerance: f64) {
    assert_eq!(found.len(), expected.len(), "{what}");
    let differs = found.iter().zip(expected).position(|(a, b)| (a - b).abs() > tolerance * b.abs().max(1.0));
    assert_eq!(differs, None, "{what}: {found:?}, PyTorch has {expected:?}");
}

fn begin(run: &Run, start: &BTreeMap<String, Tensor>) {
    let mut state = run.state().borrow_mut();
    for (name, tensor) in start {
        let data: Vec<f32> = tensor.data.iter().map(|x| *x as f32).collect();
        state.write_f32(name, &data).unwrap();
    }
}

/// The loss of each step, and of a pass over the text of validation behind it.
fn train(run: &Run, session: &Session, epochs: u64) -> [Vec<f64>; 2] {
    let sources = Sources::open(&session.model, &session.folder()).unwrap();
    let runner = |kind| PhaseRunner::new(phase_of(run.train, kind).unwrap(), &sources, &run.compiler).unwrap();
    let (mut step, mut validate) = (runner(PhaseKind::Step), runner(PhaseKind::Validate));
    let (mut rows, mut losses, mut validated) = (vec![], vec![], vec![]);
    for epoch in 1..=epochs {
        let order = step.epoch(Some((1, epoch)));
        for index in 0..order.len() {
            order.rows(index, &mut rows);
            let at = Scalars { step: losses.len() as u64 + 1, epoch, batch: index as u64, ..Scalars::default() };
            losses.push(step.run(&rows, at, &mut Metrics::default()).unwrap().loss.expect("a loss"));
            validated.push(run_all(&mut validate, at).unwrap().get("loss").expect("a loss"));
        }
    }
    [losses, validated]
}

/// The gradient is cut between batches, an epoch begins with zeros, and passes over other text do not disturb the state.
#[test]
fn states_go_on_over_lanes() {
    let json: Value = serde_json::from_str(include_str!("lanes.json")).expect("JSON");
    let folder = tempfile::tempdir().unwrap();
    let program = folder.path().join("program.nn");
    std::fs::write(&program, json["program"].as_str().unwrap()).unwrap();
    std::fs::write(folder.path().join("book.txt"), json["text"].as_str().unwrap()).unwrap();
    let mut session = Session::open(&program, &[]).unwrap();
    session.resolve().unwrap();
    assert!(session.diagnostics.is_empty(), "{:#?}", session.diagnostics);
    let run = Run::new(&session, None, &DEFAULT, Start::Weights).unwrap();
    begin(&run, &map(&json["start"], tensor));
    let [losses, validated] = train(&run, &session, 2);
    near("losses", &losses, &numbers(&json["losses"]), LOSS);
    near("losses of validation", &validated, &numbers(&json["validated"]), LOSS);
    let state = run.state().borrow();
    let read = |name: &str| -> Vec<f64> { state.read_f32(name).unwrap().iter().map(|x| f64::from(*x)).collect() };
    near("the state", &read("state(step).h"), &numbers(&json["state"]), WEIGHT);
    for (name, expected) in map(&json["after"], numbers) {
        near(&name, &read(&name), &expected, WEIGHT);
    }
}

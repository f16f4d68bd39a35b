//! Programs against PyTorch: the outputs, gradients, losses and weights of tests/parity/fixtures, which
//! tests/parity/generate.py made in float64. All forms of machine code and all numbers of threads give the same bits.

#[path = "parity/fixture.rs"]
mod fixture;
#[path = "parity/lanes.rs"]
mod lanes;
#[path = "parity/training.rs"]
mod training;

use fixture::{Fixture, names};
use nnc::driver::compile::{Form, MachineOptions};
use nnc::runtime::RunOptions;
use training::{Outcome, train};

/// Gradients are differences of weights of size 1, so they carry the rounding of those.
const GRADIENT: f64 = 1e-4;
const WEIGHT: f64 = 1e-4;
const LOSS: f64 = 1e-5;
const FORWARD: f64 = 1e-5;
/// Of losses over many steps, relative; they carry the rounding of all steps before.
const CURVE: f64 = 1e-5;

const DEFAULT: MachineOptions = MachineOptions {
    threads: 1,
    code: None,
    profile: false,
    check_passes: false,
    run: RunOptions { poison: false, order: None },
};

/// The first prefixes that match name the group of a fixture, one test each.
const GROUPS: [&str; 17] = [
    "generate_",
    "ctc_",
    "recurrent_rnn",
    "recurrent_lstm",
    "recurrent_gru",
    "attention_",
    "position_",
    "transformer_",
    "bert_",
    "t5_",
    "conv_",
    "dense_",
    "loss_",
    "optim_",
    "schedule_",
    "clip_",
    "",
];

fn group(name: &str) -> &'static str {
    GROUPS.iter().find(|g| name.starts_with(**g)).expect("the last takes all")
}

fn check_group(wanted: &str) {
    let names: Vec<String> = names().into_iter().filter(|n| group(n) == wanted).collect();
    assert!(!names.is_empty(), "no fixture `{wanted}…`: run tests/parity/generate.py");
    let wrong: Vec<String> = names.iter().filter_map(|n| check(&Fixture::load(n)).err()).collect();
    assert!(wrong.is_empty(), "{} of {} differ:\n{}", wrong.len(), names.len(), wrong.join("\n"));
}

fn check(fixture: &Fixture) -> Result<(), String> {
    let found = train(fixture, &fixture.optimizer, fixture.losses.len(), &DEFAULT);
    near(fixture, "output", &found.forward, &fixture.forward, FORWARD)?;
    near(fixture, "loss", &found.losses, &fixture.losses, LOSS)?;
    for (name, expected) in &fixture.after {
        near(fixture, name, &found.after[name], expected, WEIGHT)?;
    }
    check_gradients(fixture)?;
    same_everywhere(fixture, &found)
}

/// One step of plain gradient descent with rate 1 takes the gradient off.
fn check_gradients(fixture: &Fixture) -> Result<(), String> {
    let found = train(&fixture.unclipped(), "sgd(lr: 1.0)", 1, &DEFAULT);
    for (name, expected) in &fixture.grads {
        let start = &fixture.start[name].data;
        let gradient: Vec<f64> = start.iter().zip(&found.after[name]).map(|(before, after)| before - after).collect();
        near(fixture, &format!("gradient of {name}"), &gradient, expected, GRADIENT)?;
    }
    Ok(())
}

fn same_everywhere(fixture: &Fixture, expected: &Outcome) -> Result<(), String> {
    for (form, threads) in Form::here().into_iter().flat_map(|form| [(form, 1), (form, 2)]).skip(1) {
        let machine = MachineOptions { threads, code: Some(form), ..DEFAULT };
        let found = train(fixture, &fixture.optimizer, fixture.losses.len(), &machine);
        if found.bits() != expected.bits() {
            return Err(format!("{}: {form:?}, {threads} threads: other bits", fixture.name));
        }
    }
    Ok(())
}

fn near(fixture: &Fixture, what: &str, found: &[f64], expected: &[f64], tolerance: f64) -> Result<(), String> {
    if found.len() != expected.len() {
        return Err(format!("{}: {what}: {} numbers, expected {}", fixture.name, found.len(), expected.len()));
    }
    let close = |a: f64, b: f64| (a - b).abs() <= tolerance * b.abs().max(1.0);
    match found.iter().zip(expected).position(|(a, b)| !close(*a, *b)) {
        None => Ok(()),
        Some(i) => Err(format!("{}: {what}[{i}]: {}, PyTorch has {}", fixture.name, found[i], expected[i])),
    }
}

#[test]
fn connectionist_temporal_classification() {
    check_group("ctc_");
}

#[test]
fn generation() {
    check_group("generate_");
}

#[test]
fn simple_recurrent_layers() {
    check_group("recurrent_rnn");
}

#[test]
fn long_short_term_memory() {
    check_group("recurrent_lstm");
}

#[test]
fn gated_recurrent_units() {
    check_group("recurrent_gru");
}

#[test]
fn attention() {
    check_group("attention_");
}

#[test]
fn positions() {
    check_group("position_");
}

#[test]
fn transformer_layers() {
    check_group("transformer_");
}

#[test]
fn bert() {
    check_group("bert_");
}

#[test]
fn t5() {
    check_group("t5_");
}

/// Twenty steps of AdamW, whose first updates have little of a gradient but its sign.
#[test]
fn t5_is_fine_tuned_along_the_same_curve() {
    let fixture = Fixture::load("t5_tiny");
    let (optimizer, expected) = fixture.tuning.as_ref().expect("losses of AdamW");
    let found = train(&fixture, optimizer, expected.len(), &DEFAULT).losses;
    assert!(expected.len() == 20 && expected[19] < 0.9 * expected[0], "{expected:?}");
    let apart = |(a, b): (&f64, &f64)| (a - b).abs() / b;
    let most = found.iter().zip(expected).map(apart).fold(0.0, f64::max);
    assert!(most < CURVE, "{most}: {found:?}, PyTorch has {expected:?}");
}

#[test]
fn convolutions_and_pools() {
    check_group("conv_");
}

#[test]
fn activations() {
    check_group("dense_");
}

#[test]
fn losses() {
    check_group("loss_");
}

#[test]
fn optimizers() {
    check_group("optim_");
}

#[test]
fn schedules() {
    check_group("schedule_");
}

#[test]
fn clipping() {
    check_group("clip_");
}

#[test]
fn normalisation_and_models() {
    check_group("");
}

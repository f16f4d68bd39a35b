//! Training again: the same seed, other threads, other machine code, and after an interruption.

use super::program::{Fitted, MACHINE, Project};
use nnc::driver::compile::{Form, MachineOptions};
use nnc::driver::run::Start;
use nnc::runtime::RunOptions;
use nnc::train::fit::Ended;
use std::path::Path;

/// examples/digits.nn for 50 steps: convolution, BatchNorm, dropout, shuffling, Adam.
fn digits() -> Project {
    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples");
    let program = std::fs::read_to_string(examples.join("digits.nn")).unwrap();
    let limited = program.replace("  epochs = 30\n", "  epochs = 2\n  steps = 50\n");
    assert_ne!(limited, program);
    let project = Project::new(&limited, "");
    let folder = project.path().join("data/digits");
    std::fs::create_dir_all(&folder).unwrap();
    for entry in std::fs::read_dir(examples.join("data/digits")).unwrap() {
        let path = entry.unwrap().path();
        std::fs::copy(&path, folder.join(path.file_name().unwrap())).unwrap();
    }
    project
}

/// The same images as sequences, for recurrent layers in both directions.
fn sequences() -> Project {
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/data/digits");
    Project::new(&include_str!("sequences.nn").replace("DATA", &data.display().to_string()), "")
}

fn train(project: &Project, machine: &MachineOptions) -> Fitted {
    project.fit_with(machine, Start::Fresh(project.path().join("runs")), &|_| false).unwrap()
}

/// pytorch#11278
#[test]
fn the_same_seed_gives_the_same_bits_everywhere() {
    same_bits_everywhere(&digits());
}

#[test]
fn recurrent_nets_give_the_same_bits_everywhere() {
    same_bits_everywhere(&sequences());
}

fn same_bits_everywhere(project: &Project) {
    let expected = train(project, &MACHINE).weights;
    for (form, threads) in Form::here().into_iter().flat_map(|form| [(form, 1), (form, 2)]) {
        let machine = MachineOptions { code: Some(form), threads, ..MACHINE };
        let found = train(project, &machine).weights;
        assert!(found == expected, "{form:?}, {threads} threads: other weights");
    }
    // Nothing is read that was not written in the same step, and no launch needs another that no barrier keeps before it.
    for order in [None, Some(&[2, 0, 3, 1, 4, 5, 6][..]), Some(&[1, 0][..])] {
        let machine = MachineOptions { profile: true, run: RunOptions { poison: true, order }, ..MACHINE };
        let found = train(project, &machine).weights;
        assert!(found == expected, "poisoned, workers {order:?}: other weights");
    }
}

/// accelerate#4071: an epoch has 39 or 40 steps.
#[test]
fn resuming_in_mid_epoch_equals_never_having_stopped() {
    let project = digits();
    let expected = train(&project, &MACHINE);
    let fresh = Start::Fresh(project.path().join("runs"));
    let stopped = project.fit_with(&MACHINE, fresh, &|step| step == 17).unwrap();
    assert_eq!(stopped.ended, Ended::Interrupted);
    assert!(stopped.weights != expected.weights);
    let resumed = project.fit_with(&MACHINE, Start::Resume(stopped.folder), &|_| false).unwrap();
    assert_eq!(resumed.ended, Ended::Finished);
    let pairs = expected.weights.iter().zip(&resumed.weights);
    let other: Vec<&str> = pairs.filter(|(a, b)| a != b).map(|(a, _)| a.0.as_str()).collect();
    assert!(other.is_empty(), "{other:?} differ");
    // The means of the epoch, too, are those of all its steps.
    let epochs = [&expected, &resumed].map(|f| f.log("epoch")[0]["train"].clone());
    assert_eq!(epochs[0], epochs[1]);
}

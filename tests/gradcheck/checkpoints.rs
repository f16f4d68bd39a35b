//! Loops with checkpoints. [`check`] takes differences of the loss, compares with a gradient of the undivided loop, and runs
//! every pass, the one that divides the loop included.

use super::scans::{cell, check, form, joined, lstm, positions, recurrent, recurrent_args};
use nnc::tensor::build::{Loop, ScanArgs};

fn every(steps: usize, length: usize, reverse: bool) -> Loop {
    Loop { reverse, checkpoint: Some(steps), ..Loop::over(length) }
}

/// Segments of one step, of several, with a rest, of all steps and of more than there are.
const SEGMENTS: [(usize, usize); 6] = [(1, 3), (2, 4), (3, 7), (6, 7), (3, 3), (9, 2)];

#[test]
fn checkpoints() {
    for (steps, length) in SEGMENTS {
        for reverse in [false, true] {
            let name = format!("checkpoint {steps} of {length}, reverse {reverse}");
            check(positions(&name, every(steps, length, reverse)));
        }
    }
}

#[test]
fn checkpoints_of_recurrent_nets() {
    for (steps, length) in [(1, 4), (2, 5), (3, 3), (4, 2)] {
        check(recurrent(&format!("checkpoint {steps} of {length}"), every(steps, length, false), |r| r));
    }
    check(recurrent("last state", every(2, 5, true), |r| &r[..1]));
}

#[test]
fn checkpoints_of_masked_memories() {
    check(lstm(every(1, 3, false)));
    check(lstm(every(2, 5, false)));
    check(lstm(every(2, 3, true)));
}

/// One loop each way over the same slices, with the same weights.
#[test]
fn checkpoints_both_ways() {
    check(form("both ways", recurrent_args(5), |b, a| {
        let args = ScanArgs { consts: &a[..3], inits: &a[3..4], xs: &a[4..] };
        let results = [false, true].map(|reverse| {
            b.scan(every(2, 5, reverse), args, |b, step| {
                let h = cell(b, &step.consts, step.slices[0], step.carries[0]);
                [vec![h], vec![h]]
            })
        });
        joined(b, &results.concat())
    }));
}

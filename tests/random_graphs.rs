//! Random typed graphs through the whole back end. The tensor interpreter against the kernels in tile and lane IR, by
//! tolerance, finds faults of the scheduler; the tile interpreter against machine code, in bits, finds faults of the
//! emitters. `NNC_SEEDS=5000` runs more of them; a failure names its seed, and `NNC_SEED=17` runs that one alone.
//!
//! Finite graphs may have gradients. Graphs over ±0, infinities and NaN only compute what rounding cannot turn into
//! something else: an infinity times a sum that is nearly 0 has no right answer.

#[path = "random_graphs/generator.rs"]
mod generator;
#[allow(dead_code, unused_imports, reason = "the rest is for tests/machine_code.rs")]
#[path = "machine_code/machine.rs"]
mod machine;

use generator::{Generator, Values};

const SEEDS: u64 = 60;

fn variable(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

fn check(seed: u64, values: Values, gradients: bool) {
    let (graph, inputs) = Generator::new(seed, values).graph(10, gradients);
    let inputs: Vec<(&str, _)> = inputs.iter().map(|(n, t)| (n.as_str(), t.clone())).collect();
    machine::check_everywhere(&graph, &inputs);
}

fn run(values: Values, gradients: bool) {
    let seeds = match variable("NNC_SEED") {
        Some(one) => one..one + 1,
        None => 0..variable("NNC_SEEDS").unwrap_or(SEEDS),
    };
    for seed in seeds {
        if let Err(panic) = std::panic::catch_unwind(|| check(seed, values, gradients)) {
            eprintln!("NNC_SEED={seed}");
            std::panic::resume_unwind(panic);
        }
    }
}

#[test]
fn finite_graphs() {
    run(Values::Finite, false);
}

#[test]
fn gradients_of_sums() {
    run(Values::Finite, true);
}

#[test]
fn graphs_of_zeros_infinities_and_nan() {
    run(Values::Special, false);
}

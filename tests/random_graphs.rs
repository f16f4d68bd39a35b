//! Random typed graphs through the whole back end. The tensor interpreter against the kernels in tile and lane IR, by
//! tolerance, finds faults of the scheduler; the tile interpreter against machine code, in bits, finds faults of the
//! emitters. `NNC_SEEDS=5000` runs more of them; a failure is made smaller and printed as a file for `suite/random/`,
//! where each file is a test.
//!
//! Finite graphs may have gradients. Graphs over ±0, infinities and NaN only compute what rounding cannot turn into
//! something else: an infinity times a sum that is nearly 0 has no right answer.

#[path = "random_graphs/case.rs"]
mod case;
#[path = "random_graphs/generator.rs"]
mod generator;
#[path = "random_graphs/loops.rs"]
mod loops;
#[allow(dead_code, unused_imports, reason = "the rest is for tests/machine_code.rs")]
#[path = "machine_code/machine.rs"]
mod machine;

use case::{Case, shrink};
use generator::{Generator, Values};
use nnc::ops::{Op, Unary};
use std::panic::{AssertUnwindSafe, catch_unwind};

const SEEDS: u64 = 60;

fn variable(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

fn random(seed: u64, values: Values, gradients: bool) -> Case {
    let (graph, inputs) = Generator::new(seed, values).graph(10, gradients);
    Case { graph, inputs }
}

fn passes(case: &Case) -> bool {
    catch_unwind(AssertUnwindSafe(|| machine::check_everywhere(&case.graph, &case.named_inputs()))).is_ok()
}

fn run(values: Values, gradients: bool) {
    let seeds = match variable("NNC_SEED") {
        Some(one) => one..one + 1,
        None => 0..variable("NNC_SEEDS").unwrap_or(SEEDS),
    };
    for seed in seeds {
        let case = random(seed, values, gradients);
        if !passes(&case) {
            let small = shrink(case, &|c| !passes(c));
            panic!("NNC_SEED={seed} fails; write this to tests/suite/random/NAME.nnt:\n{}", small.print());
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

/// What once failed.
#[test]
fn suite() {
    let files = std::fs::read_dir("tests/suite/random").expect("the folder exists");
    let mut count = 0;
    for path in
        files.map(|f| f.expect("a readable folder").path()).filter(|p| p.extension().is_some_and(|e| e == "nnt"))
    {
        let text = std::fs::read_to_string(&path).expect("a readable file");
        let case = Case::parse(&text).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        machine::check_everywhere(&case.graph, &case.named_inputs());
        count += 1;
    }
    assert!(count > 0, "no file was found");
}

/// With a fault that is known: what computes a hyperbolic tangent. One such instruction is left, and its text is read back.
#[test]
fn shrinking_leaves_the_culprit() {
    let faulty = |c: &Case| c.graph.insts.iter().any(|i| i.op == Op::Unary(Unary::Tanh));
    let cases = (0..40).map(|seed| random(seed, Values::Finite, true)).filter(|c| faulty(c) && c.size() > 5);
    let mut count = 0;
    for case in cases.take(5) {
        let small = shrink(case, &faulty);
        assert_eq!(small.size(), 1, "{}", small.print());
        let again = Case::parse(&small.print()).expect("what is printed can be read");
        assert_eq!((again.print(), again.inputs.len()), (small.print(), 1));
        machine::check_everywhere(&again.graph, &again.named_inputs());
        count += 1;
    }
    assert_eq!(count, 5);
}

//! The built binary: every command on the examples, its exit codes, what it leaves on the disk, and interrupted runs.
//! Exit codes: 0 well; 1 diagnostics; 2 usage; 3 the run failed; 130 interrupted.

#[path = "cli/harness.rs"]
mod harness;

#[path = "cli/data.rs"]
mod data;
#[path = "cli/errors.rs"]
mod errors;
#[path = "cli/examples.rs"]
mod examples;
#[path = "cli/generate.rs"]
mod generate;
#[path = "cli/runs.rs"]
mod runs;
#[path = "cli/texts.rs"]
mod texts;
#[path = "cli/tokenizers.rs"]
mod tokenizers;

use clap::ValueEnum;
use harness::{Place, example_files, nnc, repository};
use nnc::driver::Session;
use nnc::driver::stages::{Selection, Stage};
use std::path::Path;

/// Each example is read once, and printed by what `nnc ir` calls.
#[test]
fn every_stage_of_every_phase_of_every_example_prints() {
    for example in example_files().iter().filter(|e| !learns(e)) {
        let session = Session::open(Path::new(example), &[]).unwrap();
        // The recurrent one has no `validate`.
        let phases = if example.ends_with("lstm.nn") { "step test" } else { "init step validate test predict" };
        for phase in phases.split(' ') {
            for stage in Stage::value_variants() {
                let selection = Selection { phase: phase.into(), ..Selection::default() };
                let text = session.stage(*stage, &selection).unwrap_or_else(|e| panic!("{example} {phase}: {e:?}"));
                assert!(!text.trim().is_empty(), "{example} {phase} {stage:?}");
            }
        }
    }
}

#[test]
fn stages_print_what_the_library_gives() {
    let example = format!("{}/examples/digits.nn", repository());
    let session = Session::open(Path::new(&example), &[]).unwrap();
    for stage in Stage::value_variants() {
        let name = stage.to_possible_value().expect("no stage is hidden");
        let out = nnc(&["ir", &example, "--phase", "validate", "--stage", name.get_name()]).ok();
        let selection = Selection { phase: "validate".into(), ..Selection::default() };
        assert_eq!(out.trim_end(), session.stage(*stage, &selection).unwrap().trim_end(), "{stage:?}");
    }
}

#[test]
fn examples_check_and_have_a_summary() {
    for example in example_files() {
        assert_eq!(nnc(&["check", &example]).ok(), format!("{example}: no errors\n"));
        if !learns(&example) {
            assert!(nnc(&["summary", &example]).ok().contains("trainable parameters"), "{example}");
        }
    }
}

/// Whether sizes of an example come from data that has to be fetched: `tests/cli/examples.rs` has those.
fn learns(example: &str) -> bool {
    ["gpt.nn", "phonemes.nn", "reuters.nn", "reuters_minilm.nn", "t5_small.nn", "translate.nn"]
        .iter()
        .any(|name| example.ends_with(name))
}

/// 28·28·512 + 512 + 512·512 + 512 + 512·10 + 10, and 9·32 + 32 + 9·32·64 + 64 + 5·5·64·128 + 128 + 128·10 + 10.
#[test]
fn parameters_are_counted_as_by_hand() {
    for (example, count) in [("mlp", 669_706), ("mnist_cnn", 225_034)] {
        let found = nnc(&["check", &format!("{}/examples/{example}.nn", repository()), "--message-format", "json"]);
        assert_eq!(found.json()[0]["parameters"], count, "{example}");
    }
}

#[test]
fn a_new_project_checks_and_a_second_of_its_name_is_refused() {
    let place = Place::new();
    place.nnc(&["new", "p"]).ok();
    place.nnc(&["check", "p/main.nn"]).ok();
    place.nnc(&["new", "p"]).code(2);
}

#[test]
fn codes_are_listed_and_explained() {
    let listed = nnc(&["explain"]).ok();
    assert!(listed.lines().count() > 100);
    for line in listed.lines() {
        let (code, title) = line.split_once("  ").expect("a code and a title");
        let text = nnc(&["explain", code]).ok();
        assert!(text.starts_with(&format!("{code}: {title}\n\n")), "{text}");
    }
    assert!(nnc(&["explain", "E9999"]).code(2).stderr.contains("E9999"));
}

/// What the formatter writes it leaves alone; `--check` writes nothing.
#[test]
fn formatting_is_checked_without_writing() {
    let place = Place::new();
    place.write("a.nn", "let  a=1\n");
    place.nnc(&["fmt", "--check", "a.nn"]).code(1);
    assert_eq!(place.read("a.nn"), "let  a=1\n");
    place.nnc(&["fmt", "a.nn"]).ok();
    place.nnc(&["fmt", "--check", "a.nn"]).ok();
    assert_eq!(place.read("a.nn"), "let a = 1\n");
    assert_eq!(place.files(), ["a.nn"]);
}

#[test]
fn a_reader_that_goes_away_is_no_panic() {
    let mut command = harness::command();
    let piped = || std::process::Stdio::piped();
    let mut child = command.arg("explain").stdout(piped()).stderr(piped()).spawn().expect("starts");
    drop(child.stdout.take());
    let out = child.wait_with_output().expect("ends");
    assert!(!String::from_utf8_lossy(&out.stderr).contains("panicked"));
}

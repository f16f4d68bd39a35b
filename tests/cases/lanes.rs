//! States over lanes: from batch to batch, afresh at each pass, as before after a step that is skipped.

use super::program::{Fitted, Project};

/// A state counts the calls, by rows of the batch; nothing is learned, since the gradient of `w` is 0, or not finite where a
/// window has a `z`. There `bad_loss` is not finite either.
fn counting(text: &str, settings: &str, stages: &str, step: &str, rest: &str) -> Project {
    let program = format!(
        "data Book from text(\"d.csv\", unit: bytes) {{
  tokens: i32[T]
  split train 0.6, test 0.4
}}
model Count() {{
  param w: f32 = 0.0
  counter = Counter()
  fn forward(tokens: i32[B, T]) -> f32[B] {{ counter(tokens) }}
  fn loss(tokens: i32[B, T]) -> f32 {{
    let y = sum(where(tokens == 122, 1e30, 0.0))
    w * y * y
  }}
  fn bad_loss(tokens: i32[B, T]) -> f32 {{
    let y = sum(where(tokens == 122, 1e30, 0.0))
    w * (y * y)
  }}
}}
layer Counter() {{
  state n: f32[B] = 0.0
  fn forward(tokens: i32[B, T]) -> f32[B] {{
    n = n + 1.0
    n
  }}
}}
train {{
  let net = Count()
  optimizer = sgd(lr: 1.0)
  {settings}
  step (tokens) in Book.train {stages} {{
    {step}
  }}
  {rest}
}}
"
    );
    Project::new(&program, text)
}

const CALL: &str = "minimize net.loss(tokens)
    report n: mean(net(tokens))";

const LANES: &str = "|> lanes(2, window: 2)";

/// What the state holds at the end, the same in both lanes.
fn held(fitted: &Fitted, name: &str) -> f32 {
    let values = fitted.floats(name);
    assert!(values.len() == 2 && values[0] == values[1], "{values:?}");
    values[0]
}

fn mean(fitted: &Fitted, epoch: usize, phase: &str) -> f64 {
    fitted.log("epoch")[epoch][phase]["n"].as_f64().unwrap()
}

/// Three batches of training, two of the other text: counts 1, 2, 3 and 1, 2.
#[test]
fn each_stream_has_states_of_its_own_and_each_pass_begins_afresh() {
    let other = format!("(tokens) in Book.test {LANES} {{ report n: mean(net(tokens)) }}");
    let phases = format!("validate {other}\n  validate {other}\n  test {other}");
    let fitted = counting(&"a".repeat(20), "epochs = 2", LANES, CALL, &phases).fit().unwrap();
    for epoch in 0..2 {
        assert_eq!((mean(&fitted, epoch, "train"), mean(&fitted, epoch, "validate")), (2.0, 1.5));
    }
    assert_eq!(held(&fitted, "state(step).counter.n"), 3.0);
    for phase in ["validate", "validate 2", "test"] {
        assert_eq!(held(&fitted, &format!("state({phase}).counter.n")), 2.0);
    }
}

#[test]
fn without_lanes_each_call_begins_afresh() {
    let fitted = counting(&"a".repeat(20), "epochs = 1", "|> windows(2) |> batch(2)", CALL, "").fit().unwrap();
    assert_eq!(mean(&fitted, 0, "train"), 1.0);
    assert!(fitted.weights.iter().all(|(name, _)| name == "w"));
}

/// A scan in the phase is one root call, too: two units of each window.
#[test]
fn a_scan_of_the_phase_goes_on() {
    let step = "let n = scan t in tokens along T { yield net(t[:, _]) }
    minimize net.loss(tokens)
    report n: mean(n)";
    let fitted = counting(&"a".repeat(20), "epochs = 1", LANES, step, "").fit().unwrap();
    assert_eq!((mean(&fitted, 0, "train"), held(&fitted, "state(step).counter.n")), (3.5, 6.0));
}

/// Bad is the first, the second or the third batch; of the first the state of the epoch before is no part.
#[test]
fn a_skipped_step_leaves_the_state() {
    for train in ["zzaaaaaaaaaa", "aazzaaaaaaaa", "aaaaaaaaaazz"] {
        let text = format!("{train}bbbbbbbb");
        let fitted = counting(&text, "epochs = 2\n  nonfinite = skip", LANES, CALL, "").fit().unwrap();
        assert_eq!(fitted.log("epoch")[1]["skipped"], 2, "{train}");
        assert_eq!((mean(&fitted, 0, "train"), mean(&fitted, 1, "train")), (1.5, 1.5), "{train}");
        assert_eq!(held(&fitted, "state(step).counter.n"), 2.0, "{train}");
    }
}

/// Four batches make two steps, and a bad batch spoils its step: what the others of the step added is taken back.
#[test]
fn a_skipped_step_of_several_batches_leaves_the_state_before_it() {
    for (bad, expected) in
        [("aaaaaaaa", 4.0), ("zzaaaaaa", 2.0), ("aazzaaaa", 2.0), ("aaaazzaa", 2.0), ("aaaaaazz", 2.0)]
    {
        // 27 · 0.6 = 16 units of training.
        let text = format!("{bad}aaaaaaaa{}", "b".repeat(11));
        for loss in ["loss", "bad_loss"] {
            let step = format!("minimize net.{loss}(tokens)\n    report n: mean(net(tokens))");
            let settings = "epochs = 1\n  accumulate = 2\n  nonfinite = skip";
            let fitted = counting(&text, settings, LANES, &step, "").fit().unwrap();
            assert_eq!(held(&fitted, "state(step).counter.n"), expected, "{bad} {loss}");
        }
    }
}

/// At the other steps nothing of the block is done.
#[test]
fn a_call_at_every_second_step_advances_then() {
    let step = "minimize net.loss(tokens)\n    every 2 steps { report n: mean(net(tokens)) }";
    let fitted = counting(&"a".repeat(27), "epochs = 1", LANES, step, "").fit().unwrap();
    assert_eq!((mean(&fitted, 0, "train"), held(&fitted, "state(step).counter.n")), (1.5, 2.0));
}

/// The program of the design, smaller; a scan that generates is another root call, in a stream without lanes.
#[test]
fn a_recurrent_net_of_characters_trains() {
    let whole = include_str!("../programs/15_charrnn.nn");
    let data = "data Text from text(\"d.csv\", unit: bytes) {\n  tokens: i32[T]\n  split train\n}\n";
    let small = whole
        .replace(
            "CharRnn(vocab: Text.vocab)",
            "CharRnn(vocab: Text.vocab, units: 16)\n  optimizer = adam(lr: 1e-2)\n  epochs = 4",
        )
        .replace("lanes(32, window: 65, overlap: 1)", "lanes(2, window: 9, overlap: 1)");
    assert_ne!(small, whole);
    let text = "the cat sat on the mat; the dog saw the cat and ran. ".repeat(4);
    let fitted = Project::new(&format!("{data}{small}"), &text).fit().unwrap();
    let losses: Vec<f64> = fitted.log("epoch").iter().map(|e| e["train"]["loss"].as_f64().unwrap()).collect();
    assert!(losses[3] < 0.8 * losses[0], "{losses:?}");
    assert!(fitted.floats("state(step).h").iter().all(|x| *x != 0.0));
}

//! Generation: what is kept of the scores, what chance does, ends and padding. transformers' tokens are in tests/parity.

use super::values::{floats, graph, outputs};
use super::{assert_close, check, model};
use nnc::tensor::data::{Data, Tensor};
use nnc::tensor::interp::{self, Precision::F64};

const OFF: f64 = f64::NEG_INFINITY;

fn kept(call: &str, logits: &[f64]) -> Vec<f64> {
    outputs(&format!("x: f32[{}]", logits.len()), call, &[("x", floats(&[logits.len()], logits))], F64)
}

#[test]
fn the_likeliest_scores_stay() {
    assert_eq!(kept("likeliest(x, 2)", &[1.0, 3.0, 2.0, 0.0]), [OFF, 3.0, 2.0, OFF]);
    assert_eq!(kept("likeliest(x, 1)", &[1.0, 3.0, 3.0]), [OFF, 3.0, 3.0], "equal ones at the border");
    // Probabilities 0.1, 0.2, 0.3, 0.4.
    let logits: Vec<f64> = [0.1, 0.2, 0.3, 0.4].iter().map(|p: &f64| p.ln()).collect();
    let of = |on: [bool; 4]| -> Vec<f64> { (0..4).map(|i| if on[i] { logits[i] } else { OFF }).collect() };
    assert_eq!(kept("nucleus(x, 0.3)", &logits), of([false, false, false, true]));
    assert_eq!(kept("nucleus(x, 0.5)", &logits), of([false, false, true, true]));
    assert_eq!(kept("nucleus(x, 0.75)", &logits), of([false, true, true, true]));
    assert_eq!(kept("nucleus(x, 0.95)", &logits), of([true; 4]));
    assert_eq!(kept("nucleus(x, 0.3)", &[1.0, OFF, 1.0]), [1.0, OFF, 1.0], "equal ones at the border");
    assert_eq!(kept("nucleus(x, 0.001)", &[7.0]), [7.0]);
}

/// Held against the definition: the likeliest first, until their probabilities reach the mass.
#[test]
fn the_nucleus_of_many_is_what_sorting_finds() {
    let logits: Vec<f64> = (0..3000).map(|i| 20.0 * (f64::from(i) * 0.7).sin()).collect();
    let total: f64 = logits.iter().map(|x| x.exp()).sum();
    let mut ordered = logits.clone();
    ordered.sort_by(|a, b| b.total_cmp(a));
    for mass in [0.05, 0.5, 0.95, 0.9999] {
        let mut before = 0.0;
        let inside = ordered.iter().take_while(|x| {
            let open = before < mass;
            before += x.exp() / total;
            open
        });
        let lowest = *inside.last().expect("one at least");
        let expected: Vec<f64> = logits.iter().map(|x| if *x >= lowest { *x } else { OFF }).collect();
        assert_eq!(kept(&format!("nucleus(x, {mass})"), &logits), expected, "{mass}");
    }
}

#[test]
fn tokens_are_drawn_in_proportion() {
    let scalar = Tensor::scalar_i32;
    let args =
        [("x", floats(&[3], &[0.2f64.ln(), 0.5f64.ln(), 0.3f64.ln()])), ("seed", scalar(5)), ("step", scalar(1))];
    let body = "let drawn = categorical(broadcast_to(x, [20000, 3]))
    mean(one_hot(drawn, 3), axis: 0)";
    // Three standard deviations of 20,000 draws are about 0.01.
    assert_close(&outputs("x: f32[3]", body, &args, F64), &[0.2, 0.5, 0.3], 0.011, "frequencies");
    assert_eq!(outputs("x: f32[3]", "categorical(where(range(3) == 1, x, -inf))", &args, F64), [1.0]);
}

/// A net without memory: token t makes the next scores row t of a table.
fn walk(call: &str, table: &[f64], start: &[i32]) -> Vec<f64> {
    let program = format!(
        "model M() {{
  walker = Walker()
  fn forward(prompt: i32[{}, 1]) {{ {call} }}
}}
layer Walker() {{
  param table: f32[4, 4] = zeros
  fn next(token: i32[B], at: i32) -> f32[B, 4] {{ table[token] }}
}}",
        start.len()
    );
    let prompt = Tensor::new(vec![start.len(), 1], Data::I32(start.to_vec())).expect("fits");
    let scalar = Tensor::scalar_i32;
    let args = [("prompt", prompt), ("walker.table", floats(&[4, 4], table)), ("seed", scalar(1)), ("step", scalar(1))];
    let graph = graph(&program);
    interp::run(&graph, &args, F64).expect("it runs")[0].to_f64()
}

/// 0 → 2 → 1 → 3 → 3.
const CHAIN: [f64; 16] = [0.0, 1.0, 2.0, 0.0, 0.0, 0.0, 1.0, 9.0, 0.0, 5.0, 0.0, 1.0, 0.0, 0.0, 0.0, 4.0];

#[test]
fn an_end_is_followed_by_padding() {
    assert_eq!(walk("greedy(walker, prompt, 5)", &CHAIN, &[0, 1]), [2., 1., 3., 3., 3., 3., 3., 3., 3., 3.]);
    assert_eq!(walk("greedy(walker, prompt, 5, end: 3)", &CHAIN, &[0, 1]), [2., 1., 3., 0., 0., 3., 0., 0., 0., 0.]);
    let padded = [2., 1., 3., 2., 2., 3., 2., 2., 2., 2.];
    assert_eq!(walk("greedy(walker, prompt, 5, end: 3, pad: 2)", &CHAIN, &[0, 1]), padded);
    assert_eq!(walk("greedy(walker, prompt, 1)", &CHAIN, &[0]), [2.0]);
}

#[test]
fn chance_without_a_choice_is_greedy() {
    let greedy = walk("greedy(walker, prompt, 5)", &CHAIN, &[0, 1, 2]);
    for options in ["temperature: 0.0", "best: 1", "mass: 0.001", "temperature: 0.001"] {
        assert_eq!(walk(&format!("sample(walker, prompt, 5, {options})"), &CHAIN, &[0, 1, 2]), greedy, "{options}");
    }
    let drawn = walk("sample(walker, prompt, 40)", &[0.0; 16], &[0, 0]);
    assert!((0..4).all(|t| drawn.iter().filter(|d| **d == f64::from(t)).count() > 8), "{drawn:?}");
    assert_ne!(drawn[..40], drawn[40..], "rows draw for themselves");
}

/// What a walker answers whose `start` takes the first token of each source; `beams` stands behind its arguments.
fn answered(options: &str, beams: &str) -> Result<Vec<f64>, Vec<String>> {
    let program = format!(
        "model M() {{
  walker = Walker()
  fn forward(source: i32[2, 3]) {{ answer(walker, source, full([2, 3], true), 3{options}) }}
}}
layer Walker() {{
  param table: f32[4, 4] = zeros
  fn start(source: i32[B, S], mask: bool[B, S]{beams}) -> i32[B] {{ source[:, 0] }}
  fn next(token: i32[B], at: i32) -> f32[B, 4] {{ table[token] }}
}}"
    );
    let diagnostics = check(&program).1;
    if !diagnostics.is_empty() {
        return Err(diagnostics.into_iter().map(|d| format!("{}: {}", d.code, d.message)).collect());
    }
    let source = Tensor::new(vec![2, 3], Data::I32(vec![0, 9, 9, 1, 9, 9])).expect("fits");
    let args = [("source", source), ("walker.table", floats(&[4, 4], &CHAIN))];
    Ok(interp::run(&graph(&program), &args, F64).expect("it runs")[0].to_f64())
}

/// `start(source, mask)` is enough for one beam.
#[test]
fn an_answer_begins_with_what_start_gives() {
    let expected = vec![2., 1., 3., 3., 3., 3.];
    for (options, beams) in [("", ""), (", beams: 1", ""), ("", ", beams: int = 1")] {
        assert_eq!(answered(options, beams), Ok(expected.clone()), "{options}{beams}");
    }
    let searched = walk("beam_search(walker, prompt, 3, beams: 2)", &CHAIN, &[0, 1]);
    assert_eq!(answered(", beams: 2", ", beams: int = 1"), Ok(searched));
    assert_eq!(answered(", beams: 2", "").unwrap_err(), ["E0105: `Walker.start` has no parameter `beams`"]);
}

/// The example of the reference works with one beam and with several, and needs no call of `forward` before.
#[test]
fn the_translator_of_the_reference_answers() {
    let reference = include_str!("../../docs/language.md");
    let (_, translator) = reference.split_once("layer Translator").expect("the example");
    let (translator, _) = translator.split_once("```").expect("its end");
    for options in ["", ", beams: 3"] {
        model(&format!(
            "layer Translator{translator}
model M() {{
  net = Translator(20)
  fn forward(source: i32[B, S], mask: bool[B, S]) {{ answer(net, source, mask, 10{options}) }}
}}"
        ));
    }
}

/// With enough beams the search finds the best of all continuations.
#[test]
fn a_wide_search_is_exhaustive() {
    let table: Vec<f64> = (0..16).map(|i: i32| (f64::from(i * i) * 1.7).sin() * 2.0).collect();
    let log = |from: usize, to: usize| -> f64 {
        let row = &table[4 * from..4 * from + 4];
        row[to] - row.iter().map(|x| x.exp()).sum::<f64>().ln()
    };
    for start in 0..4 {
        let paths = (0..64).map(|n| [n / 16, n / 4 % 4, n % 4]);
        let score = |p: &[usize; 3]| log(start, p[0]) + log(p[0], p[1]) + log(p[1], p[2]);
        let best = paths.max_by(|a, b| score(a).total_cmp(&score(b))).expect("64 paths").map(|t| t as f64);
        let found = walk("beam_search(walker, prompt, 3, beams: 16)", &table, &[start as i32]);
        assert_eq!(found, best, "from {start}");
    }
}

//! Damaged programs: errors, never a panic, and never silence.

use super::check_any;
use super::programs::MNIST;
use crate::diag::Diagnostic;

const PROGRAMS: [&str; 6] = [
    MNIST,
    include_str!("../../../tests/programs/01_resnet.nn"),
    include_str!("../../../tests/programs/03_vae.nn"),
    include_str!("../../../tests/programs/04_t5.nn"),
    include_str!("../../../tests/programs/08_moe.nn"),
    include_str!("../../../tests/programs/12_wgan_gp.nn"),
];

/// A linear congruential generator: the tests are the same each time.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, n: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % n
    }
}

/// Words, numbers and signs with the blanks between them.
fn tokens(text: &str) -> Vec<String> {
    let mut tokens: Vec<String> = vec![];
    for c in text.chars() {
        let is_word = |c: char| c.is_alphanumeric() || c == '_';
        match tokens.last_mut() {
            Some(last) if is_word(c) && last.chars().all(is_word) => last.push(c),
            _ => tokens.push(c.to_string()),
        }
    }
    tokens
}

/// Removes, repeats or replaces one token by another of the program.
fn damaged(tokens: &[String], numbers: &mut Numbers) -> String {
    let mut tokens = tokens.to_vec();
    let at = numbers.below(tokens.len());
    let other = tokens[numbers.below(tokens.len())].clone();
    match numbers.below(3) {
        0 => drop(tokens.remove(at)),
        1 => tokens.insert(at, other),
        _ => tokens[at] = other,
    }
    tokens.concat()
}

#[test]
fn damage_gives_errors_and_no_panic() {
    let mut numbers = Numbers(1);
    for program in PROGRAMS {
        let tokens = tokens(program);
        for _ in 0..ROUNDS {
            check_any(&damaged(&tokens, &mut numbers));
        }
    }
}

const ROUNDS: usize = 40;

#[test]
fn a_missing_line_of_the_classifier_is_noticed() {
    let lines: Vec<&str> = MNIST.lines().collect();
    let without = |i: usize| -> Vec<Diagnostic> {
        let left: Vec<&str> = lines.iter().enumerate().filter(|(j, _)| *j != i).map(|(_, l)| *l).collect();
        check_any(&left.join("\n"))
    };
    for word in
        ["let lr", "conv1 = ", "head = ", "let net", "optimizer = ", "epochs = ", "image: f32[28", "label: i32 ="]
    {
        let at = lines.iter().position(|l| l.contains(word)).unwrap();
        assert!(without(at).iter().any(Diagnostic::is_error), "{word}");
    }
}

#[test]
fn long_chains_do_not_exhaust_the_stack() {
    let sum = vec!["1.0"; 500].join(" + ");
    assert_eq!(check_any(&format!("let x = {sum}")), []);
    let pipe = vec!["abs"; 500].join(" |> ");
    assert!(check_any(&format!("fn f(x: f32[B]) -> f32[B] {{ x |> {pipe} }}")).is_empty());
}

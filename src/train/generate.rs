//! Generation: a net goes on with a text, token by token. What it has seen is in its states, which the executables
//! share; no prefix is computed twice, until the context is full. What is chosen is what the library's `sample` and
//! `beam_search` choose.

mod seen;

use super::interrupt;
use super::phases::{Scalars, set_scalars};
use super::split::hash;
use crate::diag::{Code, Diagnostic};
use crate::runtime::Executable;
use crate::source::Span;
pub use seen::Seen;
use std::cmp::Ordering;

/// The graphs of a generation, compiled for some rows side by side.
pub struct Net {
    pub start: Executable,
    pub next: Executable,
    /// Rows go on from other rows.
    pub forked: Option<Executable>,
    /// It answers a source text: its states hold more than the tokens that it has seen.
    pub reads: bool,
    pub rows: usize,
    pub span: Span,
    pub seen: Seen,
    /// Positions of its context, once they were full.
    pub full: Option<usize>,
}

/// How the next token is chosen.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Choice {
    /// By chance: scores divided by `temperature` (0: the likeliest), of the `best` likeliest (0: all), then of the
    /// likeliest that together have the probability `mass`.
    Sample { temperature: f32, best: usize, mass: f32 },
    /// The best of so many continuations that are followed side by side.
    Beams(usize),
}

/// Where a generation begins and ends.
#[derive(Clone, Debug)]
pub struct Task {
    /// The tokens that the net has seen before its own; at least one.
    pub prompt: Vec<i32>,
    pub most: usize,
    /// The token that ends a text.
    pub end: Option<i32>,
    pub seed: u64,
}

/// What there is to say of a generation.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Generated {
    pub ended: Ended,
    /// The context was full: from then on the net saw the last half of so many positions at least.
    pub full: Option<usize>,
}

/// Why it ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Ended {
    /// The end token, or as many tokens as were asked for.
    Finished,
    Interrupted,
}

impl Net {
    /// Gives the states their first values. A net that reads a source text gives the first token.
    pub fn begin(&mut self, source: &[i32]) -> Result<Option<i32>, Diagnostic> {
        let rows = self.rows;
        write(&mut self.start, "source", &source.repeat(rows))?;
        run(&mut self.start, self.span)?;
        Ok(self.start.read("token").map(|bytes| i32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]])))
    }

    /// The scores behind one token more for each row. With `parents` row i goes on from what was row `parents[i]`.
    fn scores(&mut self, tokens: &[i32], parents: Option<&[i32]>) -> Result<Vec<f32>, Diagnostic> {
        let at = self.seen.positions();
        let found = self.scores_at(at, tokens, parents);
        parents.into_iter().for_each(|parents| self.seen.reorder(parents));
        let scores = match found {
            Err(full) if at > 1 && !self.reads => {
                self.full.get_or_insert(at);
                self.begin_again(tokens).map_err(|_| full)?
            }
            found => found?,
        };
        self.seen.push(tokens);
        Ok(scores)
    }

    /// The context is full: the net begins afresh with the last half of what it has seen. Positions count from there.
    fn begin_again(&mut self, tokens: &[i32]) -> Result<Vec<f32>, Diagnostic> {
        run(&mut self.start, self.span)?;
        for (at, tokens) in self.seen.halve().iter().enumerate() {
            self.scores_at(at, tokens, None)?;
        }
        self.scores_at(self.seen.positions(), tokens, None)
    }

    fn scores_at(&mut self, at: usize, tokens: &[i32], parents: Option<&[i32]>) -> Result<Vec<f32>, Diagnostic> {
        let executable = match (parents, &mut self.forked) {
            (Some(parents), Some(forked)) => {
                write(forked, "parents", parents)?;
                forked
            }
            _ => &mut self.next,
        };
        write(executable, "token", tokens)?;
        write(executable, "at", &[at as i32])?;
        run(executable, self.span).map_err(|e| errors::position(at, e))?;
        Ok(executable.read_f32("scores").unwrap_or_default())
    }

    /// Shows the net all tokens of a prompt but the last, which is returned.
    fn feed(&mut self, prompt: &[i32]) -> Result<i32, Diagnostic> {
        let (last, before) = prompt.split_last().ok_or_else(errors::no_prompt)?;
        for token in before {
            if interrupt::requested() {
                break;
            }
            self.scores(&vec![*token; self.rows], None)?;
        }
        Ok(*last)
    }
}

/// Sets an input that the program has.
fn write(executable: &mut Executable, name: &str, values: &[i32]) -> Result<(), Diagnostic> {
    if !executable.has_input(name) {
        return Ok(());
    }
    let bytes: Vec<u8> = values.iter().flat_map(|v| v.to_le_bytes()).collect();
    executable.write(name, &bytes)
}

fn run(executable: &mut Executable, span: Span) -> Result<(), Diagnostic> {
    set_scalars(executable, Scalars::default())?;
    executable.run().map_err(|fault| fault.diagnostic().label(span, "while this model generates"))
}

/// Chooses token after token, and gives each to `emit` as it comes.
pub fn sample(
    net: &mut Net,
    task: &Task,
    (temperature, best, mass): (f32, usize, f32),
    emit: &mut dyn FnMut(i32),
) -> Result<Ended, Diagnostic> {
    let mut token = net.feed(&task.prompt)?;
    for i in 0..task.most {
        if interrupt::requested() {
            return Ok(Ended::Interrupted);
        }
        let scores = net.scores(&[token], None)?;
        token = choose(&scores, temperature, best, mass, uniform(task.seed, i as u64)) as i32;
        if Some(token) == task.end {
            break;
        }
        emit(token);
    }
    Ok(Ended::Finished)
}

/// 53 bits of a counter-based generator, from 0 up to 1.
fn uniform(seed: u64, draw: u64) -> f64 {
    let bits = hash(hash(seed).wrapping_add(draw.wrapping_mul(0x9e37_79b9_7f4a_7c15)));
    (bits >> 11) as f64 / (1u64 << 53) as f64
}

/// One token: of those that `best` and `mass` leave, the one in whose share of the probability `random` falls.
fn choose(scores: &[f32], temperature: f32, best: usize, mass: f32, random: f64) -> usize {
    let order = likeliest(scores, if temperature == 0.0 { 1 } else { scores.len() });
    if temperature == 0.0 {
        return order[0];
    }
    let worst_kept = best.checked_sub(1).and_then(|at| order.get(at)).map(|&i| scores[i]);
    let kept = order.iter().take_while(|&&i| worst_kept.is_none_or(|w| scores[i] >= w)).count();
    let highest = scores[order[0]];
    let weight = |&i: &usize| f64::from((scores[i] - highest) / temperature).exp();
    let weights: Vec<f64> = order[..kept].iter().map(weight).collect();
    let weights = &weights[..nucleus(&weights, f64::from(mass))];
    let mut rest = random * weights.iter().sum::<f64>();
    let fallen = weights.iter().position(|w| {
        rest -= w;
        rest < 0.0
    });
    order[fallen.unwrap_or(weights.len() - 1)]
}

/// How many of the weights, in falling order, have together at least the part `mass` of their sum.
fn nucleus(weights: &[f64], mass: f64) -> usize {
    let total: f64 = weights.iter().sum();
    let mut before = 0.0;
    let taken = weights.iter().take_while(|w| {
        let inside = before < mass * total;
        before += *w;
        inside
    });
    taken.count().max(1)
}

/// Indices of the `count` largest scores, largest first; of equal ones the first first, NaN last.
fn likeliest(scores: &[f32], count: usize) -> Vec<usize> {
    let rank = |i: usize| if scores[i].is_nan() { f32::NEG_INFINITY } else { scores[i] };
    let compare = |a: &usize, b: &usize| rank(*b).partial_cmp(&rank(*a)).unwrap_or(Ordering::Equal).then(a.cmp(b));
    let mut order: Vec<usize> = (0..scores.len()).collect();
    let count = count.min(order.len());
    if count < order.len() {
        order.select_nth_unstable_by(count, compare);
        order.truncate(count);
    }
    order.sort_unstable_by(compare);
    order
}

/// Stands for the score of what must not win.
const NEVER: f32 = -1e9;

/// A continuation, with its sum of log-probabilities, or divided by its length once it is finished.
#[derive(Clone)]
struct Beam {
    tokens: Vec<i32>,
    score: f32,
    finished: bool,
}

/// The best of several continuations, without the end token: the library's `beam_search` for one prompt.
pub fn beams(net: &mut Net, task: &Task) -> Result<(Vec<i32>, Ended), Diagnostic> {
    let count = net.rows;
    let mut tokens = vec![net.feed(&task.prompt)?; count];
    let empty = |score| Beam { tokens: vec![], score, finished: false };
    let mut open: Vec<Beam> = (0..count).map(|i| empty(if i == 0 { 0.0 } else { NEVER })).collect();
    let mut done: Vec<Beam> = vec![empty(NEVER); count];
    let mut parents: Option<Vec<i32>> = None;
    for i in 0..task.most {
        if interrupt::requested() {
            return Ok((open.swap_remove(0).tokens, Ended::Interrupted));
        }
        let scores = net.scores(&tokens, parents.as_deref())?;
        let found = extended(&open, &scores, 2 * count);
        let hits: Vec<bool> =
            found.iter().map(|(_, b)| b.tokens.last() == task.end.as_ref() || i + 1 == task.most).collect();
        done = best_finished(done, &found, &hits, i + 1);
        let going = going_on(&found, &hits, count);
        parents = Some(going.iter().map(|&at| found[at].0 as i32).collect());
        open = going.iter().map(|&at| found[at].1.clone()).collect();
        for (beam, &at) in open.iter_mut().zip(&going) {
            beam.score += if hits[at] { NEVER } else { 0.0 };
        }
        tokens = open.iter().map(|b| b.tokens[i]).collect();
        let worst = done.iter().map(|b| if b.finished { b.score } else { NEVER }).fold(f32::INFINITY, f32::min);
        if open[0].score / (i + 1) as f32 <= worst || hits.iter().all(|h| *h) {
            break;
        }
    }
    let mut answer = done.swap_remove(0).tokens;
    if answer.last() == task.end.as_ref() {
        answer.pop();
    }
    Ok((answer, Ended::Finished))
}

/// The likeliest continuations of open beams by one token, each with the row that it goes on from.
fn extended(open: &[Beam], scores: &[f32], count: usize) -> Vec<(usize, Beam)> {
    let vocab = scores.len() / open.len();
    let sums: Vec<f32> =
        open.iter().zip(scores.chunks_exact(vocab)).flat_map(|(b, row)| log_softmax(row, b.score)).collect();
    let grow = |at: usize| {
        let (row, token) = (at / vocab, at % vocab);
        let tokens = open[row].tokens.iter().copied().chain([token as i32]).collect();
        (row, Beam { tokens, score: sums[at], finished: false })
    };
    likeliest(&sums, count).into_iter().map(grow).collect()
}

/// Log-probabilities, each with `plus` added.
fn log_softmax(scores: &[f32], plus: f32) -> Vec<f32> {
    let highest = scores.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let total = scores.iter().map(|s| (s - highest).exp()).sum::<f32>().ln();
    scores.iter().map(|s| s - highest - total + plus).collect()
}

/// The finished beams, with those of the best extensions that end now.
fn best_finished(mut done: Vec<Beam>, found: &[(usize, Beam)], hits: &[bool], length: usize) -> Vec<Beam> {
    let count = done.len();
    let rate = |at: usize| {
        let ends = hits[at] && at < count;
        let score = found[at].1.score / length as f32 + if ends { 0.0 } else { NEVER };
        Beam { score, finished: ends, tokens: found[at].1.tokens.clone() }
    };
    done.extend((0..found.len()).map(rate));
    let scores: Vec<f32> = done.iter().map(|b| b.score).collect();
    likeliest(&scores, count).into_iter().map(|at| done[at].clone()).collect()
}

/// Places of the best extensions that did not end.
fn going_on(found: &[(usize, Beam)], hits: &[bool], count: usize) -> Vec<usize> {
    let score = |(at, hit): (usize, &bool)| found[at].1.score + if *hit { NEVER } else { 0.0 };
    likeliest(&hits.iter().enumerate().map(score).collect::<Vec<_>>(), count)
}

pub mod errors {
    use super::*;

    pub fn no_prompt() -> Diagnostic {
        Diagnostic::error(Code(822), "the prompt has no token").help("give the text to go on from with --prompt")
    }

    pub fn position(at: usize, fault: Diagnostic) -> Diagnostic {
        let labels = fault.labels;
        let error = Diagnostic::error(Code(823), format!("the model cannot generate at position {at}"))
            .help(format!("{}; its `context` or its table of positions may be too short", fault.message));
        Diagnostic { labels, ..error }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_largest_come_first_and_ties_in_order() {
        assert_eq!(likeliest(&[1.0, 3.0, f32::NAN, 3.0, f32::NEG_INFINITY], 5), [1, 3, 0, 2, 4]);
        assert_eq!(likeliest(&[1.0, 3.0, f32::NAN, 3.0], 2), [1, 3]);
        assert_eq!(likeliest(&[0.5], 7), [0]);
    }

    #[test]
    fn chance_stays_within_what_is_left() {
        // Probabilities 0.1, 0.2, 0.3, 0.4.
        let scores: Vec<f32> = [0.1f32, 0.2, 0.3, 0.4].iter().map(|p| p.ln()).collect();
        let all = |best, mass| -> Vec<usize> {
            let drawn = (0..1000).map(|i| choose(&scores, 1.0, best, mass, i as f64 / 1000.0));
            (0..4).map(|t| drawn.clone().filter(|d| *d == t).count()).collect()
        };
        let near = |found: Vec<usize>, expected: [usize; 4]| {
            assert!(found.iter().zip(expected).all(|(a, b)| a.abs_diff(b) <= 2), "{found:?}");
        };
        near(all(0, 1.0), [100, 200, 300, 400]);
        near(all(1, 1.0), [0, 0, 0, 1000]);
        near(all(2, 1.0), [0, 0, 429, 571]);
        near(all(0, 0.35), [0, 0, 0, 1000]);
        near(all(0, 0.5), [0, 0, 429, 571]);
        near(all(3, 0.9), [0, 222, 333, 444]);
        assert_eq!(choose(&scores, 0.0, 0, 1.0, 0.0), 3);
        assert_eq!(choose(&[0.0, 0.0], 0.0, 0, 1.0, 0.9), 0);
        assert_eq!(choose(&scores, 1e-3, 0, 1.0, 0.999), 3);
    }

    #[test]
    fn draws_are_uniform() {
        let mean = (0..10_000).map(|i| uniform(7, i)).sum::<f64>() / 1e4;
        assert!((mean - 0.5).abs() < 0.01, "{mean}");
        assert_ne!(uniform(1, 0), uniform(2, 0));
    }
}

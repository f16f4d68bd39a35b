//! From texts to ids, and back: units of training in a fixed order, and ids that stand for something else.

use super::tokenizer::Tokenizer;
use crate::sema::model::TextUnit;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

/// What a conversion learned from the rows of training; saved with a checkpoint.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Fitted {
    pub data: String,
    pub column: String,
    /// The units or labels, in order of their ids; reserved ids are not among them.
    pub entries: Vec<String>,
    /// The mark of the tokenizer file that has the units instead.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tokenizer: Option<String>,
}

/// The id of what training does not have.
pub const UNKNOWN: i32 = 0;

/// The id that ends a row, where the conversion says so.
pub const END: i32 = 1;

/// Turns texts into ids, `limit` at most for each.
pub struct Encoder {
    units: Units,
    limit: Option<usize>,
}

enum Units {
    Bytes,
    Characters { ids: HashMap<char, i32>, end: bool },
    Words { ids: HashMap<String, i32>, end: bool },
    Tokens { tokenizer: Arc<Tokenizer>, special: bool },
}

impl Encoder {
    /// The encoder of a unit over these entries; [`Encoder::tokens`] is that of a tokenizer file.
    pub fn new(unit: &TextUnit, entries: &[String], limit: Option<usize>) -> Encoder {
        let numbered = entries.iter().zip(unit.reserved() as i32..);
        let units = match *unit {
            TextUnit::Bytes | TextUnit::Tokenizer { .. } => Units::Bytes,
            TextUnit::Characters { end } => {
                let ids = numbered.filter_map(|(e, id)| Some((e.chars().next()?, id))).collect();
                Units::Characters { ids, end }
            }
            TextUnit::Words { end, .. } => Units::Words { ids: numbered.map(|(e, id)| (e.clone(), id)).collect(), end },
        };
        Encoder { units, limit }
    }

    /// The encoder of a tokenizer file.
    pub fn tokens(tokenizer: Arc<Tokenizer>, special: bool, limit: Option<usize>) -> Encoder {
        Encoder { units: Units::Tokens { tokenizer, special }, limit }
    }

    /// The id of a character, where characters are the units.
    pub fn character(&self, c: char) -> i32 {
        match &self.units {
            Units::Characters { ids, .. } => ids.get(&c).copied().unwrap_or(UNKNOWN),
            _ => UNKNOWN,
        }
    }

    /// The id of a word, where words are the units.
    pub fn word(&self, word: &str) -> i32 {
        match &self.units {
            Units::Words { ids, .. } => ids.get(word).copied().unwrap_or(UNKNOWN),
            _ => UNKNOWN,
        }
    }

    /// Appends the ids of a row.
    ///
    /// # Errors
    /// Why a tokenizer has none.
    pub fn encode(&self, text: &str, out: &mut Vec<i32>) -> Result<(), String> {
        let end = match self.units {
            Units::Bytes | Units::Tokens { .. } => false,
            Units::Characters { end, .. } | Units::Words { end, .. } => end,
        };
        let most = self.limit.map_or(usize::MAX, |n| n - usize::from(end));
        match &self.units {
            Units::Bytes => out.extend(text.bytes().take(most).map(i32::from)),
            Units::Characters { .. } => out.extend(text.chars().take(most).map(|c| self.character(c))),
            Units::Words { .. } => out.extend(text.split_whitespace().take(most).map(|w| self.word(w))),
            Units::Tokens { tokenizer, special } => {
                out.extend(tokenizer.encode(text, *special, self.limit)?.into_iter().map(|id| id as i32));
            }
        }
        out.extend(end.then_some(END));
        Ok(())
    }

    /// The ids of several rows, made by all cores.
    pub fn encode_all(&self, texts: &[String]) -> Vec<Result<Vec<i32>, String>> {
        let encode = |text: &String| {
            let mut ids = vec![];
            self.encode(text, &mut ids).map(|()| ids)
        };
        texts.par_iter().map(encode).collect()
    }
}

/// Collects the units of training.
#[derive(Default)]
pub struct Counter {
    characters: BTreeSet<char>,
    words: HashMap<String, u64>,
}

impl Counter {
    pub fn add(&mut self, unit: &TextUnit, text: &str) {
        match unit {
            TextUnit::Characters { .. } => self.characters.extend(text.chars()),
            TextUnit::Words { .. } => text.split_whitespace().for_each(|w| self.add_word(w, 1)),
            TextUnit::Bytes | TextUnit::Tokenizer { .. } => {}
        }
    }

    pub fn add_character(&mut self, c: char) {
        self.characters.insert(c);
    }

    pub fn add_word(&mut self, word: &str, count: u64) {
        match self.words.get_mut(word) {
            Some(n) => *n += count,
            None => {
                self.words.insert(word.into(), count);
            }
        }
    }

    /// Characters by code point; words by how often they come, and those that come equally often by their bytes.
    pub fn entries(self, unit: &TextUnit) -> Vec<String> {
        if let TextUnit::Characters { .. } = unit {
            return self.characters.into_iter().map(String::from).collect();
        }
        let mut words: Vec<(String, u64)> = self.words.into_iter().collect();
        by_frequency(&mut words);
        if let TextUnit::Words { vocab: Some(most), .. } = unit {
            words.truncate(most - unit.reserved());
        }
        words.into_iter().map(|(word, _)| word).collect()
    }
}

/// The most frequent first, and what comes equally often in its own order.
pub fn by_frequency<T: Ord>(counted: &mut [(T, u64)]) {
    counted.sort_unstable_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
}

/// Labels in order: by their numbers where all are numbers, else by their bytes.
pub fn labels(found: BTreeSet<String>) -> Vec<String> {
    let number = |s: &String| s.parse::<f64>().ok().filter(|x| x.is_finite());
    let mut labels: Vec<String> = found.into_iter().collect();
    if let Some(numbers) = labels.iter().map(number).collect::<Option<Vec<f64>>>() {
        let mut pairs: Vec<(f64, String)> = numbers.into_iter().zip(labels).collect();
        pairs.sort_by(|a, b| a.0.total_cmp(&b.0));
        labels = pairs.into_iter().map(|(_, label)| label).collect();
    }
    labels
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fitted(unit: &TextUnit, texts: &[&str]) -> Vec<String> {
        let mut counter = Counter::default();
        texts.iter().for_each(|t| counter.add(unit, t));
        counter.entries(unit)
    }

    fn ids(unit: &TextUnit, entries: &[String], text: &str) -> Vec<i32> {
        let mut out = vec![];
        Encoder::new(unit, entries, None).encode(text, &mut out).unwrap();
        out
    }

    #[test]
    fn characters_are_in_order_of_code_points() {
        let unit = TextUnit::Characters { end: false };
        let entries = fitted(&unit, &["héa", "ab\r\n", ""]);
        assert_eq!(entries.concat(), "\n\rabhé");
        assert_eq!(ids(&unit, &entries, "aé\n☃"), [3, 6, 1, UNKNOWN]);
        assert_eq!(ids(&unit, &entries, ""), [0; 0]);
        assert_eq!(ids(&TextUnit::Characters { end: true }, &entries, "a"), [4, END]);
        assert_eq!(ids(&TextUnit::Characters { end: true }, &entries, ""), [END]);
    }

    #[test]
    fn words_come_by_frequency_and_the_rest_is_unknown() {
        let unit = TextUnit::Words { end: false, vocab: Some(3) };
        let entries = fitted(&unit, &["b a c", " a\tb  a\u{a0}c c d\n"]);
        assert_eq!(entries, ["a", "c"]);
        assert_eq!(ids(&unit, &entries, "c b a"), [2, UNKNOWN, 1]);
        let all = TextUnit::Words { end: true, vocab: None };
        assert_eq!(fitted(&all, &["b a c", "a b a c c d"]), ["a", "c", "b", "d"]);
        assert_eq!(ids(&all, &entries, "a"), [2, END]);
    }

    #[test]
    fn bytes_are_their_own_ids() {
        assert_eq!(ids(&TextUnit::Bytes, &[], "é\0"), [0xc3, 0xa9, 0]);
    }

    #[test]
    fn labels_that_are_numbers_are_in_their_order() {
        let order = |items: &[&str]| labels(items.iter().map(|s| s.to_string()).collect());
        assert_eq!(order(&["10", "9", "-1"]), ["-1", "9", "10"]);
        assert_eq!(order(&["10", "9", "x"]), ["10", "9", "x"]);
        assert_eq!(order(&[]), [""; 0]);
    }
}

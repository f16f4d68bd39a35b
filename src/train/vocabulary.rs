//! From texts to ids, and back: units of training in a fixed order, and ids that stand for something else.

use crate::sema::model::{Data, DataValue, Reading, TextUnit};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeSet, HashMap};

/// What a conversion learned from the rows of training; saved with a checkpoint.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Fitted {
    pub data: String,
    pub column: String,
    /// The units or labels, in order of their ids; reserved ids are not among them.
    pub entries: Vec<String>,
}

impl Fitted {
    pub fn is_of(&self, value: &DataValue) -> bool {
        self.data == value.data && self.column == value.column
    }
}

/// The number that a value of the data is: ids of a text with the reserved ones, or labels.
pub fn size_of(data: &[Data], value: &DataValue, fitted: &[Fitted]) -> Option<i64> {
    let entries = fitted.iter().find(|f| f.is_of(value))?.entries.len();
    let data = data.iter().find(|d| d.name == value.data)?;
    let column = data.columns.iter().find(|c| c.name == value.column)?;
    match &column.reading {
        Reading::Ids(unit) => Some((entries + unit.reserved()) as i64),
        Reading::Category => Some(entries as i64),
        Reading::Number => None,
    }
}

/// The id of what training does not have.
pub const UNKNOWN: i32 = 0;

/// The id that ends a row, where the conversion says so.
const END: i32 = 1;

/// Turns texts into ids.
pub enum Encoder {
    Bytes,
    Characters { ids: HashMap<char, i32>, end: bool },
    Words { ids: HashMap<String, i32>, end: bool },
}

impl Encoder {
    /// The encoder of a unit over these entries.
    pub fn new(unit: &TextUnit, entries: &[String]) -> Encoder {
        let numbered = entries.iter().zip(unit.reserved() as i32..);
        match *unit {
            TextUnit::Bytes | TextUnit::Tokenizer { .. } => Encoder::Bytes,
            TextUnit::Characters { end } => {
                let ids = numbered.filter_map(|(e, id)| Some((e.chars().next()?, id))).collect();
                Encoder::Characters { ids, end }
            }
            TextUnit::Words { end, .. } => {
                Encoder::Words { ids: numbered.map(|(e, id)| (e.clone(), id)).collect(), end }
            }
        }
    }

    /// The id of a character, where characters are the units.
    pub fn character(&self, c: char) -> i32 {
        match self {
            Encoder::Characters { ids, .. } => ids.get(&c).copied().unwrap_or(UNKNOWN),
            _ => UNKNOWN,
        }
    }

    /// The id of a word, where words are the units.
    pub fn word(&self, word: &str) -> i32 {
        match self {
            Encoder::Words { ids, .. } => ids.get(word).copied().unwrap_or(UNKNOWN),
            _ => UNKNOWN,
        }
    }

    /// Appends the ids of a row.
    pub fn encode(&self, text: &str, out: &mut Vec<i32>) {
        let end = match self {
            Encoder::Bytes => {
                out.extend(text.bytes().map(i32::from));
                false
            }
            Encoder::Characters { end, .. } => {
                out.extend(text.chars().map(|c| self.character(c)));
                *end
            }
            Encoder::Words { end, .. } => {
                out.extend(text.split_whitespace().map(|w| self.word(w)));
                *end
            }
        };
        out.extend(end.then_some(END));
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
        words.sort_unstable_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
        if let TextUnit::Words { vocab: Some(most), .. } = unit {
            words.truncate(most - unit.reserved());
        }
        words.into_iter().map(|(word, _)| word).collect()
    }
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
        Encoder::new(unit, entries).encode(text, &mut out);
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

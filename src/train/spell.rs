//! From ids to text, as they come.

use super::tokenizer::Printer;
use super::vocabulary::UNKNOWN;
use crate::sema::model::TextUnit;

/// Spells ids one after the other: what it gives, put together, is the text of all of them.
pub enum Speller<'a> {
    /// Bytes of a character that is not complete yet.
    Bytes(Vec<u8>),
    Units {
        entries: &'a [String],
        reserved: usize,
        /// What stands between two units.
        blank: &'static str,
        begun: bool,
    },
    Tokens(Printer<'a>),
}

/// Stands for what training does not have.
const REPLACEMENT: &str = "\u{fffd}";

impl<'a> Speller<'a> {
    /// Of a unit over these entries. A tokenizer file has its own.
    pub fn new(unit: &TextUnit, entries: &'a [String]) -> Speller<'a> {
        let blank = match unit {
            TextUnit::Bytes | TextUnit::Tokenizer { .. } => return Speller::Bytes(vec![]),
            TextUnit::Characters { .. } => "",
            TextUnit::Words { .. } => " ",
        };
        Speller::Units { entries, reserved: unit.reserved(), blank, begun: false }
    }

    /// Takes the next id, and gives the text that is certain now.
    pub fn next(&mut self, id: i32) -> String {
        match self {
            Speller::Bytes(pending) => {
                pending.extend(u8::try_from(id).ok());
                complete(pending)
            }
            Speller::Units { entries, reserved, blank, begun } => {
                let unit = match usize::try_from(id).ok().and_then(|id| id.checked_sub(*reserved)) {
                    Some(place) => entries.get(place).map_or(REPLACEMENT, String::as_str),
                    None if id == UNKNOWN => REPLACEMENT,
                    // The end of a row has no text.
                    None => return String::new(),
                };
                let before = if std::mem::replace(begun, true) { *blank } else { "" };
                format!("{before}{unit}")
            }
            Speller::Tokens(printer) => printer.next(id as u32),
        }
    }

    /// What is left where no id follows.
    pub fn finish(self) -> String {
        match self {
            Speller::Bytes(pending) => String::from_utf8_lossy(&pending).into_owned(),
            Speller::Units { .. } => String::new(),
            Speller::Tokens(printer) => printer.finish(),
        }
    }
}

/// Takes the whole characters from the front; what can never become one is U+FFFD.
fn complete(bytes: &mut Vec<u8>) -> String {
    let mut text = String::new();
    loop {
        let (valid, bad) = match std::str::from_utf8(bytes) {
            Ok(_) => (bytes.len(), None),
            Err(e) => (e.valid_up_to(), e.error_len()),
        };
        text.push_str(&String::from_utf8_lossy(&bytes[..valid]));
        bytes.drain(..valid);
        let Some(bad) = bad else { return text };
        text.push_str(REPLACEMENT);
        bytes.drain(..bad);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spell(mut speller: Speller, ids: &[i32]) -> Vec<String> {
        let mut parts: Vec<String> = ids.iter().map(|id| speller.next(*id)).collect();
        parts.push(speller.finish());
        parts
    }

    #[test]
    fn bytes_wait_for_their_character() {
        let bytes = Speller::new(&TextUnit::Bytes, &[]);
        assert_eq!(spell(bytes, &[0x61, 0xe2, 0x98, 0x83, 0x62]), ["a", "", "", "☃", "b", ""]);
        let bytes = Speller::new(&TextUnit::Bytes, &[]);
        assert_eq!(spell(bytes, &[0xff, 0xe2, 0x61, 0xc3]), ["\u{fffd}", "", "\u{fffd}a", "", "\u{fffd}"]);
    }

    #[test]
    fn units_by_their_numbers() {
        let entries = ["a".to_string(), "é".to_string()];
        let unit = TextUnit::Characters { end: true };
        assert_eq!(spell(Speller::new(&unit, &entries), &[2, 3, 1, 0, 9]), ["a", "é", "", "\u{fffd}", "\u{fffd}", ""]);
        let unit = TextUnit::Words { end: false, vocab: None };
        assert_eq!(spell(Speller::new(&unit, &entries), &[1, 2]), ["a", " é", ""]);
        let mut follows = Speller::new(&unit, &entries);
        follows.next(2);
        assert_eq!(spell(follows, &[1]), [" a", ""]);
    }
}

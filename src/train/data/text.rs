//! One text out of one or more files, by its bytes, characters or words. Its length is in units; a window is read when
//! a batch needs it, so that a text may be larger than the memory.

use super::store::Store;
use super::{DataSet, Part, Stored, errors};
use crate::diag::Diagnostic;
use crate::sema::model::{Column, Data, Reading, TextUnit};
use crate::train::known::Known;
use crate::train::split::{self, Rows};
use crate::train::tokenizer::Tokenizer;
use crate::train::vocabulary::{Counter, Encoder, Fitted};
use std::collections::HashMap;
use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::Arc;

pub mod files;
mod tokens;

use files::Files;
use tokens::Ids;

/// A text, ready to be read in ids.
enum Text {
    Bytes(Files),
    Characters {
        files: Files,
        /// Where every [`MARK`]th character begins, and where the text ends.
        marks: Vec<u64>,
        encoder: Encoder,
    },
    /// i32 ids, one after the other.
    Ids(Store),
    Tokens(Ids),
}

/// A piece of a text.
pub struct Piece {
    text: Rc<Text>,
    units: Range<u64>,
}

/// Characters between two marks.
const MARK: u64 = 1024;

impl Piece {
    /// How many units it has.
    pub fn units(&self) -> u64 {
        self.units.end - self.units.start
    }

    /// The ids of so many units from `start` on, as little-endian i32 into `out`. `bytes` is memory to use again.
    pub fn read(&self, start: u64, bytes: &mut Vec<u8>, out: &mut [u8]) -> io::Result<()> {
        self.text.read(self.units.start + start, bytes, out)
    }
}

impl Text {
    fn read(&self, start: u64, bytes: &mut Vec<u8>, out: &mut [u8]) -> io::Result<()> {
        let count = out.len() / 4;
        match self {
            Text::Bytes(files) => {
                bytes.resize(count, 0);
                files.read(start, bytes)?;
                bytes.iter().zip(out.chunks_exact_mut(4)).for_each(|(&b, out)| out.copy_from_slice(&[b, 0, 0, 0]));
            }
            Text::Characters { files, marks, encoder } => {
                let (first, last) = (start / MARK, (start + count as u64).div_ceil(MARK));
                let [from, to] = [first, last].map(|mark| marks[mark as usize]);
                bytes.resize((to - from) as usize, 0);
                files.read(from, bytes)?;
                let text = std::str::from_utf8(bytes).map_err(|_| io::ErrorKind::InvalidData)?;
                let characters = text.chars().skip((start % MARK) as usize);
                let ids = characters.map(|c| encoder.character(c).to_le_bytes());
                ids.zip(out.chunks_exact_mut(4)).for_each(|(id, out)| out.copy_from_slice(&id));
            }
            Text::Ids(store) => store.read(4 * start, out)?,
            Text::Tokens(ids) => ids.read(start, bytes, out)?,
        }
        Ok(())
    }
}

/// A text with its pieces by the names of the splits, and what was learned from the piece of training.
pub struct Opened {
    pub set: DataSet,
    pub splits: HashMap<String, Rows>,
    pub fitted: Vec<Fitted>,
}

/// Opens the text of a declaration. What `known` does not have is learned from the split `train`.
pub fn open(data: &Data, path: &Path, known: &Known) -> Result<Opened, Diagnostic> {
    let files = Files::open(path).map_err(|e| errors::not_found(data, path, &e.to_string()))?;
    let Some(column @ Column { name, reading: Reading::Ids { unit, .. }, .. }) = data.columns.first() else {
        return Err(errors::unsupported_source(data, &data.source));
    };
    let reader = Reader { data, unit, known: known.of(data, column).map(|f| &f.entries[..]) };
    let mut tokenizer = None;
    let (text, pieces, entries) = match unit {
        TextUnit::Bytes => reader.bytes(files)?,
        TextUnit::Characters { .. } => reader.characters(files)?,
        TextUnit::Words { .. } => reader.words(&files)?,
        TextUnit::Tokenizer { path, .. } => {
            let (file, mark) = known.tokenizer(data, column, path)?;
            let read = reader.tokens(&files, &file, &mark)?;
            tokenizer = Some(mark);
            read
        }
    };
    let text = Rc::new(text);
    let part = |(split, units): (&String, &Range<u64>)| Part {
        name: split.clone(),
        path: path.into(),
        rows: 0,
        columns: vec![(name.clone(), Stored::Text(Piece { text: text.clone(), units: units.clone() }))],
        bad: vec![],
    };
    let mut parts: Vec<Part> = pieces.iter().map(part).collect();
    parts.sort_by(|a, b| a.name.cmp(&b.name));
    let rows = |name: &String| (name.clone(), Rows { part: name.clone(), rows: vec![] });
    let splits = pieces.keys().map(rows).collect();
    let fitted = vec![Fitted { data: data.name.clone(), column: name.clone(), entries, tokenizer }];
    Ok(Opened { set: DataSet { name: data.name.clone(), parts }, splits, fitted })
}

/// A text, its pieces, and its vocabulary.
type Read = (Text, HashMap<String, Range<u64>>, Vec<String>);

struct Reader<'a> {
    data: &'a Data,
    unit: &'a TextUnit,
    known: Option<&'a [String]>,
}

impl Reader<'_> {
    fn failed(&self, path: &Path, error: &io::Error) -> Diagnostic {
        errors::damaged(self.data, path, &error.to_string())
    }

    fn bytes(&self, files: Files) -> Result<Read, Diagnostic> {
        let count = files.bytes();
        let pieces = split::pieces(self.data, count)?;
        Ok((Text::Bytes(files), pieces, vec![]))
    }

    fn characters(&self, files: Files) -> Result<Read, Diagnostic> {
        let (mut count, mut marks) = (0u64, vec![]);
        let marked = files.each_character(|at, _| {
            if count.is_multiple_of(MARK) {
                marks.push(at);
            }
            count += 1;
            true
        });
        marked.map_err(|(path, e)| self.failed(&path, &e))?;
        marks.push(files.bytes());
        let pieces = split::pieces(self.data, count)?;
        let entries = match self.known {
            Some(known) => known.to_vec(),
            None => self.learn_characters(&files, split::training(self.data, &pieces))?,
        };
        let encoder = Encoder::new(self.unit, &entries, None);
        Ok((Text::Characters { files, marks, encoder }, pieces, entries))
    }

    fn learn_characters(&self, files: &Files, train: Range<u64>) -> Result<Vec<String>, Diagnostic> {
        let (mut place, mut counter) = (0, Counter::default());
        let counted = files.each_character(|_, c| {
            if train.contains(&place) {
                counter.add_character(c);
            }
            place += 1;
            place < train.end
        });
        counted.map_err(|(path, e)| self.failed(&path, &e))?;
        Ok(counter.entries(self.unit))
    }

    fn tokens(&self, files: &Files, tokenizer: &Arc<Tokenizer>, mark: &str) -> Result<Read, Diagnostic> {
        let ids = tokens::open(files, tokenizer, mark).map_err(|(path, e)| self.failed(&path, &e))?;
        let pieces = split::pieces(self.data, ids.len())?;
        Ok((Text::Tokens(ids), pieces, vec![]))
    }

    /// Words get numbers as they come; once the vocabulary is known, these give way to ids.
    fn words(&self, files: &Files) -> Result<Read, Diagnostic> {
        let mut numbers = Numbers::default();
        let numbered = files.each_character(|_, c| numbers.push(c));
        numbered.map_err(|(path, e)| self.failed(&path, &e))?;
        let failed = |e: io::Error| errors::not_read_back(self.data, &e);
        let (words, store, count) = numbers.finish().map_err(failed)?;
        let pieces = split::pieces(self.data, count)?;
        let entries = match self.known {
            Some(known) => known.to_vec(),
            None => {
                let train = split::training(self.data, &pieces);
                let mut counts = vec![0u64; words.len()];
                each_id(&store, train, |number| counts[number as usize] += 1).map_err(failed)?;
                let mut counter = Counter::default();
                let seen = words.iter().zip(counts).filter(|(_, n)| *n > 0);
                seen.for_each(|(word, n)| counter.add_word(word, n));
                counter.entries(self.unit)
            }
        };
        let encoder = Encoder::new(self.unit, &entries, None);
        let ids: Vec<i32> = words.iter().map(|word| encoder.word(word)).collect();
        let mut text = Store::default();
        let mut result = Ok(());
        each_id(&store, 0..count, |number| {
            if result.is_ok() {
                result = text.push(&ids[number as usize].to_le_bytes());
            }
        })
        .and(result)
        .map_err(failed)?;
        Ok((Text::Ids(text), pieces, entries))
    }
}

/// Numbers words in order of their first occurrence.
#[derive(Default)]
struct Numbers {
    word: String,
    known: HashMap<String, i32>,
    words: Vec<String>,
    store: Store,
    count: u64,
    failed: Option<io::Error>,
}

impl Numbers {
    /// Takes the next character; false once something has failed.
    fn push(&mut self, c: char) -> bool {
        if c.is_whitespace() {
            self.end_word()
        } else {
            self.word.push(c)
        }
        self.failed.is_none()
    }

    fn end_word(&mut self) {
        if self.word.is_empty() {
            return;
        }
        let number = match self.known.get(&self.word) {
            Some(&number) => number,
            None => {
                let number = self.words.len() as i32;
                self.known.insert(self.word.clone(), number);
                self.words.push(self.word.clone());
                number
            }
        };
        self.word.clear();
        self.count += 1;
        self.failed = self.failed.take().or(self.store.push(&number.to_le_bytes()).err());
    }

    fn finish(mut self) -> io::Result<(Vec<String>, Store, u64)> {
        self.end_word();
        match self.failed {
            Some(error) => Err(error),
            None => Ok((self.words, self.store, self.count)),
        }
    }
}

/// Ids at once.
const CHUNK: u64 = 1 << 14;

fn each_id(store: &Store, range: Range<u64>, mut f: impl FnMut(i32)) -> io::Result<()> {
    let mut bytes = vec![];
    let mut at = range.start;
    while at < range.end {
        let count = CHUNK.min(range.end - at);
        bytes.resize(4 * count as usize, 0);
        store.read(4 * at, &mut bytes)?;
        bytes.chunks_exact(4).for_each(|b| f(i32::from_le_bytes([b[0], b[1], b[2], b[3]])));
        at += count;
    }
    Ok(())
}

/// The whole text as one part, for `predict`.
pub fn whole(data: &Data, path: &Path, known: &Known) -> Result<DataSet, Diagnostic> {
    let split = split::everything(data);
    let mut opened = open(&Data { splits: vec![split], ..data.clone() }, path, known)?;
    opened.set.parts.iter_mut().for_each(|p| p.name = "all".into());
    Ok(opened.set)
}

/// The files that a path with `*` and `?` in its last part names, sorted.
pub fn glob(path: &Path) -> io::Result<Vec<PathBuf>> {
    let pattern = path.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
    if !pattern.contains(['*', '?']) {
        return Ok(vec![path.to_path_buf()]);
    }
    let folder = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let names = std::fs::read_dir(folder)?.map(|e| e.map(|e| e.file_name().to_string_lossy().into_owned()));
    let mut names: Vec<String> = names.collect::<io::Result<_>>()?;
    names.retain(|n| matches(&pattern.chars().collect::<Vec<_>>(), &n.chars().collect::<Vec<_>>()));
    names.sort();
    if names.is_empty() {
        return Err(io::Error::new(io::ErrorKind::NotFound, format!("no file is named like `{pattern}`")));
    }
    Ok(names.into_iter().map(|n| folder.join(n)).collect())
}

/// Whether a name fits a pattern: `*` is any text, `?` any character.
fn matches(pattern: &[char], name: &[char]) -> bool {
    match (pattern, name) {
        ([], []) => true,
        (['*', rest @ ..], _) => (0..=name.len()).any(|n| matches(rest, &name[n..])),
        (['?', rest @ ..], [_, name @ ..]) => matches(rest, name),
        ([p, rest @ ..], [c, name @ ..]) => p == c && matches(rest, name),
        _ => false,
    }
}

//! Learning a tokenizer from texts. The same texts give the same file, whatever the number of threads.

use super::Tokenizer;
use crate::train::data::text::files::Files;
use crate::train::vocabulary::by_frequency;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::PathBuf;
use tokenizers::models::bpe::{BPE, BpeTrainer};
use tokenizers::models::unigram::{Unigram, UnigramTrainer};
use tokenizers::models::wordlevel::WordLevel;
use tokenizers::models::wordpiece::WordPiece;
use tokenizers::pre_tokenizers::byte_level::ByteLevel;
use tokenizers::processors::template::TemplateProcessing;
use tokenizers::{AddedToken, OffsetReferential, OffsetType, PreTokenizer};

/// What a tokenizer is made of.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// Pairs of neighbours become one token, the most frequent first; on bytes, so that every text has ids (GPT-2).
    Bpe,
    /// The same on characters within words; what continues a word begins with `##` (BERT).
    Wordpiece,
    /// Pieces with probabilities, of which the likeliest sequence is taken (Kudo 2018, T5).
    Unigram,
    /// Whole words and signs of punctuation.
    Word,
}

/// How to learn a tokenizer.
pub struct Recipe {
    pub kind: Kind,
    /// How many ids there are at most, special tokens included.
    pub vocab: usize,
    /// Tokens that stand for themselves; their ids come first.
    pub special: Vec<String>,
    /// Tokens around each row.
    pub begin: Option<String>,
    pub end: Option<String>,
    pub lowercase: bool,
    /// How often a pair or a word has to occur.
    pub min_count: u64,
}

/// Why nothing was learned.
#[derive(Debug)]
pub enum Fault {
    /// A file that cannot be read.
    File(PathBuf, io::Error),
    /// What is asked for cannot be had.
    Recipe(String),
}

/// Different characters of a `Wordpiece` at most, the most frequent; others are unknown.
const MOST_CHARACTERS: usize = 1000;

/// Bytes of text that are cut into words at once.
const PIECE: usize = 1 << 18;

/// Characters of the longest word that a `Unigram` learns from.
const LONGEST_WORD: usize = 1000;

/// How often each word occurs, in order of its bytes.
type Words = BTreeMap<String, u64>;

impl Kind {
    /// The special tokens of such a tokenizer where none are asked for.
    pub fn special(self) -> &'static [&'static str] {
        match self {
            Kind::Bpe => &["<pad>", "</s>"],
            Kind::Wordpiece => &["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"],
            Kind::Unigram => &["<pad>", "</s>", "<unk>"],
            Kind::Word => &["[PAD]", "[UNK]"],
        }
    }

    /// The token for what has no id.
    fn unknown(self) -> Option<&'static str> {
        match self {
            Kind::Bpe => None,
            Kind::Unigram => Some("<unk>"),
            Kind::Wordpiece | Kind::Word => Some("[UNK]"),
        }
    }

    /// What surrounds the model in the file: how a text is normalized and cut, and how tokens are put together again.
    fn surroundings(self, lowercase: bool) -> Value {
        let lower = if lowercase { json!({ "type": "Lowercase" }) } else { Value::Null };
        let bytes = json!({ "type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": true });
        let metaspace = json!({ "type": "Metaspace", "replacement": "▁", "prepend_scheme": "always", "split": true });
        let (normalizer, cut, decoder) = match self {
            Kind::Bpe => (lower, bytes.clone(), bytes),
            Kind::Wordpiece => {
                let bert = json!({ "type": "BertNormalizer", "clean_text": true, "handle_chinese_chars": true,
                    "strip_accents": null, "lowercase": lowercase });
                let decoder = json!({ "type": "WordPiece", "prefix": "##", "cleanup": true });
                (bert, json!({ "type": "BertPreTokenizer" }), decoder)
            }
            Kind::Unigram => {
                let blanks = json!({ "type": "Replace", "pattern": { "Regex": "\\s+" }, "content": " " });
                let strip = json!({ "type": "Strip", "strip_left": true, "strip_right": true });
                let steps = [json!({ "type": "NFKC" }), strip, blanks, lower].into_iter().filter(|s| !s.is_null());
                let steps: Vec<Value> = steps.collect();
                (json!({ "type": "Sequence", "normalizers": steps }), metaspace.clone(), metaspace)
            }
            Kind::Word => (lower, json!({ "type": "Whitespace" }), Value::Null),
        };
        json!({ "version": "1.0", "truncation": null, "padding": null, "added_tokens": [], "normalizer": normalizer,
            "pre_tokenizer": cut, "post_processor": null, "decoder": decoder,
            "model": { "type": "WordLevel", "vocab": {}, "unk_token": "[UNK]" } })
    }
}

/// Learns a tokenizer from files, and gives the bytes of its own file.
///
/// # Errors
/// A file that cannot be read or is not UTF-8; a vocabulary that is too small for what it must have.
pub fn learn(recipe: &Recipe, files: &[PathBuf]) -> Result<Vec<u8>, Fault> {
    let special = recipe.all_special();
    let mut tokenizer = surroundings(recipe).map_err(bad)?;
    tokenizer.add_special_tokens(added(&special)).map_err(bad)?;
    let words = count(&tokenizer, files)?;
    let mut learned = surroundings(recipe).map_err(bad)?;
    match recipe.kind {
        Kind::Bpe => drop(learned.with_model(bpe(recipe, &special, &words)?)),
        Kind::Wordpiece => drop(learned.with_model(wordpiece(recipe, &special, &words)?)),
        Kind::Unigram => drop(learned.with_model(unigram(recipe, &special, &words)?)),
        Kind::Word => drop(learned.with_model(word_level(recipe, &special, &words)?)),
    }
    learned.add_special_tokens(added(&special)).map_err(bad)?;
    if recipe.begin.is_some() || recipe.end.is_some() {
        let around = recipe.around(&learned).map_err(bad)?;
        learned.with_post_processor(Some(around));
    }
    let text = learned.to_string(true).map_err(bad)?;
    // What was written is what commands and other systems will read.
    Tokenizer::parse(text.as_bytes()).map_err(Fault::Recipe)?;
    Ok(text.into_bytes())
}

fn bad(error: impl std::fmt::Display) -> Fault {
    Fault::Recipe(error.to_string())
}

fn surroundings(recipe: &Recipe) -> tokenizers::Result<tokenizers::Tokenizer> {
    recipe.kind.surroundings(recipe.lowercase).to_string().parse()
}

fn added(tokens: &[String]) -> Vec<AddedToken> {
    tokens.iter().map(|t| AddedToken::from(t.clone(), true)).collect()
}

impl Recipe {
    /// The special tokens with those that the recipe needs, each once.
    fn all_special(&self) -> Vec<String> {
        let needed = self.kind.unknown().map(String::from).into_iter();
        let mut all: Vec<String> = vec![];
        for token in self.special.iter().cloned().chain(needed).chain(self.begin.clone()).chain(self.end.clone()) {
            if !all.contains(&token) {
                all.push(token);
            }
        }
        all
    }

    /// Puts the tokens around each row.
    fn around(&self, tokenizer: &tokenizers::Tokenizer) -> tokenizers::Result<TemplateProcessing> {
        let tokens: Vec<&String> = self.begin.iter().chain(&self.end).collect();
        let template = |text: &[&str]| -> Vec<String> {
            let marked = text.iter().map(|t| t.to_string());
            self.begin.iter().cloned().chain(marked).chain(self.end.clone()).collect()
        };
        let ids = tokens.iter().map(|t| ((*t).clone(), tokenizer.token_to_id(t).unwrap_or(0))).collect::<Vec<_>>();
        let mut builder = TemplateProcessing::builder();
        builder.try_single(template(&["$A"]))?.try_pair(template(&["$A", "$B"]))?.special_tokens(ids);
        builder.build().map_err(|e| e.to_string().into())
    }

    /// The least vocabulary is reached.
    fn check_size(&self, least: usize) -> Result<(), Fault> {
        if self.vocab >= least {
            return Ok(());
        }
        Err(Fault::Recipe(format!("{} ids are too few: special tokens and single characters are {least}", self.vocab)))
    }
}

/// Counts the words that a model would get, without special tokens.
fn count(tokenizer: &tokenizers::Tokenizer, files: &[PathBuf]) -> Result<Words, Fault> {
    let mut words = Words::new();
    for path in files {
        let text = Files::open(path).map_err(|e| Fault::File(path.clone(), e))?;
        let counted =
            text.each_piece(PIECE, |piece| count_piece(tokenizer, piece, &mut words).map_err(io::Error::other));
        counted.map_err(|(path, e)| Fault::File(path, e))?;
    }
    if words.is_empty() { Err(Fault::Recipe("there is no word in these files".into())) } else { Ok(words) }
}

fn count_piece(tokenizer: &tokenizers::Tokenizer, piece: &str, words: &mut Words) -> tokenizers::Result<()> {
    let added = tokenizer.get_added_vocabulary();
    let mut cut = added.extract_and_normalize(tokenizer.get_normalizer(), piece);
    if let Some(rule) = tokenizer.get_pre_tokenizer() {
        rule.pre_tokenize(&mut cut)?;
    }
    for (word, _, special) in cut.get_splits(OffsetReferential::Original, OffsetType::Byte) {
        match words.get_mut(word) {
            _ if special.is_some() => {}
            Some(count) => *count += 1,
            None => drop(words.insert(word.into(), 1)),
        }
    }
    Ok(())
}

/// Byte-level BPE: the alphabet is all bytes.
fn bpe(recipe: &Recipe, special: &[String], words: &Words) -> Result<BPE, Fault> {
    let alphabet = ByteLevel::alphabet();
    recipe.check_size(special.len() + alphabet.len())?;
    let trainer = BpeTrainer::builder()
        .vocab_size(recipe.vocab)
        .min_frequency(recipe.min_count)
        .show_progress(false)
        .special_tokens(added(special))
        .initial_alphabet(alphabet.into_iter().collect())
        .build();
    merged(&trainer, words)
}

/// The pairs that a trainer finds.
fn merged(trainer: &BpeTrainer, words: &Words) -> Result<BPE, Fault> {
    let mut model = BPE::default();
    trainer.do_train(&words.iter().map(|(w, n)| (w.into(), *n)).collect(), &mut model).map_err(bad)?;
    Ok(model)
}

/// BPE on characters, then read as pieces of words.
fn wordpiece(recipe: &Recipe, special: &[String], words: &Words) -> Result<WordPiece, Fault> {
    let mut counts: BTreeMap<char, u64> = BTreeMap::new();
    words.iter().for_each(|(w, n)| w.chars().for_each(|c| *counts.entry(c).or_default() += n));
    let mut alphabet: Vec<(char, u64)> = counts.into_iter().collect();
    by_frequency(&mut alphabet);
    alphabet.truncate(MOST_CHARACTERS);
    let mut alphabet: Vec<char> = alphabet.into_iter().map(|(c, _)| c).collect();
    alphabet.sort_unstable();
    // The trainer numbers continuations as it meets them in a map without order: they get their ids before.
    let continuing: BTreeSet<char> = words.keys().flat_map(|w| w.chars().skip(1)).collect();
    let continuations = alphabet.iter().filter(|c| continuing.contains(c)).map(|c| format!("##{c}"));
    let first: Vec<String> = special.iter().cloned().chain(continuations).collect();
    recipe.check_size(first.len() + alphabet.len())?;
    let trainer = BpeTrainer::builder()
        .vocab_size(recipe.vocab)
        .min_frequency(recipe.min_count)
        .show_progress(false)
        .special_tokens(added(&first))
        .limit_alphabet(alphabet.len())
        .initial_alphabet(alphabet.into_iter().collect())
        .continuing_subword_prefix("##".into())
        .build();
    Ok(WordPiece::from_bpe(&merged(&trainer, words)?))
}

fn unigram(recipe: &Recipe, special: &[String], words: &Words) -> Result<Unigram, Fault> {
    let learned = |w: &&(&String, &u64)| w.0.chars().count() <= LONGEST_WORD;
    let sentences: Vec<(&String, &u64)> = words.iter().collect();
    let sentences =
        sentences.iter().filter(learned).map(|(w, n)| ((*w).clone(), u32::try_from(**n).unwrap_or(u32::MAX)));
    let sentences: Vec<(String, u32)> = sentences.collect();
    let characters: BTreeSet<char> = sentences.iter().flat_map(|(w, _)| w.chars()).collect();
    recipe.check_size(special.len() + characters.len() + 1)?;
    let trainer = UnigramTrainer::builder()
        .vocab_size(u32::try_from(recipe.vocab).map_err(bad)?)
        .show_progress(false)
        .special_tokens(added(special))
        .unk_token(recipe.kind.unknown().map(String::from))
        .build()
        .map_err(bad)?;
    let mut model = Unigram::default();
    // Sums are taken in as many parts as there are threads.
    let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build().map_err(bad)?;
    pool.install(|| trainer.do_train(sentences, &mut model)).map_err(bad)?;
    in_order(&model, special).map_err(bad)
}

/// The pieces in order of their scores, equal ones in order of their bytes. Characters for which the training found no
/// probability have the lowest scores, at a distance of [`APART`], in an order that varies from run to run: here they get
/// them in order of their bytes.
fn in_order(model: &Unigram, special: &[String]) -> tokenizers::Result<Unigram> {
    let mut pieces: Vec<(String, f64)> = model.iter().skip(special.len()).cloned().collect();
    let lowest = pieces.iter().map(|(_, score)| *score).fold(f64::INFINITY, f64::min);
    let is_character = |piece: &str| piece.chars().nth(1).is_none();
    let (mut unlikely, mut scores, mut above) = (vec![], vec![], 0.0);
    while let Some(at) = pieces.iter().position(|(p, score)| is_character(p) && *score == lowest + above) {
        let (piece, score) = pieces.remove(at);
        unlikely.push(piece);
        scores.push(score);
        above += APART;
    }
    unlikely.sort();
    pieces.extend(unlikely.into_iter().zip(scores));
    pieces.sort_by(|a, b| b.1.total_cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
    let first = special.iter().map(|t| (t.clone(), 0.0));
    let unknown = special.iter().position(|t| Some(t.as_str()) == Kind::Unigram.unknown());
    Unigram::from(first.chain(pieces).collect(), unknown, model.byte_fallback())
}

/// How far the trainer puts the scores of unlikely characters apart.
const APART: f64 = 0.0001;

/// The most frequent words, and of those that come equally often the first in order of their bytes.
fn word_level(recipe: &Recipe, special: &[String], words: &Words) -> Result<WordLevel, Fault> {
    recipe.check_size(special.len() + 1)?;
    let mut counted: Vec<(&String, u64)> = words.iter().map(|(w, n)| (w, *n)).collect();
    counted.retain(|(_, n)| *n >= recipe.min_count);
    by_frequency(&mut counted);
    let tokens = special.iter().chain(counted.into_iter().map(|(w, _)| w).filter(|w| !special.contains(w)));
    let vocab = tokens.take(recipe.vocab).zip(0u32..).map(|(t, id)| (t.clone(), id)).collect();
    let unknown = recipe.kind.unknown().unwrap_or_default().to_string();
    WordLevel::builder().vocab(vocab).unk_token(unknown).build().map_err(bad)
}

//! `nnc tokenizer`: learns a tokenizer from texts, and shows what one makes of a text.

use super::output::{Failure, Output, say};
use crate::train::checkpoint::replace;
use crate::train::console::note;
use crate::train::data::errors::no_tokenizer_file;
use crate::train::tokenizer::Tokenizer;
use crate::train::tokenizer::learn::{Fault, Kind, Recipe, learn};
use clap::builder::PossibleValue;
use clap::{Args, Subcommand, ValueEnum};
use serde_json::json;
use std::io::BufRead;
use std::path::{Path, PathBuf};

/// Learn a tokenizer from texts, or see what one makes of a text
#[derive(Args)]
pub struct Options {
    #[command(subcommand)]
    action: Action,
}

#[derive(Subcommand)]
enum Action {
    Train(Training),
    Encode(Encoding),
    Decode(Decoding),
}

/// Learn a tokenizer from text files, and write it as a tokenizer.json of Hugging Face
#[derive(Args)]
struct Training {
    /// Text files in UTF-8; the last part of a path may have `*` and `?`
    #[arg(required = true)]
    files: Vec<PathBuf>,
    #[arg(long, value_enum, default_value = "bpe")]
    kind: Kind,
    /// How many ids there are at most, special tokens included
    #[arg(long, value_name = "N")]
    vocab: usize,
    /// The file to write
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// A token that stands for itself; the ids of such tokens come first, in this order [default: those usual for the kind]
    #[arg(long, value_name = "TOKEN")]
    special: Vec<String>,
    /// A special token before each row
    #[arg(long, value_name = "TOKEN")]
    begin: Option<String>,
    /// A special token behind each row
    #[arg(long, value_name = "TOKEN")]
    end: Option<String>,
    /// Learn and encode lower-case letters only
    #[arg(long)]
    lowercase: bool,
    /// How often a pair or a word has to occur
    #[arg(long, value_name = "N", default_value = "1")]
    min_count: u64,
}

/// Show the ids of a text, or of each line of standard input
#[derive(Args)]
struct Encoding {
    /// The tokenizer file
    #[arg(long, value_name = "FILE")]
    tokenizer: PathBuf,
    /// The text [default: each line of standard input]
    text: Option<String>,
    /// Without the special tokens that the tokenizer puts around a text
    #[arg(long)]
    no_special: bool,
}

/// Show the text of ids, or of the ids on each line of standard input
#[derive(Args)]
struct Decoding {
    /// The tokenizer file
    #[arg(long, value_name = "FILE")]
    tokenizer: PathBuf,
    /// The ids [default: those on each line of standard input]
    ids: Vec<u32>,
    /// With special tokens
    #[arg(long)]
    special: bool,
}

impl ValueEnum for Kind {
    fn value_variants<'a>() -> &'a [Kind] {
        &[Kind::Bpe, Kind::Wordpiece, Kind::Unigram, Kind::Word]
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        Some(match self {
            Kind::Bpe => PossibleValue::new("bpe").help("pairs of bytes, the most frequent first (GPT-2)"),
            Kind::Wordpiece => PossibleValue::new("wordpiece").help("pieces of words (BERT)"),
            Kind::Unigram => PossibleValue::new("unigram").help("the likeliest pieces (T5)"),
            Kind::Word => PossibleValue::new("word").help("words and punctuation"),
        })
    }
}

pub fn run(options: &Options, output: &Output) -> Result<(), Failure> {
    match &options.action {
        Action::Train(options) => train(options, output),
        Action::Encode(options) => encode(options, output),
        Action::Decode(options) => decode(options, output),
    }
}

fn train(options: &Training, output: &Output) -> Result<(), Failure> {
    let usual = || options.kind.special().iter().map(|t| t.to_string()).collect();
    let recipe = Recipe {
        kind: options.kind,
        vocab: options.vocab,
        special: if options.special.is_empty() { usual() } else { options.special.clone() },
        begin: options.begin.clone(),
        end: options.end.clone(),
        lowercase: options.lowercase,
        min_count: options.min_count,
    };
    let bytes = learn(&recipe, &options.files).map_err(|fault| match fault {
        Fault::File(path, e) => Failure::Usage(format!("cannot read `{}`: {e}", path.display())),
        Fault::Recipe(what) => Failure::Usage(what),
    })?;
    let out = options.out.display();
    replace(&options.out, &bytes).map_err(|e| Failure::Usage(format!("cannot write `{out}`: {e}")))?;
    let size = open(&options.out)?.size();
    if output.json {
        say(json!({ "reason": "tokenizer", "file": options.out, "vocab": size }));
    }
    note(format_args!("{size} ids written to {out}"));
    Ok(())
}

fn open(path: &Path) -> Result<Tokenizer, Failure> {
    Tokenizer::open(path).map_err(|detail| Failure::Run(Box::new(no_tokenizer_file(path, &detail)), Box::default()))
}

fn encode(options: &Encoding, output: &Output) -> Result<(), Failure> {
    let tokenizer = open(&options.tokenizer)?;
    each_text(options.text.as_deref(), |text| {
        let ids = tokenizer.encode(text, !options.no_special, None).map_err(Failure::Usage)?;
        if output.json {
            let tokens: Vec<Option<String>> = ids.iter().map(|&id| tokenizer.token(id)).collect();
            say(json!({ "reason": "ids", "ids": ids, "tokens": tokens }));
        } else {
            say(ids.iter().map(u32::to_string).collect::<Vec<_>>().join(" "));
        }
        Ok(())
    })
}

fn decode(options: &Decoding, output: &Output) -> Result<(), Failure> {
    let tokenizer = open(&options.tokenizer)?;
    let given = options.ids.iter().map(u32::to_string).collect::<Vec<_>>().join(" ");
    each_text((!options.ids.is_empty()).then_some(&given), |line| {
        let id = |word: &str| {
            let id = word.parse().ok().filter(|id| tokenizer.token(*id).is_some());
            id.ok_or_else(|| Failure::Usage(format!("`{word}` is none of the {} ids", tokenizer.size())))
        };
        let ids = line.split_whitespace().map(id).collect::<Result<Vec<u32>, _>>()?;
        let text = tokenizer.decode(&ids, options.special);
        say(if output.json { json!({ "reason": "text", "text": text }).to_string() } else { text });
        Ok(())
    })
}

/// The text that was given, or each line of standard input.
fn each_text(given: Option<&str>, mut f: impl FnMut(&str) -> Result<(), Failure>) -> Result<(), Failure> {
    if let Some(text) = given {
        return f(text);
    }
    let unreadable = |e| Failure::Usage(format!("cannot read standard input: {e}"));
    std::io::stdin().lock().lines().try_for_each(|line| f(&line.map_err(unreadable)?))
}

//! `nnc tokenizer`, and programs whose texts go through a tokenizer file.

use crate::harness::{Place, command, finish, repository};
use nnc::train::checkpoint::Checkpoint;
use serde_json::Value;
use std::io::Write;
use std::process::Stdio;

const TRAIN: [&str; 4] = ["train", "main.nn", "--threads", "1"];

fn fixture(name: &str) -> Vec<u8> {
    std::fs::read(format!("{}/tests/tokenizers/fixtures/{name}", repository())).expect("readable")
}

/// The ids of a text of the fixtures, as Python gives them.
fn expected(name: &str, text: &str, key: &str) -> Vec<u64> {
    let cases: Value = serde_json::from_slice(&fixture(&format!("{name}.ids"))).expect("JSON");
    let case = cases["cases"].as_array().expect("a list").iter().find(|c| c["text"] == text).expect("the text");
    serde_json::from_value(case[key].clone()).expect("ids")
}

/// A folder with a corpus.
fn place() -> Place {
    let place = Place::new();
    place
        .write("corpus.txt", std::fs::read(format!("{}/tests/tokenizers/corpus.txt", repository())).expect("readable"));
    place
}

fn learn(place: &Place, more: &[&str]) -> crate::harness::Ran {
    place.nnc(&[&["tokenizer", "train", "corpus.txt", "--out", "t.json"], more].concat())
}

#[test]
fn a_tokenizer_is_learned_and_used() {
    let place = place();
    let ran = learn(&place, &["--vocab", "500", "--end", "</s>", "--message-format", "json"]).code(0);
    assert_eq!(ran.json()[0]["vocab"], 500);
    assert!(place.read("t.json").into_bytes() == fixture("nnc_bpe.json"));
    assert_eq!(place.files(), ["corpus.txt", "t.json"]);
    let elsewhere =
        ["tokenizer", "train", "corpus.txt", "--vocab", "500", "--end", "</s>", "--out", "new/folder/t.json"];
    place.nnc(&elsewhere).ok();
    assert_eq!(place.read("new/folder/t.json"), place.read("t.json"));
    let encode = |more: &[&str]| place.nnc(&[&["tokenizer", "encode", "--tokenizer", "t.json"], more].concat()).ok();
    let text = "I'm sure he'd say it doesn't, they've and we'll.";
    let numbers = |line: &str| line.split_whitespace().map(|n| n.parse().expect("a number")).collect::<Vec<u64>>();
    assert_eq!(numbers(&encode(&[text])), expected("nnc_bpe", text, "ids"));
    assert_eq!(numbers(&encode(&[text, "--no-special"])), expected("nnc_bpe", text, "plain"));
    assert_eq!(numbers(&encode(&[""])), [1]);
    let json: Value = serde_json::from_str(&encode(&["a dog", "--message-format", "json"])).expect("JSON");
    assert_eq!(json["tokens"].as_array().expect("a list").last().expect("one"), "</s>");
    let ids = encode(&[text]);
    let ids: Vec<&str> = ids.split_whitespace().collect();
    let decode = |more: &[&str]| place.nnc(&[&["tokenizer", "decode", "--tokenizer", "t.json"], more].concat());
    assert_eq!(decode(&ids).ok().trim_end(), text);
    assert_eq!(decode(&[&["--special"], &ids[..]].concat()).ok().trim_end(), format!("{text}</s>"));
    assert!(decode(&["500"]).code(2).stderr.contains("`500` is none of the 500 ids"));
}

/// Each line of standard input is a text of its own, or a row of ids.
#[test]
fn lines_of_standard_input() {
    let place = place();
    learn(&place, &["--vocab", "500", "--kind", "unigram", "--end", "</s>"]).ok();
    let pipe = |action: &str, input: &str| {
        let mut command = place.command(&["tokenizer", action, "--tokenizer", "t.json"]);
        let mut child =
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("starts");
        child.stdin.take().expect("piped").write_all(input.as_bytes()).expect("writable");
        finish(child).ok()
    };
    let ids = pipe("encode", "the dog\n\nel niño\n");
    assert_eq!(ids.lines().count(), 3);
    assert_eq!(ids.lines().nth(1), Some("1"));
    assert_eq!(pipe("decode", &ids), "the dog\n\nel niño\n");
}

#[test]
fn what_a_tokenizer_is_not_learned_from() {
    let place = place();
    assert!(learn(&place, &["--vocab", "20"]).code(2).stderr.contains("20 ids are too few"));
    assert!(learn(&place, &["--vocab", "20", "--kind", "sparrow"]).code(2).stderr.contains("sparrow"));
    place.write("corpus.txt", b"ab\xff");
    assert!(learn(&place, &["--vocab", "400"]).code(2).stderr.contains("byte 2 is not UTF-8"));
    std::fs::remove_file(place.path("corpus.txt")).expect("there");
    assert!(learn(&place, &["--vocab", "400"]).code(2).stderr.contains("cannot read `corpus.txt`"));
    assert_eq!(place.files(), [""; 0]);
    place.write("t.json", "{}");
    let args = ["tokenizer", "encode", "--tokenizer", "t.json", "a", "--message-format", "json"];
    assert_eq!(place.nnc(&args).code(3).codes(), ["E0716"]);
    let stdin = command().args(["tokenizer", "decode", "--tokenizer", "none.json", "1"]).output().expect("runs");
    assert_eq!(stdin.status.code(), Some(3));
}

/// Mean of the embeddings of a row's tokens; the rows come from a table.
const PAIRS: &str = r#"
data Pairs from tsv("pairs.tsv") where S <= 12, T >= 1 {
  source: i32[S] = tokens(raw.en, "t.json", limit: 12)
  target: i32[T] = tokens(raw.es, "t.json", special: false)
  split train 0.5, test 0.5 by position
}
model Net(vocab: int, end: int) {
  embed = Embedding(vocab, 4)
  head = Dense(vocab)
  fn forward(x: i32[B, S], mask: bool[B, S]) -> f32[B, vocab] { head(mean(embed(x), axis: 1, mask: mask)) }
  fn ends(x: i32[B, S], mask: bool[B, S]) -> f32[B] { f32(sum(where(mask and x == end, 1, 0), axis: 1)) }
}
train {
  let net = Net(Pairs.vocab, Pairs.source.id("</s>"))
  optimizer = sgd(lr: 0.1)
  epochs = 1
  step (source, target) in Pairs.train |> batch(2) { minimize cross_entropy(net(source, source.mask), target[:, 0]) }
  predict (source) {
    report ids: source, ends: net.ends(source, source.mask)
    report text: Pairs.source.decode(source), all: Pairs.target.decode(concat(source, source, axis: 1))
  }
}
"#;

const ROWS: &str = "en\tes\nThe quick brown fox.\tel veloz\n\u{1f642}\u{2603} naïve café\tniño\nthe the the the the word word\tla palabra\na\tuno\n";

fn with_pairs(tokenizer: &str) -> Place {
    let place = Place::new();
    place.write("main.nn", PAIRS);
    place.write("pairs.tsv", ROWS);
    place.write("t.json", fixture(tokenizer));
    place
}

/// The file gives ids, sizes and tokens by name; `check` opens nothing.
#[test]
fn rows_through_a_tokenizer() {
    let place = with_pairs("bpe.json");
    place.nnc(&TRAIN).ok();
    let last = Checkpoint::load(&place.path("runs/main-1/last.safetensors")).expect("a checkpoint");
    let embed = last.tensors.iter().find(|t| t.name == "embed.weight").expect("a tensor");
    // 500 ids and the token that was added behind them.
    assert_eq!(embed.ty.shape[0], 501);
    std::fs::remove_file(place.path("pairs.tsv")).expect("there");
    place.write("new.tsv", "en\nThe quick brown fox.\n\nthe the the the the word word\n");
    let said = place.nnc(&["predict", "main.nn", "--data", "new.tsv", "--threads", "1"]).ok();
    let rows: Vec<Value> = said.lines().map(|l| serde_json::from_str(l).expect("JSON")).collect();
    let ids: Vec<u64> = serde_json::from_value(rows[0]["ids"].clone()).expect("ids");
    let mut first = expected("bpe", "The quick brown fox.", "ids");
    let end = first.pop().expect("the end");
    first.truncate(11);
    first.push(end);
    assert_eq!(ids, first);
    assert_eq!(rows[0]["ends"], 1.0);
    // Of `source` the end is known, and hides what follows; `target` has no end. Special tokens are not printed.
    let plain: Vec<String> = ids[..ids.len() - 1].iter().map(u64::to_string).collect();
    let plain: Vec<&str> = plain.iter().map(String::as_str).collect();
    let decode = ["tokenizer", "decode", "--tokenizer", "t.json"];
    let text = place.nnc(&[&decode[..], &plain].concat()).ok();
    assert_eq!(rows[0]["text"], text.trim_end());
    assert_eq!(rows[0]["all"], text.trim_end().repeat(2));
    std::fs::remove_file(place.path("t.json")).expect("there");
    place.nnc(&["check", "main.nn"]).ok();
}

#[track_caller]
fn refused(place: &Place, args: &[&str], code: &str, text: &str) {
    let ran = place.nnc(&[args, &["--message-format", "json"]].concat()).code(3);
    assert_eq!(ran.codes(), [code], "{}", ran.stdout);
    assert!(ran.stdout.contains(text), "{}", ran.stdout);
}

#[test]
fn tokenizer_files_that_are_refused() {
    let place = with_pairs("bpe.json");
    place.nnc(&TRAIN).ok();
    place.write("new.tsv", "en\na\n");
    let predict = ["predict", "main.nn", "--data", "new.tsv"];
    // Another file of the same size would give other ids.
    place.write("t.json", fixture("nnc_bpe.json"));
    refused(&place, &predict, "E0717", "t.json");
    place.write("t.json", "{\"version\": \"1.0\"}");
    refused(&place, &predict, "E0716", "cannot be read as a tokenizer");
    refused(&place, &TRAIN, "E0716", "cannot be read as a tokenizer");
    std::fs::remove_file(place.path("t.json")).expect("there");
    refused(&place, &TRAIN, "E0716", "t.json");
    place.write("t.json", fixture("bpe.json"));
    place.edit("\"</s>\"", "\"[NONE]\"");
    refused(&place, &TRAIN, "E0718", "`[NONE]` has no id");
}

/// Ids of labels, words, characters and bytes are numbers of the data too.
#[test]
fn ids_by_name_of_what_was_learned() {
    let place = Place::new();
    place.write("rows.tsv", "word\tletters\tlabel\nb a\txyz\tham\na\ty\tspam\n");
    let program = r#"
data Rows from tsv("rows.tsv") where T >= 1, U >= 1 {
  word: i32[T] = words(raw.word)
  letters: i32[U] = characters(raw.letters, end: true)
  label: i32 = category(raw.label)
  split train
}
model Net(a: int, y: int, spam: int) {
  head = Dense(2)
  fn forward(label: i32[B]) -> f32[B, 2] { head(f32(label)[:, _]) }
  fn numbers(label: i32[B]) -> i32[B] { zeros_like(label) + (100 * a + 10 * y + spam) }
}
train {
  let net = Net(Rows.word.id("a"), Rows.letters.id("y"), Rows.label.id("spam"))
  optimizer = sgd(lr: 0.1)
  epochs = 1
  step (label) in Rows.train |> batch(2) { minimize cross_entropy(net(label), label) }
  predict (label) { report numbers: net.numbers(label) }
}
"#;
    place.write("main.nn", program);
    place.nnc(&["check", "main.nn"]).ok();
    place.nnc(&TRAIN).ok();
    let said = place.nnc(&["predict", "main.nn", "--data", "rows.tsv", "--threads", "1"]).ok();
    let row: Value = serde_json::from_str(said.lines().next().expect("a row")).expect("JSON");
    // a is the most frequent word (1), y the second character behind the unknown and the end (3), spam the second label.
    assert_eq!(row["numbers"], 131);
    place.edit("id(\"spam\")", "id(\"eggs\")");
    refused(&place, &TRAIN, "E0718", "`eggs` has no id in `category(label)`");
}

/// One text through a tokenizer: its ids follow each other in one line, and the second run reads those of the first.
#[test]
fn a_text_through_a_tokenizer() {
    let place = Place::new();
    let text =
        String::from_utf8(std::fs::read(format!("{}/tests/tokenizers/corpus.txt", repository())).expect("readable"));
    let text = text.expect("UTF-8").repeat(3);
    place.write("book.txt", &text);
    place.write("t.json", fixture("bpe.json"));
    let program = r#"
data Book from text("book.txt", tokenizer: "t.json") {
  tokens: i32[T]
  split train 0.9, test 0.1
}
model Next(vocab: int) {
  embed = Embedding(vocab, 4)
  head = Dense(vocab)
  fn forward(x: i32[B, T]) -> f32[B, T, vocab] { head(embed(x)) }
}
train {
  let net = Next(vocab: Book.vocab)
  optimizer = sgd(lr: 0.5)
  epochs = 1
  step (tokens) in Book.train |> windows(8) |> batch(4, drop_last: true) {
    minimize cross_entropy(net(tokens[:, :-1]), tokens[:, 1:])
  }
}
"#;
    place.write("main.nn", program);
    place.nnc(&TRAIN).ok();
    let ids = place.nnc(&["tokenizer", "encode", "--tokenizer", "t.json", "--no-special", &text]).ok();
    let count = ids.split_whitespace().count();
    let units = count - (count as f64 * 0.1).round() as usize;
    let last = || Checkpoint::load(&place.path("runs/main-1/last.safetensors")).expect("a checkpoint");
    assert_eq!(last().progress.step as usize, units / 8 / 4);
    // Ids that were kept are those that are made.
    let cached = crate::harness::files(&place.path("cache/ids"));
    assert_eq!(cached.len(), 1, "{cached:?}");
    let kept = std::fs::read(place.path("cache/ids").join(&cached[0])).expect("readable");
    assert_eq!(kept.len(), 24 + 2 * count);
    let weights = last().tensors;
    place.nnc(&TRAIN).ok();
    let again = Checkpoint::load(&place.path("runs/main-2/last.safetensors")).expect("a checkpoint");
    assert!(weights == again.tensors);
    // A text that has changed is read again, and what is damaged is made anew.
    place.write("book.txt", format!("{text} and more"));
    std::fs::write(place.path("cache/ids").join(&cached[0]), &kept[..100]).expect("writable");
    place.nnc(&TRAIN).ok();
    assert_eq!(crate::harness::files(&place.path("cache/ids")).len(), 2);
    place.write("t.json", "no");
    refused(&place, &TRAIN, "E0716", "t.json");
}

//! Texts: windows of characters, bytes and words, tables with texts, what is learned and remembered, what is refused.

use crate::data::{fit, resumes};
use crate::harness::Place;
use nnc::driver::run::Start;
use nnc::train::checkpoint::Checkpoint;
use serde_json::{Value, json};

const TRAIN: [&str; 4] = ["train", "main.nn", "--threads", "1"];

/// Predicts each unit of a text from the one before it.
fn next(source: &str, field: &str, stages: &str) -> String {
    format!(
        "data Book from text({source}) {{
  tokens: {field}
  split train 0.8, test 0.2
}}
model Next(vocab: int) {{
  embed = Embedding(vocab, 8)
  head = Dense(vocab)
  fn forward(x: i32[B, T]) -> f32[B, T, vocab] {{ head(embed(x)) }}
}}
train {{
  let net = Next(vocab: Book.vocab)
  optimizer = sgd(lr: 0.5)
  epochs = 2
  step (tokens) in Book.train {stages} {{ minimize cross_entropy(net(tokens[:, :-1]), tokens[:, 1:]) }}
  test (tokens) in Book.test |> windows(5) |> batch(3) {{ report loss: cross_entropy(net(tokens[:, :-1]), tokens[:, 1:]) }}
}}"
    )
}

fn place(program: &str, files: &[(&str, &[u8])]) -> Place {
    let place = Place::new();
    place.write("main.nn", program);
    files.iter().for_each(|(name, text)| place.write(name, text));
    place
}

fn last(place: &Place) -> Checkpoint {
    Checkpoint::load(&place.path("runs/main-1/last.safetensors")).expect("a checkpoint")
}

fn rows_of(checkpoint: &Checkpoint, name: &str) -> usize {
    checkpoint.tensors.iter().find(|t| t.name == name).expect("a tensor").ty.shape[0]
}

#[track_caller]
fn refused(place: &Place, code: &str, text: &str) {
    let ran = place.nnc(&[&TRAIN[..], &["--message-format", "json"]].concat()).code(3);
    assert_eq!(ran.codes(), [code], "{}", ran.stdout);
    assert!(ran.stdout.contains(text), "{}", ran.stdout);
}

/// The vocabulary is that of the piece of training, and one id more; steps are the windows that fit.
#[test]
fn characters_of_a_text() {
    let book = "abcé\r\nab".repeat(25) + &"xyz12".repeat(10);
    assert_eq!(book.chars().count(), 250);
    let program = next("\"book.txt\", unit: characters", "i32[T]", "|> windows(6, stride: 5) |> batch(4)");
    let place = place(&program, &[("book.txt", book.as_bytes())]);
    place.nnc(&TRAIN).ok();
    let last = last(&place);
    assert_eq!(last.progress.fitted[0].entries.concat(), "\n\rabcé");
    assert_eq!(rows_of(&last, "embed.weight"), 7);
    // 200 characters give (200 - 6) / 5 + 1 = 39 windows, ten batches an epoch.
    assert_eq!(last.progress.step, 20);
    place.nnc(&["eval", "main.nn"]).ok();
}

/// What is read of a text is the same in one file and in several, by windows and at once.
#[test]
fn files_follow_each_other() {
    let text: String = (0..4000).map(|i| ['a', 'é', '☃', '\n', 'z'][i * 7 % 11 % 5]).collect();
    let cut = text.char_indices().nth(1234).expect("long enough").0;
    let stages = "|> shuffle |> windows(33, stride: 7) |> batch(16)";
    let train = |source: &str, files: &[(&str, &[u8])]| {
        let place = place(&next(source, "i32[T]", stages), files);
        fit_resolved(&place)
    };
    let whole = train("\"book.txt\", unit: characters", &[("book.txt", text.as_bytes())]);
    let parts =
        [("book-2.txt", &text.as_bytes()[cut..]), ("book-1.txt", &text.as_bytes()[..cut]), ("other.txt", b"no")];
    assert!(whole == train("\"book-?.txt\", unit: characters", &parts));
    assert!(whole == train("\"b*k*.txt\", unit: characters", &parts));
}

fn fit_resolved(place: &Place) -> Vec<nnc::train::checkpoint::Tensor> {
    fit(place, Start::Fresh(place.path("runs")), &|_| false).0
}

#[test]
fn bytes_and_words_of_a_text() {
    let bytes: Vec<u8> = (0..200).map(|i| (i * 37 % 256) as u8).collect();
    let program = next("\"book.bin\", unit: bytes", "i32[9]", "|> batch(4)").replace("windows(5)", "windows(9)");
    let place_of_bytes = place(&program, &[("book.bin", &bytes)]);
    place_of_bytes.nnc(&TRAIN).ok();
    assert_eq!(rows_of(&last(&place_of_bytes), "embed.weight"), 256);

    let words = "the cat  saw\tthe dog\r\n".repeat(20);
    let program = next("\"book.txt\", unit: words, vocab: 4", "i32[T]", "|> windows(5) |> batch(4)");
    let place_of_words = place(&program, &[("book.txt", words.as_bytes())]);
    place_of_words.nnc(&TRAIN).ok();
    assert_eq!(last(&place_of_words).progress.fitted[0].entries, ["the", "cat", "dog"]);
    // 80 of 100 words: 16 windows of 5, 4 batches.
    assert_eq!(last(&place_of_words).progress.step, 8);
}

#[test]
fn texts_that_are_refused() {
    let program = next("\"book.txt\", unit: characters", "i32[T]", "|> windows(6) |> batch(4)");
    refused(&place(&program, &[]), "E0702", "book.txt");
    refused(&place(&program, &[("book.txt", b"")]), "E0714", "`Book.train` has no rows");
    refused(&place(&program, &[("book.txt", b"abcde")]), "E0714", "`Book.train` has no rows");
    refused(&place(&program, &[("book.txt", b"abc\xffdefghijk")]), "E0703", "byte 3 is not UTF-8");
    refused(&place(&program, &[("book.txt", b"abcdefghijk\xe2\x98")]), "E0703", "byte 11 is not UTF-8");
    refused(
        &place(&program.replace("book.txt", "b*.txt"), &[("c.txt", b"a")]),
        "E0702",
        "no file is named like `b*.txt`",
    );
}

/// Lanes go on side by side; a run over them, too, goes on where it stopped.
#[test]
fn a_run_over_windows_goes_on_where_it_stopped() {
    let text: String = (0..3000).map(|i| ['a', 'é', '☃', '\n', 'z'][i * i % 7 % 5]).collect();
    for stages in ["|> shuffle |> windows(9, stride: 3) |> batch(32)", "|> lanes(8, window: 9, overlap: 1)"] {
        let program = next("\"book.txt\", unit: characters", "i32[T]", stages);
        resumes(&place(&program, &[("book.txt", text.as_bytes())]), 7);
    }
}

const MAIL: &str = "
data Mail from tsv(\"mail.tsv\") where T in 1..=4 {
  text: i32[T] = words(raw.body, vocab: 5)
  label: i32 = category(raw.folder)
  size: f32 = standardize(raw.size)
  split train 0.5, test 0.5 by position
}
model Sorter(words: int, labels: int) {
  embed = Embedding(words, 8)
  head = Dense(labels)
  fn forward(text: i32[B, T], mask: bool[B, T], size: f32[B]) -> f32[B, labels] {
    head(mean(embed(text), axis: 1, mask: mask) + size[:, _])
  }
}
train {
  let net = Sorter(Mail.text.vocab, Mail.label.count)
  optimizer = sgd(lr: 0.5)
  epochs = 2
  step (text, label, size) in Mail.train |> batch(4) { minimize cross_entropy(net(text, text.mask, size), label) }
  test (text, label, size) in Mail.test |> skip_bad |> batch(4) {
    report accuracy: accuracy(net(text, text.mask, size), label)
  }
  predict (text, size) { report label: argmax(net(text, text.mask, size)), text: text, size: size }
}
";

const LETTERS: &str = "body\tfolder\tsize\r
hello world\tspam\t1\r
hello  there friend\tham\t3\r
hello\tspam\t2\r
world hello\t10\t2\r
new words\tspam\t4\r
hello\tother\t5\r
a b c d e\tham\t5\r
hello hello hello hello\tspam\t1e3\r
";

/// Two files are two parts of one data set: what is learned from the first holds for the second, and either may be split.
#[test]
fn files_are_parts() {
    let rows: Vec<&str> = LETTERS.lines().collect();
    let head = rows[0];
    let part = |rows: &[&str]| [&[head], rows].concat().join("\n");
    let program = MAIL
        .replace("tsv(\"mail.tsv\")", "tsv(train: \"first.tsv\", test: \"second.tsv\")")
        .replace("split train 0.5, test 0.5 by position", "split train, test");
    let files: [(&str, &[u8]); 2] =
        [("first.tsv", &part(&rows[1..5]).into_bytes()), ("second.tsv", &part(&rows[5..]).into_bytes())];
    let parts = place(&program, &files);
    let said = parts.nnc(&TRAIN).code(0);
    assert!(said.stderr.contains("left out 2 rows of `Mail.test`: `second.tsv`, row 2"), "{}", said.stderr);
    let whole = place(MAIL, &[("mail.tsv", LETTERS.as_bytes())]);
    whole.nnc(&TRAIN).ok();
    assert_eq!(last(&parts).progress.fitted, last(&whole).progress.fitted);
    assert!(last(&parts).tensors == last(&whole).tensors);

    // The source's own parts are there without a `split`, and one may be cut further.
    parts.edit("  split train, test\n", "");
    parts.nnc(&TRAIN).ok();
    parts.edit("  size: f32", "  split train, held 1 of train by position, test\n  size: f32");
    parts.nnc(&TRAIN).ok();
    let third = Checkpoint::load(&parts.path("runs/main-3/last.safetensors")).expect("a checkpoint");
    assert_eq!(third.progress.fitted[0].entries, ["hello", "friend", "there", "world"]);
    std::fs::remove_file(parts.path("second.tsv")).expect("there");
    refused(&parts, "E0702", "second.tsv");
}

fn predictions(place: &Place, data: &str) -> Vec<Value> {
    let said = place.nnc(&["predict", "main.nn", "--data", data, "--threads", "1"]).ok();
    said.lines().map(|l| serde_json::from_str(l).expect("JSON")).collect()
}

/// What training learned holds for other rows: words it does not have are 0, sizes are shifted and scaled as before.
#[test]
fn conversions_learn_from_the_rows_of_training() {
    let place = place(MAIL, &[("mail.tsv", LETTERS.as_bytes())]);
    let said = place.nnc(&TRAIN).code(0);
    assert!(
        said.stderr.contains("left out 2 rows of `Mail.test`: `mail.tsv`, row 6, field `folder`"),
        "{}",
        said.stderr
    );
    let last = last(&place);
    let entries: Vec<&[String]> = last.progress.fitted.iter().map(|f| &f.entries[..]).collect();
    assert_eq!(entries, [&["hello", "world", "friend", "there"][..], &["10", "ham", "spam"]]);
    let number = |name: &str| {
        let tensor = last.tensors.iter().find(|t| t.name == name).expect("a tensor");
        f32::from_le_bytes(tensor.bytes[..].try_into().expect("one number"))
    };
    assert_eq!(number("Mail.size.mean"), 2.0);
    assert_eq!(number("Mail.size.deviation"), 0.5f32.sqrt());

    place.write("more.tsv", "size\tbody\n2\thello new\n4\tworld\n");
    // The data of training is not needed any more.
    std::fs::remove_file(place.path("mail.tsv")).expect("there");
    let rows = predictions(&place, "more.tsv");
    assert_eq!(rows[0]["text"], serde_json::json!([1, 0]));
    assert_eq!(rows[1]["text"], serde_json::json!([2]));
    assert_eq!(rows[0]["size"], 0.0);
    assert!((rows[1]["size"].as_f64().expect("a number") - 8f64.sqrt()).abs() < 1e-6);
    assert!(rows.iter().all(|r| r["label"].as_i64().is_some_and(|l| (0..3).contains(&l))));
    refused_in_predict(&place, "size\tbody\n2\ta b c d e\n", "E0707");
    // Another vocabulary of the same size is not what the run learned.
    place.write("mail.tsv", LETTERS);
    place.edit("vocab: 5", "vocab: 6");
    refused_in_predict(&place, "size\tbody\n2\thello\n", "E0715");
}

/// Ids of words and characters up to the mark of the end, bytes, labels: as they stand in the file. What training does not
/// have is U+FFFD, a label that is none null. Several texts of a row are a list.
#[test]
fn predict_prints_texts_and_labels() {
    let program = r#"
data Mail from tsv("mail.tsv") where T <= 9, U <= 9, V <= 9 {
  body: i32[T] = words(raw.body, end: true)
  name: i32[U] = characters(raw.name, end: true)
  bytes: i32[V] = bytes(raw.name)
  folder: i32 = category(raw.folder)
  split train
}
train {
  let net = Dense(3)
  optimizer = sgd(lr: 0.1)
  epochs = 1
  step (folder) in Mail.train |> batch(4) { minimize cross_entropy(net(f32(folder)[:, _]), folder) }
  predict (body, name, bytes, folder) {
    report body: Mail.body.decode(concat(body, body, axis: 1)), ids: body
    report both: stack(name, name, axis: 1) |> Mail.name.decode
    report bytes: bytes |> Mail.bytes.decode()
    report folder: Mail.folder.decode(folder), none: Mail.folder.decode(stack(folder - 9, folder, axis: 1))
  }
}
"#;
    let rows = "body\tname\tfolder\nto be or to\tbé☃\tham\n\té\tspam\nor not\tb\t10\n";
    let place = place(program, &[("mail.tsv", rows.as_bytes())]);
    place.nnc(&TRAIN).ok();
    place.write("new.tsv", "body\tname\tfolder\nto see or to\tbxé\tspam\n\t☃\t10\n");
    let found = predictions(&place, "new.tsv");
    let expected = [
        json!({"row": 0, "body": "to \u{fffd} or to", "ids": [3, 0, 2, 3, 1], "both": ["b\u{fffd}é", "b\u{fffd}é"],
               "bytes": "bxé", "folder": "spam", "none": [null, "spam"]}),
        json!({"row": 1, "body": "", "ids": [1], "both": ["☃", "☃"], "bytes": "☃", "folder": "10", "none": [null, "10"]}),
    ];
    assert_eq!(found, expected);
}

#[track_caller]
fn refused_in_predict(place: &Place, data: &str, code: &str) {
    place.write("bad.tsv", data);
    let args = ["predict", "main.nn", "--data", "bad.tsv", "--message-format", "json"];
    assert_eq!(place.nnc(&args).code(3).codes(), [code]);
}

/// Each is an error that names the file, the row and the field.
#[test]
fn rows_of_texts_that_are_refused() {
    let strict = MAIL.replace("|> skip_bad ", "");
    for (from, to, text) in [
        ("", "", "row 6, field `folder`: `other` is none of the 3 labels of training"),
        ("other", "spam", "row 7, field `body`: its length 5 is not within 1..=4"),
        ("hello\tspam\t2", "\tspam\t2", "row 3, field `body`: its length 0 is not within 1..=4"),
        ("world hello\t10\t2", "world hello\t10", "row 4, field `size`: 2 fields where the header has 3"),
        ("world hello\t10\t2", "world hello\t10\tx", "row 4, field `size`: `x` is not a number"),
    ] {
        refused(&place(&strict, &[("mail.tsv", LETTERS.replacen(from, to, 1).as_bytes())]), "E0707", text);
    }
    let utf8 = [LETTERS.as_bytes(), b"\xff\tspam\t1\r\n"].concat();
    let place = place(&strict, &[("mail.tsv", &utf8)]);
    refused(&place, "E0707", "3 rows cannot be read");
}

/// Values of the data reach every command; a file without its data says so.
#[test]
fn commands_open_the_data_they_need() {
    let place = place(MAIL, &[("mail.tsv", LETTERS.as_bytes())]);
    place.nnc(&["check", "main.nn"]).ok();
    assert!(place.nnc(&["summary", "main.nn"]).ok().contains("67 trainable parameters"));
    assert!(place.nnc(&["ir", "main.nn", "--stage", "opt"]).ok().contains("f32[5, 8]"));
    std::fs::remove_file(place.path("mail.tsv")).expect("there");
    place.nnc(&["check", "main.nn"]).ok();
    place.nnc(&["ir", "main.nn", "--stage", "ast"]).ok();
    assert_eq!(place.nnc(&["summary", "main.nn", "--message-format", "json"]).code(3).codes(), ["E0702"]);
}

/// With the numbers of the data the checker says more: here that a class is missing.
#[test]
fn what_only_the_data_tells_is_checked_before_training() {
    let program = MAIL.replace("labels: int) {", "labels: int) where labels >= 4 {");
    let place = place(&program, &[("mail.tsv", LETTERS.as_bytes())]);
    place.nnc(&["check", "main.nn"]).ok();
    let ran = place.nnc(&[&TRAIN[..], &["--message-format", "json"]].concat()).code(1);
    assert_eq!(ran.codes(), ["E0306"]);
    assert_eq!(place.files(), ["mail.tsv", "main.nn"]);
}

/// The hidden state goes on over lanes.
const STATEFUL: &str = "data Book from text(\"book.txt\", unit: characters) {
  tokens: i32[T]
  split train 0.8, test 0.2
}
model Next(vocab: int) {
  embed = Embedding(vocab, 8)
  rnn = Gru(6)
  head = Dense(vocab)
  state h: f32[B, 6] = 0.0
  fn forward(x: i32[B, T]) -> f32[B, T, vocab] {
    let y = rnn(embed(x), initial: h)
    h = y.last
    head(y.all)
  }
}
train {
  let net = Next(vocab: Book.vocab)
  optimizer = adam(lr: 1e-2)
  epochs = 2
  accumulate = 1
  step (tokens) in Book.train |> lanes(4, window: 9, overlap: 1) { minimize cross_entropy(net(tokens[:, :-1]), tokens[:, 1:]) }
  test (tokens) in Book.test |> lanes(2, window: 9, overlap: 1) { report loss: cross_entropy(net(tokens[:, :-1]), tokens[:, 1:]) }
}
";

fn stateful() -> Place {
    let text: String = (0..1000).map(|i| ['a', 'é', '☃', '\n', 'z'][i * i % 7 % 5]).collect();
    place(STATEFUL, &[("book.txt", text.as_bytes())])
}

/// 24 batches an epoch: stopped in the middle of one, and at its end.
#[test]
fn a_run_with_states_goes_on_where_it_stopped() {
    let place = stateful();
    for step in [7, 24, 30] {
        resumes(&place, step);
    }
    place.edit("accumulate = 1", "accumulate = 5");
    resumes(&place, 3);
}

/// They are in the checkpoint, and no weights.
#[test]
fn states_are_no_weights() {
    let place = stateful();
    let told = place.nnc(&["summary", "main.nn"]).ok();
    assert!(told.contains("144 B states over lanes") && told.contains("state(step).h: f32[4, 6], 96 B"), "{told}");
    place.nnc(&TRAIN).ok();
    let names = |path: &str| -> Vec<String> {
        Checkpoint::tensors(&place.path(path)).expect("tensors").into_iter().map(|t| t.name).collect()
    };
    let states = |names: Vec<String>| names.into_iter().filter(|n| n.starts_with("state(")).collect::<Vec<_>>();
    assert_eq!(states(names("runs/main-1/last.safetensors")), ["state(step).h"]);
    place.nnc(&["export", "main.nn", "--out", "weights.safetensors"]).ok();
    assert_eq!(states(names("weights.safetensors")), [""; 0]);
    // Weights fit any number of lanes, and a run that goes on does not.
    let score = place.nnc(&["eval", "main.nn"]).ok();
    place.edit("lanes(4,", "lanes(3,");
    assert_eq!(place.nnc(&["eval", "main.nn"]).ok(), score);
    place.nnc(&["train", "main.nn", "--init", "runs/main-1/last.safetensors", "--set", "steps=1"]).ok();
    let resumed = place.nnc(&["train", "main.nn", "--resume", "runs/main-1", "--message-format", "json"]).code(3);
    assert_eq!(resumed.codes(), ["E0803"], "{}", resumed.stdout);
}

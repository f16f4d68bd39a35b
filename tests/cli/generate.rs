//! `nnc generate`: the tokens that the library's searches find in `predict`, chance, streaming, ends, refusals; and
//! commands without a run.

use crate::harness::{Place, finish};
use crate::runs::interrupt;
use serde_json::Value;
use std::io::Read;

const ROWS: [&str; 4] = ["the cats", "a dög ra", "the dogs", "the cat "];

/// A model of characters that follow each other.
const CHARACTERS: &str = r#"data D from jsonl("d.jsonl") {
  text: i32[8] = characters(raw.text)
  split train
}
model Net(vocab: int) {
  embed = Embedding(vocab, 8)
  rnn = Gru(12)
  head = Dense(vocab)
  fn forward(t: i32[B, T]) -> f32[B, T, vocab] { head(rnn(embed(t)).all) }
  fn next(token: i32[B], at: i32) -> f32[B, vocab] { head(rnn.next(embed(token))) }
}
train {
  let net = Net(40)
  optimizer = adam(lr: 3e-2)
  epochs = 40
  step (text) in D.train |> batch(4) {
    minimize cross_entropy(net(text[:, :-1]), text[:, 1:])
  }
  predict (text) { report likeliest: greedy(net, text, 10), best: beam_search(net, text, 10, beams: 3) }
}
"#;

/// Pairs of texts, each with an end.
const PAIRS: &str = r#"data D from jsonl("d.jsonl") where S in 2..=64, T in 2..=64 {
  source: i32[S] = characters(raw.source, end: true)
  target: i32[T] = characters(raw.target, end: true)
  split train
}
train {
  let net = T5(30, width: 16, depth: 2, heads: 2, head_width: 8, hidden: 24, context: 12)
  optimizer = adam(lr: 1e-2)
  epochs = 60
  step (source, target) in D.train |> batch(4) {
    let before = concat(zeros([B, 1], dtype: i32), target[:, :-1], axis: 1)
    minimize cross_entropy(net(source, source.mask, before), target, mask: target.mask)
  }
  predict (source) {
    report likeliest: answer(net, source, source.mask, 12, end: 1)
    report best: answer(net, source, source.mask, 12, beams: 3, end: 1)
  }
}
"#;

fn place(program: &str, rows: &[String]) -> Place {
    let place = Place::new();
    place.write("main.nn", program);
    place.write("d.jsonl", rows.join("\n"));
    place
}

fn characters() -> Place {
    place(CHARACTERS, &ROWS.map(|row| serde_json::json!({ "text": row }).to_string()))
}

/// The ids that `predict` reports for one row, as characters of these texts; nothing from an end on.
fn predicted(place: &Place, row: &Value, field: &str, texts: &[&str], reserved: usize) -> String {
    place.write("one.jsonl", row.to_string());
    let out = place.nnc(&["predict", "main.nn", "--data", "one.jsonl"]).ok();
    let object: Value = serde_json::from_str(&out).expect("an object");
    let ids = object[field].as_array().expect("ids").iter().map(|id| id.as_u64().expect("an id") as usize);
    let mut units: Vec<char> = texts.concat().chars().collect();
    units.sort_unstable();
    units.dedup();
    let ended = ids.take_while(|id| reserved < 2 || *id != 1);
    ended.map(|id| id.checked_sub(reserved).map_or('\u{fffd}', |at| units[at])).collect()
}

fn generated(place: &Place, prompt: &str, more: &[&str]) -> String {
    let out = place.nnc(&[&["generate", "main.nn", "--prompt", prompt], more].concat()).ok();
    out.strip_suffix('\n').expect("a line").to_string()
}

#[test]
fn a_text_goes_on_as_the_library_says() {
    let place = characters();
    place.nnc(&["train", "main.nn", "--threads", "1"]).ok();
    for prompt in ["the cat ", "dog the ", "a dög? a"] {
        let row = serde_json::json!({ "text": prompt });
        let likeliest = predicted(&place, &row, "likeliest", &ROWS, 1);
        let short = ["--max-tokens", "10"];
        assert_eq!(likeliest.chars().count(), 10);
        for way in [&["--greedy"][..], &["--temperature", "0"], &["--top-k", "1"], &["--top-p", "0.0001"]] {
            assert_eq!(generated(&place, prompt, &[&short, way].concat()), likeliest, "{prompt} {way:?}");
        }
        let best = predicted(&place, &row, "best", &ROWS, 1);
        assert_eq!(generated(&place, prompt, &["--max-tokens", "10", "--beams", "3"]), best, "{prompt}");
    }
    let drawn = |seed: &str| generated(&place, "the", &["--temperature", "3", "--seed", seed, "--max-tokens", "40"]);
    assert_eq!(drawn("1"), drawn("1"));
    assert_ne!(drawn("1"), drawn("2"));
    let out = place.nnc(&["generate", "main.nn", "--prompt", "the", "--greedy", "--message-format", "json"]);
    assert_eq!(out.json()[0]["text"].as_str().map(|t| t.chars().count()), Some(200));
    assert_eq!(generated(&place, "the", &["--max-tokens", "0"]), "");
}

#[test]
fn an_answer_to_a_source_text_ends() {
    let pairs = [("abc", "cba"), ("bcd", "dcb"), ("dab", "bad"), ("ca", "ac")];
    let rows = pairs.map(|(s, t)| serde_json::json!({ "source": s, "target": t }).to_string());
    let place = place(PAIRS, &rows);
    place.nnc(&["train", "main.nn", "--threads", "1"]).ok();
    let targets = pairs.map(|(_, target)| target);
    for (source, target) in pairs {
        let row = serde_json::json!({ "source": source, "target": target });
        for (field, way) in [("likeliest", &["--greedy"][..]), ("best", &["--beams", "3"])] {
            let expected = predicted(&place, &row, field, &targets, 2);
            let found = generated(&place, source, &[&["--max-tokens", "12"], way].concat());
            assert_eq!(found, expected, "{source} {field}");
            assert_eq!(found, target, "it has learned this pair");
        }
    }
}

/// Behind a full context of six tokens the net goes on from the last three of them and the one that had no place, as from a
/// prompt; a longer prompt is read in the same way.
#[test]
fn a_full_context_begins_again_with_its_last_half() {
    let place = characters();
    place.edit("  rnn = Gru(12)\n", "  places = LearnedPositions(6)\n  rnn = Gru(12)\n");
    place.edit("head(rnn.next(embed(token)))", "head(rnn.next(places.next(embed(token), at)))");
    place.edit("head(rnn(embed(t)).all)", "head(rnn(places(embed(t))).all)");
    place.edit(
        "predict (text) { report likeliest: greedy(net, text, 10), best: beam_search(net, text, 10, beams: 3) }",
        "",
    );
    place.edit("text: i32[8] = characters(raw.text)", "text: i32[6] = characters(raw.text)");
    place.write(
        "d.jsonl",
        ROWS.map(|row| serde_json::json!({ "text": row.chars().take(6).collect::<String>() }).to_string()).join("\n"),
    );
    place.nnc(&["train", "main.nn", "--threads", "1"]).ok();
    for way in [&["--greedy"][..], &["--beams", "1"]] {
        let on = |prompt: &str, tokens: &str| generated(&place, prompt, &[&["--max-tokens", tokens], way].concat());
        // Positions 0 to 5 give four tokens; the fifth has no place, nor has then the eighth.
        let long = on("the", "10");
        let text: Vec<char> = format!("the{long}").chars().collect();
        let of = |range: std::ops::Range<usize>| text[range].iter().collect::<String>();
        assert_eq!(long.chars().count(), 10);
        assert_eq!(on("the", "4"), of(3..7));
        assert_eq!(on(&of(3..7), "3"), of(7..10), "{long}");
        assert_eq!(on(&of(6..10), "3"), of(10..13), "{long}");
        assert_eq!(on("cat the", "3"), on(" the", "3"));
    }
    assert_eq!(generated(&place, "the", &["--max-tokens", "10", "--beams", "2"]).chars().count(), 10);
    let said = place.nnc(&["generate", "main.nn", "--prompt", "the", "--max-tokens", "5"]).code(0).stderr;
    assert!(
        said.contains("note: the context of 6 tokens was full; from there on the model saw the last 3 or more"),
        "{said}"
    );
    let said = place.nnc(&["generate", "main.nn", "--prompt", "the", "--max-tokens", "4"]).code(0).stderr;
    assert!(!said.contains("context"), "{said}");
}

/// Text is there before the command ends, which an interrupt brings about.
#[test]
fn text_comes_as_it_goes() {
    let place = characters();
    let args = ["generate", "main.nn", "--untrained", "--prompt", "the", "--max-tokens", "1000000000"];
    let mut child = place.start(&args);
    let mut first = [0; 64];
    child.stdout.as_mut().expect("piped").read_exact(&mut first).expect("text");
    interrupt(&child);
    finish(child).code(130);
}

fn failing(place: &Place, args: &[&str]) -> Vec<String> {
    place.nnc(&[args, &["--message-format", "json"]].concat()).code(3).codes()
}

#[test]
fn what_cannot_be_generated_is_refused() {
    let place = characters();
    let generate =
        |place: &Place, more: &[&str]| failing(place, &[&["generate", "main.nn", "--untrained"], more].concat());
    assert_eq!(failing(&place, &["generate", "main.nn", "--prompt", "a"]), ["E0813"]);
    assert_eq!(generate(&place, &["--prompt", ""]), ["E0822"]);
    place.nnc(&["generate", "main.nn", "--prompt", "a", "--top-p", "0"]).code(2);
    place.nnc(&["generate", "main.nn", "--prompt", "a", "--greedy", "--temperature", "1"]).code(2);
    place.edit("  rnn = Gru(12)\n", "  rnn = Gru(12)\n  places = LearnedPositions(5)\n");
    place.edit("head(rnn.next(embed(token)))", "head(rnn.next(places.next(embed(token), at)))");
    place.edit(
        "predict (text) { report likeliest: greedy(net, text, 10), best: beam_search(net, text, 10, beams: 3) }",
        "",
    );
    assert_eq!(generated(&place, "abc", &["--untrained", "--max-tokens", "3", "--greedy"]).chars().count(), 3);
    place.edit("LearnedPositions(5)", "LearnedPositions(1)");
    assert_eq!(generate(&place, &["--prompt", "abc", "--max-tokens", "4"]), ["E0823"]);
    place.edit("fn next(", "fn after(");
    assert_eq!(generate(&place, &["--prompt", "a"]), ["E0819"]);
    let numbers = CHARACTERS.replace("i32[8] = characters(raw.text)", "i32[3]");
    place.write("main.nn", numbers);
    place.write("d.jsonl", "{\"text\": [1, 2, 3]}");
    assert_eq!(generate(&place, &["--prompt", "a"]), ["E0821"]);
}

/// A layer that reads a text with `start(source, mask)` alone; a prompt that leaves nothing of a slice is an error.
#[test]
fn a_prompt_too_short_for_a_slice_is_refused() {
    let program = r#"data D from jsonl("d.jsonl") {
  text: i32[8] = characters(raw.text)
  split train
}
model Reader() {
  embed = Embedding(40, 40)
  state sum: f32[B, 40] = 0.0
  fn forward(t: i32[B, T]) -> f32[B, T, 40] { embed(t) }
  fn start(source: i32[B, S], mask: bool[B, S]) -> i32[B] {
    sum = max(embed(source[:, 1:]) - embed(source[:, :-1]), axis: 1)
    source[:, 0]
  }
  fn next(token: i32[B], at: i32) -> f32[B, 40] { sum + embed(token) }
}
train {
  let net = Reader()
  optimizer = sgd(lr: 0.1)
  epochs = 1
  step (text) in D.train |> batch(4) { minimize cross_entropy(net(text), text) }
}
"#;
    let place = place(program, &ROWS.map(|row| serde_json::json!({ "text": row }).to_string()));
    let args = |prompt| ["generate", "main.nn", "--untrained", "--prompt", prompt, "--max-tokens", "3"];
    place.nnc(&args("the")).ok();
    assert_eq!(failing(&place, &args("t")), ["E0824"]);
    let said = place.nnc(&args("t")).code(3).stderr;
    assert!(said.contains("the axis `S - 1` would be empty") && said.contains("S = 1"), "{said}");
}

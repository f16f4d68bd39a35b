//! The examples on texts and sequences, trained for a few steps on data of the same form as theirs.

use crate::harness::{Place, repository};
use std::fmt::Write;

/// A folder with an example as `main.nn` and data files beside it.
fn place(example: &str, files: &[(&str, String)]) -> Place {
    let place = Place::new();
    let program = std::fs::read_to_string(format!("{}/examples/{example}.nn", repository())).expect("an example");
    place.write("main.nn", program);
    for (name, text) in files {
        std::fs::create_dir_all(place.path(name).parent().expect("a folder")).expect("made");
        place.write(name, text);
    }
    place
}

/// What the run reports, in the order of its events. The program's other commands work too.
fn train(place: &Place, settings: &[&str]) -> Vec<serde_json::Value> {
    let run = |args: &[&str]| {
        let settings = settings.iter().flat_map(|s| ["--set", s]);
        place.nnc(&args.iter().copied().chain(settings).collect::<Vec<_>>())
    };
    assert!(run(&["summary", "main.nn"]).ok().contains("trainable parameters"));
    assert!(!run(&["ir", "main.nn", "--phase", "step", "--stage", "asm"]).ok().is_empty());
    run(&["train", "main.nn", "--threads", "2", "--message-format", "json"]).code(0).json()
}

fn metric(events: &[serde_json::Value], phase: &str, name: &str) -> f64 {
    let event = events.iter().rev().find(|e| e["phase"] == phase || e[phase].is_object()).expect("the phase ran");
    let metrics = if event["metrics"].is_object() { &event["metrics"] } else { &event[phase] };
    metrics[name].as_f64().unwrap_or_else(|| panic!("no {name}: {event}"))
}

/// The same numbers with one thread and with machine code of the other emitter.
fn same_bits(place: &Place, settings: &[&str], events: &[serde_json::Value]) {
    let settings = settings.iter().flat_map(|s| ["--set", s]);
    let args = ["train", "main.nn", "--threads", "1", "--code", "portable", "--message-format", "json"];
    let other = place.nnc(&args.into_iter().chain(settings).collect::<Vec<_>>()).code(0).json();
    let scores = |events: &[serde_json::Value]| -> Vec<serde_json::Value> {
        events.iter().map(|e| [&e["train"], &e["validate"], &e["metrics"]].map(Clone::clone).into()).collect()
    };
    assert_eq!(scores(&other), scores(events));
}

/// Two speakers of two channels each: one rises, one falls, in 2 to 9 steps.
fn speakers() -> String {
    let mut lines = String::new();
    for row in 0..48 {
        let (speaker, length) = (row % 2, 2 + row % 8);
        let sign = if speaker == 0 { 0.3 } else { -0.3 };
        let series: Vec<[f64; 2]> = (0..length).map(|t| [sign * f64::from(t + 1), 0.1 * f64::from(row % 5)]).collect();
        writeln!(lines, "{{\"series\": {series:?}, \"speaker\": {speaker}}}").expect("text");
    }
    lines
}

#[test]
fn stacked_lstm_tells_rising_from_falling() {
    let place = place("lstm", &[("data/vowels/train.jsonl", speakers()), ("data/vowels/test.jsonl", speakers())]);
    let settings = ["channels=2", "classes=2", "units=8", "epochs=12", "lr=0.01"];
    let events = train(&place, &settings);
    assert!(metric(&events, "test", "accuracy") > 0.9, "{events:?}");
    same_bits(&place, &settings, &events);
}

#[test]
fn gpt_learns_what_follows() {
    let place = place("gpt", &[("data/shakespeare.txt", "to be or not to be; ".repeat(200))]);
    let settings = ["context=8", "width=16", "depth=2", "heads=2", "steps=120", "lr=0.01", "warmup=10"];
    let events = train(&place, &settings);
    // 11 characters: log(11) = 2.4 at the start. From eight of them the next follows, but not from the first few.
    assert!(metric(&events, "validate", "loss") < 0.8, "{events:?}");
    same_bits(&place, &settings, &events);
}

/// Stories of 3 to 20 words whose topic one word tells.
fn stories() -> String {
    let mut lines = String::from("topic\ttext\n");
    for row in 0..120 {
        let (topic, word) = [("grain", "wheat"), ("ship", "port"), ("trade", "tariff")][row % 3];
        let filler = "the company said it would sell more of its shares in the next year than it had ever done ";
        let before: Vec<&str> = filler.split(' ').take(row % 12 + 2).collect();
        let after: Vec<&str> = filler.split(' ').skip(row % 7 + 10).collect();
        writeln!(lines, "{topic}\t{} {word} {}", before.join(" "), after.join(" ")).expect("text");
    }
    lines
}

#[test]
fn topics_of_stories() {
    let place = place("reuters", &[("data/reuters/train.tsv", stories()), ("data/reuters/test.tsv", stories())]);
    let settings = ["width=8", "epochs=15", "lr=0.02"];
    let events = train(&place, &settings);
    assert!(metric(&events, "test", "accuracy") > 0.9, "{events:?}");
    same_bits(&place, &settings, &events);
}

/// Words of three letters, each of which has its own sound; `x` has two, `e` at the end none.
fn dictionary() -> String {
    let mut lines = String::from("spelling\tphonemes\n");
    let letters = [("a", "AH0"), ("b", "B"), ("d", "D"), ("o", "OW1"), ("x", "K S"), ("t", "T")];
    for row in 0..216 {
        let [a, b, c] = [row / 36, row / 6 % 6, row % 6].map(|i| letters[i]);
        let silent = if row % 4 == 0 { " e" } else { "" };
        writeln!(lines, "{} {} {}{silent}\t{} {} {}", a.0, b.0, c.0, a.1, b.1, c.1).expect("text");
    }
    lines
}

#[test]
fn phonemes_of_spellings() {
    let place = place("phonemes", &[("data/cmudict/words.tsv", dictionary())]);
    let settings = ["units=8", "epochs=40", "lr=0.02", "warmup=10"];
    let events = train(&place, &settings);
    assert!(metric(&events, "test", "exact") > 0.9, "{events:?}");
    same_bits(&place, &settings, &events);
}

/// Sentences of two to five words, each of which has one translation.
fn sentences() -> String {
    let words = [("light", "luz"), ("water", "agua"), ("earth", "tierra"), ("day", "dia"), ("night", "noche")];
    let mut lines = String::from("reference\tenglish\tspanish\n");
    for row in 0..200_usize {
        let picked: Vec<(&str, &str)> = (0..2 + row % 4).map(|i| words[row / 5_usize.pow(i as u32) % 5]).collect();
        let side =
            |of: fn(&(&'static str, &'static str)) -> &'static str| picked.iter().map(of).collect::<Vec<_>>().join(" ");
        writeln!(lines, "{row}\t{}\t{}", side(|w| w.0), side(|w| w.1)).expect("text");
    }
    lines
}

#[test]
fn sentences_are_translated() {
    let place = place("translate", &[("data/verses/pairs.tsv", sentences())]);
    let args = ["tokenizer", "train", "data/verses/pairs.tsv", "--vocab", "300", "--end", "</s>"];
    place.nnc(&[&args[..], &["--out", "data/verses/tokenizer.json"]].concat()).code(0);
    let settings = ["width=32", "depth=1", "epochs=50", "lr=0.005", "warmup=20"];
    let events = train(&place, &settings);
    assert!(metric(&events, "validate", "loss") < 0.7, "{events:?}");
    same_bits(&place, &settings, &events);
    let answers = place.nnc(&["predict", "main.nn", "--data", "data/verses/pairs.tsv"]).ok();
    assert_eq!(answers.lines().count(), 200, "{answers}");
}

/// Pairs over four words of each language: with the special tokens the eleven ids of the small checkpoint.
fn eleven_ids() -> String {
    let words = [("sun", "sol"), ("sea", "mar"), ("bread", "pan"), ("peace", "paz")];
    let mut lines = String::from("reference\tenglish\tspanish\n");
    for row in 0..120_usize {
        let picked: Vec<(&str, &str)> = (0..1 + row % 3).map(|i| words[row / 3_usize.pow(i as u32) % 4]).collect();
        let side = |of: fn(&(&'static str, &'static str)) -> &'static str| picked.iter().map(of).collect::<Vec<_>>();
        writeln!(lines, "{row}\t{}\t{}", side(|w| w.0).join(" "), side(|w| w.1).join(" ")).expect("text");
    }
    lines
}

/// With a checkpoint that transformers saved, small: loaded, asked, trained, and exported under the same names.
#[test]
fn t5_goes_on_from_a_checkpoint() {
    let place = place("t5_small", &[("data/verses/pairs.tsv", eleven_ids())]);
    let checkpoint = format!("{}/tests/weights/fixtures/t5.safetensors", repository());
    std::fs::create_dir_all(place.path("data/t5-small")).expect("made");
    std::fs::copy(checkpoint, place.path("data/t5-small/model.safetensors")).expect("copied");
    let args = ["tokenizer", "train", "data/verses/pairs.tsv", "--kind", "word", "--vocab", "11", "--end", "</s>"];
    let special = ["<pad>", "</s>", "[UNK]"].iter().flat_map(|s| ["--special", s]);
    let all: Vec<&str> = args.into_iter().chain(special).chain(["--out", "data/t5-small/tokenizer.json"]).collect();
    place.nnc(&all).code(0);
    let geometry = ["vocab=11", "width=6", "depth=2", "heads=2", "head_width=4", "hidden=10"];
    let size = geometry.iter().flat_map(|s| ["--set", s]);
    let prompt = ["generate", "main.nn", "--prompt", "sun sea", "--beams", "2", "--max-tokens", "4"];
    let before = place.nnc(&prompt.into_iter().chain(size).collect::<Vec<_>>()).code(0);
    assert!(before.stderr.contains("with the weights of data/t5-small"), "{}", before.stderr);

    let settings = [&geometry[..], &["lr=0.02", "warmup=10", "epochs=12"]].concat();
    let events = train(&place, &settings);
    // Begins at 2.6; the frequencies of the words alone would give 1.6.
    assert!(metric(&events, "validate", "loss") < 1.55, "{events:?}");
    let answers = place.nnc(&["predict", "main.nn", "--data", "data/verses/pairs.tsv"]).ok();
    assert_eq!(answers.lines().count(), 120, "{answers}");
    place.nnc(&["export", "main.nn", "--out", "model.safetensors"]).code(0);
    let names = |path: &str| -> Vec<String> {
        let tensors = nnc::train::checkpoint::Checkpoint::tensors(&place.path(path)).expect("readable");
        tensors.into_iter().map(|t| format!("{} {}", t.name, t.ty)).collect()
    };
    assert_eq!(names("model.safetensors"), names("data/t5-small/model.safetensors"));
}

/// Headlines of three to five words out of nine, with a topic that the first word tells.
fn headlines() -> String {
    let mut lines = String::from("topic\ttext\n");
    for row in 0..240_usize {
        let (topic, word) = [("grain", "wheat"), ("ship", "port"), ("trade", "tariff")][row % 3];
        let others = ["it", "said", "would", "more", "shares", "year"];
        let behind: Vec<&str> = (0..2 + row % 4).map(|i| others[row / 3 / 6_usize.pow(i as u32) % 6]).collect();
        writeln!(lines, "{topic}\t{word} {}", behind.join(" ")).expect("text");
    }
    lines
}

/// With BERT's shards that transformers saved, small: 13 ids, five positions, position ids, a pooler that nothing uses.
#[test]
fn bert_is_fine_tuned() {
    let data = [("data/reuters/train.tsv", headlines()), ("data/reuters/test.tsv", headlines())];
    let place = place("reuters_minilm", &data);
    std::fs::create_dir_all(place.path("data/minilm")).expect("made");
    for file in std::fs::read_dir(format!("{}/tests/weights/fixtures/bert", repository())).expect("shards") {
        let file = file.expect("readable");
        std::fs::copy(file.path(), place.path("data/minilm").join(file.file_name())).expect("copied");
    }
    let texts: Vec<&str> = data[0].1.lines().skip(1).filter_map(|line| line.split('\t').nth(1)).collect();
    place.write("headlines.txt", texts.join("\n"));
    let special = "--begin [CLS] --end [SEP] --special [PAD] --special [UNK] --special [CLS] --special [SEP]";
    let command =
        format!("tokenizer train headlines.txt --kind word --vocab 13 {special} --out data/minilm/tokenizer.json");
    place.nnc(&command.split(' ').collect::<Vec<_>>()).code(0);

    let geometry = ["longest=5", "multiple=1", "width=6", "depth=2", "heads=2", "hidden=8", "positions=5"];
    let settings = [&geometry[..], &["lr=0.02", "drop=0.03", "warmup=10", "epochs=25"]].concat();
    let events = train(&place, &settings);
    assert!(metric(&events, "test", "accuracy") > 0.9, "{events:?}");
    same_bits(&place, &settings, &events);
    let answers = place.nnc(&["predict", "main.nn", "--data", "data/reuters/test.tsv"]).ok();
    assert_eq!(answers.lines().count(), 240, "{answers}");
}

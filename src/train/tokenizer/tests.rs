//! Ids and texts against those of Hugging Face's own library, by the fixtures of `tests/tokenizers/generate.py`.

use super::learn::{Kind, Recipe, learn};
use super::*;
use serde_json::Value;
use std::path::PathBuf;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/tokenizers")
}

/// Each tokenizer of the fixtures, with what Python makes of the texts.
fn fixtures() -> Vec<(String, Tokenizer, Value)> {
    let fixture = |name: &str| {
        let text = std::fs::read_to_string(folder().join(format!("fixtures/{name}.ids"))).expect("readable");
        let tokenizer = Tokenizer::open(&folder().join(format!("fixtures/{name}.json"))).expect("a tokenizer");
        (name.to_string(), tokenizer, serde_json::from_str(&text).expect("JSON"))
    };
    ["bpe", "unigram", "wordpiece", "nnc_bpe", "nnc_unigram", "nnc_wordpiece", "nnc_word"].map(fixture).into()
}

fn ids(value: &Value) -> Vec<u32> {
    serde_json::from_value(value.clone()).expect("ids")
}

#[test]
fn ids_and_texts_are_those_of_python() {
    for (name, tokenizer, expected) in fixtures() {
        assert_eq!(tokenizer.size() as u64, expected["vocab"].as_u64().expect("a number"), "{name}");
        let cases = expected["cases"].as_array().expect("a list");
        assert!(cases.len() >= 19);
        for case in cases {
            let text = case["text"].as_str().expect("a text");
            let encoded = tokenizer.encode(text, true, None).expect("ids");
            assert_eq!(encoded, ids(&case["ids"]), "{name}: {text:?}");
            assert_eq!(tokenizer.encode(text, false, None).expect("ids"), ids(&case["plain"]), "{name}: {text:?}");
            assert_eq!(tokenizer.decode(&encoded, false), case["decoded"], "{name}: {text:?}");
            assert_eq!(tokenizer.decode(&encoded, true), case["decoded_special"], "{name}: {text:?}");
        }
    }
}

/// Where a file puts tokens around a text, the last of an empty one ends it, unless it only begins it.
#[test]
fn the_token_that_ends_a_text() {
    for (name, tokenizer, expected) in fixtures() {
        let cases = expected["cases"].as_array().expect("a list");
        let empty = cases.iter().find(|c| c["text"] == "").expect("an empty text");
        assert_eq!(tokenizer.end(), ids(&empty["ids"]).last().copied(), "{name}");
    }
    let text = std::fs::read_to_string(folder().join("fixtures/nnc_wordpiece.json")).expect("readable");
    let mut file: Value = serde_json::from_str(&text).expect("JSON");
    file["post_processor"]["single"].as_array_mut().expect("a template").pop();
    let begins = Tokenizer::parse(file.to_string().as_bytes()).expect("a tokenizer");
    assert_eq!((begins.encode("", true, None), begins.end()), (Ok(vec![2]), None));
}

/// A limit keeps the tokens around the text, and as many of its own as fit between them.
#[test]
fn rows_are_cut_between_their_special_tokens() {
    for (name, tokenizer, expected) in fixtures() {
        for case in expected["cases"].as_array().expect("a list") {
            let text = case["text"].as_str().expect("a text");
            let (whole, plain) = (ids(&case["ids"]), ids(&case["plain"]));
            let around = whole.len() - plain.len();
            let before = usize::from(around == 2);
            for limit in 1..whole.len() + 2 {
                let cut = tokenizer.encode(text, true, Some(limit)).expect("ids");
                assert_eq!(cut.len(), whole.len().min(limit), "{name}: {text:?}");
                if limit >= around {
                    let kept = plain.len().min(limit - around);
                    assert_eq!(cut[before..before + kept], plain[..kept]);
                    assert_eq!(cut[before + kept..], whole[whole.len() - (around - before)..]);
                }
                let cut = tokenizer.encode(text, false, Some(limit)).expect("ids");
                assert_eq!(cut, plain[..plain.len().min(limit)]);
            }
        }
    }
}

/// Printed one by one, ids give the text that they give together, and no half of a character.
#[test]
fn ids_that_come_one_by_one_give_the_same_text() {
    for (name, tokenizer, expected) in fixtures() {
        let cases = expected["cases"].as_array().expect("a list");
        let all: Vec<u32> = cases.iter().flat_map(|c| ids(&c["plain"])).collect();
        for ids in cases.iter().map(|c| ids(&c["ids"])).chain([all]) {
            let (mut printer, mut text) = (tokenizer.printer(), String::new());
            for &id in &ids {
                text += &printer.next(id);
            }
            text += &printer.finish();
            assert_eq!(text, tokenizer.decode(&ids, false), "{name}");
        }
    }
}

#[test]
fn special_tokens_are_known_by_name() {
    let bert = &fixtures()[2].1;
    let places: Vec<Option<u32>> = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[NO]"].iter().map(|t| bert.id(t)).collect();
    assert!(places[..4].iter().all(Option::is_some) && places[4].is_none(), "{places:?}");
    assert_eq!(bert.token(places[2].expect("an id")).as_deref(), Some("[CLS]"));
}

#[test]
fn files_that_are_no_tokenizers() {
    let bpe = std::fs::read_to_string(folder().join("fixtures/bpe.json")).expect("readable");
    let unknown = bpe.replace("\"type\":\"BPE\"", "\"type\":\"Sparrow\"");
    assert_ne!(bpe, unknown);
    for text in ["", "{}", "[1]", "\u{0}", &bpe[..bpe.len() / 2], &unknown] {
        assert!(Tokenizer::parse(text.as_bytes()).is_err(), "{}", &text[..text.len().min(40)]);
    }
    assert!(Tokenizer::parse(b"\xff\xfe").is_err());
}

fn recipe(kind: Kind, vocab: usize) -> Recipe {
    let special = kind.special().iter().map(|t| t.to_string()).collect();
    Recipe { kind, vocab, special, begin: None, end: None, lowercase: false, min_count: 1 }
}

/// The files of the fixtures come out again, so that Python's ids are those of what is learned today. The scores of a
/// `Unigram` are sums of logarithms, which differ in their last bits from system to system.
#[test]
fn the_same_texts_give_the_same_tokenizer() {
    let end = |token: &str| Some(token.to_string());
    let recipes = [
        ("bpe", Recipe { end: end("</s>"), ..recipe(Kind::Bpe, 500) }),
        (
            "wordpiece",
            Recipe { begin: end("[CLS]"), end: end("[SEP]"), lowercase: true, ..recipe(Kind::Wordpiece, 700) },
        ),
        ("unigram", Recipe { end: end("</s>"), ..recipe(Kind::Unigram, 420) }),
        ("word", recipe(Kind::Word, 100)),
    ];
    for (name, recipe) in recipes {
        let learned = learn(&recipe, &[folder().join("corpus.txt")]).expect("a tokenizer");
        let again = learn(&recipe, &[folder().join("corpus.txt")]).expect("a tokenizer");
        assert!(learned == again, "{name}");
        let fixture = std::fs::read(folder().join(format!("fixtures/nnc_{name}.json"))).expect("readable");
        let [learned, fixture] = [learned, fixture].map(|b| serde_json::from_slice::<Value>(&b).expect("JSON"));
        if name != "unigram" {
            assert_eq!(learned, fixture, "{name}");
            continue;
        }
        let pieces = |file: &Value| file["model"]["vocab"].as_array().expect("pieces").clone();
        for (a, b) in pieces(&learned).iter().zip(&pieces(&fixture)) {
            assert_eq!(a[0], b[0]);
            assert!((a[1].as_f64().expect("a score") - b[1].as_f64().expect("a score")).abs() < 1e-9);
        }
    }
}

/// Texts that are learned from in a folder of their own.
fn learned(kind: Kind, vocab: usize, text: &[u8]) -> Result<Tokenizer, String> {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("text");
    std::fs::write(&path, text).expect("writable");
    let bytes = learn(&recipe(kind, vocab), &[path]).map_err(|fault| format!("{fault:?}"))?;
    Tokenizer::parse(&bytes)
}

#[test]
fn small_texts_teach_little_and_harm_nothing() {
    let kinds = [Kind::Bpe, Kind::Wordpiece, Kind::Unigram, Kind::Word];
    for kind in kinds {
        for text in ["a", "aaaaaaaa", "ab\n", "é", "☃ ☃", "a b a b", "e\u{301}", "</s> [UNK] a"] {
            let tokenizer = learned(kind, 300, text.as_bytes()).unwrap_or_else(|e| panic!("{kind:?} {text:?}: {e}"));
            let ids = tokenizer.encode(text, true, None).expect("ids");
            assert!(ids.iter().all(|&id| (id as usize) < tokenizer.size()), "{kind:?} {text:?}");
        }
        for text in ["", " ", "\n\n"].iter().filter(|t| kind != Kind::Bpe || t.is_empty()) {
            assert!(learned(kind, 300, text.as_bytes()).is_err(), "{kind:?} {text:?}");
        }
        assert!(learned(kind, 2, b"many words").err().unwrap_or_default().contains("too few"), "{kind:?}");
        assert!(learned(kind, 300, b"ab\xff").err().unwrap_or_default().contains("byte 2 is not UTF-8"), "{kind:?}");
    }
}

/// A special token within the texts is no word to learn from.
#[test]
fn special_tokens_are_not_learned_from() {
    let text = "</s> ab".repeat(100);
    let tokenizer = learned(Kind::Bpe, 400, text.as_bytes()).expect("a tokenizer");
    assert!(tokenizer.id("</").is_none() && tokenizer.id("ab").is_some());
    assert_eq!(tokenizer.encode("</s>", false, None).expect("ids"), [1]);
}

/// What has to occur often enough is not learned from less.
#[test]
fn rare_pairs_and_words_are_left_out() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("text");
    std::fs::write(&path, "ab ab ab cd").expect("writable");
    for kind in [Kind::Bpe, Kind::Wordpiece, Kind::Word] {
        let recipe = Recipe { min_count: 2, ..recipe(kind, 300) };
        let bytes = learn(&recipe, std::slice::from_ref(&path)).expect("a tokenizer");
        let tokenizer = Tokenizer::parse(&bytes).expect("a tokenizer");
        assert!(tokenizer.id("ab").is_some() && tokenizer.id("cd").is_none(), "{kind:?}");
    }
}

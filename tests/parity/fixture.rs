//! What generate.py wrote.

use serde_json::Value;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// A column or a parameter, row-major.
#[derive(Clone)]
pub struct Tensor {
    pub shape: Vec<usize>,
    pub data: Vec<f64>,
}

#[derive(Clone)]
pub struct Fixture {
    pub name: String,
    /// Its optimizer is written OPTIMIZER.
    pub program: String,
    pub optimizer: String,
    pub columns: BTreeMap<String, Tensor>,
    /// Parameters and buffers before the first step.
    pub start: BTreeMap<String, Tensor>,
    pub forward: Vec<f64>,
    pub grads: BTreeMap<String, Vec<f64>>,
    pub losses: Vec<f64>,
    pub after: BTreeMap<String, Vec<f64>>,
    /// Another optimizer, and the losses of its steps from the same start.
    pub tuning: Option<(String, Vec<f64>)>,
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/parity/fixtures")
}

/// Of every fixture, sorted.
pub fn names() -> Vec<String> {
    let entries = std::fs::read_dir(folder()).expect("the fixtures");
    let stem = |e: std::fs::DirEntry| e.path().file_stem().unwrap().to_string_lossy().into_owned();
    let mut names: Vec<String> = entries.map(|e| stem(e.unwrap())).collect();
    names.sort();
    names
}

impl Fixture {
    pub fn load(name: &str) -> Fixture {
        let text = std::fs::read_to_string(folder().join(format!("{name}.json"))).expect("a fixture");
        let json: Value = serde_json::from_str(&text).expect("JSON");
        Fixture {
            name: name.into(),
            program: string(&json["program"]),
            optimizer: string(&json["optimizer"]),
            columns: map(&json["columns"], tensor),
            start: map(&json["start"], tensor),
            forward: numbers(&json["forward"]["data"]),
            grads: map(&json["grads"], numbers),
            losses: numbers(&json["losses"]),
            after: map(&json["after"], numbers),
            tuning: json.get("tuning").map(|t| (string(&t["optimizer"]), numbers(&t["losses"]))),
        }
    }

    /// The same without the setting that clips gradients: PyTorch's gradient is the one before.
    pub fn unclipped(&self) -> Fixture {
        let kept = self.program.lines().filter(|line| !line.contains("clip_norm"));
        Fixture { program: kept.collect::<Vec<_>>().join("\n"), ..self.clone() }
    }
}

fn string(json: &Value) -> String {
    json.as_str().expect("a string").into()
}

pub fn map<T>(json: &Value, of: impl Fn(&Value) -> T) -> BTreeMap<String, T> {
    json.as_object().expect("an object").iter().map(|(k, v)| (k.clone(), of(v))).collect()
}

pub fn tensor(json: &Value) -> Tensor {
    let shape = numbers(&json["shape"]).iter().map(|n| *n as usize).collect();
    Tensor { shape, data: numbers(&json["data"]) }
}

/// All numbers of nested arrays in order.
pub fn numbers(json: &Value) -> Vec<f64> {
    match json {
        Value::Array(items) => items.iter().flat_map(numbers).collect(),
        number => vec![number.as_f64().unwrap_or_else(|| panic!("{number} is no number"))],
    }
}

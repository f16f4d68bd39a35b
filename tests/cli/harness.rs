//! Runs the binary in temporary folders.

use serde_json::Value;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use tempfile::TempDir;

pub fn command() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_nnc"));
    command.env("NO_COLOR", "1").stdin(Stdio::null());
    command
}

pub fn repository() -> &'static str {
    env!("CARGO_MANIFEST_DIR")
}

/// The programs under `examples/`.
pub fn example_files() -> Vec<String> {
    let folder = std::fs::read_dir(Path::new(repository()).join("examples")).expect("examples");
    let paths = folder.map(|f| f.expect("readable").path().display().to_string());
    let found: Vec<String> = paths.filter(|p| p.ends_with(".nn")).collect();
    assert!(found.len() >= 4, "{found:?}");
    found
}

/// How a command ended and what it said.
#[derive(Debug)]
pub struct Ran {
    pub status: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

impl Ran {
    fn new(output: &Output) -> Ran {
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).expect("text");
        let ran = Ran { status: output.status.code(), stdout: text(&output.stdout), stderr: text(&output.stderr) };
        assert!(!ran.stderr.contains("panicked"), "{}", ran.stderr);
        ran
    }

    /// Standard output of a command that went well.
    #[track_caller]
    pub fn ok(self) -> String {
        self.code(0).stdout
    }

    #[track_caller]
    pub fn code(self, expected: i32) -> Ran {
        assert_eq!(self.status, Some(expected), "{}\n{}", self.stdout, self.stderr);
        self
    }

    /// Every line of standard output is an object with a `reason`.
    #[track_caller]
    pub fn json(&self) -> Vec<Value> {
        let parse = |line: &str| -> Value { serde_json::from_str(line).unwrap_or_else(|e| panic!("{e}: {line}")) };
        let lines: Vec<Value> = self.stdout.lines().map(parse).collect();
        assert!(lines.iter().all(|l| l["reason"].is_string()), "{}", self.stdout);
        lines
    }

    /// The codes of the diagnostics of `--message-format json`.
    #[track_caller]
    pub fn codes(&self) -> Vec<String> {
        let lines = self.json().into_iter().filter(|l| l["reason"] == "diagnostic");
        lines.map(|l| l["code"].as_str().expect("a code").to_string()).collect()
    }
}

pub fn nnc(args: &[&str]) -> Ran {
    Ran::new(&command().args(args).output().expect("the binary runs"))
}

/// A temporary folder to run commands in.
pub struct Place {
    folder: TempDir,
}

impl Place {
    pub fn new() -> Place {
        Place { folder: tempfile::tempdir().expect("a folder") }
    }

    /// With `main.nn` and its data, as `nnc new` makes them.
    pub fn with_digits() -> Place {
        let place = Place::new();
        place.nnc(&["new", "p"]).ok();
        for name in ["main.nn", "data"] {
            std::fs::rename(place.path("p").join(name), place.path(name)).expect("moved");
        }
        std::fs::remove_dir(place.path("p")).expect("empty");
        place
    }

    pub fn path(&self, name: &str) -> std::path::PathBuf {
        self.folder.path().join(name)
    }

    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = command();
        command.args(args).current_dir(self.folder.path()).env("NNC_CACHE", self.path("cache"));
        command
    }

    pub fn nnc(&self, args: &[&str]) -> Ran {
        Ran::new(&self.command(args).output().expect("the binary runs"))
    }

    pub fn start(&self, args: &[&str]) -> Child {
        let mut command = self.command(args);
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the binary starts")
    }

    pub fn write(&self, name: &str, text: impl AsRef<[u8]>) {
        std::fs::write(self.path(name), text).expect("writable");
    }

    pub fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.path(name)).expect("readable")
    }

    /// Changes `main.nn`.
    pub fn edit(&self, from: &str, to: &str) {
        let text = self.read("main.nn");
        assert!(text.contains(from), "{text}");
        self.write("main.nn", text.replace(from, to));
    }

    /// Names of everything in the folder, without subfolders, sorted.
    pub fn files(&self) -> Vec<String> {
        files(self.folder.path())
    }
}

/// Names in a folder, sorted.
pub fn files(folder: &Path) -> Vec<String> {
    let names = std::fs::read_dir(folder).expect("a folder").map(|f| f.expect("readable").file_name());
    let mut names: Vec<String> = names.map(|n| n.to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

pub fn finish(child: Child) -> Ran {
    Ran::new(&child.wait_with_output().expect("ends"))
}

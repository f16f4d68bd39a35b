//! One folder a run, under `runs/` where the command was started: `runs/mnist_cnn-3`.

use std::io;
use std::path::{Path, PathBuf};

const SETS: &str = "set.json";

#[derive(Default)]
pub struct RunFolder {
    pub path: PathBuf,
}

/// The name of a program's runs: `mnist_cnn` for `examples/mnist_cnn.nn`.
pub fn stem(program: &Path) -> String {
    program.file_stem().map_or_else(|| "run".into(), |s| s.to_string_lossy().into_owned())
}

impl RunFolder {
    /// Makes the next free folder for a program of this name.
    pub fn create(base: &Path, stem: &str) -> io::Result<RunFolder> {
        std::fs::create_dir_all(base)?;
        let mut number = 1 + numbers(base, stem).max().unwrap_or(0);
        loop {
            let path = base.join(format!("{stem}-{number}"));
            match std::fs::create_dir(&path) {
                Ok(()) => return Ok(RunFolder { path }),
                // Another run took it in between.
                Err(e) if e.kind() == io::ErrorKind::AlreadyExists => number += 1,
                Err(e) => return Err(e),
            }
        }
    }

    /// The given folder, or that of the program's latest run under `runs/`.
    pub fn of(given: Option<&Path>, program: &Path) -> Option<RunFolder> {
        let latest = || RunFolder::latest(Path::new("runs"), &stem(program));
        given.map(|path| RunFolder { path: path.into() }).or_else(latest)
    }

    /// The latest run of a program that has a checkpoint, if there is one.
    pub fn latest(base: &Path, stem: &str) -> Option<RunFolder> {
        let folder = |n: u64| RunFolder { path: base.join(format!("{stem}-{n}")) };
        let numbered = numbers(base, stem).filter(|n| folder(*n).kept().exists());
        numbered.max().map(folder)
    }

    /// Records the `--set` values of the run, so that a later command runs the same program.
    pub fn keep_sets(&self, sets: &[(String, String)]) -> io::Result<()> {
        super::checkpoint::replace(&self.path.join(SETS), serde_json::to_string(sets)?.as_bytes())
    }

    /// The recorded `--set` values; none where the run had none.
    pub fn sets(&self) -> Vec<(String, String)> {
        let text = std::fs::read_to_string(self.path.join(SETS)).unwrap_or_default();
        serde_json::from_str(&text).unwrap_or_default()
    }

    pub fn best(&self) -> PathBuf {
        self.path.join("best.safetensors")
    }

    pub fn last(&self) -> PathBuf {
        self.path.join("last.safetensors")
    }

    /// The checkpoint that `eval` and `predict` load: the best where one was kept.
    pub fn kept(&self) -> PathBuf {
        if self.best().exists() { self.best() } else { self.last() }
    }
}

fn numbers(base: &Path, stem: &str) -> impl Iterator<Item = u64> {
    let entries = std::fs::read_dir(base).into_iter().flatten().flatten();
    let names: Vec<String> = entries.map(|e| e.file_name().to_string_lossy().into_owned()).collect();
    let prefix = format!("{stem}-");
    names.into_iter().filter_map(move |n| n.strip_prefix(&prefix).and_then(|n| n.parse().ok()))
}

//! A program and its data in a folder of their own, run through the driver.

use nnc::diag::{Code, Diagnostic};
use nnc::driver::Session;
use nnc::driver::compile::MachineOptions;
use nnc::driver::run::{Run, Start};
use nnc::runtime::RunOptions;
use nnc::train::fit::Ended;
use serde_json::Value;
use std::cell::RefCell;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::Instant;
use tempfile::TempDir;

pub const MACHINE: MachineOptions = MachineOptions {
    threads: 1,
    code: None,
    profile: false,
    check_passes: false,
    run: RunOptions { poison: false, order: None },
};

pub struct Project {
    folder: Rc<TempDir>,
}

impl Project {
    /// The program with `csv` as its data `d.csv`.
    pub fn new(program: &str, csv: &str) -> Project {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("main.nn"), program).unwrap();
        std::fs::write(folder.path().join("d.csv"), csv).unwrap();
        Project { folder: Rc::new(folder) }
    }

    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// The program, without any error or warning.
    pub fn session(&self) -> Session {
        let session = Session::open(&self.path().join("main.nn"), &[]).unwrap();
        assert!(session.diagnostics.is_empty(), "{:#?}", session.diagnostics);
        session
    }

    /// Codes of the errors of the checker.
    pub fn errors(&self) -> Vec<Code> {
        let session = Session::open(&self.path().join("main.nn"), &[]).unwrap();
        session.diagnostics.iter().filter(|d| d.is_error()).map(|d| d.code).collect()
    }

    /// Trains in a new folder.
    pub fn fit(&self) -> Result<Fitted, Diagnostic> {
        self.fit_with(&MACHINE, Start::Fresh(self.path().join("runs")), &|_| false)
    }

    /// Trains until `stop` says so for the number of steps done.
    pub fn fit_with(
        &self,
        machine: &MachineOptions,
        start: Start,
        stop: &dyn Fn(u64) -> bool,
    ) -> Result<Fitted, Diagnostic> {
        let session = self.session();
        let mut run = Run::new(&session, None, machine, start)?;
        let (ended, _) = run.fit_until(Instant::now(), stop)?;
        let state = run.state().borrow();
        let weights = state.iter().map(|(name, _)| (name.to_string(), state.read(name).unwrap())).collect();
        Ok(Fitted { ended, weights, folder: run.folder().to_path_buf(), _project: self.folder.clone() })
    }

    /// The rows that `predict` prints for `d.csv` from new weights.
    pub fn predict(&self, machine: &MachineOptions) -> Vec<Value> {
        let session = self.session();
        let run = Run::new(&session, None, machine, Start::Weights).unwrap();
        let rows = RefCell::new(vec![]);
        run.predict(&self.path().join("d.csv"), None, &|row| rows.borrow_mut().push(row)).unwrap();
        rows.into_inner()
    }
}

/// A run that ended.
#[derive(Debug)]
pub struct Fitted {
    pub ended: Ended,
    /// Name and bytes of each tensor of the state afterwards.
    pub weights: Vec<(String, Vec<u8>)>,
    pub folder: PathBuf,
    /// Keeps the folder.
    _project: Rc<TempDir>,
}

impl Fitted {
    pub fn floats(&self, name: &str) -> Vec<f32> {
        let found = self.weights.iter().find(|(n, _)| n == name);
        let (_, bytes) = found.unwrap_or_else(|| panic!("no `{name}`"));
        bytes.chunks_exact(4).map(|c| f32::from_le_bytes(c.try_into().unwrap())).collect()
    }

    /// The events of the log with this reason.
    pub fn log(&self, reason: &str) -> Vec<Value> {
        let text = std::fs::read_to_string(self.folder.join("log.jsonl")).unwrap();
        let events = text.lines().map(|line| serde_json::from_str(line).expect("JSON"));
        events.filter(|e: &Value| e["reason"] == reason).collect()
    }
}

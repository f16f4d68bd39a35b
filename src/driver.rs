//! A session: the only place that sequences the stages. It opens files, checks them, and gives any stage of any phase.

mod ahead;
pub mod bench;
pub mod compile;
mod each_pass;
pub mod export;
pub mod generate;
pub mod run;
pub mod stages;
pub mod stdlib;
pub mod summary;

use crate::diag::Diagnostic;
use crate::sema::{
    self,
    model::{DataValue, Model},
};
use crate::source::SourceMap;
use crate::syntax::{self, ast};
use crate::train::known::Known;
use crate::train::phases::{Opened, Sources};
use crate::train::vocabulary::Fitted;
use std::cell::{OnceCell, RefCell};
use std::io;
use std::path::{Path, PathBuf};
use std::rc::Rc;

/// One program: its files, what the checker said, and its model.
pub struct Session {
    pub path: PathBuf,
    pub sources: SourceMap,
    pub diagnostics: Vec<Diagnostic>,
    pub files: Vec<ast::File>,
    pub model: Model,
    /// The `--set` values.
    pub overrides: Vec<(String, String)>,
    /// What a run learned from its data, where the session is about a run.
    known: RefCell<Vec<Fitted>>,
    opened: OnceCell<Rc<Opened>>,
}

impl Session {
    /// Reads, parses and checks a program. `overrides` are the `--set name=value` pairs.
    ///
    /// # Errors
    /// Only where the file itself cannot be read; whatever is wrong inside is in `diagnostics`.
    pub fn open(path: &Path, overrides: &[(String, String)]) -> io::Result<Session> {
        let mut sources = SourceMap::default();
        let text = std::fs::read_to_string(path)?;
        let mut loader = Loader { sources: &mut sources, files: vec![], diagnostics: vec![], loaded: vec![] };
        loader.add(&path.display().to_string(), &text);
        loader.follow_uses(path);
        let (mut files, mut diagnostics) = (loader.files, loader.diagnostics);
        for (file, found) in stdlib::parsed(&mut sources) {
            files.push(file);
            diagnostics.extend(found);
        }
        let (model, found) = sema::check(&files, overrides);
        diagnostics.extend(found);
        diagnostics.extend(refusals(&model, &diagnostics));
        diagnostics.sort_by_key(|d| d.labels.first().map(|l| l.span));
        Ok(Session {
            path: path.to_path_buf(),
            sources,
            diagnostics,
            files,
            model,
            overrides: overrides.to_vec(),
            known: RefCell::default(),
            opened: OnceCell::new(),
        })
    }

    /// Conversions are to do what they did in a run.
    pub fn remember(&self, fitted: &[Fitted]) {
        self.known.replace(fitted.to_vec());
    }

    /// What conversions are known to have learned.
    pub fn known(&self) -> Vec<Fitted> {
        self.known.borrow().clone()
    }

    /// The data of the program, opened once.
    pub fn data(&self) -> Result<Sources<'_>, Diagnostic> {
        let opened = match self.opened.get() {
            Some(opened) => opened.clone(),
            None => {
                let opened = Rc::new(Opened::open(&self.model.data, &self.folder(), &self.known.borrow())?);
                self.opened.get_or_init(|| opened).clone()
            }
        };
        Ok(Sources::new(&self.model, opened))
    }

    /// Puts numbers in the place of what the program asks of its data (sizes of vocabularies), and checks it again with
    /// them. The data is opened where a run did not leave these numbers.
    ///
    /// # Errors
    /// Where the data cannot be opened. What the checker says is in `diagnostics`.
    pub fn resolve(&mut self) -> Result<(), Diagnostic> {
        if self.model.values.is_empty() {
            return Ok(());
        }
        let values = self.model.values.clone();
        let known = self.known();
        let folder = self.folder();
        let number = |fitted: &[Fitted]| -> Result<Option<Vec<_>>, Diagnostic> {
            let known = Known::new(fitted, &folder);
            let of = |value: &DataValue| Ok(known.value(&self.model.data, value)?.map(|n| (value.clone(), n)));
            values.iter().map(of).collect()
        };
        let numbers = match number(&known)? {
            Some(numbers) => numbers,
            None => number(self.data()?.fitted())?.unwrap_or_default(),
        };
        let (model, mut diagnostics) = sema::check_with(&self.files, &self.overrides, &numbers);
        diagnostics.extend(refusals(&model, &diagnostics));
        diagnostics.sort_by_key(|d| d.labels.first().map(|l| l.span));
        (self.model, self.diagnostics) = (model, diagnostics);
        Ok(())
    }

    pub fn has_errors(&self) -> bool {
        self.diagnostics.iter().any(Diagnostic::is_error)
    }

    /// The folder that paths in the program are relative to.
    pub fn folder(&self) -> PathBuf {
        self.path.parent().map(Path::to_path_buf).unwrap_or_default()
    }
}

/// Gradients of a checked program that cannot be taken, each once: stages of a step share them.
fn refusals(model: &Model, found: &[Diagnostic]) -> Vec<Diagnostic> {
    let checked = !found.iter().any(Diagnostic::is_error);
    let phases = model.trains.iter().filter(|_| checked).flat_map(|t| &t.phases);
    let mut refused: Vec<Diagnostic> = phases.filter_map(|p| compile::refusal(&p.graph)).collect();
    refused.dedup();
    refused
}

struct Loader<'a> {
    sources: &'a mut SourceMap,
    files: Vec<ast::File>,
    diagnostics: Vec<Diagnostic>,
    loaded: Vec<PathBuf>,
}

impl Loader<'_> {
    fn add(&mut self, name: &str, text: &str) {
        let id = self.sources.add(name, text);
        let (file, found) = syntax::parse(id, text);
        self.files.push(file);
        self.diagnostics.extend(found);
    }

    /// Loads what the first file uses, and what that uses; a file that cannot be read stays absent, and the
    /// checker reports its names as unknown.
    fn follow_uses(&mut self, path: &Path) {
        let mut next = 0;
        let mut folders = vec![path.parent().map(Path::to_path_buf).unwrap_or_default()];
        while next < self.files.len() {
            for used in used_files(&self.files[next]) {
                let target = folders[next].join(used);
                if self.loaded.contains(&target) {
                    continue;
                }
                if let Ok(text) = std::fs::read_to_string(&target) {
                    folders.push(target.parent().map(Path::to_path_buf).unwrap_or_default());
                    self.add(&target.display().to_string(), &text);
                    self.loaded.push(target);
                }
            }
            next += 1;
        }
    }
}

fn used_files(file: &ast::File) -> Vec<String> {
    let name = |item: &ast::Item| match item {
        ast::Item::Use { file, .. } => Some(file.text.to_string()),
        _ => None,
    };
    file.items.iter().filter_map(name).collect()
}

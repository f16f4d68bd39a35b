//! A session: the only place that sequences the stages. It opens files, checks them, and gives any stage of any phase.

pub mod bench;
pub mod compile;
mod each_pass;
pub mod export;
pub mod run;
pub mod stages;
pub mod stdlib;
pub mod summary;

use crate::diag::Diagnostic;
use crate::sema::{self, model::Model};
use crate::source::SourceMap;
use crate::syntax::{self, ast};
use std::io;
use std::path::{Path, PathBuf};

/// One program: its files, what the checker said, and its model.
pub struct Session {
    pub path: PathBuf,
    pub sources: SourceMap,
    pub diagnostics: Vec<Diagnostic>,
    pub files: Vec<ast::File>,
    pub model: Model,
    /// The `--set` values.
    pub overrides: Vec<(String, String)>,
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
        for (name, text) in stdlib::FILES {
            loader.add(name, text);
        }
        let (files, mut diagnostics) = (loader.files, loader.diagnostics);
        let (model, found) = sema::check(&files, overrides);
        diagnostics.extend(found);
        diagnostics.sort_by_key(|d| d.labels.first().map(|l| l.span));
        Ok(Session { path: path.to_path_buf(), sources, diagnostics, files, model, overrides: overrides.to_vec() })
    }

    pub fn has_errors(&self) -> bool {
        self.diagnostics.iter().any(Diagnostic::is_error)
    }

    /// The folder that paths in the program are relative to.
    pub fn folder(&self) -> PathBuf {
        self.path.parent().map(Path::to_path_buf).unwrap_or_default()
    }
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

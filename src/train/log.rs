//! The log of a run: one JSON object a line.

use serde_json::Value;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::Path;

pub struct Log {
    file: File,
}

impl Log {
    /// Opens `log.jsonl` in the run's folder for appending (a resumed run goes on in the same file).
    pub fn open(folder: &Path) -> io::Result<Log> {
        let file = OpenOptions::new().create(true).append(true).open(folder.join("log.jsonl"))?;
        Ok(Log { file })
    }

    /// Writes one event; `reason` comes first.
    pub fn event(&mut self, reason: &str, fields: serde_json::Map<String, Value>) -> io::Result<()> {
        let mut object = serde_json::Map::new();
        object.insert("reason".into(), reason.into());
        object.extend(fields);
        writeln!(self.file, "{}", Value::Object(object))
    }
}

//! One JSON object a line. A column is the value of its name: a text, a number, or nested lists of numbers of the
//! declared shape. Empty lines are not rows.

use super::table::{Fault, Table, push_number};
use super::{Part, errors};
use crate::diag::Diagnostic;
use crate::sema::model::{Axis, Column, Data, Reading};
use serde_json::{Map, Value};
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;

pub fn open(data: &Data, path: &Path) -> Result<Vec<Part>, Diagnostic> {
    let file = File::open(path).map_err(|e| errors::not_found(data, path, &e.to_string()))?;
    let mut reader = BufReader::new(file);
    let mut table = Table::new(data, path);
    let mut line = vec![];
    loop {
        line.clear();
        let read = reader.read_until(b'\n', &mut line).map_err(|e| errors::damaged(data, path, &e.to_string()))?;
        if read == 0 {
            return Ok(vec![table.finish()]);
        }
        if line.trim_ascii().is_empty() {
            continue;
        }
        let object: Result<Map<String, Value>, Fault> =
            serde_json::from_slice(&line).map_err(|e| (String::new(), format!("not a JSON object: {e}")));
        table.row(|_, column, out| {
            let object = object.as_ref().map_err(Clone::clone)?;
            let value = object.get(&column.stored).ok_or_else(|| (column.stored.clone(), "is missing".into()))?;
            if column.reading != Reading::Number {
                return text(value, out).map_err(|detail| (column.stored.clone(), detail));
            }
            let mut list = List { column, varying: None, out };
            list.read(value, &column.shape).map_err(|detail| (column.stored.clone(), detail))
        })?;
    }
}

/// A text, or a number as it is written.
fn text(value: &Value, out: &mut Vec<u8>) -> Result<(), String> {
    match value {
        Value::String(text) => out.extend(text.as_bytes()),
        Value::Number(_) | Value::Bool(_) => out.extend(value.to_string().as_bytes()),
        value => return Err(format!("`{}` is not a text", short(value))),
    }
    Ok(())
}

/// The numbers of nested lists.
struct List<'a> {
    column: &'a Column,
    /// How long the lists along the axis that varies are, once one was met.
    varying: Option<usize>,
    out: &'a mut Vec<u8>,
}

impl List<'_> {
    fn read(&mut self, value: &Value, shape: &[Axis]) -> Result<(), String> {
        let dtype = self.column.dtype;
        match (value, shape) {
            (Value::Array(items), [axis, rest @ ..]) => {
                self.check_length(items.len(), axis)?;
                items.iter().try_for_each(|item| self.read(item, rest))
            }
            (Value::Number(n), []) if push_number(n.as_f64().unwrap_or(f64::NAN), false, dtype, self.out) => Ok(()),
            (Value::Bool(b), []) if push_number(f64::from(u8::from(*b)), false, dtype, self.out) => Ok(()),
            (value, []) => Err(format!("`{}` is not a number of type {dtype}", short(value))),
            (value, _) => Err(format!("`{}` is not a list, as in {}", short(value), self.column.describe())),
        }
    }

    fn check_length(&mut self, found: usize, axis: &Axis) -> Result<(), String> {
        let wanted = match axis {
            Axis::Fixed(n) => *n,
            Axis::Varying(_) => *self.varying.get_or_insert(found),
        };
        if found == wanted { Ok(()) } else { Err(format!("a list of {found}, expected {wanted}")) }
    }
}

/// The beginning of a value, for a message.
fn short(value: &Value) -> String {
    let text = value.to_string();
    match text.char_indices().nth(40) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

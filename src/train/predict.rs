//! `predict` over all rows of a source.

use super::batches::Epoch;
use super::data::{DataSet, Part};
use super::phases::{Compile, Scalars, bind_columns, check_batches, set_scalars};
use crate::diag::{Code, Diagnostic};
use crate::ops::Op;
use crate::runtime::Executable;
use crate::sema::model::{Data, Phase};
use crate::tensor::InputRole;
use serde_json::{Map, Value, json};
use std::collections::HashMap;
use std::collections::hash_map::Entry;

/// Rows per call; a prediction does not depend on it.
const BATCH: usize = 256;

/// Names of the columns of a data set that a phase reads.
pub fn columns(phase: &Phase, data: &str) -> Vec<String> {
    let prefix = format!("{data}.");
    let inputs = phase.graph.insts.iter().filter_map(|inst| match &inst.op {
        Op::Input { name } => Some((name, inst.results[0])),
        _ => None,
    });
    let is_column = |v| phase.graph.inputs.contains(&(v, InputRole::Column));
    inputs.filter(|(_, v)| is_column(*v)).filter_map(|(n, _)| n.strip_prefix(&prefix).map(String::from)).collect()
}

/// Runs the phase over a part of `set`, whose columns are those of `data` that the phase reads.
pub fn run(
    phase: &Phase,
    data: &Data,
    set: &DataSet,
    part: Option<&str>,
    compile: &Compile,
    at: Scalars,
    print: &dyn Fn(Value),
) -> Result<(), Diagnostic> {
    let part = choose(phase, set, part)?;
    check_batches(phase, part.rows)?;
    let rows: Vec<u32> = (0..part.rows as u32).collect();
    let epoch = Epoch::new(&rows, BATCH, false, None);
    let mut executables: HashMap<usize, Executable> = HashMap::new();
    for index in 0..epoch.len() {
        let rows = epoch.rows(index);
        let executable = match executables.entry(rows.len()) {
            Entry::Occupied(entry) => entry.into_mut(),
            Entry::Vacant(entry) => entry.insert(compile(phase, rows.len(), part.rows)?),
        };
        bind_columns(executable, data, part)?;
        set_scalars(executable, at)?;
        executable.write_rows(rows)?;
        executable.run().map_err(|fault| super::phases::errors::fault(phase, &fault))?;
        print_rows(executable, rows, print);
    }
    Ok(())
}

fn choose<'a>(phase: &Phase, set: &'a DataSet, part: Option<&str>) -> Result<&'a Part, Diagnostic> {
    let names: Vec<&str> = set.parts.iter().map(|p| p.name.as_str()).collect();
    let found = match part {
        Some(name) => set.part(name),
        None => set.part("test").or(set.parts.first()),
    };
    found.ok_or_else(|| {
        Diagnostic::error(Code(710), "the data has no such part")
            .label(phase.span, "for this phase")
            .help(format!("the source stores: {}", names.join(", ")))
    })
}

fn print_rows(executable: &Executable, rows: &[i32], print: &dyn Fn(Value)) {
    let results: Vec<(&str, Vec<Value>)> = executable
        .results()
        .map(|(name, ty, bytes)| (name, per_row(&ty.shape, ty.dtype, &bytes, rows.len())))
        .collect();
    for (index, row) in rows.iter().enumerate() {
        let mut object = Map::new();
        object.insert("row".into(), json!(row));
        object.extend(results.iter().map(|(n, values)| (n.to_string(), values[index].clone())));
        print(Value::Object(object));
    }
}

/// Cuts a result with the batch in front into one JSON value a row; anything else is the same for every row.
fn per_row(shape: &[usize], dtype: crate::ops::DType, bytes: &[u8], rows: usize) -> Vec<Value> {
    if shape.first() == Some(&rows) {
        let size = bytes.len() / rows.max(1);
        let row = |i: usize| value(&shape[1..], dtype, &bytes[i * size..(i + 1) * size]);
        return (0..rows).map(row).collect();
    }
    vec![value(shape, dtype, bytes); rows]
}

fn value(shape: &[usize], dtype: crate::ops::DType, bytes: &[u8]) -> Value {
    match shape.split_first() {
        None => scalar(dtype, bytes),
        Some((&n, rest)) => {
            let size = bytes.len() / n.max(1);
            Value::Array((0..n).map(|i| value(rest, dtype, &bytes[i * size..(i + 1) * size])).collect())
        }
    }
}

fn scalar(dtype: crate::ops::DType, bytes: &[u8]) -> Value {
    use crate::ops::DType;
    let word = |b: &[u8]| [b[0], b[1], b[2], b[3]];
    match dtype {
        DType::F32 => json!(f32::from_le_bytes(word(bytes))),
        DType::I32 => json!(i32::from_le_bytes(word(bytes))),
        DType::Bool => json!(bytes[0] != 0),
        _ => json!(bytes[0]),
    }
}

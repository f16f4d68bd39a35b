//! `predict` over all rows of a source.

use super::batches::{Epoch, Plan};
use super::data::{DataSet, Part};
use super::phases::{Compile, PhaseRunner, Scalars, rows_of};
use crate::diag::{Code, Diagnostic};
use crate::ops::{DType, Extent, Type};
use crate::runtime::Executable;
use crate::sema::model::{Data, Padded, Phase};
use crate::tensor::InputRole;
use serde_json::{Map, Value, json};

/// Rows per call; a prediction does not depend on it.
const BATCH: usize = 256;

/// Names of the columns of a data set that a phase reads.
pub fn columns(phase: &Phase, data: &str) -> Vec<String> {
    let prefix = format!("{data}.");
    let inputs = phase.graph.insts.iter().filter_map(|inst| Some((inst.input_name()?, inst.results[0])));
    // Rows that are put together for each batch come as arguments.
    let is_column = |v| phase.graph.inputs.iter().any(|i| [(v, InputRole::Column), (v, InputRole::Arg)].contains(i));
    inputs.filter(|(_, v)| is_column(*v)).filter_map(|(n, _)| n.strip_prefix(&prefix).map(String::from)).collect()
}

/// Runs the phase over a part of `set`, whose columns are those of `data` that the phase reads.
pub fn run(
    phase: &Phase,
    data: &Data,
    set: &DataSet,
    part: Option<&str>,
    compile: &dyn Compile,
    at: Scalars,
    print: &dyn Fn(Value),
) -> Result<(), Diagnostic> {
    let part = choose(phase, set, part)?;
    let rows = rows_of(phase, data, part, &(0..part.rows as u32).collect::<Vec<_>>())?;
    let epoch = Epoch::new(&rows, Plan { batch: BATCH, drop_last: false, shuffle: None, lanes: false, length: None });
    let mut runner = PhaseRunner::over(phase, data, part, rows, compile)?;
    let mut batch = vec![];
    runner.announce(&epoch, 0..epoch.len());
    for index in 0..epoch.len() {
        epoch.rows(index, &mut batch);
        let cuts = Cuts::new(phase, &runner, &batch);
        print_rows(runner.execute(&batch, at)?, &batch, &cuts, print);
    }
    Ok(())
}

/// How long each row is along the axes of results that are padded.
struct Cuts<'a> {
    phase: &'a Phase,
    /// For each padded dimension of the phase the length of each row.
    lengths: Vec<Vec<usize>>,
}

impl<'a> Cuts<'a> {
    fn new(phase: &'a Phase, runner: &PhaseRunner, rows: &[u64]) -> Cuts<'a> {
        let lengths = phase.padded.iter().map(|p| runner.lengths(&p.name, rows)).collect();
        Cuts { phase, lengths }
    }

    /// Sizes of the axes behind the first of a result, for one row.
    fn shape(&self, name: &str, padded: &[usize], row: usize) -> Vec<usize> {
        let symbolic = self.phase.graph.outputs.iter().find(|o| o.name == name).map(|o| self.phase.graph.ty(o.value));
        let cut = |(axis, &size): (usize, &usize)| {
            let dim = symbolic.map(|ty| &ty.shape[axis]);
            // What is longer has something beside the row, maybe behind the padding: it is shown whole.
            let apart = |p: &Padded| dim.and_then(|d| d.sub(&p.dim).known()).filter(|apart| *apart <= 0);
            let found = self.phase.padded.iter().zip(&self.lengths).find_map(|(p, l)| Some((apart(p)?, l[row])));
            found.map_or(size, |(apart, length)| (length as i64 + apart).clamp(0, size as i64) as usize)
        };
        padded.iter().enumerate().skip(1).map(cut).collect()
    }
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

fn print_rows(executable: &Executable, rows: &[u64], cuts: &Cuts, print: &dyn Fn(Value)) {
    let results: Vec<(&str, Vec<Value>)> =
        executable.results().map(|(name, ty, bytes)| (name, per_row(name, ty, &bytes, rows.len(), cuts))).collect();
    for (index, row) in rows.iter().enumerate() {
        let mut object = Map::new();
        object.insert("row".into(), json!(row));
        object.extend(results.iter().map(|(n, values)| (n.to_string(), values[index].clone())));
        print(Value::Object(object));
    }
}

/// Cuts a result with the batch in front into one JSON value a row; anything else is the same for every row.
fn per_row(name: &str, ty: &Type, bytes: &[u8], rows: usize, cuts: &Cuts) -> Vec<Value> {
    if ty.shape.first() == Some(&rows) {
        let size = bytes.len() / rows.max(1);
        let row = |i: usize| {
            let shape = cuts.shape(name, &ty.shape, i);
            value(&ty.shape[1..], &shape, ty.dtype, &bytes[i * size..(i + 1) * size])
        };
        return (0..rows).map(row).collect();
    }
    vec![value(&ty.shape, &ty.shape, ty.dtype, bytes); rows]
}

/// The first `wanted` elements on each axis of an array of this shape.
fn value(shape: &[usize], wanted: &[usize], dtype: DType, bytes: &[u8]) -> Value {
    match (shape, wanted) {
        ([n, rest @ ..], [first, wanted @ ..]) => {
            let size = bytes.len() / n.max(&1);
            let item = |i: usize| value(rest, wanted, dtype, &bytes[i * size..(i + 1) * size]);
            Value::Array((0..*first).map(item).collect())
        }
        _ => scalar(dtype, bytes),
    }
}

fn scalar(dtype: DType, bytes: &[u8]) -> Value {
    let word = |b: &[u8]| [b[0], b[1], b[2], b[3]];
    match dtype {
        DType::F32 => json!(f32::from_le_bytes(word(bytes))),
        DType::I32 => json!(i32::from_le_bytes(word(bytes))),
        DType::Bool => json!(bytes[0] != 0),
        _ => json!(bytes[0]),
    }
}

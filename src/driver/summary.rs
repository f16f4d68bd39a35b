//! `nnc summary`: layers, parameters, FLOPs, activation bytes, schedules and the planned peak.

use super::Session;
use super::compile::{Backend, optimized, plan, tensor};
use super::stages::LENGTH;
use crate::codegen::Form;
use crate::diag::Diagnostic;
use crate::ops::dim::Bindings;
use crate::ops::{Op, Type};
use crate::schedule::{Item, Launch, Loop, StepProgram};
use crate::sema::model::{Layer, Param, ParamKind, PhaseKind, Train};
use crate::tensor::{Graph, InputRole, cost, is_within};
use crate::train::fit::phase_of;
use serde_json::json;

/// One line of the table.
pub struct Row {
    pub path: String,
    pub kind: String,
    pub output: String,
    pub parameters: usize,
    /// Of one forward pass over the batch.
    pub flops: u64,
    pub activation_bytes: u64,
}

pub struct Summary {
    pub rows: Vec<Row>,
    pub trainable: usize,
    pub batch: usize,
    /// Bytes: parameters and saved buffers, optimizer state, and the arena of the training step.
    pub weights: usize,
    pub optimizer: usize,
    pub arena: usize,
    /// What goes on from batch to batch over lanes: name and type.
    pub states: Vec<(String, Type)>,
    /// FLOPs of one training step.
    pub step_flops: u64,
    pub kernels: usize,
    pub launches: usize,
    pub barriers: usize,
    pub machine: String,
    pub schedules: Vec<String>,
}

/// Phases whose states may go on from batch to batch.
const STREAMS: [PhaseKind; 3] = [PhaseKind::Step, PhaseKind::Validate, PhaseKind::Test];

/// Summarises a program by its training step.
pub fn summarize(session: &Session, train: Option<&str>) -> Result<Summary, Diagnostic> {
    let train = session.train(train)?;
    let step = phase_of(train, PhaseKind::Step);
    let step = step.ok_or_else(|| crate::train::fit::errors::no_step(train))?;
    let batch = step.pipeline.batch;
    let symbols = step.bindings(&step.sizes(batch, batch, LENGTH));
    let mut forward = tensor(&step.graph, &symbols)?;
    let whole = optimized(forward.clone())?;
    keep_forward(&mut forward);
    let backend = Backend::new(Form::choose(None, &Form::here())?, 1);
    let program = plan(&whole, &backend)?;
    let stats = program.stats();
    let bytes = |kinds: &[ParamKind]| bytes(&session.model.params, kinds);
    Ok(Summary {
        rows: tree_order(&session.model.layers).iter().map(|l| row(session, l, &forward, &symbols)).collect(),
        trainable: session.parameter_count(),
        batch,
        weights: bytes(&[ParamKind::Trainable, ParamKind::Buffer]),
        optimizer: bytes(&[ParamKind::OptState]),
        arena: program.arena_bytes,
        states: train.states(&STREAMS).into_iter().map(|p| (p.path.clone(), p.ty.clone())).collect(),
        step_flops: cost::flops(&whole, |_| true),
        kernels: stats.kernels,
        launches: stats.launches,
        barriers: stats.barriers,
        machine: backend.describe(),
        schedules: schedules(&program, train),
    })
}

/// Drops everything from the first gradient on: the backward pass and the updates.
fn keep_forward(graph: &mut Graph) {
    let end = graph.insts.iter().position(|inst| inst.op == Op::Grad).unwrap_or(graph.insts.len());
    graph.insts.truncate(end);
}

fn bytes(params: &[Param], kinds: &[ParamKind]) -> usize {
    params.iter().filter(|p| kinds.contains(&p.kind)).map(|p| p.ty.bytes()).sum()
}

/// Each layer behind the one that holds it and its earlier members: some are made late, once their widths are known.
fn tree_order(layers: &[Layer]) -> Vec<&Layer> {
    let mut ordered: Vec<&Layer> = vec![];
    for layer in layers {
        let holder = ordered.iter().filter(|l| is_within(&layer.path, &l.path)).max_by_key(|l| l.path.len());
        let inside = holder.and_then(|h| ordered.iter().rposition(|l| is_within(&l.path, &h.path)));
        ordered.insert(inside.map_or(ordered.len(), |last| last + 1), layer);
    }
    ordered
}

fn row(session: &Session, layer: &Layer, forward: &Graph, symbols: &Bindings) -> Row {
    let below = |path: &str| is_within(path, &layer.path);
    let own = |p: &&Param| p.kind == ParamKind::Trainable && below(&p.path);
    let output = layer.results.iter().map(|t| shape(t, symbols)).collect::<Vec<_>>().join(", ");
    Row {
        path: if layer.path.is_empty() { layer.root.clone() } else { layer.path.clone() },
        kind: layer.kind.clone(),
        output,
        parameters: session.model.params.iter().filter(own).map(|p| p.ty.elements()).sum(),
        flops: cost::flops(forward, |origin| origin.layer.as_deref().is_some_and(below)),
        activation_bytes: cost::bytes(forward, |origin| origin.layer.as_deref().is_some_and(below)),
    }
}

fn shape(ty: &Type<crate::ops::dim::Dim>, symbols: &Bindings) -> String {
    let dims = ty.shape.iter().map(|d| d.eval(symbols).map_or_else(|| d.to_string(), |n| n.to_string()));
    format!("{}[{}]", ty.dtype, dims.collect::<Vec<_>>().join(", "))
}

fn schedules(program: &StepProgram, train: &Train) -> Vec<String> {
    let inputs = program.inputs.iter().filter(|b| b.role == InputRole::Param).count();
    let title = format!("train {}: {inputs} parameters, launches in order", train.name);
    [vec![title], items(program, &program.items, 1)].concat()
}

fn items(program: &StepProgram, items: &[Item], depth: usize) -> Vec<String> {
    items
        .iter()
        .flat_map(|item| match item {
            Item::Launch(launch) => vec![line(program, launch, depth)],
            Item::Loop(inner) => looped(program, inner, depth),
        })
        .collect()
}

fn looped(program: &StepProgram, inner: &Loop, depth: usize) -> Vec<String> {
    let head = format!("{}loop {}", "  ".repeat(depth), inner.length);
    [vec![head], items(program, &inner.items, depth + 1), items(program, &inner.after, depth)].concat()
}

fn line(program: &StepProgram, launch: &Launch, depth: usize) -> String {
    let kernel = &program.kernels[launch.kernel];
    let grid = kernel.grid.iter().map(|g| g.to_string()).collect::<Vec<_>>().join(", ");
    let (indent, wait) = ("  ".repeat(depth), if launch.barrier { "| " } else { "  " });
    format!("{indent}{wait}{}  grid [{grid}], {} points", kernel.name, kernel.points())
}

impl Summary {
    /// The table for people.
    pub fn table(&self) -> String {
        let mut lines = vec![["layer", "kind", "output", "parameters", "FLOPs", "activations"].map(String::from)];
        let cells = |r: &Row| {
            let flops = count(r.flops);
            let bytes = size(r.activation_bytes as usize);
            [r.path.clone(), r.kind.clone(), r.output.clone(), r.parameters.to_string(), flops, bytes]
        };
        lines.extend(self.rows.iter().map(cells));
        let width = |i: usize| lines.iter().map(|l| l[i].chars().count()).max().unwrap_or(0);
        let widths: Vec<usize> = (0..6).map(width).collect();
        let mut text = String::new();
        for line in &lines {
            let cells = line.iter().enumerate().map(|(i, c)| match i {
                0..3 => format!("{c:<w$}", w = widths[i]),
                _ => format!("{c:>w$}", w = widths[i]),
            });
            text += cells.collect::<Vec<_>>().join("  ").trim_end();
            text.push('\n');
        }
        text + &self.totals()
    }

    fn state_bytes(&self) -> usize {
        self.states.iter().map(|(_, ty)| ty.bytes()).sum()
    }

    /// `32.0 KiB states over lanes, `; nothing where there are none.
    fn state_size(&self) -> String {
        if self.states.is_empty() { String::new() } else { format!("{} states over lanes, ", size(self.state_bytes())) }
    }

    /// A line for each state over lanes.
    fn state_lines(&self) -> String {
        self.states.iter().map(|(name, ty)| format!("  {name}: {ty}, {}\n", size(ty.bytes()))).collect()
    }

    fn totals(&self) -> String {
        let peak = self.weights + self.optimizer + self.state_bytes() + self.arena;
        format!(
            "\n{} trainable parameters; batch {}\n\
             memory: {} weights, {} optimizer state, {}{} arena: planned peak {}\n{}\
             a training step: {} FLOPs, {} kernels, {} launches, {} barriers\n\
             machine: {}\n",
            self.trainable,
            self.batch,
            size(self.weights),
            size(self.optimizer),
            self.state_size(),
            size(self.arena),
            size(peak),
            self.state_lines(),
            count(self.step_flops),
            self.kernels,
            self.launches,
            self.barriers,
            self.machine
        )
    }

    pub fn json(&self) -> serde_json::Value {
        let row = |r: &Row| {
            json!({ "path": r.path, "kind": r.kind, "output": r.output, "parameters": r.parameters,
                    "flops": r.flops, "activation_bytes": r.activation_bytes })
        };
        json!({
            "reason": "summary", "layers": self.rows.iter().map(row).collect::<Vec<_>>(),
            "trainable": self.trainable, "batch": self.batch, "weight_bytes": self.weights,
            "optimizer_bytes": self.optimizer, "state_bytes": self.state_bytes(), "arena_bytes": self.arena, "step_flops": self.step_flops,
            "kernels": self.kernels, "launches": self.launches, "barriers": self.barriers, "machine": self.machine,
        })
    }
}

/// `985 M`
fn count(n: u64) -> String {
    match n {
        0..10_000 => n.to_string(),
        10_000..10_000_000 => format!("{:.1} k", n as f64 / 1e3),
        10_000_000..10_000_000_000 => format!("{:.1} M", n as f64 / 1e6),
        _ => format!("{:.1} G", n as f64 / 1e9),
    }
}

/// `5.3 MiB`
fn size(bytes: usize) -> String {
    match bytes {
        0..10_240 => format!("{bytes} B"),
        10_240..10_485_760 => format!("{:.1} KiB", bytes as f64 / 1024.0),
        _ => format!("{:.1} MiB", bytes as f64 / (1024.0 * 1024.0)),
    }
}

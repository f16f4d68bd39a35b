//! Step programs as text: `ir --stage step` and `ir --stage buffers`. What they show is data of its own, without the
//! kernels' bodies, which [`super::parse`] reads back.

use super::{Binding, Buffer, BufferId, Launch, Layout, Outcome, Place, StepProgram};
use crate::ops::attr::quoted;
use crate::ops::{Op, Type};
use crate::tile::{Access, Kernel, Param};
use std::fmt::{self, Display, Formatter};

/// A step program as it prints:
///
/// ```text
/// step "step" {
///   "x" -> b0
///   b3, b4 = k0 rows(b0, b1) over 16
///   barrier
///   b1 = k1 head_columns(b3) over 1
///   b1 -> "head.bias"
/// }
/// ```
#[derive(Clone, PartialEq, Debug)]
pub struct StepText {
    pub name: String,
    pub inputs: Vec<(String, BufferId)>,
    pub launches: Vec<LaunchText>,
    pub outputs: Vec<(BufferId, String)>,
}

/// `writes = k<kernel> name(reads) over points`, after `barrier` where workers wait. A buffer that is updated in place
/// stands among the writes.
#[derive(Clone, PartialEq, Debug)]
pub struct LaunchText {
    pub barrier: bool,
    pub writes: Vec<BufferId>,
    pub kernel: usize,
    pub name: String,
    pub reads: Vec<BufferId>,
    pub points: usize,
}

/// The buffers of a step program, a line each, and the size of their arena.
#[derive(Clone, PartialEq, Debug)]
pub struct BufferTable {
    pub rows: Vec<BufferRow>,
    pub arena_bytes: usize,
}

/// `b0 f32[64, 10], 2560 bytes, arena + 128: "logits"`
#[derive(Clone, PartialEq, Debug)]
pub struct BufferRow {
    pub id: BufferId,
    pub ty: Type,
    pub layout: Layout,
    pub bytes: usize,
    pub place: Place,
    pub name: String,
}

// ── from a program ──

impl From<&StepProgram> for StepText {
    fn from(program: &StepProgram) -> StepText {
        let input = |b: &Binding| (b.name.clone(), b.buffer);
        let output = |o: &Outcome| (o.buffer, o.name.clone());
        StepText {
            name: program.name.clone(),
            inputs: program.inputs.iter().map(input).collect(),
            launches: program.launches.iter().map(|l| LaunchText::of(l, &program.kernels[l.kernel])).collect(),
            outputs: program.outputs.iter().map(output).collect(),
        }
    }
}

impl LaunchText {
    fn of(launch: &Launch, kernel: &Kernel) -> LaunchText {
        let args = launch.args.iter().copied().zip(&kernel.params);
        let (writes, reads): (Vec<_>, Vec<_>) = args.partition(|(_, p): &(_, &Param)| p.access != Access::Read);
        let ids = |args: Vec<(BufferId, &Param)>| args.into_iter().map(|(id, _)| id).collect();
        LaunchText {
            barrier: launch.barrier,
            writes: ids(writes),
            kernel: launch.kernel,
            name: kernel.name.clone(),
            reads: ids(reads),
            points: kernel.points(),
        }
    }
}

impl From<&StepProgram> for BufferTable {
    fn from(program: &StepProgram) -> BufferTable {
        let rows = program.buffers.iter().enumerate().map(|(i, b)| BufferRow::of(BufferId(i as u32), b));
        BufferTable { rows: rows.collect(), arena_bytes: program.arena_bytes }
    }
}

impl BufferRow {
    fn of(id: BufferId, buffer: &Buffer) -> BufferRow {
        let (ty, name, bytes) = (buffer.ty.clone(), buffer.name.clone(), buffer.bytes());
        BufferRow { id, ty, layout: buffer.layout, bytes, place: buffer.place, name }
    }
}

// ── as text ──

impl Display for StepProgram {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        StepText::from(self).fmt(f)
    }
}

impl Display for StepText {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        writeln!(f, "step {} {{", quoted(&self.name))?;
        for (name, buffer) in &self.inputs {
            writeln!(f, "  {} -> {buffer}", quoted(name))?;
        }
        for launch in &self.launches {
            launch.fmt(f)?;
        }
        for (buffer, name) in &self.outputs {
            writeln!(f, "  {buffer} -> {}", quoted(name))?;
        }
        f.write_str("}\n")
    }
}

impl Display for LaunchText {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        if self.barrier {
            writeln!(f, "  barrier")?;
        }
        let (writes, reads) = (commas(&self.writes), commas(&self.reads));
        writeln!(f, "  {writes} = k{} {}({reads}) over {}", self.kernel, self.name, self.points)
    }
}

fn commas(ids: &[BufferId]) -> String {
    ids.iter().map(BufferId::to_string).collect::<Vec<_>>().join(", ")
}

impl Display for BufferTable {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        for row in &self.rows {
            writeln!(f, "{row}")?;
        }
        writeln!(f, "arena of {} bytes", self.arena_bytes)
    }
}

impl Display for BufferRow {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.id, self.ty)?;
        if let Layout::Panel { width } = self.layout {
            write!(f, " in panels of {width}")?;
        }
        write!(f, ", {} bytes, {}: {}", self.bytes, self.place, quoted(&self.name))
    }
}

impl Display for Place {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Place::Arena { offset } => write!(f, "arena + {offset}"),
            Place::Input(n) => write!(f, "input {n}"),
            Place::Constant { data } => write!(f, "constant {data}"),
        }
    }
}

impl Display for BufferId {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "b{}", self.0)
    }
}

/// The first word of an operation's name: `Reduce`, `Dot`.
pub fn op_name(op: &Op) -> String {
    let debug = format!("{op:?}");
    let word: String = debug.chars().take_while(|c| c.is_alphanumeric()).collect();
    word.to_lowercase()
}

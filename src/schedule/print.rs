//! Step programs as text: `ir --stage step` and `ir --stage buffers`.

use super::{BufferId, Layout, Place, StepProgram};
use crate::ops::Op;
use crate::tile::Access;
use std::fmt::{self, Display, Formatter, Write};

impl Display for BufferId {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "b{}", self.0)
    }
}

/// The launches in order: `barrier` where workers wait, results before the arrow.
impl Display for StepProgram {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        writeln!(f, "step {} {{", self.name)?;
        for launch in &self.launches {
            if launch.barrier {
                writeln!(f, "  barrier")?;
            }
            let kernel = &self.kernels[launch.kernel];
            let args = |writes: bool| {
                let params = launch.args.iter().zip(&kernel.params);
                let chosen = params.filter(|(_, p)| (p.access != Access::Read) == writes);
                chosen.map(|(arg, _)| arg.to_string()).collect::<Vec<_>>().join(", ")
            };
            writeln!(
                f,
                "  {} = k{} {}({}) over {}",
                args(true),
                launch.kernel,
                kernel.name,
                args(false),
                kernel.points()
            )?;
        }
        for output in &self.outputs {
            writeln!(f, "  {} -> {:?}", output.buffer, output.name)?;
        }
        f.write_str("}\n")
    }
}

/// One line per buffer: number, type, bytes, place, what it holds.
pub fn buffers(program: &StepProgram) -> String {
    let mut text = String::new();
    for (i, buffer) in program.buffers.iter().enumerate() {
        let place = match buffer.place {
            Place::Arena { offset } => format!("arena + {offset}"),
            Place::Input(n) => format!("input {n}"),
            Place::Constant { data } => format!("constant {data}"),
        };
        let layout = match buffer.layout {
            Layout::RowMajor => String::new(),
            Layout::Panel { width } => format!(" in panels of {width}"),
        };
        let id = BufferId(i as u32);
        let line = format_args!("{id:<5} {}{layout}, {} bytes, {place}: {}\n", buffer.ty, buffer.bytes(), buffer.name)
            .to_string();
        text += &line;
    }
    let _ = writeln!(text, "arena of {} bytes", program.arena_bytes);
    text
}

/// The first word of an operation's name: `Reduce`, `Dot`.
pub fn op_name(op: &Op) -> String {
    let debug = format!("{op:?}");
    let word: String = debug.chars().take_while(|c| c.is_alphanumeric()).collect();
    word.to_lowercase()
}

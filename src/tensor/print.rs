//! The text form of tensor IR, which [`super::parse`] reads back.
//!
//! ```text
//! graph "step" {
//!   %0: f32[64, 10] = input "logits" arg
//!   %1: f32[64] = reduce_max %0 {axes [1]}
//!   output result "largest" %1
//! }
//! ```
//! Regions follow their instruction as nested graphs. `//` starts a comment.

use super::{Graph, InputRole, Inst, Output, OutputRole};
use crate::ops::Op;
use crate::ops::attr::{Attr, quoted};
use crate::source::SourceMap;
use std::fmt::{self, Display};

/// What a dump shows.
#[derive(Clone, Copy, Default)]
pub struct PrintOptions<'a> {
    /// Only the instructions of this layer instance and those inside it.
    pub layer: Option<&'a str>,
    /// Adds a comment `@file:line:column` to each instruction.
    pub spans: Option<&'a SourceMap>,
}

/// Works for symbolic graphs too.
pub fn print<D: Display + Clone>(graph: &Graph<D>, options: &PrintOptions) -> String {
    let mut printer = Printer { options, out: String::new() };
    printer.graph(graph, 0);
    printer.out
}

impl<D: Display + Clone> Display for Graph<D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&print(self, &PrintOptions::default()))
    }
}

struct Printer<'a> {
    options: &'a PrintOptions<'a>,
    out: String,
}

impl Printer<'_> {
    fn line(&mut self, depth: usize, text: &str) {
        self.out.push_str(&"  ".repeat(depth));
        self.out.push_str(text);
        self.out.push('\n');
    }

    fn graph<D: Display + Clone>(&mut self, graph: &Graph<D>, depth: usize) {
        self.line(depth, &format!("graph {} {{", quoted(&graph.name)));
        for inst in &graph.insts {
            if depth > 0 || self.shows(inst) {
                self.inst(graph, inst, depth + 1);
            }
        }
        for output in graph.outputs.iter().filter(|_| depth > 0 || self.options.layer.is_none()) {
            self.line(depth + 1, &output_line(output));
        }
        self.line(depth, "}");
    }

    fn shows<D>(&self, inst: &Inst<D>) -> bool {
        let Some(wanted) = self.options.layer else { return true };
        let layer = inst.origin.layer.as_deref().unwrap_or("");
        super::is_within(layer, wanted)
    }

    fn inst<D: Display + Clone>(&mut self, graph: &Graph<D>, inst: &Inst<D>, depth: usize) {
        let results: Vec<String> = inst.results.iter().map(|v| format!("{v}: {}", graph.ty(*v))).collect();
        let mut text = format!("{} = {}{}", results.join(", "), op_text(inst), role_text(graph, inst));
        if let Some(map) = self.options.spans {
            text.push_str(&format!(" // @{}", map.locate(inst.origin.span)));
        }
        self.line(depth, &text);
        inst.regions.iter().for_each(|region| self.graph(region, depth + 1));
    }
}

/// `conv %1, %2 {size [3, 3], stride [1, 1]}`
fn op_text<D: Display + Clone>(inst: &Inst<D>) -> String {
    let mut text = inst.op.name().to_string();
    let (lead, braced): (Vec<_>, Vec<_>) = inst.op.attrs().into_iter().partition(|(key, _)| key.is_empty());
    lead.iter().for_each(|(_, attr)| text.push_str(&format!(" {attr}")));
    let args: Vec<String> = inst.args.iter().map(|v| v.to_string()).collect();
    if !args.is_empty() {
        text.push_str(&format!(" {}", args.join(", ")));
    }
    if !braced.is_empty() {
        let pairs: Vec<String> = braced.iter().map(|(key, attr): &(_, Attr<D>)| format!("{key} {attr}")).collect();
        text.push_str(&format!(" {{{}}}", pairs.join(", ")));
    }
    text
}

fn role_text<D>(graph: &Graph<D>, inst: &Inst<D>) -> String {
    let Op::Input { .. } = inst.op else { return String::new() };
    let role = graph.inputs.iter().find(|(v, _)| inst.results.contains(v)).map(|(_, role)| role.name());
    format!(" {}", role.unwrap_or("unlisted"))
}

impl InputRole {
    pub fn name(self) -> &'static str {
        InputRole::ALL.into_iter().find(|(role, _)| *role == self).map_or("?", |(_, name)| name)
    }
}

fn output_line(output: &Output) -> String {
    let (role, weight) = match &output.role {
        OutputRole::Update => ("update", String::new()),
        OutputRole::Report { weight } => ("report", format!(" weight {weight}")),
        OutputRole::Result => ("result", String::new()),
        OutputRole::Check => ("check", String::new()),
        OutputRole::Warning => ("warning", String::new()),
    };
    format!("output {role} {} {}{weight}", quoted(&output.name), output.value)
}

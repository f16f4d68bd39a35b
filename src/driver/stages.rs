//! Any stage of any phase as text: `nnc ir`.

use super::Session;
use super::compile::{Backend, differentiated, generate, optimized, plan, tensor};
use crate::codegen::{self, Form};
use crate::diag::suggest::suggest;
use crate::diag::{Code, Diagnostic};
use crate::ops::dim::Bindings;
use crate::ops::dim::Dim;
use crate::schedule::print::BufferTable;
use crate::sema::model::{Phase, PhaseKind, Train};
use crate::syntax;
use crate::tensor::print::{PrintOptions, print};
use crate::tensor::{Graph, is_within};
use crate::train::fit::phase_of;
use clap::ValueEnum;

/// The stages of the pipeline, in order.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub enum Stage {
    /// The parsed file
    Ast,
    /// The checked phase, with symbolic dimensions
    Model,
    /// Tensor IR as lowered
    Tensor,
    /// Tensor IR after differentiation
    Grad,
    /// Tensor IR after all passes
    Opt,
    /// The kernels in tile IR
    Tile,
    /// The kernels in lane IR
    Lane,
    /// The memory plan
    Buffers,
    /// The step program: launches and barriers
    Step,
    /// Cranelift's IR
    Clif,
    /// Machine code
    Asm,
}

/// What to print of a stage.
#[derive(Clone, Debug, Default)]
pub struct Selection {
    pub phase: String,
    pub train: Option<String>,
    pub layer: Option<String>,
    pub spans: bool,
    pub batch: Option<usize>,
    /// The form of machine code that kernels are for; by default what runs here.
    pub code: Option<Form>,
}

/// A data set's rows where none is opened: only bounds of indices depend on them.
const ROWS: usize = 1000;

/// The longest row of a batch where no data is opened.
pub const LENGTH: usize = 32;

impl Session {
    /// The text of a stage.
    pub fn stage(&self, stage: Stage, selection: &Selection) -> Result<String, Diagnostic> {
        if stage == Stage::Ast {
            return Ok(syntax::dump(&self.files[0]));
        }
        let (graph, symbols) = self.selected(selection)?;
        if let Some(layer) = &selection.layer {
            check_layer(graph, layer)?;
        }
        let options =
            PrintOptions { layer: selection.layer.as_deref(), spans: selection.spans.then_some(&self.sources) };
        match stage {
            Stage::Model => Ok(print(graph, &options)),
            Stage::Tensor => Ok(print(&tensor(graph, &symbols)?, &options)),
            Stage::Grad => Ok(print(&differentiated(tensor(graph, &symbols)?)?, &options)),
            Stage::Opt => Ok(print(&optimized(tensor(graph, &symbols)?)?, &options)),
            _ => back_end(stage, &optimized(tensor(graph, &symbols)?)?, selection),
        }
    }

    /// The graph of the selected phase and values of its opaque dimensions.
    fn selected(&self, selection: &Selection) -> Result<(&Graph<Dim>, Bindings), Diagnostic> {
        if self.model.trains.is_empty() {
            let graph = self.model.functions.first().ok_or_else(|| errors::nothing(self))?;
            let batch = selection.batch.unwrap_or(1) as i64;
            let symbols = graph.types.iter().flat_map(|t| t.shape.iter().flat_map(Dim::symbols));
            return Ok((graph, symbols.map(|s| (s, batch)).collect()));
        }
        let train = self.train(selection.train.as_deref())?;
        if selection.phase == "init" {
            return Ok((&train.init, Bindings::new()));
        }
        let phase = self.phase(train, &selection.phase)?;
        let batch = selection.batch.unwrap_or(phase.pipeline.batch.max(1));
        Ok((&phase.graph, phase.bindings(&phase.sizes(batch, ROWS, LENGTH))))
    }

    /// A `train` block by name, or the only one.
    pub fn train(&self, name: Option<&str>) -> Result<&Train, Diagnostic> {
        let trains = &self.model.trains;
        let found = match name {
            Some(name) => trains.iter().find(|t| t.name == name),
            None => trains.iter().find(|t| t.name.is_empty()).or(trains.first()),
        };
        found.ok_or_else(|| errors::no_train(self, name))
    }

    fn phase<'a>(&self, train: &'a Train, name: &str) -> Result<&'a Phase, Diagnostic> {
        let (word, number) = match name.rsplit_once(' ') {
            Some((word, number)) => (word, number.parse::<usize>().ok()),
            None => (name, None),
        };
        let kind = match word {
            "step" => Some(PhaseKind::Step),
            "validate" => Some(PhaseKind::Validate),
            "test" => Some(PhaseKind::Test),
            "predict" => Some(PhaseKind::Predict),
            _ => None,
        };
        let titled = train.phases.iter().find(|p| p.title.as_deref() == Some(name));
        let found = match (kind, number) {
            (Some(kind), Some(number)) => {
                train.phases.iter().filter(|p| p.kind == kind).nth(number.saturating_sub(1)).filter(|_| number > 0)
            }
            (Some(kind), None) => phase_of(train, kind),
            (None, _) => None,
        };
        titled.or(found).ok_or_else(|| errors::no_phase(train, name))
    }

    /// Elements of all trainable parameters.
    pub fn parameter_count(&self) -> usize {
        let trainable = |p: &&crate::sema::model::Param| p.kind == crate::sema::model::ParamKind::Trainable;
        self.model.params.iter().filter(trainable).map(|p| p.ty.elements()).sum()
    }
}

/// Some instruction comes from this layer.
fn check_layer(graph: &Graph<Dim>, wanted: &str) -> Result<(), Diagnostic> {
    let mut layers: Vec<&str> = graph.insts.iter().filter_map(|inst| inst.origin.layer.as_deref()).collect();
    layers.sort_unstable();
    layers.dedup();
    if wanted.is_empty() || layers.iter().any(|layer| is_within(layer, wanted)) {
        Ok(())
    } else {
        Err(errors::no_layer(wanted, &layers))
    }
}

fn back_end(stage: Stage, graph: &Graph, selection: &Selection) -> Result<String, Diagnostic> {
    let form = selection.code.map_or_else(|| Form::choose(None, &Form::here()), Ok)?;
    let backend = Backend::new(form, 1);
    let program = plan(graph, &backend)?;
    let of_layer = |name: &str| selection.layer.as_ref().is_none_or(|l| name.contains(l.as_str()));
    let machine = |form| {
        let compiled = generate(&program, &backend)?;
        let kernels = compiled.distinct_kernels().iter().filter(|k| of_layer(&k.name));
        kernels.map(|k| k.text(form)).collect::<Result<String, _>>()
    };
    match stage {
        Stage::Tile => {
            let kernels = program.kernels.iter().filter(|k| of_layer(&k.name));
            Ok(kernels.map(|k| format!("{k}\n")).collect())
        }
        Stage::Lane => machine(codegen::Stage::Lane),
        Stage::Buffers => Ok(BufferTable::from(&program).to_string()),
        Stage::Step => Ok(program.to_string()),
        Stage::Clif => machine(codegen::Stage::Clif),
        _ => machine(codegen::Stage::Asm),
    }
}

mod errors {
    use super::*;

    pub fn nothing(session: &Session) -> Diagnostic {
        Diagnostic::error(Code(816), format!("`{}` has no `train` block and no model", session.path.display()))
    }

    pub fn no_train(session: &Session, name: Option<&str>) -> Diagnostic {
        let known: Vec<&str> = session.model.trains.iter().map(|t| t.name.as_str()).collect();
        let message = match name {
            Some(name) => format!("there is no `train {name}`"),
            None => format!("`{}` has no `train` block", session.path.display()),
        };
        Diagnostic::error(Code(817), message).help(format!("blocks in this file: {}", known.join(", ")))
    }

    pub fn no_layer(wanted: &str, layers: &[&str]) -> Diagnostic {
        let diag = Diagnostic::error(Code(818), format!("nothing in this phase comes from a layer `{wanted}`"));
        match suggest(wanted, layers.iter().copied()) {
            Some(found) => diag.help(format!("did you mean `{found}`?")),
            None => diag.help(format!("its layers are: {}", layers.join(", "))),
        }
    }

    pub fn no_phase(train: &Train, name: &str) -> Diagnostic {
        Diagnostic::error(Code(814), format!("this `train` block has no `{name}`")).label(train.span, "declared here")
    }
}

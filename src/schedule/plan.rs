//! From groups to a step program: buffers, kernels (equal ones once), launches, inputs and outputs.

use super::context::Context;
use super::groups::{self, Grouping};
use super::kernels::{self, Storage};
use super::{Binding, Buffer, BufferId, Launch, Layout, Outcome, Place, StepProgram, legalize, memory};
use crate::diag::Diagnostic;
use crate::lane::Target;
use crate::ops::{DType, Literal, Op};
use crate::tensor::{Graph, OutputRole, Value};
use crate::tile::Kernel;
use std::collections::HashMap;

/// What the plan may depend on besides the graph.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    pub target: Target,
}

/// Plans a phase. `Grad` is expanded and composites are inlined before; what has no kernel is an error (E0900, E0901).
pub fn plan(graph: &Graph, options: &Options) -> Result<StepProgram, Diagnostic> {
    let legal = legalize::legalize(graph)?;
    let cx = Context::new(&legal);
    let grouping = groups::group(&cx);
    debug_assert_eq!(groups::verify(&grouping), Ok(()));
    let mut program = StepProgram {
        name: graph.name.clone(),
        kernels: vec![],
        launches: vec![],
        buffers: vec![],
        arena_bytes: 0,
        constants: vec![],
        inputs: vec![],
        outputs: vec![],
    };
    let storage = buffers(&cx, &grouping, &mut program);
    for group in &grouping.groups {
        let (kernel, args) = kernels::build(&cx, &grouping, group, &storage, options.target);
        let kernel = share(&mut program.kernels, kernel);
        program.launches.push(Launch { kernel, args, barrier: false });
    }
    program.outputs = outcomes(&legal, &storage.of);
    memory::assign(&mut program);
    debug_assert_eq!(memory::verify(&program), Ok(()));
    Ok(program)
}

fn buffers(cx: &Context, grouping: &Grouping, program: &mut StepProgram) -> Storage {
    let mut storage = Storage { of: HashMap::new(), layouts: vec![] };
    for (number, (value, role)) in cx.graph.inputs.iter().enumerate() {
        let Op::Input { name } = cx.op(*value) else { unreachable!("an input is an input") };
        let buffer = add(cx, program, &mut storage, *value, Place::Input(number), name.clone());
        program.inputs.push(Binding { name: name.clone(), role: *role, buffer });
    }
    for inst in &cx.graph.insts {
        if let Op::Table(elements, _) = &inst.op {
            let value = inst.results[0];
            let place = Place::Constant { data: program.constants.len() };
            program.constants.push(elements.iter().flat_map(|e| bytes(*e, cx.ty(value).dtype)).collect());
            add(cx, program, &mut storage, value, place, "table".to_owned());
        }
    }
    for value in &grouping.stored {
        match grouping.in_place.get(value) {
            Some(old) => drop(storage.of.insert(*value, storage.of[old])),
            None => drop(add(cx, program, &mut storage, *value, Place::Arena { offset: 0 }, describe(cx, *value))),
        }
    }
    storage
}

fn add(
    cx: &Context,
    program: &mut StepProgram,
    storage: &mut Storage,
    value: Value,
    place: Place,
    name: String,
) -> BufferId {
    let id = BufferId(program.buffers.len() as u32);
    program.buffers.push(Buffer { ty: cx.ty(value).clone(), layout: Layout::RowMajor, place, name });
    storage.layouts.push(Layout::RowMajor);
    storage.of.insert(value, id);
    id
}

/// The name of the output, or the operation and its layer.
fn describe(cx: &Context, value: Value) -> String {
    if let Some(output) = cx.graph.outputs.iter().find(|o| o.value == value) {
        return output.name.clone();
    }
    let inst = cx.def(value);
    let op = super::print::op_name(&inst.op);
    match inst.origin.layer.as_deref() {
        Some(layer) if !layer.is_empty() => format!("{layer}: {op}"),
        _ => op,
    }
}

/// A constant as it lies in memory.
fn bytes(literal: Literal, dtype: DType) -> Vec<u8> {
    match (dtype, literal) {
        (DType::F32, Literal::Float(x)) => (x as f32).to_le_bytes().to_vec(),
        (DType::F32, Literal::Int(n)) => (n as f32).to_le_bytes().to_vec(),
        (DType::I32, Literal::Int(n)) => (n as i32).to_le_bytes().to_vec(),
        (_, Literal::Int(n)) => vec![n as u8],
        (_, Literal::Bool(b)) => vec![u8::from(b)],
        (_, Literal::Float(x)) => vec![x as u8],
    }
}

/// The number of an equal kernel, names aside.
fn share(kernels: &mut Vec<Kernel>, kernel: Kernel) -> usize {
    let equal = |k: &Kernel| {
        k.params == kernel.params && k.grid == kernel.grid && k.values == kernel.values && k.body == kernel.body
    };
    kernels.iter().position(equal).unwrap_or_else(|| {
        kernels.push(kernel);
        kernels.len() - 1
    })
}

fn outcomes(graph: &Graph, of: &HashMap<Value, BufferId>) -> Vec<Outcome> {
    let outcome = |output: &crate::tensor::Output| Outcome {
        name: output.name.clone(),
        role: output.role.clone(),
        buffer: of[&output.value],
        weight: match output.role {
            OutputRole::Report { weight } => Some(of[&weight]),
            _ => None,
        },
    };
    graph.outputs.iter().map(outcome).collect()
}

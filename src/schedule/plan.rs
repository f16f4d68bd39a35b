//! From groups to a step program: buffers, kernels (equal ones once), launches and loops, inputs and outputs.

mod scan;

use super::context::Context;
use super::groups::{self, Grouping};
use super::kernels::{self, Spot, Storage};
use super::{
    Arg, Binding, Buffer, BufferId, Item, Launch, Layout, Outcome, Place, StepProgram, layout, legalize, memory, shares,
};
use crate::diag::Diagnostic;
use crate::lane::Target;
use crate::ops::{DType, Literal, Op, Type};
use crate::tensor::{Graph, InputRole, Inst, OutputRole, Value};
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
    let mut planner = Planner::new(&graph.name, options.target);
    let inputs = planner.inputs(&cx);
    let grouping = group(&cx);
    let (items, storage) = planner.block(&cx, &grouping, inputs, 0);
    let outputs = outcomes(&legal, |value| planner.spots[storage[&value].number as usize].buffer);
    let mut program = StepProgram { items, outputs, ..planner.program };
    shares::assign(&mut program);
    memory::assign(&mut program);
    debug_assert_eq!(memory::verify(&program), Ok(()), "{program}");
    Ok(program)
}

fn group(cx: &Context) -> Grouping {
    let grouping = groups::group(cx);
    debug_assert_eq!(groups::verify(&grouping), Ok(()));
    grouping
}

struct Planner {
    target: Target,
    program: StepProgram,
    /// What each [`Spot`] stands for.
    spots: Vec<Arg>,
    /// Places of kernels by what they are, names aside.
    known: HashMap<String, usize>,
}

impl Planner {
    fn new(name: &str, target: Target) -> Planner {
        Planner { target, program: StepProgram::new(name), spots: vec![], known: HashMap::new() }
    }

    /// Plans a graph, the phase's own or the body of the loop `depth - 1`. `storage` has the inputs, and those results
    /// whose place is given; it comes back with everything that is stored.
    fn block(&mut self, cx: &Context, grouping: &Grouping, mut storage: Storage, depth: usize) -> (Vec<Item>, Storage) {
        self.tables(cx, &mut storage);
        let mut scans = self.scans(cx, &mut storage, depth);
        self.stored(cx, grouping, &mut storage);
        let mut items: Vec<Item> = self.checks(cx, grouping, &storage).into_iter().collect();
        let is_empty = |value: &Value| cx.elements(*value) == 0;
        for group in grouping.groups.iter().filter(|g| !g.values.iter().all(is_empty)) {
            items.push(match scans.remove(&group.values[0]) {
                Some(scan) => Item::Loop(self.looped(scan, &storage, depth)),
                None => {
                    let (kernel, args, lookups) = kernels::build(cx, grouping, group, &storage, self.target);
                    Item::Launch(Launch { lookups, ..self.launch(kernel, &args) })
                }
            });
        }
        (items, storage)
    }

    /// Sets all checks, so that kernels can clear them.
    fn checks(&mut self, cx: &Context, grouping: &Grouping, storage: &Storage) -> Option<Item> {
        let checks = grouping.stored.iter().filter(|v| cx.all_of(**v).is_some());
        let spots: Vec<Spot> = checks.map(|v| storage[v]).collect();
        let (kernel, args) = kernels::checks::build(&spots)?;
        Some(Item::Launch(self.launch(kernel, &args)))
    }

    fn launch(&mut self, kernel: Kernel, args: &[Spot]) -> Launch {
        let args = args.iter().map(|spot| self.spots[spot.number as usize].clone()).collect();
        Launch { kernel: self.share(kernel), args, barrier: false, share: 0, lookups: vec![] }
    }

    /// The number of an equal kernel, names aside.
    fn share(&mut self, kernel: Kernel) -> usize {
        let identity = format!("{:?}", (&kernel.params, &kernel.grid, &kernel.values, &kernel.body));
        let kernels = &mut self.program.kernels;
        *self.known.entry(identity).or_insert_with(|| {
            kernels.push(kernel);
            kernels.len() - 1
        })
    }

    // ── places ──

    fn inputs(&mut self, cx: &Context) -> Storage {
        let mut storage = Storage::new();
        for (number, (value, role)) in cx.graph.inputs.iter().enumerate() {
            let Op::Input { name } = cx.op(*value) else { unreachable!("an input is an input") };
            let ty = cx.ty(*value);
            let is_state = matches!(role, InputRole::Param | InputRole::Buffer | InputRole::OptState);
            let state = Buffer::of_input(name, ty, number);
            let buffer = self.buffer(if is_state { state } else { Buffer { layout: Layout::RowMajor, ..state } });
            self.program.inputs.push(Binding { name: name.clone(), role: *role, buffer });
            storage.insert(*value, self.spot(buffer.into()));
        }
        storage
    }

    fn tables(&mut self, cx: &Context, storage: &mut Storage) {
        for inst in &cx.graph.insts {
            if let Op::Table(elements, _) = &inst.op {
                let ty = cx.ty(inst.results[0]);
                let data = elements.iter().flat_map(|e| bytes(*e, ty.dtype)).collect();
                let buffer = self.constant(ty.clone(), data, "table");
                storage.insert(inst.results[0], self.spot(buffer.into()));
            }
        }
    }

    /// Places for what kernels store, where none is given.
    fn stored(&mut self, cx: &Context, grouping: &Grouping, storage: &mut Storage) {
        for value in &grouping.stored {
            if let Some(old) = grouping.in_place.get(value) {
                storage.insert(*value, storage[old]);
            } else if !storage.contains_key(value) {
                let spot = self.arena(cx.ty(*value).clone(), describe(cx, *value));
                storage.insert(*value, spot);
            }
        }
    }

    fn spot(&mut self, arg: Arg) -> Spot {
        let layout = self.program.buffers[arg.buffer.0 as usize].layout;
        self.spots.push(arg);
        Spot { number: self.spots.len() as u32 - 1, layout }
    }

    fn arena(&mut self, ty: Type, name: String) -> Spot {
        let layout = layout::of(&ty);
        let buffer = self.buffer(Buffer { ty, layout, place: Place::Arena { offset: 0 }, name });
        self.spot(buffer.into())
    }

    /// A constant buffer; equal ones are one.
    fn constant(&mut self, ty: Type, data: Vec<u8>, name: &str) -> BufferId {
        let constants = &self.program.constants;
        let equal = |b: &Buffer| matches!(b.place, Place::Constant { data: d } if b.ty == ty && constants[d] == data);
        if let Some(known) = self.program.buffers.iter().position(equal) {
            return BufferId(known as u32);
        }
        let place = Place::Constant { data: constants.len() };
        self.program.constants.push(data);
        self.buffer(Buffer { ty, layout: Layout::RowMajor, place, name: name.to_owned() })
    }

    fn buffer(&mut self, buffer: Buffer) -> BufferId {
        self.program.buffers.push(buffer);
        BufferId(self.program.buffers.len() as u32 - 1)
    }
}

/// The name of the output, or the operation and its layer.
fn describe(cx: &Context, value: Value) -> String {
    if let Some(output) = cx.graph.outputs.iter().find(|o| o.value == value) {
        return output.name.clone();
    }
    let inst = cx.def(value);
    of_layer(inst, super::print::op_name(&inst.op))
}

/// With the layer of an instruction before it.
fn of_layer(inst: &Inst, what: String) -> String {
    match inst.origin.layer.as_deref() {
        Some(layer) if !layer.is_empty() => format!("{layer}: {what}"),
        _ => what,
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

fn outcomes(graph: &Graph, buffer: impl Fn(Value) -> BufferId) -> Vec<Outcome> {
    let outcome = |output: &crate::tensor::Output| Outcome {
        name: output.name.clone(),
        role: output.role.clone(),
        buffer: buffer(output.value),
        weight: match output.role {
            OutputRole::Report { weight } => Some(buffer(weight)),
            _ => None,
        },
    };
    graph.outputs.iter().map(outcome).collect()
}

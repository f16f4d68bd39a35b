//! Compiles and runs a step program, and compares its outputs in bits.

#[allow(dead_code, reason = "the comparison with the tensor interpreter is for tests/schedule.rs")]
#[path = "../schedule/machine.rs"]
mod reference;

pub use reference::{RESULT, f32s, floats, i32s, ints};

use nnc::codegen::{CodegenOptions, Form, compile};
use nnc::lane::Target;
use nnc::runtime::{Executable, Pool, RunOptions, SharedBytes, StateStore};
use nnc::schedule::{Options, StepProgram, plan};
use nnc::tensor::data::{Data, Tensor};
use nnc::tensor::{Graph, InputRole};
use std::sync::Arc;

/// Runs a graph as machine code of every emitter, on one worker, on three, and as five in another order. Gives the plan
/// for AVX-512.
pub fn check(graph: &Graph, inputs: &[(&str, Tensor)]) -> StepProgram {
    check_forms(graph, inputs);
    planned(graph, Target::AVX512)
}

/// The kernels in tile and lane IR against the tensor interpreter, and all machine code that runs here against tile IR.
pub fn check_everywhere(graph: &Graph, inputs: &[(&str, Tensor)]) {
    reference::check(graph, inputs);
    check_forms(graph, inputs);
}

fn check_forms(graph: &Graph, inputs: &[(&str, Tensor)]) {
    Form::here().into_iter().for_each(|form| check_machine(graph, inputs, form));
}

fn planned(graph: &Graph, target: Target) -> StepProgram {
    plan(graph, &Options { target }).expect("the graph has a plan")
}

fn check_machine(graph: &Graph, inputs: &[(&str, Tensor)], form: Form) {
    let program = planned(graph, form.target());
    let expected = reference::run_program(&program, inputs);
    for (workers, order) in [(1, None), (3, None), (1, Some(&[2, 0, 3, 1, 4][..]))] {
        let found = run(&program, inputs, workers, order, form);
        for ((outcome, want), got) in program.outputs.iter().zip(&expected).zip(&found) {
            same_bits(&outcome.name, &bytes(want), got, &want.data, &program);
        }
    }
}

/// The bytes of the outputs, in order; after two runs, so that the second meets what the first left behind.
fn run(
    program: &StepProgram,
    inputs: &[(&str, Tensor)],
    workers: usize,
    order: Option<&'static [usize]>,
    form: Form,
) -> Vec<Vec<u8>> {
    let compiled = compile(program, &CodegenOptions { form, threads: 2, profile: order.is_some() })
        .unwrap_or_else(|e| panic!("{e:?}"));
    let mut store = StateStore::new();
    let pool = Arc::new(Pool::new(workers));
    let mut executable = Executable::new(compiled, pool, &mut store, RunOptions { poison: true, order }).unwrap();
    for _ in 0..2 {
        for (binding, (_, tensor)) in program.inputs.iter().map(|b| (b, inputs.iter().find(|i| i.0 == b.name).unwrap()))
        {
            match binding.role {
                InputRole::Param | InputRole::Buffer | InputRole::OptState => {
                    store.write(&binding.name, &bytes(tensor))
                }
                InputRole::Column => executable.bind_column(&binding.name, SharedBytes::from(bytes(tensor))),
                _ => executable.write(&binding.name, &bytes(tensor)),
            }
            .unwrap();
        }
        executable.run().unwrap();
    }
    program.outputs.iter().map(|o| executable.read(&o.name).unwrap()).collect()
}

fn bytes(tensor: &Tensor) -> Vec<u8> {
    match &tensor.data {
        Data::F32(v) => v.iter().flat_map(|x| x.to_le_bytes()).collect(),
        Data::I32(v) => v.iter().flat_map(|x| x.to_le_bytes()).collect(),
        Data::U8(v) => v.clone(),
        Data::Bool(v) => v.iter().map(|b| u8::from(*b)).collect(),
        other => panic!("no kernel holds {:?}", other.dtype()),
    }
}

/// NaN counts as one class.
fn same_bits(name: &str, want: &[u8], got: &[u8], data: &Data, program: &StepProgram) {
    assert_eq!(want.len(), got.len(), "size of {name}");
    let size = data.dtype().size();
    let nan = |b: &[u8]| matches!(data, Data::F32(_)) && f32::from_le_bytes(b.try_into().unwrap()).is_nan();
    for (i, (a, b)) in want.chunks(size).zip(got.chunks(size)).enumerate() {
        if a != b && !(nan(a) && nan(b)) {
            let kernels: String = program.kernels.iter().map(|k| k.to_string()).collect();
            panic!("{name}[{i}] is {b:02x?}, not {a:02x?}\n{kernels}\n{program}");
        }
    }
}

//! Runs a step program launch by launch in one arena, and compares.

use nnc::lane::place::place;
use nnc::lane::{self, Target};
use nnc::ops::{DType, Type};
use nnc::runtime::layout;
use nnc::schedule::walk::{Frame, Run, walk};
use nnc::schedule::{BufferId, Condition, Launch, Options, Place, StepProgram, memory, plan};
use nnc::tensor::data::{Data, Tensor};
use nnc::tensor::interp::{self, Precision};
use nnc::tensor::{Graph, OutputRole};
use nnc::tile::interp::BufferData;
use nnc::tile::{self, Access, Kernel};
use std::convert::Infallible;

pub const TARGETS: [Target; 3] = [Target::CLIF, Target::AVX2, Target::AVX512];

/// Bytes of all buffers: the arena, poisoned with NaN, and what the runtime owns.
struct Memory {
    arena: Vec<u8>,
    inputs: Vec<Vec<u8>>,
    constants: Vec<Vec<u8>>,
}

impl Memory {
    /// `len` bytes of a buffer.
    fn bytes(&mut self, program: &StepProgram, buffer: BufferId, at: usize, len: usize) -> &mut [u8] {
        match program.buffers[buffer.0 as usize].place {
            Place::Arena { offset } => &mut self.arena[offset + at..offset + at + len],
            Place::Input(n) => &mut self.inputs[n][at..at + len],
            Place::Constant { data } => &mut self.constants[data][at..at + len],
        }
    }
}

/// The outputs, in order.
pub fn run_program(program: &StepProgram, inputs: &[(&str, Tensor)]) -> Vec<Tensor> {
    run_as(program, inputs, None)
}

/// With a target the kernels run as lane IR, else as tile IR.
fn run_as(program: &StepProgram, inputs: &[(&str, Tensor)], placed: Option<Target>) -> Vec<Tensor> {
    let find = |name: &str| &inputs.iter().find(|i| i.0 == name).expect("every input is given").1;
    let buffer = |b: BufferId| &program.buffers[b.0 as usize];
    let owned = program.inputs.iter().map(|b| layout::pack(&to_bytes(find(&b.name)), buffer(b.buffer))).collect();
    let memory = Memory { arena: vec![0xff; program.arena_bytes], inputs: owned, constants: program.constants.clone() };
    let mut machine = Machine { program, memory, placed };
    walk(&program.items, &mut machine).unwrap();
    let mut result = |b: BufferId| {
        let (ty, bytes) = (&buffer(b).ty, buffer(b).elements() * buffer(b).ty.dtype.size());
        let rows = layout::unpack(machine.memory.bytes(program, b, 0, bytes), buffer(b));
        to_tensor(ty, to_data(&rows, ty.dtype))
    };
    program.outputs.iter().map(|o| result(o.buffer)).collect()
}

struct Machine<'a> {
    program: &'a StepProgram,
    memory: Memory,
    placed: Option<Target>,
}

impl Run for Machine<'_> {
    type Error = Infallible;

    fn launch(&mut self, _: usize, launch: &Launch, frame: &Frame) -> Result<(), Infallible> {
        let kernel = &self.program.kernels[launch.kernel];
        let places = launch.args.iter().zip(&kernel.params).map(|(arg, p)| {
            let size = p.dtype.size();
            (arg.buffer, arg.element(frame) * size, p.elements() * size, p.dtype)
        });
        let places: Vec<_> = places.collect();
        let read = |&(buffer, at, len, dtype): &(BufferId, usize, usize, DType)| {
            to_data(self.memory.bytes(self.program, buffer, at, len), dtype)
        };
        let mut buffers: Vec<BufferData> = places.iter().map(read).collect();
        run_kernel(kernel, &mut buffers, self.placed);
        for ((&(buffer, at, len, _), data), param) in places.iter().zip(&buffers).zip(&kernel.params) {
            if param.access != Access::Read {
                self.memory.bytes(self.program, buffer, at, len).copy_from_slice(&data_bytes(data));
            }
        }
        Ok(())
    }

    fn goes_on(&mut self, condition: &Condition, frame: &Frame) -> Result<bool, Infallible> {
        let at = condition.flag.element(frame);
        Ok(self.memory.bytes(self.program, condition.flag.buffer, at, 1)[0] != 0)
    }
}

/// Points in descending order: no point may need another, and as tile IR none touches what another writes.
fn run_kernel(kernel: &Kernel, buffers: &mut [BufferData], placed: Option<Target>) {
    let points = (0..kernel.points()).rev();
    let fault = match placed {
        None => tile::interp::run_disjoint(kernel, buffers).unwrap_or_else(|e| panic!("{e}\n{kernel}")),
        Some(target) => {
            let lanes = place(kernel, target);
            // Whole vectors may be read at the end of a buffer.
            let mut bytes: Vec<Vec<u8>> = buffers.iter().map(|b| [data_bytes(b), vec![0; 64]].concat()).collect();
            let fault =
                points.map(|p| lane::interp::run(&lanes, &mut bytes, p as i64, p as i64 + 1)).fold(false, |a, b| a | b);
            for ((data, bytes), param) in buffers.iter_mut().zip(&bytes).zip(&kernel.params) {
                *data = to_data(&bytes[..bytes.len() - 64], param.dtype);
            }
            fault
        }
    };
    assert!(!fault, "a data index is out of range in\n{kernel}");
}

fn to_bytes(tensor: &Tensor) -> Vec<u8> {
    match &tensor.data {
        Data::F32(v) => v.iter().flat_map(|x| x.to_le_bytes()).collect(),
        Data::I32(v) => v.iter().flat_map(|x| x.to_le_bytes()).collect(),
        Data::U8(v) => v.clone(),
        Data::Bool(v) => v.iter().map(|b| u8::from(*b)).collect(),
        other => panic!("no kernel holds {:?}", other.dtype()),
    }
}

fn to_data(bytes: &[u8], dtype: DType) -> BufferData {
    let words = || bytes.chunks_exact(4).map(|c| [c[0], c[1], c[2], c[3]]);
    match dtype {
        DType::F32 => BufferData::F32(words().map(f32::from_le_bytes).collect()),
        DType::I32 => BufferData::I32(words().map(i32::from_le_bytes).collect()),
        DType::U8 => BufferData::U8(bytes.to_vec()),
        _ => BufferData::Bool(bytes.iter().map(|b| *b != 0).collect()),
    }
}

fn data_bytes(data: &BufferData) -> Vec<u8> {
    match data {
        BufferData::F32(v) => v.iter().flat_map(|x| x.to_le_bytes()).collect(),
        BufferData::I32(v) => v.iter().flat_map(|x| x.to_le_bytes()).collect(),
        BufferData::U8(v) => v.clone(),
        BufferData::Bool(v) => v.iter().map(|b| u8::from(*b)).collect(),
    }
}

fn to_tensor(ty: &Type, data: BufferData) -> Tensor {
    let data = match data {
        BufferData::F32(v) => Data::F32(v),
        BufferData::I32(v) => Data::I32(v),
        BufferData::U8(v) => Data::U8(v),
        BufferData::Bool(v) => Data::Bool(v),
    };
    Tensor { shape: ty.shape.clone(), data }
}

/// Plans for each target, verifies kernels and memory, and compares all outputs with the tensor interpreter's. All
/// targets must agree in bits, the narrow ones as lane IR and the widest as tile IR. Gives the plan for AVX-512.
pub fn check(graph: &Graph, inputs: &[(&str, Tensor)]) -> StepProgram {
    let expected = interp::run(graph, inputs, Precision::F32).expect("the reference runs");
    let mut programs = vec![];
    let mut results: Vec<Vec<Tensor>> = vec![];
    for target in TARGETS {
        let program = plan(graph, &Options { target }).expect("the graph has a plan");
        assert_eq!(memory::verify(&program), Ok(()), "{program}");
        for kernel in &program.kernels {
            assert_eq!(tile::verify::verify(kernel), Ok(()), "{kernel}");
            assert_eq!(lane::verify::verify(&place(kernel, target)), Ok(()), "{kernel}");
        }
        results.push(match target {
            Target::AVX512 => run_program(&program, inputs),
            narrow => run_as(&program, inputs, Some(narrow)),
        });
        programs.push(program);
    }
    for ((name, want), got) in graph.outputs.iter().map(|o| &o.name).zip(&expected).zip(&results[2]) {
        close(name, want, got, &programs[2]);
    }
    for other in &results[..2] {
        for (a, b) in other.iter().zip(&results[2]) {
            assert_eq!(comparable(a), comparable(b), "targets differ in bits");
        }
    }
    programs.pop().expect("three plans")
}

/// The bytes with all NaN alike.
fn comparable(tensor: &Tensor) -> Vec<u8> {
    match &tensor.data {
        Data::F32(v) => v.iter().flat_map(|x| if x.is_nan() { f32::NAN } else { *x }.to_le_bytes()).collect(),
        _ => to_bytes(tensor),
    }
}

/// Sums in other orders differ by roundings only.
fn close(name: &str, want: &Tensor, got: &Tensor, program: &StepProgram) {
    assert_eq!(want.shape, got.shape, "shape of {name}");
    let scale = want.to_f64().iter().filter(|x| x.is_finite()).fold(1.0f64, |m, x| m.max(x.abs()));
    for (i, (a, b)) in want.to_f64().iter().zip(got.to_f64()).enumerate() {
        let same = *a == b || a.is_nan() && b.is_nan() || (a - b).abs() <= 2e-5 * scale;
        if !same {
            let kernels: String = program.kernels.iter().map(|k| k.to_string()).collect();
            panic!("{name}[{i}] is {b}, not {a}\n{kernels}\n{program}");
        }
    }
}

/// Numbers in −1..1 that look random and have few bits.
pub fn floats(shape: &[usize], seed: u64) -> Tensor {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        ((state >> 40) as f32 / (1u64 << 23) as f32) - 1.0
    };
    let data = (0..shape.iter().product()).map(|_| next()).collect();
    Tensor { shape: shape.to_vec(), data: Data::F32(data) }
}

pub fn ints(shape: &[usize], below: i32, seed: u64) -> Tensor {
    let unit = floats(shape, seed).to_f64();
    let data = unit.iter().map(|x| (((x + 1.0) / 2.0 * f64::from(below)) as i32).min(below - 1)).collect();
    Tensor { shape: shape.to_vec(), data: Data::I32(data) }
}

pub fn f32s(shape: &[usize]) -> Type {
    Type::new(DType::F32, shape.to_vec())
}

pub fn i32s(shape: &[usize]) -> Type {
    Type::new(DType::I32, shape.to_vec())
}

pub const RESULT: OutputRole = OutputRole::Result;

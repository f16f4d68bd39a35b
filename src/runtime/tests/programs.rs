//! Step programs made by hand: barriers, shared state, updates, faults.

use crate::codegen::{CodegenOptions, Form, Stage, compile};
use crate::diag::Diagnostic;
use crate::ops::{DType, Type};
use crate::runtime::{Executable, Fault, Pool, RunOptions, SharedBytes, StateStore};
use crate::schedule::{
    Arg, Binding, Buffer, BufferId, Condition, Item, Launch, Loop, Outcome, Pick, Place, Step, StepProgram, memory,
};
use crate::tensor::{InputRole, OutputRole};
use crate::tile::{Layout, parse::parse};
use std::sync::Arc;

/// Builds a program; buffers are named by their number.
struct Builder(StepProgram);

impl Builder {
    fn new(kernels: &[&str]) -> Builder {
        let kernels = kernels.iter().map(|k| parse(k).unwrap()).collect();
        Builder(StepProgram { kernels, ..StepProgram::new("test") })
    }

    fn buffer(&mut self, name: &str, ty: Type, place: Place) -> BufferId {
        self.0.buffers.push(Buffer { ty, layout: Layout::RowMajor, place, name: name.into() });
        BufferId(self.0.buffers.len() as u32 - 1)
    }

    fn arena(&mut self, ty: Type) -> BufferId {
        let offset = self.0.arena_bytes;
        let id = self.buffer("t", ty, Place::Arena { offset });
        self.0.arena_bytes += self.0.buffers[id.0 as usize].bytes();
        id
    }

    fn input(&mut self, name: &str, role: InputRole, ty: Type) -> BufferId {
        let buffer = self.buffer(name, ty, Place::Input(self.0.inputs.len()));
        self.0.inputs.push(Binding { name: name.into(), role, buffer });
        buffer
    }

    fn constant(&mut self, data: &[f32]) -> BufferId {
        let place = Place::Constant { data: self.0.constants.len() };
        self.0.constants.push(data.iter().flat_map(|x| x.to_le_bytes()).collect());
        self.buffer("c", f32s(data.len()), place)
    }

    fn launch(&mut self, kernel: usize, args: &[BufferId], barrier: bool) {
        self.0.items.push(launch(kernel, args.iter().map(|id| Arg::from(*id)).collect(), barrier));
    }

    fn output(&mut self, name: &str, role: OutputRole, buffer: BufferId) {
        self.0.outputs.push(Outcome { name: name.into(), role, buffer, weight: None });
    }

    fn executable(&self, store: &mut StateStore, workers: usize) -> Result<Executable, Diagnostic> {
        self.ordered(store, workers, None)
    }

    fn ordered(
        &self,
        store: &mut StateStore,
        workers: usize,
        order: Option<&'static [usize]>,
    ) -> Result<Executable, Diagnostic> {
        let compiled =
            compile(&self.0, &CodegenOptions { form: Form::Portable, threads: 2, profile: order.is_some() })?;
        Executable::new(compiled, Arc::new(Pool::new(workers)), store, RunOptions { poison: true, order })
    }
}

fn launch(kernel: usize, args: Vec<Arg>, barrier: bool) -> Item {
    Item::Launch(Launch { kernel, args, barrier, share: 0, lookups: vec![] })
}

/// Part of a buffer that the outermost loop moves.
fn moved(buffer: BufferId, offset: usize, pick: Pick, stride: usize) -> Arg {
    Arg::from(buffer).moved(offset, Step { depth: 0, pick, stride })
}

fn f32s(n: usize) -> Type {
    Type::new(DType::F32, vec![n])
}

/// y[i] = x[i] + x[63 - i]: needs all of x.
const FOLD: &str = "\
kernel fold(read x: f32[64], write y: f32[64]) {
  par i0 in 0..64 by 4
  %0: f32[1, i0] = load x[i0 + col]
  %1: f32[1, i0] = load x[63 + i0 * -1 + col * -1]
  %2: f32[1, i0] = sub %1, %0
  store y[i0 + col] = %2
}
";

/// y = x * c
const SCALE: &str = "\
kernel scale(read x: f32[4], read c: f32[4], write y: f32[4]) {
  par i0 in 0..4 by 4
  %0: f32[1, i0] = load x[i0 + col]
  %1: f32[1, i0] = load c[i0 + col]
  %2: f32[1, i0] = mul %0, %1
  store y[i0 + col] = %2
}
";

const IN_PLACE: &str = "\
kernel grow(inout x: f32[4], read c: f32[4]) {
  par i0 in 0..4 by 4
  %0: f32[1, i0] = load x[i0 + col]
  %1: f32[1, i0] = load c[i0 + col]
  %2: f32[1, i0] = add %0, %1
  store x[i0 + col] = %2
}
";

const TAKE: &str = "\
kernel lookup(read table: f32[4], read rows: i32[2], write y: f32[2]) {
  par i0 in 0..2 by 1
  %0: i32[i0, 1] = load rows[i0 + row]
  %1: f32[i0, 1] = load table[data(%0, 4)]
  store y[i0 + row] = %1
}
";

/// Twenty folds behind barriers, against the same in Rust; with one worker and with more than there are cores.
#[test]
fn barriers_order_launches() {
    for workers in [1, 2, 5] {
        let mut b = Builder::new(&[FOLD]);
        let x = b.input("x", InputRole::Arg, f32s(64));
        let mut last = x;
        for _ in 0..20 {
            let next = b.arena(f32s(64));
            b.launch(0, &[last, next], true);
            last = next;
        }
        b.output("y", OutputRole::Result, last);
        let mut executable = b.executable(&mut StateStore::new(), workers).unwrap();
        for run in 0..50 {
            let mut x: Vec<f32> = (0..64).map(|i| ((i * i + run) % 13) as f32).collect();
            executable.write_f32("x", &x).unwrap();
            executable.run().unwrap();
            for _ in 0..20 {
                x = (0..64).map(|i| x[63 - i] - x[i]).collect();
            }
            assert_eq!(executable.read_f32("y").unwrap(), x, "{workers} workers, run {run}");
        }
    }
}

/// w is updated by a copy in one program and read by another.
#[test]
fn programs_share_state() {
    let mut train = Builder::new(&[SCALE]);
    let w = train.input("w", InputRole::Param, f32s(4));
    let two = train.constant(&[2.0, 3.0, 1.0, -1.0]);
    let next = train.arena(f32s(4));
    train.launch(0, &[w, two, next], false);
    train.output("w", OutputRole::Update, next);

    let mut eval = Builder::new(&[SCALE]);
    let w = eval.input("w", InputRole::Param, f32s(4));
    let x = eval.input("x", InputRole::Arg, f32s(4));
    let y = eval.arena(f32s(4));
    eval.launch(0, &[w, x, y], false);
    eval.output("y", OutputRole::Result, y);

    let mut store = StateStore::new();
    let mut train = train.executable(&mut store, 2).unwrap();
    let mut eval = eval.executable(&mut store, 1).unwrap();
    store.write_f32("w", &[1.0; 4]).unwrap();
    for _ in 0..3 {
        train.run().unwrap();
    }
    eval.write_f32("x", &[10.0; 4]).unwrap();
    eval.run().unwrap();
    assert_eq!(eval.read_f32("y").unwrap(), [80.0, 270.0, 10.0, -10.0]);
    assert_eq!(store.read_f32("w").unwrap(), [8.0, 27.0, 1.0, -1.0]);
}

#[test]
fn state_is_updated_in_place() {
    let mut b = Builder::new(&[IN_PLACE]);
    let w = b.input("w", InputRole::OptState, f32s(4));
    let c = b.constant(&[1.0, 2.0, 3.0, 4.0]);
    b.launch(0, &[w, c], false);
    b.output("w", OutputRole::Update, w);
    let mut store = StateStore::new();
    let mut executable = b.executable(&mut store, 2).unwrap();
    executable.run().unwrap();
    executable.run().unwrap();
    assert_eq!(store.read_f32("w").unwrap(), [2.0, 4.0, 6.0, 8.0]);
}

/// a := b, b := a.
#[test]
fn updates_may_swap_states() {
    let mut b = Builder::new(&[]);
    let [x, y] = ["x", "y"].map(|name| b.input(name, InputRole::Buffer, f32s(4)));
    b.output("x", OutputRole::Update, y);
    b.output("y", OutputRole::Update, x);
    let mut store = StateStore::new();
    let mut executable = b.executable(&mut store, 1).unwrap();
    store.write_f32("x", &[1.0; 4]).unwrap();
    store.write_f32("y", &[2.0; 4]).unwrap();
    executable.run().unwrap();
    assert_eq!((store.read_f32("x").unwrap(), store.read_f32("y").unwrap()), (vec![2.0; 4], vec![1.0; 4]));
}

/// The lookup faults; the launch behind the barrier, which would change w, does not run.
#[test]
fn a_fault_stops_the_step() {
    for workers in [1, 3] {
        let mut b = Builder::new(&[TAKE, IN_PLACE]);
        let w = b.input("w", InputRole::Param, f32s(4));
        let table = b.constant(&[1.0, 2.0, 3.0, 4.0]);
        let rows = b.input("rows", InputRole::Rows, Type::new(DType::I32, vec![2]));
        let y = b.arena(f32s(2));
        b.launch(0, &[table, rows, y], false);
        b.launch(1, &[w, table], true);
        b.output("w", OutputRole::Update, w);
        b.output("y", OutputRole::Result, y);
        let mut store = StateStore::new();
        let mut executable = b.executable(&mut store, workers).unwrap();
        for bad in [[0, 4], [-1, 2]] {
            executable.write_rows(&bad).unwrap();
            assert_eq!(executable.run(), Err(Fault::Index { kernel: "lookup".into(), lookups: vec![] }));
            assert_eq!(store.read_f32("w").unwrap(), [0.0; 4]);
        }
        executable.write_rows(&[3, 1]).unwrap();
        executable.run().unwrap();
        assert_eq!(executable.read_f32("y").unwrap(), [4.0, 2.0]);
        assert_eq!(store.read_f32("w").unwrap(), [1.0, 2.0, 3.0, 4.0]);
    }
}

/// A fold for each of 21 slices, of the slice before; in both directions.
#[test]
fn loops_move_arguments() {
    for (workers, order) in [(1, None), (3, None), (1, Some(&[1, 2, 0][..]))] {
        for reverse in [false, true] {
            let mut b = Builder::new(&[FOLD]);
            let x = b.input("x", InputRole::Arg, f32s(64));
            let h = b.arena(f32s(22 * 64));
            let (first, old, new) = if reverse { (21, 64, 0) } else { (0, 0, 64) };
            b.0.items.push(launch(0, vec![x.into(), Arg::from(h).after(first * 64)], false));
            let args = vec![moved(h, old, Pick::Position, 64), moved(h, new, Pick::Position, 64)];
            let items = vec![launch(0, args, true)];
            b.0.items.push(Item::Loop(Loop {
                length: 21,
                reverse,
                condition: None,
                shares: None,
                items,
                after: vec![],
            }));
            b.output("h", OutputRole::Result, h);
            assert_eq!(memory::verify(&b.0), Ok(()));
            let mut executable = b.ordered(&mut StateStore::new(), workers, order).unwrap();
            let mut x: Vec<f32> = (0..64).map(|i| ((i * i) % 13) as f32).collect();
            executable.write_f32("x", &x).unwrap();
            executable.run().unwrap();
            let found = executable.read_f32("h").unwrap();
            for slice in 0..22 {
                x = (0..64).map(|i| x[63 - i] - x[i]).collect();
                let at = 64 * if reverse { 21 - slice } else { slice };
                assert_eq!(found[at..at + 64], x, "{workers} workers, slice {slice}");
            }
        }
    }
}

/// Two slices in turn, until a flag is false: `after` finds the last value where one more iteration would read it.
#[test]
fn conditions_end_loops() {
    for stop in [0, 1, 4, 5, 9] {
        let mut b = Builder::new(&[FOLD]);
        let x = b.input("x", InputRole::Arg, f32s(64));
        let flags = b.buffer("flags", Type::new(DType::Bool, vec![9]), Place::Constant { data: 0 });
        b.0.constants.push((0..9).map(|i| u8::from(i < stop)).collect());
        let [h, y] = [128, 64].map(|n| b.arena(f32s(n)));
        b.0.items.push(launch(0, vec![x.into(), h.into()], false));
        let args = vec![moved(h, 0, Pick::Odd, 64), moved(h, 0, Pick::Even, 64)];
        b.0.items.push(Item::Loop(Loop {
            length: 9,
            reverse: false,
            condition: Some(Condition { flag: moved(flags, 0, Pick::Position, 1), barrier: false }),
            shares: None,
            items: vec![launch(0, args, true)],
            after: vec![launch(0, vec![moved(h, 0, Pick::Odd, 64), y.into()], true)],
        }));
        b.output("y", OutputRole::Result, y);
        assert_eq!(memory::verify(&b.0), Ok(()));
        for (workers, order) in [(1, None), (3, None), (1, Some(&[1, 2, 0][..]))] {
            let mut executable = b.ordered(&mut StateStore::new(), workers, order).unwrap();
            let mut x: Vec<f32> = (0..64).map(|i| ((i * i) % 13) as f32).collect();
            executable.write_f32("x", &x).unwrap();
            executable.run().unwrap();
            (0..stop + 2).for_each(|_| x = (0..64).map(|i| x[63 - i] - x[i]).collect());
            assert_eq!(executable.read_f32("y").unwrap(), x, "{workers} workers, {stop} iterations");
        }
    }
}

/// The third iteration looks up an index out of range: no launch behind the next barrier runs.
#[test]
fn a_fault_in_a_loop_stops_the_step() {
    for (workers, order) in [(1, None), (3, None), (1, Some(&[1, 2, 0][..]))] {
        let mut b = Builder::new(&[TAKE, IN_PLACE]);
        let w = b.input("w", InputRole::Param, f32s(4));
        let table = b.constant(&[1.0, 2.0, 3.0, 4.0]);
        let rows = b.input("rows", InputRole::Rows, Type::new(DType::I32, vec![10]));
        let y = b.arena(f32s(2));
        let lookup = vec![table.into(), moved(rows, 0, Pick::Position, 2), y.into()];
        let items = vec![launch(0, lookup, true), launch(1, vec![w.into(), table.into()], true)];
        b.0.items.push(Item::Loop(Loop {
            length: 5,
            reverse: false,
            condition: None,
            shares: None,
            items,
            after: vec![],
        }));
        b.output("w", OutputRole::Update, w);
        b.output("y", OutputRole::Result, y);
        let mut store = StateStore::new();
        let mut executable = b.ordered(&mut store, workers, order).unwrap();
        executable.write_rows(&[0, 1, 2, 3, 3, 4, 0, 0, 0, 0]).unwrap();
        assert_eq!(executable.run(), Err(Fault::Index { kernel: "lookup".into(), lookups: vec![] }));
        assert_eq!(store.read_f32("w").unwrap(), [2.0, 4.0, 6.0, 8.0]);
        executable.write_rows(&[0, 1, 2, 3, 3, 0, 0, 0, 1, 2]).unwrap();
        executable.run().unwrap();
        assert_eq!(executable.read_f32("y").unwrap(), [2.0, 3.0]);
    }
}

#[test]
fn columns_are_bound_and_checked() {
    let mut b = Builder::new(&[SCALE]);
    let x = b.input("Data.x", InputRole::Column, f32s(4));
    let c = b.constant(&[2.0; 4]);
    let y = b.arena(f32s(4));
    b.launch(0, &[x, c, y], false);
    b.output("y", OutputRole::Result, y);
    let mut executable = b.executable(&mut StateStore::new(), 1).unwrap();
    let unbound = executable.run().unwrap_err();
    assert_eq!(unbound.diagnostic().code.to_string(), "E0933");
    let code = |r: Result<(), Diagnostic>| r.unwrap_err().code.to_string();
    assert_eq!(code(executable.bind_column("Data.x", vec![1f32; 5].into())), "E0934");
    assert_eq!(code(executable.bind_column("Data.y", vec![1f32; 4].into())), "E0932");
    assert_eq!(code(executable.write_scalar("Data.x", 1)), "E0932");
    let column = SharedBytes::from(vec![0f32, 1.0, 2.0, 3.0, 4.0]).slice(4, 16).unwrap();
    executable.bind_column("Data.x", column).unwrap();
    executable.run().unwrap();
    assert_eq!(executable.read_f32("y").unwrap(), [2.0, 4.0, 6.0, 8.0]);
}

#[test]
fn states_must_agree() {
    let mut store = StateStore::new();
    for (n, ok) in [(4, true), (4, true), (8, false)] {
        let mut b = Builder::new(&[]);
        b.input("w", InputRole::Param, f32s(n));
        let found = b.executable(&mut store, 1).map(|_| ()).map_err(|e| e.code.to_string());
        assert_eq!(found, if ok { Ok(()) } else { Err("E0935".into()) });
    }
}

/// Reports, their weights and checks; constants as outputs.
#[test]
fn results_are_read() {
    let mut b = Builder::new(&[]);
    let loss = b.constant(&[0.25]);
    let weight = b.constant(&[64.0]);
    b.0.constants.push(vec![0]);
    let check = b.buffer("c", Type::scalar(DType::Bool), Place::Constant { data: 2 });
    b.output("loss", OutputRole::Report { weight: crate::tensor::Value(0) }, loss);
    b.0.outputs[0].weight = Some(weight);
    b.output("gradients are finite", OutputRole::Check, check);
    let mut executable = b.executable(&mut StateStore::new(), 1).unwrap();
    executable.run().unwrap();
    let reports: Vec<_> = executable.reports().map(|r| (r.name, r.value, r.weight)).collect();
    assert_eq!(reports, [("loss", 0.25, 64.0)]);
    assert_eq!(executable.failed_check(), Some("gradients are finite"));
}

/// On one thread, worker after worker: what the second needs of the first is there, but not the other way round.
#[test]
fn a_missing_barrier_shows_in_another_order() {
    for (barrier, whole) in [(true, true), (false, false)] {
        let mut b = Builder::new(&[FOLD]);
        let x = b.constant(&[1.0; 64]);
        let [t, y] = [(); 2].map(|()| b.arena(f32s(64)));
        b.launch(0, &[x, t], false);
        b.launch(0, &[t, y], barrier);
        b.output("y", OutputRole::Result, y);
        let mut executable = b.ordered(&mut StateStore::new(), 1, Some(&[1, 0])).unwrap();
        executable.run().unwrap();
        let found = executable.read_f32("y").unwrap();
        assert_eq!(found.iter().all(|x| *x == 0.0), whole, "barrier {barrier}: {found:?}");
    }
}

/// What no kernel wrote in this step reads as NaN.
#[test]
fn the_arena_is_poisoned() {
    let mut b = Builder::new(&[]);
    let t = b.arena(f32s(4));
    b.output("t", OutputRole::Result, t);
    let mut executable = b.executable(&mut StateStore::new(), 1).unwrap();
    executable.run().unwrap();
    assert!(executable.read_f32("t").unwrap().iter().all(|x| x.is_nan()));
}

#[test]
fn identical_kernels_are_compiled_once() {
    let renamed = SCALE.replace("scale", "times").replace("read c", "read d").replace("load c", "load d");
    let mut b = Builder::new(&[SCALE, &renamed, FOLD]);
    let [x, y, z] = [(); 3].map(|()| b.arena(f32s(4)));
    b.launch(0, &[x, y, z], false);
    b.launch(1, &[x, z, y], true);
    let compiled = compile(&b.0, &CodegenOptions { form: Form::Portable, threads: 2, profile: false }).unwrap();
    assert_eq!(compiled.distinct_kernels().len(), 2);
    assert_eq!(compiled.kernel(1).name, "scale");
    for (stage, text) in [(Stage::Lane, "fmul"), (Stage::Clif, "fmul"), (Stage::Asm, "ret")] {
        assert!(compiled.text(stage).unwrap().contains(text), "{stage:?}");
    }
}

/// Emitters move loads past stores, so written buffers must not overlap others.
#[test]
fn overlapping_arguments_are_refused() {
    let mut b = Builder::new(&[SCALE]);
    let [x, y] = [(); 2].map(|()| b.arena(f32s(4)));
    let overlapping = b.buffer("o", f32s(32), Place::Arena { offset: 0 });
    b.launch(0, &[x, x, y], false);
    assert!(b.executable(&mut StateStore::new(), 1).is_ok());
    b.launch(0, &[x, overlapping, y], false);
    let error = b.executable(&mut StateStore::new(), 1).map(|_| ()).unwrap_err();
    assert_eq!(error.code.to_string(), "E0922");
    assert!(error.message.contains("`y` overlaps"), "{}", error.message);
}

/// Rows of a state lie apart, with zeros between.
#[test]
fn rows_with_a_pitch_are_packed() {
    let buffer = Buffer {
        ty: Type::new(DType::F32, vec![2, 3]),
        layout: Layout::Padded { pitch: 4 },
        place: Place::Input(0),
        name: "w".into(),
    };
    let mut store = StateStore::new();
    let memory = store.memory("w", &buffer).unwrap();
    store.write_f32("w", &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0]).unwrap();
    let mut bytes = [0; 32];
    memory.read(0, &mut bytes);
    let floats: Vec<_> = bytes.chunks(4).map(|b| f32::from_le_bytes(b.try_into().unwrap())).collect();
    assert_eq!(floats, [1.0, 2.0, 3.0, 0.0, 4.0, 5.0, 6.0, 0.0]);
    assert_eq!(store.read_f32("w").unwrap(), [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]);
}

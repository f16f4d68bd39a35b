//! A generator of lane programs.

use super::TARGETS;
use crate::codegen::{disasm, x86};
use crate::lane::print::{COMPARES, TREE_OPS, VEC_OPS};
use crate::lane::{LaneKind, Target, interp};
use crate::ops::DType;
use crate::runtime::harness::{Noise, kernel, run, runs_here, same_bits, wide};

#[derive(Clone, Copy, PartialEq)]
enum Ty {
    Index,
    Floats,
    Ints,
    Mask,
}

const TYPES: [Ty; 4] = [Ty::Index, Ty::Floats, Ty::Ints, Ty::Mask];

impl Ty {
    fn name(self) -> &'static str {
        match self {
            Ty::Index => "i64",
            Ty::Floats => "f32x16",
            Ty::Ints => "i32x16",
            Ty::Mask => "mask16",
        }
    }

    fn of(kind: LaneKind) -> Ty {
        match kind {
            LaneKind::F32 => Ty::Floats,
            LaneKind::I32 => Ty::Ints,
            LaneKind::Mask => Ty::Mask,
        }
    }
}

/// Elements of each buffer: f32, i32, bool, u8 to read, the same to write.
const ELEMENTS: usize = 256;
const BUFFERS: [DType; 8] =
    [DType::F32, DType::I32, DType::Bool, DType::U8, DType::F32, DType::I32, DType::Bool, DType::U8];

struct Generator {
    noise: Noise,
    text: String,
    next: u32,
    /// Values that can be used here.
    scope: Vec<(u32, Ty)>,
}

impl Generator {
    fn below(&mut self, n: usize) -> usize {
        self.noise.word() as usize % n
    }

    fn fresh(&mut self) -> u32 {
        self.next += 1;
        self.next - 1
    }

    /// Any visible value of a type; old ones as likely as new ones.
    fn pick(&mut self, ty: Ty) -> String {
        let all: Vec<u32> = self.scope.iter().filter(|v| v.1 == ty).map(|v| v.0).collect();
        format!("v{}", all[self.below(all.len())])
    }

    fn define(&mut self, ty: Ty, op: &str) -> u32 {
        let v = self.fresh();
        self.text += &format!("v{v}: {} = {op}\n", ty.name());
        self.scope.push((v, ty));
        v
    }

    /// An index from 0 to 127.
    fn place(&mut self) -> String {
        let (x, n) = (self.pick(Ty::Index), self.define(Ty::Index, "iconst 128"));
        let place = self.define(Ty::Index, &format!("index.mod {x}, v{n}"));
        format!("v{place}")
    }

    fn entry(&mut self) {
        self.scope = vec![(0, Ty::Index), (1, Ty::Index)];
        self.next = 2;
        self.define(Ty::Index, "iconst 3");
        for _ in 0..4 {
            let (bits, n) = (self.noise.float().to_bits(), self.noise.int());
            self.define(Ty::Floats, &format!("fsplat {bits:#010x}"));
            self.define(Ty::Ints, &format!("isplat {n}"));
        }
        self.define(Ty::Ints, "lanes");
        for count in [0, 5, 16] {
            self.define(Ty::Mask, &format!("first_lanes {count}"));
        }
    }

    fn access(&mut self, load: bool) -> String {
        let count = self.below(17);
        let stride = self.below(9);
        match self.below(if load { 5 } else { 4 }) {
            0 => "count 16".into(),
            1 => format!("count {count}"),
            2 => format!("stride {stride} count {count}"),
            3 => {
                let (x, seven) = (self.pick(Ty::Ints), self.define(Ty::Ints, "isplat 63"));
                let offsets = self.define(Ty::Ints, &format!("iand {x}, v{seven}"));
                format!("indexed v{offsets} mask {}", self.pick(Ty::Mask))
            }
            _ => "splat".into(),
        }
    }

    /// A buffer and the type of its vectors.
    fn buffer(&mut self) -> (usize, Ty) {
        [(0, Ty::Floats), (1, Ty::Ints), (2, Ty::Mask), (3, Ty::Ints)][self.below(4)]
    }

    fn load(&mut self) {
        let (buffer, ty) = self.buffer();
        let (place, access) = (self.place(), self.access(true));
        self.define(ty, &format!("load b{buffer}[{place} + 0] {access}"));
    }

    fn store(&mut self) {
        let (buffer, ty) = self.buffer();
        let (place, access, value) = (self.place(), self.access(false), self.pick(ty));
        self.text += &format!("store b{}[{place} + 0] {access}, {value}\n", buffer + 4);
    }

    fn vector(&mut self) {
        let (op, name) = VEC_OPS[self.below(VEC_OPS.len())];
        let ty = Ty::of(op.kind());
        let args: Vec<_> = (0..op.arity()).map(|_| self.pick(ty)).collect();
        self.define(ty, &format!("{name} {}", args.join(", ")));
    }

    fn index(&mut self) {
        let names = ["add", "sub", "mul", "min", "max", "div", "mod"];
        let n = self.below(names.len());
        let a = self.pick(Ty::Index);
        let divisor = [1, 2, 3, 7, 16, 100, 784][self.below(7)];
        let b = if n < 5 {
            self.pick(Ty::Index)
        } else {
            format!("v{}", self.define(Ty::Index, &format!("iconst {divisor}")))
        };
        self.define(Ty::Index, &format!("index.{} {a}, {b}", names[n]));
    }

    fn condition(&mut self) -> u32 {
        let (_, name) = COMPARES[self.below(COMPARES.len())];
        let (a, b) = (self.pick(Ty::Index), self.pick(Ty::Index));
        let v = self.fresh();
        self.text += &format!("v{v}: cond = index.{name} {a}, {b}\n");
        v
    }

    fn other(&mut self) {
        match self.below(7) {
            0 => {
                let ty = TYPES[1 + self.below(3)];
                let (_, name) = COMPARES[self.below(COMPARES.len())];
                let (a, b) = (self.pick(ty), self.pick(ty));
                self.define(Ty::Mask, &format!("cmp.{name} {a}, {b}"));
            }
            1 => {
                let ty = TYPES[1 + self.below(3)];
                let (m, a, b) = (self.pick(Ty::Mask), self.pick(ty), self.pick(ty));
                self.define(ty, &format!("select {m}, {a}, {b}"));
            }
            2 => {
                let (op, name) = TREE_OPS[self.below(TREE_OPS.len())];
                let ty = Ty::of(op.kind());
                let v = self.pick(ty);
                self.define(ty, &format!("tree.{name} {v}"));
            }
            3 => {
                let v = self.pick(Ty::Ints);
                self.define(Ty::Floats, &format!("to_f32 {v}"));
            }
            4 => {
                let v = self.pick(Ty::Floats);
                self.define(Ty::Ints, &format!("to_i32 {v}"));
            }
            5 => {
                let v = self.pick(Ty::Index);
                self.define(Ty::Ints, &format!("splat_index {v}"));
                let v = self.pick(Ty::Ints);
                self.define(Ty::Index, &format!("first_lane {v}"));
            }
            _ => {
                let cond = self.condition();
                self.define(Ty::Mask, &format!("splat_cond v{cond}"));
            }
        }
    }

    fn body(&mut self, statements: usize, depth: usize) {
        for _ in 0..statements {
            match self.below(24) {
                0..=3 => self.load(),
                4..=5 => self.store(),
                6..=8 => self.index(),
                9..=16 => self.vector(),
                17..=20 => self.other(),
                21 if depth > 0 => self.branch(statements / 4, depth - 1),
                22 if depth > 0 => self.looped(statements / 4, depth - 1),
                23 => {
                    let mask = self.pick(Ty::Mask);
                    self.text += &format!("fault {mask}\n");
                }
                _ => {}
            }
        }
    }

    fn types(&mut self) -> Vec<Ty> {
        (0..self.below(9)).map(|_| TYPES[self.below(4)]).collect()
    }

    fn yields(&mut self, types: &[Ty]) {
        if !types.is_empty() {
            let values: Vec<_> = types.iter().map(|ty| self.pick(*ty)).collect();
            self.text += &format!("yield {}\n", values.join(", "));
        }
    }

    fn branch(&mut self, statements: usize, depth: usize) {
        let cond = self.condition();
        let types = self.types();
        let results: Vec<(u32, Ty)> = types.iter().map(|ty| (self.fresh(), *ty)).collect();
        let list: Vec<_> = results.iter().map(|(v, ty)| format!("v{v}: {}", ty.name())).collect();
        self.text += &format!("if v{cond} -> ({}) {{\n", list.join(", "));
        for between in ["} else {\n", "}\n"] {
            let outside = self.scope.len();
            self.body(statements, depth);
            self.yields(&types);
            self.scope.truncate(outside);
            self.text += between;
        }
        self.scope.extend(results);
    }

    fn looped(&mut self, statements: usize, depth: usize) {
        let types = self.types();
        let four = self.define(Ty::Index, "iconst 4");
        let any = self.pick(Ty::Index);
        let hi = self.define(Ty::Index, &format!("index.mod {any}, v{four}"));
        let lo = self.define(Ty::Index, "iconst 0");
        let inits: Vec<_> = types.iter().map(|ty| self.pick(*ty)).collect();
        let var = self.fresh();
        let carries: Vec<(u32, u32)> = types.iter().map(|_| (self.fresh(), self.fresh())).collect();
        let item = |((ty, init), (inside, after)): ((&Ty, &String), &(u32, u32))| {
            format!("v{inside}: {} = {init} -> v{after}", ty.name())
        };
        let list: Vec<_> = types.iter().zip(&inits).zip(&carries).map(item).collect();
        let carry = if list.is_empty() { String::new() } else { format!("carry {} ", list.join(", ")) };
        self.text += &format!("for v{var} in v{lo}..v{hi} step {} {carry}{{\n", 1 + statements % 2);
        let outside = self.scope.len();
        self.scope.push((var, Ty::Index));
        self.scope.extend(carries.iter().zip(&types).map(|(c, ty)| (c.0, *ty)));
        self.body(statements, depth);
        self.yields(&types);
        self.scope.truncate(outside);
        self.text += "}\n";
        self.scope.extend(carries.iter().zip(&types).map(|(c, ty)| (c.1, *ty)));
    }

    /// Uses one in `every` value of those that are left, so that it lives to here; others die sooner.
    fn store_some(&mut self, every: usize) {
        for (n, (v, ty)) in self.scope.clone().into_iter().enumerate().step_by(every) {
            let (v, buffer) = match ty {
                Ty::Index => (self.define(Ty::Ints, &format!("splat_index v{v}")), 5),
                Ty::Floats => (v, 4),
                Ty::Ints => (v, 5),
                Ty::Mask => (v, 6),
            };
            let place = n % (ELEMENTS - 16);
            let at = self.define(Ty::Index, &format!("iconst {place}"));
            let fold = if buffer == 6 {
                "mxor"
            } else if buffer == 5 {
                "ixor"
            } else {
                "fadd"
            };
            let name = [Ty::Floats, Ty::Ints, Ty::Mask][buffer - 4];
            let old = self.define(name, &format!("load b{buffer}[v{at} + 0] count 16"));
            let new = self.define(name, &format!("{fold} v{old}, v{v}"));
            self.text += &format!("store b{buffer}[v{at} + 0] count 16, v{new}\n");
        }
    }
}

fn program(seed: u64, statements: usize) -> String {
    let mut g = Generator { noise: Noise(seed), text: String::new(), next: 0, scope: vec![] };
    g.entry();
    g.body(statements, 3);
    g.store_some(1 + seed as usize % 9);
    let buffers: Vec<_> = BUFFERS.iter().map(|b| b.name()).collect();
    format!("kernel k({}) points 5 {{\n{}}}\n", buffers.join(", "), g.text)
}

/// Compares all buffers where the machine runs the code; gives the code.
fn check(seed: u64, statements: usize, target: Target) -> Vec<u8> {
    let text = program(seed, statements);
    let kernel = kernel(&text);
    if !x86::host_targets().contains(&target) {
        return wide(&kernel, target).bytes;
    }
    let mut noise = Noise(seed + 1);
    let mut expected: Vec<_> = BUFFERS.iter().map(|b| noise.elements(*b, ELEMENTS)).collect();
    let mut found = expected.clone();
    let expected_fault = interp::run(&kernel, &mut expected, 0, 5);
    let found_fault = run(&kernel, wide(&kernel, target), &mut found, 1);
    assert_eq!(found_fault, expected_fault, "fault of seed {seed}\n{text}");
    for (i, dtype) in BUFFERS.iter().enumerate() {
        same_bits(*dtype, &expected[i], &found[i], &format!("b{i}, seed {seed}\n{text}"));
    }
    wide(&kernel, target).bytes
}

#[test]
fn short_programs() {
    for target in TARGETS {
        runs_here(target);
        (0..300).for_each(|seed| _ = check(seed, 12, target));
    }
}

#[test]
fn programs_that_run_out_of_registers() {
    for (target, classes) in [(Target::AVX512, &["zmm", "kmovw", "mov r"][..]), (Target::AVX2, &["ymm", "mov r"])] {
        runs_here(target);
        for seed in 1000..1060 {
            let code = disasm::x86(&check(seed, 150, target));
            let class_on_stack = |text: &str| code.lines().any(|line| line.contains("[rsp+") && line.contains(text));
            for class in classes {
                assert!(class_on_stack(class), "seed {seed} spills nothing with `{class}`");
            }
        }
    }
}

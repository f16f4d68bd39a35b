//! Rows that would meet in few sets of a cache lie apart: the same results.

use crate::machine::{RESULT, check, f32s, floats};
use crate::parts::dot;
use nnc::ops::{Op, Unary};
use nnc::schedule::StepProgram;
use nnc::tensor::build::{Builder, Loop, ScanArgs};
use nnc::tensor::{Graph, InputRole, Origin, Value};
use nnc::tile::Layout;

/// A graph of parameters, a body, and its results; run and compared.
fn case(shapes: &[&[usize]], body: impl Fn(&mut Builder, &[Value]) -> Vec<Value>) -> StepProgram {
    let mut graph = Graph::new("case");
    let names: Vec<String> = (0..shapes.len()).map(|i| format!("w{i}")).collect();
    let inputs: Vec<Value> = (names.iter().zip(shapes))
        .map(|(n, s)| graph.input(n.clone(), InputRole::Param, f32s(s), Origin::default()))
        .collect();
    let results = body(&mut Builder::new(&mut graph, Origin::default()), &inputs);
    for (i, value) in results.into_iter().enumerate() {
        graph.output(format!("y{i}"), RESULT, value);
    }
    let data: Vec<_> =
        names.iter().zip(shapes).enumerate().map(|(i, (n, s))| (n.as_str(), floats(s, i as u64))).collect();
    check(&graph, &data)
}

/// Shape and layout of each buffer.
fn layouts(program: &StepProgram) -> Vec<(&[usize], Layout)> {
    program.buffers.iter().map(|b| (b.ty.shape.as_slice(), b.layout)).collect()
}

#[track_caller]
fn no_division(program: &StepProgram) {
    let kernels: String = program.kernels.iter().map(|k| k.to_string()).collect();
    assert!(!kernels.contains(" // ") && !kernels.contains(" mod "), "{kernels}");
}

#[test]
fn products_of_long_rows() {
    let program = case(&[&[70, 128], &[128, 256], &[70, 127], &[63, 128]], |b, w| {
        let y = dot(b, w[0], w[1]);
        let turned = b.transpose(y, &[1, 0]);
        let z = dot(b, turned, w[0]);
        let other = b.transpose(w[1], &[1, 0]);
        let double = b.add(z, other);
        let columns = b.sum(y, &[0]);
        vec![y, double, columns, w[2], w[3]]
    });
    let padded = |shape: &[usize]| layouts(&program).into_iter().find(|l| l.0 == shape).expect("a buffer").1;
    assert_eq!(padded(&[70, 128]), Layout::Padded { pitch: 144 });
    assert_eq!(padded(&[128, 256]), Layout::Padded { pitch: 272 });
    // 508 bytes, and too few rows.
    assert_eq!([padded(&[70, 127]), padded(&[63, 128])], [Layout::RowMajor; 2]);
    no_division(&program);
}

/// Heads are parts of rows: reshaped, turned and multiplied.
#[test]
fn heads_of_long_rows() {
    let program = case(&[&[3, 24, 128], &[128, 128]], |b, w| {
        let x = b.reshape(w[0], &[72, 128]);
        let y = dot(b, x, w[1]);
        let heads = b.reshape(y, &[3, 24, 4, 32]);
        let heads = b.transpose(heads, &[0, 2, 1, 3]);
        let op = Op::Dot { lhs_batch: vec![0, 1], rhs_batch: vec![0, 1], lhs_contract: vec![3], rhs_contract: vec![3] };
        let scores = b.op(op, &[heads, heads], f32s(&[3, 4, 24, 24]));
        let rows = b.reshape(y, &[3, 24, 128]);
        let both = b.add(rows, w[0]);
        vec![scores, both]
    });
    assert!(layouts(&program).contains(&(&[72, 128], Layout::Padded { pitch: 144 })), "{program}");
}

/// A carry of one row in a history of many, and slices of what lies apart.
#[test]
fn slices_of_long_rows() {
    for reverse in [false, true] {
        let how = Loop { reverse, ..Loop::over(70) };
        let program = case(&[&[70, 128], &[128], &[70, 2, 128]], |b, w| {
            let args = ScanArgs { consts: &[], inits: &w[1..2], xs: &[w[0], w[2]] };
            b.scan(how, args, |b, s| {
                let sum = b.add(s.carries[0], s.slices[0]);
                let h = b.unary(Unary::Tanh, sum);
                let halves = b.scale(s.slices[1], 0.5);
                [vec![h], vec![h, halves]]
            })
        });
        assert!(layouts(&program).contains(&(&[71, 128], Layout::Padded { pitch: 144 })), "{program}");
        no_division(&program);
    }
}

/// What a loop reads under another shape has other rows than its memory.
#[test]
fn slices_of_reshaped_rows() {
    for (from, slices, whole) in
        [(&[64, 256][..], &[8, 16, 128][..], &[64, 4, 64][..]), (&[128, 128][..], &[8, 8, 256][..], &[64, 256][..])]
    {
        let program = case(&[from, &[slices[1..].iter().product()]], |b, w| {
            let (xs, all) = (b.reshape(w[0], slices), b.reshape(w[0], whole));
            let args = ScanArgs { consts: &[all], inits: &w[1..], xs: &[xs] };
            b.scan(Loop::over(8), args, |b, s| {
                let slice = b.reshape(s.slices[0], &[slices[1..].iter().product()]);
                let axes: Vec<usize> = (0..whole.len()).collect();
                let carried = b.sum(s.carries[0], &[0]);
                let carried = b.broadcast(carried, whole, &[]);
                let products = b.mul(s.consts[0], carried);
                let sum = b.sum(products, &axes);
                let sum = b.scale(sum, 1e-4);
                let sum = b.broadcast(sum, &b.shape(slice), &[]);
                let h = b.mul(s.carries[0], slice);
                let h = b.add(h, sum);
                let h = b.unary(Unary::Tanh, h);
                [vec![h], vec![h]]
            })
        });
        assert!(program.buffers.iter().any(|b| b.layout != Layout::RowMajor), "{program}");
    }
}

/// One axis over several rows is read vector by vector.
#[test]
fn runs_over_rows_are_contiguous() {
    let programs = [
        case(&[&[12, 64, 128]], |b, w| vec![b.sum(w[0], &[0])]),
        case(&[&[512, 128]], |b, w| vec![b.sum(w[0], &[0, 1])]),
        case(&[&[70, 128], &[128, 4, 128]], |b, w| {
            let heads = b.reshape(w[1], &[128, 512]);
            vec![dot(b, w[0], heads)]
        }),
    ];
    for program in programs {
        assert!(program.buffers.iter().any(|b| b.layout != Layout::RowMajor), "{program}");
        for kernel in &program.kernels {
            let lanes = nnc::lane::place::place(kernel, nnc::lane::Target::AVX2).to_string();
            assert!(!lanes.contains("indexed"), "{kernel}\n{lanes}");
        }
    }
}

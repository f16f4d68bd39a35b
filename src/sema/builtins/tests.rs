//! Binding of arguments, and types of results with symbolic dimensions.

use super::*;
use crate::diag::codes;
use crate::ops::dim::{Dim, Symbol};
use crate::ops::{DType, Op, Type, Window};
use crate::sema::value::CallArg;
use crate::source::Span;
use crate::tensor::{InputRole, Origin};
use std::collections::HashSet;

fn sym(name: &str) -> Dim {
    Dim::symbol(Symbol { name: name.into(), id: name.bytes().fold(0, |h, b| h * 31 + u32::from(b)) })
}

fn n(value: i64) -> Dim {
    Dim::Const(value)
}

fn input(e: &mut Emit, dtype: DType, shape: &[Dim]) -> Value {
    Value::Tensor(e.graph.input("x", InputRole::Arg, Type::new(dtype, shape.to_vec()), Origin::default()))
}

fn image(e: &mut Emit) -> Value {
    input(e, DType::F32, &[sym("B"), n(28), n(28), n(3)])
}

fn run(e: &mut Emit, name: &str, args: &[(&str, Value)]) -> Checked<Value> {
    let args: Vec<CallArg> = args
        .iter()
        .map(|(label, value)| CallArg {
            label: (!label.is_empty()).then(|| ((*label).into(), Span::default())),
            value: value.clone(),
            span: Span::default(),
        })
        .collect();
    let call = Call { name, args: &args, span: Span::default(), training: true };
    lookup(name).unwrap_or_else(|| panic!("no {name}")).run(e, &call)
}

/// The result's type, or the error's code.
fn ty(e: &mut Emit, name: &str, args: &[(&str, Value)]) -> String {
    match run(e, name, args) {
        Ok(Value::Tensor(x)) => e.ty(x).to_string(),
        Ok(Value::List(items)) => items.iter().map(|v| text(e, v)).collect::<Vec<_>>().join(" "),
        Ok(Value::Record(fields)) => fields.iter().map(|(_, v)| text(e, v)).collect::<Vec<_>>().join(" "),
        Ok(other) => text(e, &other),
        Err(diag) => diag.code.to_string(),
    }
}

fn text(e: &Emit, value: &Value) -> String {
    match value {
        Value::Tensor(x) => e.ty(*x).to_string(),
        Value::Dim(d) => d.to_string(),
        Value::Float(v) => v.to_string(),
        other => other.describe().into(),
    }
}

fn list(items: &[i64]) -> Value {
    Value::List(items.iter().map(|&i| Value::int(i)).collect())
}

fn str(text: &str) -> Value {
    Value::Str(text.into())
}

#[test]
fn names_are_unique_and_signatures_complete() {
    let mut seen = HashSet::new();
    for builtin in all() {
        assert!(seen.insert(builtin.name()), "{} twice", builtin.name());
        assert!(builtin.signature.contains(") -> "), "{}", builtin.signature);
        assert!(builtin.doc.ends_with('.') || builtin.doc.ends_with('"'), "{}", builtin.doc);
    }
}

#[test]
fn arguments_are_bound_or_refused() {
    let mut e = Emit::new("test");
    let x = input(&mut e, DType::F32, &[sym("B"), n(8)]);
    assert_eq!(ty(&mut e, "clip", &[("", x.clone()), ("high", Value::int(1)), ("low", Value::int(0))]), "f32[B, 8]");
    assert_eq!(ty(&mut e, "clip", &[("", x.clone()), ("", Value::int(1))]), "E0254");
    assert_eq!(ty(&mut e, "mean", &[("", x.clone()), ("", Value::int(1))]), "E0255");
    assert_eq!(ty(&mut e, "mean", &[("", x.clone()), ("dim", Value::int(1))]), "E0256");
    assert_eq!(ty(&mut e, "top_k", &[("", x.clone()), ("", Value::int(2)), ("k", Value::int(2))]), "E0257");
    assert_eq!(ty(&mut e, "top_k", &[("", x.clone()), ("", Value::int(9))]), "E0258");
    assert_eq!(ty(&mut e, "top_k", &[("", x.clone()), ("", Value::Float(2.0))]), "E0253");
}

#[test]
fn reductions() {
    let mut e = Emit::new("test");
    let x = input(&mut e, DType::F32, &[sym("B"), sym("T"), n(8)]);
    let mask = input(&mut e, DType::Bool, &[sym("B"), sym("T")]);
    let axis = |v| ("axis", v);
    let t = Value::Axis { name: "T".into(), dim: sym("T") };
    assert_eq!(ty(&mut e, "sum", &[("", x.clone())]), "f32[]");
    assert_eq!(ty(&mut e, "sum", &[("", x.clone()), axis(Value::int(-1))]), "f32[B, T]");
    assert_eq!(ty(&mut e, "mean", &[("", x.clone()), axis(t.clone()), ("mask", mask.clone())]), "f32[B, 8]");
    assert_eq!(ty(&mut e, "max", &[("", x.clone()), axis(list(&[0, 2])), ("keep", Value::Bool(true))]), "f32[1, T, 1]");
    assert_eq!(ty(&mut e, "max", &[("", x.clone()), ("", Value::Float(0.0))]), "f32[B, T, 8]");
    assert_eq!(ty(&mut e, "std", &[("", x.clone()), axis(Value::int(1))]), "f32[B, 8]");
    assert_eq!(ty(&mut e, "norm", &[("", x.clone())]), "f32[]");
    assert_eq!(ty(&mut e, "logsumexp", &[("", x.clone()), axis(Value::int(-1))]), "f32[B, T]");
    assert_eq!(ty(&mut e, "argmax", &[("", x.clone())]), "i32[B, T]");
    assert_eq!(ty(&mut e, "count", &[("", mask.clone()), axis(Value::int(1))]), "i32[B]");
    assert_eq!(ty(&mut e, "any", &[("", mask.clone())]), "bool[]");
    assert_eq!(ty(&mut e, "cumulative_sum", &[("", x.clone()), axis(t)]), "f32[B, T, 8]");
    assert_eq!(ty(&mut e, "sum", &[("", x.clone()), axis(Value::int(3))]), "E0352");
    assert_eq!(ty(&mut e, "sum", &[("", x.clone()), axis(list(&[1, -2]))]), "E0352");
    assert_eq!(ty(&mut e, "sum", &[("", mask)]), "E0252");
    assert_eq!(ty(&mut e, "any", &[("", x)]), "E0252");
}

#[test]
fn compile_time_numbers_stay_so() {
    let mut e = Emit::new("test");
    assert_eq!(ty(&mut e, "sqrt", &[("", Value::int(9))]), "3");
    assert_eq!(ty(&mut e, "max", &[("", Value::int(2)), ("", Value::int(3))]), "3");
    assert_eq!(ty(&mut e, "min", &[("", list(&[4, 2, 3]))]), "2");
    assert_eq!(ty(&mut e, "product", &[("", Value::List(vec![Value::Dim(sym("B")), Value::int(3)]))]), "3 * B");
    assert_eq!(ty(&mut e, "len", &[("", list(&[4, 2, 3]))]), "3");
    assert_eq!(ty(&mut e, "reversed", &[("", list(&[4, 2, 3]))]), "3 2 4");
    assert!(e.graph.insts.is_empty());
    assert_eq!(ty(&mut e, "sqrt", &[("", Value::Dim(sym("B")))]), "f32[]");
}

#[test]
fn convolution_extents() {
    let mut e = Emit::new("test");
    let x = image(&mut e);
    let w = input(&mut e, DType::F32, &[n(3), n(3), n(3), n(16)]);
    let base = [("", x.clone()), ("", w.clone())];
    let with = |options: &[(&'static str, Value)]| [&base[..], options].concat();
    assert_eq!(ty(&mut e, "conv2d", &base), "f32[B, 26, 26, 16]");
    assert_eq!(ty(&mut e, "conv2d", &with(&[("padding", str("same"))])), "f32[B, 28, 28, 16]");
    let strided = with(&[("padding", str("same")), ("stride", Value::int(2))]);
    assert_eq!(ty(&mut e, "conv2d", &strided), "f32[B, 14, 14, 16]");
    assert_eq!(ty(&mut e, "conv2d", &with(&[("dilation", list(&[2, 1]))])), "f32[B, 24, 26, 16]");
    assert_eq!(ty(&mut e, "conv2d", &with(&[("padding", Value::int(1))])), "f32[B, 28, 28, 16]");
    assert_eq!(ty(&mut e, "conv2d", &with(&[("dilation", Value::int(20))])), "E0359");
    let wide = input(&mut e, DType::F32, &[n(3), n(3), n(4), n(16)]);
    assert_eq!(ty(&mut e, "conv2d", &[("", x), ("", wide)]), "E0351");
}

/// TensorFlow's `same`: of an odd number of padded pixels the larger part goes after.
#[test]
fn same_puts_the_odd_pixel_after() {
    let mut e = Emit::new("test");
    let x = input(&mut e, DType::F32, &[sym("B"), n(3), n(4), n(1)]);
    run(&mut e, "max_pool2d", &[("", x), ("", Value::int(2)), ("stride", Value::int(2)), ("padding", str("same"))])
        .unwrap();
    let Op::WindowGather { window } = &e.graph.insts.last().unwrap().op else { panic!("no pool") };
    let expected = Window { size: [2, 2], stride: [2, 2], dilation: [1, 1], pads: [[0, 1], [0, 0]] };
    assert_eq!(*window, expected);
}

#[test]
fn same_with_symbolic_extents() {
    let mut e = Emit::new("test");
    let x = input(&mut e, DType::F32, &[sym("B"), sym("H"), sym("W"), n(3)]);
    let w = input(&mut e, DType::F32, &[n(3), n(3), n(3), n(8)]);
    let same = ("padding", str("same"));
    assert_eq!(ty(&mut e, "conv2d", &[("", x.clone()), ("", w.clone()), same.clone()]), "f32[B, H, W, 8]");
    assert_eq!(ty(&mut e, "conv2d", &[("", x.clone()), ("", w.clone()), same, ("stride", Value::int(2))]), "E0357");
    assert_eq!(ty(&mut e, "conv2d", &[("", x), ("", w)]), "E0359", "H may be 1");
}

/// onnxruntime#2518, case 18 of cases.md: 97 × 50.
#[test]
fn transposed_convolution_extents() {
    let mut e = Emit::new("test");
    let x = input(&mut e, DType::F32, &[n(1), n(50), n(50), n(2)]);
    let w = input(&mut e, DType::F32, &[n(3), n(5), n(4), n(2)]);
    let pads = Value::List(vec![list(&[4, 4]), list(&[2, 2])]);
    let mut args = vec![("", x), ("", w), ("stride", list(&[2, 1])), ("dilation", list(&[3, 1])), ("padding", pads)];
    assert_eq!(ty(&mut e, "conv2d_transpose", &args), "f32[1, 97, 50, 4]");
    args.push(("output_padding", list(&[1, 0])));
    assert_eq!(ty(&mut e, "conv2d_transpose", &args), "f32[1, 98, 50, 4]");
}

#[test]
fn pools() {
    let mut e = Emit::new("test");
    let x = image(&mut e);
    assert_eq!(ty(&mut e, "max_pool2d", &[("", x.clone()), ("", Value::int(2))]), "f32[B, 14, 14, 3]");
    assert_eq!(ty(&mut e, "max_pool2d", &[("", x.clone()), ("", Value::int(3))]), "f32[B, 9, 9, 3]");
    let padded = [("", x.clone()), ("", Value::int(3)), ("stride", Value::int(2)), ("padding", str("same"))];
    assert_eq!(ty(&mut e, "avg_pool2d", &padded), "f32[B, 14, 14, 3]");
    assert_eq!(ty(&mut e, "max_pool2d", &[("", x), ("", Value::int(29))]), "E0359");
    let flat = input(&mut e, DType::F32, &[n(28), n(28), n(1)]);
    assert_eq!(ty(&mut e, "max_pool2d", &[("", flat), ("", Value::int(2))]), "E0360");
}

#[test]
fn selection() {
    let mut e = Emit::new("test");
    let x = input(&mut e, DType::F32, &[sym("B"), n(10)]);
    let table = input(&mut e, DType::F32, &[n(100), n(8)]);
    let ids = input(&mut e, DType::I32, &[sym("B"), sym("T")]);
    let boxes = input(&mut e, DType::F32, &[sym("B"), n(20), n(4)]);
    assert_eq!(ty(&mut e, "take", &[("", table), ("", ids.clone())]), "f32[B, T, 8]");
    assert_eq!(ty(&mut e, "gather", &[("", x.clone()), ("", ids.clone())]), "f32[B, T]");
    assert_eq!(ty(&mut e, "gather", &[("", boxes), ("", ids.clone()), ("axis", Value::int(1))]), "f32[B, T, 4]");
    assert_eq!(ty(&mut e, "one_hot", &[("", ids.clone()), ("", Value::int(7))]), "f32[B, T, 7]");
    assert_eq!(ty(&mut e, "top_k", &[("", x.clone()), ("", Value::int(3))]), "f32[B, 3] i32[B, 3]");
    assert_eq!(ty(&mut e, "argsort", &[("", x.clone())]), "i32[B, 10]");
    assert_eq!(ty(&mut e, "take", &[("", x.clone()), ("", x)]), "E0252");
}

#[test]
fn creation() {
    let mut e = Emit::new("test");
    let shape = Value::List(vec![Value::Dim(sym("B")), Value::int(3)]);
    assert_eq!(ty(&mut e, "zeros", &[("", shape.clone())]), "f32[B, 3]");
    assert_eq!(ty(&mut e, "full", &[("", shape.clone()), ("", Value::int(2))]), "i32[B, 3]");
    assert_eq!(ty(&mut e, "normal", &[("", shape.clone()), ("std", Value::Float(0.02))]), "f32[B, 3]");
    assert_eq!(ty(&mut e, "uniform", &[("low", Value::int(-1)), ("shape", shape.clone())]), "f32[B, 3]");
    assert_eq!(ty(&mut e, "bernoulli", &[("", shape), ("p", Value::Float(0.5))]), "bool[B, 3]");
    assert_eq!(ty(&mut e, "range", &[("", Value::Dim(sym("T")))]), "i32[T]");
    assert_eq!(ty(&mut e, "range", &[("", Value::int(2)), ("", Value::int(7))]), "i32[5]");
    assert_eq!(ty(&mut e, "linspace", &[("", Value::int(0)), ("", Value::int(1)), ("", Value::int(5))]), "f32[5]");
    assert_eq!(ty(&mut e, "identity", &[("", Value::int(4))]), "f32[4, 4]");
    assert_eq!(ty(&mut e, "f32", &[("", list(&[1, 2, 3]))]), "f32[3]");
}

#[test]
fn two_draws_have_two_keys() {
    let mut e = Emit::new("test");
    let shape = Value::List(vec![Value::int(4)]);
    run(&mut e, "normal", &[("", shape.clone())]).unwrap();
    run(&mut e, "uniform", &[("", shape)]).unwrap();
    let keys: HashSet<u64> =
        e.graph.insts.iter().filter_map(|i| if let Op::Philox { key, .. } = i.op { Some(key) } else { None }).collect();
    assert_eq!(keys.len(), 3);
}

#[test]
fn codes_are_explained() {
    for code in (250..=258).chain(350..=361) {
        assert!(codes::explain(crate::diag::Code(code)).is_some(), "E{code:04}");
    }
}

//! Types of results, with symbolic dimensions. Expectations follow NumPy's and the language reference's rules.

use super::*;
use crate::ops::{Binary, Compare, Unary};
use crate::sema::value::Value;
use crate::source::Span;

fn sym(name: &str) -> Dim {
    Dim::symbol(Symbol { name: name.into(), id: name.bytes().fold(0, |h, b| h * 31 + u32::from(b)) })
}

fn n(value: i64) -> Dim {
    Dim::Const(value)
}

fn input(e: &mut Emit, dtype: DType, shape: &[Dim]) -> Node {
    e.graph.input("x", InputRole::Arg, Type::new(dtype, shape.to_vec()), Origin::default())
}

fn f32s(e: &mut Emit, shape: &[Dim]) -> Node {
    input(e, DType::F32, shape)
}

fn text(e: &Emit, x: Node) -> String {
    e.ty(x).to_string()
}

fn code<T: std::fmt::Debug>(result: Checked<T>) -> u16 {
    result.expect_err("should be an error").code.0
}

#[test]
fn broadcasting_stretches_only_literal_ones_and_absent_axes() {
    let cases: &[(&[Dim], &[Dim], Option<&str>)] = &[
        (&[sym("B"), n(10)], &[n(10)], Some("f32[B, 10]")),
        (&[sym("B"), n(1)], &[n(10)], Some("f32[B, 10]")),
        (&[n(1), n(3)], &[sym("T"), n(1)], Some("f32[T, 3]")),
        (&[], &[sym("B")], Some("f32[B]")),
        (&[sym("B"), n(10)], &[sym("B")], None),
        (&[sym("B")], &[sym("T")], None),
        (&[n(3)], &[n(2)], None),
    ];
    for (a, b, expected) in cases {
        let mut e = Emit::new("test");
        let (x, y) = (f32s(&mut e, a), f32s(&mut e, b));
        let result = e.binary(Binary::Add, &Value::Tensor(x), &Value::Tensor(y));
        match expected {
            Some(ty) => assert_eq!(text(&e, result.unwrap()), *ty),
            None => assert_eq!(code(result), 350, "{a:?} {b:?}"),
        }
    }
}

#[test]
fn literals_take_the_type_of_the_tensor() {
    let mut e = Emit::new("test");
    let x = Value::Tensor(f32s(&mut e, &[sym("B")]));
    let ids = Value::Tensor(input(&mut e, DType::I32, &[sym("B")]));
    let half = e.binary(Binary::Mul, &x, &Value::Float(0.5)).unwrap();
    let next = e.binary(Binary::Add, &ids, &Value::int(1)).unwrap();
    let twice = e.binary(Binary::Mul, &Value::int(2), &x).unwrap();
    let per_row = e.binary(Binary::Div, &x, &Value::Dim(sym("B"))).unwrap();
    let seen: Vec<String> = [half, next, twice, per_row].iter().map(|&v| text(&e, v)).collect();
    assert_eq!(seen, ["f32[B]", "i32[B]", "f32[B]", "f32[B]"]);
    assert_eq!(code(e.binary(Binary::Mul, &ids, &Value::Float(0.5))), 251);
    assert_eq!(code(e.binary(Binary::Add, &x, &Value::Bool(true))), 251);
}

#[test]
fn element_types_never_mix() {
    let mut e = Emit::new("test");
    let x = Value::Tensor(f32s(&mut e, &[n(3)]));
    let ids = Value::Tensor(input(&mut e, DType::I32, &[n(3)]));
    let flags = Value::Tensor(input(&mut e, DType::Bool, &[n(3)]));
    assert_eq!(code(e.binary(Binary::Add, &x, &ids)), 250);
    assert_eq!(code(e.binary(Binary::Div, &ids, &Value::int(2))), 252);
    assert_eq!(code(e.binary(Binary::Add, &flags, &flags)), 252);
    assert_eq!(code(e.unary(Unary::Exp, &ids)), 252);
    assert_eq!(code(e.compare(Compare::Lt, &flags, &flags)), 252);
    assert_eq!(code(e.select(&x, &x, &x)), 252);
    let chosen = e.select(&flags, &x, &Value::Float(0.0)).unwrap();
    assert_eq!(text(&e, chosen), "f32[3]");
}

#[test]
fn integer_powers_are_products() {
    let mut e = Emit::new("test");
    let x = f32s(&mut e, &[n(3)]);
    e.binary(Binary::Pow, &Value::Tensor(x), &Value::int(2)).unwrap();
    assert_eq!(e.graph.insts.last().unwrap().op, Op::Binary(Binary::Mul));
    e.binary(Binary::Pow, &Value::Tensor(x), &Value::Float(2.5)).unwrap();
    assert_eq!(e.graph.insts.last().unwrap().op, Op::Binary(Binary::Pow));
}

#[test]
fn matmul_follows_numpy() {
    let (b, t, d) = (sym("B"), sym("T"), n(8));
    let cases: &[(&[Dim], &[Dim], &str)] = &[
        (&[b.clone(), d.clone()], &[d.clone(), n(4)], "f32[B, 4]"),
        (&[b.clone(), t.clone(), d.clone()], &[d.clone(), n(4)], "f32[B, T, 4]"),
        (std::slice::from_ref(&d), std::slice::from_ref(&d), "f32[]"),
        (&[b.clone(), d.clone()], std::slice::from_ref(&d), "f32[B]"),
        (std::slice::from_ref(&d), &[d.clone(), n(4)], "f32[4]"),
        (std::slice::from_ref(&d), &[b.clone(), d.clone(), n(4)], "f32[B, 4]"),
        (&[t.clone(), d.clone()], &[b.clone(), d.clone(), n(4)], "f32[B, T, 4]"),
        (&[b.clone(), t.clone(), d.clone()], &[b.clone(), d.clone(), n(4)], "f32[B, T, 4]"),
        (&[b.clone(), n(1), t.clone(), d.clone()], &[n(3), d.clone(), n(4)], "f32[B, 3, T, 4]"),
    ];
    for (a, b, expected) in cases {
        let mut e = Emit::new("test");
        let (x, y) = (f32s(&mut e, a), f32s(&mut e, b));
        let product = e.matmul(x, y).unwrap();
        assert_eq!(text(&e, product), *expected);
    }
    let mut e = Emit::new("test");
    let (x, y) = (f32s(&mut e, &[b.clone(), n(8)]), f32s(&mut e, &[n(10), n(4)]));
    assert_eq!(code(e.matmul(x, y)), 358);
}

fn index(shape: &[Dim], subs: Vec<Index>) -> Checked<String> {
    let mut e = Emit::new("test");
    let x = f32s(&mut e, shape);
    let subs: Vec<(Index, Span)> = subs.into_iter().map(|s| (s, Span::default())).collect();
    let result = e.index(x, &subs)?;
    Ok(text(&e, result))
}

#[test]
fn indexing_and_slicing() {
    let all = || Index::Slice(None, None);
    let at = |i| Index::At(Value::int(i));
    let from = |i| Index::Slice(Some(Value::int(i)), None);
    let to = |i| Index::Slice(None, Some(Value::int(i)));
    let shape = [sym("B"), n(5), sym("T")];
    assert_eq!(index(&shape, vec![all(), from(1)]).unwrap(), "f32[B, 4, T]");
    assert_eq!(index(&shape, vec![all(), to(-1)]).unwrap(), "f32[B, 4, T]");
    assert_eq!(index(&shape, vec![all(), at(-1)]).unwrap(), "f32[B, T]");
    assert_eq!(index(&shape, vec![Index::NewAxis, all(), at(0), Index::NewAxis]).unwrap(), "f32[1, B, 1, T]");
    assert_eq!(index(&shape, vec![all(), all(), to(-1)]).unwrap(), "f32[B, 5, T - 1]");
    assert_eq!(index(&shape, vec![at(0)]).unwrap(), "f32[5, T]");
    assert_eq!(code(index(&shape, vec![all(), at(5)])), 353);
    assert_eq!(code(index(&shape, vec![all(), at(-6)])), 353);
    assert_eq!(code(index(&shape, vec![all(), from(6)])), 353);
    assert_eq!(code(index(&shape, vec![at(1)])), 362, "B may be 1");
    assert_eq!(code(index(&shape, vec![at(0), at(0), at(0), at(0)])), 353);
}

#[test]
fn a_tensor_as_index_puts_its_axes_there() {
    let mut e = Emit::new("test");
    let x = f32s(&mut e, &[n(3), n(100), n(8)]);
    let rows = input(&mut e, DType::I32, &[sym("B"), sym("T")]);
    let subs = [(Index::At(Value::int(0)), Span::default()), (Index::At(Value::Tensor(rows)), Span::default())];
    let taken = e.index(x, &subs).unwrap();
    assert_eq!(text(&e, taken), "f32[B, T, 8]");
    let floats = f32s(&mut e, &[n(2)]);
    assert_eq!(code(e.index(x, &[(Index::At(Value::Tensor(floats)), Span::default())])), 252);
}

#[test]
fn shapes_of_movement() {
    let mut e = Emit::new("test");
    let x = f32s(&mut e, &[sym("B"), n(28), n(28), n(1)]);
    let flat = e.flatten(x).unwrap();
    assert_eq!(text(&e, flat), "f32[B, 784]");
    let wanted = e.infer_shape(x, &[sym("B"), n(7), n(-1)]).unwrap();
    let shaped = e.reshape(x, &wanted).unwrap();
    assert_eq!(text(&e, shaped), "f32[B, 7, 112]");
    assert_eq!(code(e.reshape(x, &[sym("B"), n(780)])), 355);
    let halves = e.split(flat, 2, 1).unwrap();
    assert_eq!(halves.iter().map(|&h| text(&e, h)).collect::<Vec<_>>(), ["f32[B, 392]", "f32[B, 392]"]);
    assert_eq!(code(e.split(flat, 5, 1)), 354);
    let joined = e.concat(&[flat, halves[0]], 1).unwrap();
    assert_eq!(text(&e, joined), "f32[B, 1176]");
    let stacked = e.stack(&halves, 0).unwrap();
    assert_eq!(text(&e, stacked), "f32[2, B, 392]");
    assert_eq!(code(e.concat(&[flat, halves[0]], 0)), 361);
    let wide = e.repeat(x, &n(2), 1).unwrap();
    assert_eq!(text(&e, wide), "f32[B, 56, 28, 1]");
}

fn pattern(text: &str) -> Pattern {
    Pattern { text: text.into(), span: Span { file: Default::default(), start: 10, end: 12 + text.len() as u32 } }
}

#[test]
fn rearrangements() {
    let shape = [sym("B"), sym("T"), n(12)];
    let run = |text_: &str, sizes: &[(&str, i64)]| {
        let mut e = Emit::new("test");
        let x = f32s(&mut e, &shape);
        let sizes: Vec<_> = sizes.iter().map(|(name, size)| ((*name).into(), n(*size))).collect();
        e.rearrange(x, &pattern(text_), &sizes).map(|y| text(&e, y))
    };
    assert_eq!(run("b t (h d) -> b h t d", &[("h", 4)]).unwrap(), "f32[B, 4, T, 3]");
    assert_eq!(run("b t d -> (b t) d", &[]).unwrap(), "f32[B * T, 12]");
    assert_eq!(run("b t d -> t 1 b d", &[]).unwrap(), "f32[T, 1, B, 12]");
    assert_eq!(code(run("b t (h d) -> b h t d", &[])), 356);
    assert_eq!(code(run("b t (h d) -> b h t d", &[("h", 5)])), 356);
    assert_eq!(code(run("b t d -> b t", &[])), 356);
    assert_eq!(code(run("b t -> t b", &[])), 356);
    let error = run("b t d -> b t e", &[]).unwrap_err();
    let span = error.labels[0].span;
    assert_eq!((span.start, span.end), (10 + 1 + 8, 10 + 1 + 14), "the right side of the pattern");
}

#[test]
fn einsum_types() {
    let (b, q, k) = (sym("B"), sym("Q"), sym("K"));
    let cases: &[(&str, &[&[Dim]], &str)] = &[
        ("bqd, bkd -> bqk", &[&[b.clone(), q.clone(), n(8)], &[b.clone(), k.clone(), n(8)]], "f32[B, Q, K]"),
        ("bqd, bkd -> kqb", &[&[b.clone(), q.clone(), n(8)], &[b.clone(), k.clone(), n(8)]], "f32[K, Q, B]"),
        ("ij -> j", &[&[q.clone(), k.clone()]], "f32[K]"),
        ("ij, jk, kl -> il", &[&[q.clone(), n(2)], &[n(2), n(3)], &[n(3), k.clone()]], "f32[Q, K]"),
        ("i, j -> ij", &[std::slice::from_ref(&q), std::slice::from_ref(&k)], "f32[Q, K]"),
    ];
    for (text_, shapes, expected) in cases {
        let mut e = Emit::new("test");
        let xs: Vec<Node> = shapes.iter().map(|s| f32s(&mut e, s)).collect();
        let result = e.einsum(&pattern(text_), &xs).unwrap();
        assert_eq!(text(&e, result), *expected, "{text_}");
    }
    let mut e = Emit::new("test");
    let x = f32s(&mut e, &[n(2), n(3)]);
    for bad in ["ij -> ik", "ii -> i", "ijk -> i", "ij, ij -> ij", "ij"] {
        assert_eq!(code(e.einsum(&pattern(bad), &[x])), 356, "{bad}");
    }
    assert_eq!(code(e.einsum(&pattern("ij, jk -> ik"), &[x, x])), 356, "3 against 2");
}

#[test]
fn keys_depend_on_the_layer_and_the_ordinal_only() {
    let mut a = Emit::new("a");
    a.origin.layer = Some("conv1".into());
    let first = [a.next_key(), a.next_key()];
    let mut b = Emit::new("b");
    b.origin.layer = Some("other".into());
    let elsewhere = b.next_key();
    b.origin.layer = Some("conv1".into());
    assert_eq!([b.next_key(), b.next_key()], first);
    assert!(first[0] != first[1] && elsewhere != first[0]);
}

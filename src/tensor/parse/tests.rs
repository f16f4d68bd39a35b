use super::*;
use crate::ops::Literal;
use crate::source::{SourceMap, Span};
use crate::tensor::print::{PrintOptions, print};

#[track_caller]
fn round_trip(text: &str) {
    let graph = parse(text).expect("parses");
    assert_eq!(graph.to_string(), text);
}

#[track_caller]
fn fails(text: &str, message: &str) {
    assert_eq!(parse(text), Err(message.to_string()));
}

#[test]
fn a_training_step_round_trips() {
    round_trip(
        r#"graph "step" {
  %0: f32[3, 3, 1, 32] = input "conv1.weight" param
  %1: f32[64, 28, 28, 1] = input "Digits.\"image\"" column
  %2: f32[64, 26, 26, 32] = conv %1, %0 {size [3, 3], stride [1, 1]}
  %3: i32[64, 13, 13, 32] = window_argmax %2 {size [2, 2], stride [2, 2], dilation [1, 2], pads [[0, 1], [1, 0]]}
  %4: f32[3], %5: i32[3] = top_k %7 {k 3}
  %8: i32[4] = philox %5, %6 {key 0xffffffffffffffff, shape [4]}
  %9: f32[16] = pad %4, %6 {pads [[-1, 2, 3]]}
  %10: f32[4] = composite "softmax" %4
    graph "body" {
      %0: f32[4] = input "x" arg
      %1: f32[4] = exp %0
      output result "y" %1
    }
    graph "vjp" {
    }
  %11: f32[] = const 0.5
  %12: i32[3] = table {elements [1, -2, 3], shape [3]}
  output update "conv1.weight" %0
  output report "loss" %11 weight %11
  output check "finite" %11
}
"#,
    );
}

#[test]
fn a_scan_round_trips() {
    round_trip(
        r#"graph "f" {
  %0: f32[] = input "h" arg
  %1: f32[4] = input "x" arg
  %2: f32[], %3: f32[4] = scan %0, %1 {carries 1, xs 1, length 4, reverse true, checkpoint 2}
    graph "body" {
      %0: i32[] = input "i" arg
      %1: f32[] = input "carry0" arg
      %2: f32[] = input "x0" arg
      %3: f32[] = add %1, %2
      output result "carry0" %3
      output result "y0" %1
    }
  %4: bool[], %5: i32[0] = scan %6 {carries 1, xs 0, length 0, while_carry true}
    graph "body" {
      %0: i32[] = input "i" arg
      %1: bool[] = input "carry0" arg
      output result "carry0" %1
      output result "y0" %0
    }
}
"#,
    );
    symbolic_round_trip(
        r#"graph "f" {
  %0: f32[T + 1] = input "x" arg
  %1: f32[T + 1] = scan %0 {carries 0, xs 1, length T + 1}
    graph "body" {
      %0: i32[] = input "i" arg
      %1: f32[] = input "x0" arg
      output result "y0" %1
    }
}
"#,
    );
    fails("graph \"f\" {\n %0: f32[] = scan %1 {carries 1, xs 0}\n}", "line 2: scan: missing attribute `length`");
}

#[test]
fn floats_keep_their_bits() {
    let specials = [0.0, -0.0, f64::INFINITY, f64::NEG_INFINITY, f64::NAN, f64::from_bits(0xfff8_0000_0000_0123)];
    let numbers = [0.1, -1e-310, f64::MAX, f64::MIN_POSITIVE, 1e16, f64::from(0.1f32)];
    for x in specials.into_iter().chain(numbers) {
        let mut graph = Graph::new("f");
        let op = Op::Const(Literal::Float(x));
        graph.push(op, vec![], vec![Type::scalar(DType::F32)], Origin::default());
        assert_eq!(parse(&graph.to_string()), Ok(graph), "{x:?}");
    }
}

#[test]
fn a_dump_narrows_to_a_layer() {
    let mut map = SourceMap::default();
    let file = map.add("a.nn", "let x = 1\nlet y = 2\n");
    let mut graph: Graph = Graph::new("f");
    for (layer, start) in [("conv1", 0), ("conv10", 4), ("conv1.norm", 14)] {
        let origin = Origin { layer: Some(layer.into()), span: Span::new(file, start, start + 1) };
        graph.push(Op::Const(Literal::Int(start as i64)), vec![], vec![Type::scalar(DType::I32)], origin);
    }
    let text = print(&graph, &PrintOptions { layer: Some("conv1"), spans: Some(&map) });
    let expected = "graph \"f\" {\n  %0: i32[] = const 0 // @a.nn:1:1\n  %2: i32[] = const 14 // @a.nn:2:5\n}\n";
    assert_eq!(text, expected);
    assert!(parse(&text).is_ok());
}

#[test]
fn errors_name_the_line() {
    fails("graph \"f\" {\n  %0: f32[] = frob\n}", "line 2: frob: no operation is called `frob`");
    fails("graph \"f\" {\n  %0: f32[ = exp %0\n}", "line 2: expected a dimension, found Sign('=')");
    fails("graph \"f\" {\n  ?\n}", "line 2: cannot read `?`");
    fails("graph \"f\" {", "expected a value, found the end");
    let unknown = "graph \"f\" {\n %1: f32[] = exp %0 {axis 3}\n}";
    fails(unknown, "line 2: `exp` has no attribute `axis`");
    fails("graph \"f\" {\n %1: f32[] = argmax %0\n}", "line 2: argmax: missing attribute `axis`");
    fails("graph \"f\" {\n %99999999: f32[] = exp %0\n}", "line 2: expected a value, found Value(99999999)");
}

#[test]
fn deep_nesting_is_an_error() {
    let deep = format!("graph \"f\" {{\n %0: i32[] = table {{elements {}", "[".repeat(100_000));
    assert!(parse(&deep).is_err());
    let regions = format!("graph \"f\" {{\n{}", " %0: i32[] = composite \"c\"\n graph \"g\" {\n".repeat(10_000));
    assert!(parse(&regions).is_err());
}

#[track_caller]
fn symbolic_round_trip(text: &str) {
    let graph = parse_symbolic(text).expect("parses");
    assert_eq!(graph.to_string(), text);
}

#[test]
fn dimensions_are_expressions() {
    symbolic_round_trip(
        r#"graph "model" {
  %0: f32[B, 2 * floor(T / 2) + 1, floor((T + 1) / 4)] = input "x" arg
  %1: i32[] = dim B ** 2 * T + 5 - B
  %2: f32[5 - T, floor(3 * floor(T / 2) ** 2 / 4)] = broadcast %0 {shape [B, -T], axes [0]}
  %3: f32[] = pad %2, %0 {pads [[-1, 2, 3]]}
  %4: i32[floor] = scatter_add %0 {axis 0, size B - 3}
}
"#,
    );
}

#[test]
fn equal_names_are_one_symbol() {
    let graph =
        parse_symbolic("graph \"f\" {\n %0: f32[B + B, T - T + 2, floor((4 * B + 5) / 4)] = const 0.5\n}").unwrap();
    assert_eq!(graph.types[0].to_string(), "f32[2 * B, 2, B + 1]");
    assert_eq!(graph.types[0].shape[0].symbols().len(), 1);
}

#[test]
fn dimensions_that_cannot_be() {
    let typed = |dim: &str| format!("graph \"f\" {{\n %0: f32[{dim}] = const 0.5\n}}");
    fails(&typed("B"), "line 2: expected a dimension, found Word(\"B\")");
    fails(&typed("2 - 3"), "line 2: expected a dimension, found Lit(Int(2))");
    for wrong in ["B +", "floor(B / 0)", "floor(B)", "B ** B", "9223372036854775807 * B * 2", "(B", "B ** 4294967296"] {
        assert!(parse_symbolic(&typed(wrong)).is_err(), "{wrong}");
    }
    assert!(parse_symbolic(&typed(&"(".repeat(100_000))).is_err());
}

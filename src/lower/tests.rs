use super::*;
use crate::ops::dim::Symbol;
use crate::ops::{DType, Extent};
use crate::tensor::{InputRole, OutputRole};

fn symbol(name: &str) -> Symbol {
    Symbol { name: name.into(), id: 0 }
}

fn dim(name: &str) -> Dim {
    Dim::symbol(symbol(name))
}

/// Every second row of x: f32[T, 4], from row 1, and T as a number.
fn graph() -> Graph<Dim> {
    let mut graph = Graph::new("step");
    let origin = Origin::default;
    let ty = Type::new(DType::F32, vec![dim("T"), Dim::from(4)]);
    let x = graph.input("x", InputRole::Arg, ty, origin());
    let half = dim("T").floor_div(2);
    let op = Op::Slice { start: vec![1.into(), 0.into()], size: vec![half, 4.into()], stride: vec![2, 1] };
    let y = graph.apply(op, &[x], origin()).expect("a slice")[0];
    graph.apply(Op::DimValue(dim("T")), &[], origin()).expect("a number");
    graph.output("y", OutputRole::Result, y);
    graph
}

fn bound(t: i64) -> Result<String, String> {
    let bindings = Bindings::from([(symbol("T"), t)]);
    bind(&graph(), &bindings).map(|g| g.to_string()).map_err(|e| e.to_string())
}

#[test]
fn numbers_replace_symbols() {
    let expected = r#"graph "step" {
  %0: f32[7, 4] = input "x" arg
  %1: f32[3, 4] = slice %0 {start [1, 0], size [3, 4], stride [2, 1]}
  %2: i32[] = const 7
  output result "y" %1
}
"#;
    assert_eq!(bound(7), Ok(expected.to_string()));
}

#[test]
fn a_dimension_below_one_is_an_error() {
    assert_eq!(bound(1), Err("the dimension `floor(T / 2)` is 0".to_string()));
}

#[test]
fn an_unbound_symbol_is_an_error() {
    let error = bind(&graph(), &Bindings::new()).expect_err("nothing is bound");
    assert_eq!(error.problem, Problem::Unbound(dim("T")));
}

#[test]
fn too_many_elements_are_an_error() {
    assert_eq!(bound(i64::MAX / 2), Err(format!("a tensor of shape [{}, 4] has too many elements", i64::MAX / 2)));
}

/// A loop may run over nothing; what it stacks is then empty.
#[test]
fn the_length_of_a_scan_is_bound() {
    let mut graph: Graph<Dim> = Graph::new("step");
    let op = Op::Scan { carries: 0, xs: 0, reverse: false, length: dim("T"), while_carry: false, checkpoint: None };
    let mut body = graph.scan_body(&op, &[]);
    let number = body.apply(Op::DimValue(dim("T")), &[], Origin::default()).expect("a number")[0];
    body.step(&[], &[number]);
    let y = graph.push_scan(op, vec![], body, Origin::default())[0];
    graph.output("y", OutputRole::Result, y);
    let text = |t| bind(&graph, &Bindings::from([(symbol("T"), t)])).map(|g| g.to_string()).expect("is bound");
    for t in [0, 3] {
        assert!(text(t).contains(&format!("%0: i32[{t}] = scan {{carries 0, xs 0, length {t}}}")), "{}", text(t));
        assert!(text(t).contains(&format!("%1: i32[] = const {t}")), "{}", text(t));
    }
}

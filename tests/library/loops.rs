//! `scan` and `state` through the checker and the reference interpreter: what a loop computes, worked out by hand.

use super::values::{floats, graph, outputs};
use super::{assert_close, model};
use nnc::ops::Op;
use nnc::tensor::data::Tensor;
use nnc::tensor::interp::Precision::F64;

/// The outputs of `body` for `x: f32[2, 3, 1]`, rows 1 2 3 and 10 20 30.
fn of_rows(body: &str) -> Vec<f64> {
    let x = floats(&[2, 3, 1], &[1.0, 2.0, 3.0, 10.0, 20.0, 30.0]);
    outputs("x: f32[2, 3, 1]", body, &[("x", x)], F64)
}

#[track_caller]
fn rows_give(body: &str, expected: &[f64]) {
    assert_close(&of_rows(body), expected, 1e-12, body);
}

#[test]
fn what_is_yielded_stands_where_the_axis_stood() {
    // Axis 1: the result is [2, 3, 1] again.
    rows_give("scan row in x along 1 { yield 2.0 * row }", &[2.0, 4.0, 6.0, 20.0, 40.0, 60.0]);
    // Axis -3 is axis 0: rows of [3, 1].
    rows_give("scan row in x along -3 { yield sum(row) }", &[6.0, 60.0]);
    // A scalar for each position of axis 1 has one axis only.
    rows_give("scan row in x along 1 { yield sum(row) }", &[11.0, 22.0, 33.0]);
    let text = "model M() { fn forward(x: f32[B, T, D]) -> f32[B, T, D] { scan row in x along T { yield row } } }";
    assert_eq!(model(text).functions.len(), 1);
}

#[test]
fn vars_that_the_body_assigns_are_carried() {
    let sum = "var s = zeros([2, 1])
    let all = scan row in x along 1 {
      s = s + row
      yield s
    }
    (all: all, last: s)";
    rows_give(sum, &[1.0, 3.0, 6.0, 10.0, 30.0, 60.0, 6.0, 60.0]);
    let backwards = sum.replace("along 1", "along 1 reversed");
    rows_give(&backwards, &[6.0, 5.0, 3.0, 60.0, 50.0, 30.0, 6.0, 60.0]);
    rows_give(&sum.replace("along 1", "along 1 reversed if false"), &[1.0, 3.0, 6.0, 10.0, 30.0, 60.0, 6.0, 60.0]);
    rows_give(&sum.replace("along 1", "along 1 checkpoint 2"), &[1.0, 3.0, 6.0, 10.0, 30.0, 60.0, 6.0, 60.0]);
}

/// A body without `yield` is run for what it carries.
#[test]
fn a_scan_is_a_statement_too() {
    rows_give("var n = 0\n    scan row in x along 1 { n = n + 1 }\n    f32(n)", &[3.0]);
    rows_give(
        "var a = 1.0\n    var b = 1.0\n    scan i in 0..5 {\n      let next = a + b\n      a = b\n      b = next\n    }\n    b",
        &[13.0],
    );
}

#[test]
fn ranges_count_from_their_start() {
    rows_give("f32(scan i in 0..4 { yield i })", &[0.0, 1.0, 2.0, 3.0]);
    rows_give("f32(scan i in 2..5 reversed { yield i * i })", &[4.0, 9.0, 16.0]);
    rows_give("scan (i, row) in (0..3, x) along 1 { yield f32(i) * sum(row) }", &[0.0, 22.0, 66.0]);
    rows_give("var s = 7.0\n    scan i in 3..3 { s = s + 1.0 }\n    s", &[7.0]);
}

#[test]
fn several_values_are_scanned_side_by_side() {
    rows_give("scan (a, b) in (x, 2.0 * x) along 1 { yield a * b }", &[2.0, 8.0, 18.0, 200.0, 800.0, 1800.0]);
    rows_give(
        "let r = (a: x, b: [x, x + 1.0])
    let y = scan z in r along 1 { yield (p: z.a, q: [z.b[1], sum(z.b[0])]) }
    (p: y.p, q: y.q[0], r: y.q[1])",
        &[1.0, 2.0, 3.0, 10.0, 20.0, 30.0, 2.0, 3.0, 4.0, 11.0, 21.0, 31.0, 11.0, 22.0, 33.0],
    );
    rows_give("let (a, b) = scan row in x along 1 { yield (sum(row), 1.0) }\n    a + b", &[12.0, 23.0, 34.0]);
}

/// A carried record keeps its fields.
#[test]
fn records_and_lists_are_carried() {
    let body = "var s = (low: 1000.0, all: [zeros([2, 1]), 0])
    scan row in x along 1 {
      s = (all: [s.all[0] + row, s.all[1] + 1], low: min(s.low, sum(row)))
    }
    (low: s.low, sum: s.all[0], n: f32(s.all[1]))";
    rows_give(body, &[11.0, 6.0, 60.0, 3.0]);
}

#[test]
fn scans_nest_and_carry_through() {
    let body = "var s = 0.0
    let y = scan column in x along 1 {
      let inner = scan v in column along 0 {
        s = s + sum(v)
        yield s
      }
      yield inner
    }
    (y: y, s: s)";
    // Columns (1, 10), (2, 20), (3, 30): y is [2, 3] with the scanned axis in its place.
    rows_give(body, &[1.0, 13.0, 36.0, 11.0, 33.0, 66.0, 66.0]);
}

/// Functions and layers that are called in a body scan in their turn; the outer position keeps its meaning.
#[test]
fn functions_with_scans_are_called_in_scans() {
    let program = "
fn total(v: f32[N, 1]) -> f32 {
  var s = 0.0
  scan e in v along N { s = s + sum(e) }
  s
}
model M() {
  scale = Scale()
  fn forward(x: f32[2, 3, 1]) {
    scan column in x along 1 { yield scale(total(column)) }
  }
}
layer Scale() {
  param by: f32 = 2.0
  fn forward(x: f32) -> f32 { by * x }
}";
    let x = floats(&[2, 3, 1], &[1.0, 2.0, 3.0, 10.0, 20.0, 30.0]);
    let args = [("x", x), ("scale.by", floats(&[], &[2.0]))];
    let found = nnc::tensor::interp::run(&graph(program), &args, F64).expect("it runs");
    assert_close(&found[0].to_f64(), &[22.0, 44.0, 66.0], 1e-12, "totals");
}

#[test]
fn while_ends_the_loop() {
    let body = "var n = 1.0
    let y = scan i in 0..6 while n < 10.0 {
      n = 2.0 * n
      yield n
    }
    (y: y, n: n)";
    rows_give(body, &[2.0, 4.0, 8.0, 16.0, 0.0, 0.0, 16.0]);
    rows_give(&body.replace("n < 10.0", "false"), &[0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0]);
    rows_give(&body.replace("n < 10.0", "true"), &[2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 64.0]);
}

/// What the body only reads is a constant, and what it assigns without a change is no carry.
#[test]
fn only_what_changes_is_carried() {
    let program = "
model M() {
  param w: f32[4, 4] = zeros
  fn forward(x: f32[B, T, 4]) {
    var h = zeros([B, 4])
    var k = 3.0
    if false { k = 4.0 }
    scan row in x along T {
      h = tanh(row @ w + k * h)
      if false { k = 5.0 }
      yield h
    }
  }
}";
    let graph = &model(program).functions[0];
    let scan = graph.insts.iter().find(|i| matches!(i.op, Op::Scan { .. })).expect("a scan");
    let Op::Scan { carries, xs, .. } = &scan.op else { unreachable!() };
    assert_eq!((*carries, *xs, scan.args.len()), (1, 1, 4), "w and k are constants");
    nnc::tensor::verify::verify(graph).expect("a sound graph");
}

/// With equal lengths a name still means the axis that the type of the argument calls so.
#[test]
fn names_of_axes_come_from_the_declared_type() {
    let program = "
model M() {
  fn forward(x: f32[2, 2]) { f(x) }
}
fn f(x: f32[T, D]) { (a: scan row in x along T { yield row * linspace(1.0, 10.0, 2) }, b: scan column in x along D { yield column * linspace(1.0, 10.0, 2) }) }";
    let args = [("x", floats(&[2, 2], &[1.0, 2.0, 3.0, 4.0]))];
    let found = nnc::tensor::interp::run(&graph(program), &args, F64).expect("it runs");
    assert_close(&found[0].to_f64(), &[1.0, 20.0, 3.0, 40.0], 1e-12, "rows");
    assert_close(&found[1].to_f64(), &[1.0, 2.0, 30.0, 40.0], 1e-12, "columns");
}

/// Each iteration draws numbers of its own, also in nested loops, and the same ones each time.
#[test]
fn iterations_draw_their_own_numbers() {
    let body = "(a: scan i in 0..3 { yield scan j in 0..3 { yield uniform([2]) } }, b: uniform([2]))";
    let args = [("seed", Tensor::scalar_i32(7)), ("step", Tensor::scalar_i32(1)), ("x", floats(&[1], &[0.0]))];
    let draw = || outputs("x: f32[1]", body, &args, F64);
    let mut found = draw();
    assert_eq!(found, draw());
    found.sort_by(f64::total_cmp);
    assert!(found.windows(2).all(|w| w[0] != w[1]), "{found:?}");
}

#[test]
fn gradients_flow_through_carries_and_constants() {
    // y = Σ_t h_t with h_t = w h_{t-1} + x_t: dy/dw by hand for x = 1, 2, 3.
    let body = "let w = x[0, 0, 0]
    var h = 0.0
    let y = scan row in x along 1 {
      h = w * h + sum(row)
      yield h
    }
    grad(sum(y), wrt: x)";
    // h = 11, 33, 66 with w = 1: dy/dx_t = 1 + w + w²… = 3, 2, 1, and dy/dw = h0 + (h1 + h0) + … = 11 + 44.
    rows_give(body, &[3.0 + 55.0, 2.0, 1.0, 3.0, 2.0, 1.0]);
}

// ── state ──

fn run(program: &str, args: &[(&str, Tensor)]) -> Vec<f64> {
    let results = nnc::tensor::interp::run(&graph(program), args, F64).expect("it runs");
    results.iter().flat_map(Tensor::to_f64).collect()
}

const COUNTER: &str = "
layer Counter() {
  state seen: f32[B] = 0.0
  state calls: i32 = 0
  fn forward(x: f32[B]) -> f32[B] {
    seen = seen + x
    calls = calls + 1
    seen * f32(calls)
  }
}
layer Pair() {
  inner = [Counter(), Counter()]
  fn forward(x: f32[B]) -> f32[B] { inner[0](x) + inner[1](2.0 * x) }
}
";

#[test]
fn a_state_is_carried_by_each_scan_that_reaches_it() {
    let program = format!(
        "{COUNTER}
model M() {{
  pair = Pair()
  fn forward(x: f32[3, 2]) {{ scan row in x along 0 {{ yield pair(row) }} }}
}}"
    );
    let x = floats(&[3, 2], &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0]);
    // Running sums 1 4 9 and 2 6 12, three times them for both counters, times the number of the call.
    assert_close(&run(&program, &[("x", x)]), &[3.0, 6.0, 24.0, 36.0, 81.0, 108.0], 1e-12, "counts");
}

/// Within one root call a state goes on from one loop to the next, and before and after them.
#[test]
fn a_state_lasts_for_one_root_call() {
    let program = format!(
        "{COUNTER}
model M() {{
  c = Counter()
  fn forward(x: f32[3, 1]) {{
    let a = c(x[0])
    let b = scan row in x along 0 {{ yield scan r in stack(row, row) along 0 {{ yield c(r) }} }}
    (a: a, b: b, c: c(x[0]), seen: c.seen)
  }}
}}"
    );
    let found = run(&program, &[("x", floats(&[3, 1], &[1.0, 2.0, 3.0]))]);
    let sums = [2.0 * 2.0, 3.0 * 3.0, 5.0 * 4.0, 7.0 * 5.0, 10.0 * 6.0, 13.0 * 7.0];
    assert_close(&found, &[&[1.0][..], &sums, &[14.0 * 8.0, 14.0]].concat(), 1e-12, "one root call");
}

#[test]
fn reorder_permutes_the_rows_of_all_states_below() {
    let program = format!(
        "{COUNTER}
model M() {{
  pair = Pair()
  fn forward(x: f32[3, 2]) {{
    scan row in x along 0 {{
      let y = pair.inner[0](row)
      reorder(pair, [1, 0])
      yield y
    }}
  }}
}}"
    );
    let program = program
        .replace("  state calls: i32 = 0\n", "")
        .replace("    calls = calls + 1\n", "")
        .replace(" * f32(calls)", "");
    let x = floats(&[3, 2], &[1.0, 10.0, 2.0, 20.0, 3.0, 30.0]);
    // (1, 10) → (10, 1) + (2, 20) = (12, 21) → (21, 12) + (3, 30).
    assert_close(&run(&program, &[("x", x)]), &[1.0, 10.0, 12.0, 21.0, 24.0, 42.0], 1e-12, "swapped");
}

/// A buffer that a body changes in training is carried like a state.
#[test]
fn buffers_change_in_each_iteration() {
    let program = "
data D from csv(\"unused.csv\") {
  x: f32[3]
  split train
}
layer Count() {
  param w: f32 = 1.0
  buffer n: f32 = 0.0
  fn forward(x: f32[B]) -> f32[B] {
    if training { n = n + 1.0 }
    w * x
  }
}
train {
  let net = Count()
  optimizer = sgd(lr: 0.1)
  epochs = 1
  step (x) in D.train |> batch(2) {
    let y = scan column in x along 1 { yield net(column) }
    minimize mean(y ** 2)
  }
}";
    let model = model(program);
    let step = &model.trains[0].phases[0].graph;
    nnc::tensor::verify::verify(step).expect("a sound graph");
    let scan = step.insts.iter().find(|i| matches!(i.op, Op::Scan { .. })).expect("a scan");
    assert!(matches!(scan.op, Op::Scan { carries: 1, xs: 1, .. }));
    let update = step.outputs.iter().find(|o| o.name == "n").expect("n is updated");
    assert_eq!(update.value, scan.results[0]);
}

/// Keys of a cache: one position after the other is filled, and what the next one sees are those before.
#[test]
fn a_cache_is_filled_by_update() {
    let program = "
layer Cache() {
  state rows: f32[B, 4, D] = 0.0
  fn next(x: f32[B, D], at: i32) -> f32[B, D] {
    rows = update(rows, x[:, _], at: at, axis: 1)
    sum(rows, axis: 1)
  }
}
model M() {
  cache = Cache()
  fn forward(x: f32[2, 3, 1]) {
    let sums = scan (t, xt) in (0..3, x) along 1 { yield cache.next(xt, t + 1) }
    (sums: sums, rows: cache.rows, whole: update(x, 7.0 * x[:, :2], at: 1, axis: 1))
  }
}";
    let found = run(program, &[("x", floats(&[2, 3, 1], &[1.0, 2.0, 3.0, 10.0, 20.0, 30.0]))]);
    let sums = [1.0, 3.0, 6.0, 10.0, 30.0, 60.0];
    let rows = [0.0, 1.0, 2.0, 3.0, 0.0, 10.0, 20.0, 30.0];
    assert_close(&found, &[&sums[..], &rows, &[1.0, 7.0, 14.0, 10.0, 70.0, 140.0]].concat(), 1e-12, "cache");
}

#[test]
fn an_update_must_fit() {
    let codes = |call: &str| {
        let text = format!("model M() {{ fn forward(x: f32[2, 3], v: f32[2, 4], at: i32[1]) {{ {call} }} }}");
        super::check(&text).1.iter().map(|d| d.code.0).collect::<Vec<_>>()
    };
    assert_eq!(codes("update(x, v, at: 0, axis: 1)"), [361]);
    assert_eq!(codes("update(x, x, at: at, axis: 1)"), [360]);
    assert_eq!(codes("update(x, x, at: 0)"), [0u16; 0]);
}

#[test]
fn a_gradient_in_a_body_misses_nothing() {
    let codes = |before: &str, body: &str| {
        let text = format!(
            "model M() {{ fn forward(x: f32[T, 3], w: f32[3]) {{
               {before}
               var h = w
               scan row in x along T {{ {body} }}
             }} }}"
        );
        super::check(&text).1.iter().map(|d| d.code.0).collect::<Vec<_>>()
    };
    let (right, refused): (Vec<u16>, Vec<u16>) = (vec![], vec![645]);
    assert_eq!(codes("", "yield grad(sum(w * row), wrt: w)"), right);
    assert_eq!(codes("", "yield grad(sum(w * row), wrt: row)"), right);
    // By another value from outside, and not where a derivative cannot go.
    assert_eq!(codes("let v = 2.0 * w", "yield grad(sum(w * v * row), wrt: w)"), refused);
    assert_eq!(codes("let v = stop_gradient(2.0 * w)", "yield grad(sum(w * v * row), wrt: w)"), right);
    assert_eq!(codes("let v = f32(w > 0.0)", "yield grad(sum(w * v * row), wrt: w)"), right);
    assert_eq!(codes("let v = 2.0 * w", "yield grad(sum(w * v * row), wrt: v)"), right);
    // By what iterations before have left: a carry of another value, and its first value.
    let carried = "h = H\n yield grad(sum(w * h), wrt: w)";
    assert_eq!(codes("", &carried.replace('H', "w * row + h")), refused);
    assert_eq!(codes("", &carried.replace('H', "row + h")), refused);
    assert_eq!(codes("", &carried.replace('H', "row + stop_gradient(h)")), right);
    assert_eq!(codes("", "h = w * row + h\n yield grad(sum(h), wrt: row)"), right);
    // By what is scanned, and in a loop within the loop.
    assert_eq!(codes("", "yield scan u in w * x along T { yield grad(sum(w * u), wrt: w) }"), refused);
    assert_eq!(codes("", "yield scan u in x along T { yield grad(sum(w * u), wrt: w) }"), right);
    let within =
        "h = w * row + h\n let k = stop_gradient(h)\n yield scan u in x along T { yield grad(sum(w * V * u), wrt: w) }";
    assert_eq!(codes("", &within.replace('V', "h")), refused);
    assert_eq!(codes("", &within.replace('V', "k")), right);
}

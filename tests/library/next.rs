//! `next`, repeated, equals `forward`: every layer of the library that has both, position by position, also where
//! `reorder` makes rows go on from others.

use super::recurrent::parameters;
use super::values::{floats, graph};
use super::{assert_close, library};
use nnc::source::SourceMap;
use nnc::syntax::ast::{Item, Member};
use nnc::tensor::data::{Data, Tensor};
use nnc::tensor::interp::{self, Precision::F64};

/// A layer with its `forward` over `x: f32[2, 5, 8]` and its `next` for `xt`, the position `t`; `s` is a memory and `m`
/// its mask.
struct Case {
    layer: &'static str,
    forward: &'static str,
    start: &'static str,
    next: &'static str,
}

const fn plain(layer: &'static str, forward: &'static str) -> Case {
    Case { layer, forward, start: "", next: "net.next(xt, t)" }
}

const fn recurrent(layer: &'static str) -> Case {
    Case { layer, forward: "net(x).all", start: "", next: "net.next(xt)" }
}

const fn decoder(layer: &'static str, start: &'static str) -> Case {
    Case { layer, forward: "net(x, s, padding(m))", start, next: "net.next(xt, t, padding(m))" }
}

const REMEMBER: &str = "net.remember(s)";

const CASES: [Case; 24] = [
    recurrent("SimpleRnn(4)"),
    recurrent("Lstm(4)"),
    recurrent("Lstm(4, recurrent_bias: true)"),
    recurrent("Gru(4)"),
    recurrent("Gru(4, reset_after: false)"),
    recurrent("Stacked([Gru(4), Lstm(4)])"),
    plain("SinusoidalPositions()", "net(x)"),
    plain("LearnedPositions(5)", "net(x)"),
    plain("MultiHeadAttention(2, context: 5)", "net(x, causal: true)"),
    plain(
        "MultiHeadAttention(4, groups: 2, head_width: 6, use_bias: false, scaled: false, context: 6)",
        "net(x, causal: true)",
    ),
    plain("MultiHeadAttention(2, rotary_positions: true, context: 7)", "net(x, causal: true)"),
    Case {
        layer: "MultiHeadAttention(2, context: 9)",
        forward: "net(x, bias: alibi(2, range(5), range(5)), causal: true)",
        start: "",
        next: "net.next(xt, t, bias: alibi(2, t[_], range(9)))",
    },
    Case {
        layer: "MultiHeadAttention(2, context: 5)",
        forward: "net.cross(x, s, padding(m))",
        start: REMEMBER,
        next: "net.next_cross(xt, t, padding(m))",
    },
    Case {
        layer: "MultiHeadAttention(2, rotary_positions: true, context: 1)",
        forward: "net.cross(x, s)",
        start: REMEMBER,
        next: "net.next_cross(xt, t)",
    },
    plain("TransformerEncoderLayer(2, 12, context: 6)", "net(x, causal: true)"),
    plain("TransformerEncoderLayer(2, 12, context: 6, pre_norm: true, gated: true)", "net(x, causal: true)"),
    plain("TransformerEncoder(2, 2, 12, context: 8)", "net(x, causal: true)"),
    plain(
        "TransformerEncoder(2, 2, 12, context: 8, pre_norm: true, rotary_positions: true, groups: 1)",
        "net(x, causal: true)",
    ),
    decoder("TransformerDecoderLayer(2, 12, context: 6)", REMEMBER),
    decoder("TransformerDecoderLayer(2, 12, context: 6, pre_norm: true)", REMEMBER),
    decoder("TransformerDecoder(2, 2, 12, context: 7)", REMEMBER),
    decoder("TransformerDecoder(2, 2, 12, context: 7, pre_norm: true)", REMEMBER),
    Case {
        layer: "T5(11, width: 8, depth: 2, heads: 2, head_width: 3, hidden: 12, buckets: 8, furthest: 20, context: 9)",
        forward: "net(c, m, a)",
        start: "let _ = net.start(c, m)",
        next: "net.next(at, t)",
    },
    Case {
        layer: "T5(11, width: 8, depth: 1, heads: 2, hidden: 12, tied: false, gated: true, context: 5)",
        forward: "net(c, m, a)",
        start: "let _ = net.start(c, m)",
        next: "net.next(at, t)",
    },
];

const HEAD: &str = "x: f32[2, 5, 8], s: f32[2, 3, 8], m: bool[2, 3], a: i32[2, 5], c: i32[2, 3]";
const LOOP: &str = "scan (t, xt, at) in (0..5, x, a) along 1";

fn noise(i: usize) -> f64 {
    ((i as f64 + 1.0) * 12.9898).sin() * 0.9
}

/// The outputs of a model with this layer, on fixed inputs.
fn run(layer: &str, body: &str) -> Vec<Vec<f64>> {
    let program = format!("model M() {{\n  net = {layer}\n  fn forward({HEAD}) {{\n    {body}\n  }}\n}}");
    let graph = graph(&program);
    let params = parameters(&graph);
    let mut args: Vec<(&str, Tensor)> = params.iter().map(|(n, t)| (n.as_str(), t.clone())).collect();
    let ids = |n: usize| (0..2 * n).map(|i| (i as i32 * 7 + 3) % 11).collect();
    args.extend([
        ("x", floats(&[2, 5, 8], &(0..80).map(noise).collect::<Vec<_>>())),
        ("s", floats(&[2, 3, 8], &(100..148).map(noise).collect::<Vec<_>>())),
        ("m", Tensor::new(vec![2, 3], Data::Bool(vec![true, true, true, true, false, false])).expect("six")),
        ("a", Tensor::new(vec![2, 5], Data::I32(ids(5))).expect("ten")),
        ("c", Tensor::new(vec![2, 3], Data::I32(ids(3))).expect("six")),
    ]);
    interp::run(&graph, &args, F64).expect("it runs").iter().map(Tensor::to_f64).collect()
}

#[test]
fn next_repeated_equals_forward() {
    for Case { layer, forward, start, next } in CASES {
        let found = run(layer, &format!("let y = {forward}\n    {start}\n    (a: y, b: {LOOP} {{ yield {next} }})"));
        assert!(found[0].iter().any(|v| v.abs() > 0.1), "{layer}");
        assert_close(&found[1], &found[0], 1e-9, layer);
    }
}

/// What looks at a memory may read it before any other call tells it its width; a memory of another width says `like` what.
#[test]
fn a_memory_may_come_first() {
    for Case { layer, forward, start, next } in CASES.iter().filter(|c| !c.start.is_empty()) {
        let found = run(layer, &format!("{start}\n    let b = {LOOP} {{ yield {next} }}\n    (a: {forward}, b: b)"));
        assert_close(&found[1], &found[0], 1e-9, layer);
    }
    let layer = "TransformerDecoder(2, 2, 12, context: 7)";
    let body = format!(
        "let s = s[:, :, :6]
    net.remember(s, like: x)
    let b = {LOOP} {{ yield net.next(xt, t) }}
    (a: net(x, s), b: b)"
    );
    let found = run(layer, &body);
    assert_close(&found[1], &found[0], 1e-9, layer);
}

/// After two positions both rows go on from the second one's past.
#[test]
fn reordered_states_are_those_of_other_rows() {
    for Case { layer, forward, start, next } in CASES {
        let switched = "let x = concat(x[1:, :2], x[1:, :2], axis: 0) |> concat(x[:, 2:], axis: 1)
    let a = concat(a[1:, :2], a[1:, :2], axis: 0) |> concat(a[:, 2:], axis: 1)
    let s = concat(s[1:], s[1:], axis: 0)
    let m = concat(m[1:], m[1:], axis: 0)
    let c = concat(c[1:], c[1:], axis: 0)";
        let stateless = layer.contains("Positions(");
        let reorder = if stateless { "" } else { "reorder(net, where(t == 1, full([2], 1), range(2)))" };
        // The mask is an argument of most layers: it is that of the row whose memory is looked at.
        let masked = next.replace("padding(m)", "padding(where(t > 1, m[1:], m))");
        // The first call tells the layer its width.
        let body = format!(
            "let _ = {forward}\n    {start}\n    {LOOP} {{\n      let y = {masked}\n      {reorder}\n      yield y\n    }}"
        );
        let found = run(layer, &body);
        let expected = run(layer, &format!("{switched}\n    {forward}"));
        let width = found[0].len() / 10;
        let behind = |row: usize| 5 * width * row + 2 * width..5 * width * (row + 1);
        for row in 0..2 {
            assert_close(&found[0][behind(row)], &expected[0][behind(row)], 1e-9, layer);
        }
    }
}

#[test]
fn no_layer_is_left_out() {
    let has =
        |members: &[Member], name: &str| members.iter().any(|m| matches!(m, Member::Fn(f) if &*f.name.text == name));
    for (_, file) in library(&mut SourceMap::default()) {
        for item in &file.items {
            let Item::Block(block) = item else { continue };
            let name = block.name.as_ref().map_or("", |n| &n.text);
            let wanted = has(&block.members, "forward") && has(&block.members, "next");
            let covered = CASES.iter().any(|c| c.layer.split('(').next() == Some(name));
            assert_eq!(wanted, covered, "{name}");
        }
    }
}

//! What is said about mistakes, where, and how often.

use super::{run, summary};
use crate::diag::Diagnostic;
use crate::source::SourceMap;

/// Code, text at the first label, message of each diagnostic.
fn errors(text: &str) -> Vec<String> {
    let (sources, _, diags) = run(text, &[]);
    summary(&sources, &diags)
}

fn only(text: &str) -> (SourceMap, Diagnostic) {
    let (sources, _, diags) = run(text, &[]);
    assert_eq!(diags.len(), 1, "{:#?}", summary(&sources, &diags));
    (sources, diags.into_iter().next().unwrap())
}

/// Texts at the labels.
fn places(sources: &SourceMap, diag: &Diagnostic) -> Vec<String> {
    diag.labels.iter().map(|l| sources.text(l.span).to_string()).collect()
}

#[test]
fn five_mistakes_give_five_errors() {
    let text = "
fn a(x: f32[*S]) -> f32[*S] { reluu(x) }
fn b(x: f32[B, 3]) -> f32[B, 4] { x }
fn c(x: f32[*S]) -> f32[*S] { scaled(x, by: 2.0, byy: 1.0) }
fn d(x: f32[*S]) -> f32[*S] { let y = x
  y = 2.0
  y }
fn scaled(x: f32[*S], by: float) -> f32[*S] { by * x }
fn e(x: f32[B, D], mask: bool[B, D]) -> f32[B, D] { if mask { x } else { x } }
";
    let found = errors(text);
    let codes: Vec<&str> = found.iter().map(|e| &e[..5]).collect();
    assert_eq!(codes, ["E0101", "E0301", "E0105", "E0111", "E0205"], "{found:#?}");
}

#[test]
fn a_broken_value_is_reported_once() {
    let text = "
model Net() {
  hidden = Dense(unit)
  head = Dense(10)
  fn forward(x: f32[B, 4]) -> f32[B, 10] { x |> hidden |> relu |> head |> softmax }
}
data Points from csv(\"points.csv\") {
  x: f32[4] = [raw.a, raw.b, raw.c, raw.d]
  y: i32 = raw.y
}
train {
  let net = Net()
  optimizer = adam(lr: 1e-3)
  epochs = 2
  step (x, y) in Points.train |> batch(8) {
    let z = net(x)
    minimize cross_entropy(z, y)
    report accuracy: accuracy(z, y)
  }
}";
    assert_eq!(errors(text), ["E0101 \"unit\": `unit` is not defined"]);
}

#[test]
fn a_conflict_shows_both_origins_in_the_users_names() {
    let text = "
fn pair(a: f32[B, D], mask: bool[B, T]) -> f32[B, D] { where(mask[:, 0][:, _], a, 0.0) }
fn f(a: f32[8, 3], mask: bool[6, 2]) -> f32[8, 3] { pair(a, mask) }";
    let (sources, diag) = only(text);
    assert_eq!(diag.code.0, 303);
    assert_eq!(diag.message, "argument `mask` of `pair` has `B` = 6, and `B` is 8");
    assert_eq!(places(&sources, &diag), ["mask", "a", "bool[B, T]"]);
}

#[test]
fn symbolic_terms_come_with_a_counterexample() {
    let text = "fn f(x: f32[B, T]) -> f32[B, 2 * floor(T / 2)] { x }";
    let (_, diag) = only(text);
    assert_eq!(diag.help.as_deref(), Some("with T = 1 they are 0 and 1"));
}

#[test]
fn a_layer_called_with_another_size_names_the_layer() {
    let text = "
model Net() {
  hidden = Dense(128)
  fn forward(x: f32[B, 784]) -> f32[B, 128] { x |> hidden |> relu |> hidden }
}";
    let (sources, diag) = only(text);
    assert_eq!(diag.message, "argument `x` of `Dense` has `D` = 128, but layer `hidden` has `D` = 784");
    assert_eq!(places(&sources, &diag)[..2], ["x |> hidden |> relu", "x"]);
}

#[test]
fn an_error_of_the_library_points_at_the_users_call() {
    let text = "fn f(x: f32[B, 3], y: f32[B, 4]) -> f32 { mse(x, y) }";
    let (sources, diag) = only(text);
    assert_eq!(places(&sources, &diag)[0], "y");
    let text = "fn f(x: f32[B, 3]) -> f32[B, 3] { softmax(x, axis: 4) }";
    let (sources, diag) = only(text);
    assert_eq!(places(&sources, &diag)[0], "softmax(x, axis: 4)");
}

/// A record where a tensor is needed: its values are named.
#[test]
fn a_record_says_what_it_holds() {
    let program = |body: &str| {
        format!("model Net() {{\n  rnn = Gru(4)\n  head = Dense(2)\n  fn forward(x: f32[B, 3, 3]) {{ {body} }}\n}}")
    };
    for (body, code) in [("x |> rnn |> head", 201), ("relu(rnn(x))", 201), ("mean(rnn(x))", 253), ("rnn(x) + 1.0", 203)]
    {
        let (_, diag) = only(&program(body));
        assert_eq!((diag.code.0, diag.help.as_deref()), (code, Some("take one of its values: `.all` or `.last`")));
    }
}

/// `freeze`, `optimizer for`, `over` and `load` take layers: a parameter is named with the layer that holds it, whether its
/// size is known or not.
#[test]
fn a_parameter_is_no_layer() {
    let program = |line: &str, over: &str| {
        format!(
            "data D from csv(\"d.csv\") {{
  x: f32[3]
  y: i32
}}
model M() {{
  blocks = [Dense(4), BatchNorm()]
  fn forward(x: f32[B, 3]) {{ blocks[1](blocks[0](x)) }}
}}
train {{
  let net = M()
  optimizer = sgd(lr: 0.1)
  {line}
  epochs = 1
  step (x, y) in D.train |> batch(2) {{ minimize cross_entropy(net(x), y){over} }}
}}"
        )
    };
    for (line, over, word) in [
        ("freeze net.blocks[0].weight", "", "parameter"),
        ("freeze net.blocks[0].bias", "", "parameter"),
        ("freeze net.blocks[1].running_mean", "", "buffer"),
        ("load \"w.safetensors\" into net.blocks[0].weight", "", "parameter"),
    ] {
        let (_, diag) = only(&program(line, over));
        let layer = if word == "buffer" { "net.blocks[1]" } else { "net.blocks[0]" };
        assert_eq!(diag.code.0, 518, "{line}");
        assert!(diag.message.ends_with(&format!("is a {word} of `{layer}`, and no layer")), "{}", diag.message);
        assert!(diag.help.is_some_and(|h| h.contains(&format!("write `{layer}`"))), "{line}");
    }
    let single = |text: String| {
        text.replace("blocks = [Dense(4), BatchNorm()]", "d = Dense(4)").replace("blocks[1](blocks[0](x))", "d(x)")
    };
    for (line, over) in [("", " over net.d.weight"), ("optimizer for net.d.weight = sgd(lr: 0.2)", "")] {
        let (_, diag) = only(&single(program(line, over)));
        assert_eq!(
            (diag.code.0, &*diag.message),
            (518, "`weight` is a parameter of `net.d`, and no layer"),
            "{line}{over}"
        );
    }
}

#[test]
fn suggestions_are_fixes() {
    let (sources, diag) = only("fn f(x: f32[*S]) -> f32[*S] { sigmiod(x) }");
    let fix = diag.fix.unwrap();
    assert_eq!((sources.text(fix.span), &*fix.replacement), ("sigmiod", "sigmoid"));
}

#[test]
fn facts_are_proved_from_the_callers_facts() {
    let halves = "fn halves(x: f32[B, T]) -> f32[B, T / 2] where T % 2 == 0 { x[:, :T / 2] }\n";
    let text = format!("{halves}fn f(x: f32[B, U]) -> f32[B, U / 2] where U % 2 == 0 {{ halves(x) }}");
    assert_eq!(errors(&text), [""; 0]);
    let text = format!("{halves}fn f(x: f32[B, 5]) -> f32[B, 2] {{ halves(x) }}");
    let (_, diag) = only(&text);
    assert_eq!(diag.message, "`halves` needs `T % 2 == 0`, which does not hold");
}

#[test]
fn facts_of_layers_wait_for_their_dimensions() {
    let halves = "layer Halves(parts: int) where parts in [2, 4], D % parts == 0 {
  param weight: f32[D / parts] = ones
  fn forward(x: f32[B, D]) -> f32[B, D / parts] { x[:, :D / parts] * weight }
}\n";
    let model = |args: &str, size: &str| {
        format!("{halves}model Net() {{\n  half = Halves({args})\n  fn forward(x: f32[B, {size}]) {{ half(x) }}\n}}")
    };
    assert_eq!(errors(&model("2", "6")), [""; 0]);
    assert_eq!(errors(&model("3", "6")), ["E0306 \"3\": `Halves` needs `parts in [2, 4]`, which does not hold"]);
    assert_eq!(errors(&model("4", "6")), ["E0306 \"4\": `Halves` needs `D % parts == 0`, which does not hold"]);
}

/// The stand-in for an argument of a definition that nothing calls need not fulfil its `where`.
#[test]
fn facts_of_uncalled_definitions_are_taken_for_granted() {
    let text = "fn f(x: f32[B], rate: float, mode: str) where rate > 0.9, mode in [\"a\", \"b\"] { rate * x }
fn g(x: f32[B], rate: float) where rate > 0.9 { rate * x }";
    assert_eq!(errors(text), [""; 0]);
}

#[test]
fn integer_functions_unfold_in_dimensions() {
    let text = "
fn window(n: int, size: int, hop: int) -> int { floor((n - size) / hop) + 1 }
fn f(x: f32[B, 400]) -> f32[B, window(400, 80, 40)] { x[:, :9] }
fn lengths(n: i32[B]) -> i32[B] { window(n, 80, 40) }";
    assert_eq!(errors(text), [""; 0]);
}

#[test]
fn terms_of_dimensions_are_solved() {
    let text = "
fn halves(x: f32[B, 2 * D]) -> f32[B, D] { x[:, :D] + x[:, D:] }
fn f(x: f32[B, 8]) -> f32[B, 4] { halves(x) }";
    assert_eq!(errors(text), [""; 0]);
}

#[test]
fn unused_definitions_do_not_hide_errors_nor_invent_them() {
    let text = "
layer Gate(units: int, depth: int) {
  inner = [Dense(units) for _ in 0..depth]
  fn forward(x: f32[B, D]) -> f32[B, units] {
    var y = x
    for layer in inner { y = sigmoid(layer(y)) }
    y
  }
}
layer Wrong(units: int) {
  inner = Dense(units)
  fn forward(x: f32[B, D]) -> f32[B, units] { innr(x) }
}";
    assert_eq!(errors(text), ["E0101 \"innr\": `innr` is not defined"]);
}

/// Four phases around a model of one argument.
fn four_phases(net: &str, settings: &str) -> String {
    format!(
        "
data Points from csv(\"points.csv\") {{
  x: f32[4] = [raw.a, raw.b, raw.c, raw.d]
  y: i32 = raw.y
}}
model Net() {{
  head = Dense(10)
  fn forward(x: f32[B, 5]) -> f32[B, 10] {{ head(x) }}
}}
model Fine() {{
  head = Dense(10)
  fn forward(x: f32[B, 4]) -> f32[B, 10] {{ head(x) }}
}}
train {{
  let net = {net}
  optimizer = adam(lr: 1e-3)
  {settings}
  step (x, y) in Points.train |> batch(8) {{ minimize cross_entropy(net(x), y) }}
  validate (x, y) in Points.train |> batch(8) {{ report loss: cross_entropy(net(x), y) }}
  test (x, y) in Points.train |> batch(8) {{ report loss: cross_entropy(net(x), y) }}
  predict (x) {{ report digit: argmax(net(x), axis: -1) }}
}}"
    )
}

#[test]
fn one_mistake_in_a_model_is_one_error_for_all_phases() {
    let (sources, diag) = only(&four_phases("Net()", "epochs = 2"));
    assert_eq!(diag.message, "argument `x` of `Net` has a dimension 4, expected `5`");
    assert_eq!(places(&sources, &diag), ["x", "5", "x", "x"]);
}

#[test]
fn a_layer_that_is_not_constructed_is_an_error_where_it_is_named() {
    let (sources, diag) = only(&four_phases("Fine", "epochs = 2"));
    assert_eq!((diag.code.0, places(&sources, &diag)), (418, vec!["Fine".to_string()]));
    let fix = diag.fix.expect("a fix");
    assert_eq!((fix.span.start, &*fix.replacement), (diag.labels[0].span.end, "()"));
    assert_eq!(errors("model M() {\n head = Dense\n fn forward(x: f32[B, 4]) { head(x) }\n}").len(), 1);
}

#[test]
fn a_wrong_length_of_the_training_is_not_also_a_missing_one() {
    for (settings, code) in [
        ("epochs = \"12\"", 218),
        ("epochs = 1.5", 218),
        ("epochs = 0", 502),
        ("epochs = -1", 502),
        ("epochs = 5_000_000_000", 502),
        ("steps = 1.5", 218),
        ("", 513),
        ("epochs = 2\n  stop = patience(min: loss, epochs: 0)", 502),
        ("epochs = 2\n  clip_norm = inf", 502),
    ] {
        assert_eq!(only(&four_phases("Fine()", settings)).1.code.0, code, "{settings}");
    }
}

/// What the command line says is not text of the file: no fix, and the name of the option in the message.
#[test]
fn a_wrong_override_names_the_option() {
    for (name, value, place, part) in [
        ("epochs", "abc", "epochs", "`--set epochs=abc`"),
        ("epochs", "-1", "epochs", "not negative"),
        ("epochs", "1.5", "epochs", "integer"),
        ("seed", "99999999999999999999", "train", "64 bits"),
        ("optimizer", "sdg", "optimizer", "`--set optimizer=sdg`"),
    ] {
        let (sources, _, diags) = run(&four_phases("Fine()", "epochs = 2"), &[(name, value)]);
        let [diag] = &diags[..] else { panic!("{:#?}", summary(&sources, &diags)) };
        assert_eq!((diag.code.0, places(&sources, diag)), (517, vec![place.to_string()]));
        assert!(diag.message.contains(part) && diag.fix.is_none(), "{diag:?}");
    }
}

#[test]
fn a_line_that_cannot_be_read_causes_no_errors_elsewhere() {
    let text = four_phases("Fine()", "epochs = 2");
    for (from, to) in [
        ("y: i32 = raw.y", "y i32 = raw.y"),
        ("y: i32 = raw.y", "y: i32 ="),
        ("y: i32 = raw.y", "y: = raw.y"),
        ("y: i32 = raw.y", "y: i32 = raw.y raw.z"),
        ("epochs = 2", "epochs = 2 3"),
        ("epochs = 2", "epochs 2"),
        ("head = Dense(10)", "head = Dense(10"),
        ("head(x) }", "head x }"),
        ("let net = Fine()", "let net = Fine() 1"),
    ] {
        assert!(text.contains(from));
        let diags = super::check_any(&text.replace(from, to));
        let lines: std::collections::HashSet<u32> = diags.iter().map(|d| d.labels[0].span.start).collect();
        let parsed = diags.iter().filter(|d| d.code.0 < 100 || d.code.0 == 524).count();
        assert_eq!((diags.len(), parsed), (lines.len(), diags.len()), "{to}: {diags:#?}");
    }
}

//! What is said to programs written with the habits of other systems.

use super::{run, summary};

/// The only error of a text: code, help and the program with the fix applied.
fn told(text: &str) -> (u16, String, Option<String>) {
    let (sources, _, diags) = run(text, &[]);
    let [diag] = &diags[..] else { panic!("{text}: {:#?}", summary(&sources, &diags)) };
    let fixed = diag.fix.as_ref().map(|fix| {
        let (start, end) = (fix.span.start as usize, fix.span.end as usize);
        format!("{}{}{}", &text[..start], fix.replacement, &text[end..])
    });
    (diag.code.0, diag.help.clone().unwrap_or_default(), fixed)
}

fn net(member: &str, body: &str) -> String {
    format!("model Net() {{\n  {member}\n  fn forward(x: f32[B, 4]) {{ {body} }}\n}}")
}

/// The fix makes a program without errors.
#[test]
fn names_of_other_systems_are_translated() {
    for (member, body) in [
        ("fc = Linear(10)", "fc(x)"),
        ("fc = nn.Linear(10)", "fc(x)"),
        ("fc = Dense(out_features: 10)", "fc(x)"),
        ("fc = Dense(10)", "self.fc(x)"),
        ("norm = LayerNormalization()", "norm(x)"),
        ("rnn = LSTM(10)", "rnn(x[:, _, :]).last"),
        ("rnn = nn.GRU(10)", "rnn(x[:, _, :]).last"),
        ("rnn = SimpleRnn(hidden_size: 10)", "rnn(x[:, _, :]).last"),
        ("embed = Embedding(10, 2, padding_idx: 0)", "embed(i32(x))"),
        ("norm = BatchNorm2d()", "norm(x)"),
        ("fc = Dense(10)", "F.relu(fc(x))"),
        ("fc = Dense(10)", "fc(x) |> torch.nn.functional.relu"),
        ("fc = Dense(10)", "binary_cross_entropy(fc(x), 1.0)"),
        ("fc = Dense(10)", "fc(x) |> dropout(p: 0.5)"),
        ("fc = Dense(10)", "fc(x) + randn([10])"),
        ("fc = Dense(10)", "fc(float32(x))"),
        ("param w: float32[4] = 0.0", "x * w"),
        ("param w: float[4] = 0.0", "x * w"),
    ] {
        let text = net(member, body);
        let (_, help, fixed) = told(&text);
        let fixed = fixed.unwrap_or_else(|| panic!("{text}: {help}"));
        let (sources, _, diags) = run(&fixed, &[]);
        assert!(diags.is_empty(), "{fixed}\n{:#?}", summary(&sources, &diags));
    }
}

/// The options of transformers' `generate`.
#[test]
fn options_of_generation_are_translated() {
    for call in [
        "sample(w, x, 3, top_k: 2)",
        "sample(w, x, 3, top_p: 0.9)",
        "sample(w, x, max_new_tokens: 3)",
        "greedy(w, x, 3, eos_token_id: 1)",
        "greedy(w, x, 3, end: 1, pad_token_id: 2)",
        "beam_search(w, x, 3, num_beams: 2)",
        "beam_search(w, x, 3, early_stopping: true)",
    ] {
        let text = format!(
            "layer Walker() {{
  param table: f32[4, 4] = zeros
  fn next(token: i32[B], at: i32) -> f32[B, 4] {{ table[token] }}
}}
model M() {{
  w = Walker()
  fn forward(x: i32[B, 2]) {{ {call} }}
}}"
        );
        let (code, help, fixed) = told(&text);
        let fixed = fixed.unwrap_or_else(|| panic!("{text}: {help}"));
        let (sources, _, diags) = run(&fixed, &[]);
        assert!(code == 105 && diags.is_empty(), "{fixed}\n{:#?}", summary(&sources, &diags));
    }
}

#[test]
fn methods_of_tensors_are_functions() {
    for (body, code, part) in [
        ("x.reshape([B, 2, 2])", 110, "`reshape(x, …)`"),
        ("reshape(x, x.shape)", 110, "`shape(x)`"),
        ("x.T", 110, "`transpose(x)`"),
        ("x.relu()", 110, "`relu(x, …)`"),
        ("for i in range(3) { }  x", 207, "`0..3`"),
        ("for i in range(1, 3) { }  x", 207, "`1..3`"),
    ] {
        let text = net("", body).replace("}  x", "}\n x");
        let (found, help, _) = told(&text);
        assert!(found == code && help.contains(part), "{text}: {found} {help}");
    }
}

/// A loop over data is a `scan`.
#[test]
fn loops_over_what_is_not_known_name_the_scan() {
    let (_, help, _) = told(
        "data D from csv(\"d.csv\") { x: f32 = raw.x }
model M() {
  param w: f32 = 1.0
  fn forward(x: f32[B]) -> f32 { for i in 0..B { }\n w * sum(x) }
}
train {
  let net = M()
  optimizer = sgd(lr: 0.1)
  epochs = 1
  step (x) in D.train |> batch(4) { minimize net(x) }
}",
    );
    assert!(help.contains("scan"), "{help}");
}

/// Types without dimensions of their own say all: what is wrong for every length is an error without a call.
#[test]
fn indices_outside_of_known_axes_are_found_in_uncalled_functions() {
    let train = "
data D from csv(\"d.csv\") {
  x: f32[4] = [raw.a, raw.b, raw.c, raw.d]
  split train
}
train {
  let net = Dense(1)
  optimizer = sgd(lr: 0.1)
  epochs = 1
  step (x) in D.train |> batch(4) { minimize mean(net(x)) }
}";
    for program in ["", train] {
        for (body, code) in [
            ("x[:, 5]", 353),
            ("x[:, -4]", 353),
            ("x[:, 1:7]", 353),
            ("x[B, :]", 353),
            ("sum(x, axis: 3)", 352),
            ("x[:, 0] + x[:, 2]", 0),
            ("x[5, :]", 0),
            ("x[1:3]", 0),
        ] {
            let text = format!("fn f(x: f32[B, 3]) {{ {body} }}{program}");
            let (sources, _, diags) = run(&text, &[]);
            let codes: Vec<u16> = diags.iter().map(|d| d.code.0).collect();
            let expected: Vec<u16> = Some(code).filter(|&c| c > 0).into_iter().collect();
            assert_eq!(codes, expected, "{body}: {:#?}", summary(&sources, &diags));
        }
    }
}

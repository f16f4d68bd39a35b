//! Fields that vary in length: dimensions, masks, and what is summed over padding.

use super::{model, run, summary};
use crate::sema::model::{Length, Phase};
use crate::tensor::InputRole;

/// A program over sequences; `body` is that of `forward`, `facts` and `stages` stand where they belong.
fn program(facts: &str, stages: &str, body: &str) -> String {
    format!(
        "data Waves from jsonl(\"waves.jsonl\") {facts} {{
  x: f32[T, 3] = raw.x
  y: f32[3] = raw.y
}}
model M() {{
  scale = Dense(3)
  fn forward(x: f32[B, T, 3], mask: bool[B, T], lengths: i32[B]) -> f32[B, 3] {{ {body} }}
}}
train {{
  let net = M()
  optimizer = sgd(lr: 0.1)
  epochs = 1
  step (x, y) in Waves.train {stages} |> batch(4) {{ minimize mse(net(x, x.mask, x.lengths), y) }}
}}"
    )
}

fn errors(facts: &str, stages: &str, body: &str) -> Vec<String> {
    let (sources, _, diags) = run(&program(facts, stages, body), &[]);
    summary(&sources, &diags)
}

const MEAN: &str = "mean(scale(x), axis: T, mask: mask)";

fn step(facts: &str, stages: &str) -> (Length, Phase) {
    let model = model(&program(facts, stages, MEAN));
    (model.data[0].lengths[0].clone(), model.trains[0].phases[0].clone())
}

#[test]
fn facts_bound_a_length() {
    let bounds = |facts| {
        let (length, _) = step(facts, "");
        (length.least, length.most, length.multiple)
    };
    assert_eq!(bounds(""), (1, None, 1));
    assert_eq!(bounds("where T in 2..=9"), (2, Some(9), 1));
    assert_eq!(bounds("where T in 2..9"), (2, Some(8), 1));
    assert_eq!(bounds("where T <= 9, T > 2"), (3, Some(9), 1));
    assert_eq!(bounds("where 9 > T, 0 <= T"), (0, Some(8), 1));
    assert_eq!(bounds("where T % 4 == 0, T % 6 == 0, T <= 24"), (1, Some(24), 12));
    for facts in ["where T != 3", "where S <= 3", "where T % 4 == 1", "where T * T <= 4", "where T <= 7, T >= 8"] {
        let found = errors(facts, "", MEAN);
        assert!(found.len() == 1 && found[0].starts_with("E0528"), "{facts}: {found:?}");
    }
}

#[test]
fn a_padded_length_is_a_multiple() {
    let (_, plain) = step("where T in 1..=128", "");
    let [padded] = &plain.padded[..] else { panic!("{:?}", plain.padded) };
    assert_eq!((padded.name.as_str(), padded.multiple, padded.dim.to_string().as_str()), ("T", 1, "T"));
    assert_eq!([0, 1, 7].map(|n| padded.size(n)), [1, 1, 7]);
    let (_, eights) = step("where T % 6 == 0", "|> pad(T, multiple: 4)");
    let padded = &eights.padded[0];
    assert_eq!((padded.multiple, padded.dim.to_string().as_str()), (12, "12 * T"));
    assert_eq!([0, 6, 12, 18].map(|n| padded.size(n)), [12, 12, 12, 24]);
    let bindings = eights.bindings(&eights.sizes(4, 10, 18));
    assert_eq!(padded.dim.eval(&bindings), Some(24));
}

/// What `where` says can be proved of the padded length, and nothing else.
#[test]
fn bounds_hold_in_the_program() {
    let first = "x[:, 0] + x[:, 1] + mean(scale(x), axis: T, mask: mask)";
    assert_eq!(errors("where T >= 2", "", first), [] as [&str; 0]);
    assert_eq!(errors("", "|> pad(T, multiple: 2)", first), [] as [&str; 0]);
    let found = errors("", "", first);
    assert!(found.len() == 1 && found[0].starts_with("E0362"), "{found:?}");
}

#[test]
fn the_step_takes_the_padded_rows_and_their_lengths() {
    let (_, step) = step("", "");
    let types: Vec<String> = step
        .graph
        .inputs
        .iter()
        .filter(|(_, role)| *role == InputRole::Arg)
        .map(|(value, _)| step.graph.ty(*value).to_string())
        .collect();
    assert_eq!(types, ["i32[B]", "f32[B, T, 3]"]);
    assert_eq!(step.graph.inputs.iter().filter(|(_, r)| *r == InputRole::Column).count(), 1);
}

/// A sum over the padding is an error, unless the value met the mask or the user says so.
#[test]
fn padding_is_minded() {
    let fine = [
        "mean(scale(x), axis: T, mask: mask)",
        "sum(where(mask[:, :, _], scale(x), 0.0), axis: 1)",
        "sum(scale(x) * f32(mask)[:, :, _], axis: 1) / f32(lengths)[:, _]",
        "sum(masked_softmax(scale(x), mask[:, :, _], axis: 1) * scale(x), axis: 1)",
        "sum(softmax(where(mask[:, :, _], scale(x), -1e9), axis: 1) * scale(x), axis: 1, mask: mask)",
        "mean(unmasked(scale(x)), axis: T)",
        "cumulative_sum(scale(x), axis: 1)[:, 0]",
        "max(where(range(T)[_, :, _] < lengths[:, _, _], scale(x), -inf), axis: T)",
        "mean(where((range(T)[:, _] >= range(T)[_, :])[_], einsum(\"bti, bsi -> bts\", scale(x), x), 0.0), axis: [1, 2])[:, _] * zeros([3])",
    ];
    accepted("", &fine);
    let wrong = [
        "mean(scale(x), axis: T)",
        "max(scale(x), axis: 1)",
        "mean(scale(where(mask[:, :, _], x, 0.0)), axis: T)",
        "softmax(scale(x), axis: 1)[:, 0]",
        "cumulative_sum(scale(x), axis: 1, reverse: true)[:, 0]",
        "f32(argmax(scale(x), axis: 1))",
        "top_k(transpose(scale(x)), 1).values[:, :, 0]",
        "sum(softmax(where(mask[:, :, _], scale(x), -1e9), axis: 1) @ identity(3), axis: 1)",
    ];
    refused("", "", &wrong);
}

fn accepted(facts: &str, bodies: &[&str]) {
    for body in bodies {
        assert_eq!(errors(facts, "", body), [] as [&str; 0], "{body}");
    }
}

fn refused(facts: &str, stages: &str, bodies: &[&str]) {
    for body in bodies {
        let found = errors(facts, stages, body);
        assert!(found.len() == 1 && found[0].starts_with("E0363"), "{body} {stages}: {found:?}");
    }
}

/// A contraction is a sum of products: the mask in one operand is enough, and needed.
#[test]
fn a_contraction_over_padding_is_minded() {
    let fine = [
        "einsum(\"bt, btd -> bd\", masked_softmax(scale(x)[:, :, 0], mask), x)",
        "einsum(\"bt, btd -> bd\", softmax(where(mask, scale(x)[:, :, 0], -inf)), x)",
        "einsum(\"bt, btd -> bd\", scale(x)[:, :, 0], where(mask[:, :, _], x, 0.0))",
        "einsum(\"btd -> bd\", where(mask[:, :, _], scale(x), 0.0))",
        "(transpose(where(mask[:, :, _], x, 0.0)) @ scale(x))[:, 0]",
        "(ones([1, T]) @ unmasked(scale(x)))[:, 0]",
        "mean(softmax(where(mask[:, _, :], scale(x) @ transpose(x), -inf)) @ x, axis: T, mask: mask)",
        "mean(softmax(where((range(T)[:, _] >= range(T)[_, :])[_], scale(x) @ transpose(x), -inf)) @ x, axis: T, mask: mask)",
        "sum(softmax(where(mask[:, :, _], scale(x), -inf), axis: 1) * x, axis: 1)",
        "sum(softmax(where(mask, scale(x)[:, :, 0], -inf))[:, :, _] * x, axis: 1)",
    ];
    accepted("", &fine);
    refused(
        "",
        "",
        &[
            "einsum(\"bt, btd -> bd\", scale(x)[:, :, 0], x)",
            "einsum(\"btd -> bd\", scale(x))",
            "(transpose(scale(x)) @ x)[:, 0]",
            "(ones([1, T]) @ scale(x))[:, 0]",
            "mean(sigmoid(scale(x) @ transpose(x)) @ x, axis: T, mask: mask)",
            "mean(scale(x) @ einsum(\"btd, bte -> bde\", scale(x), x), axis: T, mask: mask)",
            // Over the numbers of each place, a softmax of zeros is none.
            "sum(softmax(where(mask[:, :, _], scale(x), 0.0)), axis: 1)",
            // A mean moves the masked places, too.
            "sum(standardize(where(mask[:, :, _], scale(x), 0.0), [1], 1e-5).y, axis: 1)",
        ],
    );
}

/// What is counted from the end of a padded axis is padding in all rows but the longest.
#[test]
fn the_end_of_a_padded_axis_is_no_place_of_a_row() {
    let fine = [
        "mean(scale(x)[:, :-1], axis: 1, mask: mask[:, 1:])",
        "mean(scale(x)[:, 1:], axis: 1, mask: mask[:, 1:])",
        "transpose(unmasked(scale(x)))[:, :, -1]",
        "gather(scale(x), (lengths - 1)[:, _], axis: 1)[:, 0]",
        "f32(mask[:, -1] and reverse(range(T), axis: 0)[0] > range(T)[-1])[:, _] * scale(x)[:, 0]",
        "concat(scale(x), zeros([B, 2, 3]), axis: 1)[:, -2]",
        "reverse(scale(x), axis: -1)[:, 0]",
    ];
    accepted("where T >= 2", &fine);
    let wrong = [
        "scale(x)[:, -1]",
        "scale(x)[:, T - 1]",
        "mean(x[:, -2:], axis: 1, mask: mask[:, -2:])",
        "where(mask[:, :, _], x, 0.0)[:, -1]",
        "(scan xt in x along T { yield tanh(xt) })[:, -1]",
        "split(x, [T - 1, 1], axis: 1)[1][:, 0]",
        "reverse(x, axis: 1)[:, 0]",
    ];
    for stages in ["", "|> pad(T, multiple: 4)"] {
        refused("where T >= 2", stages, &wrong);
    }
}

/// A scan that goes past the mask leaves nothing out.
#[test]
fn a_scan_has_to_use_its_mask() {
    let scan =
        |next: &str| format!("var h = zeros([B, 3])\nscan (xt, mt) in (scale(x), mask) along T {{ h = {next} }}\nh");
    assert_eq!(errors("", "", &scan("advance(mt, h + xt, h)")), [] as [&str; 0]);
    refused("", "", &[&scan("h + xt")]);
}

/// The help names what the place can do.
#[test]
fn the_help_suits_the_operation() {
    for (body, part) in [
        ("mean(scale(x), axis: T)", "mask: tokens.mask"),
        ("softmax(scale(x), axis: 1)[:, 0]", "masked_softmax(x, mask)"),
        ("f32(argmax(scale(x), axis: 1))", "where(mask, x, -inf)"),
        ("f32(argmin(scale(x), axis: 1))", "where(mask, x, inf)"),
        ("sort(scale(x), axis: 1)[:, 0]", "where(mask, x, inf)"),
        ("sort(scale(x), axis: 1, descending: true)[:, 0]", "where(mask, x, -inf)"),
        ("einsum(\"btd -> bd\", scale(x))", "where(mask, x, 0.0)"),
        ("(transpose(x) @ x)[:, 0]", "where(mask, x, 0.0)"),
        ("var h = x[:, 0]\nscan xt in x along T { h = h + xt }\nh", "advance(mt, next, h)"),
        ("scale(x)[:, -1]", ".last"),
        ("reverse(x, axis: 1)[:, 0]", "backward: true"),
    ] {
        let (_, _, diags) = run(&program("", "", body), &[]);
        let help = diags[0].help.clone().unwrap_or_default();
        assert!(help.contains(part) && help.contains("unmasked(x)"), "{body}: {help}");
    }
}

#[test]
fn fields_of_fields() {
    assert_eq!(errors("", "", "mean(scale(x), axis: T, mask: x.mask)"), [] as [&str; 0]);
    let wrong = program("", "", MEAN).replace("x.lengths", "x.length");
    let (sources, _, diags) = run(&wrong, &[]);
    assert_eq!(summary(&sources, &diags), ["E0110 \"length\": a field has no `length`"]);
    let other = program("", "", MEAN).replace("x.mask", "y.mask");
    let (sources, _, diags) = run(&other, &[]);
    assert_eq!(summary(&sources, &diags), ["E0110 \"mask\": a tensor has no field `mask`"]);
}

#[test]
fn stages_name_a_dimension() {
    assert_eq!(errors("", "|> shuffle |> bucket(by: T) |> pad(T, multiple: 8) |> skip_bad", MEAN), [] as [&str; 0]);
    for (stage, code) in [
        ("|> bucket(by: S)", "E0529"),
        ("|> bucket(by: B)", "E0529"),
        ("|> bucket(T)", "E0508"),
        ("|> bucket", "E0508"),
        ("|> pad(S, multiple: 8)", "E0529"),
        ("|> pad(T, multiple: 0)", "E0508"),
        ("|> pad(T)", "E0508"),
    ] {
        let found = errors("", stage, MEAN);
        assert!(found.len() == 1 && found[0].starts_with(code), "{stage}: {found:?}");
    }
}

/// A batch is at least so long that no axis is empty.
#[test]
fn a_padded_length_leaves_no_axis_empty() {
    let least = |facts: &str, stages: &str, slice: &str| {
        let body = format!("mean(scale(x)[:, {slice}], axis: 1, mask: mask[:, {slice}])");
        let phase = model(&program(facts, stages, &body)).trains[0].phases[0].clone();
        phase.padded[0].size(0)
    };
    assert_eq!(least("", "", "1:"), 2);
    assert_eq!(least("", "", ":-1"), 2);
    assert_eq!(least("", "", ": floor(T / 3)"), 3);
    assert_eq!(least("", "|> pad(T, multiple: 4)", "1:"), 4);
    assert_eq!(least("where T >= 0", "", "1:"), 2);
    assert_eq!(least("where T >= 5", "", "4:"), 5);
    assert_eq!(least("", "", ": T % 3"), 1);
}

//! Every explanation of a code of the checker has an example that causes it.

use super::run;
use crate::diag::codes;

/// What the examples about training share.
const HOUSES: &str = "
data Houses from csv(\"houses.csv\") {
  x: f32[2] = [raw.area, raw.rooms]
  price: f32 = raw.price
  split train 0.9, test 0.1
}
";

/// The first `nn` block of an explanation.
fn example(text: &str) -> Option<&str> {
    let start = text.find("```nn\n")? + 6;
    let len = text[start..].find("```")?;
    Some(&text[start..start + len])
}

#[test]
fn examples_cause_their_errors() {
    let mut wrong = vec![];
    for e in codes::all().filter(|e| (100..700).contains(&e.code.0) && !is_of_an_operation(e.code.0)) {
        let Some(example) = example(e.text) else {
            wrong.push(format!("{}: no example", e.code));
            continue;
        };
        let text = if example.contains("Houses") { format!("{example}{HOUSES}") } else { example.to_string() };
        let overrides: &[(&str, &str)] = if e.code.0 == 517 { &[("lr", "fast")] } else { &[] };
        let (sources, _, diags) = run(&text, overrides);
        let found: Vec<_> = diags.iter().map(|d| d.code).collect();
        if found != [e.code] {
            wrong.push(format!("{}: {:#?}", e.code, super::summary(&sources, &diags)));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Those have their tests beside the built-in functions.
fn is_of_an_operation(code: u16) -> bool {
    (250..300).contains(&code) || (350..400).contains(&code)
}

#[test]
fn codes_are_in_order_and_explained() {
    let all: Vec<u16> = codes::all().map(|e| e.code.0).collect();
    let ours: Vec<u16> = all.iter().copied().filter(|c| (100..700).contains(c)).collect();
    assert!(ours.windows(2).all(|w| w[0] < w[1]), "{ours:?}");
}

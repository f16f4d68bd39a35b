//! Broken files: several errors, each placed and put into words; the rest keeps its shape.

use super::*;
use crate::diag::Code;

fn errors(text: &str) -> Vec<(u16, usize, String)> {
    let (_, diagnostics) = parse(FileId(0), text);
    assert!(!is_strict(text), "{text}");
    let line = |at: u32| text[..at as usize].matches('\n').count() + 1;
    diagnostics.into_iter().map(|d| (d.code.0, line(d.labels[0].span.start), d.message)).collect()
}

/// The only error of a text: its code and message.
fn error(text: &str) -> (u16, String) {
    let mut found = errors(text);
    assert_eq!(found.len(), 1, "{text}\n{found:?}");
    let (code, _, message) = found.remove(0);
    (code, message)
}

fn in_fn(stmt: &str) -> String {
    format!("fn f(x: f32[B]) {{\n  {stmt}\n}}\n")
}

#[test]
fn what_is_missing_is_said_in_words() {
    let cases = [
        ("let a = f32[3, ]", 4, "expected"),
        ("let", 1, "expected a name, or names in brackets after `let`"),
        ("let a", 1, "expected `=` and a value after `a`"),
        ("let a =", 1, "expected an expression after `=`"),
        ("let a = 1 +", 1, "expected an expression after `+`"),
        ("let a = x |> ", 1, "expected an expression after `|>`"),
        ("let a = x.", 1, "expected a name after `.`"),
        ("let a = x[]", 1, "expected an index after `[`"),
        ("let a = f(1, , 2)", 1, "expected an argument between the commas after `,`"),
        ("let a = f(1 2)", 2, "expected `,` or `)`, found `2`"),
        ("let a = f(1", 4, "expected `,` or `)` after `1`"),
        ("let a = f(", 4, "expected an argument or `)` after `(`"),
        ("let a = [1, 2", 4, "expected `,` or `]` after `2`"),
        ("fn f(x: f32[3, ]) { x }", 1, "expected a dimension after `,`"),
        ("fn f(x: ) { x }", 1, "expected a type after `:`"),
        ("fn (x) { x }", 1, "expected a name after `fn`"),
        ("fn f { 1 }", 1, "expected `(` and parameters after `f`"),
        ("fn f() -> { 1 }", 1, "expected a type after `->`"),
        ("fn f() => f32 { 1 }", 2, "expected `{`, found `=>`"),
        ("fn f()", 1, "expected `{` after `)`"),
        ("layer A(a: int", 4, "expected `,` or `)` after `int`"),
        ("layer A { param w f32[3] }", 1, "expected `:` and a type after `w`"),
        ("let a = 1 2", 2, "expected the end of the line, found `2`"),
        ("let a = 1;", 2, "expected the end of the line, found `;`"),
        ("let a = 12abc", 8, "`12abc` is not a number"),
        ("let a = 99999999999999999999", 8, "this number is too large"),
        ("let a = \"x", 9, "this string is not closed"),
        ("a = 1", 3, "expected a definition at the top level of the file"),
        ("}", 5, "`}` without an open `{`"),
    ];
    for (text, code, message) in cases {
        let found = parse(FileId(0), text).1;
        let (first, rest) = found.split_first().expect(text);
        assert!(rest.is_empty(), "{text}\n{found:#?}");
        if message != "expected" {
            assert_eq!((first.code, first.message.as_str()), (Code(code), message), "{text}");
        }
    }
}

#[test]
fn statements_explain_themselves() {
    let cases = [
        ("x += 1", 11, "there is no `+=`"),
        ("x[0] = 1", 11, "only a name can be assigned"),
        ("let y = x == 1 == 2", 7, "comparisons don't chain"),
        ("let y = 0..1..2", 7, "ranges don't chain"),
        ("let y = x + not x", 12, "`not` binds more loosely than the operator on its left"),
        ("let y = (a: 1, 2)", 10, "either all values in parentheses have a label, or none"),
        ("let y = [*x for i in x]", 14, "`*` cannot stand before `for`"),
        ("for i 0..2 { i }", 1, "expected `in` after `i`"),
        ("for i in { i }", 1, "expected an expression after `in`"),
        ("if { x }", 1, "expected an expression after `if`"),
        ("let y = if x 1", 1, "expected `{` after `x`"),
        ("minimize", 1, "expected an expression after `minimize`"),
        ("minimize x over", 1, "expected a name after `over`"),
        ("report", 1, "expected an expression after `report`"),
        ("scan x along T { x }", 1, "expected `in` after `x`"),
        (") x", 2, "expected a statement, found `)`"),
    ];
    for (text, code, message) in cases {
        let found = parse(FileId(0), &in_fn(text)).1;
        assert_eq!(found.len(), 1, "{text}\n{found:#?}");
        assert_eq!((found[0].code, found[0].message.as_str()), (Code(code), message), "{text}");
    }
}

#[test]
fn each_line_gets_its_own_error_and_the_rest_parses() {
    let text = "layer A {\n  param w: f32[3, ]\n  fn f(x) {\n    let y = f(x, \n    let z = 1 2\n    y z\n    x\n  }\n}\nlet ok = 1\n";
    let lines: Vec<_> = errors(text).into_iter().map(|(_, line, _)| line).collect();
    assert_eq!(lines, [2, 4, 5, 6]);
    let (file, _) = parse(FileId(0), text);
    assert!(matches!(&file.items[..], [ast::Item::Block(_), ast::Item::Let(_)]), "{}", dump(&file));
}

#[test]
fn a_lost_brace_is_found_before_the_next_item() {
    let text = "layer A {\n  fn f(x) {\n    x\n\n  fn g(x) { x }\n}\nlayer B() {}\n";
    assert_eq!(error(text), (4, "expected `}` before `fn`".to_owned()));
    let (file, _) = parse(FileId(0), text);
    let ast::Item::Block(a) = &file.items[0] else { panic!() };
    assert_eq!(a.members.len(), 2);
    assert_eq!(file.items.len(), 2);

    let text = "layer A {\n  fn f(x) {\n    for i in x {\n      i\n  }\n}\nmodel B() {}\n";
    assert_eq!(error(text), (4, "expected `}` before `model`".to_owned()));
    assert_eq!(error("train {\n  epochs = 1\n"), (4, "expected `}` at the end of the file".to_owned()));
}

#[test]
fn junk_takes_its_brackets_along() {
    assert_eq!(errors(&in_fn("whille x {\n  let a = \n }\n x")).len(), 1);
    assert_eq!(errors(&in_fn("foo bar(\n  a,\n  b)\n x")).len(), 1);
}

#[test]
fn a_gradient_needs_composite() {
    let (_, found) = parse(FileId(0), "fn f(x: f32) -> f32 { x } vjp (y, y_adj) { y_adj }");
    assert_eq!(found.len(), 1);
    assert_eq!((found[0].code, found[0].fix.as_ref().unwrap().replacement.as_str()), (Code(13), "composite "));
}

/// Strict accepts exactly what has no error node.
fn agrees(text: &str) {
    let strict = is_strict(text);
    let tolerant = stacker::maybe_grow(STACK / 2, STACK, || {
        let pairs = Grammar::parse(Rule::file_recover, text).expect("the tolerant grammar accepts everything");
        build::file(FileId(0), text, pairs.clone());
        errors::collect(FileId(0), text, pairs).is_empty()
    });
    assert_eq!(strict, tolerant, "{text}");
}

/// All of them take minutes in a debug build: `NNC_EXHAUSTIVE=1` asks for it.
#[test]
fn every_prefix_and_every_deletion_parses() {
    let step = if std::env::var_os("NNC_EXHAUSTIVE").is_some() { 1 } else { 61 };
    for (i, (_, text)) in PROGRAMS.into_iter().enumerate() {
        for at in (i..text.len()).step_by(step) {
            agrees(&text[..at]);
            agrees(&format!("{}{}", &text[..at], &text[at + 1..]));
        }
    }
}

#[test]
fn no_text_makes_it_panic() {
    for text in [
        "é = ×",
        "\u{FEFF}let a = 1",
        "\"é",
        "let a = f(é, 2)",
        "\r\n}\r\n",
        "fn f(\r\n",
        "let é = 1\n",
        "\0",
        "// only",
    ] {
        agrees(text);
    }
}

#[test]
fn deep_nesting_is_fast_and_deeper_is_refused() {
    let nest = |open: &str, close: &str, n: usize| format!("let a = {}1{}", open.repeat(n), close.repeat(n));
    let started = std::time::Instant::now();
    for (open, close) in
        [("(", ")"), ("[", "]"), ("f(", ")"), ("(a: ", ")"), ("x[", "]"), ("if c { ", " } else { 2 }"), ("(1 + ", ")")]
    {
        clean(&nest(open, close, 200));
        assert!(!parse(FileId(0), &nest(open, "", 200)).1.is_empty());
        let (_, found) = parse(FileId(0), &nest(open, close, 300));
        assert_eq!(found.len(), 1, "{open}");
        assert_eq!(found[0].code, Code(6));
        assert!(!parse(FileId(0), &open.repeat(200_000)).1.is_empty());
    }
    // An exponential parse of depth 200 would not end at all.
    assert!(started.elapsed().as_secs() < 30);
}

#[test]
fn long_chains_are_bounded_too() {
    let chains = [
        "-".repeat(5000) + "x",
        "x".to_owned() + &".y".repeat(5000),
        "1".to_owned() + &" + 1".repeat(5000),
        "if a { b }".to_owned() + &" else if a { b }".repeat(5000),
        "if ".repeat(5000),
        "not ".repeat(5000) + "x",
    ];
    for chain in chains {
        let (_, found) = parse(FileId(0), &format!("let a = {chain}"));
        assert_eq!(found.first().map(|d| d.code), Some(Code(6)), "{chain:.40}");
    }
    clean(&format!("let a = [{}]", "1, ".repeat(5000)));
    clean(&format!("let a = 1{}", " + 1".repeat(500)));
}

/// Habits of other languages: the fix makes the text readable.
#[test]
fn labels_with_equals_and_numbers_without_a_leading_digit_are_mended() {
    for (text, code) in [
        ("let a = f(8, kernel_size=3)", 2),
        ("let a = f(8, kernel_size = [3, 5], stride: 2)", 2),
        ("let a = x * .5", 8),
        ("let a = .25", 8),
        ("let a = f(.5)", 8),
        ("let a = f(x, rate: .5, y)", 8),
    ] {
        let diagnostics = parse(FileId(0), text).1;
        let [diagnostic] = &diagnostics[..] else { panic!("{text}: {diagnostics:#?}") };
        let fix = diagnostic.fix.as_ref().expect(text);
        let (start, end) = (fix.span.start as usize, fix.span.end as usize);
        let fixed = format!("{}{}{}", &text[..start], fix.replacement, &text[end..]);
        assert!(diagnostic.code == Code(code) && is_strict(&fixed), "{fixed}");
    }
    assert_eq!(error("let a = f(x == )").0, 1);
}

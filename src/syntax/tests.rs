//! Tests of the grammar, of precedence and of recovery.

mod format;
mod recovery;
mod suite;

use super::*;
use crate::source::Span;

const PROGRAMS: [(&str, &str); 17] = [
    ("01_resnet", include_str!("../../tests/programs/01_resnet.nn")),
    ("02_dcgan", include_str!("../../tests/programs/02_dcgan.nn")),
    ("03_vae", include_str!("../../tests/programs/03_vae.nn")),
    ("04_t5", include_str!("../../tests/programs/04_t5.nn")),
    ("05_bilstm", include_str!("../../tests/programs/05_bilstm.nn")),
    ("06_ctc", include_str!("../../tests/programs/06_ctc.nn")),
    ("07_ddpm", include_str!("../../tests/programs/07_ddpm.nn")),
    ("08_moe", include_str!("../../tests/programs/08_moe.nn")),
    ("09_gpt", include_str!("../../tests/programs/09_gpt.nn")),
    ("10_detect", include_str!("../../tests/programs/10_detect.nn")),
    ("11_siamese", include_str!("../../tests/programs/11_siamese.nn")),
    ("12_wgan_gp", include_str!("../../tests/programs/12_wgan_gp.nn")),
    ("13_finetune", include_str!("../../tests/programs/13_finetune.nn")),
    ("14_linear", include_str!("../../tests/programs/14_linear.nn")),
    ("15_charrnn", include_str!("../../tests/programs/15_charrnn.nn")),
    ("mnist_cnn", include_str!("../../tests/programs/mnist_cnn.nn")),
    ("std_like", include_str!("../../tests/programs/std_like.nn")),
];

fn clean(text: &str) -> File {
    let (file, diagnostics) = parse(FileId(0), text);
    assert!(diagnostics.is_empty(), "{text}\n{diagnostics:#?}");
    assert!(is_strict(text), "{text}");
    file
}

/// The dump of the value of `let a = …`.
fn grouped(expr: &str) -> String {
    let dumped = dump(&clean(&format!("let a = {expr}")));
    dumped.trim_start_matches("let a = ").trim_end().replace('\n', "").replace("  ", "")
}

#[test]
fn the_programs_parse_and_their_dump_parses_to_the_same() {
    for (name, text) in PROGRAMS {
        let dumped = dump(&clean(text));
        assert!(!dumped.contains("<error>"), "{name}");
        assert_eq!(dump(&clean(&dumped)), dumped, "{name}");
    }
}

#[test]
fn precedence_is_pythons() {
    let cases = [
        ("-x ** 2", "(-(x ** 2))"),
        ("2 ** -x", "(2 ** (-x))"),
        ("2 ** 3 ** 2", "(2 ** (3 ** 2))"),
        ("2 ** -x ** 2", "(2 ** (-(x ** 2)))"),
        ("-x * y", "((-x) * y)"),
        ("a - b - c", "((a - b) - c)"),
        ("a / b * c % d @ e", "((((a / b) * c) % d) @ e)"),
        ("a + b * c", "(a + (b * c))"),
        ("0..n + 1", "(0..(n + 1))"),
        ("T in 2..=128", "(T in (2..=128))"),
        ("a < b + 1 and c or d", "(((a < (b + 1)) and c) or d)"),
        ("a or b and c", "(a or (b and c))"),
        ("not a == b", "(not (a == b))"),
        ("not a and b", "((not a) and b)"),
        ("not not a", "(not (not a))"),
        ("a and not b", "(a and (not b))"),
        ("- - x", "(-(-x))"),
        ("x |> f |> g(1)", "((x |> f) |> g(1))"),
        ("a or b |> f", "((a or b) |> f)"),
        ("f(x)[0].y ** 2", "(f(x)[0].y ** 2)"),
        ("-f(x).y", "(-f(x).y)"),
        ("(x |> f) + g(t)[:, _] |> h", "(((x |> f) + g(t)[:, _]) |> h)"),
        ("where(c, a, b) + 1", "(where(c, a, b) + 1)"),
        ("if a { b } else if c { d } else { e }", "if a {b} else if c {d} else {e}"),
    ];
    for (text, expected) in cases {
        assert_eq!(grouped(text), expected, "{text}");
    }
}

#[test]
fn numbers() {
    let cases = [
        ("5_000", "5000"),
        ("1e-3", "0.001"),
        ("1e+3", "1000.0"),
        ("0.5", "0.5"),
        ("10_000.0", "10000.0"),
        ("2E2", "200.0"),
        ("9223372036854775807", "9223372036854775807"),
        ("0..2", "(0..2)"),
        ("inf", "inf"),
    ];
    for (text, expected) in cases {
        assert_eq!(grouped(text), expected, "{text}");
    }
}

#[test]
fn parentheses_make_groups_tuples_and_records() {
    assert_eq!(grouped("(a)"), "a");
    assert_eq!(grouped("(a, b)"), "(a, b)");
    assert_eq!(grouped("(a: x, b: y,)"), "(a: x, b: y)");
    assert_eq!(grouped("[*S, D]"), "[*S, D]");
    assert_eq!(grouped("[f(i) for i in 0..n]"), "[f(i) for i in (0..n)]");
    assert_eq!(grouped("x[_, :, 1:, :-1, a:b, 0]"), "x[_, :, 1:, :(-1), a:b, 0]");
}

#[test]
fn lines_end_statements_and_operators_join_them() {
    let body = |text: &str| dump(&clean(&format!("fn f() {{\n{text}\n}}"))).lines().count() - 2;
    assert_eq!(body("a\n  |> f // why\n\n  |> g"), 1);
    assert_eq!(body("a +\n b"), 1);
    assert_eq!(body("a\n + b"), 1);
    assert_eq!(body("a\n - b"), 2);
    assert_eq!(body("f(a\n - b)"), 1);
    assert_eq!(body("a\n (b)"), 2);
    assert_eq!(body("a\n [b]"), 2);
    assert_eq!(body("a\n .b"), 1);
    assert_eq!(body("let a =\n 1"), 1);
    assert_eq!(body("f(\n a,\n b,\n)"), 1);
}

#[test]
fn contextual_words_are_names() {
    clean("let data = 1\nlet step = 2\nlet train = 3\nlet layer = data");
    clean("fn f() {\n  report = 1\n  every = report.x\n  minimize[0]\n}");
    clean("train {\n  let step = net.train.step\n  every = 5\n  state = 1\n}");
    clean("fn f(over: int, with: int) { over + with.if.let }");
}

#[test]
fn docs_are_the_comment_lines_directly_above() {
    let file = clean("// far\n\n/// one\n//two\nlayer A() {}\n");
    let ast::Item::Block(block) = &file.items[0] else { panic!("{file:?}") };
    assert_eq!(block.doc.as_deref(), Some("one\ntwo"));
}

#[test]
fn spans_have_no_blanks_at_their_ends() {
    let file = clean("let a = f(x)  // c\n");
    let ast::Item::Let(binding) = &file.items[0] else { panic!("{file:?}") };
    assert_eq!(binding.value.span, Span::new(FileId(0), 8, 12));
    assert_eq!(binding.span, Span::new(FileId(0), 0, 12));
}

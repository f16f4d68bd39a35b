//! The formatter changes nothing but blanks.

use super::suite::nn_files;
use super::*;

fn same_but_for_blanks(text: &str) {
    let formatted = format(text);
    let squeezed = |text: &str| text.split_whitespace().collect::<String>();
    assert_eq!(squeezed(&formatted), squeezed(text), "{text}");
    assert_eq!(format(&formatted), formatted, "formatting again changes\n{formatted}");
    assert_eq!(dump(&parse(FileId(0), &formatted).0), dump(&parse(FileId(0), text).0), "{formatted}");
}

#[test]
fn formatting_keeps_the_program_and_is_stable() {
    PROGRAMS.iter().for_each(|(_, text)| same_but_for_blanks(text));
    for path in nn_files("std").chain(nn_files("tests/suite/syntax")) {
        same_but_for_blanks(&std::fs::read_to_string(path).unwrap());
    }
}

#[test]
fn the_standard_library_is_formatted() {
    for path in nn_files("std") {
        let text = std::fs::read_to_string(&path).unwrap();
        for (formatted, line) in format(&text).lines().zip(text.lines()) {
            assert_eq!(formatted, line, "{}", path.display());
        }
    }
}

#[test]
fn blanks_and_indentation_become_regular() {
    let cases = [
        ("let  a=1+2 *-x", "let a = 1 + 2 * -x\n"),
        ("let a = x [ : ,1 : -1, _ ]", "let a = x [:, 1:-1, _]\n"),
        ("let a = f( b , axis : - 1 )// c", "let a = f(b, axis: -1) // c\n"),
        ("let a = 1e-3-2..n . x", "let a = 1e-3 - 2..n.x\n"),
        ("fn f(x:f32[* S,D])->f32[*S]{x}", "fn f(x: f32[*S, D]) -> f32[*S] { x }\n"),
        ("fn f() {\n\n\n x\n\n\n\n y\n\n}\n\n", "fn f() {\n  x\n\n  y\n}\n"),
        ("fn f() {\nx\n|> g(\na,\nb)\n|> h\n}", "fn f() {\n  x\n    |> g(\n      a,\n      b)\n    |> h\n}\n"),
        (
            "fn f(a: int,\nb: int) {\nlet c = (x: a,\ny: b)\n}",
            "fn f(a: int,\n     b: int) {\n  let c = (x: a,\n           y: b)\n}\n",
        ),
        ("fn f() {\nif a {\nb\n} else {\nc\n}\n}", "fn f() {\n  if a {\n    b\n  } else {\n    c\n  }\n}\n"),
        ("fn f() {\nreport a: x,\nb: y\n}", "fn f() {\n  report a: x,\n    b: y\n}\n"),
        ("fn f()\nwhere a {\nlet x = 1\nwhere(a, b, c)\n}", "fn f()\n  where a {\n  let x = 1\n  where(a, b, c)\n}\n"),
        (
            "fn f()\nwhere a,\nb, // c\nc {\nlet x = 1\n}\nlet y = 1",
            "fn f()\n  where a,\n  b, // c\n  c {\n  let x = 1\n}\nlet y = 1\n",
        ),
        ("minimize -x over y", "minimize -x over y\n"),
        ("// a\n\n\n// b\nlet a =\n1", "// a\n\n// b\nlet a =\n  1\n"),
    ];
    for (text, expected) in cases {
        assert_eq!(format(text), expected, "{text}");
    }
}

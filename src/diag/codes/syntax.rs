//! Codes E00xx: syntax.

use super::{Code, Explanation};

const fn entry(code: u16, title: &'static str, text: &'static str) -> Explanation {
    Explanation { code: Code(code), title, text }
}

pub const ALL: &[Explanation] = &[
    entry(
        1,
        "something is missing",
        "The text stops short of what has to follow: an operand after an operator, a type after `:`, a body.

```nn
let rate = 0.1 *
fn area(x: f32[3, ]) { x }
```

The label says what was expected, and after which token. Write it, or remove the token.",
    ),
    entry(
        2,
        "unexpected text",
        "A statement, member or list goes on with text that fits nowhere.

```nn
let rate = 0.1 0.2
```

A statement ends with its line; there are no semicolons. Values in a list have commas between them.",
    ),
    entry(
        3,
        "not a definition",
        "The top level of a file holds definitions: `fn`, `let`, `use`, and blocks such as `layer`, `model`, `data`, `train`.

```nn
rate = 0.1
```

Write `let rate = 0.1`.",
    ),
    entry(
        4,
        "a bracket is not closed",
        "A `(`, `[` or `{` has no partner.

```nn
let x = concat(a, b
```

The second label shows the bracket. A `}` that is missing is noticed only where the next definition begins, or at the
end of the file.",
    ),
    entry(
        5,
        "a brace too many",
        "A `}` closes nothing.

```nn
layer Empty() {
}
}
```

Remove it, or look for a block above that was closed too early.",
    ),
    entry(
        6,
        "nested too deeply",
        "Brackets are nested more than 256 deep, or one expression has some thousand operators. The compiler recurses over
both and sets a limit instead of running out of stack.

```nn
let x = ((((1))))      // with 300 of them
```

Give parts of the expression names with `let`.",
    ),
    entry(
        7,
        "comparisons don't chain",
        "`a < b < c` compares a truth value with a number. Ranges don't chain either.

```nn
let inside = 0 < x < 1
```

Write `0 < x and x < 1`.",
    ),
    entry(
        8,
        "not a number",
        "A number is written `5_000`, `0.5`, `1e-3` or `1e+3`; integers have 64 bits. A name doesn't begin with a digit.

```nn
let count = 12abc
```",
    ),
    entry(
        9,
        "a string is not closed",
        "A string ends in the line in which it begins. There are no escapes.

```nn
let name = \"digits
```",
    ),
    entry(
        10,
        "labels are mixed",
        "Values in parentheses are a record when all have a label, a tuple when none has.

```nn
let y = (mean: m, v)
```

Write `(mean: m, variance: v)`.",
    ),
    entry(
        11,
        "not an assignment",
        "Only a `var`, a buffer or a state is assigned, by its name alone: `x = x + 1`. There is no `+=`, and no part of a
value changes in place.

```nn
fn f(x: f32[N]) -> f32[N] {
  x[0] = 1.0
  x
}
```

Build a new value, for example with `where` or `update`.",
    ),
    entry(
        12,
        "`not` needs parentheses",
        "`not` binds more loosely than comparisons and arithmetic, as in Python.

```nn
let c = a == not b
```

Write `a == (not b)`.",
    ),
    entry(
        13,
        "`vjp` without `composite`",
        "Only a `composite fn` is differentiated by its own rule; any other function through its body.

```nn
fn double(x: f32) -> f32 { 2.0 * x } vjp (y, y_adj) { 2.0 * y_adj }
```

Write `composite fn double`.",
    ),
    entry(
        14,
        "`*` in a comprehension",
        "`[*a, b]` takes the elements of `a` into a list; in `[… for x in xs]` each turn makes exactly one element.

```nn
let all = [*x for x in lists]
```",
    ),
];

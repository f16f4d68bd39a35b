//! Codes E01xx: names and definitions.
//!
//! The first example of each explanation causes the error: a test in `sema` runs them.

use super::{Code, Explanation};

const fn entry(code: u16, title: &'static str, text: &'static str) -> Explanation {
    Explanation { code: Code(code), title, text }
}

pub const ALL: &[Explanation] = &[
    entry(
        101,
        "unknown name",
        "A name is used that nothing defines: no local, argument, member, definition of the file, or function of the \
library.

```nn
fn twice(x: f32[*S]) -> f32[*S] { 2.0 * xs }
```

If a similar name exists, the message suggests it. Names are case-sensitive; capitals name dimensions.",
    ),
    entry(
        102,
        "defined twice",
        "Two definitions of one file have the same name.

```nn
let rate = 0.1
let rate = 0.2
```

Rename one of them.",
    ),
    entry(
        103,
        "hides a definition of the library",
        "A definition of the file has the name of one in the standard library. In this file yours is meant; the \
library itself goes on using its own.

```nn
fn relu(x: f32[*S]) -> f32[*S] { max(x, 0.0) }
```

This is a warning: rename the definition if it was not on purpose.",
    ),
    entry(
        104,
        "not a kind of definition",
        "A block begins with a word that is not `layer`, `model`, `data`, `train`, `optimizer`, `schedule` or \
`initializer`.

```nn
lyaer Twice() { fn forward(x: f32[*S]) -> f32[*S] { 2.0 * x } }
```",
    ),
    entry(
        105,
        "unknown label",
        "A call labels an argument with a name that the function does not have.

```nn
model Net() {
  head = Dense(10, bias: false)
  fn forward(x: f32[B, 4]) -> f32[B, 10] { head(x) }
}
```

The message lists the parameters, or suggests the one that was meant (here `use_bias`).",
    ),
    entry(
        106,
        "too many arguments",
        "A call has more arguments than the function has parameters.

```nn
fn half(x: f32[*S]) -> f32[*S] { x / 2.0 }
fn quarter(x: f32[*S]) -> f32[*S] { half(x, 2) }
```

A pipe gives an argument too: `x |> half` is `half(x)`.",
    ),
    entry(
        107,
        "missing argument",
        "A parameter without a default got no argument.

```nn
fn scale(x: f32[*S], by: float) -> f32[*S] { by * x }
fn same(x: f32[*S]) -> f32[*S] { scale(x) }
```",
    ),
    entry(
        108,
        "argument given twice",
        "One parameter got two arguments: one by its place and one by its label, or the same label twice.

```nn
fn scale(x: f32[*S], by: float) -> f32[*S] { by * x }
fn same(x: f32[*S]) -> f32[*S] { scale(x, 1.0, by: 2.0) }
```",
    ),
    entry(
        109,
        "not callable",
        "Something is called that is no function, layer or conversion.

```nn
let rate = 0.1
fn scaled(x: f32[*S]) -> f32[*S] { rate(x) }
```

Did you mean to multiply? The language has no implicit product: write `rate * x`.",
    ),
    entry(
        110,
        "no such member or field",
        "`a.b` names something that the layer or record `a` does not have.

```nn
model Net() {
  head = Dense(10)
  fn forward(x: f32[B, 4]) -> f32[B, 10] { x @ head.wieght }
}
```

Layers have members and functions, records have fields; nothing else has either.",
    ),
    entry(
        111,
        "assignment to a `let`",
        "A name that was defined with `let` (or is an argument) is assigned again.

```nn
fn f(x: f32[*S]) -> f32[*S] {
  let y = x
  y = 2.0 * x
  y
}
```

Define it with `var`, or give the new value a name with `let`: a second `let y` hides the first.",
    ),
    entry(
        112,
        "assignment to an unknown name",
        "`name = value` changes a `var` or a buffer; there is none of this name.

```nn
fn f(x: f32[*S]) -> f32[*S] {
  y = 2.0 * x
  y
}
```

Write `let y = …` to define a name.",
    ),
    entry(
        113,
        "a local name hides a member",
        "Inside a layer, a `let`, `var` or loop variable has the name of a member.

```nn
model Net() {
  head = Dense(10)
  fn forward(x: f32[B, 4]) -> f32[B, 10] {
    let head = head(x)
    head
  }
}
```

Rename the local: members stay visible everywhere in their layer.",
    ),
    entry(
        114,
        "recursion",
        "A function calls itself, directly or through others, or a layer contains itself. Calls are written out where \
they stand, so this would never end.

```nn
fn f(x: f32[*S]) -> f32[*S] { f(x) }
```

Repeat with `for` over a range, or over a list of layers.",
    ),
    entry(
        115,
        "unused value",
        "A statement computes a value that nothing takes.

```nn
fn f(x: f32[B, 2], y: f32[B, 2]) -> f32[B, 2] {
  x + y
  (y)
}
```

A line that begins with `-`, `(` or `[` is a statement of its own: to go on with the line above, end that line \
with an operator.",
    ),
    entry(
        116,
        "nothing of this name to import",
        "`use` names a definition that the file does not have.

```nn
use \"blocks.nn\" { Residaul }
```",
    ),
    entry(
        119,
        "a definition needs one name",
        "A block has no name, or a `let` of a file takes a list apart.

```nn
layer { fn forward(x: f32[*S]) -> f32[*S] { x } }
```",
    ),
];

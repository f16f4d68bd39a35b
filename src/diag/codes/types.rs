//! Codes E02xx: types. Those of operands (from E0250) stand in `operands`.
//!
//! The first example of each explanation causes the error: a test in `sema` runs them.

use super::{Code, Explanation};

const fn entry(code: u16, title: &'static str, text: &'static str) -> Explanation {
    Explanation { code: Code(code), title, text }
}

pub const ALL: &[Explanation] = &[
    entry(
        201,
        "wrong kind of value",
        "An argument, result or named value is of another kind than its declared type.

```nn
model Net() {
  head = Dense(\"ten\")
  fn forward(x: f32[B, 4]) -> f32[B, 10] { head(x) }
}
```

Kinds are tensors (`f32[B, D]`) and values known to the compiler: `int`, `float`, `bool`, `str`, `layer`, \
`initializer`, `schedule`, and lists and records of these.",
    ),
    entry(
        202,
        "wrong element type",
        "A tensor has other elements than declared. Nothing is converted silently.

```nn
fn f(x: f32[B]) -> f32[B] { x }
fn g(ids: i32[B]) -> f32[B] { f(ids) }
```

Convert it: `f(f32(ids))`.",
    ),
    entry(
        203,
        "an operation that these values do not have",
        "An operator, an index or parentheses stand on values for which they mean nothing.

```nn
fn f(x: f32[B]) -> f32[B] { x + \"one\" }
```",
    ),
    entry(
        204,
        "a division of integers that is not exact",
        "Integers and dimensions divide exactly, or say how they round.

```nn
let half = 7 / 2
```

Write `floor(7 / 2)` or `ceil(7 / 2)` for an integer, `7.0 / 2` for a fraction. For a dimension, \
`where D % heads == 0` on the function makes `D / heads` exact.",
    ),
    entry(
        205,
        "a condition that depends on data",
        "`if` chooses code while the program is built, so its condition must be known by then.

```nn
fn f(x: f32[B]) -> f32[B] { if x > 0.0 { x } else { 0.0 * x } }
```

To choose element by element, write `where(x > 0.0, x, 0.0)`.",
    ),
    entry(
        206,
        "not a condition",
        "The condition of an `if` is neither true nor false.

```nn
fn f(x: f32[B]) -> f32[B] { if 1 { x } else { 2.0 * x } }
```

Compare explicitly: `if n != 0`.",
    ),
    entry(
        207,
        "not something to go through",
        "`for` goes through lists and ranges that are known to the compiler.

```nn
fn f(x: f32[B]) -> f32[B] {
  var y = x
  for row in x { y = y + row }
  y
}
```

A loop over the elements of a tensor is rarely needed: most operations work on whole tensors.",
    ),
    entry(
        208,
        "cannot take this apart",
        "`let [a, b] = …` needs a list (or record) of as many values as there are names.

```nn
fn f(x: f32[B, 6]) -> f32[B, 2] {
  let [a, b] = split(x, 3, axis: -1)
  a + b
}
```",
    ),
    entry(
        209,
        "unknown type",
        "The name after `:` is not a type.

```nn
fn f(x: f32[B], n: integer) -> f32[B] { x }
```

Tensor types are `f32[…]`, `f64[…]`, `bf16[…]`, `f16[…]`, `i32[…]`, `i64[…]`, `u8[…]`, `bool[…]`; types of values known \
to the compiler are `int`, `float`, `bool`, `str`, `initializer`, `schedule`, `layer`, `function` and lists `[int]`.",
    ),
    entry(
        210,
        "a value that is not known to the compiler",
        "A range, an index of a list or a comparison needs a number that is known while the program is built.

```nn
fn f(x: f32[B]) -> f32[B] {
  var y = x
  for i in 0..B { y = y + 1.0 }
  y
}
model Net() {
  param scale: f32[] = 1.0
  fn forward(x: f32[B]) -> f32[B] { f(scale * x) }
}
data Points from csv(\"p.csv\") { x: f32 = raw.x }
train {
  let net = Net()
  epochs = 1
  optimizer = sgd(lr: 0.1)
  step (x) in Points.train |> batch(2) { minimize mean(net(x)) }
}
```

The batch size `B` and other opaque dimensions may be any positive number.",
    ),
    entry(
        211,
        "index outside a list",
        "A list has no element of this number. Indices count from 0, negative ones from the end.

```nn
let sizes = [3, 5]
let third = sizes[2]
```",
    ),
    entry(
        213,
        "number too large",
        "A number that the compiler computes does not fit into 64 bits.

```nn
let big = 10 ** 30
```

Write a float: `1e30`.",
    ),
    entry(
        214,
        "no value",
        "A name is to be given a value, but what stands there gives none.

```nn
fn f(x: f32[B]) -> f32[B] {
  let y = if false { x }
  y
}
```

An `if` used as a value needs an `else`; a block's value is its last line.",
    ),
    entry(
        215,
        "a function without its result",
        "A function declares a result, but its body ends without a value.

```nn
fn f(x: f32[B]) -> f32[B] {
  let y = 2.0 * x
}
```

End the body with the value: add the line `y`.",
    ),
    entry(
        216,
        "wrong fields",
        "A record lacks a declared field or has one too many.

```nn
fn f(x: f32[B]) -> (mean: f32[B], size: f32[B]) { (mean: x, sise: x) }
```",
    ),
    entry(
        218,
        "an integer is needed",
        "Dimensions, ranges, counts and sizes are integers that are known to the compiler.

```nn
fn f(x: f32[B]) -> f32[B] {
  var y = x
  for i in 0..1.5 { y = y + 1.0 }
  y
}
```",
    ),
    entry(
        219,
        "only a list can be spread",
        "`*name` in a list puts the elements of a list or a pack of dimensions there.

```nn
let n = 3
let sizes = [*n, 4]
```",
    ),
];

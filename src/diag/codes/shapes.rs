//! Codes E03xx: shapes and dimensions. Those of operations (from E0350) stand in `operations`.
//!
//! The first example of each explanation causes the error: a test in `sema` runs them.

use super::{Code, Explanation};

const fn entry(code: u16, title: &'static str, text: &'static str) -> Explanation {
    Explanation { code: Code(code), title, text }
}

pub const ALL: &[Explanation] = &[
    entry(
        301,
        "a dimension differs from the declared one",
        "A tensor has another length on an axis than its declared type says.

```nn
model Net() {
  hidden = Dense(128)
  fn forward(x: f32[B, 784]) -> f32[B, 10] { hidden(x) }
}
```

Both places are marked. If the two are terms with symbols, the message gives values for which they differ.",
    ),
    entry(
        302,
        "wrong number of dimensions",
        "A tensor has another rank than its declared type.

```nn
fn f(x: f32[B, D]) -> f32[B, D] { x }
fn g(image: f32[B, 28, 28, 1]) -> f32[B, 784] { f(image) }
```

`flatten(x)` joins all dimensions after the first, `x[:, _]` adds one of length 1, `x[:, 0]` removes one.",
    ),
    entry(
        303,
        "two lengths for one dimension",
        "A dimension name stands for one number in each call, and two arguments disagree about it.

```nn
fn add(a: f32[B, D], b: f32[B, D]) -> f32[B, D] { a + b }
fn f(x: f32[B, 3], y: f32[B, 4]) -> f32[B, 3] { add(x, y) }
```

The labels show where each length comes from. Use two names if they may differ.",
    ),
    entry(
        304,
        "a dimension that nothing fixes",
        "A dimension stands only in terms with other unknown dimensions, so that it does not follow from the arguments.

```nn
fn f(x: f32[A * D]) -> f32[A * D] { x }
fn g(x: f32[12]) -> f32[12] { f(x) }
```

Declare one argument with the bare name, or pass the number as an `int`.",
    ),
    entry(
        305,
        "no length fits the declared term",
        "A declared dimension is a term such as `2 * D`, and no integer D gives the actual length.

```nn
fn halves(x: f32[B, 2 * D]) -> f32[B, D] { x[:, :D] }
fn f(x: f32[B, 7]) -> f32[B, 3] { halves(x) }
```",
    ),
    entry(
        306,
        "a condition is not met",
        "A `where` condition of what is called (a function, a layer, an optimizer, a schedule) does not hold, or cannot be \
proved: `dropout(1.5)`, `reduce: \"avg\"`, a negative learning rate.

```nn
fn halves(x: f32[B, D]) -> f32[B, D] where D % 2 == 0 { x }
fn f(x: f32[B, 7]) -> f32[B, 7] { halves(x) }
```

Where it depends on a dimension that stays open, give the caller the same `where`. What depends on the batch size is
settled before training starts, for each size that occurs, also that of a last, smaller batch.",
    ),
    entry(
        307,
        "a state changes its type",
        "A parameter or buffer keeps its type; the new value has another.

```nn
layer Mean() {
  buffer mean: f32[D] = 0.0
  fn forward(x: f32[B, D]) -> f32[B, D] {
    if training { mean = x }
    x
  }
}
data Points from csv(\"p.csv\") { x: f32[2] = [raw.a, raw.b] }
model Net() {
  norm = Mean()
  head = Dense(1)
  fn forward(x: f32[B, 2]) -> f32[B, 1] { x |> norm |> head }
}
train {
  let net = Net()
  optimizer = sgd(lr: 0.1)
  epochs = 1
  step (x) in Points.train |> batch(2) { minimize mean(net(x)) }
}
```

Here `mean(x, axis: 0)` was meant.",
    ),
    entry(
        308,
        "two values for one pack of dimensions",
        "`*S` stands for the same dimensions everywhere in a call, and two arguments disagree about them.

```nn
fn add(a: f32[*S], b: f32[*S]) -> f32[*S] { a + b }
fn f(x: f32[2, 3], y: f32[3]) -> f32[2, 3] { add(x, y) }
```",
    ),
    entry(
        309,
        "a pack where none can stand",
        "A shape has at most one pack `*S`, and the shape of a parameter has none of its own.

```nn
fn f(x: f32[*S, *T]) -> f32[*S, *T] { x }
fn g(x: f32[2, 3]) -> f32[2, 3] { f(x) }
```",
    ),
    entry(
        310,
        "a dimension that is not positive",
        "A parameter would have a dimension of 0 or less.

```nn
model Net(units: int = 0) {
  param weight: f32[4, units] = zeros
  fn forward(x: f32[B, 4]) -> f32[B, units] { x @ weight }
}
```",
    ),
    entry(
        311,
        "a tensor too large to address",
        "The number of bytes of a tensor does not fit into 64 bits.

```nn
model Net() {
  param weight: f32[10_000_000_000, 10_000_000_000] = 0.0
  fn forward(x: f32[B]) -> f32[B] { x * sum(weight) }
}
```",
    ),
];

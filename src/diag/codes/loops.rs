//! Codes E063x and E064x: loops over data, and what layers remember.
//!
//! The first example of each explanation causes the error: a test in `sema` runs them.

use super::{Code, Explanation};

const fn entry(code: u16, title: &'static str, text: &'static str) -> Explanation {
    Explanation { code: Code(code), title, text }
}

pub const ALL: &[Explanation] = &[
    entry(
        630,
        "a scan cannot go through this",
        "A scan goes through tensors along an axis, or through a range.

```nn
fn f(x: f32[T, D]) -> f32[T, D] {
  scan row in x { yield row }
}
```

Say which axis: `scan row in x along T { … }`. A loop over numbers is `scan i in 0..n { … }`.",
    ),
    entry(
        631,
        "there is no such axis to scan",
        "The dimension after `along` must be exactly one axis of each scanned tensor.

```nn
fn f(x: f32[B, D], y: f32[B, T]) -> f32[B, D] {
  scan column in x along T { yield column }
}
```

Where two axes have one length, the names of the argument's type decide; for other values give the number: `along 1`.",
    ),
    entry(
        632,
        "scanned values differ in length",
        "What is scanned side by side has one length.

```nn
fn f(x: f32[T, D], y: f32[S, D]) -> f32[T, D] {
  scan (a, b) in (x, y) along 0 { yield a + b }
}
```",
    ),
    entry(
        633,
        "what a scan carries changes its type",
        "A `var` that the body of a scan assigns goes from iteration to iteration, and keeps its type.

```nn
fn f(x: f32[T, D]) -> f32[D] {
  var sum = 0.0
  scan row in x along T { sum = sum + row }
  sum
}
```

Begin with the whole tensor: `var sum = zeros([D])`.",
    ),
    entry(
        634,
        "a scan cannot carry this",
        "Only tensors, and records and lists of them, go from iteration to iteration.

```nn
fn f(x: f32[T, D]) -> f32[T, D] {
  var name = \"first\"
  scan row in x along T {
    name = \"later\"
    yield row
  }
}
```",
    ),
    entry(
        635,
        "this scan has no effect",
        "A scan gives what it yields and changes what its body assigns. `let` in the body makes a new name each time.

```nn
fn f(x: f32[T, D]) -> f32[D] {
  var sum = zeros([D])
  scan row in x along T { let sum = sum + row }
  sum
}
```

Write `sum = sum + row`.",
    ),
    entry(
        636,
        "`yield` outside of a scan",
        "`yield` adds to the result of the scan around it, in the same function.

```nn
fn f(x: f32[B]) -> f32[B] {
  yield x
  x
}
```",
    ),
    entry(
        637,
        "iterations must all yield once, or never",
        "Results are stacked, so each iteration yields one value.

```nn
fn f(x: f32[T, D], twice: bool = false) -> f32[T, D] {
  scan row in x along T {
    if twice { yield 2.0 * row }
  }
}
```

Several values are yielded together: `yield (a: x, b: y)`.",
    ),
    entry(
        638,
        "this cannot be yielded",
        "Tensors are stacked, and records and lists of them.

```nn
fn f(x: f32[T, D]) -> f32[T, D] {
  scan row in x along T { yield \"row\" }
  x
}
```",
    ),
    entry(
        639,
        "a `while` condition must be a truth value",
        "`while` is asked before each iteration, with what the scan carries so far.

```nn
fn f(x: f32[B]) -> f32[B] {
  var y = x
  scan i in 0..10 while y < 1.0 { y = 2.0 * y }
  y
}
```

Make one truth value: `while any(y < 1.0)`. Once it is false no iteration follows, and the remaining yields are zero.",
    ),
    entry(
        640,
        "not a distance between checkpoints",
        "`checkpoint 16` keeps what the backward pass needs only for 16 iterations at a time, and computes the rest again.

```nn
fn f(x: f32[T, D]) -> f32[D] {
  var h = zeros([D])
  scan row in x along T checkpoint 0 { h = tanh(h + row) }
  h
}
```",
    ),
    entry(
        641,
        "this does not belong in a scan",
        "A step reports and minimizes once, not in each iteration.

```nn
train {
  let net = Dense(1)
  optimizer = sgd(lr: 0.1)
  epochs = 1
  step (x, price) in Houses.train |> batch(32) {
    let loss = mse(net(x)[:, 0], price)
    scan i in 0..3 { report loss: loss }
    minimize loss
  }
}
```

Yield the values, and report what you make of them after the loop.",
    ),
    entry(
        642,
        "a state has one size in a root call",
        "The dimensions of a `state` are fixed where a root call touches it first. A root call is what a phase calls: within
it a state goes on, and each begins afresh.

```nn
model M() {
  cell = Cell()
  fn forward(x: f32[4, 8], y: f32[2, 8]) { concat(cell(x), cell(y)) }
}
layer Cell() {
  state h: f32[B, D] = 0.0
  fn forward(x: f32[B, D]) -> f32[B, D] {
    h = h + x
    h
  }
}
```",
    ),
    entry(
        643,
        "the size of a state is not known here",
        "The function that touches a state first has its dimensions in the types of its arguments.

```nn
model M() {
  state h: f32[B, 8] = 0.0
  fn forward(x: f32[N, 8]) -> f32[N, 8] { x + h }
}
```

Here `N` would have to be `B`.",
    ),
    entry(
        644,
        "wrong use of `reorder`",
        "`reorder(layer, parents)` makes row i of each state below the layer what was its row `parents[i]`: beams that go on
from other beams.

```nn
model M() {
  rnn = Gru(4)
  fn forward(x: f32[B, 4], parents: i32[B]) -> f32[B, 4] {
    reorder(rnn, parents)
    rnn.next(x)
  }
}
```

Reorder after the call that uses the states. With a layer that has none, it does nothing.",
    ),
    entry(
        645,
        "a gradient in a scan would miss a part",
        "`grad` in the body of a scan differentiates what the body computes. Where the differentiated value depends on `wrt`
also through something else that enters the body, a part of the derivative lies around it.

```nn
fn f(w: f32[D], x: f32[T, D]) -> f32[T, D] {
  var h = zeros([D])
  scan row in x along T {
    h = tanh(w * row + h)
    yield grad(sum(h), wrt: w)
  }
}
```

Here `h` depends on `w` also by the iterations before. `stop_gradient(h)` cuts that off; for the whole derivative
yield the losses, and differentiate after the loop.",
    ),
    entry(
        646,
        "a state would advance twice in a batch",
        "Over a stream of `lanes` a state goes on from batch to batch: what it holds at the end of a root call is what it
begins with in the next batch. A second root call of the same batch would go on from the end of this one, as if the text
came twice.

```nn
data Book from text(\"book.txt\", unit: bytes) {
  tokens: i32[T]
  split train
}
model Next() {
  embed = Embedding(256, 8)
  rnn = Gru(16)
  head = Dense(256)
  state h: f32[B, 16] = 0.0
  fn forward(x: i32[B, T]) -> f32[B, T, 256] {
    let y = rnn(embed(x), initial: h)
    h = y.last
    head(y.all)
  }
}
train {
  let net = Next()
  optimizer = sgd(lr: 0.1)
  epochs = 1
  step (tokens) in Book.train |> lanes(4, window: 9, overlap: 1) {
    minimize cross_entropy(net(tokens[:, :-1]), tokens[:, 1:])
    report accuracy: accuracy(net(tokens[:, :-1]), tokens[:, 1:])
  }
}
```

Call once, and keep the result: `let logits = net(tokens[:, :-1])`.",
    ),
];

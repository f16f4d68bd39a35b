//! Codes E0350 to E0399: shapes of operations.

use super::Explanation;
use crate::diag::Code;

const fn code(code: u16, title: &'static str, text: &'static str) -> Explanation {
    Explanation { code: Code(code), title, text }
}

pub const ALL: &[Explanation] = &[
    code(
        350,
        "shapes do not broadcast",
        "Elementwise operations align shapes at their ends. Only an absent dimension, or one written as 1, stretches; \
two different sizes never do, and a symbolic size never becomes 1.

```nn
fn f(x: f32[B, 10], y: f32[B]) -> f32[B, 10] { x + y }    // axis -1: `10` against `B`
```

Add the missing axis: `x + y[:, _]`.",
    ),
    code(
        351,
        "the operation's shape rule is not met",
        "The arguments do not fit the shape rule of the operation; the label lists their types.

```nn
fn f(x: f32[B, 8, 8, 3], w: f32[3, 3, 4, 16]) { conv2d(x, w) }    // 3 channels against 4
```",
    ),
    code(
        352,
        "no such axis",
        "An axis is a number from 0, or from -1 at the end, or the name of a dimension that stands once in the shape.

```nn
fn f(x: f32[B, N]) -> f32[B] { mean(x, axis: 2) }    // the axes are 0 and 1
```",
    ),
    code(
        353,
        "index out of range",
        "A compile-time index or slice must lie within its axis.

```nn
let last = range(3)[3]    // the indices are 0 to 2, or -1 to -3 from the end
```",
    ),
    code(
        354,
        "the parts do not divide the axis",
        "`split(x, n)` makes n equal parts.

```nn
let thirds = split(range(10), 3)
```

Give the lengths instead: `split(range(10), [4, 3, 3])`.",
    ),
    code(
        355,
        "reshape changes the number of elements",
        "A reshape keeps all elements.

```nn
fn f(x: f32[B, 28, 28]) -> f32[B, 780] { reshape(x, [B, 780]) }    // 28 * 28 is 784
```

One length may be written -1: it is worked out.",
    ),
    code(
        356,
        "a pattern does not fit",
        "Patterns of `rearrange` and `einsum` name axes; each name of a rearrangement stands once on each side.

```nn
fn f(x: f32[B, T, 12]) { rearrange(x, \"b t (h d) -> b h t d\") }    // how long is h? add `h: 4`
```",
    ),
    code(
        357,
        "padding \"same\" needs a known extent",
        "With a stride above 1 the padding of \"same\" depends on the extent, which is symbolic here.

```nn
fn f(x: f32[B, H, W, 3], w: f32[3, 3, 3, 8]) { conv2d(x, w, stride: 2, padding: \"same\") }
```

Fix the extents in the type, or give the padding by number: `padding: [[0, 1], [0, 1]]`.",
    ),
    code(
        358,
        "matrices that cannot be multiplied",
        "In `a @ b` the last axis of a meets the last but one of b (its only one, at rank 1).

```nn
fn f(x: f32[B, 8], w: f32[10, 4]) -> f32[B, 4] { x @ w }    // 8 columns against 10 rows
```",
    ),
    code(
        359,
        "the window does not fit",
        "A kernel or pool, dilation included, is larger than its padded input.

```nn
let largest = max_pool2d(zeros([1, 2, 2, 3]), 3)
```",
    ),
    code(
        360,
        "wrong rank",
        "The operation needs a tensor of another rank: images are [batch, height, width, channels].

```nn
fn f(x: f32[28, 28, 1]) { max_pool2d(x, 2) }    // no batch axis
```",
    ),
    code(
        361,
        "shapes must agree",
        "Joined or paired tensors must agree in all axes but the one they are joined along.

```nn
fn f(a: f32[B, 3], b: f32[N, 4]) { concat(a, b, axis: 1) }    // B against N
```",
    ),
    code(
        362,
        "not known to lie in the axis",
        "Where an axis has a symbolic length, an index or a slice must provably lie in it: state what you know, as in \
`where T in 4..=1000`.

```nn
data D from csv(\"d.csv\") { x: f32 = raw.x }
model M() {
  param w: f32 = 1.0
  fn forward(x: f32[B]) -> f32 { w * x[1] }    // the last batch may have one row
}
train {
  let net = M()
  optimizer = sgd(lr: 0.1)
  epochs = 1
  step (x) in D.train |> batch(4) { minimize net(x) }
}
```",
    ),
    code(
        363,
        "padding counts",
        "The rows of a batch are padded to one length. A sum, a mean, a softmax, a product, a scan over that dimension must leave the
padding out, or the result depends on what else is in the batch: give the mask of the field, or mask the value itself. A
causal mask will do too. Nor may a value begin at the end of that dimension, as `x[:, -1]` does, where shorter rows have
padding.

```nn
data D from jsonl(\"d.jsonl\") {
  x: f32[T, 3] = raw.x
  y: f32[3] = raw.y
}
model M() {
  param w: f32[3] = 1.0
  fn forward(x: f32[B, T, 3]) -> f32[B, 3] { mean(x, axis: T) * w }
}
train {
  let net = M()
  optimizer = sgd(lr: 0.1)
  epochs = 1
  step (x, y) in D.train |> batch(4) { minimize mse(net(x), y) }
}
```

Pass `x.mask` to the function and write `mean(x, axis: T, mask: mask)`; of a product one operand is masked, as in
`einsum(\"bt, btd -> bd\", where(mask, w, 0.0), x)`. The last element of each row is
`gather(x, (x.lengths - 1)[:, _], axis: 1)`. Where the padding is meant to count, write `mean(unmasked(x), axis: T)`.",
    ),
];

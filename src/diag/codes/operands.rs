//! Codes E0250 to E0299: operands and arguments of operations.

use super::Explanation;
use crate::diag::Code;

const fn code(code: u16, title: &'static str, text: &'static str) -> Explanation {
    Explanation { code: Code(code), title, text }
}

pub const ALL: &[Explanation] = &[
    code(
        250,
        "element types differ",
        "Two tensors of different element types meet in one operation, and nothing is converted silently.

```nn
fn bonus(score: f32[N], hit: bool[N]) -> f32[N] { score + hit }    // f32 + bool
```

Say what you mean: `score + f32(hit)`.",
    ),
    code(
        251,
        "a literal does not fit its context",
        "A literal takes the element type of the tensor that it meets, and must be a value of that type.

```nn
fn half(x: i32[N]) -> i32[N] { x * 0.5 }    // 0.5 is not a value of i32
```

Convert the tensor (`f32(x) * 0.5`), or use an integer operation (`floor_div(x, 2)`).",
    ),
    code(
        252,
        "the operation is not defined for this element type",
        "Roots, logarithms and quotients need floats; indices are i32; conditions and masks are bool.

```nn
fn ratio(a: i32[N], b: i32[N]) -> f32[N] { a / b }
```

Convert first: `f32(a) / f32(b)`. Integers divide by `floor_div(a, b)`.",
    ),
    code(
        253,
        "an argument of the wrong kind",
        "A built-in function expected another kind of value: a compile-time integer, a list, a string, or a tensor.

```nn
fn top(x: f32[B, N], k: i32) -> f32[B, N] { top_k(x, k).values }    // k must be known to the compiler
```

Sizes, axes and paddings are compile-time values: they decide shapes.",
    ),
    code(
        254,
        "an argument is missing",
        "A required argument was not given.

```nn
fn f(x: f32[B, N]) -> f32[B, N] { clip(x, 0.0) }    // clip(x, low, high)
```",
    ),
    code(
        255,
        "one argument too many",
        "A built-in function takes fewer arguments by position. Its options are always labelled.

```nn
fn f(x: f32[B, N]) -> f32[B] { mean(x, 1) }    // write mean(x, axis: 1)
```",
    ),
    code(
        256,
        "unknown option",
        "The built-in function has no option of this name; the help shows its signature.

```nn
fn f(x: f32[B, N]) -> f32[B] { sum(x, dim: 1) }    // the option is `axis`
```",
    ),
    code(
        257,
        "an argument is given twice",
        "One argument was given by position and by label, or by the same label twice.

```nn
fn f(x: f32[B, N]) -> f32[B, 2] { top_k(x, 2, k: 2).values }
```",
    ),
    code(
        258,
        "an argument out of bounds",
        "The argument has the right kind, but not a value that the operation accepts.

```nn
fn f(x: f32[B, 8]) -> f32[B, 9] { top_k(x, 9).values }    // only 8 to choose from
```",
    ),
];

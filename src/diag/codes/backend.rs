//! Codes E09xx: the back end.

use super::Explanation;
use crate::diag::Code;

pub const ALL: &[Explanation] = &[
    Explanation {
        code: Code(900),
        title: "element type not supported by the back end",
        text: "\
The program is well typed, but the CPU back end computes with `f32`, `i32` and `bool` only; `u8` may be stored, moved and
converted.

```nn
let x = f64(image)          // E0900
```

Convert to `f32` or `i32` before computing.
",
    },
    Explanation {
        code: Code(901),
        title: "no kernel for this operation",
        text: "\
An operation reached the back end that only earlier stages know: a gradient that was not expanded, or a composite that
was not inlined.

```nn
let slope = grad(loss, wrt: w)          // expanded before the back end in every pipeline
```

No program should cause this through `nnc`: please report the program that does.
",
    },
    Explanation {
        code: Code(902),
        title: "a gradient through a loop that ends on a condition",
        text: "\
How many steps such a loop takes depends on its data, and so does what the steps before the last one must keep for the
gradient. `scan … while` is for generating and searching, not for training.

```nn
var h = h0
scan i in 0..8 while any(h > 0.1) { h = h * w }
minimize mean(h)            // E0902
```

Scan all positions and keep the old value with `where` once the condition is false; or cut the gradient with
`stop_gradient`.
",
    },
];

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
];

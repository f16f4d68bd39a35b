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
The operation has a meaning and a gradient, but the CPU back end cannot run it yet.

```nn
let (best, which) = top_k(scores, 5)          // E0901
```

Express it through other operations: `argmax` for the largest, `max` and `where` for masks.
",
    },
];

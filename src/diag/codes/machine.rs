//! Codes E092x and E093x: code generation and running machine code.

use super::Explanation;
use crate::diag::Code;

pub const ALL: &[Explanation] = &[
    Explanation {
        code: Code(920),
        title: "processor without fused multiply-add",
        text: "\
Every multiplication that is followed by an addition is one fused instruction, with one rounding. Processors without it
would need a library call for each number, so nnc refuses them.

```
$ nnc train mnist.nn          # on a processor of 2012: E0920
```

Use an x86-64 processor with AVX and FMA (Intel since Haswell, AMD since Zen) or a 64-bit ARM processor. In a virtual
machine, pass the host's processor model through.
",
    },
    Explanation {
        code: Code(921),
        title: "unsupported machine",
        text: "\
nnc generates code for x86-64 and 64-bit ARM only.

```
$ nnc train mnist.nn          # on s390x: E0921
```
",
    },
    Explanation {
        code: Code(922),
        title: "internal error in code generation",
        text: "\
One stage of the compiler handed on what the next refuses. No program should cause this: please report it, with the
program and the whole message.

```
$ nnc train model.nn          # E0922: kernel `linear`: v5 has 6 lanes, not a multiple of 4
```
",
    },
    Explanation {
        code: Code(923),
        title: "machine code that this machine cannot run",
        text: "\
`--code` asks for AVX-512 or AVX2 on a machine without it.

```
$ nnc train mnist.nn --code avx512          # on a processor without AVX-512: E0923
```

Leave `--code` out: nnc takes the fastest form that the machine runs. All forms give the same bits.
",
    },
    Explanation {
        code: Code(930),
        title: "out of memory",
        text: "\
All memory of a phase (activations, gradients, constants) is allocated before its first step, and the system has not
enough of it.

```nn
train { batch 65536 }          // E0930 where the activations of 65536 rows do not fit
```

Use a smaller batch or a smaller model.
",
    },
    Explanation {
        code: Code(931),
        title: "index out of range",
        text: "\
A class, token or position from the data is not below the size that the program declares, or is negative. The error shows where
the program reads with it. The step stops, and what it would have updated stays as it was.

```nn
let e = embedding(tokens, vocabulary = 1000)          // E0931 where the data holds the token 1000
```

Check the data, or declare the size that it needs.
",
    },
    Explanation {
        code: Code(932),
        title: "no such input",
        text: "\
A checkpoint or a data source names an input that the compiled program does not have, or that cannot be set this way.

```
$ nnc predict model.nn --weights other.safetensors          # E0932: no input `encoder.w`
```
",
    },
    Explanation {
        code: Code(933),
        title: "input without data",
        text: "\
A step was started before all its columns were given.

```
$ nnc predict model.nn          # E0933: `Digits.image` has no data
```
",
    },
    Explanation {
        code: Code(934),
        title: "data of the wrong size",
        text: "\
The data for an input has not the size that the program was compiled for.

```
$ nnc predict model.nn --weights small.safetensors          # E0934: 1024 bytes, the program expects 4096
```

The weights belong to another version of the model, or the data set was changed after compiling.
",
    },
    Explanation {
        code: Code(935),
        title: "programs disagree about a state",
        text: "\
Training, validation and test share their parameters, so each must have one type and one layout. No program should
cause this: please report it.

```
$ nnc train model.nn          # E0935: `w` is f32[4, 4] in one program and f32[4, 8] in another
```
",
    },
    Explanation {
        code: Code(950),
        title: "fault of the compiler",
        text: "\
A stage of the compiler failed on a program that the checker accepted. This is a fault of nnc, not of the program: please
report it, with the program and the whole message.

```
$ nnc train model.nn          # E0950: opt failed: …
```
",
    },
];

//! Codes E06xx: what is not supported yet.
//!
//! The first example of each explanation causes the error: a test in `sema` runs them. `Houses` is the declaration of
//! `training`.

use super::{Code, Explanation};

const fn entry(code: u16, title: &'static str, text: &'static str) -> Explanation {
    Explanation { code: Code(code), title, text }
}

pub const ALL: &[Explanation] = &[
    entry(
        605,
        "`every … epochs` in a step is not supported yet",
        "Inside a step, periods are counted in steps.

```nn
train {
  let net = Dense(1)
  optimizer = sgd(lr: 0.1)
  epochs = 4
  step (x, price) in Houses.train |> batch(32) {
    every 2 epochs { minimize mse(net(x)[:, 0], price) }
  }
}
```",
    ),
    entry(
        606,
        "this data source is not supported yet",
        "This version reads `idx`, `csv`, `tsv`, `jsonl` and `text`.

```nn
data Speech from wav(\"speech\") { audio: f32[N] }
```",
    ),
    entry(
        607,
        "this pipeline stage is not supported yet",
        "This version has `shuffle`, `bucket`, `pad`, `windows`, `lanes`, `skip_bad` and `batch(n)`, with `drop_last: true`.

```nn
train {
  let net = Dense(1)
  optimizer = sgd(lr: 0.1)
  epochs = 1
  step (x, price) in Houses.train |> repeat |> batch(32) { minimize mse(net(x)[:, 0], price) }
}
```",
    ),
    entry(
        608,
        "this setting is not supported yet",
        "Reduced precision and memory limits are not part of this version.

```nn
train {
  let net = Dense(1)
  optimizer = sgd(lr: 0.1)
  epochs = 1
  precision = bf16
  step (x, price) in Houses.train |> batch(32) { minimize mse(net(x)[:, 0], price) }
}
```",
    ),
    entry(
        610,
        "this conversion is not supported yet",
        "Pictures are not read by this version.

```nn
data Points from csv(\"points.csv\") { kind: f32 = picture(raw.kind) }
```",
    ),
    entry(
        612,
        "values of `predict` are not supported yet",
        "The fields of `predict` are fields of data.

```nn
train {
  let net = Dense(1)
  optimizer = sgd(lr: 0.1)
  epochs = 1
  step (x, price) in Houses.train |> batch(32) { minimize mse(net(x)[:, 0], price) }
  predict (seed: i32) { report value: net(zeros([1, 2])) }
}
```",
    ),
];

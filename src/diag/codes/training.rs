//! Codes E05xx: training blocks and data declarations.
//!
//! The first example of each explanation causes the error: a test in `sema` runs them. They share this declaration:
//! `data Houses from csv("houses.csv") { x: f32[2] = [raw.area, raw.rooms]  price: f32 = raw.price }`, with the
//! splits `train` and `test`.

use super::{Code, Explanation};

const fn entry(code: u16, title: &'static str, text: &'static str) -> Explanation {
    Explanation { code: Code(code), title, text }
}

pub const ALL: &[Explanation] = &[
    entry(
        501,
        "unknown setting",
        "A line `name = value` of a `train` block sets something, and there is no setting of this name.

```nn
train {
  let net = Dense(1)
  optimiser = sgd(lr: 0.1)
  epochs = 1
  step (x, price) in Houses.train |> batch(32) { minimize mse(net(x)[:, 0], price) }
}
```

To name a value, write `let`. The settings are `optimizer`, `epochs`, `steps`, `seed`, `keep`, `stop`, `save`, \
`nonfinite`, `clip_norm`, `clip_value`, `accumulate`, `precision` and `memory`.",
    ),
    entry(
        502,
        "wrong value of a setting",
        "A setting has a value that it cannot take.

```nn
train {
  let net = Dense(1)
  optimizer = sgd(lr: 0.1)
  epochs = 1
  clip_norm = -1.0
  step (x, price) in Houses.train |> batch(32) { minimize mse(net(x)[:, 0], price) }
}
```",
    ),
    entry(
        503,
        "no optimizer",
        "`minimize` needs an optimizer: the setting `optimizer`, or one named after `with`.

```nn
train {
  let net = Dense(1)
  epochs = 1
  step (x, price) in Houses.train |> batch(32) { minimize mse(net(x)[:, 0], price) }
}
```",
    ),
    entry(
        504,
        "`minimize` outside of `step`",
        "Parameters change only in `step`.

```nn
train {
  let net = Dense(1)
  optimizer = sgd(lr: 0.1)
  epochs = 1
  step (x, price) in Houses.train |> batch(32) { minimize mse(net(x)[:, 0], price) }
  test (x, price) in Houses.test |> batch(32) { minimize mse(net(x)[:, 0], price) }
}
```",
    ),
    entry(
        505,
        "a loss that is not one number",
        "A loss is a scalar of a float type.

```nn
train {
  let net = Dense(1)
  optimizer = sgd(lr: 0.1)
  epochs = 1
  step (x, price) in Houses.train |> batch(32) { minimize (net(x)[:, 0] - price) ** 2 }
}
```

Reduce it: `minimize mean(…)`.",
    ),
    entry(
        506,
        "the loss depends on no parameter",
        "No trainable parameter takes part in the loss, so there is nothing to learn.

```nn
train {
  let net = Dense(1)
  optimizer = sgd(lr: 0.1)
  epochs = 1
  step (x, price) in Houses.train |> batch(32) { minimize mse(stop_gradient(net(x)[:, 0]), price) }
}
```",
    ),
    entry(
        507,
        "unknown field of the data",
        "A phase names a field that the data does not declare.

```nn
train {
  let net = Dense(1)
  optimizer = sgd(lr: 0.1)
  epochs = 1
  step (x, cost) in Houses.train |> batch(32) { minimize mse(net(x)[:, 0], cost) }
}
```",
    ),
    entry(
        508,
        "not a pipeline stage",
        "After a split come stages such as `shuffle` and `batch(64)`.

```nn
train {
  let net = Dense(1)
  optimizer = sgd(lr: 0.1)
  epochs = 1
  step (x, price) in Houses.train |> shufle |> batch(32) { minimize mse(net(x)[:, 0], price) }
}
```",
    ),
    entry(
        509,
        "not a pipeline",
        "A phase goes through batches of a split: `in Data.train |> batch(64)`.

```nn
train {
  let net = Dense(1)
  optimizer = sgd(lr: 0.1)
  epochs = 1
  step (x, price) in Houses.train |> shuffle { minimize mse(net(x)[:, 0], price) }
}
```",
    ),
    entry(
        510,
        "unknown split",
        "The data has no split of this name, or none is named.

```nn
train {
  let net = Dense(1)
  optimizer = sgd(lr: 0.1)
  epochs = 1
  step (x, price) in Houses.training |> batch(32) { minimize mse(net(x)[:, 0], price) }
}
```",
    ),
    entry(
        511,
        "a metric that is not one number",
        "`report` takes scalars; they are averaged over the batches.

```nn
train {
  let net = Dense(1)
  optimizer = sgd(lr: 0.1)
  epochs = 1
  step (x, price) in Houses.train |> batch(32) {
    minimize mse(net(x)[:, 0], price)
    report error: abs(net(x)[:, 0] - price)
  }
}
```",
    ),
    entry(
        512,
        "a goal that `validate` does not report",
        "`keep` and `stop` compare a metric that `validate` reports.

```nn
train {
  let net = Dense(1)
  optimizer = sgd(lr: 0.1)
  epochs = 1
  keep = best(min: error)
  step (x, price) in Houses.train |> batch(32) { minimize mse(net(x)[:, 0], price) }
  validate (x, price) in Houses.test |> batch(32) { report loss: mse(net(x)[:, 0], price) }
}
```",
    ),
    entry(
        513,
        "a training without an end",
        "A `train` block sets `epochs` or `steps`.

```nn
train {
  let net = Dense(1)
  optimizer = sgd(lr: 0.1)
  step (x, price) in Houses.train |> batch(32) { minimize mse(net(x)[:, 0], price) }
}
```",
    ),
    entry(
        514,
        "no source, or an unknown one",
        "A data declaration says where its rows come from: a call with a path.

```nn
data Points from cvs(\"points.csv\") { x: f32 = raw.x }
```",
    ),
    entry(
        515,
        "unknown column",
        "The source stores no column of this name.

```nn
data Digits from idx(\"data/mnist\") { image: f32[28, 28, 1] = f32(raw.images) / 255 }
```

`idx` data has the columns `image` and `label`; the columns of a `csv` file are checked when it is opened.",
    ),
    entry(
        516,
        "a split that cannot be read",
        "Parts are fractions up to 1.0 or numbers of rows, of the whole or of a part that the source has of its own.

```nn
data Points from csv(\"points.csv\") {
  x: f32 = raw.x
  split train 0.9, test 0.2
}
```

For example `split train 0.9, test 0.1 by hash`, or `split train, validate 5_000 of train, test` where the source \
has a train and a test part.",
    ),
    entry(
        517,
        "`--set` does not fit the file",
        "`--set name=value` changes a setting of `train` or a `let` of the file whose value is a literal, to a value of \
the same kind. For `--set lr=fast` and the file

```nn
let lr = 1e-3
```

the value must be a number.",
    ),
    entry(
        518,
        "not a part of the model",
        "`over`, `freeze`, `optimizer for` and `load … into` take layer instances, with all parameters that they hold.

```nn
let rate = 0.1
train {
  let net = Dense(1)
  optimizer = sgd(lr: rate)
  epochs = 1
  step (x, price) in Houses.train |> batch(32) { minimize mse(net(x)[:, 0], price) over rate }
}
```",
    ),
    entry(
        519,
        "a step that minimizes nothing",
        "Without `minimize` no parameter changes.

```nn
train {
  let net = Dense(1)
  optimizer = sgd(lr: 0.1)
  epochs = 1
  step (x, price) in Houses.train |> batch(32) { report loss: mse(net(x)[:, 0], price) }
}
```",
    ),
    entry(
        520,
        "not the type of a field",
        "A field of data is a tensor.

```nn
data Points from csv(\"points.csv\") { x: int = raw.x }
```

For one number a row write `x: i32` or `x: f32`.",
    ),
    entry(
        521,
        "an optimizer without `update`",
        "An optimizer computes the new value of a parameter in `update`.

```nn
optimizer still() { }
train {
  let net = Dense(1)
  optimizer = still()
  epochs = 1
  step (x, price) in Houses.train |> batch(32) { minimize mse(net(x)[:, 0], price) }
}
```

It needs `fn update(p: f32[*S], g: f32[*S], step: i32) -> f32[*S] { … }`.",
    ),
    entry(
        522,
        "`report` without a name or a phase",
        "What is reported has a name, and stands in a phase.

```nn
train {
  let net = Dense(1)
  optimizer = sgd(lr: 0.1)
  epochs = 1
  step (x, price) in Houses.train |> batch(32) {
    minimize mse(net(x)[:, 0], price)
    report mse(net(x)[:, 0], price)
  }
}
```

Write `report error: mse(…)`.",
    ),
    entry(
        523,
        "phases of a training",
        "A `train` block has a `step`, and may have `validate`, `test` and `predict`.

```nn
train {
  let net = Dense(1)
  optimizer = sgd(lr: 0.1)
  epochs = 1
}
```",
    ),
    entry(
        524,
        "does not belong here",
        "A `train` block holds `let`s, settings and phases; a `data` declaration fields and splits.

```nn
train {
  let net = Dense(1)
  optimizer = sgd(lr: 0.1)
  epochs = 1
  fn loss(a: f32[B], b: f32[B]) -> f32 { mse(a, b) }
  step (x, price) in Houses.train |> batch(32) { minimize mse(net(x)[:, 0], price) }
}
```

Define functions at the top level of the file.",
    ),
    entry(
        525,
        "not a unit of time",
        "Periods are counted in `steps` or `epochs`.

```nn
train {
  let net = Dense(1)
  optimizer = sgd(lr: 0.1)
  epochs = 1
  save = every(5, minutes)
  step (x, price) in Houses.train |> batch(32) { minimize mse(net(x)[:, 0], price) }
}
```",
    ),
    entry(
        526,
        "said twice",
        "A setting is set twice, or two metrics of one phase have the same name.

```nn
train {
  let net = Dense(1)
  optimizer = sgd(lr: 0.1)
  epochs = 1
  epochs = 2
  step (x, price) in Houses.train |> batch(32) { minimize mse(net(x)[:, 0], price) }
}
```",
    ),
    entry(
        527,
        "two dimensions of a field vary",
        "In each field one dimension may vary from row to row.

```nn
data Pages from jsonl(\"pages.jsonl\") { ink: f32[H, W] = raw.ink }
```

Give the other one a number.",
    ),
    entry(
        528,
        "condition on the data that says nothing about lengths",
        "The `where` of a data declaration bounds the dimensions that vary: `T in 1..=128`, `T <= 128`, `T >= 2`,
`T % 8 == 0`. Each row has to keep to it, and the checker relies on it.

```nn
data Words from jsonl(\"words.jsonl\") where T != 3 { letters: i32[T] = raw.letters }
```",
    ),
    entry(
        529,
        "no dimension that varies",
        "`bucket` and `pad` take a dimension of the pipeline's data that varies from row to row.

```nn
train {
  let net = Dense(1)
  optimizer = sgd(lr: 0.1)
  epochs = 1
  step (x, price) in Houses.train |> bucket(by: T) |> batch(32) { minimize mse(net(x)[:, 0], price) }
}
```

A dimension varies where a field is declared with its bare name, as in `tokens: i32[T]`.",
    ),
    entry(
        530,
        "conversion or source that is not called rightly",
        "A text is cut into units: `unit: bytes`, `unit: characters`, `unit: words`, or by a `tokenizer`. The conversions of a stored
text are `bytes(raw.x)`, `characters(raw.x)`, `words(raw.x, vocab: 10_000)` and `tokens(raw.x, \"tokenizer.json\")`; `end: true`
adds a mark at the end of each row.

```nn
data Book from text(\"book.txt\") { tokens: i32[65] }
```

Write `text(\"book.txt\", unit: characters)`.",
    ),
    entry(
        531,
        "field of another shape than its conversion",
        "The ids of a text have one axis, a category is one number, and a text has one field.

```nn
data Mail from jsonl(\"mail.jsonl\") { words: i32 = words(raw.body) }
```

Declare `words: i32[T] = words(raw.body)`.",
    ),
    entry(
        532,
        "windows that do not fit",
        "A pipeline over a text cuts it into windows: `|> windows(65, stride: 64)`, or `|> lanes(32, window: 65, overlap: 1)`, whose
windows follow each other and which makes the batches, too. A field of known length gives the length itself. Other data has
rows, and no windows.

```nn
data Book from text(\"book.txt\", unit: bytes) { bytes: i32[T] }
train {
  let net = Dense(1)
  optimizer = sgd(lr: 0.1)
  epochs = 1
  step (bytes) in Book.train |> shuffle |> batch(32) { minimize mean(net(f32(bytes))) }
}
```",
    ),
    entry(
        533,
        "value that the data does not give",
        "A field of ids has the size of its vocabulary, a field that is a category the number of its labels: `Mail.words.vocab`,
`Mail.label.count`. Where a data set has one vocabulary, `Mail.vocab` is enough. The checker takes such numbers for unknown
positive ones; they are known once the data is open.

```nn
train {
  let net = Dense(Houses.vocab)
  optimizer = sgd(lr: 0.1)
  epochs = 1
  step (x, price) in Houses.train |> batch(32) { minimize mean(net(x)) }
}
```",
    ),
    entry(
        534,
        "ids that cannot be decoded here",
        "`Pairs.target.decode(ids)` is the text of ids of that field, up to the token that ends a row and without special tokens;
`Mail.folder.decode(ids)` gives labels. Only reports of `predict` print them. The ids are i32, the batch is their first axis,
and the last one is that of a text.

```nn
data Mail from tsv(\"mail.tsv\") where T >= 1 {
  body: i32[T] = words(raw.body)
  folder: i32 = category(raw.folder)
}
train {
  let net = Dense(3)
  optimizer = sgd(lr: 0.1)
  epochs = 1
  step (folder) in Mail.train |> batch(32) { minimize cross_entropy(net(f32(folder)[:, _]), folder) }
  predict (folder) { report folder: Mail.folder.decode(net(f32(folder)[:, _])) }
}
```

Decode the likeliest class: `Mail.folder.decode(argmax(…, axis: -1))`.",
    ),
    entry(
        540,
        "a `load` that cannot be read",
        "`load` names a file (a safetensors file, the index of its shards, or a folder with either) and the part of the model that \
it fills.

```nn
train {
  let net = Dense(1)
  load \"weights.safetensors\"
  optimizer = sgd(lr: 0.1)
  epochs = 1
  step (x, price) in Houses.train |> batch(32) { minimize mse(net(x)[:, 0], price) }
}
```

Write `load \"weights.safetensors\" into net { … }`.",
    ),
    entry(
        541,
        "a line of `load` that cannot be read",
        "A line says which names of the file become which names of the program. Names in braces stand for what is the same on both \
sides, so that the line can be followed in both directions.

```nn
train {
  let net = Dense(1)
  load \"weights.safetensors\" into net { \"linear.{p}\" -> \"weight\" }
  optimizer = sgd(lr: 0.1)
  epochs = 1
  step (x, price) in Houses.train |> batch(32) { minimize mse(net(x)[:, 0], price) }
}
```

After the names may stand `transposed` (or `transposed [2, 3, 1, 0]`), `along 1` for the axis of a list, and `parts [n, m]`.",
    ),
    entry(
        542,
        "a line of `load` that fits no parameter",
        "The right side of a line names parameters of the program.

```nn
train {
  let net = Dense(1)
  load \"weights.safetensors\" into net { \"linear.{p}\" -> \"dense.{p}\" transposed }
  optimizer = sgd(lr: 0.1)
  epochs = 1
  step (x, price) in Houses.train |> batch(32) { minimize mse(net(x)[:, 0], price) }
}
```

Here the names are `weight` and `bias`, and the line is `\"linear.{p}\" -> \"{p}\" transposed`.",
    ),
    entry(
        543,
        "a `freeze` that cannot be read",
        "`freeze` names parts of the model, and perhaps the time from which they learn.

```nn
train {
  let net = Dense(1)
  optimizer = sgd(lr: 0.1)
  epochs = 3
  freeze net until epoch 1
  step (x, price) in Houses.train |> batch(32) { minimize mse(net(x)[:, 0], price) }
}
```

Epochs and steps count from 1, so `until epoch 2` freezes the first epoch.",
    ),
];

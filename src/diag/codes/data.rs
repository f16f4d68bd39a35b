//! Codes E07xx: data at run time. `nnc check` opens no data, so these come from `train`, `eval` and `predict` only.

use super::{Code, Explanation};

const fn entry(code: u16, title: &'static str, text: &'static str) -> Explanation {
    Explanation { code: Code(code), title, text }
}

pub const ALL: &[Explanation] = &[
    entry(
        701,
        "data source not supported",
        "nnc cannot read this kind of source. The checker says so first, as E0514.

```nn
data Photos from folder(\"photos\") { image: u8[64, 64, 3] = raw.image  split train }
```

The sources that can be read are `idx` (MNIST's format, plain or `.gz`), `csv`, `tsv`, `jsonl` and `text`.",
    ),
    entry(
        702,
        "data not found",
        "The path of the declaration names nothing, or a folder without the files of the source. Paths are relative to the folder
of the .nn file.

```nn
data Digits from idx(\"no/such/folder\") { image: u8[8, 8] = raw.image  split train }
```

An idx folder holds a file for each column, such as `train-images-idx3-ubyte` for the column `image`; `.gz` may follow.",
    ),
    entry(
        703,
        "damaged data",
        "A file was found and is not what it should be: not of this format, cut short, or longer than its header says.

```
$ truncate -s 1000 data/mnist/train-images-idx3-ubyte
$ nnc train mnist.nn          # E0703: its header says 60000×28×28 of u8, it holds 984 bytes
```

Fetch the file again.",
    ),
    entry(
        704,
        "stored rows have another shape",
        "The declared type of a column and a row as it is stored disagree.

```nn
data Digits from idx(\"data/digits\") { image: u8[28, 28] = raw.image  split train }    // 8×8 is stored
```

Declare the shape that is stored. Axes of length 1 may be added or left out, and a row may be declared flat.",
    ),
    entry(
        705,
        "columns of different lengths",
        "All columns of a data set have the same number of rows.

```
$ nnc train digits.nn          # E0705: column `label` has 59999 rows where the others have 60000
```

The files belong to different data sets, or one of them is incomplete.",
    ),
    entry(
        706,
        "stored type not convertible",
        "A column is read as a type that cannot hold what is stored. Stored `u8` may be read as `i32` or `f32`, and `i32` as `f32`.

```nn
data Digits from idx(\"data/digits\") { image: bool[8, 8] = raw.image  split train }
```

Read the stored type and convert in the declaration, for example `f32(raw.image) / 255`.",
    ),
    entry(
        707,
        "row that cannot be read",
        "A field of a text file cannot be read in the type of its column, is missing, or is longer or shorter than the declaration
allows. An `i32` column takes whole numbers only.

```
area,rooms
120,many          # E0707: row 1, field `rooms`: `many` is not a number
```

Mend the row, or leave such rows out with `|> skip_bad`, which counts them.",
    ),
    entry(
        708,
        "column missing in the file",
        "The header line of a text file lacks a column of the declaration. A vector column `x: f32[3]` is stored as `x0`, `x1`,
`x2`.

```nn
data Houses from csv(\"houses.csv\") { price: f32 = raw.prize  split train }
```

The message lists the columns of the file.",
    ),
    entry(
        709,
        "two splits of the same rows",
        "Two splits without a size would both take everything that the others leave, so that what is tested was trained on.

```nn
split train, test          # E0709 on a csv file, which has one part: write `split train 0.8, test`
```",
    ),
    entry(
        710,
        "part missing in the data",
        "A split names a part of the source that is not stored, or takes rows of one.

```nn
data Digits from idx(\"data/digits\") {
  image: u8[8, 8] = raw.image
  split extra                       // E0710: only `train` and `test` are stored
}
```

The message lists the parts.",
    ),
    entry(
        711,
        "too few rows for a split",
        "The splits of one part ask for more rows than there are.

```nn
data Digits from idx(\"data/digits\") {
  image: u8[8, 8] = raw.image
  split train, validate 50_000 of train by hash, test 20_000 of train by hash
}
```

Ask for fewer rows, or for fractions.",
    ),
    entry(
        712,
        "no such field to split by",
        "`by field` keeps rows with equal values of a column in one split; the column must be stored and hold one number a row.

```nn
split train 0.8, test 0.2 by patient          // E0712 where `patient` is no column
```

Name a column of the declaration, or split `by hash` or `by position`.",
    ),
    entry(
        713,
        "split missing",
        "A phase reads a split that neither the declaration nor the source has. The checker says so first, as E0510.

```nn
test (image) in Digits.held_out |> batch(200) { report loss: loss(net(image)) }
```",
    ),
    entry(
        714,
        "fewer rows than one batch",
        "With `drop_last`, or with an empty split, an epoch would have no batch at all.

```nn
step (x) in Points.train |> batch(1000, drop_last: true) { minimize net(x) }    // 100 rows
```

Use a smaller batch, or keep the last, shorter one.",
    ),
    entry(
        715,
        "conversion that has learned nothing",
        "`predict` turns texts into the ids that training gave them, and they stand in the checkpoint. This one does not have them.

```nn
predict (words) { report label: argmax(net(words, words.mask), axis: -1) }      // E0715: the run never saw `words`
```

Train the program as it is now.",
    ),
    entry(
        716,
        "tokenizer that cannot be read",
        "`tokens(raw.x, …)` and `text(…, tokenizer: …)` name a `tokenizer.json` of Hugging Face, by a path that is relative to the
folder of the .nn file. It is not there, is not such a file, or has a model of a kind that nnc does not know.

```nn
data Mail from tsv(\"mail.tsv\") { body: i32[T] = tokens(raw.body, \"no/such/tokenizer.json\")  split train }
```

`nnc tokenizer train` makes such a file from texts.",
    ),
    entry(
        717,
        "another tokenizer than that of training",
        "A run knows the tokenizer file that it was trained with by its contents. With another file the same text would have other
ids, and the parameters would mean nothing.

```nn
body: i32[T] = tokens(raw.body, \"tokenizer.json\")      // E0717 from `predict`, where the file has changed since
```

Put the old file back, or train again.",
    ),
    entry(
        718,
        "token without an id",
        "`Data.field.id(\"…\")` is the id of a token, a word, a character or a label. The tokenizer file, or what was learned from the
rows of training, does not have this one.

```nn
let end = Pairs.target.id(\"<eos>\")      // the file calls it `</s>`
```

`nnc tokenizer encode --message-format json` shows the tokens of a text; special tokens stand in the file itself.",
    ),
];

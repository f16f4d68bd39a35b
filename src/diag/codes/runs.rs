//! Codes E08xx: checkpoints and runs.

use super::{Code, Explanation};

const fn entry(code: u16, title: &'static str, text: &'static str) -> Explanation {
    Explanation { code: Code(code), title, text }
}

pub const ALL: &[Explanation] = &[
    entry(
        801,
        "checkpoint cannot be read",
        "The file does not exist, or is not in the safetensors format, or is incomplete. nnc replaces checkpoints in one step, so
an interrupted run leaves the old one or the new one.

```
$ nnc eval digits.nn --run runs/digits-1          # E0801 where last.safetensors was damaged
```",
    ),
    entry(
        802,
        "not a checkpoint of a run",
        "The file holds tensors, but not where a run stood (epoch, step, seed): another program wrote it.

```
$ cp weights.safetensors runs/digits-1/last.safetensors
$ nnc train digits.nn --resume runs/digits-1          # E0802
```",
    ),
    entry(
        803,
        "checkpoint does not fit the program",
        "The program declares tensors that the checkpoint lacks, or the other way round, or with other shapes. The message
lists them.

```
$ nnc train digits.nn --resume runs/digits-1          # E0803 after a layer was added to digits.nn
```

The folder of the run holds the program that it was trained with, as `program.nn`.",
    ),
    entry(
        804,
        "a file of weights does not fit the program",
        "The file of a `load` lacks parameters of the program, or has tensors that no line takes, or with other shapes. The message
lists both sides beside each other, and the lines to add.

```
$ nnc train translate.nn          # E0804 where translate.nn has a layer more than the file
```

`\"name\" -> skip` leaves a tensor of the file out; `skip -> \"name\"` leaves a parameter of the program at its first value.",
    ),
    entry(
        805,
        "two names for one parameter differ",
        "Several lines of a `load` may name one parameter (tied weights have more names than one): then the tensors must hold the
same numbers.

```
$ nnc train translate.nn          # E0805 where `shared.weight` and `lm_head.weight` differ
```

A head that is not tied needs a parameter of its own; `\"lm_head.weight\" -> skip` leaves it out.",
    ),
    entry(
        806,
        "weights cannot be written under foreign names",
        "`nnc export` follows the lines of `load` backwards, and two parameters would have one name, or a tensor cannot be cut into
the parts that a line names.

```
$ nnc export translate.nn --out weights.safetensors          # E0806
```",
    ),
    entry(
        810,
        "train block without a step",
        "`nnc train` and `nnc bench` run the phase `step`, and the block has none. The checker says so first, as E0523.

```nn
train {
  let net = Dense(1)
  validate (x) in Points.test |> batch(10) { report mean: mean(net(x)) }
}
```",
    ),
    entry(
        811,
        "file cannot be written",
        "The folder of a run, its log or a checkpoint cannot be written: no permission, or the disk is full.

```
$ nnc train digits.nn --runs /proc          # E0811
```",
    ),
    entry(
        812,
        "loss or gradient not finite",
        "A step gave NaN or infinity, and the run ends; the checkpoints keep the last good weights. Most often the learning
rate is too high, or a logarithm or a root meets 0.

```nn
optimizer = sgd(lr: 1e30)
```

Lower the learning rate, set `clip_norm`, or write `nonfinite = skip` to leave such steps out and count them.",
    ),
    entry(
        813,
        "no run of this program",
        "`eval` and `predict` use the latest folder under `runs/` with the program's name, and there is none.

```
$ nnc eval digits.nn          # E0813 before the first `nnc train digits.nn`
```

Train first, or name the folder with `--run`.",
    ),
    entry(
        814,
        "no such phase",
        "The command runs a phase that the `train` block does not declare.

```
$ nnc ir digits.nn --phase validation          # E0814: it is called `validate`
```

The phases are `init`, which every block has, and `step`, `validate`, `test` and `predict`.",
    ),
    entry(
        815,
        "predict reads no data",
        "`nnc predict --data` feeds the parameters of the phase `predict` from columns of the same names, and it has none that is
a column of a data set.

```nn
predict () { report answer: 42.0 }
```",
    ),
    entry(
        816,
        "nothing to compile",
        "The file has neither a `train` block nor a model or function.

```
$ nnc ir settings.nn          # E0816 where the file holds only `let`s
```",
    ),
    entry(
        817,
        "no such train block",
        "The command needs a `train` block and there is none, or none of the given name.

```
$ nnc train gan.nn critic          # E0817 where the file says `train generator { … }`
```",
    ),
    entry(
        818,
        "no such layer",
        "`nnc ir --layer` shows what comes from one layer, by its path, and the phase has nothing of it.

```
$ nnc ir digits.nn --layer conv9          # E0818: its layers are conv, hidden, head
```",
    ),
    entry(
        819,
        "this model cannot generate",
        "`nnc generate` needs a `train` block in which one layer, and no second one, has `next`, which takes the token at a position,
and gives the scores of the one behind it. What it has seen before is in its states.

```nn
model Chars(vocab: int) {
  embed = Embedding(vocab, 32)
  rnn = Gru(64)
  head = Dense(vocab)
  fn forward(tokens: i32[B, T]) -> f32[B, T, vocab] { head(rnn(embed(tokens)).all) }
  fn next(token: i32[B], at: i32) -> f32[B, vocab] { head(rnn.next(embed(token))) }
}
```

A layer that reads a source text first has `start(source: i32[B, S], mask: bool[B, S]) -> i32[B]`, too: the first tokens.",
    ),
    entry(
        820,
        "weights without training",
        "There is no run of the program, and its `load`s do not give all of its weights: what is left has random first values.

```
$ nnc predict classifier.nn --data new.csv          # E0820: only the encoder is loaded, not the head
```

Train first, name a run with `--run`, or say `--untrained` where first values are meant.",
    ),
    entry(
        821,
        "no text to generate",
        "`nnc generate` reads its prompt as the first text of `step` is read, and spells what it generates as the last one. A text is a
field made by `bytes`, `characters`, `words` or `tokens`, or the data `text`.

```nn
step (image, label) in Digits.train |> batch(64) { … }
```",
    ),
    entry(
        822,
        "no prompt",
        "The prompt has no token, so there is nothing to go on from; or its conversion has no ids for it.

```
$ nnc generate chars.nn --prompt ''          # E0822
```",
    ),
    entry(
        823,
        "no place for so many tokens",
        "The model keeps a known number of positions. One that goes on with its prompt begins afresh there with the last half of
them; one that answers a text would lose the text, and ends.

```
$ nnc generate t5.nn --prompt 'a text' --max-tokens 500          # E0823 where `context: 64` is kept
```

Generate fewer tokens, or build the model with a larger `context` and table of positions.",
    ),
    entry(
        824,
        "an axis would be empty",
        "With the sizes that the data gives, a value would have no element along an axis: `x[1:]` of a batch of one row, or
`source[:, 1:]` of a prompt of one token. A padded length is made longer in such a case (`x[:, 1:]` of rows of length 1), unless
the data's `where` forbids it.

```nn
step (x) in D.train |> batch(1) { minimize mean((x[1:] - x[:-1]) * w) }          // E0824: the axis `B - 1` would be empty
```

Take larger batches (or `drop_last: true`), or state which lengths the data has: `where T >= 2`.",
    ),
];

//! Texts and conversions: columns, windows, values of the data, splits of splits.

use super::{files, model, run, summary};
use crate::sema::check_with;
use crate::sema::model::{
    Asked, Column, DataValue, Model, ParamKind, PhaseKind, Reading, SplitBy, SplitSize, TextUnit,
};
use crate::sema::model::{Phase, Windows};

fn found(text: &str) -> Vec<String> {
    let (sources, _, diags) = run(text, &[]);
    summary(&sources, &diags)
}

#[track_caller]
fn refused(text: &str, code: &str) {
    let found = found(text);
    assert!(found.len() == 1 && found[0].starts_with(code), "{text}\n{found:#?}");
}

/// A model of characters; `source` are the options of the text, `stages` the pipeline.
fn characters(source: &str, field: &str, stages: &str) -> String {
    format!(
        "data Book from text(\"book.txt\", {source}) {{
  tokens: {field}
  split train 0.9, test 0.1
}}
model Next(vocab: int) {{
  embed = Embedding(vocab, 8)
  head = Dense(vocab)
  fn forward(x: i32[B, T]) -> f32[B, T, vocab] {{ head(embed(x)) }}
}}
train {{
  let net = Next(vocab: Book.vocab)
  optimizer = sgd(lr: 0.1)
  epochs = 1
  step (tokens) in Book.train {stages} {{ minimize cross_entropy(net(tokens[:, :-1]), tokens[:, 1:]) }}
}}"
    )
}

fn step(model: &Model) -> &Phase {
    model.trains[0].phases.iter().find(|p| p.kind == PhaseKind::Step).expect("a step")
}

fn windows(field: &str, stages: &str) -> Option<Windows> {
    step(&model(&characters("unit: characters", field, stages))).pipeline.windows
}

#[test]
fn a_text_is_cut_into_windows() {
    let window = |length, stride| Some(Windows { length, stride });
    assert_eq!(windows("i32[65]", "|> shuffle |> batch(4)"), window(65, 65));
    assert_eq!(windows("i32[65]", "|> windows(65, stride: 1) |> batch(4)"), window(65, 1));
    assert_eq!(windows("i32[T]", "|> windows(9) |> batch(4)"), window(9, 9));
    assert_eq!(windows("i32[T]", "|> lanes(4, window: 9, overlap: 1)"), window(9, 8));
    for (field, stages, code) in [
        ("i32[T]", "|> batch(4)", "E0532"),
        ("i32[65]", "|> windows(64) |> batch(4)", "E0532"),
        ("i32[T]", "|> windows(9, stride: 0) |> batch(4)", "E0508"),
        ("i32[T]", "|> windows(stride: 3) |> batch(4)", "E0508"),
        ("i32[T]", "|> windows |> batch(4)", "E0508"),
        ("i32[T]", "|> lanes(4, window: 9, overlap: 9)", "E0508"),
        ("i32[T]", "|> lanes(4)", "E0508"),
        ("i32[T]", "|> shuffle |> lanes(4, window: 9)", "E0532"),
        ("i32[T]", "|> lanes(4, window: 9) |> batch(2)", "E0532"),
        ("i32[T]", "|> batch(2) |> lanes(4, window: 9)", "E0532"),
        ("i32[T]", "|> lanes(4, window: 9) |> windows(5)", "E0532"),
        ("i32[T]", "|> windows(5) |> lanes(4, window: 9)", "E0532"),
        ("i32[T, 2]", "|> windows(9) |> batch(4)", "E0531"),
        ("f32", "|> batch(4)", "E0531"),
    ] {
        let found = found(&characters("unit: bytes", field, stages));
        assert!(found[0].starts_with(code), "{field} {stages}: {found:?}");
    }
}

#[test]
fn units_of_a_text() {
    let unit = |source: &str| {
        let model = model(&characters(source, "i32[65]", "|> batch(4)"));
        let [Column { reading: Reading::Ids { unit, .. }, .. }] = &model.data[0].columns[..] else {
            panic!("{source}")
        };
        unit.clone()
    };
    assert_eq!(unit("unit: bytes"), TextUnit::Bytes);
    assert_eq!(unit("unit: characters"), TextUnit::Characters { end: false });
    assert_eq!(unit("unit: words, vocab: 5_000"), TextUnit::Words { end: false, vocab: Some(5000) });
    assert_eq!(unit("tokenizer: \"t.json\""), TextUnit::Tokenizer { path: "t.json".into(), special: false });
    for source in
        ["unit: letters", "unit: 3", "vocab: 10", "unit: bytes, vocab: 10", "unit: words, vocab: 2", "lines: true"]
    {
        refused(&characters(source, "i32[65]", "|> batch(4)"), "E0530");
    }
}

/// Unknown until the data is open, and then numbers: the parameters get their sizes.
#[test]
fn values_of_the_data_are_opaque_and_then_known() {
    let text = characters("unit: characters", "i32[65]", "|> batch(4)");
    let opaque = model(&text);
    let value = DataValue { data: "Book".into(), column: "text".into(), what: Asked::Size };
    assert_eq!(opaque.values, std::slice::from_ref(&value));
    assert!(opaque.params.iter().all(|p| p.kind != ParamKind::Trainable), "{:?}", opaque.params);
    let (_, files) = files(&text);
    let (known, diags) = check_with(&files, &[], &[(value, 66)]);
    assert!(diags.is_empty());
    let shapes: Vec<String> = known.params.iter().map(|p| format!("{} {}", p.path, p.ty)).collect();
    assert_eq!(shapes, ["embed.weight f32[66, 8]", "head.weight f32[8, 66]", "head.bias f32[66]"]);
    // The ids of bytes are known without any data.
    let bytes = model(&characters("unit: bytes", "i32[65]", "|> batch(4)"));
    assert_eq!((bytes.values.len(), bytes.params[0].ty.shape[0]), (0, 256));
}

/// `Book.vocab` is a dimension like any other in the types of arguments and results.
#[test]
fn values_of_the_data_stand_in_types() {
    let text = characters("unit: characters", "i32[65]", "|> batch(4)");
    let typed = text
        .replace("f32[B, T, vocab] { head(embed(x)) }", "f32[B, T, Book.vocab] { as_it_is(head(embed(x))) }")
        .replace("model Next", "fn as_it_is(x: f32[B, T, Book.vocab]) -> f32[B, T, Book.vocab] { x }\nmodel Next");
    assert_eq!(found(&typed), [] as [&str; 0]);
    let (_, files) = files(&typed);
    let value = DataValue { data: "Book".into(), column: "text".into(), what: Asked::Size };
    assert!(check_with(&files, &[], &[(value, 66)]).1.is_empty());
    refused(&typed.replace("head = Dense(vocab)", "head = Dense(vocab + 1)"), "E0301");
    let mail = MAIL.replace("f32[B, labels]", "f32[B, Mail.label.count]");
    assert_eq!(found(&mail), [] as [&str; 0]);
    let wrong = found(&mail.replace("head = Dense(labels)", "head = Dense(labels + 1)"));
    assert!(wrong[0].contains("a dimension Mail.label.count + 1, expected `Mail.label.count`"), "{wrong:?}");
}

#[test]
fn what_depends_on_the_data_is_decided_once_it_is_open() {
    let text = characters("unit: characters", "i32[65]", "|> batch(4)");
    let text = text.replace("minimize", "report best: mean(top_k(net(tokens), 5).values)\n    minimize");
    let (_, files) = files(&text);
    let codes =
        |known: &[(DataValue, i64)]| check_with(&files, &[], known).1.iter().map(|d| d.code.0).collect::<Vec<_>>();
    let size = |n| (DataValue { data: "Book".into(), column: "text".into(), what: Asked::Size }, n);
    assert_eq!(codes(&[]), [0u16; 0]);
    assert_eq!(codes(&[size(5)]), [0u16; 0]);
    assert_eq!(codes(&[size(4)]), [258]);
}

const MAIL: &str = "
data Mail from tsv(\"mail.tsv\") where T <= 100 {
  text: i32[T] = words(raw.body, vocab: 1000)
  subject: i32[S] = raw.subject |> characters(end: true)
  label: i32 = category(raw.folder)
  size: f32 = standardize(raw.size)
  pair: f32[2] = [standardize(raw.a), standardize(raw.b)]
  split train 0.8, validate 0.25 of train, test
}
model Sorter(words: int, labels: int) {
  embed = Embedding(words, 8)
  head = Dense(labels)
  fn forward(text: i32[B, T], mask: bool[B, T], size: f32[B]) -> f32[B, labels] {
    head(mean(embed(text), axis: 1, mask: mask) * size[:, _])
  }
}
train {
  let net = Sorter(Mail.text.vocab, Mail.label.count)
  optimizer = sgd(lr: 0.1)
  epochs = 1
  step (text, subject, label, size, pair) in Mail.train |> batch(4) {
    let bias = mean(pair) + f32(count(subject.mask))
    minimize cross_entropy(net(text, text.mask, size) + bias, label)
  }
}
";

#[test]
fn conversions_read_columns_in_their_own_way() {
    let model = model(MAIL);
    let columns: Vec<String> =
        model.data[0].columns.iter().map(|c| format!("{}: {} from {}", c.name, c.describe(), c.stored)).collect();
    assert_eq!(
        columns,
        [
            "words(body, vocab: 1000): i32[T] from body",
            "characters(subject, end: true): i32[S] from subject",
            "category(folder): i32[] from folder",
            "size: f32[] from size",
            "a: f32[] from a",
            "b: f32[] from b",
        ]
    );
    let statistics: Vec<&str> =
        model.params.iter().filter(|p| p.kind == ParamKind::Statistic).map(|p| p.path.as_str()).collect();
    assert_eq!(
        statistics,
        ["Mail.size.mean", "Mail.size.deviation", "Mail.a.mean", "Mail.a.deviation", "Mail.b.mean", "Mail.b.deviation"]
    );
    let names: Vec<&str> = model.data[0].lengths.iter().map(|l| l.name.as_str()).collect();
    assert_eq!(names, ["T", "S"]);
}

#[test]
fn conversions_that_are_wrong() {
    for (from, to, code) in [
        ("words(raw.body, vocab: 1000)", "words(raw.body, most: 3)", "E0530"),
        ("words(raw.body, vocab: 1000)", "tokens(raw.body)", "E0530"),
        ("words(raw.body, vocab: 1000)", "tokens(raw.body, 3)", "E0530"),
        ("words(raw.body, vocab: 1000)", "bytes(raw.body, end: true)", "E0530"),
        ("i32[T] = words", "i32[T, 2] = words", "E0531"),
        ("label: i32 =", "label: i32[3] =", "E0531"),
        ("label: i32 =", "label: f32 =", "E0202"),
        ("Mail.text.vocab", "Mail.vocab", "E0533"),
        ("Mail.text.vocab", "Mail.label.vocab", "E0533"),
        ("Mail.label.count", "Mail.text.count", "E0533"),
        ("Mail.label.count", "Mail.labell.count", "E0507"),
        ("Mail.label.count", "Mail.train", "E0203"),
    ] {
        let found = found(&MAIL.replace(from, to));
        assert!(found[0].starts_with(code), "{to}: {found:#?}");
    }
    refused("data D from idx(\"d\") { label: i32 = category(raw.label) }", "E0530");
}

#[test]
fn a_split_may_be_split() {
    let model = model(MAIL);
    let sizes: Vec<&SplitSize> = model.data[0].splits.iter().map(|s| &s.size).collect();
    let of = |name: &str| name.to_string();
    assert_eq!(*sizes[1], SplitSize::Fraction { of: of("train"), part: 0.25 });
    assert_eq!(*sizes[2], SplitSize::Rest { of: of("") });
    for splits in [
        "train 0.8, validate 0.25 of trian, test",
        "train 0.8, validate of train, test",
        "train 0.5 of test, test 0.5 of train",
    ] {
        let found = found(&MAIL.replace("train 0.8, validate 0.25 of train, test", splits));
        assert!(found[0].starts_with("E0516"), "{splits}: {found:#?}");
    }
    let text = characters("unit: bytes", "i32[65]", "|> batch(4)");
    assert!(super::model(&text).data[0].splits.iter().all(|s| s.by == SplitBy::Position));
    refused(&text.replace("test 0.1", "test 0.1 by hash"), "E0516");
}

#[test]
fn files_are_parts_of_a_table() {
    let program = |source: &str, splits: &str| {
        format!(
            "data D from {source} {{
  x: f32
  label: i32 = category(raw.label)
  {splits}
}}
train {{
  let net = Dense(2)
  optimizer = sgd(lr: 0.1)
  epochs = 1
  step (x, label) in D.train |> batch(4) {{ minimize cross_entropy(net(x[:, _]), label) }}
}}"
        )
    };
    let split = |splits: &str| {
        let model = model(&program("csv(train: \"a.csv\", held: \"b.csv\")", splits));
        model.data[0].splits.iter().map(|s| (s.name.clone(), s.size.clone())).collect::<Vec<_>>()
    };
    let own = |name: &str| (name.to_string(), SplitSize::Own);
    assert_eq!(split(""), [own("train"), own("held")]);
    let of = "train".to_string();
    let cut = split("split train, validate 0.2 of train, held");
    let rest = ("train".to_string(), SplitSize::Rest { of: of.clone() });
    assert_eq!(cut, [rest, ("validate".into(), SplitSize::Fraction { of, part: 0.2 }), own("held")]);
    for (source, code) in [
        ("csv(train: \"a.csv\", train: \"b.csv\")", "E0514"),
        ("csv(train: 3)", "E0514"),
        ("csv()", "E0514"),
        ("csv(\"a.csv\", test: \"b.csv\")", "E0530"),
    ] {
        refused(&program(source, ""), code);
    }
    refused(&program("csv(held: \"a.csv\", test: \"b.csv\")", ""), "E0510");
    refused(&program("csv(train: \"a.csv\")", "split train, extra 0.5 of other"), "E0516");
}

/// A report of `predict` may decode ids, of a text or of labels; nothing else has a use for a text.
#[test]
fn ids_are_decoded_in_reports_of_predict() {
    let with = |statements: &str, more: &str| {
        format!(
            "data Mail from tsv(\"mail.tsv\") where T <= 9 {{
  body: i32[T] = words(raw.body)
  folder: i32 = category(raw.folder)
  size: f32
  split train
}}
train {{
  let net = Dense(3)
  optimizer = sgd(lr: 0.1)
  epochs = 1
  step (folder, size) in Mail.train |> batch(4) {{ {more} minimize cross_entropy(net(size[:, _]), folder) }}
  predict (body, folder, size) {{ {statements} }}
}}"
        )
    };
    let good = with("let text = Mail.body.decode(body) report text, label: folder |> Mail.folder.decode", "");
    let good = good.replace(" report", "\n report");
    let phases = &model(&good).trains[0].phases;
    let decoded: Vec<_> = phases[1].decoded.iter().map(|d| (&*d.report, &*d.column, d.axes)).collect();
    assert_eq!(decoded, [("text", "words(body)", 0), ("label", "category(folder)", 0)]);
    for (statements, code) in [
        ("report text: Mail.body.decode(folder)", "E0534"),
        ("report text: Mail.body.decode(transpose(body))", "E0534"),
        ("report text: Mail.body.decode(size)", "E0534"),
        ("report text: Mail.body.decode()", "E0534"),
        ("report text: Mail.body.decode(body, body)", "E0534"),
        ("report text: Mail.body.decode(\"spam\")", "E0534"),
        ("report text: Mail.size.decode(folder)", "E0533"),
        ("report text: Mail.decode(body)", "E0533"),
        ("report text: Mail.body.decode(body) + 1", "E0203"),
        ("report text: Mail.text.decode(body)", "E0507"),
    ] {
        refused(&with(statements, ""), code);
    }
    refused(&with("report size", "report text: Mail.body.decode(folder)\n"), "E0534");
}

//! E05xx of data declarations: one constructor per error.

use super::source::{PLANNED, SOURCES};
use crate::diag::{Code, Diagnostic};
use crate::sema::defs::{did_you_mean, suggest};
use crate::sema::model::Length;
use crate::source::Span;
use crate::syntax::ast;

pub fn no_source(block: &ast::BlockItem) -> Diagnostic {
    let span = block.name.as_ref().map_or(block.word.span, |n| n.span);
    Diagnostic::error(Code(514), "this data has no source")
        .label(span, "where does it come from?")
        .help("write `data Name from csv(\"file.csv\") { … }`")
}

pub fn bad_source(span: Span) -> Diagnostic {
    Diagnostic::error(Code(514), "a source is a call with a path")
        .label(span, "expected something like `idx(\"data/mnist\")` or `csv(train: \"train.csv\", test: \"test.csv\")`")
}

pub fn part_twice(label: &ast::Name) -> Diagnostic {
    Diagnostic::error(Code(514), format!("the part `{}` has two files", label.text))
        .label(label.span, "named before")
        .help("give each part a name of its own")
}

pub fn unknown_source(name: &ast::Name) -> Diagnostic {
    let names = SOURCES.iter().map(|s| s.name).chain(PLANNED);
    let diag = Diagnostic::error(Code(514), format!("`{}` is not a data source", name.text))
        .label(name.span, "unknown source");
    match suggest(&name.text, names) {
        None => diag.help("the sources are `idx`, `csv`, `tsv`, `jsonl` and `text`"),
        found => did_you_mean(diag, name.span, found),
    }
}

pub fn not_a_field_type(span: Span) -> Diagnostic {
    Diagnostic::error(Code(520), "a field has a tensor type")
        .label(span, "expected a type such as `f32[28, 28, 1]` or `i32[T]`")
}

pub fn not_a_data_member(span: Span) -> Diagnostic {
    Diagnostic::error(Code(524), "this does not belong in a data declaration")
        .label(span, "expected a field `name: type = conversion` or a `split`")
}

pub fn unknown_column(name: &ast::Name, source: &str, known: &[&str]) -> Diagnostic {
    let diag = Diagnostic::error(Code(515), format!("`{source}` data has no column `{}`", name.text))
        .label(name.span, "unknown column");
    match suggest(&name.text, known.iter().copied()) {
        None => diag.help(format!("its columns are `{}`", known.join("`, `"))),
        found => did_you_mean(diag, name.span, found),
    }
}

pub fn unknown_field(name: &ast::Name, data: &str, declared: Span, known: &[&str]) -> Diagnostic {
    let diag = Diagnostic::error(Code(507), format!("`{data}` has no field `{}`", name.text))
        .label(name.span, "unknown field")
        .label(declared, "the data");
    match suggest(&name.text, known.iter().copied()) {
        None => diag.help(format!("its fields are `{}`", known.join("`, `"))),
        found => did_you_mean(diag, name.span, found),
    }
}

pub fn not_a_length(span: Span) -> Diagnostic {
    Diagnostic::error(Code(520), "the size of a field is a number, or one name for a dimension that varies")
        .label(span, "this is neither")
        .help("a dimension that varies from row to row is a bare capital, as in `i32[T]`; `B` is the batch")
}

pub fn two_varying(name: &ast::Name, span: Span) -> Diagnostic {
    Diagnostic::error(Code(527), format!("two dimensions of the field `{}` vary", name.text))
        .label(span, "one may")
        .help("give all but one a number")
}

pub fn bad_fact(span: Span, lengths: &[Length]) -> Diagnostic {
    let names: Vec<&str> = lengths.iter().map(|l| l.name.as_str()).collect();
    let diag = Diagnostic::error(Code(528), "this condition says nothing about the length of a row")
        .label(span, "expected bounds or a divisor");
    match names.first() {
        Some(name) => diag.help(format!("write `{name} in 1..=128`, `{name} <= 128` or `{name} % 8 == 0`")),
        None => diag.help("no dimension of these fields varies; one does in `tokens: i32[T]`"),
    }
}

pub fn no_length(length: &Length) -> Diagnostic {
    Diagnostic::error(Code(528), format!("no length `{}` fulfils the conditions", length.name))
        .label(length.span, "every row would be an error")
}

pub fn no_sequence_field(name: &ast::Name) -> Diagnostic {
    let diag = Diagnostic::error(Code(110), format!("a field has no `{}`", name.text)).label(name.span, "not known");
    match suggest(&name.text, ["mask", "lengths"].into_iter()) {
        None => diag.help("a field that varies in length has `mask` and `lengths`"),
        found => did_you_mean(diag, name.span, found),
    }
}

pub fn not_varying(span: Span, data: &str, known: &[Length]) -> Diagnostic {
    let names: Vec<String> = known.iter().map(|l| format!("`{}`", l.name)).collect();
    let diag = Diagnostic::error(Code(529), format!("this is no dimension of `{data}` that varies"))
        .label(span, "expected the name of a dimension");
    if names.is_empty() {
        return diag.help("all rows of this data have the same length");
    }
    diag.help(format!("dimensions that vary: {}", names.join(", ")))
}

pub fn no_option(option: &ast::Arg, what: &str) -> Diagnostic {
    let span = option.label.as_ref().map_or(option.value.span, |l| l.span);
    Diagnostic::error(Code(530), format!("`{what}` does not take this")).label(span, "not an option")
}

pub fn no_unit(span: Span) -> Diagnostic {
    Diagnostic::error(Code(530), "what is this text cut into?")
        .label(span, "no unit is known")
        .help("write `unit: bytes`, `unit: characters`, `unit: words`, or `tokenizer: \"tokenizer.json\"`")
}

pub fn vocab_of_what(span: Span) -> Diagnostic {
    Diagnostic::error(Code(530), "only the number of words can be bounded")
        .label(span, "`vocab` goes with `unit: words`")
}

pub fn small_vocab(span: Span) -> Diagnostic {
    Diagnostic::error(Code(530), "a vocabulary has at least 3 ids").label(span, "too small")
}

pub fn small_limit(span: Span) -> Diagnostic {
    Diagnostic::error(Code(530), "a row has at least one id").label(span, "too small")
}

pub fn no_token(span: Span) -> Diagnostic {
    Diagnostic::error(Code(530), "`id` takes a token, a word, a character or a label")
        .label(span, "expected one text, as in `Pairs.target.id(\"</s>\")`")
}

pub fn no_ids(span: Span) -> Diagnostic {
    Diagnostic::error(Code(534), "`decode` takes ids")
        .label(span, "expected one i32 tensor, as in `Pairs.target.decode(answer(net, source, mask, 60))`")
}

pub fn no_tokenizer(name: &ast::Name) -> Diagnostic {
    Diagnostic::error(Code(530), "`tokens` takes a column and a tokenizer")
        .label(name.span, "expected `tokens(raw.text, \"tokenizer.json\")`")
        .help("`characters(raw.text)` and `words(raw.text)` need no tokenizer")
}

pub fn tokenizer_path(span: Span) -> Diagnostic {
    Diagnostic::error(Code(530), "a tokenizer is named by the path of its file")
        .label(span, "expected a path in quotes")
}

pub fn no_texts(span: Span, source: &str) -> Diagnostic {
    Diagnostic::error(Code(530), format!("`{source}` data holds no texts")).label(span, "this reads a text")
}

pub fn one_label(span: Span, declared: Span) -> Diagnostic {
    Diagnostic::error(Code(531), "a category is one number")
        .label(span, "one label of each row")
        .label(declared, "declare it as `i32`")
}

pub fn one_axis_of_ids(span: Span, declared: Span) -> Diagnostic {
    Diagnostic::error(Code(531), "the ids of a text have one axis")
        .label(span, "one id after the other")
        .label(declared, "declare it as `i32[T]`, or with a number")
}

pub fn second_text_field(span: Span) -> Diagnostic {
    Diagnostic::error(Code(531), "a text has one field").label(span, "this is the second")
}

pub fn no_windows(span: Span) -> Diagnostic {
    Diagnostic::error(Code(532), "how long are the windows of this text?")
        .label(span, "their length is open")
        .help("write `|> windows(65, stride: 64)` in the pipeline, or give the field a number: `i32[65]`")
}

pub fn no_value(name: &ast::Name) -> Diagnostic {
    Diagnostic::error(Code(533), format!("the data gives no `{}` here", name.text))
        .label(name.span, "not known")
        .help("a field of ids has `vocab`, `id(\"…\")` and `decode(ids)`, a field that is a category `count`, `id` and `decode`")
}

pub fn several_vocabularies(name: &ast::Name, data: &str) -> Diagnostic {
    Diagnostic::error(Code(533), format!("`{data}` has several vocabularies"))
        .label(name.span, "of which one?")
        .help(format!("name the field, as in `{data}.text.vocab`"))
}

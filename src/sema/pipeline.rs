//! The pipeline of a phase: `Digits.train |> shuffle |> batch(64)`.

use super::checker::Checker;
use super::data::DataInfo;
use super::defs::{did_you_mean, suggest};
use super::model::{Pipeline, Windows};
use super::value::Value;
use crate::diag::{Code, Diagnostic};
use crate::source::Span;
use crate::syntax::ast::{self, Expr, ExprKind};

/// Largest multiple that a length is padded to.
const MOST_PADDING: usize = 1 << 20;

/// Longest window of a text.
const LONGEST: usize = i32::MAX as usize;

/// The stages of the language.
const STAGES: [&str; 8] = ["shuffle", "batch", "map", "bucket", "pad", "windows", "lanes", "skip_bad"];

impl Checker {
    /// `Digits.train |> shuffle |> batch(64)`. With another error in it, the fields are known where the data is.
    pub fn pipeline(&mut self, source: &Expr) -> Option<Pipeline> {
        let mut stages = vec![];
        let mut base = source;
        while let ExprKind::Pipe(x, stage) = &base.kind {
            stages.push(&**stage);
            base = x;
        }
        let mut pipeline = Pipeline { span: source.span, ..Pipeline::default() };
        let mut fine = self.pipeline_base(base, &mut pipeline);
        for stage in stages.into_iter().rev() {
            fine &= self.stage(stage, &mut pipeline);
        }
        if fine && pipeline.batch == 0 {
            self.report(no_batch(source.span));
        }
        if fine && let Some(data) = self.data(&pipeline.data) {
            self.settle_windows(&data, &mut pipeline);
        }
        (!pipeline.data.is_empty()).then_some(pipeline)
    }

    fn pipeline_base(&mut self, base: &Expr, out: &mut Pipeline) -> bool {
        let (name, split) = match &base.kind {
            ExprKind::Field(data, split) => match &data.kind {
                ExprKind::Name(name) => (name, Some(split)),
                _ => return self.fail(not_data(base.span)),
            },
            ExprKind::Name(name) => (name, None),
            ExprKind::Error => return false,
            _ => return self.fail(not_data(base.span)),
        };
        let data = match self.eval_name(name) {
            Value::Data(data) => data,
            Value::Error => return false,
            _ => return self.fail(not_data(base.span)),
        };
        let Some(info) = self.data(&data) else { return false };
        out.data = data.to_string();
        let names: Vec<&str> = info.model.splits.iter().map(|s| &*s.name).collect();
        match split {
            Some(split) if names.contains(&&*split.text) => {
                out.split = split.text.to_string();
                true
            }
            Some(_) if info.broken_splits => false,
            Some(split) => self.fail(unknown_split(split, &data, &names)),
            None => self.fail(no_split(name, &names)),
        }
    }

    fn fail(&mut self, diag: Diagnostic) -> bool {
        self.report(diag);
        false
    }

    fn stage(&mut self, stage: &Expr, out: &mut Pipeline) -> bool {
        let (callee, args): (&Expr, &[ast::Arg]) = match &stage.kind {
            ExprKind::Call(callee, args) => (callee, args),
            _ => (stage, &[]),
        };
        let ExprKind::Name(name) = &callee.kind else { return self.fail(bad_stage(stage.span)) };
        match (&*name.text, args) {
            ("batch" | "windows", _) if out.lanes => return self.fail(beside_lanes(&name.text, stage.span)),
            ("lanes", _) if out.batch > 0 || out.windows.is_some() => {
                return self.fail(beside_lanes(&name.text, stage.span));
            }
            ("shuffle", []) => out.shuffle = true,
            ("skip_bad", []) => out.skip_bad = true,
            ("batch", args) => return self.batch_stage(args, stage.span, out),
            ("bucket", args) => return self.bucket_stage(args, stage.span, out),
            ("pad", args) => return self.pad_stage(args, stage.span, out),
            ("windows", args) => return self.windows_stage(args, stage.span, out),
            ("lanes", args) => return self.lanes_stage(args, stage.span, out),
            ("map" | "skip_bad" | "shuffle" | "repeat", _) => {
                return self.fail(super::unsupported::stage(&name.text, stage.span));
            }
            _ => return self.fail(unknown_stage(name)),
        }
        true
    }

    /// `bucket(by: T)`
    fn bucket_stage(&mut self, args: &[ast::Arg], span: Span, out: &mut Pipeline) -> bool {
        let [ast::Arg { label: Some(label), value }] = args else { return self.fail(bad_bucket(span)) };
        if &*label.text != "by" {
            return self.fail(bad_bucket(label.span));
        }
        out.bucket = self.length_of(out, value);
        out.bucket.is_some()
    }

    /// `pad(T, multiple: 8)`
    fn pad_stage(&mut self, args: &[ast::Arg], span: Span, out: &mut Pipeline) -> bool {
        let [ast::Arg { label: None, value: name }, ast::Arg { label: Some(label), value }] = args else {
            return self.fail(bad_pad(span));
        };
        if &*label.text != "multiple" {
            return self.fail(bad_pad(label.span));
        }
        let (Some(name), Some(n)) = (self.length_of(out, name), self.eval_int(value)) else { return false };
        match usize::try_from(n) {
            Ok(n) if (1..=MOST_PADDING).contains(&n) => out.pads.push((name, n)),
            _ => return self.fail(bad_pad(value.span)),
        }
        true
    }

    /// `windows(65, stride: 64)`
    fn windows_stage(&mut self, args: &[ast::Arg], span: Span, out: &mut Pipeline) -> bool {
        let Some([length, stride]) = self.sizes(args, [None, Some("stride")]) else {
            return self.fail(bad_windows(span));
        };
        let Some(length) = length else { return self.fail(bad_windows(span)) };
        out.windows = Some(Windows { length, stride: stride.unwrap_or(length) });
        true
    }

    /// `lanes(32, window: 65, overlap: 1)`
    fn lanes_stage(&mut self, args: &[ast::Arg], span: Span, out: &mut Pipeline) -> bool {
        let Some([count, window, overlap]) = self.sizes(args, [None, Some("window"), Some("overlap")]) else {
            return self.fail(bad_lanes(span));
        };
        match (count, window, overlap.unwrap_or(0)) {
            (Some(count), Some(length), overlap) if overlap < length => {
                out.windows = Some(Windows { length, stride: length - overlap });
                (out.lanes, out.batch) = (true, count);
                true
            }
            _ => self.fail(bad_lanes(span)),
        }
    }

    /// The numbers of a call by their labels, `None` where one is absent; no value where an argument is wrong.
    fn sizes<const N: usize>(&mut self, args: &[ast::Arg], labels: [Option<&str>; N]) -> Option<[Option<usize>; N]> {
        let mut found = [None; N];
        for arg in args {
            let at = labels.iter().position(|l| *l == arg.label.as_ref().map(|l| &*l.text))?;
            let n = usize::try_from(self.eval_int(&arg.value)?).ok()?;
            if found[at].is_some() || !(usize::from(labels[at] != Some("overlap"))..=LONGEST).contains(&n) {
                return None;
            }
            found[at] = Some(n);
        }
        Some(found)
    }

    /// Windows are for texts, whose pipelines have them; a field of known length says how long they are.
    fn settle_windows(&mut self, data: &DataInfo, pipeline: &mut Pipeline) {
        if !data.model.is_text() {
            if pipeline.windows.is_some() {
                self.report(windows_of_rows(pipeline.span));
            }
            return;
        }
        if pipeline.lanes && pipeline.shuffle {
            self.report(lanes_in_order(pipeline.span));
        }
        let fixed = data.window();
        match (pipeline.windows, fixed) {
            (None, Some(length)) => pipeline.windows = Some(Windows { length, stride: length }),
            (Some(windows), Some(length)) if windows.length != length => {
                self.report(other_window(pipeline.span, windows.length, length));
            }
            _ => {}
        }
    }

    /// A dimension of the pipeline's data that varies.
    fn length_of(&mut self, pipeline: &Pipeline, name: &Expr) -> Option<String> {
        let data = self.data(&pipeline.data)?;
        self.length_named(&data, name)
    }

    fn batch_stage(&mut self, args: &[ast::Arg], span: Span, out: &mut Pipeline) -> bool {
        for arg in args {
            match arg.label.as_ref().map(|l| &*l.text) {
                None => match self.eval_int(&arg.value).map(usize::try_from) {
                    Some(Ok(n)) if n > 0 => out.batch = n,
                    Some(_) => return self.fail(bad_batch(arg.value.span)),
                    None => return false,
                },
                Some("drop_last") => match self.eval_condition(&arg.value) {
                    Some(drop) => out.drop_last = drop,
                    None => return false,
                },
                Some(_) => return self.fail(super::unsupported::stage("batch by class", span)),
            }
        }
        true
    }
}

fn not_data(span: Span) -> Diagnostic {
    Diagnostic::error(Code(509), "a pipeline begins with a split of the data")
        .label(span, "expected something like `Digits.train`")
}

fn unknown_split(split: &ast::Name, data: &str, names: &[&str]) -> Diagnostic {
    let diag = Diagnostic::error(Code(510), format!("`{data}` has no split `{}`", split.text))
        .label(split.span, "unknown split");
    match suggest(&split.text, names.iter().copied()) {
        None => diag.help(format!("its splits are `{}`", names.join("`, `"))),
        found => did_you_mean(diag, split.span, found),
    }
}

fn no_split(name: &ast::Name, names: &[&str]) -> Diagnostic {
    let end = Span { start: name.span.end, ..name.span };
    let diag =
        Diagnostic::error(Code(510), format!("which part of `{}`?", name.text)).label(name.span, "no split is named");
    match names.first() {
        Some(first) => diag.fix(end, format!(".{first}"), format!("take the split `{first}`")),
        None => diag,
    }
}

fn bad_stage(span: Span) -> Diagnostic {
    Diagnostic::error(Code(508), "this is not a stage of a pipeline").label(span, "expected `shuffle` or `batch(64)`")
}

fn unknown_stage(name: &ast::Name) -> Diagnostic {
    let diag = Diagnostic::error(Code(508), format!("there is no pipeline stage `{}`", name.text))
        .label(name.span, "unknown stage");
    match suggest(&name.text, STAGES.into_iter()) {
        None => diag.help("the stages are `shuffle`, `bucket`, `pad`, `windows`, `lanes`, `skip_bad` and `batch(n)`"),
        found => did_you_mean(diag, name.span, found),
    }
}

fn no_batch(span: Span) -> Diagnostic {
    let end = Span { start: span.end, ..span };
    Diagnostic::error(Code(509), "this pipeline makes no batches").label(span, "how many rows at a time?").fix(
        end,
        " |> batch(64)",
        "take 64 rows at a time",
    )
}

fn bad_batch(span: Span) -> Diagnostic {
    Diagnostic::error(Code(508), "a batch has at least one row").label(span, "expected a positive number")
}

fn bad_bucket(span: Span) -> Diagnostic {
    Diagnostic::error(Code(508), "`bucket` takes a dimension").label(span, "expected `bucket(by: T)`")
}

fn bad_pad(span: Span) -> Diagnostic {
    Diagnostic::error(Code(508), "`pad` takes a dimension and a multiple")
        .label(span, "expected `pad(T, multiple: 8)` with a positive number")
}

fn bad_windows(span: Span) -> Diagnostic {
    Diagnostic::error(Code(508), "`windows` takes a length and a stride")
        .label(span, "expected `windows(65, stride: 64)` with positive numbers")
}

fn bad_lanes(span: Span) -> Diagnostic {
    Diagnostic::error(Code(508), "`lanes` takes a number, the length of a window and how far windows overlap")
        .label(span, "expected `lanes(32, window: 65, overlap: 1)`")
}

fn windows_of_rows(span: Span) -> Diagnostic {
    Diagnostic::error(Code(532), "this data is not one text").label(span, "it has rows already, and no windows")
}

fn lanes_in_order(span: Span) -> Diagnostic {
    Diagnostic::error(Code(532), "lanes go through the text in order")
        .label(span, "nothing is shuffled here")
        .help("leave out `shuffle`")
}

fn beside_lanes(stage: &str, span: Span) -> Diagnostic {
    let text = if stage == "lanes" { "they were made before this stage" } else { "they are made already" };
    Diagnostic::error(Code(532), "`lanes` cuts the text and makes the batches by itself")
        .label(span, text)
        .help("leave out `batch` and `windows`: `lanes(32, window: 65)` makes batches of 32 windows of 65 units")
}

fn other_window(span: Span, window: usize, field: usize) -> Diagnostic {
    Diagnostic::error(Code(532), format!("windows of {window} do not fit the field, which has {field}"))
        .label(span, "these windows")
        .help("declare the field with a dimension, as in `tokens: i32[T]`, where pipelines differ")
}

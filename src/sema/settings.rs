//! Settings of a `train` block, top-level `let`s, and `--set`.

use super::checker::{Checker, Override};
use super::defs::{did_you_mean, suggest};
use super::model::{Goal, NonFinite, Patience, Settings, Unit};
use super::optimizer::{Choice, path_expr};
use super::scope::{Frame, Owner};
use super::value::{Callable, Value};
use crate::diag::{Code, Diagnostic};
use crate::ops::Extent;
use crate::source::Span;
use crate::syntax::ast::{self, Expr, ExprKind, Member, Setting, StringLit, UnaryOp};
use std::sync::Arc;

/// Settings that change the graph of `step`.
#[derive(Clone, Copy, Default, Debug)]
pub struct Knobs {
    pub clip_norm: Option<f64>,
    pub clip_value: Option<f64>,
    pub skip_nonfinite: bool,
    /// Batches of one step; 0 stands for 1.
    pub accumulate: u64,
}

/// Batches of one step at most.
const MOST_BATCHES: u64 = 1 << 16;

pub const SETTINGS: [&str; 13] = [
    "optimizer",
    "epochs",
    "steps",
    "seed",
    "keep",
    "stop",
    "save",
    "nonfinite",
    "clip_norm",
    "clip_value",
    "accumulate",
    "precision",
    "memory",
];

impl Checker {
    pub fn eval_settings(&mut self, members: &[Member], word: Span) -> Settings {
        let mut settings = Settings {
            epochs: None,
            steps: None,
            seed: 0,
            keep: None,
            stop: None,
            save_every: None,
            nonfinite: NonFinite::Error,
            accumulate: 1,
        };
        let mut seen: Vec<(Arc<str>, Span)> = vec![];
        for setting in self.overridden(members, word) {
            let earlier = seen.iter().find(|(n, _)| *n == setting.name.text).map(|(_, s)| *s);
            match (earlier, &setting.target) {
                (Some(first), None) => {
                    self.report(setting_twice(&setting.name, first));
                }
                (_, None) => seen.push((setting.name.text.clone(), setting.name.span)),
                (_, Some(_)) => {}
            }
            self.eval_given(&setting, members, &mut settings);
        }
        if settings.epochs.is_none() && settings.steps.is_none() && !self.train.broken_settings {
            self.report(no_end(word));
        }
        settings
    }

    /// The settings of the file with the values of `--set` in place, and those that only `--set` gives.
    fn overridden(&mut self, members: &[Member], word: Span) -> Vec<Setting> {
        let mut found: Vec<Setting> = members
            .iter()
            .filter_map(|m| match m {
                Member::Setting(s) if !s.is_let => Some(s.clone()),
                _ => None,
            })
            .collect();
        for o in &mut self.overrides {
            let Some(name) = SETTINGS.iter().find(|s| **s == o.name) else { continue };
            o.used = true;
            match found.iter_mut().find(|s| &*s.name.text == *name && s.target.is_none()) {
                Some(setting) => setting.value = literal(&o.value, setting.value.span),
                None => found.push(Setting {
                    is_let: false,
                    name: ast::Name { text: (*name).into(), span: word },
                    target: None,
                    value: literal(&o.value, word),
                    span: word,
                }),
            }
        }
        found
    }

    /// A setting whose value is from the command line is not shown as text of the file.
    fn eval_given(&mut self, setting: &Setting, members: &[Member], out: &mut Settings) {
        let before = self.diags.len();
        self.eval_setting(setting, out);
        let given = setting.target.is_none().then(|| self.overrides.iter().find(|o| *o.name == *setting.name.text));
        let Some(given) = given.flatten() else { return };
        let Some(first) = self.diags.drain(before..).next() else { return };
        let stands = members.iter().any(|m| matches!(m, Member::Setting(s) if s.name.span == setting.name.span));
        let diag = unfit_setting(given, &first, setting, stands);
        self.diags.push(diag);
    }

    fn eval_setting(&mut self, s: &Setting, out: &mut Settings) {
        let span = s.value.span;
        match &*s.name.text {
            "optimizer" => self.set_optimizer(s),
            "epochs" => out.epochs = self.count(s, u32::MAX.into()).and_then(|n| u32::try_from(n).ok()),
            "steps" => out.steps = self.count(s, u64::MAX),
            "seed" => out.seed = self.natural(s).unwrap_or(0),
            "keep" => out.keep = self.goal(s, "best", &[]).map(|(goal, _)| goal),
            "stop" => out.stop = self.patience(s),
            "save" => out.save_every = self.save(s),
            "nonfinite" => {
                let skip = self.choice(s, &["error", "skip"]) == Some(1);
                self.train.knobs.skip_nonfinite = skip;
                out.nonfinite = if skip { NonFinite::Skip } else { NonFinite::Error };
            }
            "clip_norm" => self.train.knobs.clip_norm = self.positive(s),
            "clip_value" => self.train.knobs.clip_value = self.positive(s),
            "precision" if self.choice(s, &["f32", "f32_fast", "bf16"]) == Some(0) => {}
            "accumulate" => {
                let n = self.positive_count(s, MOST_BATCHES).unwrap_or(1);
                out.accumulate = n as usize;
                self.train.knobs.accumulate = n;
            }
            "precision" | "memory" => {
                self.report(super::unsupported::setting(&s.name.text, span));
            }
            _ => {
                self.report(unknown_setting(s));
                self.train.broken_settings = true;
                // Most likely a `let` was meant.
                self.declare(&s.name, Value::Error, false);
            }
        }
    }

    fn set_optimizer(&mut self, s: &Setting) {
        let Some(choice) = self.optimizer_choice(&s.value) else {
            self.train.broken_settings = true;
            return;
        };
        match &s.target {
            None => self.train.optimizer = Some(choice),
            Some(path) => {
                for prefix in self.target_paths(&path_expr(path)) {
                    self.train.targeted.push((prefix, choice.clone()));
                }
            }
        }
    }

    /// An optimizer by expression; its state is named after the `let`, or after its definition.
    pub fn optimizer_choice(&mut self, value: &Expr) -> Option<Choice> {
        let name = match &value.kind {
            ExprKind::Name(n) => Some(n.text.clone()),
            _ => None,
        };
        match self.eval(value) {
            Value::Function(Callable::Object(object)) if &*object.def.word.text == "optimizer" => {
                let prefix = name.unwrap_or_else(|| super::call::block_name(&object.def).into());
                Some(Choice { object, prefix })
            }
            Value::Function(Callable::Constructor(block)) if &*block.word.text == "optimizer" => {
                let object = self.make_object(&block, vec![], value.span)?;
                Some(Choice { object, prefix: super::call::block_name(&block).into() })
            }
            Value::Error => None,
            other => {
                self.report(not_an_optimizer(value.span, other.describe()));
                None
            }
        }
    }

    fn natural(&mut self, s: &Setting) -> Option<u64> {
        let n = self.eval_int(&s.value)?;
        let fine = u64::try_from(n).ok();
        if fine.is_none() {
            self.report(bad_setting(s, "a number that is not negative"));
        }
        fine
    }

    /// How long the training lasts; not asked again after an error.
    fn count(&mut self, s: &Setting, most: u64) -> Option<u64> {
        let fine = self.positive_count(s, most);
        self.train.broken_settings |= fine.is_none();
        fine
    }

    /// From 1 to `most`.
    fn positive_count(&mut self, s: &Setting, most: u64) -> Option<u64> {
        let n = self.natural(s);
        if n == Some(0) {
            self.report(bad_setting(s, "a positive number"));
        }
        if n.is_some_and(|n| n > most) {
            self.report(bad_setting(s, &format!("at most {most}")));
        }
        n.filter(|n| (1..=most).contains(n))
    }

    fn positive(&mut self, s: &Setting) -> Option<f64> {
        let value = self.eval(&s.value);
        let number = super::arith::as_float(&value).filter(|v| *v > 0.0 && v.is_finite());
        if number.is_none() && !value.is_error() {
            self.report(bad_setting(s, "a positive number"));
        }
        number
    }

    /// One of a few words, by its number.
    fn choice(&mut self, s: &Setting, words: &[&str]) -> Option<usize> {
        let at = match &s.value.kind {
            ExprKind::Name(n) => words.iter().position(|w| *w == &*n.text),
            _ => None,
        };
        if at.is_none() {
            self.report(bad_setting(s, &format!("one of `{}`", words.join("`, `"))));
        }
        at
    }

    /// `best(max: accuracy)`, with the options that are not the goal.
    fn goal<'a>(&mut self, s: &'a Setting, word: &str, options: &[&str]) -> Option<(Goal, Vec<&'a ast::Arg>)> {
        let expected = format!("`{word}(min: loss)` or `{word}(max: accuracy)`");
        let parts = goal_parts(&s.value, word, options);
        if parts.is_none() {
            self.report(bad_setting(s, &expected));
        }
        parts
    }

    fn patience(&mut self, s: &Setting) -> Option<Patience> {
        let (goal, options) = self.goal(s, "patience", &["epochs"])?;
        let Some(epochs) = options.first() else {
            self.report(bad_setting(s, "`patience(min: loss, epochs: 5)`"));
            return None;
        };
        let count = self.eval_int(&epochs.value)?;
        let epochs = u32::try_from(count).ok().filter(|&n| n > 0);
        if epochs.is_none() {
            self.report(bad_setting(s, "`patience(min: loss, epochs: 5)` with at least one epoch"));
        }
        Some(Patience { goal, epochs: epochs? })
    }

    /// `every(500, steps)`
    fn save(&mut self, s: &Setting) -> Option<(u64, Unit)> {
        if let ExprKind::Call(callee, args) = &s.value.kind
            && let ExprKind::Name(word) = &callee.kind
            && &*word.text == "every"
            && let [count, ast::Arg { value: Expr { kind: ExprKind::Name(unit), .. }, .. }] = &args[..]
        {
            let n = self.eval_int(&count.value)?;
            let unit = self.unit(unit)?;
            return Some((n.max(1) as u64, unit));
        }
        self.report(bad_setting(s, "`every(500, steps)` or `every(1, epochs)`"));
        None
    }

    /// The value of a `let` of a file, with `--set` in place.
    pub fn top_level_let(&mut self, name: &Arc<str>, l: &ast::Let) -> Value {
        if let Some(value) = self.lets.get(name) {
            return value.clone();
        }
        // A value that depends on itself is an error, not a loop.
        self.lets.insert(name.clone(), Value::Error);
        let own = self.in_frame(Frame::new(Owner::None), |c| c.without_place(|c| c.eval(&l.value)));
        let given = self.defs.is_user(l.span.file).then(|| self.override_of(name)).flatten();
        let value = match given {
            Some(text) => self.override_value(name, &text, own, l.value.span),
            None => own,
        };
        self.lets.insert(name.clone(), value.clone());
        value
    }

    fn override_of(&mut self, name: &str) -> Option<String> {
        let found = self.overrides.iter_mut().find(|o| o.name == name)?;
        found.used = true;
        Some(found.value.clone())
    }

    /// The given value must be of the kind that the file has.
    fn override_value(&mut self, name: &str, text: &str, own: Value, span: Span) -> Value {
        let given = literal(text, span);
        let value = if matches!(given.kind, ExprKind::Name(_)) { Value::Str(text.into()) } else { self.eval(&given) };
        match (&own, &value) {
            (Value::Float(_), Value::Dim(d)) => d.known().map_or(Value::Error, |n| Value::Float(n as f64)),
            (Value::Float(_), Value::Float(_))
            | (Value::Dim(_), Value::Dim(_))
            | (Value::Bool(_), Value::Bool(_))
            | (Value::Str(_), Value::Str(_)) => value,
            (Value::Str(_), _) => Value::Str(text.into()),
            _ => self.report(wrong_override(name, text, own.describe(), span)),
        }
    }

    /// Every `--set` must have changed something.
    pub fn check_overrides(&mut self, lets: &[String]) {
        let unused: Vec<String> = self.overrides.iter().filter(|o| !o.used).map(|o| o.name.clone()).collect();
        for name in unused {
            if !lets.contains(&name) {
                let names = lets.iter().map(String::as_str).chain(SETTINGS);
                self.diags.push(unknown_override(&name, suggest(&name, names)));
            }
        }
    }
}

/// Whether a `let` can be given on the command line: its value is a literal. Returns it as text.
pub fn literal_text(value: &Expr) -> Option<String> {
    match &value.kind {
        ExprKind::Int(n) => Some(n.to_string()),
        ExprKind::Float(v) => Some(v.to_string()),
        ExprKind::Bool(b) => Some(b.to_string()),
        ExprKind::Str(s) => Some(s.text.to_string()),
        ExprKind::Unary(UnaryOp::Neg, x) => literal_text(x).map(|t| format!("-{t}")),
        _ => None,
    }
}

/// A value from the command line as an expression: a number, a truth value, a word, else a string.
fn literal(text: &str, span: Span) -> Expr {
    let digits = text.replace('_', "");
    let kind = if let Ok(n) = digits.parse::<i64>() {
        ExprKind::Int(n)
    } else if let Ok(v) = digits.parse::<f64>() {
        ExprKind::Float(v)
    } else if let Ok(b) = text.parse::<bool>() {
        ExprKind::Bool(b)
    } else if text.chars().all(|c| c.is_alphanumeric() || c == '_') {
        ExprKind::Name(ast::Name { text: text.into(), span })
    } else {
        ExprKind::Str(StringLit { text: text.into(), span })
    };
    Expr { kind, span }
}

fn goal_parts<'a>(value: &'a Expr, word: &str, options: &[&str]) -> Option<(Goal, Vec<&'a ast::Arg>)> {
    let ExprKind::Call(callee, args) = &value.kind else { return None };
    let ExprKind::Name(name) = &callee.kind else { return None };
    let label = |a: &ast::Arg| a.label.as_ref().map(|l| l.text.to_string()).unwrap_or_default();
    let (goals, rest): (Vec<&ast::Arg>, Vec<&ast::Arg>) =
        args.iter().partition(|a| matches!(&*label(a), "min" | "max"));
    let [goal] = goals[..] else { return None };
    let ExprKind::Name(metric) = &goal.value.kind else { return None };
    let known = rest.iter().all(|a| options.contains(&&*label(a)));
    (&*name.text == word && known).then(|| {
        let maximize = label(goal) == "max";
        (Goal { metric: metric.text.to_string(), maximize, span: metric.span }, rest)
    })
}

fn unknown_setting(s: &Setting) -> Diagnostic {
    let name = &s.name;
    let start = Span { end: name.span.start, ..name.span };
    let diag = Diagnostic::error(Code(501), format!("there is no setting `{}`", name.text)).label(name.span, "unknown");
    match suggest(&name.text, SETTINGS.into_iter()) {
        None => diag.help("to name a value, write `let` before it").fix(start, "let ", "name the value"),
        found => did_you_mean(diag, name.span, found),
    }
}

fn bad_setting(s: &Setting, expected: &str) -> Diagnostic {
    Diagnostic::error(Code(502), format!("`{}` must be {expected}", s.name.text))
        .label(s.value.span, format!("expected {expected}"))
}

fn setting_twice(name: &ast::Name, first: Span) -> Diagnostic {
    Diagnostic::error(Code(526), format!("`{}` is set twice", name.text))
        .label(name.span, "set again here")
        .label(first, "first set here")
}

fn no_end(word: Span) -> Diagnostic {
    Diagnostic::error(Code(513), "how long does the training last?")
        .label(word, "neither `epochs` nor `steps` is set")
        .help("write for example `epochs = 10`")
}

fn not_an_optimizer(span: Span, what: &str) -> Diagnostic {
    Diagnostic::error(Code(503), format!("an optimizer is needed, and this is {what}"))
        .label(span, "expected something like `adam(lr: 1e-3)`")
}

fn wrong_override(name: &str, text: &str, own: &str, span: Span) -> Diagnostic {
    Diagnostic::error(Code(517), format!("`--set {name}={text}` does not fit"))
        .label(span, format!("the file has {own} here"))
}

/// What is wrong with a setting of the command line: `first` speaks of the file.
fn unfit_setting(given: &Override, first: &Diagnostic, setting: &Setting, stands: bool) -> Diagnostic {
    let Override { name, value, .. } = given;
    let is_number = value.trim_start_matches('-').replace('_', "").bytes().all(|b| b.is_ascii_digit());
    let why = match first.code {
        Code(101) => format!("this is no value of `{name}`"),
        _ if is_number && matches!(setting.value.kind, ExprKind::Float(_)) => {
            format!("integers have 64 bits and end at {}", i64::MAX)
        }
        _ => first.message.clone(),
    };
    let place = if stands { format!("`{name}` is set here in the file") } else { "in this block".into() };
    Diagnostic::error(Code(517), format!("`--set {name}={value}`: {why}")).label(setting.name.span, place)
}

fn unknown_override(name: &str, found: Option<String>) -> Diagnostic {
    let diag = Diagnostic::error(Code(517), format!("`--set {name}`: the file has no such `let` or setting"));
    match found {
        Some(other) => diag.help(format!("did you mean `{other}`?")),
        None => diag.help("`--set` changes settings of `train` and top-level `let`s with a literal value"),
    }
}

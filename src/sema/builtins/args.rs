//! Arguments of a call, bound to the parameters of a signature.
//!
//! In a signature `x: T` is required and may stand by position, `x?: T` likewise but optional, `x: T = d` is an option
//! that calls must label, `*xs` takes all further positional arguments, `**sizes` all further labels.

use crate::ops::dim::Dim;
use crate::ops::{DType, Extent};
use crate::sema::emit::{Checked, Emit, Over, Padding, Pattern, error};
use crate::sema::value::{Call, CallArg, Value};
use crate::source::Span;
use crate::tensor::Value as Node;
use std::sync::Arc;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Required,
    Optional,
    Labelled,
    Rest,
    Labels,
}

/// Bound arguments. Accessors name the parameter; those with a default take it.
pub struct Args<'a> {
    pub span: Span,
    signature: &'static str,
    slots: Vec<(&'static str, Option<&'a CallArg>)>,
    /// What `*xs` took.
    pub rest: Vec<&'a CallArg>,
    /// What `**sizes` took.
    pub labels: Vec<(Arc<str>, &'a CallArg)>,
}

/// The parameters of a signature; commas in brackets do not separate.
fn params(signature: &'static str) -> Vec<(&'static str, Kind)> {
    let open = signature.find('(').map_or(signature.len(), |i| i + 1);
    let (mut depth, mut start, mut texts) = (0, open, vec![]);
    for (i, c) in signature.char_indices().skip_while(|(i, _)| *i < open) {
        match c {
            '(' | '[' => depth += 1,
            ')' if depth == 0 => {
                texts.push(&signature[start..i]);
                break;
            }
            ')' | ']' => depth -= 1,
            ',' if depth == 0 => {
                texts.push(&signature[start..i]);
                start = i + 1;
            }
            _ => {}
        }
    }
    texts.into_iter().map(str::trim).filter(|t| !t.is_empty()).map(param).collect()
}

fn param(text: &'static str) -> (&'static str, Kind) {
    let name = text.split([':', '=']).next().unwrap_or(text).trim();
    match name {
        _ if name.starts_with("**") => (&name[2..], Kind::Labels),
        _ if name.starts_with('*') => (&name[1..], Kind::Rest),
        _ if name.ends_with('?') => (&name[..name.len() - 1], Kind::Optional),
        _ if text.contains(" = ") => (name, Kind::Labelled),
        _ => (name, Kind::Required),
    }
}

impl<'a> Args<'a> {
    pub fn bind(signature: &'static str, call: &Call<'a>) -> Checked<Args<'a>> {
        let params = params(signature);
        let slots = params.iter().map(|(name, _)| (*name, None)).collect();
        let mut args = Args { span: call.span, signature, slots, rest: vec![], labels: vec![] };
        for arg in call.args {
            match &arg.label {
                Some((label, span)) => args.bind_label(&params, label, *span, arg)?,
                None => args.bind_position(&params, arg)?,
            }
        }
        for ((name, kind), (_, slot)) in params.iter().zip(&args.slots) {
            if *kind == Kind::Required && slot.is_none() {
                return Err(error::missing_argument(call.span, signature, name));
            }
        }
        Ok(args)
    }

    fn bind_label(&mut self, params: &[(&str, Kind)], label: &Arc<str>, at: Span, arg: &'a CallArg) -> Checked<()> {
        let named = |(name, kind): &(&str, Kind)| *name == &**label && !matches!(kind, Kind::Rest | Kind::Labels);
        match params.iter().position(named) {
            Some(i) if self.slots[i].1.is_some() => Err(error::given_twice(at, label)),
            Some(i) => {
                self.slots[i].1 = Some(arg);
                Ok(())
            }
            None if params.iter().any(|(_, kind)| *kind == Kind::Labels) => {
                self.labels.push((label.clone(), arg));
                Ok(())
            }
            None => Err(error::unknown_label(at, self.signature, label)),
        }
    }

    fn bind_position(&mut self, params: &[(&str, Kind)], arg: &'a CallArg) -> Checked<()> {
        let free = |i: &usize| match params[*i].1 {
            Kind::Required | Kind::Optional => self.slots[*i].1.is_none(),
            Kind::Rest => true,
            Kind::Labelled | Kind::Labels => false,
        };
        match (0..params.len()).find(free) {
            Some(i) if params[i].1 == Kind::Rest => self.rest.push(arg),
            Some(i) => self.slots[i].1 = Some(arg),
            None => return Err(error::unexpected_argument(arg.span, self.signature)),
        }
        Ok(())
    }

    pub fn get(&self, name: &str) -> Option<&'a CallArg> {
        self.slots.iter().find(|(n, _)| *n == name).and_then(|(_, slot)| *slot)
    }

    /// A required argument.
    pub fn need(&self, name: &str) -> Checked<&'a CallArg> {
        self.get(name).ok_or_else(|| error::missing_argument(self.span, self.signature, name))
    }

    pub fn value(&self, name: &str) -> Checked<&'a Value> {
        Ok(&self.need(name)?.value)
    }

    /// A tensor; a number becomes a scalar.
    pub fn tensor(&self, emit: &mut Emit, name: &str) -> Checked<Node> {
        emit.tensor(self.value(name)?)
    }

    /// The tensors of `*xs`, of which one may be a list.
    pub fn tensors(&self, emit: &mut Emit) -> Checked<Vec<Node>> {
        let mut nodes = vec![];
        for arg in &self.rest {
            match &arg.value {
                Value::List(items) => {
                    for item in items {
                        nodes.push(emit.tensor(item)?);
                    }
                }
                value => nodes.push(emit.tensor(value)?),
            }
        }
        if nodes.is_empty() { Err(error::missing_argument(self.span, self.signature, "xs")) } else { Ok(nodes) }
    }

    pub fn flag(&self, name: &str) -> Checked<bool> {
        match self.get(name) {
            None => Ok(false),
            Some(CallArg { value: Value::Bool(b), .. }) => Ok(*b),
            Some(arg) => Err(wrong("true or false", arg)),
        }
    }

    pub fn dim(&self, name: &str) -> Checked<Dim> {
        as_dim(&self.need(name)?.value, self.need(name)?.span)
    }

    /// A plain integer that is at least `least`.
    pub fn int(&self, name: &str, least: i64) -> Checked<i64> {
        as_int(&self.need(name)?.value, self.need(name)?.span, least)
    }

    pub fn int_or(&self, name: &str, default: i64, least: i64) -> Checked<i64> {
        if self.get(name).is_some() { self.int(name, least) } else { Ok(default) }
    }

    /// `2` or `[2, 3]`: height and width.
    pub fn pair(&self, name: &str, least: i64) -> Checked<[usize; 2]> {
        let arg = self.need(name)?;
        match &arg.value {
            Value::List(items) if items.len() == 2 => {
                Ok([as_pixels(&items[0], arg.span, least)?, as_pixels(&items[1], arg.span, least)?])
            }
            Value::List(_) => Err(wrong("an integer or a list of two", arg)),
            value => Ok([as_pixels(value, arg.span, least)?; 2]),
        }
    }

    pub fn pair_or(&self, name: &str, default: [usize; 2], least: i64) -> Checked<[usize; 2]> {
        if self.get(name).is_some() { self.pair(name, least) } else { Ok(default) }
    }

    /// A compile-time number.
    pub fn float_or(&self, name: &str, default: f64) -> Checked<f64> {
        match self.get(name) {
            None => Ok(default),
            Some(arg) => number(&arg.value).ok_or_else(|| wrong("a compile-time number", arg)),
        }
    }

    pub fn dtype_or(&self, name: &str, default: DType) -> Checked<DType> {
        match self.get(name) {
            None => Ok(default),
            Some(CallArg { value: Value::DType(d), .. }) => Ok(*d),
            Some(arg) => Err(wrong("an element type", arg)),
        }
    }

    /// A list of dimensions.
    pub fn dims(&self, name: &str) -> Checked<Vec<Dim>> {
        let arg = self.need(name)?;
        match &arg.value {
            Value::List(items) => items.iter().map(|item| as_dim(item, arg.span)).collect(),
            _ => Err(wrong("a list of dimensions", arg)),
        }
    }

    pub fn pattern(&self, name: &str) -> Checked<Pattern> {
        let arg = self.need(name)?;
        match &arg.value {
            Value::Str(text) => Ok(Pattern { text: text.clone(), span: arg.span }),
            _ => Err(wrong("a pattern in quotes", arg)),
        }
    }

    /// One axis of `shape`, counted from 0.
    pub fn axis_or(&self, name: &str, default: i64, shape: &[Dim]) -> Checked<usize> {
        match self.get(name) {
            None => normal_axis(default, shape, self.span),
            Some(arg) => as_axis(&arg.value, shape, arg.span),
        }
    }

    /// Sorted, distinct axes: a number, a dimension name, or a list of them; all where the option is absent.
    pub fn axes(&self, name: &str, shape: &[Dim]) -> Checked<Vec<usize>> {
        let Some(arg) = self.get(name) else { return Ok((0..shape.len()).collect()) };
        let mut axes = match &arg.value {
            Value::List(items) => items.iter().map(|v| as_axis(v, shape, arg.span)).collect::<Checked<Vec<_>>>()?,
            value => vec![as_axis(value, shape, arg.span)?],
        };
        axes.sort_unstable();
        match axes.windows(2).find(|w| w[0] == w[1]) {
            Some(w) => Err(error::repeated_axis(arg.span, w[0])),
            None => Ok(axes),
        }
    }

    /// The options `axis`, `keep` and `mask` of a reduction.
    pub fn over(&self, emit: &mut Emit, x: Node) -> Checked<Over> {
        let axes = self.axes("axis", &emit.shape(x))?;
        let mask = match self.get("mask") {
            None | Some(CallArg { value: Value::Bool(true), .. }) => None,
            Some(arg) => Some(emit.tensor(&arg.value)?),
        };
        Ok(Over { axes, keep: self.flag("keep")?, mask })
    }

    /// `"same" | "valid" | n | [[top, bottom], [left, right]]`; absent: valid.
    pub fn padding(&self, name: &str) -> Checked<Padding> {
        let Some(arg) = self.get(name) else { return Ok(Padding::Valid) };
        match &arg.value {
            Value::Str(s) if &**s == "same" => Ok(Padding::Same),
            Value::Str(s) if &**s == "valid" => Ok(Padding::Valid),
            Value::List(rows) if rows.len() == 2 => {
                Ok(Padding::Explicit([pad_pair(&rows[0], arg)?, pad_pair(&rows[1], arg)?]))
            }
            Value::Dim(_) => Ok(Padding::Explicit([[as_pixels(&arg.value, arg.span, 0)?; 2]; 2])),
            _ => Err(wrong("\"same\", \"valid\", a number, or [[top, bottom], [left, right]]", arg)),
        }
    }
}

pub fn wrong(expected: &str, arg: &CallArg) -> Box<crate::diag::Diagnostic> {
    error::wrong_kind(arg.span, expected, arg.value.describe())
}

/// The compile-time number that a value is.
pub fn number(value: &Value) -> Option<f64> {
    match value {
        Value::Float(v) => Some(*v),
        Value::Dim(d) => d.known().map(|n| n as f64),
        _ => None,
    }
}

fn as_dim(value: &Value, span: Span) -> Checked<Dim> {
    match value {
        Value::Dim(d) | Value::Axis { dim: d, .. } => Ok(d.clone()),
        other => Err(error::wrong_kind(span, "a compile-time integer", other.describe())),
    }
}

fn as_int(value: &Value, span: Span, least: i64) -> Checked<i64> {
    let dim = as_dim(value, span)?;
    match dim.known() {
        Some(n) if n >= least => Ok(n),
        _ => Err(error::bad_value(span, &format!("expected a known integer of at least {least}"), dim)),
    }
}

/// Largest size, stride, dilation or padding of a window: sums and products of them stay far from overflow.
pub const MOST_PIXELS: i64 = 1 << 20;

fn as_pixels(value: &Value, span: Span, least: i64) -> Checked<usize> {
    match as_int(value, span, least)? {
        n if n <= MOST_PIXELS => Ok(n as usize),
        n => Err(error::bad_value(span, &format!("expected at most {MOST_PIXELS}"), n)),
    }
}

fn normal_axis(axis: i64, shape: &[Dim], span: Span) -> Checked<usize> {
    let rank = shape.len() as i64;
    let index = if axis < 0 { axis + rank } else { axis };
    if (0..rank).contains(&index) { Ok(index as usize) } else { Err(error::axis_out_of_range(span, axis, shape)) }
}

fn as_axis(value: &Value, shape: &[Dim], span: Span) -> Checked<usize> {
    match value {
        Value::Axis { name, dim } => {
            let found: Vec<usize> = (0..shape.len()).filter(|&i| shape[i].same(dim)).collect();
            match found.as_slice() {
                [axis] => Ok(*axis),
                _ => Err(error::axis_not_found(span, name, shape, found.len())),
            }
        }
        value => normal_axis(as_int(value, span, i64::MIN)?, shape, span),
    }
}

fn pad_pair(value: &Value, arg: &CallArg) -> Checked<[usize; 2]> {
    match value {
        Value::List(pair) if pair.len() == 2 => {
            Ok([as_pixels(&pair[0], arg.span, 0)?, as_pixels(&pair[1], arg.span, 0)?])
        }
        _ => Err(wrong("[[top, bottom], [left, right]]", arg)),
    }
}

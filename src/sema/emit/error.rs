//! Diagnostics of the operations: one small constructor each.

use crate::diag::{Code, Diagnostic};
use crate::ops::dim::Dim;
use crate::ops::{DType, Extent, Type};
use crate::sema::value::Value;
use crate::source::Span;
use std::fmt::{Display, Write};

type Boxed = Box<Diagnostic>;

fn error(code: u16, message: impl Into<String>, span: Span, label: impl Into<String>) -> Diagnostic {
    Diagnostic::error(Code(code), message).label(span, label)
}

/// `[64, 28, D]`
pub fn shape_text(shape: &[Dim]) -> String {
    let mut text = String::from("[");
    for (i, d) in shape.iter().enumerate() {
        let _ = write!(text, "{}{d}", if i > 0 { ", " } else { "" });
    }
    text + "]"
}

// ── element types ──

pub fn dtypes_differ(span: Span, a: DType, b: DType) -> Boxed {
    error(250, format!("element types {a} and {b} do not mix"), span, format!("{a} meets {b} here"))
        .help(format!("nothing is converted silently: write `{a}(…)` or `{b}(…)` around one side"))
        .into()
}

pub fn literal_does_not_fit(span: Span, literal: impl Display, dtype: DType) -> Boxed {
    error(251, format!("`{literal}` is not a value of {dtype}"), span, format!("the context needs {dtype}"))
        .help(format!("convert the other side, as in `f32(x)`, or write a literal of {dtype}"))
        .into()
}

pub fn not_for_dtype(span: Span, what: &str, dtype: DType, help: &str) -> Boxed {
    error(252, format!("{what} is not defined for {dtype}"), span, format!("this is {dtype}")).help(help).into()
}

// ── arguments ──

pub fn wrong_kind(span: Span, expected: &str, found: &str) -> Boxed {
    error(253, format!("expected {expected}, found {found}"), span, format!("this is {found}")).into()
}

pub fn not_a_tensor(span: Span, value: &Value) -> Boxed {
    value.with_fields(*wrong_kind(span, "a tensor or a number", value.describe())).into()
}

pub fn missing_argument(span: Span, signature: &str, name: &str) -> Boxed {
    error(254, format!("argument `{name}` is missing"), span, "in this call").help(format!("`{signature}`")).into()
}

pub fn unexpected_argument(span: Span, signature: &str) -> Boxed {
    error(255, "one argument too many", span, "no parameter is left for this")
        .help(format!("`{signature}`; options are always labelled"))
        .into()
}

pub fn unknown_label(span: Span, signature: &str, label: &str) -> Boxed {
    error(256, format!("there is no option `{label}`"), span, "unknown").help(format!("`{signature}`")).into()
}

pub fn given_twice(span: Span, name: &str) -> Boxed {
    error(257, format!("argument `{name}` is given twice"), span, "the second one").into()
}

pub fn bad_value(span: Span, what: &str, found: impl Display) -> Boxed {
    error(258, format!("{what}, found `{found}`"), span, "this value").into()
}

// ── shapes ──

/// `axis` counts from the end (-1 is the last): broadcasting aligns shapes there.
pub fn no_broadcast(span: Span, a: &[Dim], b: &[Dim], axis: usize) -> Boxed {
    let (left, right) = (&a[a.len() - axis], &b[b.len() - axis]);
    error(
        350,
        format!("shapes {} and {} do not broadcast", shape_text(a), shape_text(b)),
        span,
        format!("axis -{axis}: `{left}` against `{right}`"),
    )
    .help("only an absent dimension or one written as 1 stretches; `x[:, _]` adds an axis")
    .into()
}

pub fn shape_rule(span: Span, message: &str, types: &[&Type<Dim>]) -> Boxed {
    let types: Vec<String> = types.iter().map(|t| t.to_string()).collect();
    error(351, message, span, format!("arguments: {}", types.join(", "))).into()
}

pub fn axis_out_of_range(span: Span, axis: i64, shape: &[Dim]) -> Boxed {
    let (text, rank) = (shape_text(shape), shape.len());
    error(352, format!("axis {axis} is out of range"), span, format!("the shape is {text}, of rank {rank}")).into()
}

/// A dimension name that fits no axis of the shape, or more than one.
pub fn axis_not_found(span: Span, name: &str, shape: &[Dim], count: usize) -> Boxed {
    let found = if count == 0 { "no axis".to_string() } else { format!("{count} axes") };
    error(352, format!("{found} of {} is `{name}`", shape_text(shape)), span, "this names an axis")
        .help("give the axis by number: `axis: -1` is the last")
        .into()
}

pub fn repeated_axis(span: Span, axis: usize) -> Boxed {
    error(352, format!("axis {axis} is given twice"), span, "these axes").into()
}

pub fn index_out_of_range(span: Span, index: &Dim, size: &Dim) -> Boxed {
    if is_below(index, 0) || is_below(&size.sub(index), 1) {
        return error(353, format!("index {index} is out of range"), span, format!("this axis has length {size}"))
            .into();
    }
    unproved(span, format!("whether index {index} lies in an axis of length {size} is not known"), size)
}

pub fn slice_out_of_range(span: Span, lo: &Dim, hi: &Dim, size: &Dim) -> Boxed {
    if [lo.clone(), hi.sub(lo), size.sub(hi)].iter().any(|d| is_below(d, 0)) {
        let message = format!("slice {lo}:{hi} does not lie in an axis of length {size}");
        return error(353, message, span, "out of range").into();
    }
    unproved(span, format!("whether slice {lo}:{hi} lies in an axis of length {size} is not known"), size)
}

fn is_below(dim: &Dim, limit: i64) -> bool {
    dim.known().is_some_and(|n| n < limit)
}

/// What depends on a length that is open.
fn unproved(span: Span, message: String, size: &Dim) -> Boxed {
    error(362, message, span, "true for some lengths, false for others")
        .help(format!("state what is known of the length: `where {size} >= …`"))
        .into()
}

pub fn too_many_indices(span: Span, given: usize, shape: &[Dim]) -> Boxed {
    error(353, format!("{given} indices for the shape {}", shape_text(shape)), span, "too many indices").into()
}

pub fn does_not_divide(span: Span, size: &Dim, parts: i64) -> Boxed {
    error(354, format!("an axis of length {size} does not split into {parts} equal parts"), span, "split here").into()
}

pub fn reshape_count(span: Span, from: &[Dim], to: &[Dim]) -> Boxed {
    error(
        355,
        format!("cannot reshape {} to {}", shape_text(from), shape_text(to)),
        span,
        "the numbers of elements differ",
    )
    .into()
}

pub fn bad_pattern(span: Span, message: impl Into<String>) -> Boxed {
    error(356, message, span, "in this pattern").into()
}

pub fn same_needs_known_extent(span: Span, extent: &Dim, stride: usize) -> Boxed {
    error(
        357,
        format!("padding \"same\" with stride {stride} needs a known extent"),
        span,
        format!("`{extent}` is not known before the program runs"),
    )
    .help("give the padding by number, as in `padding: [[0, 1], [0, 1]]`, or fix the extent")
    .into()
}

pub fn matmul_mismatch(span: Span, a: &Type<Dim>, b: &Type<Dim>, k: [&Dim; 2]) -> Boxed {
    error(358, format!("cannot multiply {a} by {b}"), span, format!("`{}` columns against `{}` rows", k[0], k[1]))
        .help("in `x @ w` the last axis of x meets the last but one of w")
        .into()
}

pub fn scalar_operand(span: Span, what: &str) -> Boxed {
    error(358, format!("{what} needs tensors of rank 1 or more"), span, "a scalar stands here").into()
}

pub fn window_too_large(span: Span, window: usize, extent: &Dim) -> Boxed {
    error(
        359,
        "the window does not fit into its input",
        span,
        format!("a window of {window} on an extent of `{extent}`, padding included"),
    )
    .help("use a smaller kernel, more padding, or (for a symbolic extent) add a `where`")
    .into()
}

pub fn expected_rank(span: Span, what: &str, rank: usize, found: &Type<Dim>) -> Boxed {
    error(360, format!("{what} must have rank {rank}"), span, format!("this is {found}")).into()
}

pub fn shapes_differ(span: Span, what: &str, a: &[Dim], b: &[Dim]) -> Boxed {
    error(361, format!("{what}: {} against {}", shape_text(a), shape_text(b)), span, "these shapes must agree").into()
}

pub fn missed_path(span: Span, by: Span) -> Boxed {
    error(
        645,
        "this gradient would miss a part",
        span,
        "what is differentiated depends on the value also from outside of the loop's body",
    )
    .label(by, "by way of this")
    .help("differentiate after the loop, or cut the dependence with `stop_gradient`")
    .into()
}

pub fn padding_counts(span: Span, length: &str, help: &str) -> Boxed {
    let message = format!("this goes over `{length}`, padding included");
    let label = format!("rows shorter than `{length}` are padded, and no mask leaves the padding out");
    padding(span, message, label, help)
}

pub fn padding_is_read(span: Span, length: &str, help: &str) -> Boxed {
    let message = format!("this begins at the end of `{length}`, in the padding of shorter rows");
    padding(span, message, format!("rows shorter than `{length}` end before"), help)
}

fn padding(span: Span, message: String, label: String, help: &str) -> Boxed {
    error(363, message, span, label).help(format!("{help}; `unmasked(x)` says that the padding counts")).into()
}

//! What can be wrong with a `scan`.

use super::carry::type_name;
use super::yields::Fault;
use crate::diag::{Code, Diagnostic};
use crate::ops::Type;
use crate::ops::dim::Dim;
use crate::sema::shapes::with_counterexample;
use crate::source::Span;
use crate::syntax::ast;

// ── what it goes through ──

pub fn not_scanned(span: Span, what: &str) -> Diagnostic {
    let diag = Diagnostic::error(Code(630), format!("a scan goes through tensors or a range, and this is {what}"))
        .label(span, format!("this is {what}"));
    if what == "an integer" { diag.help("a loop over numbers goes through a range, `scan i in 0..n`") } else { diag }
}

pub fn no_along(span: Span, found: &str) -> Diagnostic {
    Diagnostic::error(Code(630), "along which axis does this scan go?")
        .label(span, format!("this is {found}"))
        .help("name the axis after it, as in `scan x in xs along T`, or give its number")
}

pub fn along_range(along: Span, range: Span) -> Diagnostic {
    Diagnostic::error(Code(630), "a range has no axes")
        .label(along, "this names an axis")
        .label(range, "and this is a range")
}

pub fn bad_along(span: Span, what: &str) -> Diagnostic {
    Diagnostic::error(Code(630), format!("an axis is a dimension or a number, and this is {what}"))
        .label(span, "not an axis")
}

pub fn bad_range(span: Span, lo: &Dim, hi: &Dim, negative: bool) -> Diagnostic {
    let verdict = if negative { "is negative" } else { "may be negative" };
    let diag = Diagnostic::error(Code(630), format!("the length of this range, {hi} - {lo}, {verdict}"))
        .label(span, format!("from {lo} up to {hi}"));
    if negative { diag } else { diag.help(format!("state what is known: `where {hi} >= {lo}`")) }
}

pub fn no_axis(
    (along, name): (Span, &str),
    origin: Option<(Span, &Dim)>,
    (span, found): (Span, &Type<Dim>),
    count: usize,
) -> Diagnostic {
    let count = if count == 0 { "no axis".into() } else { format!("{count} axes") };
    let diag = Diagnostic::error(Code(631), format!("{count} of {} is `{name}`", type_name(found)))
        .label(span, format!("this is {}", type_name(found)))
        .label(along, format!("looked for `{name}`"));
    let diag = match origin {
        Some((at, dim)) => diag.label(at, format!("`{name}` = {dim} comes from here")),
        None => diag,
    };
    diag.help("an axis can be given by number: `along 1`, `along -1`")
}

pub fn axis_out_of_range(along: Span, axis: i64, (span, found): (Span, &Type<Dim>)) -> Diagnostic {
    Diagnostic::error(Code(631), format!("{} has no axis {axis}", type_name(found)))
        .label(span, format!("this is {}", type_name(found)))
        .label(along, "out of range")
}

pub fn unequal_lengths([(first, a), (other, b)]: [(Span, &Dim); 2]) -> Diagnostic {
    let diag = Diagnostic::error(Code(632), format!("what is scanned together has lengths {a} and {b}"))
        .label(other, format!("{b} here"))
        .label(first, format!("{a} here"));
    with_counterexample(diag, a, b)
}

// ── what it carries ──

pub fn carry_changes(
    name: &ast::Name,
    declared: Span,
    [from, to]: [&str; 2],
    types: Option<(&Type<Dim>, &Type<Dim>)>,
) -> Diagnostic {
    let diag = Diagnostic::error(Code(633), format!("`{}` begins as {from}, and the body makes it {to}", name.text))
        .label(name.span, format!("{to} is assigned here"))
        .label(declared, format!("{from} before the loop"));
    let Some((want, found)) = types else {
        return diag.help("what a scan carries keeps its type");
    };
    if want.dtype == found.dtype && want.rank() == 0 {
        let shape: Vec<String> = found.shape.iter().map(Dim::to_string).collect();
        return diag.help(format!("begin with the whole tensor: `full([{}], …)`", shape.join(", ")));
    }
    let differing = want.shape.iter().zip(&found.shape).find(|(a, b)| a != b);
    match differing.filter(|_| want.dtype == found.dtype && want.rank() == found.rank()) {
        Some((a, b)) => with_counterexample(diag, a, b),
        None => diag.help("what a scan carries keeps its type"),
    }
}

pub fn not_carried(name: &ast::Name, what: &str, declared: Span) -> Diagnostic {
    Diagnostic::error(Code(634), format!("`{}` is {what}, which a scan cannot carry", name.text))
        .label(name.span, "assigned in the body of a scan")
        .label(declared, "defined here")
        .help("only tensors go from iteration to iteration; `for` unrolls with values of any kind")
}

pub fn no_effect(span: Span, hidden: Option<&(ast::Name, Span)>) -> Diagnostic {
    let word = Span { end: span.end.min(span.start + 4), ..span };
    let diag =
        Diagnostic::error(Code(635), "this scan has no effect").label(word, "it yields nothing and changes nothing");
    match hidden {
        Some((name, outer)) => diag
            .label(name.span, format!("this is another `{}`", name.text))
            .label(*outer, "than this one")
            .help(format!("assign the outer one: `{} = …`, without `let`", name.text)),
        None => diag.help("`yield` a value in the body, or assign a `var` that is defined before the loop"),
    }
}

// ── what it yields ──

pub fn stray_yield(span: Span) -> Diagnostic {
    Diagnostic::error(Code(636), "`yield` stands outside of a scan")
        .label(span, "no scan of this function is around it")
        .help("a function gives its value as its last line")
}

pub fn yields(fault: Fault) -> Diagnostic {
    let error = |message| Diagnostic::error(Code(637), message);
    match fault {
        Fault::Twice { first, again } => error("an iteration yields twice")
            .label(again, "the second `yield`")
            .label(first, "the first")
            .help("yield several values together: `yield (a: x, b: y)`"),
        Fault::InFor(span) => error("an iteration yields more than once")
            .label(span, "this is repeated")
            .help("collect the values in a list and yield that"),
        Fault::OneBranch { yields, condition } => error("only one branch yields")
            .label(yields, "yielded only here")
            .label(condition, "under this condition")
            .help("all iterations yield values of one type; yield in each branch, or in none"),
    }
}

pub fn not_yielded(span: Span, what: &str) -> Diagnostic {
    Diagnostic::error(Code(638), format!("{what} cannot be yielded"))
        .label(span, "only tensors, and records and lists of them, are stacked")
}

pub fn value_at_end(span: Span) -> Diagnostic {
    Diagnostic::error(Code(115), "this value is not used")
        .label(span, "an iteration gives nothing but what it yields")
        .fix(Span { end: span.start, ..span }, "yield ", "yield it")
}

// ── clauses and what stands in the body ──

pub fn bad_while(span: Span, found: &str) -> Diagnostic {
    Diagnostic::error(Code(639), format!("a `while` condition is a bool scalar, and this is {found}"))
        .label(span, format!("this is {found}"))
        .help("`any(x)` and `all(x)` make one truth value of many")
}

pub fn bad_checkpoint(span: Span, n: i64) -> Diagnostic {
    Diagnostic::error(Code(640), format!("a checkpoint every {n} iterations is not possible"))
        .label(span, "a number from 1 on is needed")
}

pub fn not_in_scan(what: &str, span: Span) -> Diagnostic {
    Diagnostic::error(Code(641), format!("`{what}` does not belong in a scan"))
        .label(span, "a step does this once, not in each iteration")
        .help("yield the values, and use them after the loop")
}

//! What a scan goes through: tensors along an axis, ranges, several of them side by side.

use super::{error, tree};
use crate::ops::dim::Dim;
use crate::ops::{Binary, DType, Extent};
use crate::sema::checker::Checker;
use crate::sema::emit::Scanned;
use crate::sema::value::Value;
use crate::source::Span;
use crate::syntax::ast::{Expr, ExprKind, Pattern, Scan};
use crate::tensor;

/// The scanned values with their axes in front.
pub struct Over {
    pub length: Dim,
    /// Where results are stacked: the place of the axis in the first tensor.
    pub axis: usize,
    pub xs: Vec<Scanned>,
    items: Vec<Item>,
    /// Whether the items stand side by side in parentheses.
    several: bool,
}

enum Item {
    /// The number is the first position.
    Range(Dim),
    /// So many of the scanned tensors, put together as this value is.
    Tensors(Value),
}

/// One item before its axis is moved.
struct Given {
    item: Item,
    length: Dim,
    axis: Option<usize>,
    wholes: Vec<tensor::Value>,
    span: Span,
}

impl Checker {
    /// `None` after an error.
    pub(super) fn scan_over(&mut self, scan: &Scan) -> Option<Over> {
        let (exprs, several): (Vec<&Expr>, bool) = match &scan.over.kind {
            ExprKind::Tuple(items) => (items.iter().collect(), true),
            _ => (vec![&scan.over], false),
        };
        let given: Vec<Option<Given>> = exprs.into_iter().map(|e| self.scan_item(scan, e)).collect();
        let given: Vec<Given> = given.into_iter().collect::<Option<_>>()?;
        let first = given.first()?;
        let (length, first_span) = (first.length.clone(), first.span);
        if let Some(other) = given.iter().find(|g| !g.length.same(&length)) {
            self.report(error::unequal_lengths([(first_span, &length), (other.span, &other.length)]));
            return None;
        }
        if given.iter().all(|g| g.axis.is_none())
            && let Some(along) = &scan.along
        {
            self.report(error::along_range(along.span, first_span));
            return None;
        }
        let axis = given.iter().find_map(|g| g.axis).unwrap_or(0);
        let mut over = Over { length, axis, xs: vec![], items: vec![], several };
        for (n, item) in given.into_iter().enumerate() {
            let name = item_name(&scan.pattern, n, several);
            let parts = item.wholes.len();
            for (part, whole) in item.wholes.into_iter().enumerate() {
                let name = if parts == 1 { name.clone() } else { format!("{name}.{part}") };
                over.xs.push(Scanned { name, slice: whole, whole });
            }
            over.items.push(item.item);
        }
        Some(over)
    }

    fn scan_item(&mut self, scan: &Scan, expr: &Expr) -> Option<Given> {
        match self.without_place(|c| c.eval(expr)) {
            Value::Error => None,
            Value::Range(lo, hi) => self.scan_range(lo, &hi, expr.span),
            value @ (Value::Tensor(_) | Value::Record(_) | Value::List(_)) => self.scan_tensors(scan, value, expr),
            other => {
                self.report(error::not_scanned(expr.span, other.describe()));
                None
            }
        }
    }

    fn scan_range(&mut self, lo: Dim, hi: &Dim, span: Span) -> Option<Given> {
        let length = hi.sub(&lo);
        if !self.graph.emit.proves(&length, 0) {
            let negative = length.known().is_some();
            let diag = error::bad_range(span, &lo, hi, negative);
            if negative {
                self.report(diag)
            } else {
                self.report_open(diag)
            };
            return None;
        }
        Some(Given { item: Item::Range(lo), length, axis: None, wholes: vec![], span })
    }

    fn scan_tensors(&mut self, scan: &Scan, value: Value, expr: &Expr) -> Option<Given> {
        let Some(along) = &scan.along else {
            self.report(error::no_along(expr.span, &self.type_text(&value)));
            return None;
        };
        let wanted = self.eval_axis(along);
        let mut wholes = vec![];
        let mut first: Option<(usize, Dim)> = None;
        for leaf in tree::leaves(&value) {
            let Value::Tensor(x) = leaf else {
                if !leaf.is_error() {
                    self.report(error::not_scanned(expr.span, leaf.describe()));
                }
                return None;
            };
            let axis = self.scan_axis(&wanted, along, *x, expr)?;
            let length = self.graph.emit.shape(*x)[axis].clone();
            let (_, known) = first.get_or_insert((axis, length.clone()));
            if !known.same(&length) {
                let sides = [(expr.span, &*known), (expr.span, &length)];
                self.report(error::unequal_lengths(sides));
                return None;
            }
            wholes.push(self.move_axis(*x, axis, 0, expr.span)?);
        }
        let (axis, length) = first?;
        Some(Given { item: Item::Tensors(value), length, axis: Some(axis), wholes, span: expr.span })
    }

    /// The axis of `x` that `along` names.
    fn scan_axis(&mut self, wanted: &Value, along: &Expr, x: tensor::Value, expr: &Expr) -> Option<usize> {
        let ty = self.graph.emit.ty(x).clone();
        match wanted {
            Value::Axis { name, dim } => {
                let found = self.named_axes(x, name, dim);
                let [axis] = found[..] else {
                    let bound = self.find_dim(name);
                    let origin = bound.as_ref().map(|b| (b.span, &b.dim));
                    self.report(error::no_axis((along.span, name), origin, (expr.span, &ty), found.len()));
                    return None;
                };
                Some(axis)
            }
            Value::Dim(Dim::Const(n)) => {
                let rank = ty.rank() as i64;
                let axis = if *n < 0 { n + rank } else { *n };
                if !(0..rank).contains(&axis) {
                    self.report(error::axis_out_of_range(along.span, *n, (expr.span, &ty)));
                    return None;
                }
                Some(axis as usize)
            }
            Value::Error => None,
            other => {
                self.report(error::bad_along(along.span, other.describe()));
                None
            }
        }
    }

    /// The axes of `x` that have this name where its type was declared, or else this length.
    pub fn named_axes(&mut self, x: tensor::Value, name: &str, dim: &Dim) -> Vec<usize> {
        let declared = self.frame().declared_axes(x, name);
        if !declared.is_empty() {
            return declared;
        }
        let shape = self.graph.emit.shape(x);
        (0..shape.len()).filter(|&i| shape[i].same(dim)).collect()
    }

    pub(super) fn move_axis(&mut self, x: tensor::Value, from: usize, to: usize, at: Span) -> Option<tensor::Value> {
        let mut perm: Vec<usize> = (0..self.graph.emit.rank(x)).filter(|&a| a != from).collect();
        perm.insert(to, from);
        let moved = self.emit(at).transpose(x, &perm).map(Value::Tensor);
        match self.settle(moved) {
            Value::Tensor(x) => Some(x),
            _ => None,
        }
    }

    /// Placeholders for what an iteration sees of the scanned values, put together for the pattern.
    pub(super) fn scan_items(&mut self, over: &mut Over) -> Value {
        for x in &mut over.xs {
            x.slice = self.graph.emit.slice_placeholder(x.whole);
        }
        let mut slices = over.xs.iter().map(|x| x.slice);
        let mut values = vec![];
        for item in &over.items {
            values.push(match item {
                Item::Tensors(like) => tree::rebuild(like, &mut slices),
                Item::Range(lo) => self.position_from(lo),
            });
        }
        match (over.several, values.len()) {
            (false, 1) => values.remove(0),
            _ => Value::List(values),
        }
    }

    /// The position along the axis, counted from `lo`.
    fn position_from(&mut self, lo: &Dim) -> Value {
        let Some(position) = self.graph.emit.loops.last().map(|l| l.position) else { return Value::Error };
        if lo.known() == Some(0) {
            return Value::Tensor(position);
        }
        let emit = &mut self.graph.emit;
        let sum = emit.dim_number(lo, DType::I32).and_then(|lo| emit.zip(Binary::Add, position, lo));
        self.settle(sum.map(Value::Tensor))
    }
}

/// What the pattern calls an item.
fn item_name(pattern: &Pattern, n: usize, several: bool) -> String {
    match pattern {
        Pattern::Name(name) if !several => name.text.to_string(),
        Pattern::Tuple(parts, _) | Pattern::List(parts, _) if several => {
            parts.get(n).map_or_else(|| format!("x{n}"), |p| item_name(p, 0, false))
        }
        _ => format!("x{n}"),
    }
}
